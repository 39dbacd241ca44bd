/*
 * The VFS over a file system of this file's own, which fails where it is told
 * to, and counts what it is asked for.
 */
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <string.h>
#include <torc/random.h>
#include <torc/sync.h>
#include <torc/time.h>

enum { ROOT = 1, DIR = 2, BAD = 9, SLOW = 11, SLOW_ROOT = 15 };

static struct node {
    uint64_t number, parent;
    const char *name;
    enum file_type type;
    const char *target;
    uint64_t size;
    int load_status, up_status, link_status;
    bool is_gone;  /* it has no links */
    unsigned live; /* inodes that are loaded */
} nodes[] = {
    {.number = ROOT, .parent = ROOT, .name = "", .type = FILE_DIRECTORY},
    {.number = DIR, .parent = ROOT, .name = "dir", .type = FILE_DIRECTORY},
    {.number = 3,
     .parent = DIR,
     .name = "huge",
     .type = FILE_REGULAR,
     .size = INT64_MAX},
    {.number = 4,
     .parent = ROOT,
     .name = "link",
     .type = FILE_SYMLINK,
     .target = "dir/huge"},
    {.number = 5,
     .parent = ROOT,
     .name = "empty",
     .type = FILE_SYMLINK,
     .target = ""},
    {.number = 6,
     .parent = ROOT,
     .name = "torn",
     .type = FILE_SYMLINK,
     .link_status = -EUCLEAN},
    {.number = 7, .parent = ROOT, .name = "fifo", .type = FILE_FIFO},
    {.number = 8,
     .parent = ROOT,
     .name = "small",
     .type = FILE_REGULAR,
     .size = 100},
    {.number = BAD,
     .parent = DIR,
     .name = "bad",
     .type = FILE_DIRECTORY,
     .load_status = -EIO},
    {.number = 10,
     .parent = ROOT,
     .name = "island",
     .type = FILE_DIRECTORY,
     .up_status = -EUCLEAN},
    {.number = SLOW, .parent = ROOT, .name = "slow", .type = FILE_REGULAR},
    {.number = 12,
     .parent = ROOT,
     .name = "absolute",
     .type = FILE_SYMLINK,
     .target = "/dir/huge"},
    {.number = 13, .parent = BAD, .name = "orphan", .type = FILE_DIRECTORY},
    {.number = 14, .parent = ROOT, .name = "long", .type = FILE_SYMLINK},
    {.number = SLOW_ROOT,
     .parent = SLOW_ROOT,
     .name = "",
     .type = FILE_DIRECTORY},
    {.number = 20, .parent = ROOT, .name = "h1", .type = FILE_DIRECTORY},
    {.number = 21, .parent = ROOT, .name = "h2", .type = FILE_DIRECTORY},
    {.number = 22, .parent = 20, .name = "f", .type = FILE_REGULAR},
    {.number = 23, .parent = 20, .name = "c", .type = FILE_DIRECTORY},
    {.number = 24, .parent = 25, .name = "a", .type = FILE_DIRECTORY},
    {.number = 25, .parent = 24, .name = "b", .type = FILE_DIRECTORY},
    {.number = 26,
     .parent = ROOT,
     .name = "gone",
     .type = FILE_DIRECTORY,
     .is_gone = true},
    {.number = 27, .parent = 26, .name = "in", .type = FILE_DIRECTORY},
};

/* Names that lead to what is already somewhere else. */
static const struct stray {
    uint64_t dir;
    const char *name;
    uint64_t to;
} strays[] = {
    {20, "self", 20},   {20, "two", 21},  {20, "up", ROOT},
    {21, "self", 21},   {21, "one", 20},  {21, "c", 23},
    {ROOT, "ring", 24}, {ROOT, "in", 27}, {21, "f", 22},
};

static unsigned loads, lookups, unmounts, mounts_tried;
static bool lookups_yield;
static struct event *slow_loads; /* what loading SLOW waits for; or NULL */

static struct node *node_of(uint64_t number)
{
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        if (nodes[i].number == number)
            return &nodes[i];
    }
    fail_msg("no node %u", (unsigned)number);
    return NULL;
}

/* ---- The file system ----------------------------------------------------- */

struct toy_inode {
    struct inode inode; /* first */
    struct node *node;
};

