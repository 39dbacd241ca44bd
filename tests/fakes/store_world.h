/*
 * Files that are made, written, renamed and removed, for a server in the world
 * of site_world.h: a small file system in the memory of the test. Each call
 * that may fail counts, and the n-th one does. Included before the server's
 * sources.
 */
#ifndef TORC_TESTS_FAKES_STORE_WORLD_H
#define TORC_TESTS_FAKES_STORE_WORLD_H

#define SITE_WORLD_OTHER_FILES
static void world_files_begin(void);
#include "tests/fakes/site_world.h"

#define file_open_existing world_file_open_existing
#define file_open_changing world_file_open_changing
#define file_fstat         world_file_fstat
#define file_read_at       world_file_read_at
#define file_write         world_file_write
#define file_sync          world_file_sync
#define file_close         world_file_close
#define file_stat(...)     world_file_stat(__VA_ARGS__)
#define file_mkdir         world_file_mkdir
#define file_unlink        world_file_unlink
#define file_rmdir         world_file_rmdir
#define file_rename        world_file_rename
#define dir_read           world_dir_read
#include <torc/file.h>

enum { NODES = 64, OPENS = 16, NODE_SIZE_MAX = 200000 };

struct node {
    char path[300]; /* "": it has no name; the root's is "/" */
    enum file_type type;
    char *data;
    size_t size;
    int64_t mtime_s;
    unsigned opens;
    bool is_used;
    bool is_synced;
};

struct file {
    struct node *node; /* NULL: closed */
    size_t at;
    unsigned next; /* of a directory */
    bool may_write;
};

static struct node nodes[NODES];
static struct file opens[OPENS];
static int store_fail_at;   /* the n-th call from now fails; 0: none does */
static int store_error;     /* with this */
static uint64_t store_room; /* bytes that can be written */
static unsigned store_calls;
static const char *store_failed; /* the call that has */

static bool store_fails(const char *call)
{
    store_calls++;
    if (store_fail_at == 0 || --store_fail_at != 0)
        return false;
    store_failed = call;
    return true;
}

static struct node *node_named(const char *path)
{
    char plain[300];
    size_t len = 0;

    /* "//" is "/", and none is at the end. */
    for (; *path != '\0' && len + 1 < sizeof(plain); path++) {
        if (*path != '/' || len == 0 || plain[len - 1] != '/')
            plain[len++] = *path;
    }
    if (len > 1 && plain[len - 1] == '/')
        len--;
    plain[len] = '\0';
    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].is_used && nodes[i].path[0] != '\0' &&
            strcmp(nodes[i].path, plain) == 0)
            return &nodes[i];
    }
    return NULL;
}

