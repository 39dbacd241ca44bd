/*
 * Sources: MD4 is RFC 1320, of which one half (8 words, 3 rounds of 8 steps) is
 * used; TEA is "TEA, a Tiny Encryption Algorithm" (Wheeler, Needham, 1994). How
 * names become words, and the legacy hash: the ext4 documentation of Linux,
 * "Hash Tree Directories".
 */
#include "fs/ext2/hash.h"
#include <stdbool.h>

enum { WORDS_MAX = 8, WORD = 4 };

/* Linux keeps this value, as the end of a directory, from being a hash. */
#define HASH_END 0xfffffffe

/* A byte of a name as a number: with a sign, or without. */
static uint32_t byte_of(char c, bool is_unsigned)
{
    return is_unsigned ? (uint8_t)c : (uint32_t)(int32_t)(int8_t)c;
}

static uint32_t legacy(const char *name, size_t len, bool is_unsigned)
{
    uint32_t hash = 0x12a3fe2d, before = 0x37abe8f9;

    for (size_t i = 0; i < len; i++) {
        uint32_t next =
            before + (hash ^ byte_of(name[i], is_unsigned) * 7152373);

        if ((next & 0x80000000) != 0)
            next -= 0x7fffffff;
        before = hash;
        hash = next;
    }
    return hash << 1;
}

/*
 * The next `count` words of a name, of which `len` bytes are left: big-endian,
 * the rest filled with the length in each byte.
 */
static void words_of(const char *name, size_t len, bool is_unsigned,
                     uint32_t *words, unsigned count)
{
    uint32_t fill = ((uint32_t)len & 0xff) * 0x01010101;

    for (unsigned i = 0; i < count; i++) {
        size_t at = (size_t)i * WORD;

        words[i] = fill;
        for (size_t k = at; k < at + WORD && k < len; k++)
            words[i] = byte_of(name[k], is_unsigned) + (words[i] << 8);
    }
}

static void tea(uint32_t state[4], const uint32_t words[4])
{
    uint32_t sum = 0, left = state[0], right = state[1];

    for (unsigned i = 0; i < 16; i++) {
        sum += 0x9e3779b9;
        left += ((right << 4) + words[0]) ^ (right + sum) ^
                ((right >> 5) + words[1]);
        right +=
            ((left << 4) + words[2]) ^ (left + sum) ^ ((left >> 5) + words[3]);
    }
    state[0] += left;
    state[1] += right;
}

static uint32_t mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
    if (round == 0)
        return (x & y) | (~x & z);
    if (round == 1)
        return (x & y) | (x & z) | (y & z);
    return x ^ y ^ z;
}

static void half_md4(uint32_t state[4], const uint32_t words[8])
{
    static const uint32_t added[3] = {0, 0x5a827999, 0x6ed9eba1};
    static const uint8_t order[3][8] = {{0, 1, 2, 3, 4, 5, 6, 7},
                                        {1, 3, 5, 7, 0, 2, 4, 6},
                                        {3, 7, 2, 6, 1, 5, 0, 4}};
    static const uint8_t shifts[3][4] = {
        {3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

    for (unsigned step = 0; step < 24; step++) {
        unsigned round = step / 8, shift = shifts[round][step % 4];
        uint32_t sum = a + mix(round, b, c, d) + words[order[round][step % 8]] +
                       added[round];

        a = d;
        d = c;
        c = b;
        b = sum << shift | sum >> (32 - shift);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

/* The lowest bit is not used: the index marks there what goes on. */
static uint32_t at_end(uint32_t hash)
{
    hash &= ~UINT32_C(1);
    return hash == HASH_END ? HASH_END - 2 : hash;
}

uint32_t ext2_hash(unsigned version, const uint32_t seed[4], const char *name,
                   size_t len)
{
    static const uint32_t standard[4] = {0x67452301, 0xefcdab89, 0x98badcfe,
                                         0x10325476};
    bool is_unsigned = version >= EXT2_HASH_UNSIGNED;
    bool is_tea = version % EXT2_HASH_UNSIGNED == EXT2_HASH_TEA;
    unsigned count = is_tea ? 4 : 8;
    bool seeded = (seed[0] | seed[1] | seed[2] | seed[3]) != 0;
    uint32_t state[4], words[WORDS_MAX];

    if (version % EXT2_HASH_UNSIGNED == EXT2_HASH_LEGACY)
        return at_end(legacy(name, len, is_unsigned));
    for (unsigned i = 0; i < 4; i++)
        state[i] = seeded ? seed[i] : standard[i];
    for (size_t at = 0; at < len; at += (size_t)count * WORD) {
        words_of(name + at, len - at, is_unsigned, words, count);
        if (is_tea)
            tea(state, words);
        else
            half_md4(state, words);
    }
    return at_end(is_tea ? state[0] : state[1]);
}
