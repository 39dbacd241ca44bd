/*
 * Directories that ask for names to be durable when a call returns: the disk is
 * looked at as it is at that moment, without an unmount.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/write/rw_dir.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/world.h"
#include <stdlib.h>
#include <string.h>

/* What e2fsck makes of the disk as it is, when it mends by itself. */
static uint8_t *crashed;

static void crash(void)
{
    crashed = malloc(world_image_size);
    memcpy(crashed, world_image, world_image_size);
    ext2_fsck(crashed, world_image_size, "-fp");
}

/* Links of what a path leads to; 0: there is none. */
static unsigned links_of(const char *path)
{
    uint32_t number = ext2_find_path(crashed, world_image_size, path);

    if (number == 0)
        return 0;
    return le16_get(crashed + ext2_inode_offset(crashed, number) + INODE_LINKS);
}

static void expect(const char *path, unsigned links)
{
    crash();
    assert_int_equal(links_of(path), links);
    free(crashed);
}

static void test_names_are_durable(void **state)
{
    static const uint32_t flags[] = {INODE_FLAG_DIRSYNC, INODE_FLAG_SYNC};

    (void)state;
    world_attach(16 << 20);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t number;
        uint8_t *raw;

        world_mount();
        assert_int_equal(file_mkdir("/d", 0755), 0);
        assert_int_equal(file_mkdir("/e", 0755), 0);
        assert_int_equal(file_unmount("/"), 0);
        number = ext2_inode_of_path(world_image, world_image_size, "/d");
        raw = world_image + ext2_inode_offset(world_image, number);
        le32_put(raw + INODE_FLAGS, le32_get(raw + INODE_FLAGS) | flags[i]);
        world_mount_again();

        assert_int_equal(world_make("/d/a"), 0);
        expect("/d/a", 1);
        assert_int_equal(world_make("/e/a"), 0);
        expect("/e/a", 0); /* nobody has asked for it */
        assert_int_equal(file_link("/d/a", "/d/b"), 0);
        expect("/d/b", 2);
        assert_int_equal(file_unlink("/d/a"), 0);
        expect("/d/a", 0);
        expect("/d/b", 1);
        assert_int_equal(file_rename("/d/b", "/d/c", 0), 0);
        expect("/d/b", 0);
        expect("/d/c", 1);
        assert_int_equal(file_rename("/d/c", "/e/c", 0), 0);
        expect("/e/c", 1);
        expect("/d/c", 0);
        assert_int_equal(file_mkdir("/d/n", 0755), 0);
        expect("/d/n", 2);
        assert_int_equal(file_rmdir("/d/n"), 0);
        expect("/d/n", 0);
        world_unmount();
    }
    world_detach();
}

/* The size of a directory has 31 bits. */
static void test_size_limit(void **state)
{
    struct inode *dir;
    uint64_t size;

    (void)state;
    world_attach(16 << 20);
    world_mount();
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
    size = dir->size_bytes;
    dir->size_bytes = UINT64_C(0x80000000) - 1024;
    assert_int_equal(ext2_dir_grow(dir), -ENOSPC);
    dir->size_bytes = size;
    inode_put(dir);
    world_unmount();
    world_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_durable),
        cmocka_unit_test(test_size_limit),
    };

    return world_run_in(&worlds[1], "durable names", tests, COUNT_OF(tests));
}
