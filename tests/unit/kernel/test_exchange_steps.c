/*
 * Exchange slots step by step. The CPUs of the machine do not run: the test is
 * one of them at a time, and sees what every step leaves behind.
 */
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/idle.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/memory/mem.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
#include <string.h>

enum { MEM = 2 << 20, ITEMS = 40 };

static struct exchange_item items[ITEMS];
static unsigned used;
static unsigned arrived[ITEMS]; /* numbers of items, as they ran */
static unsigned arrived_count;

static void item_arrives(struct exchange_item *item)
{
    arrived[arrived_count++] = (unsigned)(item - items);
}

/* From now on the test is that CPU. */
static struct exchange *be(unsigned cpu)
{
    hal_cpu_set_local(cpu_of(cpu));
    return cpu_self()->exchange;
}

static struct exchange_item *new_item(void)
{
    assert_true(used < ITEMS);
    items[used].run = item_arrives;
    return &items[used++];
}

static void send(unsigned to)
{
    exchange_send(to, new_item());
}

static void send_lazily(unsigned to)
{
    exchange_send_lazily(to, new_item());
}

static bool pass(void)
{
    bool busy = exchange_pass(cpu_self());

    exchange_check(cpu_self());
    return busy;
}

static void send_and_pass(unsigned to)
{
    send(to);
    (void)pass();
}

/* Whether the doorbell of `cpu` was rung since the last question. */
static bool rung(unsigned cpu)
{
    const uint64_t doorbell = UINT64_C(1) << (IRQ_OWN_COUNT + HAL_IRQ_DOORBELL);

    return atomic_exchange(&machine_cpu[cpu].pending[0], 0) == doorbell;
}

static struct exchange_counters counters(unsigned cpu)
{
    struct exchange_counters now;

    exchange_get_counters(cpu, &now);
    return now;
}

/* How many items have run since the last question. */
static unsigned ran(void)
{
    unsigned count = arrived_count;

    arrived_count = 0;
    return count;
}

static void begin(unsigned cpus)
{
    machine_attach_still(cpus, MEM);
    used = 0;
    arrived_count = 0;
    machine_watches = false;
}

static void end(unsigned cpus)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        exchange_check(cpu_of(cpu));
    (void)be(0);
    machine_watches = false;
    machine_detach();
}

/* ---- What a list goes through -------------------------------------------- */

