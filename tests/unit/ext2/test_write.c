/*
 * Files of ext2 that are written: a file against an array, with what e2fsck
 * says of the image after each mount.
 */
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
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

/* Mount what is unmounted, on a machine that knows nothing of it. */
static int mount_afresh(void)
{
    machine_detach();
    machine_attach(64 << 20);
    vfs_init(file_systems);
    return mount_image();
}

/* Unmount, check, and mount again. */
static void again(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    assert_int_equal(mount_afresh(), 0);
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

struct field_row {
    uint32_t offset, value; /* of the superblock */
    const char *says;       /* in the log; NULL: the volume is written */
};

/* A volume that has such a field is read, and written only if it says nothing.
 */
static void expect_said(const struct field_row *rows, size_t count)
{
    struct file_stat stat;

    for (size_t i = 0; i < count; i++) {
        uint8_t *field = image + EXT2_SUPER_OFFSET + rows[i].offset;
        const uint32_t good = le32_get(field);

        assert_int_equal(file_unmount("/"), 0);
        le32_put(field, rows[i].value);
        console_forget();
        assert_int_equal(mount_afresh(), 0);
        assert_true(rows[i].says == NULL || console_has(rows[i].says));
        assert_int_equal(file_stat("/file", true, &stat), 0);
        assert_int_equal(file_chmod("/file", true, 0600),
                         rows[i].says == NULL ? 0 : -EROFS);
        assert_int_equal(file_unmount("/"), 0);
        le32_put(field, good);
        assert_int_equal(mount_afresh(), 0);
    }
}

static void test_reasons_to_only_read(void **state)
{
    static const struct field_row rows[] = {
        {SUPER_QUOTA_USER, 0, NULL},
        {SUPER_QUOTA_USER, 20, "names inodes of quotas or of orphans"},
        {SUPER_QUOTA_GROUP, 20, "names inodes of quotas or of orphans"},
        {SUPER_QUOTA_PROJECT, 20, "names inodes of quotas or of orphans"},
        {SUPER_ORPHAN_FILE, 20, "names inodes of quotas or of orphans"},
        {SUPER_FEATURE_RO_COMPAT, 0x103, "read-only: quota"},
        {SUPER_REV_LEVEL, 0, "read-only: features in a volume of revision 0"},
        {SUPER_INODES_COUNT, 63, "read-only: the number of inodes"},
    };

    (void)state;
    begin("-b 1024 -N 64 -I 128", ext2_small_tree(), 2000);
    expect_said(rows, COUNT_OF(rows));
    end();
}

/* Any feature is one too many. */
static void test_features_in_revision_0(void **state)
{
    static const struct field_row rows[] = {
        {SUPER_FEATURE_COMPAT, 0, NULL},
        {SUPER_FEATURE_COMPAT, COMPAT_EXT_ATTR, "of revision 0"},
        {SUPER_FEATURE_INCOMPAT, INCOMPAT_FILETYPE, "of revision 0"},
        {SUPER_FEATURE_RO_COMPAT, RO_COMPAT_SPARSE_SUPER, "of revision 0"},
    };

    (void)state;
    begin("-r 0 -b 1024 -N 64 -O none", ext2_small_tree(), 2000);
    expect_said(rows, COUNT_OF(rows));
    end();
}

/* What was removed is free on the disk when the volume says that it is clean,
 * though nothing is written any more. */
static void test_read_only_is_clean(void **state)
{
    struct file *file;

    (void)state;
    begin("-b 1024", ext2_small_tree(), 2000);
    assert_int_equal(file_open("/double", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, 1000), 0);
    file_close(file);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(le16_get(super() + SUPER_STATE), SUPER_STATE_CLEAN);
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
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

static void check_times(struct file_time atime, struct file_time mtime)
{
    struct file_stat stat;

    assert_int_equal(file_stat("/file", true, &stat), 0);
    assert_int_equal(stat.atime.s, atime.s);
    assert_int_equal(stat.atime.ns, atime.ns);
    assert_int_equal(stat.mtime.s, mtime.s);
    assert_int_equal(stat.mtime.ns, mtime.ns);
}

/* What does not fit is the nearest that does: at once, and after a mount. */
static void test_times_that_do_not_fit(void **state)
{
    static const struct file_time early = {.s = -(INT64_C(1) << 40), .ns = 7};
    static const struct file_time late = {.s = 15032385536, .ns = 999999999};

    (void)state;
    begin("-b 1024 -I 256", ext2_small_tree(), 2000);
    assert_int_equal(file_set_times("/file", true, early, late), 0);
    for (unsigned i = 0; i < 2; i++) {
        check_times((struct file_time){.s = INT32_MIN},
                    (struct file_time){.s = 15032385535});
        again();
    }
    end();
}

/* Without room for more they are seconds. */
static void test_times_of_small_inodes(void **state)
{
    static const struct file_time early = {.s = -(INT64_C(1) << 40)};
    static const struct file_time late = {.s = 15032385535, .ns = 999999999};
    static const struct file_time odd = {.s = -5, .ns = 999999999};
    static const char *const touched[] = {"/new", "/", "/dir"};
    struct file_stat stat;
    struct file *file;

    (void)state;
    begin("-b 1024 -I 128", ext2_small_tree(), 2000);
    assert_int_equal(file_set_times("/file", true, early, late), 0);
    for (unsigned i = 0; i < 2; i++) {
        check_times((struct file_time){.s = INT32_MIN},
                    (struct file_time){.s = INT32_MAX});
        again();
    }
    assert_int_equal(file_set_times("/file", true, odd, odd), 0);
    check_times((struct file_time){.s = -5}, (struct file_time){.s = -5});
    /* Those that come by themselves, too: of a new file, its directory, and
     * what is written and linked. */
    assert_int_equal(file_open("/new", FILE_WRITE | FILE_CREATE, 0644, &file),
                     0);
    assert_int_equal(file_write(file, "text", 4), 4);
    file_close(file);
    assert_int_equal(file_link("/new", "/dir/link"), 0);
    for (unsigned i = 0; i < COUNT_OF(touched); i++) {
        assert_int_equal(file_stat(touched[i], true, &stat), 0);
        assert_int_equal(stat.atime.ns, 0);
        assert_int_equal(stat.mtime.ns, 0);
        assert_int_equal(stat.ctime.ns, 0);
        assert_int_equal(stat.btime.ns, 0);
    }
    end();
}

/* On the disk an inode does not count a name that may not be there: all that it
 * relies on is durable before, also when that is the first change since. */
static void test_attributes_wait_for_names(void **state)
{
    const struct ext2_rw *rw;
    struct inode *inode;

    (void)state;
    begin("-b 1024", ext2_small_tree(), 2000);
    assert_int_equal(vfs_walk("/file", true, &inode), 0);
    rw = ext2_rw_of(inode);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ext2_make_durable(rw->fs), 0);
        assert_int_equal(rw->durable, rw->stamp);
        assert_int_equal(file_link("/file", i == 0 ? "/one" : "/two"), 0);
        assert_int_equal(ext2_inode_write(inode), 0);
        assert_true(ext2_rw_inode_of(inode)->after < rw->durable);
    }
    inode_put(inode);
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

/* ---- No room ------------------------------------------------------------- */

/* What was promised a place gets one: a file is written until there is no room,
 * a byte here and there, then all of it reaches the disk. */
static void fill_up(const char *options, uint64_t step, unsigned kib)
{
    struct file_fs_stat stat;
    struct file *file;
    uint64_t at = 0, count = 0;
    int64_t put;

    image = ext2_image(options, ext2_small_tree(), kib, &image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(file_open("/file", FILE_READ | FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    while ((put = file_write_at(file, "here", 4, at)) == 4) {
        at += step;
        count++;
    }
    assert_int_equal(put, -ENOSPC);
    assert_true(count > 100);
    vfs_check();
    assert_int_equal(file_sync(file), 0);
    vfs_check();
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(file_read_at(file, buf, 4, i * step), 4);
        assert_memory_equal(buf, "here", 4);
    }
    assert_int_equal(file_stat_fs("/", &stat), 0);
    assert_true(stat.blocks_free < 10);
    /* And what is given back can be used at once. */
    assert_int_equal(file_truncate(file, 0), 0);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(file_write_at(file, "more", 4, i * step), 4);
    assert_int_equal(file_sync(file), 0);
    file_close(file);
    end();
}

static void test_no_room(void **state)
{
    (void)state;
    fill_up("-b 1024 -m 0", 1024, 1500);
    fill_up("-b 1024 -m 0", 300 * 1024, 1500);
    fill_up("-b 1024 -m 0", 20000 * 1024, 1500);
    fill_up("-b 4096 -m 0", 4096, 6000);
    fill_up("-b 2048 -m 0", 40 << 20, 3000);
}

static void test_no_room_in_one_write(void **state)
{
    struct file *file;
    int64_t put;

    (void)state;
    begin("-b 1024 -m 0", ext2_small_tree(), 1500);
    assert_int_equal(file_open("/file", FILE_READ | FILE_WRITE, 0, &file), 0);
    memset(buf, 7, sizeof(buf));
    put = file_write_at(file, buf, sizeof(buf), 0);
    assert_in_range(put, 500000, 1500000);
    assert_int_equal(file_sync(file), 0);
    file_close(file);
    end();
}

/* ---- Places -------------------------------------------------------------- */

/* How many runs of blocks a file has. */
static unsigned runs_of(const char *path)
{
    struct inode *inode;
    uint64_t before = 0;
    unsigned runs = 0;

    assert_int_equal(vfs_walk(path, true, &inode), 0);
    for (uint64_t i = 0; i < inode->size_bytes / 1024; i++) {
        uint64_t block;
        uint32_t count;

        assert_int_equal(ext2_bmap(inode, i, 1, &block, &count), 0);
        runs += block != before + 1;
        before = block;
    }
    inode_put(inode);
    return runs;
}

/* Two files that grow by a block each in turn have long runs all the same. */
static void test_two_files_grow(void **state)
{
    static const char *const paths[] = {"/dir/e1", "/dir/e2"};
    struct file *files[2];

    (void)state;
    begin("-b 1024", ext2_small_tree(), 4000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(file_open(paths[i], FILE_WRITE, 0, &files[i]), 0);
        assert_int_equal(file_truncate(files[i], 0), 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned j = 0; j < 2; j++) {
            assert_int_equal(file_write_at(files[j], buf, 1024, i * 1024),
                             1024);
            assert_int_equal(file_sync(files[j]), 0);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        file_close(files[i]);
        assert_in_range(runs_of(paths[i]), 1, 12);
    }
    end();
}

/* What is written at once is in one run, but for the indirect blocks. */
static void test_a_file_is_together(void **state)
{
    struct file *file;

    (void)state;
    begin("-b 1024", ext2_small_tree(), 8000);
    assert_int_equal(file_open("/dir/e1", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(file_write_at(file, buf, 1024, i * 1024), 1024);
    assert_int_equal(file_sync(file), 0);
    file_close(file);
    assert_in_range(runs_of("/dir/e1"), 1, 8);
    end();
}

/* ---- Orphans ------------------------------------------------------------- */

static void test_orphans_are_freed(void **state)
{
    struct file_fs_stat before, after;
    struct file_stat stat;

    (void)state;
    begin("-b 1024", ext2_small_tree(), 2000);
    assert_int_equal(file_stat_fs("/", &before), 0);
    assert_int_equal(file_stat("/dir/e1", true, &stat), 0);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    /* One without links, and one that was to become shorter. */
    ext2_debugfs(image, image_size, "unlink /dir/e1");
    {
        size_t at = ext2_inode_offset(image, (uint32_t)stat.inode);
        uint32_t other = ext2_inode_of_path(image, image_size, "/double");
        size_t at2 = ext2_inode_offset(image, other);

        le16_put(image + at + INODE_LINKS, 0);
        le32_put(image + at + INODE_DTIME, other);
        le32_put(image + at2 + INODE_SIZE, 100000);
        le32_put(image + EXT2_SUPER_OFFSET + SUPER_LAST_ORPHAN,
                 (uint32_t)stat.inode);
    }
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(le32_get(super() + SUPER_LAST_ORPHAN), 0);
    assert_int_equal(file_stat_fs("/", &after), 0);
    assert_int_equal(after.inodes_free, before.inodes_free + 1);
    assert_true(after.blocks_free > before.blocks_free + 190);
    end();
}

static uint64_t blocks_of(struct file *file)
{
    struct file_stat stat;

    assert_int_equal(file_fstat(file, &stat), 0);
    return stat.blocks;
}

/* A file has its blocks before they have places. */
static void test_blocks_of_what_is_not_written(void **state)
{
    static const uint8_t bytes[5000];
    struct file *file;

    (void)state;
    image = ext2_image("-b 1024", ext2_small_tree(), 2000, &image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(file_open("/new", FILE_WRITE | FILE_CREATE, 0644, &file),
                     0);
    assert_int_equal(blocks_of(file), 0);
    assert_int_equal(file_write(file, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(blocks_of(file), 10);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(blocks_of(file), 10);
    assert_int_equal(file_write_at(file, bytes, 100, 10000), 100);
    assert_int_equal(blocks_of(file), 12);
    assert_int_equal(file_truncate(file, 1000), 0);
    assert_int_equal(blocks_of(file), 2);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(blocks_of(file), 2);
    file_close(file);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_reasons_to_only_read),
        cmocka_unit_test(test_features_in_revision_0),
        cmocka_unit_test(test_read_only_is_clean),
        cmocka_unit_test(test_not_clean_before),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_times_that_do_not_fit),
        cmocka_unit_test(test_times_of_small_inodes),
        cmocka_unit_test(test_attributes_wait_for_names),
        cmocka_unit_test(test_random_1k),
        cmocka_unit_test(test_random_2k),
        cmocka_unit_test(test_random_4k),
        cmocka_unit_test(test_random_rev0),
        cmocka_unit_test(test_random_meta_bg),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_no_room_in_one_write),
        cmocka_unit_test(test_two_files_grow),
        cmocka_unit_test(test_a_file_is_together),
        cmocka_unit_test(test_orphans_are_freed),
        cmocka_unit_test(test_blocks_of_what_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
