/*
 * Files of a disk: a file system of this file's own, which says where pages of
 * its two files lie, keeps room for others, fails where it is told to, and
 * takes its time to free a file.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/file/file_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/fakes/root_mount.h"
#include <string.h>
#include <torc/memory.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    ROOT = 1,
    F = 2,
    G = 3,
    IN = 4,
    PAGES = 16,
    F_SIZE = PAGES * 4096 - 100
};

static struct ramblk disk;
static uint8_t bytes[2 * PAGES * 4096];

/* A letter for each page of /f: d data, h hole, t a hole of half a page. */
static char shape[PAGES + 1];
static int map_status, truncate_status;
static uint64_t full_from; /* there is no room for sectors from here on; or 0 */
static bool is_removed;
static uint64_t truncated_from, punched_from, punched_to;
static unsigned reserved, evictions;
static struct event *evicting; /* what freeing waits for; or NULL */

static bool is_hole(uint64_t sector)
{
    char kind =
        sector < PAGES * PAGE_SECTORS ? shape[sector / PAGE_SECTORS] : 'h';

    return kind == 'h' || (kind == 't' && sector % PAGE_SECTORS < 4);
}

static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    const struct inode *inode = container_of(mapping, struct inode, pages);

    if (mode == MAP_RELEASE) {
        reserved -= sectors;
        return 0;
    }
    if (map_status != 0)
        return map_status;
    if (mode == MAP_RESERVE && full_from != 0 && sector >= full_from)
        return -ENOSPC;
    out->type = is_hole(sector) ? EXTENT_HOLE : EXTENT_DATA;
    out->sector = (inode->number - F) * PAGES * PAGE_SECTORS + sector;
    out->sectors = 0;
    while (out->sectors < sectors && sector < PAGES * PAGE_SECTORS &&
           is_hole(sector++) == (out->type == EXTENT_HOLE))
        out->sectors++;
    if (out->sectors == 0)
        *out = (struct extent){EXTENT_HOLE, 0, sectors};
    if (mode == MAP_RESERVE && out->type == EXTENT_HOLE)
        reserved += out->sectors;
    return 0;
}

/* A small file whose content is read together with the inode. */
static int read_whole(struct inode *inode)
{
    struct page *page;
    int status = mapping_init(&inode->pages, NULL, NULL, 1, 5);

    if (status == 0)
        status = page_take(&inode->pages, 0, &page);
    if (status != 0)
        return status;
    status = page_modify(page, 0, 5);
    if (status == 0) {
        memcpy(page->buf->base, "whole", 5);
        page_dirty(page, 0, 5);
    }
    page_put(page);
    inode->size_bytes = 5;
    return status;
}

static int read_inode(struct inode *inode)
{
    static const struct mapping_ops ops = {.map = map};

    if (inode->number == F && is_removed)
        return -ENOENT;
    inode->links = 1;
    inode->type = inode->number == ROOT ? FILE_DIRECTORY : FILE_REGULAR;
    if (inode->type == FILE_DIRECTORY)
        return 0;
    if (inode->number == IN)
        return read_whole(inode);
    inode->size_bytes = F_SIZE;
    return mapping_init(&inode->pages, &ops, &inode->mount->open, 1, F_SIZE);
}

static int lookup(struct inode *dir, const struct name *name,
                  struct inode **out)
{
    if (name->len == 1 && name->text[0] == 'f' && !is_removed)
        return inode_get(dir->mount, F, out);
    if (name->len == 1 && name->text[0] == 'g')
        return inode_get(dir->mount, G, out);
    if (name->len == 1 && name->text[0] == 'i')
        return inode_get(dir->mount, IN, out);
    return name->text[0] == '!' ? -EIO : -ENOENT;
}

static int unlink(struct inode *dir, const struct name *name,
                  struct inode *inode)
{
    (void)dir;
    (void)name;
    is_removed = true;
    inode->links = 0;
    return 0;
}

static int evict(struct inode *inode)
{
    assert_int_equal(inode->number, F);
    evictions++;
    if (evicting != NULL)
        assert_int_equal(event_wait(evicting, TIME_NEVER), 0);
    return 0;
}

static int truncate(struct inode *inode, uint64_t old_bytes)
{
    assert_true(rwlock_is_mine(&inode->lock));
    truncated_from = old_bytes;
    return truncate_status;
}

static int punch(struct inode *inode, uint64_t from, uint64_t to)
{
    (void)inode;
    punched_from = from;
    punched_to = to;
    for (uint64_t at = from; at < to; at += 4096)
        shape[at / 4096] = 'h';
    return 0;
}

static int remount(struct mount *mount, bool read_only)
{
    (void)mount;
    return read_only ? 0 : -EIO;
}

static void unmount(struct mount *mount)
{
    (void)mount;
}

static struct fs_ops ops = {
    .inode_size = sizeof(struct inode),
    .inode_read = read_inode,
    .inode_evict = evict,
    .lookup = lookup,
    .unlink = unlink,
    .truncate = truncate,
    .punch = punch,
    .remount = remount,
    .unmount = unmount,
};

