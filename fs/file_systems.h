/* The file systems an application may name in its torc_app.file_systems. */
#ifndef TORC_FS_FILE_SYSTEMS_H
#define TORC_FS_FILE_SYSTEMS_H

#include "kernel/vfs.h"

extern const struct file_system ext2_file_system;

#endif
