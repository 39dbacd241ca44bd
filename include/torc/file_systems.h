/* The file systems an application may name in its torc_app.file_systems. */
#ifndef TORC_FILE_SYSTEMS_H
#define TORC_FILE_SYSTEMS_H

struct file_system;

extern const struct file_system ext2_file_system;
extern const struct file_system memfs_file_system; /* "memfs": in memory */

#endif
