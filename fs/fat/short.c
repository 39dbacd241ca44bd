/* Short names: 8 characters and 3 behind a dot, in upper case. */
#include "fs/fat/name.h"
#include <torc/assert.h>
#include <torc/compiler.h>
#include <torc/string.h>

enum {
    PLAIN_TRIES = 4, /* of ~1, ~2 ...; then with a hash */
    HASH_DIGITS = 4, /* hexadecimal */
};

/* Whether a short name may have a character, which is in upper case. */
static bool is_short(uint16_t unit)
{
    static const char others[] = "$%'-_@~`!(){}^#&";

    if ((unit >= 'A' && unit <= 'Z') || (unit >= '0' && unit <= '9'))
        return true;
    for (size_t i = 0; i < sizeof(others) - 1; i++) {
        if (unit == (uint16_t)others[i])
            return true;
    }
    return false;
}

static bool is_lower(uint16_t unit)
{
    return unit >= 'a' && unit <= 'z';
}

/* What was met on the way. */
struct loss {
    bool is_lossy;
    bool has_lower;
};

/* Fill up to `room` bytes with units from .. end of a name. */
static void copy(const struct fat_name *name, unsigned from, unsigned end,
                 uint8_t *out, unsigned room, struct loss *loss)
{
    unsigned count = 0;

    for (unsigned i = from; i < end; i++) {
        uint16_t unit = name->units[i];
        uint16_t upper = is_lower(unit) ? (uint16_t)(unit - 32) : unit;
        bool is_skipped = unit == ' ' || unit == '.';

        if (is_skipped || !is_short(upper))
            loss->is_lossy = true;
        if (is_skipped)
            continue;
        if (count == room) {
            loss->is_lossy = true;
            return;
        }
        loss->has_lower |= upper != unit;
        out[count++] = is_short(upper) ? (uint8_t)upper : '_';
    }
}

enum fat_short_fit fat_short_make(const struct fat_name *name,
                                  uint8_t out[SLOT_NAME_BYTES])
{
    struct loss loss = {false, false};
    unsigned from = 0, dot = name->len;

    memset(out, ' ', SLOT_NAME_BYTES);
    while (from < name->len &&
           (name->units[from] == '.' || name->units[from] == ' '))
        from++;
    loss.is_lossy = from > 0;
    for (unsigned i = from; i < name->len; i++) {
        if (name->units[i] == '.')
            dot = i;
    }
    copy(name, from, dot, out, SLOT_BASE_BYTES, &loss);
    if (dot < name->len)
        copy(name, dot + 1, name->len, out + SLOT_BASE_BYTES,
             SLOT_NAME_BYTES - SLOT_BASE_BYTES, &loss);
    assert(out[0] != ' '); /* a name has more than dots and blanks */
    if (loss.is_lossy)
        return FAT_SHORT_LOSSY;
    return loss.has_lower ? FAT_SHORT_CASE : FAT_SHORT_EXACT;
}

/* FNV-1a over the name and the round, folded to 16 bits. */
static unsigned hash_of(const struct fat_name *name, unsigned round)
{
    uint32_t hash = UINT32_C(2166136261) ^ round;

    for (unsigned i = 0; i < name->len; i++) {
        hash = (hash ^ (name->units[i] & 0xff)) * UINT32_C(16777619);
        hash = (hash ^ name->units[i] >> 8) * UINT32_C(16777619);
    }
    return (hash ^ hash >> 16) & 0xffff;
}

void fat_short_try(const struct fat_name *name,
                   const uint8_t plain[SLOT_NAME_BYTES], unsigned n,
                   unsigned round, uint8_t out[SLOT_NAME_BYTES])
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned keep = n < PLAIN_TRIES ? 6 : 2, at = 0;

    memcpy(out, plain, SLOT_NAME_BYTES);
    while (at < keep && out[at] != ' ')
        at++;
    if (n >= PLAIN_TRIES) {
        unsigned hash = hash_of(name, round);

        for (unsigned i = 0; i < HASH_DIGITS; i++)
            out[at++] = (uint8_t)digits[hash >> 4 * (HASH_DIGITS - 1 - i) & 15];
        n -= PLAIN_TRIES;
    }
    out[at++] = '~';
    out[at++] = (uint8_t)('1' + n);
    while (at < SLOT_BASE_BYTES)
        out[at++] = ' ';
}

/* One of the two halves of a short name, without the blanks at its end. */
static unsigned show(const uint8_t *half, unsigned len, bool is_lower_case,
                     uint16_t *out)
{
    while (len > 0 && half[len - 1] == ' ')
        len--;
    for (unsigned i = 0; i < len; i++) {
        uint16_t unit = half[i];

        /* Others write blanks within names, and lower case. */
        if (!is_short(unit) && !is_lower(unit) && unit != ' ' && unit != '+' &&
            unit != ',' && unit != ';' && unit != '=' && unit != '[' &&
            unit != ']')
            unit = '_';
        if (is_lower_case && unit >= 'A' && unit <= 'Z')
            unit = (uint16_t)(unit + 32);
        out[i] = unit;
    }
    return len;
}

unsigned fat_short_units(const uint8_t *slot, uint16_t out[12])
{
    unsigned len = show(slot, SLOT_BASE_BYTES,
                        (slot[SLOT_CASE] & CASE_LOWER_BASE) != 0, out);
    unsigned ext;

    if (len == 0)
        out[len++] = '_';
    ext = show(slot + SLOT_BASE_BYTES, SLOT_NAME_BYTES - SLOT_BASE_BYTES,
               (slot[SLOT_CASE] & CASE_LOWER_EXT) != 0, out + len + 1);
    out[len] = '.';
    return ext > 0 ? len + 1 + ext : len;
}

uint8_t fat_short_checksum(const uint8_t name[SLOT_NAME_BYTES])
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < SLOT_NAME_BYTES; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + name[i]);
    return sum;
}
