/*
 * The legacy hash adds the hash before the last one to the last one, changed by
 * a multiple of the byte: whatever five bytes are before it, the last byte that
 * leads to the hash wanted is found by one division, if there is one.
 */
#include "tests/fakes/collide.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>

enum { VARIED = 5 };

static const uint32_t factor = 7152373;

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
        next -= 0x7fffffff;
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

/* The byte that leads from a state to `next` before it is reduced; or 0. */
static char last_byte(const struct state *state, uint32_t next,
                      bool is_unsigned)
{
    static uint32_t inverse;
    uint32_t byte;

    if (inverse == 0) {
        inverse = factor;
        for (unsigned i = 0; i < 5; i++) /* Newton: 3, 6, 12 ... bits */
            inverse *= 2 - factor * inverse;
    }
    byte = ((next - state->before) ^ state->last) * inverse;
    if (byte_of((int)byte, is_unsigned) != byte || (char)byte == '/')
        return 0;
    return (char)byte;
}

/* Whether a last byte makes a name of it. */
static bool solve(char *name, size_t len, const struct state *before,
                  uint32_t target, bool is_unsigned)
{
    uint32_t high = target + 0x7fffffff;
    char c = last_byte(before, target, is_unsigned);

    if (c == 0 && (high & 0x80000000) != 0)
        c = last_byte(before, high, is_unsigned);
    name[len - 1] = c;
    return c != 0 && state_of(name, len, is_unsigned).last == target;
}

void collide(char names[][256], unsigned count, size_t len, bool is_unsigned)
{
    struct state common;
    char name[256];
    uint32_t target;
    unsigned found = 0;

    memset(name, 'n', sizeof(name));
    name[len] = '\0';
    common = state_of(name, len - 1 - VARIED, is_unsigned);
    target = state_of(name, len, is_unsigned).last;
    for (uint32_t i = 0; found < count; i++) {
        struct state state = common;
        char *at = name + len - 1 - VARIED;

        assert_true(i < 64u << 24);
        for (unsigned k = 0; k < VARIED; k++) {
            at[k] = (char)('0' + (i >> 6 * k & 63));
            step(&state, at[k], is_unsigned);
        }
        if (solve(name, len, &state, target, is_unsigned))
            memcpy(names[found++], name, len + 1);
    }
}
