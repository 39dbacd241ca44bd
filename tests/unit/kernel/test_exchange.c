/*
 * Exchange slots on real threads: every CPU sends to every other, nothing is
 * lost or reordered, and sleepers wake. (That the orderings suffice under the
 * memory model is another kind of proof.)
 */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
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

/* ---- A slot that stays full ---------------------------------------------- */

static atomic_int hold[3]; /* of each CPU; 1: makes no pass; 2: may again */

static int make_no_pass(void *arg)
{
    (void)arg;
    atomic_store(&hold[cpu_id()], 1);
    while (atomic_load(&hold[cpu_id()]) == 1)
        __asm__ volatile("" ::: "memory");
    return 0;
}

static void nothing(struct exchange_item *item)
{
    (void)item;
}

/* Send one more item to `cpu`, and make a pass. */
static void send_one(unsigned cpu)
{
    static struct exchange_item items[8];
    static unsigned used;

    items[used].run = nothing;
    exchange_send(cpu, &items[used++]);
    thread_yield();
}

/* Keep `cpu` from passes, and fill its slot. */
static thread_id occupy(unsigned cpu)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = cpu};
    thread_id id;

    assert_int_equal(thread_create(&there, make_no_pass, NULL, &id), 0);
    while (atomic_load(&hold[cpu]) == 0)
        thread_yield();
    send_one(cpu);
    return id;
}

static int release(unsigned cpu, thread_id id)
{
    atomic_store(&hold[cpu], 2);
    return thread_join(id, NULL);
}

/* Whether a list leaves for `cpu`, after number `batch`. */
static bool leaves(unsigned cpu, uint64_t batch)
{
    for (int turn = 0; turn < 100000000; turn++) {
        if (exchange_batch(cpu) != batch)
            return true;
        thread_yield();
    }
    return false;
}

static uint64_t blocked_to_1(void)
{
    struct exchange_counters counters;

    exchange_get_counters(1, &counters);
    return counters.blocked;
}

/* Passes that only look at the slot are not counted; others are not kept. */
static int behind_one(void *arg)
{
    thread_id id = occupy(1);
    uint64_t blocked, batch;

    (void)arg;
    send_one(1);
    blocked = blocked_to_1();
    for (int i = 0; i < 10; i++)
        thread_yield();
    if (blocked == 0 || blocked_to_1() > blocked + 1)
        return 1;
    for (int i = 0; i < 2; i++) {
        batch = exchange_batch(2);
        send_one(2);
        if (!leaves(2, batch))
            return 2;
    }
    return release(1, id);
}

/* Two slots are full, and one of them, whichever, becomes empty. */
static int behind_two(void *arg)
{
    unsigned freed = *(unsigned *)arg;
    thread_id id[3] = {0, occupy(1), occupy(2)};
    uint64_t batch;

    send_one(1);
    send_one(2);
    for (int i = 0; i < 10; i++)
        thread_yield();
    batch = exchange_batch(freed);
    if (release(freed, id[freed]) != 0 || !leaves(freed, batch))
        return 1;
    return release(3 - freed, id[3 - freed]);
}

static void test_exchange_past_full_slots(void **state)
{
    unsigned one = 1;
    unsigned two = 2;

    (void)state;
    assert_int_equal(machine_run(3, 8 << 20, behind_one, NULL), 0);
    assert_int_equal(machine_run(3, 8 << 20, behind_two, &one), 0);
    assert_int_equal(machine_run(3, 8 << 20, behind_two, &two), 0);
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
        cmocka_unit_test(test_exchange_past_full_slots),
        cmocka_unit_test(test_exchange_counts),
        cmocka_unit_test(test_exchange_256_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
