/* Files and processes are the host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_UNISTD_H
#define TORC_TESTS_GUEST_UNISTD_H

#include <stddef.h>
#include <sys/types.h>

enum { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };

int close(int fd);
ssize_t read(int fd, void *to, size_t size);
ssize_t write(int fd, const void *from, size_t size);
ssize_t pread(int fd, void *to, size_t size, off_t at);
ssize_t pwrite(int fd, const void *from, size_t size, off_t at);
int ftruncate(int fd, off_t size);
int truncate(const char *path, off_t size);
int symlink(const char *target, const char *path);
int unlink(const char *path);
int rmdir(const char *path);
int pipe(int ends[2]);
int dup2(int from, int to);
pid_t fork(void);
pid_t getpid(void);
_Noreturn void _exit(int status);

#endif
