/*
 * The superblock: whether its fields fit together, in the order in which each
 * relies on those before it. A wrong one that everything depends on stops the
 * check. Then the inode that keeps room for more descriptors, and what is said
 * of a journal.
 */
#include "fs/ext2/check/check_internal.h"
#include "kernel/lib/minmax.h"

enum {
    REVISION_MAX = 1,
    BLOCKS_PER_GROUP_MIN = 8,
    BLOCKS_PER_GROUP_MAX = 65536 - 8,
    INODES_PER_GROUP_MAX = 65536, /* less those of a block */
    DESC_SIZE_MAX = 1024,
    LOG_FLEX_MAX = 31,
    GROUP_BLOCKS_KEPT = 4, /* at least, beside the table of inodes */
    EXTRA_SIZE_MIN = 4,
    JOURNAL_BLOCKS_MIN = 1024,
};
#define JOURNAL_MAGIC 0xc03b3998

/* Those that e2fsck knows and that change nothing here. */
enum {
    COMPAT_KNOWN = COMPAT_DIR_PREALLOC | COMPAT_IMAGIC_INODES |
                   COMPAT_HAS_JOURNAL | COMPAT_EXT_ATTR | COMPAT_RESIZE_INODE |
                   COMPAT_DIR_INDEX | COMPAT_SPARSE_SUPER2 | 0x400 | 0x800,
    COMPAT_ORPHAN_FILE = 0x1000,
    INCOMPAT_KNOWN = INCOMPAT_FILETYPE | INCOMPAT_META_BG,
    RO_COMPAT_KNOWN = RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE,
};

static uint32_t word(const struct fsck *fsck, uint32_t offset)
{
    return le32_get(fsck->super + offset);
}

static uint32_t half(const struct fsck *fsck, uint32_t offset)
{
    return le16_get(fsck->super + offset);
}

static void stop(struct fsck *fsck, enum ext2_code code, uint32_t offset,
                 uint64_t expected, uint64_t found)
{
    fsck_found(fsck, code, 0, offset, expected, found);
    fsck->result->stopped = true;
}

/* Whether a field is within limits; else all stops. */
static bool within(struct fsck *fsck, uint32_t offset, uint64_t value,
                   uint64_t low, uint64_t high)
{
    if (value >= low && value <= high)
        return true;
    stop(fsck, CHECK_SUPER_FIELD, offset, value < low ? low : high, value);
    return false;
}

static bool is_power_of_2(uint32_t value)
{
    return (value & (value - 1)) == 0;
}

/* ---- Features ------------------------------------------------------------ */

static int features(struct fsck *fsck)
{
    static const struct {
        uint32_t offset, known;
    } sets[] = {
        {SUPER_FEATURE_INCOMPAT, INCOMPAT_KNOWN},
        {SUPER_FEATURE_RO_COMPAT, RO_COMPAT_KNOWN},
        {SUPER_FEATURE_COMPAT, ~(uint32_t)COMPAT_ORPHAN_FILE},
    };
    int status = 0;

    fsck->compat = word(fsck, SUPER_FEATURE_COMPAT);
    fsck->incompat = word(fsck, SUPER_FEATURE_INCOMPAT);
    fsck->ro_compat = word(fsck, SUPER_FEATURE_RO_COMPAT);
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        uint32_t found = word(fsck, sets[i].offset) & ~sets[i].known;

        if (found == 0)
            continue;
        fsck_found(fsck, CHECK_SUPER_FEATURE, 0, sets[i].offset, 0, found);
        status = -ENOTSUP;
    }
    if (status == 0 && (fsck->compat & ~(uint32_t)COMPAT_KNOWN) != 0)
        fsck_found(fsck, CHECK_SUPER_FEATURE, 0, SUPER_FEATURE_COMPAT, 0,
                   fsck->compat & ~(uint32_t)COMPAT_KNOWN);
    return status;
}

/* ---- Sizes --------------------------------------------------------------- */

