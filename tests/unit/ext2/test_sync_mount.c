/* All that a mount has in memory reaches the device, or an error tells. */
#include "fs/ext2/ext2_format.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

enum { FILES = 5 };

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image, *copy;
static size_t image_size;
static struct mount *mount;

static int setup(void **state)
{
    struct inode *root;

    (void)state;
    image = ext2_image("-b 1024", ext2_small_tree(), 2000, &image_size);
    copy = malloc(image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    if (file_mount(&disk.block.device, "/", "ext2") != 0 ||
        vfs_walk("/", true, &root) != 0)
        return -1;
    mount = root->mount;
    inode_put(root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    free(image);
    free(copy);
    return 0;
}

static const char *name_of(unsigned i)
{
    static char name[] = "/new0";

    name[4] = (char)('0' + i);
    return name;
}

/* Write to files, of which the last one stays open. */
static struct file *files_write(void)
{
    struct file *file = NULL;

    for (unsigned i = 0; i < FILES; i++) {
        if (file != NULL)
            file_close(file);
        assert_int_equal(
            file_open(name_of(i), FILE_WRITE | FILE_CREATE, 0644, &file), 0);
        assert_int_equal(file_write(file, name_of(i), 5), 5);
    }
    return file;
}

/* What was written to each file is on the disk. */
static void assert_all_there(void)
{
    memcpy(copy, image, image_size);
    assert_int_equal(ext2_fsck_status(copy, image_size, "-fp", 1), 1);
    for (unsigned i = 0; i < FILES; i++) {
        uint32_t number = ext2_inode_of_path(copy, image_size, name_of(i));
        uint8_t *inode = copy + ext2_inode_offset(copy, number);

        assert_memory_equal(copy + 1024 * le32_get(inode + 40), name_of(i), 5);
    }
}

static void test_all_is_there(void **state)
{
    struct file *file = files_write();
    unsigned flushes = disk.flushes;

    (void)state;
    assert_int_equal(vfs_sync_mount(mount), 0);
    assert_true(disk.flushes > flushes);
    assert_all_there();
    file_close(file);
}

/* Attributes may be on the disk before what the file holds: then the files that
 * are in use are found by their pages. */
static void test_pages_without_attributes(void **state)
{
    struct file *file = files_write(), *again;

    (void)state;
    inodes_shrink(mount, 0, true);
    assert_int_equal(file_open(name_of(0), FILE_READ, 0, &again), 0);
    assert_int_equal(vfs_sync_mount(mount), 0);
    assert_all_there();
    file_close(again);
    file_close(file);
}

static void test_the_first_error_is_told(void **state)
{
    struct file *file = files_write();

    (void)state;
    disk.fail_from = 1;
    assert_int_equal(vfs_sync_mount(mount), -EIO);
    disk.fail_from = 0;
    assert_int_equal(vfs_sync_mount(mount), 0);
    file_close(file);
}

static void test_without_memory(void **state)
{
    struct file *file = files_write();
    unsigned failed = 0;

    (void)state;
    for (uint64_t n = 1;; n++) {
        int status;

        heap_fail(n);
        status = vfs_sync_mount(mount);
        if (!heap_failed())
            break;
        failed += status == -ENOMEM;
        vfs_check();
        (void)!file_write(file, "more", 4);
    }
    heap_fail(0);
    assert_true(failed > 0);
    file_close(file);
}

static void test_nothing_to_be_written(void **state)
{
    unsigned requests;

    (void)state;
    assert_int_equal(file_remount("/", true), 0);
    requests = disk.requests;
    assert_int_equal(vfs_sync_mount(mount), 0);
    assert_int_equal(disk.requests, requests);
    assert_int_equal(file_remount("/", false), 0);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_all_is_there),
        READY(test_pages_without_attributes),
        READY(test_the_first_error_is_told),
        READY(test_without_memory),
        READY(test_nothing_to_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
