/*
 * DPDK's rte_ring, one producer and one consumer, on memory of ours: what is
 * measured is inline in its headers, so no environment layer is started.
 */
#include "tests/bench/flow.h"
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>

enum { RING_BYTES = 64 * 1024, BURST_MAX = 256 };

static char memory[2][RING_BYTES] BENCH_LINE;
static struct rte_ring *rings[2];
static unsigned burst;

static void rings_init(void)
{
    for (unsigned i = 0; i < 2; i++) {
        rings[i] = (struct rte_ring *)(void *)memory[i];
        if (rte_ring_get_memsize(FLOW_RING) > RING_BYTES ||
            rte_ring_init(rings[i], "ring", FLOW_RING,
                          RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
            fprintf(stderr, "bench: rte_ring_init() failed\n");
            exit(1);
        }
    }
}

static void produce(uint64_t count)
{
    void *objects[BURST_MAX];
    uint64_t n = 0;

    while (n < count) {
        unsigned sent = 0;

        while (!flow_room(n + burst))
            ;
        for (unsigned i = 0; i < burst; i++)
            objects[i] = flow_fill(n++);
        while (sent < burst)
            sent += rte_ring_sp_enqueue_burst(rings[0], objects + sent,
                                              burst - sent, NULL);
    }
}

static void consume(uint64_t count)
{
    void *objects[BURST_MAX];

    while (flow.taken < count) {
        unsigned got =
            rte_ring_sc_dequeue_burst(rings[0], objects, burst, NULL);

        for (unsigned i = 0; i < got; i++)
            ((struct flow_object *)objects[i])->handle(objects[i]);
    }
}

static uint64_t slots(uint64_t count, unsigned size)
{
    burst = size;
    rings_init();
    return flow_run(produce, consume, count / size * size) * count /
           (count / size * size);
}

uint64_t bench_ring_32(uint64_t count)
{
    return slots(count, 32);
}

uint64_t bench_ring_256(uint64_t count)
{
    return slots(count, 256);
}

/* ---- Bursts of one ------------------------------------------------------- */

static void produce_one(uint64_t count)
{
    uint64_t n = 0;

    while (n < count) {
        struct flow_object *object;

        while (!flow_room(n + 1))
            ;
        object = flow_fill(n++);
        while (rte_ring_sp_enqueue(rings[0], object) != 0)
            ;
    }
}

static void consume_one(uint64_t count)
{
    while (flow.taken < count) {
        void *object;

        if (rte_ring_sc_dequeue(rings[0], &object) == 0)
            ((struct flow_object *)object)->handle(object);
    }
}

uint64_t bench_ring_1(uint64_t count)
{
    rings_init();
    return flow_run(produce_one, consume_one, count);
}

/* ---- One object to and fro ----------------------------------------------- */

static void pass(struct rte_ring *ring, void *object)
{
    while (rte_ring_sp_enqueue(ring, object) != 0)
        ;
}

static struct flow_object *await(struct rte_ring *ring)
{
    void *object;

    while (rte_ring_sc_dequeue(ring, &object) != 0)
        ;
    return object;
}

static void turn_here(uint64_t count)
{
    struct flow_object *object = &flow_objects[0];

    for (uint64_t i = 0; i < count; i++) {
        object->value = i;
        pass(rings[0], object);
        object = await(rings[1]);
        bench_sink = object->value;
    }
}

static void turn_there(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct flow_object *object = await(rings[0]);

        object->value++;
        pass(rings[1], object);
    }
}

uint64_t bench_ring_turn(uint64_t count)
{
    rings_init();
    return pair_run(turn_here, turn_there, count);
}
