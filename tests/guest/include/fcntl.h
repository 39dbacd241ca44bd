/* The host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_FCNTL_H
#define TORC_TESTS_GUEST_FCNTL_H

#ifndef O_RDONLY
enum { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT = 64, O_TRUNC = 512 };
#endif
int open(const char *path, int flags, ...);

#endif
