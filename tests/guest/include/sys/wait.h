/* The host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_WAIT_H
#define TORC_TESTS_GUEST_WAIT_H

#include <sys/types.h>

#define WIFEXITED(status)   (((status)&0x7f) == 0)
#define WEXITSTATUS(status) ((status) >> 8 & 0xff)
#define WTERMSIG(status)    ((status)&0x7f)
pid_t waitpid(pid_t pid, int *status, int options);

#endif
