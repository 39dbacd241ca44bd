/* The file systems an application may name in its torc_app.file_systems. */
#ifndef TORC_FILE_SYSTEMS_H
#define TORC_FILE_SYSTEMS_H

struct file_system;

/* ext2, and ext3 with a clean journal. */
extern const struct file_system ext2_file_system;    /* for reading */
extern const struct file_system ext2_rw_file_system; /* and for writing */
extern const struct file_system memfs_file_system;   /* "memfs": in memory */

/* FAT12, FAT16 and FAT32, with long names. */
extern const struct file_system fat_file_system; /* "fat" */

/* "fuse": a directory of the host, by virtio_fs_driver. */
extern const struct file_system fuse_file_system;

/* ext4 too, for reading: it takes the place of ext2_file_system. */
extern const struct file_system ext4_file_system;

#endif
