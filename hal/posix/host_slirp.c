/*
 * libslirp behind a network card. libslirp knows one thread, so there is one
 * for it, which sleeps in poll(); frames cross in two rings, each under its
 * lock. A full ring towards the machine loses frames, as a wire does.
 */
#include "hal/posix/host_slirp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    RING_SLOTS = 4096, /* a power of two */
    BURST_MAX = 512,   /* frames taken from the machine between two polls */
    TIMER_MAX = 4,
    LISTEN_QUEUE = 1024,
    NS_PER_MS = 1000000,
};

struct slot {
    uint16_t len;
    uint8_t frame[HOST_FRAME_MAX];
};

/* Under the lock, slots[tail .. head) hold frames; both only grow. */
struct ring {
    pthread_mutex_t lock;
    uint32_t head;
    uint32_t tail;
    bool hungry; /* the taker found nothing and wants to be told */
    struct slot *slots;
};

struct timer {
    SlirpTimerCb fn;
    void *arg;
    int64_t expire_ms; /* 0: not set */
};

struct host_slirp {
    Slirp *slirp;
    pthread_t thread;
    int wake; /* eventfd */
    int irq;
    atomic_bool stop;
    struct ring to_machine;
    struct ring from_machine;
    /* the thread's only: */
    struct pollfd *polls;
    unsigned poll_count;
    unsigned poll_room;
    struct timer timers[TIMER_MAX];
    uint8_t frame[HOST_FRAME_MAX];
};

/* ---- Rings --------------------------------------------------------------- */

static int ring_open(struct ring *ring)
{
    ring->slots = host_memory_map(RING_SLOTS * sizeof(struct slot), 4096, 0);
    if (ring->slots == NULL)
        return -ENOMEM;
    ring->hungry = true;
    pthread_mutex_init(&ring->lock, NULL);
    return 0;
}

static void ring_close(struct ring *ring)
{
    if (ring->slots == NULL)
        return;
    host_memory_unmap(ring->slots, RING_SLOTS * sizeof(struct slot));
    pthread_mutex_destroy(&ring->lock);
}

/* Returns 0, -EAGAIN when full; *tell whether the taker wants to be told. */
static int ring_push(struct ring *ring, const void *frame, size_t len,
                     bool *tell)
{
    int err = -EAGAIN;

    *tell = false;
    pthread_mutex_lock(&ring->lock);
    if (ring->head - ring->tail < RING_SLOTS) {
        struct slot *slot = &ring->slots[ring->head % RING_SLOTS];

        slot->len = (uint16_t)len;
        memcpy(slot->frame, frame, len);
        ring->head++;
        *tell = ring->hungry;
        ring->hungry = false;
        err = 0;
    }
    pthread_mutex_unlock(&ring->lock);
    return err;
}

/* Returns the length, -EAGAIN (and will tell), -EMSGSIZE (dropped). */
static int ring_pop(struct ring *ring, void *buf, size_t size)
{
    int got = -EAGAIN;

    pthread_mutex_lock(&ring->lock);
    if (ring->head != ring->tail) {
        const struct slot *slot = &ring->slots[ring->tail % RING_SLOTS];

        got = slot->len <= size ? slot->len : -EMSGSIZE;
        if (got > 0)
            memcpy(buf, slot->frame, slot->len);
        ring->tail++;
    } else {
        ring->hungry = true;
    }
    pthread_mutex_unlock(&ring->lock);
    return got;
}

