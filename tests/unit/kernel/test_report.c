/* What the report of a panic says of the whole machine: its threads, and the
 * last lines of each CPU. */
#include "kernel/base/boot_info.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/report.h"
#include "kernel/thread/thread_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/thread.h>
#include <torc/time.h>

static char output[32768];

static int run(unsigned cpus, const char *cmdline, int (*fn)(void *))
{
    return machine_run_output(cpus, 8 << 20, cmdline, fn, NULL, output,
                              sizeof(output));
}

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

static int sleep_long(void *arg)
{
    (void)arg;
    thread_sleep(1000 * NS_PER_S);
    return 0;
}

static volatile bool is_busy;

static int loop(void *arg)
{
    (void)arg;
    is_busy = true;
    for (volatile unsigned i = 0; i < 1; i = 0)
        ;
    return 0;
}

static thread_id start(const char *name, unsigned cpu, int (*fn)(void *))
{
    const struct thread_attr attr = {
        .name = name, .place = THREAD_ON_CPU, .cpu = cpu};
    thread_id id = 0;

    assert_int_equal(thread_create(&attr, fn, NULL, &id), 0);
    return id;
}

static int panic_among_others(void *arg)
{
    thread_id held;

    (void)arg;
    start("sleeper", 0, sleep_long);
    held = start("held", cpu_count() - 1, sleep_long);
    assert_int_equal(thread_suspend(held), 0);
    start("busy", cpu_count() - 1, loop);
    while (cpu_count() > 1 && !is_busy)
        thread_yield();
    for (unsigned i = 0; i < 9; i++)
        log_info("line number %u", i);
    panic("enough");
}

/* Those of both CPUs, sleeping ones too. */
static void test_report_lists_threads(void **state)
{
    (void)state;
    assert_int_equal(run(2, "", panic_among_others), 134);
    assert_true(says("panic: enough\n  on cpu 0, thread main\n"));
    assert_true(says("threads of all CPUs:\n"));
    assert_true(says("main, running:"));
    assert_true(says("cpu 0, thread 0.1 sleeper, waiting:"));
    assert_true(says("cpu 1, thread 1.1 busy, running:"));
    assert_true(says("idle, ready:"));
    assert_false(says("failed"));
}

static void test_report_has_the_last_lines(void **state)
{
    const char *tail;

    (void)state;
    assert_int_equal(run(1, "", panic_among_others) != 0, 1);
    tail = strstr(output, "last lines of cpu 0:\n");
    assert_non_null(tail);
    assert_null(strstr(tail, "line number 4\n"));
    assert_non_null(strstr(tail, "line number 5\n"));
    assert_non_null(strstr(tail, "line number 8\n"));
}

static int panic_with_many(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 100; i++)
        start("one of many", 0, sleep_long);
    panic("enough");
}

static void test_report_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", panic_with_many), 134);
    assert_true(says("  and 54 more\n")); /* main and idle are there, too */
}

static int panic_with_damage(void *arg)
{
    thread_id id = start("odd", 0, sleep_long);
    struct thread_entry *entry = table_find(cpu_self(), id);

    (void)arg;
    entry->thread->state = 99;
    entry->thread->context.sp = NULL;
    entry = table_find(cpu_self(), start("lost", 0, sleep_long));
    entry->where = 7; /* there is no such CPU */
    entry = table_find(cpu_self(), start("beyond", 0, sleep_long));
    entry->thread = (void *)8;
    panic("enough");
}

/* What is damaged is told as far as it goes; the next part has its turn. */
static void test_report_of_damaged_threads(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", panic_with_damage), 134);
    assert_true(says("odd, damaged: where is not known\n"));
    assert_false(says("lost"));
    assert_true(says("panic: the report has failed: segmentation fault"));
    assert_true(says("last lines of cpu 0:\n"));
}

/* ---- Without a panic ----------------------------------------------------- */

/* Frames count as long as each is above the one before, within the stack. */
static void test_frames_end(void **state)
{
    uintptr_t words[12] = {0};
    uintptr_t sp = (uintptr_t)words;

    (void)state;
    words[2] = (uintptr_t)&words[6];
    words[3] = words[7] = 99; /* where they return to */
    assert_int_equal(thread_frames_end(sp, 0), sp);
    assert_int_equal(thread_frames_end(sp, sp - 16), sp);
    assert_int_equal(thread_frames_end(sp, sp + 17), sp);
    assert_int_equal(thread_frames_end(sp, (uintptr_t)&words[2]),
                     (uintptr_t)&words[8]);
    words[7] = 0; /* no caller */
    assert_int_equal(thread_frames_end(sp, (uintptr_t)&words[2]),
                     (uintptr_t)&words[4]);
    words[2] = sp; /* downwards */
    assert_int_equal(thread_frames_end(sp, (uintptr_t)&words[2]),
                     (uintptr_t)&words[4]);
}

struct seen {
    unsigned idle[2];
    bool is_unknown;
};

static void look(void *ctx, const struct thread_view *view)
{
    struct seen *seen = ctx;

    assert_in_range(view->cpu, 0, 1);
    seen->idle[view->cpu] += view->is_idle;
    if (view->cpu == 1)
        seen->is_unknown = view->runs && !view->is_known &&
                           view->stack_low == 0 && view->stack_high == 0;
}

/* Of a CPU that was not stopped nobody knows the registers; one that starts
 * has no idle thread yet. */
