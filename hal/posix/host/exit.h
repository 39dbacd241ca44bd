/*
 * The end of the process.
 */
#ifndef TORC_HAL_POSIX_HOST_EXIT_H
#define TORC_HAL_POSIX_HOST_EXIT_H

/* Any thread; of two callers the first one's status counts. */
_Noreturn void host_exit(int status);

/*
 * Call fn() before the process ends in one of the ways of this header, be it a
 * panic; NULL: nothing. It must not wait for a CPU, which may have stopped
 * anywhere.
 */
void host_end_call(void (*fn)(void));

/*
 * Stop the CPUs, then host_exit(). Any thread that is no CPU, for instance
 * after SIGTERM. The kernel half implements it (kernel/exit.c).
 */
_Noreturn void machine_exit_request(int status);

/* End by SIGABRT, with a core dump where the system keeps them. Any thread. */
_Noreturn void host_abort(void);

#endif