/* Where the last component begins. */
static size_t parent_len(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

static int parent_status(const char *path)
{
    char parent[300];
    struct node *node;

    if (strlen(path) >= sizeof(parent))
        return -ENAMETOOLONG;
    snprintf(parent, sizeof(parent), "%.*s", (int)parent_len(path), path);
    node = node_named(parent[0] == '\0' ? "/" : parent);
    if (node == NULL)
        return -ENOENT;
    return node->type == FILE_DIRECTORY ? 0 : -ENOTDIR;
}

/* NULL: there are too many. */
static struct node *node_make(const char *path, enum file_type type)
{
    size_t i = 0;

    while (i < NODES && nodes[i].is_used)
        i++;
    if (i == NODES)
        return NULL;
    nodes[i] = (struct node){.type = type, .is_used = true};
    snprintf(nodes[i].path, sizeof(nodes[i].path), "%s", path);
    nodes[i].mtime_s = (int64_t)wall_s;
    return &nodes[i];
}

static void node_drop(struct node *node)
{
    node->path[0] = '\0';
    if (node->opens > 0)
        return;
    free(node->data);
    memset(node, 0, sizeof(*node));
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/' &&
           path[len + 1] != '\0' && strchr(path + len + 1, '/') == NULL;
}

static int open_node(struct node *node, bool may_write, struct file **out)
{
    size_t i = 0;

    while (opens[i].node != NULL)
        assert_true(++i < OPENS);
    opens[i] = (struct file){.node = node, .may_write = may_write};
    node->opens++;
    *out = &opens[i];
    return 0;
}

int file_open_existing(const char *path, unsigned flags, struct file **out)
{
    struct node *node = node_named(path);

    if (store_fails("open"))
        return store_error;
    assert_false(flags & FILE_WRITE);
    if (node == NULL)
        return parent_status(path) == -ENOTDIR ? -ENOTDIR : -ENOENT;
    if ((flags & FILE_DIRECTORY_ONLY) != 0 && node->type != FILE_DIRECTORY)
        return -ENOTDIR;
    return open_node(node, false, out);
}

int file_open_changing(const char *path, unsigned flags, uint32_t mode,
                       struct file **out)
{
    int status = parent_status(path);
    struct node *node;

    assert_int_equal(flags, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE);
    assert_int_equal(mode, 0644);
    if (store_fails("create"))
        return store_error;
    if (status != 0)
        return status;
    if (node_named(path) != NULL)
        return -EEXIST;
    node = node_make(path, FILE_REGULAR);
    return node == NULL ? -ENOSPC : open_node(node, true, out);
}

static void node_stat(const struct node *node, struct file_stat *stat)
{
    *stat = (struct file_stat){.inode = (uint64_t)(node - nodes) + 10,
                               .type = node->type,
                               .size_bytes = node->size,
                               .mtime = {.s = node->mtime_s}};
}

int file_fstat(struct file *file, struct file_stat *stat)
{
    node_stat(file->node, stat);
    return 0;
}

int world_file_stat(const char *path, bool follow, struct file_stat *stat)
{
    struct node *node = node_named(path);

    assert_true(follow);
    if (store_fails("stat"))
        return store_error;
    if (strlen(path) - parent_len(path) > FILE_NAME_MAX + 1)
        return -ENAMETOOLONG;
    if (node == NULL)
        return parent_status(path) == -ENOTDIR ? -ENOTDIR : -ENOENT;
    node_stat(node, stat);
    return 0;
}

int64_t file_read_at(struct file *file, void *buf, size_t size, uint64_t offset)
{
    if (offset >= file->node->size)
        return 0;
    if (size > file->node->size - offset)
        size = file->node->size - (size_t)offset;
    memcpy(buf, file->node->data + offset, size);
    return (int64_t)size;
}

int64_t file_write(struct file *file, const void *buf, size_t size)
{
    struct node *node = file->node;

    assert_true(file->may_write);
    if (store_fails("write"))
        return store_error;
    if (store_room == 0)
        return -ENOSPC;
    if (size > 1000) /* a short write */
        size = 1000;
    if (size > store_room)
        size = (size_t)store_room;
    store_room -= size;
    assert_true(node->size + size <= NODE_SIZE_MAX);
    node->data = realloc(node->data, NODE_SIZE_MAX);
    memcpy(node->data + node->size, buf, size);
    node->size += size;
    node->is_synced = false;
    return (int64_t)size;
}

int file_sync(struct file *file)
{
    if (store_fails("sync"))
        return store_error;
    file->node->is_synced = true;
    return 0;
}

void file_close(struct file *file)
{
    struct node *node = file->node;

    assert_non_null(node);
    file->node = NULL;
    node->opens--;
    if (node->path[0] == '\0')
        node_drop(node);
}

/* The names in a directory have changed. */
static void parent_changed(const char *path)
{
    char parent[300];

    snprintf(parent, sizeof(parent), "%.*s", (int)parent_len(path), path);
    node_named(parent[0] == '\0' ? "/" : parent)->is_synced = false;
}

int file_mkdir(const char *path, uint32_t mode)
{
    int status = parent_status(path);

    assert_int_equal(mode, 0755);
    if (store_fails("mkdir"))
        return store_error;
    if (status != 0)
        return status;
    if (node_named(path) != NULL)
        return -EEXIST;
    if (node_make(path, FILE_DIRECTORY) == NULL)
        return -ENOSPC;
    parent_changed(path);
    return 0;
}

int file_unlink(const char *path)
{
    struct node *node = node_named(path);

    if (store_fails("unlink"))
        return store_error;
    if (node == NULL)
        return -ENOENT;
    if (node->type == FILE_DIRECTORY)
        return -EISDIR;
    parent_changed(path);
    node_drop(node);
    return 0;
}

int file_rmdir(const char *path)
{
    struct node *node = node_named(path);

    if (store_fails("rmdir"))
        return store_error;
    if (node == NULL)
        return -ENOENT;
    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].is_used && is_below(nodes[i].path, node->path))
            return -ENOTEMPTY;
    }
    parent_changed(path);
    node_drop(node);
    return 0;
}

int file_rename(const char *old, const char *path, unsigned flags)
{
    struct node *node = node_named(old);
    struct node *there = node_named(path);

    assert_int_equal(flags, 0);
    assert_non_null(node);
    if (store_fails("rename"))
        return store_error;
    if (parent_status(path) != 0)
        return parent_status(path);
    if (there != NULL && there->type == FILE_DIRECTORY)
        return -EISDIR;
    parent_changed(old);
    parent_changed(path);
    if (there != NULL)
        node_drop(there);
    snprintf(node->path, sizeof(node->path), "%s", path);
    return 0;
}

int dir_read(struct file *dir, struct dir_entry *entry)
{
    if (store_fails("readdir"))
        return store_error;
    if (dir->next < 2) {
        strcpy(entry->name, dir->next++ == 0 ? "." : "..");
        return 1;
    }
    while (dir->next - 2 < NODES) {
        const struct node *node = &nodes[dir->next++ - 2];

        if (node->is_used && is_below(node->path, dir->node->path)) {
            strcpy(entry->name, strrchr(node->path, '/') + 1);
            return 1;
        }
    }
    return 0;
}

static void world_files_begin(void)
{
    for (size_t i = 0; i < NODES; i++)
        free(nodes[i].data);
    memset(nodes, 0, sizeof(nodes));
    memset(opens, 0, sizeof(opens));
    store_fail_at = 0;
    store_error = -EIO;
    store_room = UINT64_MAX;
    store_calls = 0;
    store_failed = NULL;
    node_make("/", FILE_DIRECTORY);
}

#endif
