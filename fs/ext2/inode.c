/* Inodes: read from disk, checked, and kept in memory by the VFS. */
#include "fs/ext2/ext2.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
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

/*
 * Seconds of 32 bits with a sign, 1901 to 2038; where the inode has room, two
 * bits above them, to 2446, and nanoseconds. `end` is where the inode ends.
 */
static struct file_time time_of(const uint8_t *raw, uint32_t at,
                                uint32_t extra_at, uint32_t end)
{
    struct file_time time = {.s = (int32_t)le32_get(raw + at)};

    if (extra_at + 4 <= end) {
        uint32_t extra = le32_get(raw + extra_at);

        time.s += (int64_t)(extra & 3) << 32;
        if (extra >> 2 < 1000000000)
            time.ns = extra >> 2;
    }
    return time;
}

/*
 * The number of a device: in the first word, 8 bits of major and 8 of minor
 * number; or, when that is 0, in the second, where the upper 12 bits of a minor
 * number of 20 stand above the major one. A small one is the same in both.
 * Source: Linux, include/linux/kdev_t.h.
 */
static uint64_t device_of(const uint8_t *in_inode)
{
    uint32_t small = le32_get(in_inode);

    return small != 0 ? small & 0xffff : le32_get(in_inode + 4);
}

/* `end` says how many bytes the inode has that mean something. */
static void parse(const uint8_t *raw, uint32_t end, struct ext2_inode *out)
{
    struct inode *inode = &out->inode;

    out->format_mode = le16_get(raw + INODE_MODE);
    out->flags = le32_get(raw + INODE_FLAGS);
    out->generation = le32_get(raw + INODE_GENERATION);
    out->file_acl = le32_get(raw + INODE_FILE_ACL);
    memcpy(out->in_inode, raw + INODE_BLOCK, sizeof(out->in_inode));
    inode->type = (uint8_t)type_of(out->format_mode);
    if (inode->type == FILE_CHARACTER || inode->type == FILE_BLOCK)
        inode->rdev = device_of(out->in_inode);
    inode->mode = out->format_mode & MODE_PERMISSIONS;
    inode->links = le16_get(raw + INODE_LINKS);
    inode->uid = le16_get(raw + INODE_UID) |
                 (uint32_t)le16_get(raw + INODE_UID_HIGH) << 16;
    inode->gid = le16_get(raw + INODE_GID) |
                 (uint32_t)le16_get(raw + INODE_GID_HIGH) << 16;
    inode->size_bytes = le32_get(raw + INODE_SIZE);
    inode->blocks = le32_get(raw + INODE_BLOCKS);
    inode->atime = time_of(raw, INODE_ATIME, INODE_ATIME_EXTRA, end);
    inode->ctime = time_of(raw, INODE_CTIME, INODE_CTIME_EXTRA, end);
    inode->mtime = time_of(raw, INODE_MTIME, INODE_MTIME_EXTRA, end);
    if (end >= INODE_BTIME + 4)
        inode->btime = time_of(raw, INODE_BTIME, INODE_BTIME_EXTRA, end);
}

/* Where the fields of an inode end that say something. Returns 0, -EUCLEAN. */
static int end_of(const struct ext2_fs *fs, const uint8_t *raw, uint32_t *end)
{
    uint32_t extra;

    *end = EXT2_INODE_SIZE_MIN;
    if (fs->inode_size == EXT2_INODE_SIZE_MIN)
        return 0;
    extra = le16_get(raw + INODE_EXTRA_SIZE);
    if (extra > fs->inode_size - EXT2_INODE_SIZE_MIN || extra % 4 != 0)
        return -EUCLEAN;
    *end += extra;
    return 0;
}

/* What the rest of ext2 relies on. Returns 0, -EUCLEAN. */
static int validate(const struct ext2_fs *fs, const struct inode *inode,
                    const struct ext2_inode *ext2)
{
    if (ext2->format_mode == 0)
        return -EUCLEAN;
    if (ext2->data != NULL)
        return inode->size_bytes <= ext2->data_size ? 0 : -EUCLEAN;
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

    assert(inode->type == type_of(ext2->format_mode));
    assert(validate(fs, inode, ext2) == 0);
}

/* Byte offset of an inode on the disk. Directory entries and the superblock,
 * where numbers come from, are checked. */
static int locate(struct ext2_fs *fs, uint64_t number, uint64_t *offset)
{
    uint64_t table;
    uint32_t index;
    int status;

    assert(number >= 1);
    assert(number <= fs->inodes_count);
    index = (uint32_t)(number - 1);
    status = ext2_group_inode_table(fs, index / fs->inodes_per_group, &table);
    if (status != 0)
        return status;
    *offset = (table << fs->block_shift) +
              (uint64_t)(index % fs->inodes_per_group) * fs->inode_size;
    return 0;
}

bool ext2_has_size_high(const struct inode *inode)
{
    const struct ext2_fs *fs = ext2_of(inode);

    return inode->type == FILE_REGULAR &&
           (!fs->is_rev0 || (fs->ro_compat & RO_COMPAT_LARGE_FILE) != 0);
}

/* Fill the inode from its bytes on the disk. Returns 0, -EUCLEAN. */
static int fill(struct inode *inode, const uint8_t *raw)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_inode *ext2 = ext2_inode_of(inode);
    uint32_t end;

    if (end_of(fs, raw, &end) != 0)
        return ext2_damaged(fs, inode->number, "size of inode",
                            le16_get(raw + INODE_EXTRA_SIZE));
    parse(raw, end, ext2);
    if (ext2_has_size_high(inode))
        inode->size_bytes |= (uint64_t)le32_get(raw + INODE_SIZE_HIGH) << 32;
    return 0;
}

int ext2_inode_load(struct inode *inode)
{
    struct ext2_fs *fs = ext2_of(inode);
    uint8_t raw[INODE_PARSED];
    uint64_t offset;
    int status = locate(fs, inode->number, &offset);

    if (status == 0)
        status = ext2_read_disk(fs, offset, raw,
                                min_u32(fs->inode_size, sizeof(raw)));
    if (status == 0)
        status = fill(inode, raw);
    if (status == 0 && fs->ext4 != NULL)
        status = fs->ext4->inode(inode, offset);
    /* Without links it is a deleted file, which a name still leads to. */
    if (status == 0 && ((inode->links == 0 && !fs->takes_orphans) ||
                        validate(fs, inode, ext2_inode_of(inode)) != 0))
        status = ext2_damaged(fs, inode->number, "inode",
                              ext2_inode_of(inode)->format_mode);
    if (status == 0)
        ext2_inode_check(inode);
    if (status == 0 && inode->type == FILE_REGULAR)
        status = ext2_data_init(inode);
    if (status != 0)
        ext2_inode_drop(inode);
    return status;
}

void ext2_inode_drop(struct inode *inode)
{
    mem_free(ext2_inode_of(inode)->data);
}
