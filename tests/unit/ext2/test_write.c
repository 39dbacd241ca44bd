/*
 * Files of ext2 that are written: a file against an array, with what e2fsck
 * says of the image after each mount.
 */
#include "fs/ext2/rw.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>

enum { FILE_MAX = 5 << 20, STEPS = 300 };

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;

static int mount_image(void)
{
    ramblk_init(&disk, image, image_size);
    return file_mount(&disk.block.device, "/", "ext2");
}

static void begin(const char *options, const char *tree, unsigned kib)
{
    image = ext2_image(options, tree, kib, &image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
}

static void end(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    page_cache_check();
    machine_detach();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    free(image);
}

/* Unmount, check, and mount again. */
static void again(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    machine_detach();
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
}

static const uint8_t *super(void)
{
    return image + EXT2_SUPER_OFFSET;
}

/* ---- The state of the volume --------------------------------------------- */

static void test_state(void **state)
{
    (void)state;
    begin("-b 1024", ext2_small_tree(), 2000);
    assert_int_equal(le16_get(super() + SUPER_STATE), 0);
    assert_int_equal(le16_get(super() + SUPER_MOUNT_COUNT), 1);
    assert_string_equal(super() + SUPER_LAST_MOUNTED, "/");
    assert_true(le32_get(super() + SUPER_MOUNT_TIME) > 1);
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(le16_get(super() + SUPER_STATE), SUPER_STATE_CLEAN);
    machine_detach();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(le16_get(super() + SUPER_STATE), SUPER_STATE_CLEAN);
    assert_int_equal(file_chmod("/file", true, 0600), -EROFS);
    assert_int_equal(file_remount("/", false), 0);
    assert_int_equal(le16_get(super() + SUPER_STATE), 0);
    assert_int_equal(le16_get(super() + SUPER_MOUNT_COUNT), 3);
    assert_int_equal(file_chmod("/file", true, 0600), 0);
    end();
}

/* One that was not unmounted does not become clean by being mounted. */
static void test_not_clean_before(void **state)
{
    (void)state;
    begin("-b 1024", ext2_small_tree(), 2000);
    assert_int_equal(file_unmount("/"), 0);
    le16_put(image + EXT2_SUPER_OFFSET + SUPER_STATE, 0);
    machine_detach();
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(le16_get(super() + SUPER_STATE), 0);
    machine_detach();
    free(image);
}

/* ---- Attributes ---------------------------------------------------------- */

static void test_attributes(void **state)
{
    static const struct file_time early = {.s = -86400, .ns = 5};
    static const struct file_time late = {.s = 15032385535, .ns = 999999999};
    struct file_stat stat;

    (void)state;
    begin("-b 1024 -I 256", ext2_small_tree(), 2000);
    assert_int_equal(file_chmod("/file", true, 04751), 0);
    assert_int_equal(file_chown("/dir", true, 70000, 4000000000), 0);
    assert_int_equal(file_set_times("/file", true, early, late), 0);
    again();
    assert_int_equal(file_stat("/file", true, &stat), 0);
    assert_int_equal(stat.mode, 04751);
    assert_int_equal(stat.atime.s, early.s);
    assert_int_equal(stat.atime.ns, early.ns);
    assert_int_equal(stat.mtime.s, late.s);
    assert_int_equal(stat.mtime.ns, late.ns);
    assert_int_equal(file_stat("/dir", true, &stat), 0);
    assert_int_equal(stat.uid, 70000);
    assert_int_equal(stat.gid, 4000000000);
    end();
}

/* Without room for more: what does not fit is the nearest that does. */
static void test_times_of_small_inodes(void **state)
{
    static const struct file_time early = {.s = -(INT64_C(1) << 40)};
    static const struct file_time late = {.s = 15032385535, .ns = 999999999};
    struct file_stat stat;

    (void)state;
    begin("-b 1024 -I 128", ext2_small_tree(), 2000);
    assert_int_equal(file_set_times("/file", true, early, late), 0);
    again();
    assert_int_equal(file_stat("/file", true, &stat), 0);
    assert_int_equal(stat.atime.s, INT32_MIN);
    assert_int_equal(stat.mtime.s, INT32_MAX);
    assert_int_equal(stat.mtime.ns, 0);
    end();
}

/* ---- A file against an array --------------------------------------------- */

static uint8_t model[FILE_MAX];
static uint64_t model_size;
static uint8_t buf[FILE_MAX];
static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static void read_model(struct file *file)
{
    model_size = (uint64_t)file_read_at(file, model, sizeof(model), 0);
}

static void compare(struct file *file)
{
    assert_int_equal(file_read_at(file, buf, sizeof(buf), 0), model_size);
    assert_memory_equal(buf, model, model_size);
}

static uint64_t draw_offset(void)
{
    static const uint32_t spans[] = {5000, 20000, 300000, FILE_MAX - 200000};

    return draw(spans[draw(COUNT_OF(spans))]);
}

static void do_write(struct file *file)
{
    uint64_t at = draw_offset();
    uint32_t len = 1 + draw(draw(4) == 0 ? 190000 : 6000);

    for (uint32_t i = 0; i < len; i++)
        buf[i] = (uint8_t)draw(256);
    assert_int_equal(file_write_at(file, buf, len, at), len);
    if (at > model_size)
        memset(model + model_size, 0, at - model_size);
    memcpy(model + at, buf, len);
    if (at + len > model_size)
        model_size = at + len;
}

static void do_truncate(struct file *file)
{
    uint64_t size = draw_offset();

    assert_int_equal(file_truncate(file, size), 0);
    if (size > model_size)
        memset(model + model_size, 0, size - model_size);
    model_size = size;
}

static void do_punch(struct file *file)
{
    uint64_t at = draw_offset(), len = 1 + draw(100000);
    uint64_t end = at + len < model_size ? at + len : model_size;

    assert_int_equal(
        file_allocate(file, at, len, FILE_PUNCH_HOLE | FILE_KEEP_SIZE), 0);
    if (at < end)
        memset(model + at, 0, end - at);
}

static void do_step(struct file *file)
{
    switch (draw(8)) {
    case 0:
        do_truncate(file);
        break;
    case 1:
        do_punch(file);
        break;
    case 2:
        assert_int_equal(file_sync(file), 0);
        break;
    case 3:
        compare(file);
        break;
    default:
        do_write(file);
    }
    vfs_check();
}

static void random_file(const char *options, uint32_t first_seed)
{
    struct file_fs_stat before, after;
    struct file *file;

    begin(options, ext2_small_tree(), 16000);
    seed = first_seed;
    assert_int_equal(file_open("/double", FILE_READ | FILE_WRITE, 0, &file), 0);
    read_model(file);
    assert_int_equal(file_stat_fs("/", &before), 0);
    for (unsigned i = 0; i < STEPS; i++) {
        do_step(file);
        if (i % 100 == 99) {
            file_close(file);
            again();
            assert_int_equal(
                file_open("/double", FILE_READ | FILE_WRITE, 0, &file), 0);
            compare(file);
        }
    }
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
    assert_int_equal(file_stat_fs("/", &after), 0);
    assert_true(after.blocks_free > before.blocks_free);
    end();
}

static void test_random_1k(void **state)
{
    (void)state;
    random_file("-b 1024", 1);
}

static void test_random_2k(void **state)
{
    (void)state;
    random_file("-b 2048 -I 128", 2);
}

static void test_random_4k(void **state)
{
    (void)state;
    random_file("-b 4096", 3);
}

static void test_random_rev0(void **state)
{
    (void)state;
    random_file("-r 0 -b 1024 -O none", 4);
}

static void test_random_meta_bg(void **state)
{
    (void)state;
    random_file("-b 1024 -g 512 -N 4000 -O meta_bg,^resize_inode", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_not_clean_before),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_times_of_small_inodes),
        cmocka_unit_test(test_random_1k),
        cmocka_unit_test(test_random_2k),
        cmocka_unit_test(test_random_4k),
        cmocka_unit_test(test_random_rev0),
        cmocka_unit_test(test_random_meta_bg),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
