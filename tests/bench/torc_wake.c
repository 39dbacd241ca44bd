/* Torc's messages between threads of two CPUs, which sleep in between. */
#include "kernel/cpu/exchange_inline.h"
#include "tests/bench/bench.h"
#include <stdlib.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

static struct channel *channels[2];

static void must(int err)
{
    if (err != 0)
        abort();
}

static void send(unsigned to)
{
    must(channel_send(channels[to], to));
}

static void receive(unsigned self)
{
    uint64_t value;

    must(channel_receive(channels[self], TIME_NEVER, &value));
}

/* What was sent last leaves before the CPU spins in pair_serve(). */
static void last_out(void)
{
    do
        thread_yield();
    while (exchange_pass(cpu_self()));
}

static void open_here(uint64_t count)
{
    (void)count;
    must(channel_create(4, &channels[0]));
}

static void open_there(uint64_t count)
{
    (void)count;
    must(channel_create(4, &channels[1]));
}

static void close_here(uint64_t count)
{
    (void)count;
    must(channel_destroy(channels[0]));
}

static void close_there(uint64_t count)
{
    (void)count;
    must(channel_destroy(channels[1]));
}

static uint64_t with_channels(void (*side0)(uint64_t), void (*side1)(uint64_t),
                              uint64_t count)
{
    uint64_t ns;

    pair_run(open_here, open_there, 0);
    ns = pair_run(side0, side1, count);
    pair_run(close_here, close_there, 0);
    return ns;
}

static void channel_here(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        send(1);
        receive(0);
    }
}

static void channel_there(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        receive(1);
        send(0);
    }
    last_out();
}

uint64_t bench_torc_channel(uint64_t count)
{
    return with_channels(channel_here, channel_there, count);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void call_here(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        must(remote_call(1, nothing, NULL));
    send(1);
    last_out();
}

/* The CPU must be left to the scheduler, which runs the calls. */
static void call_there(uint64_t count)
{
    (void)count;
    receive(1);
}

uint64_t bench_torc_remote_call(uint64_t count)
{
    return with_channels(call_here, call_there, count);
}
