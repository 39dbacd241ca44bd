/*
 * What torc-fuse serves (tools/fuse): nodes and calls by node, on files in
 * memory. After each test Linux has forgotten all and everything is back.
 */
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tools/fuse/host/serve.h"
#include "tools/fuse/node.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static size_t blocks_before;

static int setup(void **state)
{
    (void)state;
    machine_attach(32 << 20);
    if (file_mount_memory("/", NULL) != 0 || nodes_init() != 0)
        return -1;
    nodes_check();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nodes_check();
    vfs_check();
    nodes_fini();
    if (file_unmount("/") != 0)
        return -1;
    machine_detach();
    return 0;
}

static struct serve_entry make(uint64_t dir, const char *name, uint32_t mode)
{
    const struct serve_new what = {
        .mode = mode,
        .uid = 11,
        .gid = 22,
        .target = S_ISLNK(mode) ? "somewhere" : NULL,
    };
    struct serve_entry entry = {0};

    assert_int_equal(serve_create(dir, name, &what, &entry), 0);
    assert_true(entry.node > SERVE_ROOT);
    assert_int_equal(entry.attr.mode, mode);
    assert_int_equal(entry.attr.uid, 11);
    assert_int_equal(entry.attr.gid, 22);
    return entry;
}

static struct serve_entry make_file(const char *name)
{
    return make(SERVE_ROOT, name, S_IFREG | 0644);
}

/* ---- Nodes --------------------------------------------------------------- */

static void test_a_node_stays_until_it_is_forgotten(void **state)
{
    struct serve_entry made = make_file("a"), found;
    struct serve_attr attr;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(serve_lookup(SERVE_ROOT, "a", &found), 0);
        assert_int_equal(found.node, made.node);
    }
    serve_forget(made.node, 3);
    assert_int_equal(serve_getattr(made.node, &attr), 0);
    assert_int_equal(attr.inode, made.attr.inode);
    serve_forget(made.node, 1);
    assert_int_equal(serve_getattr(made.node, &attr), -ENOENT);
    nodes_check();
    assert_int_equal(serve_lookup(SERVE_ROOT, "a", &found), 0);
    assert_int_equal(found.node, made.node);
    serve_forget(found.node, 100); /* more than there were */
    assert_int_equal(serve_getattr(made.node, &attr), -ENOENT);
    serve_forget(made.node, 1);
    nodes_check();
}

static void test_the_root_is_not_forgotten(void **state)
{
    struct serve_attr attr;

    (void)state;
    serve_forget(SERVE_ROOT, 1000);
    assert_int_equal(serve_getattr(SERVE_ROOT, &attr), 0);
    assert_int_equal(attr.mode & S_IFMT, S_IFDIR);
}

/* A file that is removed lives as long as its node; then its room is back. */
static void test_a_removed_file_lives_as_long_as_its_node(void **state)
{
    struct serve_entry file = make_file("a"), found;
    struct serve_fs before, after;
    struct serve_attr attr;

    (void)state;
    assert_int_equal(serve_statfs(&before), 0);
    assert_int_equal(serve_write(file.node, "text", 4, 0), 4);
    assert_int_equal(serve_unlink(SERVE_ROOT, "a"), 0);
    assert_int_equal(serve_lookup(SERVE_ROOT, "a", &found), -ENOENT);
    assert_int_equal(serve_getattr(file.node, &attr), 0);
    assert_int_equal(attr.links, 0);
    assert_int_equal(attr.size_bytes, 4);
    assert_int_equal(serve_write(file.node, "more", 4, 4), 4);
    serve_forget(file.node, 1);
    assert_int_equal(serve_statfs(&after), 0);
    assert_int_equal(after.inodes_free, before.inodes_free + 1);
    assert_true(after.blocks_free >= before.blocks_free);
}

