/*
 * One damage after the other, on a volume that has a bit of everything: each
 * code that the checker knows is found, and e2fsck finds it, too, and calls it
 * as codes.c says. What a finding says of place and value; what is no damage.
 */
#include "fs/ext2/check/check_internal.h"
#include "fs/ext2/hash.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum {
    CHANGES_MAX = 8,
    PROBLEMS_MAX = 200,
    KIB = 1024,
    ONLY_OURS = 1, /* e2fsck -n does not look at that */
};

#define ANY (UINT64_MAX - 1) /* whatever it says */

/* Where something is changed, or copied from. */
enum where {
    NOTHING,
    SUPER,
    DESC,      /* the descriptor of group 0 */
    BLOCK_MAP, /* its bitmaps */
    INODE_MAP,
    INODE,  /* of a path, as debugfs reads it: <7> is a number */
    NAMES,  /* the first block of a directory */
    ENTRY,  /* "/dir#name" */
    XATTR,  /* the block of attributes of a path */
    BIT_OF, /* the bit of a file's first block in the bitmap is cleared */
    NUMBER, /* not a place: the number of the inode of a path */
};

struct change {
    enum where where;
    const char *path;
    uint32_t offset;
    unsigned bytes;
    uint32_t value;
    /* Or the value is what is there: */
    enum where from;
    const char *from_path;
    uint32_t from_offset;
};

struct row {
    const char *name;
    enum ext2_code code;
    uint32_t problem; /* of e2fsck; 0: it only says that it finds something */
    struct change change[CHANGES_MAX];
};

#define PUT(where, path, offset, bytes, value)              \
    {                                                       \
        where, path, offset, bytes, value, NOTHING, NULL, 0 \
    }
#define COPY(where, path, offset, bytes, from, from_path, from_offset) \
    {                                                                  \
        where, path, offset, bytes, 0, from, from_path, from_offset    \
    }