static void test_a_list_leaves_and_arrives(void **state)
{
    (void)state;
    begin(2);
    assert_false(pass());
    send(1);
    send(1);
    send(1);
    assert_true(cpu_self()->attention);
    assert_int_equal(exchange_batch(1), 0);
    assert_false(pass());
    assert_int_equal(exchange_batch(1), 1);
    assert_int_equal(counters(1).batches, 1);
    assert_int_equal(ran(), 0);
    (void)be(1);
    assert_false(pass());
    assert_int_equal(arrived_count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(arrived[i], i);
    assert_int_equal(counters(0).received, 3);
    assert_int_equal(counters(0).taken, 1);
    assert_int_equal(counters(0).batches, 0);
    /* All were awake. */
    assert_false(rung(0));
    assert_false(rung(1));
    assert_false(pass());
    assert_int_equal(ran(), 3);
    end(2);
}

/* Many in a list: each runs once, whatever else is done every few items. */
static void test_a_long_list(void **state)
{
    (void)state;
    begin(2);
    for (int i = 0; i < 20; i++)
        send(1);
    assert_false(pass());
    (void)be(1);
    assert_false(pass());
    assert_int_equal(ran(), 20);
    assert_int_equal(counters(0).received, 20);
    assert_int_equal(counters(0).taken, 1);
    end(2);
}

/* A second list waits until the first is taken. */
static void test_a_full_slot_blocks(void **state)
{
    struct exchange *mine;

    (void)state;
    begin(2);
    mine = be(0);
    send_and_pass(1);
    send(1);
    assert_true(pass());
    assert_true(exchange_pass(cpu_self()));
    assert_true(exchange_pass(cpu_self()));
    /* Those that only look at the slot do not count. */
    assert_int_equal(counters(1).blocked, 1);
    assert_int_equal(exchange_batch(1), 1);
    assert_false(exchange_has_work(mine));
    assert_true(exchange_has_work(cpu_of(1)->exchange));

    (void)be(1);
    assert_false(pass());
    assert_int_equal(ran(), 1);
    assert_false(exchange_has_work(cpu_of(1)->exchange));

    mine = be(0);
    assert_true(exchange_has_work(mine));
    assert_false(pass());
    assert_false(exchange_has_work(mine));
    assert_int_equal(exchange_batch(1), 2);
    assert_int_equal(counters(1).blocked, 1);
    (void)be(1);
    assert_false(pass());
    assert_int_equal(ran(), 1);
    end(2);
}

/* Behind one full slot nobody else waits. */
static void test_others_pass_a_full_slot(void **state)
{
    (void)state;
    begin(3);
    send_and_pass(1);
    send(1);
    assert_true(pass());
    send(2);
    assert_true(pass());
    assert_int_equal(exchange_batch(2), 1);
    send(2);
    assert_true(pass()); /* both are full now */
    assert_true(pass());
    assert_int_equal(exchange_batch(1), 1);
    (void)be(1);
    assert_false(pass());
    (void)be(0);
    assert_true(exchange_has_work(cpu_self()->exchange));
    assert_true(pass());
    assert_int_equal(exchange_batch(1), 2);
    assert_int_equal(exchange_batch(2), 1);
    (void)be(2);
    assert_false(pass());
    (void)be(0);
    assert_true(exchange_has_work(cpu_self()->exchange));
    assert_false(pass());
    assert_int_equal(exchange_batch(2), 2);
    end(3);
}

/* ---- Sleep --------------------------------------------------------------- */

static void test_a_sleeper_is_rung_for(void **state)
{
    (void)state;
    begin(2);
    (void)be(1);
    assert_true(exchange_may_sleep());
    (void)be(0);
    send_and_pass(1);
    assert_true(rung(1));
    assert_false(rung(0));
    (void)be(1);
    assert_false(exchange_may_sleep()); /* the slot is full */
    exchange_wake();
    assert_false(pass());
    assert_false(rung(0));
    (void)be(0);
    send_and_pass(1);
    assert_false(rung(1)); /* it is awake */
    end(2);
}

/* Its own look at its memory wakes it. */
static void test_a_watcher_is_not_rung_for(void **state)
{
    (void)state;
    begin(2);
    machine_watches = true;
    (void)be(1);
    assert_true(exchange_may_sleep());
    (void)be(0);
    send_and_pass(1);
    assert_false(rung(1));
    end(2);
}

/* It waits for a slot of another to become empty. */
static void blocked_sleeper(bool watches)
{
    begin(2);
    machine_watches = watches;
    send_and_pass(1);
    send(1);
    assert_true(pass());
    assert_true(exchange_may_sleep());
    (void)be(1);
    assert_false(pass());
    assert_true(rung(0)); /* a watcher too: the slot is not among its own */
    (void)be(0);
    assert_false(exchange_may_sleep()); /* the slot is empty now */
    exchange_wake();
    assert_false(pass());
    assert_int_equal(exchange_batch(1), 2);
    end(2);
}

static void test_a_blocked_sleeper_is_rung_for(void **state)
{
    (void)state;
    blocked_sleeper(false);
    blocked_sleeper(true);
}

/* Whoever has nothing left to send is not waked because its list is taken. */
static void test_a_sleeper_with_nothing_to_send_sleeps_on(void **state)
{
    (void)state;
    begin(2);
    send_and_pass(1);
    assert_true(exchange_may_sleep());
    (void)be(1);
    assert_false(pass());
    assert_false(rung(0));
    end(2);
}

/* One of many slots is full: any of them. */
static void test_no_sleep_while_a_slot_is_full(void **state)
{
    static const unsigned sources[] = {0, 1, 7, 8, 15, 16, 63, 64, 65};

    (void)state;
    begin(67);
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        (void)be(66);
        assert_true(exchange_may_sleep());
        exchange_wake();
        (void)be(sources[i]);
        send_and_pass(66);
        (void)be(66);
        /* The flag alone may be gone already. */
        for (unsigned k = 0; k < EXCHANGE_WATCH_WORDS; k++)
            cpu_self()->exchange->watch->word[k] = 0;
        assert_false(exchange_may_sleep());
        exchange_wake();
        cpu_self()->exchange->watch->word[sources[i] / 64] = 1;
        assert_false(exchange_may_sleep());
        exchange_wake();
        assert_false(pass());
        assert_int_equal(ran(), 1);
    }
    /* A flag may be set though no slot is full. */
    cpu_self()->exchange->watch->word[3] = 1;
    assert_false(exchange_may_sleep());
    exchange_wake();
    end(67);
}

/* ---- In no hurry --------------------------------------------------------- */

