/* What the two halves of extended attributes offer each other (rw_xattr.c,
 * rw_xattr_set.c). */
#ifndef TORC_FS_EXT2_RW_XATTR_H
#define TORC_FS_EXT2_RW_XATTR_H

#include "fs/ext2/write/change.h"
#include "fs/ext2/write/xattr_build.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* The attributes of an inode, pinned in a change. On the heap. */
struct ext2_attributes {
    struct inode *inode;
    struct change change;
    struct change_block *table; /* of inodes */
    uint32_t at;                /* the inode in it */
    uint32_t end;               /* of its fields */
    bool has_body;
    struct ext2_xattr_area body;
    struct change_block *block; /* NULL: there is none */
    uint32_t references;        /* inodes that have it */
    struct ext2_xattr_area area;

    /* What they will be; NULL: they stay. */
    uint8_t *new_body;          /* a whole inode, of which this is the end */
    uint8_t *new_block;         /* without attributes: there is to be none */
    struct change_block *fresh; /* where it goes; NULL: it stays in place */
    uint64_t fresh_block;       /* 0: none was allocated */
};

/* Begin a change with the attributes of an inode; NULL: there is no memory.
 * Free them when it has ended. */
struct ext2_attributes *ext2_attributes_begin(struct inode *inode);
void ext2_attributes_free(struct ext2_attributes *all);

/* Pin both places. May wait; what was found may be looked at until the next
 * wait. Returns 0, -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_attributes_pin(struct ext2_attributes *all);

/* The name that an attribute has on the disk; the VFS has checked it. */
struct ext2_xattr_change ext2_attribute_name(const char *name);

/* Find one in the inode, or in the block. Returns 1, 0, -EUCLEAN. */
must_check int ext2_attributes_find(const struct ext2_attributes *all,
                                    bool in_body,
                                    const struct ext2_xattr_change *name,
                                    struct ext2_xattr *out);

/* Say in the log that they are damaged. Returns -EUCLEAN. */
int ext2_attributes_damaged(const struct ext2_attributes *all);

#endif
