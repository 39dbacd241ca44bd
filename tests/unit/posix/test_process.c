/*
 * The process of a hosted machine: its arguments, and signals to it.
 * This program is the kernel.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/process.h"
#include "tests/unit/posix/machine_bare.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <torc/assert.h>

static void (*kernel)(const struct hal_boot_info *boot);

_Noreturn void kernel_main(const struct hal_boot_info *boot)
{
    kernel(boot);
    hal_exit(99);
}

void kernel_fault(const struct hal_fault *fault)
{
    host_complain("%s", fault->what);
    hal_exit(51);
}

void kernel_sample(const struct hal_fault *where)
{
    (void)where;
}

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    host_complain("%s:%d: %s", file, line, expr);
    abort();
}

static const char *words[8]; /* behind the name of the program */

static void process(void)
{
    static char copies[8][64];
    char *argv[9] = {(char[]){"torc"}};
    int argc = 1;

    for (; argc <= 8 && words[argc - 1] != NULL; argc++) {
        strcpy(copies[argc - 1], words[argc - 1]);
        argv[argc] = copies[argc - 1];
    }
    _exit(host_process_run(argc, argv));
}

/* Run a process with up to three words. */
static int run(void (*fn)(const struct hal_boot_info *boot), const char *first,
               const char *second, const char *third, char *text, size_t size)
{
    kernel = fn;
    words[0] = first;
    words[1] = second;
    words[2] = third;
    words[3] = NULL;
    return bare_child(process, text, size);
}

/* ---- Arguments ----------------------------------------------------------- */

static void tell_machine(const struct hal_boot_info *boot)
{
    host_complain("%u CPUs, %zu bytes, '%s'", boot->cpu_count,
                  boot->region[0].size, boot->cmdline);
    hal_exit(7);
}

static void test_arguments_make_the_machine(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(
        run(tell_machine, "--cpus=3", "--mem=4m", "a=b", text, sizeof(text)),
        7);
    assert_string_equal(text, "torc: 3 CPUs, 12582912 bytes, 'a=b'\n");
}

static void test_bad_arguments_are_told(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(
        run(tell_machine, "--cpus=0", NULL, NULL, text, sizeof(text)), 2);
    assert_string_equal(text,
                        "torc: --cpus '0': give a number from 1 to 256\n");
    assert_int_equal(run(tell_machine, "--disk=/nonexistent", NULL, NULL, text,
                         sizeof(text)),
                     1);
    assert_string_equal(text, "torc: cannot open disk '/nonexistent': No such "
                              "file or directory\n");
}

/* process() leaves by _exit(): help must have been written by then. */
static void help(void)
{
    char *argv[] = {(char[]){"torc"}, (char[]){"--help"}, NULL};
    int status = host_process_run(2, argv);

    fflush(stdout);
    _exit(status);
}

static void test_help_is_no_failure(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(bare_child(help, text, sizeof(text)), 0);
    assert_memory_equal(text, "usage: torc [OPTION]... [--] [WORD]...\n", 39);
    assert_non_null(strstr(text, "\n  --cpus N "));
    assert_non_null(strstr(text, "\n  --fill "));
}

/* ---- Signals ------------------------------------------------------------- */

static int signal_sent;

static bool thread_fails; /* the next one that is made */

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    if (thread_fails) {
        thread_fails = false;
        return EAGAIN;
    }
    return ((__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create"))(
        thread, attr, fn, arg);
}

static void say_bye(void)
{
    host_complain("bye");
}

static void send_signal(const struct hal_boot_info *boot)
{
    (void)boot;
    atexit(say_bye);
    kill(getpid(), signal_sent);
    for (;;)
        hal_cpu_relax();
}