static void thread_wake(struct host_slirp *net)
{
    static const uint64_t one = 1;

    while (write(net->wake, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

int host_slirp_send(struct host_slirp *net, const void *frame, size_t len)
{
    bool tell;
    int err = ring_push(&net->from_machine, frame, len, &tell);

    if (tell)
        thread_wake(net);
    return err;
}

int host_slirp_recv(struct host_slirp *net, void *buf, size_t size)
{
    return ring_pop(&net->to_machine, buf, size);
}

/* ---- What libslirp calls ------------------------------------------------- */

static int64_t now_ns(void *opaque)
{
    struct timespec now;

    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static ssize_t frame_out(const void *frame, size_t len, void *opaque)
{
    struct host_slirp *net = opaque;
    bool tell;

    if (len <= HOST_FRAME_MAX &&
        ring_push(&net->to_machine, frame, len, &tell) == 0 && tell)
        machine_irq_raise(net->irq);
    return (ssize_t)len;
}

/* What the machine sends is its own affair. */
static void error_ignore(const char *text, void *opaque)
{
    (void)text, (void)opaque;
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
    struct host_slirp *net = opaque;

    for (unsigned i = 0; i < TIMER_MAX; i++) {
        struct timer *timer = &net->timers[i];

        if (timer->fn != NULL)
            continue;
        timer->fn = fn;
        timer->arg = arg;
        timer->expire_ms = 0;
        return timer;
    }
    host_complain("libslirp wants more than %d timers", TIMER_MAX);
    host_abort();
}

static void timer_free(void *timer, void *opaque)
{
    (void)opaque;
    ((struct timer *)timer)->fn = NULL;
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    (void)opaque;
    ((struct timer *)timer)->expire_ms = expire_ms;
}

static void fd_ignore(int fd, void *opaque)
{
    (void)fd, (void)opaque;
}

/* The thread polls again anyway after each burst. */
static void notify_ignore(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = frame_out,
    .guest_error = error_ignore,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = fd_ignore,
    .unregister_poll_fd = fd_ignore,
    .notify = notify_ignore,
};

/* ---- The thread ---------------------------------------------------------- */

static const struct {
    int slirp;
    short host;
} event_names[] = {
    {SLIRP_POLL_IN, POLLIN},   {SLIRP_POLL_OUT, POLLOUT},
    {SLIRP_POLL_PRI, POLLPRI}, {SLIRP_POLL_ERR, POLLERR},
    {SLIRP_POLL_HUP, POLLHUP},
};

enum { EVENT_NAMES = sizeof(event_names) / sizeof(event_names[0]) };

/* Returns the index, or -1, by which libslirp leaves the socket out. */
static int poll_add(int fd, int events, void *opaque)
{
    struct host_slirp *net = opaque;
    struct pollfd *poll;

    if (net->poll_count == net->poll_room) {
        unsigned room = net->poll_room * 2 + 64;

        poll = realloc(net->polls, room * sizeof(*poll));
        if (poll == NULL)
            return -1;
        net->polls = poll;
        net->poll_room = room;
    }
    poll = &net->polls[net->poll_count];
    poll->fd = fd;
    poll->events = 0;
    poll->revents = 0;
    for (unsigned i = 0; i < EVENT_NAMES; i++)
        if ((events & event_names[i].slirp) != 0)
            poll->events |= event_names[i].host;
    return (int)net->poll_count++;
}

static int poll_events(int index, void *opaque)
{
    const struct host_slirp *net = opaque;
    int events = 0;

    if (index < 0 || (unsigned)index >= net->poll_count)
        return 0;
    for (unsigned i = 0; i < EVENT_NAMES; i++)
        if ((net->polls[index].revents & event_names[i].host) != 0)
            events |= event_names[i].slirp;
    return events;
}

/* Run what is due; returns how many ms until the next, UINT32_MAX for never. */
static uint32_t timers_run(struct host_slirp *net)
{
    int64_t now = now_ns(NULL) / NS_PER_MS;
    uint32_t next = UINT32_MAX;

    for (unsigned i = 0; i < TIMER_MAX; i++) {
        struct timer *timer = &net->timers[i];

        if (timer->fn == NULL || timer->expire_ms == 0)
            continue;
        if (timer->expire_ms <= now) {
            timer->expire_ms = 0;
            timer->fn(timer->arg);
        } else if (timer->expire_ms - now < next) {
            next = (uint32_t)(timer->expire_ms - now);
        }
    }
    return next;
}

/* Whether there may be more. */
static bool frames_in(struct host_slirp *net)
{
    for (unsigned i = 0; i < BURST_MAX; i++) {
        int len = ring_pop(&net->from_machine, net->frame, sizeof(net->frame));

        if (len == -EAGAIN)
            return false;
        if (len > 0)
            slirp_input(net->slirp, net->frame, len);
    }
    return true;
}

static void sockets_wait(struct host_slirp *net, bool more)
{
    uint32_t timeout = timers_run(net);
    uint64_t count;
    int ready;

    net->poll_count = 0;
    (void)poll_add(net->wake, SLIRP_POLL_IN, net);
    slirp_pollfds_fill(net->slirp, &timeout, poll_add, net);
    if (more)
        timeout = 0;
    ready = poll(net->polls, net->poll_count,
                 timeout > INT32_MAX ? -1 : (int)timeout);
    slirp_pollfds_poll(net->slirp, ready < 0, poll_events, net);
    if (ready > 0 && net->polls[0].revents != 0 &&
        read(net->wake, &count, sizeof(count)) < 0 && errno != EAGAIN &&
        errno != EINTR)
        host_abort();
}

static void *slirp_main(void *arg)
{
    struct host_slirp *net = arg;

    while (!atomic_load(&net->stop))
        sockets_wait(net, frames_in(net));
    return NULL;
}

/* ---- Open and close ------------------------------------------------------ */

static struct in_addr address(uint32_t host_order)
{
    struct in_addr in = {.s_addr = htonl(host_order)};

    return in;
}

static int forward_open(struct host_slirp *net,
                        const struct host_forward *forward)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr host = address(forward->host_address);

    if (slirp_add_hostfwd(net->slirp, forward->udp, host, forward->host_port,
                          address(forward->guest_address),
                          forward->guest_port) == 0)
        return 0;
    inet_ntop(AF_INET, &host, text, sizeof(text));
    host_complain("cannot listen on %s port %s:%u: %s",
                  forward->udp ? "udp" : "tcp", text, forward->host_port,
                  strerror(errno));
    return -EADDRINUSE;
}

/*
 * libslirp listens with a queue of one: of many clients at once most would wait
 * seconds for their second try. Listening again only makes the queue longer.
 */
static int queue_widen(int fd, int events, void *opaque)
{
    int listens = 0;
    socklen_t size = sizeof(listens);

    (void)events, (void)opaque;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
        listens != 0 && listen(fd, LISTEN_QUEUE) != 0)
        host_complain("a short queue for connections: %s", strerror(errno));
    return 0;
}

static int slirp_open(struct host_slirp *net,
                      const struct host_net_config *config)
{
    const SlirpConfig slirp = {
        .version = 1,
        .in_enabled = true,
        .vnetwork = address(0x0a000200),
        .vnetmask = address(0xffffff00),
        .vhost = address(0x0a000202),
        .vdhcp_start = address(0x0a00020f),
        .vnameserver = address(0x0a000203),
    };
    uint32_t timeout_ms = 0;
    int err;

    net->slirp = slirp_new(&slirp, &callbacks, net);
    if (net->slirp == NULL) {
        host_complain("libslirp does not start");
        return -EIO;
    }
    for (unsigned i = 0; i < config->forward_count; i++) {
        err = forward_open(net, &config->forward[i]);
        if (err != 0)
            return err;
    }
    slirp_pollfds_fill(net->slirp, &timeout_ms, queue_widen, net);
    err = pthread_create(&net->thread, NULL, slirp_main, net);
    if (err != 0)
        host_complain("no thread for --net user: %s", strerror(err));
    return err;
}

static void slirp_free(struct host_slirp *net)
{
    if (net->slirp != NULL)
        slirp_cleanup(net->slirp);
    if (net->wake >= 0)
        close(net->wake);
    ring_close(&net->to_machine);
    ring_close(&net->from_machine);
    free(net->polls);
    free(net);
}

struct host_slirp *host_slirp_open(const struct host_net_config *config,
                                   int irq)
{
    struct host_slirp *net = calloc(1, sizeof(*net));

    if (net == NULL) {
        host_complain("no memory for --net user");
        return NULL;
    }
    net->irq = irq;
    net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (net->wake < 0 || ring_open(&net->to_machine) != 0 ||
        ring_open(&net->from_machine) != 0) {
        host_complain("no memory for --net user");
        slirp_free(net);
        return NULL;
    }
    if (slirp_open(net, config) != 0) {
        slirp_free(net);
        return NULL;
    }
    return net;
}

void host_slirp_close(struct host_slirp *net)
{
    atomic_store(&net->stop, true);
    thread_wake(net);
    pthread_join(net->thread, NULL);
    slirp_free(net);
}