static int mount_flat(struct mount *mount, const void *options)
{
    assert_null(options);
    mount->ops = &ops;
    mount->root_number = ROOT;
    return 0;
}

static const struct file_system flat = {.type = "flat", .mount = mount_flat};
static const struct file_system *const file_systems[] = {&flat, NULL};

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 9));
    memset(shape, 'd', PAGES);
    map_status = truncate_status = 0;
    full_from = truncated_from = 0;
    is_removed = false;
    evicting = NULL;
    reserved = evictions = 0;
    ops.punch = punch;
    machine_attach(16 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, bytes, sizeof(bytes));
    return file_mount(&disk.block.device, "/", NULL);
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(reserved, 0);
    machine_detach();
    return 0;
}

static struct file *open_f(void)
{
    struct file *file;

    assert_int_equal(file_open("/f", FILE_READ | FILE_WRITE, 0, &file), 0);
    return file;
}

/* ---- Holes on the disk --------------------------------------------------- */

static void test_seek_on_the_disk(void **state)
{
    static const struct {
        const char *shape;
        uint64_t page, data, hole; /* pages; 99: -ENXIO */
    } rows[] = {
        {"dddddddddddddddd", 0, 0, 16},   {"hhhhhhhhhhhhhhhh", 0, 99, 0},
        {"hhddhhhhhhhhhhhh", 0, 2, 0},    {"hhddhhhhhhhhhhhh", 2, 2, 4},
        {"hhddhhhhhhhhhhhh", 4, 99, 4},   {"hhthhhhhhhhhhhhd", 0, 2, 0},
        {"hhthhhhhhhhhhhhd", 2, 2, 3},    {"hhthhhhhhhhhhhhd", 3, 15, 3},
        {"hhthhhhhhhhhhhhd", 15, 15, 16},
    };
    struct file *file = open_f();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t from = (int64_t)rows[i].page * 4096;
        int64_t data =
            rows[i].data == 99 ? -ENXIO : (int64_t)rows[i].data * 4096;
        int64_t hole =
            rows[i].hole == 16 ? F_SIZE : (int64_t)rows[i].hole * 4096;

        memcpy(shape, rows[i].shape, PAGES);
        ROW(rows[i].shape, file_seek(file, from, FILE_SEEK_DATA) == data);
        ROW(rows[i].shape, file_seek(file, from, FILE_SEEK_HOLE) == hole);
    }
    /* What was written into a hole is data before the disk has it. */
    memset(shape, 'h', PAGES);
    assert_int_equal(file_write_at(file, "x", 1, 5 * 4096 + 7), 1);
    assert_int_equal(file_seek(file, 0, FILE_SEEK_DATA), 5 * 4096);
    assert_int_equal(file_seek(file, 5 * 4096, FILE_SEEK_HOLE), 6 * 4096);
    map_status = -EUCLEAN;
    assert_int_equal(file_seek(file, 0, FILE_SEEK_DATA), -EUCLEAN);
    map_status = 0;
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
}

static void test_allocate_on_the_disk(void **state)
{
    static uint8_t buf[3 * 4096];
    struct file *file = open_f();

    (void)state;
    memcpy(shape, "dhd", 3);
    assert_int_equal(file_allocate(file, 100, 3 * 4096 - 200, 0), 0);
    assert_true(reserved > 0);
    assert_int_equal(file_read_at(file, buf, sizeof(buf), 0), sizeof(buf));
    assert_memory_equal(buf, bytes, 4096);
    assert_memory_equal(buf + 8192, bytes + 8192, 4096);
    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(buf[4096 + i], 0);
    assert_int_equal(file_allocate(file, F_SIZE, 10, 0), 0);
    map_status = -ENOSPC;
    assert_int_equal(file_allocate(file, F_SIZE + 4096, 8192, 0), -ENOSPC);
    map_status = 0;
    assert_int_equal(file_truncate(file, 0), 0);
    assert_int_equal(truncated_from, F_SIZE + 10);
    file_close(file);
}

static void test_punch_on_the_disk(void **state)
{
    const unsigned flags = FILE_PUNCH_HOLE | FILE_KEEP_SIZE;
    static uint8_t buf[3 * 4096];
    struct file *file = open_f();

    (void)state;
    assert_int_equal(file_allocate(file, 4000, 4096 + 200, flags), 0);
    assert_int_equal(punched_from, 4096);
    assert_int_equal(punched_to, 8192);
    assert_int_equal(file_read_at(file, buf, sizeof(buf), 0), sizeof(buf));
    assert_memory_equal(buf, bytes, 4000);
    for (unsigned i = 4000; i < 8296; i++)
        assert_int_equal(buf[i], 0);
    assert_memory_equal(buf + 8296, bytes + 8296, sizeof(buf) - 8296);
    assert_int_equal(file_allocate(file, 5000, 100, flags), 0); /* a hole */
    map_status = -EIO;
    assert_int_equal(file_allocate(file, 5000, 100, flags), -EIO);
    map_status = 0;
    disk.fail_from = 1;
    assert_int_equal(file_allocate(file, 10 * 4096 + 1, 10, flags), -EIO);
    assert_int_equal(file_allocate(file, 10 * 4096 + 1, 8192, flags), -EIO);
    assert_int_equal(file_allocate(file, 10 * 4096 + 1, 10, 0), -EIO);
    disk.fail_from = 0;
    ops.punch = NULL;
    assert_int_equal(file_allocate(file, 0, 100, flags), -ENOTSUP);
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
}

