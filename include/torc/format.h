/*
 * Formatted text: a printf subset into a buffer or a sink.
 *
 * Conversions: %d %i %u %x %X %p %s %c %%, with flags '-' '0', width (or *),
 * '#' for %x and %X, precision for %s (or .*), and sizes hh h l ll z j t.
 * Anything else prints itself, so a bad format is seen and harms nothing.
 */
#ifndef TORC_FORMAT_H
#define TORC_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <torc/compiler.h>

/* Pass each piece of the text to put(ctx, text, len). */
void fmt_vsink(void (*put)(void *ctx, const char *text, size_t len), void *ctx,
               const char *format, va_list args);

/*
 * Write into `buf` of `size` bytes, always NUL-terminated when size > 0.
 * Returns the length the whole text needs, without the NUL; a value >= size
 * means it was cut.
 */
size_t fmt_vprint(char *buf, size_t size, const char *format, va_list args);
size_t fmt_print(char *buf, size_t size, const char *format, ...)
    printf_like(3, 4);

#endif
