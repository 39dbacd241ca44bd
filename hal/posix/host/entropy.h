/*
 * Randomness (host/entropy.c; in the simulated machine sim/step.c).
 */
#ifndef TORC_HAL_POSIX_HOST_ENTROPY_H
#define TORC_HAL_POSIX_HOST_ENTROPY_H

#include <stddef.h>

/* Fill `buf` with up to `len` random bytes; returns how many it had. */
size_t host_entropy(void *buf, size_t len);

#endif
