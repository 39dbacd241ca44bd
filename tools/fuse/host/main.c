/*
 * torc-fuse: a Torc kernel of one CPU that serves a file system to Linux.
 *
 * Exit status: 0 it was unmounted and all is written, 1 it failed, 2 a wrong
 * argument. In the background the first process tells whether it was mounted.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include "tools/fuse/host/args.h"
#include "tools/fuse/host/process.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* Declared in hal.h, which the host half does not include. */
_Noreturn void kernel_main(const struct hal_boot_info *boot);

struct fuse_config fuse_config;

/* Make the place an absolute path; it must be a directory. */
static int place_check(void)
{
    char *path = realpath(fuse_config.mountpoint, NULL);
    struct stat stat_buf;

    if (path == NULL || stat(path, &stat_buf) != 0) {
        host_complain("%s: %s", fuse_config.mountpoint, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(stat_buf.st_mode)) {
        host_complain("%s: it is no directory", path);
        return -1;
    }
    fuse_config.mountpoint = path;
    return 0;
}

static const struct hal_boot_info *machine_make(void)
{
    const struct host_disk_config disk = {
        .path = fuse_config.image.path,
        .read_only = fuse_config.image.read_only,
        .offset = fuse_config.image.offset,
    };
    const struct host_config config = {
        .cpus = 1,
        .mem_bytes = fuse_config.mem_bytes,
        .cmdline = "log=warn",
        .disk_count = fuse_config.image.path != NULL ? 1 : 0,
        .disks = &disk,
    };

    return host_machine_prepare(&config);
}

int main(int argc, char **argv)
{
    const struct hal_boot_info *boot;
    struct host_signal_stack stack;
    char error[256];

    switch (args_parse(argc, argv, &fuse_config, error, sizeof(error))) {
    case ARGS_HELP:
        printf("usage: %s", args_help);
        return EXIT_SUCCESS;
    case ARGS_VERSION:
        puts("torc-fuse, part of Torc");
        return EXIT_SUCCESS;
    case ARGS_WRONG:
        host_complain("%s; torc-fuse --help lists what there is", error);
        return STATUS_USAGE;
    case ARGS_RUN:
        break;
    }
    if (place_check() != 0)
        return STATUS_FAILED;
    fuse_config.uid = getuid();
    fuse_config.gid = getgid();
    process_hasten();
    process_begin();
    process_catch();
    boot = machine_make();
    if (boot == NULL)
        return STATUS_FAILED;
    host_signal_stack_open(&stack);
    host_fault_catch();
    kernel_main(boot);
}
