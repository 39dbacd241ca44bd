/*
 * Every inode, one after the other: whether its fields fit together and its
 * blocks are its own.
 */
#include "fs/ext2/check/check_internal.h"

enum {
    FLAG_ENCRYPT = 0x800,
    FLAG_CASEFOLD = 0x40000000,
    FLAGS_OF_EXT4 = INODE_FLAG_EXTENTS | FLAG_CASEFOLD,
    FLAGS_OF_FILES = INODE_FLAG_INLINE_DATA | FLAG_ENCRYPT, /* of ext4, too */
    EPOCH_MASK = 3,
    USER_QUOTA_INODE = 3,
    GROUP_QUOTA_INODE = 4,
};

/* ---- Reading one --------------------------------------------------------- */

static uint8_t type_of(uint16_t mode)
{
    static const uint8_t types[16] = {
        [MODE_FIFO] = DIRENT_TYPE_FIFO,
        [MODE_CHARACTER] = DIRENT_TYPE_CHARACTER,
        [MODE_DIRECTORY] = DIRENT_TYPE_DIRECTORY,
        [MODE_BLOCK] = DIRENT_TYPE_BLOCK,
        [MODE_REGULAR] = DIRENT_TYPE_REGULAR,
        [MODE_SYMLINK] = DIRENT_TYPE_SYMLINK,
        [MODE_SOCKET] = DIRENT_TYPE_SOCKET,
    };

    return types[mode >> MODE_TYPE_SHIFT];
}

int fsck_inode_read(struct fsck *fsck, uint32_t number, struct fsck_view *view)
{
    uint32_t group = (number - 1) / fsck->inodes_per_group;
    uint64_t at =
        (uint64_t)((number - 1) % fsck->inodes_per_group) * fsck->inode_size;
    uint32_t block = fsck->groups[group].inode_table;
    const uint8_t *raw;

    if (block == 0)
        return 0;
    block += (uint32_t)(at >> fsck->block_shift);
    if (fsck->table_block != block) {
        int status;

        fsck->table_block = 0;
        status = fsck_read_block(fsck, block, fsck->table);
        if (status != 0)
            return status;
        fsck->table_block = block;
    }
    raw = fsck->table + (at & (fsck->block_size - 1));
    *view = (struct fsck_view){
        .number = number,
        .raw = raw,
        .flags = le32_get(raw + INODE_FLAGS),
        .dtime = le32_get(raw + INODE_DTIME),
        .sectors = le32_get(raw + INODE_BLOCKS),
        .acl = le32_get(raw + INODE_FILE_ACL),
        .size = le32_get(raw + INODE_SIZE) |
                (uint64_t)le32_get(raw + INODE_SIZE_HIGH) << 32,
        .mode = le16_get(raw + INODE_MODE),
        .links = le16_get(raw + INODE_LINKS),
        .type = type_of(le16_get(raw + INODE_MODE)),
    };
    return 1;
}

bool fsck_inode_has_blocks(const struct fsck *fsck,
                           const struct fsck_view *view)
{
    (void)fsck;
    if ((view->flags & (INODE_FLAG_EXTENTS | INODE_FLAG_INLINE_DATA)) != 0)
        return false;
    if (view->type == DIRENT_TYPE_DIRECTORY ||
        view->type == DIRENT_TYPE_REGULAR)
        return true;
    if (view->type != DIRENT_TYPE_SYMLINK)
        return false;
    if (view->acl == 0)
        return view->sectors != 0;
    /* What it has may be the block of its attributes. */
    return (uint32_t)view->size > EXT2_FAST_LINK_MAX ||
           ((uint32_t)view->size > 4 &&
            le32_get(view->raw + INODE_BLOCK + 4) == 0);
}

/* ---- Fields -------------------------------------------------------------- */

static void note_bad(struct fsck *fsck, const struct fsck_view *view)
{
    fsck->inode[view->number].flags |= FSCK_BAD;
}