static struct node *node_in(const struct inode *inode)
{
    return container_of(inode, struct toy_inode, inode)->node;
}

static int toy_load(struct inode *inode)
{
    struct node *node = node_of(inode->number);

    loads++;
    if (slow_loads != NULL &&
        (node->number == SLOW || node->number == SLOW_ROOT))
        assert_int_equal(event_wait(slow_loads, TIME_NEVER), 0);
    if (node->load_status != 0)
        return node->load_status;
    inode->type = node->type;
    inode->size_bytes = node->size;
    inode->links = !node->is_gone;
    container_of(inode, struct toy_inode, inode)->node = node;
    if (node->type == FILE_REGULAR &&
        mapping_init(&inode->pages, NULL, NULL, PAGE_SECTORS, node->size) != 0)
        return -ENOMEM;
    node->live++;
    return 0;
}

static void toy_drop(struct inode *inode)
{
    struct node *node = node_in(inode);

    /* An inode that leaves may wait for its pages: nothing is locked. */
    assert_false(rwlock_is_held(&inode->mount->rename_lock));
    if (inode->mount->root != NULL && inode != inode->mount->root)
        assert_false(rwlock_is_held(&inode->mount->root->lock));
    assert_int_equal(node->live, 1);
    node->live--;
}

static int toy_number(const struct node *of, const char *name, size_t len,
                      uint64_t *number)
{
    if (len == 2 && memcmp(name, "..", 2) == 0) {
        *number = of->parent;
        return of->up_status;
    }
    for (size_t i = 1; i < COUNT_OF(nodes); i++) {
        if (nodes[i].parent == of->number && strlen(nodes[i].name) == len &&
            memcmp(nodes[i].name, name, len) == 0) {
            *number = nodes[i].number;
            return 0;
        }
    }
    for (size_t i = 0; i < COUNT_OF(strays); i++) {
        if (strays[i].dir == of->number && strlen(strays[i].name) == len &&
            memcmp(strays[i].name, name, len) == 0) {
            *number = strays[i].to;
            return 0;
        }
    }
    if (len == 6 && memcmp(name, "orphan", 6) == 0) { /* reached past BAD */
        *number = 13;
        return 0;
    }
    return -ENOENT;
}

static int toy_lookup(struct inode *dir, const struct name *name,
                      struct inode **out)
{
    uint64_t number;
    int status = toy_number(node_in(dir), name->text, name->len, &number);

    lookups++;
    if (lookups_yield)
        thread_yield();
    return status != 0 ? status : inode_get(dir->mount, number, out);
}

static int toy_dir_next(struct inode *dir, uint64_t *cursor,
                        struct dir_entry *entry)
{
    (void)dir;
    strcpy(entry->name, "..");
    return ++*cursor <= 2;
}

static int64_t toy_read_link(struct inode *inode, char *buf, size_t size)
{
    const struct node *node = node_in(inode);
    size_t len;

    if (node->link_status != 0)
        return node->link_status;
    len = strlen(node->target);
    memcpy(buf, node->target, len < size ? len : size);
    return (int64_t)len;
}

static int toy_unlink(struct inode *dir, const struct name *name,
                      struct inode *inode)
{
    (void)dir;
    (void)name;
    (void)inode;
    return -EIO;
}

static int toy_rename(const struct rename *rename)
{
    (void)rename;
    return -EIO;
}

static void toy_unmount(struct mount *mount)
{
    (void)mount;
    unmounts++;
}

static unsigned checks;

static void toy_check(const struct mount *mount)
{
    assert_non_null(mount->root);
    checks++;
}

static void toy_inode_check(const struct inode *inode)
{
    assert_int_equal(node_in(inode)->live, 1);
    assert_int_equal(node_in(inode)->number, inode->number);
}

static const struct fs_ops toy_ops = {
    .inode_size = sizeof(struct toy_inode),
    .inode_read = toy_load,
    .inode_drop = toy_drop,
    .lookup = toy_lookup,
    .unlink = toy_unlink,
    .rename = toy_rename,
    .readdir = toy_dir_next,
    .readlink = toy_read_link,
    .unmount = toy_unmount,
    .check = toy_check,
    .inode_check = toy_inode_check,
};

static int mount_status[3]; /* of each of the three file systems */
static uint64_t root_number;

