/*
 * Operations on names and attributes that meet a fault: each request to the
 * disk failing in turn, and damage of each kind that they look for.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/hash.h"
#include "fs/ext2/write/rw_dir.h"
#include "fs/ext2/xattr_format.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024 };

/* e2fsck does not ask about an empty one. */
static void make_full(const char *path)
{
    struct file *file;

    assert_int_equal(file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file), 0);
    assert_int_equal(file_write(file, "content", 7), 7);
    file_close(file);
}

/* ---- The n-th request fails ---------------------------------------------- */

static const char long_target[] =
    "a target that is too long for the sixty bytes of an inode, so it has a "
    "block of its own";
static char big[600];

static int do_create(void)
{
    return world_make("/d/n");
}

static int do_mkdir(void)
{
    return file_mkdir("/d/n", 0755);
}

static int do_symlink(void)
{
    return file_symlink(long_target, "/d/n");
}

static int do_link(void)
{
    return file_link("/d/f", "/e/n");
}

static int do_unlink(void)
{
    return file_unlink("/d/f");
}

static int do_rmdir(void)
{
    return file_rmdir("/d/sub");
}

static int do_rename(void)
{
    return file_rename("/d/f", "/e/n", 0);
}

static int do_replace(void)
{
    return file_rename("/d/f", "/e/g", 0);
}

/* In a directory with an index. */
static int do_replace_indexed(void)
{
    return file_rename("/e/h", "/d/only", 0);
}

static int do_move(void)
{
    return file_rename("/d/sub", "/e/n", 0);
}

static int do_exchange(void)
{
    return file_rename("/d/sub", "/e/g", FILE_RENAME_EXCHANGE);
}

static int do_attribute(void)
{
    return file_xattr_set("/d/f", false, "user.x", big, sizeof(big), 0);
}

static int do_smaller(void)
{
    return file_xattr_set("/e/g", false, "user.x", "x", 1, 0);
}

static int do_remove(void)
{
    return file_xattr_remove("/e/g", false, "user.x");
}

static int do_get(void)
{
    int64_t len = file_xattr_get("/e/g", false, "user.x", big, sizeof(big));

    return len > 0 ? 0 : (int)len;
}

static int do_list_names(void)
{
    int64_t len = file_xattr_list("/e/g", false, big, sizeof(big));

    return len > 0 ? 0 : (int)len;
}

static int do_list(void)
{
    struct dir_entry entry;
    struct file *dir;
    int status = file_open("/d", FILE_READ, 0, &dir);

    if (status != 0)
        return status;
    while ((status = dir_read(dir, &entry)) == 1)
        ;
    file_close(dir);
    return status;
}

static const struct {
    const char *name;
    int (*call)(void);
} calls[] = {
    {"create", do_create},
    {"mkdir", do_mkdir},
    {"symlink", do_symlink},
    {"link", do_link},
    {"unlink", do_unlink},
    {"rmdir", do_rmdir},
    {"rename", do_rename},
    {"replace", do_replace},
    {"indexed", do_replace_indexed},
    {"move", do_move},
    {"exchange", do_exchange},
    {"attribute", do_attribute},
    {"smaller", do_smaller},
    {"remove", do_remove},
    {"get", do_get},
    {"names", do_list_names},
    {"list", do_list},
};

static void build(void)
{
    char path[300];

    world_mount();
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_mkdir("/e", 0755), 0);
    assert_int_equal(file_mkdir("/d/sub", 0755), 0);
    assert_int_equal(world_make("/d/f"), 0);
    assert_int_equal(world_make("/e/g"), 0);
    assert_int_equal(world_make("/e/h"), 0);
    make_full("/d/only");
    assert_int_equal(
        file_xattr_set("/e/g", false, "user.x", big, sizeof(big), 0), 0);
    /* An index in one of them. */
    for (unsigned i = 0; i < 12; i++) {
        snprintf(path, sizeof(path), "/d/%0*u", 200, i);
        assert_int_equal(file_link("/d/f", path), 0);
    }
    assert_int_equal(file_unmount("/"), 0);
    world_mount_again();
}

static void test_each_request_fails(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        bool failed = true;

        for (unsigned n = 1; failed; n++) {
            unsigned before = world_disk.failures;
            int status;

            build();
            world_disk.fail_at = n;
            status = calls[i].call();
            world_disk.fail_at = 0;
            failed = world_disk.failures > before;
            failures += failed;
            ROW(calls[i].name, status == 0 || (failed && status == -EIO));
            vfs_check();
            assert_int_equal(file_unmount("/"), 0);
            ext2_fsck(world_image, world_image_size, "-fp");
            /* It goes through now, if it has not. */
            world_mount_again();
            if (status != 0)
                ROW(calls[i].name, calls[i].call() == 0);
            world_unmount_quick();
        }
    }
    assert_true(failures > 40);
}

