/*
 * What the volume says of itself: whether it was unmounted (in entry 1 of the
 * FAT and in the boot sector), and FSInfo, which is a hint: how many clusters
 * are free is counted in the FAT.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/cache/order.h"
#include "kernel/lib/bytes.h"
#include <torc/log.h>

static uint32_t state_offset(const struct fat_fs *fs)
{
    return fs->bits == 32 ? BOOT_STATE_32 : BOOT_STATE_16;
}

/* The bit of entry 1 that says so; 0: FAT12 has none. */
static uint32_t clean_bit(const struct fat_fs *fs)
{
    if (fs->bits == 12)
        return 0;
    return fs->bits == 16 ? FAT16_CLEAN : FAT32_CLEAN;
}

static int fsinfo_read(struct fat_fs *fs)
{
    uint8_t raw[FSINFO_BYTES];
    uint32_t next;
    int status;

    if (fs->fsinfo_offset == 0)
        return 0;
    status = mapping_copy(&fs->device, fs->fsinfo_offset, raw, sizeof(raw));
    if (status != 0)
        return status;
    if (le32_get(raw + FSINFO_LEAD) != FSINFO_LEAD_VALUE ||
        le32_get(raw + FSINFO_STRUCT) != FSINFO_STRUCT_VALUE ||
        le32_get(raw + FSINFO_TRAIL) != FSINFO_TRAIL_VALUE) {
        log_warn("%s: fat: FSInfo is damaged and not used", fs->name);
        fs->fsinfo_offset = 0;
        return 0;
    }
    next = le32_get(raw + FSINFO_NEXT);
    if (fat_cluster_valid(fs, next))
        fs->search_at = next;
    fs->hint_free = le32_get(raw + FSINFO_FREE);
    if (fs->was_dirty || fs->hint_free > fs->cluster_end - FAT_FIRST)
        fs->hint_free = FSINFO_UNKNOWN;
    return 0;
}

int fat_state_read(struct fat_fs *fs)
{
    struct fat_view view;
    const uint8_t *state;
    uint32_t value;
    int status;

    fs->hint_free = FSINFO_UNKNOWN;
    fat_view_begin(&view, fs);
    status = fat_get(&view, 1, &value);
    if (status == 0)
        status = fat_view(&view, state_offset(fs), 1, &state);
    if (status == 0)
        fs->was_dirty = (*state & BOOT_STATE_DIRTY) != 0 ||
                        (value & clean_bit(fs)) != clean_bit(fs);
    fat_view_end(&view);
    if (status == 0)
        status = fsinfo_read(fs);
    if (status == 0 && fs->was_dirty)
        log_warn("%s: fat: it was not unmounted: run fsck.fat", fs->name);
    return status;
}

/* Change `size` bytes of the disk, which lie on one page. */
static int put(struct fat_fs *fs, uint64_t offset, const uint8_t *bytes,
               size_t size)
{
    struct mapping_ref ref;
    int status = mapping_ref(&fs->device, offset, &ref);

    if (status != 0)
        return status;
    status = mapping_modify(&ref, 0, size);
    if (status == 0) {
        for (size_t i = 0; i < size; i++)
            ref.data[i] = bytes[i];
        mapping_dirty(&ref, 0, size);
    }
    mapping_unref(&ref);
    return status;
}

static int mark(struct fat_fs *fs, bool is_dirty)
{
    const uint32_t bit = clean_bit(fs);
    struct fat_view view;
    const uint8_t *raw;
    uint8_t state = 0;
    uint32_t value;
    int status;

    fat_view_begin(&view, fs);
    status = fat_get(&view, 1, &value);
    if (status == 0)
        status = fat_view(&view, state_offset(fs), 1, &raw);
    if (status == 0)
        state = (uint8_t)(*raw & ~BOOT_STATE_DIRTY);
    fat_view_end(&view);
    if (status == 0 && bit != 0)
        status = fat_set(fs, 1, is_dirty ? value & ~bit : value | bit);
    state |= is_dirty ? BOOT_STATE_DIRTY : 0;
    return status != 0 ? status : put(fs, state_offset(fs), &state, 1);
}

static int fsinfo_write(struct fat_fs *fs)
{
    uint8_t raw[8];

    if (fs->fsinfo_offset == 0)
        return 0;
    le32_put(raw, fs->groups_unknown == 0 ? fs->free_known : fs->hint_free);
    le32_put(raw + 4, fs->search_at);
    return put(fs, fs->fsinfo_offset + FSINFO_FREE, raw, sizeof(raw));
}

static int write_all(struct fat_fs *fs)
{
    int status = mapping_write(&fs->device, 0, UINT64_MAX);

    return status != 0 ? status : mapping_flush(&fs->device);
}

int fat_state_begin(struct fat_fs *fs)
{
    int status;

    if (fs->is_marked)
        return 0;
    status = mark(fs, true);
    if (status != 0)
        return status;
    fs->may_be_marked = true;
    status = write_all(fs);
    fs->is_marked = status == 0;
    return status;
}

/* Everything else is there before the volume says so. */
int fat_state_end(struct fat_fs *fs)
{
    int status;

    if (!fs->may_be_marked)
        return 0;
    status = fsinfo_write(fs);
    if (status == 0)
        status = write_all(fs);
    if (status != 0 || fs->was_dirty)
        return status;
    status = mark(fs, false);
    if (status == 0)
        status = write_all(fs);
    fs->is_marked = fs->may_be_marked = status != 0;
    return status;
}