static int toy_mount(struct mount *mount, unsigned which)
{
    mounts_tried |= 1U << which;
    if (mount_status[which] != 0)
        return mount_status[which];
    mount->ops = &toy_ops;
    mount->root_number = root_number;
    return 0;
}

static int mount_0(struct mount *mount, const void *options)
{
    (void)options;
    return toy_mount(mount, 0);
}

static int mount_1(struct mount *mount, const void *options)
{
    (void)options;
    return toy_mount(mount, 1);
}

static int mount_2(struct mount *mount, const void *options)
{
    (void)options;
    return toy_mount(mount, 2);
}

static const struct file_system first = {.type = "first", .mount = mount_0};
static const struct file_system second = {.type = "second", .mount = mount_1};
static const struct file_system third = {.type = "third", .mount = mount_2};
static const struct file_system *const file_systems[] = {&first, &second,
                                                         &third, NULL};

/* ---- The test's machine -------------------------------------------------- */

static struct ramblk disk;
static uint8_t sectors[8 * BLOCK_SECTOR_SIZE];

static int mount_toy(const char *type)
{
    return file_mount(&disk.block.device, "/", type);
}

static int setup(void **state)
{
    struct mapping mapping; /* so that the CPU has its page cache */

    (void)state;
    machine_attach(8 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, sectors, sizeof(sectors));
    root_number = ROOT;
    assert_int_equal(mapping_init(&mapping, NULL, NULL, PAGE_SECTORS, 0), 0);
    memset(mount_status, 0, sizeof(mount_status));
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i].live = 0;
    slow_loads = NULL;
    return mount_toy(NULL);
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    (void)!file_unmount("/");
    machine_detach();
    return 0;
}

static unsigned count_live(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        count += nodes[i].live;
    return count;
}

/* Forget what nobody holds. */
static void forget_all(void)
{
    const struct mount_table *table = cpu_self()->mounts;

    if (table == NULL || table->root == NULL)
        return;
    dentries_shrink(table->root->mount, 0);
    inodes_shrink(table->root->mount, 0, true);
}

/* How many inodes somebody holds. */
static unsigned live(void)
{
    forget_all();
    return count_live();
}

static int open_and_close(const char *path)
{
    struct file *file;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status == 0)
        file_close(file);
    return status;
}

/* ---- Walks --------------------------------------------------------------- */

/* Whatever happens on the way, nothing but the root is held after it. */
static void test_walk_passes_errors_on(void **state)
{
    static const struct {
        const char *path;
        int status;
        unsigned loads;
    } rows[] = {
        {"/", 0, 0},
        {"/dir/huge", 0, 2},
        {"/link", 0, 3},
        {"/absolute", 0, 3},
        {"/dir/../small", 0, 2},
        {"/fifo", 0, 1},
        {"/empty", -ENOENT, 1},
        {"/empty/x", -ENOENT, 1},
        {"/torn", -EUCLEAN, 1},
        {"/dir/bad", -EIO, 2},
        {"/dir/bad", -EIO, 2}, /* it is not kept: read again */
        {"/dir/bad/x", -EIO, 2},
        {"/island/..", -EUCLEAN, 1},
        {"/island/../dir", -EUCLEAN, 1},
        {"/orphan/..", -EIO, 2},
        {"/orphan/../x", -EIO, 2},
        {"/none", -ENOENT, 0},
        {"/dir/none", -ENOENT, 1},
        {"/small/x", -ENOTDIR, 1},
        {"/small/", -ENOTDIR, 1},
        {"/.", 0, 0},
        {"/./small", 0, 1},
        {"/x", -ENOENT, 0},
        {"/x.", -ENOENT, 0},
        {"/.x", -ENOENT, 0},
        {"/...", -ENOENT, 0},
        {"/dir/../../dir", 0, 1},
        {"/dir/", 0, 1},
    };
    size_t blocks;

    (void)state;
    blocks = stats().block_count;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        loads = 0;
        ROW(rows[i].path, open_and_close(rows[i].path) == rows[i].status);
        ROW(rows[i].path, loads == rows[i].loads);
        ROW(rows[i].path, live() == 1);
        ROW(rows[i].path, stats().block_count == blocks);
        vfs_check();
    }
}

