/* The structures of a mounted volume, and what the files of ext2 offer each
 * other. */
#ifndef TORC_FS_EXT2_H
#define TORC_FS_EXT2_H

#include "fs/ext2/ext2_format.h"
#include "kernel/cache/mapping.h"
#include "kernel/file/vfs.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

struct ext2_fs;
struct ext2_rw;

/* What ext4_file_system does beyond ext2 (ext4_*.c). */
struct ext4_ops {
    /*
     * The rest of the superblock, 1024 bytes, when the features are known. All
     * return 0, -EUCLEAN (said in the log), -ENOMEM, or as page_get().
     */
    int (*super)(struct ext2_fs *fs, const uint8_t *super);

    /* Replay the journal in memory, if need be: then fs->has_copies is set, the
     * superblock is to be read again, and place() says where a block is read:
     * its copy is escaped when its first bytes are to be the journal's
     * magic. */
    int (*recover)(struct mount *mount);
    uint64_t (*place)(struct ext2_fs *fs, uint64_t block, bool *escaped);

    /* Check a group descriptor of fs->desc_size bytes. */
    int (*group)(struct ext2_fs *fs, uint32_t group, const uint8_t *desc);

    /* The rest of an inode, which begins at byte `offset` of the disk. */
    int (*inode)(struct inode *inode, uint64_t offset);

    /* As ext2_bmap(), for a file that has extents. */
    int (*map)(struct inode *inode, uint64_t index, uint64_t max,
               uint64_t *block, uint32_t *count);

    /* Check block `index` of a directory, which begins at byte `offset`. */
    int (*dir_block)(struct inode *dir, uint64_t index, uint64_t offset);

    /* Make the mapping of a file that is in its inode. */
    int (*data_init)(struct inode *inode);

    /* As ext2_lookup() and ext2_dir_next(), of a directory that is in its
     * inode. */
    int (*lookup)(struct inode *dir, const char *name, size_t len,
                  uint64_t *number);
    int (*readdir)(struct inode *dir, uint64_t *cursor,
                   struct dir_entry *entry);

    /* Free fs->ext4_data. */
    void (*unmount)(struct ext2_fs *fs);
};

/* A mounted volume. Constant after mount, where nothing else is said. */
struct ext2_fs {
    struct mapping device;
    const struct ext4_ops *ext4; /* NULL: this is ext2_file_system */
    void *ext4_data;
    const char *name; /* of the disk, */
    const char *type; /* and of the file system: for the log */
    uint64_t sectors; /* of the disk */
    uint64_t blocks_count;
    uint32_t block_size;
    uint32_t block_shift;
    uint32_t first_data_block;
    uint32_t blocks_per_group;
    uint32_t inodes_count;
    uint32_t inodes_per_group;
    uint32_t inode_size;
    uint32_t first_inode; /* that is not for something special */
    uint32_t group_count;
    uint32_t desc_size;
    uint32_t first_meta_bg;
    uint32_t cluster_shift;    /* log2 of the blocks of a cluster; 0 in ext2 */
    uint32_t backup_groups[2]; /* with SPARSE_SUPER2 */
    uint32_t compat;
    uint32_t incompat;
    uint32_t ro_compat;
    uint32_t hash_seed[4];
    uint8_t index_version; /* of indices that are made: below
                            * EXT2_HASH_UNSIGNED */
    bool is_hash_unsigned;
    bool has_copies; /* of blocks, in the journal */
    bool is_rev0;
    bool hides_inodes;  /* the superblock names one of ext2_hidden_inodes */
    bool takes_orphans; /* inodes without links are read, too */
    const struct mapping_ops *file_ops;
    struct ext2_rw *rw; /* rw.h; NULL: it is only read */

    /* owner CPU only: */
    unsigned messages;          /* of damage, in the log */
    uint64_t blocks_of_names;   /* blocks searched for names so far */
    uint64_t names_serial;      /* names that were added, and entries moved */
    struct ext2_sorted *sorted; /* of readdir; NULL: there is none */
};

/* What ext2 has of an inode. */
struct ext2_inode {
    struct inode inode; /* first */
    uint16_t format_mode;
    uint32_t flags;
    uint32_t generation;
    uint64_t file_acl;
    uint8_t in_inode[EXT2_IN_INODE_SIZE]; /* block numbers, or a short link */
    uint8_t *data; /* of ext4: the content, when it is in the inode */
    uint32_t data_size;

    /* Of a directory that is written: */
    uint32_t spare_blocks; /* at its end: its index does not lead to them. While
                            * there are any, the inode on the disk does not say
                            * that there is an index */
    uint64_t room_hint;    /* the block where there was room */
    uint64_t entry_begin;  /* a byte where an entry begins; 0: none is known */
};

static inline struct ext2_fs *ext2_of(const struct inode *inode)
{
    return inode->mount->fs_data;
}

static inline struct ext2_inode *ext2_inode_of(const struct inode *inode)
{
    return container_of(inode, struct ext2_inode, inode);
}

