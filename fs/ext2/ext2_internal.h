/* What the files of ext2 share. */
#ifndef TORC_FS_EXT2_INTERNAL_H
#define TORC_FS_EXT2_INTERNAL_H

#include "fs/ext2/ext2_format.h"
#include "kernel/cache.h"
#include "kernel/vfs.h"
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

/* vfs_inode.fs_data */
struct ext2_inode {
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

static inline struct ext2_fs *ext2_of(const struct vfs_inode *inode)
{
    return inode->mount->fs_data;
}

static inline struct ext2_inode *ext2_inode_of(const struct vfs_inode *inode)
{
    return inode->fs_data;
}

/* Whether `count` blocks from `block` on lie in the volume, behind the
 * superblock. */
static inline bool ext2_blocks_valid(const struct ext2_fs *fs, uint64_t block,
                                     uint64_t count)
{
    return block > fs->first_data_block && block < fs->blocks_count &&
           count <= fs->blocks_count - block;
}

/* super.c: read and check; returns as struct file_system.mount. */
must_check int ext2_super_read(struct ext2_fs *fs, struct block_device *dev);

/* group.c: the first block of a group's inode table. -EUCLEAN, -EIO. */
must_check int ext2_group_inode_table(struct ext2_fs *fs, uint32_t group,
                                      uint32_t *block);
/* Check every descriptor. */
must_check int ext2_groups_check(struct ext2_fs *fs);

/* inode.c */
must_check int ext2_inode_load(struct vfs_inode *inode);
void ext2_inode_drop(struct vfs_inode *inode);
int ext2_stat(struct vfs_inode *inode, struct file_stat *stat);

/*
 * bmap.c: map file block `index`. *block gets its place, 0 for a hole, and
 * *count (1 .. max) how many that follow are contiguous there, or holes too.
 * Returns 0, -EFBIG (beyond triple indirection), -EUCLEAN, -EIO, -ENOMEM.
 */
must_check int ext2_bmap(struct vfs_inode *inode, uint64_t index, uint32_t max,
                         uint32_t *block, uint32_t *count);

/* data.c: read from a file's data, whatever its type. */
int64_t ext2_read(struct vfs_inode *inode, void *buf, size_t size,
                  uint64_t offset);
int64_t ext2_read_link(struct vfs_inode *inode, char *buf, size_t size);

/* dir.c */
int ext2_lookup(struct vfs_inode *dir, const char *name, size_t len,
                uint64_t *number);
int ext2_dir_next(struct vfs_inode *dir, uint64_t *cursor,
                  struct dir_entry *entry);

#endif
