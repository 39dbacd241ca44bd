/* One entry of a directory, as it is on the disk. */
#ifndef TORC_FS_EXT2_ENTRY_H
#define TORC_FS_EXT2_ENTRY_H

#include "fs/ext2/ext2.h"
#include "kernel/lib/bytes.h"

/* ext2_entry_parse() where it is called for each of hundreds of entries. */
static inline int ext2_entry_read(const struct ext2_fs *fs, const uint8_t *raw,
                                  uint32_t room, struct ext2_entry *out)
{
    bool has_type = (fs->incompat & INCOMPAT_FILETYPE) != 0;

    out->inode = le32_get(raw + DIRENT_INODE);
    out->rec_len = le16_get(raw + DIRENT_REC_LEN);
    /* In a block of 64 KiB: 0 and 0xffff are its size. */
    if (fs->block_size == DIRENT_REC_LEN_HUGE &&
        (out->rec_len == 0 || out->rec_len == 0xffff))
        out->rec_len = DIRENT_REC_LEN_HUGE;
    out->name_len = raw[DIRENT_NAME_LEN];
    out->type = has_type ? raw[DIRENT_FILE_TYPE] : 0;
    if (out->rec_len < EXT2_DIRENT_MIN || (out->rec_len & 3) != 0 ||
        out->rec_len > room)
        return -EUCLEAN;
    if (out->inode == 0)
        return 0;
    if (out->inode > fs->inodes_count || out->name_len == 0 ||
        out->name_len > out->rec_len - EXT2_DIRENT_MIN)
        return -EUCLEAN;
    return 0;
}

#endif
