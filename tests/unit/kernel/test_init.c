/* Bring-up, the log and the panic, seen from outside: what a machine prints and
 * how it ends. */
#include "hal/hal.h"
#include "kernel/exchange.h"
#include "kernel/lib/check.h"
#include "kernel/panic.h"
#include "kernel/symbols.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

static char output[16384];

static int run(unsigned cpus, const char *cmdline, int (*fn)(void *))
{
    return machine_run_output(cpus, 4 << 20, cmdline, fn, NULL, output,
                              sizeof(output));
}

static void expect(const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("no \"%s\" in: %s", text, output);
}

static int give_3(void *arg)
{
    (void)arg;
    return 3;
}

static void test_init_exit_status(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", give_3), 3);
    expect("1 CPU: test");
    assert_int_equal(run(3, "", give_3), 3);
    expect("3 CPUs: test");
}

static void test_init_bad_options(void **state)
{
    (void)state;
    assert_int_equal(run(1, "log=loud", give_3), 2);
    expect("log=loud: use error, warn, info or debug");
    assert_int_equal(run(1, "idle=poll", give_3), 2);
    expect("idle=poll: use mwait or hlt");
    assert_int_equal(run(1, "idle=hlt", give_3), 3);
    assert_int_equal(run(1, "\"open", give_3), 2);
    expect("open quote");
}

static int log_all(void *arg)
{
    (void)arg;
    log_error("one %d", 1);
    log_warn("two");
    log_info("three");
    log_debug("four");
    console_print("five%s", "\n");
    return 0;
}

static void test_log_levels(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", log_all), 0);
    expect("error: one 1\n");
    expect("warning: two\n");
    expect("] three\n");
    expect("five\n");
    assert_null(strstr(output, "four"));
    assert_int_equal(run(1, "log=debug", log_all), 0);
    expect("debug: four\n");
    assert_int_equal(run(1, "log=error", log_all), 0);
    assert_null(strstr(output, "two"));
}

static int log_long(void *arg)
{
    char text[400];

    (void)arg;
    memset(text, 'x', sizeof(text));
    text[399] = '\0';
    log_info("%s", text);
    log_info("after");
    return 0;
}

static void test_log_cuts_long_lines(void **state)
{
    char *line;

    (void)state;
    assert_int_equal(run(1, "", log_long), 0);
    line = strstr(output, "xxx");
    assert_non_null(line);
    assert_true(strspn(line, "x") < LOG_LINE_MAX);
    assert_int_equal(line[strspn(line, "x")], '\n');
    expect("after\n");
}

static int say_line(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        console_print("<cpu %u line %d>\n", cpu_id(), i);
    return 0;
}

static int everyone_logs(void *arg)
{
    (void)arg;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = cpu};

        if (thread_create(&attr, say_line, NULL, NULL) != 0)
            return 1;
    }
    thread_sleep(200 * NS_PER_MS);
    return 0;
}

static void test_log_lines_of_cpus_do_not_mix(void **state)
{
    int lines = 0;

    (void)state;
    assert_int_equal(run(4, "", everyone_logs), 0);
    for (char *line = strtok(output, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        unsigned cpu;
        int number, end = 0;

        if (line[0] != '<')
            continue;
        assert_int_equal(
            sscanf(line, "<cpu %u line %d>%n", &cpu, &number, &end), 2);
        assert_int_equal(end, strlen(line));
        lines++;
    }
    assert_int_equal(lines, 200);
}

static int panic_now(void *arg)
{
    (void)arg;
    panic("the %s is gone", "floor");
}

static int assert_now(void *arg)
{
    assert(arg != NULL);
    return 0;
}

static int fault_now(void *arg)
{
    volatile uintptr_t address = 8; /* for the compiler's eyes */

    *(volatile int *)address = (int)(uintptr_t)arg;
    return 0;
}

static int panic_elsewhere(void *arg)
{
    (void)arg;
    return remote_call(1, panic_now, NULL);
}

static void test_panic_says_why_and_where(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", panic_now), 134);
    expect("panic: the floor is gone\n  on cpu 0, thread main\n  at ");
    assert_int_equal(run(1, "", assert_now), 134);
    expect("assertion failed: arg != ");
    assert_int_equal(run(2, "", panic_elsewhere), 134);
    expect("on cpu 1, thread remote");
}

static void test_panic_fault(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", fault_now), 134);
    expect("address 0x8");
    expect("on cpu 0, thread main");
}

static void test_symbols_absent(void **state)
{
    uintptr_t offset;

    (void)state;
    assert_null(symbol_find((uintptr_t)test_symbols_absent, &offset));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_exit_status),
        cmocka_unit_test(test_init_bad_options),
        cmocka_unit_test(test_log_levels),
        cmocka_unit_test(test_log_cuts_long_lines),
        cmocka_unit_test(test_log_lines_of_cpus_do_not_mix),
        cmocka_unit_test(test_panic_says_why_and_where),
        cmocka_unit_test(test_panic_fault),
        cmocka_unit_test(test_symbols_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
