/*
 * The rule all queues of the slot rows are measured under, C and C++.
 *
 * There are FLOW_OBJECTS objects of 32 bytes, as large as a message of Torc's
 * channels (link, function, channel, value), used in turn. The producer writes
 * its number into the object, the consumer checks that it is the next. Neither
 * does it by a chain of loads and stores from one object to the next, which
 * would take as long as a queue does. The producer must not reuse an object
 * before it was consumed: the consumer publishes how many it has consumed each
 * FLOW_ACK objects, and the producer reads that only when it has run out of
 * objects. So there is one rule for everybody, it costs next to nothing, and no
 * queue is stopped by its own size.
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
    uint64_t acked BENCH_LINE;      /* consumer to producer */
    uint64_t acked_seen BENCH_LINE; /* the producer's */
    /* the consumer's: */
    uint64_t taken BENCH_LINE;
    bool wrong; /* one came out of turn */
};

#ifdef __cplusplus
extern "C" {
#endif

/* pair.c */
extern struct flow flow;
extern struct flow_object flow_objects[FLOW_OBJECTS];

/*
 * pair_run() with a fresh flow; each value of 0 .. count-1 must have come in
 * its turn, else the process ends.
 */
uint64_t flow_run(void (*producer)(uint64_t), void (*consumer)(uint64_t),
                  uint64_t count);

#ifdef __cplusplus
}
#endif

/* Whether all objects before number `end` may be used. */
static inline bool flow_room(uint64_t end)
{
    if (end - flow.acked_seen <= FLOW_OBJECTS)
        return true;
    flow.acked_seen = __atomic_load_n(&flow.acked, __ATOMIC_ACQUIRE);
    return end - flow.acked_seen <= FLOW_OBJECTS;
}

/* Object number `n`, filled. */
static inline struct flow_object *flow_fill(uint64_t n)
{
    struct flow_object *object = &flow_objects[n % FLOW_OBJECTS];

    object->value = n;
    return object;
}

/* Number `n` has come. */
static inline void flow_came(uint64_t n)
{
    if (__builtin_expect(n != flow.taken, 0))
        flow.wrong = true;
    flow.taken = n + 1;
    if ((n + 1) % FLOW_ACK == 0)
        __atomic_store_n(&flow.acked, n + 1, __ATOMIC_RELEASE);
}

/* What is done with an object: everybody calls it through a pointer in it. */
static inline void flow_consume(struct flow_object *object)
{
    flow_came(object->value);
}

#endif
