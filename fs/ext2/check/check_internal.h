/*
 * What the parts of the checker share. They run in this order, each told by its
 * own file: super.c, groups.c, orphans.c, inodes.c (with claims.c, walk.c,
 * files.c, xattr.c), shared.c, dirs.c (with entries.c, names.c, index.c),
 * connect.c, bitmaps.c.
 */
#ifndef TORC_FS_EXT2_CHECK_INTERNAL_H
#define TORC_FS_EXT2_CHECK_INTERNAL_H

#include "fs/ext2/check/check.h"
#include "fs/ext2/ext2_format.h"
#include "fs/ext2/ext4_format.h"
#include "kernel/lib/bytes.h"
#include <torc/errno.h>

/* ---- What is known ------------------------------------------------------- */

struct fsck_group {
    uint32_t block_bitmap, inode_bitmap, inode_table; /* 0: cannot be used */
    uint16_t free_blocks, free_inodes, directories;
};

/* Of each inode. */
enum {
    FSCK_USED = 1,    /* it has links, or is reserved */
    FSCK_BAD = 2,     /* it is not what its mode says */
    FSCK_ORPHAN = 4,  /* on the list */
    FSCK_WALKED = 8,  /* connect.c */
    FSCK_DONE = 16,   /* connect.c */
    FSCK_EMPTY = 32,  /* a file or directory of no blocks */
    FSCK_INDEX = 64,  /* a directory with an index that can be looked at */
    FSCK_BLOCKS = 128 /* it has pointers to blocks */
};

struct fsck_inode {
    uint32_t parent; /* of a directory: where it has a name; 0: nowhere */
    uint32_t dotdot; /* of a directory */
    uint32_t named;  /* by so many entries */
    uint16_t links;  /* as it says */
    uint8_t type;    /* DIRENT_TYPE_... of its mode */
    uint8_t flags;   /* FSCK_... */
};

/* 64-bit numbers that become many. */
struct fsck_list {
    uint64_t *item;
    size_t count, room;
};

/* All of a check. */
struct fsck {
    const struct ext2_check_host *host;
    struct ext2_check_result *result;

    /* Constant after super.c: */
    uint8_t *super; /* the superblock, EXT2_SUPER_SIZE bytes */
    uint32_t compat, incompat, ro_compat;
    uint32_t block_size, block_shift, pointers; /* of an indirect block */
    uint32_t first_block, blocks;               /* first_block .. blocks - 1 */
    uint32_t blocks_per_group, group_count;
    uint32_t inodes, inodes_per_group, first_inode, inode_size;
    uint32_t table_blocks; /* of the inodes of a group */
    uint32_t desc_blocks;  /* of all descriptors */
    bool is_hurd;
    bool low_dtime_is_bad;

    struct fsck_group *groups;
    struct fsck_inode *inode; /* [number]; 0 is not used */

    /* A bit of each block: */
    uint8_t *used;   /* it belongs to something */
    uint8_t *meta;   /* to the volume itself */
    uint8_t *shared; /* to more than one thing */
    uint8_t *seen;   /* was walked: a pass clears it first */
    uint8_t *xattr;  /* holds extended attributes */
    bool any_shared;

    /* Buffers of a block: */
    uint8_t *table;                    /* of inodes */
    uint8_t *indirect[EXT2_LEVEL_MAX]; /* by level - 1; walk.c */
    uint8_t *data;                     /* names, attributes, targets */
    uint8_t *node;                     /* of an index; bitmaps */
    uint8_t *bytes;                    /* a bit of each byte of a block */
    uint32_t table_block;              /* what is in `table`; 0: nothing */
    uint32_t bitmap_block;             /* what is in `node` as a bitmap */

    struct fsck_list xattr_uses; /* blocks, once for each inode with them */
    struct fsck_list names;      /* hashes of one directory's names */
    uint32_t large_files;
};

/* ---- Findings, memory, reading (check.c) --------------------------------- */

void fsck_found(struct fsck *fsck, enum ext2_code code, uint32_t inode,
                uint64_t block, uint64_t expected, uint64_t found);

/* Zeroed memory, or NULL. */
void *fsck_alloc(struct fsck *fsck, size_t size);
void fsck_release(struct fsck *fsck, void *memory, size_t size);

/* Read a block that is within the volume. */
must_check int fsck_read_block(struct fsck *fsck, uint32_t block, void *to);

/* Add to a list: 0 or -ENOMEM. */
must_check int fsck_list_add(struct fsck *fsck, struct fsck_list *list,
                             uint64_t item);
void fsck_list_free(struct fsck *fsck, struct fsck_list *list);
void fsck_list_sort(struct fsck_list *list);

static inline bool fsck_bit(const uint8_t *map, uint64_t at)
{
    return (map[at / 8] >> at % 8 & 1) != 0;
}

/* Set a bit; whether it was. */
static inline bool fsck_bit_set(uint8_t *map, uint64_t at)
{
    bool was = fsck_bit(map, at);

    map[at / 8] = (uint8_t)(map[at / 8] | 1u << at % 8);
    return was;
}

static inline size_t fsck_map_size(const struct fsck *fsck)
{
    return (size_t)fsck->blocks / 8 + 1;
}

