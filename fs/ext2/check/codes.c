/*
 * What each code means, how bad it is, and what e2fsck 1.47 calls it (its
 * problems PR_..., of e2fsck/problem.h). docs/fsck.md has the same table.
 */
#include "fs/ext2/check/check.h"

#define PREEN(code, meaning, e2fsck) \
    [CHECK_##code] = {#code, CHECK_PREEN, meaning, e2fsck}
#define SERIOUS(code, meaning, e2fsck) \
    [CHECK_##code] = {#code, CHECK_SERIOUS, meaning, e2fsck}

/* clang-format off */
static const struct ext2_code_info infos[CHECK_CODES] = {
    SERIOUS(SUPER_MAGIC, "this is no ext2", "0_OPEN_FAILED 0_SB_CORRUPT"),
    SERIOUS(SUPER_REVISION, "the revision is not known", "0_SB_CORRUPT"),
    SERIOUS(SUPER_FIELD, "a field of the superblock is out of range",
            "0_MISC_CORRUPT_SUPER 0_OPEN_FAILED 0_SB_CORRUPT"),
    SERIOUS(SUPER_SIZE, "the disk is smaller than the volume",
            "0_FS_SIZE_WRONG"),
    SERIOUS(SUPER_FIRST_BLOCK, "the first block does not suit the block size",
            "0_FIRST_DATA_BLOCK 0_SB_CORRUPT 0_OPEN_FAILED"),
    SERIOUS(SUPER_INODES, "the inode count is not that of all groups",
            "0_INODE_COUNT_WRONG 0_INODE_COUNT_BIG 0_OPEN_FAILED "
            "0_MISC_CORRUPT_SUPER 0_SB_CORRUPT"),
    SERIOUS(SUPER_FEATURE, "a feature that is not of ext2, or not known", ""),
    SERIOUS(SUPER_EXTRA_SIZE, "a size of inode fields is out of range",
            "0_BAD_MIN_EXTRA_ISIZE 0_BAD_WANT_EXTRA_ISIZE"),
    SERIOUS(SUPER_META_BG, "descriptors are spread from behind their end",
            "0_FIRST_META_BG_TOO_BIG 0_OPEN_FAILED 0_SB_CORRUPT"),
    SERIOUS(SUPER_RESIZE, "reserved descriptors and features do not agree",
            "0_DISABLE_RESIZE_INODE 0_NONZERO_RESERVED_GDT_BLOCKS"),
    SERIOUS(SUPER_JOURNAL, "what is said of a journal is not true",
            "0_JOURNAL_BAD_INODE 0_JOURNAL_BAD_SUPER 0_JOURNAL_HAS_JOURNAL "
            "0_CANT_FIND_JOURNAL 0_JOURNAL_RECOVER_SET "
            "0_JOURNAL_RESET_JOURNAL "
            "0_EXTERNAL_JOURNAL_MULTIPLE_FILESYSTEMS 0_CLEAR_V2_JOURNAL"),
    SERIOUS(SUPER_QUOTA, "an inode of quotas cannot be one",
            "0_INVALID_QUOTA_INO"),
    PREEN(SUPER_TIME, "last mounted or written in the future",
          "0_FUTURE_SB_LAST_MOUNT 0_FUTURE_SB_LAST_WRITE "
          "0_FUTURE_SB_LAST_MOUNT_FUDGED 0_FUTURE_SB_LAST_WRITE_FUDGED"),
    PREEN(SUPER_LARGE_FILE, "files of 2 GiB and more, but not the feature",
          "2_FEATURE_LARGE_FILES 1_FS_REV_LEVEL"),
    SERIOUS(RESIZE_INODE_BAD, "the inode of reserved descriptors is wrong",
            "0_RESIZE_INODE_INVALID 0_CLEAR_RESIZE_INODE"),

    SERIOUS(GROUP_BLOCK_BITMAP_BAD, "a block bitmap is not in its group",
            "0_BB_NOT_GROUP 0_RELOCATE_HINT 0_CHECK_DESC_FAILED"),
    SERIOUS(GROUP_INODE_BITMAP_BAD, "an inode bitmap is not in its group",
            "0_IB_NOT_GROUP 0_RELOCATE_HINT 0_CHECK_DESC_FAILED"),
    SERIOUS(GROUP_INODE_TABLE_BAD, "an inode table is not in its group",
            "0_ITABLE_NOT_GROUP 0_RELOCATE_HINT 0_CHECK_DESC_FAILED"),
    SERIOUS(GROUP_OVERLAP, "bitmaps, tables or copies overlap",
            "1_ITABLE_CONFLICT 1_BB_CONFLICT 1_IB_CONFLICT "
            "0_CHECK_DESC_FAILED"),
    PREEN(GROUP_UNINIT, "parts of a group are said not to be written",
          "0_GDT_UNINIT 0_BB_UNINIT_LAST 5_BLOCK_UNINIT 5_INODE_UNINIT "
          "2_INOREF_BG_INO_UNINIT 2_INOREF_IN_UNUSED"),

    PREEN(ORPHAN, "an inode is on the list of orphans",
          "0_ORPHAN_CLEAR_INODE 1_LOW_DTIME 1_ORPHAN_LIST_REFUGEES "
          "1_SET_DTIME"),
    SERIOUS(ORPHAN_BAD, "the list of orphans leads to no inode, or in a circle",
            "0_ORPHAN_ILLEGAL_HEAD_INODE 0_ORPHAN_ILLEGAL_INODE"),
    SERIOUS(ORPHAN_BLOCK_FREE, "a block of an orphan is free already",
            "0_ORPHAN_ALREADY_CLEARED_BLOCK"),

    SERIOUS(INODE_DTIME_LOW, "removed, as by a broken list of orphans",
            "1_LOW_DTIME 1_ORPHAN_LIST_REFUGEES"),
    PREEN(INODE_DTIME_ZERO, "removed without a time", "1_ZERO_DTIME"),
    PREEN(INODE_DTIME_SET, "in use, and has a time of removal",
          "1_SET_DTIME 1_ROOT_DTIME"),
    SERIOUS(INODE_FLAGS, "flags that ext2 has not",
            "1_EXTENT_FEATURE 1_EXTENTS_SET 1_INLINE_DATA_FEATURE "
            "1_INLINE_DATA_SET 1_SPECIAL_EXTENTS_IDATA 1_SET_IMAGIC "
            "1_CASEFOLD_NONDIR 1_CASEFOLD_FEATURE "
            "1_MISSING_ENCRYPTION_XATTR 1_CORRUPT_ENCRYPTION_XATTR "
            "1_BLOCK_ITERATE"),
    SERIOUS(INODE_MODE, "the mode is of no type", "2_BAD_MODE"),
    SERIOUS(INODE_NOT_ZERO, "a field that ext2 has not is set",
            "2_FADDR_ZERO 2_DIR_SIZE_HIGH_ZERO 2_BLOCKS_HI_ZERO "
            "2_FRAG_ZERO 2_FSIZE_ZERO"),
    PREEN(INODE_ACL_HIGH, "the attributes' block has an upper half",
          "2_I_FILE_ACL_HI_ZERO"),
    SERIOUS(INODE_ACL_BAD, "the attributes' block cannot be one",
            "2_FILE_ACL_ZERO 2_FILE_ACL_BAD"),
    PREEN(INODE_EXTRA_SIZE, "the size of the fields is out of range",
          "1_EXTRA_ISIZE"),
    PREEN(INODE_TIME, "a time behind the year 2310", "1_EA_TIME_OUT_OF_RANGE"),
    SERIOUS(INODE_IS_DIRECTORY, "it says otherwise, but is a directory",
            "1_TREAT_AS_DIRECTORY"),
    PREEN(INODE_SIZE, "the size is not that of its blocks", "1_BAD_I_SIZE"),
    PREEN(INODE_BLOCKS, "the count of blocks is wrong", "1_BAD_I_BLOCKS"),
    SERIOUS(ROOT_BAD, "there is no root directory",
            "1_ROOT_NO_DIR 3_NO_ROOT_INODE 3_NO_ROOT_INODE_ABORT "
            "3_ROOT_NOT_DIR_ABORT"),
    PREEN(RESERVED_MODE, "a reserved inode has a mode it should not have",
          "1_RESERVED_BAD_MODE 1_JOURNAL_BAD_MODE"),
    SERIOUS(RESERVED_USED, "a reserved inode is used",
            "1_JOURNAL_INODE_NOT_CLEAR 1_QUOTA_INODE_NOT_CLEAR"),
    SERIOUS(BAD_BLOCKS_BAD, "the inode of bad blocks is wrong",
            "1_INVALID_BAD_INODE 1_BB_ILLEGAL_BLOCK_NUM "
            "1_INODE_BBLOCK_LATCH 1_BB_FS_BLOCK 1_BBINODE_BAD_METABLOCK "
            "1_BBINODE_BAD_METABLOCK_PROMPT 1_BAD_PRIMARY_SUPERBLOCK "
            "1_BAD_PRIMARY_GROUP_DESCRIPTOR 1_BAD_PRIMARY_BLOCK "
            "1_BAD_PRIMARY_BLOCK_PROMPT 1_BAD_SUPERBLOCK "
            "1_BAD_GROUP_DESCRIPTORS 1_BB_BAD_BLOCK 1_IB_BAD_BLOCK "
            "1_PROGERR_CLAIMED_BLOCK 1_BADBLOCKS_IN_BADBLOCKS"),
    SERIOUS(SPECIAL_BAD, "a device, pipe or socket has flags or blocks",
            "2_BAD_CHAR_DEV 2_BAD_BLOCK_DEV 2_BAD_FIFO 2_BAD_SOCKET"),
    PREEN(SPECIAL_FLAGS, "a special file is immutable or append-only",
          "1_SET_IMMUTABLE"),
    PREEN(SPECIAL_SIZE, "a device, pipe or socket has a size",
          "1_SET_NONZSIZE"),
    SERIOUS(SYMLINK_BAD, "a symbolic link is not what its size says",
            "2_INVALID_SYMLINK"),

    SERIOUS(BLOCK_ILLEGAL, "a pointer leads out of the volume",
            "1_ILLEGAL_BLOCK_NUM 1_INODE_BLOCK_LATCH 1_BLOCK_ITERATE "
            "1_TOO_MANY_BAD_BLOCKS 1_SUPPRESS_MESSAGES 1_INODE_IS_GARBAGE "
            "0_JOURNAL_BAD_INODE "
            "0_ORPHAN_ILLEGAL_BLOCK_NUM"),
    SERIOUS(BLOCK_TOO_FAR, "a block is behind where the file can end",
            "1_TOOBIG_DIR 1_TOOBIG_REG 1_TOOBIG_SYMLINK 1_INODE_TOOBIG"),
    SERIOUS(BLOCK_SHARED, "a block is claimed more than once",
            "1_DUP_BLOCKS_PREENSTOP 1_CRITICAL_METADATA_COLLISION "
            "1B_PASS_HEADER 1B_DUP_RANGE 1D_DUP_BLOCKS_DEALT "
            "1B_DUP_BLOCK_HEADER 1B_DUP_BLOCK "
            "1B_DUP_BLOCK_END 1C_PASS_HEADER 1D_PASS_HEADER 1D_DUP_FILE "
            "1D_DUP_FILE_LIST 1D_SHARE_METADATA 1D_NUM_DUP_INODES "
            "1D_CLONE_QUESTION 1D_DELETE_QUESTION 1B_BLOCK_ITERATE"),

    SERIOUS(XATTR_HEADER, "a block of attributes has no header",
            "1_BAD_EA_BLOCK 1_EA_MULTI_BLOCK 1_READ_EA_BLOCK"),
    SERIOUS(XATTR_LAYOUT, "attributes overlap, or are out of their place",
            "1_EA_ALLOC_COLLISION 1_EA_BAD_NAME 1_EA_BAD_VALUE "
            "1_INODE_EA_ALLOC_COLLISION 1_ATTR_VALUE_EA_INODE"),
    PREEN(XATTR_LENGTH, "a name or value is longer than the inode has room",
          "1_ATTR_NAME_LEN 1_ATTR_VALUE_SIZE 1_ATTR_VALUE_OFFSET "
          "1_ATTR_VALUE_BLOCK 1_ATTR_VALUE_EA_INODE 1_ATTR_NO_EA_INODE_FL"),
    PREEN(XATTR_HASH, "the hash of an attribute is wrong", "1_ATTR_HASH"),
    SERIOUS(XATTR_REFERENCES, "a block of attributes counts its inodes wrong",
            "1_EXTATTR_REFCOUNT"),

    PREEN(DIR_EMPTY, "a directory has no blocks", "1_ZERO_LENGTH_DIR"),
    SERIOUS(DIR_HOLE, "a directory has a hole", "2_DIRECTORY_HOLE"),
    SERIOUS(ENTRY_BROKEN, "entries do not fill a block",
            "2_DIR_CORRUPTED 2_FINAL_RECLEN 2_FILENAME_LONG"),
    SERIOUS(DOT_BAD, "the first entry is not '.'",
            "2_MISSING_DOT 2_1ST_NOT_DOT 2_DOT_NULL_TERM"),
    SERIOUS(DOT_INODE, "'.' leads elsewhere", "2_BAD_INODE_DOT"),
    SERIOUS(DOT_LONG, "'.' takes room for other entries", "2_SPLIT_DOT"),
    SERIOUS(DOTDOT_BAD, "the second entry is not '..'",
            "2_MISSING_DOT_DOT 2_2ND_NOT_DOT_DOT 2_DOT_DOT_NULL_TERM"),
    SERIOUS(ENTRY_INODE, "an entry leads to no inode that may have a name",
            "2_BAD_INO 2_BB_INODE"),
    PREEN(ENTRY_UNUSED, "an entry leads to an inode that is not in use",
          "2_UNUSED_INODE"),
    SERIOUS(ENTRY_SELF, "an entry leads to its own directory", "2_LINK_DOT"),
    SERIOUS(ENTRY_DOT, "another '.' or '..'", "2_DUP_DOT 2_DUP_DOT_DOT"),
    SERIOUS(ENTRY_ROOT, "an entry leads to the root", "2_LINK_ROOT"),
    SERIOUS(ENTRY_NO_NAME, "an entry has no name", "2_NULL_NAME"),
    SERIOUS(ENTRY_NAME, "a name has a '/' or a NUL", "2_BAD_NAME"),
    SERIOUS(ENTRY_TYPE, "an entry says another type than its inode",
            "2_BAD_FILETYPE"),
    PREEN(ENTRY_TYPE_UNSET, "an entry says no type, or must not say one",
          "2_SET_FILETYPE 2_CLEAR_FILETYPE"),
    SERIOUS(ENTRY_TWICE, "a directory has a name twice",
            "2_REPORT_DUP_DIRENT 2_DUPLICATE_DIRENT 2_NON_UNIQUE_FILE"),
    PREEN(INDEX_SET, "an index where none can be",
          "1_HTREE_SET 1_HTREE_NODIR"),
    PREEN(INDEX_ROOT, "the root of an index makes no sense",
          "1_HTREE_BADROOT 1_HTREE_HASHV 1_HTREE_INCOMPAT 1_HTREE_DEPTH "
          "1_HTREE_CANNOT_SIPHASH 2_HTREE_BAD_ROOT 2_HTREE_CLEAR"),
    PREEN(INDEX_NODE, "a node of an index has no right count or limit",
          "2_HTREE_BAD_LIMIT 2_HTREE_BAD_COUNT 2_HTREE_CLEAR"),
    PREEN(INDEX_ORDER, "hashes of an index are not in order",
          "2_HTREE_HASH_ORDER 2_HTREE_CLEAR"),
    SERIOUS(INDEX_BLOCK, "an index leads out of its directory",
            "2_HTREE_BADBLK 2_UNEXPECTED_HTREE_BLOCK 2_HTREE_CLEAR"),
    SERIOUS(INDEX_NOT_REFERENCED, "no index entry leads to a block",
            "2_HTREE_NOTREF 2_HTREE_CLEAR"),
    SERIOUS(INDEX_TWICE, "two index entries lead to a block",
            "2_HTREE_DUPREF 2_HTREE_CLEAR"),
    SERIOUS(INDEX_HASH, "names have other hashes than their index entry",
            "2_HTREE_MIN_HASH 2_HTREE_MAX_HASH 2_HTREE_CLEAR"),
    SERIOUS(INDEX_DEPTH, "names where a node of an index must be",
            "2_HTREE_BAD_DEPTH 2_HTREE_CLEAR"),

    SERIOUS(DIR_TWO_PARENTS, "a directory has two names", "2_LINK_DIR"),
    SERIOUS(DIR_UNCONNECTED, "a directory has no name", "3_UNCONNECTED_DIR"),
    SERIOUS(DIR_LOOP, "directories contain each other", "3_LOOPED_DIR"),
    SERIOUS(DIR_DOTDOT, "'..' is not where the directory has its name",
            "3_BAD_DOT_DOT"),
    SERIOUS(INODE_UNATTACHED, "an inode has no name", "4_UNATTACHED_INODE"),
    PREEN(INODE_UNATTACHED_EMPTY, "an inode has no name, and no blocks",
          "4_ZERO_LEN_INODE 4_UNATTACHED_INODE"),
    PREEN(LINKS, "the count of links is not that of names",
          "4_BAD_REF_COUNT 4_INCONSISTENT_COUNT 4_DIR_OVERFLOW_REF_COUNT"),
    SERIOUS(LINKS_MANY, "a directory has more names than can be counted",
            "4_DIR_NLINK_FEATURE"),

    PREEN(BLOCK_NOT_MARKED, "blocks in use are free in the bitmap",
          "5_BLOCK_USED 5_BLOCK_RANGE_USED 5_BLOCK_BITMAP_HEADER "
          "5_BLOCK_BITMAP_END"),
    PREEN(BLOCK_MARKED, "blocks that are free are in use in the bitmap",
          "5_BLOCK_UNUSED 5_BLOCK_RANGE_UNUSED 5_BLOCK_BITMAP_HEADER "
          "5_BLOCK_BITMAP_END"),
    PREEN(BLOCK_PADDING, "the end of a block bitmap is not set",
          "5_BLOCK_BMAP_PADDING"),
    PREEN(INODE_NOT_MARKED, "inodes in use are free in the bitmap",
          "5_INODE_USED 5_INODE_RANGE_USED 5_INODE_BITMAP_HEADER "
          "5_INODE_BITMAP_END"),
    PREEN(INODE_MARKED, "inodes that are free are in use in the bitmap",
          "5_INODE_UNUSED 5_INODE_RANGE_UNUSED 5_INODE_BITMAP_HEADER "
          "5_INODE_BITMAP_END"),
    PREEN(INODE_PADDING, "the end of an inode bitmap is not set",
          "5_INODE_BMAP_PADDING"),
    PREEN(COUNT_GROUP_BLOCKS, "a group counts its free blocks wrong",
          "5_FREE_BLOCK_COUNT_GROUP"),
    PREEN(COUNT_GROUP_INODES, "a group counts its free inodes wrong",
          "5_FREE_INODE_COUNT_GROUP"),
    PREEN(COUNT_GROUP_DIRECTORIES, "a group counts its directories wrong",
          "5_FREE_DIR_COUNT_GROUP"),
    PREEN(COUNT_BLOCKS, "the superblock counts free blocks wrong",
          "5_FREE_BLOCK_COUNT 0_FREE_BLOCK_COUNT"),
    PREEN(COUNT_INODES, "the superblock counts free inodes wrong",
          "5_FREE_INODE_COUNT 0_FREE_INODE_COUNT"),
};
/* clang-format on */

const struct ext2_code_info *ext2_code_info(enum ext2_code code)
{
    return &infos[code];
}