/* Every call with a node that Linux does not have. */
static void test_unknown_nodes(void **state)
{
    const uint64_t gone = 77;
    const struct serve_new what = {.mode = S_IFREG | 0600};
    const struct serve_change change = {.mask = SERVE_MODE};
    struct serve_data *data = serve_data_new();
    struct serve_dirent dirent;
    struct serve_entry entry, file = make_file("a");
    struct serve_attr attr;
    char buf[8];

    (void)state;
    assert_int_equal(serve_lookup(gone, "a", &entry), -ENOENT);
    assert_int_equal(serve_getattr(gone, &attr), -ENOENT);
    assert_int_equal(serve_setattr(gone, &change, &attr), -ENOENT);
    assert_int_equal(serve_readlink(gone, buf, sizeof(buf)), -ENOENT);
    assert_int_equal(serve_create(gone, "b", &what, &entry), -ENOENT);
    assert_int_equal(serve_link(gone, SERVE_ROOT, "b", &entry), -ENOENT);
    assert_int_equal(serve_link(file.node, gone, "b", &entry), -ENOENT);
    assert_int_equal(serve_unlink(gone, "a"), -ENOENT);
    assert_int_equal(serve_rmdir(gone, "a"), -ENOENT);
    assert_int_equal(serve_rename(gone, "a", SERVE_ROOT, "b", 0), -ENOENT);
    assert_int_equal(serve_rename(SERVE_ROOT, "a", gone, "b", 0), -ENOENT);
    assert_int_equal(serve_readdir(gone, 0, true, &dirent), -ENOENT);
    assert_int_equal(serve_read(gone, 0, 1, data), -ENOENT);
    assert_int_equal(serve_write(gone, "x", 1, 0), -ENOENT);
    assert_int_equal(serve_sync(gone, false), -ENOENT);
    assert_int_equal(serve_allocate(gone, 0, 0, 1), -ENOENT);
    assert_int_equal(serve_seek(gone, 0, true), -ENOENT);
    assert_int_equal(serve_xattr_get(gone, "user.a", buf, 8), -ENOENT);
    assert_int_equal(serve_xattr_list(gone, buf, 8), -ENOENT);
    assert_int_equal(serve_xattr_set(gone, "user.a", "", 0, 0), -ENOENT);
    assert_int_equal(serve_xattr_remove(gone, "user.a"), -ENOENT);
    assert_int_equal(serve_getattr(file.node, &attr), 0);
    assert_int_equal(attr.links, 1);
    serve_data_free(data);
}

/* ---- Names --------------------------------------------------------------- */

static void test_names(void **state)
{
    static char longest[256], too_long[257];
    const struct {
        const char *name, *text;
        int made, found;
    } rows[] = {
        {"plain", "plain", 0, 0},
        {"longest", longest, 0, 0},
        {"too long", too_long, -ENAMETOOLONG, -ENAMETOOLONG},
        {"empty", "", -ENOENT, -ENOENT},
        {"slash", "a/b", -EINVAL, -EINVAL},
        {"dot", ".", -EINVAL, -ENOENT},
        {"dots", "..", -EINVAL, 0},
        {"three dots", "...", 0, 0},
    };
    const struct serve_new what = {.mode = S_IFREG | 0600};

    (void)state;
    memset(longest, 'n', 255);
    memset(too_long, 'n', 256);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct serve_entry entry;

        ROW(rows[i].name, serve_create(SERVE_ROOT, rows[i].text, &what,
                                       &entry) == rows[i].made);
        ROW(rows[i].name,
            serve_lookup(SERVE_ROOT, rows[i].text, &entry) == rows[i].found);
    }
}

static void test_types_are_linux_s(void **state)
{
    static const mode_t types[] = {S_IFREG,  S_IFDIR, S_IFLNK, S_IFIFO,
                                   S_IFSOCK, S_IFCHR, S_IFBLK};
    const struct serve_new none = {.mode = 0644};
    struct serve_entry entry;
    char name[8];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(types); i++) {
        snprintf(name, sizeof(name), "t%u", i);
        entry = make(SERVE_ROOT, name, types[i] | 0751);
        assert_int_equal(entry.attr.links, S_ISDIR(types[i]) ? 2 : 1);
    }
    assert_int_equal(serve_create(SERVE_ROOT, "none", &none, &entry), -EINVAL);
}

