/*
 * Names that are made, removed and renamed, in each file system that can be
 * written: the rules of POSIX, a row for each, with what changed in the tree.
 *
 * Sources: POSIX.1-2017, mkdir(), rmdir(), unlink(), link(), symlink(),
 * rename(), open(); where it leaves a choice, the Linux manual pages.
 */
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/root_mount.h"
#include "tests/fakes/tree.h"
#include "tests/fakes/world.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>

static int setup(void **state)
{
    (void)state;
    world_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_detach();
    return 0;
}

static void make_file(const char *path)
{
    struct file *file;

    assert_int_equal(
        file_open(path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, 0644, &file),
        0);
    file_close(file);
}

static void make_links(void)
{
    assert_int_equal(file_link("/g", "/g2"), 0);
    assert_int_equal(file_make_node("/p", FILE_FIFO, 0600, 0), 0);
    assert_int_equal(file_symlink("f", "/l"), 0);
    assert_int_equal(file_symlink("d", "/ld"), 0);
    assert_int_equal(file_symlink("nowhere", "/dang"), 0);
    assert_int_equal(file_symlink("loop", "/loop"), 0);
}

/* Mount it, and make the tree of the tests. */
static void build(void)
{
    world_mount();
    assert_int_equal(file_mkdir("/d", 0755), 0);
    make_file("/d/f");
    assert_int_equal(file_mkdir("/d/e", 0755), 0);
    assert_int_equal(file_mkdir("/d/full", 0755), 0);
    make_file("/d/full/x");
    assert_int_equal(file_mkdir("/e", 0755), 0);
    make_file("/f");
    make_file("/g");
    if (!world_is_fat(world))
        make_links();
    assert_int_equal(file_mkdir("/m", 0755), 0);
    assert_int_equal(file_mount_memory("/m", NULL), 0);
    make_file("/m/in");
    vfs_check();
}

static void unbuild_quick(void)
{
    vfs_check();
    assert_int_equal(root_mount()->used_count, 2); /* "/", "/m" */
    assert_int_equal(file_unmount("/m"), 0);
    world_unmount_quick();
}

/* e2fsck looks at all that one of the worlds leaves. */
static void unbuild(void)
{
    if (world != &worlds[1]) {
        unbuild_quick();
        return;
    }
    vfs_check();
    assert_int_equal(root_mount()->used_count, 2);
    assert_int_equal(file_unmount("/m"), 0);
    world_unmount();
}

enum call {
    MKDIR,
    RMDIR,
    UNLINK,
    LINK,
    SYMLINK,
    NODE,
    RENAME,
    OPEN, /* for writing */
};

static const char *const call_names[] = {"mkdir",   "rmdir", "unlink", "link",
                                         "symlink", "node",  "rename", "open"};

struct row {
    enum call call;
    const char *a, *b;
    unsigned flags;
    int status;
    const char *effect; /* as tree_difference() */
};

static int do_open(const char *path, unsigned flags)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE | flags, 0644, &file);

    if (status == 0)
        file_close(file);
    return status;
}

static int do_call(const struct row *row)
{
    switch (row->call) {
    case MKDIR:
        return file_mkdir(row->a, 0755);
    case RMDIR:
        return file_rmdir(row->a);
    case UNLINK:
        return file_unlink(row->a);
    case LINK:
        return file_link(row->a, row->b);
    case SYMLINK:
        return file_symlink(row->a, row->b);
    case NODE:
        return file_make_node(row->a, (enum file_type)row->flags, 0600, 7);
    case RENAME:
        return file_rename(row->a, row->b, row->flags);
    case OPEN:
        return do_open(row->a, row->flags);
    }
    return 1;
}

enum {
    C = FILE_CREATE,
    X = FILE_CREATE | FILE_EXCLUSIVE,
    T = FILE_TRUNCATE,
    NR = FILE_RENAME_NOREPLACE,
    EX = FILE_RENAME_EXCHANGE,
};