/* ---- Errors of the disk -------------------------------------------------- */

/* What came before the error is handed out. */
static void test_reads_up_to_an_error(void **state)
{
    static uint8_t buf[4 * 4096];
    const struct file_part parts[] = {{buf, 8192}, {buf + 8192, 8192}};
    struct file *file = open_f();
    struct slice slices[4];
    unsigned count = 4;

    (void)state;
    disk.bad_sector = 2 * 8 + 3;
    assert_int_equal(file_read_at(file, buf, sizeof(buf), 100), 8092);
    assert_memory_equal(buf, bytes + 100, 8092);
    assert_int_equal(file_read_at(file, buf, 1, 8192), -EIO);
    assert_int_equal(file_read_parts(file, parts, 2), 8192);
    assert_int_equal(file_read_parts(file, parts, 2), -EIO);
    assert_int_equal(file_lend(file, 0, sizeof(buf), slices, &count), 8192);
    assert_int_equal(count, 2);
    buf_put(slices[0].buf);
    buf_put(slices[1].buf);
    count = 4;
    assert_int_equal(file_lend(file, 8192, 100, slices, &count), -EIO);
    assert_int_equal(count, 0);
    disk.bad_sector = 0;
    assert_int_equal(file_read_at(file, buf, sizeof(buf), 0), sizeof(buf));
    assert_memory_equal(buf, bytes, sizeof(buf));
    file_close(file);
}

static void test_truncate_fails(void **state)
{
    struct file *file = open_f();
    struct file_stat stat;

    (void)state;
    /* A write behind the end sets the size first. */
    disk.fail_from = 1;
    assert_int_equal(file_write_at(file, "x", 1, F_SIZE + 5000), -EIO);
    disk.fail_from = 0;
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, F_SIZE);
    truncate_status = -EIO;
    assert_int_equal(file_truncate(file, 4096), -EIO);
    truncate_status = 0;
    /* The last page cannot be read, so the size stays. */
    disk.fail_from = 1;
    assert_int_equal(file_truncate(file, 1000), -EIO);
    disk.fail_from = 0;
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, 4096);
    map_status = -EIO;
    assert_int_equal(file_write_at(file, "x", 1, 9000), -EIO);
    map_status = 0;
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, 4096);
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
}

/* What was kept behind the end before the error is given back by the file
 * system, too: the flusher may have written some of it. */
static void test_grows_in_vain(void **state)
{
    struct file *file = open_f();
    struct file_stat stat;

    (void)state;
    full_from = (PAGES + 2) * PAGE_SECTORS;
    assert_int_equal(file_allocate(file, F_SIZE, 4 * 4096, 0), -ENOSPC);
    assert_int_equal(truncated_from, (PAGES + 2) * 4096);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, F_SIZE);
    assert_int_equal(
        file_write_at(file, "x", 1, full_from * BLOCK_SECTOR_SIZE + 10),
        -ENOSPC);
    assert_int_equal(truncated_from, full_from * BLOCK_SECTOR_SIZE + 10);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, F_SIZE);
    /* Nothing has grown. */
    truncated_from = 0;
    full_from = PAGES * PAGE_SECTORS;
    assert_int_equal(file_truncate(file, full_from * BLOCK_SECTOR_SIZE), 0);
    assert_int_equal(file_write_at(file, "x", 1, full_from * BLOCK_SECTOR_SIZE),
                     -ENOSPC);
    assert_int_equal(file_allocate(file, full_from * BLOCK_SECTOR_SIZE, 1, 0),
                     -ENOSPC);
    assert_int_equal(truncated_from, 0);
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
}

/* ---- Reaching the disk --------------------------------------------------- */

static int sync_status;
static unsigned syncs, data_syncs;

static int sync(struct inode *inode, bool data_only)
{
    assert_int_equal(inode->number, F);
    syncs += !data_only;
    data_syncs += data_only;
    return sync_status;
}