static const struct row rows[] = {
    {"magic",
     CHECK_SUPER_MAGIC,
     /* PR_0_OPEN_FAILED */ 0x000044,
     {PUT(SUPER, "", 56, 2, 0)}},
    {"one block, the first",
     CHECK_SUPER_FIELD,
     /* PR_0_OPEN_FAILED */ 0x000044,
     {PUT(SUPER, "", 4, 4, 1)}},
    {"revision 2",
     CHECK_SUPER_REVISION,
     /* PR_0_SB_CORRUPT */ 0x000004,
     {PUT(SUPER, "", 76, 4, 2)}},
    {"block size",
     CHECK_SUPER_FIELD,
     /* PR_0_OPEN_FAILED */ 0x000044,
     {PUT(SUPER, "", 24, 4, 7)}},
    {"blocks of the disk",
     CHECK_SUPER_SIZE,
     /* PR_0_FS_SIZE_WRONG */ 0x000005,
     {PUT(SUPER, "", 4, 4, 1100)}},
    {"first block",
     CHECK_SUPER_FIRST_BLOCK,
     /* PR_0_FIRST_DATA_BLOCK */ 0x000008,
     {PUT(SUPER, "", 20, 4, 0)}},
    {"inodes",
     CHECK_SUPER_INODES,
     /* PR_0_OPEN_FAILED */ 0x000044,
     {PUT(SUPER, "", 0, 4, 127)}},
    {"unknown feature",
     CHECK_SUPER_FEATURE,
     0,
     {PUT(SUPER, "", 92, 4, 0x80000038)}},
    {"wanted extra size",
     CHECK_SUPER_EXTRA_SIZE,
     /* PR_0_BAD_WANT_EXTRA_ISIZE */ 0x00004e,
     {PUT(SUPER, "", 350, 2, 2)}},
    {"spread descriptors",
     CHECK_SUPER_META_BG,
     /* PR_0_OPEN_FAILED */ 0x000044,
     {PUT(SUPER, "", 96, 4, 0x12), PUT(SUPER, "", 260, 4, 9)}},
    {"no feature, but reserved",
     CHECK_SUPER_RESIZE,
     /* PR_0_NONZERO_RESERVED_GDT_BLOCKS */ 0x00002e,
     {PUT(SUPER, "", 92, 4, 0x28)}},
    {"journal",
     CHECK_SUPER_JOURNAL,
     /* PR_0_JOURNAL_BAD_INODE */ 0x00000f,
     {PUT(SUPER, "", 92, 4, 0x3c)}},
    {"quota",
     CHECK_SUPER_QUOTA,
     /* PR_0_INVALID_QUOTA_INO */ 0x00004f,
     {PUT(SUPER, "", 576, 4, 2)}},
    {"mounted in the future",
     CHECK_SUPER_TIME,
     /* PR_0_FUTURE_SB_LAST_MOUNT */ 0x000031,
     {PUT(SUPER, "", 44, 4, 0xffffffff)}},
    {"large file",
     CHECK_SUPER_LARGE_FILE,
     /* PR_2_FEATURE_LARGE_FILES */ 0x020033,
     {PUT(SUPER, "", 100, 4, 1), PUT(INODE, "/file", 108, 4, 1)}},
    {"resize inode",
     CHECK_RESIZE_INODE_BAD,
     /* PR_0_RESIZE_INODE_INVALID */ 0x000030,
     {PUT(INODE, "<7>", 40, 4, 5)}},
    {"block bitmap 0",
     CHECK_GROUP_BLOCK_BITMAP_BAD,
     /* PR_0_BB_NOT_GROUP */ 0x000001,
     {PUT(DESC, "", 0, 4, 0)}},
    {"inode bitmap",
     CHECK_GROUP_INODE_BITMAP_BAD,
     /* PR_0_IB_NOT_GROUP */ 0x000002,
     {PUT(DESC, "", 4, 4, 99999)}},
    {"inode table",
     CHECK_GROUP_INODE_TABLE_BAD,
     /* PR_0_ITABLE_NOT_GROUP */ 0x000003,
     {PUT(DESC, "", 8, 4, 1000)}},
    {"two bitmaps in one",
     CHECK_GROUP_OVERLAP,
     /* PR_0_CHECK_DESC_FAILED */ 0x000045,
     {COPY(DESC, "", 0, 4, DESC, "", 4)}},
    {"unwritten",
     CHECK_GROUP_UNINIT,
     /* PR_0_GDT_UNINIT */ 0x000036,
     {PUT(DESC, "", 18, 2, 1)}},
    {"orphans",
     CHECK_ORPHAN,
     /* PR_1_LOW_DTIME */ 0x010036,
     {PUT(SUPER, "", 44, 4, 0x65000000), PUT(SUPER, "", 48, 4, 0x65000000),
      PUT(SUPER, "", 264, 4, 0x65000000),
      COPY(SUPER, "", 232, 4, NUMBER, "/file", 0),
      COPY(INODE, "/file", 20, 4, NUMBER, "/double", 0),
      PUT(INODE, "/file", 26, 2, 0), PUT(INODE, "/double", 26, 2, 0)}},
    {"no such orphan",
     CHECK_ORPHAN_BAD,
     ONLY_OURS,
     {PUT(SUPER, "", 232, 4, 3)}},
    {"orphans in a circle",
     CHECK_ORPHAN_BAD,
     /* PR_1_LOW_DTIME */ 0x010036,
     {PUT(SUPER, "", 44, 4, 0x65000000), PUT(SUPER, "", 48, 4, 0x65000000),
      PUT(SUPER, "", 264, 4, 0x65000000),
      COPY(SUPER, "", 232, 4, NUMBER, "/file", 0),
      COPY(INODE, "/file", 20, 4, NUMBER, "/double", 0),
      PUT(INODE, "/file", 26, 2, 0), PUT(INODE, "/double", 26, 2, 0),
      COPY(INODE, "/double", 20, 4, NUMBER, "/file", 0)}},
    {"block of an orphan",
     CHECK_ORPHAN_BLOCK_FREE,
     /* PR_1_LOW_DTIME */ 0x010036,
     {PUT(SUPER, "", 44, 4, 0x65000000), PUT(SUPER, "", 48, 4, 0x65000000),
      PUT(SUPER, "", 264, 4, 0x65000000),
      COPY(SUPER, "", 232, 4, NUMBER, "/file", 0),
      COPY(INODE, "/file", 20, 4, NUMBER, "/double", 0),
      PUT(INODE, "/file", 26, 2, 0), PUT(INODE, "/double", 26, 2, 0),
      PUT(BIT_OF, "/file", 0, 1, 0)}},
    {"low dtime",
     CHECK_INODE_DTIME_LOW,
     /* PR_1_LOW_DTIME */ 0x010036,
     {PUT(SUPER, "", 44, 4, 0x65000000), PUT(SUPER, "", 48, 4, 0x65000000),
      PUT(SUPER, "", 264, 4, 0x65000000), PUT(INODE, "/file", 20, 4, 5)}},
    {"no dtime",
     CHECK_INODE_DTIME_ZERO,
     /* PR_1_ZERO_DTIME */ 0x010004,
     {PUT(INODE, "<100>", 0, 2, 0x81a4)}},
    {"dtime in use",
     CHECK_INODE_DTIME_SET,
     /* PR_1_SET_DTIME */ 0x010005,
     {PUT(INODE, "/file", 20, 4, 0x65000000)}},
    {"extents",
     CHECK_INODE_FLAGS,
     /* PR_1_EXTENTS_SET */ 0x01005a,
     {PUT(INODE, "/file", 32, 4, 0x80000)}},
    {"mode of no type",
     CHECK_INODE_MODE,
     /* PR_2_BAD_MODE */ 0x020012,
     {PUT(INODE, "/file", 0, 2, 0x01a4)}},
    {"fragment",
     CHECK_INODE_NOT_ZERO,
     /* PR_2_FADDR_ZERO */ 0x02000d,
     {PUT(INODE, "/file", 112, 4, 1)}},
    {"size of a directory",
     CHECK_INODE_NOT_ZERO,
     /* PR_2_DIR_SIZE_HIGH_ZERO */ 0x02000f,
     {PUT(INODE, "/dir", 108, 4, 1)}},
    {"high half of blocks",
     CHECK_INODE_NOT_ZERO,
     /* PR_2_BLOCKS_HI_ZERO */ 0x020044,
     {PUT(INODE, "/file", 116, 2, 1)}},
    {"high half of attributes",
     CHECK_INODE_ACL_HIGH,
     /* PR_2_I_FILE_ACL_HI_ZERO */ 0x020048,
     {PUT(INODE, "/file", 118, 2, 1)}},
    {"attributes nowhere",
     CHECK_INODE_ACL_BAD,
     /* PR_2_FILE_ACL_BAD */ 0x020032,
     {PUT(INODE, "/file", 104, 4, 99999999)}},
    {"extra size",
     CHECK_INODE_EXTRA_SIZE,
     /* PR_1_EXTRA_ISIZE */ 0x01004f,
     {PUT(INODE, "/file", 128, 2, 3)}},
    {"late time",
     CHECK_INODE_TIME,
     /* PR_1_EA_TIME_OUT_OF_RANGE */ 0x010082,
     {PUT(INODE, "/file", 8, 4, 0x80000000), PUT(INODE, "/file", 140, 4, 3)}},
    {"a pipe with names",
     CHECK_INODE_IS_DIRECTORY,
     /* PR_1_TREAT_AS_DIRECTORY */ 0x010055,
     {PUT(INODE, "/dir", 0, 2, 0x11ed)}},
    {"short size",
     CHECK_INODE_SIZE,
     /* PR_1_BAD_I_SIZE */ 0x01000c,
     {PUT(INODE, "/file", 4, 4, 100)}},
    {"directory of another size",
     CHECK_INODE_SIZE,
     /* PR_1_BAD_I_SIZE */ 0x01000c,
     {PUT(INODE, "/dir", 4, 4, 3072)}},
    {"sectors",
     CHECK_INODE_BLOCKS,
     /* PR_1_BAD_I_BLOCKS */ 0x01000d,
     {PUT(INODE, "/file", 28, 4, 2)}},
    {"root a file",
     CHECK_ROOT_BAD,
     /* PR_1_ROOT_NO_DIR */ 0x010001,
     {PUT(INODE, "<2>", 0, 2, 0x81a4)}},
    {"root unused",
     CHECK_ROOT_BAD,
     /* PR_3_NO_ROOT_INODE */ 0x030001,
     {PUT(INODE, "<2>", 26, 2, 0)}},
    {"reserved with a mode",
     CHECK_RESERVED_MODE,
     /* PR_1_RESERVED_BAD_MODE */ 0x010003,
     {PUT(INODE, "<9>", 0, 2, 0x81a4)}},
    {"journal inode",
     CHECK_RESERVED_USED,
     /* PR_1_JOURNAL_INODE_NOT_CLEAR */ 0x010034,
     {PUT(INODE, "<8>", 28, 4, 2)}},
    {"quota inode",
     CHECK_RESERVED_USED,
     /* PR_1_QUOTA_INODE_NOT_CLEAR */ 0x010063,
     {PUT(INODE, "<3>", 28, 4, 2)}},
    {"bad blocks inode",
     CHECK_BAD_BLOCKS_BAD,
     /* PR_1_INVALID_BAD_INODE */ 0x010065,
     {PUT(INODE, "<1>", 0, 2, 0x81a4)}},
    {"bad blocks with an owner",
     CHECK_BAD_BLOCKS_BAD,
     /* PR_1_INVALID_BAD_INODE */ 0x010065,
     {PUT(INODE, "<1>", 2, 2, 5)}},
    {"bad blocks of a group",
     CHECK_BAD_BLOCKS_BAD,
     /* PR_1_INVALID_BAD_INODE */ 0x010065,
     {PUT(INODE, "<1>", 24, 2, 5)}},
    {"bad blocks with attributes",
     CHECK_BAD_BLOCKS_BAD,
     /* PR_1_INVALID_BAD_INODE */ 0x010065,
     {PUT(INODE, "<1>", 104, 4, 5)}},
    {"bad blocks with a link",
     CHECK_BAD_BLOCKS_BAD,
     /* PR_1_INVALID_BAD_INODE */ 0x010065,
     {PUT(INODE, "<1>", 26, 2, 1)}},
    {"bad blocks nowhere",
     CHECK_BAD_BLOCKS_BAD,
     /* PR_1_BB_ILLEGAL_BLOCK_NUM */ 0x010012,
     {PUT(INODE, "<1>", 40, 4, 99999)}},
    {"device with an index",
     CHECK_SPECIAL_BAD,
     /* PR_2_BAD_CHAR_DEV */ 0x020018,
     {PUT(INODE, "/null", 32, 4, 0x1000)}},
    {"immutable device",
     CHECK_SPECIAL_FLAGS,
     /* PR_1_SET_IMMUTABLE */ 0x010030,
     {PUT(INODE, "/null", 32, 4, 0x10)}},
    {"device with a size",
     CHECK_SPECIAL_SIZE,
     /* PR_1_SET_NONZSIZE */ 0x010032,
     {PUT(INODE, "/null", 4, 4, 5)}},
    {"target too short",
     CHECK_SYMLINK_BAD,
     /* PR_2_INVALID_SYMLINK */ 0x020031,
     {PUT(INODE, "/fast", 4, 4, 30)}},
    {"target without end",
     CHECK_SYMLINK_BAD,
     /* PR_2_INVALID_SYMLINK */ 0x020031,
     {PUT(INODE, "/slow", 4, 4, 150)}},
    {"pointer nowhere",
     CHECK_BLOCK_ILLEGAL,
     /* PR_1_ILLEGAL_BLOCK_NUM */ 0x01000e,
     {PUT(INODE, "/file", 52, 4, 99999999)}},
    {"indirect pointer nowhere",
     CHECK_BLOCK_ILLEGAL,
     /* PR_1_ILLEGAL_BLOCK_NUM */ 0x01000e,
     {PUT(INODE, "/double", 88, 4, 99999999)}},
    {"second block of a link",
     CHECK_BLOCK_TOO_FAR,
     /* PR_1_TOOBIG_SYMLINK */ 0x010046,
     {PUT(INODE, "/slow", 44, 4, 1000)}},
    {"block of two files",
     CHECK_BLOCK_SHARED,
     /* PR_1B_DUP_BLOCK */ 0x011002,
     {COPY(INODE, "/file", 40, 4, INODE, "/double", 40)}},
    {"block of the inode table",
     CHECK_BLOCK_SHARED,
     /* PR_1D_SHARE_METADATA */ 0x013003,
     {COPY(INODE, "/file", 40, 4, DESC, "", 8)}},
    {"attributes without magic",
     CHECK_XATTR_HEADER,
     /* PR_1_BAD_EA_BLOCK */ 0x01003a,
     {PUT(XATTR, "/double", 0, 4, 0)}},
    {"attributes of two blocks",
     CHECK_XATTR_HEADER,
     /* PR_1_EA_MULTI_BLOCK */ 0x01003e,
     {PUT(XATTR, "/double", 8, 4, 2)}},
    {"value over an entry",
     CHECK_XATTR_LAYOUT,
     /* PR_1_EA_ALLOC_COLLISION */ 0x010040,
     {PUT(XATTR, "/double", 34, 2, 36)}},
    {"no name space",
     CHECK_XATTR_LAYOUT,
     /* PR_1_EA_BAD_NAME */ 0x010041,
     {PUT(XATTR, "/double", 33, 1, 0)}},
    {"value over the end",
     CHECK_XATTR_LAYOUT,
     /* PR_1_EA_BAD_VALUE */ 0x010042,
     {PUT(XATTR, "/double", 34, 2, 1020)}},
    {"long value in an inode",
     CHECK_XATTR_LENGTH,
     /* PR_1_ATTR_VALUE_SIZE */ 0x010053,
     {PUT(INODE, "/file", 172, 4, 500)}},
    {"overlap in an inode",
     CHECK_XATTR_LAYOUT,
     /* PR_1_INODE_EA_ALLOC_COLLISION */ 0x010069,
     {PUT(INODE, "/file", 166, 2, 0)}},
    {"hash",
     CHECK_XATTR_HASH,
     /* PR_1_ATTR_HASH */ 0x010054,
     {PUT(XATTR, "/double", 44, 4, 1)}},
    {"hash in an inode",
     CHECK_XATTR_HASH,
     /* PR_1_ATTR_HASH */ 0x010054,
     {PUT(INODE, "/file", 176, 4, 1)}},
    {"references",
     CHECK_XATTR_REFERENCES,
     /* PR_1_EXTATTR_REFCOUNT */ 0x01003c,
     {PUT(XATTR, "/double", 4, 4, 2)}},
    {"no blocks",
     CHECK_DIR_EMPTY,
     /* PR_1_ZERO_LENGTH_DIR */ 0x010006,
     {PUT(INODE, "/dir", 40, 4, 0), PUT(INODE, "/dir", 28, 4, 0)}},
    {"no first block",
     CHECK_DIR_HOLE,
     /* PR_2_DIRECTORY_HOLE */ 0x020015,
     {PUT(INODE, "/dir", 40, 4, 0)}},
    {"hole",
     CHECK_DIR_HOLE,
     /* PR_2_DIRECTORY_HOLE */ 0x020015,
     {PUT(INODE, "/many", 48, 4, 0)}},
    {"length 3",
     CHECK_ENTRY_BROKEN,
     /* PR_2_DIR_CORRUPTED */ 0x020013,
     {PUT(ENTRY, "/dir#e5", 4, 2, 3)}},
    {"length 8",
     CHECK_ENTRY_BROKEN,
     /* PR_2_DIR_CORRUPTED */ 0x020013,
     {PUT(ENTRY, "/dir#e5", 4, 2, 8)}},
    {"over the end",
     CHECK_ENTRY_BROKEN,
     /* PR_2_DIR_CORRUPTED */ 0x020013,
     {PUT(ENTRY, "/dir#e5", 4, 2, 1024)}},
    {"first is not .",
     CHECK_DOT_BAD,
     /* PR_2_1ST_NOT_DOT */ 0x02000b,
     {PUT(NAMES, "/dir", 8, 1, 'x')}},
    {". is unused",
     CHECK_DOT_BAD,
     /* PR_2_MISSING_DOT */ 0x020009,
     {PUT(NAMES, "/dir", 0, 4, 0)}},
    {". leads elsewhere",
     CHECK_DOT_INODE,
     /* PR_2_BAD_INODE_DOT */ 0x020001,
     {PUT(NAMES, "/dir", 0, 4, 11)}},
    {". is long",
     CHECK_DOT_LONG,
     /* PR_2_SPLIT_DOT */ 0x020024,
     {PUT(NAMES, "/dir", 4, 2, 36)}},
    {"second is not ..",
     CHECK_DOTDOT_BAD,
     /* PR_2_2ND_NOT_DOT_DOT */ 0x02000c,
     {PUT(NAMES, "/dir", 20, 1, 'x')}},
    {".. is unused",
     CHECK_DOTDOT_BAD,
     /* PR_2_MISSING_DOT_DOT */ 0x02000a,
     {PUT(NAMES, "/dir", 12, 4, 0)}},
    {"no such inode",
     CHECK_ENTRY_INODE,
     /* PR_2_BAD_INO */ 0x020002,
     {PUT(ENTRY, "/dir#e5", 0, 4, 99999)}},
    {"reserved inode",
     CHECK_ENTRY_INODE,
     /* PR_2_BAD_INO */ 0x020002,
     {PUT(ENTRY, "/dir#e5", 0, 4, 5)}},
    {"unused inode",
     CHECK_ENTRY_UNUSED,
     /* PR_2_UNUSED_INODE */ 0x020003,
     {PUT(ENTRY, "/dir#e5", 0, 4, 120)}},
    {"its own directory",
     CHECK_ENTRY_SELF,
     /* PR_2_LINK_DOT */ 0x020004,
     {COPY(ENTRY, "/dir#e5", 0, 4, NUMBER, "/dir", 0)}},
    {"another .",
     CHECK_ENTRY_DOT,
     /* PR_2_DUP_DOT */ 0x02001a,
     {PUT(ENTRY, "/dir#e5", 6, 1, 1), PUT(ENTRY, "/dir#e5", 8, 1, '.')}},
    {"another ..",
     CHECK_ENTRY_DOT,
     /* PR_2_DUP_DOT_DOT */ 0x02001b,
     {PUT(ENTRY, "/dir#e5", 8, 2, 0x2e2e)}},
    {"the root",
     CHECK_ENTRY_ROOT,
     /* PR_2_LINK_ROOT */ 0x020007,
     {PUT(ENTRY, "/dir#e5", 0, 4, 2)}},
    {"no name",
     CHECK_ENTRY_NO_NAME,
     /* PR_2_NULL_NAME */ 0x020030,
     {PUT(ENTRY, "/dir#e5", 6, 1, 0)}},
    {"a slash",
     CHECK_ENTRY_NAME,
     /* PR_2_BAD_NAME */ 0x020008,
     {PUT(ENTRY, "/dir#e5", 9, 1, '/')}},
    {"a NUL",
     CHECK_ENTRY_NAME,
     /* PR_2_BAD_NAME */ 0x020008,
     {PUT(ENTRY, "/dir#e5", 9, 1, 0)}},
    {"another type",
     CHECK_ENTRY_TYPE,
     /* PR_2_BAD_FILETYPE */ 0x020028,
     {PUT(ENTRY, "/dir#e5", 7, 1, 2)}},
    {"no type",
     CHECK_ENTRY_TYPE_UNSET,
     /* PR_2_SET_FILETYPE */ 0x020027,
     {PUT(ENTRY, "/dir#e5", 7, 1, 0)}},
    {"twice",
     CHECK_ENTRY_TWICE,
     /* PR_2_REPORT_DUP_DIRENT */ 0x020043,
     {PUT(ENTRY, "/dir#e5", 9, 1, '6')}},
    {"index of a file",
     CHECK_INDEX_SET,
     /* PR_1_HTREE_NODIR */ 0x010048,
     {PUT(INODE, "/file", 32, 4, 0x1000)}},
    {"hash version",
     CHECK_INDEX_ROOT,
     /* PR_1_HTREE_HASHV */ 0x01004a,
     {PUT(NAMES, "/many", 28, 1, 9)}},
    {"index too deep",
     CHECK_INDEX_ROOT,
     /* PR_2_HTREE_BAD_ROOT */ 0x02003c,
     {PUT(NAMES, "/many", 30, 1, 2)}},
    {"limit",
     CHECK_INDEX_NODE,
     /* PR_2_HTREE_BAD_LIMIT */ 0x02003d,
     {PUT(NAMES, "/many", 32, 2, 5)}},
    {"count",
     CHECK_INDEX_NODE,
     /* PR_2_HTREE_BAD_COUNT */ 0x02003e,
     {PUT(NAMES, "/many", 34, 2, 500)}},
    {"order",
     CHECK_INDEX_ORDER,
     /* PR_2_HTREE_HASH_ORDER */ 0x02003f,
     {PUT(NAMES, "/many", 40, 4, 0xfffffff0)}},
    {"pair to nowhere",
     CHECK_INDEX_BLOCK,
     /* PR_2_HTREE_BADBLK */ 0x02003a,
     {PUT(NAMES, "/many", 44, 4, 9999)}},
    {"no pair",
     CHECK_INDEX_NOT_REFERENCED,
     /* PR_2_HTREE_NOTREF */ 0x020034,
     {COPY(NAMES, "/many", 44, 4, NAMES, "/many", 52)}},
    {"two pairs",
     CHECK_INDEX_TWICE,
     /* PR_2_HTREE_DUPREF */ 0x020035,
     {COPY(NAMES, "/many", 44, 4, NAMES, "/many", 52)}},
    {"pair too low",
     CHECK_INDEX_HASH,
     /* PR_2_HTREE_MAX_HASH */ 0x020037,
     {PUT(NAMES, "/many", 40, 4, 2)}},
    {"level too much",
     CHECK_INDEX_DEPTH,
     /* PR_2_HTREE_BAD_DEPTH */ 0x020040,
     {PUT(NAMES, "/many", 30, 1, 1)}},
    {"two parents",
     CHECK_DIR_TWO_PARENTS,
     /* PR_2_LINK_DIR */ 0x020006,
     {COPY(ENTRY, "/dir#e5", 0, 4, NUMBER, "/dir/sub", 0)}},
    {"no parent",
     CHECK_DIR_UNCONNECTED,
     /* PR_3_UNCONNECTED_DIR */ 0x030003,
     {PUT(ENTRY, "/dir#sub", 0, 4, 0)}},
    {"loop",
     CHECK_DIR_LOOP,
     /* PR_3_BAD_DOT_DOT */ 0x030005,
     {PUT(ENTRY, "/#dir", 0, 4, 0),
      COPY(ENTRY, "/dir/sub#x", 0, 4, NUMBER, "/dir", 0)}},
    {".. elsewhere",
     CHECK_DIR_DOTDOT,
     /* PR_3_BAD_DOT_DOT */ 0x030005,
     {PUT(NAMES, "/dir/sub", 12, 4, 11)}},
    {"no name for an inode",
     CHECK_INODE_UNATTACHED,
     /* PR_4_UNATTACHED_INODE */ 0x040002,
     {PUT(ENTRY, "/#double", 0, 4, 0)}},
    {"no name for an empty one",
     CHECK_INODE_UNATTACHED_EMPTY,
     /* PR_4_ZERO_LEN_INODE */ 0x040001,
     {PUT(ENTRY, "/#void", 0, 4, 0)}},
    {"links",
     CHECK_LINKS,
     /* PR_4_BAD_REF_COUNT */ 0x040003,
     {PUT(INODE, "/file", 26, 2, 5)}},
    {"blocks free in the bitmap",
     CHECK_BLOCK_NOT_MARKED,
     /* PR_5_BLOCK_RANGE_USED */ 0x050015,
     {PUT(BLOCK_MAP, "", 0, 1, 0)}},
    {"blocks used in the bitmap",
     CHECK_BLOCK_MARKED,
     /* PR_5_BLOCK_RANGE_UNUSED */ 0x050014,
     {PUT(BLOCK_MAP, "", 126, 1, 0xff)}},
    {"end of block bitmap",
     CHECK_BLOCK_PADDING,
     /* PR_5_BLOCK_BMAP_PADDING */ 0x050002,
     {PUT(BLOCK_MAP, "", 1023, 1, 0)}},
    {"inodes free in the bitmap",
     CHECK_INODE_NOT_MARKED,
     /* PR_5_INODE_RANGE_USED */ 0x050017,
     {PUT(INODE_MAP, "", 1, 1, 0)}},
    {"inodes used in the bitmap",
     CHECK_INODE_MARKED,
     /* PR_5_INODE_RANGE_UNUSED */ 0x050016,
     {PUT(INODE_MAP, "", 31, 1, 0xff)}},
    {"end of inode bitmap",
     CHECK_INODE_PADDING,
     /* PR_5_INODE_BMAP_PADDING */ 0x050001,
     {PUT(INODE_MAP, "", 1023, 1, 0)}},
    {"free blocks of a group",
     CHECK_COUNT_GROUP_BLOCKS,
     /* PR_5_FREE_BLOCK_COUNT_GROUP */ 0x05000e,
     {PUT(DESC, "", 12, 2, 1)}},
    {"free inodes of a group",
     CHECK_COUNT_GROUP_INODES,
     /* PR_5_FREE_INODE_COUNT_GROUP */ 0x05000b,
     {PUT(DESC, "", 14, 2, 1)}},
    {"directories of a group",
     CHECK_COUNT_GROUP_DIRECTORIES,
     /* PR_5_FREE_DIR_COUNT_GROUP */ 0x05000c,
     {PUT(DESC, "", 16, 2, 1)}},
    {"free blocks",
     CHECK_COUNT_BLOCKS,
     /* PR_5_FREE_BLOCK_COUNT */ 0x05000f,
     {PUT(SUPER, "", 12, 4, 1)}},
    {"free inodes",
     CHECK_COUNT_INODES,
     /* PR_5_FREE_INODE_COUNT */ 0x05000d,
     {PUT(SUPER, "", 16, 4, 1)}},
};

