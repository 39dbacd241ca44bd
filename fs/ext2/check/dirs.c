/*
 * Every directory: its blocks in their order, without holes; the names of all
 * of them together; its index. A block that was read as one of names is not
 * read again, whatever else claims it.
 */
#include "fs/ext2/check/check_internal.h"
#include <torc/string.h>

struct dir_walk {
    struct fsck_walk walk;
    struct fsck_dir dir;
};

/* The blocks of the file from the last one on up to `logical` are not there. */
static void hole(struct fsck_dir *dir, uint64_t logical)
{
    if (logical > dir->next_logical)
        fsck_found(dir->fsck, CHECK_DIR_HOLE, dir->number, dir->next_logical, 0,
                   logical - dir->next_logical);
}

static int visit(struct fsck_walk *walk, uint64_t logical, uint32_t block,
                 unsigned level)
{
    struct fsck_dir *dir = &container_of(walk, struct dir_walk, walk)->dir;
    struct fsck *fsck = walk->fsck;
    int status;

    if (!fsck_is_block(fsck, block))
        return 0;
    if (level > 0)
        return !fsck_bit_set(fsck->seen, block);
    if (logical > UINT64_C(1) << (31 - fsck->block_shift)) /* said already */
        return 0;
    hole(dir, logical);
    dir->next_logical = logical + 1;
    if (fsck_bit_set(fsck->seen, block))
        return 0;
    status = fsck_read_block(fsck, block, fsck->data);
    return status != 0 ? status : fsck_entries(dir, logical, block);
}

/* Names that are there twice, by their hashes of 64 bits. */
static void twice(struct fsck_dir *dir)
{
    struct fsck_list *names = &dir->fsck->names;

    fsck_list_sort(names);
    for (size_t i = 1; i < names->count; i++)
        if (names->item[i] == names->item[i - 1])
            fsck_found(dir->fsck, CHECK_ENTRY_TWICE, dir->number, 0, 0, 0);
    names->count = 0;
}

static int one(struct fsck *fsck, const struct fsck_view *view)
{
    struct dir_walk walk = {.walk = {fsck, view, visit},
                            .dir = {.fsck = fsck, .number = view->number}};
    struct fsck_dir *dir = &walk.dir;
    int status = fsck_index_open(dir, view);

    if (status == 0)
        status = fsck_walk(&walk.walk);
    if (status == 0 && dir->next_logical == 0)
        hole(dir, 1);
    if (status == 0)
        twice(dir);
    if (status == 0 && dir->has_index)
        status = fsck_index_check(dir);
    fsck_index_close(dir);
    return status;
}

int fsck_dirs(struct fsck *fsck)
{
    memset(fsck->seen, 0, fsck_map_size(fsck));
    if (fsck->inode[EXT2_ROOT_INODE].type == DIRENT_TYPE_DIRECTORY)
        fsck->inode[EXT2_ROOT_INODE].parent = EXT2_ROOT_INODE;
    for (uint32_t i = EXT2_ROOT_INODE; i <= fsck->inodes; i++) {
        struct fsck_view view;
        int status;

        if ((fsck->inode[i].flags & FSCK_USED) == 0 ||
            (fsck->inode[i].flags & FSCK_BLOCKS) == 0 ||
            fsck->inode[i].type != DIRENT_TYPE_DIRECTORY)
            continue;
        status = fsck_inode_read(fsck, i, &view);
        if (status == 1)
            status = one(fsck, &view);
        if (status < 0)
            return status;
    }
    if (fsck->large_files > 0 &&
        ((fsck->ro_compat & RO_COMPAT_LARGE_FILE) == 0 ||
         le32_get(fsck->super + SUPER_REV_LEVEL) == 0))
        fsck_found(fsck, CHECK_SUPER_LARGE_FILE, 0, SUPER_FEATURE_RO_COMPAT, 0,
                   fsck->large_files);
    return 0;
}
