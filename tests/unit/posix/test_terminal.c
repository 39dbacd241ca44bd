/*
 * The terminal of the hosted machine: raw while the machine runs, as before
 * however it ends. Each machine is a child process whose stdin is a pty, a pipe
 * or a file.
 */
#include "hal/leaf.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/terminal.h"
#include "tests/unit/posix/machine_bare.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

enum { KEY = 'k', WAIT_S = 20 };

static int master;
static char slave_name[100];
static struct termios cooked;

static void pty_open(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    snprintf(slave_name, sizeof(slave_name), "%s", ptsname(master));
}

static bool is_raw(void)
{
    struct termios now;
    int fd = open(slave_name, O_RDWR | O_NOCTTY);

    assert_true(fd >= 0);
    assert_int_equal(tcgetattr(fd, &now), 0);
    close(fd);
    return (now.c_lflag & (tcflag_t)(ICANON | ECHO)) == 0;
}

static void moment(void)
{
    const struct timespec some = {.tv_nsec = 2 * 1000 * 1000};

    nanosleep(&some, NULL);
}

static void await_raw(bool raw)
{
    for (unsigned i = 0; i < WAIT_S * 500 && is_raw() != raw; i++)
        moment();
    assert_int_equal(is_raw(), raw);
}

/* ---- In the child -------------------------------------------------------- */

static unsigned interrupts;

static void tty_open(void)
{
    int irq;

    bare_open((struct host_config){.cpus = 1});
    hal_irq_restore(HAL_IRQS_ON);
    irq = hal_tty_open();
    if (irq < 0 || hal_irq_attach(irq, 0, count_irq, &interrupts) != 0)
        _exit(1);
    if (hal_tty_open() != -EBUSY)
        _exit(2);
}

/* Wait for a key, or the end. */
static int key_read(void)
{
    char byte;
    int got;

    while ((got = hal_tty_read(&byte, 1)) == 0)
        bare_wait(&interrupts, interrupts);
    return got < 0 ? got : byte;
}

static void end_by_exit(void)
{
    hal_exit(7);
}

static void end_by_abort(void)
{
    hal_abort(HAL_END_OFF);
}

static void end_by_halt(void)
{
    hal_abort(HAL_END_HALT);
}

static void end_by_close(void)
{
    host_machine_close();
    _exit(9);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static pid_t start(int in, void (*end)(void))
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(in, STDIN_FILENO);
        tty_open();
        if (key_read() != KEY)
            _exit(3);
        end();
        _exit(4);
    }
    return pid;
}

static int status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- Tests --------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*end)(void);
    int signal; /* 0: it ends by itself */
    int status;
} ends[] = {
    {"exit", end_by_exit, 0, 7},
    {"panic", end_by_abort, 0, 128 + SIGABRT},
    {"halt after a panic", end_by_halt, SIGKILL, 128 + SIGKILL},
    {"close", end_by_close, 0, 9},
    {"SIGQUIT", wait_for_ever, SIGQUIT, 128 + SIGQUIT},
    {"SIGHUP", wait_for_ever, SIGHUP, 128 + SIGHUP},
};

static void test_the_terminal_is_as_before(void **state)
{
    char key = KEY;

    (void)state;
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int slave;
        pid_t pid;

        pty_open();
        slave = open(slave_name, O_RDWR | O_NOCTTY);
        assert_false(is_raw());
        pid = start(slave, ends[i].end);
        await_raw(true);
        assert_int_equal(write(master, &key, 1), 1);
        if (ends[i].signal == SIGKILL)
            await_raw(false); /* before it is gone */
        else if (ends[i].signal != 0)
            moment();
        if (ends[i].signal != 0)
            kill(pid, ends[i].signal);
        ROW(ends[i].name, status_of(pid) == ends[i].status);
        ROW(ends[i].name, !is_raw());
        close(slave);
        close(master);
    }
}