static void test_sync(void **state)
{
    struct file *file = open_f(), *other = open_f(), *dir;
    unsigned flushes = disk.flushes;

    (void)state;
    ops.sync = sync;
    assert_int_equal(file_write_at(file, "new", 3, 4096 + 10), 3);
    assert_memory_not_equal(bytes + 4096 + 10, "new", 3);
    assert_int_equal(file_sync(file), 0);
    assert_memory_equal(bytes + 4096 + 10, "new", 3);
    assert_int_equal(disk.flushes, flushes + 1);
    assert_int_equal(file_data_sync(file), 0);
    assert_int_equal(syncs, 1);
    assert_int_equal(data_syncs, 1);
    /* An error is told once to each who has the file open. */
    assert_int_equal(file_write_at(file, "bad", 3, 4096 + 10), 3);
    disk.fail_at = 1;
    assert_int_equal(file_sync(file), -EIO);
    disk.fail_at = 0;
    assert_memory_equal(bytes + 4096 + 10, "new", 3);
    assert_int_equal(file_sync(other), -EIO);
    assert_memory_equal(bytes + 4096 + 10, "bad", 3); /* it was tried again */
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_sync(other), 0);
    sync_status = -ENOSPC;
    assert_int_equal(file_sync(file), -ENOSPC);
    sync_status = 0;
    ops.sync = NULL;
    disk.fail_at = 1; /* the flush */
    assert_int_equal(file_sync(file), -EIO);
    disk.fail_at = 0;
    assert_int_equal(file_open("/", FILE_READ, 0, &dir), 0);
    assert_int_equal(file_sync(dir), 0);
    file_close(dir);
    file_close(file);
    file_close(other);
}

/* ---- Inodes that nobody holds -------------------------------------------- */

/* Their pages stay with them; memory that runs short takes the pages first, and
 * without a page the inode may go. */
static void test_unused_inodes_keep_their_pages(void **state)
{
    struct mount *mount = root_mount();
    char buf[10];
    struct file *file = open_f();
    unsigned requests;

    (void)state;
    assert_int_equal(file_read_at(file, buf, 10, 0), 10);
    file_close(file);
    requests = disk.requests;
    file = open_f();
    assert_int_equal(file_read_at(file, buf, 10, 0), 10);
    assert_int_equal(disk.requests, requests);
    file_close(file);
    assert_int_equal(mount->unused_count, 1);
    inodes_shrink(mount, 0, false); /* it has pages */
    assert_int_equal(mount->unused_count, 1);
    inodes_shrink(mount, 0, true);
    assert_int_equal(mount->unused_count, 0);
    /* What is not written yet keeps it. */
    file = open_f();
    assert_int_equal(file_write_at(file, "new", 3, 0), 3);
    file_close(file);
    inodes_shrink(mount, 0, true);
    assert_int_equal(mount->unused_count, 1);
    file = open_f();
    assert_int_equal(file_read_at(file, buf, 3, 0), 3);
    assert_memory_equal(buf, "new", 3);
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
}

