/*
 * Attributes that are to be written: a file system of this file's own, whose
 * inode table is an array of modes. It fails, or waits, where it is told to.
 */
#include "kernel/file/file_internal.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/fakes/root_mount.h"
#include <string.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { ROOT = 1, FILES = 40, UNUSED_MAX = 4 };

static struct ramblk disk;
static uint8_t bytes[64 * 4096];
static uint16_t table[FILES + 2]; /* the mode of each inode, as written */
static unsigned writes, fs_syncs;
static int write_status;
static struct event *writing; /* what inode_write() waits for; or NULL */
static unsigned waiting;
static unsigned evictions;
static unsigned drops[2]; /* of removed ones: not evicted, evicted */
static int evict_status;
static struct event *evicting; /* what inode_evict() waits for; or NULL */
static unsigned evict_yields;  /* how often inode_evict() lets others run */
static void (*on_drop)(void);  /* what happens once in inode_drop(); or NULL */
static uint64_t now;

static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    struct inode *inode = container_of(mapping, struct inode, pages);

    *out = (struct extent){EXTENT_DATA, inode->number * 8 + sector, sectors};
    if (mode == MAP_WRITE)
        inode_dirty(inode, INODE_REST); /* as if it had been allocated */
    return 0;
}

static int read_inode(struct inode *inode)
{
    static const struct mapping_ops map_ops = {.map = map};

    inode->links = 1;
    inode->mode = table[inode->number];
    inode->type = inode->number == ROOT ? FILE_DIRECTORY : FILE_REGULAR;
    inode->size_bytes = inode->number == ROOT ? 0 : 4096;
    return inode->number == ROOT ? 0
                                 : mapping_init(&inode->pages, &map_ops,
                                                &inode->mount->open, 8, 4096);
}

static int write_inode(struct inode *inode)
{
    writes++;
    waiting++;
    if (writing != NULL)
        assert_int_equal(event_wait(writing, TIME_NEVER), 0);
    waiting--;
    if (write_status == 0)
        table[inode->number] = inode->mode;
    return write_status;
}

static int unlink(struct inode *dir, const struct name *name,
                  struct inode *inode)
{
    (void)dir;
    (void)name;
    inode->links = 0;
    return 0;
}

static int evict(struct inode *inode)
{
    assert_int_equal(inode->links, 0);
    assert_false(inode->is_evicted);
    evictions++;
    if (evicting != NULL)
        assert_int_equal(event_wait(evicting, TIME_NEVER), 0);
    for (unsigned i = 0; i < evict_yields; i++)
        thread_yield();
    return evict_status;
}

static void drop(struct inode *inode)
{
    void (*happens)(void) = on_drop;

    on_drop = NULL;
    if (happens != NULL)
        happens();
    if (inode->links == 0)
        drops[inode->is_evicted]++;
}

static int sync_fs(struct mount *mount)
{
    assert_int_equal(mount->writing_count, 0);
    fs_syncs++;
    return 0;
}

static int lookup(struct inode *dir, const struct name *name,
                  struct inode **out)
{
    return inode_get(dir->mount, (uint64_t)(name->text[0] - 'A') + 2, out);
}

static void unmount(struct mount *mount)
{
    (void)mount;
}

static struct fs_ops ops = {
    .inode_size = sizeof(struct inode),
    .inode_read = read_inode,
    .inode_write = write_inode,
    .pages_write = mapping_write,
    .inode_evict = evict,
    .inode_drop = drop,
    .sync_fs = sync_fs,
    .lookup = lookup,
    .unlink = unlink,
    .unmount = unmount,
};

static int mount_table(struct mount *mount, const void *options)
{
    (void)options;
    mount->ops = &ops;
    mount->root_number = ROOT;
    mount->cached_max = UNUSED_MAX;
    return page_cache_start_flusher();
}

