/*
 * Making the area of extended attributes that is to be written: functions on
 * bytes. What an area is: xattr_area.h.
 */
#ifndef TORC_FS_EXT2_XATTR_BUILD_H
#define TORC_FS_EXT2_XATTR_BUILD_H

#include "fs/ext2/xattr_area.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* What is to change: one attribute. */
struct ext2_xattr_change {
    uint8_t prefix;    /* enum ext2_xattr_prefix */
    const char *name;  /* without the prefix */
    size_t name_len;   /* 0 .. 255; access lists have none */
    const void *value; /* NULL: there is to be none of that name */
    size_t size;
};

/*
 * Copy the attributes of `from` (NULL: there are none) to `to`, where `bytes`
 * are the data of the area, with the change made: in the order of Linux. Of
 * `to` everything is set; the header stays the caller's. Returns 0, -ENOSPC,
 * -EUCLEAN (`from` is damaged, or of a kind that is not written).
 */
must_check int ext2_xattr_build(const struct ext2_xattr_area *from,
                                const struct ext2_xattr_change *change,
                                const struct ext2_xattr_area *to,
                                uint8_t *bytes);

/* Whether an area has no attributes. */
bool ext2_xattr_is_empty(const struct ext2_xattr_area *area);

/* Write the header of a block whose attributes are complete: one inode has
 * it. */
void ext2_xattr_block_seal(uint8_t *block, uint32_t size);

#endif
