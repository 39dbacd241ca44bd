#include "kernel/lib/checksum.h"
#include "kernel/lib/bytes.h"
#include <stdbool.h>
#include <torc/string.h>

/* The sum of two words with the carry that goes around. */
static uint64_t add_around(uint64_t a, uint64_t b)
{
    uint64_t sum;
    bool carry = __builtin_add_overflow(a, b, &sum);

    return sum + carry;
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* The last bytes, fewer than a word: what is missing counts as zero. */
static uint64_t word_of(const uint8_t *p, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
}

/*
 * RFC 1071, section 2: the sum does not depend on byte order except for a final
 * swap, and carries may be folded late; so add native 64-bit words and swap
 * once at the end (here, where the piece is folded to 16 bits).
 */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t total = 0;

    for (; len >= 32; len -= 32, p += 32) {
        total = add_around(total, word_at(p));
        total = add_around(total, word_at(p + 8));
        total = add_around(total, word_at(p + 16));
        total = add_around(total, word_at(p + 24));
    }
    for (; len >= 8; len -= 8, p += 8)
        total = add_around(total, word_at(p));
    total = add_around(total, word_of(p, len));
    total = (total & UINT32_MAX) + (total >> 32);
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return sum + __builtin_bswap16((uint16_t)total);
}

uint16_t checksum_finish(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
