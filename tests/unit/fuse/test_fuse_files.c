/*
 * What files of a server hold and are, what others change there, and what
 * becomes of each message that fails: fs/fuse and drivers/virtio_fs.c against
 * the model.
 */
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/fuse_world.h"
#include "tests/fakes/root_mount.h"
#include <string.h>
#include <torc/file.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    RW = FILE_READ | FILE_WRITE,
    BIG = 700 * 1000,
    LOOKUP = 1,
    GETATTR = 3,
    SETATTR = 4,
    OPEN = 14,
    READ = 15,
    WRITE = 16,
    FSYNC = 20,
    READDIR = 28,
    FSYNCDIR = 30,
};

static uint8_t content[BIG], got[BIG];

static int setup(void **state)
{
    for (size_t i = 0; i < BIG; i++)
        content[i] = (uint8_t)(i * 7 + i / 4096);
    return fuse_world_setup(state);
}

static void assert_holds(const char *path, const void *want, size_t size)
{
    const struct fs_node *node = fs_model_at(&fuse_model, path);

    assert_non_null(node);
    assert_int_equal(node->size, size);
    assert_memory_equal(node->data, want, size);
}

/* A name is not known any more: the server is asked again. */
static void time_passes(void)
{
    vfs_forget_names(root_mount());
}

/* ---- Data ---------------------------------------------------------------- */

static void test_data_both_ways(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);

    (void)state;
    assert_int_equal(file_write(file, content, BIG), BIG);
    assert_int_equal(file_sync(file), 0);
    assert_holds("f", content, BIG);
    assert_in_range(fuse_model.counts[WRITE], BIG / (128 * 1024), 20);
    file_close(file);
    /* What is read comes from there when it was changed there. */
    (void)fs_model_file(&fuse_model, "g", content, BIG);
    file = fuse_world_open("/g", FILE_READ);
    assert_int_equal(file_read(file, got, BIG), BIG);
    assert_memory_equal(got, content, BIG);
    assert_int_equal(file_read(file, got, BIG), 0);
    file_close(file);
}

/* A size that is set, and bytes behind it, are the same on both sides. */
static void test_sizes(void **state)
{
    static const struct {
        uint64_t write_at, len, truncate;
    } rows[] = {
        {0, 5, 3},      {0, 5000, 4096}, {0, 5000, 1}, {9000, 10, 9010},
        {0, 10, 20000}, {0, 4096, 4097}, {1, 1, 0},    {12288, 1, 5000},
    };
    static uint8_t want[40000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file *file =
            fuse_world_open("/f", RW | FILE_CREATE | FILE_TRUNCATE);
        const uint64_t end = rows[i].write_at + rows[i].len;

        memset(want, 0, sizeof(want));
        memcpy(want + rows[i].write_at, content, rows[i].len);
        assert_int_equal(
            file_write_at(file, content, rows[i].len, rows[i].write_at),
            rows[i].len);
        if (i % 2 == 0)
            assert_int_equal(file_sync(file), 0);
        assert_int_equal(file_truncate(file, rows[i].truncate), 0);
        if (rows[i].truncate < end)
            memset(want + rows[i].truncate, 0, end - rows[i].truncate);
        assert_int_equal(file_sync(file), 0);
        assert_holds("f", want, rows[i].truncate);
        /* It grows again, over zeros. */
        assert_int_equal(file_write_at(file, "x", 1, 30000), 1);
        want[30000] = 'x';
        assert_int_equal(file_read_at(file, got, sizeof(want), 0), 30001);
        assert_memory_equal(got, want, 30001);
        file_close(file);
        assert_int_equal(file_sync_mount("/"), 0);
        assert_holds("f", want, 30001);
    }
}

static void test_punch(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);

    (void)state;
    assert_int_equal(file_write(file, content, 5 * 4096), 5 * 4096);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(
        file_allocate(file, 4096, 8192, FILE_KEEP_SIZE | FILE_PUNCH_HOLE), 0);
    memset(content + 4096, 0, 8192);
    assert_int_equal(file_read_at(file, got, BIG, 0), 5 * 4096);
    assert_memory_equal(got, content, 5 * 4096);
    assert_holds("f", content, 5 * 4096);
    file_close(file);
}

