#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"

static int order[8];
static int count;

struct numbered {
    struct irq_work work;
    int number;
    int repeats;
};

static void note(struct irq_work *work)
{
    struct numbered *self = container_of(work, struct numbered, work);

    order[count++] = self->number;
    if (self->repeats-- > 0)
        irq_work_raise(work);
}

static void test_irq_work_runs_once_in_order(void **state)
{
    struct numbered a = {.number = 1}, b = {.number = 2};

    (void)state;
    machine_attach(8 << 20);
    count = 0;
    irq_work_init(&a.work, note);
    irq_work_init(&b.work, note);
    irq_work_raise(&b.work);
    irq_work_raise(&a.work);
    irq_work_raise(&b.work);
    assert_true(cpu_self()->attention);
    irq_work_run();
    assert_int_equal(count, 2);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    assert_false(cpu_self()->attention);
    irq_work_run();
    assert_int_equal(count, 2);
    irq_work_raise(&b.work); /* what was behind it is forgotten */
    irq_work_run();
    assert_int_equal(count, 3);
    irq_work_raise(&a.work);
    irq_work_raise(&b.work);
    irq_work_run();
    assert_int_equal(count, 5);
    assert_int_equal(order[4], 2);
    assert_int_equal(hal_irq_save(), HAL_IRQS_ON); /* they are on as before */
    hal_irq_restore(HAL_IRQS_ON);
    machine_detach();
}

static void test_irq_work_raised_while_running_waits_its_turn(void **state)
{
    struct numbered storm = {.number = 1, .repeats = 3};

    (void)state;
    machine_attach(8 << 20);
    count = 0;
    irq_work_init(&storm.work, note);
    irq_work_raise(&storm.work);
    for (int i = 1; i <= 4; i++) {
        irq_work_run();
        assert_int_equal(count, i);
    }
    irq_work_run();
    assert_int_equal(count, 4);
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_irq_work_runs_once_in_order),
        cmocka_unit_test(test_irq_work_raised_while_running_waits_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
