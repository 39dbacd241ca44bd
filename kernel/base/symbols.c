#include "kernel/base/symbols.h"
#include "kernel/base/symbols_internal.h"
#include <stddef.h>

/*
 * What tools/symbols makes. All are lists, and not tables to search in: they
 * are small, and read when something has failed. Weak, so that the first link,
 * and programs that do without, have none.
 *
 * symbol_table: for each function, ascending, how far its start is from the one
 * before (of the first one: from symbol_base) as ULEB128; then its name. A byte
 * SYMBOL_TURN before the name: from here on an exception may leave functions,
 * or may not any more. An empty name marks the end of the last function.
 *
 * Names end with a NUL. Characters are those from '.' to '~'; all other bytes
 * stand for two, which symbol_pairs has in the order of their codes.
 */
extern const uint8_t symbol_table[] __attribute__((weak));
extern const uint8_t symbol_pairs[] __attribute__((weak));
extern const char symbol_base[] __attribute__((weak));

enum {
    PAIRS_LOW = '.' - SYMBOL_TURN - 1, /* codes below '.' */
    PAIRS_HIGH = 0x80,                 /* and from here on */
    DEPTH_MAX = 32,
    STEPS_MAX = 8 * SYMBOL_NAME_MAX, /* of a name, if the table is damaged */
};

/* The number at *at, which moves behind it. */
uintptr_t symbol_number(const uint8_t **at)
{
    uintptr_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;

        value |= (uintptr_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

/* A pair of bytes, or NULL for a character. */
static const uint8_t *pair_of(uint8_t code)
{
    if (code >= PAIRS_HIGH)
        return symbol_pairs + 2 * (PAIRS_LOW + code - PAIRS_HIGH);
    return code < '.' ? symbol_pairs + 2 * (code - SYMBOL_TURN - 1) : NULL;
}

/* The name at `at`, as far as there is room. */
void symbol_name(const uint8_t *at, char *out)
{
    uint8_t stack[DEPTH_MAX];
    unsigned depth = 0, len = 0;

    for (unsigned i = 0;
         i < STEPS_MAX && len < SYMBOL_NAME_MAX - 1 && (depth > 0 || *at != 0);
         i++) {
        uint8_t code = depth > 0 ? stack[--depth] : *at++;
        const uint8_t *pair = pair_of(code);

        if (pair == NULL) {
            out[len++] = (char)code;
        } else if (depth + 2 <= DEPTH_MAX) {
            stack[depth++] = pair[1];
            stack[depth++] = pair[0];
        }
    }
    out[len] = '\0';
}

const uint8_t *symbol_name_end(const uint8_t *at)
{
    while (*at++ != '\0')
        ;
    return at;
}

bool symbol_find(uintptr_t ip, struct symbol *out)
{
    const uint8_t *at = symbol_table, *name = NULL;
    uintptr_t start = (uintptr_t)symbol_base;
    bool may_be_left = false;

    if (at == NULL)
        return false;
    for (;;) {
        uintptr_t distance = symbol_number(&at);

        if (ip < start + distance)
            break;
        start += distance;
        if (*at == SYMBOL_TURN) {
            may_be_left = !may_be_left;
            at++;
        }
        name = at;
        if (*name == '\0')
            return false;
        at = symbol_name_end(name);
    }
    if (name == NULL)
        return false;
    out->offset = ip - start;
    out->may_be_left = may_be_left;
    symbol_name(name, out->name);
    return true;
}
