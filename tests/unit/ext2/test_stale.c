/*
 * Renames to and fro between two blocks of names: the entry that would close a
 * circle of orders stays on the disk until the new one is durable, and nobody
 * sees it meanwhile.
 */
#include "fs/ext2/write/stale.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ext2_rw *rw(void)
{
    struct inode *root;

    assert_int_equal(vfs_walk("/", true, &root), 0);
    inode_put(root);
    return ext2_rw_of(root);
}

static unsigned stale(void)
{
    return rw()->stale_count;
}

static bool has(const char *path)
{
    struct file_stat stat;
    int status = file_stat(path, false, &stat);

    assert_true(status == 0 || status == -ENOENT);
    return status == 0;
}

/* Whether a directory lists a name: not by what the VFS remembers. */
static bool lists(const char *path, const char *name)
{
    struct dir_entry entry;
    struct file *dir;
    unsigned found = 0;
    int status;

    assert_int_equal(file_open(path, FILE_READ, 0, &dir), 0);
    while ((status = dir_read(dir, &entry)) == 1)
        found += strcmp(entry.name, name) == 0;
    assert_int_equal(status, 0);
    file_close(dir);
    assert_true(found <= 1);
    return found == 1;
}

static uint32_t on_disk(const char *path)
{
    return ext2_find_path(world_image, world_image_size, path);
}

/* All is durable, and two directories have a file each. */
static void begin(void)
{
    world_mount();
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_mkdir("/e", 0755), 0);
    assert_int_equal(world_make("/d/f"), 0);
    assert_int_equal(world_make("/e/g"), 0);
    assert_int_equal(world_make("/e/h"), 0);
    assert_int_equal(file_unmount("/"), 0);
    world_mount_again();
}

/* Leaves "/e/g" stale. */
static int to_and_fro(void)
{
    int status = file_rename("/d/f", "/e/f", 0);

    return status != 0 ? status : file_rename("/e/g", "/d/g", 0);
}

static int sync_all(void)
{
    struct file *file;
    int status = file_open("/", FILE_READ, 0, &file);

    if (status != 0)
        return status;
    status = file_sync(file);
    file_close(file);
    return status;
}

static void test_circle_writes_nothing(void **state)
{
    unsigned flushes, requests;

    (void)state;
    begin();
    flushes = world_disk.flushes;
    requests = world_disk.requests;
    assert_int_equal(to_and_fro(), 0);
    assert_int_equal(stale(), 1);
    assert_int_equal(world_disk.flushes, flushes);
    assert_true(world_disk.requests - requests <= 4); /* to find the names */
    assert_true(has("/d/g") && has("/e/f") && !has("/e/g") && !has("/d/f"));
    assert_true(lists("/d", "g") && !lists("/e", "g"));
    vfs_check();

    /* On the disk it goes with the next sync. */
    assert_int_not_equal(on_disk("/e/g"), 0);
    assert_int_equal(sync_all(), 0);
    assert_int_equal(stale(), 0);
    assert_int_equal(on_disk("/e/g"), 0);
    assert_int_not_equal(on_disk("/d/g"), 0);
    world_unmount();
}

/* Names that no dentry tells: looked for in the blocks. */
static void test_a_stale_name_is_not_found(void **state)
{
    struct inode *dir, *inode;
    struct name name = {.text = "g", .len = 1};

    (void)state;
    begin();
    assert_int_equal(to_and_fro(), 0);
    assert_int_equal(vfs_walk("/e", true, &dir), 0);
    name.hash = hash_bytes(&dir->mount->name_key, name.text, name.len);
    assert_true(ext2_stale_has(dir, &name));
    assert_true(ext2_stale_in(dir));
    assert_int_equal(dir->mount->ops->lookup(dir, &name, &inode), -ENOENT);
    inode_put(dir);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
    assert_false(ext2_stale_has(dir, &name));
    assert_false(ext2_stale_in(dir));
    assert_int_equal(dir->mount->ops->lookup(dir, &name, &inode), 0);
    inode_put(inode);
    inode_put(dir);
    world_unmount();
}

/* The same name again: there are never two entries of it. */
static void test_the_name_comes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        begin();
        assert_int_equal(to_and_fro(), 0);
        if (i == 0)
            assert_int_equal(world_make("/e/g"), 0);
        else if (i == 1)
            assert_int_equal(file_link("/e/f", "/e/g"), 0);
        else
            assert_int_equal(file_rename("/d/g", "/e/g", 0), 0);
        assert_int_equal(stale(), 0);
        assert_true(has("/e/g") && lists("/e", "g"));
        assert_int_equal(has("/d/g"), i != 2);
        world_unmount();
    }
}

/* What has a stale name loses its last one. */
static void test_the_file_goes(void **state)
{
    (void)state;
    begin();
    assert_int_equal(to_and_fro(), 0);
    assert_int_equal(file_unlink("/d/g"), 0);
    assert_int_equal(stale(), 1);
    assert_int_equal(world_make("/d/new"), 0); /* perhaps with the same inode */
    assert_int_equal(sync_all(), 0);
    assert_int_equal(on_disk("/e/g"), 0);
    world_unmount();
}

/* A directory is empty but for a stale entry, and its block is used again. */
static void test_the_directory_goes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin();
        assert_int_equal(file_mkdir("/n", 0755), 0);
        assert_int_equal(to_and_fro(), 0);
        assert_int_equal(file_unlink("/e/f"), 0);
        assert_int_equal(file_unlink("/e/h"), 0);
        assert_int_equal(stale(), 1);
        if (i == 0)
            assert_int_equal(file_rmdir("/e"), 0);
        else
            assert_int_equal(file_rename("/n", "/e", 0), 0);
        assert_int_equal(stale(), 0);
        assert_int_equal(file_mkdir("/m", 0755), 0);
        assert_int_equal(world_make("/m/f"), 0);
        vfs_check();
        world_unmount();
    }
}

