/* What ext4 adds to the superblock and to the group descriptors. */
#include "fs/ext2/ext4_csum.h"
#include "fs/ext2/ext4_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/memory.h>

/* Check the superblock's own checksum, and find the seed of all others. */
static int parse_csum(struct ext2_fs *fs, const uint8_t *super)
{
    if (ext4_has_csum(fs)) {
        if (super[SUPER_CHECKSUM_TYPE] != EXT4_CHECKSUM_CRC32C)
            return ext2_damaged_volume(fs, "type of checksum");
        if (ext4_crc32c(UINT32_MAX, super, SUPER_CHECKSUM) !=
            le32_get(super + SUPER_CHECKSUM))
            return ext2_damaged_volume(fs, "checksum of the superblock");
    }
    ext4_of(fs)->seed =
        (fs->incompat & INCOMPAT_CSUM_SEED) != 0
            ? le32_get(super + SUPER_CHECKSUM_SEED)
            : ext4_crc32c(UINT32_MAX, super + SUPER_UUID, EXT4_UUID_SIZE);
    ext4_of(fs)->group_seed =
        ext4_crc16(UINT16_MAX, super + SUPER_UUID, EXT4_UUID_SIZE);
    return 0;
}

int ext4_super(struct ext2_fs *fs, const uint8_t *super)
{
    uint32_t cluster = le32_get(super + SUPER_LOG_CLUSTER_SIZE);

    /* It is read again when the journal is replayed. */
    if (fs->ext4_data == NULL)
        fs->ext4_data = mem_alloc_zeroed(sizeof(struct ext4_fs));
    if (fs->ext4_data == NULL)
        return -ENOMEM;
    ext4_of(fs)->journal_inode = le32_get(super + SUPER_JOURNAL_INODE);
    if ((fs->incompat & INCOMPAT_RECOVER) != 0 &&
        (ext4_of(fs)->journal_inode == 0 ||
         ext4_of(fs)->journal_inode > fs->inodes_count))
        return ext2_damaged_volume(fs, "inode of the journal");
    if ((fs->incompat & INCOMPAT_64BIT) != 0) {
        fs->blocks_count |= (uint64_t)le32_get(super + SUPER_BLOCKS_COUNT_HIGH)
                            << 32;
        fs->desc_size = le16_get(super + SUPER_DESC_SIZE);
        if (fs->desc_size != EXT2_GROUP_DESC_LARGE)
            return ext2_damaged_volume(fs, "size of group descriptors");
    }
    if ((fs->ro_compat & RO_COMPAT_BIGALLOC) != 0) {
        if (cluster < fs->block_shift - 10 ||
            cluster - (fs->block_shift - 10) > EXT4_CLUSTER_BITS_MAX)
            return ext2_damaged_volume(fs, "cluster size");
        fs->cluster_shift = cluster - (fs->block_shift - 10);
    }
    return parse_csum(fs, super);
}

/* The 16 bits over a descriptor, without the field that they are in. */
static uint16_t group_csum(const struct ext2_fs *fs, uint32_t group,
                           const uint8_t *desc)
{
    static const uint8_t zeros[2];
    uint32_t rest = GROUP_CHECKSUM + 2;
    uint8_t number[4];
    uint32_t crc;
    uint16_t crc16;

    le32_put(number, group);
    if (ext4_has_csum(fs)) {
        crc = ext4_crc32c(ext4_of(fs)->seed, number, sizeof(number));
        crc = ext4_crc32c(crc, desc, GROUP_CHECKSUM);
        crc = ext4_crc32c(crc, zeros, sizeof(zeros));
        return (uint16_t)ext4_crc32c(crc, desc + rest, fs->desc_size - rest);
    }
    crc16 = ext4_crc16(ext4_of(fs)->group_seed, number, sizeof(number));
    crc16 = ext4_crc16(crc16, desc, GROUP_CHECKSUM);
    return ext4_crc16(crc16, desc + rest, fs->desc_size - rest);
}

int ext4_group(struct ext2_fs *fs, uint32_t group, const uint8_t *desc)
{
    if (!ext4_has_csum(fs) && (fs->ro_compat & RO_COMPAT_GDT_CSUM) == 0)
        return 0;
    if (group_csum(fs, group, desc) != le16_get(desc + GROUP_CHECKSUM))
        return -EUCLEAN;
    return 0;
}