/* FSYNC when something was written since the last one. */
static void test_sync_once(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);

    (void)state;
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(fuse_model.counts[FSYNC], 0);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(file_write(file, "x", 1), 1);
        assert_int_equal(file_sync(file), 0);
        assert_int_equal(fuse_model.counts[FSYNC], i);
        assert_int_equal(file_sync(file), 0);
        assert_int_equal(fuse_model.counts[FSYNC], i);
    }
    assert_int_equal(file_write(file, "x", 1), 1);
    fuse_model.fail_at = 1;
    fuse_model.fail_error = -5;
    fuse_model.fail_opcode = FSYNC;
    assert_int_equal(file_sync(file), -EIO);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(fuse_model.counts[FSYNC], 4);
    file_close(file);
    /* A size that is told is a change, too. */
    file = fuse_world_open("/empty", RW | FILE_CREATE);
    assert_int_equal(file_truncate(file, 100), 0);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(fuse_model.counts[FSYNC], 5);
    file_close(file);
}

static int change_names(unsigned which)
{
    switch (which) {
    case 0:
        return file_mkdir("/d/sub", 0755);
    case 1:
        return file_link("/f", "/d/f");
    case 2:
        return file_rename("/d/f", "/d/g", 0);
    case 3:
        return file_unlink("/d/g");
    case 4:
        return file_rename("/f", "/d/f", 0); /* from elsewhere */
    case 5:
        return file_rename("/d/f", "/f", 0);
    default:
        return file_chmod("/d", true, 0700);
    }
}

/* FSYNCDIR when names were changed, or the directory itself, since the last
 * one. */
static void test_sync_directory(void **state)
{
    struct file *dir;
    unsigned count = 0;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    file_close(fuse_world_open("/f", RW | FILE_CREATE));
    dir = fuse_world_open("/d", FILE_READ | FILE_DIRECTORY_ONLY);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(change_names(i), 0);
        for (unsigned j = 0; j < 2; j++)
            assert_int_equal(file_sync(dir), 0);
        assert_int_equal(fuse_model.counts[FSYNCDIR], ++count);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(file_chmod("/d", true, 0700), 0);
        fuse_model.fail_at = 1;
        fuse_model.fail_error = i == 0 ? -5 : -38; /* EIO, ENOSYS */
        fuse_model.fail_opcode = FSYNCDIR;
        assert_int_equal(file_sync(dir), i == 0 ? -EIO : 0);
        assert_int_equal(file_sync(dir), 0);
    }
    assert_int_equal(fuse_model.counts[FSYNCDIR], count + 3);
    file_close(dir);
}

static void test_directory_of_many(void **state)
{
    struct dir_entry entry;
    struct file *dir;
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        char name[16] = "name-000";

        name[5] = (char)('0' + i / 100);
        name[6] = (char)('0' + i / 10 % 10);
        name[7] = (char)('0' + i % 10);
        (void)fs_model_file(&fuse_model, name, "", 0);
    }
    dir = fuse_world_open("/", FILE_READ | FILE_DIRECTORY_ONLY);
    while (dir_read(dir, &entry) == 1)
        count++;
    assert_int_equal(count, 302);
    assert_true(fuse_model.counts[READDIR] >= 3);
    file_close(dir);
}

/* ---- What others change -------------------------------------------------- */

static void test_host_changes_a_file(void **state)
{
    struct file *file;

    (void)state;
    (void)fs_model_file(&fuse_model, "f", "before", 6);
    file = fuse_world_open("/f", FILE_READ);
    assert_int_equal(file_read(file, got, 100), 6);
    file_close(file);
    (void)fs_model_file(&fuse_model, "f", "behind it", 9);
    time_passes();
    file = fuse_world_open("/f", FILE_READ);
    assert_int_equal(file_read(file, got, 100), 9);
    assert_memory_equal(got, "behind it", 9);
    file_close(file);
    /* The same size: its time tells. */
    (void)fs_model_file(&fuse_model, "f", "BEHIND IT", 9);
    time_passes();
    file = fuse_world_open("/f", FILE_READ);
    assert_int_equal(file_read(file, got, 100), 9);
    assert_memory_equal(got, "BEHIND IT", 9);
    file_close(file);
}

