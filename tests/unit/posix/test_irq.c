/* Interrupts of the hosted machine, from the side of a device. */
#include "hal/posix/host/irq.h"
#include "hal/posix/kernel/idle.h"
#include "hal/posix/kernel/irq.h"
#include "tests/unit/posix/machine_bare.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static unsigned first, second;

static int setup(void **state)
{
    (void)state;
    bare_open((struct host_config){.cpus = 2});
    first = second = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    return 0;
}

static void test_raise_waits_for_the_flag(void **state)
{
    (void)state;
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &first), 0);
    irq_raise(5);
    irq_raise(5);
    hal_cpu_relax();
    assert_int_equal(first, 0);
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(first, 1); /* one bit: it coalesces */
    irq_raise(5);
    assert_int_equal(first, 1); /* no delivery point yet */
    hal_cpu_relax();
    assert_int_equal(first, 2);
}

static void test_raise_before_attach_is_kept(void **state)
{
    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    irq_raise(7);
    hal_cpu_relax();
    assert_int_equal(hal_irq_attach(7, 0, count_irq, &first), 0);
    hal_cpu_relax();
    assert_int_equal(first, 1);
    assert_int_equal(hal_irq_attach(7, 0, count_irq, &second), 0);
    hal_cpu_relax();
    assert_int_equal(second, 0); /* kept once */
}

static void test_line_is_shared_on_its_cpu_only(void **state)
{
    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(hal_irq_attach(9, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_attach(9, 0, count_irq, &second), 0);
    assert_int_equal(hal_irq_attach(9, 1, count_irq, &second), -EBUSY);
    irq_raise(9);
    hal_cpu_relax();
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
}

static void test_attach_refuses_nonsense(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        int irq;
        unsigned cpu;
        int want;
    } rows[] = {
        {"below the own ones", -4, 0, -EINVAL},
        {"above all", IRQ_COUNT, 0, -EINVAL},
        {"message not made", IRQ_LINE_COUNT, 0, -EINVAL},
        {"no such cpu", 4, 2, -EINVAL},
        {"timer of another", HAL_IRQ_TIMER, 1, -EINVAL},
        {"last line", IRQ_LINE_COUNT - 1, 1, 0},
        {"first line", 0, 1, 0},
        {"far above all", 100000, 0, -EINVAL},
        {"doorbell of another", HAL_IRQ_DOORBELL, 1, -EINVAL},
        {"own timer", HAL_IRQ_TIMER, 0, 0},
        {"own timer again", HAL_IRQ_TIMER, 0, -EBUSY},
        {"own doorbell", HAL_IRQ_DOORBELL, 0, 0},
        {"own doorbell again", HAL_IRQ_DOORBELL, 0, -EBUSY},
        {"stop elsewhere", HAL_IRQ_STOP, 1, -EINVAL},
        {"stop", HAL_IRQ_STOP, 0, 0},
        {"stop again", HAL_IRQ_STOP, 0, -EBUSY},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, hal_irq_attach(rows[i].irq, rows[i].cpu, count_irq,
                                         &first) == rows[i].want);
    assert_true(machine_stop_ask()); /* the first one still is */
    assert_int_equal(hal_irq_attach(4, 0, NULL, NULL), -EINVAL);
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, NULL, NULL), -EINVAL);
}

static void test_handlers_run_out(void **state)
{
    int err = 0;
    unsigned count = 0;

    (void)state;
    for (; err == 0 && count < 10000; count++)
        err =
            hal_irq_attach((int)(count % IRQ_LINE_COUNT), 0, count_irq, &first);
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(count, 512 + 1);
}

static void test_msi_finds_its_handler(void **state)
{
    uint64_t addr[2];
    uint32_t data[2];
    int irq[2];

    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    irq[0] = hal_irq_msi(0, &addr[0], &data[0]);
    irq[1] = hal_irq_msi(1, &addr[1], &data[1]);
    assert_int_equal(irq[0], 256);
    assert_int_equal(irq[1], 257);
    assert_int_equal(addr[0], 0xfee00000); /* as a local APIC has them */
    assert_int_equal(addr[1], 0xfee01000);
    assert_int_equal(data[0], 0);
    assert_int_equal(data[1], 1);
    assert_int_equal(irq_from_msi(addr[0], data[0]), irq[0]);
    assert_int_equal(irq_from_msi(addr[1], data[1]), irq[1]);
    assert_int_equal(irq_from_msi(addr[0], data[1]), -EINVAL);
    assert_int_equal(irq_from_msi(addr[0] + 4, data[0]), -EINVAL);
    assert_int_equal(irq_from_msi(addr[1], 2), -EINVAL);
    assert_int_equal(hal_irq_attach(irq[1], 0, count_irq, &first), -EINVAL);
    assert_int_equal(hal_irq_attach(irq[0], 1, count_irq, &first), -EINVAL);
    assert_int_equal(hal_irq_attach(irq[0], 0, count_irq, &first), 0);
    irq_raise(irq_from_msi(addr[0], data[0]));
    hal_cpu_relax();
    assert_int_equal(first, 1);
}

