/*
 * Holes, advisory locks, extended attributes, the working directory, and what
 * is asked of a file system as a whole, of each that can be written.
 */
#include "kernel/file/file_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/root_mount.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { RW = FILE_READ | FILE_WRITE };

static int setup(void **state)
{
    (void)state;
    world_attach(16 << 20);
    world_mount();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    assert_int_equal(file_chdir("/"), 0);
    world_unmount();
    world_detach();
    return 0;
}

static struct file *open_new(const char *path)
{
    struct file *file;

    assert_int_equal(file_open(path, RW | FILE_CREATE, 0644, &file), 0);
    return file;
}

static void make_file(const char *path)
{
    file_close(open_new(path));
}

static struct file_stat stat_of(struct file *file)
{
    struct file_stat stat;

    assert_int_equal(file_fstat(file, &stat), 0);
    return stat;
}

/* ---- Holes --------------------------------------------------------------- */

static void test_seek_data_and_holes(void **state)
{
    /* Data at pages 1 and 3, and a byte in page 5; the end is in page 6. */
    static const struct {
        int64_t from, data, hole;
    } rows[] = {
        {0, 4096, 0},
        {1, 4096, 1},
        {4096, 4096, 8192},
        {5000, 5000, 8192},
        {8191, 8191, 8192},
        {8192, 12288, 8192},
        {16383, 16383, 16384},
        {16384, 20480, 16384},
        {20490, 20490, 24576},
        {24576, -ENXIO, 24576},
        {24999, -ENXIO, 24999},
        {25000, -ENXIO, -ENXIO},
        {30000, -ENXIO, -ENXIO},
        {-1, -EINVAL, -EINVAL},
    };
    static char page[4096];
    struct file *file = open_new("/f");

    (void)state;
    assert_int_equal(file_write_at(file, page, 4096, 4096), 4096);
    assert_int_equal(file_write_at(file, page, 4096, 3 * 4096), 4096);
    assert_int_equal(file_write_at(file, page, 1, 5 * 4096 + 9), 1);
    assert_int_equal(file_truncate(file, 25000), 0);
    assert_int_equal(file_read_at(file, page, 100, 0), 100); /* of a hole */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(file_seek(file, 7, FILE_SEEK_SET), 7);
        assert_int_equal(file_seek(file, rows[i].from, FILE_SEEK_DATA),
                         rows[i].data);
        assert_int_equal(file_seek(file, 0, FILE_SEEK_CUR),
                         rows[i].data < 0 ? 7 : rows[i].data);
        assert_int_equal(file_seek(file, rows[i].from, FILE_SEEK_HOLE),
                         rows[i].hole);
    }
    file_close(file);
}

static void test_allocate(void **state)
{
    static const struct {
        uint64_t offset, len;
        unsigned flags;
        int status;
        uint64_t size, blocks;
    } rows[] = {
        {0, 1, 0, 0, 10000, 24},
        {0, 20000, 0, 0, 20000, 40},
        {20000, 10, 0, 0, 20010, 16 + 8},
        {50000, 10, 0, 0, 50010, 16 + 8},
        {0, 10000, FILE_KEEP_SIZE, 0, 10000, 24},
        {0, 10001, FILE_KEEP_SIZE, -ENOTSUP, 10000, 16},
        {0, 0, 0, -EINVAL, 10000, 16},
        {0, 1, 4, -EINVAL, 10000, 16},
        {0, 1, FILE_PUNCH_HOLE, -EINVAL, 10000, 16},
        {0, UINT64_MAX, 0, -EFBIG, 10000, 16},
        {UINT64_MAX, 2, 0, -EFBIG, 10000, 16},
        {INT64_MAX, 1, 0, -EFBIG, 10000, 16},
        {1 << 20, 1 << 20, FILE_KEEP_SIZE | FILE_PUNCH_HOLE, 0, 10000, 16},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file *file = open_new("/f");
        struct file_stat stat;
        char buf[3];

        /* Pages 0 and 2; page 1 is a hole. */
        assert_int_equal(file_write_at(file, "abc", 3, 0), 3);
        assert_int_equal(file_write_at(file, "xyz", 3, 9997), 3);
        assert_int_equal(
            file_allocate(file, rows[i].offset, rows[i].len, rows[i].flags),
            rows[i].status);
        stat = stat_of(file);
        assert_int_equal(stat.size_bytes, rows[i].size);
        if (i != 0)
            assert_int_equal(stat.blocks, rows[i].blocks);
        assert_int_equal(file_read_at(file, buf, 3, 0), 3);
        assert_memory_equal(buf, "abc", 3);
        assert_int_equal(file_read_at(file, buf, 3, 9997), 3);
        assert_memory_equal(buf, "xyz", 3);
        vfs_check();
        file_close(file);
        assert_int_equal(file_unlink("/f"), 0);
    }
}

