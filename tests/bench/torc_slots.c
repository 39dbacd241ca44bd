/*
 * Torc's exchange slots, driven as the scheduler's pass drives them: the
 * producer publishes after each batch, the consumer looks for what has come.
 */
#include "kernel/exchange.h"
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

static void produce(uint64_t count)
{
    while (flow.sent < count) {
        while (!flow_room(batch))
            exchange_emigrate();
        for (uint64_t i = 0; i < batch; i++)
            exchange_send(1, item_of(flow_next()));
        exchange_emigrate();
    }
    while (exchange_emigrate())
        ;
}

static void consume_all(uint64_t count)
{
    while (flow.taken < count) {
        exchange_immigrate();
        flow_ack();
    }
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

static uint64_t turns BENCH_LINE;   /* CPU 0's */
static uint64_t returns BENCH_LINE; /* CPU 1's */

static void arrived_back(struct exchange_item *item)
{
    (void)item;
    turns++;
}

static void arrived_there(struct exchange_item *item)
{
    item->run = arrived_back;
    exchange_send(0, item);
    returns++;
}

static void turn_here(uint64_t count)
{
    struct exchange_item *item = item_of(&flow_objects[0]);

    for (uint64_t i = 1; i <= count; i++) {
        item->run = arrived_there;
        exchange_send(1, item);
        exchange_emigrate();
        while (turns != i)
            exchange_immigrate();
    }
}

static void turn_there(uint64_t count)
{
    while (returns != count) {
        if (exchange_immigrate())
            exchange_emigrate();
    }
    while (exchange_emigrate())
        ;
}

uint64_t bench_torc_turn(uint64_t count)
{
    turns = 0;
    returns = 0;
    return pair_run(turn_here, turn_there, count);
}