static void test_msi_runs_out(void **state)
{
    uint64_t addr;
    uint32_t data;

    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    for (unsigned i = 0; i < IRQ_MSI_COUNT; i++)
        assert_int_equal(hal_irq_msi(0, &addr, &data), 256 + i);
    assert_int_equal(irq_from_msi(addr, data), IRQ_COUNT - 1);
    assert_int_equal(irq_from_msi(addr, data + 1), -EINVAL);
    assert_int_equal(hal_irq_attach(IRQ_COUNT - 1, 0, count_irq, &first), 0);
    irq_raise(IRQ_COUNT - 1);
    hal_cpu_relax();
    assert_int_equal(first, 1);
    assert_int_equal(hal_irq_msi(0, &addr, &data), -ENOSPC);
    assert_int_equal(hal_irq_msi(2, &addr, &data), -ENODEV);
}

static void raise_again(void *arg)
{
    if (++*(unsigned *)arg < 3)
        irq_raise(11);
}

static void test_raise_in_a_handler_comes_after_it(void **state)
{
    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(hal_irq_attach(11, 0, raise_again, &first), 0);
    irq_raise(11);
    hal_cpu_relax();
    assert_int_equal(first, 3);
    assert_int_equal(hal_irq_save(), HAL_IRQS_ON);
}

/* ---- A CPU's own -------------------------------------------------------- */

static void test_doorbell_of_this_cpu(void **state)
{
    (void)state;
    assert_int_equal(hal_irq_attach(HAL_IRQ_DOORBELL, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &second), 0);
    hal_ipi_send(0);
    hal_ipi_send(0);
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    hal_timer_set(1);
    hal_irq_save();
    hal_cpu_idle();
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
}

/* Nobody has attached: it is lost, not kept, and harms nothing. */
static void test_doorbell_without_handler(void **state)
{
    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    hal_ipi_send(0);
    hal_cpu_relax();
    assert_int_equal(hal_irq_attach(HAL_IRQ_DOORBELL, 0, count_irq, &first), 0);
    hal_cpu_relax();
    assert_int_equal(first, 0);
}

static hal_irqflags flags_seen;

static void flags_note(void *arg)
{
    ++*(unsigned *)arg;
    flags_seen = hal_irq_save();
    irq_raise(12);
    hal_cpu_relax(); /* interrupts are off: 12 comes later */
    assert_int_equal(second, 0);
}

static void test_handlers_run_with_interrupts_off(void **state)
{
    (void)state;
    assert_int_equal(hal_irq_attach(11, 0, flags_note, &first), 0);
    assert_int_equal(hal_irq_attach(12, 0, count_irq, &second), 0);
    flags_seen = 77;
    irq_raise(11);
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(flags_seen, HAL_IRQS_OFF);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    assert_int_equal(hal_irq_save(), HAL_IRQS_ON);
    assert_int_equal(hal_irq_save(), HAL_IRQS_OFF);
    irq_raise(12);
    hal_irq_restore(HAL_IRQS_OFF);
    assert_int_equal(second, 1);
    hal_cpu_idle();
    assert_int_equal(second, 2);
    assert_int_equal(hal_irq_save(), HAL_IRQS_OFF);
}

/* Each line has a bit of its own, in every word of bits. */
static void test_lines_do_not_mix(void **state)
{
    static unsigned counts[IRQ_LINE_COUNT];

    (void)state;
    memset(counts, 0, sizeof(counts));
    for (int irq = 0; irq < IRQ_LINE_COUNT; irq++)
        assert_int_equal(hal_irq_attach(irq, 0, count_irq, &counts[irq]), 0);
    for (int irq = 0; irq < IRQ_LINE_COUNT; irq += 3)
        irq_raise(irq);
    hal_irq_restore(HAL_IRQS_ON);
    for (int irq = 0; irq < IRQ_LINE_COUNT; irq++)
        assert_int_equal(counts[irq], irq % 3 == 0);
}

