/* What a volume says of itself, when all files are written: superblock and
 * descriptors with their copies, bitmaps. */
#include "fs/ext2/make/make_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

/* What each group has. */
struct group {
    uint32_t blocks, blocks_used;
    uint32_t inodes_used;
    uint32_t bitmaps; /* the first of its two blocks of bits */
};

static struct group group_of(const struct maker *maker, uint32_t number)
{
    const struct ext2_layout *layout = &maker->layout;
    const uint32_t first = ext2_layout_first(layout, number);
    const uint32_t meta = ext2_layout_meta(layout, number);
    const uint64_t inodes = (uint64_t)number * layout->inodes_per_group;
    struct group group = {.blocks = ext2_layout_blocks(layout, number),
                          .blocks_used = meta,
                          .bitmaps = first + meta - layout->table_blocks - 2};

    if (maker->next_block > first + meta)
        group.blocks_used = min_u32(maker->next_block - first, group.blocks);
    if (maker->next_inode - 1 > inodes)
        group.inodes_used = (uint32_t)min_u64(maker->next_inode - 1 - inodes,
                                              layout->inodes_per_group);
    return group;
}

uint32_t maker_table_of(const struct maker *maker, uint32_t group)
{
    return group_of(maker, group).bitmaps + 2;
}

/* ---- Bitmaps ------------------------------------------------------------- */

/* Write a bitmap of which `used` bits are set, and those from `count` on, which
 * stand for nothing. */
static int bitmap_write(struct maker *maker, uint32_t block, uint32_t used,
                        uint32_t count)
{
    const uint32_t size = maker->layout.block_size;
    uint8_t *bits = maker->block;

    memset(bits, 0, size);
    memset(bits, 0xff, used / 8);
    if (used % 8 != 0)
        bits[used / 8] = (uint8_t)((1U << used % 8) - 1);
    if (count % 8 != 0)
        bits[count / 8] |= (uint8_t)(0xffU << count % 8);
    memset(bits + (count + 7) / 8, 0xff, size - (count + 7) / 8);
    return maker_write(maker, block, bits);
}

static int bitmaps_write(struct maker *maker)
{
    const struct ext2_layout *layout = &maker->layout;
    int status = 0;

    for (uint32_t i = 0; i < layout->groups && status == 0; i++) {
        struct group group = group_of(maker, i);

        status =
            bitmap_write(maker, group.bitmaps, group.blocks_used, group.blocks);
        if (status == 0)
            status = bitmap_write(maker, group.bitmaps + 1, group.inodes_used,
                                  layout->inodes_per_group);
    }
    return status;
}

/* ---- Descriptors --------------------------------------------------------- */

static void descs_fill(const struct maker *maker, uint8_t *descs,
                       struct ext2_make_result *result)
{
    const struct ext2_layout *layout = &maker->layout;

    result->blocks_free = result->inodes_free = 0;
    for (uint32_t i = 0; i < layout->groups; i++) {
        uint8_t *desc = descs + (size_t)i * EXT2_GROUP_DESC_SIZE;
        struct group group = group_of(maker, i);
        uint32_t blocks = group.blocks - group.blocks_used;
        uint32_t inodes = layout->inodes_per_group - group.inodes_used;

        le32_put(desc + GROUP_BLOCK_BITMAP, group.bitmaps);
        le32_put(desc + GROUP_INODE_BITMAP, group.bitmaps + 1);
        le32_put(desc + GROUP_INODE_TABLE, group.bitmaps + 2);
        le16_put(desc + GROUP_FREE_BLOCKS, (uint16_t)blocks);
        le16_put(desc + GROUP_FREE_INODES, (uint16_t)inodes);
        le16_put(desc + GROUP_DIRECTORIES, (uint16_t)maker->dirs[i]);
        result->blocks_free += blocks;
        result->inodes_free += inodes;
    }
}

/* ---- The superblock ------------------------------------------------------ */

static void options_put(const struct maker *maker, uint8_t *super)
{
    const struct ext2_make_options *options = maker->options;

    le32_put(super + SUPER_RESERVED_BLOCKS, options->reserved_blocks);
    le32_put(super + SUPER_WRITE_TIME, options->time_s);
    le32_put(super + SUPER_CHECK_TIME, options->time_s);
    le32_put(super + SUPER_MAKE_TIME, options->time_s);
    memcpy(super + SUPER_UUID, options->uuid, EXT2_UUID_SIZE);
    memcpy(super + SUPER_HASH_SEED, options->hash_seed, EXT2_UUID_SIZE);
    memcpy(super + SUPER_LABEL, options->label,
           str_len(options->label, EXT2_LABEL_MAX));
    super[SUPER_DEF_HASH_VERSION] = options->hash_version;
    le32_put(super + SUPER_FLAGS, SUPER_FLAG_SIGNED_HASH);
    le32_put(super + SUPER_MOUNT_OPTIONS,
             SUPER_MOUNT_XATTR_USER | SUPER_MOUNT_ACL);
}