/* How far a link's target may make the path grow. */
static void test_walk_link_limits(void **state)
{
    static const struct {
        const char *name;
        size_t target, rest; /* bytes */
        int status;
    } rows[] = {
        {"no rest", FILE_PATH_MAX - 1, 0, 0},
        {"no rest, a byte more", FILE_PATH_MAX, 0, -ENAMETOOLONG},
        {"a rest", FILE_PATH_MAX - 9, 8, 0},
        {"a rest, a byte more", FILE_PATH_MAX - 8, 8, -ENAMETOOLONG},
        {"much more", 2 * FILE_PATH_MAX, 8, -ENAMETOOLONG},
        {"a long rest", 9, FILE_PATH_MAX - 10, 0},
        {"a long rest, a byte more", 10, FILE_PATH_MAX - 10, -ENAMETOOLONG},
        {"too long a rest", 3, FILE_PATH_MAX, -ENAMETOOLONG},
    };
    static char target[2 * FILE_PATH_MAX + 1], path[FILE_PATH_MAX + 6];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(target, '/', sizeof(target));
        memcpy(target, "dir", 3);
        target[rows[i].target] = '\0';
        node_of(14)->target = target;
        memset(path, '/', sizeof(path));
        memcpy(path, "/long", 5);
        path[5 + rows[i].rest] = '\0';
        if (rows[i].rest >= 8)
            memcpy(path + 5 + rows[i].rest - 4, "huge", 4);
        ROW(rows[i].name, open_and_close(path) == rows[i].status);
        ROW(rows[i].name, live() == 1);
    }
}

static void test_walk_without_memory(void **state)
{
    size_t blocks;
    unsigned failures = 0, names = 0;

    (void)state;
    blocks = stats().block_count;
    for (uint64_t n = 1;; n++) {
        int status;

        heap_fail(n);
        status = open_and_close("/link");
        if (!heap_failed())
            break;
        vfs_check();
        assert_int_equal(live(), 1);
        assert_int_equal(stats().block_count, blocks);
        assert_true(status == -ENOMEM || status == 0);
        failures += status == -ENOMEM;
        names += status == 0;
    }
    heap_fail(0);
    /* A link, the rest of the path, two inodes, the file. */
    assert_int_equal(failures, 5);
    assert_int_equal(names, 3); /* which are then not kept */
}

/* ---- Names in memory ----------------------------------------------------- */

/* What was found, or was not, is known from then on: the file system is asked
 * once. */
static void test_names_are_kept(void **state)
{
    static const struct {
        const char *path;
        unsigned lookups, loads; /* for the first time */
    } rows[] = {
        {"/dir/huge", 2, 2}, {"/none", 1, 0},         {"/dir/none", 1, 0},
        {"/link", 1, 1},     {"/dir/../small", 2, 1}, {"/dir/..", 0, 0},
        {"/island", 1, 1},   {"/fifo", 1, 1},
    };

    (void)state;
    forget_all();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status;

        lookups = loads = 0;
        status = open_and_close(rows[i].path);
        ROW(rows[i].path, lookups == rows[i].lookups);
        ROW(rows[i].path, loads == rows[i].loads);
        vfs_check();
        ROW(rows[i].path, open_and_close(rows[i].path) == status);
        ROW(rows[i].path, lookups == rows[i].lookups);
        ROW(rows[i].path, loads == rows[i].loads);
        vfs_check();
    }
    assert_int_equal(live(), 1);
    lookups = 0;
    assert_int_equal(open_and_close("/fifo"), 0);
    assert_int_equal(lookups, 1);
}

/* An error is not kept. */
static void test_errors_are_not_kept(void **state)
{
    (void)state;
    lookups = loads = 0;
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(open_and_close("/dir/bad"), -EIO);
        assert_int_equal(lookups, i + 1);
        assert_int_equal(loads, i + 1);
    }
}