static bool block_sizes(struct fsck *fsck)
{
    uint32_t shift = word(fsck, SUPER_LOG_BLOCK_SIZE);

    if (!within(fsck, SUPER_LOG_BLOCK_SIZE, shift, 0,
                EXT2_LOG_BLOCK_SIZE_MAX) ||
        !within(fsck, SUPER_LOG_FRAGMENT_SIZE,
                word(fsck, SUPER_LOG_FRAGMENT_SIZE), shift, shift) ||
        !within(fsck, SUPER_LOG_FLEX_GROUPS, fsck->super[SUPER_LOG_FLEX_GROUPS],
                0, LOG_FLEX_MAX))
        return false;
    fsck->block_shift = shift + 10;
    fsck->block_size = 1u << fsck->block_shift;
    fsck->pointers = fsck->block_size / 4;
    fsck->inode_size = EXT2_INODE_SIZE_MIN;
    if (word(fsck, SUPER_REV_LEVEL) > 0)
        fsck->inode_size = half(fsck, SUPER_INODE_SIZE);
    if (!within(fsck, SUPER_INODE_SIZE, fsck->inode_size, EXT2_INODE_SIZE_MIN,
                fsck->block_size))
        return false;
    if (!is_power_of_2(fsck->inode_size)) {
        stop(fsck, CHECK_SUPER_FIELD, SUPER_INODE_SIZE, EXT2_INODE_SIZE_MIN,
             fsck->inode_size);
        return false;
    }
    return true;
}

static bool group_sizes(struct fsck *fsck)
{
    uint32_t bits = 8 * fsck->block_size;
    uint32_t per_block = fsck->block_size / fsck->inode_size;
    uint64_t max;

    fsck->blocks_per_group = word(fsck, SUPER_BLOCKS_PER_GROUP);
    fsck->inodes_per_group = word(fsck, SUPER_INODES_PER_GROUP);
    if (!within(fsck, SUPER_BLOCKS_PER_GROUP, fsck->blocks_per_group,
                BLOCKS_PER_GROUP_MIN, min_u32(bits, BLOCKS_PER_GROUP_MAX)) ||
        !within(fsck, SUPER_FRAGMENTS_PER_GROUP,
                word(fsck, SUPER_FRAGMENTS_PER_GROUP), fsck->blocks_per_group,
                fsck->blocks_per_group))
        return false;
    max = (uint64_t)per_block * (fsck->blocks_per_group - GROUP_BLOCKS_KEPT);
    max = min_u64(max, INODES_PER_GROUP_MAX - per_block);
    if (!within(fsck, SUPER_INODES_PER_GROUP, fsck->inodes_per_group, per_block,
                min_u64(max, bits)))
        return false;
    fsck->table_blocks = (fsck->inodes_per_group + per_block - 1) / per_block;
    return true;
}

static bool counts(struct fsck *fsck)
{
    uint32_t first = fsck->block_size == 1024 ? 1 : 0, per_block;
    uint64_t inodes;

    fsck->blocks = word(fsck, SUPER_BLOCKS_COUNT);
    fsck->first_block = word(fsck, SUPER_FIRST_DATA_BLOCK);
    fsck->inodes = word(fsck, SUPER_INODES_COUNT);
    if (!within(fsck, SUPER_BLOCKS_COUNT, fsck->blocks, first + 1, UINT32_MAX))
        return false;
    if (fsck->first_block != first) {
        stop(fsck, CHECK_SUPER_FIRST_BLOCK, SUPER_FIRST_DATA_BLOCK, first,
             fsck->first_block);
        return false;
    }
    fsck->group_count = (uint32_t)(((uint64_t)fsck->blocks - first +
                                    fsck->blocks_per_group - 1) /
                                   fsck->blocks_per_group);
    inodes = (uint64_t)fsck->group_count * fsck->inodes_per_group;
    if (fsck->inodes != inodes || inodes == UINT32_MAX) {
        stop(fsck, CHECK_SUPER_INODES, SUPER_INODES_COUNT, inodes,
             fsck->inodes);
        return false;
    }
    per_block = fsck->block_size / EXT2_GROUP_DESC_SIZE;
    fsck->desc_blocks = (fsck->group_count + per_block - 1) / per_block;
    if ((uint64_t)fsck->blocks << fsck->block_shift > fsck->host->size_bytes) {
        stop(fsck, CHECK_SUPER_SIZE, SUPER_BLOCKS_COUNT,
             fsck->host->size_bytes >> fsck->block_shift, fsck->blocks);
        return false;
    }
    return true;
}