/* What was written here is not lost to what others wrote. */
static void test_host_changes_what_is_dirty(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);

    (void)state;
    assert_int_equal(file_write(file, "here", 4), 4);
    (void)fs_model_file(&fuse_model, "f", "there!", 6);
    time_passes();
    file_close(fuse_world_open("/f", FILE_READ));
    assert_int_equal(file_read_at(file, got, 100, 0), 4);
    assert_memory_equal(got, "here", 4);
    assert_int_equal(file_sync(file), 0);
    file_close(file);
    assert_holds("f", "heree!", 6); /* the server has both */
}

/* Own writes change the server's time: the pages are read once again, since
 * others may have written, too. Other attributes drop none. */
static void test_own_writes_and_pages(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);
    unsigned reads;

    (void)state;
    assert_int_equal(file_write(file, content, 8192), 8192);
    assert_int_equal(file_sync(file), 0);
    time_passes();
    file_close(fuse_world_open("/f", FILE_READ));
    assert_int_equal(file_read_at(file, got, 8192, 0), 8192);
    assert_memory_equal(got, content, 8192);
    reads = fuse_model.counts[READ];
    assert_int_equal(file_chmod("/f", true, 0600), 0);
    time_passes();
    file_close(fuse_world_open("/f", FILE_READ));
    assert_int_equal(file_read_at(file, got, 8192, 0), 8192);
    assert_int_equal(fuse_model.counts[READ], reads);
    file_close(file);
}

/* The host changes a file in place, right behind a write from here. */
static void test_host_changes_what_was_written(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(file_write_at(file, "from here", 9, 0), 9);
        assert_int_equal(file_sync(file), 0);
        (void)fs_model_file(&fuse_model, "f", "FROM HOST", 9);
        if (i == 1)
            assert_int_equal(file_chmod("/f", true, 0600), 0);
        time_passes();
        file_close(fuse_world_open("/f", FILE_READ));
        assert_int_equal(file_read_at(file, got, 100, 0), 9);
        assert_memory_equal(got, "FROM HOST", 9);
    }
    file_close(file);
}

/* ---- At the same time ---------------------------------------------------- */

static void settle(void)
{
    for (int i = 0; i < 50; i++)
        thread_yield();
}

static int stat_missing(void *arg)
{
    struct file_stat stat;

    return file_stat(arg, true, &stat) == -ENOENT ? 0 : 1;
}

static int sync_it(void *arg)
{
    return file_sync(arg);
}

static int append_and_sync(void *arg)
{
    if (file_write_at(arg, content, 4096, 8192) != 4096)
        return 1;
    return file_sync(arg);
}

/* A size that waits to be told does not cut off what is appended, and synced,
 * meanwhile. */
static void test_growing_against_append(void **state)
{
    static char names[8][4] = {"/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7"};
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);
    thread_id threads[10];
    int status;

    (void)state;
    assert_int_equal(file_write(file, content, 4096), 4096);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_truncate(file, 8192), 0);
    fuse_model.is_silent = true;
    for (unsigned i = 0; i < 10; i++) {
        void *arg = i < 8 ? (void *)names[i] : file;

        assert_int_equal(thread_create(NULL,
                                       i < 8    ? stat_missing
                                       : i == 8 ? sync_it
                                                : append_and_sync,
                                       arg, &threads[i]),
                         0);
        settle();
    }
    fuse_model.is_silent = false;
    fuse_world_wake();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(thread_join(threads[i], &status), 0);
        assert_int_equal(status, 0);
    }
    memcpy(got, content, 4096);
    memset(got + 4096, 0, 4096);
    memcpy(got + 8192, content, 4096);
    assert_holds("f", got, 12288);
    file_close(file);
}

/*
 * What was appended while the data before it was on its way makes the file
 * larger, and that is told. The server does it late, behind what was appended,
 * and synced, once more, if that was not made to wait.
 */
static void test_size_against_append(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);
    thread_id threads[2];
    int status;

    (void)state;
    assert_int_equal(file_write(file, content, 4096), 4096);
    fuse_model.late_opcode = WRITE;
    assert_int_equal(thread_create(NULL, sync_it, file, &threads[0]), 0);
    settle();
    assert_true(fuse_model.is_late);
    assert_int_equal(file_write_at(file, content, 4096, 4096), 4096);
    fuse_model.held_opcode = SETATTR;
    fuse_model.late_opcode = 0;
    fuse_world_wake();
    settle();
    assert_true(fuse_model.is_held);
    assert_int_equal(thread_create(NULL, append_and_sync, file, &threads[1]),
                     0);
    settle();
    fuse_model.held_opcode = 0;
    fuse_world_wake();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(thread_join(threads[i], &status), 0);
        assert_int_equal(status, 0);
    }
    memcpy(got, content, 4096);
    memcpy(got + 4096, content, 4096);
    memcpy(got + 8192, content, 4096);
    assert_holds("f", got, 12288);
    file_close(file);
}