/* No more than so many are kept, and those not used for longest go first. */
static void test_names_are_bounded(void **state)
{
    struct mount *mount =
        ((struct mount_table *)cpu_self()->mounts)->root->mount;

    (void)state;
    forget_all();
    mount->cached_max = 3;
    (void)!open_and_close("/fifo");
    (void)!open_and_close("/n1");
    (void)!open_and_close("/n2");
    assert_int_equal(mount->dentries.count, 3);
    lookups = 0;
    (void)!open_and_close("/n3"); /* all were used: one round, and /fifo goes */
    assert_int_equal(mount->dentries.count, 3);
    vfs_check();
    (void)!open_and_close("/n1"); /* used again */
    assert_int_equal(lookups, 1);
    (void)!open_and_close("/n4"); /* n2 goes */
    (void)!open_and_close("/n1");
    (void)!open_and_close("/n3");
    assert_int_equal(lookups, 2);
    (void)!open_and_close("/n2");
    assert_int_equal(lookups, 3);
    /* Inodes: three that nobody holds. */
    for (unsigned i = 0; i < 2; i++) {
        (void)!open_and_close("/small");
        (void)!open_and_close("/fifo");
        (void)!open_and_close("/dir/huge");
        assert_int_equal(mount->unused_count, 3);
        assert_int_equal(count_live(), 4);
        vfs_check();
    }
}

/* Memory that runs short takes what is kept, and nothing that is held. */
static void test_memory_takes_what_is_kept(void **state)
{
    struct mount *mount =
        ((struct mount_table *)cpu_self()->mounts)->root->mount;
    struct file *file;

    (void)state;
    assert_int_equal(file_open("/dir/huge", FILE_READ, 0, &file), 0);
    assert_int_equal(open_and_close("/fifo"), 0);
    assert_int_equal(count_live(), 4);
    assert_null(mem_alloc(mem_total_bytes()));
    assert_int_equal(count_live(), 2); /* root, huge */
    assert_int_equal(mount->dentries.count, 0);
    vfs_check();
    file_close(file);
}

/* ---- Hostile directories ------------------------------------------------- */

/* What no file system makes: a name that leads to its own directory, to what is
 * above, to a directory that is elsewhere. Nothing is changed there; -EIO is
 * the answer of the file system, which was asked. */
static void test_hostile_directories(void **state)
{
    static const struct {
        const char *old, *path; /* NULL: it is removed */
        int statuses[3];        /* of rename, an exchange, RENAME_NOREPLACE */
    } rows[] = {
        {"/h1/c", NULL, {-EIO}},
        {"/h1/self", NULL, {-EUCLEAN}},
        {"/h1/two", NULL, {-EUCLEAN}},
        {"/h1/up", NULL, {-EUCLEAN}},
        {"/h2/c", NULL, {-EUCLEAN}},
        {"/ring", NULL, {-EUCLEAN}},
        {"/ring/b/a", NULL, {-EIO}},
        {"/island", NULL, {-EUCLEAN}},
        /* Within a directory. */
        {"/h1/c", "/h1/n", {-EIO, -ENOENT, -EIO}},
        {"/h1/c", "/h1/f", {-ENOTDIR, -EIO, -EEXIST}},
        {"/h1/self", "/h1/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h1/self", "/h1/self", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/f", "/h1/self", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/c", "/h1/self", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/two", "/h1/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h1/c", "/h1/two", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/up", "/h1/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h2/c", "/h2/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        /* Between two. */
        {"/h1/c", "/h2/n", {-EIO, -ENOENT, -EIO}},
        {"/h1/f", "/h2/f", {0, 0, -EEXIST}},
        {"/h1/self", "/h2/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h1/two", "/h2/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h1/up", "/h2/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h2/c", "/h1/n", {-EUCLEAN, -ENOENT, -EUCLEAN}},
        {"/h2/c", "/h1/c", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/f", "/h2/one", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/f", "/h2/self", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/c", "/h2/one", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        {"/h1/two", "/h2/one", {-EUCLEAN, -EUCLEAN, -EEXIST}},
        /* Below one that has no links. */
        {"/small", "/in/n", {-EUCLEAN, -EUCLEAN, -EUCLEAN}},
        {"/in/n", "/small", {-EUCLEAN, -EUCLEAN, -EUCLEAN}},
        {"/in", NULL, {-EUCLEAN}},
        {"/gone", NULL, {-EIO}},
        /* Into a circle. */
        {"/small", "/ring/n", {-EUCLEAN, -EUCLEAN, -EUCLEAN}},
        {"/ring/b", "/small", {-EUCLEAN, -EUCLEAN, -EUCLEAN}},
        {"/ring/b", "/ring/b/n", {-EINVAL, -ENOENT, -EINVAL}},
    };
    static const unsigned flags[] = {0, FILE_RENAME_EXCHANGE,
                                     FILE_RENAME_NOREPLACE};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned j = 0; j < (rows[i].path == NULL ? 1 : 3); j++) {
            int status = rows[i].path == NULL
                             ? file_rmdir(rows[i].old)
                             : file_rename(rows[i].old, rows[i].path, flags[j]);

            if (status != rows[i].statuses[j])
                fail_msg("%s %s, %u: %d", rows[i].old,
                         rows[i].path == NULL ? "" : rows[i].path, j, status);
            ROW(rows[i].old, live() == 1);
            vfs_check();
        }
    }
}

