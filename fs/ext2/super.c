/*
 * The superblock: whether this is ext2, whether all its features are known, and
 * whether its fields agree with each other. ext2_super_check() says what the
 * other files rely on.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/hash.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>

const uint32_t ext2_hidden_inodes[] = {SUPER_QUOTA_USER, SUPER_QUOTA_GROUP,
                                       SUPER_QUOTA_PROJECT, SUPER_ORPHAN_FILE};

/* Revision 0 has none; if it has, they say how the volume is read, as they do
 * for Linux and e2fsck. */
static void parse_features(struct ext2_fs *fs, const uint8_t *super)
{
    fs->compat = le32_get(super + SUPER_FEATURE_COMPAT);
    fs->incompat = le32_get(super + SUPER_FEATURE_INCOMPAT);
    fs->ro_compat = le32_get(super + SUPER_FEATURE_RO_COMPAT);
    fs->first_meta_bg = le32_get(super + SUPER_FIRST_META_BG);
    for (unsigned i = 0; i < COUNT_OF(fs->hash_seed); i++)
        fs->hash_seed[i] = le32_get(super + SUPER_HASH_SEED + 4 * i);
    fs->index_version = super[SUPER_DEF_HASH_VERSION];
    if (fs->index_version >= EXT2_HASH_UNSIGNED)
        fs->index_version = EXT2_HASH_HALF_MD4;
    fs->is_hash_unsigned =
        (le32_get(super + SUPER_FLAGS) & SUPER_FLAG_UNSIGNED_HASH) != 0;
    for (unsigned i = 0; i < COUNT_OF(fs->backup_groups); i++)
        fs->backup_groups[i] = le32_get(super + SUPER_BACKUP_GROUPS + 4 * i);
}

static void parse(struct ext2_fs *fs, const uint8_t *super, uint32_t log)
{
    fs->block_shift = 10 + log;
    fs->block_size = UINT32_C(1) << fs->block_shift;
    fs->blocks_count = le32_get(super + SUPER_BLOCKS_COUNT);
    fs->first_data_block = le32_get(super + SUPER_FIRST_DATA_BLOCK);
    fs->blocks_per_group = le32_get(super + SUPER_BLOCKS_PER_GROUP);
    fs->inodes_per_group = le32_get(super + SUPER_INODES_PER_GROUP);
    fs->inodes_count = le32_get(super + SUPER_INODES_COUNT);
    fs->is_rev0 = le32_get(super + SUPER_REV_LEVEL) == 0;
    fs->inode_size =
        fs->is_rev0 ? EXT2_INODE_SIZE_MIN : le16_get(super + SUPER_INODE_SIZE);
    fs->first_inode =
        fs->is_rev0 ? EXT2_FIRST_INODE_REV0 : le32_get(super + SUPER_FIRST_INO);
    fs->desc_size = EXT2_GROUP_DESC_SIZE;
    fs->hides_inodes = false;
    for (size_t i = 0; i < COUNT_OF(ext2_hidden_inodes); i++)
        if (le32_get(super + ext2_hidden_inodes[i]) != 0)
            fs->hides_inodes = true;
    parse_features(fs, super);
}

/* How many groups its blocks make. */
static uint64_t groups_of(const struct ext2_fs *fs)
{
    uint64_t data_blocks = fs->blocks_count - fs->first_data_block;

    return (data_blocks + fs->blocks_per_group - 1) / fs->blocks_per_group;
}

/*
 * The field that contradicts the others or the disk; NULL: none does, which
 * is what the rest of ext2 relies on.
 */
static const char *fault_of(const struct ext2_fs *fs)
{
    uint32_t bits = 8 * fs->block_size; /* of a bitmap, which is one block */
    uint64_t blocks_max = (uint64_t)bits << fs->cluster_shift;

    if (fs->first_data_block != (fs->block_shift + fs->cluster_shift == 10))
        return "first data block";
    if (fs->blocks_count <= fs->first_data_block + 2 ||
        fs->blocks_count > fs->sectors >> (fs->block_shift - 9))
        return "more blocks than the disk has";
    if (fs->inode_size < EXT2_INODE_SIZE_MIN ||
        fs->inode_size > fs->block_size ||
        (fs->inode_size & (fs->inode_size - 1)) != 0)
        return "inode size";
    if (fs->blocks_per_group == 0 || fs->blocks_per_group > blocks_max)
        return "blocks per group";
    if (fs->inodes_per_group == 0 || fs->inodes_per_group > bits ||
        fs->inodes_per_group / (fs->block_size / fs->inode_size) >=
            fs->blocks_per_group)
        return "inodes per group";
    if (fs->inodes_count < EXT2_FIRST_INODE_REV0 ||
        groups_of(fs) > UINT32_MAX ||
        fs->inodes_count > groups_of(fs) * fs->inodes_per_group)
        return "inode count";
    return NULL;
}

/* What the superblock says. */
static int read_super(struct ext2_fs *fs, const uint8_t *super)
{
    uint32_t log = le32_get(super + SUPER_LOG_BLOCK_SIZE);
    const char *fault;
    int status;

    if (le16_get(super + SUPER_MAGIC) != EXT2_MAGIC)
        return -EINVAL;
    if (log > EXT2_LOG_BLOCK_SIZE_MAX)
        return ext2_damaged_volume(fs, "block size");
    parse(fs, super, log);
    status = ext2_features_check(fs);
    if (status == 0 && fs->ext4 != NULL)
        status = fs->ext4->super(fs, super);
    if (status != 0)
        return status;
    fault = fault_of(fs);
    if (fault != NULL)
        return ext2_damaged_volume(fs, fault);
    if (fs->block_size / BLOCK_SECTOR_SIZE < fs->device.unit) {
        log_error("%s: %s: blocks of %u bytes are smaller than the disk's "
                  "sectors; make it with larger ones (mke2fs -b 4096)",
                  fs->name, fs->type, fs->block_size);
        return -ENOTSUP;
    }
    fs->group_count = (uint32_t)groups_of(fs);
    return 0;
}

int ext2_super_read(struct ext2_fs *fs)
{
    uint8_t *super = mem_alloc(EXT2_SUPER_SIZE);
    int status;

    if (super == NULL)
        return -ENOMEM;
    /* -EINVAL: the disk is too small for a superblock, so it holds another file
     * system, or none. */
    status = ext2_read_disk(fs, EXT2_SUPER_OFFSET, super, EXT2_SUPER_SIZE);
    if (status == 0)
        status = read_super(fs, super);
    mem_free(super);
    return status;
}

void ext2_super_check(const struct ext2_fs *fs)
{
    assert(fs->block_size == UINT32_C(1) << fs->block_shift);
    assert(fault_of(fs) == NULL);
    assert(fs->group_count == groups_of(fs));
}
