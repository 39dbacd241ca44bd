/*
 * The second extended file system on disk: offsets and values. Source: "The
 * Second Extended File System, Internal Layout" (D. Poirier), and for the
 * feature flags e2fsprogs, lib/ext2fs/ext2_fs.h. Everything is little-endian;
 * blocks are numbered from 0 at the start of the volume.
 */
#ifndef TORC_FS_EXT2_FORMAT_H
#define TORC_FS_EXT2_FORMAT_H

/* clang-format off */
enum {
    /* The superblock: 1024 bytes at byte 1024, whatever the block size. */
    EXT2_SUPER_OFFSET         = 1024,
    EXT2_SUPER_SIZE           = 1024,
    SUPER_INODES_COUNT        = 0,
    SUPER_BLOCKS_COUNT        = 4,
    SUPER_RESERVED_BLOCKS     = 8,   /* for the superuser */
    SUPER_FREE_BLOCKS         = 12,
    SUPER_FREE_INODES         = 16,
    SUPER_FIRST_DATA_BLOCK    = 20,  /* 1 with 1 KiB blocks, else 0 */
    SUPER_LOG_BLOCK_SIZE      = 24,  /* 1024 << this */
    SUPER_LOG_FRAGMENT_SIZE   = 28,  /* the same as of blocks */
    SUPER_BLOCKS_PER_GROUP    = 32,
    SUPER_FRAGMENTS_PER_GROUP = 36,  /* the same as of blocks */
    SUPER_INODES_PER_GROUP    = 40,
    SUPER_MOUNT_TIME          = 44,  /* seconds since 1970 */
    SUPER_WRITE_TIME          = 48,
    SUPER_MOUNT_COUNT         = 52,  /* 16 bits */
    SUPER_MOUNT_COUNT_MAX     = 54,  /* 16 bits, signed */
    SUPER_MAGIC               = 56,  /* 16 bits */
    SUPER_STATE               = 58,  /* 16 bits: */
    SUPER_STATE_CLEAN         = 1,   /* unmounted as it should be */
    SUPER_STATE_ERROR         = 2,   /* damage was met */
    SUPER_ERRORS              = 60,  /* 16 bits: what is done then: */
    SUPER_ERRORS_CONTINUE     = 1,
    SUPER_ERRORS_READ_ONLY    = 2,
    SUPER_ERRORS_PANIC        = 3,
    SUPER_CHECK_TIME          = 64,
    SUPER_CHECK_INTERVAL      = 68,  /* seconds */
    SUPER_CREATOR             = 72,
    SUPER_CREATOR_LINUX       = 0,
    SUPER_CREATOR_HURD        = 1,
    SUPER_REV_LEVEL           = 76,
    SUPER_FIRST_INO           = 84,  /* from revision 1 on, as what follows */
    SUPER_INODE_SIZE          = 88,  /* 16 bits */
    SUPER_GROUP               = 90,  /* 16 bits: whose copy this is */
    SUPER_FEATURE_COMPAT      = 92,
    SUPER_FEATURE_INCOMPAT    = 96,
    SUPER_FEATURE_RO_COMPAT   = 100,
    SUPER_UUID                = 104, /* 16 bytes */
    SUPER_LABEL               = 120, /* 16 bytes */
    SUPER_LAST_MOUNTED        = 136, /* a path, of at most */
    SUPER_LAST_MOUNTED_SIZE   = 64,  /* so many bytes with its NUL */
    SUPER_PREALLOC_DIR_BLOCKS = 205, /* 8 bits */
    SUPER_RESERVED_GDT_BLOCKS = 206, /* 16 bits, behind the descriptors */
    SUPER_JOURNAL_DEVICE      = 228,
    SUPER_LAST_ORPHAN         = 232, /* the first of the list of orphans */
    SUPER_HASH_SEED           = 236, /* of directory indices, 4 words */
    SUPER_DEF_HASH_VERSION    = 252, /* 8 bits: of new directory indices */
    SUPER_DESC_SIZE           = 254, /* 16 bits, with 64BIT */
    SUPER_MOUNT_OPTIONS       = 256, /* that are set without being named: */
    SUPER_MOUNT_XATTR_USER    = 4,
    SUPER_MOUNT_ACL           = 8,
    SUPER_FIRST_META_BG       = 260,
    SUPER_MAKE_TIME           = 264,
    SUPER_MIN_EXTRA_SIZE      = 348, /* 16 bits: of inodes */
    SUPER_WANT_EXTRA_SIZE     = 350, /* 16 bits */
    SUPER_FLAGS               = 352,
    SUPER_LOG_FLEX_GROUPS     = 372, /* 8 bits */
    SUPER_QUOTA_USER          = 576, /* inodes */
    SUPER_QUOTA_GROUP         = 580,
    SUPER_BACKUP_GROUPS       = 588, /* two, with SPARSE_SUPER2 */
    SUPER_QUOTA_PROJECT       = 620,
    SUPER_ORPHAN_FILE         = 640,
    SUPER_FLAG_SIGNED_HASH    = 1,
    SUPER_FLAG_UNSIGNED_HASH  = 2,
    EXT2_MAGIC                = 0xef53,
    EXT2_LOG_BLOCK_SIZE_MAX   = 6,   /* 64 KiB */