/* clang-format off */
static const struct row rows[] = {
    {MKDIR, "/n", 0, 0, 0, "+nd"},
    {MKDIR, "/n/", 0, 0, 0, "+nd"},
    {MKDIR, "/n//", 0, 0, 0, "+nd"},
    {MKDIR, "/d/e/n", 0, 0, 0, "+d/e/nd"},
    {MKDIR, "/ld/n", 0, 0, 0, "+d/nd"},
    {MKDIR, "/d/../n", 0, 0, 0, "+nd"},
    {MKDIR, "/d", 0, 0, -EEXIST, ""},
    {MKDIR, "/f", 0, 0, -EEXIST, ""},
    {MKDIR, "/f/", 0, 0, -EEXIST, ""},
    {MKDIR, "/l", 0, 0, -EEXIST, ""},
    {MKDIR, "/dang", 0, 0, -EEXIST, ""},
    {MKDIR, "/m", 0, 0, -EEXIST, ""},
    {MKDIR, "/", 0, 0, -EEXIST, ""},
    {MKDIR, "/.", 0, 0, -EEXIST, ""},
    {MKDIR, "/d/..", 0, 0, -EEXIST, ""},
    {MKDIR, "/none/n", 0, 0, -ENOENT, ""},
    {MKDIR, "/f/n", 0, 0, -ENOTDIR, ""},
    {MKDIR, "/loop/n", 0, 0, -ELOOP, ""},
    {MKDIR, "n", 0, 0, 0, "+nd"},
    {MKDIR, "", 0, 0, -ENOENT, ""},

    {RMDIR, "/e", 0, 0, 0, "-e"},
    {RMDIR, "/e/", 0, 0, 0, "-e"},
    {RMDIR, "/ld/e", 0, 0, 0, "-d/e"},
    {RMDIR, "/d", 0, 0, -ENOTEMPTY, ""},
    {RMDIR, "/d/full", 0, 0, -ENOTEMPTY, ""},
    {RMDIR, "/m", 0, 0, -EBUSY, ""},
    {RMDIR, "/", 0, 0, -EBUSY, ""},
    {RMDIR, "/e/.", 0, 0, -EINVAL, ""},
    {RMDIR, "/d/e/..", 0, 0, -ENOTEMPTY, ""},
    {RMDIR, "/f", 0, 0, -ENOTDIR, ""},
    {RMDIR, "/ld", 0, 0, -ENOTDIR, ""},
    {RMDIR, "/none", 0, 0, -ENOENT, ""},
    {RMDIR, "/f/x", 0, 0, -ENOTDIR, ""},

    {UNLINK, "/f", 0, 0, 0, "-f"},
    {UNLINK, "/g", 0, 0, 0, "-g"},
    {UNLINK, "/l", 0, 0, 0, "-l"},
    {UNLINK, "/ld", 0, 0, 0, "-ld"},
    {UNLINK, "/loop", 0, 0, 0, "-loop"},
    {UNLINK, "/ld/f", 0, 0, 0, "-d/f"},
    {UNLINK, "/d", 0, 0, -EISDIR, ""},
    {UNLINK, "/d/", 0, 0, -EISDIR, ""},
    {UNLINK, "/f/", 0, 0, -ENOTDIR, ""},
    {UNLINK, "/none", 0, 0, -ENOENT, ""},
    {UNLINK, "/none/", 0, 0, -ENOENT, ""},
    {UNLINK, "/", 0, 0, -EISDIR, ""},
    {UNLINK, "/d/.", 0, 0, -EISDIR, ""},
    {UNLINK, "/f/x", 0, 0, -ENOTDIR, ""},
    {UNLINK, "/m", 0, 0, -EISDIR, ""},

    {LINK, "/f", "/n", 0, 0, "+n=f"},
    {LINK, "/f", "/d/n", 0, 0, "+d/n=f"},
    {LINK, "/l", "/n", 0, 0, "+n=l"}, /* the link itself */
    {LINK, "/d/../f", "/ld/n", 0, 0, "+d/n=f"},
    {LINK, "/f", "/g", 0, -EEXIST, ""},
    {LINK, "/f", "/f", 0, -EEXIST, ""},
    {LINK, "/f", "/dang", 0, -EEXIST, ""},
    {LINK, "/f", "/e", 0, -EEXIST, ""},
    {LINK, "/f", "/n/", 0, -ENOENT, ""},
    {LINK, "/f", "/g/", 0, -EEXIST, ""},
    {LINK, "/f", "/e/", 0, -EEXIST, ""},
    {LINK, "/f", "/dang/", 0, -EEXIST, ""},
    {LINK, "/f", "/g/n/", 0, -ENOTDIR, ""},
    {LINK, "/f", "/", 0, -EEXIST, ""},
    {LINK, "/f", "/e/.", 0, -EEXIST, ""},
    {LINK, "/none", "/n", 0, -ENOENT, ""},
    {LINK, "/f", "/none/n", 0, -ENOENT, ""},
    {LINK, "/f/", "/n", 0, -ENOTDIR, ""},
    {LINK, "/f", "/g/n", 0, -ENOTDIR, ""},
    {LINK, "/d", "/n", 0, -EPERM, ""},
    {LINK, "/f", "/m/n", 0, -EXDEV, ""},
    {LINK, "/m/in", "/n", 0, -EXDEV, ""},

    {SYMLINK, "any", "/n", 0, 0, "+nl"},
    {SYMLINK, "any", "/d/e/n", 0, 0, "+d/e/nl"},
    {SYMLINK, "any", "/f", 0, -EEXIST, ""},
    {SYMLINK, "any", "/dang", 0, -EEXIST, ""},
    {SYMLINK, "any", "/n/", 0, -ENOENT, ""},
    {SYMLINK, "any", "/d/", 0, -EEXIST, ""},
    {SYMLINK, "", "/n", 0, -ENOENT, ""},
    {SYMLINK, "any", "/f/n", 0, -ENOTDIR, ""},
    {SYMLINK, "any", "/", 0, -EEXIST, ""},

    {NODE, "/n", 0, FILE_FIFO, 0, "+np"},
    {NODE, "/n", 0, FILE_SOCKET, 0, "+ns"},
    {NODE, "/n", 0, FILE_CHARACTER, 0, "+nc"},
    {NODE, "/n", 0, FILE_BLOCK, 0, "+nb"},
    {NODE, "/n", 0, FILE_REGULAR, 0, "+nf"},
    {NODE, "/n", 0, FILE_DIRECTORY, -EINVAL, ""},
    {NODE, "/n", 0, FILE_SYMLINK, -EINVAL, ""},
    {NODE, "/f", 0, FILE_FIFO, -EEXIST, ""},

    /* A file; target: none, itself, another name of it, a file, a link. */
    {RENAME, "/f", "/n", 0, 0, "-f +n=f"},
    {RENAME, "/f", "/d/n", 0, 0, "+d/n=f -f"},
    {RENAME, "/d/f", "/n", 0, 0, "-d/f +n=d/f"},
    {RENAME, "/f", "/f", 0, 0, ""},
    {RENAME, "/g", "/g2", 0, 0, ""},
    {RENAME, "/f", "/g", 0, 0, "-f +g=f"},
    {RENAME, "/f", "/d/f", 0, 0, "+d/f=f -f"},
    {RENAME, "/f", "/l", 0, 0, "-f +l=f"},
    {RENAME, "/l", "/f", 0, 0, "+f=l -l"},
    {RENAME, "/l", "/n", 0, 0, "-l +n=l"},
    {RENAME, "/f", "/e", 0, -EISDIR, ""},
    {RENAME, "/f", "/d", 0, -EISDIR, ""},
    {RENAME, "/f", "/n/", 0, -ENOTDIR, ""},
    {RENAME, "/f/", "/n", 0, -ENOTDIR, ""},
    {RENAME, "/none", "/n", 0, -ENOENT, ""},
    {RENAME, "/none", "/f", 0, -ENOENT, ""},
    {RENAME, "/f", "/none/n", 0, -ENOENT, ""},
    {RENAME, "/f", "/g/n", 0, -ENOTDIR, ""},
    /* A directory. */
    {RENAME, "/e", "/n", 0, 0, "-e +n=e"},
    {RENAME, "/e/", "/n/", 0, 0, "-e +n=e"},
    {RENAME, "/d/full", "/n", 0, 0,
     "-d/full -d/full/x +n=d/full +n/x=d/full/x"},
    {RENAME, "/d/full", "/e", 0, 0,
     "-d/full -d/full/x +e=d/full +e/x=d/full/x"},
    {RENAME, "/e", "/d/e", 0, 0, "+d/e=e -e"},
    {RENAME, "/e", "/d/e/n", 0, 0, "+d/e/n=e -e"},
    {RENAME, "/e", "/e", 0, 0, ""},
    {RENAME, "/e", "/d", 0, -ENOTEMPTY, ""},
    {RENAME, "/e", "/d/full", 0, -ENOTEMPTY, ""},
    {RENAME, "/e", "/f", 0, -ENOTDIR, ""},
    {RENAME, "/e", "/l", 0, -ENOTDIR, ""},
    {RENAME, "/e", "/ld", 0, -ENOTDIR, ""},
    /* Into itself and below; onto what is above. */
    {RENAME, "/d", "/d/n", 0, -EINVAL, ""},
    {RENAME, "/d", "/d/full", 0, -EINVAL, ""},
    {RENAME, "/d", "/d/full/n", 0, -EINVAL, ""},
    {RENAME, "/d", "/d/full/x", 0, -EINVAL, ""},
    {RENAME, "/d", "/ld/e/n", 0, -EINVAL, ""},
    {RENAME, "/d/full", "/d", 0, -ENOTEMPTY, ""},
    {RENAME, "/d/full/x", "/d", 0, -ENOTEMPTY, ""},
    {RENAME, "/d/f", "/d", 0, -ENOTEMPTY, ""},
    /* What is no name; other mounts. */
    {RENAME, "/", "/n", 0, -EBUSY, ""},
    {RENAME, "/f", "/", 0, -EBUSY, ""},
    {RENAME, "/e/.", "/n", 0, -EBUSY, ""},
    {RENAME, "/e", "/d/.", 0, -EBUSY, ""},
    {RENAME, "/d/..", "/n", 0, -EBUSY, ""},
    {RENAME, "/e", "/d/..", 0, -EBUSY, ""},
    {RENAME, "/m", "/n", 0, -EBUSY, ""},
    {RENAME, "/e", "/m", 0, -EBUSY, ""},
    {RENAME, "/f", "/m/n", 0, -EXDEV, ""},
    {RENAME, "/m/in", "/n", 0, -EXDEV, ""},
    /* NOREPLACE. */
    {RENAME, "/f", "/n", NR, 0, "-f +n=f"},
    {RENAME, "/e", "/d/n", NR, 0, "+d/n=e -e"},
    {RENAME, "/f", "/g", NR, -EEXIST, ""},
    {RENAME, "/f", "/f", NR, -EEXIST, ""},
    {RENAME, "/g", "/g2", NR, -EEXIST, ""},
    {RENAME, "/f", "/dang", NR, -EEXIST, ""},
    {RENAME, "/e", "/d", NR, -EEXIST, ""},
    {RENAME, "/f", "/e", NR, -EEXIST, ""},
    {RENAME, "/f", "/", NR, -EEXIST, ""},
    {RENAME, "/none", "/g", NR, -ENOENT, ""},
    {RENAME, "/d", "/d/n", NR, -EINVAL, ""},
    /* EXCHANGE. */
    {RENAME, "/f", "/g", EX, 0, "+f=g +g=f"},
    {RENAME, "/f", "/d/f", EX, 0, "+d/f=f +f=d/f"},
    {RENAME, "/f", "/e", EX, 0, "+e=f +f=e"},
    {RENAME, "/d/f", "/e", EX, 0, "+d/f=e +e=d/f"},
    {RENAME, "/l", "/d/e", EX, 0, "+d/e=l +l=d/e"},
    {RENAME, "/d/full", "/e", EX, 0,
     "+d/full=e -d/full/x +e=d/full +e/x=d/full/x"},
    {RENAME, "/g", "/g2", EX, 0, ""},
    {RENAME, "/f", "/f", EX, 0, ""},
    {RENAME, "/f", "/n", EX, -ENOENT, ""},
    {RENAME, "/none", "/f", EX, -ENOENT, ""},
    {RENAME, "/d", "/d/f", EX, -EINVAL, ""},
    {RENAME, "/d", "/d/full/x", EX, -EINVAL, ""},
    {RENAME, "/d/full/x", "/d", EX, -EINVAL, ""},
    {RENAME, "/d/f", "/d", EX, -EINVAL, ""},
    {RENAME, "/e", "/m", EX, -EBUSY, ""},
    {RENAME, "/m", "/e", EX, -EBUSY, ""},
    {RENAME, "/f", "/e/", EX, 0, "+e=f +f=e"},
    {RENAME, "/e/", "/f", EX, 0, "+e=f +f=e"},
    {RENAME, "/f/", "/e", EX, -ENOTDIR, ""},
    {RENAME, "/e", "/f/", EX, -ENOTDIR, ""},
    {RENAME, "/f", "/g/", EX, -ENOTDIR, ""},
    {RENAME, "/e/", "/d/e/", EX, 0, "+d/e=e +e=d/e"},
    {RENAME, "/e", "/n/", EX, -ENOENT, ""},
    {RENAME, "/n/", "/e", EX, -ENOENT, ""},
    {RENAME, "/f", "/g", NR | EX, -EINVAL, ""},
    {RENAME, "/f", "/g", 4, -EINVAL, ""},

    {OPEN, "/n", 0, C, 0, "+nf"},
    {OPEN, "/n", 0, X, 0, "+nf"},
    {OPEN, "/ld/n", 0, X, 0, "+d/nf"},
    {OPEN, "/f", 0, C, 0, ""},
    {OPEN, "/l", 0, C, 0, ""},
    {OPEN, "/dang", 0, C, 0, "+nowheref"}, /* where the link leads to */
    {OPEN, "/dang", 0, X, -EEXIST, ""},
    {OPEN, "/dang", 0, C | FILE_NOFOLLOW, -ELOOP, ""},
    {OPEN, "/dang", 0, 0, -ENOENT, ""},
    {OPEN, "/dang", 0, T, -ENOENT, ""},
    {OPEN, "/f", 0, X, -EEXIST, ""},
    {OPEN, "/l", 0, X, -EEXIST, ""},
    {OPEN, "/e", 0, X, -EEXIST, ""},
    {OPEN, "/e", 0, C, -EISDIR, ""},
    {OPEN, "/e", 0, 0, -EISDIR, ""},
    {OPEN, "/e", 0, T, -EISDIR, ""},
    {OPEN, "/ld", 0, C, -EISDIR, ""},
    {OPEN, "/m", 0, C, -EISDIR, ""},
    {OPEN, "/", 0, C, -EISDIR, ""},
    {OPEN, "/", 0, X, -EEXIST, ""},
    {OPEN, "/d/.", 0, C, -EISDIR, ""},
    {OPEN, "/n/", 0, C, -EISDIR, ""},
    {OPEN, "/f/", 0, C, -EISDIR, ""},
    {OPEN, "/n/", 0, T, -ENOENT, ""},
    {OPEN, "/n/.", 0, T, -ENOENT, ""},
    {OPEN, "/dang/", 0, T, -ENOENT, ""},
    {OPEN, "/f/", 0, T, -ENOTDIR, ""},
    {OPEN, "/l/", 0, T, -ENOTDIR, ""},
    {OPEN, "/f/.", 0, T, -ENOTDIR, ""},
    {OPEN, "/e/", 0, T, -EISDIR, ""},
    {OPEN, "/ld/", 0, T, -EISDIR, ""},
    {OPEN, "/", 0, T, -EISDIR, ""},
    {OPEN, "/l", 0, T | FILE_NOFOLLOW, -ELOOP, ""},
    {OPEN, "/loop", 0, T, -ELOOP, ""},
    {OPEN, "/p", 0, T, 0, ""}, /* it has no size */
    {OPEN, "/p", 0, C | T, 0, ""},
    {OPEN, "/p/", 0, T, -ENOTDIR, ""},
    {OPEN, "/loop", 0, C, -ELOOP, ""},
    {OPEN, "/none/n", 0, C, -ENOENT, ""},
    {OPEN, "/f/n", 0, C, -ENOTDIR, ""},
    {OPEN, "/f", 0, FILE_EXCLUSIVE, -EINVAL, ""},
    {OPEN, "/n", 0, C | FILE_DIRECTORY_ONLY, -EINVAL, ""},
};
/* clang-format on */

