/* The mount at "/" of the CPU that the test runs on. */
#ifndef TORC_TESTS_FAKES_ROOT_MOUNT_H
#define TORC_TESTS_FAKES_ROOT_MOUNT_H

#include "kernel/file/vfs_internal.h"

static inline struct mount *root_mount(void)
{
    const struct mount_table *table = cpu_self()->mounts;

    return table->root->mount;
}

#endif