/* Entries that are added, go and move around one that is stale. */
static void test_the_block_changes(void **state)
{
    char path[300];

    (void)state;
    begin();
    assert_int_equal(to_and_fro(), 0);
    assert_int_equal(file_unlink("/e/h"), 0); /* its room goes to "g" */
    assert_int_equal(world_make("/e/h2"), 0);
    assert_int_equal(world_make("/e/i"), 0);
    assert_int_equal(stale(), 1);
    vfs_check();
    /* More than fits: first what is stale goes, then there is an index. */
    for (unsigned i = 0; i < 20; i++) {
        snprintf(path, sizeof(path), "/e/%0*u", 150, i);
        assert_int_equal(world_make(path), 0);
    }
    assert_int_equal(stale(), 0);
    assert_true(has("/e/h2") && has("/e/i") && has("/e/f") && !has("/e/g"));
    world_unmount();
}

/* Between the leaves of one directory, in both directions at random, beside a
 * list of what its files are called. */
static void test_many_in_one_directory(void **state)
{
    enum { FILES = 150 };
    char from[40], to[40];
    unsigned called[FILES], most = 0;

    (void)state;
    srand(5);
    begin();
    for (unsigned i = 0; i < FILES; i++) {
        called[i] = i;
        snprintf(from, sizeof(from), "/d/name-%u", i);
        assert_int_equal(world_make(from), 0);
    }
    for (unsigned i = 0; i < 3000; i++) {
        unsigned file = (unsigned)rand() % FILES;

        snprintf(from, sizeof(from), "/d/name-%u", called[file]);
        called[file] += FILES;
        snprintf(to, sizeof(to), "/d/name-%u", called[file]);
        assert_int_equal(file_rename(from, to, 0), 0);
        most = stale() > most ? stale() : most;
        if (i % 100 == 0) {
            vfs_check();
            assert_false(lists("/d", from + 3));
            assert_true(lists("/d", to + 3));
        }
    }
    assert_true(most > 20);
    assert_int_equal(file_unmount("/"), 0);
    assert_null(world_fault());
    world_mount_again();
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(from, sizeof(from), "/d/name-%u", called[i]);
        assert_true(has(from));
    }
    world_unmount();
}

/* ---- Faults -------------------------------------------------------------- */

static int to_and_fro_and_sync(void)
{
    int status = to_and_fro();

    return status != 0 ? status : sync_all();
}

/* Both files are there, each by one name or by both. */
static void check_kept(void)
{
    assert_true(has("/d/f") || has("/e/f"));
    assert_true(has("/e/g") || has("/d/g"));
    assert_true(has("/e/h"));
}

static void test_each_request_fails(void **state)
{
    bool failed = true;
    unsigned failures = 0;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        unsigned before = world_disk.failures;
        int status;

        begin();
        world_disk.fail_at = n;
        status = to_and_fro_and_sync();
        world_disk.fail_at = 0;
        failed = world_disk.failures > before;
        failures += failed;
        assert_true(status == 0 || (failed && status == -EIO));
        check_kept();
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
        ext2_fsck(world_image, world_image_size, "-fp");
    }
    assert_true(failures > 6);
}

static void test_each_request_is_the_last(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        unsigned before = world_disk.failures;

        begin();
        world_disk.fail_from = n;
        (void)!to_and_fro_and_sync();
        (void)!file_unmount("/");
        world_disk.fail_from = 0;
        failed = world_disk.failures > before;
        ext2_fsck(world_image, world_image_size, "-fp");
        world_mount_again();
        check_kept();
        assert_int_equal(file_unmount("/"), 0);
    }
}

/* Without memory for it the circle is written, as that of a directory is. */
static void test_each_allocation_fails(void **state)
{
    bool failed = true;
    unsigned without = 0;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        int status;

        begin();
        heap_fail(n);
        status = to_and_fro();
        failed = heap_failed();
        without += status == 0 && stale() == 0;
        assert_true(status == 0 || (failed && status == -ENOMEM));
        heap_fail(0);
        check_kept();
        vfs_check();
        world_unmount_quick();
    }
    assert_true(without > 0);
}

/* The volume ends while its stale entries cannot be cleared: it is not clean.
 */
static void test_disk_that_is_gone(void **state)
{
    (void)state;
    begin();
    assert_int_equal(to_and_fro(), 0);
    world_disk.fail_from = 1;
    assert_int_equal(sync_all(), -EIO);
    assert_int_equal(stale(), 1);
    (void)!file_unmount("/");
    world_disk.fail_from = 0;
    assert_int_equal(world_image[1024 + SUPER_STATE] & SUPER_STATE_CLEAN, 0);
    ext2_fsck(world_image, world_image_size, "-fp");
}

static const struct world plain = {
    "ext2", "-t ext2 -b 1024 -N 512 -O ^resize_inode", 4096, NULL};

#define ATTACHED(test) \
    cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ATTACHED(test_circle_writes_nothing),
        ATTACHED(test_a_stale_name_is_not_found),
        ATTACHED(test_the_name_comes_back),
        ATTACHED(test_the_file_goes),
        ATTACHED(test_the_directory_goes),
        ATTACHED(test_the_block_changes),
        ATTACHED(test_many_in_one_directory),
        ATTACHED(test_each_request_fails),
        ATTACHED(test_each_request_is_the_last),
        ATTACHED(test_each_allocation_fails),
        ATTACHED(test_disk_that_is_gone),
    };

    return world_run_in(&plain, "stale entries", tests, COUNT_OF(tests));
}
