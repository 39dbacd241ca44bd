/*
 * What a server may say, and what it must not: each of its errors, the way up,
 * answers that contradict each other, and more open files than it is to have.
 */
#include "fs/fuse/fuse_internal.h"
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
#include <stdio.h>
#include <string.h>
#include <torc/file.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { RW = FILE_READ | FILE_WRITE };

/* ---- Errors -------------------------------------------------------------- */

/* The next message of this kind gets an error. */
static void fail_next(uint32_t opcode, int error)
{
    fuse_model.fail_opcode = opcode;
    fuse_model.fail_error = error;
    fuse_model.fail_at = 1;
}

static void test_errors_of_linux(void **state)
{
    static const struct {
        const char *name;
        int error, status;
    } rows[] = {
        {"EPERM", -1, -EPERM},
        {"EACCES", -13, -EPERM},
        {"EMFILE", -24, -ENFILE},
        {"ETXTBSY", -26, -EBUSY},
        {"ESTALE", -116, -ENOENT},
        {"EDQUOT", -122, -ENOSPC},
        {"EROFS", -30, -EROFS},
        {"ENOSYS", -38, -ENOSYS},
        {"one we do not have", -71, -EIO},
    };

    (void)state;
    (void)fs_model_file(&fuse_model, "f", "hello", 5);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fail_next(FUSE_SETATTR, rows[i].error);
        ROW(rows[i].name, file_chmod("/f", true, 0600) == rows[i].status);
        ROW(rows[i].name, fuse_model.fail_at == 0);
    }
    assert_int_equal(file_chmod("/f", true, 0600), 0);
    fail_next(FUSE_RENAME, -38);
    assert_int_equal(file_rename("/f", "/g", 0), -ENOTSUP);
}

/* What others did meanwhile is found when the name is asked for again. */
static void test_others_are_faster(void **state)
{
    struct file_stat stat;

    (void)state;
    fuse_model.valid_ns = UINT64_C(1) << 50;
    assert_int_equal(file_stat("/d", true, &stat), -ENOENT);
    assert_int_equal(file_stat("/l", true, &stat), -ENOENT);
    (void)fs_model_file(&fuse_model, "d", "1", 1);
    assert_int_equal(file_mkdir("/d", 0755), -EEXIST);
    assert_int_equal(file_stat("/d", true, &stat), 0);
    assert_int_equal(stat.size_bytes, 1);
    assert_int_equal(file_stat("/l", true, &stat), -ENOENT);
    (void)fs_model_file(&fuse_model, "l", "22", 2);
    assert_int_equal(file_link("/d", "/l"), -EEXIST);
    assert_int_equal(file_stat("/l", true, &stat), 0);
    assert_int_equal(stat.size_bytes, 2);
    fs_model_remove(&fuse_model, "l");
    assert_int_equal(file_unlink("/l"), -ENOENT);
    assert_int_equal(file_stat("/l", true, &stat), -ENOENT);
    fs_model_remove(&fuse_model, "d");
    assert_int_equal(file_rename("/d", "/e", 0), -ENOENT);
    assert_int_equal(file_stat("/d", true, &stat), -ENOENT);
}

/* ---- The way up ---------------------------------------------------------- */

static struct inode *up_from(struct inode *dir)
{
    struct name name = name_up(dir);
    struct inode *up;

    assert_int_equal(vfs_lookup(dir, &name, &up), 0);
    inode_put(dir);
    return up;
}

/* Nothing is in memory but what is in use. */
static void forget_inodes(void)
{
    dentries_shrink(root_mount(), 0);
    inodes_shrink(root_mount(), 0, true);
}

/* The parents have left the memory, so the server is asked; with either kind of
 * root. */
static void test_up_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(file_mkdir("/a", 0755), 0);
    assert_int_equal(file_mkdir("/a/b", 0755), 0);
    assert_int_equal(file_mkdir("/a/b/c", 0755), 0);
    for (unsigned i = 0; i < 2; i++) {
        unsigned before = fuse_model.counts[FUSE_LOOKUP];
        struct inode *dir;
        uint64_t number;

        fuse_model.is_root_unknown_from_below = i == 1;
        assert_int_equal(vfs_walk("/a", true, &dir), 0);
        number = dir->number;
        inode_put(dir);
        assert_int_equal(vfs_walk("/a/b/c", true, &dir), 0);
        before = fuse_model.counts[FUSE_LOOKUP];
        dir = up_from(dir); /* from memory */
        assert_int_equal(fuse_model.counts[FUSE_LOOKUP], before);
        inode_put(dir);
        assert_int_equal(vfs_walk("/a/b/c", true, &dir), 0);
        forget_inodes();
        before = fuse_model.counts[FUSE_LOOKUP];
        dir = up_from(up_from(dir));
        assert_int_equal(dir->number, number);
        dir = up_from(dir);
        assert_ptr_equal(dir, root_mount()->root);
        assert_int_equal(fuse_model.counts[FUSE_LOOKUP], before + 3);
        inode_put(dir);
    }
}

/* ---- Contradictions ------------------------------------------------------ */

