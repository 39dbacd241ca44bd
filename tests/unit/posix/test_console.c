/* Text of the hosted machine: to stdout and stderr, whoever reads there. */
#include "hal/posix/host/console.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static char text[300000];

static void say_hello(void)
{
    host_console_write("hello\n", 5);
    host_complain("%s %d", "world", 7);
}

static void test_text_arrives(void **state)
{
    (void)state;
    assert_int_equal(bare_child(say_hello, text, sizeof(text)), 0);
    assert_string_equal(text, "hellotorc: world 7\n");
}

enum { LARGE = 200000 };

static void say_much(void)
{
    static char much[LARGE];

    memset(much, 'x', LARGE - 1);
    much[LARGE - 1] = 'y';
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK); /* the pipe is soon full */
    host_console_write(much, LARGE);
}

static void test_much_text_waits_for_its_reader(void **state)
{
    (void)state;
    assert_int_equal(bare_child(say_much, text, sizeof(text)), 0);
    assert_int_equal(strlen(text), LARGE);
    assert_int_equal(text[LARGE - 1], 'y');
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A reader that takes nothing costs 200 ms for each write, no more. */
static void say_to_a_stuck_reader(void)
{
    static char much[LARGE];
    uint64_t start = now_ms();
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) != 0)
        _exit(1);
    dup2(ends[1], STDOUT_FILENO);
    host_console_write(much, LARGE);
    _exit(now_ms() - start < 190 ? 2 : now_ms() - start > 5000 ? 3 : 0);
}

static void say_to_nobody(void)
{
    int ends[2];

    signal(SIGPIPE, SIG_IGN);
    if (pipe(ends) != 0)
        _exit(1);
    close(ends[0]);
    dup2(ends[1], STDOUT_FILENO);
    host_console_write("lost", 4);
    close(STDOUT_FILENO);
    host_console_write("lost", 4);
    host_complain("still here");
}

static void nothing(int signal)
{
    (void)signal;
}

/* A pipe that is full, signals that come in, then a reader. */
static void say_through_signals(void)
{
    static char much[LARGE];
    struct sigaction action = {.sa_handler = nothing};
    int ends[2];
    size_t total = 0;
    ssize_t got;
    pid_t parent = getpid();
    pid_t helper;

    sigaction(SIGUSR1, &action, NULL);
    if (pipe(ends) != 0)
        _exit(1);
    helper = fork();
    if (helper == 0) {
        for (unsigned i = 0; i < 20; i++) {
            usleep(2000);
            kill(parent, SIGUSR1);
        }
        close(ends[1]);
        while ((got = read(ends[0], text, sizeof(text))) > 0)
            total += (size_t)got;
        _exit(total == LARGE ? 0 : 1);
    }
    close(ends[0]);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    host_console_write(much, LARGE);
    close(STDOUT_FILENO);
    int status = 1;
    while (waitpid(helper, &status, 0) < 0)
        ;
    _exit(status == 0 ? 0 : 4);
}

static void test_readers_that_are_slow_stuck_or_gone(void **state)
{
    (void)state;
    ROW("stuck", bare_child(say_to_a_stuck_reader, text, sizeof(text)) == 0);
    ROW("signals", bare_child(say_through_signals, text, sizeof(text)) == 0);
    ROW("gone", bare_child(say_to_nobody, text, sizeof(text)) == 0);
    assert_string_equal(text, "torc: still here\n");
}

static unsigned line_size;

static void complain_long(void)
{
    host_complain("%0*d", (int)line_size, 0);
}

/* A line has at most 512 bytes, with "torc: " and its end. */
static void test_long_lines_are_cut(void **state)
{
    static const struct {
        unsigned size, want;
    } rows[] = {{504, 511}, {505, 511}, {503, 510}, {1, 8}, {5000, 511}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len;

        line_size = rows[i].size;
        assert_int_equal(bare_child(complain_long, text, sizeof(text)), 0);
        len = strlen(text);
        assert_int_equal(len, rows[i].want);
        assert_int_equal(text[len - 1], '\n');
        assert_int_equal(text[len - 2], '0');
        assert_memory_equal(text, "torc: 0", 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_arrives),
        cmocka_unit_test(test_much_text_waits_for_its_reader),
        cmocka_unit_test(test_readers_that_are_slow_stuck_or_gone),
        cmocka_unit_test(test_long_lines_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