static void read_whole_file(void)
{
    struct file *file;
    char buf[8];

    assert_int_equal(file_open("/i", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read_at(file, buf, sizeof(buf), 0), 5);
    assert_memory_equal(buf, "whole", 5);
    file_close(file);
}

/* What has no device to be written to can be read again. */
static void test_what_was_read_whole_may_go(void **state)
{
    struct mount *mount = root_mount();
    struct file *file = open_f();

    (void)state;
    assert_int_equal(file_write_at(file, "new", 3, 0), 3);
    file_close(file);
    for (int may_wait = 0; may_wait < 2; may_wait++) {
        read_whole_file();
        assert_int_equal(mount->unused_count, 2);
        inodes_shrink(mount, 0, may_wait); /* /f is still to be written */
        assert_int_equal(mount->unused_count, 1);
        assert_int_equal(mount->inodes.count, 2);
    }
    read_whole_file();
}

static bool other_ran;

static int other(void *arg)
{
    (void)arg;
    other_ran = true;
    return 0;
}

/* Let the flusher write /f, up to the wait for the device. */
static void flush_f(struct mapping *pages)
{
    disk.deferred = true;
    pages->flush_at_ns = 0;
    wait_wake_all(&pages->cache->work);
    thread_yield();
    assert_true(pages->flush != NULL);
}

/* The last page of an unused inode has been written, but the flusher has not
 * run since: memory that is short is not made by waiting for it. */
static void test_reclaiming_does_not_wait(void **state)
{
    struct file *file = open_f();
    struct mapping *pages = &file->inode->pages;
    thread_id id;

    (void)state;
    assert_int_equal(file_write_at(file, bytes, 4096, 0), 4096);
    file_close(file);
    flush_f(pages);
    assert_int_equal(ramblk_complete(&disk), 1);
    disk.deferred = false;
    assert_int_equal(pages->dirty_count, 0);
    assert_int_equal(thread_create(NULL, other, NULL, &id), 0);
    other_ran = false;
    mem_trim(); /* the pages, and then the inode */
    assert_int_equal(pages->page_count, 0);
    mem_trim();
    assert_false(other_ran);
    assert_int_equal(root_mount()->unused_count, 1);
    assert_int_equal(thread_join(id, NULL), 0);
    mem_trim();
    assert_int_equal(root_mount()->unused_count, 0);
}

/* ---- Too much that is dirty ---------------------------------------------- */

enum { LIMIT = 4 }; /* pages */

static void limit_dirty(struct file *file)
{
    file->inode->pages.cache->dirty_limit = LIMIT;
}

static int write_much(void *arg)
{
    return (int)file_write_at(arg, bytes + PAGES * 4096, 12 * 4096, 0);
}

static int allocate_much(void *arg)
{
    return file_allocate(arg, 0, 12 * 4096, 0);
}

static int truncate_a_bit(void *arg)
{
    return file_truncate(arg, F_SIZE - 100);
}

/* Do it with a disk that takes its time; never is more dirty than may be. */
static int do_slowly(int (*call)(void *), struct file *file)
{
    const struct mapping *pages = &file->inode->pages;
    thread_id thread;
    int result;

    disk.deferred = true;
    assert_int_equal(thread_create(NULL, call, file, &thread), 0);
    do {
        thread_yield();
        thread_yield();
        assert_true(pages->dirty_count <= LIMIT);
    } while (ramblk_complete(&disk) > 0);
    disk.deferred = false;
    assert_int_equal(thread_join(thread, &result), 0);
    return result;
}

static void test_large_writes_wait(void **state)
{
    struct file *file = open_f();
    char byte;

    (void)state;
    limit_dirty(file);
    assert_int_equal(do_slowly(write_much, file), 12 * 4096);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_write_at(file, bytes + PAGES * 4096, LIMIT * 4096, 0),
                     LIMIT * 4096);
    assert_int_equal(file_read_at(file, &byte, 1, F_SIZE - 1), 1);
    assert_int_equal(do_slowly(truncate_a_bit, file), 0);
    assert_int_equal(file_sync(file), 0);
    assert_memory_equal(bytes, bytes + PAGES * 4096, 12 * 4096);
    assert_int_equal(do_slowly(allocate_much, file), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    file_close(file);
}

/* Of a disk that is gone: writers hear of it; to make a file shorter always
 * helps. */
static void test_large_writes_fail(void **state)
{
    const unsigned punch_flags = FILE_PUNCH_HOLE | FILE_KEEP_SIZE;
    struct file *file = open_f();
    struct file_stat stat;

    (void)state;
    limit_dirty(file);
    disk.fail_from = 1;
    assert_int_equal(write_much(file), LIMIT * 4096);
    assert_int_equal(write_much(file), -EIO);
    assert_int_equal(allocate_much(file), -EIO);
    assert_int_equal(file_write_at(file, "x", 1, F_SIZE), -EIO);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, F_SIZE);
    assert_int_equal(file->inode->pages.dirty_count, LIMIT);
    assert_int_equal(file_allocate(file, 0, 4096, punch_flags), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    assert_int_equal(file->inode->pages.dirty_count, 0);
    disk.fail_from = 0;
    file_close(file);
}

/* ---- Unmounting ---------------------------------------------------------- */

static unsigned any_syncs;

static int any_sync(struct inode *inode, bool data_only)
{
    (void)inode;
    assert_false(data_only);
    any_syncs++;
    return sync_status;
}

static int mount_again(void)
{
    return file_mount(&disk.block.device, "/", NULL);
}

/* /f gets a first byte, and nobody has it open after it. */
static void write_f(const char *byte)
{
    struct file *file = open_f();

    assert_int_equal(file_write_at(file, byte, 1, 0), 1);
    file_close(file);
}

static void test_unmount_writes(void **state)
{
    unsigned flushes = disk.flushes;
    struct file *g;

    (void)state;
    ops.sync = any_sync;
    any_syncs = 0;
    bytes[0] = 'o';
    write_f("n");
    assert_int_equal(file_open("/g", FILE_READ, 0, &g), 0);
    file_close(g);
    assert_int_equal(bytes[0], 'o');
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(bytes[0], 'n');
    assert_int_equal(any_syncs, 3); /* the root, too */
    assert_int_equal(disk.flushes, flushes + 1);
    ops.sync = NULL;
    /* What is only read is not even flushed. */
    assert_int_equal(mount_again(), 0);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(disk.flushes, flushes + 1);
    assert_int_equal(mount_again(), 0);
}

static void test_unmount_loses(void **state)
{
    (void)state;
    bytes[0] = 'o';
    write_f("n");
    console_forget();
    disk.fail_from = 1;
    assert_int_equal(file_unmount("/"), 0);
    disk.fail_from = 0;
    assert_int_equal(bytes[0], 'o');
    assert_true(console_has(": unmounted with an error ("));
    assert_true(console_has("1 pages are lost"));
    assert_int_equal(mount_again(), 0);
}

static int unmount_thread(void *arg)
{
    (void)arg;
    return file_unmount("/");
}

static thread_id unmount_begin(void)
{
    thread_id thread;

    disk.deferred = true;
    assert_int_equal(thread_create(NULL, unmount_thread, NULL, &thread), 0);
    thread_yield();
    return thread;
}

static int unmount_end(thread_id thread)
{
    int status;

    while (ramblk_complete(&disk) > 0)
        thread_yield();
    disk.deferred = false;
    assert_int_equal(thread_join(thread, &status), 0);
    return status;
}

/* While it writes, others use the mount: it stays. */
static void test_unmount_is_too_early(void **state)
{
    struct file *file;
    thread_id thread;

    (void)state;
    thread = unmount_begin(); /* it waits for a flush, and holds no file */
    assert_int_equal(file_unmount("/"), -EBUSY);
    assert_int_equal(unmount_end(thread), 0);
    assert_int_equal(mount_again(), 0);
    write_f("1");
    thread = unmount_begin();
    assert_int_equal(file_unmount("/"), -EBUSY);
    file = open_f();
    assert_int_equal(unmount_end(thread), -EBUSY);
    file_close(file);
    /* They have closed it again, and left something to be written. */
    write_f("2");
    thread = unmount_begin();
    write_f("3");
    assert_int_equal(unmount_end(thread), -EBUSY);
    assert_int_equal(bytes[0], '2');
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(bytes[0], '3');
    assert_int_equal(mount_again(), 0);
}

/* ---- Freeing that takes its time ----------------------------------------- */

static struct file *last_holder;

static int close_last(void *arg)
{
    (void)arg;
    file_close(last_holder);
    return 0;
}

static int get_f(void *arg)
{
    struct inode *inode;

    (void)arg;
    return inode_get(root_mount(), F, &inode);
}

static void test_who_asks_for_what_dies(void **state)
{
    thread_id closer, asker;
    int value;

    (void)state;
    assert_int_equal(event_create(&evicting), 0);
    last_holder = open_f();
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(evictions, 0);
    assert_int_equal(thread_create(NULL, close_last, NULL, &closer), 0);
    thread_yield();
    assert_int_equal(evictions, 1);
    vfs_check();
    assert_int_equal(file_unmount("/"), -EBUSY);
    assert_int_equal(thread_create(NULL, get_f, NULL, &asker), 0);
    thread_yield();
    assert_int_equal(event_set(evicting), 0);
    assert_int_equal(thread_join(closer, NULL), 0);
    assert_int_equal(thread_join(asker, &value), 0);
    assert_int_equal(value, -ENOENT);
    assert_int_equal(event_destroy(evicting), 0);
    evicting = NULL;
}

/* Blocks are freed when nothing is written to them any more, nor will be. */
static void test_pages_go_before_their_blocks(void **state)
{
    thread_id closer;
    struct mapping *pages;

    (void)state;
    assert_int_equal(event_create(&evicting), 0);
    last_holder = open_f();
    pages = &last_holder->inode->pages;
    assert_int_equal(file_write_at(last_holder, "new", 3, 0), 3);
    assert_int_equal(file_write_at(last_holder, bytes, 4096, 4096), 4096);
    flush_f(pages);
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(thread_create(NULL, close_last, NULL, &closer), 0);
    thread_yield();
    assert_int_equal(evictions, 0);
    disk.deferred = false;
    assert_true(ramblk_complete(&disk) > 0);
    while (evictions == 0)
        thread_yield();
    assert_int_equal(pages->page_count, 0);
    assert_int_equal(pages->dirty_count, 0);
    assert_int_equal(event_set(evicting), 0);
    assert_int_equal(thread_join(closer, NULL), 0);
    assert_int_equal(event_destroy(evicting), 0);
    evicting = NULL;
}

static int close_it(void *arg)
{
    file_close(arg);
    return 0;
}

/* /g is not held, but a read ahead of it is under way; the close of /f lets it
 * leave, and waits for that. */
static void test_unmount_while_an_inode_leaves(void **state)
{
    struct mount *mount = root_mount();
    struct file *f = open_f(), *g;
    char buf[4096];
    thread_id closer;

    (void)state;
    assert_int_equal(file_open("/g", FILE_READ, 0, &g), 0);
    assert_int_equal(file_read_at(g, buf, 4096, 0), 4096);
    disk.deferred = true;
    page_read_ahead(&g->inode->pages, 10, 4);
    file_close(g);
    mount->cached_max = 0;
    assert_int_equal(thread_create(NULL, close_it, f, &closer), 0);
    thread_yield();
    vfs_check();
    assert_int_equal(file_unmount("/"), -EBUSY);
    assert_true(ramblk_complete(&disk) > 0);
    disk.deferred = false;
    assert_int_equal(thread_join(closer, NULL), 0);
    assert_int_equal(mount->unused_count, 0);
    assert_int_equal(mount->used_count, 1); /* the root */
}

/* ---- Two mounts ---------------------------------------------------------- */

static int mount_disk(void *arg)
{
    struct ramblk *ram = arg;
    int status = file_mount(&ram->block.device, "/", NULL);

    vfs_check();
    return status;
}

static void test_one_place_two_mounts(void **state)
{
    static struct ramblk other;
    static uint8_t other_bytes[2 * PAGES * 4096];
    struct block_open taken;
    int first, second;
    thread_id a, b;

    (void)state;
    ramblk_init(&other, other_bytes, sizeof(other_bytes));
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(thread_create(NULL, mount_disk, &disk, &a), 0);
    assert_int_equal(thread_create(NULL, mount_disk, &other, &b), 0);
    assert_int_equal(thread_join(a, &first), 0);
    assert_int_equal(thread_join(b, &second), 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, -EBUSY);
    /* A device that cannot be opened leaves the place free. */
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(block_open(&disk.block, BLOCK_EXCLUSIVE, &taken), 0);
    assert_int_equal(mount_disk(&disk), -EBUSY);
    block_close(&taken);
    assert_int_equal(mount_disk(&disk), 0);
}

/* ---- What is asked of the wrong thing ------------------------------------ */

static void test_wrong_types(void **state)
{
    const struct new_inode what = {.type = FILE_REGULAR};
    const struct vfs_attr nothing = {.mask = 0};
    struct inode *root, *f, *out;
    struct name name;
    struct file *file;
    uint64_t offset = 0;
    char buf[8];

    (void)state;
    assert_int_equal(vfs_walk("/", true, &root), 0);
    assert_int_equal(name_init(&name, root->mount, "n", 1), 0);
    assert_int_equal(vfs_walk("/f", true, &f), 0);
    assert_int_equal(vfs_lookup(f, &name, &out), -ENOTDIR);
    assert_int_equal(vfs_create(f, &name, &what, &out), -ENOTDIR);
    assert_int_equal(vfs_link(f, f, &name), -ENOTDIR);
    assert_int_equal(vfs_unlink(f, &name), -ENOTDIR);
    assert_int_equal(vfs_rename(f, &name, root, &name, 0), -ENOTDIR);
    assert_int_equal(vfs_rename(root, &name, f, &name, 0), -ENOTDIR);
    assert_int_equal(vfs_setattr(root, &nothing), 0);
    assert_int_equal(vfs_write(root, NULL, 0, &offset, false), -EISDIR);
    assert_int_equal(vfs_truncate(root, 0), -EISDIR);
    assert_int_equal(vfs_seek(root, 0, true), -EISDIR);
    assert_int_equal(vfs_allocate(root, 0, 1, 0), -EISDIR);
    assert_int_equal(vfs_readlink(f, buf, 8), -EINVAL);
    assert_int_equal(vfs_xattr_get(f, "user.a", buf, 8), -ENOTSUP);
    assert_int_equal(vfs_xattr_list(f, buf, 8), -ENOTSUP);
    inode_put(f);
    inode_put(root);
    assert_int_equal(file_open("/", FILE_READ, 0, &file), 0);
    assert_int_equal(file_seek(file, 0, FILE_SEEK_DATA), -EISDIR);
    file_close(file);
    assert_int_equal(file_mkdir("/!", 0), -EIO); /* it cannot be looked up */
    assert_int_equal(file_unlink("/!"), -EIO);
    assert_int_equal(file_rename("/!", "/n", 0), -EIO);
    assert_int_equal(file_open("/!", FILE_WRITE | FILE_CREATE, 0, &file), -EIO);
}

/* What waits for an event, and then fails. */
static struct event *pausing;
static bool is_paused;

static int pause(void)
{
    is_paused = true;
    assert_int_equal(event_wait(pausing, TIME_NEVER), 0);
    is_paused = false;
    return -ENOSPC;
}

static int create_slowly(struct inode *dir, const struct name *name,
                         const struct new_inode *what, struct inode **out)
{
    (void)dir;
    (void)name;
    (void)what;
    (void)out;
    return pause();
}

static int link_slowly(struct inode *dir, const struct name *name,
                       struct inode *inode)
{
    (void)dir;
    (void)name;
    (void)inode;
    return pause();
}

static int rename_slowly(const struct rename *rename)
{
    (void)rename;
    return pause();
}

static int64_t no_xattr(struct inode *inode, const char *name, void *value,
                        size_t size)
{
    (void)inode;
    (void)name;
    (void)value;
    (void)size;
    return -ENODATA;
}

static int set_xattr_slowly(struct inode *inode, const char *name,
                            const void *value, size_t size)
{
    (void)inode;
    (void)name;
    (void)value;
    (void)size;
    return pause();
}

static int truncate_slowly(struct inode *inode, uint64_t old_bytes)
{
    (void)inode;
    (void)old_bytes;
    return pause();
}

static int remount_slowly(struct mount *mount, bool read_only)
{
    (void)mount;
    (void)read_only;
    return pause();
}

static int do_create(void *arg)
{
    (void)arg;
    return file_mkdir("/n", 0);
}

static int do_link(void *arg)
{
    (void)arg;
    return file_link("/f", "/n");
}

static int do_unlink(void *arg)
{
    (void)arg;
    return file_unlink("/f");
}

static int do_rename(void *arg)
{
    (void)arg;
    return file_rename("/f", "/n", 0);
}

static int do_set_xattr(void *arg)
{
    (void)arg;
    return file_xattr_set("/f", true, "user.a", "v", 1, 0);
}

static int do_truncate(void *arg)
{
    const unsigned flags = FILE_WRITE | FILE_TRUNCATE;
    struct file *file;

    (void)arg;
    return file_open("/f", flags, 0, &file);
}

static int do_remount(void *arg)
{
    (void)arg;
    return file_remount("/", true);
}

static int do_chmod(void *arg)
{
    (void)arg;
    return file_chmod("/f", true, 0600);
}

static const struct fs_ops slow_ops = {
    .inode_size = sizeof(struct inode),
    .inode_read = read_inode,
    .lookup = lookup,
    .create = create_slowly,
    .link = link_slowly,
    .unlink = link_slowly,
    .rename = rename_slowly,
    .xattr_get = no_xattr,
    .xattr_set = set_xattr_slowly,
    .truncate = truncate_slowly,
    .remount = remount,
    .unmount = unmount,
};

/* None of the calls goes on changing what has become read-only. */
static void test_remount_during_changes(void **state)
{
    static int (*const calls[])(void *) = {
        do_create, do_link, do_unlink, do_rename, do_set_xattr, do_truncate,
    };
    struct mount *mount = root_mount();
    thread_id id;
    int value;

    (void)state;
    mount->ops = &slow_ops;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_int_equal(event_create(&pausing), 0);
        assert_int_equal(thread_create(NULL, calls[i], NULL, &id), 0);
        while (!is_paused)
            thread_yield();
        assert_int_equal(file_remount("/", true), -EBUSY);
        assert_false(mount->is_read_only);
        assert_int_equal(event_set(pausing), 0);
        assert_int_equal(thread_join(id, &value), 0);
        assert_int_equal(value, -ENOSPC);
        assert_int_equal(event_destroy(pausing), 0);
        assert_int_equal(file_remount("/", true), 0);
        assert_int_equal(calls[i](NULL), -EROFS);
        mount->is_read_only = false;
    }
    mount->ops = &ops;
}