static const char *title(const struct row *row)
{
    static char text[200];

    snprintf(text, sizeof(text), "%s %s %s %x", call_names[row->call], row->a,
             row->b == NULL ? "" : row->b, row->flags);
    return text;
}

/* Whether a path begins with what make_links() has made. */
static bool is_linked(const char *path)
{
    static const char *const linked[] = {"g2", "p", "l", "ld", "dang", "loop"};
    size_t len = path == NULL || path[0] != '/' ? 0 : strcspn(path + 1, "/");

    for (size_t i = 0; i < COUNT_OF(linked); i++) {
        if (len == strlen(linked[i]) && memcmp(path + 1, linked[i], len) == 0)
            return true;
    }
    return false;
}

/* Whether a row holds in the world of the test: FAT has no links. */
static bool is_row(const struct row *row)
{
    if (!world_is_fat(world))
        return true;
    return row->call != LINK && row->call != SYMLINK && row->call != NODE &&
           !is_linked(row->a) && !is_linked(row->b);
}

/* Number of names that lead to each inode: what st_nlink says of files. */
static void check_links(const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        uint32_t names = 0, dirs = 0;

        for (size_t j = 0; j < tree->count; j++) {
            const char *path = tree->paths[j].path;
            size_t len = strlen(tree->paths[i].path);

            names += tree->paths[j].inode == tree->paths[i].inode;
            dirs += tree->paths[j].type == FILE_DIRECTORY &&
                    strncmp(path, tree->paths[i].path, len) == 0 &&
                    path[len] == '/' && strchr(path + len + 1, '/') == NULL;
        }
        if (strcmp(tree->paths[i].path, "m") == 0)
            continue; /* another file system */
        if (tree->paths[i].type == FILE_DIRECTORY)
            assert_int_equal(tree->paths[i].links,
                             world_is_fat(world) ? 1 : 2 + dirs);
        else
            assert_int_equal(tree->paths[i].links, names);
    }
}

