/* Checksums of blocks: CRC-32C that begins with the volume and the inode. */
#include "fs/ext2/ext4_csum.h"
#include "fs/ext2/ext4_internal.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"

int ext4_crc_disk(struct ext2_fs *fs, uint64_t offset, uint64_t size,
                  uint32_t *crc)
{
    uint8_t piece[256];

    while (size > 0) {
        size_t part = (size_t)min_u64(size, sizeof(piece));
        int status = ext2_read_disk(fs, offset, piece, part);

        if (status != 0)
            return status;
        *crc = ext4_crc32c(*crc, piece, part);
        offset += part;
        size -= part;
    }
    return 0;
}

uint32_t ext4_inode_seed(const struct inode *inode)
{
    uint8_t number[4], generation[4];
    uint32_t crc;

    le32_put(number, (uint32_t)inode->number);
    le32_put(generation, ext2_inode_of(inode)->generation);
    crc = ext4_crc32c(ext4_of(ext2_of(inode))->seed, number, sizeof(number));
    return ext4_crc32c(crc, generation, sizeof(generation));
}

static struct ext4_verified *place_of(const struct inode *inode,
                                      uint64_t offset)
{
    const struct ext2_fs *fs = ext2_of(inode);
    uint64_t block = offset >> fs->block_shift;

    return &ext4_of(fs)->verified[block % EXT4_VERIFIED];
}

bool ext4_is_verified(const struct inode *inode, uint64_t offset)
{
    const struct ext4_verified *place = place_of(inode, offset);

    return place->offset == offset && place->inode == inode->number;
}

void ext4_set_verified(const struct inode *inode, uint64_t offset)
{
    *place_of(inode, offset) =
        (struct ext4_verified){.offset = offset, .inode = inode->number};
}

/* ---- Blocks of directories ----------------------------------------------- */

/* A block of names ends in an entry that holds the checksum. */
static int check_leaf(struct inode *dir, uint64_t offset)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint32_t size = fs->block_size - DIRENT_TAIL_SIZE;
    uint32_t crc = ext4_inode_seed(dir);
    uint8_t tail[DIRENT_TAIL_SIZE];
    int status = ext2_read_disk(fs, offset + size, tail, sizeof(tail));

    if (status == 0)
        status = ext4_crc_disk(fs, offset, size, &crc);
    if (status != 0)
        return status;
    if (le32_get(tail) != 0 ||
        le16_get(tail + DIRENT_REC_LEN) != DIRENT_TAIL_SIZE ||
        tail[DIRENT_NAME_LEN] != 0 ||
        tail[DIRENT_FILE_TYPE] != DIRENT_TAIL_TYPE ||
        le32_get(tail + DIRENT_TAIL_CHECKSUM) != crc)
        return -EUCLEAN;
    return 0;
}

/* In a node of the index it is behind all the pairs there is room for, the
 * first of which is at byte `pairs` of `first`; pairs that are not used do not
 * count. */
static int check_node(struct inode *dir, uint64_t offset, const uint8_t *first,
                      uint32_t pairs)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint32_t crc = ext4_inode_seed(dir);
    uint32_t limit = le16_get(first + pairs + INDEX_PAIR_LIMIT);
    uint32_t count = le16_get(first + pairs + INDEX_PAIR_COUNT);
    uint8_t tail[INDEX_TAIL_SIZE];
    int status;

    if (count > limit ||
        limit > (fs->block_size - pairs - INDEX_TAIL_SIZE) / INDEX_PAIR_SIZE)
        return -EUCLEAN;
    status = ext2_read_disk(fs, offset + pairs + limit * INDEX_PAIR_SIZE, tail,
                            sizeof(tail));
    if (status == 0)
        status =
            ext4_crc_disk(fs, offset, pairs + count * INDEX_PAIR_SIZE, &crc);
    if (status != 0)
        return status;
    crc = ext4_crc32c(crc, tail, 4);
    crc = ext4_crc32c(crc, "\0\0\0\0", 4);
    return le32_get(tail + 4) == crc ? 0 : -EUCLEAN;
}

int ext4_dir_block(struct inode *dir, uint64_t index, uint64_t offset)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint8_t first[INDEX_ROOT_PAIRS + INDEX_PAIR_SIZE];
    int status;

    if (!ext4_has_csum(fs) || ext4_is_verified(dir, offset))
        return 0;
    status = ext2_read_disk(fs, offset, first, sizeof(first));
    if (status != 0)
        return status;
    /* A node of the index looks like one unused entry; a block of names never
     * does, as it has the checksum's. */
    if (ext2_has_index(dir) && index == 0)
        status = check_node(dir, offset, first, INDEX_ROOT_PAIRS);
    else if (ext2_has_index(dir) && le32_get(first) == 0 &&
             le16_get(first + DIRENT_REC_LEN) ==
                 (fs->block_size == DIRENT_REC_LEN_HUGE ? 0xffff
                                                        : fs->block_size))
        status = check_node(dir, offset, first, INDEX_NODE_PAIRS);
    else
        status = check_leaf(dir, offset);
    if (status == -EUCLEAN)
        return ext2_damaged(fs, dir->number, "checksum of directory block",
                            index);
    if (status == 0)
        ext4_set_verified(dir, offset);
    return status;
}
