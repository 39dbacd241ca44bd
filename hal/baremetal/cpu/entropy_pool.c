#include "hal/baremetal/cpu/entropy_pool.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { CAUTION = 8 };

/* The same key hashes for several purposes: the last word tells which. */
enum purpose { KEY_LOW, KEY_HIGH, OUTPUT };

static uint64_t hash(const struct entropy_pool *pool, uint64_t data,
                     enum purpose purpose)
{
    const uint64_t input[] = {data, purpose};

    return siphash(&pool->key, input, sizeof(input));
}

static void rekey(struct entropy_pool *pool, uint64_t data)
{
    struct siphash_key next = {
        {hash(pool, data, KEY_LOW), hash(pool, data, KEY_HIGH)}};

    pool->key = next;
}

void entropy_add(struct entropy_pool *pool, const void *data, size_t len,
                 unsigned bits)
{
    rekey(pool, siphash(&pool->key, data, len));
    pool->bits += bits < ENTROPY_ENOUGH ? bits : ENTROPY_ENOUGH;
    if (pool->bits > ENTROPY_ENOUGH)
        pool->bits = ENTROPY_ENOUGH;
}

bool entropy_take(struct entropy_pool *pool, void *buf, size_t len)
{
    uint8_t *out = buf;
    uint64_t counter = 0;

    assert(pool->bits <= ENTROPY_ENOUGH);
    while (len > 0) {
        uint64_t word = hash(pool, counter++, OUTPUT);
        size_t part = len < sizeof(word) ? len : sizeof(word);

        memcpy(out, &word, part);
        out += part;
        len -= part;
    }
    rekey(pool, counter);
    return pool->bits == ENTROPY_ENOUGH;
}

/* How often the difference at `index` comes among all of them. */
static unsigned times_of(const uint32_t *first, const uint32_t *second,
                         unsigned count, unsigned index)
{
    uint32_t difference = first[index] - second[index];
    unsigned same = 0;

    for (unsigned i = 0; i < count; i++)
        same += first[i] - second[i] == difference;
    return same;
}

/* The logarithm to base 2 of a / b >= 1, in eighths, rounded down. */
static unsigned log2_eighths(unsigned a, unsigned b)
{
    uint64_t ratio = ((uint64_t)a << 16) / b; /* in 1/65536 */
    unsigned log = 0;

    for (; ratio >= 2 << 16; ratio /= 2)
        log++;
    for (unsigned digit = 0; digit < 3; digit++) {
        ratio = ratio * ratio >> 16;
        log *= 2;
        if (ratio >= 2 << 16) {
            ratio /= 2;
            log++;
        }
    }
    return log;
}

/*
 * The most common difference bounds what a guess of one difference is right
 * with (NIST SP 800-90B, 6.3.1). Times that follow each other depend on each
 * other, and an observer of the machine knows something: an eighth is believed.
 */
unsigned entropy_of_times(const uint32_t *first, const uint32_t *second,
                          unsigned count)
{
    unsigned most = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned same = times_of(first, second, count, i);

        most = same > most ? same : most;
    }
    return most == 0 ? 0 : count * log2_eighths(count, most) / 8 / CAUTION;
}