static char f_path[] = "/f";

static int stat_it(void *arg)
{
    struct file_stat stat;

    return file_stat(arg, true, &stat);
}

/* What the server said of a file before it was written here, but is heard
 * later, is not taken. */
static void test_old_attributes(void **state)
{
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);
    struct file_stat stat;
    thread_id thread;
    int status;

    (void)state;
    assert_int_equal(file_write(file, content, 4096), 4096);
    assert_int_equal(file_sync(file), 0);
    time_passes();
    fuse_model.late_opcode = LOOKUP;
    assert_int_equal(thread_create(NULL, stat_it, f_path, &thread), 0);
    settle();
    assert_true(fuse_model.is_late);
    assert_int_equal(file_write(file, content, 4096), 4096);
    assert_int_equal(file_sync(file), 0);
    fuse_model.late_opcode = 0;
    fuse_world_wake();
    assert_int_equal(thread_join(thread, &status), 0);
    assert_int_equal(status, 0);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.size_bytes, 8192);
    file_close(file);
}

/* News of a file that somebody uses just then are taken the next time. */
static void test_news_while_it_is_read(void **state)
{
    struct file_stat stat;
    struct inode *inode;

    (void)state;
    fuse_model.valid_ns = 100 * NS_PER_S;
    (void)fs_model_file(&fuse_model, "f", "1", 1);
    assert_int_equal(vfs_walk("/f", true, &inode), 0);
    (void)fs_model_file(&fuse_model, "f", "22", 2);
    time_passes();
    rwlock_lock_shared(&inode->lock);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.size_bytes, 1);
    rwlock_unlock_shared(&inode->lock);
    inode_put(inode);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.size_bytes, 2);
}

/* "/f" is looked up, and again a second later, once and no earlier. */
static void assert_ends_in_a_second(void)
{
    const uint64_t now = 1000 * NS_PER_S;
    struct file_stat stat;
    unsigned before;

    clock_set(now);
    (void)fs_model_file(&fuse_model, "f", "1", 1);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    before = fuse_model.counts[LOOKUP];
    clock_set(now + NS_PER_S - 1);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(fuse_model.counts[LOOKUP], before);
    clock_set(now + NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(fuse_model.counts[LOOKUP], before + 1);
    clock_set(0);
}

/* Names end at their time, whatever the flusher is doing. */
static void test_names_end(void **state)
{
    (void)state;
    fuse_model.valid_ns = NS_PER_S;
    assert_ends_in_a_second();
}

static uint64_t name_valid_s, attr_valid_s;

static void tell_times(struct fs_model *model, const struct fs_message *message,
                       uint8_t *answer, uint32_t *len, uint32_t *used)
{
    uint8_t *body = answer + 16;

    (void)model;
    (void)used;
    if (message->opcode != LOOKUP || *len == 16)
        return;
    le64_put(body + 16, name_valid_s);
    le64_put(body + 24, attr_valid_s);
    memset(body + 32, 0, 8);
}

/* Of the time of a name and that of what it leads to, the shorter one counts.
 */
static void test_the_shorter_time_counts(void **state)
{
    static const uint64_t rows[][2] = {{100, 1}, {1, 100}, {1, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fuse_world_unmount();
        fuse_world_mount();
        name_valid_s = rows[i][0];
        attr_valid_s = rows[i][1];
        fuse_model.spoil = tell_times;
        assert_ends_in_a_second();
        fuse_model.spoil = NULL;
    }
}

/* ---- Names --------------------------------------------------------------- */

static void test_host_removes_and_makes(void **state)
{
    struct file_stat stat;

    (void)state;
    fuse_model.valid_ns = 0; /* nothing is trusted */
    assert_int_equal(file_stat("/f", true, &stat), -ENOENT);
    (void)fs_model_file(&fuse_model, "f", "1", 1);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    fs_model_remove(&fuse_model, "f");
    assert_int_equal(file_stat("/f", true, &stat), -ENOENT);
    (void)fs_model_file(&fuse_model, "f", "22", 2);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.size_bytes, 2);
}

/* Names are kept as long as the server says: one LOOKUP, not two. */
static void test_names_are_trusted(void **state)
{
    struct file_stat stat;
    unsigned before;

    (void)state;
    fuse_model.valid_ns = 100 * NS_PER_S;
    (void)fs_model_file(&fuse_model, "f", "1", 1);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    before = fuse_model.counts[LOOKUP];
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(fuse_model.counts[LOOKUP], before);
    fuse_model.valid_ns = 0;
    time_passes();
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(fuse_model.counts[LOOKUP], before + 2);
}

/* A server that does not know its root from below. */
static void test_up_to_the_root(void **state)
{
    struct inode *dir, *up;
    struct name name;

    (void)state;
    fuse_model.is_root_unknown_from_below = true;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
    name = name_up(dir);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(vfs_lookup(dir, &name, &up), 0);
        assert_ptr_equal(up, root_mount()->root);
        inode_put(up);
    }
    inode_put(dir);
    assert_int_equal(file_rmdir("/d"), 0);
}

