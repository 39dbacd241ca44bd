/*
 * Crashes: the disk completes one request after the other, and after each of
 * them e2fsck -p must put the image in order by itself.
 */
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
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
static bool is_ending;
static unsigned states, bad_states;
static const char *allowed; /* what e2fsck is told */

/* Completes requests in order. Reads change nothing. */
static int completer(void *arg)
{
    (void)arg;
    while (!is_ending) {
        unsigned read = disk.sectors_read, flushes = disk.flushes;

        if (!ramblk_complete_one(&disk, 0)) {
            thread_yield();
            continue;
        }
        if (disk.sectors_read != read || disk.flushes != flushes)
            continue;
        states++;
        bad_states += ext2_fsck_status(image, image_size, allowed, 1) > 1;
    }
    return 0;
}

static int in_crashes(int (*scenario)(void *))
{
    thread_id id;
    int status, value;

    is_ending = false;
    states = bad_states = 0;
    disk.deferred = true;
    assert_int_equal(thread_create(NULL, completer, NULL, &id), 0);
    status = scenario(NULL);
    if (status == 0)
        status = file_unmount("/");
    is_ending = true;
    assert_int_equal(thread_join(id, &value), 0);
    disk.deferred = false;
    return status;
}

/* What prepare() does, if there is one, ends with an unmount. */
static void crash_after(const char *options, int (*prepare)(void),
                        int (*scenario)(void *), const char *fsck)
{
    allowed = fsck;
    image = ext2_image(options, ext2_small_tree(), 2000, &image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
    if (prepare != NULL) {
        assert_int_equal(prepare(), 0);
        assert_int_equal(file_unmount("/"), 0);
        assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
    }
    assert_int_equal(in_crashes(scenario), 0);
    machine_detach();
    assert_int_equal(bad_states, 0);
    assert_true(states > 4);
    assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    free(image);
}

static void crash(const char *options, int (*scenario)(void *),
                  const char *fsck)
{
    crash_after(options, NULL, scenario, fsck);
}

static int do_data(void *arg)
{
    static uint8_t data[70000];
    struct file *file;
    int status = file_open("/double", FILE_READ | FILE_WRITE, 0, &file);

    (void)arg;
    if (status != 0)
        return status;
    for (unsigned i = 0; i < 4 && status == 0; i++) {
        if (file_write_at(file, data, sizeof(data), 280000 + i * 90000ULL) < 0)
            return -EIO;
        status = file_sync(file);
        if (status == 0)
            status = file_truncate(file, 290000 - i * 90000ULL);
        if (status == 0 && i % 2 == 0)
            status = file_sync(file);
        if (status == 0)
            status = file_allocate(file, i * 30000ULL, 20000,
                                   FILE_PUNCH_HOLE | FILE_KEEP_SIZE);
    }
    if (status == 0)
        status = file_truncate(file, 0);
    if (status == 0)
        status = file_chmod("/dir", true, 0700);
    file_close(file);
    return status;
}

static void test_data(void **state)
{
    (void)state;
    crash("-b 1024", do_data, "-fp");
    crash("-b 4096", do_data, "-fp");
}

/* Names come and go; with a sync now and then. */
static int do_names(void *arg)
{
    char path[40], other[40];
    struct file *file;
    int status = 0;

    (void)arg;
    for (unsigned i = 0; i < 30 && status == 0; i++) {
        snprintf(path, sizeof(path), "/dir/new-%u", i);
        snprintf(other, sizeof(other), "/dir/sub/d-%u", i);
        status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);
        if (status != 0)
            return status;
        if (file_write_at(file, path, 40, i * 900) != 40)
            status = -EIO;
        if (status == 0 && i % 4 == 0)
            status = file_sync(file);
        file_close(file);
        if (status == 0)
            status = file_mkdir(other, 0755);
        if (status == 0 && i % 3 == 1)
            status = file_unlink(path);
        if (status == 0 && i % 5 == 2) {
            snprintf(other, sizeof(other), "/dir/sub/d-%u", i - 1);
            status = file_rmdir(other);
        }
        snprintf(other, sizeof(other), "/dir/e%u", i + 1);
        if (status == 0)
            status = file_unlink(other);
    }
    return status;
}

static void test_names(void **state)
{
    (void)state;
    crash("-b 1024", do_names, "-fp");
    crash("-b 4096 -O ^dir_index", do_names, "-fp");
}

static int do_renames(void *arg)
{
    char path[40], other[40];
    int status = 0;

    (void)arg;
    for (unsigned i = 1; i < 30 && status == 0; i++) {
        snprintf(path, sizeof(path), "/dir/e%u", i);
        snprintf(other, sizeof(other), "/dir/sub/e%u", i);
        status = file_rename(path, other, 0);
        if (status == 0 && i % 3 == 0)
            status = file_link(other, path);
        if (status == 0 && i % 3 == 1)
            status = file_rename(other, path, 0); /* and back */
    }
    return status;
}

