/*
 * Extended attributes on disk: a list of entries from the start of an area, and
 * their values at its end. Pure: bytes in, values out. Source: the ext4
 * documentation of Linux, "Extended Attributes".
 */
#ifndef TORC_FS_EXT2_EXT4_XATTR_H
#define TORC_FS_EXT2_EXT4_XATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* The prefix of a name is a number. */
enum ext4_xattr_prefix {
    EXT4_XATTR_USER = 1,
    EXT4_XATTR_ACL_ACCESS = 2,
    EXT4_XATTR_ACL_DEFAULT = 3,
    EXT4_XATTR_TRUSTED = 4,
    EXT4_XATTR_SECURITY = 6,
    EXT4_XATTR_SYSTEM = 7,
};

/* Where attributes are. */
struct ext4_xattr_area {
    const uint8_t *data;
    uint32_t size;
    uint32_t first;  /* byte offset of the first entry */
    uint32_t values; /* the offsets of values count from here */
};

struct ext4_xattr {
    uint8_t prefix; /* enum ext4_xattr_prefix */
    uint8_t name_len;
    const char *name; /* in the area */
    uint32_t size;
    uint32_t inode;       /* that holds the value; 0: the area does */
    const uint8_t *value; /* in the area; NULL when an inode holds it */
};

/* The area in the body of an inode: `size` bytes, of which the fields take
 * `end`. Returns false: there is none. */
bool ext4_xattr_in_inode(const uint8_t *raw, uint32_t size, uint32_t end,
                         struct ext4_xattr_area *area);

/*
 * The attribute at *at, which moves past it; the first call has area->first
 * there. Returns 1, 0 at the end, -EUCLEAN.
 */
must_check int ext4_xattr_next(const struct ext4_xattr_area *area, uint32_t *at,
                               struct ext4_xattr *out);

/* Find one; returns as ext4_xattr_next(). */
must_check int ext4_xattr_find(const struct ext4_xattr_area *area,
                               unsigned prefix, const char *name, size_t len,
                               struct ext4_xattr *out);

#endif