/* ---- Attributes ---------------------------------------------------------- */

static void test_attributes_at_once(void **state)
{
    struct file_stat stat;

    (void)state;
    file_close(fuse_world_open("/f", FILE_WRITE | FILE_CREATE));
    assert_int_equal(file_chmod("/f", true, 0600), 0);
    assert_int_equal(fs_model_at(&fuse_model, "f")->mode & 07777, 0600);
    fuse_model.fail_at = 1;
    fuse_model.fail_error = -EPERM;
    fuse_model.fail_opcode = 4;
    assert_int_equal(file_chmod("/f", true, 0644), -EPERM);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.mode, 0600);
}

/* What users are told is what the host says. */
static void test_attributes_of_the_host(void **state)
{
    const struct fs_node *node = fs_model_file(&fuse_model, "f", content, 5000);
    struct file_stat stat;

    (void)state;
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.inode, node->id & 0xffffffffff);
    assert_int_equal(stat.size_bytes, 5000);
    assert_int_equal(stat.blocks, 16); /* as the model counts them */
}

static void test_xattr(void **state)
{
    char buf[100];

    (void)state;
    file_close(fuse_world_open("/f", FILE_WRITE | FILE_CREATE));
    assert_int_equal(file_xattr_set("/f", true, "user.a", "value", 5, 0), 0);
    assert_int_equal(file_xattr_set("/f", true, "user.b", "", 0, 0), 0);
    assert_int_equal(file_xattr_get("/f", true, "user.a", buf, 100), 5);
    assert_memory_equal(buf, "value", 5);
    assert_int_equal(file_xattr_get("/f", true, "user.a", buf, 4), -ERANGE);
    assert_int_equal(file_xattr_get("/f", true, "user.a", NULL, 0), 5);
    assert_int_equal(file_xattr_list("/f", true, buf, 100), 14);
    assert_int_equal(file_xattr_list("/f", true, buf, 3), -ERANGE);
    assert_int_equal(file_xattr_remove("/f", true, "user.a"), 0);
    assert_int_equal(file_xattr_get("/f", true, "user.a", buf, 9), -ENODATA);
}

static void test_statfs(void **state)
{
    struct file_fs_stat stat;

    (void)state;
    assert_int_equal(file_stat_fs("/", &stat), 0);
    assert_string_equal(stat.type, "fuse");
    assert_int_equal(stat.block_bytes, 2048);
    assert_int_equal(stat.blocks, 1000);
    assert_int_equal(stat.inodes_free, 77);
}

/* ---- Faults -------------------------------------------------------------- */

