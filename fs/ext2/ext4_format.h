/*
 * What ext4 adds to ext2 on disk: offsets and values. Source: the ext4
 * documentation of Linux ("Data Structures and Algorithms"), and e2fsprogs,
 * lib/ext2fs/ext2_fs.h and ext3_extents.h. Everything is little-endian.
 */
#ifndef TORC_FS_EXT2_EXT4_FORMAT_H
#define TORC_FS_EXT2_EXT4_FORMAT_H

/* clang-format off */
enum {
    /* The superblock. */
    SUPER_LOG_CLUSTER_SIZE    = 28,  /* with BIGALLOC: 1024 << this */
    SUPER_JOURNAL_INODE       = 224,
    SUPER_BLOCKS_COUNT_HIGH   = 336, /* with 64BIT */
    SUPER_CHECKSUM_TYPE       = 373, /* 8 bits */
    SUPER_CHECKSUM_SEED       = 624, /* with CSUM_SEED */
    SUPER_CHECKSUM            = 1020,
    EXT4_CHECKSUM_CRC32C      = 1,
    EXT4_CLUSTER_BITS_MAX     = 19,  /* 512 MiB of 1 KiB blocks */
    EXT4_UUID_SIZE            = 16,

    /* A group descriptor. */
    GROUP_CHECKSUM            = 30,  /* 16 bits */

    /* An inode. */
    INODE_BLOCKS_HIGH         = 116, /* 16 bits */
    INODE_FILE_ACL_HIGH       = 118, /* 16 bits */
    INODE_CHECKSUM_LOW        = 124, /* 16 bits */
    INODE_CHECKSUM_HIGH       = 130, /* 16 bits */
    INODE_FLAG_INLINE_DATA    = 0x10000000,
    INODE_FLAG_HUGE_FILE      = 0x40000, /* i_blocks counts blocks */

    /* A node of extents: a header, and entries that lead to nodes or to
     * data. */
    EXTENT_HEADER_SIZE        = 12,
    EXTENT_MAGIC              = 0,   /* 16 bits */
    EXTENT_ENTRIES            = 2,   /* 16 bits */
    EXTENT_MAX                = 4,   /* 16 bits */
    EXTENT_DEPTH              = 6,   /* 16 bits: levels below */
    EXT4_EXTENT_MAGIC         = 0xf30a,
    EXT4_EXTENT_DEPTH_MAX     = 5,
    EXTENT_ENTRY_SIZE         = 12,
    EXTENT_FILE_BLOCK         = 0,
    EXTENT_LENGTH             = 4,   /* 16 bits, of data */
    EXTENT_START_HIGH         = 6,   /* 16 bits, of data */
    EXTENT_START              = 8,   /* of data */
    EXTENT_NODE               = 4,   /* the block of a node */
    EXTENT_NODE_HIGH          = 8,   /* 16 bits */
    EXT4_EXTENT_LENGTH_MAX    = 0x8000, /* above it: allocated, not written */
    EXTENT_TAIL_SIZE          = 4,   /* the checksum, behind the last entry */

    /* The last entry of a block of names, with METADATA_CSUM. */
    DIRENT_TAIL_SIZE          = 12,
    DIRENT_TAIL_TYPE          = 0xde,
    DIRENT_TAIL_CHECKSUM      = 8,

    /* Data in the inode: a directory begins with its parent's number. */
    INLINE_PARENT_SIZE        = 4,

    /* Features that change how something is read. */
    INCOMPAT_RECOVER          = 0x0004,
    INCOMPAT_EXTENT           = 0x0040,
    INCOMPAT_64BIT            = 0x0080,
    INCOMPAT_EA_INODE         = 0x0400,
    INCOMPAT_CSUM_SEED        = 0x2000,
    INCOMPAT_INLINE_DATA      = 0x8000,
    RO_COMPAT_HUGE_FILE       = 0x0008,
    RO_COMPAT_GDT_CSUM        = 0x0010,
    RO_COMPAT_BIGALLOC        = 0x0200,
};
/* clang-format on */

#endif
