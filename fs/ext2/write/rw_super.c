/* The superblock of a volume that is written: its state, counts, what is to be
 * done about errors. */
#include "fs/ext2/write/rw.h"
#include "kernel/base/panic.h"
#include "kernel/lib/bytes.h"
#include <torc/log.h>
#include <torc/string.h>

int ext2_change_super(struct change *change, struct change_block **out)
{
    const struct ext2_fs *fs = change->fs;

    return ext2_change_block(change, EXT2_SUPER_OFFSET >> fs->block_shift, out);
}

uint8_t *ext2_super_data(const struct ext2_fs *fs,
                         const struct change_block *block)
{
    return block->data + (EXT2_SUPER_OFFSET & (fs->block_size - 1));
}

static uint32_t seconds(void)
{
    return (uint32_t)vfs_now().s;
}

static void put_counts(struct ext2_rw *rw, uint8_t *super)
{
    le32_put(super + SUPER_FREE_BLOCKS, (uint32_t)rw->free_blocks);
    le32_put(super + SUPER_FREE_INODES, (uint32_t)rw->free_inodes);
    le32_put(super + SUPER_WRITE_TIME, seconds());
    rw->is_super_dirty = false;
}

/* Pin the superblock and start. */
static int start(struct ext2_rw *rw, struct change *change, uint8_t **super)
{
    struct change_block *block;
    uint64_t at = EXT2_SUPER_OFFSET >> rw->fs->block_shift;
    int status = ext2_change_one(change, rw->fs, at, &block);

    if (status == 0)
        *super = ext2_super_data(rw->fs, block);
    return status;
}

/* Tell that the volume was not clean, or is to be checked. */
static void warn(const struct ext2_rw *rw, const uint8_t *super)
{
    const char *name = rw->fs->name;

    if ((rw->state_at_mount & SUPER_STATE_ERROR) != 0)
        log_warn("%s: ext2: the volume has errors; run e2fsck", name);
    else if ((rw->state_at_mount & SUPER_STATE_CLEAN) == 0)
        log_warn("%s: ext2: was not unmounted; run e2fsck", name);
    else if (le16_get(super + SUPER_MOUNT_COUNT_MAX) != 0 &&
             le16_get(super + SUPER_MOUNT_COUNT_MAX) != 0xffff &&
             le16_get(super + SUPER_MOUNT_COUNT) >=
                 le16_get(super + SUPER_MOUNT_COUNT_MAX))
        log_warn("%s: ext2: was mounted often; run e2fsck", name);
}

int ext2_super_begin(struct ext2_rw *rw)
{
    struct change change;
    uint8_t *super;
    uint16_t count;
    int status = start(rw, &change, &super);

    if (status != 0)
        return status;
    rw->state_at_mount = le16_get(super + SUPER_STATE);
    rw->on_errors = le16_get(super + SUPER_ERRORS);
    rw->orphan_first = le32_get(super + SUPER_LAST_ORPHAN);
    warn(rw, super);
    count = le16_get(super + SUPER_MOUNT_COUNT);
    le16_put(super + SUPER_STATE,
             rw->state_at_mount & (uint16_t)~SUPER_STATE_CLEAN);
    if (count < UINT16_MAX)
        le16_put(super + SUPER_MOUNT_COUNT, (uint16_t)(count + 1));
    le32_put(super + SUPER_MOUNT_TIME, seconds());
    if (!rw->fs->is_rev0 && rw->mount->place != NULL) {
        memset(super + SUPER_LAST_MOUNTED, 0, SUPER_LAST_MOUNTED_SIZE);
        (void)!str_copy((char *)super + SUPER_LAST_MOUNTED,
                        SUPER_LAST_MOUNTED_SIZE, rw->mount->place);
    }
    put_counts(rw, super);
    ext2_change_end(&change);
    return ext2_make_durable(rw->fs);
}

int ext2_super_end(struct ext2_rw *rw)
{
    struct change change;
    uint8_t *super;
    int status = 0;

    if (rw->stale_count > 0) /* they go before the volume is clean */
        status = ext2_make_durable(rw->fs);
    if (status == 0)
        status = start(rw, &change, &super);
    if (status != 0)
        return status;
    put_counts(rw, super);
    le16_put(super + SUPER_STATE,
             (uint16_t)(rw->state_at_mount |
                        (rw->has_failed ? SUPER_STATE_ERROR : 0)));
    ext2_change_end(&change);
    return ext2_make_durable(rw->fs);
}

int ext2_super_attributes(struct ext2_rw *rw)
{
    struct ext2_fs *fs = rw->fs;
    struct change change;
    uint8_t *super;
    int status;

    if (fs->is_rev0)
        return -ENOTSUP;
    if ((fs->compat & COMPAT_EXT_ATTR) != 0)
        return 0;
    status = start(rw, &change, &super);
    if (status != 0)
        return status;
    le32_put(super + SUPER_FEATURE_COMPAT, fs->compat | COMPAT_EXT_ATTR);
    ext2_change_end(&change);
    status = ext2_make_durable(fs);
    if (status == 0) /* else it is written once more */
        fs->compat |= COMPAT_EXT_ATTR;
    return status;
}

int ext2_super_counts(struct ext2_rw *rw)
{
    struct change change;
    uint8_t *super;
    int status;

    if (!rw->is_super_dirty)
        return 0;
    status = start(rw, &change, &super);
    if (status != 0)
        return status;
    put_counts(rw, super);
    if (rw->has_failed)
        le16_put(super + SUPER_STATE,
                 le16_get(super + SUPER_STATE) | SUPER_STATE_ERROR);
    ext2_change_end(&change);
    return 0;
}

void ext2_rw_failed(struct ext2_rw *rw)
{
    if (rw->on_errors == SUPER_ERRORS_PANIC)
        panic("%s: ext2: damaged, and mounted with errors=panic", rw->fs->name);
    if (rw->has_failed)
        return;
    rw->has_failed = true;
    rw->is_super_dirty = true;
    if (rw->on_errors != SUPER_ERRORS_READ_ONLY)
        return;
    rw->mount->is_read_only = true;
    log_error("%s: ext2: read-only from here on", rw->fs->name);
}
