/* Numbers that a seed decides, the same on both sides (splitmix64). */
#ifndef TORC_TESTS_AGREE_DRAW_H
#define TORC_TESTS_AGREE_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct draw {
    uint64_t state;
};

static inline uint64_t draw_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint64_t draw_word(struct draw *draw)
{
    draw->state += 0x9e3779b97f4a7c15;
    return draw_mix(draw->state);
}

/* 0 .. limit-1 */
static inline uint64_t draw_below(struct draw *draw, uint64_t limit)
{
    return draw_word(draw) % limit;
}

static inline uint64_t draw_between(struct draw *draw, uint64_t first,
                                    uint64_t last)
{
    return first + draw_below(draw, last - first + 1);
}

/* True once in `times`. */
static inline bool draw_once_in(struct draw *draw, unsigned times)
{
    return draw_below(draw, times) == 0;
}

static inline uint64_t draw_hash(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *at = data;

    for (; size >= sizeof(hash); size -= sizeof(hash), at += sizeof(hash)) {
        uint64_t word;

        __builtin_memcpy(&word, at, sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 29;
    }
    for (; size > 0; size--, at++)
        hash = draw_mix(hash ^ *at);
    return hash;
}

#endif
