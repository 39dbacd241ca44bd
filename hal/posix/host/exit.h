/*
 * The end of the process.
 */
#ifndef TORC_HAL_POSIX_HOST_EXIT_H
#define TORC_HAL_POSIX_HOST_EXIT_H

/* Any thread; of two callers the first one's status counts. */
_Noreturn void host_exit(int status);

/*
 * Stop the CPUs, then host_exit(). Any thread that is no CPU, for instance
 * after SIGTERM. The kernel half implements it (kernel/exit.c).
 */
_Noreturn void machine_exit_request(int status);

/* End by SIGABRT, with a core dump where the system keeps them. Any thread. */
_Noreturn void host_abort(void);

#endif