/* Another name, and then without the first one. */
static int do_links(void *arg)
{
    char path[40], other[40];
    int status = 0;

    (void)arg;
    for (unsigned i = 1; i < 24 && status == 0; i++) {
        snprintf(path, sizeof(path), "/dir/e%u", i);
        snprintf(other, sizeof(other), "/dir/sub/e%u", i);
        status = file_link(path, other);
        if (status == 0)
            status = file_unlink(path);
        if (status == 0 && i % 3 == 0)
            status = file_link(other, path);
        if (status == 0 && i % 6 == 0) {
            snprintf(path, sizeof(path), "/dir/e%u", i + 12);
            status = file_rename(path, other, 0);
        }
        if (i == 17)
            i = 18;
    }
    return status;
}

/* In place of a name in another block. */
static int do_replace_far(void *arg)
{
    int status = do_renames(arg);
    char path[40], other[40];

    for (unsigned i = 4; i < 30 && status == 0; i += 3) {
        snprintf(path, sizeof(path), "/dir/e%u", i);
        snprintf(other, sizeof(other), "/dir/sub/e%u", i + 1);
        status = file_rename(path, other, 0);
    }
    return status;
}

/* A file with content: e2fsck does not ask about one without. */
static int put(const char *path, bool is_synced)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);

    if (status != 0)
        return status;
    if (file_write_at(file, path, strlen(path), 0) < 0)
        status = -EIO;
    if (status == 0 && is_synced)
        status = file_sync(file);
    file_close(file);
    return status;
}

/* Files of two directories change places; some have other names, too. */
static int do_exchanges(void *arg)
{
    char path[40], other[40];
    int status = 0;

    (void)arg;
    for (unsigned i = 0; i < 12 && status == 0; i++) {
        snprintf(path, sizeof(path), "/dir/sub/x%u", i);
        snprintf(other, sizeof(other), "/dir/y%u", i);
        status = put(path, true);
        if (status == 0)
            status = put(other, i % 3 != 0);
        if (status == 0 && i % 4 == 3)
            status = file_link(other, "/dir/sub/linked");
        if (status == 0)
            status = file_rename(path, other, FILE_RENAME_EXCHANGE);
        if (status == 0 && i % 2 == 0)
            status = file_rename(other, path, FILE_RENAME_EXCHANGE);
        if (status == 0 && i % 4 == 3)
            status = file_unlink("/dir/sub/linked");
    }
    return status;
}

/* In place of names whose blocks are full; others of the directory are not. */
static const char long_name[] =
    "/dir/sub/"
    "a-name-that-fills-blocks-of-names-quickly-since-it-is-quite-long";

static int fill(void)
{
    char path[120];
    int status = 0;

    for (unsigned i = 0; i < 30 && status == 0; i++) {
        snprintf(path, sizeof(path), "%s-%u", long_name, i);
        status = put(path, false);
    }
    return status;
}

static int do_replace_in_full(void *arg)
{
    char path[120], other[120];
    int status = 0;

    (void)arg;
    for (unsigned i = 0; i < 20 && status == 0; i++) {
        snprintf(other, sizeof(other), "%s-%u", long_name, i);
        snprintf(path, sizeof(path),
                 i % 2 == 0 ? "/dir/new-%u" : "/dir/sub/new-%u", i);
        status = put(path, true);
        if (status == 0)
            status = file_rename(path, other, 0);
    }
    return status;
}

static int do_move_dirs(void *arg)
{
    char path[40], other[40];
    int status = 0;

    (void)arg;
    for (unsigned i = 1; i < 8 && status == 0; i++) {
        snprintf(path, sizeof(path), "/dir/d%u", i);
        snprintf(other, sizeof(other), "/dir/sub/d%u", i);
        status = file_mkdir(path, 0755);
        if (status == 0)
            status = file_rename(path, other, 0);
    }
    return status;
}

static void test_renames(void **state)
{
    (void)state;
    crash("-b 1024", do_renames, "-fp");
    crash("-b 4096", do_renames, "-fp");
    crash("-b 1024", do_links, "-fp");
    crash("-b 4096", do_links, "-fp");
}

static void test_exchanges(void **state)
{
    (void)state;
    crash("-b 1024", do_exchanges, "-fp");
    crash("-b 4096", do_exchanges, "-fp");
}

static void test_renames_that_replace_in_full_blocks(void **state)
{
    (void)state;
    crash_after("-b 1024 -O ^dir_index", fill, do_replace_in_full, "-fp");
    crash_after("-b 1024", fill, do_replace_in_full, "-fp");
}

/* What e2fsck does not do without being asked, but loses nothing. */
static void test_renames_that_replace_far(void **state)
{
    (void)state;
    crash("-b 1024", do_replace_far, "-fy");
}

static void test_directories_that_move(void **state)
{
    (void)state;
    crash("-b 1024", do_move_dirs, "-fy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_renames),
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_renames_that_replace_in_full_blocks),
        cmocka_unit_test(test_renames_that_replace_far),
        cmocka_unit_test(test_directories_that_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
