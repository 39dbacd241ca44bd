/*
 * Calls that must not be: of another CPU, of what is not there, of what cannot
 * be; and memory that fails where little is said of it.
 */
#include "kernel/file/file_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/root_mount.h"
#include <stdio.h>
#include <string.h>
#include <torc/thread.h>

enum { RW = FILE_READ | FILE_WRITE };

static int setup(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    return file_mount_memory("/", NULL);
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    return 0;
}

/* ---- Another CPU --------------------------------------------------------- */

/* It waits in a look-up while it is told to move. */
static int enter_and_go(void *arg)
{
    (void)arg;
    if (file_chdir("/d") != -EBUSY)
        return 1;
    thread_yield();
    return cpu_self()->id == 1 ? 0 : 2;
}

static int enter_and_stay(void *arg)
{
    (void)arg;
    if (file_chdir("/d") != 0 || thread_migrate(1) != -EBUSY)
        return 1;
    if (thread_move(thread_self(), 1) != -EBUSY || cpu_self()->id != 0)
        return 2;
    if (file_chdir("/") != 0 || thread_migrate(1) != 0)
        return 3;
    return cpu_self()->id == 1 ? 0 : 4;
}

static int move_and_enter(void *arg)
{
    struct thread_attr here = {.place = THREAD_ON_CPU, .cpu = 0};
    struct rwlock *lock;
    thread_id id;
    int value;

    (void)arg;
    if (file_mount_memory("/", NULL) != 0 || file_mkdir("/d", 0755) != 0)
        return 100;
    if (thread_create(&here, enter_and_stay, NULL, &id) != 0 ||
        thread_join(id, &value) != 0 || value != 0)
        return 101;
    lock = &root_mount()->root->lock;
    dentries_shrink(root_mount(), 0);
    rwlock_lock(lock);
    if (thread_create(&here, enter_and_go, NULL, &id) != 0)
        return 102;
    thread_yield();
    if (thread_move(id, 1) != 0)
        return 103;
    rwlock_unlock(lock);
    if (thread_join(id, &value) != 0 || value != 0)
        return 104;
    return -file_unmount("/");
}

static void test_who_is_in_a_directory_does_not_move(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 16 << 20, move_and_enter, NULL), 0);
}

/* ---- What is not there, or cannot be ------------------------------------- */

static void test_paths_that_lead_nowhere(void **state)
{
    struct device card = {.class = DEVICE_NET};
    const struct file_time now = {.ns = FILE_TIME_NOW};
    const struct file_time bad = {.ns = 1000000000};
    struct file_fs_stat fs;
    struct inode *inode;
    struct file *file;
    char buf[8];

    (void)state;
    assert_int_equal(file_chmod("/n", true, 0), -ENOENT);
    assert_int_equal(file_chown("/n", true, 1, 1), -ENOENT);
    assert_int_equal(file_set_times("/n", true, now, now), -ENOENT);
    assert_int_equal(file_set_times("/", true, now, bad), -EINVAL);
    assert_int_equal(file_set_times("/", true, bad, now), -EINVAL);
    assert_int_equal(file_xattr_list("/n", true, buf, 8), -ENOENT);
    assert_int_equal(file_xattr_get("/n", true, "user.a", buf, 8), -ENOENT);
    assert_int_equal(file_xattr_remove("/n", true, "user.a"), -ENOENT);
    assert_int_equal(file_read_link("/n", buf, 8), -ENOENT);
    assert_int_equal(file_stat_fs("/n", &fs), -ENOENT);
    assert_int_equal(file_remount("/n", true), -ENOENT);
    assert_int_equal(file_sync_mount("/n"), -ENOENT);
    assert_int_equal(file_unmount("/n"), -ENOENT);
    assert_int_equal(file_mkdir("", 0), -ENOENT);
    assert_int_equal(file_symlink("x", ""), -ENOENT);
    assert_int_equal(file_link("/", ""), -ENOENT);
    assert_int_equal(file_rename("/", "", 0), -EBUSY);
    assert_int_equal(file_rename("", "/", 0), -ENOENT);
    assert_int_equal(file_rename("/n", "/m/", 0), -ENOENT);
    assert_int_equal(file_mount(&card, "/", NULL), -EINVAL);
    assert_int_equal(file_rmdir(""), -ENOENT);
    assert_int_equal(file_unlink(""), -ENOENT);
    assert_int_equal(file_open("", FILE_WRITE | FILE_CREATE, 0, &file),
                     -ENOENT);
    assert_int_equal(inode_get(root_mount(), 77, &inode), -ENOENT);
    assert_int_equal(file_open("/.//", FILE_READ | FILE_CREATE, 0, &file),
                     -EISDIR);
    assert_int_equal(
        file_open("/..", FILE_READ | FILE_CREATE | FILE_EXCLUSIVE, 0, &file),
        -EEXIST);
}

static void test_targets_that_are_too_long(void **state)
{
    static char target[FILE_PATH_MAX + 1], path[FILE_PATH_MAX + 8];

    (void)state;
    memset(target, '/', FILE_PATH_MAX);
    assert_int_equal(file_symlink(target, "/l"), -ENAMETOOLONG);
    target[FILE_PATH_MAX - 1] = '\0';
    assert_int_equal(file_symlink(target, "/l"), 0);
    memset(path, '/', sizeof(path) - 1);
    memcpy(path, "/l", 2);
    assert_int_equal(file_chmod(path, true, 0), -ENAMETOOLONG);
    assert_int_equal(file_chmod("/l", true, 0755), 0); /* the root */
}