static uint32_t spoiled;           /* answers to these are changed */
static void (*change)(uint8_t *p); /* so; without the header */
static uint32_t cut;               /* to that many bytes; 0: not */

static void spoil(struct fs_model *model, const struct fs_message *message,
                  uint8_t *answer, uint32_t *len, uint32_t *used)
{
    (void)model;
    if (message->opcode != spoiled || *len == FUSE_OUT_HEADER)
        return;
    if (change != NULL)
        change(answer + FUSE_OUT_HEADER);
    if (cut != 0) {
        *len = *used = cut;
        le32_put(answer, cut);
    }
    spoiled = 0;
}

static void no_node(uint8_t *p)
{
    le64_put(p, 0);
}

static void other_type(uint8_t *p) /* of an entry */
{
    le32_put(p + 40 + 60, 0010644);
}

static void no_type(uint8_t *p) /* of attributes */
{
    le32_put(p + 16 + 60, 0);
}

static uint64_t planted;

/* Of which the server has told once more then. */
static void another_node(uint8_t *p)
{
    le64_put(p, planted);
    for (unsigned i = 0; i < FS_NODES; i++) {
        if (fuse_model.nodes[i].is_used && fuse_model.nodes[i].id == planted)
            fuse_model.nodes[i].lookups++;
    }
}

static void no_end(uint8_t *p)
{
    p[6] = 'x';
}

static void nul_inside(uint8_t *p)
{
    p[1] = '\0';
}

static int make_dir(void)
{
    return file_mkdir("/new", 0755);
}

static int make_link(void)
{
    return file_link("/f", "/new");
}

static int change_mode(void)
{
    return file_chmod("/f", true, 0600);
}

static int list_xattrs(void)
{
    char names[100];

    return (int)file_xattr_list("/f", true, names, sizeof(names));
}

static int follow(void)
{
    char path[100];

    return (int)file_read_link("/s", path, sizeof(path));
}

static int look(void)
{
    struct file_stat stat;

    vfs_forget_names(root_mount());
    return file_stat("/f", true, &stat);
}

static int write_it(void)
{
    struct file *file = fuse_world_open("/f", RW);
    int status = (int)file_write_at(file, "x", 1, 0);

    if (status == 1)
        status = file_sync(file);
    (void)!file_sync(file);
    file_close(file);
    return status;
}

static int read_it(void)
{
    struct file *file = fuse_world_open("/f", FILE_READ);
    char byte;
    int status = (int)file_read(file, &byte, 1);

    file_close(file);
    return status;
}

static void test_contradictions(void **state)
{
    static const struct {
        const char *name;
        uint32_t opcode;
        void (*change)(uint8_t *p);
        uint32_t cut;
        int (*call)(void);
        int status;
        const char *text; /* of the line in the log */
        bool is_lost;     /* what the server has counted */
    } rows[] = {
        {"a name of nothing", FUSE_LOOKUP, no_node, 0, look, -ENOENT, NULL,
         true},
        {"a node of another type", FUSE_LOOKUP, other_type, 0, look, -EIO,
         "a node has another type", false},
        {"made, and nothing", FUSE_MKDIR, no_node, 0, make_dir, -EIO,
         "what was made is something else", true},
        {"made, of another type", FUSE_MKDIR, other_type, 0, make_dir, -EIO,
         "what was made is something else", false},
        {"made, and there before", FUSE_MKDIR, another_node, 0, make_dir, -EIO,
         "what was made was there before", true},
        {"a link to another", FUSE_LINK, another_node, 0, make_link, -EIO,
         "a link leads to something else", true},
        {"set to nothing", FUSE_SETATTR, no_type, 0, change_mode, -EIO,
         "attributes that cannot be", false},
        {"names without an end", FUSE_LISTXATTR, no_end, 0, list_xattrs, -EIO,
         "a name without an end", false},
        {"a target with NUL", FUSE_READLINK, nul_inside, 0, follow, -EIO,
         "a link that leads nowhere", false},
        {"no target", FUSE_READLINK, NULL, FUSE_OUT_HEADER, follow, -EIO,
         "a link that leads nowhere", false},
        {"written, and no word", FUSE_WRITE, NULL, FUSE_OUT_HEADER, write_it,
         -EIO, "an answer of another length", false},
        {"written, without a header", FUSE_WRITE, NULL, 8, write_it, -EIO,
         "an answer without a header", false},
        {"read, without a header", FUSE_READ, NULL, 8, read_it, -EIO,
         "an answer without a header", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct inode *inode;

        fuse_world_unmount();
        fuse_world_mount();
        (void)fs_model_file(&fuse_model, "f", "hello", 5);
        (void)fs_model_file(&fuse_model, "other", "o", 1);
        assert_int_equal(file_symlink("target", "/s"), 0);
        assert_int_equal(file_xattr_set("/f", true, "user.a", "1", 1, 0), 0);
        assert_int_equal(vfs_walk("/other", true, &inode), 0);
        planted = inode->number;
        console_forget();
        spoiled = rows[i].opcode;
        change = rows[i].change;
        cut = rows[i].cut;
        fuse_model.spoil = spoil;
        ROW(rows[i].name, rows[i].call() == rows[i].status);
        ROW(rows[i].name, spoiled == 0);
        ROW(rows[i].name, rows[i].text == NULL || console_has(rows[i].text));
        fuse_model.spoil = NULL;
        inode_put(inode);
        vfs_check();
        if (rows[i].is_lost) /* it has told of it, and nobody knows */
            fs_model_at(&fuse_model,
                        fs_model_at(&fuse_model, "new") != NULL ? "new" : "f")
                ->lookups--;
    }
}

/* A root that cannot be is not mounted. */
static void test_root_of_no_type(void **state)
{
    (void)state;
    fuse_world_unmount();
    fs_model_clear(&fuse_model);
    spoiled = FUSE_GETATTR;
    change = no_type;
    cut = 0;
    fuse_model.spoil = spoil;
    assert_int_equal(file_mount(&fuse_channel->block.device, "/", "fuse"),
                     -EIO);
    assert_true(console_has("attributes that cannot be"));
    fuse_model.spoil = NULL;
    fuse_world_mount();
}

/* ---- Many, and much ------------------------------------------------------ */

enum { MANY = FUSE_HANDLES_MAX + 20 };

static void read_file(unsigned i)
{
    char path[16], byte;
    struct file *file;

    (void)snprintf(path, sizeof(path), "/f%u", i);
    file = fuse_world_open(path, FILE_READ);
    assert_int_equal(file_read(file, &byte, 1), 1);
    assert_int_equal(byte, 'a' + i % 26);
    file_close(file);
}

static unsigned open_at_server(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < FS_HANDLES; i++)
        count += fuse_model.handles[i].node != NULL;
    return count;
}

