#include "fs/fat/make/names.h"
#include <torc/string.h>

enum { ROUNDS_MAX = 1000 /* of the hash in short names */ };

int fat_made_parse(const struct make_name *from, struct fat_name *out)
{
    char last = from->text[from->len - 1];

    if (last == '.' || last == ' ') /* it would be left out */
        return -EINVAL;
    return fat_name_parse(from->text, from->len, out);
}

int fat_made_slots(const struct make_name *from, uint32_t *slots)
{
    uint8_t text[SLOT_NAME_BYTES];
    struct fat_name name;
    int status = fat_made_parse(from, &name);

    if (status != 0)
        return status;
    *slots = 1;
    if (fat_short_make(&name, text) != FAT_SHORT_EXACT)
        *slots += fat_name_parts(&name);
    return 0;
}

/* ---- Sets of names ------------------------------------------------------- */

/* The names of one directory by their hashes: long ones, and short ones. */
struct sets {
    const struct make_file *dir;
    struct fat_made_name *out;
    uint32_t mask;   /* slots of a table, less 1 */
    uint32_t *longs; /* index + 1 of a name; 0: free */
    uint32_t *shorts;
    struct fat_name name;  /* that is being added */
    struct fat_name other; /* that it is compared with */
};

static uint32_t hash_add(uint32_t hash, uint32_t value)
{
    return (hash ^ value) * UINT32_C(16777619); /* FNV-1a */
}

/* Add a long name. Returns false: there is one like it. */
static bool long_add(struct sets *sets, uint32_t index)
{
    const struct fat_name *name = &sets->name;
    struct fat_name *other = &sets->other;
    uint32_t at = UINT32_C(2166136261);

    for (unsigned i = 0; i < name->len; i++)
        at = hash_add(at, fat_fold(name->units[i]));
    for (at &= sets->mask; sets->longs[at] != 0; at = (at + 1) & sets->mask) {
        const struct make_name *from = &sets->dir->names[sets->longs[at] - 1];

        if (fat_made_parse(from, other) == 0 &&
            fat_name_is(name, other->units, other->len))
            return false;
    }
    sets->longs[at] = index + 1;
    return true;
}

/* Add the short name of an entry. Returns false: another one has it. */
static bool short_add(struct sets *sets, uint32_t index)
{
    const uint8_t *text = sets->out[index].text;
    uint32_t at = UINT32_C(2166136261);

    for (unsigned i = 0; i < SLOT_NAME_BYTES; i++)
        at = hash_add(at, text[i]);
    for (at &= sets->mask; sets->shorts[at] != 0; at = (at + 1) & sets->mask) {
        if (memcmp(sets->out[sets->shorts[at] - 1].text, text,
                   SLOT_NAME_BYTES) == 0)
            return false;
    }
    sets->shorts[at] = index + 1;
    return true;
}

/* ---- Short names --------------------------------------------------------- */

/* Those that are short by themselves come first, so that they stay so. */
static int plain_add(struct sets *sets, uint32_t index)
{
    struct fat_made_name *out = &sets->out[index];
    struct fat_name *name = &sets->name;
    enum fat_short_fit fit;
    int status = fat_made_parse(&sets->dir->names[index], name);

    if (status != 0)
        return status;
    if (!long_add(sets, index))
        return -EEXIST;
    fit = fat_short_make(name, out->text);
    out->parts = fit == FAT_SHORT_EXACT ? 0 : (uint8_t)fat_name_parts(name);
    if (fit != FAT_SHORT_LOSSY)
        return short_add(sets, index) ? 0 : -EEXIST;
    return 0;
}

static int lossy_add(struct sets *sets, uint32_t index)
{
    uint8_t plain[SLOT_NAME_BYTES];
    struct fat_name *name = &sets->name;
    int status = fat_made_parse(&sets->dir->names[index], name);

    if (status != 0 || fat_short_make(name, plain) != FAT_SHORT_LOSSY)
        return status;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        for (unsigned n = 0; n < FAT_SHORT_TRIES; n++) {
            fat_short_try(name, plain, n, round, sets->out[index].text);
            if (short_add(sets, index))
                return 0;
        }
    }
    return -ENOSPC;
}

int fat_made_names(const struct make_host *host, const struct make_file *dir,
                   struct fat_made_name *out, const struct make_file **file)
{
    uint32_t mask = 15;
    struct sets *sets;
    size_t bytes;
    int status = 0;

    while (mask / 2 < dir->name_count)
        mask = 2 * mask + 1;
    bytes = sizeof(*sets) + 2 * ((size_t)mask + 1) * sizeof(uint32_t);
    sets = host->alloc(host->context, bytes);
    if (sets == NULL)
        return -ENOMEM;
    memset(sets, 0, bytes);
    sets->dir = dir;
    sets->out = out;
    sets->mask = mask;
    sets->longs = (uint32_t *)(sets + 1);
    sets->shorts = sets->longs + mask + 1;
    for (uint32_t i = 0; i < dir->name_count && status == 0; i++) {
        *file = dir->names[i].file;
        status = plain_add(sets, i);
    }
    for (uint32_t i = 0; i < dir->name_count && status == 0; i++) {
        *file = dir->names[i].file;
        status = lossy_add(sets, i);
    }
    host->release(host->context, sets, bytes);
    return status;
}