static const struct file_system fs = {.type = "table", .mount = mount_table};
static const struct file_system *const file_systems[] = {&fs, NULL};

static int setup(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    writes = fs_syncs = waiting = 0;
    evictions = drops[0] = drops[1] = 0;
    write_status = evict_status = 0;
    writing = evicting = NULL;
    evict_yields = 0;
    on_drop = NULL;
    machine_attach(16 << 20);
    now = 1000 * NS_PER_S;
    clock_set(now);
    vfs_init(file_systems);
    ramblk_init(&disk, bytes, sizeof(bytes));
    return file_mount(&disk.block.device, "/", NULL);
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    page_cache_check();
    clock_set(0);
    machine_detach();
    return 0;
}

static void pass(uint64_t ns)
{
    now += ns;
    clock_set(now);
    timer_run(now);
    for (unsigned i = 0; i < 8; i++)
        thread_yield();
    vfs_check();
}

static void chmod_file(unsigned i, uint32_t mode)
{
    const char path[] = {'/', (char)('A' + i), '\0'};

    assert_int_equal(file_chmod(path, true, mode), 0);
    vfs_check();
}

static void test_written_after_five_seconds(void **state)
{
    (void)state;
    pass(0);
    chmod_file(0, 0600);
    pass(3 * NS_PER_S);
    chmod_file(1, 0640);
    chmod_file(0, 0644); /* it was dirty already */
    pass(2 * NS_PER_S - 1);
    assert_int_equal(writes, 0);
    pass(1);
    assert_int_equal(writes, 1);
    assert_int_equal(table[2], 0644);
    pass(3 * NS_PER_S);
    assert_int_equal(writes, 2);
    assert_int_equal(table[3], 0640);
    pass(1000 * NS_PER_S);
    assert_int_equal(writes, 2);
    assert_int_equal(timer_next(), TIME_NEVER);
}

static void test_tried_again(void **state)
{
    (void)state;
    write_status = -EIO;
    chmod_file(0, 0600);
    pass(5 * NS_PER_S);
    assert_int_equal(writes, 1);
    pass(5 * NS_PER_S - 1);
    assert_int_equal(writes, 1);
    write_status = 0;
    pass(1);
    assert_int_equal(writes, 2);
    assert_int_equal(table[2], 0600);
}

