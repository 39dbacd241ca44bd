/* What the tests print, and what they read out of text. */
#include "tests/guest/guest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/format.h>

struct guest_file {
    char unused;
};
static struct guest_file out, err;
FILE *const stdout = &out, *const stderr = &err;

static void put(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    guest_write(text, len);
}

int vprintf(const char *format, va_list args)
{
    fmt_vsink(put, NULL, format, args);
    return 0;
}

int printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    return 0;
}

int fprintf(FILE *file, const char *format, ...)
{
    va_list args;

    (void)file;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    return 0;
}

int vsnprintf(char *text, size_t size, const char *format, va_list args)
{
    return (int)fmt_vprint(text, size, format, args);
}

int snprintf(char *text, size_t size, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, size, format, args);
    va_end(args);
    return len;
}

int sprintf(char *text, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, SIZE_MAX / 2, format, args);
    va_end(args);
    return len;
}

int fputs(const char *text, FILE *file)
{
    (void)file;
    guest_write(text, strlen(text));
    return 0;
}

int puts(const char *text)
{
    return printf("%s\n", text);
}

int fputc(int c, FILE *file)
{
    char one = (char)c;

    (void)file;
    guest_write(&one, 1);
    return c;
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file)
{
    (void)file;
    guest_write(from, size * count);
    return count;
}

int fflush(FILE *file)
{
    (void)file;
    return 0;
}

/* ---- sscanf() ------------------------------------------------------------ */

struct scan {
    const char *at; /* in the text */
    const char *format;
    bool keep; /* no '*' */
    size_t width;
    bool is_long;
};

/* What stands behind '%': its letter. */
static char scan_spec(struct scan *scan)
{
    char *end;

    scan->keep = *scan->format != '*';
    scan->format += !scan->keep;
    scan->width = strtoul(scan->format, &end, 10);
    scan->format = end;
    scan->is_long = *scan->format == 'l' || *scan->format == 'z';
    while (*scan->format == 'l' || *scan->format == 'z')
        scan->format++;
    return *scan->format++;
}

static bool scan_number(struct scan *scan, void *to)
{
    char *end;
    unsigned long value = strtoul(scan->at, &end, 10);

    if (end == scan->at)
        return false;
    scan->at = end;
    if (scan->is_long && to != NULL)
        *(unsigned long *)to = value;
    else if (to != NULL)
        *(unsigned *)to = (unsigned)value;
    return true;
}

/* Letters until one of `stop`. */
static bool scan_text(struct scan *scan, const char *stop, char *to)
{
    size_t len = strcspn(scan->at, stop);

    if (scan->width != 0 && len > scan->width)
        len = scan->width;
    if (to != NULL) {
        memcpy(to, scan->at, len);
        to[len] = '\0';
    }
    scan->at += len;
    return len > 0;
}

/* "[^...]". */
static bool scan_set(struct scan *scan, char *to)
{
    char stop[16] = "";
    size_t len = strcspn(scan->format, "]");

    if (*scan->format != '^' || len >= sizeof(stop))
        return false;
    memcpy(stop, scan->format + 1, len - 1);
    scan->format += len + 1;
    return scan_text(scan, stop, to);
}

static bool scan_one(struct scan *scan, char kind, void *to)
{
    if (kind == 'c' && *scan->at != '\0') {
        if (to != NULL)
            *(char *)to = *scan->at;
        scan->at++;
        return true;
    }
    if (kind == '[')
        return scan_set(scan, to);
    scan->at += strspn(scan->at, " \t\r\n");
    if (kind == 's')
        return scan_text(scan, " \t\r\n", to);
    return (kind == 'u' || kind == 'd') && scan_number(scan, to);
}

int sscanf(const char *text, const char *format, ...)
{
    struct scan scan = {.at = text, .format = format};
    va_list args;
    int count = 0;

    va_start(args, format);
    while (*scan.format != '\0') {
        char c = *scan.format++;

        if (c == ' ' || c == '\n') {
            scan.at += strspn(scan.at, " \t\r\n");
        } else if (c != '%') {
            if (*scan.at != c)
                break;
            scan.at++;
        } else {
            char kind = scan_spec(&scan);

            if (kind == 'n') {
                *va_arg(args, int *) = (int)(scan.at - text);
                continue;
            }
            if (!scan_one(&scan, kind, scan.keep ? va_arg(args, void *) : NULL))
                break;
            count += scan.keep;
        }
    }
    va_end(args);
    return count;
}
