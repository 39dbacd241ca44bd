/*
 * Byte pair encoding (Gage 1994): what stands side by side most often becomes
 * one byte, again and again, until no byte is free.
 */
#include "tools/symbols/symbols.h"
#include <string.h>

static unsigned counts[65536];

/* The most frequent pair; 0: none is there twice. */
static unsigned best_pair(const struct texts *texts)
{
    unsigned best = 0;

    memset(counts, 0, sizeof(counts));
    for (size_t i = 0; i < texts->count; i++) {
        const uint8_t *at = (const uint8_t *)texts->text[i];

        for (; at[0] != 0 && at[1] != 0; at++)
            counts[at[0] << 8 | at[1]]++;
    }
    for (unsigned pair = 1; pair < 65536; pair++) {
        if (counts[pair] > counts[best])
            best = pair;
    }
    return counts[best] > 2 ? best : 0; /* a pair takes two bytes itself */
}

static void replace(char *text, unsigned pair, unsigned code)
{
    uint8_t *from = (uint8_t *)text, *to = from;

    while (*from != 0) {
        if (from[0] == pair >> 8 && from[1] == (pair & 0xff)) {
            *to++ = (uint8_t)code;
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
}

unsigned pairs_make(struct texts *texts, uint8_t pairs[PAIR_COUNT][2])
{
    for (unsigned i = 0; i < PAIR_COUNT; i++) {
        unsigned pair = best_pair(texts);

        if (pair == 0)
            return i;
        pairs[i][0] = (uint8_t)(pair >> 8);
        pairs[i][1] = (uint8_t)pair;
        for (size_t j = 0; j < texts->count; j++)
            replace(texts->text[j], pair, pair_code(i));
    }
    return PAIR_COUNT;
}
