/*
 * A bad cable: forwards Ethernet frames between two interfaces of Linux, and
 * on the way limits the rate, delays, loses, doubles and reorders them, each
 * direction by a seed of its own. tools/bench_net.sh puts it between a client
 * and the stack that is measured.
 *
 *   forward END END [KEY=NUMBER]...
 *
 * END is tap:NAME (a tap that is made) or raw:NAME (an interface that is
 * there). KEY is one of those in `keys` below. Frames that are not IPv4 pass
 * unharmed, so that ARP does not decide what TCP is measured for. Prints
 * "ready", and at SIGTERM what has become of the frames.
 */
#include "tests/bench/link_end.h"
#include <errno.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_MAX = 1536,
    FRAMES = 65536, /* under way */
    BURST = 64,     /* frames read in a row */
    FULL = 1514,    /* bytes of a full frame: the queue is so long in time */
};

static struct {
    const char *name;
    uint64_t value;
} keys[] = {
    {"seed", 1},
    {"delay", 0},    /* us, one way */
    {"rate", 0},     /* Mbit/s; 0: no limit */
    {"queue", 1000}, /* frames that wait for the rate */
    {"loss", 0},     /* of 10,000 frames */
    {"twice", 0},
    {"reorder", 0},         /* of 10,000: late by "late" */
    {"late", 1000},         /* us */
    {"largest", FRAME_MAX}, /* bytes of a datagram that passes */
};
enum { SEED, DELAY, RATE, QUEUE, LOSS, TWICE, REORDER, LATE, LARGEST, KEYS };

struct frame {
    uint64_t due; /* ns */
    uint64_t serial;
    unsigned to; /* end */
    uint32_t len;
    uint8_t data[FRAME_MAX];
};

static struct end {
    int fd;
    uint64_t random;
    uint64_t free_at; /* ns: the last bit of all that came from here has left */
    uint64_t came, lost, doubled, reordered, overflowed, vanished;
} ends[2];

static struct frame *heap[FRAMES]; /* the earliest first */
static unsigned heap_count;
static struct frame *spare[FRAMES];
static unsigned spare_count;
static uint64_t serial;
static volatile sig_atomic_t is_over;

/* xorshift64*; true in `share` of 10,000 cases. */
static bool chance(struct end *end, uint64_t share)
{
    end->random ^= end->random >> 12;
    end->random ^= end->random << 25;
    end->random ^= end->random >> 27;
    return (end->random * UINT64_C(0x2545f4914f6cdd1d) >> 32) * 10000 >> 32 <
           share;
}

/* ---- Frames under way ---------------------------------------------------- */

static bool before(const struct frame *a, const struct frame *b)
{
    return a->due < b->due || (a->due == b->due && a->serial < b->serial);
}

