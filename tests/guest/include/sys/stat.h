/* The host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_STAT_H
#define TORC_TESTS_GUEST_STAT_H

#include <sys/types.h>

struct stat {
    unsigned st_mode;
    off_t st_size;
    long st_blocks;
};
#ifndef S_ISREG
#define S_ISREG(mode) (((mode)&0170000) == 0100000)
#define S_ISDIR(mode) (((mode)&0170000) == 0040000)
#endif
int stat(const char *path, struct stat *out);
int fstat(int fd, struct stat *out);
int lstat(const char *path, struct stat *out);
int mkdir(const char *path, unsigned mode);

#endif
