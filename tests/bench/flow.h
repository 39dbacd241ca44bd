/*
 * The rule all queues of the slot rows are measured under, C and C++.
 *
 * There are FLOW_OBJECTS objects of 32 bytes, as large as a message of Torc's
 * channels (link, function, channel, value), used in turn. The
 * producer writes a value into the object, the consumer adds it up. The
 * producer must not reuse an object before it was consumed: the consumer
 * publishes how many it has consumed each FLOW_ACK objects, and the producer
 * reads that only when it has run out of objects. So there is one rule for
 * everybody, it costs next to nothing, and no queue is stopped by its own size.
 */
#ifndef TORC_TESTS_BENCH_FLOW_H
#define TORC_TESTS_BENCH_FLOW_H

#include "tests/bench/bench.h"
#include <stdbool.h>
#include <stdint.h>

enum { FLOW_OBJECTS = 2048, FLOW_ACK = 128, FLOW_RING = 1024 };

struct flow_object {
    void *room[2]; /* struct exchange_item of Torc; unused by the others */
    void (*handle)(struct flow_object *object); /* what the others call */
    uint64_t value;
} __attribute__((aligned(32)));

struct flow {
    uint64_t acked BENCH_LINE; /* consumer to producer */
    /* the producer's: */
    uint64_t sent BENCH_LINE;
    uint64_t acked_seen;
    /* the consumer's: */
    uint64_t taken BENCH_LINE;
    uint64_t taken_acked;
    uint64_t sum;
};

#ifdef __cplusplus
extern "C" {
#endif

/* pair.c */
extern struct flow flow;
extern struct flow_object flow_objects[FLOW_OBJECTS];

/*
 * pair_run() with a fresh flow; afterwards the values must have added up to
 * those of 0 .. count-1, else the process ends.
 */
uint64_t flow_run(void (*producer)(uint64_t), void (*consumer)(uint64_t),
                  uint64_t count);

#ifdef __cplusplus
}
#endif

/* Whether `n` more objects are free. */
static inline bool flow_room(uint64_t n)
{
    if (flow.sent + n - flow.acked_seen <= FLOW_OBJECTS)
        return true;
    flow.acked_seen = __atomic_load_n(&flow.acked, __ATOMIC_ACQUIRE);
    return flow.sent + n - flow.acked_seen <= FLOW_OBJECTS;
}

/* The next object, filled. */
static inline struct flow_object *flow_next(void)
{
    struct flow_object *object = &flow_objects[flow.sent % FLOW_OBJECTS];

    object->value = flow.sent++;
    return object;
}

/* What is done with an object: everybody calls it through a pointer in it. */
void flow_consume(struct flow_object *object);

/* Between two looks into the queue. */
static inline void flow_ack(void)
{
    if (flow.taken - flow.taken_acked < FLOW_ACK)
        return;
    flow.taken_acked = flow.taken;
    __atomic_store_n(&flow.acked, flow.taken, __ATOMIC_RELEASE);
}

#endif
