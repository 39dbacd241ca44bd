/*
 * From a block of a file to a block of the volume by extents: a tree whose root
 * is in the inode. Each node has a header and entries in the order of file
 * blocks, which lead to nodes, or, in the lowest ones, to runs of data. Source:
 * the ext4 documentation of Linux, "Extent Tree".
 */
#include "fs/ext2/ext4_csum.h"
#include "fs/ext2/ext4_internal.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/string.h>

/* The walk through a tree. */
struct tree {
    struct inode *inode;
    struct ext2_view view;
    uint32_t index;     /* the file block we look for */
    uint64_t from, end; /* file blocks that the node is for: not `end` */

    /* The node: */
    uint64_t offset; /* on the disk; 0: in the inode */
    uint32_t room;   /* bytes */
    uint32_t entries;
    uint32_t depth; /* levels below it */

    uint8_t entry[EXTENT_ENTRY_SIZE]; /* that node_search() has found */
};

/* Look at `size` bytes of the node. */
static int node_view(struct tree *tree, uint32_t at, uint32_t size,
                     const uint8_t **out)
{
    if (tree->offset != 0)
        return ext2_view(&tree->view, tree->offset + at, size, out);
    *out = ext2_inode_of(tree->inode)->in_inode + at;
    return 0;
}

/* Check the sum behind the last entry there is room for. */
static int node_verify(struct tree *tree, uint32_t max)
{
    struct ext2_fs *fs = ext2_of(tree->inode);
    uint32_t size = EXTENT_HEADER_SIZE + max * EXTENT_ENTRY_SIZE;
    uint32_t crc = ext4_inode_seed(tree->inode);
    uint8_t tail[EXTENT_TAIL_SIZE];
    int status;

    if (!ext4_has_csum(fs) || ext4_is_verified(tree->inode, tree->offset))
        return 0;
    /* No power of two is a header and whole entries. */
    assert(tree->room - size >= EXTENT_TAIL_SIZE);
    status = ext2_read_disk(fs, tree->offset + size, tail, sizeof(tail));
    if (status == 0)
        status = ext4_crc_disk(fs, tree->offset, size, &crc);
    if (status != 0)
        return status;
    if (le32_get(tail) != crc)
        return -EUCLEAN;
    ext4_set_verified(tree->inode, tree->offset);
    return 0;
}

/* Read the header of the node at tree->offset. */
static int node_open(struct tree *tree, uint32_t room)
{
    const uint8_t *header;
    uint32_t max;
    int status = node_view(tree, 0, EXTENT_HEADER_SIZE, &header);

    if (status != 0)
        return status;
    tree->room = room;
    tree->entries = le16_get(header + EXTENT_ENTRIES);
    tree->depth = le16_get(header + EXTENT_DEPTH);
    max = le16_get(header + EXTENT_MAX);
    if (le16_get(header + EXTENT_MAGIC) != EXT4_EXTENT_MAGIC ||
        tree->entries > max ||
        max > (room - EXTENT_HEADER_SIZE) / EXTENT_ENTRY_SIZE)
        return -EUCLEAN;
    return tree->offset != 0 ? node_verify(tree, max) : 0;
}

/*
 * Find the last entry that begins at our block or before it. It and the next
 * one narrow what the entry is for. Returns 1 and tree->entry; 0: there is
 * none.
 */
static int node_search(struct tree *tree)
{
    uint32_t low = 0, high = tree->entries;
    uint64_t from = tree->from, end = tree->end;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *entry;
        uint64_t begin;
        int status =
            node_view(tree, EXTENT_HEADER_SIZE + middle * EXTENT_ENTRY_SIZE,
                      EXTENT_ENTRY_SIZE, &entry);

        if (status != 0)
            return status;
        begin = le32_get(entry + EXTENT_FILE_BLOCK);
        if (begin < from || begin >= end)
            return -EUCLEAN; /* not in order */
        if (begin > tree->index) {
            high = middle;
            end = begin;
        } else {
            low = middle + 1;
            from = begin;
            memcpy(tree->entry, entry, EXTENT_ENTRY_SIZE);
        }
    }
    tree->from = from;
    tree->end = end;
    return low > 0;
}

/* Go down to the node of the entry. */
static int descend(struct tree *tree)
{
    struct ext2_fs *fs = ext2_of(tree->inode);
    uint32_t depth = tree->depth;
    uint64_t block = le32_get(tree->entry + EXTENT_NODE) |
                     (uint64_t)le16_get(tree->entry + EXTENT_NODE_HIGH) << 32;
    int status;

    if (!ext2_blocks_valid(fs, block, 1))
        return -EUCLEAN;
    tree->offset = block << fs->block_shift;
    status = node_open(tree, fs->block_size);
    if (status == 0 && tree->depth != depth - 1)
        status = -EUCLEAN;
    return status;
}

/* What the entry, a lowest one, says of our block. */
static int leaf_read(struct tree *tree, uint64_t max, uint64_t *block,
                     uint32_t *count)
{
    uint64_t skip = tree->index - tree->from;
    uint32_t length = le16_get(tree->entry + EXTENT_LENGTH);
    uint64_t start = le32_get(tree->entry + EXTENT_START) |
                     (uint64_t)le16_get(tree->entry + EXTENT_START_HIGH) << 32;

    *block = start + skip;
    if (length > EXT4_EXTENT_LENGTH_MAX) { /* it reads as zeros */
        length -= EXT4_EXTENT_LENGTH_MAX;
        *block = 0;
    }
    if (length == 0 || length > tree->end - tree->from ||
        !ext2_blocks_valid(ext2_of(tree->inode), start, length))
        return -EUCLEAN;
    if (skip < length) {
        *count = (uint32_t)min_u64(length - skip, max);
    } else { /* a hole up to the next one */
        *block = 0;
        *count = (uint32_t)min_u64(tree->end - tree->index, max);
    }
    return 0;
}

static int walk(struct tree *tree, uint64_t max, uint64_t *block,
                uint32_t *count)
{
    int status = node_open(tree, EXT2_IN_INODE_SIZE);

    if (status == 0 && tree->depth > EXT4_EXTENT_DEPTH_MAX)
        status = -EUCLEAN;
    while (status == 0) {
        int found = node_search(tree);

        if (found < 0)
            return found;
        if (found == 0) {
            *block = 0;
            *count = (uint32_t)min_u64(tree->end - tree->index, max);
            return 0;
        }
        if (tree->depth == 0)
            return leaf_read(tree, max, block, count);
        status = descend(tree);
    }
    return status;
}

int ext4_map(struct inode *inode, uint64_t index, uint64_t max, uint64_t *block,
             uint32_t *count)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct tree tree = {
        .inode = inode, .index = (uint32_t)index, .end = UINT64_C(1) << 32};
    int status;

    if (index > UINT32_MAX)
        return -EFBIG;
    max = min_u64(max, UINT32_MAX);
    ext2_view_begin(&tree.view, fs);
    status = walk(&tree, max, block, count);
    ext2_view_end(&tree.view);
    if (status == -EUCLEAN)
        return ext2_damaged(fs, inode->number, "extents", index);
    return status;
}
