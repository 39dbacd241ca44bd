/* Inodes: read from disk, checked, and kept in memory by the VFS. */
#include "fs/ext2/ext2_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

static enum file_type type_of(uint16_t mode)
{
    switch (mode >> MODE_TYPE_SHIFT) {
    case MODE_DIRECTORY:
        return FILE_DIRECTORY;
    case MODE_REGULAR:
        return FILE_REGULAR;
    case MODE_SYMLINK:
        return FILE_SYMLINK;
    case MODE_FIFO:
        return FILE_FIFO;
    case MODE_CHARACTER:
        return FILE_CHARACTER;
    case MODE_BLOCK:
        return FILE_BLOCK;
    case MODE_SOCKET:
        return FILE_SOCKET;
    default:
        return FILE_UNKNOWN;
    }
}

static void parse(const uint8_t *raw, struct ext2_inode *out)
{
    out->mode = le16_get(raw + INODE_MODE);
    out->links = le16_get(raw + INODE_LINKS);
    out->uid = le16_get(raw + INODE_UID) |
               (uint32_t)le16_get(raw + INODE_UID_HIGH) << 16;
    out->gid = le16_get(raw + INODE_GID) |
               (uint32_t)le16_get(raw + INODE_GID_HIGH) << 16;
    out->sectors = le32_get(raw + INODE_BLOCKS);
    out->file_acl = le32_get(raw + INODE_FILE_ACL);
    /* 32 bits with a sign: 1901 to 2038. */
    out->atime_s = (int32_t)le32_get(raw + INODE_ATIME);
    out->ctime_s = (int32_t)le32_get(raw + INODE_CTIME);
    out->mtime_s = (int32_t)le32_get(raw + INODE_MTIME);
    for (unsigned i = 0; i < EXT2_BLOCK_POINTERS; i++)
        out->block[i] = le32_get(raw + INODE_BLOCK + 4 * i);
    memcpy(out->fast_link, raw + INODE_BLOCK, sizeof(out->fast_link));
}

/* What the rest of ext2 relies on. Returns 0, -EUCLEAN. */
static int validate(const struct ext2_fs *fs, const struct inode *inode,
                    const struct ext2_inode *ext2)
{
    if (ext2->links == 0 || ext2->mode == 0)
        return -EUCLEAN; /* a deleted file, which a name still leads to */
    switch (inode->type) {
    case FILE_DIRECTORY:
        /* Whole blocks, and not more than there are. */
        if (inode->size_bytes == 0 ||
            (inode->size_bytes & (fs->block_size - 1)) != 0 ||
            inode->size_bytes >> fs->block_shift > fs->blocks_count)
            return -EUCLEAN;
        return 0;
    case FILE_SYMLINK:
        return inode->size_bytes < fs->block_size ? 0 : -EUCLEAN;
    default:
        return inode->size_bytes <= INT64_MAX ? 0 : -EUCLEAN;
    }
}

void ext2_inode_check(const struct inode *inode)
{
    const struct ext2_fs *fs = ext2_of(inode);
    const struct ext2_inode *ext2 = ext2_inode_of(inode);

    assert(inode->number >= 1);
    assert(inode->number <= fs->inodes_count);
    assert(inode->type == type_of(ext2->mode));
    assert(validate(fs, inode, ext2) == 0);
}

/* Byte offset of an inode on the disk. Directory entries and the superblock,
 * where numbers come from, are checked. */
static int locate(struct ext2_fs *fs, uint64_t number, uint64_t *offset)
{
    uint32_t index, table;
    int status;

    assert(number >= 1);
    assert(number <= fs->inodes_count);
    index = (uint32_t)(number - 1);
    status = ext2_group_inode_table(fs, index / fs->inodes_per_group, &table);
    if (status != 0)
        return status;
    *offset = ((uint64_t)table << fs->block_shift) +
              (uint64_t)(index % fs->inodes_per_group) * fs->inode_size;
    return 0;
}

/* Tell the VFS what it is. */
static void publish(struct inode *inode)
{
    const struct ext2_inode *ext2 = ext2_inode_of(inode);

    inode->mode = ext2->mode & MODE_PERMISSIONS;
    inode->links = ext2->links;
    inode->uid = ext2->uid;
    inode->gid = ext2->gid;
    inode->blocks = ext2->sectors;
    inode->atime.s = ext2->atime_s;
    inode->mtime.s = ext2->mtime_s;
    inode->ctime.s = ext2->ctime_s;
}

int ext2_inode_load(struct inode *inode)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_inode *ext2 = ext2_inode_of(inode);
    uint8_t raw[EXT2_INODE_SIZE_MIN];
    uint64_t offset;
    int status = locate(fs, inode->number, &offset);

    if (status == 0)
        status = cache_read(fs->cache, offset, raw, sizeof(raw));
    if (status != 0)
        return status;
    parse(raw, ext2);
    inode->type = type_of(ext2->mode);
    inode->size_bytes = le32_get(raw + INODE_SIZE);
    if (inode->type == FILE_REGULAR && !fs->is_rev0)
        inode->size_bytes |= (uint64_t)le32_get(raw + INODE_SIZE_HIGH) << 32;
    status = validate(fs, inode, ext2);
    if (status != 0)
        return status;
    publish(inode);
    ext2_inode_check(inode);
    return 0;
}