static void test_links_and_renames(void **state)
{
    struct serve_entry dir = make(SERVE_ROOT, "dir", S_IFDIR | 0755);
    struct serve_entry file = make_file("a"), entry;
    char target[64];

    (void)state;
    assert_int_equal(serve_link(file.node, dir.node, "b", &entry), 0);
    assert_int_equal(entry.node, file.node);
    assert_int_equal(entry.attr.links, 2);
    assert_int_equal(serve_link(dir.node, SERVE_ROOT, "c", &entry), -EPERM);
    assert_int_equal(serve_link(file.node, dir.node, "b", &entry), -EEXIST);
    assert_int_equal(serve_rename(dir.node, "b", SERVE_ROOT, "c", 0), 0);
    assert_int_equal(serve_rename(SERVE_ROOT, "c", SERVE_ROOT, "dir", 0),
                     -EISDIR);
    assert_int_equal(
        serve_rename(SERVE_ROOT, "a", SERVE_ROOT, "c", FILE_RENAME_NOREPLACE),
        -EEXIST);
    assert_int_equal(serve_rename(SERVE_ROOT, "c", SERVE_ROOT, "d", 4),
                     -EINVAL);
    assert_int_equal(serve_rename(SERVE_ROOT, "c", dir.node, "..", 0), -EINVAL);
    assert_int_equal(serve_rmdir(SERVE_ROOT, "c"), -ENOTDIR);
    assert_int_equal(serve_unlink(SERVE_ROOT, "dir"), -EISDIR);
    assert_int_equal(serve_rmdir(SERVE_ROOT, "dir"), 0);
    entry = make(SERVE_ROOT, "link", S_IFLNK | 0777);
    assert_int_equal(serve_readlink(entry.node, target, sizeof(target)), 9);
    assert_memory_equal(target, "somewhere", 9);
    assert_int_equal(serve_readlink(entry.node, target, 4), 4);
    assert_int_equal(serve_readlink(file.node, target, 4), -EINVAL);
}

/* With attributes each entry but the dots counts as a lookup. */
static void test_directories(void **state)
{
    struct serve_dirent entry;
    struct serve_attr attr;
    unsigned seen = 0, told = 0;
    uint64_t cursor = 0;
    char name[8];
    int status;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct serve_entry made;

        snprintf(name, sizeof(name), "f%u", i);
        made = make_file(name);
        serve_forget(made.node, 1);
    }
    while ((status = serve_readdir(SERVE_ROOT, cursor, true, &entry)) == 1) {
        seen++;
        cursor = entry.next;
        if (entry.entry.node == 0) {
            assert_int_equal(entry.mode, S_IFDIR);
            continue;
        }
        told++;
        assert_int_equal(entry.mode, S_IFREG);
        assert_int_equal(entry.entry.attr.inode, entry.inode);
        serve_forget(entry.entry.node, 1);
        assert_int_equal(serve_getattr(entry.entry.node, &attr), -ENOENT);
    }
    assert_int_equal(status, 0);
    assert_int_equal(told, 20);
    assert_int_equal(seen, 22);
    assert_int_equal(serve_readdir(SERVE_ROOT, 0, false, &entry), 1);
    assert_int_equal(entry.entry.node, 0);
}

/* ---- What files hold ----------------------------------------------------- */

/* What a read returns, put together. */
static size_t read_all(uint64_t node, uint64_t offset, size_t size, char *out)
{
    struct serve_data *data = serve_data_new();
    size_t sum = 0;

    assert_int_equal(serve_read(node, offset, size, data), 0);
    for (unsigned i = 0; i < data->count; i++) {
        memcpy(out + sum, data->pieces[i].base, data->pieces[i].size);
        sum += data->pieces[i].size;
    }
    serve_read_end(data);
    serve_data_free(data);
    return sum;
}

static void test_data(void **state)
{
    static char text[3 * 4096], out[SERVE_SIZE_MAX];
    struct serve_entry file = make_file("a");
    struct serve_data *data = serve_data_new();

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 256);
    assert_int_equal(serve_write(file.node, text, sizeof(text), 100),
                     sizeof(text));
    assert_int_equal(read_all(file.node, 0, sizeof(out), out),
                     sizeof(text) + 100);
    assert_memory_equal(out + 100, text, sizeof(text));
    assert_int_equal(read_all(file.node, 5000, 100, out), 100);
    assert_memory_equal(out, text + 4900, 100);
    assert_int_equal(read_all(file.node, 1 << 20, 100, out), 0);
    assert_int_equal(serve_read(SERVE_ROOT, 0, 1, data), -EISDIR);
    assert_int_equal(data->count, 0);
    assert_int_equal(serve_write(SERVE_ROOT, "x", 1, 0), -EISDIR);
    assert_int_equal(serve_sync(file.node, true), 0);
    serve_data_free(data);
}

