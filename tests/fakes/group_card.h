/*
 * A card with several queues, and the peer of the stacks of several CPUs that
 * share it. The test's thread, on CPU 0, is the peer: it lets frames come to
 * any queue of the card, and looks at what each queue has sent.
 */
#ifndef TORC_TESTS_FAKES_GROUP_CARD_H
#define TORC_TESTS_FAKES_GROUP_CARD_H

#include "net/group.h"
#include "net/stack.h"
#include "tests/fakes/netbench.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { CPUS = 4, MEMORY = 16 << 20, FRAMES = 64, NO_QUEUE = 99 };

/* ---- A card with several queues ------------------------------------------ */

struct frame {
    size_t len;
    uint8_t data[PACKET_SIZE];
};

struct fifo {
    unsigned first, count;
    struct frame frame[FRAMES];
};

/* Owner: the queue's CPU. */
struct side {
    struct fifo coming, sent;
    bool is_full; /* sends nothing */
};

struct card {
    struct net_device dev;
    struct side side[CPUS];
};

static struct card *card;

static inline void fifo_add(struct fifo *fifo, const uint8_t *data, size_t len)
{
    struct frame *frame;

    assert(fifo->count < FRAMES && len <= PACKET_SIZE);
    frame = &fifo->frame[(fifo->first + fifo->count++) % FRAMES];
    frame->len = len;
    memcpy(frame->data, data, len);
}

static inline bool fifo_take(struct fifo *fifo, struct frame *out)
{
    if (fifo->count == 0)
        return false;
    *out = fifo->frame[fifo->first];
    fifo->first = (fifo->first + 1) % FRAMES;
    fifo->count--;
    return true;
}

static inline struct side *side_of(const struct net_queue *queue)
{
    struct card *its = container_of(queue->device, struct card, dev);

    return &its->side[queue->index];
}

static inline int card_start(struct net_device *dev)
{
    (void)dev;
    return 0;
}

static inline unsigned card_poll(struct net_queue *queue,
                                 struct packet *packets[], unsigned max)
{
    struct frame frame;
    unsigned count = 0;

    while (count < max && fifo_take(&side_of(queue)->coming, &frame)) {
        packets[count] = packet_get();
        assert(packets[count] != NULL);
        packet_expose(packets[count]);
        memcpy(packets[count]->data, frame.data, frame.len);
        packet_set_frame(packets[count++], 0, frame.len);
    }
    return count;
}

static inline unsigned card_send(struct net_queue *queue,
                                 struct packet *const packets[], unsigned count)
{
    uint8_t frame[PACKET_SIZE];

    if (side_of(queue)->is_full)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        size_t len = packet_read(packets[i], 0, frame, sizeof(frame));

        assert(queue->cpu == cpu_id());
        fifo_add(&side_of(queue)->sent, frame, len);
        packet_put(packets[i]);
    }
    return count;
}

static inline bool card_arm(struct net_queue *queue, bool on)
{
    return !on || side_of(queue)->coming.count == 0;
}

static const struct net_ops card_ops = {
    .start = card_start, .send = card_send, .poll = card_poll, .arm = card_arm};

static inline void card_make(unsigned queues)
{
    card = mem_alloc_aligned(sizeof(*card), _Alignof(struct card));
    memset(card, 0, sizeof(*card));
    card->dev.ops = &card_ops;
    card->dev.mtu = 1500;
    card->dev.queue_max = queues;
    memcpy(card->dev.mac, bench_mac, sizeof(bench_mac));
    assert(net_register(&card->dev) == 0);
}

/* What is done on the CPU of a queue. */
struct task {
    unsigned queue;
    struct frame frame;
    bool is_there;
};

static inline int task_come(void *arg)
{
    struct task *task = arg;

    fifo_add(&card->side[task->queue].coming, task->frame.data,
             task->frame.len);
    net_wake(&card->dev.queues[task->queue]);
    return 0;
}

static inline int task_take(void *arg)
{
    struct task *task = arg;

    task->is_there = fifo_take(&card->side[task->queue].sent, &task->frame);
    return 0;
}

static inline void come(unsigned queue, const uint8_t *frame, size_t len)
{
    struct task task = {.queue = queue};

    task.frame.len = len;
    memcpy(task.frame.data, frame, len);
    assert(remote_call(card->dev.queues[queue].cpu, task_come, &task) == 0);
}

/* ---- The peer ------------------------------------------------------------ */

static struct frame last; /* what peer_gets() has found */

static inline void arp_come(unsigned queue, uint8_t op, uint32_t target)
{
    uint8_t frame[42] = {0};

    memcpy(frame, bench_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    peer_put16(frame + 12, 0x0806);
    memcpy(frame + 14, "\0\1\x08\0\6\4\0", 7);
    frame[21] = op;
    memcpy(frame + 22, peer_mac, 6);
    peer_put32(frame + 28, PEER_ADDRESS);
    peer_put32(frame + 38, target);
    come(queue, frame, sizeof(frame));
}

/* The queue that has sent a frame within `ms`, which is in `last`; else
 * NO_QUEUE. Questions for the peer's address are answered, on queue 0. */
static inline unsigned peer_gets(unsigned ms)
{
    uint64_t end = time_ns() + ms * NS_PER_MS;

    for (; time_ns() < end; thread_sleep(NS_PER_MS / 4)) {
        for (unsigned i = 0; i < card->dev.queue_count; i++) {
            struct task task = {.queue = i};

            assert(remote_call(card->dev.queues[i].cpu, task_take, &task) == 0);
            last = task.frame;
            if (!task.is_there)
                continue;
            if (peer_get16(last.data + 12) != 0x0806 || last.data[21] != 1)
                return i;
            if (peer_get32(last.data + 38) == PEER_ADDRESS)
                arp_come(0, 2, OUR_ADDRESS);
        }
    }
    return NO_QUEUE;
}

/* A segment of `last`. */
static inline uint8_t last_flags(void)
{
    return last.data[14 + 20 + 13];
}

static inline bool last_is(uint8_t flags, unsigned len)
{
    unsigned header = (last.data[34 + 12] >> 4) * 4U;

    return last.data[14 + 9] == 6 && last_flags() == flags &&
           peer_get16(last.data + 16) == 20 + header + len;
}

static inline void segment_comes(unsigned queue, struct peer_segment segment)
{
    uint8_t frame[PACKET_SIZE];

    segment.window = 10000;
    come(queue, frame, peer_frame(frame, &segment));
}

static const unsigned all_cpus[CPUS] = {0, 1, 2, 3};
static const struct net_config config = {OUR_ADDRESS, 0xffffff00, GATEWAY};

/* All packets have come home. */
static inline bool is_home(unsigned cpus)
{
    unsigned away = 0;

    for (unsigned i = 0; i < cpus; i++)
        away += i == cpu_id() ? 0 : packet_given_count(i);
    return away == 0;
}

static inline int stack_is_right(void *arg)
{
    stack_check(stack_self());
    return is_home(*(unsigned *)arg) ? 0 : -EBUSY;
}

/* Within two seconds: who has nothing else to do may keep a packet that is to
 * go home, so all CPUs must wake now and then. */
static inline bool all_are_right(unsigned cpus)
{
    uint64_t end = time_ns() + 2 * NS_PER_S;

    for (unsigned i = 0; i < cpus;) {
        if (remote_call(i, stack_is_right, &cpus) == 0)
            i++;
        else if (time_ns() > end)
            return false;
        else
            thread_sleep(NS_PER_MS);
    }
    return true;
}

#endif
