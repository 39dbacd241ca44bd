/*
 * Writing ext2 while the n-th request of the disk fails, or the n-th
 * allocation: whoever is told can go on, and e2fsck has nothing to ask.
 *
 * What is left of each run the checker of ext2 judges; e2fsck, which is a
 * process each time, judges a share.
 */
#include "fs/ext2/write/rw.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image, *original;
static size_t image_size;

/* ---- What is done -------------------------------------------------------- */

/* A bit of everything that files hold. Returns the first error. */
static int do_data(void)
{
    static const unsigned punch = FILE_PUNCH_HOLE | FILE_KEEP_SIZE;
    static uint8_t data[70000];
    struct file *file;
    int status = file_open("/double", FILE_READ | FILE_WRITE, 0, &file);
    int64_t put;

    if (status != 0)
        return status;
    put = file_write_at(file, data, sizeof(data), 250000);
    status = put < 0 ? (int)put : 0;
    if (status == 0)
        status = file_sync(file);
    if (status == 0)
        status = file_allocate(file, 20000, 40000, punch);
    if (status == 0)
        status = file_truncate(file, 100000);
    if (status == 0)
        status = file_sync(file);
    put = status != 0 ? 0 : file_write_at(file, data, 5000, 600000);
    if (put < 0)
        status = (int)put;
    if (status == 0)
        status = file_chmod("/dir", true, 0700);
    if (status == 0)
        status = file_sync(file);
    if (status == 0)
        status = file_truncate(file, 10);
    file_close(file);
    return status;
}

static int put_file(const char *path, unsigned flags, size_t size)
{
    static uint8_t data[60000];
    struct file *file;
    int status = file_open(path, FILE_WRITE | flags, 0644, &file);
    int64_t put;

    if (status != 0)
        return status;
    put = file_write_at(file, data, size, 0);
    status = put < 0 ? (int)put : file_sync(file);
    file_close(file);
    return status;
}

static int do_names(void)
{
    static char target[500];
    int status = put_file("/dir/new", FILE_CREATE, 30000);

    memset(target, 't', sizeof(target) - 1);
    if (status == 0)
        status = file_mkdir("/dir/sub/more", 0755);
    if (status == 0)
        status = file_symlink(target, "/dir/long");
    if (status == 0)
        status = file_symlink("short", "/dir/short");
    if (status == 0)
        status = file_link("/dir/new", "/dir/sub/linked");
    if (status == 0)
        status = file_make_node("/dir/node", FILE_CHARACTER, 0600, 0x12345);
    if (status == 0)
        status = file_rename("/dir/new", "/dir/e1", 0); /* in its place */
    if (status == 0)
        status = file_rename("/dir/sub/more", "/more", 0);
    return status;
}

static int do_removals(void)
{
    int status = file_unlink("/double");

    if (status == 0)
        status = file_unlink("/slow");
    if (status == 0)
        status = file_mkdir("/gone", 0755);
    if (status == 0)
        status = file_rmdir("/gone");
    if (status == 0)
        status = put_file("/temporary", FILE_CREATE, 20000);
    if (status == 0)
        status = file_unlink("/temporary");
    if (status == 0)
        status = put_file("/dir/e2", FILE_TRUNCATE, 50000);
    return status;
}

/* The same on a nearly full disk: what was removed is needed at once. */
static int do_tight(void)
{
    int status = 0;

    for (unsigned i = 0; i < 4 && status == 0; i++) {
        status = put_file("/file", FILE_TRUNCATE, 60000);
        if (status == 0)
            status = file_unlink("/double");
        if (status == 0)
            status = put_file("/double", FILE_CREATE, 60000);
    }
    return status;
}

static const struct {
    const char *options;
    unsigned kib;
    int (*run)(void);
} rows[] = {
    {"-b 1024", 2000, do_data},
    {"-b 1024", 2000, do_names},
    {"-b 4096 -I 128", 4000, do_names},
    {"-b 1024", 2000, do_removals},
    {"-b 1024 -g 256 -N 160", 2000, do_removals},
    {"-b 1024 -m 0 -N 72", 560, do_tight},
};

/* ---- What fails ---------------------------------------------------------- */

