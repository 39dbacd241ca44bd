/*
 * Extended attributes on disk: a list of entries from the start of an area, and
 * their values at its end. Pure: bytes in, values out. Source: the ext4
 * documentation of Linux, "Extended Attributes".
 */
#ifndef TORC_FS_EXT2_XATTR_AREA_H
#define TORC_FS_EXT2_XATTR_AREA_H

#include "fs/ext2/xattr_format.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* The prefix of a name is a number. */
enum ext2_xattr_prefix {
    EXT2_XATTR_USER = 1,
    EXT2_XATTR_ACL_ACCESS = 2,
    EXT2_XATTR_ACL_DEFAULT = 3,
    EXT2_XATTR_TRUSTED = 4,
    EXT2_XATTR_SECURITY = 6,
    EXT2_XATTR_SYSTEM = 7,
};

/* Where attributes are. */
struct ext2_xattr_area {
    const uint8_t *data;
    uint32_t size;
    uint32_t first;  /* byte offset of the first entry */
    uint32_t values; /* the offsets of values count from here */
};

struct ext2_xattr {
    uint8_t prefix; /* enum ext2_xattr_prefix */
    uint8_t name_len;
    const char *name; /* in the area */
    uint32_t size;
    uint32_t inode;       /* that holds the value; 0: the area does */
    const uint8_t *value; /* in the area; NULL when an inode holds it */
};

/* The area in the body of an inode: `size` bytes, of which the fields take
 * `end`. Returns false: there is none. */
bool ext2_xattr_in_inode(const uint8_t *raw, uint32_t size, uint32_t end,
                         struct ext2_xattr_area *area);

/* The area that fills a block of `size` bytes. Returns false: it is none. */
bool ext2_xattr_in_block(const uint8_t *block, uint32_t size,
                         struct ext2_xattr_area *area);

/*
 * The attribute at *at, which moves past it; the first call has area->first
 * there. Returns 1, 0 at the end, -EUCLEAN.
 */
must_check int ext2_xattr_next(const struct ext2_xattr_area *area, uint32_t *at,
                               struct ext2_xattr *out);

/* Find one; returns as ext2_xattr_next(). */
must_check int ext2_xattr_find(const struct ext2_xattr_area *area,
                               unsigned prefix, const char *name, size_t len,
                               struct ext2_xattr *out);

#endif
