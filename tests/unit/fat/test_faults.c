/*
 * Failures: every allocation and every request of the disk fails once, in a
 * course of operations. Each is told, nothing leaks, what is in memory stays
 * whole, and fsck.fat has nothing to say but of clusters that were lost.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

enum { NTH_MAX = 3000 };

static const struct file_system *const file_systems[] = {&fat_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image, *good;
static size_t image_size;

/* ---- The course ---------------------------------------------------------- */

static unsigned failures;
static bool is_cold; /* nothing of the disk is kept in memory */
static struct mem_stats before;

/* An operation may fail as its n-th allocation or request did. */
static void may_fail(int64_t status)
{
    if (status >= 0)
        return;
    if (status != -ENOMEM && status != -EIO && status != -ENOENT &&
        status != -ENOTDIR && status != -EROFS)
        fail_msg("status %d", (int)status);
    failures++;
}

/* Between two operations. */
static void next(void)
{
    for (unsigned i = 0; is_cold && i < 6; i++)
        mem_trim();
}

static void put(const char *path, uint64_t offset, size_t size)
{
    static uint8_t bytes[20000];
    struct file *file;
    int status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);

    assert_in_range(size, 0, sizeof(bytes));
    may_fail(status);
    if (status != 0)
        return;
    may_fail(file_write_at(file, bytes, size, offset));
    may_fail(file_sync(file));
    file_close(file);
}

static void cut(const char *path, uint64_t size)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE, 0, &file);

    may_fail(status);
    if (status != 0)
        return;
    may_fail(file_truncate(file, size));
    file_close(file);
}

static void read_all(const char *path)
{
    static uint8_t bytes[40000];
    struct file *file;
    int status = file_open(path, FILE_READ, 0, &file);

    may_fail(status);
    if (status != 0)
        return;
    may_fail(file_read(file, bytes, sizeof(bytes)));
    file_close(file);
}

static void list(const char *path)
{
    struct dir_entry entry;
    struct file *dir;
    int status = file_open(path, FILE_READ, 0, &dir);

    may_fail(status);
    if (status != 0)
        return;
    while ((status = dir_read(dir, &entry)) == 1)
        ;
    may_fail(status);
    file_close(dir);
}

static void course(void)
{
    struct file_fs_stat stat;
    char path[40];

    next();
    may_fail(file_stat_fs("/", &stat));
    next();
    list("/t");
    next();
    read_all("/t/file");
    next();
    read_all("/t/a/deep");
    next();
    may_fail(file_mkdir("/dir", 0755));
    next();
    put("/dir/a file with a long name", 0, 5000);
    next();
    put("/dir/B.TXT", 3000, 3000);
    for (unsigned i = 0; i < 8; i++) { /* the directory grows */
        memcpy(path, "/dir/another long name 0", 25);
        path[23] = (char)('0' + i);
        next();
        put(path, 0, 10);
    }
    next();
    may_fail(file_rename("/dir/B.TXT", "/dir/a file with a long name", 0));
    next();
    may_fail(file_rename("/t/file", "/dir/moved", 0));
    next();
    may_fail(file_mkdir("/dir/sub", 0755));
    next();
    may_fail(file_rename("/dir/sub", "/t/sub", 0));
    next();
    may_fail(file_rename("/t/a", "/t/sub", FILE_RENAME_EXCHANGE));
    next();
    cut("/dir/moved", 600);
    next();
    cut("/dir/moved", 9000);
    next();
    may_fail(file_rename("/t/sub", "/dir/above", 0));
    next();
    may_fail(file_mkdir("/t/a/one more", 0755));
    next();
    may_fail(file_rmdir("/t/a/one more"));
    next();
    may_fail(file_chmod("/dir/moved", true, 0444));
    next();
    may_fail(file_unlink("/dir/another long name 3"));
    next();
    may_fail(file_rmdir("/t/empty"));
    next();
    list("/dir");
    next();
    may_fail(file_remount("/", true));
    next();
    may_fail(file_remount("/", false));
    next();
    read_all("/dir/moved");
}

static void attach(void)
{
    machine_attach(16 << 20);
    vfs_init(file_systems);
    memcpy(image, good, image_size);
    ramblk_init(&disk, image, image_size);
    /* What is made once for all mounts. */
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
    assert_int_equal(file_unmount("/"), 0);
    before = stats();
}