static void test_signals_end_the_process(void **state)
{
    char text[256];

    (void)state;
    signal(SIGINT, SIG_DFL); /* a shell's background job ignores it */
    signal_sent = SIGTERM;
    assert_int_equal(run(send_signal, NULL, NULL, NULL, text, sizeof(text)),
                     128 + SIGTERM);
    assert_string_equal(text, "torc: bye\n"); /* as by exit() */
    signal_sent = SIGINT;
    assert_int_equal(run(send_signal, NULL, NULL, NULL, text, sizeof(text)),
                     128 + SIGINT);
    assert_string_equal(text, "torc: bye\n");
    /* Without a thread for them they do what they always do. */
    thread_fails = true;
    assert_int_equal(run(send_signal, NULL, NULL, NULL, text, sizeof(text)),
                     128 + SIGINT);
    thread_fails = false;
    assert_string_equal(text, "");
}

static volatile unsigned requests;

static void stop_asked(void *arg)
{
    if (arg != &requests || hal_cpu_id() != 0)
        hal_exit(90);
    requests++;
}

static void await_request(const struct hal_boot_info *boot)
{
    (void)boot;
    if (hal_irq_attach(HAL_IRQ_STOP, 0, stop_asked, (void *)&requests) != 0)
        hal_exit(91);
    hal_irq_restore(HAL_IRQS_ON);
    kill(getpid(), signal_sent);
    while (requests == 0)
        hal_cpu_relax();
}

/* The machine is asked, and ends in its own time. */
static void stop_itself(const struct hal_boot_info *boot)
{
    await_request(boot);
    hal_exit(5);
}

/* It does not end: the second signal ends it. */
static void stop_never(const struct hal_boot_info *boot)
{
    await_request(boot);
    kill(getpid(), SIGINT);
    for (;;)
        hal_cpu_relax();
}

static void test_signals_ask_the_machine(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM};
    char text[256];

    (void)state;
    signal(SIGINT, SIG_DFL);
    for (size_t i = 0; i < 2; i++) {
        signal_sent = signals[i];
        assert_int_equal(run(stop_itself, NULL, NULL, NULL, text, sizeof(text)),
                         5);
    }
    assert_int_equal(run(stop_never, NULL, NULL, NULL, text, sizeof(text)),
                     128 + SIGINT);
}

/* A reader that has gone is no reason to die. */
static void ignore_pipe(const struct hal_boot_info *boot)
{
    (void)boot;
    kill(getpid(), SIGPIPE);
    hal_exit(8);
}

static void test_a_broken_pipe_is_ignored(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(run(ignore_pipe, NULL, NULL, NULL, text, sizeof(text)), 8);
}

/* The fault of a stack that has overflowed needs another stack. */
static noinline unsigned overflow(unsigned depth)
{
    volatile char room[4096];

    room[0] = (char)depth;
    return depth > 1000000 ? 0 : overflow(depth + 1) + (unsigned)room[0];
}

static void fault(const struct hal_boot_info *boot)
{
    (void)boot;
    (void)overflow(0);
}

static void test_faults_reach_the_kernel(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(run(fault, NULL, NULL, NULL, text, sizeof(text)), 51);
    assert_string_equal(text, "torc: segmentation fault\n");
}

/* Neither a machine nor a kernel is there yet. */
static void arguments_wild(void)
{
    char *argv[] = {(char[]){"torc"}, (char *)(uintptr_t)8, NULL};

    _exit(host_process_run(2, argv));
}

static void test_faults_before_the_machine_are_told(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(bare_child(arguments_wild, text, sizeof(text)),
                     128 + SIGABRT);
    assert_memory_equal(text, "torc: segmentation fault at 0x", 30);
    assert_non_null(strstr(text, ", address 0x8, in a thread of the host"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_make_the_machine),
        cmocka_unit_test(test_bad_arguments_are_told),
        cmocka_unit_test(test_help_is_no_failure),
        cmocka_unit_test(test_signals_end_the_process),
        cmocka_unit_test(test_signals_ask_the_machine),
        cmocka_unit_test(test_a_broken_pipe_is_ignored),
        cmocka_unit_test(test_faults_reach_the_kernel),
        cmocka_unit_test(test_faults_before_the_machine_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