static void test_lazy_items_leave_before_a_sleep(void **state)
{
    (void)state;
    begin(2);
    (void)be(1);
    assert_true(exchange_may_sleep());
    (void)be(0);
    send_lazily(1);
    send_lazily(1);
    assert_false(pass());
    assert_int_equal(exchange_batch(1), 0);
    assert_true(exchange_may_sleep());
    assert_int_equal(exchange_batch(1), 1);
    assert_false(rung(1)); /* that is not worth a wake */
    exchange_wake();
    assert_false(pass());
    assert_true(exchange_may_sleep());
    assert_int_equal(exchange_batch(1), 1);
    assert_int_equal(counters(1).blocked, 0);
    (void)be(1);
    exchange_wake();
    assert_false(pass());
    assert_int_equal(ran(), 2);
    end(2);
}

/* With the next one in a hurry, to anybody. */
static void test_lazy_items_leave_with_others(void **state)
{
    (void)state;
    begin(3);
    (void)be(1);
    assert_true(exchange_may_sleep());
    (void)be(0);
    send_lazily(1);
    assert_false(pass());
    send(2);
    assert_false(pass());
    assert_int_equal(exchange_batch(1), 1);
    assert_int_equal(exchange_batch(2), 1);
    assert_true(rung(1));
    assert_false(rung(2));
    (void)be(0);
    send_lazily(2);
    exchange_flush();
    assert_true(cpu_self()->attention);
    assert_true(pass()); /* that slot is full */
    assert_int_equal(counters(2).blocked, 1);
    end(3);
}

/* What was published quietly is rung for when more must wait behind it. */
static void test_a_hurry_behind_a_quiet_list(void **state)
{
    (void)state;
    begin(2);
    (void)be(1);
    assert_true(exchange_may_sleep());
    (void)be(0);
    send_lazily(1);
    assert_true(exchange_may_sleep());
    exchange_wake();
    send_lazily(1);
    assert_true(exchange_may_sleep()); /* the slot is full: no hurry either */
    exchange_wake();
    assert_false(rung(1));
    assert_int_equal(counters(1).blocked, 1);
    assert_false(pass());
    send(1);
    assert_true(pass());
    assert_true(rung(1));
    /* Once is enough. */
    send(1);
    assert_true(exchange_pass_busy(cpu_self()));
    assert_false(rung(1));
    assert_int_equal(counters(1).blocked, 3);
    end(2);
}

/* Behind a list that was published in a hurry nobody is rung for twice. */
static void test_a_hurry_behind_another(void **state)
{
    (void)state;
    begin(2);
    (void)be(1);
    assert_true(exchange_may_sleep());
    (void)be(0);
    send_and_pass(1);
    assert_true(rung(1));
    send(1);
    assert_true(pass());
    assert_false(rung(1));
    end(2);
}

/* A slot that was emptied is no reason to publish lazy items. */
static void test_lazy_items_stay_when_a_list_comes(void **state)
{
    (void)state;
    begin(2);
    send_lazily(1);
    (void)be(1);
    send_and_pass(0);
    (void)be(0);
    assert_false(pass());
    assert_int_equal(ran(), 1);
    assert_int_equal(exchange_batch(1), 0);
    assert_true(exchange_may_sleep());
    assert_int_equal(exchange_batch(1), 1);
    end(2);
}

/* ---- Flags --------------------------------------------------------------- */

static uintptr_t watched(unsigned cpu, unsigned word)
{
    return cpu_of(cpu)->exchange->watch->word[word];
}

/* The flags of a CPU, which lie in the second cache line of its port. */
static const struct exchange_line *flags_of(unsigned cpu)
{
    return (const struct exchange_line *)(void *)cpu_of(cpu)->exchange->port +
           1;
}

/* Up to four CPUs the slots themselves are looked at. */
static void test_few_cpus_need_no_flags(void **state)
{
    (void)state;
    begin(4);
    (void)be(3);
    send_and_pass(0);
    assert_int_equal(watched(0, 3), (uintptr_t)&items[0].node);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(watched(0, i), 0);
    for (unsigned i = 0; i < EXCHANGE_LINE_WORDS; i++)
        assert_int_equal(flags_of(0)->word[i], 0);
    (void)be(0);
    assert_false(pass());
    assert_int_equal(ran(), 1);
    assert_int_equal(watched(0, 3), 0);
    end(4);
}

