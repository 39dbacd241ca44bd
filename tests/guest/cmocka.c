/* The test runner: tests/guest/include/cmocka.h. */
#include "tests/guest/guest.h"
#include <cmocka.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FAILED_MAX = 512, ENDED_BADLY = 1, SKIPPED = 2 };

static jmp_buf ending;
static bool is_running;
static const char *failed_names[FAILED_MAX];

void print_message(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

void print_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

static _Noreturn void end(int how)
{
    if (is_running && !guest_child_runs())
        longjmp(ending, how);
    printf("an assertion outside of a test\n");
    guest_abort();
}

void _fail(const char *file, int line)
{
    print_error("[  ERROR   ] --- %s:%d: error: Failure!\n", file, line);
    end(ENDED_BADLY);
}

void _skip(const char *file, int line)
{
    (void)file;
    (void)line;
    end(SKIPPED);
}

/* ---- Assertions ---------------------------------------------------------- */

void _assert_true(unsigned long result, const char *text, const char *file,
                  int line)
{
    if (result != 0)
        return;
    print_error("%s\n", text);
    _fail(file, line);
}

void _assert_int_equal(unsigned long a, unsigned long b, const char *file,
                       int line)
{
    if (a == b)
        return;
    print_error("%#lx != %#lx\n", a, b);
    _fail(file, line);
}

void _assert_int_not_equal(unsigned long a, unsigned long b, const char *file,
                           int line)
{
    if (a != b)
        return;
    print_error("%#lx == %#lx\n", a, b);
    _fail(file, line);
}

void _assert_string_equal(const char *a, const char *b, const char *file,
                          int line)
{
    if (strcmp(a, b) == 0)
        return;
    print_error("\"%s\" != \"%s\"\n", a, b);
    _fail(file, line);
}

void _assert_string_not_equal(const char *a, const char *b, const char *file,
                              int line)
{
    if (strcmp(a, b) != 0)
        return;
    print_error("\"%s\" == \"%s\"\n", a, b);
    _fail(file, line);
}

void _assert_memory_equal(const void *a, const void *b, size_t size,
                          const char *file, int line)
{
    const unsigned char *p = a, *q = b;

    if (memcmp(a, b, size) == 0)
        return;
    for (size_t i = 0; i < size; i++) {
        if (p[i] == q[i])
            continue;
        print_error("of %zu bytes the one at %zu: %#x != %#x\n", size, i, p[i],
                    q[i]);
        break;
    }
    _fail(file, line);
}

void _assert_memory_not_equal(const void *a, const void *b, size_t size,
                              const char *file, int line)
{
    if (memcmp(a, b, size) != 0)
        return;
    print_error("%zu bytes are the same\n", size);
    _fail(file, line);
}

void _assert_in_range(unsigned long value, unsigned long minimum,
                      unsigned long maximum, const char *file, int line)
{
    if (value >= minimum && value <= maximum)
        return;
    print_error("%lu is not within the range %lu-%lu\n", value, minimum,
                maximum);
    _fail(file, line);
}

void _assert_not_in_range(unsigned long value, unsigned long minimum,
                          unsigned long maximum, const char *file, int line)
{
    if (value < minimum || value > maximum)
        return;
    print_error("%lu is within the range %lu-%lu\n", value, minimum, maximum);
    _fail(file, line);
}

/* ---- The run ------------------------------------------------------------- */

/* A fixture: 0 when it has done what it should. */
static int fixture_run(CMFixtureFunction fn, void **state)
{
    volatile int status = -1;

    if (fn == NULL)
        return 0;
    is_running = true;
    if (setjmp(ending) == 0)
        status = fn(state);
    is_running = false;
    return status;
}

static bool is_unwanted(const char *name)
{
    char wanted[128];

    snprintf(wanted, sizeof(wanted), ",%s,", name);
    return strstr(guest_cmdline, wanted) != NULL;
}

/* 0, ENDED_BADLY, SKIPPED. */
static int test_run(const struct CMUnitTest *test, void *group_state)
{
    void *state =
        test->initial_state != NULL ? test->initial_state : group_state;
    void **const to = &state;
    volatile int how;

    if (is_unwanted(test->name))
        return SKIPPED;
    if (fixture_run(test->setup_func, to) != 0) {
        print_error("%s: Test setup failed\n", test->name);
        return ENDED_BADLY;
    }
    is_running = true;
    how = setjmp(ending);
    if (how == 0)
        test->test_func(to);
    is_running = false;
    if (fixture_run(test->teardown_func, to) != 0) {
        print_error("%s: Test teardown failed\n", test->name);
        how = ENDED_BADLY;
    }
    return how;
}

static void report(size_t count, size_t skipped, size_t failed)
{
    print_message("[==========] %zu test(s) run.\n", count);
    print_message("[  PASSED  ] %zu test(s).\n", count - skipped - failed);
    if (skipped > 0)
        print_message("[  SKIPPED ] %zu test(s).\n", skipped);
    if (failed == 0)
        return;
    print_message("[  FAILED  ] %zu test(s), listed below:\n", failed);
    for (size_t i = 0; i < failed && i < FAILED_MAX; i++)
        print_message("[  FAILED  ] %s\n", failed_names[i]);
    print_message("\n %zu FAILED TEST(S)\n", failed);
}

int _cmocka_run_group_tests(const char *group_name,
                            const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup, CMFixtureFunction teardown)
{
    size_t failed = 0, skipped = 0;
    void *state = NULL;

    print_message("[==========] Running %zu test(s).\n", count);
    if (fixture_run(setup, &state) != 0) {
        print_error("[  FAILED  ] GROUP SETUP: %s\n", group_name);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        int how;

        print_message("[ RUN      ] %s\n", tests[i].name);
        how = test_run(&tests[i], state);
        if (how == ENDED_BADLY && failed++ < FAILED_MAX)
            failed_names[failed - 1] = tests[i].name;
        skipped += how == SKIPPED;
        print_message("[%s] %s\n",
                      how == 0         ? "       OK "
                      : how == SKIPPED ? "  SKIPPED "
                                       : "  FAILED  ",
                      tests[i].name);
    }
    report(count, skipped, failed);
    if (fixture_run(teardown, &state) != 0) {
        print_error("[  FAILED  ] GROUP TEARDOWN: %s\n", group_name);
        failed++;
    }
    return (int)failed;
}