/* Whether a number is that of a block behind the boot block. */
static inline bool fsck_is_block(const struct fsck *fsck, uint32_t block)
{
    return block >= fsck->first_block && block < fsck->blocks;
}

static inline uint32_t fsck_group_first(const struct fsck *fsck, uint32_t group)
{
    return fsck->first_block + group * fsck->blocks_per_group;
}

static inline uint32_t fsck_group_blocks(const struct fsck *fsck,
                                         uint32_t group)
{
    uint32_t rest = fsck->blocks - fsck_group_first(fsck, group);

    return rest < fsck->blocks_per_group ? rest : fsck->blocks_per_group;
}

/* ---- Inodes (inodes.c) --------------------------------------------------- */

/* One inode, as it is on the disk. */
struct fsck_view {
    uint32_t number;
    const uint8_t *raw; /* inode_size bytes; of fsck->table */
    uint32_t flags, dtime, sectors, acl;
    uint64_t size;
    uint16_t mode, links;
    uint8_t type; /* DIRENT_TYPE_... */
};

/* Read inode `number` into fsck->table. Returns 1, 0: its table cannot be used;
 * or an error. */
must_check int fsck_inode_read(struct fsck *fsck, uint32_t number,
                               struct fsck_view *view);

/* Whether it has pointers to blocks: a short symbolic link has not. */
bool fsck_inode_has_blocks(const struct fsck *fsck,
                           const struct fsck_view *view);

/* ---- Walking the blocks of an inode (walk.c) ----------------------------- */

struct fsck_walk {
    struct fsck *fsck;
    const struct fsck_view *inode;
    /*
     * Told of each pointer that is not 0: block `block`, which is block
     * `logical` of the file when level is 0, else an indirect one of 1 to 3
     * levels that begins there. Returns 1 to go into it, 0, or an error.
     */
    int (*visit)(struct fsck_walk *walk, uint64_t logical, uint32_t block,
                 unsigned level);
};

must_check int fsck_walk(struct fsck_walk *walk);

/* ---- The passes ---------------------------------------------------------- */

/* Each returns 0, or an error that ends all; fsck->result->stopped is set when
 * the rest makes no sense. */
must_check int fsck_super(struct fsck *fsck);
must_check int fsck_super_resize(struct fsck *fsck);
must_check int fsck_super_journal(struct fsck *fsck);
must_check int fsck_groups(struct fsck *fsck);
must_check int fsck_orphans(struct fsck *fsck);
must_check int fsck_inodes(struct fsck *fsck);
must_check int fsck_shared(struct fsck *fsck);
must_check int fsck_dirs(struct fsck *fsck);
must_check int fsck_connect(struct fsck *fsck);
must_check int fsck_bitmaps(struct fsck *fsck);

/* Whether a group has a copy of the superblock (groups.c). */
bool fsck_group_has_super(const struct fsck *fsck, uint32_t group);

/* ---- Of an inode (inodes.c uses them) ------------------------------------ */

/* Claim its blocks, and compare its size with them (claims.c). */
must_check int fsck_claims(struct fsck *fsck, const struct fsck_view *view);

/* Say that `block` belongs to something. */
void fsck_claim(struct fsck *fsck, uint32_t block);

/* Special files and symbolic links (files.c). */
must_check int fsck_special(struct fsck *fsck, const struct fsck_view *view);
must_check int fsck_looks_like_dir(struct fsck *fsck,
                                   const struct fsck_view *view);

/* Attributes (xattr.c). *blocks grows by the block that holds them. */
void fsck_xattr_inode(struct fsck *fsck, const struct fsck_view *view);
must_check int fsck_xattr_block(struct fsck *fsck, const struct fsck_view *view,
                                uint64_t *blocks);
must_check int fsck_xattr_references(struct fsck *fsck);

/* ---- Of a directory (dirs.c uses them) ----------------------------------- */

/* Of a block of a directory with an index. */
struct fsck_leaf {
    uint32_t block;     /* of the volume; 0: a hole */
    uint32_t low, high; /* hashes of the names; low > high: there are none */
    uint32_t referenced;
};

struct fsck_dir {
    struct fsck *fsck;
    uint32_t number;
    uint64_t next_logical; /* to find holes */
    uint64_t name_count;
    /* With an index: */
    bool has_index;
    unsigned hash_version;
    unsigned levels; /* of nodes below the root */
    uint32_t hash_seed[4];
    struct fsck_leaf *leaf; /* [logical] */
    uint32_t leaves;
};

/* A block of names, in fsck->data (entries.c). */
must_check int fsck_entries(struct fsck_dir *dir, uint64_t logical,
                            uint32_t block);

/* The length of an entry as the format codes it. */
uint32_t fsck_rec_len(const struct fsck *fsck, const uint8_t *entry);

/* The index (index.c): its root, and after all blocks the whole tree. */
must_check int fsck_index_root(struct fsck *fsck, const struct fsck_view *view);
must_check int fsck_index_open(struct fsck_dir *dir,
                               const struct fsck_view *view);
must_check int fsck_index_check(struct fsck_dir *dir);
void fsck_index_close(struct fsck_dir *dir);

#endif