/* What must be 0 on ext2. */
static void zeros(struct fsck *fsck, const struct fsck_view *view)
{
    const uint8_t *raw = view->raw;
    uint32_t fragment = le32_get(raw + INODE_FRAGMENT);
    uint32_t high = le32_get(raw + INODE_SIZE_HIGH);

    if (fragment != 0) {
        note_bad(fsck, view);
        fsck_found(fsck, CHECK_INODE_NOT_ZERO, view->number, 0, 0, fragment);
    }
    if (view->type == DIRENT_TYPE_DIRECTORY && high != 0) {
        note_bad(fsck, view);
        fsck_found(fsck, CHECK_INODE_NOT_ZERO, view->number, 0, 0, high);
    }
    if (fsck->is_hurd)
        return;
    if (le16_get(raw + INODE_FILE_ACL_HIGH) != 0) {
        note_bad(fsck, view);
        fsck_found(fsck, CHECK_INODE_ACL_HIGH, view->number, 0, 0,
                   le16_get(raw + INODE_FILE_ACL_HIGH));
    }
    if (le16_get(raw + INODE_BLOCKS_HIGH) != 0) {
        note_bad(fsck, view);
        fsck_found(fsck, CHECK_INODE_NOT_ZERO, view->number, 0, 0,
                   le16_get(raw + INODE_BLOCKS_HIGH));
    }
}

/* A time before 1970 that was written as one behind 2310. */
static bool is_odd(const struct fsck_view *view, unsigned time, unsigned extra)
{
    return (le32_get(view->raw + time) & 0x80000000) != 0 &&
           (view->raw[extra] & EPOCH_MASK) == EPOCH_MASK;
}

/* What a large inode has behind the first 128 bytes. */
static void extra(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t max = fsck->inode_size - EXT2_INODE_SIZE_MIN, size;

    if (max == 0)
        return;
    size = le16_get(view->raw + INODE_EXTRA_SIZE);
    if (size > max || size % 4 != 0) {
        fsck_found(fsck, CHECK_INODE_EXTRA_SIZE, view->number, 0, max, size);
        return;
    }
    if (size >= max - 4)
        return;
    fsck_xattr_inode(fsck, view);
    if (is_odd(view, INODE_ATIME, INODE_ATIME_EXTRA) ||
        is_odd(view, INODE_CTIME, INODE_CTIME_EXTRA) ||
        is_odd(view, INODE_BTIME, INODE_BTIME_EXTRA) ||
        is_odd(view, INODE_MTIME, INODE_MTIME_EXTRA))
        fsck_found(fsck, CHECK_INODE_TIME, view->number, 0, 0, 0);
}

static bool is_on_list(const struct fsck *fsck, const struct fsck_view *view)
{
    return (fsck->inode[view->number].flags & FSCK_ORPHAN) != 0;
}

static void removal(struct fsck *fsck, const struct fsck_view *view)
{
    if (is_on_list(fsck, view))
        return;
    if (view->dtime != 0 && fsck->low_dtime_is_bad &&
        view->dtime < fsck->inodes)
        fsck_found(fsck, CHECK_INODE_DTIME_LOW, view->number, 0, 0,
                   view->dtime);
    if (view->links == 0 && view->number >= fsck->first_inode &&
        view->dtime == 0 && view->mode != 0)
        fsck_found(fsck, CHECK_INODE_DTIME_ZERO, view->number, 0, 0, 0);
    if (view->links != 0 && view->dtime != 0 &&
        (view->number >= fsck->first_inode || view->number == EXT2_ROOT_INODE))
        fsck_found(fsck, CHECK_INODE_DTIME_SET, view->number, 0, 0,
                   view->dtime);
}

static void flags(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t wrong = view->flags & FLAGS_OF_EXT4;

    if (view->number >= fsck->first_inode || view->number == EXT2_ROOT_INODE) {
        wrong |= view->flags & FLAGS_OF_FILES;
        if ((fsck->compat & COMPAT_IMAGIC_INODES) == 0)
            wrong |= view->flags & INODE_FLAG_IMAGIC;
    }
    if (wrong != 0)
        fsck_found(fsck, CHECK_INODE_FLAGS, view->number, 0, 0, wrong);
}

/* ---- Reserved ones ------------------------------------------------------- */

static bool is_unused(const struct fsck_view *view)
{
    return view->links == 0 && view->sectors == 0 &&
           le32_get(view->raw + INODE_BLOCK) == 0;
}