/* What is sent later is sent. */
static void settle(void)
{
    clock_set(time_ns() + NS_PER_S);
    for (unsigned i = 0; i < 50; i++) {
        timer_run(clock_now());
        thread_yield();
    }
    clock_set(0);
}

/* Of files that nobody uses the server has only so many open; one more
 * for a moment. */
static void test_files_are_closed_at_the_server(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        char path[16];
        const char letter = (char)('a' + i % 26);

        (void)snprintf(path, sizeof(path), "f%u", i);
        (void)fs_model_file(&fuse_model, path, &letter, 1);
    }
    for (unsigned i = 0; i < MANY; i++)
        read_file(i);
    settle();
    assert_in_range(fuse_model.counts[FUSE_RELEASE], 1, MANY);
    assert_in_range(open_at_server(), FUSE_HANDLES_MAX / 2,
                    FUSE_HANDLES_MAX + 1);
    for (unsigned i = 0; i < MANY; i++) /* what was closed is opened again */
        read_file(i);
    settle();
    assert_in_range(open_at_server(), FUSE_HANDLES_MAX / 2,
                    FUSE_HANDLES_MAX + 1);
}

static const uint64_t window_end = UINT64_C(512) << FUSE_WINDOW_SHIFT;

static void long_file(uint8_t *p) /* of an entry */
{
    le64_put(p + 40 + 8, window_end + 8192);
}

/* No file is larger than its window, whatever the server says. */
static void test_window_has_an_end(void **state)
{
    const uint64_t end = window_end;
    struct file *file = fuse_world_open("/f", RW | FILE_CREATE);
    char bytes[8192];

    (void)state;
    assert_int_equal(file_write_at(file, "x", 1, end), -EFBIG);
    assert_int_equal(file_write_at(file, "y", 1, 0), 1);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(fs_model_at(&fuse_model, "f")->size, 1);
    file_close(file);
    (void)fs_model_file(&fuse_model, "g", "g", 1);
    spoiled = FUSE_LOOKUP;
    change = long_file;
    cut = 0;
    fuse_model.spoil = spoil;
    file = fuse_world_open("/g", FILE_READ);
    fuse_model.spoil = NULL;
    assert_int_equal(file_read_at(file, bytes, 8192, end - 4096), 4096);
    assert_int_equal(file_read_at(file, bytes, 8192, end), -EFBIG);
    assert_int_equal(file_read_at(file, bytes, 1, 0), 1);
    assert_int_equal(bytes[0], 'g');
    file_close(file);
}

/* A directory that is removed has nothing to be kept. */
static void test_sync_of_a_removed_directory(void **state)
{
    struct file *dir;
    unsigned before;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    dir = fuse_world_open("/d", FILE_READ);
    assert_int_equal(file_rmdir("/d"), 0);
    before = fuse_model.count;
    assert_int_equal(file_sync(dir), 0);
    assert_int_equal(fuse_model.count, before);
    file_close(dir);
}

int main(void)
{
#define MOUNTED(test) \
    cmocka_unit_test_setup_teardown(test, fuse_world_setup, fuse_world_teardown)
    const struct CMUnitTest tests[] = {
        MOUNTED(test_errors_of_linux),
        MOUNTED(test_others_are_faster),
        MOUNTED(test_up_is_asked_for),
        MOUNTED(test_contradictions),
        MOUNTED(test_root_of_no_type),
        MOUNTED(test_files_are_closed_at_the_server),
        MOUNTED(test_window_has_an_end),
        MOUNTED(test_sync_of_a_removed_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
