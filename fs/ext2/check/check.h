/*
 * Checking a volume of ext2: everything that its parts say about each other.
 *
 * Nothing is changed and nothing is believed: every number that leads somewhere
 * is looked at before it is followed, no block is read twice as the same thing,
 * and the memory taken grows with the blocks and inodes that the volume has
 * room for. So any image ends in a list of findings. What the codes mean, and
 * what e2fsck calls them: docs/fsck.md.
 *
 * The volume must not be written at the same time. The caller lends a disk and
 * memory, so this runs in a kernel as well as in a tool of the host.
 */
#ifndef TORC_FS_EXT2_CHECK_H
#define TORC_FS_EXT2_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* What can be wrong; codes.c says the rest of each. */
enum ext2_code {
    /* The superblock. `block` is the byte offset of the field. */
    CHECK_SUPER_MAGIC,
    CHECK_SUPER_REVISION,
    CHECK_SUPER_FIELD,
    CHECK_SUPER_SIZE,
    CHECK_SUPER_FIRST_BLOCK,
    CHECK_SUPER_INODES,
    CHECK_SUPER_FEATURE,
    CHECK_SUPER_EXTRA_SIZE,
    CHECK_SUPER_META_BG,
    CHECK_SUPER_RESIZE,
    CHECK_SUPER_JOURNAL,
    CHECK_SUPER_QUOTA,
    CHECK_SUPER_TIME,
    CHECK_SUPER_LARGE_FILE,
    CHECK_RESIZE_INODE_BAD,
    /* Groups. `expected` is the group. */
    CHECK_GROUP_BLOCK_BITMAP_BAD,
    CHECK_GROUP_INODE_BITMAP_BAD,
    CHECK_GROUP_INODE_TABLE_BAD,
    CHECK_GROUP_OVERLAP,
    CHECK_GROUP_UNINIT,
    /* Orphans. */
    CHECK_ORPHAN,
    CHECK_ORPHAN_BAD,
    CHECK_ORPHAN_BLOCK_FREE,
    /* Inodes. */
    CHECK_INODE_DTIME_LOW,
    CHECK_INODE_DTIME_ZERO,
    CHECK_INODE_DTIME_SET,
    CHECK_INODE_FLAGS,
    CHECK_INODE_MODE,
    CHECK_INODE_NOT_ZERO,
    CHECK_INODE_ACL_HIGH,
    CHECK_INODE_ACL_BAD,
    CHECK_INODE_EXTRA_SIZE,
    CHECK_INODE_TIME,
    CHECK_INODE_IS_DIRECTORY,
    CHECK_INODE_SIZE,
    CHECK_INODE_BLOCKS,
    CHECK_ROOT_BAD,
    CHECK_RESERVED_MODE,
    CHECK_RESERVED_USED,
    CHECK_BAD_BLOCKS_BAD,
    CHECK_SPECIAL_BAD,
    CHECK_SPECIAL_FLAGS,
    CHECK_SPECIAL_SIZE,
    CHECK_SYMLINK_BAD,
    /* Blocks of inodes. */
    CHECK_BLOCK_ILLEGAL,
    CHECK_BLOCK_TOO_FAR,
    CHECK_BLOCK_SHARED,
    /* Extended attributes. */
    CHECK_XATTR_HEADER,
    CHECK_XATTR_LAYOUT,
    CHECK_XATTR_LENGTH,
    CHECK_XATTR_HASH,
    CHECK_XATTR_REFERENCES,
    /* Directories. `block` is the block of the directory, `found` where in it
     * or what. */
    CHECK_DIR_EMPTY,
    CHECK_DIR_HOLE,
    CHECK_ENTRY_BROKEN,
    CHECK_DOT_BAD,
    CHECK_DOT_INODE,
    CHECK_DOT_LONG,
    CHECK_DOTDOT_BAD,
    CHECK_ENTRY_INODE,
    CHECK_ENTRY_UNUSED,
    CHECK_ENTRY_SELF,
    CHECK_ENTRY_DOT,
    CHECK_ENTRY_ROOT,
    CHECK_ENTRY_NO_NAME,
    CHECK_ENTRY_NAME,
    CHECK_ENTRY_TYPE,
    CHECK_ENTRY_TYPE_UNSET,
    CHECK_ENTRY_TWICE,
    CHECK_INDEX_SET,
    CHECK_INDEX_ROOT,
    CHECK_INDEX_NODE,
    CHECK_INDEX_ORDER,
    CHECK_INDEX_BLOCK,
    CHECK_INDEX_NOT_REFERENCED,
    CHECK_INDEX_TWICE,
    CHECK_INDEX_HASH,
    CHECK_INDEX_DEPTH,
    /* Connections. */
    CHECK_DIR_TWO_PARENTS,
    CHECK_DIR_UNCONNECTED,
    CHECK_DIR_LOOP,
    CHECK_DIR_DOTDOT,
    CHECK_INODE_UNATTACHED,
    CHECK_INODE_UNATTACHED_EMPTY,
    CHECK_LINKS,
    CHECK_LINKS_MANY,
    /* Bitmaps and counts. */
    CHECK_BLOCK_NOT_MARKED,
    CHECK_BLOCK_MARKED,
    CHECK_BLOCK_PADDING,
    CHECK_INODE_NOT_MARKED,
    CHECK_INODE_MARKED,
    CHECK_INODE_PADDING,
    CHECK_COUNT_GROUP_BLOCKS,
    CHECK_COUNT_GROUP_INODES,
    CHECK_COUNT_GROUP_DIRECTORIES,
    CHECK_COUNT_BLOCKS,
    CHECK_COUNT_INODES,
    CHECK_CODES,
};