/* One that waits for the lock of the inode. */
static void test_remount_while_a_change_waits(void **state)
{
    struct inode *inode;
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(vfs_walk("/f", true, &inode), 0);
    rwlock_lock(&inode->lock);
    assert_int_equal(thread_create(NULL, do_chmod, NULL, &id), 0);
    thread_yield();
    assert_int_equal(file_remount("/", true), -EBUSY);
    rwlock_unlock(&inode->lock);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    inode_put(inode);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(do_chmod(NULL), -EROFS);
}

/* The file system has begun with it, takes its time, and fails. */
static void test_changes_during_a_remount(void **state)
{
    struct mount *mount = root_mount();
    struct fs_ops slow = ops;
    struct file *file;
    thread_id id;
    int value;

    (void)state;
    slow.remount = remount_slowly;
    mount->ops = &slow;
    assert_int_equal(event_create(&pausing), 0);
    assert_int_equal(thread_create(NULL, do_remount, NULL, &id), 0);
    while (!is_paused)
        thread_yield();
    assert_int_equal(file_open("/f", FILE_WRITE, 0, &file), -EROFS);
    assert_int_equal(file_unlink("/f"), -EROFS);
    assert_int_equal(file_remount("/", true), -EBUSY);
    assert_int_equal(file_remount("/", false), -EBUSY);
    assert_int_equal(event_set(pausing), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -ENOSPC);
    assert_int_equal(event_destroy(pausing), 0);
    mount->ops = &ops;
    assert_false(mount->is_read_only);
    assert_int_equal(do_chmod(NULL), 0);
}

