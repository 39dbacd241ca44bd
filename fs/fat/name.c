/* Long names: UTF-8 and UTF-16, upper and lower case, the parts on disk. */
#include "fs/fat/name.h"
#include "kernel/lib/bytes.h"
#include <torc/errno.h>
#include <torc/file.h>
#include <torc/string.h>

enum {
    SURROGATE_HIGH = 0xd800,
    SURROGATE_LOW = 0xdc00,
    SURROGATE_END = 0xe000,
    BEYOND_BMP = 0x10000,
    UNICODE_END = 0x110000,
};

/* ---- Upper and lower case ------------------------------------------------ */

/* Lower case letters first .. last have the upper case one `distance` away, or,
 * where it is 0, those at an odd distance from `first - 1` have the one
 * before. */
static const struct fold {
    uint16_t first, last;
    int16_t distance;
} folds[] = {
    {0x0061, 0x007a, -32}, {0x00e0, 0x00f6, -32}, {0x00f8, 0x00fe, -32},
    {0x00ff, 0x00ff, 121}, {0x0101, 0x012f, 0},   {0x0133, 0x0137, 0},
    {0x013a, 0x0148, 0},   {0x014b, 0x0177, 0},   {0x017a, 0x017e, 0},
    {0x03ac, 0x03ac, -38}, {0x03ad, 0x03af, -37}, {0x03b1, 0x03c1, -32},
    {0x03c2, 0x03c2, -31}, {0x03c3, 0x03cb, -32}, {0x03cc, 0x03cc, -64},
    {0x03cd, 0x03ce, -63}, {0x0430, 0x044f, -32}, {0x0450, 0x045f, -80},
    {0x0461, 0x0481, 0},   {0x048b, 0x04bf, 0},   {0x04d1, 0x052f, 0},
    {0x0561, 0x0586, -48}, {0x1e01, 0x1e95, 0},   {0x1ea1, 0x1eff, 0},
    {0xff41, 0xff5a, -32},
};

uint16_t fat_fold(uint16_t unit)
{
    for (size_t i = 0; i < COUNT_OF(folds) && unit >= folds[i].first; i++) {
        if (unit > folds[i].last)
            continue;
        if (folds[i].distance != 0)
            return (uint16_t)(unit + folds[i].distance);
        return (uint16_t)(unit - ((unit - folds[i].first) % 2 == 0));
    }
    return unit;
}

bool fat_name_is(const struct fat_name *name, const uint16_t *units,
                 unsigned len)
{
    if (name->len != len)
        return false;
    for (unsigned i = 0; i < len; i++) {
        if (name->units[i] != units[i] &&
            fat_fold(name->units[i]) != fat_fold(units[i]))
            return false;
    }
    return true;
}

/* ---- From UTF-8 ---------------------------------------------------------- */

/* The character at `text`, of which `len` bytes are left; how many bytes it
 * has, 0: it is none. */
