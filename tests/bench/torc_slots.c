/*
 * Torc's exchange slots, driven as the scheduler's pass drives them: the
 * producer makes a pass after each batch, the consumer makes nothing else.
 */
#include "kernel/cpu/exchange_inline.h"
#include "tests/bench/flow.h"
#include <assert.h>

static_assert(sizeof(struct exchange_item) <=
                  sizeof(((struct flow_object *)0)->room),
              "an item fits into an object");

static uint64_t batch;

static struct exchange_item *item_of(struct flow_object *object)
{
    return (struct exchange_item *)(void *)object->room;
}

static void consume(struct exchange_item *item)
{
    flow_consume((struct flow_object *)(void *)item);
}

/* The scheduler's pass, as far as it is about slots. */
static bool pass(void)
{
    return exchange_pass(cpu_self());
}

static void produce(uint64_t count)
{
    const uint64_t size = batch;
    uint64_t n = 0;

    while (n < count) {
        while (!flow_room(n + size))
            pass();
        for (uint64_t i = 0; i < size; i++)
            exchange_send(1, item_of(flow_fill(n++)));
        pass();
    }
    while (pass())
        ;
}

static void consume_all(uint64_t count)
{
    while (flow.taken < count)
        pass();
}

static uint64_t slots(uint64_t count, uint64_t size)
{
    batch = size;
    for (unsigned i = 0; i < FLOW_OBJECTS; i++)
        item_of(&flow_objects[i])->run = consume;
    return flow_run(produce, consume_all, count / size * size) * count /
           (count / size * size);
}

uint64_t bench_torc_slots_32(uint64_t count)
{
    return slots(count, 32);
}

uint64_t bench_torc_slots_256(uint64_t count)
{
    return slots(count, 256);
}

uint64_t bench_torc_slots_1(uint64_t count)
{
    return slots(count, 1);
}

/* ---- One item to and fro ------------------------------------------------- */

static uint64_t turns_wanted;
static uint64_t turns BENCH_LINE;   /* CPU 0's */
static uint64_t returns BENCH_LINE; /* CPU 1's */

static void arrived_there(struct exchange_item *item);

/* Each arrival sends the item on, as an answer to a message would. */
static void arrived_back(struct exchange_item *item)
{
    if (++turns == turns_wanted)
        return;
    item->run = arrived_there;
    exchange_send(1, item);
}

static void arrived_there(struct exchange_item *item)
{
    returns++;
    item->run = arrived_back;
    exchange_send(0, item);
}

static void turn_here(uint64_t count)
{
    struct exchange_item *item = item_of(&flow_objects[0]);

    item->run = arrived_there;
    exchange_send(1, item);
    while (turns != count)
        pass();
}

static void turn_there(uint64_t count)
{
    while (returns != count)
        pass();
    while (pass())
        ;
}

uint64_t bench_torc_turn(uint64_t count)
{
    turns_wanted = count;
    turns = 0;
    returns = 0;
    return pair_run(turn_here, turn_there, count);
}