static void test_rules(void **state)
{
    static struct tree before, after;
    char effect[400];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!is_row(&rows[i]))
            continue;
        build();
        tree_read(&before);
        ROW(title(&rows[i]), do_call(&rows[i]) == rows[i].status);
        vfs_check();
        tree_read(&after);
        tree_difference(&before, &after, effect, sizeof(effect));
        if (strcmp(effect, rows[i].effect) != 0)
            fail_msg("row \"%s\": \"%s\", not \"%s\"", title(&rows[i]), effect,
                     rows[i].effect);
        check_links(&after);
        unbuild();
    }
}

/* The same without what is kept in memory: every name is asked for. */
static void forget_names(void)
{
    dentries_shrink(root_mount(), 0);
}

static void test_rules_without_names_in_memory(void **state)
{
    static struct tree before, after;
    char effect[400];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!is_row(&rows[i]))
            continue;
        build();
        tree_read(&before);
        forget_names();
        ROW(title(&rows[i]), do_call(&rows[i]) == rows[i].status);
        forget_names();
        tree_read(&after);
        tree_difference(&before, &after, effect, sizeof(effect));
        ROW(title(&rows[i]), strcmp(effect, rows[i].effect) == 0);
        unbuild_quick();
    }
}

/* Whatever allocation fails: the call fails as a whole, or has its effect. */
static void test_rules_without_memory(void **state)
{
    static struct tree before, after;
    size_t blocks = 0, failures = 0;
    char effect[400];

    (void)state;
    build();
    unbuild_quick();
    blocks = stats().block_count;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!is_row(&rows[i]))
            continue;
        bool failed = true;

        for (uint64_t n = 1; failed; n++) {
            int status;

            build();
            tree_read(&before);
            forget_names();
            heap_fail(n);
            status = do_call(&rows[i]);
            failed = heap_failed();
            heap_fail(0);
            vfs_check();
            tree_read(&after);
            tree_difference(&before, &after, effect, sizeof(effect));
            ROW(title(&rows[i]),
                status == rows[i].status || (failed && status == -ENOMEM));
            ROW(title(&rows[i]),
                strcmp(effect, status == -ENOMEM ? "" : rows[i].effect) == 0);
            failures += failed;
            unbuild_quick();
            assert_int_equal(stats().block_count, blocks);
        }
    }
    assert_true(failures > 200);
}