    /* A group descriptor. */
    EXT2_GROUP_DESC_SIZE      = 32,
    GROUP_BLOCK_BITMAP        = 0,
    GROUP_INODE_BITMAP        = 4,
    GROUP_INODE_TABLE         = 8,
    GROUP_FREE_BLOCKS         = 12,  /* 16 bits, as what follows */
    GROUP_FREE_INODES         = 14,
    GROUP_DIRECTORIES         = 16,
    GROUP_FLAGS               = 18,
    GROUP_UNUSED_INODES       = 28,  /* at the end of the table */
    EXT2_GROUP_DESC_LARGE     = 64,  /* with 64BIT: the upper halves, */
    GROUP_HIGH                = 32,  /* so far behind the lower ones */

    /* An inode. */
    EXT2_INODE_SIZE_MIN       = 128,
    INODE_MODE                = 0,   /* 16 bits */
    INODE_UID                 = 2,   /* 16 bits */
    INODE_SIZE                = 4,
    INODE_ATIME               = 8,
    INODE_CTIME               = 12,
    INODE_MTIME               = 16,
    INODE_DTIME               = 20,  /* when removed; or the next orphan */
    INODE_GID                 = 24,  /* 16 bits */
    INODE_LINKS               = 26,  /* 16 bits: names; of a directory 2, and
                                        one for each directory in it */
    EXT2_LINKS_MAX            = 32000,
    INODE_BLOCKS              = 28,  /* of 512 bytes, indirect ones included */
    INODE_FLAGS               = 32,
    INODE_GENERATION          = 100,
    INODE_BLOCK               = 40,  /* 12 direct, then 1, 2, 3 levels */
    INODE_FILE_ACL            = 104, /* block of extended attributes, or 0 */
    INODE_SIZE_HIGH           = 108, /* of regular files, revision 1 */
    INODE_FRAGMENT            = 112, /* 0 */
    INODE_UID_HIGH            = 120, /* 16 bits */
    INODE_GID_HIGH            = 122, /* 16 bits */
    INODE_EXTRA_SIZE          = 128, /* 16 bits: how much follows, from here */
    INODE_EXTRA_WANTED        = 32,  /* of new inodes */
    INODE_CTIME_EXTRA         = 132, /* 2 bits of epoch, 30 of nanoseconds */
    INODE_MTIME_EXTRA         = 136,
    INODE_ATIME_EXTRA         = 140,
    INODE_BTIME               = 144,
    INODE_BTIME_EXTRA         = 148,
    INODE_PARSED              = 152, /* so much of an inode is looked at */
    INODE_FLAG_SYNC           = 0x8,
    INODE_FLAG_IMMUTABLE      = 0x10,
    INODE_FLAG_APPEND         = 0x20,
    INODE_FLAG_NO_DUMP        = 0x40,
    INODE_FLAG_NO_ATIME       = 0x80,
    INODE_FLAG_INDEX          = 0x1000,
    INODE_FLAG_IMAGIC         = 0x2000,
    INODE_FLAG_DIRSYNC        = 0x10000,
    INODE_FLAGS_INHERITED     = 0x100c8, /* SYNC, NODUMP, NOATIME, DIRSYNC */
    INODE_FLAG_TOP_DIR        = 0x20000,
    INODE_FLAG_EXTENTS        = 0x80000,
    EXT2_DIRECT_COUNT         = 12,
    EXT2_LEVEL_MAX            = 3,
    EXT2_BLOCK_POINTERS       = 15,
    EXT2_IN_INODE_SIZE        = 60,  /* of these pointers */
    EXT2_FAST_LINK_MAX        = 59,  /* in the 60 bytes of i_block, and a NUL */
    EXT2_BAD_BLOCKS_INODE     = 1,
    EXT2_ROOT_INODE           = 2,
    EXT2_BOOT_LOADER_INODE    = 5,
    EXT2_RESIZE_INODE         = 7,
    EXT2_JOURNAL_INODE        = 8,
    EXT2_FIRST_INODE_REV0     = 11,

