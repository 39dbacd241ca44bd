/* What ext4 adds to inodes: a checksum, upper halves of numbers, and small
 * files and directories whose content is in the inode. */
#include "fs/ext2/ext4_csum.h"
#include "fs/ext2/ext4_internal.h"
#include "fs/ext2/xattr_area.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* Where the fields of an inode end; ext2 has checked it. */
static uint32_t end_of(const struct ext2_fs *fs, const uint8_t *raw)
{
    if (fs->inode_size == EXT2_INODE_SIZE_MIN)
        return EXT2_INODE_SIZE_MIN;
    return EXT2_INODE_SIZE_MIN + (uint32_t)le16_get(raw + INODE_EXTRA_SIZE);
}

/* Whether the checksum is right: over all of it, without its own two fields,
 * which become 0. */
static bool csum_is_right(const struct inode *inode, uint8_t *raw)
{
    const struct ext2_fs *fs = ext2_of(inode);
    bool has_high = end_of(fs, raw) >= INODE_CHECKSUM_HIGH + 2;
    uint32_t want = le16_get(raw + INODE_CHECKSUM_LOW), crc;

    le16_put(raw + INODE_CHECKSUM_LOW, 0);
    if (has_high) {
        want |= (uint32_t)le16_get(raw + INODE_CHECKSUM_HIGH) << 16;
        le16_put(raw + INODE_CHECKSUM_HIGH, 0);
    }
    crc = ext4_crc32c(ext4_inode_seed(inode), raw, fs->inode_size);
    return want == (has_high ? crc : (crc & 0xffff));
}

static void parse_high(struct inode *inode, const uint8_t *raw)
{
    const struct ext2_fs *fs = ext2_of(inode);
    struct ext2_inode *ext2 = ext2_inode_of(inode);

    ext2->file_acl |= (uint64_t)le16_get(raw + INODE_FILE_ACL_HIGH) << 32;
    if ((fs->ro_compat & RO_COMPAT_HUGE_FILE) != 0) {
        inode->blocks |= (uint64_t)le16_get(raw + INODE_BLOCKS_HIGH) << 32;
        if ((ext2->flags & INODE_FLAG_HUGE_FILE) != 0)
            inode->blocks <<= fs->block_shift - 9;
    }
    if (inode->type == FILE_DIRECTORY &&
        (fs->incompat & INCOMPAT_LARGE_DIR) != 0)
        inode->size_bytes |= (uint64_t)le32_get(raw + INODE_SIZE_HIGH) << 32;
}

/* Keep the content that is in the inode: in place of the block numbers, and on
 * in the attribute "system.data". */
static int take_data(struct inode *inode, const uint8_t *raw)
{
    const struct ext2_fs *fs = ext2_of(inode);
    struct ext2_inode *ext2 = ext2_inode_of(inode);
    struct ext2_xattr_area area;
    struct ext2_xattr rest;
    uint32_t parent = le32_get(ext2->in_inode);

    if (inode->type == FILE_DIRECTORY &&
        (parent == 0 || parent > fs->inodes_count))
        return -EUCLEAN;
    if ((fs->incompat & INCOMPAT_INLINE_DATA) == 0 ||
        (ext2->flags & INODE_FLAG_EXTENTS) != 0 ||
        !ext2_xattr_in_inode(raw, fs->inode_size, end_of(fs, raw), &area) ||
        ext2_xattr_find(&area, EXT2_XATTR_SYSTEM, "data", 4, &rest) != 1 ||
        rest.inode != 0)
        return -EUCLEAN;
    ext2->data_size = EXT2_IN_INODE_SIZE + rest.size;
    ext2->data = mem_alloc(ext2->data_size);
    if (ext2->data == NULL)
        return -ENOMEM;
    memcpy(ext2->data, ext2->in_inode, EXT2_IN_INODE_SIZE);
    memcpy(ext2->data + EXT2_IN_INODE_SIZE, rest.value, rest.size);
    /* So that nobody takes it for a hole. */
    if (inode->type == FILE_REGULAR)
        inode->blocks += (inode->size_bytes + 511) / 512;
    return 0;
}

/* Returns 0, -ENOMEM, -EUCLEAN (not said yet). */
static int fill(struct inode *inode, uint8_t *raw)
{
    const struct ext2_fs *fs = ext2_of(inode);
    const struct ext2_inode *ext2 = ext2_inode_of(inode);

    if (ext4_has_csum(fs) && !csum_is_right(inode, raw))
        return -EUCLEAN;
    if ((ext2->flags & INODE_FLAG_EXTENTS) != 0 &&
        (fs->incompat & INCOMPAT_EXTENT) == 0)
        return -EUCLEAN;
    parse_high(inode, raw);
    if ((ext2->flags & INODE_FLAG_INLINE_DATA) != 0)
        return take_data(inode, raw);
    return 0;
}

int ext4_inode(struct inode *inode, uint64_t offset)
{
    struct ext2_fs *fs = ext2_of(inode);
    uint8_t *raw = mem_alloc(fs->inode_size);
    int status;

    if (raw == NULL)
        return -ENOMEM;
    status = ext2_read_disk(fs, offset, raw, fs->inode_size);
    if (status == 0)
        status = fill(inode, raw);
    if (status == -EUCLEAN)
        ext2_damaged(fs, inode->number, "inode or its checksum",
                     ext2_inode_of(inode)->flags);
    mem_free(raw);
    return status;
}

/* One page of the file at a time. */
static int page_fill(struct inode *inode, uint32_t index)
{
    const uint8_t *from =
        ext2_inode_of(inode)->data + (size_t)index * PAGE_BYTES;
    uint32_t size = (uint32_t)min_u64(
        PAGE_BYTES, inode->size_bytes - (uint64_t)index * PAGE_BYTES);
    struct page *page;
    int status = page_take(&inode->pages, index, &page);

    if (status != 0)
        return status;
    status = page_modify(page, 0, size);
    assert(status == 0); /* new, of this file alone, and not to be read */
    memcpy(page->buf->base, from, size);
    page_dirty(page, 0, size);
    page_put(page);
    return 0;
}

int ext4_data_init(struct inode *inode)
{
    /* Without a device its pages stay as long as the inode. */
    int status = mapping_init(&inode->pages, NULL, NULL, PAGE_SECTORS, 0);

    assert(status == 0); /* the CPU has a cache: the device is read by it */
    for (uint32_t i = 0;
         status == 0 && (uint64_t)i * PAGE_BYTES < inode->size_bytes; i++)
        status = page_fill(inode, i);
    if (status != 0)
        mapping_destroy(&inode->pages);
    return status;
}