/* ---- Limits -------------------------------------------------------------- */

static void test_name_length(void **state)
{
    char path[300] = "/";

    (void)state;
    build();
    memset(path + 1, 'n', 255);
    assert_int_equal(file_mkdir(path, 0755), 0);
    assert_int_equal(file_rmdir(path), 0);
    path[256] = 'n';
    assert_int_equal(file_mkdir(path, 0755), -ENAMETOOLONG);
    assert_int_equal(file_rename("/f", path, 0), -ENAMETOOLONG);
    assert_int_equal(file_unlink(path), -ENAMETOOLONG);
    unbuild();
}

static void test_name_init(void **state)
{
    static const char bytes[] = "a/b\0c";
    static char many[300];
    struct name name;

    (void)state;
    build();
    memset(many, 'x', sizeof(many));
    assert_int_equal(name_init(&name, root_mount(), bytes, 0), -ENOENT);
    assert_int_equal(name_init(&name, root_mount(), bytes, 1), 0);
    assert_int_equal(name_init(&name, root_mount(), bytes, 2), -EINVAL);
    assert_int_equal(name_init(&name, root_mount(), bytes + 2, 3), -EINVAL);
    assert_int_equal(name_init(&name, root_mount(), many, 255), 0);
    assert_int_equal(name.len, 255);
    assert_int_equal(name_init(&name, root_mount(), many, 256), -ENAMETOOLONG);
    unbuild();
}

