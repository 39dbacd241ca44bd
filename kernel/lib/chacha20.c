#include "kernel/lib/chacha20.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/wipe.h"

enum { WORDS = 16, DOUBLE_ROUNDS = 10 };

static inline uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

/* Section 2.1, of the words with those numbers. */
static inline void quarter_round(uint32_t s[WORDS], unsigned a, unsigned b,
                                 unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

/* Four columns, then four diagonals: section 2.3. */
static inline void double_round(uint32_t s[WORDS])
{
    quarter_round(s, 0, 4, 8, 12);
    quarter_round(s, 1, 5, 9, 13);
    quarter_round(s, 2, 6, 10, 14);
    quarter_round(s, 3, 7, 11, 15);
    quarter_round(s, 0, 5, 10, 15);
    quarter_round(s, 1, 6, 11, 12);
    quarter_round(s, 2, 7, 8, 13);
    quarter_round(s, 3, 4, 9, 14);
}

void chacha20_block(const uint32_t key[CHACHA20_KEY_WORDS], uint32_t counter,
                    const uint32_t nonce[CHACHA20_NONCE_WORDS],
                    uint8_t out[CHACHA20_BLOCK])
{
    /* "expand 32-byte k" */
    uint32_t first[WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint32_t s[WORDS];

    for (unsigned i = 0; i < CHACHA20_KEY_WORDS; i++)
        first[4 + i] = key[i];
    first[12] = counter;
    for (unsigned i = 0; i < CHACHA20_NONCE_WORDS; i++)
        first[13 + i] = nonce[i];
    for (unsigned i = 0; i < WORDS; i++)
        s[i] = first[i];
    for (unsigned i = 0; i < DOUBLE_ROUNDS; i++)
        double_round(s);
    for (unsigned i = 0; i < WORDS; i++)
        le32_put(out + 4 * i, s[i] + first[i]);
    secret_wipe(first, sizeof(first));
    secret_wipe(s, sizeof(s));
}
