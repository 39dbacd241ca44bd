/*
 * Extended attributes on disk: offsets and values. They are in the block that
 * INODE_FILE_ACL tells, behind a header, and in a large inode, behind its
 * fields and the magic number. Entries follow each other until 4 zeros; their
 * values are behind them. Source: the ext4 documentation of Linux, "Extended
 * Attributes".
 */
#ifndef TORC_FS_EXT2_XATTR_FORMAT_H
#define TORC_FS_EXT2_XATTR_FORMAT_H

/* clang-format off */
enum {
    XATTR_MAGIC_VALUE    = 0xea020000,
    XATTR_BODY_HEADER    = 4,  /* the magic */

    /* The header of a block. */
    XATTR_MAGIC          = 0,
    XATTR_REFERENCES     = 4,  /* inodes that have this block */
    XATTR_BLOCK_COUNT    = 8,  /* 1 */
    XATTR_BLOCK_HASH     = 12, /* of the hashes of the entries */
    XATTR_BLOCK_HEADER   = 32,
    XATTR_REFERENCES_MAX = 1024,

    /* An entry. */
    XATTR_NAME_LEN       = 0,  /* 8 bits */
    XATTR_PREFIX         = 1,  /* 8 bits */
    XATTR_VALUE_OFFSET   = 2,  /* 16 bits: from the block, or from the first
                                  entry of the inode */
    XATTR_VALUE_INODE    = 4,  /* with EA_INODE */
    XATTR_VALUE_SIZE     = 8,
    XATTR_HASH           = 12, /* of name and value; in an inode also 0 */
    XATTR_NAME           = 16,
    XATTR_END            = 4,  /* bytes of zeros end the list */
    XATTR_PAD            = 4,  /* entries and values are multiples of it */
};
/* clang-format on */

#endif
