/*
 * Large numbers, on a real image: tools/fs_limits.sh starts it, and checks what
 * it leaves.
 *
 *   fs_limits --disk FILE -- TYPE LARGE_MIB ENTRIES
 *
 * A file of LARGE_MIB, written and read; ENTRIES in one directory; names of 255
 * bytes; files until there is no inode left; bytes until the disk is full. What
 * is made is removed, and then there is as much room as before. Prints the
 * milliseconds of each; stops with status 1 at the first that is not so.
 */
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/time.h>

enum { PIECE = 1 << 20, STEP = 4096, LONG_NAMES = 500 };

static char piece[PIECE];

static void must(bool good, const char *what, int64_t status)
{
    if (good)
        return;
    log_error("%s: %ld", what, (long)status);
    machine_exit(1);
}

static struct file_fs_stat room(void)
{
    struct file_fs_stat stat;
    int status = file_stat_fs("/", &stat);

    must(status == 0, "statfs", status);
    return stat;
}

/* /d/ and a name of `length` bytes that ends with a number. */
static const char *name_of(unsigned length, unsigned number)
{
    static char path[3 + FILE_NAME_MAX + 1];
    char *at = path + 3 + length;

    memset(path, 'n', sizeof(path));
    memcpy(path, "/d/", 3);
    *at = '\0';
    for (unsigned i = 0; i < 7; i++, number /= 10)
        *--at = (char)('0' + number % 10);
    return path;
}

static int make(const char *path)
{
    struct file *file;
    int status =
        file_open(path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, 0644, &file);

    if (status == 0)
        file_close(file);
    return status;
}

/* ---- A large file -------------------------------------------------------- */

static void stamp(uint64_t number)
{
    for (size_t at = 0; at < PIECE; at += STEP, number++)
        memcpy(piece + at, &number, sizeof(number));
}

static bool is_stamped(uint64_t number)
{
    for (size_t at = 0; at < PIECE; at += STEP, number++) {
        if (memcmp(piece + at, &number, sizeof(number)) != 0)
            return false;
    }
    return true;
}

static void large_file(unsigned mib)
{
    struct file *file;
    int64_t status =
        file_open("/large", FILE_READ | FILE_WRITE | FILE_CREATE, 0644, &file);

    must(status == 0, "open", status);
    for (unsigned i = 0; i < mib; i++) {
        stamp((uint64_t)i * (PIECE / STEP));
        status = file_write(file, piece, PIECE);
        must(status == PIECE, "write", status);
    }
    status = file_sync(file);
    must(status == 0, "sync", status);
    for (unsigned i = 0; i < mib; i++) {
        status = file_read_at(file, piece, PIECE, (uint64_t)i * PIECE);
        must(status == PIECE, "read", status);
        must(is_stamped((uint64_t)i * (PIECE / STEP)), "content, MiB", i);
    }
    file_close(file);
    status = file_unlink("/large");
    must(status == 0, "unlink", status);
}

/* ---- Names --------------------------------------------------------------- */

static unsigned list(void)
{
    static struct dir_entry entry;
    struct file *dir;
    unsigned count = 0;
    int status = file_open("/d", FILE_READ, 0, &dir);

    must(status == 0, "open", status);
    while ((status = dir_read(dir, &entry)) == 1)
        count += entry.name[0] != '.';
    must(status == 0, "readdir", status);
    file_close(dir);
    return count;
}

static void remove_all(unsigned length, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int status = file_unlink(name_of(length, i));

        must(status == 0, "unlink", status);
    }
    must(list() == 0, "entries that are left", list());
}

/* Make, count, find and remove; also by another name of the same length. */
static void entries(unsigned length, unsigned count)
{
    struct file_stat stat;
    int status;

    for (unsigned i = 0; i < count; i++) {
        status = make(name_of(length, i));
        must(status == 0, "create", status);
    }
    must(list() == count, "entries", list());
    for (unsigned i = 0; i < count; i++) {
        status = file_stat(name_of(length, i), true, &stat);
        must(status == 0, "stat", status);
    }
    status = make(name_of(length, count / 2));
    must(status == -EEXIST, "create again", status);
    remove_all(length, count);
}