/* Findings that tell more than a code: all of it. */
static const struct said {
    struct row row;
    const char *inode; /* NULL: none */
    uint64_t block, expected, found;
} said_rows[] = {
    {{"high half of attributes",
      CHECK_INODE_ACL_HIGH,
      0,
      {PUT(INODE, "/file", 118, 2, 0x1234)}},
     "/file",
     0,
     0,
     0x1234},
    {{"extra size beyond the inode, of whole words",
      CHECK_INODE_EXTRA_SIZE,
      0,
      {PUT(INODE, "/file", 128, 2, 200)}},
     "/file",
     0,
     128,
     200},
    {{"extra size within the inode, not of whole words",
      CHECK_INODE_EXTRA_SIZE,
      0,
      {PUT(INODE, "/file", 128, 2, 30)}},
     "/file",
     0,
     128,
     30},
    {{"the first bit behind the inodes",
      CHECK_INODE_PADDING,
      0,
      {PUT(INODE_MAP, "", 32, 1, 0xfe)}},
     NULL,
     ANY,
     8 * KIB,
     256},
    {{"two bits, one between them",
      CHECK_INODE_MARKED,
      0,
      {PUT(INODE_MAP, "", 30, 1, 0x05)}},
     "<243>",
     243,
     0,
     1},
    {{"a journal by its number only",
      CHECK_SUPER_JOURNAL,
      0,
      {PUT(SUPER, "", 208, 4, 0x1234)}},
     NULL,
     224,
     0,
     0},
    {{".. of the root", CHECK_DIR_DOTDOT, 0, {PUT(NAMES, "<2>", 12, 4, 11)}},
     "<2>",
     0,
     2,
     11},
    {{"names of a directory with extents",
      CHECK_DIR_UNCONNECTED,
      0,
      {PUT(INODE, "/dir", 32, 4, 0x80000)}},
     "/dir/sub",
     ANY,
     ANY,
     ANY},
    {{"blocks of what has no type",
      CHECK_INODE_BLOCKS,
      0,
      {PUT(INODE, "/file", 0, 2, 0x01a4)}},
     "/file",
     0,
     0,
     ANY},
    {{"overlap of bitmaps",
      CHECK_GROUP_OVERLAP,
      0,
      {COPY(DESC, "", 0, 4, DESC, "", 4)}},
     NULL,
     ANY,
     0,
     0},
    {{"less than a field may be",
      CHECK_SUPER_FIELD,
      0,
      {PUT(SUPER, "", 32, 4, 1), PUT(SUPER, "", 36, 4, 1)}},
     NULL,
     32,
     8,
     1},
    {{"low dtime, never mounted",
      CHECK_INODE_DTIME_LOW,
      0,
      {PUT(SUPER, "", 44, 4, 0), PUT(SUPER, "", 48, 4, 0x65000000),
       PUT(SUPER, "", 264, 4, 0x65000000), PUT(INODE, "/file", 20, 4, 5)}},
     "/file",
     0,
     0,
     5},
    {{"links of the first inode that is not reserved",
      CHECK_LINKS,
      0,
      {PUT(INODE, "<11>", 26, 2, 7)}},
     "<11>",
     0,
     2,
     7},
    {{"index of a directory of no size",
      CHECK_INDEX_BLOCK,
      0,
      {PUT(INODE, "/many", 4, 4, 0)}},
     "/many",
     0,
     KIB,
     0},
    {{"index of a directory larger than the volume",
      CHECK_INDEX_BLOCK,
      0,
      {PUT(INODE, "/many", 4, 4, 2 * KIB * KIB)}},
     "/many",
     0,
     KIB,
     2 * KIB},
    {{"index whose root is not there",
      CHECK_INDEX_ROOT,
      0,
      {PUT(INODE, "/many", 40, 4, 0)}},
     "/many",
     ANY,
     ANY,
     ANY},
    {{"index with a flag of another kind",
      CHECK_INDEX_ROOT,
      0,
      {PUT(NAMES, "/many", 31, 1, 1)}},
     "/many",
     ANY,
     ANY,
     ANY},
    {{"name of an attribute longer than the inode",
      CHECK_XATTR_LAYOUT,
      0,
      {PUT(INODE, "/file", 164, 1, 200)}},
     "/file",
     ANY,
     ANY,
     ANY},
    /* 300,000 bytes: the last blocks are behind two indirect ones. */
    {{"size of a file with two levels",
      CHECK_INODE_SIZE,
      0,
      {PUT(INODE, "/double", 4, 4, 100)}},
     "/double",
     0,
     293 * 1024,
     100},
    {{"attribute whose value is in an inode",
      CHECK_XATTR_LAYOUT,
      0,
      {PUT(XATTR, "/double", 32 + 4, 4, 12)}},
     "/double",
     ANY,
     ANY,
     ANY},
};

