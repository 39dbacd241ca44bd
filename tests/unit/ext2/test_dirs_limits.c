/*
 * Directories that are written, at their limits: 50,000 names, an index that is
 * full, a disk that is full, links, memory and requests that fail.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/write/rw.h"
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

enum { LINKS = 30000, MANY = 50000 };

static struct inode *dir;

/* Something to link to, and a directory for the names. */
static void begin(unsigned count)
{
    world_mount();
    for (unsigned i = 0; i <= count / LINKS; i++) {
        char path[20];

        snprintf(path, sizeof(path), "/%u", i);
        assert_int_equal(world_make(path), 0);
    }
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
}

static void end(void)
{
    inode_put(dir);
    vfs_check();
    world_unmount();
}

static void path_of(unsigned i, size_t len, char *path)
{
    snprintf(path, 300, "/d/%u-%0*u", i, (int)len, 0);
    path[3 + len] = '\0';
}

static int add(unsigned i, size_t len)
{
    char old[20], path[300];

    snprintf(old, sizeof(old), "/%u", i / LINKS);
    path_of(i, len, path);
    return file_link(old, path);
}

static bool is_there(unsigned i, size_t len)
{
    char path[300];
    uint64_t number;
    int status;

    path_of(i, len, path);
    status = ext2_lookup(dir, path + 3, len, &number);
    assert_true(status == 0 || status == -ENOENT);
    return status == 0;
}

static unsigned list(void)
{
    struct dir_entry entry;
    struct file *file;
    unsigned count = 0;

    assert_int_equal(file_open("/d", FILE_READ, 0, &file), 0);
    while (dir_read(file, &entry) == 1)
        count += entry.name[0] != '.';
    file_close(file);
    return count;
}

/* ---- Many ---------------------------------------------------------------- */

/* The cost of making names, of finding and of listing them is in proportion to
 * how many there are: of each, a block or two is looked at. */
static void test_many_names(void **state)
{
    const struct ext2_fs *fs;
    uint64_t looked;
    unsigned requests;

    (void)state;
    begin(MANY);
    fs = ext2_of(dir);
    looked = fs->blocks_of_names;
    world_disk.requests = 0;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(add(i, 10), 0);
    assert_true(ext2_has_index(dir));
    assert_true(fs->blocks_of_names - looked < 3 * MANY);
    requests = world_disk.requests;
    assert_true(requests < 3 * MANY);
    looked = fs->blocks_of_names;
    for (unsigned i = 0; i < MANY; i++)
        assert_true(is_there(i, 10));
    assert_in_range(fs->blocks_of_names - looked, MANY, MANY + MANY / 50);
    looked = fs->blocks_of_names;
    assert_int_equal(list(), MANY);
    assert_true(fs->blocks_of_names - looked < 100);
    end();
}

/* A node that is full is split, and when the root is full, too, there is no
 * place for more names; but for those whose leaf has room. */
static void test_index_is_full(void **state)
{
    unsigned count = 0, full = 0;
    int status;

    (void)state;
    begin(60000);
    while ((status = add(count, 255)) == 0)
        count++;
    assert_int_equal(status, -ENOSPC);
    assert_true(count > 10000);
    vfs_check();
    for (unsigned i = count; i < count + 500; i++) {
        status = add(i, 255);
        assert_true(status == 0 || status == -ENOSPC);
        full += status == -ENOSPC;
        assert_int_equal(is_there(i, 255), status == 0);
    }
    assert_in_range(full, 1, 499);
    assert_int_equal(list(), count + 500 - full);
    for (unsigned i = 0; i < count; i += 97)
        assert_true(is_there(i, 255));
    end();
}

/* ---- A disk that is full ------------------------------------------------- */

static void test_disk_is_full(void **state)
{
    unsigned count = 0;
    int status;

    (void)state;
    begin(5000);
    while ((status = add(count, 100)) == 0)
        count++;
    assert_int_equal(status, -ENOSPC);
    assert_true(count > 1500);
    assert_false(is_there(count, 100));
    assert_int_equal(list(), count);
    /* What is removed makes room again. */
    for (unsigned i = 0; i < count; i += 2) {
        char path[300];

        path_of(i, 100, path);
        assert_int_equal(file_unlink(path), 0);
    }
    for (unsigned i = 0; i < count; i += 2)
        assert_int_equal(add(i, 100), 0);
    assert_int_equal(list(), count);
    end();
}

/* ---- Links --------------------------------------------------------------- */

static void test_link_limit(void **state)
{
    struct file_stat stat;
    char path[300];

    (void)state;
    begin(1);
    for (unsigned i = 0; i < 31999; i++) {
        path_of(i, 6, path);
        assert_int_equal(file_link("/0", path), 0);
    }
    assert_int_equal(file_link("/0", "/more"), -EMLINK);
    assert_int_equal(file_stat("/0", false, &stat), 0);
    assert_int_equal(stat.links, 32000);
    path_of(7, 6, path);
    assert_int_equal(file_unlink(path), 0);
    assert_int_equal(file_link("/0", "/more"), 0);
    end();
}

