/*
 * ext2 from end to end: images made by mke2fs in every shape, compared with the
 * tree they were made from, byte by byte.
 */
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/unit/ext2/sweep.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/file_systems.h>
#include <unistd.h>

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disk;

static int mount_image(uint8_t *image, size_t size)
{
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, size);
    return file_mount(&disk.block.device, "/", "ext2");
}

/* ---- Comparing with the source tree -------------------------------------- */

static size_t root_len;
static unsigned compared;

static void compare_contents(const char *path, const char *ours, off_t size)
{
    static char theirs_buf[65536], ours_buf[65536];
    struct file *file;
    FILE *theirs = fopen(path, "r");
    off_t at = 0;

    assert_int_equal(file_open(ours, FILE_READ, 0, &file), 0);
    /* Of the very sparse ones the start and the end. */
    while (at < size) {
        size_t want = size - at < 65536 ? (size_t)(size - at) : 65536;

        assert_int_equal(fseeko(theirs, at, SEEK_SET), 0);
        assert_int_equal(fread(theirs_buf, 1, want, theirs), want);
        assert_int_equal(
            file_read_at(file, ours_buf, sizeof(ours_buf), (uint64_t)at), want);
        assert_memory_equal(ours_buf, theirs_buf, want);
        at += (off_t)want;
        if (at >= (8 << 20) && size - at > (1 << 20))
            at = size - (1 << 20) + 123;
    }
    assert_int_equal(
        file_read_at(file, ours_buf, sizeof(ours_buf), (uint64_t)size), 0);
    file_close(file);
    fclose(theirs);
}

static enum file_type type_of(mode_t mode)
{
    return S_ISREG(mode)    ? FILE_REGULAR
           : S_ISDIR(mode)  ? FILE_DIRECTORY
           : S_ISLNK(mode)  ? FILE_SYMLINK
           : S_ISFIFO(mode) ? FILE_FIFO
           : S_ISSOCK(mode) ? FILE_SOCKET
           : S_ISCHR(mode)  ? FILE_CHARACTER
                            : FILE_BLOCK;
}

static int compare(const char *path, const struct stat *st, int flag,
                   struct FTW *ftw)
{
    const char *ours = path[root_len] == '\0' ? "/" : path + root_len;
    struct file_stat stat;
    char link[2000], target[2000];

    (void)flag;
    if (ftw->level == 0)
        return 0;
    compared++;
    if (file_stat(ours, false, &stat) != 0)
        fail_msg("%s is not there", ours);
    assert_int_equal(stat.type, type_of(st->st_mode));
    assert_int_equal(stat.mode, st->st_mode & 07777);
    assert_int_equal(stat.mtime.s, st->st_mtime);
    if (stat.type != FILE_DIRECTORY)
        assert_int_equal(stat.size_bytes, st->st_size);
    if (stat.type == FILE_REGULAR) {
        compare_contents(path, ours, st->st_size);
    } else if (stat.type == FILE_SYMLINK) {
        ssize_t len = readlink(path, target, sizeof(target));

        assert_int_equal(file_read_link(ours, link, sizeof(link)), len);
        assert_memory_equal(link, target, (size_t)len);
    }
    return 0;
}

static void compare_tree(const char *options, unsigned kib)
{
    const char *tree = ext2_tree();
    size_t size;
    uint8_t *image = ext2_image(options, tree, kib, &size);
    struct mem_stats before, after;
    int status = mount_image(image, size);

    if (status != 0)
        fail_msg("mke2fs %s: mount says %d", options, status);
    mem_get_stats(&before);
    root_len = strlen(tree);
    compared = 0;
    nftw(tree, compare, 20, FTW_PHYS);
    assert_true(compared > 1200);
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    mem_get_stats(&after);
    assert_true(after.block_count <= before.block_count);
    machine_detach();
    free(image);
}

static void test_ext2_1k(void **state)
{
    (void)state;
    compare_tree("-b 1024", 20000);
}

static void test_ext2_2k(void **state)
{
    (void)state;
    compare_tree("-b 2048 -I 128", 24000);
}

static void test_ext2_4k(void **state)
{
    (void)state;
    compare_tree("-b 4096", 32000);
}