/* ---- The disk ends with the n-th request --------------------------------- */

/* Whether e2fsck must be told to mend what a crash in between has left. */
static bool needs_help(int (*call)(void))
{
    return call == do_move || call == do_exchange;
}

static bool has_path(const char *path)
{
    struct file_stat stat;
    int status = file_stat(path, false, &stat);

    assert_true(status == 0 || status == -ENOENT);
    return status == 0;
}

/* What was there before is there after it. */
static void check_kept(void)
{
    for (unsigned i = 0; i < 12; i++) {
        char path[300];

        snprintf(path, sizeof(path), "/d/%0*u", 200, i);
        assert_true(has_path(path));
    }
}

/* Everything that a call has written before some point is on the disk, and no
 * more. */
static void test_each_request_is_the_last(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        bool failed = true;

        for (unsigned n = 1; failed; n++) {
            unsigned before = world_disk.failures;

            build();
            world_disk.fail_from = n;
            (void)!calls[i].call();
            (void)!file_unmount("/");
            world_disk.fail_from = 0;
            failed = world_disk.failures > before;
            ext2_fsck(world_image, world_image_size,
                      needs_help(calls[i].call) ? "-fy" : "-fp");
            world_mount_again();
            check_kept();
            ROW(calls[i].name, has_path("/d/f") || has_path("/e/n") ||
                                   calls[i].call == do_unlink ||
                                   calls[i].call == do_replace);
            ROW(calls[i].name, has_path("/e/g"));
            ROW(calls[i].name, has_path("/d/only"));
            ROW(calls[i].name, has_path("/d/sub") || has_path("/e/n") ||
                                   has_path("/e/g") ||
                                   calls[i].call == do_rmdir);
            assert_int_equal(file_unmount("/"), 0);
        }
    }
}

/* The same while an index grows: names that were there before are not lost.
 * While a leaf is split they may be in both: then e2fsck asks. */
static void test_index_that_grows_when_the_disk_ends(void **state)
{
    bool failed = true;
    unsigned points = 0, asked = 0;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        unsigned before = world_disk.failures, kept = 0;
        char path[300];

        build();
        world_disk.fail_from = n;
        for (unsigned i = 12; i < 40; i++) {
            snprintf(path, sizeof(path), "/d/%0*u", 200, i);
            if (file_link("/d/f", path) != 0)
                break;
        }
        (void)!file_unmount("/");
        world_disk.fail_from = 0;
        failed = world_disk.failures > before;
        points++;
        asked +=
            ext2_fsck_status(world_image, world_image_size, "-fp", 255) > 1;
        ext2_fsck(world_image, world_image_size, "-fy");
        world_mount_again();
        check_kept();
        for (unsigned i = 12; i < 40; i++) {
            snprintf(path, sizeof(path), "/d/%0*u", 200, i);
            kept += has_path(path);
        }
        assert_true(failed || kept == 28);
        /* And it goes on. */
        assert_int_equal(world_make("/d/n"), 0);
        assert_int_equal(file_unlink("/d/n"), 0);
        world_unmount_quick();
    }
    assert_true(points > 30 && asked < points / 2);
}

static void test_each_allocation_fails(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        bool failed = true;

        for (unsigned n = 1; failed; n++) {
            int status;

            build();
            heap_fail(n);
            status = calls[i].call();
            failed = heap_failed();
            heap_fail(0);
            failures += failed;
            ROW(calls[i].name, status == 0 || (failed && status == -ENOMEM));
            if (status != 0)
                ROW(calls[i].name, calls[i].call() == 0);
            vfs_check();
            world_unmount_quick();
        }
    }
    assert_true(failures > 100);
}

/* ---- Damage -------------------------------------------------------------- */

static uint8_t *inode_at(const char *path)
{
    uint32_t number = ext2_inode_of_path(world_image, world_image_size, path);

    return world_image + ext2_inode_offset(world_image, number);
}

/* Block `index` of a directory, one of the first twelve. */
static uint8_t *block_at(const char *path, unsigned index)
{
    return world_image +
           (size_t)BLOCK * le32_get(inode_at(path) + INODE_BLOCK + 4 * index);
}