/* The code is not found. */
static const struct row never_rows[] = {
    {"block of a file that is no orphan",
     CHECK_ORPHAN_BLOCK_FREE,
     0,
     {PUT(BIT_OF, "/file", 0, 1, 0)}},
    {"the Hurd counts blocks in its own way",
     CHECK_INODE_BLOCKS,
     0,
     {PUT(SUPER, "", 72, 4, 1), PUT(INODE, "/file", 28, 4, 2)}},
    {"inodes of a group without a table",
     CHECK_INODE_MODE,
     0,
     {PUT(DESC, "", 8, 4, 0)}},
    {"a file with the bytes of a directory",
     CHECK_INODE_IS_DIRECTORY,
     0,
     {PUT(INODE, "/dir", 0, 2, 0x81ed)}},
};

static uint8_t *good, *work;
static size_t size;

static uint32_t number_of(const char *path)
{
    return ext2_inode_of_path(good, size, path);
}

/* The block of names that `inode`, at a byte of the image, has first. */
static size_t names_of(size_t inode)
{
    return (size_t)le32_get(good + inode + 40) * KIB;
}

static size_t entry_of(const char *path)
{
    char dir[50];
    const char *name = strchr(path, '#') + 1;
    size_t at, end;

    snprintf(dir, sizeof(dir), "%.*s", (int)(name - path - 1), path);
    at = names_of(ext2_inode_offset(good, number_of(dir)));
    for (end = at + KIB; at < end; at += le16_get(good + at + 4))
        if (good[at + 6] == strlen(name) &&
            memcmp(good + at + 8, name, strlen(name)) == 0)
            return at;
    abort();
}