/* A directory with as many in it as may be: the image says so. */
static void test_directory_link_limit(void **state)
{
    (void)state;
    begin(1);
    assert_int_equal(file_mkdir("/e", 0755), 0);
    assert_int_equal(file_mkdir("/f", 0755), 0);
    dir->links = 32000;
    assert_int_equal(file_mkdir("/d/n", 0755), -EMLINK);
    assert_int_equal(file_rename("/e", "/d/n", 0), -EMLINK);
    assert_int_equal(world_make("/d/file"), 0);
    assert_int_equal(file_rename("/e", "/d/file", FILE_RENAME_EXCHANGE),
                     -EMLINK);
    assert_int_equal(file_symlink("x", "/d/n"), 0);
    dir->links = 31999;
    assert_int_equal(file_rename("/e", "/d/e", 0), 0);
    assert_int_equal(dir->links, 32000);
    assert_int_equal(file_rename("/f", "/d/e", 0), 0); /* in place of it */
    assert_int_equal(dir->links, 32000);
    dir->links = 3;
    /* It says that there is none, but there is. */
    dir->links = 2;
    console_forget();
    assert_int_equal(file_rmdir("/d/e"), -EUCLEAN);
    assert_int_equal(file_rename("/d/e", "/e", 0), -EUCLEAN);
    assert_true(console_has("damaged link count (2)"));
    dir->links = 3;
    end();
}

/* ---- Failures ------------------------------------------------------------ */

enum { NAMES = 40, LONG = 200 };

/* Names until leaves are split, one after the other; the last fails or not. */
static void test_dir_without_memory(void **state)
{
    unsigned failures = 0;
    size_t blocks;

    (void)state;
    begin(1);
    end();
    blocks = stats().block_count;
    for (unsigned count = 2; count < NAMES; count++) {
        bool failed = true;

        for (uint64_t n = 1; failed; n++) {
            int status;

            begin(1);
            for (unsigned i = 0; i < count; i++)
                assert_int_equal(add(i, LONG), 0);
            heap_fail(n);
            status = add(count, LONG);
            failed = heap_failed();
            heap_fail(0);
            assert_true(status == 0 || (failed && status == -ENOMEM));
            assert_int_equal(list(), count + (status == 0));
            assert_int_equal(is_there(count, LONG), status == 0);
            /* It goes on as if nothing had been. */
            if (status != 0)
                assert_int_equal(add(count, LONG), 0);
            assert_int_equal(list(), count + 1);
            failures += failed;
            inode_put(dir);
            vfs_check();
            world_unmount_quick();
            assert_int_equal(stats().block_count, blocks);
        }
    }
    assert_true(failures > 100);
}

/* The n-th request to the disk fails while names are made, in a volume of which
 * nothing is in memory. Nothing is lost but what an error was told for; and
 * e2fsck puts it in order. */
static void test_dir_with_disk_errors(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (unsigned n = 1; n < 60; n++) {
        bool there[NAMES] = {false};

        begin(1);
        for (unsigned i = 0; i < NAMES / 2; i++)
            there[i] = add(i, LONG) == 0;
        inode_put(dir);
        assert_int_equal(file_unmount("/"), 0);
        world_mount_again();
        assert_int_equal(vfs_walk("/d", true, &dir), 0);
        world_disk.fail_at = n;
        for (unsigned i = NAMES / 2; i < NAMES; i++) {
            int status = add(i, LONG);

            assert_true(status == 0 || status == -EIO);
            there[i] = status == 0;
            failures += status != 0;
        }
        world_disk.fail_at = 0;
        for (unsigned i = 0; i < NAMES; i++)
            assert_int_equal(is_there(i, LONG), there[i]);
        vfs_check();
        inode_put(dir);
        (void)!file_unmount("/");
        ext2_fsck(world_image, world_image_size, "-fp");
        world_mount_again();
        assert_int_equal(vfs_walk("/d", true, &dir), 0);
        for (unsigned i = 0; i < NAMES; i++)
            assert_int_equal(is_there(i, LONG), there[i]);
        end();
    }
    assert_true(failures > 5);
}

static int setup(void **state)
{
    (void)state;
    world_attach(64 << 20);
    return 0;
}

int main(void)
{
#define ATTACHED(test) \
    cmocka_unit_test_setup_teardown(test, setup, world_teardown)
    static const struct world large = {
        .name = "1k, large", .options = "-b 1024 -N 64", .kib = 24000};
    /* Small: without an index, to fill it takes time with the square of its
     * size. There are more leaves than the root of an index has room for, and
     * a directory gets blocks that are named by double indirection. */
    static const struct world plain[] = {
        {.name = "1k", .options = "-b 1024 -N 64", .kib = 300},
        {.name = "1k, no index",
         .options = "-b 1024 -N 64 -O ^dir_index",
         .kib = 400},
    };
    const struct CMUnitTest large_tests[] = {
        ATTACHED(test_many_names),
        ATTACHED(test_index_is_full),
        ATTACHED(test_link_limit),
    };
    const struct CMUnitTest tests[] = {
        ATTACHED(test_disk_is_full),
        ATTACHED(test_directory_link_limit),
        ATTACHED(test_dir_without_memory),
        ATTACHED(test_dir_with_disk_errors),
    };
    int failed = world_run_in(&large, "large directories", large_tests,
                              COUNT_OF(large_tests));

    for (size_t i = 0; i < COUNT_OF(plain); i++)
        failed += world_run_in(&plain[i], "directories at their limits", tests,
                               COUNT_OF(tests));
    return failed;
}