/* Zeros where it was punched, pages that lie in it as a whole are gone, and
 * nothing else has changed. */
static void test_punch(void **state)
{
    static const struct {
        uint64_t offset, len, blocks;
    } rows[] = {
        {0, 4096, 24},     {0, 8192, 16},    {100, 50, 32},
        {100, 3996, 32},   {100, 3997, 32},  {100, 8192, 24},
        {4095, 2, 32},     {4095, 4098, 24}, {12288, 1000, 32},
        {12288, 1712, 24}, {13999, 1, 32},   {13000, 5000, 32},
        {0, 14000, 0},     {0, 1 << 30, 0},  {14000, 100, 32},
        {5, 13000, 16},
    };
    static unsigned char data[14000], buf[14000];

    (void)state;
    memset(data, 'd', sizeof(data));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file *file = open_new("/f");

        assert_int_equal(file_write(file, data, 14000), 14000);
        assert_int_equal(file_allocate(file, rows[i].offset, rows[i].len,
                                       FILE_PUNCH_HOLE | FILE_KEEP_SIZE),
                         0);
        vfs_check();
        assert_int_equal(stat_of(file).size_bytes, 14000);
        assert_int_equal(stat_of(file).blocks, rows[i].blocks);
        assert_int_equal(file_read_at(file, buf, 14000, 0), 14000);
        for (uint64_t at = 0; at < 14000; at++)
            assert_int_equal(buf[at], at >= rows[i].offset &&
                                              at - rows[i].offset < rows[i].len
                                          ? 0
                                          : 'd');
        file_close(file);
        assert_int_equal(file_unlink("/f"), 0);
    }
}

/* ---- Locks --------------------------------------------------------------- */

static void test_locks(void **state)
{
    static const struct {
        const char *name;
        enum file_lock_type held, wanted;
        uint64_t offset, len, want_offset, want_len;
        int status;
    } rows[] = {
        {"shared", FILE_LOCK_SHARED, FILE_LOCK_SHARED, 0, 10, 0, 10, 0},
        {"excl.", FILE_LOCK_EXCLUSIVE, FILE_LOCK_SHARED, 0, 10, 0, 10, -EAGAIN},
        {"both", FILE_LOCK_SHARED, FILE_LOCK_EXCLUSIVE, 0, 10, 0, 10, -EAGAIN},
        {"behind", FILE_LOCK_EXCLUSIVE, FILE_LOCK_EXCLUSIVE, 0, 10, 10, 1, 0},
        {"last", FILE_LOCK_EXCLUSIVE, FILE_LOCK_EXCLUSIVE, 0, 10, 9, 1,
         -EAGAIN},
        {"before", FILE_LOCK_EXCLUSIVE, FILE_LOCK_EXCLUSIVE, 5, 10, 0, 5, 0},
        {"first", FILE_LOCK_EXCLUSIVE, FILE_LOCK_EXCLUSIVE, 5, 10, 0, 6,
         -EAGAIN},
        {"to the end", FILE_LOCK_EXCLUSIVE, FILE_LOCK_SHARED, 5, 0, UINT64_MAX,
         1, -EAGAIN},
        {"all", FILE_LOCK_EXCLUSIVE, FILE_LOCK_SHARED, 50, 1, 0, 0, -EAGAIN},
        {"wraps", FILE_LOCK_SHARED, FILE_LOCK_SHARED, 0, 1, UINT64_MAX, 2,
         -EINVAL},
    };
    struct file *one = open_new("/f"), *two = open_new("/f");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(
            file_lock(one, rows[i].held, rows[i].offset, rows[i].len, 0), 0);
        ROW(rows[i].name, file_lock(two, rows[i].wanted, rows[i].want_offset,
                                    rows[i].want_len, 0) == rows[i].status);
        assert_int_equal(file_lock(one, FILE_UNLOCK, 0, 0, 0), 0);
        ROW(rows[i].name, file_lock(two, rows[i].wanted, 0, 0, 0) == 0);
        assert_int_equal(file_lock(two, FILE_UNLOCK, 0, 0, 0), 0);
        assert_null(one->inode->locks);
    }
    file_close(one);
    file_close(two);
}