static bool limits(struct fsck *fsck)
{
    uint32_t desc_size = half(fsck, SUPER_DESC_SIZE);

    fsck->first_inode = EXT2_FIRST_INODE_REV0;
    if (!within(fsck, SUPER_RESERVED_BLOCKS, word(fsck, SUPER_RESERVED_BLOCKS),
                0, fsck->blocks / 2) ||
        !within(fsck, SUPER_RESERVED_GDT_BLOCKS,
                half(fsck, SUPER_RESERVED_GDT_BLOCKS), 0, fsck->pointers) ||
        !within(fsck, SUPER_DESC_SIZE, desc_size, 0, DESC_SIZE_MAX))
        return false;
    if (!is_power_of_2(desc_size)) {
        stop(fsck, CHECK_SUPER_FIELD, SUPER_DESC_SIZE, 0, desc_size);
        return false;
    }
    if (word(fsck, SUPER_REV_LEVEL) > 0) {
        fsck->first_inode = word(fsck, SUPER_FIRST_INO);
        if (!within(fsck, SUPER_FIRST_INO, fsck->first_inode,
                    EXT2_FIRST_INODE_REV0, fsck->inodes))
            return false;
    }
    if (fsck->inodes < EXT2_ROOT_INODE) {
        stop(fsck, CHECK_SUPER_INODES, SUPER_INODES_COUNT, EXT2_ROOT_INODE,
             fsck->inodes);
        return false;
    }
    return true;
}

/* ---- What does not stop -------------------------------------------------- */

static void extra_size(struct fsck *fsck, uint32_t offset)
{
    uint32_t size = half(fsck, offset);

    if (fsck->inode_size == EXT2_INODE_SIZE_MIN || size == 0)
        return;
    if (size < EXTRA_SIZE_MIN || size % 4 != 0 ||
        size > fsck->inode_size - EXT2_INODE_SIZE_MIN)
        fsck_found(fsck, CHECK_SUPER_EXTRA_SIZE, 0, offset, EXTRA_SIZE_MIN,
                   size);
}

static void times(struct fsck *fsck)
{
    static const uint32_t offsets[] = {SUPER_MOUNT_TIME, SUPER_WRITE_TIME,
                                       SUPER_MAKE_TIME};
    uint32_t now = fsck->host->now_s;

    fsck->low_dtime_is_bad = true;
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        uint32_t time = word(fsck, offsets[i]);

        if (time != 0 && time < fsck->inodes)
            fsck->low_dtime_is_bad = false;
        if (offsets[i] != SUPER_MAKE_TIME && now != 0 && time > now)
            fsck_found(fsck, CHECK_SUPER_TIME, 0, offsets[i], now, time);
    }
}

static void reserved(struct fsck *fsck)
{
    bool spread = (fsck->incompat & INCOMPAT_META_BG) != 0;
    uint32_t blocks = half(fsck, SUPER_RESERVED_GDT_BLOCKS);

    if (spread && word(fsck, SUPER_FIRST_META_BG) > fsck->desc_blocks)
        stop(fsck, CHECK_SUPER_META_BG, SUPER_FIRST_META_BG, fsck->desc_blocks,
             word(fsck, SUPER_FIRST_META_BG));
    if ((fsck->compat & COMPAT_RESIZE_INODE) != 0 && spread)
        fsck_found(fsck, CHECK_SUPER_RESIZE, 0, SUPER_FEATURE_COMPAT, 0, 0);
    if ((fsck->compat & COMPAT_RESIZE_INODE) == 0 && blocks != 0)
        fsck_found(fsck, CHECK_SUPER_RESIZE, 0, SUPER_RESERVED_GDT_BLOCKS, 0,
                   blocks);
}

