/* Commands for disks and what is mounted. */
#include "apps/shell/mounts.h"
#include "apps/shell/shell.h"
#include <torc/device.h>
#include <torc/figures.h>
#include <torc/machine.h>
#include <torc/memory.h>

enum { SECTORS_PER_KIB = 2 };

static int mount(struct shell *shell, int argc, char **argv)
{
    int status;

    if (argc > 1) {
        if (argc == 2)
            return -EINVAL;
        status = mounts_add(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
        return status == 0 ? 0 : shell_fail(shell, argv[1], status);
    }
    for (unsigned i = 0; i < MOUNTS_MAX; i++) {
        struct file_fs_stat stat;
        char path[MOUNT_TEXT];

        if (mount_rows[i].path[0] == '\0')
            continue;
        status = file_stat_fs(mount_rows[i].path, &stat);
        shell_print(shell, "%-8s %-24s %s%s\n", mount_rows[i].device,
                    mounts_tame(&mount_rows[i], path),
                    status == 0 ? stat.type : error_text(status),
                    status == 0 && stat.is_read_only ? ", read-only" : "");
    }
    return 0;
}

static int umount(struct shell *shell, int argc, char **argv)
{
    int status = mounts_remove(argv[1]);

    (void)argc;
    return status == 0 ? 0 : shell_fail(shell, argv[1], status);
}

static void df_row(struct shell *shell, const struct mount_row *row)
{
    struct file_fs_stat stat;
    char path[MOUNT_TEXT];
    uint64_t whole, left;
    int status = file_stat_fs(row->path, &stat);

    if (status != 0) {
        (void)shell_fail(shell, row->path, status);
        return;
    }
    whole = stat.blocks * stat.block_bytes / 1024;
    left = stat.blocks_free * stat.block_bytes / 1024;
    shell_print(shell, "%-8s %12llu %12llu %10llu %10llu %s\n", row->device,
                (unsigned long long)whole, (unsigned long long)left,
                (unsigned long long)stat.inodes,
                (unsigned long long)stat.inodes_free, mounts_tame(row, path));
}

static int df(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    shell_print(shell, "%-8s %12s %12s %10s %10s\n", "device", "KiB",
                "free KiB", "inodes", "free");
    for (unsigned i = 0; i < MOUNTS_MAX; i++) {
        if (mount_rows[i].path[0] != '\0')
            df_row(shell, &mount_rows[i]);
    }
    return 0;
}

/* Queues of disks of one CPU. */
static void disk_rows(struct shell *shell, unsigned cpu,
                      const struct figures *figures)
{
    for (unsigned i = 0; i < figures->queue_count; i++) {
        const struct figures_queue *queue = &figures->queues[i];

        if (queue->is_card)
            continue;
        shell_print(shell, "%-8s %12llu %4u %12llu %8llu\n", queue->device,
                    (unsigned long long)(queue->sectors / SECTORS_PER_KIB), cpu,
                    (unsigned long long)queue->requests,
                    (unsigned long long)queue->failed);
    }
}

static int disk(struct shell *shell, int argc, char **argv)
{
    struct figures *figures = mem_alloc(sizeof(*figures));
    const struct device *device;
    int status = figures == NULL ? -ENOMEM : 0;

    (void)argc;
    (void)argv;
    shell_print(shell, "disks:");
    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++)
        shell_print(shell, " %s", device_name(device));
    shell_print(shell, "\n%-8s %12s %4s %12s %8s\n", "in use", "KiB", "cpu",
                "requests", "failed");
    for (unsigned cpu = 0; status == 0 && cpu < cpu_count(); cpu++) {
        status = figures_get(cpu, figures);
        if (status == 0)
            disk_rows(shell, cpu, figures);
    }
    mem_free(figures);
    return status;
}

const struct command disk_commands[] = {
    {"df", "", "room on what is mounted", 0, 0, df},
    {"mount", "[DISK|memfs PATH [TYPE]]", "mount; or what is mounted", 0, 3,
     mount},
    {"umount", "PATH", "take it away", 1, 1, umount},
    {"disk", "", "what disks there are, and what they do", 0, 0, disk},
    {NULL, NULL, NULL, 0, 0, NULL},
};
