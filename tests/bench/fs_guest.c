/*
 * What calls about files cost in guest instructions: an image for a machine
 * with two CPUs and a disk, vda, with an ext2 file system: /f, /www/index.html,
 * /m (tools/bench_fs_guest.sh makes it). On /m it mounts a file system in
 * memory.
 *
 * Prints "bench NAME COUNT" for each pair of marks, in their order.
 */
#include "apps/bench/marks.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/thread.h>

enum { COUNT = 64, PART = 4096 };

static struct file *big; /* /big: 64 KiB */
static char buf[PART];

static int nothing(unsigned i)
{
    buf[0] = (char)i;
    return 0;
}

static int open_read_close(const char *path)
{
    struct file *file;
    int64_t got;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status != 0)
        return status;
    got = file_read(file, buf, 1024);
    file_close(file);
    return got == 1024 ? 0 : -EIO;
}

static int short_path(unsigned i)
{
    (void)i;
    return open_read_close("/f");
}

static int long_path(unsigned i)
{
    (void)i;
    return open_read_close("/www/index.html");
}

static int stat_path(unsigned i)
{
    struct file_stat stat;

    (void)i;
    return file_stat("/f", true, &stat);
}

static int read_page(unsigned i)
{
    return file_read_at(big, buf, PART, (i % 16) * PART) == PART ? 0 : -EIO;
}

static int lend_page(unsigned i)
{
    struct slice slice;
    unsigned count = 1;

    if (file_lend(big, (i % 16) * PART, PART, &slice, &count) != PART)
        return -EIO;
    buf_put(slice.buf);
    return 0;
}

static bool on_disk; /* names on ext2; else in memory */

/* A name of its own for each. */
static const char *name_of(unsigned i)
{
    static char path[] = "/m/file00";

    path[1] = on_disk ? 'd' : 'm';
    path[7] = (char)('0' + (char)(i / 10 % 10));
    path[8] = (char)('0' + (char)(i % 10));
    return path;
}

static int create(unsigned i)
{
    struct file *file;
    int64_t put;
    int status = file_open(name_of(i), FILE_WRITE | FILE_CREATE, 0644, &file);

    if (status != 0)
        return status;
    put = file_write(file, buf, 1024);
    file_close(file);
    return put == 1024 ? 0 : -EIO;
}

static int rename_to_and_fro(unsigned i)
{
    const char *other = on_disk ? "/d/other" : "/m/other";
    int status = file_rename(name_of(i), other, 0);

    return status != 0 ? status : file_rename(other, name_of(i), 0);
}

static int unlink_name(unsigned i)
{
    return file_unlink(name_of(i));
}

struct load {
    const char *name;
    int (*fn)(unsigned i);
    bool away; /* from CPU 1: also what CPU 0 does counts */
};

static const struct load loads[] = {
    {"loop", nothing, false},
    {"open-read-close", short_path, false},
    {"open-read-close-3", long_path, false},
    {"stat", stat_path, false},
    {"read-4k", read_page, false},
    {"lend-4k", lend_page, false},
    {"mem-create-write-close", create, false},
    {"mem-rename-twice", rename_to_and_fro, false},
    {"mem-unlink", unlink_name, false},
    {"create-write-close", create, false},
    {"rename-twice", rename_to_and_fro, false},
    {"unlink", unlink_name, false},
    {"away-stat", stat_path, true},
    {"away-read-4k", read_page, true},
    {"away-lend-4k", lend_page, true},
    {"away-open-read-close", short_path, true},
};

/* What creates does not find its names; others do. The first time everything
 * comes into memory. */
static int load_run(const struct load *load)
{
    int status = 0;

    on_disk = !str_starts(load->name, "mem-");
    for (unsigned i = 0; status == 0 && i < COUNT; i++)
        status = create(i);
    for (unsigned i = 0; status == 0 && i < COUNT; i++)
        status = load->fn(i);
    for (unsigned i = 0; status == 0 && i < COUNT; i++) {
        if (load->fn == create)
            status = unlink_name(i);
        else if (load->fn == unlink_name)
            status = create(i);
    }
    if (status != 0)
        return status;
    bench_begin();
    for (unsigned i = 0; status == 0 && i < COUNT; i++)
        status = load->fn(i);
    bench_end();
    console_print("bench %s %u\n", load->name, COUNT);
    return status;
}

static int loads_run(bool away, const char *only)
{
    for (unsigned i = 0; i < COUNT_OF(loads); i++) {
        int status;

        if (loads[i].away != away ||
            (only != NULL && !str_equal(loads[i].name, only)))
            continue;
        status = load_run(&loads[i]);
        if (status != 0) {
            log_error("%s failed: %d", loads[i].name, status);
            return 1;
        }
    }
    return 0;
}

static int other_cpu(void *only)
{
    return file_mount_cpu(0, "/") != 0 ? 1 : loads_run(true, only);
}

static int app_main(int argc, char **argv)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};
    struct device *disk = device_find(DEVICE_BLOCK, 0);
    char *only = argc > 1 ? argv[1] : NULL;
    thread_id id;
    int status;

    if (disk == NULL || device_dedicate(disk, 0) != 0 ||
        file_mount(disk, "/", NULL) != 0 ||
        file_mount_memory("/m", NULL) != 0 ||
        file_open("/big", FILE_READ, 0, &big) != 0) {
        log_error("a disk with the files of bench_fs_guest.sh is needed: vda");
        return 1;
    }
    status = loads_run(false, only);
    if (status == 0 &&
        (cpu_count() < 2 || thread_create(&there, other_cpu, only, &id) != 0 ||
         thread_join(id, &status) != 0))
        status = 1;
    return status;
}

static const struct driver *const drivers[] = {&virtio_blk_driver, NULL};
static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};

const struct torc_app torc_app = {.name = "fs_guest",
                                  .main = app_main,
                                  .has_arguments = true,
                                  .drivers = drivers,
                                  .file_systems = file_systems};