/* Whether `count` blocks from `block` on lie in the volume, behind the
 * superblock. */
static inline bool ext2_blocks_valid(const struct ext2_fs *fs, uint64_t block,
                                     uint64_t count)
{
    return count <= fs->blocks_count && block > fs->first_data_block &&
           block <= fs->blocks_count - count;
}

/* ---- view.c -------------------------------------------------------------- */

enum { EXT2_VIEW_MAX = 264 }; /* bytes: a directory entry */

/* A window on the disk. It holds at most one piece of the cache. */
struct ext2_view {
    struct ext2_fs *fs;
    struct mapping_ref ref;
    uint64_t offset; /* of the piece, on the disk */
    size_t size;     /* 0: none is held */
    uint8_t copy[EXT2_VIEW_MAX];
};

void ext2_view_begin(struct ext2_view *view, struct ext2_fs *fs);
void ext2_view_end(struct ext2_view *view);

/*
 * Look at `size` bytes, at most EXT2_VIEW_MAX, from byte `offset` of the disk:
 * *out until the next call. Thread; may wait. Returns as page_get().
 */
must_check int ext2_view(struct ext2_view *view, uint64_t offset, size_t size,
                         const uint8_t **out);

/* Copy any number of bytes; returns as page_get(). */
must_check int ext2_read_disk(struct ext2_fs *fs, uint64_t offset, void *buf,
                              size_t size);

/* Where a run of blocks is read: *block and *count become those of its first
 * part that is together. Returns 0; -ENOTSUP, which the log explains. */
must_check int ext2_place_run(struct ext2_fs *fs, uint64_t *block,
                              uint32_t *count);

/* Say in the log that the volume as a whole makes no sense. Returns
 * -EUCLEAN. */
int ext2_damaged_volume(const struct ext2_fs *fs, const char *what);

/* Say in the log that `what` of an inode is damaged, with a number that tells
 * where or how: a few times a mount. Returns -EUCLEAN. */
int ext2_damaged(struct ext2_fs *fs, uint64_t inode, const char *what,
                 uint64_t at);

/* ---- feature.c ----------------------------------------------------------- */

enum ext2_feature_set { EXT2_COMPAT, EXT2_INCOMPAT, EXT2_RO_COMPAT };

enum ext2_feature_use {
    EXT2_FEATURE_READ = '=',      /* read, or it does not concern us */
    EXT2_FEATURE_READ_ONLY = '-', /* the same, but not to be written */
    EXT2_FEATURE_EXT4 = '4',      /* read by ext4_file_system alone */
    EXT2_FEATURE_REFUSED = '!',   /* not mounted */
};

/* What is done about feature `bit`, 0 to 31, and its name as mke2fs and
 * dumpe2fs know it. */
enum ext2_feature_use ext2_feature_use(enum ext2_feature_set set, unsigned bit,
                                       const char **name);

/* Returns 0; -ENOTSUP, when the log names what is not supported. */
must_check int ext2_features_check(const struct ext2_fs *fs);

/* The name of a feature of the volume that we do not write; NULL: all are
 * written. */
const char *ext2_feature_unwritable(const struct ext2_fs *fs);

/* ---- super.c ------------------------------------------------------------- */

/* Where the superblock names inodes that have no name: those of quotas and of
 * orphans. Most volumes have 0 there. */
extern const uint32_t ext2_hidden_inodes[4];

/* Read and check the superblock. Thread; may wait. Returns as struct
 * file_system.mount. */
must_check int ext2_super_read(struct ext2_fs *fs);

/* Assert what everything else relies on of the fields of `fs`. */
void ext2_super_check(const struct ext2_fs *fs);

/* ---- group.c ------------------------------------------------------------- */

/* Where a group's descriptor is: the block, and the byte in it. */
void ext2_group_place(const struct ext2_fs *fs, uint32_t group, uint64_t *block,
                      uint32_t *at);

/* Read a group's descriptor: fs->desc_size bytes. Thread; may wait. Returns 0,
 * -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_group_read(struct ext2_fs *fs, uint32_t group,
                               uint8_t desc[EXT2_GROUP_DESC_LARGE]);

/* The block that a descriptor names in its field `at`. */
uint64_t ext2_group_block(const struct ext2_fs *fs, const uint8_t *desc,
                          uint32_t at);

/* How many blocks the inode table of a group has. */
static inline uint32_t ext2_table_blocks(const struct ext2_fs *fs)
{
    uint32_t per_block = fs->block_size / fs->inode_size;

    return (fs->inodes_per_group + per_block - 1) / per_block;
}

/* The first block of a group's inode table. Thread; may wait. Returns 0,
 * -EUCLEAN (it is not in the volume), or as page_get(). */
must_check int ext2_group_inode_table(struct ext2_fs *fs, uint32_t group,
                                      uint64_t *block);

/* Check every group descriptor, once at mount. Returns as
 * ext2_group_inode_table(). */