static size_t place_of(enum where where, const char *path)
{
    size_t inode;

    switch (where) {
    case SUPER:
        return KIB;
    case DESC:
        return 2 * KIB;
    case BLOCK_MAP:
        return (size_t)le32_get(good + 2 * KIB) * KIB;
    case INODE_MAP:
        return (size_t)le32_get(good + 2 * KIB + 4) * KIB;
    case ENTRY:
        return entry_of(path);
    default:
        inode = ext2_inode_offset(good, number_of(path));
        if (where == NAMES)
            return names_of(inode);
        if (where == XATTR)
            return (size_t)le32_get(good + inode + 104) * KIB;
        return inode;
    }
}

static void change_do(const struct change *change)
{
    uint32_t value = change->value;
    uint8_t *at;

    if (change->where == BIT_OF) {
        uint32_t block =
            le32_get(good + place_of(INODE, change->path) + 40) - 1;

        work[place_of(BLOCK_MAP, NULL) + block / 8] &=
            (uint8_t) ~(1u << block % 8);
        return;
    }
    if (change->from == NUMBER)
        value = number_of(change->from_path);
    else if (change->from != NOTHING)
        value = le32_get(good + place_of(change->from, change->from_path) +
                         change->from_offset);
    at = work + place_of(change->where, change->path) + change->offset;
    for (unsigned i = 0; i < change->bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void row_plant(const struct row *row)
{
    memcpy(work, good, size);
    for (unsigned i = 0; i < CHANGES_MAX; i++)
        if (row->change[i].where != NOTHING)
            change_do(&row->change[i]);
}

/* ---- The volume ---------------------------------------------------------- */

static int setup(void **state)
{
    char tree[] = "/tmp/torc_planted_XXXXXX", command[500];

    (void)state;
    if (mkdtemp(tree) == NULL)
        return -1;
    snprintf(command, sizeof(command),
             "cp -a %s/. %s && cd %s && touch void && mkdir many && "
             "for i in $(seq 100); do ln file many/a-name-to-fill-blocks-$i; "
             "done",
             ext2_small_tree(), tree, tree);
    assert_int_equal(system(command), 0);
    good = ext2_image("-b 1024 -N 256 -I 256", tree, KIB, &size);
    snprintf(command, sizeof(command), "rm -r %s", tree);
    assert_int_equal(system(command), 0);
    ext2_debugfs(good, size, "mknod null c 1 3");
    ext2_debugfs(good, size, "ea_set /file user.color red");
    memset(command, 'v', 300);
    memcpy(command, "ea_set /double user.a ", 22);
    command[300] = '\0';
    ext2_debugfs(good, size, command);
    /* Not ASCII: of the two hashes of its name only one is right. */
    command[200] = '\0';
    memcpy(command, "ea_set /double user.\xc3\xa4 ", 23);
    ext2_debugfs(good, size, command);
    ext2_fsck(good, size, "-fyD");
    work = malloc(size);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(good);
    free(work);
    return 0;
}

/* ---- Tests --------------------------------------------------------------- */

static void test_good_volume_is_clean(void **state)
{
    (void)state;
    assert_int_equal(ext2_e2fsck(good, size, NULL, 0, NULL), 0);
    assert_true(ext2_check_is_clean(good, size));
}

static void test_planted_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ext2_checked checked = {.fail_alloc = 0};

        row_plant(&rows[i]);
        ext2_check_image(work, size, &checked);
        if (checked.codes[rows[i].code] == 0)
            ext2_check_print(stderr, &checked);
        ROW(rows[i].name, checked.codes[rows[i].code] > 0);
        ROW(rows[i].name,
            checked.result.findings[0] + checked.result.findings[1] ==
                checked.count);
    }
}