/* Write `size` bytes, each of that value, from a room; whether the room's pages
 * have become the file's. */
static bool write_room(uint64_t node, char value, size_t size, uint64_t offset,
                       int64_t want)
{
    struct serve_data *data = serve_data_new();
    void *room = serve_room_new();
    bool is_given;

    assert_non_null(room);
    memset(room, value, SERVE_SIZE_MAX);
    assert_int_equal(serve_write_room(node, &room, size, offset, data), want);
    assert_int_equal(data->count, 0);
    is_given = room == NULL;
    serve_room_free(room);
    serve_data_free(data);
    return is_given;
}

static void expect_bytes(uint64_t node, uint64_t offset, size_t size,
                         char value)
{
    static char out[SERVE_SIZE_MAX];

    assert_int_equal(read_all(node, offset, size, out), size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(out[i], value);
}

/* Much, and whole pages: they are not copied. */
static void test_data_from_a_room(void **state)
{
    static const struct {
        const char *name;
        size_t size;
        uint64_t offset;
        bool is_given;
    } rows[] = {
        {"all of it", SERVE_SIZE_MAX, 0, true},
        {"little", 4096, 8192, false},
        {"the least", 8 * 4096, 4096, true},
        {"not a whole page", 8 * 4096 + 1, 4096, false},
        {"not from a page on", 8 * 4096, 4097, false},
        {"behind the end", 9 * 4096, 3 * SERVE_SIZE_MAX, true},
    };
    struct serve_entry file = make_file("a");
    char value = 'a';

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++, value++) {
        if (write_room(file.node, value, rows[i].size, rows[i].offset,
                       (int64_t)rows[i].size) != rows[i].is_given)
            fail_msg("%s", rows[i].name);
        expect_bytes(file.node, rows[i].offset, rows[i].size, value);
    }
    expect_bytes(file.node, SERVE_SIZE_MAX, SERVE_SIZE_MAX, 0); /* a hole */
    expect_bytes(file.node, 0, 4096, 'a');
}

static void test_data_from_a_room_that_cannot_be_written(void **state)
{
    const uint64_t max = nodes_mount()->size_max;
    const size_t size = 10 * 4096;
    struct serve_entry file = make_file("a");
    struct serve_attr attr;

    (void)state;
    assert_false(write_room(77, 'x', size, 0, -ENOENT));
    assert_true(write_room(SERVE_ROOT, 'x', size, 0, -EISDIR));
    nodes_mount()->size_max = 5 * 4096 + 100;
    assert_true(write_room(file.node, 'x', size, 0, 5 * 4096 + 100));
    assert_true(write_room(file.node, 'y', size, 5 * 4096, 100));
    assert_true(write_room(file.node, 'z', size, 6 * 4096, -EFBIG));
    expect_bytes(file.node, 0, 5 * 4096, 'x');
    expect_bytes(file.node, 5 * 4096, 100, 'y');
    assert_int_equal(serve_getattr(file.node, &attr), 0);
    assert_int_equal(attr.size_bytes, 5 * 4096 + 100);
    nodes_mount()->size_max = max;
}

/* Each allocation fails once: what is written is there, and no page is lost. */
static void test_data_from_a_room_without_memory(void **state)
{
    const size_t size = 12 * 4096;
    bool is_done = false;

    (void)state;
    for (unsigned n = 1; !is_done; n++) {
        struct serve_entry file = make_file("a");
        struct serve_data *data = serve_data_new();
        void *room = serve_room_new();
        int64_t put;

        memset(room, 'r', size);
        heap_fail(n);
        put = serve_write_room(file.node, &room, size, 0, data);
        is_done = !heap_failed();
        heap_fail(0);
        assert_null(room);
        assert_true(is_done ? put == (int64_t)size : put < (int64_t)size);
        if (put > 0)
            expect_bytes(file.node, 0, (size_t)put, 'r');
        else
            assert_int_equal(put, -ENOMEM);
        serve_data_free(data);
        assert_int_equal(serve_unlink(SERVE_ROOT, "a"), 0);
        serve_forget(file.node, 1);
        assert_true(n < 100);
    }
}