/* Somebody stops the process, uses the terminal, and lets it go on. */
static void test_it_is_raw_again_when_it_goes_on(void **state)
{
    char key = KEY;
    int slave, status;
    pid_t pid;

    (void)state;
    pty_open();
    slave = open(slave_name, O_RDWR | O_NOCTTY);
    assert_int_equal(tcgetattr(slave, &cooked), 0);
    pid = start(slave, end_by_exit);
    await_raw(true);
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_int_equal(tcsetattr(slave, TCSANOW, &cooked), 0);
    assert_false(is_raw());
    kill(pid, SIGCONT);
    await_raw(true);
    assert_int_equal(write(master, &key, 1), 1);
    assert_int_equal(status_of(pid), 7);
    assert_false(is_raw());
    close(slave);
    close(master);
}

/* In a session of its own whose terminal is the pty: a shell with a job. */
static void job_control(int slave)
{
    static const int rounds[] = {1, 0}; /* begins in the background, or not */
    char key = KEY;

    if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) != 0)
        _exit(40);
    signal(SIGTTOU, SIG_IGN); /* ours; the job has the default */
    for (unsigned i = 0; i < 2; i++) {
        int status;
        pid_t job = fork();

        if (job == 0) {
            setpgid(0, 0);
            if (rounds[i] == 0)
                tcsetpgrp(slave, getpgrp());
            signal(SIGTTOU, SIG_DFL);
            dup2(slave, STDIN_FILENO);
            tty_open();
            if (rounds[i] == 1) {
                raise(SIGSTOP); /* it is looked at */
                if (!is_raw())  /* in the foreground now */
                    _exit(50);
            }
            if (key_read() != KEY)
                _exit(51);
            raise(SIGSTOP); /* and put into the background */
            host_terminal_close();
            _exit(0);
        }
        setpgid(job, job);
        if (rounds[i] == 1) {
            if (waitpid(job, &status, WUNTRACED) != job ||
                !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
                _exit(41);
            if (is_raw())
                _exit(42);
            tcsetpgrp(slave, job);
            kill(job, SIGCONT);
        }
        while (!is_raw())
            moment();
        if (write(master, &key, 1) != 1 ||
            waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status) ||
            WSTOPSIG(status) != SIGSTOP)
            _exit(43);
        tcsetpgrp(slave, getpgrp());
        kill(job, SIGCONT);
        /* It leaves the terminal as it is, and is not stopped. */
        if (waitpid(job, &status, WUNTRACED) != job || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 44);
        if (!is_raw())
            _exit(45);
        tcsetattr(slave, TCSANOW, &cooked);
    }
    _exit(0);
}

