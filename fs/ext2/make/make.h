/*
 * Making a volume of ext2 from a tree (fs/make/make.h): revision 1 with the
 * features that Linux has had for as long as ext3: dir_index, filetype,
 * sparse_super, large_file, ext_attr. Blocks of zeros become holes.
 *
 * Source: "The Second Extended File System, Internal Layout" (D. Poirier); what
 * mke2fs chooses (mke2fs(8), mke2fs.conf(5)).
 */
#ifndef TORC_FS_EXT2_MAKE_H
#define TORC_FS_EXT2_MAKE_H

#include "fs/make/make.h"

enum { EXT2_LABEL_MAX = 16, EXT2_UUID_SIZE = 16, EXT2_MAKE_BLOCK_MAX = 4096 };

struct ext2_make_options {
    uint64_t size_bytes;      /* of the volume; whole blocks of it are used */
    uint32_t block_size;      /* 1024, 2048 or 4096 */
    uint32_t inode_size;      /* 128 or 256 */
    uint32_t inodes;          /* at least; 0: as many as are needed */
    uint32_t reserved_blocks; /* for the superuser */
    uint8_t uuid[EXT2_UUID_SIZE];
    uint8_t hash_seed[EXT2_UUID_SIZE];
    uint8_t hash_version; /* of indices: below EXT2_HASH_UNSIGNED (hash.h) */
    char label[EXT2_LABEL_MAX + 1];
    uint32_t time_s; /* of the superblock, since 1970 */
};

struct ext2_make_result {
    uint32_t blocks, blocks_free;
    uint32_t inodes, inodes_free;
    const struct make_file *file; /* what could not be, or NULL */
};

/*
 * Make the volume. *result is filled; on an error only its `file`, when it is
 * that file's, and the volume is nothing.
 *
 * Returns 0; -EINVAL (an option); -ENOSPC (of the file: its attributes do not
 * fit in a block; else of all); -EFBIG (a file, or directory, is too large);
 * -EMLINK (too many names, or directories in one); -ENAMETOOLONG (the target of
 * a link); -ENOTSUP (an attribute that ext2 has no name for, or an access list
 * that is damaged); -ENOMEM; what the host said. Pure but for the host's calls.
 */
must_check int ext2_make(const struct make_host *host,
                         const struct ext2_make_options *options,
                         struct make_file *root,
                         struct ext2_make_result *result);

/*
 * The smallest size in bytes that has room for a tree, and `free_bytes` and
 * `free_percent` (of what the tree takes) more; options->size_bytes is not
 * looked at. Files are read, since blocks of zeros take no room. Returns as
 * ext2_make().
 */
must_check int ext2_make_measure(const struct make_host *host,
                                 const struct ext2_make_options *options,
                                 struct make_file *root, uint64_t free_bytes,
                                 uint32_t free_percent, uint64_t *size_bytes,
                                 struct ext2_make_result *result);

#endif
