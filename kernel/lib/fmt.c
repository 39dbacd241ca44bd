#include <stdbool.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/string.h>

enum { WIDTH_MAX = 99999 }; /* that a format may ask for */

/* One conversion, taken apart. */
struct spec {
    bool left;
    bool zero;
    bool prefix; /* 0x before what is not 0 */
    bool upper;
    int width;
    int precision; /* -1: none */
    char size;     /* 'H' hh, 'h', 0, 'l' and all that are as wide */
    char kind;
};

struct sink {
    void (*put)(void *ctx, const char *text, size_t len);
    void *ctx;
};

static void pad(const struct sink *sink, char c, int count)
{
    for (; count > 0; count--)
        sink->put(sink->ctx, &c, 1);
}

/* `sign` (or nothing) and `digits`, padded to the width. */
static void put_number(const struct sink *sink, const struct spec *spec,
                       const char *sign, const char *digits, int len)
{
    int sign_len = (int)str_len(sign, 2);
    int fill = spec->width - len - sign_len;

    if (!spec->left && !spec->zero)
        pad(sink, ' ', fill);
    sink->put(sink->ctx, sign, (size_t)sign_len);
    if (!spec->left && spec->zero)
        pad(sink, '0', fill);
    sink->put(sink->ctx, digits, (size_t)len);
    if (spec->left)
        pad(sink, ' ', fill);
}

static void put_unsigned(const struct sink *sink, const struct spec *spec,
                         const char *sign, uint64_t value, unsigned base)
{
    const char *set = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[20]; /* of 2^64-1 in decimal */
    int at = (int)sizeof(digits);

    do {
        digits[--at] = set[value % base];
        value /= base;
    } while (value != 0);
    put_number(sink, spec, sign, digits + at, (int)sizeof(digits) - at);
}

static void put_hex(const struct sink *sink, const struct spec *spec,
                    uint64_t value)
{
    const char *prefix = spec->upper ? "0X" : "0x";

    put_unsigned(sink, spec, spec->prefix && value != 0 ? prefix : "", value,
                 16);
}

static void put_string(const struct sink *sink, const struct spec *spec,
                       const char *s)
{
    size_t limit = spec->precision < 0 ? SIZE_MAX : (size_t)spec->precision;
    size_t len;

    if (s == NULL)
        s = "(null)";
    len = str_len(s, limit);
    if (!spec->left)
        pad(sink, ' ', spec->width - (int)len);
    sink->put(sink->ctx, s, len);
    if (spec->left)
        pad(sink, ' ', spec->width - (int)len);
}

static_assert(sizeof(long) == sizeof(long long), "ll is as wide as l");
static_assert(sizeof(long) == sizeof(size_t), "z and t are, too");
static_assert(sizeof(long) == sizeof(intmax_t), "and j");

/* va_list travels by pointer, so that the caller sees what was taken. */
struct arguments {
    va_list list;
};

static int64_t take_signed(struct arguments *args, char size)
{
    switch (size) {
    case 'H':
        return (signed char)va_arg(args->list, int);
    case 'h':
        return (short)va_arg(args->list, int);
    case 'l':
        return va_arg(args->list, long);
    default:
        return va_arg(args->list, int);
    }
}

static uint64_t take_unsigned(struct arguments *args, char size)
{
    switch (size) {
    case 'H':
        return (unsigned char)va_arg(args->list, unsigned);
    case 'h':
        return (unsigned short)va_arg(args->list, unsigned);
    case 'l':
        return va_arg(args->list, unsigned long);
    default:
        return va_arg(args->list, unsigned);
    }
}

/* Digits, at most five of them, or '*' for an argument. */
static int parse_number(const char **format, struct arguments *args)
{
    int value = 0;

    if (**format == '*') {
        (*format)++;
        return va_arg(args->list, int);
    }
    while (**format >= '0' && **format <= '9' && value <= WIDTH_MAX / 10)
        value = value * 10 + (*(*format)++ - '0');
    return value;
}

