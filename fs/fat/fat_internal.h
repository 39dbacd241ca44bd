/* The structures of a mounted volume, and what the files of fs/fat offer each
 * other. */
#ifndef TORC_FS_FAT_INTERNAL_H
#define TORC_FS_FAT_INTERNAL_H

#include "fs/fat/fat_format.h"
#include "fs/fat/name.h"
#include "fs/fat/time.h"
#include "kernel/cache/mapping.h"
#include "kernel/file/hash.h"
#include "kernel/file/vfs.h"
#include "kernel/thread/rwlock.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>

enum {
    FAT_COPIES_MAX = 4,
    FAT_MARKS = 256,            /* of a chain */
    FAT_GROUPS_MAX = 8192,      /* parts of the FAT that are counted */
    FAT_GROUP_MIN = 1024,       /* clusters of one, at least */
    FAT_GROUP_UNKNOWN = 0xffff, /* it has not been counted */
    FAT_PENDING_MAX = 1024,     /* chains that are not free yet */
    FAT_MESSAGES_MAX = 8,       /* about damage, in the log */
};

#define FAT_LENGTH_UNKNOWN UINT32_C(0xffffffff)
#define FAT_SIZE_MAX       UINT32_C(0xffffffff) /* bytes of a file */

/*
 * Numbers of inodes. A directory has that of its first cluster, which stays; a
 * file that of the place of its entry when it came into memory, with a count in
 * front if another inode still has that number: docs/fat.md.
 */
#define FAT_ROOT_NUMBER UINT64_C(1)
#define FAT_NUMBER_FILE (UINT64_C(1) << 40)
enum { FAT_NUMBER_COUNT_SHIFT = 44 };

/*
 * The clusters of a file or directory, one after the other in the FAT. What was
 * passed at every 2^shift clusters is kept, so that a walk does not begin at
 * the front. Owner CPU only.
 */
struct fat_chain {
    uint32_t first;  /* 0: it has none */
    uint32_t length; /* clusters; or FAT_LENGTH_UNKNOWN */
    uint32_t at;     /* where the last walk came to: cluster number `at` */
    uint32_t cluster;
    uint32_t mark_count;
    uint8_t shift;
    uint32_t *marks; /* FAT_MARKS; NULL: there are none */
};

/* A mounted volume. Constant after mount, where nothing else is said. */
struct fat_fs {
    struct mapping device;
    struct mount *mount;
    const char *name; /* of the disk: for the log */
    uint8_t bits;     /* of an entry of the FAT: 12, 16, 32 */
    uint8_t copies;   /* FATs that are written; the first is read */
    uint32_t sector_bytes;
    uint32_t write_bytes;                /* what the disk writes as one */
    uint32_t cluster_shift;              /* log2 of the bytes of a cluster */
    uint64_t fat_offset[FAT_COPIES_MAX]; /* in bytes on the disk */
    uint64_t fat_bytes;                  /* of each */
    uint64_t root_offset;                /* of FAT12 and FAT16 */
    uint32_t root_slots;                 /* of FAT12 and FAT16; else 0 */
    uint32_t root_cluster;               /* of FAT32; else 0 */
    uint64_t data_offset;                /* of cluster 2 */
    uint32_t cluster_end;   /* clusters are FAT_FIRST .. cluster_end-1 */
    uint64_t fsinfo_offset; /* 0: there is none */
    char label[12];
    struct fat_options options;
    bool is_backup; /* the boot sector is damaged; this is its backup */

    /* owner CPU only: */
    bool was_dirty;          /* it had not been unmounted */
    bool is_marked;          /* as in use, on the disk; */
    bool may_be_marked;      /* or that was to be written, and it failed */
    unsigned messages;       /* of damage, in the log */
    uint64_t slots_of_names; /* looked at so far */

    /* Held exclusively while the FAT is changed or counted, below the locks of
     * inodes (alloc.c). */
    struct rwlock fat_lock;
    uint16_t *free; /* of each group: how many clusters are free */
    uint32_t group_count;
    uint32_t group_shift; /* log2 of the clusters of a group */
    uint32_t groups_unknown;
    uint32_t free_known; /* in those that have been counted */
    uint32_t reserved;   /* of these, for what is not written yet */
    uint32_t search_at;  /* where to look for free clusters */
    uint32_t hint_free;  /* what FSInfo said when it was mounted, less what was
                          * taken since; FSINFO_UNKNOWN */

    /* pending.c: */
    struct list pending; /* chains that are dropped and not free yet */
    uint32_t pending_count;
    uint32_t pending_clusters;
    struct flush_work pending_work;
    struct rwlock pending_lock; /* above fat_lock: they are being freed */

    struct hash_table files; /* fat_inode.by_position */
    struct list wanted;      /* struct fat_wanted: inodes to be read */
};