static void test_a_job_in_the_background(void **state)
{
    int slave;
    pid_t pid;

    (void)state;
    pty_open();
    slave = open(slave_name, O_RDWR | O_NOCTTY);
    assert_int_equal(tcgetattr(slave, &cooked), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        job_control(slave);
    assert_int_equal(status_of(pid), 0);
    close(slave);
    close(master);
}

/* Bytes as they were typed: Return, Ctrl-C and Ctrl-Z, too; then the end. */
static int reads_all(void *arg)
{
    char got[20];
    int len = 0, byte;

    dup2(*(int *)arg, STDIN_FILENO);
    tty_open();
    while ((byte = key_read()) != KEY && byte >= 0 && len < 20)
        got[len++] = (char)byte;
    if (byte < 0 && (byte != -EPIPE || key_read() != -EPIPE))
        return 5;
    fwrite(got, 1, (size_t)len, stdout);
    fflush(stdout);
    host_machine_close();
    host_terminal_close(); /* harmless */
    return byte < 0 ? 6 : 0;
}

static void test_bytes_of_a_terminal(void **state)
{
    static const char typed[] = "a\r\x03\x1a\x11k";
    char got[64];
    int slave;

    (void)state;
    pty_open();
    slave = open(slave_name, O_RDWR | O_NOCTTY);
    fflush(NULL);
    if (fork() == 0) {
        await_raw(true);
        _exit(write(master, typed, sizeof(typed) - 1) < 0);
    }
    assert_int_equal(child_run(reads_all, &slave, got, sizeof(got)), 0);
    assert_string_equal(got, "a\r\x03\x1a\x11");
    wait(NULL);
    close(slave);
    close(master);
}

/* A pipe, a file, nothing. */
static void test_input_that_ends(void **state)
{
    char got[64];
    int ends_of_pipe[2], file;

    (void)state;
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(write(ends_of_pipe[1], "two\nlines", 9), 9);
    close(ends_of_pipe[1]);
    assert_int_equal(child_run(reads_all, &ends_of_pipe[0], got, sizeof(got)),
                     6);
    assert_string_equal(got, "two\nlines");
    close(ends_of_pipe[0]);
    file = open("/dev/null", O_RDONLY);
    assert_int_equal(child_run(reads_all, &file, got, sizeof(got)), 6);
    assert_string_equal(got, "");
    close(file);
}

/* More than the host keeps at once. */
static int reads_much(void *arg)
{
    unsigned sum = 0;
    int byte;

    dup2(*(int *)arg, STDIN_FILENO);
    tty_open();
    while ((byte = key_read()) >= 0)
        sum++;
    printf("%u", sum);
    return 0;
}

static void test_much_input(void **state)
{
    char got[64];
    static char text[5000];
    int ends_of_pipe[2];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(write(ends_of_pipe[1], text, sizeof(text)), sizeof(text));
    close(ends_of_pipe[1]);
    assert_int_equal(child_run(reads_much, &ends_of_pipe[0], got, sizeof(got)),
                     0);
    assert_string_equal(got, "5000");
    close(ends_of_pipe[0]);
}

/* The machine is closed while bytes wait that nobody takes. */
static int leaves_bytes(void *arg)
{
    unsigned files;

    dup2(*(int *)arg, STDIN_FILENO);
    tty_open();
    bare_wait(&interrupts, 0);
    files = fds_open();
    host_machine_close();
    return fds_open() < files ? 0 : 1;
}

static void test_bytes_that_nobody_takes(void **state)
{
    char got[64];
    int ends_of_pipe[2];

    (void)state;
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(write(ends_of_pipe[1], "bytes", 5), 5);
    assert_int_equal(
        child_run(leaves_bytes, &ends_of_pipe[0], got, sizeof(got)), 0);
    close(ends_of_pipe[0]);
    close(ends_of_pipe[1]);
}

/* No interrupt, no file, no thread left: nothing is raw, nothing is open. */
static int finds_no_room(void *arg)
{
    uint64_t address;
    uint32_t data;
    int first = dup(0);
    int status;

    (void)arg;
    bare_open((struct host_config){.cpus = 1});
    while (dup(0) >= 0)
        ;
    for (unsigned i = 0; i < 1000; i++) /* no interrupt is lost by it */
        status = hal_tty_open();
    close(first); /* for the counters of what is executed, at the end */
    if (status != -ENFILE)
        return 1;
    while (hal_irq_msi(0, &address, &data) >= 0)
        ;
    return hal_tty_open() == -ENOSPC ? 0 : 2;
}

static void test_no_room(void **state)
{
    char got[64];

    (void)state;
    assert_int_equal(child_run(finds_no_room, NULL, got, sizeof(got)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_terminal_is_as_before),
        cmocka_unit_test(test_it_is_raw_again_when_it_goes_on),
        cmocka_unit_test(test_a_job_in_the_background),
        cmocka_unit_test(test_bytes_of_a_terminal),
        cmocka_unit_test(test_input_that_ends),
        cmocka_unit_test(test_much_input),
        cmocka_unit_test(test_bytes_that_nobody_takes),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