static size_t utf8_get(const char *text, size_t len, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, BEYOND_BMP};
    uint8_t first = (uint8_t)text[0];
    size_t size = first < 0x80             ? 1
                  : (first & 0xe0) == 0xc0 ? 2
                  : (first & 0xf0) == 0xe0 ? 3
                  : (first & 0xf8) == 0xf0 ? 4
                                           : 0;
    uint32_t value = size == 1 ? first : first & (0x7fU >> size);

    if (size == 0 || size > len)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if (((uint8_t)text[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | ((uint8_t)text[i] & 0x3f);
    }
    if (value < least[size] || value >= UNICODE_END ||
        (value >= SURROGATE_HIGH && value < SURROGATE_END))
        return 0;
    *out = value;
    return size;
}

static bool is_forbidden(uint32_t value)
{
    static const char forbidden[] = "\"*/:<>?\\|";

    if (value < ' ')
        return true;
    for (size_t i = 0; i < sizeof(forbidden) - 1; i++) {
        if (value == (uint32_t)forbidden[i])
            return true;
    }
    return false;
}

int fat_name_parse(const char *text, size_t len, struct fat_name *out)
{
    unsigned count = 0;

    while (len > 0 && (text[len - 1] == '.' || text[len - 1] == ' '))
        len--;
    if (len == 0)
        return -EINVAL;
    for (size_t at = 0; at < len;) {
        uint32_t value;
        size_t size = utf8_get(text + at, len - at, &value);

        if (size == 0 || is_forbidden(value))
            return -EINVAL;
        /* There are at least as many bytes as units. */
        if (value >= BEYOND_BMP) {
            value -= BEYOND_BMP;
            out->units[count++] = (uint16_t)(SURROGATE_HIGH | value >> 10);
            value = SURROGATE_LOW | (value & 0x3ff);
        }
        out->units[count++] = (uint16_t)value;
        at += size;
    }
    out->len = (uint8_t)count;
    return 0;
}

/* ---- To UTF-8 ------------------------------------------------------------ */

static unsigned utf8_put(uint32_t value, char *out)
{
    unsigned size = value < 0x80         ? 1
                    : value < 0x800      ? 2
                    : value < BEYOND_BMP ? 3
                                         : 4;

    for (unsigned i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (value & 0x3f));
        value >>= 6;
    }
    out[0] = (char)(size == 1 ? value : (0xf00U >> size & 0xff) | value);
    return size;
}

/* The character at `units`; how many units it has, 0: it is none. */
static unsigned utf16_get(const uint16_t *units, unsigned len, uint32_t *out)
{
    *out = units[0];
    if (units[0] < SURROGATE_HIGH || units[0] >= SURROGATE_END)
        return 1;
    if (units[0] >= SURROGATE_LOW || len < 2 || units[1] < SURROGATE_LOW ||
        units[1] >= SURROGATE_END)
        return 0;
    *out = BEYOND_BMP + ((uint32_t)(units[0] - SURROGATE_HIGH) << 10) +
           (uint32_t)(units[1] - SURROGATE_LOW);
    return 2;
}

/* Whether no path could lead to it. */
static bool is_unreachable(const char *text, unsigned len)
{
    if (text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.')))
        return true;
    return text[len - 1] == '.' || text[len - 1] == ' ';
}

unsigned fat_name_text(const uint16_t *units, unsigned len, char *out)
{
    unsigned size = 0;

    for (unsigned at = 0; at < len;) {
        uint32_t value;
        char text[4];
        unsigned taken = utf16_get(units + at, len - at, &value), bytes;

        if (taken == 0 || is_forbidden(value))
            return 0;
        bytes = utf8_put(value, text);
        if (bytes > FILE_NAME_MAX - size)
            return 0;
        memcpy(out + size, text, bytes);
        size += bytes;
        at += taken;
    }
    if (size == 0 || is_unreachable(out, size))
        return 0;
    out[size] = '\0';
    return size;
}

/* ---- Parts --------------------------------------------------------------- */

/* Where the units of a part are in its slot. */
static unsigned unit_at(unsigned i)
{
    if (i < 5)
        return 1 + 2 * i;
    return i < 11 ? 14 + 2 * (i - 5) : 28 + 2 * (i - 11);
}

void fat_part_fill(const struct fat_name *name, unsigned order,
                   uint8_t checksum, uint8_t *slot)
{
    unsigned from = (order - 1) * LONG_PART;

    memset(slot, 0, SLOT_BYTES);
    slot[LONG_ORDER] = (uint8_t)order;
    if (order == fat_name_parts(name))
        slot[LONG_ORDER] |= LONG_LAST;
    slot[SLOT_ATTR] = ATTR_LONG;
    slot[LONG_CHECKSUM] = checksum;
    for (unsigned i = 0; i < LONG_PART; i++) {
        uint16_t unit = 0xffff; /* behind the end */

        if (from + i < name->len)
            unit = name->units[from + i];
        else if (from + i == name->len)
            unit = 0;
        le16_put(slot + unit_at(i), unit);
    }
}

void fat_part_take(const uint8_t *slot, unsigned order, uint16_t *units)
{
    for (unsigned i = 0; i < LONG_PART; i++)
        units[(order - 1) * LONG_PART + i] = le16_get(slot + unit_at(i));
}