static void layout_put(const struct ext2_layout *layout, uint8_t *super)
{
    const uint32_t log = (uint32_t)__builtin_ctz(layout->block_size / 1024);

    le32_put(super + SUPER_INODES_COUNT,
             layout->groups * layout->inodes_per_group);
    le32_put(super + SUPER_BLOCKS_COUNT, layout->blocks);
    le32_put(super + SUPER_FIRST_DATA_BLOCK, layout->first_block);
    le32_put(super + SUPER_LOG_BLOCK_SIZE, log);
    le32_put(super + SUPER_LOG_FRAGMENT_SIZE, log);
    le32_put(super + SUPER_BLOCKS_PER_GROUP, layout->blocks_per_group);
    le32_put(super + SUPER_FRAGMENTS_PER_GROUP, layout->blocks_per_group);
    le32_put(super + SUPER_INODES_PER_GROUP, layout->inodes_per_group);
    le16_put(super + SUPER_INODE_SIZE, (uint16_t)layout->inode_size);
    if (layout->inode_size > EXT2_INODE_SIZE_MIN) {
        le16_put(super + SUPER_MIN_EXTRA_SIZE, INODE_EXTRA_WANTED);
        le16_put(super + SUPER_WANT_EXTRA_SIZE, INODE_EXTRA_WANTED);
    }
}

static void super_fill(const struct maker *maker, uint8_t *super,
                       const struct ext2_make_result *result)
{
    memset(super, 0, EXT2_SUPER_SIZE);
    layout_put(&maker->layout, super);
    options_put(maker, super);
    le32_put(super + SUPER_FREE_BLOCKS, result->blocks_free);
    le32_put(super + SUPER_FREE_INODES, result->inodes_free);
    le16_put(super + SUPER_MOUNT_COUNT_MAX, UINT16_MAX); /* never */
    le16_put(super + SUPER_MAGIC, EXT2_MAGIC);
    le16_put(super + SUPER_STATE, SUPER_STATE_CLEAN);
    le16_put(super + SUPER_ERRORS, SUPER_ERRORS_CONTINUE);
    le32_put(super + SUPER_CREATOR, SUPER_CREATOR_LINUX);
    le32_put(super + SUPER_REV_LEVEL, 1);
    le32_put(super + SUPER_FIRST_INO, EXT2_FIRST_INODE_REV0);
    le32_put(super + SUPER_FEATURE_COMPAT, COMPAT_EXT_ATTR | COMPAT_DIR_INDEX);
    le32_put(super + SUPER_FEATURE_INCOMPAT, INCOMPAT_FILETYPE);
    le32_put(super + SUPER_FEATURE_RO_COMPAT,
             RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE);
}

/* Write the superblock, but for the first one in a block of its own, and the
 * descriptors behind it. */
static int copy_write(struct maker *maker, uint32_t group, const uint8_t *descs)
{
    const struct ext2_layout *layout = &maker->layout;
    uint64_t at =
        (uint64_t)ext2_layout_first(layout, group) * layout->block_size;
    int status;

    le16_put(maker->table + SUPER_GROUP, (uint16_t)group);
    status = make_disk_write(&maker->disk, group == 0 ? EXT2_SUPER_OFFSET : at,
                             maker->table, EXT2_SUPER_SIZE);
    if (status != 0)
        return status;
    return make_disk_write(&maker->disk, at + layout->block_size, descs,
                           (size_t)layout->desc_blocks * layout->block_size);
}

int maker_volume(struct maker *maker, struct ext2_make_result *result)
{
    const struct make_host *host = maker->host;
    const struct ext2_layout *layout = &maker->layout;
    const size_t size = (size_t)layout->desc_blocks * layout->block_size;
    uint8_t *descs = host->alloc(host->context, size);
    int status;

    if (descs == NULL)
        return -ENOMEM;
    memset(descs, 0, size);
    descs_fill(maker, descs, result);
    super_fill(maker, maker->table, result);
    status = bitmaps_write(maker);
    for (uint32_t i = layout->groups; i > 0 && status == 0; i--) {
        if (ext2_layout_has_super(i - 1))
            status = copy_write(maker, i - 1, descs);
    }
    host->release(host->context, descs, size);
    result->blocks = layout->blocks;
    result->inodes = layout->groups * layout->inodes_per_group;
    return status;
}
