/* The end of the process: see exit.h. */
#include "hal/posix/host/exit.h"
#include "hal/posix/host/terminal.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static void (*_Atomic at_end)(void);

void host_end_call(void (*fn)(void))
{
    atomic_store(&at_end, fn);
}

/* Once: what it calls may fail, too. */
static void end_tell(void)
{
    void (*fn)(void) = atomic_exchange(&at_end, NULL);

    if (fn != NULL)
        fn();
    host_terminal_restore();
}

void host_exit(int status)
{
    static atomic_flag ending = ATOMIC_FLAG_INIT;

    /* exit() is for one thread; a second, say for a signal, waits for it. */
    while (atomic_flag_test_and_set(&ending))
        pause();
    end_tell();
    exit(status);
}

/* Builds that measure coverage keep what ran before a panic, too. */
void __gcov_dump(void) __attribute__((weak));

void host_abort(void)
{
    end_tell();
    if (__gcov_dump != NULL)
        __gcov_dump();
    abort();
}