/* The largest read begins within a page: there is a piece for each page. */
static void test_the_largest_read(void **state)
{
    static char text[SERVE_SIZE_MAX + 4096], out[2 * SERVE_SIZE_MAX];
    struct serve_entry file = make_file("a");

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(serve_write(file.node, text, sizeof(text), 0),
                     sizeof(text));
    assert_int_equal(read_all(file.node, 1, SERVE_SIZE_MAX, out),
                     SERVE_SIZE_MAX);
    assert_int_equal(read_all(file.node, 1, 2 * SERVE_SIZE_MAX, out),
                     SERVE_SIZE_MAX);
}

static void test_holes(void **state)
{
    struct serve_entry file = make_file("a");
    struct serve_attr attr;

    (void)state;
    assert_int_equal(serve_write(file.node, "x", 1, 40960), 1);
    assert_int_equal(serve_seek(file.node, 0, false), 40960);
    assert_int_equal(serve_seek(file.node, 0, true), 0);
    assert_int_equal(serve_seek(file.node, 40961, false), -ENXIO);
    assert_int_equal(serve_allocate(file.node, 0, 0, 8192), 0);
    assert_int_equal(serve_seek(file.node, 0, true), 8192);
    assert_int_equal(serve_allocate(file.node, 3, 0, 4096), 0);
    assert_int_equal(serve_seek(file.node, 0, false), 4096);
    assert_int_equal(serve_allocate(file.node, 0x10, 0, 4096), -ENOTSUP);
    assert_int_equal(serve_getattr(file.node, &attr), 0);
    assert_int_equal(attr.size_bytes, 40961);
}

/* ---- Attributes ---------------------------------------------------------- */

static void test_attributes(void **state)
{
    struct serve_entry file = make_file("a");
    struct serve_change change = {
        .mask = SERVE_MODE | SERVE_UID | SERVE_GID | SERVE_ATIME | SERVE_MTIME |
                SERVE_SIZE,
        .mode = S_IFREG | 0640,
        .uid = 70000,
        .gid = 80000,
        .size_bytes = 12345,
        .atime = {.s = 1, .ns = 2},
        .mtime = {.s = -3, .ns = 4},
    };
    struct serve_attr attr;

    (void)state;
    assert_int_equal(serve_setattr(file.node, &change, &attr), 0);
    assert_int_equal(attr.mode, S_IFREG | 0640);
    assert_int_equal(attr.uid, 70000);
    assert_int_equal(attr.gid, 80000);
    assert_int_equal(attr.size_bytes, 12345);
    assert_true(attr.atime.s == 1 && attr.atime.ns == 2);
    assert_true(attr.mtime.s == -3 && attr.mtime.ns == 4);
    change = (struct serve_change){.mask = SERVE_ATIME_NOW};
    assert_int_equal(serve_setattr(file.node, &change, &attr), 0);
    assert_true(attr.atime.s > 1000000000);
    assert_true(attr.mtime.s == -3);
    change.mask = SERVE_MTIME_NOW;
    assert_int_equal(serve_setattr(file.node, &change, &attr), 0);
    assert_true(attr.mtime.s > 1000000000);
    change = (struct serve_change){.mask = SERVE_SIZE};
    assert_int_equal(serve_setattr(SERVE_ROOT, &change, &attr), -EISDIR);
}

static void test_rights_that_go_with_a_write(void **state)
{
    static const struct {
        const char *name;
        uint32_t type, before, after;
    } rows[] = {
        {"both", S_IFREG, 06755, 0755},
        {"set-user-ID", S_IFREG, 04644, 0644},
        {"a mandatory lock", S_IFREG, 06644, 02644},
        {"none", S_IFREG, 01755, 01755},
        {"a directory", S_IFDIR, 06755, 06755},
    };
    const struct serve_change change = {.mask = SERVE_DROP_RIGHTS};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct serve_entry made =
            make(SERVE_ROOT, rows[i].name, rows[i].type | rows[i].before);
        struct serve_attr attr;

        ROW(rows[i].name, serve_setattr(made.node, &change, &attr) == 0);
        ROW(rows[i].name, attr.mode == (rows[i].type | rows[i].after));
    }
}

