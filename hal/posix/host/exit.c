/* The end of the process: see exit.h. */
#include "hal/posix/host/exit.h"
#include "hal/posix/host/capture.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

void host_exit(int status)
{
    static atomic_flag ending = ATOMIC_FLAG_INIT;

    /* exit() is for one thread; a second, say for a signal, waits for it. */
    while (atomic_flag_test_and_set(&ending))
        pause();
    host_capture_end();
    exit(status);
}

/* Builds that measure coverage keep what ran before a panic, too. */
void __gcov_dump(void) __attribute__((weak));

void host_abort(void)
{
    host_capture_end(); /* what went before a panic */
    if (__gcov_dump != NULL)
        __gcov_dump();
    abort();
}
