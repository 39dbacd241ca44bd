/* Bring-up, the log and the panic, seen from outside: what a machine prints and
 * how it ends. */
#include "hal/hal.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/kernel/memory.h"
#include "kernel/base/panic.h"
#include "kernel/base/symbols.h"
#include "kernel/boot/init.h"
#include "kernel/boot/log.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/log_listen.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>
#include <unistd.h>

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
    char many[130 * 4 + 1];

    (void)state;
    assert_int_equal(run(1, "log=loud", give_3), 2);
    expect("log=loud: use error|warn|info|debug");
    assert_int_equal(run(1, "idle=poll", give_3), 2);
    expect("idle=poll: use mwait|hlt");
    assert_int_equal(run(1, "idle=hlt", give_3), 3);
    assert_int_equal(run(1, "idle=mwait", give_3), 3);
    assert_int_equal(run(1, "\"open", give_3), 2);
    expect("the command line has an open quote: close it");
    for (size_t i = 0; i + 4 < sizeof(many); i += 4)
        memcpy(many + i, "a=b ", 5);
    assert_int_equal(run(1, many, give_3), 2);
    expect("the command line is too long: ");
}

/* The application finds all CPUs at work. */
static int count_idle_cpus(void *arg)
{
    int count = 0;

    (void)arg;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        count += cpu_of(cpu)->idle != NULL;
    return count;
}

static void test_init_waits_for_cpus(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run(2, "", count_idle_cpus), 2);
        assert_int_equal(run(16, "", count_idle_cpus), 16);
    }
}

/* Words of others are told of in one line, which has room for 159 bytes. */
static void test_init_tells_of_unknown_words(void **state)
{
    char cmdline[400] = "log=info quiet a=1", *words;

    (void)state;
    assert_int_equal(run(1, cmdline, give_3), 3);
    expect(
        "warning: command line: ignored, because nobody knows it: quiet a=1\n");
    assert_int_equal(run(1, "log=info", give_3), 3);
    assert_null(strstr(output, "ignored"));
    memset(cmdline, 'x', sizeof(cmdline));
    strcpy(cmdline + 300, "=1");
    assert_int_equal(run(1, cmdline, give_3), 3);
    words = strstr(output, "knows it: ");
    assert_non_null(words);
    assert_int_equal(strspn(words + strlen("knows it: "), "x"), 159);
}

/* ---- Drivers ------------------------------------------------------------- */

static int probe_well(void)
{
    console_print("looked on cpu %u\n", cpu_id());
    return 0;
}

static int probe_badly(void)
{
    return -7;
}

/* One that fails does not keep the others from looking. */
static void test_init_asks_all_drivers(void **state)
{
    static const struct driver bad = {.name = "broken", .probe = probe_badly};
    static const struct driver good = {.name = "good", .probe = probe_well};
    static const struct driver quiet = {.name = "quiet"};

    (void)state;
    machine_drivers[0] = &bad;
    machine_drivers[1] = &good;
    assert_int_equal(run(2, "", give_3), 3);
    expect("driver broken: error -7 while looking for devices\n");
    expect("looked on cpu 0\n");
    assert_null(strstr(output, "driver good"));
    machine_drivers[0] = &quiet; /* has nothing to look for */
    assert_int_equal(run(2, "", give_3), 3);
    expect("looked on cpu 0\n");
    machine_drivers[0] = machine_drivers[1] = NULL;
    assert_int_equal(run(2, "", give_3), 3);
    assert_null(strstr(output, "driver"));
}

/* help= has the options of each table once. */
static void test_init_helps_with_drivers(void **state)
{
    static const char *const options[] = {"floor=on|off a floor", NULL};
    static const struct driver first = {
        .name = "first", .probe = probe_well, .options = options};
    static const struct driver second = {
        .name = "second", .probe = probe_well, .options = options};
    const char *at;

    (void)state;
    machine_drivers[0] = &first;
    machine_drivers[1] = &second;
    assert_int_equal(run(1, "help=", give_3), 0);
    machine_drivers[0] = machine_drivers[1] = NULL;
    at = strstr(output, "options of first:\n  floor=on|off ");
    assert_non_null(at);
    assert_null(strstr(at + 30, "floor="));
    assert_null(strstr(output, "looked"));
}

/* ---- Memory -------------------------------------------------------------- */