/* Blocks larger than a page: metadata is in several pieces of the cache. */
static void test_ext2_8k(void **state)
{
    (void)state;
    compare_tree("-b 8192", 40000);
}

static void test_ext2_64k(void **state)
{
    (void)state;
    compare_tree("-b 65536", 200000);
}

static void test_ext2_64k_no_filetype(void **state)
{
    (void)state;
    compare_tree("-b 65536 -O ^filetype,^dir_index", 200000);
}

static void test_ext2_rev0(void **state)
{
    (void)state;
    compare_tree("-r 0 -b 1024 -O none", 20000);
}

static void test_ext2_many_groups(void **state)
{
    (void)state;
    compare_tree("-b 1024 -g 512 -N 4000", 30000);
}

static void test_ext2_meta_bg(void **state)
{
    (void)state;
    compare_tree("-b 1024 -g 512 -N 4000 -O meta_bg,^resize_inode", 30000);
}

static void test_ext2_no_filetype(void **state)
{
    (void)state;
    compare_tree("-b 1024 -O ^filetype,^dir_index", 20000);
}

static void test_ext2_clean_journal(void **state)
{
    (void)state;
    compare_tree("-b 1024 -j", 30000);
}

/* ---- Listing ------------------------------------------------------------- */

static void test_ext2_large_directory_lists_everything_once(void **state)
{
    static bool seen[1201];
    size_t size;
    uint8_t *image = ext2_image("-b 1024", ext2_tree(), 20000, &size);
    struct dir_entry entry;
    struct file *dir;
    unsigned count = 0;
    int number;

    (void)state;
    assert_int_equal(mount_image(image, size), 0);
    assert_int_equal(file_open("/many", FILE_READ, 0, &dir), 0);
    while (dir_read(dir, &entry) == 1) {
        if (sscanf(entry.name, "entry-number-%d", &number) == 1) {
            assert_in_range(number, 1, 1200);
            assert_false(seen[number]);
            seen[number] = true;
            assert_int_equal(entry.type, FILE_REGULAR);
        }
        count++;
    }
    assert_int_equal(count, 1202); /* and "." and ".." */
    file_close(dir);
    machine_detach();
    free(image);
}

/* ---- Failing on the way -------------------------------------------------- */

/* What a CPU makes once for all its file systems is there then. */
static void read_a_file(void)
{
    struct ext2_walk walk;

    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
    ext2_walk_all(&walk);
    assert_int_equal(file_unmount("/"), 0);
}

/* From the n-th request on the disk is gone: somebody must hear of it. */
static void test_ext2_io_error_sweep(void **state)
{
    size_t size;
    uint8_t *image = ext2_image("-b 1024", ext2_small_tree(), 1024, &size);
    unsigned n = 1;

    (void)state;
    for (;; n++) {
        struct mem_stats before, after;
        struct ext2_walk walk = {.errors = 0};
        int status;

        machine_attach(64 << 20);
        vfs_init(file_systems);
        ramblk_init(&disk, image, size);
        disk.block.limits.sectors = 8; /* more requests to fail */
        read_a_file();
        mem_get_stats(&before);
        disk.fail_from = n;
        status = file_mount(&disk.block.device, "/", NULL);
        if (status == 0) {
            ext2_walk_all(&walk);
            assert_int_equal(file_unmount("/"), 0);
        }
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
        if (disk.failures == 0) { /* all was read before */
            assert_int_equal(status, 0);
            assert_int_equal(walk.errors, 0);
            break;
        }
        if (status != 0)
            assert_int_equal(status, -EIO);
        else
            assert_int_equal(walk.first_error, -EIO);
        /* Not kept: when the disk is back, all works. */
        disk.fail_from = 0;
        assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
        ext2_walk_all(&walk);
        assert_int_equal(walk.errors, 0);
        machine_detach();
    }
    assert_true(n > 10);
    machine_detach();
    free(image);
}

static void test_ext2_out_of_memory_sweep(void **state)
{
    size_t size;
    uint8_t *image = ext2_image("-b 1024", ext2_small_tree(), 1024, &size);

    (void)state;
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, size);
    read_a_file();
    assert_true(walks_without_memory(&disk.block.device) > 20);
    machine_detach();
    free(image);
}

