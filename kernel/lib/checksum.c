#include "kernel/lib/checksum.h"
#include "kernel/lib/bytes.h"
#include <stdbool.h>
#include <torc/string.h>

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

    while (len-- > 0)
        word = word << 8 | p[len];
    return word;
}

/* A sum of words, and the carries out of it. */
struct total {
    uint64_t words;
    uint64_t carries;
};

static inline void total_add(struct total *total, uint64_t word)
{
    total->words += word;
    total->carries += total->words < word;
}

/*
 * RFC 1071, section 2: the sum does not depend on byte order except for a final
 * swap, and carries may be folded late; so add native 64-bit words and swap
 * once at the end (here, where the piece is folded to 16 bits).
 */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t rest = len % 8;
    bool is_word = len >= 8;
    struct total total = {0};
    uint64_t folded;

    for (; len >= 32; len -= 32, p += 32) {
        total_add(&total, word_at(p));
        total_add(&total, word_at(p + 8));
        total_add(&total, word_at(p + 16));
        total_add(&total, word_at(p + 24));
    }
    for (; len >= 8; len -= 8, p += 8)
        total_add(&total, word_at(p));
    if (rest > 0 && is_word) /* the last word, less what was added */
        total_add(&total, word_at(p + rest - 8) >> (64 - 8 * rest));
    else if (rest > 0)
        total_add(&total, word_of(p, rest));
    folded = (total.words >> 32) + (uint32_t)total.words + total.carries;
    folded = (folded & 0xffff) + (folded >> 16);
    while (folded >> 16 != 0)
        folded = (folded & 0xffff) + (folded >> 16);
    return sum + __builtin_bswap16((uint16_t)folded);
}

uint16_t checksum_finish(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
