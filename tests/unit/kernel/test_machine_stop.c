/* Requests to stop the machine, and who waits for them. */
#include "hal/hal.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/irq.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

static char output[4096];

static unsigned told;

static int waiter(void *arg)
{
    (void)arg;
    if (machine_stop_wait() != 0)
        return 1;
    told++;
    return 0;
}

/* The first time as a signal does; then as a PC's button, again and again. */
static void ask(unsigned time)
{
    struct irq_action *action =
        &machine_cpu[0].own[IRQ_OWN_COUNT + HAL_IRQ_STOP];
    hal_irqflags flags;

    if (time == 1 && machine_stop_ask() && !machine_stop_ask())
        return;
    flags = hal_irq_save();
    action->handler(action->arg);
    hal_irq_restore(flags);
}

/* A request that comes while nobody waits is told to the next who does, and
 * each one to one thread. */
static int each_is_told(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 0};
    thread_id id[2];

    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        if (thread_create(&attr, waiter, NULL, &id[i]) != 0)
            return 2;
    }
    thread_sleep(NS_PER_MS);
    if (told != 0)
        return 3;
    for (unsigned i = 1; i <= 2; i++) {
        ask(i);
        while (told < i)
            thread_yield();
        thread_sleep(NS_PER_MS);
        if (told != i)
            return 4;
    }
    if (thread_join(id[0], NULL) != 0 || thread_join(id[1], NULL) != 0)
        return 5;
    ask(3);
    thread_sleep(NS_PER_MS);
    return machine_stop_wait() == 0 ? 0 : 6;
}

static void test_each_request_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 4 << 20, each_is_told, NULL), 0);
}

static int wait_here(void *arg)
{
    (void)arg;
    return machine_stop_wait();
}

static int elsewhere(void *arg)
{
    (void)arg;
    if (remote_call(1, wait_here, NULL) != -EXDEV)
        return 1;
    return machine_stop_ask() ? 2 : 0;
}

static void test_only_the_first_cpu_waits(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 4 << 20, elsewhere, NULL), 0);
}

static void not_asked(void *arg)
{
    (void)arg;
}

/* Nobody can ask: it says so, and waits for ever. */
static int nobody_asks(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 0};
    thread_id id;

    (void)arg;
    if (hal_irq_attach(HAL_IRQ_STOP, 0, not_asked, NULL) != 0 ||
        thread_create(&attr, waiter, NULL, &id) != 0)
        return 1;
    thread_sleep(20 * NS_PER_MS);
    return told == 0 ? 0 : 2;
}

static void test_a_machine_nobody_can_ask(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(1, 4 << 20, "", nobody_asks, NULL,
                                        output, sizeof(output)),
                     0);
    assert_non_null(
        strstr(output, "nobody can ask this machine to stop (error -16)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_is_told_once),
        cmocka_unit_test(test_only_the_first_cpu_waits),
        cmocka_unit_test(test_a_machine_nobody_can_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