static bool is_same(uint64_t wanted, uint64_t value)
{
    return wanted == ANY || wanted == value;
}

static bool is_said(const struct said *said, const struct ext2_finding *finding)
{
    uint32_t inode = said->inode == NULL ? 0 : number_of(said->inode);

    return finding->code == said->row.code && finding->inode == inode &&
           is_same(said->block, finding->block) &&
           is_same(said->expected, finding->expected) &&
           is_same(said->found, finding->found);
}

static void test_findings_say_where_and_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(said_rows); i++) {
        struct ext2_checked checked = {.fail_alloc = 0};
        bool found = false;

        row_plant(&said_rows[i].row);
        ext2_check_image(work, size, &checked);
        for (unsigned k = 0; k < checked.count && k < EXT2_CHECKED_MAX; k++)
            found = found || is_said(&said_rows[i], &checked.finding[k]);
        if (!found)
            ext2_check_print(stderr, &checked);
        ROW(said_rows[i].row.name, found);
    }
}

static void test_no_damage_is_not_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(never_rows); i++) {
        struct ext2_checked checked = {.fail_alloc = 0};

        row_plant(&never_rows[i]);
        ext2_check_image(work, size, &checked);
        ROW(never_rows[i].name, checked.codes[never_rows[i].code] == 0);
    }
}