static void test_directories_hold_no_bytes(void **state)
{
    struct slice slice;
    unsigned count = 1;
    struct file *file, *only;
    char byte = 0;
    struct file_part part = {&byte, 1};

    (void)state;
    assert_int_equal(file_open("/", FILE_READ, 0, &file), 0);
    assert_int_equal(file_lend(file, 0, 1, &slice, &count), -EISDIR);
    assert_int_equal(count, 0);
    assert_int_equal(file_allocate(file, 0, 1, 0), -EBADF);
    file_close(file);
    assert_int_equal(file_open("/f", FILE_WRITE | FILE_CREATE, 0644, &only), 0);
    assert_int_equal(file_read_parts(only, &part, 1), -EBADF);
    /* Files that were open for writing before. */
    root_mount()->is_read_only = true;
    assert_int_equal(file_write(only, &byte, 1), -EROFS);
    assert_int_equal(file_truncate(only, 5), -EROFS);
    root_mount()->is_read_only = false;
    file_close(only);
}

/* ---- The working directory ----------------------------------------------- */

static struct fs_ops blind; /* memfs whose directories cannot be read */
static int blind_status;

static int read_nothing(struct inode *dir, uint64_t *cursor,
                        struct dir_entry *entry)
{
    (void)dir;
    (void)cursor;
    (void)entry;
    return blind_status;
}

static int64_t get_nothing(struct inode *inode, const char *name, void *value,
                           size_t size)
{
    (void)inode;
    (void)name;
    (void)value;
    (void)size;
    return -EIO;
}

static void test_working_directory_without_a_name(void **state)
{
    struct mount *mount = root_mount();
    const struct fs_ops *sees = mount->ops;
    struct file_stat stat;
    char buf[20];

    (void)state;
    assert_int_equal(file_mkdir("/a", 0), 0);
    assert_int_equal(file_mkdir("/a/b", 0), 0);
    assert_int_equal(file_chdir("/a"), 0);
    assert_int_equal(file_stat("b/..", true, &stat), 0); /* a name of /a, too */
    assert_int_equal(file_getcwd(buf, sizeof(buf)), 2);
    blind = *sees;
    blind.readdir = read_nothing;
    mount->ops = &blind;
    dentries_shrink(mount, 0);
    assert_int_equal(file_getcwd(buf, sizeof(buf)), -ENOENT);
    blind_status = -EIO;
    assert_int_equal(file_getcwd(buf, sizeof(buf)), -EIO);
    /* Nor an attribute whose name cannot be read be set. */
    blind.xattr_get = get_nothing;
    assert_int_equal(file_xattr_set("/", true, "user.a", "b", 1, 0), -EIO);
    mount->ops = sees;
    assert_int_equal(file_chdir("/"), 0);
}

/* ---- Memory that fails --------------------------------------------------- */

/* Without memory a table does not grow, and all is found all the same. */
static void test_tables_that_cannot_grow(void **state)
{
    struct file_stat stat;
    char path[20];

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/f%u", i);
        for (uint64_t n = 1; n <= 8; n++) {
            (void)!file_stat(path, true, &stat); /* its dentry is there */
            heap_fail(n);
            (void)!file_mkdir(path, 0);
            heap_fail(0);
            (void)!file_rmdir(path);
        }
        assert_int_equal(file_mkdir(path, 0), 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/f%u", i);
        assert_int_equal(file_stat(path, true, &stat), 0);
    }
}

static void test_mount_without_memory(void **state)
{
    size_t blocks = stats().block_count;
    unsigned failures = 0;
    int status;

    (void)state;
    assert_int_equal(file_mkdir("/m", 0), 0);
    blocks = stats().block_count;
    for (uint64_t n = 1;; n++) {
        heap_fail(n);
        status = file_mount_memory("/m", NULL);
        if (!heap_failed())
            break;
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(stats().block_count, blocks);
        vfs_check();
        failures++;
    }
    heap_fail(0);
    assert_int_equal(status, 0);
    assert_true(failures >= 5);
    assert_int_equal(file_unmount("/m"), 0);
    assert_int_equal(stats().block_count, blocks);
}

/* Before there is a mount memory may run short, too. */
static void test_memory_runs_short_without_mounts(void **state)
{
    (void)state;
    machine_attach(2 << 20);
    vfs_init(NULL);
    assert_null(mem_alloc(mem_total_bytes()));
    assert_int_equal(file_mount_memory("/", NULL), 0);
    assert_in_range(root_mount()->cached_max, 16, 1000);
    assert_null(mem_alloc(mem_total_bytes()));
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_in_a_directory_does_not_move),
        cmocka_unit_test(test_memory_runs_short_without_mounts),
        ATTACHED(test_paths_that_lead_nowhere),
        ATTACHED(test_targets_that_are_too_long),
        ATTACHED(test_directories_hold_no_bytes),
        ATTACHED(test_working_directory_without_a_name),
        ATTACHED(test_tables_that_cannot_grow),
        ATTACHED(test_mount_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
