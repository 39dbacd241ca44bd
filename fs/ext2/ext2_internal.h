/* The structures of a mounted volume, and what the files of ext2 offer each
 * other. */
#ifndef TORC_FS_EXT2_INTERNAL_H
#define TORC_FS_EXT2_INTERNAL_H

#include "fs/ext2/ext2_format.h"
#include "kernel/file/cache.h"
#include "kernel/file/vfs.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* A mounted volume. Constant after mount. */
struct ext2_fs {
    struct cache *cache;
    uint32_t block_size;
    uint32_t block_shift;
    uint32_t blocks_count;
    uint32_t first_data_block;
    uint32_t blocks_per_group;
    uint32_t inodes_count;
    uint32_t inodes_per_group;
    uint32_t inode_size;
    uint32_t group_count;
    uint32_t first_meta_bg;
    uint32_t incompat;
    uint32_t ro_compat;
    bool is_rev0;
};

/* What ext2 has of an inode. */
struct ext2_inode {
    struct inode inode; /* first */
    uint16_t mode;
    uint16_t links;
    uint32_t uid;
    uint32_t gid;
    uint32_t sectors;
    uint32_t file_acl;
    int64_t atime_s;
    int64_t ctime_s;
    int64_t mtime_s;
    uint32_t block[EXT2_BLOCK_POINTERS];     /* host order */
    char fast_link[4 * EXT2_BLOCK_POINTERS]; /* the same bytes */
};

static inline struct ext2_fs *ext2_of(const struct inode *inode)
{
    return inode->mount->fs_data;
}

static inline struct ext2_inode *ext2_inode_of(const struct inode *inode)
{
    return container_of(inode, struct ext2_inode, inode);
}

/* Whether `count` blocks from `block` on lie in the volume, behind the
 * superblock. */
static inline bool ext2_blocks_valid(const struct ext2_fs *fs, uint64_t block,
                                     uint64_t count)
{
    return count <= fs->blocks_count && block > fs->first_data_block &&
           block <= fs->blocks_count - count;
}

/* ---- super.c ------------------------------------------------------------- */

/* Read and check the superblock. Thread; may wait. Returns as struct
 * file_system.mount. */
must_check int ext2_super_read(struct ext2_fs *fs, struct block_device *dev);

/* Assert what everything else relies on of the fields of `fs`. */
void ext2_super_check(const struct ext2_fs *fs);

/* ---- group.c ------------------------------------------------------------- */

/* The first block of a group's inode table. Thread; may wait. Returns 0,
 * -EUCLEAN (it is not in the volume), or as cache_get(). */
must_check int ext2_group_inode_table(struct ext2_fs *fs, uint32_t group,
                                      uint32_t *block);

/* Check every group descriptor, once at mount. Returns as
 * ext2_group_inode_table(). */
must_check int ext2_groups_check(struct ext2_fs *fs);

/* ---- inode.c: struct fs_ops --------------------------------------------- */

must_check int ext2_inode_load(struct inode *inode);

/* Assert what is true of a loaded inode. */
void ext2_inode_check(const struct inode *inode);

/* ---- bmap.c -------------------------------------------------------------- */

/*
 * Map file block `index`. *block gets its place, or 0 for a hole; *count gets
 * the length of the run from there, 1 .. max: so many blocks follow each other
 * on the disk, or are holes. Thread; may wait. Returns 0, -EFBIG (beyond triple
 * indirection), -EUCLEAN (outside the volume), or as cache_get().
 */
must_check int ext2_bmap(struct inode *inode, uint64_t index, uint64_t max,
                         uint32_t *block, uint32_t *count);

/* ---- data.c: struct fs_ops ---------------------------------------------- */

/* The data of a file of any type, `size` bytes at `offset`. */
int64_t ext2_read(struct inode *inode, void *buf, size_t size, uint64_t offset);
int64_t ext2_read_link(struct inode *inode, char *buf, size_t size);

/* ---- dir.c --------------------------------------------------------------- */

/* Find a name; returns as fs_ops.lookup(), with the number of its inode. */
int ext2_lookup(struct inode *dir, const char *name, size_t len,
                uint64_t *number);

/* fs_ops.readdir() */
int ext2_dir_next(struct inode *dir, uint64_t *cursor, struct dir_entry *entry);

#endif
