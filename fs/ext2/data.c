/* Reading the data of files and the targets of symbolic links. */
#include "fs/ext2/ext2.h"
#include <torc/assert.h>
#include <torc/string.h>

/* Read the start of a link that is in a block, or in what ext4 has of the
 * inode. Returns 0, or as ext2_bmap(). */
static int read_slow(struct inode *inode, void *buf, size_t size)
{
    struct ext2_fs *fs = ext2_of(inode);
    const struct ext2_inode *ext2 = ext2_inode_of(inode);
    uint64_t block;
    uint32_t count;
    int status;

    if (ext2->data != NULL) {
        memcpy(buf, ext2->data, size);
        return 0;
    }
    status = ext2_bmap(inode, 0, 1, &block, &count);
    if (status == 0 && block == 0)
        return ext2_damaged(fs, inode->number, "link", 0);
    if (status == 0)
        status = ext2_read_disk(fs, block << fs->block_shift, buf, size);
    return status;
}

/* mapping_ops.map(), of a file that is only read. A block may be larger than
 * what is asked for. */
static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    struct inode *inode = container_of(mapping, struct inode, pages);
    const uint32_t shift = ext2_of(inode)->block_shift - 9; /* to sectors */
    const uint32_t mask = (UINT32_C(1) << shift) - 1;
    const uint32_t in_block = (uint32_t)sector & mask;
    uint64_t block, run;
    uint32_t count;
    int status = ext2_bmap(inode, sector >> shift,
                           ((uint64_t)in_block + sectors + mask) >> shift,
                           &block, &count);

    assert(mode == MAP_READ);
    if (status == 0 && block != 0)
        status = ext2_place_run(ext2_of(inode), &block, &count);
    if (status != 0)
        return status;
    run = ((uint64_t)count << shift) - in_block;
    out->type = block == 0 ? EXTENT_HOLE : EXTENT_DATA;
    out->sector = (block << shift) + in_block;
    out->sectors = run < sectors ? (uint32_t)run : sectors;
    return 0;
}

const struct mapping_ops ext2_mapping_ops = {.map = map};

int ext2_data_init(struct inode *inode)
{
    const uint32_t sectors = ext2_of(inode)->block_size / BLOCK_SECTOR_SIZE;

    if (ext2_inode_of(inode)->data != NULL)
        return ext2_of(inode)->ext4->data_init(inode);
    return mapping_init(
        &inode->pages, ext2_of(inode)->file_ops, &inode->mount->open,
        sectors < PAGE_SECTORS ? sectors : PAGE_SECTORS, inode->size_bytes);
}

/*
 * A short target is in the inode, in place of the block numbers: when the file
 * has no blocks, or only the cluster with its extended attributes.
 */
static bool is_fast(const struct ext2_fs *fs, const struct ext2_inode *ext2)
{
    uint64_t cluster = (uint64_t)fs->block_size << fs->cluster_shift;
    uint64_t attributes = ext2->file_acl != 0 ? cluster / 512 : 0;

    if (ext2->data != NULL || ext2_has_extents(&ext2->inode))
        return false;
    return ext2->inode.blocks == attributes;
}

bool ext2_has_blocks(const struct inode *inode)
{
    if (inode->type == FILE_SYMLINK)
        return !is_fast(ext2_of(inode), ext2_inode_of(inode));
    return inode->type == FILE_REGULAR || inode->type == FILE_DIRECTORY;
}

int64_t ext2_read_link(struct inode *inode, char *buf, size_t size)
{
    const struct ext2_inode *ext2 = ext2_inode_of(inode);
    size_t len = (size_t)inode->size_bytes;

    assert(len < ext2_of(inode)->block_size);
    if (size > len)
        size = len;
    if (is_fast(ext2_of(inode), ext2)) {
        if (len > EXT2_FAST_LINK_MAX)
            return ext2_damaged(ext2_of(inode), inode->number, "link", len);
        memcpy(buf, ext2->in_inode, size);
    } else {
        int status = read_slow(inode, buf, size);

        if (status != 0)
            return status;
    }
    for (size_t i = 0; i < size; i++) {
        if (buf[i] == '\0')
            return ext2_damaged(ext2_of(inode), inode->number, "link", i);
    }
    return (int64_t)len;
}
