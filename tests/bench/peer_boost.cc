// Boost: the bare context switch under Boost.Context, and the lock-free queue
// of one producer and one consumer.
#include "tests/bench/flow.h"
#include <boost/context/detail/fcontext.hpp>
#include <boost/lockfree/spsc_queue.hpp>

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

static char stack[16 * 1024] __attribute__((aligned(16)));

static void bounce(transfer_t from)
{
    bench_live live = {1, 2, 3, 4, 5};

    for (;;) {
        from = jump_fcontext(from.fctx, nullptr);
        bench_live_use(&live);
    }
}

uint64_t bench_fcontext(uint64_t count)
{
    transfer_t there = {
        make_fcontext(stack + sizeof(stack), sizeof(stack), bounce), nullptr};
    bench_live live = {1, 2, 3, 4, 5};
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < count; i += 2) {
        there = jump_fcontext(there.fctx, nullptr);
        bench_live_use(&live);
    }
    return bench_now_ns() - start;
}

using queue = boost::lockfree::spsc_queue<flow_object *,
                                          boost::lockfree::capacity<FLOW_RING>>;

alignas(64) static queue queues[2];

static void produce(uint64_t count)
{
    uint64_t n = 0;

    while (n < count) {
        flow_object *object;

        while (!flow_room(n + 1))
            ;
        object = flow_fill(n++);
        while (!queues[0].push(object))
            ;
    }
}

static void consume(uint64_t count)
{
    while (flow.taken < count) {
        flow_object *object;

        if (queues[0].pop(object))
            object->handle(object);
    }
}

uint64_t bench_spsc(uint64_t count)
{
    return flow_run(produce, consume, count);
}

static void turn_here(uint64_t count)
{
    flow_object *object = &flow_objects[0];

    for (uint64_t i = 0; i < count; i++) {
        object->value = i;
        queues[0].push(object);
        while (!queues[1].pop(object))
            ;
        bench_sink = object->value;
    }
}

static void turn_there(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        flow_object *object;

        while (!queues[0].pop(object))
            ;
        object->value++;
        queues[1].push(object);
    }
}

uint64_t bench_spsc_turn(uint64_t count)
{
    return pair_run(turn_here, turn_there, count);
}
