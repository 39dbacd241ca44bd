#include <torc/errno.h>
#include <torc/string.h>

size_t str_len(const char *s, size_t limit)
{
    size_t len = 0;

    while (len < limit && s[len] != '\0')
        len++;
    return len;
}

bool str_equal(const char *a, const char *b)
{
    size_t i = 0;

    for (; a[i] == b[i]; i++) {
        if (a[i] == '\0')
            return true;
    }
    return false;
}

bool str_starts(const char *s, const char *prefix)
{
    while (*prefix != '\0') {
        if (*s++ != *prefix++)
            return false;
    }
    return true;
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_equal_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (to_lower(a[i]) != to_lower(b[i]))
            return false;
    }
    return true;
}

int str_copy(char *dst, size_t size, const char *src)
{
    size_t i = 0;

    for (; i + 1 < size && src[i] != '\0'; i++)
        dst[i] = src[i];
    dst[i] = '\0';
    return src[i] == '\0' ? 0 : -ENAMETOOLONG;
}

enum { NO_DIGIT = 99 };

/* The value of a digit, or NO_DIGIT. */
static unsigned digit_value(char c)
{
    c = to_lower(c);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return NO_DIGIT;
}

static unsigned suffix_shift(char c)
{
    switch (to_lower(c)) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    default:
        return 0;
    }
}

int str_to_u64(const char *s, uint64_t *out)
{
    unsigned base = 10;
    uint64_t value = 0;
    const char *digits;
    unsigned shift;

    if (s[0] == '0' && to_lower(s[1]) == 'x') {
        base = 16;
        s += 2;
    }
    digits = s;
    for (; digit_value(*s) < base; s++) {
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_value(*s), &value))
            return -ERANGE;
    }
    if (s == digits)
        return -EINVAL;
    shift = suffix_shift(*s);
    if (shift != 0)
        s++;
    if (*s != '\0')
        return -EINVAL;
    if (shift != 0 && value >> (64 - shift) != 0)
        return -ERANGE;
    *out = value << shift;
    return 0;
}
