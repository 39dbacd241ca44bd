/* What a report says: of frames, of faults and of threads made up here. The
 * machine that makes it ends. */
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>

static char output[16384];

static int run(int (*fn)(void *), void *arg)
{
    return machine_run_output(1, 4 << 20, "", fn, arg, output, sizeof(output));
}

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

static unsigned times(const char *text)
{
    unsigned count = 0;

    for (const char *at = output; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* ---- Backtraces ---------------------------------------------------------- */

/* As a function with a frame pointer leaves it. */
struct frame {
    uintptr_t caller;
    uintptr_t return_ip;
};

enum { FRAMES = 40, FRAMES_SHOWN = 24 };

static struct frame frames[FRAMES];
static uintptr_t frame_fp, frame_low, frame_high;

/* Each frame is the caller of the one before it. */
static void frames_make(unsigned count)
{
    memset(frames, 0, sizeof(frames));
    for (unsigned i = 0; i < count; i++) {
        frames[i].caller = i + 1 < count ? (uintptr_t)&frames[i + 1] : 0;
        frames[i].return_ip = 0x1000 + i;
    }
    frame_fp = frame_low = (uintptr_t)&frames[0];
    frame_high = (uintptr_t)&frames[FRAMES];
}

static int print_frames(void *arg)
{
    (void)arg;
    backtrace_print(0x999, frame_fp, frame_low, frame_high);
    return 0;
}

static void assert_shown(const char *name, unsigned count)
{
    char text[40];

    ROW(name, run(print_frames, NULL) == 0);
    ROW(name, says("  in 0000000000000999\n"));
    ROW(name, times("  at ") == count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "  at %016x\n", 0x1000 + i);
        ROW(name, says(text));
    }
}

static void test_backtrace_follows_the_frames(void **state)
{
    (void)state;
    frames_make(3);
    assert_shown("three frames", 3);
    frames_make(FRAMES);
    assert_shown("very many", FRAMES_SHOWN);
    frames_make(3);
    frames[1].return_ip = 0;
    assert_shown("the second returns nowhere", 1);
    frames_make(3);
    frames[1].caller = (uintptr_t)&frames[1];
    assert_shown("the second calls itself", 2);
    frames_make(3);
    frames[1].caller = (uintptr_t)&frames[0];
    assert_shown("the second leads back", 2);
    frames_make(3);
    frames[1].caller += 1;
    assert_shown("the second leads beside the third", 2);
}

static void test_backtrace_stays_within_the_stack(void **state)
{
    (void)state;
    frames_make(3);
    frame_low++;
    assert_shown("below the stack", 0);
    frames_make(3);
    frame_high = (uintptr_t)&frames[2];
    assert_shown("two frames have room", 2);
    frame_high--;
    assert_shown("one has", 1);
    frame_high = frame_fp - 1;
    assert_shown("above the stack", 0);
    frame_high = frame_fp;
    assert_shown("at its end", 0);
    frames_make(3);
    frame_fp += 4;
    assert_shown("askew", 0);
}

/* ---- Faults -------------------------------------------------------------- */

enum { STACK = 0x50000, GUARD = HAL_PAGE_SIZE };

static uintptr_t described_stack;
static unsigned described; /* how often it was asked */
static unsigned describe_fails_at;

static bool describe(struct panic_thread *out)
{
    if (++described == describe_fails_at)
        panic("nobody is here");
    *out = (struct panic_thread){.name = "made up", .stack = described_stack};
    return true;
}

static int fault_now(void *arg)
{
    panic_set_describer(describe);
    kernel_fault(arg);
    return 0;
}

static void report_fault(const struct hal_fault *fault, uintptr_t stack)
{
    described_stack = stack;
    assert_int_equal(run(fault_now, (void *)(uintptr_t)fault), 134);
}

/* The guard page is the one just below the stack, if there is one. */
static void test_fault_in_the_guard_page(void **state)
{
    static const struct {
        const char *name;
        uintptr_t stack, address;
        bool overflow;
    } rows[] = {
        {"the last byte of the guard page", STACK, STACK - 1, true},
        {"the first byte of the guard page", STACK, STACK - GUARD, true},
        {"the first byte of the stack", STACK, STACK, false},
        {"the byte below the guard page", STACK, STACK - GUARD - 1, false},
        {"no guard page", 0, UINTPTR_MAX, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct hal_fault fault = {.what = "made-up fault",
                                        .ip = 0x777,
                                        .address = rows[i].address,
                                        .detail = "  made-up registers\n"};
        char text[80];

        report_fault(&fault, rows[i].stack);
        snprintf(text, sizeof(text), "\npanic: %s, address 0x%zx\n",
                 rows[i].overflow ? "stack overflow" : fault.what,
                 rows[i].address);
        ROW(rows[i].name, says(text));
        ROW(rows[i].name, says("\n  on cpu 0, thread made up\n"
                               "  made-up registers\n"
                               "  in 0000000000000777\n"));
        ROW(rows[i].name, !says("  at "));
        ROW(rows[i].name, !says("failed"));
    }
}

/* Who has run off the stack has no frame that could be looked at. */
static void test_fault_with_a_frame(void **state)
{
    struct hal_fault fault = {.what = "made-up fault", .detail = ""};

    (void)state;
    frames_make(3);
    fault.fp = (uintptr_t)&frames[0];
    report_fault(&fault, STACK);
    assert_int_equal(times("  at "), 3);
    report_fault(&fault, fault.fp + GUARD);
    assert_int_equal(times("  at "), 0);
    report_fault(&fault, fault.fp + GUARD + 1);
    assert_int_equal(times("  at "), 3);
}

/* ---- Reports that fail --------------------------------------------------- */

static void test_fault_is_named_once_when_the_report_fails(void **state)
{
    const struct hal_fault fault = {
        .what = "made-up fault", .ip = 0x777, .address = 0x5555, .detail = ""};

    (void)state;
    for (describe_fails_at = 1; describe_fails_at <= 2; describe_fails_at++) {
        report_fault(&fault, STACK);
        assert_int_equal(times("made-up fault"), 1);
        assert_int_equal(times("0x5555"), 1);
        assert_int_equal(times("the report has failed: another panic at"), 1);
        assert_false(says("nobody is here"));
        assert_int_equal(says("made-up fault at 0x777"),
                         describe_fails_at == 1);
    }
    describe_fails_at = 0;
}

static int panic_with_bad_text(void *arg)
{
    panic("the %s is gone", (const char *)arg);
}

/* Of a panic there is nothing more to say than what it has said. */
static void test_panic_whose_text_cannot_be_read(void **state)
{
    (void)state;
    assert_int_equal(run(panic_with_bad_text, (void *)8), 134);
    assert_true(says("\npanic: the \npanic: the report has failed: "));
    assert_int_equal(times("panic: "), 2);
}

/* ---- Who it was ---------------------------------------------------------- */

static bool describe_nobody(struct panic_thread *out)
{
    (void)out;
    return false;
}

static int without_cpu(void *arg)
{
    (void)arg;
    hal_cpu_set_local(NULL);
    panic("here");
}

static int without_thread(void *arg)
{
    (void)arg;
    cpu_self()->current = NULL;
    panic("here");
}

static int without_answer(void *arg)
{
    (void)arg;
    panic_set_describer(describe_nobody);
    panic("here");
}

static int without_describer(void *arg)
{
    (void)arg;
    panic_set_describer(NULL);
    panic("here");
}

static void test_panic_before_threads(void **state)
{
    static int (*const early[])(void *) = {without_cpu, without_thread,
                                           without_answer, without_describer};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(early); i++) {
        assert_int_equal(run(early[i], NULL), 134);
        assert_true(says("panic: here\n  on cpu 0, before its threads\n  at "));
        assert_false(says("failed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backtrace_follows_the_frames),
        cmocka_unit_test(test_backtrace_stays_within_the_stack),
        cmocka_unit_test(test_fault_in_the_guard_page),
        cmocka_unit_test(test_fault_with_a_frame),
        cmocka_unit_test(test_fault_is_named_once_when_the_report_fails),
        cmocka_unit_test(test_panic_whose_text_cannot_be_read),
        cmocka_unit_test(test_panic_before_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
