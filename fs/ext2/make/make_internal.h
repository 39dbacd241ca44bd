/*
 * What the files share that make a volume. Blocks and inodes are taken in the
 * order of their numbers, so bitmaps and counts follow from the next one of
 * each. Everything of a volume is written once.
 */
#ifndef TORC_FS_EXT2_MAKE_INTERNAL_H
#define TORC_FS_EXT2_MAKE_INTERNAL_H

#include "fs/ext2/ext2_format.h"
#include "fs/ext2/make/layout.h"
#include "fs/ext2/make/make.h"
#include "kernel/lib/bytes.h"

struct maker {
    const struct make_host *host;
    const struct ext2_make_options *options;
    const struct make_file *root;
    struct make_disk disk; /* is_dry: blocks are only counted */
    struct ext2_layout layout;
    uint32_t *dirs;       /* of each group: directories; NULL when it is dry */
    uint32_t next_block;  /* all before it are in use */
    uint32_t next_inode;  /* the same */
    uint64_t taken;       /* blocks of data */
    uint32_t table_block; /* what of the inodes is in `table`; 0: nothing */

    /* Buffers of a block each: */
    uint8_t *table;
    uint8_t *indirect[EXT2_LEVEL_MAX]; /* by level - 1 */
    uint8_t *area[2];                  /* attributes */
    uint8_t *block;                    /* a block of a directory */
    uint8_t *chunk;                    /* of a file: MAKE_CHUNK bytes */
};

/* Take a block. Returns 0, -ENOSPC. */
must_check int maker_take(struct maker *maker, uint32_t *block);

/* Write a block. Returns as make_host.write(). */
must_check int maker_write(struct maker *maker, uint32_t block,
                           const uint8_t *data);

/* ---- Where the blocks of a file lie (map.c) ------------------------------ */

struct maker_map {
    uint8_t pointers[EXT2_IN_INODE_SIZE]; /* as in the inode */
    uint64_t index;                       /* of the next block of the file */
    uint64_t blocks;                      /* taken, with indirect ones */
    uint32_t table[EXT2_LEVEL_MAX];       /* the indirect blocks that are being
                                     * filled, by level - 1; 0: none */
};

/* The next block of the file is to be *block, a new one; or a hole. Return 0,
 * -EFBIG, or as maker_take() and maker_write(). */
must_check int maker_map_block(struct maker *maker, struct maker_map *map,
                               uint32_t *block);
must_check int maker_map_hole(struct maker *maker, struct maker_map *map);

/* There are no more. Returns as maker_write(). */
must_check int maker_map_end(struct maker *maker, struct maker_map *map);

/* ---- What files hold (data.c, dir.c, xattr.c) ---------------------------- */

/* What of an inode its content decides. */
struct maker_inode {
    struct maker_map map;
    uint64_t size;
    uint32_t flags;
};

/* Write what a regular file holds, or where a symbolic link leads. Return 0,
 * -EFBIG, -ENAMETOOLONG, or as maker_map_block() and make_host.read(). */
must_check int maker_file(struct maker *maker, const struct make_file *file,
                          struct maker_inode *inode);
must_check int maker_link(struct maker *maker, const struct make_file *file,
                          struct maker_inode *inode);

/* Write a directory. Returns 0, -EFBIG, -ENOMEM, or as maker_map_block(). */
must_check int maker_dir(struct maker *maker, const struct make_file *dir,
                         struct maker_inode *inode);

/* The directory "lost+found" of the root, where the tree has none; in its place
 * there is room for names that e2fsck finds. */
must_check int maker_lost_dir(struct maker *maker, struct maker_inode *inode);
#define MAKER_LOST_NAME "lost+found"
bool maker_has_lost_dir(const struct maker *maker);

/*
 * Put the attributes of a file into its inode `raw`, or a block, which is
 * *block then. Returns 0, -ENOSPC (they do not fit), -ENOTSUP, or as
 * maker_take() and maker_write().
 */
must_check int maker_xattrs(struct maker *maker, const struct make_file *file,
                            uint8_t *raw, uint32_t *block);

/* ---- The volume (volume.c) ----------------------------------------------- */

/* Write superblocks, descriptors and bitmaps, when all else is written. Returns
 * 0, -ENOMEM, or as maker_write(). */
must_check int maker_volume(struct maker *maker,
                            struct ext2_make_result *result);

/* The first block of a group's inodes. */
uint32_t maker_table_of(const struct maker *maker, uint32_t group);

#endif
