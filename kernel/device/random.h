/* The generators behind <torc/random.h>, one for each CPU. */
#ifndef TORC_KERNEL_RANDOM_H
#define TORC_KERNEL_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/random.h>

enum { RANDOM_SEED = 32 /* bytes */, RANDOM_ENOUGH = 8 * RANDOM_SEED };

/*
 * Mix bytes into this CPU's generator, of which `bits` bits nobody can predict.
 * Whatever they are, they take nothing away. Thread or irq work.
 */
void random_add(const void *data, size_t len, unsigned bits);

/*
 * A seed has come, of `len` >= RANDOM_SEED bytes that nobody can predict: for
 * this CPU's generator, which then makes one for that of each other CPU, and
 * sends it there. Thread or irq work.
 */
void random_seed_all(const void *data, size_t len);

/* Whether this CPU's generator was given enough. */
bool random_is_seeded(void);

/* Assert what is always true of this CPU's generator. */
void random_check(void);

#endif
