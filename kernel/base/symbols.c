#include "kernel/base/symbols.h"
#include <stddef.h>

/*
 * For each function, ascending: how far its start is from the one before (of
 * the first one: from symbol_base) as ULEB128, and its name with a NUL. An
 * empty name marks the end of the last function. A list, and not tables to
 * search in: it is small, and read when something has failed. Weak, so that the
 * first link, and programs that do without, have none.
 */
extern const uint8_t symbol_table[] __attribute__((weak));
extern const char symbol_base[] __attribute__((weak));

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

const char *symbol_find(uintptr_t ip, uintptr_t *offset)
{
    const uint8_t *at = symbol_table;
    uintptr_t start = (uintptr_t)symbol_base;
    const char *name = NULL;

    if (at == NULL)
        return NULL;
    for (;;) {
        uintptr_t distance = uleb128(&at);

        if (ip < start + distance)
            break;
        start += distance;
        name = (const char *)at;
        if (*name == '\0')
            return NULL;
        while (*at++ != '\0')
            ;
    }
    if (name != NULL)
        *offset = ip - start;
    return name;
}
