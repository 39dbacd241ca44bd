/*
 * Calls about files in the hosted machine, a file system in memory or on a
 * disk. tools/bench_fs_host.sh starts it, and makes the table.
 *
 *   fs_host [--disk FILE] -- memory|TYPE
 *
 * prints "sample ROW PICOSECONDS" for each row and pass.
 */
#include "tests/bench/fs_rows.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/time.h>

static uint64_t now_ns(void)
{
    return time_ns();
}

static void say(const char *row, uint64_t count, uint64_t ns)
{
    console_print("sample %s %lu\n", row, (unsigned long)(ns * 1000 / count));
}

static void copy(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
}

static int call_mkdir(const char *path)
{
    return file_mkdir(path, 0755);
}

static int call_rmdir(const char *path)
{
    return file_rmdir(path);
}

static int call_create(const char *path, const char *buf, size_t size)
{
    struct file *file;
    int64_t put;
    int status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);

    if (status != 0)
        return status;
    put = file_write(file, buf, size);
    file_close(file);
    return put == (int64_t)size ? 0 : -EIO;
}

static int call_stat(const char *path)
{
    struct file_stat stat;

    return file_stat(path, true, &stat);
}

static int call_read(const char *path, char *buf, size_t size)
{
    struct file *file;
    int64_t got;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status != 0)
        return status;
    got = file_read(file, buf, size);
    file_close(file);
    return got == (int64_t)size ? 0 : -EIO;
}

static int call_rename(const char *path, const char *other)
{
    return file_rename(path, other, 0);
}

static int call_unlink(const char *path)
{
    return file_unlink(path);
}

static int call_write_large(const char *path, const char *buf)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);

    if (status != 0)
        return status;
    for (size_t at = 0; at < LARGE && status == 0; at += PIECE)
        status = file_write(file, buf, PIECE) == PIECE ? 0 : -EIO;
    file_close(file);
    return status;
}

static int call_read_large(const char *path, char *buf)
{
    struct file *file;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status != 0)
        return status;
    for (size_t at = 0; at < LARGE && status == 0; at += PIECE)
        status = file_read(file, buf, PIECE) == PIECE ? 0 : -EIO;
    file_close(file);
    return status;
}

static int mount_disk(const char *type)
{
    struct device *disk = device_find(DEVICE_BLOCK, 0);

    if (disk == NULL)
        return -ENODEV;
    if (device_dedicate(disk, 0) != 0)
        return -EBUSY;
    return file_mount(disk, "/", type);
}

static int app_main(int argc, char **argv)
{
    int status;

    if (argc != 2) {
        log_error("fs_host takes the type of a file system, or \"memory\"");
        return 2;
    }
    status = str_equal(argv[1], "memory") ? file_mount_memory("/", NULL)
                                          : mount_disk(argv[1]);
    if (status == 0)
        status = rows_run("", "/d", "/large");
    if (status == 0)
        status = file_unmount("/");
    if (status != 0)
        log_error("a call failed: %d", status);
    return status != 0;
}

static const struct driver *const drivers[] = {&leaf_blk_driver, NULL};
static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};

const struct torc_app torc_app = {.name = "fs_host",
                                  .main = app_main,
                                  .has_arguments = true,
                                  .drivers = drivers,
                                  .file_systems = file_systems};