/* A bit of everything; the first error. */
static int scenario(void)
{
    struct dir_entry entry;
    struct file_stat stat;
    struct file *file, *dir;
    int64_t status = file_mkdir("/d", 0755);
    char link[8];

    if (status == 0)
        status = file_open("/d/f", RW | FILE_CREATE, 0644, &file);
    if (status != 0)
        return (int)status;
    status = file_write(file, content, 9000);
    if (status > 0)
        status = file_sync(file);
    if (status == 0)
        status = file_truncate(file, 100);
    time_passes();
    if (status == 0)
        status = file_read_at(file, got, 100, 0) == 100 ? 0 : -EIO;
    file_close(file);
    if (status == 0)
        status = file_link("/d/f", "/g");
    if (status == 0)
        status = file_symlink("d", "/l");
    if (status == 0)
        status = file_read_link("/l", link, sizeof(link)) == 1 ? 0 : -EIO;
    if (status == 0)
        status = file_rename("/d/f", "/g2", 0);
    if (status == 0)
        status = file_chmod("/g2", true, 0600);
    if (status == 0)
        status = file_xattr_set("/g2", true, "user.x", "1", 1, 0);
    if (status == 0)
        status = file_open("/", FILE_READ, 0, &dir);
    if (status != 0)
        return (int)status;
    while ((status = dir_read(dir, &entry)) == 1)
        ;
    file_close(dir);
    if (status == 0)
        status = file_unlink("/g");
    if (status == 0)
        status = file_rmdir("/d");
    if (status == 0)
        status = file_stat("/g2", true, &stat);
    return (int)status;
}

/* Each message fails once, with each of some errors: it is told, nothing is
 * left open or known, and all can be unmounted. */
static void test_each_message_fails(void **state)
{
    static const int errors[] = {-EIO, -ENOSPC, -11, -125, -4095, -ENOSYS};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        unsigned failed = 0;
        bool has_failed = true;

        for (unsigned n = 1; has_failed; n++) {
            fuse_world_unmount();
            fuse_world_mount();
            fuse_model.fail_opcode = 0;
            fuse_model.fail_at = n;
            fuse_model.fail_error = errors[i];
            failed += scenario() != 0;
            has_failed = fuse_model.fail_at == 0;
            fuse_model.fail_at = 0;
            vfs_check();
        }
        assert_true(failed > 15);
    }
}

static void test_each_allocation_fails(void **state)
{
    bool has_failed = true;

    (void)state;
    for (uint64_t n = 1; has_failed && n < 400; n++) {
        fuse_world_unmount();
        fuse_world_mount();
        heap_fail(n);
        (void)scenario();
        has_failed = heap_failed();
        heap_fail(0);
        vfs_check();
    }
    assert_false(has_failed);
}

/* A mount without memory is none, and the next one goes on as if nothing had
 * been. */
static void test_mount_without_memory(void **state)
{
    bool has_failed = true;
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; has_failed; n++) {
        int status;

        fuse_world_unmount();
        heap_fail(n);
        status = file_mount(&fuse_channel->block.device, "/", "fuse");
        has_failed = heap_failed();
        heap_fail(0);
        assert_true(status == 0 || (has_failed && status == -ENOMEM));
        failures += status != 0;
        if (status != 0)
            fuse_world_mount();
    }
    assert_true(failures > 3);
}

/* ---- Lies ---------------------------------------------------------------- */

static unsigned lie;
static uint32_t lie_opcode;

static const struct {
    const char *name;
    uint32_t opcode;
} lies[] = {
    {"no header", LOOKUP},
    {"another unique", LOOKUP},
    {"a length too long", LOOKUP},
    {"a length too short", LOOKUP},
    {"used is shorter", LOOKUP},
    {"an error above 0", LOOKUP},
    {"an error below all", LOOKUP},
    {"an error with more", LOOKUP},
    {"no type", LOOKUP},
    {"a time of no second", LOOKUP},
    {"a negative size", LOOKUP},
    {"the root", LOOKUP},
    {"a short answer", LOOKUP},
    {"a name with a slash", READDIR},
    {"a name with NUL", READDIR},
    {"a name of nothing", READDIR},
    {"a long name", READDIR},
    {"it comes again", READDIR},
    {"cut", READDIR},
    {"a short one", OPEN},
    {"too little written", WRITE},
};

