/*
 * The arguments of the process.
 */
#ifndef TORC_HAL_POSIX_HOST_ARGS_H
#define TORC_HAL_POSIX_HOST_ARGS_H

#include "hal/posix/host/config.h"

struct host_args {
    struct host_config config;
    struct host_disk_config disks[HOST_DISK_MAX];
    struct host_net_config nets[HOST_NET_MAX];
    const char *modules[HOST_MODULE_MAX];
    char cmdline[HOST_CMDLINE_MAX];
    char error[256];
    bool help;
};

/*
 * Read the arguments of the process. Strings of the result point into argv,
 * which is changed. Returns 0, or -EINVAL with a line in args->error.
 */
int host_args_parse(int argc, char **argv, struct host_args *args);
extern const char host_args_help[];

#endif
