/*
 * The legacy hash adds the hash before the last one to the last one, changed by
 * a multiple of the byte: whatever bytes are before it, the last byte that
 * leads to the hash wanted is found by one division, if there is one.
 */
#include "tests/fakes/collide.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>

/* Bytes that are varied before the last two. */
enum { VARIED = 4, VARIED_FIRST = '0', VARIED_BYTES = 64 };

static const uint32_t factor = 7152373, REDUCED = 0x7fffffff;

struct state {
    uint32_t last, before;
};

static uint32_t byte_of(int c, bool is_unsigned)
{
    return is_unsigned ? (uint8_t)c : (uint32_t)(int8_t)c;
}

static void step(struct state *state, int c, bool is_unsigned)
{
    uint32_t next =
        state->before + (state->last ^ byte_of(c, is_unsigned) * factor);

    if ((next & 0x80000000) != 0)
        next -= REDUCED;
    state->before = state->last;
    state->last = next;
}

static struct state state_of(const char *name, size_t len, bool is_unsigned)
{
    struct state state = {0x12a3fe2d, 0x37abe8f9};

    for (size_t i = 0; i < len; i++)
        step(&state, name[i], is_unsigned);
    return state;
}

/* What is looked for, and names of the same beginning. */
struct search {
    char (*names)[256];
    unsigned count, found;
    char name[256];
    size_t len;
    bool is_unsigned;
    uint32_t target;
    uint32_t inverse; /* of the factor */
};

/* A last byte, if it is one and makes a name with the hash wanted. */
static void try_byte(struct search *search, uint32_t byte)
{
    char *name = search->name;

    name[search->len - 1] = (char)byte;
    if (search->found == search->count || (char)byte == 0 ||
        (char)byte == '/' ||
        state_of(name, search->len, search->is_unsigned).last != search->target)
        return;
    memcpy(search->names[search->found++], name, search->len + 1);
}

/*
 * All names that go on behind a state with one byte that is varied and a last
 * one. Nearly all of them are none: this runs some hundred million times, so it
 * calls nothing.
 */
static void try_all(struct search *search, const struct state *state)
{
    const uint32_t bias = search->is_unsigned ? 0 : 128;
    const uint32_t inverse = search->inverse;
    const uint32_t last = state->last, before = state->before;
    const uint32_t low = search->target - last; /* before it is reduced, or */
    const uint32_t high = low + REDUCED;        /* after it */

    for (uint32_t c = VARIED_FIRST; c < VARIED_FIRST + VARIED_BYTES; c++) {
        uint32_t next = before + (last ^ c * factor);

        if ((next & 0x80000000) != 0)
            next -= REDUCED;
        if (((low ^ next) * inverse + bias) >> 8 != 0 &&
            ((high ^ next) * inverse + bias) >> 8 != 0)
            continue;
        search->name[search->len - 2] = (char)c;
        try_byte(search, (low ^ next) * inverse);
        try_byte(search, (high ^ next) * inverse);
    }
}

void collide(char names[][256], unsigned count, size_t len, bool is_unsigned)
{
    struct search search = {.names = names,
                            .count = count,
                            .len = len,
                            .is_unsigned = is_unsigned,
                            .inverse = factor};
    char *varied = search.name + len - 2 - VARIED;
    struct state common;

    memset(search.name, 'n', len);
    for (unsigned i = 0; i < 5; i++) /* Newton: 3, 6, 12 ... bits */
        search.inverse *= 2 - factor * search.inverse;
    search.target = state_of(search.name, len, is_unsigned).last;
    common = state_of(search.name, len - 2 - VARIED, is_unsigned);
    for (uint32_t i = 0; search.found < count; i++) {
        struct state state = common;

        assert_true(i < 1u << 6 * VARIED);
        for (unsigned k = 0; k < VARIED; k++) {
            varied[k] = (char)(VARIED_FIRST + (i >> 6 * k & 63));
            step(&state, varied[k], is_unsigned);
        }
        try_all(&search, &state);
    }
}
