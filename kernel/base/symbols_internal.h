/* How names are coded: symbols.c. */
#ifndef TORC_KERNEL_SYMBOLS_INTERNAL_H
#define TORC_KERNEL_SYMBOLS_INTERNAL_H

#include "kernel/base/symbols.h"
#include <stdbool.h>
#include <stdint.h>

enum { SYMBOL_TURN = 1 };

/* The number at *at, which moves behind it. */
uintptr_t symbol_number(const uint8_t **at);

/* The name at `at`, as far as there is room; what is behind it. */
void symbol_name(const uint8_t *at, char *out);
const uint8_t *symbol_name_end(const uint8_t *at);

/* For those who can do without: NULL in an image that was linked without
 * lines.c. */
bool symbol_line(uintptr_t ip, struct source_line *out) __attribute__((weak));

extern const char symbol_base[] __attribute__((weak));

#endif