/* Nothing is left of a mount. */
static void detach(void)
{
    assert_int_equal(stats().block_count, before.block_count);
    machine_detach();
}

/* fsck.fat may find lost clusters and what goes with them, and mends it: in up
 * to three runs if a directory has two names. Each run is a process: the last
 * one, which finds nothing, says that all is well. */
static void judge(bool may_lose)
{
    for (unsigned runs = 0; may_lose && runs < 3; runs++) {
        if (fat_fsck(image, image_size, true) == 0)
            return;
    }
    assert_int_equal(fat_fsck(image, image_size, false), 0);
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1; n < NTH_MAX; n++) {
        bool failed;
        int status;

        attach();
        failures = 0;
        heap_fail(n);
        status = file_mount(&disk.block.device, "/", "fat");
        if (status == 0)
            course();
        failed = heap_failed();
        heap_fail(0);
        if (status == 0) {
            vfs_check();
            assert_int_equal(file_unmount("/"), 0);
        } else {
            assert_int_equal(status, -ENOMEM);
        }
        detach();
        if (status == 0 && n % 4 == 0)
            judge(false);
        if (!failed) {
            assert_int_equal(failures, 0);
            assert_true(n > 100);
            return;
        }
    }
    fail();
}

static void every_request_fails(void)
{
    for (unsigned n = 1; n < NTH_MAX; n++) {
        unsigned failed;
        int status;

        attach();
        failures = 0;
        disk.fail_at = n;
        status = file_mount(&disk.block.device, "/", "fat");
        if (status == 0)
            course();
        failed = disk.failures;
        disk.fail_at = 0;
        if (status == 0) {
            vfs_check();
            assert_int_equal(file_unmount("/"), 0);
        } else {
            assert_int_equal(status, -EIO);
        }
        detach();
        if (status == 0 && (!is_cold || n % 4 == 0 || failed == 0))
            judge(failed > 0);
        if (failed == 0) {
            assert_int_equal(failures, 0);
            assert_true(n > 30);
            return;
        }
    }
    fail();
}

static void test_every_request_fails(void **state)
{
    (void)state;
    every_request_fails();
}

static void test_every_request_fails_and_nothing_is_kept(void **state)
{
    (void)state;
    is_cold = true;
    every_request_fails();
    is_cold = false;
}

/* From the n-th request on the disk is gone: as when the machine goes; or it is
 * well again when it is unmounted. What is left can be mended, or there is
 * nothing to mend. */
static void disk_goes_away(bool comes_back)
{
    for (unsigned n = 1; n < NTH_MAX; n++) {
        unsigned failed;
        int status;

        attach();
        failures = 0;
        disk.fail_from = n;
        status = file_mount(&disk.block.device, "/", "fat");
        if (status == 0)
            course();
        failed = disk.failures;
        if (comes_back)
            disk.fail_from = 0;
        if (status == 0) {
            vfs_check();
            assert_int_equal(file_unmount("/"), 0);
        } else {
            assert_int_equal(status, -EIO);
        }
        failed |= disk.failures;
        detach();
        if (status == 0)
            judge(!comes_back);
        if (failed == 0) {
            assert_true(n > 30);
            return;
        }
    }
    fail();
}

static void test_disk_goes_away(void **state)
{
    (void)state;
    disk_goes_away(false);
}

static void test_disk_goes_away_and_comes_back(void **state)
{
    (void)state;
    disk_goes_away(true);
}

/* What was synced is there whatever comes later. */
static void test_synced_data_survive(void **state)
{
    (void)state;
    for (unsigned n = 1; n < NTH_MAX; n += 2) {
        uint8_t bytes[5001];
        struct file *file;

        attach();
        failures = 0;
        assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
        assert_int_equal(file_mkdir("/kept", 0755), 0);
        put("/kept/synced before", 0, 5000);
        assert_int_equal(failures, 0);
        disk.fail_from = n;
        course();
        may_fail(file_rename("/kept/synced before", "/kept/and renamed", 0));
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
        machine_detach();
        judge(true);
        machine_attach(16 << 20);
        vfs_init(file_systems);
        ramblk_init(&disk, image, image_size);
        assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
        if (file_open("/kept/and renamed", FILE_READ, 0, &file) != 0)
            assert_int_equal(
                file_open("/kept/synced before", FILE_READ, 0, &file), 0);
        assert_int_equal(file_read(file, bytes, sizeof(bytes)), 5000);
        file_close(file);
        assert_int_equal(file_unmount("/"), 0);
        machine_detach();
        if (failures == 0)
            return;
    }
    fail();
}

