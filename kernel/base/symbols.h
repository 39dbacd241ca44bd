/*
 * Names of functions, for backtraces. The table is made after the first link by
 * tools/symbols.sh and linked in the second time; an image without one has
 * empty defaults.
 */
#ifndef TORC_KERNEL_SYMBOLS_H
#define TORC_KERNEL_SYMBOLS_H

#include <stdint.h>

/*
 * The function `ip` is in and the distance from its start; NULL when unknown.
 */
const char *symbol_find(uintptr_t ip, uintptr_t *offset);

#endif
