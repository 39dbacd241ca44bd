/*
 * Several threads in the same directories of a file system that waits, before
 * and after everything it does: each that can be written, with yields around
 * each operation.
 */
#include "kernel/file/vfs_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/tree.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <string.h>
#include <torc/thread.h>

/* ---- The file system ----------------------------------------------------- */

static const struct fs_ops *quick;
static uint32_t random_state;
static unsigned inside[1000], writers_inside[1000]; /* by inode number */

static unsigned roll(unsigned below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 10) % below;
}

static void wait_some(void)
{
    for (unsigned i = roll(4); i > 0; i--) {
        vfs_check();
        thread_yield();
    }
}

/* In a directory are many that read, or one that changes it. */
static void enter(const struct inode *dir, bool writes)
{
    assert_true(dir->number < COUNT_OF(inside));
    assert_int_equal(writers_inside[dir->number], 0);
    assert_true(!writes || inside[dir->number] == 0);
    inside[dir->number]++;
    writers_inside[dir->number] += writes;
    wait_some();
}

static void leave(const struct inode *dir, bool writes)
{
    wait_some();
    inside[dir->number]--;
    writers_inside[dir->number] -= writes;
}

static int slow_lookup(struct inode *dir, const struct name *name,
                       struct inode **out)
{
    int status;

    enter(dir, false);
    status = quick->lookup(dir, name, out);
    leave(dir, false);
    return status;
}

static int slow_create(struct inode *dir, const struct name *name,
                       const struct new_inode *what, struct inode **out)
{
    int status;

    enter(dir, true);
    status = quick->create(dir, name, what, out);
    leave(dir, true);
    return status;
}

static int slow_link(struct inode *dir, const struct name *name,
                     struct inode *inode)
{
    int status;

    enter(dir, true);
    status = quick->link(dir, name, inode);
    leave(dir, true);
    return status;
}

static int slow_unlink(struct inode *dir, const struct name *name,
                       struct inode *inode)
{
    int status;

    enter(dir, true);
    assert_true(rwlock_is_mine(&inode->lock));
    wait_some();
    status = quick->unlink(dir, name, inode);
    leave(dir, true);
    return status;
}

static int slow_rename(const struct rename *rename)
{
    int status;

    enter(rename->dir1, true);
    if (rename->dir2 != rename->dir1)
        enter(rename->dir2, true);
    assert_true(rwlock_is_mine(&rename->inode1->lock));
    status = quick->rename(rename);
    if (rename->dir2 != rename->dir1)
        leave(rename->dir2, true);
    leave(rename->dir1, true);
    return status;
}

static int slow_readdir(struct inode *dir, uint64_t *cursor,
                        struct dir_entry *entry)
{
    int status;

    enter(dir, false);
    status = quick->readdir(dir, cursor, entry);
    leave(dir, false);
    return status;
}

static int slow_evict(struct inode *inode)
{
    int status;

    wait_some();
    status = quick->inode_evict(inode);
    wait_some();
    return status;
}

static struct fs_ops slow;

static struct mount *mount_slow(void)
{
    const struct mount_table *table;

    world_mount();
    world_disk.by_interrupt = true;
    table = cpu_self()->mounts;
    quick = table->root->mount->ops;
    slow = *quick;
    slow.lookup = slow_lookup;
    slow.create = slow_create;
    slow.link = slow_link;
    slow.unlink = slow_unlink;
    slow.rename = slow_rename;
    slow.readdir = slow_readdir;
    slow.inode_evict = slow_evict;
    table->root->mount->ops = &slow;
    table->root->mount->cached_max = 6;
    return table->root->mount;
}

/* ---- Threads ------------------------------------------------------------- */

enum { THREADS = 4, STEPS = 150 };

static int made, removed;  /* names, by calls that said so */
static unsigned counts[2]; /* calls that did something, that did not */

/* One to three of three names; so most paths are shared. */
static void pick(char *path)
{
    unsigned depth = 1 + roll(3);

    path[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        char part[3] = {'/', (char)('a' + (char)roll(3)), '\0'};

        strcat(path, part);
    }
}

static int make_file(const char *path)
{
    struct file *file;
    int status =
        file_open(path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, 0, &file);

    if (status == 0)
        file_close(file);
    return status;
}

static int list(const char *path)
{
    struct dir_entry entry;
    struct file *dir;
    int status = file_open(path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);

    if (status != 0)
        return status;
    while ((status = dir_read(dir, &entry)) == 1)
        thread_yield();
    file_close(dir);
    return status;
}

static int step(void)
{
    char a[16], b[16];
    unsigned call = roll(9);
    int status;

    pick(a);
    pick(b);
    if (call <= 1)
        status = file_mkdir(a, 0);
    else if (call == 2)
        status = make_file(a);
    else if (call == 3)
        status = file_unlink(a);
    else if (call == 4)
        status = file_rmdir(a);
    else if (call == 5)
        status = file_link(a, b);
    else if (call == 6)
        return list(a);
    else
        return file_rename(
            a, b, call == 7 ? FILE_RENAME_NOREPLACE : FILE_RENAME_EXCHANGE);
    if (status == 0 && (call <= 2 || call == 5))
        made++;
    else if (status == 0)
        removed++;
    return status;
}

static int work(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STEPS; i++) {
        counts[step() != 0]++;
        vfs_check();
        wait_some();
    }
    return 0;
}

static void test_threads_in_the_same_directories(void **state)
{
    static struct tree tree;

    (void)state;
    world_attach(16 << 20);
    for (uint32_t seed = 1; seed <= 30; seed++) {
        thread_id ids[THREADS];
        struct mount *mount = mount_slow();

        random_state = seed;
        made = removed = 0;
        memset(inside, 0, sizeof(inside));
        memset(writers_inside, 0, sizeof(writers_inside));
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(thread_create(NULL, work, NULL, &ids[i]), 0);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(thread_join(ids[i], NULL), 0);
        assert_int_equal(mount->used_count, 1);
        vfs_check();
        /* No name came or went but by a call that said so. */
        tree_read(&tree);
        assert_int_equal(tree.count, made - removed);
        mount->ops = quick;
        world_disk.by_interrupt = false;
        world_unmount();
    }
    assert_true(counts[0] > 2000 && counts[1] > 2000);
    world_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_in_the_same_directories),
    };

    return world_run("threads", tests, COUNT_OF(tests));
}
