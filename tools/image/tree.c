/*
 * Walking all that is below a directory. The directories on the way are open;
 * of each the next entry has been read already, so that the last one is known.
 */
#include "tools/image/img.h"
#include <torc/memory.h>
#include <torc/string.h>

struct level {
    struct file *dir;
    size_t path_len;
    int status; /* what dir_read() has returned for `next` */
    struct dir_entry next;
};

struct walk {
    int (*fn)(const struct tree_entry *entry, void *arg);
    void *arg;
    unsigned depth; /* levels that are open */
    struct level *levels[TREE_DEPTH];
    char path[FILE_PATH_MAX];
};

static bool is_dots(const char *name)
{
    return name[0] == '.' &&
           (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static void next_read(struct level *level)
{
    do
        level->status = dir_read(level->dir, &level->next);
    while (level->status == 1 && is_dots(level->next.name));
}

/* Open walk->path, which is `len` bytes long. */
static int level_push(struct walk *walk, size_t len)
{
    struct level *level;
    int status;

    if (walk->depth == TREE_DEPTH)
        return -ELOOP;
    level = mem_alloc(sizeof(*level));
    if (level == NULL)
        return -ENOMEM;
    status =
        file_open(walk->path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &level->dir);
    if (status != 0) {
        mem_free(level);
        return status;
    }
    level->path_len = len;
    next_read(level);
    walk->levels[walk->depth++] = level;
    return 0;
}

static void level_pop(struct walk *walk)
{
    struct level *level = walk->levels[--walk->depth];

    file_close(level->dir);
    mem_free(level);
}

/* The next entry of the deepest directory. */
static int step(struct walk *walk)
{
    struct level *level = walk->levels[walk->depth - 1];
    struct tree_entry entry = {.path = walk->path, .depth = walk->depth - 1};
    size_t at = level->path_len, len;
    int status = level->status;

    if (status != 1) {
        level_pop(walk);
        return status;
    }
    if (at == 0 || walk->path[at - 1] != '/')
        walk->path[at++] = '/';
    if (str_copy(walk->path + at, FILE_PATH_MAX - at, level->next.name) != 0)
        return -ENAMETOOLONG;
    entry.name = walk->path + at;
    len = at + strlen(entry.name);
    next_read(level);
    entry.is_last = level->status != 1;
    status = file_stat(walk->path, false, &entry.stat);
    if (status == 0)
        status = walk->fn(&entry, walk->arg);
    if (status == 0 && entry.stat.type == FILE_DIRECTORY)
        status = level_push(walk, len);
    return status;
}

int tree_walk(const char *path,
              int (*fn)(const struct tree_entry *entry, void *arg), void *arg)
{
    struct walk *walk = mem_alloc_zeroed(sizeof(*walk));
    int status;

    if (walk == NULL)
        return -ENOMEM;
    walk->fn = fn;
    walk->arg = arg;
    status = str_copy(walk->path, FILE_PATH_MAX, path);
    if (status == 0)
        status = level_push(walk, strlen(path));
    while (status == 0 && walk->depth > 0)
        status = step(walk);
    while (walk->depth > 0)
        level_pop(walk);
    mem_free(walk);
    return status;
}