/* As the superblock counts, which e2fsck has made. */
static void test_what_is_used_is_counted(void **state)
{
    struct ext2_checked checked = {.fail_alloc = 0};
    const uint8_t *super;

    (void)state;
    ext2_check_image(good, size, &checked);
    super = good + KIB;
    assert_int_equal(checked.result.inodes, le32_get(super));
    assert_int_equal(checked.result.inodes_used,
                     le32_get(super) - le32_get(super + 16));
    assert_int_equal(checked.result.blocks, le32_get(super + 4));
    assert_int_equal(checked.result.blocks_used, le32_get(super + 4) -
                                                     le32_get(super + 20) -
                                                     le32_get(super + 12));
    assert_int_equal(checked.result.directories,
                     le16_get(good + (size_t)2 * KIB + 16));
    assert_int_equal(checked.result.block_size, KIB);
}

/* Each read of this volume fails once, and each allocation. */
static void test_each_failure_is_told(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned n = 1;; n++) {
            struct ext2_checked checked = {.fail_alloc = kind == 0 ? n : 0,
                                           .fail_read = kind == 1 ? n : 0};

            ext2_check_image(good, size, &checked);
            if (checked.fail_alloc + checked.fail_read > 0)
                break;
            assert_int_equal(checked.status, kind == 0 ? -ENOMEM : -EIO);
        }
    }
}