/* What an earlier machine had is not there any more. */
static void test_another_machine_has_no_handlers(void **state)
{
    uint64_t addr;
    uint32_t data;

    (void)state;
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_attach(9, 1, count_irq, &first), 0);
    assert_int_equal(hal_irq_msi(0, &addr, &data), 256);
    hal_ipi_send(0);
    irq_raise(10);
    bare_open((struct host_config){.cpus = 2});
    assert_int_equal(irq_from_msi(addr, data), -EINVAL);
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_attach(HAL_IRQ_DOORBELL, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_attach(9, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_attach(10, 0, count_irq, &first), 0);
    assert_int_equal(hal_irq_msi(0, &addr, &data), 256);
    hal_irq_restore(HAL_IRQS_ON);
    hal_cpu_relax();
    assert_int_equal(first, 0);
}

/* ---- Watching memory ----------------------------------------------------- */

static uint64_t line[8] cache_aligned;

static void *change_thread(void *arg)
{
    const struct timespec moment = {.tv_nsec = 5 * 1000 * 1000};

    nanosleep(&moment, NULL);
    __atomic_store_n(&line[*(unsigned *)arg], 1, __ATOMIC_RELEASE);
    return NULL;
}

static void test_watch_sees_each_word_of_the_line(void **state)
{
    (void)state;
    assert_false(hal_cpu_watch(line)); /* this machine cannot */
    machine_watches = true;
    for (unsigned word = 0; word < 8; word++) {
        pthread_t thread;

        memset(line, 0, sizeof(line));
        assert_true(hal_cpu_watch(line));
        assert_int_equal(pthread_create(&thread, NULL, change_thread, &word),
                         0);
        hal_cpu_idle(); /* no interrupt comes: else it would not end */
        assert_int_equal(line[word], 1);
        pthread_join(thread, NULL);
    }
    /* A store before the sleep counts, and an interrupt ends it too. */
    assert_true(hal_cpu_watch(line));
    line[3] = 2;
    hal_cpu_idle();
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &first), 0);
    assert_true(hal_cpu_watch(line));
    irq_raise(5);
    hal_cpu_idle();
    assert_int_equal(first, 1);
    machine_watches = false;
    /* It was for one sleep only. */
    irq_raise(5);
    hal_cpu_idle();
    assert_int_equal(first, 2);
}

/* ---- CPUs ---------------------------------------------------------------- */

static unsigned started_cpu, started_local, started_flags;
static void *started_arg, *started_sp;
static atomic_uint started;

static void cpu_started(void *arg)
{
    char here;

    started_arg = arg;
    started_sp = &here;
    started_cpu = hal_cpu_id();
    started_local = hal_cpu_local() != NULL;
    started_flags = (unsigned)hal_irq_save();
    atomic_fetch_add(&started, 1);
    for (;;)
        hal_cpu_relax();
}

static void test_start_of_a_cpu(void **state)
{
    static char stack[65536] cache_aligned;

    (void)state;
    atomic_store(&started, 0);
    hal_cpu_set_local(&first);
    assert_ptr_equal(hal_cpu_local(), &first);
    assert_int_equal(hal_cpu_start(0, cpu_started, NULL, stack, sizeof(stack)),
                     -EINVAL);
    assert_int_equal(hal_cpu_start(2, cpu_started, NULL, stack, sizeof(stack)),
                     -EINVAL);
    assert_int_equal(
        hal_cpu_start(1, cpu_started, &second, stack, sizeof(stack)), 0);
    assert_int_equal(
        hal_cpu_start(1, cpu_started, &second, stack, sizeof(stack)), -EINVAL);
    while (atomic_load(&started) == 0)
        hal_cpu_relax();
    assert_int_equal(started_cpu, 1);
    assert_ptr_equal(started_arg, &second);
    assert_int_equal(started_local, 0);
    assert_int_equal(started_flags, HAL_IRQS_OFF);
    assert_true((char *)started_sp > stack &&
                (char *)started_sp < stack + sizeof(stack));
    host_machine_close();
    assert_int_equal(atomic_load(&started), 1);
}

#define ON_MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_raise_waits_for_the_flag, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_raise_before_attach_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_line_is_shared_on_its_cpu_only,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_attach_refuses_nonsense, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_handlers_run_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_msi_finds_its_handler, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_msi_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_raise_in_a_handler_comes_after_it,
                                        setup, teardown),
        ON_MACHINE(test_doorbell_of_this_cpu),
        ON_MACHINE(test_doorbell_without_handler),
        ON_MACHINE(test_handlers_run_with_interrupts_off),
        ON_MACHINE(test_lines_do_not_mix),
        ON_MACHINE(test_another_machine_has_no_handlers),
        ON_MACHINE(test_watch_sees_each_word_of_the_line),
        ON_MACHINE(test_start_of_a_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