/* What asking for its parent says of a directory that is to go. */
static void test_parent_that_is_not_told(void **state)
{
    static const int rows[][2] = {{-ENOENT, -EUCLEAN},
                                  {-EUCLEAN, -EUCLEAN},
                                  {-ENOMEM, -ENOMEM},
                                  {-EIO, -EIO}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        forget_all();
        node_of(10)->up_status = rows[i][0];
        assert_int_equal(file_rmdir("/island"), rows[i][1]);
        assert_int_equal(file_rename("/island", "/n", 0), rows[i][1]);
        assert_int_equal(file_rename("/small", "/island/n", 0), rows[i][0]);
    }
    node_of(10)->up_status = -EUCLEAN;
}

static unsigned ended;

static int rename_b(void *arg)
{
    (void)arg;
    assert_int_equal(file_rename("/ring/b", "/ring/n", 0), -EIO);
    ended++;
    return 0;
}

static int rename_a(void *arg)
{
    (void)arg;
    assert_int_equal(file_rename("/ring/b/a", "/ring/b/n", 0), -EIO);
    ended++;
    return 0;
}

/* Each of two directories is in the other one: in both something is renamed. */
static void test_circle_of_two_threads(void **state)
{
    thread_id ids[2];

    (void)state;
    ended = 0;
    assert_int_equal(open_and_close("/ring/b/a/b"), 0); /* names are known */
    lookups_yield = true;
    assert_int_equal(thread_create(NULL, rename_b, NULL, &ids[0]), 0);
    assert_int_equal(thread_create(NULL, rename_a, NULL, &ids[1]), 0);
    for (unsigned i = 0; i < 30; i++)
        thread_yield();
    lookups_yield = false;
    assert_int_equal(ended, 2);
    assert_int_equal(thread_join(ids[0], NULL), 0);
    assert_int_equal(thread_join(ids[1], NULL), 0);
}

/* References given back under a lock let nothing leave: see toy_drop(). */
static void test_nothing_leaves_under_a_lock(void **state)
{
    struct mount *mount =
        ((struct mount_table *)cpu_self()->mounts)->root->mount;
    const unsigned cached = mount->cached_max;

    (void)state;
    node_of(SLOW)->load_status = -EIO;
    for (unsigned i = 0; i < 3; i++) {
        forget_all();
        mount->cached_max = cached;
        assert_int_equal(open_and_close("/fifo"), 0);
        assert_int_equal(open_and_close("/small"), 0);
        mount->cached_max = 1; /* two are there */
        if (i == 0)
            assert_int_equal(open_and_close("/slow"), -EIO);
        else if (i == 1)
            assert_int_equal(file_rename("/ring/b", "/small", 0), -EUCLEAN);
        else
            assert_int_equal(file_rename("/h1/c", "/h2/n", 0), -EIO);
        vfs_check();
    }
    node_of(SLOW)->load_status = 0;
}

/* ---- Loading once -------------------------------------------------------- */

static int open_slow(void *arg)
{
    (void)arg;
    return open_and_close("/slow");
}