/* What FAT has of an inode. Owner CPU only. */
struct fat_inode {
    struct inode inode; /* first */
    uint64_t position;  /* of its entry on the disk, in entries; 0: it has none
                         */
    uint32_t slot;      /* the entry's place in its directory, */
    uint8_t parts;      /* behind so many parts of a long name */
    uint8_t attr;       /* ATTR_BIT_... */
    uint64_t parent;    /* the number of the directory it is in */
    struct fat_chain chain;
    uint32_t reserve_end; /* room is kept for clusters from chain.length on */
    struct fat_index *index;      /* of a large directory; or NULL */
    struct hash_node by_position; /* of a file that has an entry: in fs->files
                                   */
};

static inline struct fat_fs *fat_of(const struct inode *inode)
{
    return inode->mount->fs_data;
}

static inline struct fat_inode *fat_inode_of(const struct inode *inode)
{
    return container_of(inode, struct fat_inode, inode);
}

static inline bool fat_cluster_valid(const struct fat_fs *fs, uint32_t cluster)
{
    return cluster >= FAT_FIRST && cluster < fs->cluster_end;
}

static inline uint64_t fat_cluster_offset(const struct fat_fs *fs,
                                          uint32_t cluster)
{
    return fs->data_offset +
           ((uint64_t)(cluster - FAT_FIRST) << fs->cluster_shift);
}

/* How many clusters hold so many bytes. */
static inline uint32_t fat_clusters_of(const struct fat_fs *fs, uint64_t bytes)
{
    uint64_t rest = (UINT64_C(1) << fs->cluster_shift) - 1;

    return (uint32_t)((bytes + rest) >> fs->cluster_shift);
}

/* ---- view.c -------------------------------------------------------------- */

enum { FAT_VIEW_MAX = 32 };

/* A window on the disk. It holds at most one page of the cache. */
struct fat_view {
    struct fat_fs *fs;
    struct mapping_ref ref;
    uint64_t offset; /* of the page, on the disk */
    size_t size;     /* 0: none is held */
    uint8_t copy[FAT_VIEW_MAX];
};

void fat_view_begin(struct fat_view *view, struct fat_fs *fs);
void fat_view_end(struct fat_view *view);

/* Look at `size` bytes, at most FAT_VIEW_MAX, from byte `offset` of the disk:
 * *out until the thread waits. Thread; may wait. Returns as page_get(). */
must_check int fat_view(struct fat_view *view, uint64_t offset, size_t size,
                        const uint8_t **out);

/* Say in the log what of an inode is damaged, with a number that tells where: a
 * few times a mount. Returns -EUCLEAN. */
int fat_damaged(struct fat_fs *fs, uint64_t inode, const char *what,
                uint64_t at);

/* ---- boot.c -------------------------------------------------------------- */

/* Read and check the boot sector, or its backup. Thread; may wait. Returns as
 * struct file_system.mount. */
must_check int fat_boot_read(struct fat_fs *fs);

/* Assert what everything else relies on. */
void fat_boot_check(const struct fat_fs *fs);

/* ---- state.c ------------------------------------------------------------- */

/* Read FSInfo and whether the volume was unmounted. Returns as page_get(). */
must_check int fat_state_read(struct fat_fs *fs);

/* Mark the volume as in use, or as unmounted and with what is known of it. Both
 * are on the disk for good afterwards. Thread; may wait. Return 0, -EIO,
 * -ENOMEM. */
must_check int fat_state_begin(struct fat_fs *fs);
must_check int fat_state_end(struct fat_fs *fs);

/* ---- table.c ------------------------------------------------------------- */

/* Entry `cluster` of the FAT. Thread; may wait. Returns 0 and *value, or as
 * page_get(). */
must_check int fat_get(struct fat_view *view, uint32_t cluster,
                       uint32_t *value);

/*
 * What comes behind a cluster. Thread; may wait. Returns 1 and *next, 0 (it is
 * the last one), -EUCLEAN (it is free, or leads out of the volume), or as
 * page_get().
 */
must_check int fat_next(struct fat_view *view, uint32_t cluster,
                        uint32_t *next);

/* What the last cluster of a chain has. */
uint32_t fat_end_value(const struct fat_fs *fs);

/* Set an entry in all FATs that are used. Thread; may wait. Returns 0, or as
 * page_get(), and then none has changed. */
must_check int fat_set(struct fat_fs *fs, uint32_t cluster, uint32_t value);

/* ---- chain.c ------------------------------------------------------------- */

void fat_chain_init(struct fat_chain *chain, uint32_t first);
void fat_chain_fini(struct fat_chain *chain);

/*
 * Cluster number `index` of an inode. Thread; may wait. Returns 1 and *cluster,
 * 0 (the chain is shorter), -EUCLEAN (said in the log), or as page_get().
 */