static void attach(void)
{
    memcpy(image, original, image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
}

static bool is_mounted(void)
{
    struct file_stat stat;

    return file_stat("/", true, &stat) == 0;
}

/* Of so many runs that follow each other, e2fsck looks at one. */
enum { E2FSCK_SHARE = 7 };

/* Is the image without a fault, or, where some are allowed, without one that
 * "e2fsck -p" would not mend by itself? */
static void check_image(size_t row, unsigned n, bool allowed)
{
    struct ext2_checked found = {.fail_alloc = 0};
    unsigned bad = 0;

    ext2_check_image(image, image_size, &found);
    for (unsigned code = 0; code < CHECK_CODES; code++) {
        if (!allowed || ext2_code_info(code)->severity != CHECK_PREEN)
            bad += found.codes[code];
    }
    if (found.status != 0 || bad > 0) {
        ext2_check_print(stderr, &found);
        fail_msg("row %zu: the %u-th", row, n);
    }
    if ((n + row) % E2FSCK_SHARE == 0 &&
        ext2_fsck_status(image, image_size, allowed ? "-fp" : "-fn", allowed) >
            allowed)
        fail_msg("row %zu: the %u-th, e2fsck", row, n);
}

/* One run with the n-th request failing; whether there was one. */
static bool with_request(size_t row, unsigned n)
{
    bool has_failed;
    int status;

    attach();
    disk.fail_at = n;
    status = file_mount(&disk.block.device, "/", "ext2");
    if (status == 0)
        status = rows[row].run();
    has_failed = disk.failures > 0;
    if (!has_failed)
        assert_int_equal(status, 0);
    disk.fail_at = 0;
    if (is_mounted()) {
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
    }
    page_cache_check();
    machine_detach();
    check_image(row, n, true);
    return has_failed;
}

static bool with_allocation(size_t row, unsigned n)
{
    struct mem_stats before, after;
    bool has_failed;
    int status;

    attach();
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
    assert_int_equal(file_unmount("/"), 0);
    mem_get_stats(&before);
    heap_fail(n);
    status = file_mount(&disk.block.device, "/", "ext2");
    if (status == 0)
        status = rows[row].run();
    has_failed = heap_failed();
    heap_fail(0);
    if (!has_failed)
        assert_int_equal(status, 0);
    if (is_mounted()) {
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
    }
    page_cache_check();
    mem_get_stats(&after);
    assert_true(after.block_count <= before.block_count);
    machine_detach();
    check_image(row, n, false);
    return has_failed;
}

static void each(bool (*with)(size_t row, unsigned n))
{
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        unsigned n = 1;

        original = ext2_image(rows[row].options, ext2_small_tree(),
                              rows[row].kib, &image_size);
        image = malloc(image_size);
        while (with(row, n))
            n++;
        assert_true(n > 20);
        free(image);
        free(original);
    }
}

static void test_each_request_fails(void **state)
{
    (void)state;
    each(with_request);
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    each(with_allocation);
}

/* All from the n-th request on fail, also while it is unmounted: nothing but
 * errors, and an end. What is left e2fsck repairs; in a directory that moves
 * not by itself. */
static bool with_the_disk_gone(size_t row, unsigned n)
{
    bool has_failed;
    int status;

    attach();
    disk.fail_from = n;
    status = file_mount(&disk.block.device, "/", "ext2");
    if (status == 0) {
        status = rows[row].run();
        assert_true(status == 0 || disk.failures > 0);
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
    }
    has_failed = disk.failures > 0;
    disk.fail_from = 0;
    page_cache_check();
    machine_detach();
    if (rows[row].run == do_names)
        ext2_fsck(image, image_size, "-fy");
    else
        check_image(row, n, true);
    return has_failed;
}

/* The same, and then the disk is well again: the unmount writes everything, and
 * frees what was removed. */
static bool with_the_disk_back(size_t row, unsigned n)
{
    bool has_failed;
    int status;

    attach();
    disk.fail_from = n;
    status = file_mount(&disk.block.device, "/", "ext2");
    if (status == 0)
        status = rows[row].run();
    has_failed = disk.failures > 0;
    assert_true(status == 0 || has_failed);
    disk.fail_from = 0;
    if (is_mounted()) {
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
        check_image(row, n, false);
    }
    page_cache_check();
    machine_detach();
    return has_failed;
}

static void test_the_disk_goes(void **state)
{
    (void)state;
    each(with_the_disk_gone);
}

static void test_the_disk_goes_and_comes_back(void **state)
{
    (void)state;
    each(with_the_disk_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_fails),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_the_disk_goes),
        cmocka_unit_test(test_the_disk_goes_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