static void test_two_wait_for_one_load(void **state)
{
    (void)state;
    for (int status = 0; status >= -EIO; status -= EIO) {
        thread_id ids[3];
        int value;

        assert_int_equal(event_create(&slow_loads), 0);
        node_of(SLOW)->load_status = status;
        forget_all();
        loads = 0;
        for (int i = 0; i < 3; i++)
            assert_int_equal(thread_create(NULL, open_slow, NULL, &ids[i]), 0);
        for (int i = 0; i < 5; i++)
            thread_yield();
        vfs_check();
        assert_int_equal(loads, 1);
        assert_int_equal(file_unmount("/"), -EBUSY);
        assert_int_equal(event_set(slow_loads), 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(thread_join(ids[i], &value), 0);
            assert_int_equal(value, status);
        }
        assert_int_equal(loads, 1);
        assert_int_equal(live(), 1);
        /* Gone: the next one loads it again. */
        assert_int_equal(open_and_close("/slow"), status);
        assert_int_equal(loads, 2);
        assert_int_equal(event_destroy(slow_loads), 0);
    }
    node_of(SLOW)->load_status = 0;
}

/* ---- Mounting ------------------------------------------------------------ */

static void test_mount_tries_file_systems(void **state)
{
    static const struct {
        const char *name;
        const char *type;
        int statuses[3];
        uint64_t root;
        int want;
        unsigned tried;
        unsigned unmounts; /* of what was mounted and cannot be used */
    } rows[] = {
        {"the first", NULL, {0, 0, 0}, ROOT, 0, 1, 0},
        {"the second", NULL, {-EINVAL, 0, 0}, ROOT, 0, 3, 0},
        {"the last", NULL, {-EINVAL, -EINVAL, 0}, ROOT, 0, 7, 0},
        {"none", NULL, {-EINVAL, -EINVAL, -EINVAL}, ROOT, -EINVAL, 7, 0},
        {"the first is damaged", NULL, {-EUCLEAN, 0, 0}, ROOT, -EUCLEAN, 1, 0},
        {"by its type", "second", {0, 0, 0}, ROOT, 0, 2, 0},
        {"not that type", "second", {0, -EINVAL, 0}, ROOT, -EINVAL, 2, 0},
        {"no such type", "fourth", {0, 0, 0}, ROOT, -ENODEV, 0, 0},
        {"a root that is a file", NULL, {0, 0, 0}, 8, -EUCLEAN, 1, 1},
        {"a root that cannot be read", NULL, {0, 0, 0}, BAD, -EIO, 1, 1},
    };

    (void)state;
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(live(), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t blocks = stats().block_count;

        memcpy(mount_status, rows[i].statuses, sizeof(mount_status));
        root_number = rows[i].root;
        mounts_tried = unmounts = 0;
        ROW(rows[i].name, mount_toy(rows[i].type) == rows[i].want);
        ROW(rows[i].name, mounts_tried == rows[i].tried);
        ROW(rows[i].name, unmounts == rows[i].unmounts);
        ROW(rows[i].name, live() == (rows[i].want == 0));
        ROW(rows[i].name, list_empty(&disk.block.opens) == (rows[i].want != 0));
        vfs_check();
        if (rows[i].want == 0) {
            ROW(rows[i].name, file_unmount("/") == 0);
            ROW(rows[i].name, unmounts == 1);
        }
        ROW(rows[i].name, open_and_close("/") == -ENOENT);
        ROW(rows[i].name, list_empty(&disk.block.opens));
        ROW(rows[i].name, live() == 0);
        ROW(rows[i].name, stats().block_count == blocks);
    }
}

static int mount_slowly(void *arg)
{
    return mount_toy(arg);
}

