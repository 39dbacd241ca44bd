/*
 * A pool of randomness: what is unpredictable goes in, however little each
 * piece holds, and bytes come out that nobody can predict once there was
 * enough. Pure; the owner of a pool is its CPU.
 *
 * The state is a key of SipHash, a keyed function that outsiders cannot
 * predict. Adding hashes the piece into a new key. Taking hashes a counter, and
 * then makes a new key, so that what was given out before cannot be computed
 * from the state.
 */
#ifndef TORC_HAL_BAREMETAL_ENTROPY_POOL_H
#define TORC_HAL_BAREMETAL_ENTROPY_POOL_H

#include "kernel/lib/siphash.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENTROPY_ENOUGH = 128 }; /* bits: as many as the key has */

struct entropy_pool {
    struct siphash_key key;
    unsigned bits; /* what somebody would have to guess, at most _ENOUGH */
};

/* Mix `len` bytes in, which hold at least `bits` bits that are unknown. */
void entropy_add(struct entropy_pool *pool, const void *data, size_t len,
                 unsigned bits);

/* Fill `buf`. Returns whether nobody can predict it. */
bool entropy_take(struct entropy_pool *pool, void *buf, size_t len);

/*
 * How many bits are unknown in the times that one piece of code took: `first`
 * and `second` are two runs of it, of `count` times each. What takes the same
 * time at the same place in both runs tells nothing: a machine that is computed
 * step by step, such as an emulator with an instruction counter, gives 0.
 */
unsigned entropy_of_times(const uint32_t *first, const uint32_t *second,
                          unsigned count);

#endif
