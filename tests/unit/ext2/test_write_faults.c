/*
 * Writing ext2 where something is in the way: volumes that are not written,
 * damage that is met, limits, what the flusher does by itself.
 */
#include "fs/ext2/write/rw.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/thread.h>

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;

static uint8_t *super(void)
{
    return image + EXT2_SUPER_OFFSET;
}

static uint32_t block_size(void)
{
    return 1024U << le32_get(super() + SUPER_LOG_BLOCK_SIZE);
}

static void attach(void)
{
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
}

static void begin(const char *options)
{
    image = ext2_image(options, ext2_small_tree(), 2000, &image_size);
    attach();
}

static void mount_root(void)
{
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
}

static void unmount_root(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    page_cache_check();
}

static void end(void)
{
    machine_detach();
    free(image);
}

static bool is_read_only(void)
{
    struct file_fs_stat stat;

    assert_int_equal(file_stat_fs("/", &stat), 0);
    return stat.is_read_only;
}

/* Byte offset of a block of the group, as its first descriptor says. */
static uint8_t *of_group(unsigned field)
{
    uint32_t at = block_size() == 1024 ? 2048 : block_size();

    return image + (size_t)le32_get(image + at + field) * block_size();
}

/* ---- What is not written ------------------------------------------------- */

static void read_only_feature(void)
{
    le32_put(super() + SUPER_FEATURE_RO_COMPAT,
             le32_get(super() + SUPER_FEATURE_RO_COMPAT) | 0x20);
}

static void unknown_feature(void)
{
    le32_put(super() + SUPER_FEATURE_RO_COMPAT,
             le32_get(super() + SUPER_FEATURE_RO_COMPAT) | 0x40000000);
}

static void odd_inodes(void)
{
    le32_put(super() + SUPER_INODES_COUNT,
             le32_get(super() + SUPER_INODES_COUNT) - 8);
}

static void read_only_disk(void)
{
    disk.block.read_only = true;
}

static void test_what_is_not_written(void **state)
{
    static const struct {
        const char *options;
        void (*patch)(void);
    } rows[] = {
        {"-b 8192", NULL},
        {"-b 65536", NULL},
        {"-b 1024", read_only_feature},
        {"-b 1024", unknown_feature},
        {"-b 1024", odd_inodes},
        {"-b 1024", read_only_disk},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *copy;
        struct file *file;
        char text[4];

        image =
            ext2_image(rows[i].options, ext2_small_tree(), 8000, &image_size);
        machine_attach(64 << 20);
        vfs_init(file_systems);
        ramblk_prepare(&disk, image, image_size);
        if (rows[i].patch != NULL)
            rows[i].patch();
        ramblk_start(&disk);
        copy = malloc(image_size);
        memcpy(copy, image, image_size);
        mount_root();
        assert_true(is_read_only());
        assert_int_equal(file_chmod("/file", true, 0600), -EROFS);
        assert_int_equal(file_open("/file", FILE_WRITE, 0, &file), -EROFS);
        assert_int_equal(file_remount("/", false), -EROFS);
        assert_int_equal(file_open("/dir/sub/x", FILE_READ, 0, &file), 0);
        assert_int_equal(file_read_at(file, text, 4, 0), 2);
        file_close(file);
        unmount_root();
        assert_memory_equal(image, copy, image_size);
        free(copy);
        end();
    }
}

static void test_what_is_warned_of(void **state)
{
    (void)state;
    begin("-b 1024");
    le16_put(super() + SUPER_STATE, SUPER_STATE_CLEAN | SUPER_STATE_ERROR);
    mount_root();
    unmount_root();
    assert_int_equal(le16_get(super() + SUPER_STATE),
                     SUPER_STATE_CLEAN | SUPER_STATE_ERROR);
    le16_put(super() + SUPER_STATE, SUPER_STATE_CLEAN);
    le16_put(super() + SUPER_MOUNT_COUNT_MAX, 1);
    le16_put(super() + SUPER_MOUNT_COUNT, UINT16_MAX);
    mount_root();
    unmount_root();
    assert_int_equal(le16_get(super() + SUPER_STATE), SUPER_STATE_CLEAN);
    assert_int_equal(le16_get(super() + SUPER_MOUNT_COUNT), UINT16_MAX);
    end();
}

/* ---- Damage -------------------------------------------------------------- */

