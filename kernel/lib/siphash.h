/* <torc/siphash.h>, for the kernel. */
#ifndef TORC_KERNEL_SIPHASH_H
#define TORC_KERNEL_SIPHASH_H

#include <torc/siphash.h>

/* siphash() of twelve bytes, which are two numbers of the little end first: it
 * takes half of the instructions. */
uint64_t siphash_12(const struct siphash_key *key, uint64_t first,
                    uint32_t rest);

#endif
