/*
 * What is neither a regular file nor a directory: devices, pipes, sockets,
 * symbolic links; and inodes that say they are such and have the blocks of a
 * directory.
 */
#include "fs/ext2/check/check_internal.h"
#include <torc/string.h>

enum { DEVICE_POINTERS = 4, DOT_SIZE = 12 };

static uint32_t pointer(const struct fsck_view *view, unsigned at)
{
    return le32_get(view->raw + INODE_BLOCK + (size_t)4 * at);
}

static bool is_device_good(const struct fsck_view *view)
{
    if ((view->flags & (INODE_FLAG_INDEX | INODE_FLAG_EXTENTS)) != 0)
        return false;
    if ((view->flags & (INODE_FLAG_IMMUTABLE | INODE_FLAG_APPEND)) == 0)
        return true;
    for (unsigned i = DEVICE_POINTERS; i < EXT2_BLOCK_POINTERS; i++)
        if (pointer(view, i) != 0)
            return false;
    return true;
}

/* Whether a text ends within `room` bytes, after `size`. */
static bool is_text(const uint8_t *text, uint32_t room, uint64_t size)
{
    size_t len = str_len((const char *)text, room);

    return len < room && len == size;
}

/* Whether a link's target is what its size says: 1, 0, or an error. */
static int is_link_good(struct fsck *fsck, const struct fsck_view *view)
{
    int status;

    if (view->size == 0 || view->size > UINT32_MAX ||
        (view->flags & INODE_FLAG_INDEX) != 0)
        return 0;
    if (view->size <= EXT2_FAST_LINK_MAX)
        return (view->flags & INODE_FLAG_EXTENTS) == 0 &&
               is_text(view->raw + INODE_BLOCK, EXT2_IN_INODE_SIZE, view->size);
    for (unsigned i = 1; i < EXT2_BLOCK_POINTERS; i++)
        if (pointer(view, i) != 0)
            return 0;
    if (!fsck_is_block(fsck, pointer(view, 0)))
        return 0;
    status = fsck_read_block(fsck, pointer(view, 0), fsck->data);
    return status != 0 ? status
                       : is_text(fsck->data, fsck->block_size, view->size);
}

static void bad(struct fsck *fsck, const struct fsck_view *view,
                enum ext2_code code)
{
    fsck->inode[view->number].flags |= FSCK_BAD;
    fsck_found(fsck, code, view->number, 0, 0, view->mode);
}

static void marks(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t flags = view->flags & (INODE_FLAG_IMMUTABLE | INODE_FLAG_APPEND);

    if (flags != 0)
        fsck_found(fsck, CHECK_SPECIAL_FLAGS, view->number, 0, 0, flags);
}

int fsck_special(struct fsck *fsck, const struct fsck_view *view)
{
    int status;

    switch (view->type) {
    case DIRENT_TYPE_REGULAR:
    case DIRENT_TYPE_DIRECTORY:
        return 0;
    case DIRENT_TYPE_SYMLINK:
        status = is_link_good(fsck, view);
        if (status < 0)
            return status;
        if (status == 0)
            bad(fsck, view, CHECK_SYMLINK_BAD);
        else
            marks(fsck, view);
        return 0;
    case DIRENT_TYPE_UNKNOWN:
        bad(fsck, view, CHECK_INODE_MODE);
        return 0;
    default:
        break;
    }
    if (!is_device_good(view)) {
        bad(fsck, view, CHECK_SPECIAL_BAD);
        return 0;
    }
    marks(fsck, view);
    if (view->size != 0)
        fsck_found(fsck, CHECK_SPECIAL_SIZE, view->number, 0, 0, view->size);
    return 0;
}

/* ---- A directory by its contents ----------------------------------------- */

/* Whether a block begins as one of a directory does. */
static bool begins_with_dots(const struct fsck *fsck, const uint8_t *block,
                             uint32_t number)
{
    uint32_t len = fsck_rec_len(fsck, block);

    if (le32_get(block + DIRENT_INODE) != number ||
        block[DIRENT_NAME_LEN] != 1 || block[DIRENT_NAME] != '.' ||
        len < DOT_SIZE || len % 4 != 0 || len >= fsck->block_size - DOT_SIZE)
        return false;
    block += len;
    len = fsck_rec_len(fsck, block);
    return block[DIRENT_NAME_LEN] == 2 && block[DIRENT_NAME] == '.' &&
           block[DIRENT_NAME + 1] == '.' && len >= DOT_SIZE && len % 4 == 0;
}

int fsck_looks_like_dir(struct fsck *fsck, const struct fsck_view *view)
{
    bool is_device =
        view->type == DIRENT_TYPE_CHARACTER || view->type == DIRENT_TYPE_BLOCK;
    bool has_many = false;
    int status;

    if (view->type == DIRENT_TYPE_DIRECTORY ||
        view->type == DIRENT_TYPE_REGULAR ||
        view->type == DIRENT_TYPE_SYMLINK || pointer(view, 0) == 0)
        return 0;
    for (unsigned i = 0; i < EXT2_BLOCK_POINTERS; i++) {
        uint32_t block = pointer(view, i);

        if (block == 0)
            continue;
        if (!fsck_is_block(fsck, block) || fsck_bit(fsck->used, block))
            return 0;
        has_many |= i >= DEVICE_POINTERS;
    }
    if (is_device && view->links == 1 && !has_many)
        return 0;
    status = fsck_read_block(fsck, pointer(view, 0), fsck->data);
    if (status == 0 && begins_with_dots(fsck, fsck->data, view->number))
        fsck_found(fsck, CHECK_INODE_IS_DIRECTORY, view->number,
                   pointer(view, 0), DIRENT_TYPE_DIRECTORY, view->type);
    return status;
}
