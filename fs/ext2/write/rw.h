/*
 * What a volume that is written has in memory, and what the files of the
 * writing half offer each other. Nothing of it is linked into an image that
 * only reads.
 */
#ifndef TORC_FS_EXT2_RW_H
#define TORC_FS_EXT2_RW_H

#include "fs/ext2/ext2.h"
#include "fs/ext2/write/change.h"
#include <torc/assert.h>
#include <torc/list.h>

enum { EXT2_FREED_SPARE = 64, EXT2_STALE_BUCKETS = 256 };

/* A block group. Owner CPU only. */
struct ext2_group {
    uint32_t block_bitmap; /* constant: where they are */
    uint32_t inode_bitmap;
    uint32_t inode_table;
    uint32_t free_blocks; /* as the descriptor says; of bad bitmaps 0 */
    uint32_t free_inodes;
    uint32_t dirs;
    bool is_block_bitmap_known; /* it has been looked at, */
    bool is_inode_bitmap_known; /* and makes sense */
};

/* Blocks or an inode that may be used again when `stamp` is durable. */
struct ext2_freed {
    struct list link; /* in rw->freed, or in rw->freed_spare */
    uint64_t first;
    uint32_t count;
    bool is_inode;
    bool is_dir; /* the inode was a directory */
    bool is_spare;
    uint64_t stamp;
};

/* A name that was looked for last and is not there, and room for it. */
struct ext2_miss {
    uint64_t dir;   /* the inode's number; 0: none */
    uint64_t stamp; /* of the next change then */
    uint64_t block;
    uint32_t at;
    uint32_t len;
    char text[FILE_NAME_MAX];
};

/* ext2_fs.rw. Owner CPU only. */
struct ext2_rw {
    struct ext2_fs *fs;
    struct mount *mount;
    struct ext2_group *groups;

    /* Changes are numbered. All before `durable` are on the device for good. */
    uint64_t stamp; /* of the next one */
    uint64_t durable;
    struct rwlock durable_lock; /* held by who makes changes durable */

    uint64_t free_blocks;     /* whose bits are clear */
    uint64_t freed_blocks;    /* in `freed`: their bits are still set */
    uint64_t reserved_blocks; /* of these two: for pages that are dirty */
    uint64_t free_inodes;
    uint64_t freed_inodes;

    struct ext2_miss miss;

    struct list windows; /* ext2_rw_inode.window_link, the newest first */
    unsigned window_count;

    struct list freed; /* struct ext2_freed */
    struct list freed_spare;
    struct ext2_freed spare[EXT2_FREED_SPARE]; /* where there is no memory */

    struct list stale; /* struct ext2_stale (stale.h), the oldest first */
    struct list stale_names[EXT2_STALE_BUCKETS]; /* the same, by their hash */
    unsigned stale_count;

    uint16_t state_at_mount; /* of the superblock */
    uint16_t on_errors;      /* the same */
    uint32_t generation;     /* of the next inode */
    uint32_t orphan_first;   /* as the superblock has it; 0: none */
    uint64_t overhead;       /* blocks that are not for files */
    bool is_active;          /* the superblock says that it is being written */
    bool is_super_dirty;     /* counts differ from those in the superblock */
    bool has_failed;         /* damage was found while writing */
};

struct ext2_rw_inode {
    struct ext2_inode ext2; /* first */
    struct rwlock map_lock; /* which blocks it has, and ext2_inode_write() */
    uint64_t after;     /* its attributes go to the disk when this is durable */
    uint64_t named;     /* the block where it got a name last; 0: none */
    uint64_t disk_size; /* no block is behind it */
    bool is_on_disk;    /* with links, as this inode */
    bool is_dead;       /* it has been, and the table says that it is deleted */
    uint32_t dtime;     /* since when */
    struct list freed; /* blocks, until the inode is on the disk without them */
    uint64_t last_index; /* the last block that was allocated, */
    uint64_t last_block; /* and where it is; 0: none */

    /* alloc_window.c: */
    struct list window_link;
    uint64_t window_first;
    uint32_t window_size; /* blocks; 0: none */

    /* Room that is kept for pages, out of rw->reserved_blocks: */
    uint32_t reserved_data;
    uint32_t reserved_tables; /* at least so many indirect blocks, */
    uint64_t reserved_at;     /* counted up to this table; UINT64_MAX: none */
};

static inline struct ext2_rw_inode *ext2_rw_inode_of(const struct inode *inode)
{
    return container_of(ext2_inode_of(inode), struct ext2_rw_inode, ext2);
}

