/* Two processors that start together, and the objects they pass. */
#include "tests/bench/bench.h"
#include "tests/bench/flow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each counter has one writer: the first is pair_run()'s. */
static struct {
    uint64_t wanted BENCH_LINE;
    void (*side1)(uint64_t); /* NULL: the end */
    uint64_t count;
    uint64_t begun BENCH_LINE;
    uint64_t done;
} job;

volatile uint64_t bench_sink;
struct flow flow;
struct flow_object flow_objects[FLOW_OBJECTS];

static void await(const uint64_t *counter, uint64_t value)
{
    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != value)
        __builtin_ia32_pause();
}

void pair_serve(void)
{
    for (uint64_t n = 1;; n++) {
        await(&job.wanted, n);
        if (job.side1 == NULL)
            return;
        __atomic_store_n(&job.begun, n, __ATOMIC_RELEASE);
        job.side1(job.count);
        __atomic_store_n(&job.done, n, __ATOMIC_RELEASE);
    }
}

uint64_t pair_run(void (*side0)(uint64_t), void (*side1)(uint64_t),
                  uint64_t count)
{
    uint64_t n = job.wanted + 1;
    uint64_t start;

    job.side1 = side1;
    job.count = count;
    __atomic_store_n(&job.wanted, n, __ATOMIC_RELEASE);
    await(&job.begun, n);
    start = bench_now_ns();
    side0(count);
    await(&job.done, n);
    return bench_now_ns() - start;
}

void pair_stop(void)
{
    job.side1 = NULL;
    __atomic_store_n(&job.wanted, job.wanted + 1, __ATOMIC_RELEASE);
}

static void consume(struct flow_object *object)
{
    flow_consume(object);
}

uint64_t flow_run(void (*producer)(uint64_t), void (*consumer)(uint64_t),
                  uint64_t count)
{
    uint64_t ns;

    for (unsigned i = 0; i < FLOW_OBJECTS; i++)
        flow_objects[i].handle = consume;

    memset(&flow, 0, sizeof(flow));
    ns = pair_run(producer, consumer, count);
    if (flow.taken != count || flow.wrong) {
        fprintf(stderr, "bench: objects were lost, or came out of order\n");
        exit(1);
    }
    return ns;
}
