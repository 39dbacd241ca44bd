/*
 * What a volume consists of, for tools that show it. Nobody else links this.
 */
#ifndef TORC_FS_EXT2_SURVEY_H
#define TORC_FS_EXT2_SURVEY_H

#include "kernel/file/vfs.h"

struct ext2_survey {
    uint32_t block_size; /* bytes */
    uint64_t blocks_count;
    uint32_t first_data_block; /* where the first group begins */
    uint32_t blocks_per_group;
    uint32_t group_count;
    uint32_t inodes_count;
    uint32_t inodes_per_group;
    uint32_t inode_size; /* bytes */
    uint32_t compat;     /* the three words of features */
    uint32_t incompat;
    uint32_t ro_compat;
};

struct ext2_survey_group {
    uint64_t block_bitmap; /* blocks */
    uint64_t inode_bitmap;
    uint64_t inode_table;
    uint32_t table_blocks;
    uint32_t free_blocks; /* as the descriptor says */
    uint32_t free_inodes;
    uint32_t directories;
};

/* Returns 0 and *out, -EINVAL: it is a mount of another kind. Does not wait. */
must_check int ext2_survey(const struct mount *mount, struct ext2_survey *out);

/* A group, 0 .. group_count-1. Thread; may wait. Returns 0, -EIO, -EUCLEAN,
 * -ENOMEM. */
must_check int ext2_survey_group(struct mount *mount, uint32_t group,
                                 struct ext2_survey_group *out);

/* Copy bytes of the volume, as the mount has them. Thread; may wait. Returns 0,
 * -EINVAL (behind the end), -EIO, -ENOMEM. */
must_check int ext2_survey_read(struct mount *mount, uint64_t offset, void *buf,
                                size_t size);

/*
 * Where block `index` of what an inode holds lies: *block is 0 for a hole, and
 * *count the length of the run, 1 .. max. What is in the inode itself has none.
 * Thread; may wait. Returns 0, -ENOENT (no blocks behind `index`), -EIO,
 * -EUCLEAN, -ENOMEM.
 */
must_check int ext2_survey_run(struct inode *inode, uint64_t index,
                               uint32_t max, uint64_t *block, uint32_t *count);

#endif