/* While the root is being read there is none. */
static void test_root_is_there_when_it_is_complete(void **state)
{
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(event_create(&slow_loads), 0);
    root_number = SLOW_ROOT;
    assert_int_equal(thread_create(NULL, mount_slowly, NULL, &id), 0);
    thread_yield();
    vfs_check();
    assert_int_equal(open_and_close("/"), -ENOENT);
    assert_int_equal(mount_toy(NULL), -EBUSY);
    assert_int_equal(file_unmount("/"), -ENOENT);
    assert_int_equal(event_set(slow_loads), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(open_and_close("/"), 0);
    assert_int_equal(event_destroy(slow_loads), 0);
}

/* Whoever has the root open, or anything else, keeps it from being unmounted;
 * what is open twice is loaded once. */
static void test_unmount_while_files_are_open(void **state)
{
    static const char *const paths[] = {"/", "/dir", "/dir/huge"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct file *file, *again;
        unsigned before;

        assert_int_equal(file_open(paths[i], FILE_READ, 0, &file), 0);
        assert_int_equal(file_unmount("/"), -EBUSY);
        before = node_of(i + 1)->live;
        assert_int_equal(before, 1);
        assert_int_equal(file_open(paths[i], FILE_READ, 0, &again), 0);
        assert_int_equal(node_of(i + 1)->live, 1);
        file_close(file);
        vfs_check();
        assert_int_equal(file_unmount("/"), -EBUSY);
        file_close(again);
        assert_int_equal(live(), 1);
    }
    assert_int_equal(file_unmount("/"), 0);
}

static void test_mount_without_file_systems(void **state)
{
    static const struct file_system *const nothing[] = {NULL};

    (void)state;
    assert_int_equal(file_unmount("/"), 0);
    vfs_init(nothing);
    assert_int_equal(mount_toy(NULL), -ENODEV);
    vfs_init(NULL);
    assert_int_equal(mount_toy(NULL), -ENODEV);
    vfs_init(file_systems);
    assert_int_equal(mount_toy(NULL), 0);
}

/* The first mount of a CPU makes its table, too. */
static void test_mount_without_memory(void **state)
{
    unsigned failures = 0;
    size_t blocks;
    int status;

    for (uint64_t n = 1;; n++) {
        (void)teardown(state);
        machine_attach(8 << 20);
        ramblk_init(&disk, sectors, sizeof(sectors));
        assert_int_equal(open_and_close("/"), -ENOENT);
        vfs_check();
        /* The CPU's generator is made, which a mount can do without. */
        (void)!random_bytes(&blocks, sizeof(blocks));
        blocks = stats().block_count;
        heap_fail(n);
        status = mount_toy(NULL);
        if (!heap_failed())
            break;
        assert_int_equal(status, -ENOMEM);
        assert_true(list_empty(&disk.block.opens));
        assert_int_equal(live(), 0);
        /* The table stays. */
        assert_int_equal(stats().block_count, blocks + (n > 1));
        failures++;
    }
    heap_fail(0);
    assert_int_equal(failures, 5); /* table, mount, two tables, root */
    assert_int_equal(open_and_close("/dir"), 0);
}

/* ---- Files --------------------------------------------------------------- */

static void test_what_is_no_file(void **state)
{
    struct dir_entry entry;
    struct file_stat stat;
    struct file *file;
    char buf[8];

    (void)state;
    assert_int_equal(file_open("/fifo", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, buf, 8), -EINVAL);
    assert_int_equal(dir_read(file, &entry), -ENOTDIR);
    file_close(file);
    assert_int_equal(file_stat("/dir/bad", true, &stat), -EIO);
    assert_int_equal(file_stat("/fifo", true, &stat), 0);
    assert_int_equal(stat.inode, 7);
    assert_int_equal(file_read_link("/torn", buf, 8), -EUCLEAN);
    assert_int_equal(file_read_link("/empty", buf, 8), 0);
    assert_int_equal(file_read_link("/link", buf, 8), 8);
    assert_memory_equal(buf, "dir/huge", 8);
    assert_int_equal(file_read_link("/dir/bad", buf, 8), -EIO);
    assert_int_equal(live(), 1);
    assert_int_equal(file_open("/dir", FILE_READ, 0, &file), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(dir_read(file, &entry), i < 2);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.inode, DIR);
    file_close(file);
    assert_int_equal(live(), 1);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_walk_passes_errors_on),
        ATTACHED(test_walk_link_limits),
        ATTACHED(test_walk_without_memory),
        ATTACHED(test_names_are_kept),
        ATTACHED(test_errors_are_not_kept),
        ATTACHED(test_names_are_bounded),
        ATTACHED(test_memory_takes_what_is_kept),
        ATTACHED(test_hostile_directories),
        ATTACHED(test_parent_that_is_not_told),
        ATTACHED(test_circle_of_two_threads),
        ATTACHED(test_nothing_leaves_under_a_lock),
        ATTACHED(test_two_wait_for_one_load),
        ATTACHED(test_mount_tries_file_systems),
        ATTACHED(test_root_is_there_when_it_is_complete),
        ATTACHED(test_unmount_while_files_are_open),
        ATTACHED(test_mount_without_file_systems),
        ATTACHED(test_mount_without_memory),
        ATTACHED(test_what_is_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