static int write_more(void)
{
    static uint8_t data[50000];
    struct file *file;
    int status = file_open("/file", FILE_READ | FILE_WRITE, 0, &file);
    int64_t put;

    if (status != 0)
        return status;
    put = file_write_at(file, data, sizeof(data), 100000);
    status = put < 0 ? (int)put : file_sync(file);
    file_close(file);
    return status;
}

/* A bitmap in which the bitmap itself is free: nothing is taken from it. */
static void test_bad_block_bitmap(void **state)
{
    (void)state;
    begin("-b 1024");
    memset(of_group(GROUP_BLOCK_BITMAP), 0, 20);
    mount_root();
    assert_int_equal(write_more(), -ENOSPC);
    assert_int_equal(file_chmod("/dir", true, 0700), 0);
    unmount_root();
    assert_true((le16_get(super() + SUPER_STATE) & SUPER_STATE_ERROR) != 0);
    end();
}

/* The superblock and the descriptors are not free, whatever a bitmap says. */
static void test_superblock_is_not_free(void **state)
{
    static const struct {
        const char *options;
        uint8_t bit; /* of the first group */
    } rows[] = {{"-b 1024 -m 0", 0},
                {"-b 1024 -m 0", 1},
                {"-b 4096 -m 0", 0},
                {"-b 4096 -m 0", 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(rows[i].options);
        *of_group(GROUP_BLOCK_BITMAP) &= (uint8_t) ~(1U << rows[i].bit);
        mount_root();
        assert_int_equal(write_more(), -ENOSPC);
        unmount_root();
        assert_true((le16_get(super() + SUPER_STATE) & SUPER_STATE_ERROR) != 0);
        end();
    }
}

/* More is free than the bitmap has: that is found out, and no promise is given
 * a second time. */
static void test_free_counts_lie(void **state)
{
    struct file_fs_stat stat;

    (void)state;
    begin("-b 1024 -m 0");
    memset(of_group(GROUP_BLOCK_BITMAP), 0xff, 1024);
    mount_root();
    assert_int_equal(write_more(), -ENOSPC);
    assert_int_equal(file_stat_fs("/", &stat), 0);
    assert_int_equal(write_more(), -ENOSPC);
    unmount_root();
    assert_true((le16_get(super() + SUPER_STATE) & SUPER_STATE_ERROR) != 0);
    end();
}

static void test_errors_read_only(void **state)
{
    (void)state;
    begin("-b 1024 -e remount-ro");
    memset(of_group(GROUP_BLOCK_BITMAP), 0, 20);
    mount_root();
    assert_true(write_more() != 0);
    assert_true(is_read_only());
    assert_int_equal(file_chmod("/dir", true, 0700), -EROFS);
    assert_int_equal(file_remount("/", false), -EROFS);
    (void)!file_unmount("/");
    end();
}

static int do_panic(void *arg)
{
    (void)arg;
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    if (file_mount(&disk.block.device, "/", "ext2") != 0)
        return 1;
    return write_more();
}

static void test_errors_panic(void **state)
{
    static char output[16384];

    (void)state;
    image =
        ext2_image("-b 1024 -e panic", ext2_small_tree(), 2000, &image_size);
    memset(of_group(GROUP_BLOCK_BITMAP), 0, 20);
    (void)machine_run_output(1, 64 << 20, "", do_panic, NULL, output,
                             sizeof(output));
    assert_non_null(strstr(output, "errors=panic"));
    free(image);
}

/* Blocks of a file whose bits are clear already. */
static void test_freed_twice(void **state)
{
    struct file *file;
    uint32_t number, first;
    size_t at;

    (void)state;
    begin("-b 1024");
    number = ext2_inode_of_path(image, image_size, "/double");
    at = ext2_inode_offset(image, number);
    first = le32_get(image + at + INODE_BLOCK) - 1;
    of_group(GROUP_BLOCK_BITMAP)[first / 8] &= (uint8_t) ~(1U << first % 8);
    mount_root();
    assert_int_equal(file_open("/double", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    assert_int_equal(file_sync(file), 0);
    file_close(file);
    unmount_root();
    assert_true((le16_get(super() + SUPER_STATE) & SUPER_STATE_ERROR) != 0);
    assert_true(ext2_fsck_status(image, image_size, "-fp", 1) <= 1);
    end();
}

/* Pointers that lead nowhere are not freed, and go. */
static void test_truncate_of_bad_pointers(void **state)
{
    struct file *file;
    uint8_t *inode;

    (void)state;
    begin("-b 1024");
    inode = image + ext2_inode_offset(image, ext2_inode_of_path(
                                                 image, image_size, "/double"));
    le32_put(inode + INODE_BLOCK + 4, 0x7fffffff);
    le32_put(inode + INODE_BLOCK + 4 * 12, 0x7ffffffe);
    mount_root();
    assert_int_equal(file_open("/double", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
    unmount_root();
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(le32_get(inode + INODE_BLOCK + 4 * i), 0);
    assert_true(ext2_fsck_status(image, image_size, "-fp", 1) <= 1);
    end();
}

/* The table at a depth of the third tree, behind the inode; whose first
 * pointers lead on. */
static uint8_t *table_at(uint8_t *inode, unsigned depth)
{
    uint32_t block = le32_get(inode + INODE_BLOCK + 4 * 14);

    for (unsigned i = 0; i < depth; i++)
        block = le32_get(image + (size_t)block * block_size());
    assert_int_not_equal(block, 0);
    return image + (size_t)block * block_size();
}

static int cut_all(struct file *file)
{
    return file_truncate(file, 0);
}

static int punch_part(struct file *file)
{
    return file_allocate(file, UINT64_C(65804) << 10, 16 << 20,
                         FILE_PUNCH_HOLE | FILE_KEEP_SIZE);
}

/* Linux leaves tables that have no pointer: they are freed as others are. */
static void test_tables_without_pointers(void **state)
{
    static int (*const frees[])(struct file *) = {cut_all, punch_part, NULL};
    struct file *file;
    uint8_t *inode;

    (void)state;
    for (unsigned i = 0; i < 3 * COUNT_OF(frees); i++) {
        begin("-b 1024");
        mount_root();
        assert_int_equal(
            file_open("/far", FILE_WRITE | FILE_CREATE, 0644, &file), 0);
        assert_int_equal(file_write_at(file, "x", 1, UINT64_C(65804) << 10), 1);
        file_close(file);
        unmount_root();
        inode =
            image + ext2_inode_offset(
                        image, ext2_inode_of_path(image, image_size, "/far"));
        le32_put(table_at(inode, i % 3), 0);
        ext2_fsck(image, image_size, "-fy");
        assert_int_not_equal(le32_get(inode + INODE_BLOCK + 4 * 14), 0);
        mount_root();
        assert_int_equal(file_open("/far", FILE_WRITE, 0, &file), 0);
        if (frees[i / 3] != NULL)
            assert_int_equal(frees[i / 3](file), 0);
        file_close(file);
        if (frees[i / 3] == NULL)
            assert_int_equal(file_unlink("/far"), 0);
        unmount_root();
        assert_int_equal(le32_get(inode + INODE_BLOCK + 4 * 14), 0);
        assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
        end();
    }
}

static void test_writing_by_bad_pointers(void **state)
{
    struct file *file;
    uint8_t *inode;

    (void)state;
    begin("-b 1024");
    inode = image + ext2_inode_offset(image, ext2_inode_of_path(
                                                 image, image_size, "/double"));
    le32_put(inode + INODE_BLOCK + 4 * 12, 0x7ffffffe);
    mount_root();
    assert_int_equal(file_open("/double", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_write_at(file, "x", 1, 400 << 10), 1);
    assert_int_equal(file_write_at(file, "x", 1, 100 << 10), -EUCLEAN);
    file_close(file);
    unmount_root();
    end();
}

static void test_bad_orphans(void **state)
{
    static const uint32_t numbers[] = {2, 5, 99999, 12};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        begin("-b 1024");
        le32_put(super() + SUPER_LAST_ORPHAN, numbers[i]);
        if (i == 3) /* a mode of no type */
            le16_put(image + ext2_inode_offset(image, 12), 0);
        mount_root();
        unmount_root();
        assert_int_equal(le32_get(super() + SUPER_LAST_ORPHAN), 0);
        assert_true((le16_get(super() + SUPER_STATE) & SUPER_STATE_ERROR) != 0);
        end();
    }
}

/* The bitmap says that an inode is free which is not. */
static void test_inode_bitmap_lies(void **state)
{
    static const char *const paths[] = {"/dir/e7", "/file"};
    struct file *file;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        uint32_t number;

        begin("-b 1024");
        number = ext2_inode_of_path(image, image_size, paths[i]) - 1;
        of_group(GROUP_INODE_BITMAP)[number / 8] &=
            (uint8_t) ~(1U << number % 8);
        mount_root();
        if (i == 1) /* it is in memory, too */
            assert_int_equal(file_open(paths[i], FILE_READ, 0, &file), 0);
        assert_int_equal(file_mkdir("/new", 0755), -EUCLEAN);
        if (i == 1)
            file_close(file);
        assert_int_equal(file_mkdir("/new", 0755), 0);
        unmount_root();
        assert_true(ext2_fsck_status(image, image_size, "-fp", 1) <= 1);
        end();
    }
}

static void test_inode_freed_twice(void **state)
{
    uint32_t number;

    (void)state;
    begin("-b 1024");
    number = ext2_inode_of_path(image, image_size, "/dir/e7") - 1;
    of_group(GROUP_INODE_BITMAP)[number / 8] &= (uint8_t) ~(1U << number % 8);
    mount_root();
    assert_int_equal(file_unlink("/dir/e7"), 0);
    unmount_root();
    assert_true((le16_get(super() + SUPER_STATE) & SUPER_STATE_ERROR) != 0);
    assert_true(ext2_fsck_status(image, image_size, "-fp", 1) <= 1);
    end();
}

/* A block of names is the bitmap of inodes, too: no order is possible. */
static void test_block_used_twice(void **state)
{
    size_t at;

    (void)state;
    begin("-b 1024");
    at =
        ext2_inode_offset(image, ext2_inode_of_path(image, image_size, "/dir"));
    le32_put(image + 2048 + GROUP_INODE_BITMAP,
             le32_get(image + at + INODE_BLOCK));
    mount_root();
    assert_int_equal(file_rename("/dir/e1", "/dir/sub/e1", 0), -EUCLEAN);
    unmount_root();
    end();
}

/* A block of attributes that is none is not freed. */
static void test_bad_attribute_block(void **state)
{
    uint8_t *inode;

    (void)state;
    begin("-b 1024");
    inode = image + ext2_inode_offset(image, ext2_inode_of_path(
                                                 image, image_size, "/dir/e7"));
    le32_put(inode + INODE_FILE_ACL,
             le32_get(image + 2048 + GROUP_INODE_TABLE));
    mount_root();
    assert_int_equal(file_unlink("/dir/e7"), 0);
    unmount_root();
    assert_true(ext2_fsck_status(image, image_size, "-fp", 1) <= 1);
    end();
}

/* ---- Limits -------------------------------------------------------------- */

static void test_large_file(void **state)
{
    struct file *file;

    (void)state;
    begin("-b 1024 -O ^large_file");
    mount_root();
    assert_int_equal(file_open("/file", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, INT32_MAX), 0);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(
        le32_get(super() + SUPER_FEATURE_RO_COMPAT) & RO_COMPAT_LARGE_FILE, 0);
    assert_int_equal(file_write_at(file, "end", 3, UINT64_C(3) << 30), 3);
    assert_int_equal(file_sync(file), 0);
    assert_true((le32_get(super() + SUPER_FEATURE_RO_COMPAT) &
                 RO_COMPAT_LARGE_FILE) != 0);
    /* 12 + 256 + 256 * 256 + 256 * 256 * 256 blocks, and no more. */
    assert_int_equal(file_write_at(file, "end", 3, UINT64_C(16843020) << 10),
                     -EFBIG);
    assert_int_equal(file_truncate(file, (UINT64_C(16843020) << 10) + 1),
                     -EFBIG);
    assert_int_equal(file_truncate(file, UINT64_C(16843020) << 10), 0);
    assert_int_equal(
        file_write_at(file, "end", 3, (UINT64_C(16843020) << 10) - 2), 2);
    file_close(file);
    unmount_root();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    end();
}

static void test_large_file_of_revision_0(void **state)
{
    struct file *file;

    (void)state;
    begin("-r 0 -b 1024 -O none");
    mount_root();
    assert_int_equal(file_open("/file", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_write_at(file, "end", 3, INT32_MAX), -EFBIG);
    assert_int_equal(file_truncate(file, (uint64_t)INT32_MAX + 1), -EFBIG);
    assert_int_equal(file_truncate(file, INT32_MAX), 0);
    file_close(file);
    unmount_root();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    end();
}

/* All inodes of all groups; and what is removed can be used at once. */
static void test_no_inodes(void **state)
{
    static const char *const options[] = {"-b 1024 -N 96",
                                          "-b 1024 -g 256 -N 160"};
    char path[40];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct file_fs_stat stat;
        unsigned count = 0;
        int status = 0;

        begin(options[i]);
        mount_root();
        while (status == 0) {
            snprintf(path, sizeof(path), "/dir/sub/n%u", ++count);
            status = count % 8 == 0 ? file_mkdir(path, 0755)
                                    : file_make_node(path, FILE_FIFO, 0600, 0);
        }
        assert_int_equal(status, -ENOSPC);
        assert_int_equal(file_stat_fs("/", &stat), 0);
        assert_int_equal(stat.inodes_free, 0);
        assert_int_equal(file_mkdir("/dir/sub/other", 0755), -ENOSPC);
        for (unsigned j = 1; j < 8; j++) {
            snprintf(path, sizeof(path), "/dir/sub/n%u", j);
            assert_int_equal(file_unlink(path), 0);
            assert_int_equal(file_mkdir("/other", 0755), 0);
            assert_int_equal(file_rmdir("/other"), 0);
            assert_int_equal(file_make_node(path, FILE_FIFO, 0600, 0), 0);
        }
        unmount_root();
        assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
        end();
    }
}

static void test_targets(void **state)
{
    static char target[1100], got[1100];

    (void)state;
    begin("-b 1024");
    memset(target, 't', 1024);
    mount_root();
    assert_int_equal(file_symlink(target, "/long"), -ENAMETOOLONG);
    target[1023] = '\0';
    assert_int_equal(file_symlink(target, "/long"), 0);
    target[59] = '\0';
    assert_int_equal(file_symlink(target, "/short"), 0);
    target[59] = 't';
    unmount_root();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    mount_root();
    assert_int_equal(file_read_link("/long", got, sizeof(got)), 1023);
    assert_memory_equal(got, target, 1023);
    assert_int_equal(file_read_link("/short", got, sizeof(got)), 59);
    unmount_root();
    end();
}

/* ---- By itself ----------------------------------------------------------- */

/* Without a sync or an unmount all is on the disk after a while, and then there
 * is no more to do. */
static void test_flusher(void **state)
{
    uint64_t now = 1000 * NS_PER_S;
    unsigned requests = 0;
    struct file *file;

    (void)state;
    begin("-b 1024");
    clock_set(now);
    mount_root();
    assert_int_equal(file_open("/file", FILE_READ | FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_write_at(file, "flushed", 7, 30000), 7);
    assert_int_equal(file_truncate(file, 50000), 0);
    file_close(file);
    for (unsigned i = 0; i < 60; i++) {
        requests = disk.requests;
        now += NS_PER_S;
        clock_set(now);
        timer_run(now);
        for (unsigned j = 0; j < 20; j++)
            thread_yield();
        vfs_check();
    }
    assert_int_equal(disk.requests, requests);
    assert_true(ext2_fsck_status(image, image_size, "-fp", 0) <= 1);
    {
        size_t at = ext2_inode_offset(
            image, ext2_inode_of_path(image, image_size, "/file"));

        assert_int_equal(le32_get(image + at + INODE_SIZE), 50000);
    }
    clock_set(0);
    unmount_root();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_written),
        cmocka_unit_test(test_what_is_warned_of),
        cmocka_unit_test(test_bad_block_bitmap),
        cmocka_unit_test(test_superblock_is_not_free),
        cmocka_unit_test(test_free_counts_lie),
        cmocka_unit_test(test_errors_read_only),
        cmocka_unit_test(test_errors_panic),
        cmocka_unit_test(test_freed_twice),
        cmocka_unit_test(test_truncate_of_bad_pointers),
        cmocka_unit_test(test_tables_without_pointers),
        cmocka_unit_test(test_writing_by_bad_pointers),
        cmocka_unit_test(test_bad_orphans),
        cmocka_unit_test(test_inode_bitmap_lies),
        cmocka_unit_test(test_inode_freed_twice),
        cmocka_unit_test(test_block_used_twice),
        cmocka_unit_test(test_bad_attribute_block),
        cmocka_unit_test(test_no_inodes),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_large_file),
        cmocka_unit_test(test_large_file_of_revision_0),
        cmocka_unit_test(test_flusher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