/* What one owner locks again changes; an unlock in the middle leaves two. */
static void test_locks_of_one_owner(void **state)
{
    struct file *one = open_new("/f"), *two = open_new("/f");

    (void)state;
    assert_int_equal(file_lock(one, FILE_LOCK_EXCLUSIVE, 0, 100, 0), 0);
    assert_int_equal(file_lock(one, FILE_LOCK_SHARED, 10, 10, 0), 0);
    assert_int_equal(file_lock(one, FILE_UNLOCK, 50, 10, 0), 0);
    for (uint64_t at = 0; at < 110; at++) {
        bool is_free = (at >= 50 && at < 60) || at >= 100;
        bool is_shared = at >= 10 && at < 20;

        assert_int_equal(file_lock(two, FILE_LOCK_EXCLUSIVE, at, 1, 0),
                         is_free ? 0 : -EAGAIN);
        assert_int_equal(file_lock(two, FILE_LOCK_SHARED, at, 1, 0),
                         is_free || is_shared ? 0 : -EAGAIN);
        assert_int_equal(file_lock(two, FILE_UNLOCK, at, 1, 0), 0);
    }
    file_close(one); /* all of its locks go */
    assert_int_equal(file_lock(two, FILE_LOCK_EXCLUSIVE, 0, 0, 0), 0);
    file_close(two);
}

static int wait_for_lock(void *arg)
{
    return file_lock(arg, FILE_LOCK_EXCLUSIVE, 5, 1, TIME_NEVER);
}

static void test_locks_are_waited_for(void **state)
{
    struct file *one = open_new("/f"), *two = open_new("/f");
    struct file *three = open_new("/f");
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(file_lock(one, FILE_LOCK_SHARED, 0, 10, 0), 0);
    assert_int_equal(
        file_lock(two, FILE_LOCK_EXCLUSIVE, 0, 1, time_ns() + NS_PER_MS),
        -ETIMEDOUT);
    assert_int_equal(thread_create(NULL, wait_for_lock, two, &id), 0);
    thread_yield();
    assert_int_equal(file_lock(one, FILE_UNLOCK, 0, 3, 0), 0); /* not that */
    thread_yield();
    assert_int_equal(file_lock(three, FILE_LOCK_SHARED, 5, 1, 0), 0);
    assert_int_equal(file_lock(three, FILE_UNLOCK, 5, 1, 0), 0);
    file_close(one);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(file_lock(three, FILE_LOCK_SHARED, 5, 1, 0), -EAGAIN);
    /* One that is killed leaves nothing. */
    assert_int_equal(thread_create(NULL, wait_for_lock, three, &id), 0);
    thread_yield();
    assert_int_equal(thread_kill(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -ECANCELED);
    file_close(two);
    assert_null(three->inode->locks);
    file_close(three);
}

static void test_locks_without_memory(void **state)
{
    struct file *one = open_new("/f");
    size_t blocks = stats().block_count;
    unsigned failures = 0;
    int status;

    (void)state;
    for (uint64_t n = 1;; n++) {
        heap_fail(n);
        status = file_lock(one, FILE_LOCK_EXCLUSIVE, 0, 0, 0);
        if (!heap_failed())
            break;
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(stats().block_count, blocks);
        failures++;
    }
    heap_fail(0);
    assert_int_equal(failures, 3);
    assert_int_equal(status, 0);
    file_close(one);
}

/* ---- Extended attributes ------------------------------------------------- */

static void test_xattr_names(void **state)
{
    static char many[300] = "user.";
    static const struct {
        const char *path, *name;
        bool follow;
        int status; /* of a change; but for a -EPERM reading says the same */
    } rows[] = {
        {"/f", "user.a", true, 0},          {"/f", "trusted.a", true, 0},
        {"/f", "security.a", true, 0},      {"/d", "user.a", true, 0},
        {"/l", "user.a", true, 0},          {"/l", "user.a", false, -EPERM},
        {"/l", "trusted.a", false, 0},      {"/p", "user.a", true, -EPERM},
        {"/c", "user.a", true, -EPERM},     {"/c", "user.", true, -EINVAL},
        {"/p", "security.a", true, 0},      {"/f", "user.", true, -EINVAL},
        {"/f", "system.a", true, -ENOTSUP}, {"/f", "a", true, -ENOTSUP},
        {"/f", "", true, -ENOTSUP},         {"/f", many, true, -ERANGE},
        {"/none", "user.a", true, -ENOENT},
    };

    (void)state;
    memset(many + 5, 'x', 256);
    make_file("/f");
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_symlink("d", "/l"), 0);
    assert_int_equal(file_make_node("/p", FILE_FIFO, 0600, 0), 0);
    assert_int_equal(file_make_node("/c", FILE_CHARACTER, 0600, 7), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const int64_t read = rows[i].status == -EPERM ? -ENODATA
                             : rows[i].status == 0    ? 1
                                                      : rows[i].status;
        char buf[10];

        ROW(rows[i].name,
            file_xattr_set(rows[i].path, rows[i].follow, rows[i].name, "v", 1,
                           0) == rows[i].status);
        ROW(rows[i].name,
            file_xattr_get(rows[i].path, rows[i].follow, rows[i].name, buf,
                           sizeof(buf)) == read);
        ROW(rows[i].name, file_xattr_remove(rows[i].path, rows[i].follow,
                                            rows[i].name) == rows[i].status);
    }
}

