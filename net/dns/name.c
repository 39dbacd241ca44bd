/* Names of DNS: RFC 1035, sections 2.3.1 and 3.1. */
#include "net/dns/message.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { LABEL_MAX = 63 };

static bool is_name_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_';
}

static uint8_t lower(char c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Append a label of `text`, up to a dot or the end. Returns its length, or a
 * negative error. */
static int label_take(const char *text, struct dns_name *name)
{
    uint8_t *start = name->byte + name->len;
    unsigned len = 0;

    for (; text[len] != '.' && text[len] != '\0'; len++) {
        if (!is_name_char(lower(text[len])))
            return -EINVAL;
        /* Behind it comes a 0 at least. */
        if (len == LABEL_MAX || name->len + len + 3 > DNS_NAME_MAX)
            return -ENAMETOOLONG;
        start[1 + len] = lower(text[len]);
    }
    if (len == 0)
        return -EINVAL;
    start[0] = (uint8_t)len;
    name->len = (uint8_t)(name->len + 1 + len);
    return (int)len;
}

int dns_name_parse(const char *text, struct dns_name *out)
{
    struct dns_name name = {.len = 0};

    do {
        int len = label_take(text, &name);

        if (len < 0)
            return len;
        text += len;
        if (*text == '.')
            text++;
    } while (*text != '\0');
    name.byte[name.len++] = 0;
    *out = name;
    return 0;
}

int dns_name_format(const struct dns_name *name, char text[DNS_TEXT_SIZE])
{
    size_t at = 0;

    static_assert(DNS_NAME_MAX - 1 <= DNS_TEXT_SIZE, "it fits");
    if (name->len <= 1)
        return -EINVAL;
    while (name->byte[at] != 0) {
        unsigned len = name->byte[at];

        for (unsigned i = 1; i <= len; i++) {
            if (!is_name_char(name->byte[at + i]))
                return -EINVAL;
            text[at + i - 1] = (char)name->byte[at + i];
        }
        at += 1 + len;
        text[at - 1] = '.';
    }
    text[at - 1] = '\0';
    return 0;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
    return a->len == b->len && memcmp(a->byte, b->byte, a->len) == 0;
}

bool dns_name_in(const struct dns_name *name, const struct dns_name *suffix)
{
    size_t at = 0;

    while (name->len - at > suffix->len)
        at += 1u + name->byte[at];
    return name->len - at == suffix->len &&
           memcmp(name->byte + at, suffix->byte, suffix->len) == 0;
}

static void label_put(struct dns_name *name, const char *label, size_t len)
{
    assert(name->len + 1 + len < DNS_NAME_MAX);
    name->byte[name->len] = (uint8_t)len;
    memcpy(name->byte + name->len + 1, label, len);
    name->len = (uint8_t)(name->len + 1 + len);
}

static void number_put(struct dns_name *name, unsigned number)
{
    char digits[3];
    size_t len = 0;

    if (number >= 100)
        digits[len++] = (char)('0' + number / 100);
    if (number >= 10)
        digits[len++] = (char)('0' + number / 10 % 10);
    digits[len++] = (char)('0' + number % 10);
    label_put(name, digits, len);
}

void dns_name_of_addr(const struct net_addr *addr, struct dns_name *out)
{
    bool is_ip4 = addr_is_ip4(addr);

    out->len = 0;
    for (unsigned i = 15; i < 16 && (!is_ip4 || i >= 12); i--) {
        static const char hex[] = "0123456789abcdef";

        if (is_ip4) {
            number_put(out, addr->byte[i]);
            continue;
        }
        label_put(out, &hex[addr->byte[i] & 15], 1);
        label_put(out, &hex[addr->byte[i] >> 4], 1);
    }
    if (is_ip4)
        label_put(out, "in-addr", 7);
    else
        label_put(out, "ip6", 3);
    label_put(out, "arpa", 4);
    out->byte[out->len++] = 0;
}