static void tell_lie(struct fs_model *model, const struct fs_message *message,
                     uint8_t *p, uint32_t *len, uint32_t *used)
{
    uint8_t *body = p + 16;

    (void)model;
    if (message->opcode != lie_opcode || *len == 16)
        return;
    switch (lie) {
    case 0:
        *len = *used = 8;
        break;
    case 1:
        p[8] ^= 1;
        break;
    case 2:
        p[0]++;
        break;
    case 3:
        p[0]--;
        break;
    case 4:
        *used -= 1;
        break;
    case 5:
        p[4] = 5;
        *len = *used = p[0] = 16;
        break;
    case 6:
        memset(p + 4, 0xff, 4);
        p[5] = 0xe0;
        *len = *used = p[0] = 16;
        break;
    case 7:
        memset(p + 4, 0xff, 4);
        break;
    case 8:
        body[40 + 61] = 0;
        break;
    case 9:
        memset(body + 40 + 52, 0xff, 4);
        break;
    case 10:
        body[40 + 15] = 0x80;
        break;
    case 11:
        memset(body, 0, 8);
        body[0] = 1;
        break;
    case 12:
        *len = *used = p[0] = 100;
        break;
    case 13:
        body[24] = '/';
        break;
    case 14:
        body[24] = 0;
        break;
    case 15:
        body[16] = 0;
        break;
    case 16:
        body[17] = 9;
        break;
    case 17:
        memset(body + 8, 0, 8);
        break;
    case 18:
        *len = *used = p[0] = 40;
        p[1] = 0;
        break;
    case 19:
        *len = *used = p[0] = 24;
        break;
    default:
        body[0]--;
        break;
    }
}

static int ask(uint32_t opcode)
{
    struct dir_entry entry;
    struct file *file;
    int64_t status;

    if (opcode == READDIR) {
        file = fuse_world_open("/", FILE_READ);
        status = dir_read(file, &entry);
    } else if (opcode == LOOKUP) {
        return file_open("/f", FILE_READ, 0, &file);
    } else {
        file = fuse_world_open("/f", RW);
        status =
            opcode == OPEN ? file_read(file, got, 1) : file_write(file, "x", 1);
        if (status > 0)
            status = file_sync(file);
        fuse_model.spoil = NULL;
        (void)!file_sync(file);
    }
    file_close(file);
    return (int)status;
}

static void test_lies(void **state)
{
    (void)state;
    for (lie = 0; lie < COUNT_OF(lies); lie++) {
        bool is_lost;
        int status;

        fuse_world_unmount();
        fuse_world_mount();
        console_forget();
        (void)fs_model_file(&fuse_model, "f", content, 5000);
        lie_opcode = lies[lie].opcode;
        fuse_model.spoil = tell_lie;
        status = ask(lie_opcode);
        fuse_model.spoil = NULL;
        ROW(lies[lie].name, status == -EIO);
        vfs_check();
        /* What the server has counted, or opened, nobody knows then, if the
         * message cannot be read; what is wrong in an entry is forgotten. */
        is_lost = lie_opcode == LOOKUP && (lie < 8 || lie > 10);
        for (unsigned i = 1; i < FS_NODES && is_lost; i++)
            fuse_model.nodes[i].lookups = 0;
        for (unsigned i = 0; i < FS_HANDLES && lie_opcode == OPEN; i++)
            fuse_model.handles[i].node = NULL;
    }
}

int main(void)
{
#define MOUNTED(test) \
    cmocka_unit_test_setup_teardown(test, setup, fuse_world_teardown)
    const struct CMUnitTest tests[] = {
        MOUNTED(test_data_both_ways),
        MOUNTED(test_sizes),
        MOUNTED(test_punch),
        MOUNTED(test_sync_once),
        MOUNTED(test_sync_directory),
        MOUNTED(test_directory_of_many),
        MOUNTED(test_host_changes_a_file),
        MOUNTED(test_host_changes_what_is_dirty),
        MOUNTED(test_own_writes_and_pages),
        MOUNTED(test_host_changes_what_was_written),
        MOUNTED(test_growing_against_append),
        MOUNTED(test_size_against_append),
        MOUNTED(test_old_attributes),
        MOUNTED(test_news_while_it_is_read),
        MOUNTED(test_names_end),
        MOUNTED(test_the_shorter_time_counts),
        MOUNTED(test_host_removes_and_makes),
        MOUNTED(test_names_are_trusted),
        MOUNTED(test_up_to_the_root),
        MOUNTED(test_attributes_at_once),
        MOUNTED(test_attributes_of_the_host),
        MOUNTED(test_xattr),
        MOUNTED(test_statfs),
        MOUNTED(test_each_message_fails),
        MOUNTED(test_each_allocation_fails),
        MOUNTED(test_mount_without_memory),
        MOUNTED(test_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
