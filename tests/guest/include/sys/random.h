/* tests/guest/libc.c; from the HAL. */
#ifndef TORC_TESTS_GUEST_RANDOM_H
#define TORC_TESTS_GUEST_RANDOM_H

#include <sys/types.h>

ssize_t getrandom(void *to, unsigned long size, unsigned flags);

#endif