must_check int fat_chain_find(struct inode *inode, uint32_t index,
                              uint32_t *cluster);

/* As fat_chain_find(), and *count, 1 .. max, is how many follow each other on
 * the disk. */
must_check int fat_chain_run(struct inode *inode, uint32_t index, uint32_t max,
                             uint32_t *cluster, uint32_t *count);

/* Find out chain.length. Returns 0, or as fat_chain_find(). */
must_check int fat_chain_measure(struct inode *inode);

/* Make it longer by clusters that have been reserved, until it has `length`.
 * Returns 0, or as fat_take(). */
must_check int fat_chain_grow(struct inode *inode, uint32_t length);

/* Cut it to `length` clusters and drop the rest. Returns 0, or as
 * fat_chain_find() and fat_set(); then nothing has changed. */
must_check int fat_chain_cut(struct inode *inode, uint32_t length);

void fat_chain_check(const struct fat_fs *fs, const struct fat_chain *chain);

/* ---- alloc.c ------------------------------------------------------------- */

must_check int fat_alloc_init(struct fat_fs *fs);
void fat_alloc_fini(struct fat_fs *fs);

/* Keep `count` free clusters for later. Thread; may wait. Returns 0, -ENOSPC,
 * or as page_get(). */
must_check int fat_reserve(struct fat_fs *fs, uint32_t count);
void fat_unreserve(struct fat_fs *fs, uint32_t count);

/*
 * Take up to `count` clusters that were reserved, at `goal` if it is free: a
 * chain that ends, *first .. *first + *got - 1. The caller holds fat_lock.
 * Returns 0, -ENOSPC (damage: there are none), or as page_get().
 */
must_check int fat_take(struct fat_fs *fs, uint32_t goal, uint32_t count,
                        uint32_t *first, uint32_t *got);

/* Free the chain that begins at `first`. The caller holds fat_lock. Returns 0,
 * -EUCLEAN, or as page_get(): what is left is lost. */
must_check int fat_release(struct fat_fs *fs, uint32_t first);

/* Make zeros of clusters, through the mapping of the disk: they become a
 * directory's. Thread; may wait. Returns 0, or as page_modify(). */
must_check int fat_clear(struct fat_fs *fs, uint32_t first, uint32_t count);

/* Write clusters of a directory: before anything leads to them, so that it
 * never has what was there before. Thread; waits. Returns as mapping_write().
 */
must_check int fat_write_clusters(struct fat_fs *fs, uint32_t first,
                                  uint32_t count);

/* How many are free and not reserved. Thread; may wait. Returns as page_get().
 */
must_check int fat_count_free(struct fat_fs *fs, uint32_t *count);

void fat_alloc_check(const struct fat_fs *fs);

/* ---- pending.c ----------------------------------------------------------- */

/* A chain of `count` clusters to which nothing in memory leads any more: it is
 * freed later. The caller does not hold fat_lock. Thread; may wait. */
void fat_drop_chain(struct fat_fs *fs, uint32_t first, uint32_t count);

/* Free what was dropped. Thread; may wait. Returns 0, or as mapping_write():
 * then it is not free yet. */
must_check int fat_release_pending(struct fat_fs *fs);

void fat_pending_init(struct fat_fs *fs);
void fat_pending_fini(struct fat_fs *fs);

/* ---- scan.c: directories, entry by entry --------------------------------- */

/* Slots that are free, which a scan has come across. */
struct fat_room {
    uint32_t wanted; /* how many are to follow each other */
    uint32_t first;
    uint32_t count; /* so many from `first` on; it ends with `wanted` */
};

struct fat_scan {
    struct inode *dir;
    struct fat_view view;
    uint32_t next; /* slot */
    struct fat_room room;

    /* Slots that lie behind each other on the disk: */
    uint32_t run_first;
    uint32_t run_count;
    uint64_t run_offset;

    /* The last entry: */
    uint32_t first;    /* its first part, or slot */
    uint32_t slot;     /* of the short entry */
    uint64_t position; /* on the disk, in entries */
    uint8_t raw[SLOT_BYTES];
    unsigned len; /* of its long name; 0: it has none */
    uint16_t name[LONG_PARTS_MAX * LONG_PART];

    /* A long name that is being collected: */
    uint32_t part_first;
    uint8_t parts;    /* it has so many; 0: there is none */
    uint8_t order;    /* of the last part that was met */
    uint8_t checksum; /* of the short name it belongs to */
};

/*
 * Begin at slot `next`; names before it may be cut. The directory is locked, or
 * what is looked for does not change otherwise.
 */
void fat_scan_begin(struct fat_scan *scan, struct inode *dir, uint32_t next);
void fat_scan_end(struct fat_scan *scan);

/* Go on elsewhere. */
void fat_scan_move(struct fat_scan *scan, uint32_t next);

