/* Torc: the HAL's context switch, and the scheduler's thread_yield(). */
#include "hal/hal.h"
#include "tests/bench/bench.h"
#include <stdlib.h>
#include <torc/thread.h>

static struct hal_context here;
static struct hal_context there;
static char stack[16 * 1024] __attribute__((aligned(16)));

static void bounce(void *arg)
{
    struct bench_live live = {1, 2, 3, 4, 5};

    (void)arg;
    for (;;) {
        hal_context_switch(&there, &here);
        bench_live_use(&live);
    }
}

static void bounce_bare(void *arg)
{
    (void)arg;
    for (;;)
        hal_context_switch(&there, &here);
}

uint64_t bench_torc_switch(uint64_t count)
{
    struct bench_live live = {1, 2, 3, 4, 5};
    uint64_t start;

    hal_context_init(&there, stack, sizeof(stack), bounce, NULL);
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i += 2) {
        hal_context_switch(&here, &there);
        bench_live_use(&live);
    }
    start = bench_now_ns() - start;
    hal_context_fini(&there);
    return start;
}

/* With nothing to save. */
uint64_t bench_torc_switch_bare(uint64_t count)
{
    uint64_t start;

    hal_context_init(&there, stack, sizeof(stack), bounce_bare, NULL);
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i += 2)
        hal_context_switch(&here, &there);
    start = bench_now_ns() - start;
    hal_context_fini(&there);
    return start;
}

static int yield_many(void *arg)
{
    for (uint64_t i = *(uint64_t *)arg; i > 0; i--)
        thread_yield();
    return 0;
}

uint64_t bench_torc_yield(uint64_t count)
{
    uint64_t each = count / 2;
    thread_id other;
    uint64_t start;

    if (thread_create(NULL, yield_many, &each, &other) != 0)
        abort();
    start = bench_now_ns();
    yield_many(&each);
    start = bench_now_ns() - start;
    if (thread_join(other, NULL) != 0)
        abort();
    return start;
}
