/*
 * The superblock: whether this is ext2, whether all its features are known, and
 * whether its fields agree with each other. ext2_super_check() says what the
 * other files rely on.
 */
#include "fs/ext2/ext2_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>

static int damaged(const struct block_device *dev, const char *what)
{
    log_error("%s: ext2: damaged superblock: %s; run e2fsck on the image",
              dev->device.name, what);
    return -EUCLEAN;
}

/* The block size comes first: other fields count in blocks. */
static int parse_sizes(struct ext2_fs *fs, const uint8_t *super,
                       struct block_device *dev)
{
    uint32_t log = le32_get(super + SUPER_LOG_BLOCK_SIZE);

    if (log > 6)
        return damaged(dev, "block size");
    if (log > EXT2_LOG_BLOCK_SIZE_MAX) {
        log_error("%s: ext2: blocks of %u KiB; at most 4 are supported",
                  dev->device.name, 1U << log);
        return -ENOTSUP;
    }
    fs->block_shift = 10 + log;
    fs->block_size = UINT32_C(1) << fs->block_shift;
    fs->blocks_count = le32_get(super + SUPER_BLOCKS_COUNT);
    fs->first_data_block = le32_get(super + SUPER_FIRST_DATA_BLOCK);
    if (fs->first_data_block != (log == 0))
        return damaged(dev, "first data block");
    if (fs->blocks_count <= fs->first_data_block + 2 ||
        fs->blocks_count > dev->sectors >> (log + 1))
        return damaged(dev, "more blocks than the disk has");
    return 0;
}

static int parse_features(struct ext2_fs *fs, const uint8_t *super,
                          struct block_device *dev)
{
    uint32_t unknown;

    fs->is_rev0 = le32_get(super + SUPER_REV_LEVEL) == 0;
    fs->inode_size = EXT2_INODE_SIZE_MIN;
    if (fs->is_rev0)
        return 0;
    fs->incompat = le32_get(super + SUPER_FEATURE_INCOMPAT);
    fs->ro_compat = le32_get(super + SUPER_FEATURE_RO_COMPAT);
    fs->first_meta_bg = le32_get(super + SUPER_FIRST_META_BG);
    fs->inode_size = le16_get(super + SUPER_INODE_SIZE);
    unknown = fs->incompat & ~(uint32_t)INCOMPAT_SUPPORTED;
    if (unknown != 0) {
        log_error("%s: ext2: features %x are not supported (ext4, or a journal "
                  "to recover)",
                  dev->device.name, unknown);
        return -ENOTSUP;
    }
    if (fs->inode_size < EXT2_INODE_SIZE_MIN ||
        fs->inode_size > fs->block_size ||
        (fs->inode_size & (fs->inode_size - 1)) != 0)
        return damaged(dev, "inode size");
    return 0;
}

static int parse_groups(struct ext2_fs *fs, const uint8_t *super,
                        struct block_device *dev)
{
    uint32_t bits = 8 * fs->block_size;
    uint32_t per_block = fs->block_size / fs->inode_size;
    uint64_t data_blocks = fs->blocks_count - fs->first_data_block;

    fs->blocks_per_group = le32_get(super + SUPER_BLOCKS_PER_GROUP);
    fs->inodes_per_group = le32_get(super + SUPER_INODES_PER_GROUP);
    fs->inodes_count = le32_get(super + SUPER_INODES_COUNT);
    if (fs->blocks_per_group == 0 || fs->blocks_per_group > bits)
        return damaged(dev, "blocks per group");
    if (fs->inodes_per_group == 0 || fs->inodes_per_group > bits ||
        fs->inodes_per_group / per_block >= fs->blocks_per_group)
        return damaged(dev, "inodes per group");
    fs->group_count = (uint32_t)((data_blocks + fs->blocks_per_group - 1) /
                                 fs->blocks_per_group);
    if (fs->inodes_count < EXT2_FIRST_INODE_REV0 ||
        fs->inodes_count > (uint64_t)fs->group_count * fs->inodes_per_group)
        return damaged(dev, "inode count");
    return 0;
}

int ext2_super_read(struct ext2_fs *fs, struct block_device *dev)
{
    uint8_t *super = mem_alloc(EXT2_SUPER_SIZE);
    int status;

    if (super == NULL)
        return -ENOMEM;
    /* -EINVAL: the disk is too small for a superblock, so it holds another file
     * system, or none. */
    status = cache_read(fs->cache, EXT2_SUPER_OFFSET, super, EXT2_SUPER_SIZE);
    if (status == 0 && le16_get(super + SUPER_MAGIC) != EXT2_MAGIC)
        status = -EINVAL;
    if (status == 0)
        status = parse_sizes(fs, super, dev);
    if (status == 0)
        status = parse_features(fs, super, dev);
    if (status == 0)
        status = parse_groups(fs, super, dev);
    mem_free(super);
    if (status == 0)
        ext2_super_check(fs);
    return status;
}

void ext2_super_check(const struct ext2_fs *fs)
{
    uint32_t bits = 8 * fs->block_size; /* of a bitmap, which is one block */
    uint64_t data_blocks = fs->blocks_count - fs->first_data_block;

    assert(fs->block_shift >= 10);
    assert(fs->block_shift <= 10 + EXT2_LOG_BLOCK_SIZE_MAX);
    assert(fs->block_size == UINT32_C(1) << fs->block_shift);
    assert(fs->first_data_block == (fs->block_shift == 10));
    assert(fs->blocks_count > fs->first_data_block + 2);
    assert(fs->blocks_per_group > 0);
    assert(fs->blocks_per_group <= bits);
    assert(fs->inodes_per_group > 0);
    assert(fs->inodes_per_group <= bits);
    assert((uint64_t)fs->group_count * fs->blocks_per_group >= data_blocks);
    assert((uint64_t)(fs->group_count - 1) * fs->blocks_per_group <
           data_blocks);
    assert(fs->inodes_count >= EXT2_FIRST_INODE_REV0);
    assert(fs->inodes_count <=
           (uint64_t)fs->group_count * fs->inodes_per_group);
    assert(fs->inode_size >= EXT2_INODE_SIZE_MIN);
    assert(fs->inode_size <= fs->block_size);
    assert((fs->inode_size & (fs->inode_size - 1)) == 0);
    assert((fs->incompat & ~(uint32_t)INCOMPAT_SUPPORTED) == 0);
}
