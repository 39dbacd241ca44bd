/*
 * Entries of the FAT: what comes behind a cluster. Those of 12 bits lie two in
 * three bytes, also across pages.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>

/* Values from here on are bad clusters and ends of chains. */
static uint32_t bad_value(const struct fat_fs *fs)
{
    if (fs->bits == 12)
        return 0xff7;
    return fs->bits == 16 ? 0xfff7 : 0x0ffffff7;
}

uint32_t fat_end_value(const struct fat_fs *fs)
{
    return bad_value(fs) + 8;
}

/* Where the bytes of an entry begin, and how many there are. */
static uint64_t entry_at(const struct fat_fs *fs, uint32_t cluster)
{
    if (fs->bits == 12)
        return cluster + (uint64_t)cluster / 2;
    return (uint64_t)cluster * (fs->bits / 8U);
}

static unsigned entry_bytes(const struct fat_fs *fs)
{
    return fs->bits == 32 ? 4 : 2;
}

static uint32_t entry_get(const struct fat_fs *fs, uint32_t cluster,
                          const uint8_t *raw)
{
    uint32_t value;

    if (fs->bits == 32)
        return le32_get(raw) & 0x0fffffff;
    value = le16_get(raw);
    if (fs->bits == 12)
        value = cluster % 2 == 1 ? value >> 4 : value & 0xfff;
    return value;
}

/* What the entry does not use of its bytes stays. */
static void entry_put(const struct fat_fs *fs, uint32_t cluster, uint32_t value,
                      uint8_t *raw)
{
    uint32_t old;

    if (fs->bits == 32) {
        le32_put(raw, (le32_get(raw) & 0xf0000000) | value);
        return;
    }
    old = le16_get(raw);
    if (fs->bits == 12)
        value = cluster % 2 == 1 ? (old & 0xf) | value << 4
                                 : (old & 0xf000) | value;
    le16_put(raw, (uint16_t)value);
}

int fat_get(struct fat_view *view, uint32_t cluster, uint32_t *value)
{
    const struct fat_fs *fs = view->fs;
    const uint8_t *raw;
    int status = -EIO;

    assert(cluster < fs->cluster_end);
    /* What cannot be read in one FAT may be in the next. */
    for (unsigned i = 0; i < fs->copies && status == -EIO; i++)
        status = fat_view(view, fs->fat_offset[i] + entry_at(fs, cluster),
                          entry_bytes(fs), &raw);
    if (status == 0)
        *value = entry_get(fs, cluster, raw);
    return status;
}

int fat_next(struct fat_view *view, uint32_t cluster, uint32_t *next)
{
    int status = fat_get(view, cluster, next);

    if (status != 0)
        return status;
    if (*next > bad_value(view->fs))
        return 0;
    return fat_cluster_valid(view->fs, *next) ? 1 : -EUCLEAN;
}

/* ---- Changing ------------------------------------------------------------ */

/* The bytes of one entry in all FATs, held; in each on one page or on two. */
struct hold {
    struct mapping_ref ref[2 * FAT_COPIES_MAX];
    uint32_t bytes[2 * FAT_COPIES_MAX];
    unsigned count;
};

static void hold_end(struct hold *hold)
{
    while (hold->count > 0)
        mapping_unref(&hold->ref[--hold->count]);
}

/* Hold `size` bytes of the disk, which are on two pages at most. */
static int hold_add(struct hold *hold, struct fat_fs *fs, uint64_t offset,
                    uint32_t size)
{
    while (size > 0) {
        struct mapping_ref *ref = &hold->ref[hold->count];
        int status = mapping_ref(&fs->device, offset, ref);
        uint32_t piece;

        if (status != 0)
            return status;
        piece = ref->size < size ? (uint32_t)ref->size : size;
        hold->bytes[hold->count++] = piece;
        offset += piece;
        size -= piece;
    }
    return 0;
}

/* All of it is in memory and pinned: nothing waits. */
static int hold_modify(struct hold *hold)
{
    int status = 0;

    for (unsigned i = 0; i < hold->count && status == 0; i++)
        status = mapping_modify(&hold->ref[i], 0, hold->bytes[i]);
    return status;
}

/* Give each copy its new value. */
static void hold_put(struct hold *hold, const struct fat_fs *fs,
                     uint32_t cluster, uint32_t value)
{
    const unsigned size = entry_bytes(fs);

    for (unsigned i = 0; i < hold->count;) {
        uint8_t raw[4];
        unsigned from = i, at = 0;

        for (; at < size; at += hold->bytes[i++])
            for (unsigned j = 0; j < hold->bytes[i]; j++)
                raw[at + j] = hold->ref[i].data[j];
        entry_put(fs, cluster, value, raw);
        i = from;
        for (at = 0; at < size; at += hold->bytes[i++]) {
            for (unsigned j = 0; j < hold->bytes[i]; j++)
                hold->ref[i].data[j] = raw[at + j];
            mapping_dirty(&hold->ref[i], 0, hold->bytes[i]);
        }
    }
}

int fat_set(struct fat_fs *fs, uint32_t cluster, uint32_t value)
{
    struct hold hold = {.count = 0};
    int status = 0;

    assert(cluster < fs->cluster_end);
    for (unsigned i = 0; i < fs->copies && status == 0; i++)
        status = hold_add(&hold, fs, fs->fat_offset[i] + entry_at(fs, cluster),
                          entry_bytes(fs));
    if (status == 0)
        status = hold_modify(&hold);
    if (status == 0)
        hold_put(&hold, fs, cluster, value);
    hold_end(&hold);
    return status;
}
