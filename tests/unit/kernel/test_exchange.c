/*
 * Exchange slots on real threads: every CPU sends to every other, nothing is
 * lost or reordered, and sleepers wake. (That the orderings suffice under the
 * memory model is another kind of proof.)
 */
#include "kernel/exchange_inline.h"
#include "kernel/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/time.h>

enum { CPUS = 4, ITEMS = 2000 };

struct numbered {
    struct exchange_item item;
    unsigned from;
    unsigned number;
};

/* Each field is touched by its receiver alone. */
static struct {
    unsigned next[CPUS]; /* the number expected from each source */
    unsigned wrong;
} received[CPUS] __attribute__((aligned(64)));

static void arrived(struct exchange_item *item)
{
    struct numbered *self = container_of(item, struct numbered, item);

    if (self->number != received[cpu_id()].next[self->from]++)
        received[cpu_id()].wrong++;
    mem_free(self); /* travels home */
}

/* Send to every other CPU, then wait until every other has sent all to here. */
static int storm(void *arg)
{
    unsigned self = cpu_id();

    (void)arg;
    for (unsigned i = 0; i < ITEMS; i++) {
        for (unsigned cpu = 0; cpu < CPUS; cpu++) {
            struct numbered *item;

            if (cpu == self)
                continue;
            while ((item = mem_alloc(sizeof(*item))) == NULL)
                thread_yield();
            *item = (struct numbered){{.run = arrived}, self, i};
            exchange_send(cpu, &item->item);
        }
        if (i % 3 == 0)
            thread_yield();
        if (i % 500 == 499)
            thread_sleep(NS_PER_MS / 10);
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        while (cpu != self && received[self].next[cpu] != ITEMS)
            thread_sleep(NS_PER_MS / 10);
    }
    return (int)received[self].wrong;
}

static int storm_and_report(void *arg)
{
    return channel_send(arg, (uint64_t)storm(NULL));
}

static int all_to_all(void *arg)
{
    struct channel *reports;
    uint64_t wrong;
    uint64_t total = 0;

    (void)arg;
    if (channel_create(CPUS, &reports) != 0)
        return 1;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = cpu};

        if (thread_create(&attr, storm_and_report, reports, NULL) != 0)
            return 2;
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (channel_receive(reports, time_ns() + 60 * NS_PER_S, &wrong) != 0)
            return 3;
        total += wrong;
    }
    return total == 0 ? 0 : 4;
}

static void test_exchange_all_to_all_in_order(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 16 << 20, all_to_all, NULL), 0);
}

static int echo_nothing(void *arg)
{
    (void)arg;
    return 5;
}

/* Both sides sleep between messages: each one has to wake somebody. */
static int ping_pong(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        if (remote_call(1, echo_nothing, NULL) != 5)
            return 1;
    }
    return 0;
}

static void test_exchange_wakes_sleepers(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, ping_pong, NULL), 0);
}

static int call_all(void *arg)
{
    (void)arg;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        if (remote_call(cpu, echo_nothing, NULL) != 5)
            return 1;
    }
    return remote_call(cpu_count(), echo_nothing, NULL) == -EINVAL ? 0 : 2;
}

static void test_exchange_many_cpus(void **state)
{
    (void)state;
    /* More than one line of doorbells. */
    assert_int_equal(machine_run(70, 2 << 20, call_all, NULL), 0);
}

/* ---- Counters ------------------------------------------------------------ */

static unsigned came;

static void count_one(struct exchange_item *item)
{
    (void)item;
    came++;
}

static int count_three(void *arg)
{
    static struct exchange_item items[3];
    struct exchange_counters before, after;

    (void)arg;
    exchange_get_counters(1, &before);
    for (int i = 0; i < 3; i++) {
        items[i].run = count_one;
        exchange_send(1, &items[i]);
    }
    thread_yield(); /* they leave together */
    exchange_get_counters(1, &after);
    if (after.batches != before.batches + 1)
        return 1;
    if (remote_call(1, echo_nothing, NULL) != 5 || came != 3)
        return 2;
    exchange_get_counters(1, &after);
    return after.received > before.received && after.taken > before.taken ? 0
                                                                          : 3;
}

static void test_exchange_counts(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, count_three, NULL), 0);
}

static int call_each(void *arg)
{
    (void)arg;
    for (unsigned cpu = 1; cpu < cpu_count(); cpu += 17) {
        if (remote_call(cpu, echo_nothing, NULL) != 5)
            return 1;
    }
    return 0;
}

/* As many as there can be: all four flags. */
static void test_exchange_256_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run(256, 2 << 20, call_each, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange_all_to_all_in_order),
        cmocka_unit_test(test_exchange_wakes_sleepers),
        cmocka_unit_test(test_exchange_many_cpus),
        cmocka_unit_test(test_exchange_counts),
        cmocka_unit_test(test_exchange_256_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
