/* What a CPU does before it sleeps. */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/idle.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

/* ---- How long it looks out for work -------------------------------------- */

enum { POLL_NS = 100 * 1000, SHORT_NS = 200 * 1000 };

/*
 * The tests below repeat what they measure: the host may take the processor for
 * as long as a whole sleep.
 */

/* What the CPU expects of the next time without work, after two long ones and
 * after many. */
static void sleep_long(uint64_t estimate_ns[3])
{
    machine_attach_cmdline(16 << 20, "poll=100");
    assert_int_equal(cpu_self()->idle_estimate_ns, 0);
    for (int i = 0; i < 2; i++) {
        thread_sleep(20 * NS_PER_MS);
        estimate_ns[i] = cpu_self()->idle_estimate_ns;
    }
    for (int i = 0; i < 60; i++)
        thread_sleep(NS_PER_MS);
    estimate_ns[2] = cpu_self()->idle_estimate_ns;
    machine_detach();
}

/*
 * The average of the last times without work counts none of them as more than
 * eight times the limit: after one long sleep the CPU still looks out.
 */
static void test_idle_learns_from_sleeps(void **state)
{
    const uint64_t second = 2 * POLL_NS - POLL_NS / 8;
    uint64_t estimate_ns[3] = {0};

    (void)state;
    for (int tries = 0; tries < 20; tries++) {
        sleep_long(estimate_ns);
        if (estimate_ns[1] == second && estimate_ns[2] >= 7 * POLL_NS)
            break;
    }
    assert_int_equal(estimate_ns[0], POLL_NS);
    assert_int_equal(estimate_ns[1], second);
    assert_in_range(estimate_ns[2], 7 * POLL_NS, 8 * POLL_NS);
}

static uint64_t estimate_of_short_sleep(void)
{
    uint64_t estimate_ns;

    machine_attach_cmdline(16 << 20, "poll=1000");
    thread_sleep(SHORT_NS);
    estimate_ns = cpu_self()->idle_estimate_ns;
    machine_detach();
    return estimate_ns;
}

/* An eighth of a short time without work is what it adds. */
static void test_idle_learns_from_short_sleeps(void **state)
{
    uint64_t estimate_ns = 0;

    (void)state;
    for (int tries = 0; tries < 20; tries++) {
        estimate_ns = estimate_of_short_sleep();
        if (estimate_ns >= SHORT_NS / 16 && estimate_ns < NS_PER_MS)
            break;
    }
    assert_in_range(estimate_ns, SHORT_NS / 16, NS_PER_MS - 1);
}

static void test_idle_learns_nothing_without_poll(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    thread_sleep(2 * NS_PER_MS);
    assert_int_equal(cpu_self()->idle_estimate_ns, 0);
    machine_detach();
}

/* How long the CPU is idle when a doorbell waits for it: looking out, it does
 * not see that, asleep it wakes at once. Interrupts are off. */
static uint64_t idle_ns(uint64_t estimate_ns)
{
    uint64_t start = time_ns();

    cpu_self()->idle_estimate_ns = estimate_ns;
    hal_ipi_send(0);
    idle_sleep(cpu_self());
    return time_ns() - start;
}

static void test_idle_looks_out_before_short_sleeps_only(void **state)
{
    uint64_t shortest = TIME_NEVER;
    hal_irqflags flags;

    (void)state;
    machine_attach_cmdline(16 << 20, "poll=1000");
    flags = hal_irq_save();
    assert_true(idle_ns(0) >= NS_PER_MS);
    assert_true(idle_ns(NS_PER_MS) >= NS_PER_MS);
    for (int tries = 0; tries < 20 && shortest >= NS_PER_MS; tries++)
        shortest = idle_ns(NS_PER_MS + 1);
    assert_true(shortest < NS_PER_MS);
    hal_irq_restore(flags);
    machine_detach();
}

/* It looked out in vain: then it sleeps. */
static void test_idle_sleeps_after_looking_out(void **state)
{
    uint64_t end;
    hal_irqflags flags;

    (void)state;
    machine_attach_cmdline(16 << 20, "poll=1000");
    flags = hal_irq_save();
    end = time_ns() + 5 * NS_PER_MS;
    hal_timer_set(end);
    idle_sleep(cpu_self());
    assert_true(time_ns() >= end);
    hal_irq_restore(flags);
    machine_detach();
}

/* ---- A slot that becomes empty ------------------------------------------- */

enum { HOLD_NS = 100 * 1000 };

/* CPU 1 only. */
static uint64_t released_ns;
static uint64_t arrived_ns;

/* CPU 1 makes no pass for a while: its slots stay full. */
static int make_no_pass(void *arg)
{
    uint64_t end = time_ns() + HOLD_NS;

    (void)arg;
    while (time_ns() < end)
        ;
    released_ns = time_ns();
    return 0;
}

static void item_arrived(struct exchange_item *item)
{
    (void)item;
    arrived_ns = time_ns();
}

static uint64_t waited_ns; /* of the shortest round */

static int look_at_times(void *arg)
{
    uint64_t ns = arrived_ns - released_ns;

    (void)arg;
    if (ns < waited_ns)
        waited_ns = ns;
    return 0;
}

/* An item waits behind a full slot; its CPU has nothing else to do. */
static int send_behind_full_slot(void *arg)
{
    static struct exchange_item item[2];
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id id;

    (void)arg;
    waited_ns = TIME_NEVER;
    for (int round = 0; round < 40; round++) {
        if (thread_create(&there, make_no_pass, NULL, &id) != 0)
            return 1;
        for (int i = 0; i < 2; i++) {
            item[i].run = item_arrived;
            exchange_send(1, &item[i]);
            thread_yield();
        }
        if (thread_join(id, NULL) != 0 ||
            remote_call(1, look_at_times, NULL) != 0)
            return 2;
    }
    return waited_ns < 500 * NS_PER_US ? 0 : 3;
}

/* With poll= it sees that the slot is empty, and need not sleep for that. */
static void test_idle_polls_emptied_slots(void **state)
{
    char output[1024];

    (void)state;
    assert_int_equal(machine_run_output(2, 8 << 20, "poll=1000",
                                        send_behind_full_slot, NULL, output,
                                        sizeof(output)),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_learns_from_sleeps),
        cmocka_unit_test(test_idle_learns_from_short_sleeps),
        cmocka_unit_test(test_idle_learns_nothing_without_poll),
        cmocka_unit_test(test_idle_looks_out_before_short_sleeps_only),
        cmocka_unit_test(test_idle_sleeps_after_looking_out),
        cmocka_unit_test(test_idle_polls_emptied_slots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