/* "/d" with 12 long names in an index; unmounted. */
static void indexed(void)
{
    build();
    assert_int_equal(file_rmdir("/d/sub"), 0);
    assert_int_equal(file_unlink("/d/f"), 0);
    assert_int_equal(file_unmount("/"), 0);
    assert_true(le16_get(block_at("/d", 0) + 34) >= 3);
}

/* Names that the index does not lead to keep a directory from being removed. */
static void test_hidden_names(void **state)
{
    static const uint8_t empty[8] = {0, 0, 0, 0, 0, 4, 0, 0};

    (void)state;
    indexed();
    memcpy(block_at("/d", 1), empty, sizeof(empty));
    le16_put(block_at("/d", 0) + 34, 1);
    le32_put(block_at("/d", 0) + 36, 1);
    world_mount_again();
    console_forget();
    assert_int_equal(file_rmdir("/d"), -EUCLEAN);
    assert_true(console_has("damaged directory index"));
    assert_int_equal(file_mkdir("/d2", 0755), 0);
    assert_int_equal(file_rename("/d2", "/d", 0), -EUCLEAN);
    assert_int_equal(file_unmount("/"), 0);
}

/* The leaves go on one in another for ever. */
static void test_leaves_in_a_circle(void **state)
{
    char name[4] = "n", path[10];
    uint8_t *pairs;
    uint32_t hash, seed[4];

    (void)state;
    indexed();
    pairs = block_at("/d", 0) + 32;
    for (unsigned i = 0; i < 4; i++)
        seed[i] = le32_get(world_image + 1024 + SUPER_HASH_SEED + 4 * i);
    hash = ext2_hash(block_at("/d", 0)[28], seed, name, 1);
    /* Each leaf is full, or its first name would be put there. */
    for (unsigned i = 1; i < le16_get(pairs + 2); i++) {
        le32_put(pairs + 8 * i, hash | 1);
        le32_put(pairs + 8 * i + 4, le32_get(pairs + 4));
    }
    le16_put(pairs + 2, 124);
    for (unsigned i = 1; i < 124; i++) {
        le32_put(pairs + 8 * i, hash | 1);
        le32_put(pairs + 8 * i + 4, le32_get(pairs + 4));
    }
    world_mount_again();
    snprintf(path, sizeof(path), "/d/%s", name);
    for (unsigned i = 0; i < 6; i++) {
        int status = world_make(path);

        assert_true(status == 0 || status == -EUCLEAN);
        snprintf(path, sizeof(path), "/d/%s", name);
        if (status == 0)
            assert_int_equal(file_unlink(path), 0);
    }
    assert_int_equal(do_list(), -EUCLEAN);
    assert_int_equal(file_unmount("/"), 0);
}

/* A leaf with names of another one: a split would break the order. */
static void test_leaf_of_other_names(void **state)
{
    unsigned refused = 0;

    (void)state;
    indexed();
    memcpy(block_at("/d", 1), block_at("/d", 2), BLOCK);
    world_mount_again();
    for (unsigned i = 0; i < 40; i++) {
        char path[300];
        int status;

        snprintf(path, sizeof(path), "/d/%0*u", 250, i);
        status = file_link("/e/g", path);
        assert_true(status == 0 || status == -EUCLEAN);
        refused += status != 0;
    }
    assert_true(refused > 0);
    assert_int_equal(file_unmount("/"), 0);
}

/* A first block without "." in a directory that is to get an index, and in one
 * that is to move. */
static void test_first_block_without_dot(void **state)
{
    (void)state;
    build();
    assert_int_equal(file_unmount("/"), 0);
    block_at("/e", 0)[8] = 'x';
    block_at("/d/sub", 0)[8] = 'x';
    world_mount_again();
    console_forget();
    for (unsigned i = 0; i < 5; i++) {
        char path[300];

        snprintf(path, sizeof(path), "/e/%0*u", 200, i);
        assert_int_equal(file_link("/d/f", path), i < 4 ? 0 : -EUCLEAN);
    }
    assert_int_equal(file_rename("/d/sub", "/n", 0), -EUCLEAN);
    assert_true(console_has("damaged first block of a directory"));
    assert_int_equal(file_unmount("/"), 0);
}

/* The only block that the bitmap says is free is one of the directory. */
static void test_block_that_is_not_free(void **state)
{
    uint8_t *bitmap;
    uint32_t leaf;
    unsigned refused = 0;

    (void)state;
    indexed();
    leaf = (uint32_t)((block_at("/d", 1) - world_image) / BLOCK);
    bitmap = world_image +
             (size_t)BLOCK * le32_get(world_image + 2048 + GROUP_BLOCK_BITMAP);
    memset(bitmap, 0xff, BLOCK);
    bitmap[(leaf - 1) / 8] &= (uint8_t) ~(1 << (leaf - 1) % 8);
    world_mount_again();
    for (unsigned i = 0; i < 40; i++) {
        char path[300];
        int status;

        snprintf(path, sizeof(path), "/d/%0*u", 250, i);
        status = file_link("/e/g", path);
        assert_true(status == 0 || status == -EUCLEAN || status == -ENOSPC);
        refused += status != 0;
    }
    assert_true(refused > 0);
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
}