/* With more, a source sets the flag it shares with its neighbours. */
static void flag_of(unsigned source, unsigned flag)
{
    (void)be(source);
    send_and_pass(0);
    for (unsigned i = 0; i < EXCHANGE_WATCH_WORDS; i++)
        assert_int_equal(watched(0, i), i == flag);
    (void)be(0);
    assert_false(pass());
    assert_int_equal(ran(), 1);
    assert_int_equal(watched(0, flag), 0);
    assert_ptr_equal(flags_of(0), cpu_of(0)->exchange->watch);
    /* That a list was taken sets none. */
    for (unsigned i = 0; i < EXCHANGE_WATCH_WORDS; i++)
        assert_int_equal(watched(source, i), 0);
}

static void test_many_cpus_set_flags(void **state)
{
    static const unsigned cpu_counts[] = {5, 70, 193, 256};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cpu_counts); i++) {
        unsigned cpus = cpu_counts[i];

        begin(cpus);
        for (unsigned source = 1; source < cpus; source += 21)
            flag_of(source, source / 64);
        flag_of(cpus - 1, (cpus - 1) / 64);
        if (cpus > 64) {
            flag_of(63, 0);
            flag_of(64, 1);
        }
        end(cpus);
    }
}

/* All that a flag stands for is taken at once, and all flags. */
static void test_one_pass_takes_all(void **state)
{
    static const unsigned sources[] = {1, 2, 63, 64, 127, 128, 199};

    (void)state;
    begin(200);
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        (void)be(sources[i]);
        send_and_pass(0);
    }
    (void)be(0);
    assert_false(pass());
    assert_int_equal(ran(), COUNT_OF(sources));
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        assert_int_equal(counters(sources[i]).received, 1);
    for (unsigned cpu = 0; cpu < 200; cpu++)
        assert_int_equal(counters(cpu).taken, counters(cpu).received);
    end(200);
}

/* ---- Memory -------------------------------------------------------------- */

/* Each CPU's port, slots and links are zero at boot, and take the pages they
 * need. */
static void memory_of(unsigned cpu, unsigned cpus)
{
    const struct exchange *exchange = cpu_of(cpu)->exchange;
    char *slots = (char *)cpu_of(0)->exchange->links[cpu].slot;
    char *base = (char *)exchange->port;
    char *behind = (char *)(exchange->links + cpus);

    assert_int_equal(page_count_of(mem_pages_of(cpu), base),
                     pages_for((size_t)(behind - base)));
    /* A cache line for eight sources. */
    assert_int_equal((char *)exchange->links - slots, (cpus + 7) / 8 * 64);
    for (unsigned from = 0; from < cpus; from++) {
        const struct exchange_link *link = &exchange->links[from];
        char *slot = (char *)cpu_of(from)->exchange->links[cpu].slot;

        assert_in_range((uintptr_t)slot, (uintptr_t)base,
                        (uintptr_t)exchange->links - sizeof(uintptr_t));
        assert_int_equal(*(uintptr_t *)(void *)slot, 0);
        assert_int_equal(link->cpu, from);
        assert_null(link->newest);
        assert_int_equal(
            link->batches + link->blocked + link->received + link->taken, 0);
    }
}

static void test_memory_of_the_exchange(void **state)
{
    static const unsigned cpu_counts[] = {1, 8, 9, 31, 256};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cpu_counts); i++) {
        begin(cpu_counts[i]);
        for (unsigned cpu = 0; cpu < cpu_counts[i]; cpu++)
            memory_of(cpu, cpu_counts[i]);
        end(cpu_counts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_leaves_and_arrives),
        cmocka_unit_test(test_a_long_list),
        cmocka_unit_test(test_a_full_slot_blocks),
        cmocka_unit_test(test_others_pass_a_full_slot),
        cmocka_unit_test(test_a_sleeper_is_rung_for),
        cmocka_unit_test(test_a_watcher_is_not_rung_for),
        cmocka_unit_test(test_a_blocked_sleeper_is_rung_for),
        cmocka_unit_test(test_a_sleeper_with_nothing_to_send_sleeps_on),
        cmocka_unit_test(test_no_sleep_while_a_slot_is_full),
        cmocka_unit_test(test_lazy_items_leave_before_a_sleep),
        cmocka_unit_test(test_lazy_items_leave_with_others),
        cmocka_unit_test(test_a_hurry_behind_a_quiet_list),
        cmocka_unit_test(test_a_hurry_behind_another),
        cmocka_unit_test(test_lazy_items_stay_when_a_list_comes),
        cmocka_unit_test(test_few_cpus_need_no_flags),
        cmocka_unit_test(test_many_cpus_set_flags),
        cmocka_unit_test(test_one_pass_takes_all),
        cmocka_unit_test(test_memory_of_the_exchange),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
