#include "kernel/base/symbols.h"
#include <stddef.h>

/*
 * What tools/symbols makes. All are lists, and not tables to search in: they
 * are small, and read when something has failed. Weak, so that the first link,
 * and programs that do without, have none.
 *
 * symbol_table: for each function, ascending, how far its start is from the one
 * before (of the first one: from symbol_base) as ULEB128, twice that, plus one
 * for one that an exception may leave; then its name. An empty name marks the
 * end of the last function.
 *
 * Names end with a NUL. Characters are those from '.' to '~'; all other bytes
 * stand for two, which symbol_pairs has in the order of their codes.
 *
 * symbol_lines: from symbol_base on, for each address at which a line begins,
 * in ascending order, what changes; numbers are ULEB128.
 *
 *   OP_ADDRESS n  n bytes further
 *   OP_FILE n     the n-th name of symbol_files; 0: no file
 *   OP_LINE n     n / 2 lines forwards, or, where n is odd, back
 *   OP_SWAP       the file and line from before the last change of files
 *   above         further by both: here the line begins
 */
extern const uint8_t symbol_table[] __attribute__((weak));
extern const uint8_t symbol_pairs[] __attribute__((weak));
extern const uint8_t symbol_lines[] __attribute__((weak));
extern const uint8_t symbol_files[] __attribute__((weak));
extern const char symbol_base[] __attribute__((weak));

enum {
    OP_END,
    OP_ADDRESS,
    OP_FILE,
    OP_LINE,
    OP_SWAP,
    OP_SPECIAL,
    LINE_FIRST = -4,
    LINE_RANGE = 14,

    PAIRS_LOW = '.' - 1, /* codes below '.', but NUL */
    PAIRS_HIGH = 0x80,   /* and from here on */
    DEPTH_MAX = 32,
    STEPS_MAX = 8 * SYMBOL_NAME_MAX, /* of a name, if the table is damaged */
};

/* The number at *at, which moves behind it. */
static uintptr_t uleb128(const uint8_t **at)
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
    return code < '.' ? symbol_pairs + 2 * (code - 1) : NULL;
}

/* The name at `at`, as far as there is room. */
static void name_read(const uint8_t *at, char *out)
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

static const uint8_t *name_end(const uint8_t *at)
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
        uintptr_t distance = uleb128(&at);

        if (ip < start + distance / 2)
            break;
        start += distance / 2;
        may_be_left = distance % 2 != 0;
        name = at;
        if (*name == '\0')
            return false;
        at = name_end(name);
    }
    if (name == NULL)
        return false;
    out->offset = ip - start;
    out->may_be_left = may_be_left;
    name_read(name, out->name);
    return true;
}

/* ---- Lines --------------------------------------------------------------- */

struct place {
    uintptr_t file, line;
};

struct walk {
    const uint8_t *at;
    uintptr_t address;
    struct place place, other; /* now, and before the last change of files */
};

static void change_file(struct walk *walk, bool swap)
{
    struct place old = walk->place;

    if (swap)
        walk->place = walk->other;
    else
        walk->place.file = uleb128(&walk->at);
    walk->other = old;
}

/* To where the next line begins; false: there is none. */
static bool walk_on(struct walk *walk)
{
    for (;;) {
        unsigned op = *walk->at++;
        uintptr_t lines;

        switch (op) {
        case OP_END:
            return false;
        case OP_ADDRESS:
            walk->address += uleb128(&walk->at);
            break;
        case OP_FILE:
        case OP_SWAP:
            change_file(walk, op == OP_SWAP);
            break;
        case OP_LINE:
            lines = uleb128(&walk->at);
            walk->place.line += lines % 2 == 0 ? lines / 2 : -(lines / 2);
            break;
        default:
            op -= OP_SPECIAL;
            walk->address += op / LINE_RANGE;
            walk->place.line += op % LINE_RANGE;
            walk->place.line += (uintptr_t)LINE_FIRST;
            return true;
        }
    }
}

bool symbol_line(uintptr_t ip, struct source_line *out)
{
    struct walk walk = {.at = symbol_lines, .address = (uintptr_t)symbol_base};
    struct place found = {0, 0};
    const uint8_t *name = symbol_files;

    if (walk.at == NULL)
        return false;
    while (walk_on(&walk) && walk.address <= ip)
        found = walk.place;
    if (found.file == 0 || walk.address <= ip)
        return false;
    for (uintptr_t i = 1; i < found.file; i++)
        name = name_end(name);
    name_read(name, out->file);
    out->line = (unsigned)found.line;
    return true;
}