static void test_visit_of_little_that_is_known(void **state)
{
    struct thread other = {0};
    struct seen seen = {0};
    struct thread *idle;

    (void)state;
    machine_attach_still(2, 8 << 20);
    idle = cpu_self()->idle;
    assert_non_null(cpu_of(1));
    cpu_of(1)->idle = cpu_of(1)->current = &other;
    threads_visit(look, &seen);
    assert_true(seen.is_unknown);
    assert_int_equal(seen.idle[0], idle != NULL);
    assert_int_equal(seen.idle[1], 1);
    cpu_self()->idle = cpu_of(1)->idle = NULL;
    seen = (struct seen){0};
    threads_visit(look, &seen);
    assert_int_equal(seen.idle[0] + seen.idle[1], 0);
    assert_false(seen.is_unknown);
    cpu_self()->idle = idle;
    machine_detach();
}

/* So many slots would be all of the memory, and more. */
static void test_table_size_is_bounded(void **state)
{
    struct cpu cpu = {.thread_slots = 3};
    size_t one = thread_table_size(&cpu) / 3;

    (void)state;
    assert_int_equal(one, sizeof(struct thread_entry));
    cpu.thread_slots = UINT32_MAX;
    assert_int_equal(thread_table_size(&cpu), one * 65536);
}

/* Of a damaged thread the number of its CPU may be any. */
static int look_for_cpus(void *arg)
{
    (void)arg;
    assert_ptr_equal(cpu_if_any(1), cpu_of(1));
    assert_null(cpu_if_any(2));
    assert_null(cpu_if_any(HAL_CPU_MAX));
    assert_null(cpu_if_any(UINT32_MAX));
    return 0;
}

static void test_cpus_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(run(2, "", look_for_cpus), 0);
}

/* Another CPU is known of, and is not made yet. */
static int panic_early(void *arg)
{
    (void)arg;
    ((struct hal_boot_info *)(uintptr_t)boot_info())->cpu_count = 2;
    log_info("the only line");
    panic("enough");
}

static void test_report_early_in_boot(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", panic_early), 134);
    assert_true(says("last lines of cpu 0:\n"));
    assert_true(says("main, running:"));
    assert_false(says("failed"));
}

static int panic_at_once(void *arg)
{
    (void)arg;
    panic("enough");
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void fail_once(void)
{
    *(volatile char *)(uintptr_t)8 = 1;
}

static void fail_again(void)
{
    panic("so does this part");
}

static int panic_with_bad_parts(void *arg)
{
    panic_add_part(fail_once);
    panic_add_part(fail_again);
    panic_add_part(fail_again); /* it is there */
    return panic_at_once(arg);
}

static void test_parts_that_fail(void **state)
{
    const char *at;

    (void)state;
    assert_int_equal(run(1, "", panic_with_bad_parts), 134);
    at = strstr(output, "panic: the report has failed: segmentation fault");
    assert_non_null(at);
    at = strstr(at, "the report has failed again: another panic");
    assert_non_null(at);
    assert_null(strstr(at + 30, "failed again"));
}

static void test_panic_option(void **state)
{
    (void)state;
    /* A process has one end for both. */
    assert_int_equal(run(1, "panic=off", panic_at_once), 134);
    assert_int_equal(run(1, "panic=reboot", panic_at_once), 134);
    assert_int_equal(run(1, "panic=-1", panic_at_once), 134);
    assert_int_equal(run(1, "panic=halt", do_nothing), 0);
    assert_int_equal(run(1, "panic=0", do_nothing), 0);
    assert_int_equal(run(1, "panic=never", panic_at_once), 2);
}

static const struct hal_fault faults[] = {
    {.what = "f", .address = 8, .access = HAL_READ, .detail = ""},
    {.what = "f", .address = 4095, .access = HAL_WRITE, .detail = ""},
    {.what = "f", .address = 4096, .access = HAL_WRITE, .detail = ""},
    {.what = "f",
     .ip = 0x5000,
     .address = 0x5000,
     .access = HAL_EXECUTE,
     .detail = ""},
};
static unsigned fault;

static int fault_now(void *arg)
{
    kernel_fault(&faults[fault]);
    (void)arg;
    return 0;
}

static void test_access_is_told(void **state)
{
    static const char *const texts[] = {
        "panic: f, address 0x8, read of page 0 (a null pointer)\n",
        "panic: f, address 0xfff, write of page 0 (a null pointer)\n",
        "panic: f, address 0x1000, write\n",
        "panic: f, address 0x5000, execution of data\n",
    };

    (void)state;
    for (fault = 0; fault < COUNT_OF(texts); fault++) {
        assert_int_equal(run(1, "", fault_now), 134);
        ROW(texts[fault], says(texts[fault]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_lists_threads),
        cmocka_unit_test(test_report_has_the_last_lines),
        cmocka_unit_test(test_report_is_bounded),
        cmocka_unit_test(test_report_of_damaged_threads),
        cmocka_unit_test(test_frames_end),
        cmocka_unit_test(test_visit_of_little_that_is_known),
        cmocka_unit_test(test_table_size_is_bounded),
        cmocka_unit_test(test_cpus_that_are_none),
        cmocka_unit_test(test_report_early_in_boot),
        cmocka_unit_test(test_parts_that_fail),
        cmocka_unit_test(test_panic_option),
        cmocka_unit_test(test_access_is_told),
    };

    machine_drivers[0] = &dump_driver; /* it has the list of threads */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