static void quotas(struct fsck *fsck)
{
    static const uint32_t offsets[] = {SUPER_QUOTA_USER, SUPER_QUOTA_GROUP,
                                       SUPER_QUOTA_PROJECT};
    /* 3 and 4 are for quotas, the other reserved ones for something else. */
    enum { NOT_FOR_QUOTAS = 0x7e6 };

    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        uint32_t inode = word(fsck, offsets[i]);

        if (inode > fsck->inodes ||
            (inode < EXT2_FIRST_INODE_REV0 && (NOT_FOR_QUOTAS >> inode & 1)))
            fsck_found(fsck, CHECK_SUPER_QUOTA, 0, offsets[i], 0, inode);
    }
}

int fsck_super(struct fsck *fsck)
{
    const struct ext2_check_host *host = fsck->host;
    int status;

    fsck->super = fsck_alloc(fsck, EXT2_SUPER_SIZE);
    if (fsck->super == NULL)
        return -ENOMEM;
    if (host->size_bytes >= EXT2_SUPER_OFFSET + EXT2_SUPER_SIZE) {
        status = host->read(host->context, EXT2_SUPER_OFFSET, fsck->super,
                            EXT2_SUPER_SIZE);
        if (status != 0)
            return status;
    }
    if (half(fsck, SUPER_MAGIC) != EXT2_MAGIC) {
        stop(fsck, CHECK_SUPER_MAGIC, SUPER_MAGIC, EXT2_MAGIC,
             half(fsck, SUPER_MAGIC));
        return -EINVAL;
    }
    if (word(fsck, SUPER_REV_LEVEL) > REVISION_MAX) {
        stop(fsck, CHECK_SUPER_REVISION, SUPER_REV_LEVEL, REVISION_MAX,
             word(fsck, SUPER_REV_LEVEL));
        return 0;
    }
    status = features(fsck);
    if (status != 0 || !block_sizes(fsck) || !group_sizes(fsck) ||
        !counts(fsck) || !limits(fsck))
        return status;
    fsck->result->clean = (half(fsck, SUPER_STATE) & SUPER_STATE_CLEAN) != 0;
    fsck->is_hurd = word(fsck, SUPER_CREATOR) == SUPER_CREATOR_HURD;
    extra_size(fsck, SUPER_MIN_EXTRA_SIZE);
    extra_size(fsck, SUPER_WANT_EXTRA_SIZE);
    times(fsck);
    quotas(fsck);
    reserved(fsck);
    return 0;
}

/* ---- The inode that keeps blocks for descriptors ------------------------- */

static bool has_pointer_but(const struct fsck_view *view, unsigned but)
{
    for (unsigned i = 0; i < EXT2_BLOCK_POINTERS; i++)
        if (i != but && le32_get(view->raw + INODE_BLOCK + (size_t)4 * i) != 0)
            return true;
    return false;
}

/* Reserved block `block` of group 0 lists its copies in other groups: 1 if so,
 * 0, or an error. */
static int lists_copies(struct fsck *fsck, uint32_t block)
{
    uint32_t at = 0;
    int status = fsck_read_block(fsck, block, fsck->indirect[1]);

    if (status != 0)
        return status;
    for (uint32_t group = 1; group < fsck->group_count; group++) {
        if (!fsck_group_has_super(fsck, group))
            continue;
        if (at == fsck->pointers ||
            le32_get(fsck->indirect[1] + (size_t)4 * at) !=
                block + group * fsck->blocks_per_group)
            return 0;
        at++;
    }
    return 1;
}