/* A negative width, which only an argument can be, means left-justified. */
static void parse_width(const char **format, struct arguments *args,
                        struct spec *spec)
{
    int width = parse_number(format, args);

    if (width < 0) {
        spec->left = true;
        width = width < -WIDTH_MAX ? WIDTH_MAX : -width;
    }
    spec->width = width;
}

/* Parse what follows '%'; returns the character after it. */
static const char *parse_spec(const char *format, struct arguments *args,
                              struct spec *spec)
{
    *spec = (struct spec){.precision = -1};
    for (;; format++) {
        if (*format == '-')
            spec->left = true;
        else if (*format == '0')
            spec->zero = true;
        else if (*format == '#')
            spec->prefix = true;
        else
            break;
    }
    parse_width(&format, args, spec);
    if (*format == '.') {
        format++;
        spec->precision = parse_number(&format, args);
    }
    switch (*format) {
    case 'h':
        spec->size = format[1] == 'h' ? 'H' : 'h';
        format += format[1] == 'h' ? 2 : 1;
        break;
    case 'l':
        spec->size = 'l';
        format += format[1] == 'l' ? 2 : 1;
        break;
    case 'z':
    case 't':
    case 'j':
        spec->size = 'l';
        format++;
        break;
    }
    spec->kind = *format;
    return *format == '\0' ? format : format + 1;
}

/* Whether the conversion is one of ours. */
static bool put_conversion(const struct sink *sink, struct spec *spec,
                           struct arguments *args)
{
    int64_t number;
    bool negative;
    char c;

    switch (spec->kind) {
    case 'd':
    case 'i':
        number = take_signed(args, spec->size);
        negative = number < 0;
        put_unsigned(sink, spec, negative ? "-" : "",
                     negative ? 0 - (uint64_t)number : (uint64_t)number, 10);
        return true;
    case 'u':
        put_unsigned(sink, spec, "", take_unsigned(args, spec->size), 10);
        return true;
    case 'x':
    case 'X':
        spec->upper = spec->kind == 'X';
        put_hex(sink, spec, take_unsigned(args, spec->size));
        return true;
    case 'p':
        put_unsigned(sink, spec, "0x", (uintptr_t)va_arg(args->list, void *),
                     16);
        return true;
    case 's':
        put_string(sink, spec, va_arg(args->list, const char *));
        return true;
    case 'c':
        c = (char)va_arg(args->list, int);
        sink->put(sink->ctx, &c, 1);
        return true;
    case '%':
        sink->put(sink->ctx, "%", 1);
        return true;
    default:
        return false;
    }
}

void fmt_vsink(void (*put)(void *ctx, const char *text, size_t len), void *ctx,
               const char *format, va_list args)
{
    const struct sink sink = {put, ctx};
    struct arguments arguments;

    va_copy(arguments.list, args);
    for (;;) {
        const char *start = format;
        struct spec spec;

        while (*format != '\0' && *format != '%')
            format++;
        put(ctx, start, (size_t)(format - start));
        if (*format == '\0')
            break;
        start = format;
        format = parse_spec(format + 1, &arguments, &spec);
        if (!put_conversion(&sink, &spec, &arguments))
            put(ctx, start, (size_t)(format - start));
    }
    va_end(arguments.list);
}

struct buffer {
    char *text;
    size_t size;
    size_t len; /* wanted so far */
};

static void put_buffer(void *ctx, const char *text, size_t len)
{
    struct buffer *buffer = ctx;

    if (buffer->len < buffer->size) {
        size_t room = buffer->size - buffer->len;

        memcpy(buffer->text + buffer->len, text, len < room ? len : room);
    }
    buffer->len += len;
}

size_t fmt_vprint(char *buf, size_t size, const char *format, va_list args)
{
    struct buffer buffer = {buf, size, 0};

    fmt_vsink(put_buffer, &buffer, format, args);
    if (size > 0)
        buf[buffer.len < size ? buffer.len : size - 1] = '\0';
    return buffer.len;
}

size_t fmt_print(char *buf, size_t size, const char *format, ...)
{
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(buf, size, format, args);
    va_end(args);
    return len;
}