static inline struct ext2_rw *ext2_rw_of(const struct inode *inode)
{
    return ext2_of(inode)->rw;
}

/* Blocks that may still be promised. */
static inline uint64_t ext2_rw_available(const struct ext2_rw *rw)
{
    uint64_t have = rw->free_blocks + rw->freed_blocks;

    return have > rw->reserved_blocks ? have - rw->reserved_blocks : 0;
}

/* Blocks of a group: the last one is shorter. */
static inline uint32_t ext2_group_blocks(const struct ext2_fs *fs,
                                         uint32_t group)
{
    uint64_t first =
        fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
    uint64_t rest = fs->blocks_count - first;

    return rest < fs->blocks_per_group ? (uint32_t)rest : fs->blocks_per_group;
}

/* ---- rw_group.c ---------------------------------------------------------- */

/* Read all descriptors. Thread; may wait. Returns 0, -ENOMEM, or as
 * page_get(). */
must_check int ext2_groups_load(struct ext2_rw *rw);

/* Pin the descriptor of a group in a change; *at is its byte in ->data. */
must_check int ext2_change_group(struct change *change, uint32_t group,
                                 struct change_block **out, uint32_t *at);

/* Begin, pin a bitmap of the group, in `bitmap_block`, and its descriptor, and
 * start. Returns as ext2_change_start(); after an error there is no change. */
must_check int ext2_group_start(struct ext2_rw *rw, uint32_t group,
                                uint64_t bitmap_block, struct change *change,
                                struct change_block **bitmap,
                                struct change_block **desc, uint32_t *at);

/* Put what the group has in memory there: after the start. */
void ext2_group_put(const struct ext2_rw *rw, uint32_t group,
                    const struct change_block *block, uint32_t at);

/* ---- rw_super.c ---------------------------------------------------------- */

/* Mounted for writing: the volume is not clean from here on. And the end: it
 * is as clean as it was, when all else is durable. Thread; may wait. Return 0,
 * or as ext2_change_start(). */
must_check int ext2_super_begin(struct ext2_rw *rw);
must_check int ext2_super_end(struct ext2_rw *rw);

/* There are to be extended attributes: the superblock says so for good. Thread;
 * may wait. Returns 0, -ENOTSUP (revision 0 cannot), or as
 * ext2_change_start(). */
must_check int ext2_super_attributes(struct ext2_rw *rw);

/* Put the counts there, if they have changed. */
must_check int ext2_super_counts(struct ext2_rw *rw);

/* Pin the superblock in a change; *data gets its first byte after the start by
 * ext2_super_data(). */
must_check int ext2_change_super(struct change *change,
                                 struct change_block **out);
uint8_t *ext2_super_data(const struct ext2_fs *fs,
                         const struct change_block *block);

/* Damage was found, of which the log has been told, or metadata cannot be
 * written: what the volume says is done about it. Does not wait. */
void ext2_rw_failed(struct ext2_rw *rw);

/* ---- freed.c: blocks and inodes that cannot be used again yet ------------ */

/*
 * Give back blocks that the disk may still name. They can be used again when
 * all changes so far are durable; those in an `open` list, of the caller, when
 * the change is that closes it. Does not wait.
 */
void ext2_freed_add(struct ext2_rw *rw, struct list *open, uint64_t first,
                    uint32_t count);
void ext2_freed_close(struct ext2_rw *rw, struct list *open, uint64_t stamp);

/* The same of an inode. */
void ext2_freed_add_inode(struct ext2_rw *rw, uint64_t number, bool is_dir);

/* What is durable is used again. Thread; may wait. */
void ext2_freed_release(struct ext2_rw *rw);
void ext2_freed_init(struct ext2_rw *rw);
void ext2_freed_fini(struct ext2_rw *rw);

/* ---- alloc_block.c, alloc_inode.c ---------------------------------------- */

/*
 * Clear bits. *done says how many, also after an error; `was_freed`: they are
 * counted in rw->freed_blocks. Thread; may wait. Return 0, -EIO, -ENOMEM.
 */
must_check int ext2_blocks_clear(struct ext2_rw *rw, uint64_t block,
                                 uint32_t count, bool was_freed,
                                 uint32_t *done);
must_check int ext2_inode_clear(struct ext2_rw *rw, uint64_t number,
                                bool is_dir);

/* ---- alloc_window.c ------------------------------------------------------ */

/* Where the window of another file ends that a block is in; 0: it is in none,
 * and *max is lowered to the distance to the next one. */