static void longest_names(unsigned count)
{
    char old[3 + FILE_NAME_MAX + 1];
    int status;

    entries(FILE_NAME_MAX, count);
    status = make(name_of(FILE_NAME_MAX, 0));
    must(status == 0, "create", status);
    memcpy(old, name_of(FILE_NAME_MAX, 0), sizeof(old));
    status = file_rename(old, name_of(FILE_NAME_MAX, 1), 0);
    must(status == 0, "rename", status);
    status = file_unlink(name_of(FILE_NAME_MAX, 1));
    must(status == 0, "unlink", status);
}

/* ---- Until there is no more ---------------------------------------------- */

static void no_inodes(unsigned unused)
{
    uint64_t left = room().inodes_free;
    unsigned count = 0;
    int status;

    (void)unused;
    while ((status = make(name_of(10, count))) == 0)
        count++;
    must(status == -ENOSPC, "create", status);
    must(count == left, "inodes", count);
    status = file_mkdir("/d/e", 0755);
    must(status == -ENOSPC, "mkdir", status);
    remove_all(10, count);
}

static void full_disk(unsigned unused)
{
    struct file *file;
    uint64_t bytes = 0;
    int64_t status = file_open("/large", FILE_WRITE | FILE_CREATE, 0644, &file);

    (void)unused;
    must(status == 0, "open", status);
    while ((status = file_write(file, piece, PIECE)) > 0)
        bytes += (uint64_t)status;
    must(status == -ENOSPC, "write", status);
    status = file_sync(file);
    must(status == 0, "sync", status); /* what was promised has room */
    must(bytes > PIECE, "bytes", (int64_t)bytes);
    status = file_write_at(file, piece, STEP, 0); /* that is no new room */
    must(status == STEP, "write over", status);
    status = file_mkdir("/d/e", 0755);
    must(status == -ENOSPC, "mkdir", status);
    file_close(file);
    status = file_unlink("/large");
    must(status == 0, "unlink", status);
}

/* ---- All of them --------------------------------------------------------- */

static void run(const char *name, void (*part)(unsigned), unsigned count)
{
    struct file_fs_stat before, after;
    uint64_t begin;
    int status = file_mkdir("/d", 0755);

    must(status == 0, "mkdir", status);
    before = room();
    begin = time_ns();
    part(count);
    console_print("%s %lu ms\n", name,
                  (unsigned long)((time_ns() - begin) / 1000000));
    status = file_rmdir("/d");
    must(status == 0, "rmdir", status);
    status = file_unmount("/");
    must(status == 0, "unmount", status);
    status = file_mount(device_find(DEVICE_BLOCK, 0), "/", NULL);
    must(status == 0, "mount", status);
    after = room();
    must(after.inodes_free == before.inodes_free + 1, "inodes that are free",
         (int64_t)after.inodes_free - (int64_t)before.inodes_free);
    must(after.blocks_free > before.blocks_free, "blocks that are free",
         (int64_t)after.blocks_free - (int64_t)before.blocks_free);
}

static void many_entries(unsigned count)
{
    entries(10, count);
}

static unsigned number_of(const char *text)
{
    unsigned number = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (unsigned)(*text - '0');
    return number;
}

static int app_main(int argc, char **argv)
{
    struct device *disk = device_find(DEVICE_BLOCK, 0);
    int status;

    if (argc != 4 || disk == NULL) {
        log_error("fs_limits takes a disk: TYPE LARGE_MIB ENTRIES");
        return 2;
    }
    status = device_dedicate(disk, 0);
    if (status == 0)
        status = file_mount(disk, "/", argv[1]);
    must(status == 0, "mount", status);
    run("large-file", large_file, number_of(argv[2]));
    run("entries", many_entries, number_of(argv[3]));
    run("longest-names", longest_names, LONG_NAMES);
    run("no-inodes", no_inodes, 0);
    run("full-disk", full_disk, 0);
    status = file_unmount("/");
    must(status == 0, "unmount", status);
    return 0;
}

static const struct driver *const drivers[] = {&leaf_blk_driver, NULL};
static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};

const struct torc_app torc_app = {.name = "fs_limits",
                                  .main = app_main,
                                  .has_arguments = true,
                                  .drivers = drivers,
                                  .file_systems = file_systems};