static void test_a_list_is_sorted(void **state)
{
    uint64_t items[40], value = 1;
    struct fsck_list list = {.item = items, .count = COUNT_OF(items)};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        value = value * 6364136223846793005 + 1;
        items[i] = value >> 59;
    }
    fsck_list_sort(&list);
    for (size_t i = 1; i < COUNT_OF(items); i++)
        assert_true(items[i - 1] <= items[i]);
}

/* The highest hash of the names in a block of an index. */
static uint32_t hash_highest(const uint8_t *block)
{
    uint32_t seed[4], highest = 0;

    for (unsigned i = 0; i < 4; i++)
        seed[i] = le32_get(good + KIB + SUPER_HASH_SEED + (size_t)4 * i);
    for (unsigned at = 0; at < KIB; at += le16_get(block + at + 4)) {
        uint32_t hash = ext2_hash(EXT2_HASH_HALF_MD4, seed,
                                  (const char *)block + at + 8, block[at + 6]);

        if (le32_get(block + at) != 0 && hash > highest)
            highest = hash;
    }
    return highest;
}

/* Where a pair has the hash of a name, unmarked, the name belongs there and not
 * into the block before. */
static void test_a_hash_at_the_limit(void **state)
{
    struct ext2_checked checked = {.fail_alloc = 0};
    const uint8_t *inode = good + place_of(INODE, "/many");
    size_t pairs = names_of((size_t)(inode - good)) + 32;
    uint32_t leaf = le32_get(good + pairs + 4), highest;

    (void)state;
    assert_true(leaf > 0 && leaf < 12);
    highest = hash_highest(
        good + (size_t)le32_get(inode + 40 + (size_t)4 * leaf) * KIB);
    memcpy(work, good, size);
    le32_put(work + pairs + 8, highest);
    ext2_check_image(work, size, &checked);
    assert_int_equal(checked.codes[CHECK_INDEX_HASH], 1);
    le32_put(work + pairs + 8, highest + 1); /* it may go on there */
    ext2_check_image(work, size, &checked);
    assert_int_equal(checked.codes[CHECK_INDEX_HASH], 0);
}

/* In blocks of 64 KiB the two lowest bits are the highest ones. */
static void test_lengths_in_the_largest_blocks(void **state)
{
    static const struct {
        uint16_t raw;
        uint32_t small, large;
    } lengths[] = {{12, 12, 12},
                   {0, 0, 65536},
                   {0xffff, 0xffff, 65536},
                   {0x8005, 0x8005, 0x18004},
                   {0x0006, 0x0006, 0x20004}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct fsck fsck = {.block_size = 32768};
        uint8_t entry[8] = {0};

        le16_put(entry + 4, lengths[i].raw);
        assert_int_equal(fsck_rec_len(&fsck, entry), lengths[i].small);
        fsck.block_size = 65536;
        assert_int_equal(fsck_rec_len(&fsck, entry), lengths[i].large);
    }
}

/* What e2fsck -n says of the same. */
static void test_e2fsck_finds_it_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t problems[PROBLEMS_MAX];
        bool is_told = false;
        unsigned count;
        int status;

        if (rows[i].problem == ONLY_OURS)
            continue;
        row_plant(&rows[i]);
        status = ext2_e2fsck(work, size, problems, PROBLEMS_MAX, &count);
        for (unsigned k = 0; k < count && k < PROBLEMS_MAX; k++)
            is_told |= problems[k] == rows[i].problem;
        if (rows[i].problem == 0)
            ROW(rows[i].name, status != 0);
        else
            ROW(rows[i].name, is_told);
    }
}

/* Of the codes only those that need a volume too large for a test. */
static void test_each_code_is_planted(void **state)
{
    bool planted[CHECK_CODES] = {[CHECK_LINKS_MANY] = true};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        planted[rows[i].code] = true;
    for (unsigned i = 0; i < CHECK_CODES; i++)
        ROW(ext2_code_info(i)->name, planted[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_volume_is_clean),
        cmocka_unit_test(test_planted_is_found),
        cmocka_unit_test(test_e2fsck_finds_it_too),
        cmocka_unit_test(test_each_code_is_planted),
        cmocka_unit_test(test_findings_say_where_and_what),
        cmocka_unit_test(test_no_damage_is_not_found),
        cmocka_unit_test(test_what_is_used_is_counted),
        cmocka_unit_test(test_each_failure_is_told),
        cmocka_unit_test(test_a_list_is_sorted),
        cmocka_unit_test(test_a_hash_at_the_limit),
        cmocka_unit_test(test_lengths_in_the_largest_blocks),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