/* What the caller believes is not what is there. */
static void test_entry_is_another_one(void **state)
{
    struct inode *dir, *other;
    struct ext2_place place;
    struct name name;

    (void)state;
    build();
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
    assert_int_equal(vfs_walk("/e/g", true, &other), 0);
    assert_int_equal(name_init(&name, dir->mount, "none", 4), 0);
    rwlock_lock(&dir->lock);
    assert_int_equal(ext2_place_find(dir, &name, &place), -ENOENT);
    assert_int_equal(ext2_unlink(dir, &name, other), -EUCLEAN);
    assert_int_equal(name_init(&name, dir->mount, "f", 1), 0);
    assert_int_equal(ext2_place_find(dir, &name, &place), 0);
    assert_int_equal(ext2_unlink(dir, &name, other), -EUCLEAN);
    rwlock_unlock(&dir->lock);
    inode_put(dir);
    inode_put(other);
    world_unmount();
}

static void test_link_targets(void **state)
{
    static char target[FILE_PATH_MAX], buf[FILE_PATH_MAX];

    (void)state;
    build();
    memset(target, 't', sizeof(target));
    for (size_t len = 1; len < 1300; len += len < 70 ? 1 : 237) {
        int status;

        target[len] = '\0';
        status = file_symlink(target, "/l");
        target[len] = 't';
        assert_int_equal(status, len < BLOCK ? 0 : -ENAMETOOLONG);
        if (status != 0)
            continue;
        assert_int_equal(file_unmount("/"), 0);
        world_mount_again();
        assert_int_equal(file_read_link("/l", buf, sizeof(buf)), len);
        assert_memory_equal(buf, target, len);
        assert_int_equal(file_unlink("/l"), 0);
    }
    world_unmount();
}

/* POSIX ACLs stay, and nobody sees them. */
static void test_attribute_of_another_kind(void **state)
{
    uint8_t *block;
    char list[100];

    (void)state;
    build();
    assert_int_equal(file_xattr_set("/e/g", false, "user.y", big, 100, 0), 0);
    assert_int_equal(file_unmount("/"), 0);
    block = world_image +
            (size_t)BLOCK * le32_get(inode_at("/e/g") + INODE_FILE_ACL);
    assert_int_equal(block[XATTR_BLOCK_HEADER + XATTR_PREFIX], 1);
    block[XATTR_BLOCK_HEADER + XATTR_PREFIX] = 2;
    world_mount_again();
    assert_int_equal(file_xattr_list("/e/g", false, list, sizeof(list)), 7);
    assert_int_equal(file_xattr_get("/e/g", false, "user.x", big, 600),
                     -ENODATA);
    assert_int_equal(file_xattr_set("/e/g", false, "user.y", "y", 1, 0), 0);
    assert_int_equal(file_unmount("/"), 0);
    block = world_image +
            (size_t)BLOCK * le32_get(inode_at("/e/g") + INODE_FILE_ACL);
    /* Behind "y", whose prefix is lower. */
    assert_int_equal(block[XATTR_BLOCK_HEADER + 20 + XATTR_PREFIX], 2);
    world_mount_again();
    assert_int_equal(file_unmount("/"), 0);
}

int main(void)
{
#define ATTACHED(test) \
    cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    static const struct world plain = {
        .name = "1k", .options = "-b 1024 -N 64 -I 128", .kib = 1000};
    const struct CMUnitTest tests[] = {
        ATTACHED(test_each_request_fails),
        ATTACHED(test_each_request_is_the_last),
        ATTACHED(test_index_that_grows_when_the_disk_ends),
        ATTACHED(test_each_allocation_fails),
        ATTACHED(test_hidden_names),
        ATTACHED(test_leaves_in_a_circle),
        ATTACHED(test_leaf_of_other_names),
        ATTACHED(test_first_block_without_dot),
        ATTACHED(test_block_that_is_not_free),
        ATTACHED(test_entry_is_another_one),
        ATTACHED(test_link_targets),
        ATTACHED(test_attribute_of_another_kind),
    };

    return world_run_in(&plain, "faults", tests, COUNT_OF(tests));
}
