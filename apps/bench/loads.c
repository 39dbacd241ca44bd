#include "apps/bench/bench.h"
#include <stddef.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { WARM_UP = 100, BATCH = 32 };

static volatile uint64_t sink;

/* The loop around an operation, and one store. */
static int load_loop(uint64_t count)
{
    bench_begin();
    for (uint64_t i = 0; i < count; i++)
        sink = i;
    bench_end();
    return 0;
}

/* ---- One CPU ------------------------------------------------------------- */

static int yield_many(void *arg)
{
    for (uint64_t i = *(uint64_t *)arg; i > 0; i--)
        thread_yield();
    return 0;
}

/* Two threads in turn: each of the `count` switches is half a round. */
static int load_yield(uint64_t count)
{
    uint64_t rounds = WARM_UP + count / 2;
    thread_id other;
    int status = thread_create(NULL, yield_many, &rounds, &other);

    if (status != 0)
        return status;
    for (unsigned i = 0; i < WARM_UP; i++)
        thread_yield();
    bench_begin();
    for (uint64_t i = 0; i < count / 2; i++)
        thread_yield();
    bench_end();
    return thread_join(other, NULL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* One yield lets it run to its end. */
static int create_many(uint64_t count)
{
    const struct thread_attr attr = {.detached = true};
    int status = 0;

    for (uint64_t i = 0; i < count && status == 0; i++) {
        status = thread_create(&attr, nothing, NULL, NULL);
        thread_yield();
    }
    return status;
}

static int join_many(uint64_t count)
{
    int status = 0;

    for (uint64_t i = 0; i < count && status == 0; i++) {
        thread_id id;

        status = thread_create(NULL, nothing, NULL, &id);
        if (status == 0)
            status = thread_join(id, NULL);
    }
    return status;
}

static int load_create(uint64_t count)
{
    int status = create_many(WARM_UP);

    if (status != 0)
        return status;
    bench_begin();
    status = create_many(count);
    bench_end();
    return status;
}

static int load_join(uint64_t count)
{
    int status = join_many(WARM_UP);

    if (status != 0)
        return status;
    bench_begin();
    status = join_many(count);
    bench_end();
    return status;
}

static void alloc_many(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        mem_free(mem_alloc(64));
}

static int load_alloc(uint64_t count)
{
    alloc_many(WARM_UP);
    bench_begin();
    alloc_many(count);
    bench_end();
    return 0;
}

/* ---- Two CPUs ------------------------------------------------------------ */

/* Answers each of the numbers it gets but 0, which ends it. */
struct echo {
    struct channel *to;   /* on CPU 1 */
    struct channel *from; /* on CPU 0 */
};

static int echo_serve(void *arg)
{
    struct echo *echo = arg;
    uint64_t value;
    int status = channel_create(BATCH, &echo->to);

    if (status == 0)
        status = channel_send(echo->from, 0);
    while (status == 0) {
        status = channel_receive(echo->to, TIME_NEVER, &value);
        if (status != 0 || value == 0)
            break;
        if (value == 1)
            status = channel_send(echo->from, value);
    }
    if (status == 0)
        status = channel_destroy(echo->to);
    return status == 0 ? channel_send(echo->from, 0) : status;
}

static int echo_open(struct echo *echo)
{
    const struct thread_attr attr = {
        .name = "echo", .place = THREAD_ON_CPU, .cpu = 1};
    uint64_t value;
    int status = channel_create(BATCH, &echo->from);

    if (status == 0)
        status = thread_create(&attr, echo_serve, echo, NULL);
    if (status == 0)
        status = channel_receive(echo->from, TIME_NEVER, &value);
    return status;
}

static int echo_close(struct echo *echo)
{
    uint64_t value;
    int status = channel_send(echo->to, 0);

    if (status == 0)
        status = channel_receive(echo->from, TIME_NEVER, &value);
    return status != 0 ? status : channel_destroy(echo->from);
}

/* `silent` messages and one that is answered, count times. */
static int echo_many(struct echo *echo, uint64_t count, unsigned silent)
{
    int status = 0;
    uint64_t value;

    for (uint64_t i = 0; i < count && status == 0; i++) {
        for (unsigned j = 0; j < silent && status == 0; j++)
            status = channel_send(echo->to, 2);
        if (status == 0)
            status = channel_send(echo->to, 1);
        if (status == 0)
            status = channel_receive(echo->from, TIME_NEVER, &value);
    }
    return status;
}

static int echo_load(uint64_t count, unsigned silent)
{
    struct echo echo;
    int status = echo_open(&echo);

    if (status == 0)
        status = echo_many(&echo, WARM_UP, silent);
    if (status != 0)
        return status;
    bench_begin();
    status = echo_many(&echo, count, silent);
    bench_end();
    return status != 0 ? status : echo_close(&echo);
}

/* Each message wakes a CPU that sleeps. */
static int load_message(uint64_t count)
{
    return echo_load(count / 2, 0);
}

/* One of 32 does. */
static int load_stream(uint64_t count)
{
    return echo_load(count / BATCH, BATCH - 2);
}

static int call_many(uint64_t count)
{
    int status = 0;

    for (uint64_t i = 0; i < count && status == 0; i++)
        status = remote_call(1, nothing, NULL);
    return status;
}

static int load_call(uint64_t count)
{
    int status = call_many(WARM_UP);

    if (status != 0)
        return status;
    bench_begin();
    status = call_many(count);
    bench_end();
    return status;
}

const struct load loads[] = {
    {"loop", load_loop, 100000, false},
    {"yield", load_yield, 20000, false},
    {"create", load_create, 2000, false},
    {"join", load_join, 2000, false},
    {"alloc", load_alloc, 20000, false},
    {"message", load_message, 2000, true},
    {"stream", load_stream, 32000, true},
    {"call", load_call, 1000, true},
    {NULL, NULL, 0, false},
};