    /* i_mode: the type, in its upper 4 bits. */
    MODE_TYPE_SHIFT           = 12,
    MODE_FIFO                 = 1,
    MODE_CHARACTER            = 2,
    MODE_DIRECTORY            = 4,
    MODE_BLOCK                = 6,
    MODE_REGULAR              = 8,
    MODE_SYMLINK              = 10,
    MODE_SOCKET               = 12,
    MODE_PERMISSIONS          = 0xfff,

    /* A directory entry. */
    DIRENT_INODE              = 0,   /* 0: unused */
    DIRENT_REC_LEN            = 4,   /* 16 bits, a multiple of 4 */
    DIRENT_NAME_LEN           = 6,
    DIRENT_FILE_TYPE          = 7,   /* without the feature anything */
    DIRENT_NAME               = 8,
    EXT2_DIRENT_MIN           = 8,
    EXT2_NAME_MAX             = 255,
    DIRENT_TYPE_UNKNOWN       = 0,
    DIRENT_TYPE_REGULAR       = 1,
    DIRENT_TYPE_DIRECTORY     = 2,
    DIRENT_TYPE_CHARACTER     = 3,
    DIRENT_TYPE_BLOCK         = 4,
    DIRENT_TYPE_FIFO          = 5,
    DIRENT_TYPE_SOCKET        = 6,
    DIRENT_TYPE_SYMLINK       = 7,
    DIRENT_REC_LEN_HUGE       = 0x10000,

    /* The index of a directory: a root in its first block, behind "." and "..",
     * and nodes that look like one unused entry; both end in pairs of a hash
     * and a block. In place of the first hash: how many pairs. */
    INDEX_ROOT_INFO           = 24,  /* in the root */
    INDEX_ROOT_ZERO           = 0,   /* in the info: 32 bits */
    INDEX_ROOT_HASH           = 4,
    INDEX_ROOT_INFO_SIZE      = 5,
    INDEX_ROOT_LEVELS         = 6,
    INDEX_ROOT_FLAGS          = 7,
    INDEX_ROOT_PAIRS          = 32,
    INDEX_NODE_PAIRS          = 8,
    INDEX_PAIR_SIZE           = 8,
    INDEX_PAIR_LIMIT          = 0,   /* 16 bits, of the first pair */
    INDEX_PAIR_COUNT          = 2,   /* 16 bits, of the first pair */
    INDEX_PAIR_BLOCK          = 4,
    INDEX_TAIL_SIZE           = 8,   /* with METADATA_CSUM */
    INDEX_LEVELS_MAX          = 1,   /* of nodes below the root */
    INDEX_LEVELS_LARGE        = 2,   /* the same with LARGE_DIR */

    /* Features that change how something is read; feature.c has them all. */
    COMPAT_DIR_PREALLOC       = 0x0001,
    COMPAT_IMAGIC_INODES      = 0x0002,
    COMPAT_HAS_JOURNAL        = 0x0004,
    COMPAT_EXT_ATTR           = 0x0008,
    COMPAT_RESIZE_INODE       = 0x0010,
    COMPAT_DIR_INDEX          = 0x0020,
    COMPAT_SPARSE_SUPER2      = 0x0200,
    INCOMPAT_FILETYPE         = 0x0002,
    INCOMPAT_META_BG          = 0x0010,
    INCOMPAT_LARGE_DIR        = 0x4000,
    RO_COMPAT_SPARSE_SUPER    = 0x0001,
    RO_COMPAT_LARGE_FILE      = 0x0002,
    RO_COMPAT_METADATA_CSUM   = 0x0400,
};
/* clang-format on */

#endif
