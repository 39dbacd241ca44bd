/* Tests that run something in a process of its own, and what it says. */
#ifndef TORC_TESTS_FAKES_CHILD_H
#define TORC_TESTS_FAKES_CHILD_H

#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Builds that measure coverage keep what a child process ran. */
void __gcov_dump(void) __attribute__((weak));

static inline _Noreturn void child_exit(int status)
{
    if (__gcov_dump != NULL)
        __gcov_dump();
    _exit(status);
}
#define _exit(status) child_exit(status)

/*
 * Run fn(arg) in a child process, which ends with what it returns. Returns the
 * exit status, or 128 and the signal that ended it; `text`, of `size` bytes,
 * gets what it wrote to stdout and stderr.
 */
static inline int child_run(int (*fn)(void *arg), void *arg, char *text,
                            size_t size)
{
    size_t len = 0;
    ssize_t got;
    int ends[2], status;
    pid_t pid;

    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        status = fn(arg);
        fflush(NULL);
        _exit(status);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