/* The double indirect block leads to the reserved blocks of group 0. */
static int lists_reserved(struct fsck *fsck, uint32_t root)
{
    uint32_t count = half(fsck, SUPER_RESERVED_GDT_BLOCKS) / 4;
    uint32_t block = fsck->first_block + 1 + fsck->desc_blocks;
    int status = fsck_read_block(fsck, root, fsck->indirect[0]);

    for (uint32_t i = 0; status == 0 && i < count; i++) {
        uint32_t at = (fsck->desc_blocks + i) % fsck->pointers;

        if (block + i >= fsck->blocks ||
            le32_get(fsck->indirect[0] + (size_t)4 * at) != block + i)
            return 0;
        status = lists_copies(fsck, block + i);
        if (status <= 0)
            return status;
        status = 0;
    }
    return status != 0 ? status : 1;
}

int fsck_super_resize(struct fsck *fsck)
{
    enum { DOUBLE = EXT2_DIRECT_COUNT + 1 };
    struct fsck_view view;
    uint32_t root;
    int status = 0;

    if (fsck->inodes >= EXT2_RESIZE_INODE)
        status = fsck_inode_read(fsck, EXT2_RESIZE_INODE, &view);
    if (status <= 0)
        return status;
    root = le32_get(view.raw + INODE_BLOCK + (size_t)4 * DOUBLE);
    if ((fsck->compat & COMPAT_RESIZE_INODE) == 0) {
        if (has_pointer_but(&view, EXT2_BLOCK_POINTERS))
            fsck_found(fsck, CHECK_RESIZE_INODE_BAD, EXT2_RESIZE_INODE, root, 0,
                       0);
        return 0;
    }
    status = !has_pointer_but(&view, DOUBLE) && fsck_is_block(fsck, root) &&
             view.links != 0 && (view.mode >> MODE_TYPE_SHIFT & 8) != 0;
    if (status == 1)
        status = lists_reserved(fsck, root);
    if (status == 0)
        fsck_found(fsck, CHECK_RESIZE_INODE_BAD, EXT2_RESIZE_INODE, root, 0, 0);
    return status < 0 ? status : 0;
}

/* ---- A journal ----------------------------------------------------------- */

/* Whether the inode is one: 1, 0, or an error. */
static int is_journal(struct fsck *fsck, uint32_t number)
{
    struct fsck_view view;
    uint32_t first;
    int status = 0;

    if (number >= EXT2_ROOT_INODE && number <= fsck->inodes)
        status = fsck_inode_read(fsck, number, &view);
    if (status <= 0)
        return status;
    first = le32_get(view.raw + INODE_BLOCK);
    if (view.links == 0 || view.type != DIRENT_TYPE_REGULAR ||
        view.size >> fsck->block_shift < JOURNAL_BLOCKS_MIN ||
        !fsck_is_block(fsck, first))
        return 0;
    status = fsck_read_block(fsck, first, fsck->data);
    if (status != 0)
        return status;
    return be32_get(fsck->data) == JOURNAL_MAGIC;
}

int fsck_super_journal(struct fsck *fsck)
{
    enum { UUID = 208, UUID_SIZE = 16 };
    bool has = (fsck->compat & COMPAT_HAS_JOURNAL) != 0, says;
    uint32_t number = word(fsck, SUPER_JOURNAL_INODE);
    int status = 0;

    says = has || number != 0;
    for (unsigned i = 0; i < UUID_SIZE; i++)
        says = says || fsck->super[UUID + i] != 0;
    if (!says)
        return 0;
    if (has && word(fsck, SUPER_JOURNAL_DEVICE) == 0)
        status = is_journal(fsck, number);
    if (status == 0)
        fsck_found(fsck, CHECK_SUPER_JOURNAL, number, SUPER_JOURNAL_INODE, 0,
                   0);
    return status < 0 ? status : 0;
}