static void test_xattr_values(void **state)
{
    static char large[65537], buf[65537];

    (void)state;
    make_file("/f");
    memset(large, 'l', sizeof(large));
    assert_int_equal(file_xattr_list("/f", true, buf, 10), 0);
    assert_int_equal(file_xattr_get("/f", true, "user.a", buf, 10), -ENODATA);
    assert_int_equal(file_xattr_remove("/f", true, "user.a"), -ENODATA);
    assert_int_equal(
        file_xattr_set("/f", true, "user.a", "one", 3, FILE_XATTR_REPLACE),
        -ENODATA);
    assert_int_equal(
        file_xattr_set("/f", true, "user.a", "one", 3, FILE_XATTR_CREATE), 0);
    assert_int_equal(
        file_xattr_set("/f", true, "user.a", "two", 3, FILE_XATTR_CREATE),
        -EEXIST);
    assert_int_equal(file_xattr_set("/f", true, "user.a", "two", 3, 3),
                     -EINVAL);
    assert_int_equal(file_xattr_set("/f", true, "user.b", NULL, 0, 0), 0);
    assert_int_equal(file_xattr_get("/f", true, "user.b", buf, 10), 0);
    assert_int_equal(
        file_xattr_set("/f", true, "user.a", "longer", 6, FILE_XATTR_REPLACE),
        0);
    assert_int_equal(file_xattr_get("/f", true, "user.a", buf, 10), 6);
    assert_memory_equal(buf, "longer", 6);
    assert_int_equal(file_xattr_get("/f", true, "user.a", buf, 5), -ERANGE);
    assert_int_equal(file_xattr_get("/f", true, "user.a", NULL, 0), 6);
    assert_int_equal(file_xattr_list("/f", true, NULL, 0), 14);
    assert_int_equal(file_xattr_list("/f", true, buf, 13), -ERANGE);
    assert_int_equal(file_xattr_list("/f", true, buf, 14), 14);
    assert_memory_equal(buf, "user.a\0user.b\0", 14);
    assert_int_equal(file_xattr_set("/f", true, "user.c", large, 65537, 0),
                     -E2BIG);
    assert_int_equal(file_xattr_set("/f", true, "user.c", large, 65536, 0), 0);
    assert_int_equal(file_xattr_get("/f", true, "user.c", buf, 65536), 65536);
    assert_memory_equal(buf, large, 65536);
    assert_int_equal(file_xattr_remove("/f", true, "user.a"), 0);
    assert_int_equal(file_xattr_list("/f", true, buf, 20), 14);
    assert_memory_equal(buf, "user.b\0user.c\0", 14);
    /* A failing allocation changes nothing. */
    heap_fail(1);
    assert_int_equal(file_xattr_set("/f", true, "user.b", "new", 3, 0),
                     -ENOMEM);
    heap_fail(0);
    assert_int_equal(file_xattr_get("/f", true, "user.b", buf, 10), 0);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(file_xattr_set("/f", true, "user.b", "new", 3, 0), -EROFS);
    assert_int_equal(file_xattr_remove("/f", true, "user.b"), -EROFS);
    assert_int_equal(file_remount("/", false), 0);
}

