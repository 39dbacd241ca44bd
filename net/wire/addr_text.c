/* Addresses as text. */
#include "net/wire/addr_text.h"
#include "net/wire/wire.h"
#include <torc/format.h>
#include <torc/string.h>

enum { GROUPS = 8, DIGITS_MAX = 4 };

/* ---- In ------------------------------------------------------------------ */

/* The value of a digit; 16 or more: it is none. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 'a' ^ 'A';
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* "a.b.c.d" at *text, which moves behind it. */
static int take_ip4(const char **text, uint8_t out[4])
{
    const char *s = *text;

    for (unsigned i = 0; i < 4; i++) {
        unsigned value = 0;
        const char *first;

        if (i > 0 && *s++ != '.')
            return -EINVAL;
        first = s;
        for (; digit_of(*s) < 10 && s - first < 3; s++)
            value = value * 10 + digit_of(*s);
        /* A leading zero is octal to some. */
        if (s == first || value > 255 || (*first == '0' && s - first > 1))
            return -EINVAL;
        out[i] = (uint8_t)value;
    }
    *text = s;
    return 0;
}

/* Up to four hexadecimal digits at *text, which moves behind them. */
static bool take_group(const char **text, uint8_t out[2])
{
    const char *s = *text;
    unsigned value = 0;

    for (; digit_of(*s) < 16 && s - *text < DIGITS_MAX; s++)
        value = value << 4 | digit_of(*s);
    if (s == *text)
        return false;
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    *text = s;
    return true;
}

/* What is being read of an IPv6 address. */
struct reading {
    uint8_t byte[16];
    unsigned len; /* of byte[] that are known */
    int gap;      /* where "::" is; -1: nowhere */
};

/* The ':' and "::" between groups. Returns whether a group must follow, may
 * follow, or nothing can: 1, 0, -1. */
static int take_colon(const char **text, struct reading *read)
{
    if ((*text)[0] == ':' && (*text)[1] == ':') {
        if (read->gap >= 0)
            return -1;
        read->gap = (int)read->len;
        *text += 2;
        return 0;
    }
    if (read->len == 0)
        return 1;
    if ((*text)[0] != ':')
        return -1;
    *text += 1;
    return 1;
}

/* Groups as long as there are some. Returns 0, -EINVAL. */
static int take_groups(const char **text, struct reading *read)
{
    while (read->len < sizeof(read->byte)) {
        const char *before = *text;
        int next = take_colon(text, read);
        const char *s = *text;

        if (next < 0)
            break;
        if (read->len <= 12 && take_ip4(&s, read->byte + read->len) == 0) {
            *text = s;
            read->len += 4;
            break;
        }
        if (!take_group(text, read->byte + read->len)) {
            if (next == 0)
                break; /* it ends with "::" */
            *text = before;
            return -EINVAL;
        }
        read->len += 2;
    }
    return 0;
}

static int take_ip6(const char **text, struct net_addr *out)
{
    struct reading read = {.gap = -1};
    unsigned tail;

    if (take_groups(text, &read) != 0)
        return -EINVAL;
    /* "::" stands for one group at least: RFC 5952, 4.2.2, allows as few. */
    if (read.gap < 0 ? read.len != 16 : read.len > 14)
        return -EINVAL;
    *out = (struct net_addr){.word = {0, 0}};
    tail = read.gap < 0 ? 0 : read.len - (unsigned)read.gap;
    memcpy(out->byte, read.byte, read.len - tail);
    memcpy(out->byte + 16 - tail, read.byte + read.len - tail, tail);
    return 0;
}

int addr_parse(const char *text, const char **end, struct net_addr *out)
{
    struct net_addr addr = {.byte = {[10] = 0xff, [11] = 0xff}};

    if (take_ip4(&text, addr.byte + 12) != 0 && take_ip6(&text, &addr) != 0)
        return -EINVAL;
    if (end != NULL)
        *end = text;
    else if (*text != '\0')
        return -EINVAL;
    *out = addr;
    return 0;
}

/* ---- Out ----------------------------------------------------------------- */

/* How many groups from `i` on are zero. */
static unsigned zeros_at(const struct net_addr *addr, unsigned i)
{
    unsigned count = 0;

    while (i + count < GROUPS && be16_get(addr->byte + 2 * (i + count)) == 0)
        count++;
    return count;
}

void addr_format(char text[ADDR_TEXT], const struct net_addr *addr)
{
    unsigned best = GROUPS;
    unsigned most = 1; /* a single group is written as 0: RFC 5952, 4.2.2 */
    size_t len = 0;

    if (addr_is_ip4(addr)) {
        ip4_format(text, addr_ip4(addr));
        return;
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        if (zeros_at(addr, i) > most) {
            most = zeros_at(addr, i);
            best = i;
        }
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        if (i == best) {
            len += fmt_print(text + len, ADDR_TEXT - len, "::");
            i += most - 1;
            continue;
        }
        len += fmt_print(text + len, ADDR_TEXT - len, "%s%x",
                         i == 0 || i == best + most ? "" : ":",
                         be16_get(addr->byte + 2 * i));
    }
}