static void heap_add(struct frame *frame)
{
    unsigned at = heap_count++;

    for (; at > 0 && before(frame, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = frame;
}

static struct frame *heap_take(void)
{
    struct frame *first = heap[0], *last = heap[--heap_count];
    unsigned at = 0, child;

    while ((child = 2 * at + 1) < heap_count) {
        if (child + 1 < heap_count && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static struct frame *frame_get(void)
{
    struct frame *frame;

    if (spare_count > 0)
        return spare[--spare_count];
    frame = malloc(sizeof(*frame));
    if (frame == NULL)
        link_die("memory");
    return frame;
}

/* When the frame has left the bottleneck; 0: its queue is full. */
static uint64_t pass_bottleneck(struct end *end, uint32_t len, uint64_t now)
{
    uint64_t bit_ps = keys[RATE].value == 0 ? 0 : 1000000 / keys[RATE].value;
    uint64_t most = keys[QUEUE].value * FULL * 8 * bit_ps / 1000;

    if (end->free_at < now)
        end->free_at = now;
    if (end->free_at - now > most) {
        end->overflowed++;
        return 0;
    }
    end->free_at += len * 8 * bit_ps / 1000;
    return end->free_at;
}

static void depart(struct end *end, struct frame *frame, uint64_t due)
{
    frame->due = due + keys[DELAY].value * 1000;
    frame->serial = serial++;
    if (chance(end, keys[REORDER].value)) {
        frame->due += keys[LATE].value * 1000;
        end->reordered++;
    }
    heap_add(frame);
}

/* A frame has come from `end`. */
static void forward(struct end *end, struct frame *frame, uint64_t now)
{
    bool is_ip =
        frame->len >= 14 && frame->data[12] == 8 && frame->data[13] == 0;
    struct frame *twin;
    uint64_t due = now;

    end->came++;
    frame->to = end == &ends[0];
    if (!is_ip) {
        frame->due = now + keys[DELAY].value * 1000;
        frame->serial = serial++;
        heap_add(frame);
        return;
    }
    if (frame->len > keys[LARGEST].value + ETH_HLEN) {
        end->vanished++;
        spare[spare_count++] = frame;
        return;
    }
    due = pass_bottleneck(end, frame->len, now);
    if (due == 0 || chance(end, keys[LOSS].value) || heap_count + 2 >= FRAMES) {
        end->lost += due != 0;
        spare[spare_count++] = frame;
        return;
    }
    if (chance(end, keys[TWICE].value)) {
        twin = frame_get();
        memcpy(twin, frame, offsetof(struct frame, data) + frame->len);
        depart(end, twin, due);
        end->doubled++;
    }
    depart(end, frame, due);
}

static void take(struct end *end, uint64_t now)
{
    for (unsigned i = 0; i < BURST; i++) {
        struct frame *frame = frame_get();
        ssize_t len = read(end->fd, frame->data, FRAME_MAX);

        if (len <= 0) {
            spare[spare_count++] = frame;
            return;
        }
        frame->len = (uint32_t)len;
        forward(end, frame, now);
    }
}

static void deliver(uint64_t now)
{
    while (heap_count > 0 && heap[0]->due <= now) {
        struct frame *frame = heap_take();

        if (write(ends[frame->to].fd, frame->data, frame->len) < 0 &&
            errno != EAGAIN && errno != ENOBUFS && errno != EIO &&
            errno != ENETDOWN)
            link_die("write");
        spare[spare_count++] = frame;
    }
}

/* ---- The loop ------------------------------------------------------------ */

static void stop(int signal)
{
    (void)signal;
    is_over = 1;
}

static void wait_for_frames(void)
{
    struct pollfd fds[2] = {{ends[0].fd, POLLIN, 0}, {ends[1].fd, POLLIN, 0}};
    uint64_t now = link_now_ns();
    uint64_t wait = 100000000;
    struct timespec limit;

    if (heap_count > 0)
        wait = heap[0]->due > now ? heap[0]->due - now : 0;
    limit = (struct timespec){(time_t)(wait / 1000000000),
                              (long)(wait % 1000000000)};
    (void)ppoll(fds, 2, &limit, NULL);
}

static void parse(const char *text)
{
    for (unsigned i = 0; i < KEYS; i++) {
        size_t len = strlen(keys[i].name);

        if (strncmp(text, keys[i].name, len) == 0 && text[len] == '=') {
            keys[i].value = strtoull(text + len + 1, NULL, 10);
            return;
        }
    }
    errno = EINVAL;
    link_die(text);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: forward END END [KEY=NUMBER]...\n");
        return 2;
    }
    for (int i = 3; i < argc; i++)
        parse(argv[i]);
    for (unsigned i = 0; i < 2; i++) {
        ends[i].fd = link_open(argv[i + 1]);
        ends[i].random =
            (keys[SEED].value * 2 + i) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
    signal(SIGTERM, stop);
    printf("ready\n");
    fflush(stdout);
    while (!is_over) {
        uint64_t now;

        wait_for_frames();
        now = link_now_ns();
        take(&ends[0], now);
        take(&ends[1], now);
        deliver(link_now_ns());
    }
    for (unsigned i = 0; i < 2; i++)
        printf("from %s: came %lu lost %lu overflowed %lu doubled %lu "
               "reordered %lu vanished %lu\n",
               argv[i + 1], ends[i].came, ends[i].lost, ends[i].overflowed,
               ends[i].doubled, ends[i].reordered, ends[i].vanished);
    return 0;
}
