/* Names of a large directory by hashes: open addressing. The hash has the key
 * of the mount, and is that of the name in upper case. */
#include "fs/fat/index.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum {
    KEYS_FIRST = 256,
    STALE_MIN = 64, /* fewer are no reason to make it anew */
};

static uint32_t hash_of(const struct inode *dir, const uint16_t *units,
                        unsigned len)
{
    const struct hash_key *key = &dir->mount->name_key;
    uint64_t value = 0;

    for (unsigned i = 0; i < len; i++) {
        uint16_t unit = fat_fold(units[i]);

        value = hash_byte(key->point, value, (char)(unit & 0xff));
        value = hash_byte(key->point, value, (char)(unit >> 8));
    }
    return hash_value(key, value);
}

static uint32_t hash_short(const struct inode *dir, const uint8_t *raw)
{
    uint16_t units[12];

    return hash_of(dir, units, fat_short_units(raw, units));
}

static void index_free(struct fat_index *index)
{
    if (index != NULL)
        mem_free(index->keys);
    mem_free(index);
}

void fat_index_drop(struct fat_inode *dir)
{
    index_free(dir->index);
    dir->index = NULL;
}

/* ---- Keys ---------------------------------------------------------------- */

static void key_put(struct fat_index *index, struct fat_index_key key)
{
    uint32_t at = key.hash & index->mask;

    while (index->keys[at].slot != 0)
        at = (at + 1) & index->mask;
    index->keys[at] = key;
}

/* Twice as many. */
static int keys_grow(struct fat_index *index)
{
    struct fat_index_key *old = index->keys;
    uint32_t count = old == NULL ? 0 : index->mask + 1;
    uint32_t more = old == NULL ? KEYS_FIRST : 2 * count;
    struct fat_index_key *keys = mem_alloc_zeroed(more * sizeof(*keys));

    if (keys == NULL)
        return -ENOMEM;
    index->keys = keys;
    index->mask = more - 1;
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].slot != 0)
            key_put(index, old[i]);
    }
    mem_free(old);
    return 0;
}

static int key_add(struct fat_index *index, uint32_t hash, uint32_t slot)
{
    int status = 0;

    if (index->keys == NULL || 2 * index->used > index->mask)
        status = keys_grow(index);
    if (status == 0) {
        key_put(index, (struct fat_index_key){hash, slot + 1});
        index->used++;
    }
    return status;
}

/* ---- Making -------------------------------------------------------------- */

static int add_entry(struct fat_index *index, const struct fat_scan *scan)
{
    int status = key_add(index, hash_short(scan->dir, scan->raw), scan->slot);

    if (status == 0 && scan->len > 0)
        status = key_add(index, hash_of(scan->dir, scan->name, scan->len),
                         scan->slot);
    return status;
}

static int fill(struct fat_index *index, struct inode *dir)
{
    struct fat_scan scan;
    int status;

    fat_scan_begin(&scan, dir, 0);
    while ((status = fat_scan_next(&scan)) == 1) {
        status = add_entry(index, &scan);
        if (status != 0)
            break;
    }
    index->end = scan.next;
    fat_scan_end(&scan);
    return status;
}

bool fat_index_get(struct inode *dir)
{
    struct fat_inode *fat = fat_inode_of(dir);
    struct fat_index *index;

    if (fat->index != NULL)
        return true;
    if (fat_slot_count(dir) < FAT_INDEX_MIN)
        return false;
    index = mem_alloc_zeroed(sizeof(*index));
    if (index == NULL)
        return false;
    if (fill(index, dir) != 0)
        index_free(index);
    else if (fat->index != NULL) /* another reader has made it */
        index_free(index);
    else
        fat->index = index;
    return fat->index != NULL;
}

/* ---- Finding ------------------------------------------------------------- */

/* Let a scan come to the entry at `slot`: 1; 0: there is none any more. */
static int go_to(struct fat_scan *scan, uint32_t slot)
{
    int status;

    fat_scan_move(scan, slot > LONG_PARTS_MAX ? slot - LONG_PARTS_MAX : 0);
    do
        status = fat_scan_next(scan);
    while (status == 1 && scan->slot < slot);
    return status == 1 ? scan->slot == slot : status;
}

int fat_index_find(struct fat_scan *scan, const struct fat_name *name)
{
    const struct fat_index *index = fat_inode_of(scan->dir)->index;
    uint32_t hash = hash_of(scan->dir, name->units, name->len);
    uint32_t at = hash & index->mask;

    if (index->used == 0)
        return 0;
    for (; index->keys[at].slot != 0; at = (at + 1) & index->mask) {
        int status;

        if (index->keys[at].hash != hash)
            continue;
        status = go_to(scan, index->keys[at].slot - 1);
        if (status < 0 || (status == 1 && fat_scan_is(scan, name)))
            return status;
    }
    return 0;
}

bool fat_index_has_short(const struct inode *dir, const uint8_t *raw,
                         uint32_t own)
{
    const struct fat_index *index = fat_inode_of(dir)->index;
    uint32_t hash = hash_short(dir, raw);
    uint32_t at = hash & index->mask;

    if (index->used == 0)
        return false;
    for (; index->keys[at].slot != 0; at = (at + 1) & index->mask) {
        if (index->keys[at].hash == hash && index->keys[at].slot != own)
            return true;
    }
    return false;
}

/* ---- Changing ------------------------------------------------------------ */

void fat_index_added(struct inode *dir, const struct fat_name *name,
                     const uint8_t *raw, uint32_t slot, uint32_t count)
{
    struct fat_inode *fat = fat_inode_of(dir);
    struct fat_index *index = fat->index;
    int status;

    if (index == NULL)
        return;
    if (slot >= index->end)
        index->end = slot + 1;
    else
        index->holes -= index->holes < count ? index->holes : count;
    status = key_add(index, hash_short(dir, raw), slot);
    if (status == 0 && count > 1)
        status = key_add(index, hash_of(dir, name->units, name->len), slot);
    if (status != 0)
        fat_index_drop(fat);
}

void fat_index_removed(struct inode *dir, uint32_t count)
{
    struct fat_inode *fat = fat_inode_of(dir);
    struct fat_index *index = fat->index;

    if (index == NULL)
        return;
    index->holes += count;
    index->stale += count > 1 ? 2 : 1;
    if (index->stale > STALE_MIN && index->stale > index->used / 2)
        fat_index_drop(fat);
}

void fat_index_check(const struct fat_index *index)
{
    uint32_t used = 0;

    if (index == NULL || index->keys == NULL)
        return;
    for (uint32_t i = 0; i <= index->mask; i++)
        used += index->keys[i].slot != 0;
    assert(used == index->used);
    assert(used <= index->mask);
    assert(index->stale <= used);
}