static void reserved_mode(struct fsck *fsck, const struct fsck_view *view)
{
    bool wrong = view->mode != 0;

    if (view->number == EXT2_BOOT_LOADER_INODE)
        wrong = view->type == DIRENT_TYPE_DIRECTORY;
    if (view->number == EXT2_RESIZE_INODE && view->type == DIRENT_TYPE_REGULAR)
        wrong = false;
    if (wrong)
        fsck_found(fsck, CHECK_RESERVED_MODE, view->number, 0, 0, view->mode);
}

static void bad_blocks_inode(struct fsck *fsck, const struct fsck_view *view)
{
    if (view->mode != 0 || view->links != 0 || view->acl != 0 ||
        le16_get(view->raw + INODE_UID) != 0 ||
        le16_get(view->raw + INODE_GID) != 0 ||
        (view->flags & INODE_FLAG_INLINE_DATA) != 0)
        fsck_found(fsck, CHECK_BAD_BLOCKS_BAD, view->number, 0, 0, view->mode);
}

/* A reserved inode but the root: whether that is all. */
static bool reserved(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t number = view->number;

    fsck->inode[number].flags |= FSCK_USED;
    if (number == EXT2_BAD_BLOCKS_INODE) {
        bad_blocks_inode(fsck, view);
        return true;
    }
    if (number == EXT2_JOURNAL_INODE &&
        le32_get(fsck->super + SUPER_JOURNAL_INODE) == number) {
        if (view->type != DIRENT_TYPE_REGULAR)
            fsck_found(fsck, CHECK_RESERVED_MODE, number, 0, 0, view->mode);
        return true;
    }
    if (number == EXT2_JOURNAL_INODE || number == USER_QUOTA_INODE ||
        number == GROUP_QUOTA_INODE) {
        if (!is_unused(view))
            fsck_found(fsck, CHECK_RESERVED_USED, number, 0, 0, view->links);
        return false;
    }
    reserved_mode(fsck, view);
    return true;
}

/* ---- All of one ---------------------------------------------------------- */

static void remember(struct fsck *fsck, const struct fsck_view *view)
{
    struct fsck_inode *inode = &fsck->inode[view->number];
    uint32_t extra_size, max = fsck->inode_size - EXT2_INODE_SIZE_MIN;

    inode->links = view->links;
    inode->type = view->type;
    if (view->sectors != 0 || (view->type != DIRENT_TYPE_REGULAR &&
                               view->type != DIRENT_TYPE_DIRECTORY))
        return;
    inode->flags |= FSCK_EMPTY;
    if (max == 0)
        return;
    extra_size = le16_get(view->raw + INODE_EXTRA_SIZE);
    if (extra_size <= max - 4 &&
        le32_get(view->raw + EXT2_INODE_SIZE_MIN + extra_size) == 0xea020000)
        inode->flags &= (uint8_t)~FSCK_EMPTY;
}

static int in_use(struct fsck *fsck, const struct fsck_view *view)
{
    int status;

    fsck->inode[view->number].flags |= FSCK_USED;
    if (view->number == EXT2_ROOT_INODE && view->type != DIRENT_TYPE_DIRECTORY)
        fsck_found(fsck, CHECK_ROOT_BAD, view->number, 0, 0, view->mode);
    zeros(fsck, view);
    extra(fsck, view);
    status = fsck_looks_like_dir(fsck, view);
    if (status == 0)
        status = fsck_special(fsck, view);
    return status != 0 ? status : fsck_claims(fsck, view);
}

static int one(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t number = view->number;

    remember(fsck, view);
    removal(fsck, view);
    if (view->links == 0 && number >= fsck->first_inode)
        return is_on_list(fsck, view) ? fsck_claims(fsck, view) : 0;
    flags(fsck, view);
    if (number < fsck->first_inode && number != EXT2_ROOT_INODE &&
        reserved(fsck, view))
        return fsck_claims(fsck, view);
    return view->links != 0 ? in_use(fsck, view) : 0;
}

int fsck_inodes(struct fsck *fsck)
{
    for (uint32_t i = 1; i <= fsck->inodes; i++) {
        struct fsck_view view;
        int status = fsck_inode_read(fsck, i, &view);

        if (status == 1)
            status = one(fsck, &view);
        if (status < 0)
            return status;
    }
    return fsck_xattr_references(fsck);
}