/* Two nodes of 6 MiB: the CPU between them has half of the second. */
static void test_init_tells_of_nodes(void **state)
{
    (void)state;
    machine_nodes = 2;
    assert_int_equal(run(3, "log=debug", give_3), 3);
    machine_nodes = 0;
    expect("cpu 0, node 0: 2 MiB of node 0\n");
    expect("cpu 1, node 0: 2 MiB of node 0\n");
    expect("cpu 2, node 1: 5 MiB of node 1\n");
    assert_null(strstr(output, "0 MiB"));
    /* One piece of memory of four nodes, 1 MiB each; the first has its struct
     * pages. */
    machine_nodes = 4;
    assert_int_equal(run(1, "log=debug", give_3), 3);
    machine_nodes = 0;
    expect("cpu 0, node 0: 0 MiB of node 0\n");
    expect("cpu 0, node 0: 1 MiB of node 1\n");
    expect("cpu 0, node 0: 1 MiB of node 2\n");
    expect("cpu 0, node 0: 1 MiB of node 3\n");
}

/* Bring up 4 CPUs with so many bytes of memory: the status of the process. */
static int init_with_memory(size_t bytes)
{
    const struct host_config config = {
        .cpus = 4, .mem_bytes = 4 << 20, .cmdline = "", .quiet = true};
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct hal_boot_info info = *host_machine_prepare(&config);

        info.region_count = 1;
        info.region[0].size = bytes;
        kernel_init(&info, &torc_app);
        hal_exit(3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_init_with_little_memory(void **state)
{
    enum { LEAST = 4 * MEM_SHARE_MIN };

    (void)state;
    assert_int_equal(init_with_memory(PAGE_SIZE), 1);
    assert_int_equal(init_with_memory(LEAST - PAGE_SIZE), 1);
    assert_int_equal(init_with_memory(LEAST), 3);
}

/* Page tables run out: at the border of a share, or at a guard page. */
static void test_init_without_page_tables(void **state)
{
    enum { PAGES = 8 }; /* that are asked for: four borders, four guards */

    (void)state;
    for (unsigned n = 1; n <= PAGES; n++) {
        machine_attr_fails = n;
        assert_int_equal(run(4, "", give_3), 1);
        expect("16384 KiB of memory are too little for 4 CPUs: ");
    }
    machine_attr_fails = PAGES + 1;
    assert_int_equal(run(4, "", give_3), 3);
    machine_attr_fails = 0;
}

/* The n-th thread of the host that a machine wants cannot be made. */
static unsigned thread_fails; /* 0: none */

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    if (thread_fails != 0 && --thread_fails == 0)
        return EAGAIN;
    return ((__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create"))(
        thread, attr, fn, arg);
}

/* The host makes a thread for the timers, then one for each CPU but the first.
 */
static void test_init_without_a_cpu(void **state)
{
    (void)state;
    thread_fails = 3;
    assert_int_equal(run(4, "", give_3), 1);
    expect("error: cpu 2 cannot be started: boot with fewer CPUs\n");
    thread_fails = 5;
    assert_int_equal(run(4, "", give_3), 3);
    thread_fails = 0;
}

/* ---- The log ------------------------------------------------------------- */

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

static void test_log_level_names(void **state)
{
    static const char *const levels[] = {"log=error", "log=warn", "log=info",
                                         "log=debug"};
    static const char *const lines[] = {"one 1\n", "two\n", "three\n",
                                        "four\n"};

    (void)state;
    for (size_t level = 0; level < COUNT_OF(levels); level++) {
        assert_int_equal(run(1, levels[level], log_all), 0);
        for (size_t i = 0; i < COUNT_OF(lines); i++)
            ROW(levels[level],
                (strstr(output, lines[i]) != NULL) == (i <= level));
    }
}

static void test_log_level_unknown(void **state)
{
    (void)state;
    assert_int_equal(log_set_level("loud"), -EINVAL);
    assert_int_equal(log_set_level(""), -EINVAL);
    assert_int_equal(log_set_level("info"), 0);
}

/* CPU 0 hands on the lines of all. */
static char heard[256];

static void hear(const char *line, size_t len)
{
    if (strlen(heard) + len < sizeof(heard))
        strncat(heard, line, len);
}

static int say_where(void *arg)
{
    console_print("<on %u>\n", cpu_id());
    (void)arg;
    return 0;
}

/* Lines that do not come by CPU 0's log are not handed on. */
static int say_without_memory(void *arg)
{
    heap_fail(1);
    (void)say_where(arg);
    return heap_failed() ? 0 : 1;
}

static void say_without_cpu(void)
{
    struct cpu *cpu = cpu_self();
    hal_irqflags irqs = hal_irq_save();

    hal_cpu_set_local(NULL);
    console_print("<early>\n");
    hal_cpu_set_local(cpu);
    hal_irq_restore(irqs);
}

static int listen(void *arg)
{
    log_listen(hear);
    if (remote_call(1, say_where, arg) != 0 || say_where(arg) != 0)
        return 1;
    for (int i = 0; i < 1000 && strstr(heard, "<on 1>\n") == NULL; i++)
        thread_sleep(NS_PER_MS);
    if (remote_call(1, say_without_memory, arg) != 0)
        return 3;
    say_without_cpu();
    log_listen(NULL);
    (void)say_where(arg);
    return strstr(heard, "<on 1>\n") != NULL &&
                   strlen(heard) == 2 * strlen("<on 1>\n")
               ? 0
               : 2;
}

static void test_log_has_a_listener(void **state)
{
    (void)state;
    assert_int_equal(run(2, "", listen), 0);
    expect("<early>\n");
}

/* Behind "[  0.123456] " a line has room for so much, the newline included. */
enum { STAMP = 13, ROOM = LOG_LINE_MAX - STAMP };

static int log_long(void *arg)
{
    char text[400];

    (void)arg;
    memset(text, 'x', sizeof(text));
    for (size_t len = ROOM - 2; len <= ROOM + 1; len++) {
        text[len] = '\0';
        log_info("%s", text);
        text[len] = 'x';
    }
    text[399] = '\0';
    log_info("%s", text);
    console_print("%s", text);
    console_print("\n");
    console_print("%s\n", text + 399 - (LOG_LINE_MAX - 2));
    return 0;
}

static void test_log_cuts_long_lines(void **state)
{
    static const size_t lens[] = {ROOM - 2,         ROOM - 1,        ROOM - 1,
                                  ROOM - 1,         ROOM - 1, /* of the log */
                                  LOG_LINE_MAX - 1, LOG_LINE_MAX - 2};
    char *at = output;

    (void)state;
    assert_int_equal(run(1, "", log_long), 0);
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        at = strstr(at, "xxx");
        assert_non_null(at);
        assert_int_equal(strspn(at, "x"), lens[i]);
        at += lens[i];
        assert_int_equal(*at, '\n');
    }
}

static int log_times(void *arg)
{
    (void)arg;
    thread_sleep(NS_PER_MS);
    console_print("<%lu>\n", (unsigned long)(time_ns() / NS_PER_US));
    log_info("here");
    console_print("<%lu>\n", (unsigned long)(time_ns() / NS_PER_US));
    return 0;
}

/* Each line says when it was written. */
static void test_log_tells_the_time(void **state)
{
    unsigned long before, s, us, after;

    (void)state;
    assert_int_equal(run(1, "", log_times), 0);
    assert_non_null(strchr(output, '<'));
    assert_int_equal(sscanf(strchr(output, '<'), "<%lu>\n[%lu.%lu] here\n<%lu>",
                            &before, &s, &us, &after),
                     4);
    assert_in_range(s * 1000000 + us, before, after);
}

static int log_without_memory(void *arg)
{
    (void)arg;
    heap_fail(1);
    console_print("all the same\n");
    return heap_failed() ? 0 : 1;
}

static int log_there_without_memory(void *arg)
{
    return remote_call(1, log_without_memory, arg);
}

static void test_log_without_memory(void **state)
{
    (void)state;
    assert_int_equal(run(2, "", log_there_without_memory), 0);
    expect("all the same\n");
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

/* Items run on the stack of the thread that makes the pass: here CPU 1's idle
 * thread, which has a guard page as others have. */
static unsigned depth;

static int dive(volatile char *above)
{
    volatile char here[256];

    here[0] = above[0];
    return ++depth == 0 ? 0 : dive(here) + here[0];
}

static void item_dive(struct exchange_item *item)
{
    volatile char top = 0;

    (void)item;
    dive(&top);
}

static int overflow_idle_stack(void *arg)
{
    static struct exchange_item item = {.run = item_dive};

    (void)arg;
    exchange_send(1, &item);
    thread_sleep(10 * NS_PER_S);
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

/* What the report asks for fails, too. */
static bool describe_badly(struct panic_thread *out)
{
    (void)out;
    panic("nobody is here");
}

static int panic_twice(void *arg)
{
    (void)arg;
    panic_set_describer(describe_badly);
    panic("the floor is gone");
}

static int fault_then_panic(void *arg)
{
    panic_set_describer(describe_badly);
    return fault_now(arg);
}

static void test_panic_in_the_report(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", panic_twice), 134);
    expect("panic: the floor is gone");
    expect("panic: the report has failed: ");
    assert_int_equal(run(1, "", fault_then_panic), 134);
    expect("address 0x8");
    expect("panic: the report has failed: ");
}

/* What says all of a report again, between marks; or fails. */
static void screen_write(const char *text, size_t len)
{
    hal_console_write("<", 1);
    hal_console_write(text, len);
    hal_console_write(">", 1);
}

static void screen_fault(const char *text, size_t len)
{
    (void)text;
    (void)len;
    (void)fault_now(NULL);
}

static void (*screen)(const char *text, size_t len);

static int screen_probe(void)
{
    panic_set_screen(screen);
    return 0;
}

static int log_and_panic(void *arg)
{
    log_info("all is well");
    return panic_elsewhere(arg);
}

static void test_panic_on_a_screen(void **state)
{
    static const struct driver driver = {.name = "screen",
                                         .probe = screen_probe};

    (void)state;
    machine_drivers[0] = &driver;
    screen = screen_write;
    assert_int_equal(run(2, "", log_and_panic), 134);
    expect("< is gone>");
    expect("remote<remote>");
    expect("<w>e"); /* the last lines, byte by byte */
    assert_null(strstr(output, "<all is well"));
    screen = screen_fault;
    assert_int_equal(run(2, "", log_and_panic), 134);
    expect("panic: the report has failed: ");
    expect("last lines of cpu 0:");
    assert_null(strstr(output, "failed again"));
    machine_drivers[0] = NULL;
}

static void test_panic_fault(void **state)
{
    (void)state;
    assert_int_equal(run(1, "", fault_now), 134);
    expect("address 0x8");
    expect("on cpu 0, thread main");
}

static void test_panic_idle_stack(void **state)
{
    (void)state;
    assert_int_equal(run(2, "", overflow_idle_stack), 134);
    expect("panic: stack overflow");
    expect("on cpu 1, thread idle");
}

/*
 * Where shares begin, the HAL is asked for pages of their own: whatever they
 * were, they can be used then. Here they could not be touched.
 */
static void test_init_prepares_where_shares_begin(void **state)
{
    const struct host_config config = {
        .cpus = 3, .mem_bytes = 4 << 20, .cmdline = "", .quiet = true};
    const struct hal_boot_info *info = host_machine_prepare(&config);

    (void)state;
    assert_non_null(info);
    assert_int_equal(mem_init(info, 3), 0);
    for (unsigned cpu = 0; cpu < 3; cpu++) {
        struct page_info *first = mem_pages_of(cpu)->range[0].pages;

        assert_int_equal(hal_page_attr(first, PAGE_SIZE, HAL_PAGE_NONE), 0);
    }
    kernel_init(info, &torc_app);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        pages_check(mem_pages_of(cpu));
    host_machine_close();
}

static void test_symbols_absent(void **state)
{
    struct symbol symbol;
    struct source_line line;

    (void)state;
    assert_false(symbol_find((uintptr_t)test_symbols_absent, &symbol));
    assert_false(symbol_line((uintptr_t)test_symbols_absent, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_exit_status),
        cmocka_unit_test(test_init_bad_options),
        cmocka_unit_test(test_init_waits_for_cpus),
        cmocka_unit_test(test_init_tells_of_unknown_words),
        cmocka_unit_test(test_init_asks_all_drivers),
        cmocka_unit_test(test_init_helps_with_drivers),
        cmocka_unit_test(test_init_tells_of_nodes),
        cmocka_unit_test(test_init_with_little_memory),
        cmocka_unit_test(test_init_without_page_tables),
        cmocka_unit_test(test_init_without_a_cpu),
        cmocka_unit_test(test_log_levels),
        cmocka_unit_test(test_log_level_names),
        cmocka_unit_test(test_log_level_unknown),
        cmocka_unit_test(test_log_has_a_listener),
        cmocka_unit_test(test_log_cuts_long_lines),
        cmocka_unit_test(test_log_tells_the_time),
        cmocka_unit_test(test_log_without_memory),
        cmocka_unit_test(test_log_lines_of_cpus_do_not_mix),
        cmocka_unit_test(test_panic_says_why_and_where),
        cmocka_unit_test(test_panic_in_the_report),
        cmocka_unit_test(test_panic_on_a_screen),
        cmocka_unit_test(test_panic_fault),
        cmocka_unit_test(test_panic_idle_stack),
        cmocka_unit_test(test_init_prepares_where_shares_begin),
        cmocka_unit_test(test_symbols_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