/* How bad: what "e2fsck -p" repairs by itself, or what somebody must decide. */
enum ext2_severity { CHECK_PREEN, CHECK_SERIOUS };

struct ext2_code_info {
    const char *name;
    enum ext2_severity severity;
    const char *meaning;
    const char *e2fsck; /* its problems, without "PR_", separated by spaces */
};

/* `code` is below CHECK_CODES. */
const struct ext2_code_info *ext2_code_info(enum ext2_code code);

/* What is 0 says nothing, but for an expected or found value. */
struct ext2_finding {
    enum ext2_code code;
    uint32_t inode;
    uint64_t block; /* of the volume, where the enum does not say another */
    uint64_t expected;
    uint64_t found;
};

/* What the caller lends. */
struct ext2_check_host {
    void *context;
    uint64_t size_bytes; /* of the disk */
    uint32_t now_s;      /* since 1970; 0: not known */

    /* Read bytes within the disk. Returns 0, or an error, which ends all. */
    int (*read)(void *context, uint64_t offset, void *to, size_t size);
    /* Memory, of any content; NULL: there is none. */
    void *(*alloc)(void *context, size_t size);
    void (*release)(void *context, void *memory, size_t size);
    /* Told once for each finding. */
    void (*found)(void *context, const struct ext2_finding *finding);
};

struct ext2_check_result {
    uint32_t findings[CHECK_SERIOUS + 1]; /* by severity */
    bool stopped; /* by what was found: the rest was not looked at */
    bool clean;   /* the superblock says that it was unmounted */
    uint32_t block_size, blocks, blocks_used;
    uint32_t inodes, inodes_used, directories;
};

/*
 * Check a volume. Returns 0 when *result is filled, whatever was found; -EINVAL
 * it is no ext2 (CHECK_SUPER_MAGIC was told); -ENOTSUP it has a feature that is
 * not of ext2; -ENOMEM; what host->read() said. Pure but for the host's calls.
 */
must_check int ext2_check_volume(const struct ext2_check_host *host,
                                 struct ext2_check_result *result);

#endif