static void test_inode_limit(void **state)
{
    const struct memfs_limits limits = {.inodes = 4};

    (void)state;
    if (world->options != NULL)
        skip();
    assert_int_equal(file_mount_memory("/", &limits), 0);
    assert_int_equal(file_mkdir("/a", 0755), 0);
    make_file("/b");
    assert_int_equal(file_symlink("x", "/c"), 0);
    assert_int_equal(file_mkdir("/d", 0755), -ENOSPC);
    assert_int_equal(do_open("/d", C), -ENOSPC);
    assert_int_equal(file_link("/b", "/d"), 0); /* no inode more */
    assert_int_equal(file_unlink("/b"), 0);
    assert_int_equal(file_mkdir("/e", 0755), -ENOSPC); /* it has a name left */
    assert_int_equal(file_unlink("/d"), 0);
    assert_int_equal(file_mkdir("/e", 0755), 0);
    assert_int_equal(file_rename("/e", "/a", 0), 0);
    make_file("/a/x");
    assert_int_equal(do_open("/a/y", C), -ENOSPC);
    assert_int_equal(file_unmount("/"), 0);
}

static void test_read_only(void **state)
{
    static struct tree before, after;
    char effect[400];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!is_row(&rows[i]))
            continue;
        build();
        tree_read(&before);
        root_mount()->is_read_only = true;
        if (rows[i].effect[0] != '\0')
            ROW(title(&rows[i]), do_call(&rows[i]) == -EROFS);
        else
            ROW(title(&rows[i]), do_call(&rows[i]) <= 0);
        tree_read(&after);
        tree_difference(&before, &after, effect, sizeof(effect));
        ROW(title(&rows[i]), effect[0] == '\0');
        unbuild_quick();
    }
}

