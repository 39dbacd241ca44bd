#include "tests/fakes/tree.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct tree *tree, const char *path)
{
    struct tree_path *at = &tree->paths[tree->count++];
    struct file_stat stat;

    assert_true(tree->count <= TREE_PATHS_MAX);
    assert_true(strlen(path) < TREE_PATH_MAX);
    strcpy(at->path, path + 1);
    assert_int_equal(file_stat(path, false, &stat), 0);
    at->inode = stat.inode;
    at->type = stat.type;
    at->links = stat.links;
}

static void read_dir(struct tree *tree, const char *path)
{
    struct dir_entry entry;
    struct file *dir;

    assert_int_equal(file_open(path[0] == '\0' ? "/" : path,
                               FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir),
                     0);
    while (dir_read(dir, &entry) == 1) {
        char child[2 * TREE_PATH_MAX];
        struct tree_path *added;

        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        snprintf(child, sizeof(child), "%s/%.60s", path, entry.name);
        add(tree, child);
        added = &tree->paths[tree->count - 1];
        if (added->inode != entry.inode)
            continue; /* something is mounted there */
        assert_int_equal(added->type, entry.type);
        if (entry.type == FILE_DIRECTORY)
            read_dir(tree, child);
    }
    file_close(dir);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct tree_path *)a)->path,
                  ((const struct tree_path *)b)->path);
}

void tree_read(struct tree *tree)
{
    tree->count = 0;
    read_dir(tree, "");
    qsort(tree->paths, tree->count, sizeof(tree->paths[0]), compare);
    for (size_t i = 1; i < tree->count; i++)
        assert_true(strcmp(tree->paths[i - 1].path, tree->paths[i].path) < 0);
}

/* The first path that led to an inode, or NULL. */
static const struct tree_path *path_of(const struct tree *tree, uint64_t inode)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->paths[i].inode == inode)
            return &tree->paths[i];
    }
    return NULL;
}

void tree_difference(const struct tree *before, const struct tree *after,
                     char *text, size_t size)
{
    size_t i = 0, j = 0, len = 0;

    text[0] = '\0';
    while (i < before->count || j < after->count) {
        const struct tree_path *old = &before->paths[i];
        const struct tree_path *new = &after->paths[j];
        int order = i == before->count  ? 1
                    : j == after->count ? -1
                                        : strcmp(old->path, new->path);
        const char *blank = len == 0 ? "" : " ";

        i += order <= 0;
        j += order >= 0;
        if (order < 0) {
            len += (size_t)snprintf(text + len, size - len, "%s-%s", blank,
                                    old->path);
        } else if (order > 0 || old->inode != new->inode) {
            const struct tree_path *was = path_of(before, new->inode);

            if (was != NULL)
                len += (size_t)snprintf(text + len, size - len, "%s+%s=%s",
                                        blank, new->path, was->path);
            else
                len +=
                    (size_t)snprintf(text + len, size - len, "%s+%s%c", blank,
                                     new->path, "?fdlpscb"[new->type]);
        }
        assert_true(len < size);
    }
}
