#include "kernel/lib/siphash.h"
#include "kernel/lib/bytes.h"
#include <torc/compiler.h>

struct state {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline __attribute__((always_inline)) void round_once(struct state *s)
{
    s->v[0] += s->v[1];
    s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
    s->v[0] = rotate(s->v[0], 32);
    s->v[2] += s->v[3];
    s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
    s->v[0] += s->v[3];
    s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
    s->v[2] += s->v[1];
    s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
    s->v[2] = rotate(s->v[2], 32);
}

static inline __attribute__((always_inline)) void absorb(struct state *s,
                                                         uint64_t word)
{
    s->v[3] ^= word;
    round_once(s);
    round_once(s);
    s->v[0] ^= word;
}

static inline __attribute__((always_inline)) struct state
begin(const struct siphash_key *key)
{
    return (struct state){{
        key->word[0] ^ UINT64_C(0x736f6d6570736575),
        key->word[1] ^ UINT64_C(0x646f72616e646f6d),
        key->word[0] ^ UINT64_C(0x6c7967656e657261),
        key->word[1] ^ UINT64_C(0x7465646279746573),
    }};
}

static noinline uint64_t end(const struct state *before)
{
    struct state s = *before;

    s.v[2] ^= 0xff;
    round_once(&s);
    round_once(&s);
    round_once(&s);
    round_once(&s);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

uint64_t siphash_12(const struct siphash_key *key, uint64_t first,
                    uint32_t rest)
{
    struct state s = begin(key);

    absorb(&s, first);
    absorb(&s, UINT64_C(12) << 56 | rest);
    return end(&s);
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t last = (uint64_t)len;
    struct state s = begin(key);

    for (; len >= 8; len -= 8, p += 8)
        absorb(&s, le64_get(p));
    last <<= 56 - 8 * len; /* of the rest, which goes in below */
    while (len > 0)
        last = last << 8 | p[--len];
    absorb(&s, last);
    return end(&s);
}
