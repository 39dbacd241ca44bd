/* What the files of ext4 offer each other. */
#ifndef TORC_FS_EXT2_EXT4_INTERNAL_H
#define TORC_FS_EXT2_EXT4_INTERNAL_H

#include "fs/ext2/ext2.h"
#include "fs/ext2/ext4_format.h"

enum { EXT4_VERIFIED = 256 };

/* A place of a table: of a block, by its number and one; 0: it is empty. */
struct ext4_copy {
    uint64_t block;
    uint64_t value; /* where its copy is; or the transaction that revokes it */
    bool escaped;   /* the copy has zeros where the journal's magic was */
};

struct ext4_copies {
    struct ext4_copy *table;
    uint64_t mask;
};

/* ext2_fs.ext4_data. Owner CPU only. */
struct ext4_fs {
    /* What checksums begin with; constant after mount. */
    uint32_t seed;
    uint16_t group_seed; /* of descriptors, without METADATA_CSUM */

    uint32_t journal_inode;

    /* What was replayed; constant after mount. */
    struct ext4_copies copies;
    struct ext4_copies revoked; /* while it is replayed */

    /* Blocks whose checksum was right, by where they are on the disk: as they
     * are never written, it stays so. 0: none. */
    struct ext4_verified {
        uint64_t offset;
        uint64_t inode;
    } verified[EXT4_VERIFIED];
};

static inline struct ext4_fs *ext4_of(const struct ext2_fs *fs)
{
    return fs->ext4_data;
}

/* Whether metadata has checksums. */
static inline bool ext4_has_csum(const struct ext2_fs *fs)
{
    return (fs->ro_compat & RO_COMPAT_METADATA_CSUM) != 0;
}

/* ---- super.c: struct ext4_ops -------------------------------------------- */

must_check int ext4_super(struct ext2_fs *fs, const uint8_t *super);
must_check int ext4_group(struct ext2_fs *fs, uint32_t group,
                          const uint8_t *desc);

/* ---- verify.c ------------------------------------------------------------ */

/* The checksum goes on over `size` bytes of the disk. Thread; may wait. Returns
 * 0 and *crc, or as page_get(). */
must_check int ext4_crc_disk(struct ext2_fs *fs, uint64_t offset, uint64_t size,
                             uint32_t *crc);

/* What the checksums of everything that belongs to an inode begin with. */
uint32_t ext4_inode_seed(const struct inode *inode);

/* Whether the block at byte `offset` of the disk is known to be right as one of
 * this inode's; and remember that it is. */
bool ext4_is_verified(const struct inode *inode, uint64_t offset);
void ext4_set_verified(const struct inode *inode, uint64_t offset);

/* struct ext4_ops */
must_check int ext4_dir_block(struct inode *dir, uint64_t index,
                              uint64_t offset);

/* ---- journal.c: struct ext4_ops ------------------------------------------ */

must_check int ext4_recover(struct mount *mount);
uint64_t ext4_place(struct ext2_fs *fs, uint64_t block, bool *escaped);

/* ---- extent.c: struct ext4_ops ------------------------------------------- */

must_check int ext4_map(struct inode *inode, uint64_t index, uint64_t max,
                        uint64_t *block, uint32_t *count);

/* ---- inode.c: struct ext4_ops -------------------------------------------- */

must_check int ext4_inode(struct inode *inode, uint64_t offset);

must_check int ext4_data_init(struct inode *inode);

/* ---- inline.c ------------------------------------------------------------ */

/*
 * Find a name in a directory that is in its inode, and list it: as
 * ext2_lookup() and ext2_dir_next(). They do not wait.
 */
must_check int ext4_inline_lookup(struct inode *dir, const char *name,
                                  size_t len, uint64_t *number);
must_check int ext4_inline_next(struct inode *dir, uint64_t *cursor,
                                struct dir_entry *entry);

#endif
