#include "kernel/base/symbols.h"
#include <stddef.h>

/*
 * Ascending start offsets from symbol_base, and for each where its name starts
 * in symbol_names. Weak, so that the first link, and programs that do without,
 * have none.
 */
extern const uint32_t symbol_count __attribute__((weak));
extern const uint32_t symbol_offsets[] __attribute__((weak));
extern const uint32_t symbol_name_offsets[] __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));
extern const char symbol_base[] __attribute__((weak));

const char *symbol_find(uintptr_t ip, uintptr_t *offset)
{
    uintptr_t at = ip - (uintptr_t)symbol_base;
    uint32_t low = 0;
    uint32_t high;

    if (&symbol_count == NULL || symbol_count == 0 || at < symbol_offsets[0] ||
        at >= symbol_offsets[symbol_count - 1])
        return NULL;
    high = symbol_count - 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (symbol_offsets[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    *offset = at - symbol_offsets[low];
    return symbol_names + symbol_name_offsets[low];
}