/* Pages first: what is allocated for them is written with the rest. */
static void test_pages_before_attributes(void **state)
{
    struct file *file;

    (void)state;
    assert_int_equal(file_open("/A", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_write_at(file, "data", 4, 0), 4);
    file_close(file);
    pass(5 * NS_PER_S);
    assert_int_equal(writes, 1);
    assert_memory_equal(bytes + 2 * 4096, "data", 4);
    pass(20 * NS_PER_S);
    assert_int_equal(writes, 1);
}

static void test_sync(void **state)
{
    struct file *file;

    (void)state;
    assert_int_equal(file_open("/A", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(writes, 0);
    chmod_file(0, 0600);
    write_status = -EIO;
    assert_int_equal(file_sync(file), -EIO);
    write_status = 0;
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(table[2], 0600);
    assert_int_equal(writes, 2);
    /* Times alone are not what data need. */
    inode_dirty(file->inode, INODE_TIMES);
    assert_int_equal(file_data_sync(file), 0);
    assert_int_equal(writes, 2);
    inode_dirty(file->inode, INODE_REST);
    assert_int_equal(file_data_sync(file), 0);
    assert_int_equal(writes, 3);
    file_close(file);
}

/* None leaves the memory unwritten, and there are not many more than may be. */
static void test_unused_ones_are_written_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FILES; i++)
        chmod_file(i, 0400 + i);
    assert_true(root_mount()->unused_count <= UNUSED_MAX);
    for (unsigned i = 0; i < FILES; i++) {
        struct file_stat stat;
        const char path[] = {'/', (char)('A' + i), '\0'};

        assert_int_equal(file_stat(path, false, &stat), 0);
        assert_int_equal(stat.mode, 0400 + i);
    }
    assert_true(writes >= FILES - UNUSED_MAX);
}

static void test_unused_ones_that_cannot_be_written_stay(void **state)
{
    (void)state;
    write_status = -EIO;
    for (unsigned i = 0; i < FILES; i++)
        chmod_file(i, 0400 + i);
    assert_int_equal(root_mount()->unused_count, FILES);
    inodes_shrink(root_mount(), 0, false);
    assert_int_equal(root_mount()->unused_count, FILES);
    vfs_check();
    write_status = 0;
    assert_int_equal(file_unmount("/"), 0);
    for (unsigned i = 0; i < FILES; i++)
        assert_int_equal(table[i + 2], 0400 + i);
    assert_int_equal(fs_syncs, 1);
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

static int do_unmount(void *arg)
{
    (void)arg;
    return file_unmount("/");
}

/* It stays while the flusher writes it; and the mount does. */
static void test_unmount_while_one_is_written(void **state)
{
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(event_create(&writing), 0);
    chmod_file(0, 0600);
    pass(5 * NS_PER_S);
    assert_int_equal(waiting, 1);
    chmod_file(0, 0640); /* and it is changed meanwhile */
    inodes_shrink(root_mount(), 0, false);
    inodes_shrink(root_mount(), 0, true);
    assert_int_equal(root_mount()->unused_count, 1);
    assert_int_equal(thread_create(NULL, do_unmount, NULL, &id), 0);
    for (unsigned i = 0; i < 20; i++)
        thread_yield();
    assert_non_null(cpu_self()->mounts);
    assert_int_equal(waiting, 1);
    assert_int_equal(event_set(writing), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(event_destroy(writing), 0);
    writing = NULL;
    assert_int_equal(writes, 2);
    assert_int_equal(table[2], 0640);
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

/* What an unmount cannot write is lost, which the log says. */
static void test_unmount_loses(void **state)
{
    (void)state;
    chmod_file(0, 0600);
    write_status = -EIO;
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(table[2], 0);
    write_status = 0;
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

static void test_remount_writes(void **state)
{
    (void)state;
    chmod_file(0, 0600);
    write_status = -EIO;
    assert_int_equal(file_remount("/", true), -EIO);
    assert_false(root_mount()->is_read_only);
    write_status = 0;
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(table[2], 0600);
    assert_int_equal(writes, 2);
}

/* ---- Inodes that were removed -------------------------------------------- */

static void remove_a(int status)
{
    evict_status = status;
    assert_int_equal(file_unlink("/A"), 0);
    assert_int_equal(evictions, 1);
    assert_int_equal(drops[0] + drops[1], status == 0);
    vfs_check();
}

/* What cannot be freed now is freed later, and nobody waits for it. */
static void test_evicted_by_a_sync(void **state)
{
    struct mount *mount = root_mount();
    struct inode *again;

    (void)state;
    remove_a(-EIO);
    assert_false(inode_is_known(mount, 2));
    assert_int_equal(inode_get(mount, 2, &again),
                     0); /* if the number is free */
    inode_put(again);
    assert_int_equal(file_sync_mount("/"), -EIO);
    assert_int_equal(evictions, 2);
    vfs_check();
    evict_status = 0;
    assert_int_equal(vfs_sync_mount(mount), 0);
    assert_int_equal(evictions, 3);
    assert_int_equal(drops[1], 1);
    assert_int_equal(vfs_sync_mount(mount), 0);
    assert_int_equal(evictions, 3);
    assert_int_equal(drops[0], 0);
}

/* Read-only means that nothing is to be written. */
static void test_evicted_before_it_is_read_only(void **state)
{
    (void)state;
    remove_a(-EIO);
    assert_int_equal(file_remount("/", true), -EIO);
    assert_int_equal(evictions, 2);
    assert_false(root_mount()->is_read_only);
    evict_status = 0;
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(evictions, 3);
    assert_int_equal(drops[1], 1);
}

static void test_evicted_by_the_flusher(void **state)
{
    unsigned before;

    (void)state;
    pass(0);
    remove_a(-ENOMEM);
    for (unsigned i = 2; i < 5; i++) {
        pass(5 * NS_PER_S - 1);
        assert_int_equal(evictions, i - 1);
        pass(1);
        assert_int_equal(evictions, i);
    }
    /* What becomes dirty meanwhile is not written later for it. */
    pass(4 * NS_PER_S);
    chmod_file(1, 0600);
    before = writes;
    evict_status = 0;
    pass(NS_PER_S);
    assert_int_equal(evictions, 5);
    assert_int_equal(drops[1], 1);
    assert_int_equal(writes, before);
    pass(4 * NS_PER_S);
    assert_int_equal(writes, before + 1);
    pass(1000 * NS_PER_S);
    assert_int_equal(evictions, 5);
    assert_int_equal(timer_next(), TIME_NEVER);
}

/* The end of the mount tries it once more. */
static void test_never_evicted(void **state)
{
    (void)state;
    remove_a(-EIO);
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(evictions, 2);
    assert_int_equal(drops[0], 1);
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

/* Also where errors have made the volume read-only. */
static void test_evicted_by_an_unmount(void **state)
{
    (void)state;
    remove_a(-EIO);
    root_mount()->is_read_only = true;
    evict_status = 0;
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(evictions, 2);
    assert_int_equal(drops[1], 1);
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

static int unmount_it(void *arg)
{
    (void)arg;
    return file_unmount("/");
}

/* The mount stays until what has begun has ended. */
static void test_unmount_waits_for_an_eviction(void **state)
{
    thread_id id;
    int value;

    (void)state;
    pass(0);
    remove_a(-EIO);
    assert_int_equal(event_create(&evicting), 0);
    pass(5 * NS_PER_S); /* the flusher waits */
    assert_int_equal(evictions, 2);
    assert_int_equal(thread_create(NULL, unmount_it, NULL, &id), 0);
    for (unsigned i = 0; i < 8; i++)
        thread_yield();
    assert_non_null(((struct mount_table *)cpu_self()->mounts)->root);
    evict_status = 0;
    assert_int_equal(event_set(evicting), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(drops[1], 1);
    assert_int_equal(event_destroy(evicting), 0);
    evicting = NULL;
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

/* The flusher tries again, and has not ended. */
static void an_eviction_begins(void)
{
    evict_yields = 20;
    now += 5 * NS_PER_S;
    clock_set(now);
    timer_run(now);
    while (evictions < 3)
        thread_yield();
}

/* What fails while the inodes are freed is freed, too. */
static void test_an_eviction_that_fails_during_an_unmount(void **state)
{
    (void)state;
    pass(0);
    remove_a(-EIO);
    on_drop = an_eviction_begins;
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(evictions, 3);
    assert_int_equal(drops[0], 1);
    evict_yields = 0;
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_written_after_five_seconds),
        ATTACHED(test_tried_again),
        ATTACHED(test_pages_before_attributes),
        ATTACHED(test_sync),
        ATTACHED(test_unused_ones_are_written_first),
        ATTACHED(test_unused_ones_that_cannot_be_written_stay),
        ATTACHED(test_unmount_while_one_is_written),
        ATTACHED(test_unmount_loses),
        ATTACHED(test_remount_writes),
        ATTACHED(test_evicted_by_a_sync),
        ATTACHED(test_evicted_before_it_is_read_only),
        ATTACHED(test_evicted_by_the_flusher),
        ATTACHED(test_never_evicted),
        ATTACHED(test_evicted_by_an_unmount),
        ATTACHED(test_unmount_waits_for_an_eviction),
        ATTACHED(test_an_eviction_that_fails_during_an_unmount),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