uint64_t ext2_windows_skip(const struct ext2_rw *rw, const struct inode *inode,
                           uint64_t block, uint32_t *max);

/* A file has got blocks, and goes on at `next`: where it was to do so, or
 * elsewhere. It gets none for now. */
void ext2_window_move(struct inode *inode, uint64_t next, bool goes_on);
void ext2_window_drop(struct inode *inode);

/* ---- durable.c ----------------------------------------------------------- */

/*
 * Make all changes that have ended durable, and use again what may be. Thread
 * of the owner, with any locks but durable_lock; may wait. Returns 0, or the
 * error of the device.
 */
must_check int ext2_make_durable(struct ext2_fs *fs);

/* The same, if changes before `stamp` are not. */
must_check int ext2_wait_durable(struct ext2_rw *rw, uint64_t stamp);

/* ---- rw_inode.c ---------------------------------------------------------- */

/* fs_ops.inode_read(), inode_write(), inode_evict(), inode_drop() */
int ext2_rw_inode_read(struct inode *inode);
int ext2_inode_write(struct inode *inode);
int ext2_rw_evict(struct inode *inode);
void ext2_rw_drop(struct inode *inode);

/* The times that inodes of such a size keep. */
struct vfs_times ext2_times(const struct ext2_fs *fs);

/* Where an inode is in the table: the block, and the byte in it. */
void ext2_inode_place(const struct inode *inode, uint64_t *block, uint32_t *at);

/* What the table has as the time of deletion. Thread; may wait. */
must_check int ext2_inode_dtime(struct inode *inode, uint32_t *dtime);

/* It has no links any more: in memory, and in its place in the table. Between
 * start and end of a change of that block. */
void ext2_inode_put_dead(struct inode *inode, uint8_t *raw);

/* It does not need its block of extended attributes any more: with the
 * map_lock. Thread; may wait. */
must_check int ext2_xattr_block_put(struct inode *inode);

/* Set up what it has beside ext2_inode. */
void ext2_rw_inode_init(struct inode *inode);

/* The same by who has the map_lock. */
must_check int ext2_inode_write_locked(struct inode *inode);

/* ---- rw_map.c: pointers to blocks ---------------------------------------- */

/*
 * Give `count` blocks from `index` on, which are a hole up to where ext2_bmap()
 * said, places on the disk: *block gets the first one, and *count how many
 * there are together. The map_lock is held. Thread; may wait. Returns 0,
 * -ENOSPC, -EFBIG, -EUCLEAN, -EIO, -ENOMEM.
 */
must_check int ext2_map_allocate(struct inode *inode, uint64_t index,
                                 uint32_t *count, uint64_t *block);

/* How many indirect blocks on the way to a block are missing, 0 .. 3, and which
 * table of a file it is that has its pointer. Thread; may wait. Returns that,
 * or an error as ext2_bmap(). */
must_check int ext2_map_missing(struct inode *inode, uint64_t index,
                                uint64_t *table);

/* The content of a block that ext2_map_allocate() of one block will link;
 * NULL: whoever calls writes it. */
must_check int ext2_map_append(struct inode *inode, uint64_t index,
                               const uint8_t *content, uint64_t *block);

/* The largest size of a file that pointers, and the inode, can say. */
uint64_t ext2_size_max(const struct ext2_fs *fs);

/* ---- rw_truncate.c ------------------------------------------------------- */

/* Free blocks [from, to) of a file, and the indirect blocks that lead to
 * nothing else. The map_lock is held. Returns 0, -EIO, -EUCLEAN, -ENOMEM: some
 * may be left. */
must_check int ext2_map_free(struct inode *inode, uint64_t from, uint64_t to);

/* ---- orphan.c ------------------------------------------------------------ */

/* Free those that the disk has. Thread; may wait. */
must_check int ext2_orphans_recover(struct ext2_rw *rw);

/* ---- rw_data.c ----------------------------------------------------------- */

extern const struct mapping_ops ext2_rw_mapping_ops;

/* fs_ops.promised() */
uint64_t ext2_promised(const struct inode *inode);

/* fs_ops.truncate(), punch() */
int ext2_rw_truncate(struct inode *inode, uint64_t old_bytes);
int ext2_rw_punch(struct inode *inode, uint64_t from, uint64_t to);

/* ---- rw_ops.c ------------------------------------------------------------ */

/* What the superblock says that e2fsck does not mind, but what we would write
 * may not agree with; NULL: nothing. Such a volume is only read. */
const char *ext2_oddity(const struct ext2_fs *fs);

#endif
