/*
 * The end of the hosted machine (exit.c).
 */
#ifndef TORC_HAL_POSIX_EXIT_H
#define TORC_HAL_POSIX_EXIT_H

/* The kernel or a device model broke a rule of hal.h: say which, and abort. */
_Noreturn void machine_bug(const char *what);

#endif
