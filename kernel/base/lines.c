#include "kernel/base/symbols.h"
#include "kernel/base/symbols_internal.h"
#include <stddef.h>

/*
 * symbol_lines: from symbol_base on, for each address at which a line begins,
 * in ascending order, what changes; numbers are ULEB128.
 *
 *   OP_ADDRESS n  n bytes further
 *   OP_FILE n     the n-th name of symbol_files; 0: no file
 *   OP_LINE n     n / 2 lines forwards, or, where n is odd, back
 *   OP_SWAP       the file and line from before the last change of files
 *   above         further by both: here the line begins
 */
extern const uint8_t symbol_lines[] __attribute__((weak));
extern const uint8_t symbol_files[] __attribute__((weak));

enum {
    OP_END,
    OP_ADDRESS,
    OP_FILE,
    OP_LINE,
    OP_SWAP,
    OP_SPECIAL,
    LINE_FIRST = -4,
    LINE_RANGE = 14,
};

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
        walk->place.file = symbol_number(&walk->at);
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
            walk->address += symbol_number(&walk->at);
            break;
        case OP_FILE:
        case OP_SWAP:
            change_file(walk, op == OP_SWAP);
            break;
        case OP_LINE:
            lines = symbol_number(&walk->at);
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
        name = symbol_name_end(name);
    symbol_name(name, out->file);
    out->line = (unsigned)found.line;
    return true;
}