/* The next entry. Thread; may wait. Returns 1, 0 at the end, -EUCLEAN, or as
 * page_get(). */
must_check int fat_scan_next(struct fat_scan *scan);

/*
 * Where a slot of a directory is on the disk; *run is how many lie behind each
 * other from there on, in one page. Thread; may wait. Returns 0, -EUCLEAN (the
 * directory is shorter), or as page_get().
 */
must_check int fat_slot_offset(struct inode *dir, uint32_t slot,
                               uint64_t *offset, uint32_t *run);

/* How many slots a directory has. */
uint32_t fat_slot_count(const struct inode *dir);

/* The name of the last entry as it is shown: UTF-8 of at most FILE_NAME_MAX
 * bytes, NUL-terminated. */
void fat_scan_name(const struct fat_scan *scan, char *out);

/* Whether the last entry has a name, as its long or as its short one. */
bool fat_scan_is(const struct fat_scan *scan, const struct fat_name *name);

/* ---- inode.c ------------------------------------------------------------- */

/* An inode that somebody looks up: what inode_read() gets to know of it. */
struct fat_wanted {
    struct list link; /* in fs->wanted */
    uint64_t number;
    uint64_t position;
    uint64_t parent;
    uint32_t slot;
    uint8_t parts;
};

/* The number that the inode of an entry has, or will have when it is read. */
uint64_t fat_entry_number(const struct fat_fs *fs, const uint8_t *raw,
                          uint64_t position);

/* Hold the inode of the entry that a scan has come to. Thread; may wait.
 * Returns as inode_get(). */
must_check int fat_inode_get(const struct fat_scan *scan, struct inode **out);

int fat_inode_read(struct inode *inode);
void fat_inode_drop(struct inode *inode);
void fat_inode_check(const struct inode *inode);

/* Set up the chain of a directory, with its length. Returns 0, -EUCLEAN, or as
 * page_get(). */
must_check int fat_dir_chain(struct inode *dir, uint32_t start);

/* The first cluster that an entry says. */
uint32_t fat_entry_start(const struct fat_fs *fs, const uint8_t *raw);

/* Whether an inode of a file has its entry at a place. */
bool fat_position_is_known(const struct fat_fs *fs, uint64_t position);

/* Give an inode its entry; position 0: it has none. */
void fat_inode_place(struct inode *inode, uint64_t position, uint32_t slot,
                     uint8_t parts);

/* ---- entry.c: what an inode says of itself in its entry ------------------ */

/* Fill the attributes of an inode from its entry, and all but the name of an
 * entry from its inode. */
void fat_entry_get(struct inode *inode, const uint8_t *raw);
void fat_entry_put(const struct inode *inode, uint8_t *raw);

/* What a new inode is by the options of the mount: inode->mode is what it was
 * to be. */
void fat_attr_new(struct inode *inode);

/* fs_ops.attr_fit(), fs_ops.inode_write() */
int fat_attr_fit(const struct inode *inode, struct vfs_attr *attr);
int fat_inode_write(struct inode *inode);

/* ---- parent.c ------------------------------------------------------------ */

/* Find the entry of a directory by what is in it. Thread; may wait. Returns 0,
 * -EUCLEAN, or as page_get(). */
must_check int fat_parent_find(struct inode *inode, struct fat_wanted *out);

/* ---- data.c -------------------------------------------------------------- */

/* Make the mapping of a file. Returns 0, -ENOMEM. */
must_check int fat_data_init(struct inode *inode, uint64_t size_bytes);

/* Room that was kept for what was not written is not needed any more. */
void fat_reserve_drop(struct inode *inode);

/* fs_ops.promised() */
uint64_t fat_promised(const struct inode *inode);

/* fs_ops.truncate(), fs_ops.inode_evict() */
int fat_truncate(struct inode *inode, uint64_t old_bytes);
int fat_inode_evict(struct inode *inode);

/* ---- dir.c: struct fs_ops ------------------------------------------------ */

int fat_lookup(struct inode *dir, const struct name *name, struct inode **out);
int fat_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry);

/* ---- ops.c --------------------------------------------------------------- */

/* Write what has changed on the disk but the data of files, the FATs first.
 * Thread; may wait. Returns as mapping_write(). */
must_check int fat_write_metadata(struct fat_fs *fs);

/* ---- create.c, rename.c: struct fs_ops ----------------------------------- */

int fat_create(struct inode *dir, const struct name *name,
               const struct new_inode *what, struct inode **out);
int fat_link(struct inode *dir, const struct name *name, struct inode *inode);
int fat_unlink(struct inode *dir, const struct name *name, struct inode *inode);
int fat_rename(const struct rename *rename);

/* What ".." in a directory below says of this one. */
uint32_t fat_dir_start(const struct inode *dir);

#endif
