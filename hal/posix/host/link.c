/*
 * Wires inside the process, and cards on them: link.h. A wire is two lines
 * (line.h) under a lock. Whoever waits for a frame that takes time is told by
 * the timer (link_timer.h).
 */
#include "hal/posix/host/link.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/host/link_timer.h"
#include "hal/posix/host/net_internal.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <torc/assert.h>

enum { LINKS_MAX = 2 * HOST_NET_MAX };

struct link_end {
    /* constant while it is attached: */
    struct link *link;
    void (*tell)(void *arg);
    void *arg;
    uint32_t frame_max;
    /* under the lock of the wire: */
    bool attached;
    bool hungry;      /* it wants to be told of a frame */
    bool starved;     /* it wants to be told of room */
    struct line line; /* for what it sends; stays until both ends are gone */
};

static struct link {
    /* under the lock of all: */
    char name[HOST_LINK_NAME_MAX];
    unsigned end_count;
    bool has_lock;
    /* under its own: */
    pthread_mutex_t lock;
    struct link_end ends[2];
} links[LINKS_MAX];

/* Attaching and detaching: one at a time, and the thread is not disturbed. The
 * locks are taken in this order, that of a wire last. */
static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned attached_count; /* under the first one */

static struct link_end *other_of(struct link_end *end)
{
    return end == &end->link->ends[0] ? &end->link->ends[1]
                                      : &end->link->ends[0];
}

/* ---- Frames that take time ----------------------------------------------- */

/* Tell the end if a frame has come. Returns when the next one does, while it
 * waits for that. The lock is held. */
static uint64_t end_look(struct link_end *end, uint64_t now_ns)
{
    uint64_t next;

    if (!end->attached || !end->hungry)
        return LINE_NEVER;
    next = line_next(&other_of(end)->line);
    if (next > now_ns)
        return next;
    end->hungry = false;
    end->tell(end->arg);
    return LINE_NEVER;
}

static uint64_t links_look(void)
{
    uint64_t now_ns = host_time_ns();
    uint64_t next = LINE_NEVER;

    pthread_mutex_lock(&all_lock);
    for (unsigned i = 0; i < LINKS_MAX; i++) {
        if (links[i].end_count == 0)
            continue;
        pthread_mutex_lock(&links[i].lock);
        for (unsigned k = 0; k < 2; k++) {
            uint64_t at = end_look(&links[i].ends[k], now_ns);

            if (at < next)
                next = at;
        }
        pthread_mutex_unlock(&links[i].lock);
    }
    pthread_mutex_unlock(&all_lock);
    return next;
}

/* ---- Attaching ----------------------------------------------------------- */

/* The wire of that name, or a new one, or NULL. The lock of all is held. */
static struct link *link_find(const char *name)
{
    struct link *free_one = NULL;

    for (unsigned i = 0; i < LINKS_MAX; i++) {
        if (links[i].end_count == 0)
            free_one = &links[i];
        else if (strcmp(links[i].name, name) == 0)
            return &links[i];
    }
    if (free_one == NULL)
        return NULL;
    snprintf(free_one->name, sizeof(free_one->name), "%s", name);
    if (!free_one->has_lock)
        pthread_mutex_init(&free_one->lock, NULL);
    free_one->has_lock = true;
    memset(free_one->ends, 0, sizeof(free_one->ends));
    for (unsigned i = 0; i < 2; i++)
        free_one->ends[i].link = free_one;
    return free_one;
}

static int end_open(struct link *link, const struct host_line_config *config,
                    uint32_t frame_max, struct link_end **out)
{
    unsigned which = link->ends[0].attached;
    struct link_end *end = &link->ends[which];
    int err = attached_count == 0 ? link_timer_open(links_look) : 0;

    if (err != 0)
        return err;
    pthread_mutex_lock(&link->lock);
    line_close(&end->line); /* of who was here before */
    err = line_open(&end->line, config, frame_max, which);
    pthread_mutex_unlock(&link->lock);
    *out = end;
    return err;
}

int link_end_attach(const char *name, const struct host_line_config *config,
                    uint32_t frame_max, void (*tell)(void *arg), void *arg,
                    struct link_end **out)
{
    struct link *link;
    struct link_end *end;
    int err = 0;

    pthread_mutex_lock(&life_lock);
    pthread_mutex_lock(&all_lock);
    link = link_find(name);
    if (link == NULL)
        err = -ENFILE;
    else if (link->end_count == 2)
        err = -EBUSY;
    if (err == 0)
        err = end_open(link, config, frame_max, &end);
    if (err == 0) {
        attached_count++;
        link->end_count++;
        pthread_mutex_lock(&link->lock);
        end->tell = tell;
        end->arg = arg;
        end->frame_max = frame_max;
        end->hungry = end->starved = false;
        end->attached = true;
        if (other_of(end)->attached)
            other_of(end)->tell(other_of(end)->arg);
        pthread_mutex_unlock(&link->lock);
        *out = end;
    }
    pthread_mutex_unlock(&all_lock);
    if (err != 0 && attached_count == 0)
        link_timer_close(); /* does nothing when it is not there */
    pthread_mutex_unlock(&life_lock);
    return err;
}

