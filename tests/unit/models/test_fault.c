/* The faults that device models meet: which, when, and how a sweep ends. */
#include "tests/fakes/cmocka_all.h"
#include "tests/models/fault.h"
#include <string.h>

static void test_without_a_plan_nothing_fails(void **state)
{
    (void)state;
    assert_int_equal(fault_next(NULL, "read"), FAULT_NONE);
}

static void test_the_nth_operation_meets_the_kind(void **state)
{
    struct fault_plan plan = {.kind = FAULT_LATE, .nth = 2};

    (void)state;
    assert_int_equal(fault_next(&plan, "read"), FAULT_NONE);
    assert_false(plan.reached);
    assert_int_equal(fault_next(&plan, "write"), FAULT_LATE);
    assert_true(plan.reached);
    assert_true(plan.used);
    assert_string_equal(plan.operation, "write");
    assert_int_equal(fault_next(&plan, "read"), FAULT_NONE);
    assert_string_equal(plan.operation, "write");
    assert_int_equal(plan.count, 3);
}

static void test_a_plan_for_no_operation_counts(void **state)
{
    struct fault_plan plan = {.kind = FAULT_FAIL};

    (void)state;
    assert_int_equal(fault_next(&plan, "read"), FAULT_NONE);
    assert_false(plan.reached);
    assert_int_equal(plan.count, 1);
}

static void test_a_kind_without_sense_is_reached_but_not_used(void **state)
{
    struct fault_plan plan = {.kind = FAULT_SHORT, .nth = 1};

    (void)state;
    assert_int_equal(fault_among(&plan, "flush", fault_bit(FAULT_FAIL)),
                     FAULT_NONE);
    assert_true(plan.reached);
    assert_false(plan.used);
}

static unsigned kinds_asked;

static enum model_fault draw(void *arg, const char *operation, unsigned kinds)
{
    kinds_asked = kinds;
    assert_string_equal(operation, "read");
    return *(enum model_fault *)arg;
}

static void test_a_callback_draws_among_the_kinds(void **state)
{
    enum model_fault next = FAULT_NEVER;
    struct fault_plan plan = {.draw = draw, .arg = &next};
    unsigned kinds = fault_bit(FAULT_NEVER) | fault_bit(FAULT_FAIL);

    (void)state;
    assert_int_equal(fault_among(&plan, "read", kinds), FAULT_NEVER);
    assert_int_equal(kinds_asked, kinds);
    next = FAULT_TWICE;
    assert_int_equal(fault_among(&plan, "read", kinds), FAULT_NONE);
    next = FAULT_NONE;
    assert_int_equal(fault_next(&plan, "read"), FAULT_NONE);
    assert_int_equal(kinds_asked, FAULT_ALL);
    assert_int_equal(plan.count, 3);
}

static void test_all_kinds_are_all_but_none(void **state)
{
    (void)state;
    assert_int_equal(FAULT_ALL & fault_bit(FAULT_NONE), 0);
    for (unsigned i = FAULT_FAIL; i < FAULT_KINDS; i++) {
        assert_true(FAULT_ALL & fault_bit(i));
        assert_true(strlen(fault_name(i)) > 3);
    }
    assert_int_equal(FAULT_ALL >> FAULT_KINDS, 0);
}

static unsigned met[FAULT_KINDS];
static unsigned runs;

/* Three operations, of which the second cannot be short. */
static void run(struct fault_plan *plan, void *arg)
{
    assert_ptr_equal(arg, met);
    runs++;
    met[fault_next(plan, "read")]++;
    met[fault_among(plan, "flush", FAULT_ALL & ~fault_bit(FAULT_SHORT))]++;
    met[fault_next(plan, "read")]++;
}

static void test_a_sweep_is_each_kind_at_each_operation(void **state)
{
    unsigned used = fault_sweep(FAULT_ALL, run, met);

    (void)state;
    /* Eight kinds, three operations and a run that reaches no fourth. */
    assert_int_equal(runs, 8 * 4);
    assert_int_equal(used, 8 * 3 - 1);
    for (unsigned i = FAULT_FAIL; i < FAULT_KINDS; i++)
        assert_int_equal(met[i], i == FAULT_SHORT ? 2 : 3);
    runs = 0;
    assert_int_equal(fault_sweep(fault_bit(FAULT_RESET), run, met), 3);
    assert_int_equal(runs, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_plan_nothing_fails),
        cmocka_unit_test(test_the_nth_operation_meets_the_kind),
        cmocka_unit_test(test_a_plan_for_no_operation_counts),
        cmocka_unit_test(test_a_kind_without_sense_is_reached_but_not_used),
        cmocka_unit_test(test_a_callback_draws_among_the_kinds),
        cmocka_unit_test(test_all_kinds_are_all_but_none),
        cmocka_unit_test(test_a_sweep_is_each_kind_at_each_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
