/* Interrupts of the hosted machine, from the side of a device. */
#include "hal/posix/irq.h"
#include "tests/unit/posix/machine_bare.h"

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
    host_machine_close();
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
        {"below the own ones", -3, 0, -EINVAL},
        {"above all", IRQ_COUNT, 0, -EINVAL},
        {"message not made", IRQ_LINE_COUNT, 0, -EINVAL},
        {"no such cpu", 4, 2, -EINVAL},
        {"timer of another", HAL_IRQ_TIMER, 1, -EINVAL},
        {"last line", IRQ_LINE_COUNT - 1, 1, 0},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, hal_irq_attach(rows[i].irq, rows[i].cpu, count_irq,
                                         &first) == rows[i].want);
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
    assert_true(irq[0] >= 256);
    assert_true(irq[1] >= 256);
    assert_int_equal(irq_from_msi(addr[0], data[0]), irq[0]);
    assert_int_equal(irq_from_msi(addr[1], data[1]), irq[1]);
    assert_int_equal(irq_from_msi(addr[0], data[1]), -EINVAL);
    assert_int_equal(irq_from_msi(addr[0] + 4, data[0]), -EINVAL);
    assert_int_equal(irq_from_msi(addr[1], 2), -EINVAL);
    assert_int_equal(hal_irq_attach(irq[1], 0, count_irq, &first), -EINVAL);
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
    for (unsigned i = 0; i < IRQ_MSI_COUNT; i++)
        assert_true(hal_irq_msi(0, &addr, &data) >= 256);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