/* ---- The working directory ----------------------------------------------- */

static void assert_cwd(const char *want)
{
    char buf[100];

    memset(buf, '#', sizeof(buf));
    assert_int_equal(file_getcwd(buf, sizeof(buf)), strlen(want));
    assert_string_equal(buf, want);
    /* It needs room for the NUL, and no more. */
    assert_int_equal(file_getcwd(buf, strlen(want) + 1), strlen(want));
    assert_string_equal(buf, want);
    assert_int_equal(file_getcwd(buf, strlen(want)), -ERANGE);
}

static int check_other_thread(void *arg)
{
    struct file_stat stat;

    (void)arg;
    assert_cwd("/");
    assert_int_equal(file_chdir("a/b"), 0);
    assert_int_equal(file_stat("here", true, &stat), 0);
    return 0; /* its directory is given back */
}

static void test_working_directory(void **state)
{
    struct mount *root =
        ((struct mount_table *)cpu_self()->mounts)->root->mount;
    struct file_stat stat;
    char buf[10];
    thread_id id;

    (void)state;
    assert_cwd("/");
    assert_int_equal(file_mkdir("a", 0755), 0);
    assert_int_equal(file_mkdir("/a/b", 0755), 0);
    assert_int_equal(file_symlink("a/b", "/l"), 0);
    make_file("a/b/here");
    assert_int_equal(file_chdir("/a"), 0);
    assert_cwd("/a");
    assert_int_equal(file_stat("b/here", true, &stat), 0);
    assert_int_equal(file_chdir("b"), 0);
    assert_cwd("/a/b");
    dentries_shrink(root, 0);
    assert_cwd("/a/b"); /* names are read again */
    assert_int_equal(file_stat("here", true, &stat), 0);
    assert_int_equal(file_stat("/here", true, &stat), -ENOENT);
    assert_int_equal(file_chdir("here"), -ENOTDIR);
    assert_int_equal(file_chdir("none"), -ENOENT);
    assert_int_equal(file_chdir(""), -ENOENT);
    assert_cwd("/a/b");
    assert_int_equal(file_rename("/a/b", "/c", 0), 0);
    assert_cwd("/c");
    assert_int_equal(file_rename("/c", "/a/b", 0), 0);
    assert_int_equal(file_unmount("/"), -EBUSY);
    assert_int_equal(thread_create(NULL, check_other_thread, NULL, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_cwd("/a/b");
    /* Over the edge of a mount. */
    assert_int_equal(file_mkdir("m", 0755), 0);
    assert_int_equal(file_mount_memory("m", NULL), 0);
    assert_int_equal(file_chdir("m"), 0);
    assert_cwd("/a/b/m");
    assert_int_equal(file_mkdir("in", 0755), 0);
    assert_int_equal(file_chdir("in"), 0);
    assert_cwd("/a/b/m/in");
    assert_int_equal(file_chdir("../../.."), 0);
    assert_cwd("/a");
    assert_int_equal(file_chdir("/l"), 0);
    assert_cwd("/a/b");
    assert_int_equal(file_unmount("m"), 0);
    /* One that is gone. */
    assert_int_equal(file_mkdir("x", 0755), 0);
    assert_int_equal(file_chdir("x"), 0);
    assert_int_equal(file_rmdir("/a/b/x"), 0);
    assert_int_equal(file_getcwd(buf, sizeof(buf)), -ENOENT);
    assert_int_equal(file_mkdir("y", 0755), -ENOENT);
    assert_int_equal(file_chdir("/"), 0);
    assert_int_equal(file_getcwd(buf, 1), -ERANGE);
    assert_int_equal(root->used_count, 1);
}

/* Whether its ".." was in memory makes no difference. */
static void test_parent_of_a_removed_directory(void **state)
{
    struct file_stat stat;

    (void)state;
    for (int is_known = 0; is_known < 2; is_known++) {
        assert_int_equal(file_mkdir("/a", 0755), 0);
        assert_int_equal(file_mkdir("/a/b", 0755), 0);
        assert_int_equal(file_chdir("/a/b"), 0);
        dentries_shrink(((struct mount_table *)cpu_self()->mounts)->root->mount,
                        0);
        if (is_known)
            assert_int_equal(file_stat("..", true, &stat), 0);
        assert_int_equal(file_rmdir("/a/b"), 0);
        assert_int_equal(file_stat("..", true, &stat), -ENOENT);
        assert_int_equal(file_rmdir("/a"), 0);
        assert_int_equal(file_stat("..", true, &stat), -ENOENT);
        assert_int_equal(file_chdir("/"), 0);
    }
}

/* ---- File systems -------------------------------------------------------- */

static void test_stat_fs(void **state)
{
    const struct memfs_limits limits = {.bytes = 40960, .inodes = 5};
    struct file_fs_stat stat;
    struct file *file;

    (void)state;
    assert_int_equal(file_mkdir("/m", 0755), 0);
    assert_int_equal(file_mount_memory("/m", &limits), 0);
    file = open_new("/m/f");
    assert_int_equal(file_write(file, "abc", 3), 3);
    file_close(file);
    assert_int_equal(file_stat_fs("/m/f", &stat), 0);
    assert_string_equal(stat.type, "memfs");
    assert_int_equal(stat.block_bytes, 4096);
    assert_int_equal(stat.blocks, 10);
    assert_int_equal(stat.blocks_free, 8); /* one of names */
    assert_int_equal(stat.inodes, 5);
    assert_int_equal(stat.inodes_free, 3);
    assert_false(stat.is_read_only);
    assert_int_equal(file_stat_fs("/none", &stat), -ENOENT);
    assert_int_equal(file_unmount("/m"), 0);
}

static uint64_t blocks_free(const char *path)
{
    struct file_fs_stat stat;

    assert_int_equal(file_stat_fs(path, &stat), 0);
    return stat.blocks_free;
}

/* A path on /m of 200 bytes, the last of which are a number. */
static const char *long_path(unsigned number)
{
    static char path[300];

    memset(path, 'n', sizeof(path));
    memcpy(path, "/m/", 3);
    snprintf(path + 3 + 196, 5, "%04u", number);
    return path;
}

/* Names, targets and attributes are held in memory, too: the limit counts them.
 * What does not grow has room. */
static void test_what_is_no_data_counts(void **state)
{
    const struct memfs_limits limits = {.bytes = 3 * 4096};
    static char large[8192], old[300];
    char brief[20];
    struct file_stat stat;
    struct file *file;
    unsigned names = 0, shorts;
    int status;

    (void)state;
    memset(large, 'l', sizeof(large));
    assert_int_equal(file_mkdir("/m", 0755), 0);
    assert_int_equal(file_mount_memory("/m", &limits), 0);
    assert_int_equal(blocks_free("/m"), 3);
    file = open_new("/m/f");
    assert_int_equal(blocks_free("/m"), 2);

    /* Attributes. */
    assert_int_equal(file_xattr_set("/m/f", true, "user.a", large, 4096, 0), 0);
    assert_int_equal(blocks_free("/m"), 1);
    assert_int_equal(file_xattr_set("/m/f", true, "user.b", large, 8192, 0),
                     -ENOSPC);
    assert_int_equal(file_xattr_set("/m/f", true, "user.a", large, 8192, 0), 0);
    assert_int_equal(blocks_free("/m"), 0);
    assert_int_equal(file_write(file, "x", 1), -ENOSPC);
    assert_int_equal(file_xattr_set("/m/f", true, "user.a", "a", 1, 0), 0);
    assert_int_equal(file_write(file, large, 8192), 8192);
    assert_int_equal(file_xattr_set("/m/f", true, "user.a", large, 4096, 0),
                     -ENOSPC);
    assert_int_equal(file_xattr_get("/m/f", true, "user.a", large, 9), 1);
    assert_int_equal(file_xattr_remove("/m/f", true, "user.a"), 0);
    vfs_check();

    /* Names. */
    while ((status = file_link("/m/f", long_path(names))) == 0)
        names++;
    assert_int_equal(status, -ENOSPC);
    assert_in_range(names, 10, 19); /* of 200 bytes and more in a page */
    assert_int_equal(file_mkdir(long_path(names), 0755), -ENOSPC);
    memcpy(old, long_path(0), sizeof(old));
    assert_int_equal(file_rename(old, long_path(names), 0), 0);
    assert_int_equal(file_rename(long_path(names), old, 0), 0);
    assert_int_equal(file_rename(long_path(1), old, 0), 0); /* the same file */
    vfs_check();
    for (shorts = 0; status == 0 || shorts == 0; shorts++) {
        snprintf(brief, sizeof(brief), "/m/%u", shorts);
        status = file_link("/m/f", brief);
    }
    assert_int_equal(status, -ENOSPC);
    assert_int_equal(file_rename("/m/f", long_path(names), 0), -ENOSPC);
    assert_int_equal(file_stat("/m/f", true, &stat), 0); /* it is still there */
    while (--shorts > 0) {
        snprintf(brief, sizeof(brief), "/m/%u", shorts - 1);
        assert_int_equal(file_unlink(brief), 0);
    }
    assert_int_equal(file_sync(file), 0); /* nothing is to be done for it */
    vfs_check();

    /* Targets. */
    large[400] = '\0';
    assert_int_equal(file_symlink(large, "/m/l"), -ENOSPC);
    assert_int_equal(file_unlink(long_path(0)), 0);
    assert_int_equal(file_unlink(long_path(1)), 0);
    assert_int_equal(file_symlink(large, "/m/l"), 0);
    (void)!file_link("/m/f", long_path(0));
    assert_int_equal(file_link("/m/f", long_path(1)), -ENOSPC); /* not both */
    assert_int_equal(file_unlink("/m/l"), 0);
    assert_int_equal(file_link("/m/f", long_path(1)), 0);
    file_close(file);
    assert_int_equal(file_unmount("/m"), 0);
}

static void next_is(struct file *dir, const char *name)
{
    struct dir_entry entry;

    assert_int_equal(dir_read(dir, &entry), 1);
    assert_string_equal(entry.name, name);
    assert_int_not_equal(entry.inode, 0);
}

static void test_directory_that_is_being_read(void **state)
{
    struct dir_entry entry;
    struct file_stat stat;
    struct file *dir;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    make_file("/d/a");
    assert_int_equal(file_open("/d", FILE_READ, 0, &dir), 0);
    next_is(dir, ".");
    next_is(dir, "..");
    next_is(dir, "a");
    assert_int_equal(dir_read(dir, &entry), 0);
    make_file("/d/b"); /* behind what the reader has seen */
    next_is(dir, "b");
    assert_int_equal(dir_read(dir, &entry), 0);
    file_close(dir);

    /* Up again, when nothing is known of the names. */
    dentries_shrink(root_mount(), 0);
    assert_int_equal(file_stat("/d/../d/a", true, &stat), 0);
}

/* All attributes of an inode together have a limit. */
static void test_attributes_of_an_inode_are_bounded(void **state)
{
    static char value[65536];
    char name[20];
    unsigned count = 0;

    (void)state;
    make_file("/f");
    assert_int_equal(file_xattr_set("/f", true, "user.a", value, 65536, 0), 0);
    /* More often than there is memory for all of them. */
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(file_xattr_set("/f", true, "user.b", value, 65536, 0),
                         -ENOSPC);
    do
        snprintf(name, sizeof(name), "user.%u", count++);
    while (file_xattr_set("/f", true, name, NULL, 0, 0) == 0);
    assert_in_range(count, 1000, 6000);
    assert_int_equal(file_xattr_set("/f", true, name, NULL, 0, 0), -ENOSPC);
    assert_int_equal(file_xattr_set("/f", true, "user.a", value, 65536, 0), 0);
    assert_int_equal(file_xattr_remove("/f", true, "user.a"), 0);
    assert_int_equal(file_xattr_set("/f", true, name, NULL, 0, 0), 0);
}

static void test_remount(void **state)
{
    struct file *file = open_new("/f"), *reader;
    struct file_fs_stat stat;

    (void)state;
    assert_int_equal(file_remount("/none", true), -ENOENT);
    assert_int_equal(file_remount("/f", true), -EINVAL);
    assert_int_equal(file_remount("/", true), -EBUSY); /* open for writing */
    assert_int_equal(file_open("/f", FILE_READ, 0, &reader), 0);
    file_close(file);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(file_open("/f", FILE_WRITE, 0, &file), -EROFS);
    assert_int_equal(file_unlink("/f"), -EROFS);
    assert_int_equal(file_chmod("/f", true, 0), -EROFS);
    assert_int_equal(file_stat_fs("/", &stat), 0);
    assert_true(stat.is_read_only);
    assert_int_equal(file_remount("/", false), 0);
    assert_int_equal(file_unlink("/f"), 0);
    file_close(reader);
}

/* ---- Attributes ---------------------------------------------------------- */

static void test_attributes(void **state)
{
    const struct file_time now = {.ns = FILE_TIME_NOW};
    const struct file_time omit = {.ns = FILE_TIME_OMIT};
    const struct file_time old = {-5, 999999999};
    const struct file_time bad = {0, 1000000000};
    struct file_stat stat;

    (void)state;
    make_file("/f");
    assert_int_equal(file_symlink("f", "/l"), 0);
    assert_int_equal(file_chmod("/l", true, 0177777), 0);
    assert_int_equal(file_stat("/f", false, &stat), 0);
    assert_int_equal(stat.mode, 07777);
    assert_int_equal(file_chown("/f", true, 5, FILE_SAME_ID), 0);
    assert_int_equal(file_stat("/f", false, &stat), 0);
    assert_int_equal(stat.uid, 5);
    assert_int_equal(stat.gid, 0);
    assert_int_equal(stat.mode, 01777); /* a new owner: no set-id bits */
    assert_int_equal(file_chmod("/f", true, 06767), 0); /* not for the group */
    assert_int_equal(file_chown("/f", true, FILE_SAME_ID, 6), 0);
    assert_int_equal(file_stat("/f", false, &stat), 0);
    assert_int_equal(stat.uid, 5);
    assert_int_equal(stat.gid, 6);
    assert_int_equal(stat.mode, 02767);
    assert_int_equal(file_chown("/l", false, 9, 9), 0);
    assert_int_equal(file_stat("/f", false, &stat), 0);
    assert_int_equal(stat.uid, 5);
    assert_int_equal(file_stat("/l", false, &stat), 0);
    assert_int_equal(stat.uid, 9);
    assert_int_equal(file_set_times("/f", true, old, omit), 0);
    assert_int_equal(file_stat("/f", false, &stat), 0);
    assert_int_equal(stat.atime.s, -5);
    assert_int_equal(stat.atime.ns, world_has_ns(world) ? 999999999 : 0);
    assert_true(stat.mtime.s > 0);
    assert_int_equal(file_set_times("/f", true, now, old), 0);
    assert_int_equal(file_stat("/f", false, &stat), 0);
    assert_true(stat.atime.s > 0);
    assert_int_equal(stat.mtime.s, -5);
    assert_int_equal(file_set_times("/f", true, bad, old), -EINVAL);
    assert_int_equal(file_set_times("/f", true, omit, omit), 0);
    /* A directory keeps them, and hands its group down. */
    assert_int_equal(file_mkdir("/d", 07755), 0);
    assert_int_equal(file_stat("/d", false, &stat), 0);
    assert_int_equal(stat.mode, 01755); /* no set-id bits of its own */
    assert_int_equal(file_chmod("/d", true, 02755), 0);
    assert_int_equal(file_chown("/d", true, 1, 77), 0);
    assert_int_equal(file_mkdir("/d/e", 0700), 0);
    make_file("/d/f");
    assert_int_equal(file_stat("/d/e", false, &stat), 0);
    assert_int_equal(stat.mode, 02700);
    assert_int_equal(stat.gid, 77);
    assert_int_equal(file_stat("/d/f", false, &stat), 0);
    assert_int_equal(stat.mode, 0644);
    assert_int_equal(stat.gid, 77);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_locks),
        ATTACHED(test_locks_of_one_owner),
        ATTACHED(test_locks_are_waited_for),
        ATTACHED(test_locks_without_memory),
        ATTACHED(test_xattr_names),
        ATTACHED(test_working_directory),
        ATTACHED(test_parent_of_a_removed_directory),
        ATTACHED(test_stat_fs),
        ATTACHED(test_what_is_no_data_counts),
        ATTACHED(test_remount),
        ATTACHED(test_attributes),
    };
    /* What depends on how a file system keeps its data. */
    const struct CMUnitTest memory_tests[] = {
        ATTACHED(test_seek_data_and_holes),
        ATTACHED(test_allocate),
        ATTACHED(test_punch),
        ATTACHED(test_xattr_values),
        ATTACHED(test_attributes_of_an_inode_are_bounded),
        ATTACHED(test_directory_that_is_being_read),
    };

    return world_run("more of files", tests, COUNT_OF(tests)) +
           world_run_in(&worlds[0], "more of files", memory_tests,
                        COUNT_OF(memory_tests));
}