/* ---- Directories that were removed --------------------------------------- */

static void test_removed_directory(void **state)
{
    struct inode *dir, *child;
    struct dir_entry entry;
    struct file *file;
    struct name name;
    const struct new_inode what = {.type = FILE_REGULAR};

    (void)state;
    build();
    assert_int_equal(name_init(&name, root_mount(), "n", 1), 0);
    assert_int_equal(file_open("/e", FILE_READ, 0, &file), 0);
    assert_int_equal(vfs_walk("/e", true, &dir), 0);
    assert_int_equal(file_rmdir("/e"), 0);
    vfs_check();
    assert_int_equal(dir->links, 0);
    assert_int_equal(vfs_lookup(dir, &name, &child), -ENOENT);
    assert_int_equal(vfs_create(dir, &name, &what, &child), -ENOENT);
    assert_int_equal(vfs_unlink(dir, &name), -ENOENT);
    assert_int_equal(vfs_rmdir(dir, &name), -ENOENT);
    assert_int_equal(vfs_walk("/f", true, &child), 0);
    assert_int_equal(vfs_link(child, dir, &name), -ENOENT);
    inode_put(child);
    assert_int_equal(vfs_walk("/d", true, &child), 0);
    assert_int_equal(name_init(&name, root_mount(), "f", 1), 0);
    assert_int_equal(vfs_rename(child, &name, dir, &name, 0), -ENOENT);
    inode_put(child);
    assert_int_equal(dir_read(file, &entry), 0);
    inode_put(dir);
    /* Another one of that name is another one. */
    assert_int_equal(file_mkdir("/e", 0755), 0);
    assert_int_equal(dir_read(file, &entry), 0);
    file_close(file);
    unbuild();
}

