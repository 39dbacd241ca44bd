/* The host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_SYSCALL_H
#define TORC_TESTS_GUEST_SYSCALL_H

enum { SYS_getrandom = 318 };
long syscall(long number, ...);

#endif
