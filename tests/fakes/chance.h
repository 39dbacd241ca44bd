/* Chance that a seed decides, the same each time. */
#ifndef TORC_TESTS_FAKES_CHANCE_H
#define TORC_TESTS_FAKES_CHANCE_H

#include <stdint.h>

/* Not 0. */
static uint64_t chance_seed;

/* A number below `limit`: xorshift64 (Marsaglia, 2003). */
static inline uint32_t chance(uint32_t limit)
{
    chance_seed ^= chance_seed << 13;
    chance_seed ^= chance_seed >> 7;
    chance_seed ^= chance_seed << 17;
    return (uint32_t)((chance_seed >> 20) % limit);
}

#endif