/* How a synced file gets from one directory to another, which lies before it on
 * the disk or behind it. */
static const struct moves {
    const char *from, *to;
} moves[] = {
    {"/1/a long name of a file", "/2/another one, with more parts than two"},
    {"/2/a long name of a file", "/1/another one, with more parts than two"},
    {"/1/a long name of a file", "/2/there"},
    {"/2/a long name of a file", "/1/there"},
};

/* Let the disk be gone from the n-th request of the rename on; whether that
 * came. */
static bool move_and_crash(const struct moves *how, unsigned n)
{
    char bytes[100];
    struct file *file;
    bool failed;

    attach();
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
    assert_int_equal(file_mkdir("/1", 0755), 0);
    put("/between them on the disk", 0, 20000);
    assert_int_equal(file_mkdir("/2", 0755), 0);
    put("/1/there", 0, 7);
    put("/2/there", 0, 7);
    put(how->from, 0, 77);
    disk.fail_from = n;
    may_fail(file_rename(how->from, how->to, 0));
    assert_int_equal(file_unmount("/"), 0);
    failed = disk.failures > 0;
    machine_detach();
    judge(true);
    machine_attach(16 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
    if (file_open(how->to, FILE_READ, 0, &file) != 0)
        assert_int_equal(file_open(how->from, FILE_READ, 0, &file), 0);
    if (file_read(file, bytes, sizeof(bytes)) != 77) {
        /* It has not taken the place of the other one yet. */
        file_close(file);
        assert_int_equal(file_open(how->from, FILE_READ, 0, &file), 0);
        assert_int_equal(file_read(file, bytes, sizeof(bytes)), 77);
    }
    file_close(file);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    return failed;
}

static void test_a_renamed_file_is_never_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(moves); i++) {
        unsigned n = 1;

        while (move_and_crash(&moves[i], n))
            n++;
        assert_in_range(n, 4, 100);
    }
}

/* A write that has failed is told once; then all is written. */
static void test_a_failure_is_told_once(void **state)
{
    unsigned n = 0, told = 0;

    (void)state;
    do {
        attach();
        failures = 0;
        assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
        may_fail(file_rename("/t/file", "/t/empty/moved", 0));
        cut("/t/empty/moved", 600);
        disk.failures = 0;
        disk.fail_at = ++n;
        may_fail(file_remount("/", true));
        told += failures;
        assert_int_equal(failures, disk.failures);
        disk.fail_at = 0;
        assert_int_equal(file_remount("/", true), 0);
        assert_int_equal(file_unmount("/"), 0);
        detach();
        judge(false);
    } while (disk.failures > 0);
    assert_true(told > 4);
}

static int setup(void **state)
{
    char tree[] = "/tmp/torc_faults_XXXXXX", command[400];

    (void)state;
    if (mkdtemp(tree) == NULL)
        return -1;
    snprintf(command, sizeof(command),
             "cd %s && mkdir -p a empty many && echo x >.x && echo deep "
             ">a/deep && head -c "
             "9000 /dev/zero >file && for i in $(seq 40); do echo $i "
             ">many/entry-number-$i; done",
             tree);
    if (system(command) != 0)
        return -1;
    /* Just enough clusters for FAT16: the image is copied for each run. */
    good = fat_image("-F 16 -s 1", tree, 2200, &image_size);
    image = malloc(image_size);
    snprintf(command, sizeof(command), "rm -rf %s", tree);
    return system(command);
}

static int teardown(void **state)
{
    (void)state;
    free(good);
    free(image);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_is_told_once),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_every_request_fails),
        cmocka_unit_test(test_every_request_fails_and_nothing_is_kept),
        cmocka_unit_test(test_disk_goes_away),
        cmocka_unit_test(test_disk_goes_away_and_comes_back),
        cmocka_unit_test(test_synced_data_survive),
        cmocka_unit_test(test_a_renamed_file_is_never_lost),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