must_check int ext2_groups_check(struct ext2_fs *fs);

/* ---- inode.c: struct fs_ops --------------------------------------------- */

must_check int ext2_inode_load(struct inode *inode);

/* Assert what is true of a loaded inode. */
void ext2_inode_check(const struct inode *inode);

/* fs_ops.inode_drop() */
void ext2_inode_drop(struct inode *inode);

/* Whether its size has upper bits in the inode. Of volumes of revision 0 only
 * those without features are written: none has. */
bool ext2_has_size_high(const struct inode *inode);

/* Whether the blocks of a file are mapped by extents. */
static inline bool ext2_has_extents(const struct inode *inode)
{
    return ext2_of(inode)->ext4 != NULL &&
           (ext2_inode_of(inode)->flags & INODE_FLAG_EXTENTS) != 0;
}

/* ---- bmap.c -------------------------------------------------------------- */

/*
 * The number of levels between the inode and file block *index, which becomes
 * relative to the first block that those levels map. Returns 0..3, or -EFBIG.
 */
must_check int ext2_levels_of(const struct ext2_fs *fs, uint64_t *index);

/*
 * Map file block `index`. *block gets its place, or 0 for a hole; *count gets
 * the length of the run from there, 1 .. max: so many blocks follow each other
 * on the disk, or are holes. Thread; may wait. Returns 0, -EFBIG (beyond triple
 * indirection), -EUCLEAN (outside the volume), or as page_get().
 */
must_check int ext2_bmap(struct inode *inode, uint64_t index, uint64_t max,
                         uint64_t *block, uint32_t *count);

/* ---- data.c -------------------------------------------------------------- */

/* Of files that are only read. */
extern const struct mapping_ops ext2_mapping_ops;

/* Make the mapping of a regular file. Returns 0, -ENOMEM. */
must_check int ext2_data_init(struct inode *inode);

/* Whether in_inode leads to blocks: not of short links and of devices. */
bool ext2_has_blocks(const struct inode *inode);

/* fs_ops.readlink() */
int64_t ext2_read_link(struct inode *inode, char *buf, size_t size);

/* ---- dir.c: struct fs_ops ----------------------------------------------- */

struct ext2_entry {
    uint32_t inode; /* 0: unused */
    uint32_t rec_len;
    uint32_t name_len;
    uint8_t type; /* 0: the volume does not say */
    const char *name;
};

/*
 * What the first bytes of an entry say, EXT2_DIRENT_MIN of them, where `room`
 * bytes are left for it; without the name. Returns 0, -EUCLEAN: it does not fit
 * in.
 */
must_check int ext2_entry_parse(const struct ext2_fs *fs, const uint8_t *raw,
                                uint32_t room, struct ext2_entry *out);

/* Copy an entry that is in use. Returns 1; -EUCLEAN: no path could lead to its
 * name. */
must_check int ext2_entry_copy(const struct ext2_entry *entry,
                               struct dir_entry *out);

/*
 * Search block `index` of a directory. Thread; may wait. Returns 1 and *number,
 * 0 (not there), -EUCLEAN, or as page_get().
 */
must_check int ext2_dir_search(struct inode *dir, struct ext2_view *view,
                               uint64_t index, const char *name, size_t len,
                               uint64_t *number);

/* Where block `index` of a directory begins on the disk; returns as
 * ext2_bmap(), and -EUCLEAN for a hole. */
must_check int ext2_dir_block(struct inode *dir, uint64_t index,
                              uint64_t *offset);

int ext2_lookup(struct inode *dir, const char *name, size_t len,
                uint64_t *number);
int ext2_dir_next(struct inode *dir, uint64_t *cursor, struct dir_entry *entry);

/* ---- ops.c --------------------------------------------------------------- */

/* struct fs_ops */
void ext2_unmount(struct mount *mount);
void ext2_check(const struct mount *mount);
int ext2_lookup_inode(struct inode *dir, const struct name *name,
                      struct inode **out);

/* struct file_system.mount for both. */
must_check int ext2_mount_as(struct mount *mount,
                             const struct file_system *file_system,
                             const struct ext4_ops *ext4);

/* A line in the log, when a volume is mounted. */
void ext2_say_mounted(const struct mount *mount);

/* ---- index.c ------------------------------------------------------------- */

/* Whether a directory has an index. */
static inline bool ext2_has_index(const struct inode *dir)
{
    return (ext2_of(dir)->compat & COMPAT_DIR_INDEX) != 0 &&
           (ext2_inode_of(dir)->flags & INODE_FLAG_INDEX) != 0;
}

/*
 * Find a name that is not "." or ".." by the index of a directory. Thread; may
 * wait. Returns 0 and *number; -ENOENT; -EUCLEAN (the index, or what it leads
 * to, is damaged: the name may be there all the same); or as page_get().
 */
must_check int ext2_index_lookup(struct inode *dir, struct ext2_view *view,
                                 const char *name, size_t len,
                                 uint64_t *number);

#endif
