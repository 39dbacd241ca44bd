/* Times of inodes, as bytes: pure. Source: the ext4 documentation of Linux,
 * "Inode Timestamps". */
#ifndef TORC_FS_EXT2_INODE_TIME_H
#define TORC_FS_EXT2_INODE_TIME_H

#include <stdint.h>
#include <torc/file.h>

/*
 * Put a time to byte `at` of an inode, and what more there is of it to byte
 * `extra_at` if that is before `end`. What does not fit is the nearest time
 * that does.
 */
void ext2_time_put(uint8_t *raw, uint32_t at, uint32_t extra_at, uint32_t end,
                   struct file_time time);

#endif
