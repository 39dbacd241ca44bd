#include "tests/models/model_sum.h"
#include <string.h>

/* Each step can be undone, so no change of a word is without an effect: an odd
 * factor, and what is high goes low, too. */
static uint64_t add(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 32;
}

/* A word at a time: models do this with all that a device holds. */
uint64_t model_sum(const uint8_t *data, size_t size)
{
    uint64_t sum = size, word;

    for (; size >= sizeof(word); size -= sizeof(word), data += sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        sum = add(sum, word);
    }
    word = 0;
    memcpy(&word, data, size);
    return add(sum, word);
}