static uint64_t inode_number(const char *path)
{
    struct file_stat stat;

    assert_int_equal(file_stat(path, false, &stat), 0);
    return stat.inode;
}

/* ".." of a directory that has moved is its new parent, also when the old one
 * was known. */
static void test_parent_of_a_moved_directory(void **state)
{
    (void)state;
    build();
    assert_int_equal(inode_number("/d/e/.."), inode_number("/d"));
    assert_int_equal(inode_number("/e/.."), inode_number("/"));
    assert_int_equal(file_rename("/d/e", "/n", 0), 0);
    assert_int_equal(inode_number("/n/.."), inode_number("/"));
    assert_int_equal(file_rename("/e", "/d/full", FILE_RENAME_EXCHANGE), 0);
    assert_int_equal(inode_number("/e/.."), inode_number("/"));
    assert_int_equal(inode_number("/d/full/.."), inode_number("/d"));
    /* And a rename that follows sees it that way. */
    assert_int_equal(file_rename("/d", "/d/full/n", 0), -EINVAL);
    assert_int_equal(file_rename("/d", "/e/n", 0), 0);
    assert_int_equal(inode_number("/e/n/full/../.."), inode_number("/e"));
    unbuild();
}

/* A file without a name lives until its last holder has gone. */
static void test_unlinked_while_open(void **state)
{
    struct file_stat stat;
    struct file *file;

    (void)state;
    build();
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_unlink("/f"), 0);
    vfs_check();
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.links, 0);
    make_file("/f");
    assert_int_equal(file_unmount("/"), -EBUSY);
    vfs_check();
    file_close(file);
    unbuild();
}

/* ---- Reading a directory that changes ------------------------------------ */

/* Read on, at most `max` entries. */
static unsigned read_names(struct file *dir, unsigned seen[20], unsigned max)
{
    struct dir_entry entry;
    unsigned count = 0;

    while (count < max && dir_read(dir, &entry) == 1) {
        if (entry.name[0] == 'n')
            seen[atoi(entry.name + 1)]++;
        count++;
    }
    return count;
}

/* Every name that is there all the time is read once, and none twice. */
static void test_readdir_while_names_change(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 12; at++) {
        unsigned seen[20] = {0};
        struct file *dir;
        char path[20];

        world_mount();
        for (unsigned i = 0; i < 10; i++) {
            snprintf(path, sizeof(path), "/n%u", i);
            make_file(path);
        }
        assert_int_equal(file_open("/", FILE_READ, 0, &dir), 0);
        assert_int_equal(read_names(dir, seen, at), at);
        for (unsigned i = 0; i < 10; i += 2) {
            snprintf(path, sizeof(path), "/n%u", i);
            assert_int_equal(file_unlink(path), 0);
        }
        make_file("/n11");
        assert_int_equal(file_rename("/n1", "/n12", 0), 0);
        vfs_check();
        assert_int_equal(file_seek(dir, 0, FILE_SEEK_CUR) > 0, at > 0);
        read_names(dir, seen, UINT_MAX);
        for (unsigned i = 3; i < 10; i += 2)
            assert_int_equal(seen[i], 1);
        /* In memory what is new comes last; elsewhere anywhere. */
        assert_in_range(seen[11], world->options == NULL, 1);
        assert_in_range(seen[12], world->options == NULL, 1);
        for (unsigned i = 0; i < 10; i += 2)
            assert_in_range(seen[i], 0, at > 0);
        file_close(dir);
        world_unmount();
    }
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_rules),
        ATTACHED(test_rules_without_names_in_memory),
        ATTACHED(test_rules_without_memory),
        ATTACHED(test_name_length),
        ATTACHED(test_name_init),
        ATTACHED(test_inode_limit),
        ATTACHED(test_read_only),
        ATTACHED(test_removed_directory),
        ATTACHED(test_parent_of_a_moved_directory),
        ATTACHED(test_unlinked_while_open),
        ATTACHED(test_readdir_while_names_change),
    };

    return world_run("names", tests, COUNT_OF(tests)) +
           world_run_in(&world_fat, "names", tests, COUNT_OF(tests)) +
           world_run_in(&world_fuse, "names", tests, COUNT_OF(tests));
}
