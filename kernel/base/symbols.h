/*
 * Names of functions, and lines, for backtraces. The tables are made after the
 * first link by tools/symbols and linked in the second time; an image without
 * them has empty defaults. Lines are an option of the build (LINES=1).
 */
#ifndef TORC_KERNEL_SYMBOLS_H
#define TORC_KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

enum { SYMBOL_NAME_MAX = 64 }; /* with its NUL; longer ones are cut */

struct symbol {
    uintptr_t offset; /* from the start of the function */
    /* An exception may leave it: code of the application, or what only copies
     * and compares (kernel/lib). */
    bool may_be_left;
    char name[SYMBOL_NAME_MAX];
};

/* The function `ip` is in; false, and *out is unchanged, when unknown. */
bool symbol_find(uintptr_t ip, struct symbol *out);

struct source_line {
    unsigned line;
    char file[SYMBOL_NAME_MAX];
};

/* The line `ip` is of; false, and *out is unchanged, when unknown. */
bool symbol_line(uintptr_t ip, struct source_line *out);

#endif
