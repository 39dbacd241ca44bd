/*
 * Thousands of random operations on each file system that can be written, and
 * on a model: a table of paths. After each step both answer the same and hold
 * the same.
 */
#include "kernel/file/vfs_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/tree.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <string.h>

/* ---- The model: paths, and what they lead to ----------------------------- */

static struct tree model, real;
static uint64_t next_id;
static uint64_t id_of[20000]; /* the model's number of each real inode */

static struct tree_path *find(const char *path)
{
    for (size_t i = 0; i < model.count; i++) {
        if (strcmp(model.paths[i].path, path) == 0)
            return &model.paths[i];
    }
    return NULL;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static bool has_children(const char *dir)
{
    for (size_t i = 0; i < model.count; i++) {
        if (is_below(model.paths[i].path, dir))
            return true;
    }
    return false;
}

/* What a walk to the directory of a path gives: links lead nowhere. */
static int check_parent(const char *path)
{
    char part[TREE_PATH_MAX];

    for (const char *at = strchr(path, '/'); at != NULL;
         at = strchr(at + 1, '/')) {
        const struct tree_path *dir;

        snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
        dir = find(part);
        if (dir == NULL || dir->type == FILE_SYMLINK)
            return -ENOENT;
        if (dir->type != FILE_DIRECTORY)
            return -ENOTDIR;
    }
    return 0;
}

static void add(const char *path, enum file_type type, uint64_t id)
{
    struct tree_path *at = &model.paths[model.count++];

    assert_true(model.count <= TREE_PATHS_MAX);
    strcpy(at->path, path);
    at->type = type;
    at->inode = id;
}

static void drop(struct tree_path *at)
{
    *at = model.paths[--model.count];
}

static int model_make(const char *path, enum file_type type)
{
    int status = check_parent(path);

    if (status != 0)
        return status;
    if (find(path) != NULL)
        return -EEXIST;
    add(path, type, ++next_id);
    return 0;
}

static int model_unlink(const char *path)
{
    int status = check_parent(path);
    struct tree_path *at = find(path);

    if (status != 0)
        return status;
    if (at == NULL)
        return -ENOENT;
    if (at->type == FILE_DIRECTORY)
        return -EISDIR;
    drop(at);
    return 0;
}

static int model_rmdir(const char *path)
{
    int status = check_parent(path);
    struct tree_path *at = find(path);

    if (status != 0)
        return status;
    if (at == NULL)
        return -ENOENT;
    if (at->type != FILE_DIRECTORY)
        return -ENOTDIR;
    if (has_children(path))
        return -ENOTEMPTY;
    drop(at);
    return 0;
}

static int model_link(const char *old, const char *path)
{
    int status = check_parent(old);
    const struct tree_path *at = find(old);

    if (status != 0)
        return status;
    if (at == NULL)
        return -ENOENT;
    status = check_parent(path);
    if (status != 0)
        return status;
    if (find(path) != NULL)
        return -EEXIST;
    if (at->type == FILE_DIRECTORY)
        return -EPERM;
    add(path, at->type, at->inode);
    return 0;
}

/* Let all paths at or below `from` begin with `to`. */
static void move(const char *from, const char *to)
{
    for (size_t i = 0; i < model.count; i++) {
        char *path = model.paths[i].path;

        if (strcmp(path, from) == 0 || is_below(path, from)) {
            char moved[2 * TREE_PATH_MAX];

            snprintf(moved, sizeof(moved), "%s%s", to, path + strlen(from));
            assert_true(strlen(moved) < TREE_PATH_MAX);
            strcpy(path, moved);
        }
    }
}

/* Whether a rename would put a directory into itself. */
static int check_below(const char *old, const char *path, bool exchange)
{
    if (is_below(path, old))
        return -EINVAL;
    if (is_below(old, path))
        return exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int check_types(const struct tree_path *one, const struct tree_path *two)
{
    bool is_dir1 = one->type == FILE_DIRECTORY;
    bool is_dir2 = two->type == FILE_DIRECTORY;

    if (is_dir1 && !is_dir2)
        return -ENOTDIR;
    if (!is_dir1 && is_dir2)
        return -EISDIR;
    return is_dir2 && has_children(two->path) ? -ENOTEMPTY : 0;
}

static int model_rename(const char *old, const char *path, unsigned flags)
{
    bool exchange = (flags & FILE_RENAME_EXCHANGE) != 0;
    struct tree_path *one, *two;
    int status = check_parent(old);

    if (status == 0)
        status = check_parent(path);
    if (status != 0)
        return status;
    one = find(old);
    two = find(path);
    if (one == NULL || (two == NULL && exchange))
        return -ENOENT;
    if (two != NULL && (flags & FILE_RENAME_NOREPLACE) != 0)
        return -EEXIST;
    status = check_below(old, path, exchange);
    if (status != 0)
        return status;
    if (two != NULL && one->inode == two->inode)
        return 0;
    if (two != NULL && !exchange) {
        status = check_types(one, two);
        if (status != 0)
            return status;
        drop(two);
    }
    if (exchange)
        move(path, "?");
    move(old, path);
    if (exchange)
        move("?", old);
    return 0;
}

/* ---- The two together ---------------------------------------------------- */

static uint32_t random_state;

static unsigned roll(unsigned below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 10) % below;
}

/* A path of one to three of three names, which exist often. */
static void pick(char path[TREE_PATH_MAX])
{
    unsigned depth = 1 + roll(3);

    path[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        char part[4] = {'/', (char)('a' + (char)roll(3)), '\0'};

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

/* One operation of both; *want is the model's answer. */
static int step(const char *a, const char *b, int *want)
{
    static const unsigned flags[] = {0, 0, FILE_RENAME_NOREPLACE,
                                     FILE_RENAME_EXCHANGE};
    unsigned flag;

    switch (roll(8)) {
    case 0:
        *want = model_make(a + 1, FILE_DIRECTORY);
        return file_mkdir(a, 0);
    case 1:
        *want = model_make(a + 1, FILE_REGULAR);
        return make_file(a);
    case 2:
        *want = model_make(a + 1, FILE_SYMLINK);
        return file_symlink("/nowhere", a);
    case 3:
        *want = model_unlink(a + 1);
        return file_unlink(a);
    case 4:
        *want = model_rmdir(a + 1);
        return file_rmdir(a);
    case 5:
        *want = model_link(a + 1, b + 1);
        return file_link(a, b);
    default:
        flag = flags[roll(4)];
        *want = model_rename(a + 1, b + 1, flag);
        return file_rename(a, b, flag);
    }
}

/* Numbers of inodes that are gone may be used again. */
static void forget_gone(void)
{
    static bool is_there[COUNT_OF(id_of)];

    memset(is_there, 0, sizeof(is_there));
    for (size_t i = 0; i < real.count; i++)
        is_there[real.paths[i].inode] = true;
    for (size_t i = 0; i < COUNT_OF(id_of); i++) {
        if (!is_there[i])
            id_of[i] = 0;
    }
}

/* The same paths, types, and the same ones lead to the same inodes. */
static void compare(void)
{
    tree_read(&real);
    assert_int_equal(real.count, model.count);
    for (size_t i = 0; i < real.count; i++) {
        const struct tree_path *want = find(real.paths[i].path);

        assert_non_null(want);
        assert_int_equal(real.paths[i].type, want->type);
        assert_true(real.paths[i].inode < COUNT_OF(id_of));
        if (id_of[real.paths[i].inode] == 0)
            id_of[real.paths[i].inode] = want->inode;
        assert_int_equal(id_of[real.paths[i].inode], want->inode);
    }
    forget_gone();
}

static void run(uint32_t seed, unsigned steps)
{
    const struct mount_table *table;
    char a[TREE_PATH_MAX], b[TREE_PATH_MAX];

    random_state = seed;
    model.count = 0;
    next_id = 0;
    memset(id_of, 0, sizeof(id_of));
    world_mount();
    table = cpu_self()->mounts;
    table->root->mount->cached_max = 8 + seed % 40;
    for (unsigned i = 0; i < steps; i++) {
        int want, got;

        pick(a);
        pick(b);
        got = step(a, b, &want);
        if (got != want)
            fail_msg("seed %u step %u: %s %s: %d, not %d", seed, i, a, b, got,
                     want);
        vfs_check();
        assert_int_equal(table->root->mount->used_count, 1);
        compare();
        if (roll(50) == 0)
            dentries_shrink(table->root->mount, roll(5));
    }
    world_unmount();
}

static uint32_t seeds = 20;

static void test_like_the_model(void **state)
{
    (void)state;
    world_attach(16 << 20);
    for (uint32_t seed = 1; seed <= seeds; seed++)
        run(seed, 500);
    world_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_the_model),
    };

    int failed = world_run("random operations", tests, COUNT_OF(tests));

    seeds = 5; /* each message is copied twice, and is a switch of threads */
    return failed + world_run_in(&world_fuse, "random operations", tests,
                                 COUNT_OF(tests));
}