/* What was removed is freed when it is closed, which writes. */
static void test_remount_with_a_removed_file(void **state)
{
    struct file *file;

    (void)state;
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(file_remount("/", true), -EBUSY);
    file_close(file);
    assert_int_equal(evictions, 1);
    assert_int_equal(file_remount("/", true), 0);
}

/* What was written before is not lost. */
static void test_unmount_after_a_remount(void **state)
{
    struct file *file = open_f();

    (void)state;
    assert_int_equal(file_write_at(file, "kept", 4, 0), 4);
    file_close(file);
    assert_int_equal(file_remount("/", true), 0);
    assert_memory_not_equal(bytes, "kept", 4);
    assert_int_equal(file_unmount("/"), 0);
    assert_memory_equal(bytes, "kept", 4);
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), 0);
}

static void test_remount_fails(void **state)
{
    (void)state;
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(file_remount("/", false), -EIO);
    assert_true(root_mount()->is_read_only);
    root_mount()->is_write_protected = true;
    assert_int_equal(file_remount("/", false), -EROFS);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_seek_on_the_disk),
        ATTACHED(test_allocate_on_the_disk),
        ATTACHED(test_punch_on_the_disk),
        ATTACHED(test_reads_up_to_an_error),
        ATTACHED(test_truncate_fails),
        ATTACHED(test_grows_in_vain),
        ATTACHED(test_sync),
        ATTACHED(test_unused_inodes_keep_their_pages),
        ATTACHED(test_large_writes_wait),
        ATTACHED(test_large_writes_fail),
        ATTACHED(test_unmount_writes),
        ATTACHED(test_unmount_loses),
        ATTACHED(test_unmount_is_too_early),
        ATTACHED(test_who_asks_for_what_dies),
        ATTACHED(test_what_was_read_whole_may_go),
        ATTACHED(test_reclaiming_does_not_wait),
        ATTACHED(test_pages_go_before_their_blocks),
        ATTACHED(test_unmount_while_an_inode_leaves),
        ATTACHED(test_one_place_two_mounts),
        ATTACHED(test_wrong_types),
        ATTACHED(test_remount_during_changes),
        ATTACHED(test_remount_while_a_change_waits),
        ATTACHED(test_changes_during_a_remount),
        ATTACHED(test_remount_with_a_removed_file),
        ATTACHED(test_unmount_after_a_remount),
        ATTACHED(test_remount_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