/* What a CPU makes once for all its file systems may fail, too. */
static void test_ext2_out_of_memory_at_first(void **state)
{
    size_t size;
    uint8_t *image = ext2_image("-b 1024", ext2_small_tree(), 1024, &size);
    bool failed = true;
    unsigned refused = 0;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        int status;

        machine_attach(64 << 20);
        vfs_init(file_systems);
        ramblk_init(&disk, image, size);
        heap_fail(n);
        status = file_mount(&disk.block.device, "/", "ext2");
        failed = heap_failed();
        heap_fail(0);
        /* Pages that were only read ahead may be missing. */
        assert_true(status == 0 || (failed && status == -ENOMEM));
        refused += status != 0;
        if (status != 0)
            assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
        assert_int_equal(file_unmount("/"), 0);
        machine_detach();
    }
    assert_true(refused > 5);
    free(image);
}

/* ---- Two threads at once ------------------------------------------------- */

static int reader(void *arg)
{
    static char buf[4][65536];
    struct file *file;
    int64_t got;

    if (file_open("/double", FILE_READ, 0, &file) != 0)
        return -1;
    got = file_read(file, buf[(uintptr_t)arg], 65536);
    file_close(file);
    return (int)got;
}

static int pump(void *arg)
{
    bool *stop = arg;

    while (!*stop) {
        vfs_check();
        ramblk_complete(&disk);
        thread_yield();
    }
    return 0;
}

static void test_ext2_readers_share_one_read(void **state)
{
    size_t size;
    uint8_t *image = ext2_image("-b 1024", ext2_small_tree(), 1024, &size);
    thread_id readers[4], pumper;
    bool stop = false;
    unsigned alone;
    int value;

    (void)state;
    assert_int_equal(mount_image(image, size), 0);
    assert_int_equal(reader((void *)0), 65536);
    alone = disk.sectors_read;
    machine_detach();

    assert_int_equal(mount_image(image, size), 0);
    disk.deferred = true;
    assert_int_equal(thread_create(NULL, pump, &stop, &pumper), 0);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(thread_create(NULL, reader, (void *)i, &readers[i]),
                         0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(thread_join(readers[i], &value), 0);
        assert_int_equal(value, 65536);
    }
    stop = true;
    assert_int_equal(thread_join(pumper, NULL), 0);
    /* What they read ahead together may be less. */
    assert_true(disk.sectors_read <= alone);
    machine_detach();
    free(image);
}

static void test_ext2_sequential_read_is_few_requests(void **state)
{
    static char buf[65536];
    size_t size;
    uint8_t *image = ext2_image("-b 1024", ext2_tree(), 20000, &size);
    struct file *file;
    int64_t got;

    (void)state;
    assert_int_equal(mount_image(image, size), 0);
    assert_int_equal(file_open("/size-4243456", FILE_READ, 0, &file), 0);
    disk.requests = 0;
    while ((got = file_read(file, buf, sizeof(buf))) > 0)
        continue;
    assert_int_equal(got, 0);
    assert_true(disk.requests < 4243456 / 32768);
    file_close(file);
    machine_detach();
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ext2_1k),
        cmocka_unit_test(test_ext2_2k),
        cmocka_unit_test(test_ext2_4k),
        cmocka_unit_test(test_ext2_8k),
        cmocka_unit_test(test_ext2_64k),
        cmocka_unit_test(test_ext2_64k_no_filetype),
        cmocka_unit_test(test_ext2_rev0),
        cmocka_unit_test(test_ext2_many_groups),
        cmocka_unit_test(test_ext2_meta_bg),
        cmocka_unit_test(test_ext2_no_filetype),
        cmocka_unit_test(test_ext2_clean_journal),
        cmocka_unit_test(test_ext2_large_directory_lists_everything_once),
        cmocka_unit_test(test_ext2_io_error_sweep),
        cmocka_unit_test(test_ext2_out_of_memory_sweep),
        cmocka_unit_test(test_ext2_out_of_memory_at_first),
        cmocka_unit_test(test_ext2_readers_share_one_read),
        cmocka_unit_test(test_ext2_sequential_read_is_few_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