static void test_extended_attributes(void **state)
{
    struct serve_entry file = make_file("a");
    char buf[64];

    (void)state;
    assert_int_equal(serve_xattr_set(file.node, "user.a", "value", 5, 0), 0);
    assert_int_equal(
        serve_xattr_set(file.node, "user.a", "value", 5, FILE_XATTR_CREATE),
        -EEXIST);
    assert_int_equal(serve_xattr_get(file.node, "user.a", NULL, 0), 5);
    assert_int_equal(serve_xattr_get(file.node, "user.a", buf, 4), -ERANGE);
    assert_int_equal(serve_xattr_get(file.node, "user.a", buf, 64), 5);
    assert_memory_equal(buf, "value", 5);
    assert_int_equal(serve_xattr_list(file.node, buf, 64), 7);
    assert_string_equal(buf, "user.a");
    assert_int_equal(serve_xattr_remove(file.node, "user.a"), 0);
    assert_int_equal(serve_xattr_get(file.node, "user.a", buf, 64), -ENODATA);
}

/* ---- Memory that fails --------------------------------------------------- */

static int create_one(void)
{
    const struct serve_new what = {.mode = S_IFREG | 0600};
    struct serve_entry entry;
    int status = serve_create(SERVE_ROOT, "b", &what, &entry);

    if (status == 0)
        serve_forget(entry.node, 1);
    if (serve_lookup(SERVE_ROOT, "b", &entry) == 0) {
        serve_forget(entry.node, 1);
        (void)!serve_unlink(SERVE_ROOT, "b");
    }
    return status;
}

static int look_one(void)
{
    struct serve_entry entry;
    int status = serve_lookup(SERVE_ROOT, "a", &entry);

    if (status == 0)
        serve_forget(entry.node, 1);
    return status;
}

static int read_one(void)
{
    struct serve_data *data = serve_data_new();

    if (data == NULL)
        return -ENOMEM;
    serve_data_free(data);
    return 0;
}

static void test_memory_fails(void **state)
{
    static int (*const calls[])(void) = {create_one, look_one, read_one};
    struct serve_entry file = make_file("a");

    (void)state;
    serve_forget(file.node, 1);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        unsigned failed = 0;

        assert_int_equal(calls[i](), 0);
        blocks_before = stats().block_count;
        for (uint64_t n = 1;; n++) {
            int status;

            heap_fail(n);
            status = calls[i]();
            if (!heap_failed())
                break;
            failed += status != 0;
            assert_true(status == 0 || status == -ENOMEM);
            nodes_check();
            vfs_check();
        }
        heap_fail(0);
        assert_true(failed > 0);
        assert_in_range(stats().block_count, blocks_before - 2,
                        blocks_before + 2);
    }
    assert_int_equal(serve_lookup(SERVE_ROOT, "a", &file), 0);
}

static void test_the_beginning_without_memory(void **state)
{
    unsigned failed = 0;

    (void)state;
    nodes_fini();
    for (uint64_t n = 1;; n++) {
        int status;

        heap_fail(n);
        status = nodes_init();
        if (!heap_failed())
            break;
        failed++;
        assert_int_equal(status, -ENOMEM);
    }
    heap_fail(0);
    assert_int_equal(failed, 2);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_a_node_stays_until_it_is_forgotten),
        READY(test_the_root_is_not_forgotten),
        READY(test_a_removed_file_lives_as_long_as_its_node),
        READY(test_unknown_nodes),
        READY(test_names),
        READY(test_types_are_linux_s),
        READY(test_links_and_renames),
        READY(test_directories),
        READY(test_data),
        READY(test_data_from_a_room),
        READY(test_data_from_a_room_that_cannot_be_written),
        READY(test_data_from_a_room_without_memory),
        READY(test_the_largest_read),
        READY(test_holes),
        READY(test_attributes),
        READY(test_rights_that_go_with_a_write),
        READY(test_extended_attributes),
        READY(test_memory_fails),
        READY(test_the_beginning_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