void link_end_detach(struct link_end *end)
{
    struct link *link = end->link;

    pthread_mutex_lock(&life_lock);
    pthread_mutex_lock(&all_lock);
    pthread_mutex_lock(&link->lock);
    assert(end->attached);
    end->attached = false;
    line_clear(&other_of(end)->line);
    if (other_of(end)->attached)
        other_of(end)->tell(other_of(end)->arg);
    pthread_mutex_unlock(&link->lock);
    if (--link->end_count == 0) {
        line_close(&link->ends[0].line);
        line_close(&link->ends[1].line);
    }
    pthread_mutex_unlock(&all_lock);
    if (--attached_count == 0)
        link_timer_close();
    pthread_mutex_unlock(&life_lock);
}

/* ---- Frames -------------------------------------------------------------- */

int link_end_send(struct link_end *end, const struct host_frame *frame)
{
    struct link_end *to = other_of(end);
    uint64_t now_ns = host_time_ns();
    uint64_t next = LINE_NEVER;
    int err = 0;

    if (frame->len > end->frame_max)
        return -EMSGSIZE;
    pthread_mutex_lock(&end->link->lock);
    if (to->attached) { /* else it is lost */
        err = line_push(&end->line, now_ns, frame);
        end->starved |= err != 0;
        next = end_look(to, now_ns);
    }
    pthread_mutex_unlock(&end->link->lock);
    link_timer_tell(next);
    return err;
}

int link_end_recv(struct link_end *end, struct host_frame *frame)
{
    struct link_end *from = other_of(end);
    int err = -EAGAIN;

    pthread_mutex_lock(&end->link->lock);
    if (from->line.slots != NULL)
        err = line_pop(&from->line, host_time_ns(), frame);
    if (err != -EAGAIN && from->starved && from->attached &&
        from->line.count <= LINE_FRAMES / 2) {
        from->starved = false;
        from->tell(from->arg);
    }
    pthread_mutex_unlock(&end->link->lock);
    return err == 0 && frame->len > end->frame_max ? -EMSGSIZE : err;
}

bool link_end_arm(struct link_end *end)
{
    struct link_end *from = other_of(end);
    uint64_t now_ns = host_time_ns();
    uint64_t next = LINE_NEVER;

    pthread_mutex_lock(&end->link->lock);
    if (from->line.slots != NULL)
        next = line_next(&from->line);
    end->hungry = next > now_ns;
    pthread_mutex_unlock(&end->link->lock);
    if (next <= now_ns)
        return false;
    link_timer_tell(next);
    return true;
}

bool link_end_up(struct link_end *end)
{
    bool up;

    pthread_mutex_lock(&end->link->lock);
    up = other_of(end)->attached;
    pthread_mutex_unlock(&end->link->lock);
    return up;
}

struct line_stats link_end_stats(struct link_end *end)
{
    struct line_stats stats;

    pthread_mutex_lock(&end->link->lock);
    stats = end->line.stats;
    pthread_mutex_unlock(&end->link->lock);
    return stats;
}

/* ---- Cards --------------------------------------------------------------- */

enum { NO_IRQ = -1 };

/* Of the units of this kind. */
static struct card {
    struct link_end *end;
    atomic_int irq; /* NO_IRQ: the queue is not open */
} cards[HOST_NET_MAX];

static void card_tell(void *arg)
{
    struct card *card = arg;
    int irq = atomic_load(&card->irq);

    if (irq != NO_IRQ)
        machine_irq_raise(irq);
}

static int card_open(unsigned unit, const struct host_net_config *config,
                     unsigned queue_max, struct host_net_info *info)
{
    struct card *card = &cards[unit];
    int err;

    (void)queue_max;
    if (config->mtu != 0)
        info->mtu = config->mtu;
    info->frame_max = (uint32_t)info->mtu + HOST_ETHER;
    atomic_store(&card->irq, NO_IRQ);
    err = link_end_attach(config->link, &config->line, info->frame_max,
                          card_tell, card, &card->end);
    if (err == -EBUSY)
        host_complain("the link '%s' has two ends already", config->link);
    else if (err != 0)
        host_complain("cannot make the link '%s': %s", config->link,
                      strerror(-err));
    return err;
}

static void card_close(unsigned unit)
{
    link_end_detach(cards[unit].end);
}

static bool card_link(unsigned unit)
{
    return link_end_up(cards[unit].end);
}

static int card_queue_open(unsigned unit, unsigned queue, unsigned cpu, int irq)
{
    (void)queue;
    (void)cpu;
    atomic_store(&cards[unit].irq, irq);
    return 0;
}

static int card_send(unsigned unit, unsigned queue,
                     const struct host_frame *frame)
{
    (void)queue;
    return link_end_send(cards[unit].end, frame);
}

static int card_recv(unsigned unit, unsigned queue, struct host_frame *frame)
{
    (void)queue;
    return link_end_recv(cards[unit].end, frame);
}

static bool card_arm(unsigned unit, unsigned queue, bool on)
{
    (void)queue;
    return !on || link_end_arm(cards[unit].end);
}

const struct net_kind net_link = {
    .open = card_open,
    .close = card_close,
    .link = card_link,
    .queue_open = card_queue_open,
    .send = card_send,
    .recv = card_recv,
    .arm = card_arm,
};
