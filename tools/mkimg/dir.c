/* A directory of the host as a source. */
#include "tools/mkimg/source.h"
#include <errno.h>
#include <fts.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- What all sources use ------------------------------------------------ */

int complain(const char *format, ...)
{
    va_list list;

    fputs("torc-mkimg: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return -1;
}

struct file_time time_of(int64_t s, long ns)
{
    return (struct file_time){.s = s, .ns = (uint32_t)ns};
}

uint64_t device_of(unsigned long major, unsigned long minor)
{
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffUL) << 12;
}

static void from_stat(struct node *node, const struct stat *stat)
{
    node->file.mode = stat->st_mode & 07777;
    node->file.uid = stat->st_uid;
    node->file.gid = stat->st_gid;
    node->file.time = time_of(stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec);
    if (S_ISREG(stat->st_mode)) {
        node->file.size_bytes = (uint64_t)stat->st_size;
        node->has_holes = stat->st_blocks * 512 < stat->st_size;
    }
}

const char *node_from_host(struct tree *tree, struct node *node,
                           const char *path)
{
    struct stat file;

    if (stat(path, &file) != 0)
        return strerror(errno);
    if (!S_ISREG(file.st_mode))
        return "it is no regular file";
    node->file.size_bytes = (uint64_t)file.st_size;
    node->has_holes = file.st_blocks * 512 < file.st_size;
    node->source = tree_text(tree, path, strlen(path));
    return NULL;
}

/* ---- Extended attributes ------------------------------------------------- */

enum { XATTR_MAX = 65536 };

static int xattr_take(const struct source *source, const char *path,
                      const char *name, struct node *node)
{
    static char value[XATTR_MAX];
    ssize_t size = lgetxattr(path, name, value, sizeof(value));

    if (size < 0)
        return complain("%s: attribute %s: %s", path, name, strerror(errno));
    tree_xattr(source->tree, node, name, value, (size_t)size);
    return 0;
}

static int xattrs_take(const struct source *source, const char *path,
                       struct node *node)
{
    static char names[XATTR_MAX];
    ssize_t size = 0;

    if (source->takes_xattrs)
        size = llistxattr(path, names, sizeof(names));
    if (size < 0 && errno != ENOTSUP)
        return complain("%s: its attributes: %s", path, strerror(errno));
    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
        if (xattr_take(source, path, names + at, node) != 0)
            return -1;
    return 0;
}

/* ---- Links --------------------------------------------------------------- */

/* A file that has several names. */
struct shared {
    dev_t device;
    ino_t number;
    struct node *node;
};

static int shared_compare(const void *a, const void *b)
{
    const struct shared *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Where a file that has other names is known; its node is NULL when it has not
 * been met before. */
static struct shared *shared_find(struct tree *tree, void **known,
                                  const struct stat *stat)
{
    struct shared *fresh = tree_alloc(tree, sizeof(*fresh));
    struct shared **found;

    fresh->device = stat->st_dev;
    fresh->number = stat->st_ino;
    found = tsearch(fresh, known, shared_compare);
    return found != NULL ? *found : fresh;
}

/* ---- Files --------------------------------------------------------------- */

static uint8_t type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return FILE_DIRECTORY;
    case S_IFLNK:
        return FILE_SYMLINK;
    case S_IFIFO:
        return FILE_FIFO;
    case S_IFSOCK:
        return FILE_SOCKET;
    case S_IFCHR:
        return FILE_CHARACTER;
    case S_IFBLK:
        return FILE_BLOCK;
    default:
        return FILE_REGULAR;
    }
}

static int link_take(struct tree *tree, const char *path, struct node *node)
{
    char target[FILE_PATH_MAX];
    ssize_t len = readlink(path, target, sizeof(target));

    if (len < 0)
        return complain("%s: %s", path, strerror(errno));
    node->file.target = tree_text(tree, target, (size_t)len);
    node->file.size_bytes = (uint64_t)len;
    return 0;
}

/* A new file at `place` in the image. */
static int file_take(const struct source *source, const char *path,
                     const char *place, const struct stat *stat,
                     struct node **out)
{
    struct tree *tree = source->tree;
    const char *why = tree_put(tree, place, type_of(stat->st_mode), false, out);

    if (why != NULL)
        return complain("%s: %s", path, why);
    from_stat(*out, stat);
    (*out)->file.rdev = device_of(major(stat->st_rdev), minor(stat->st_rdev));
    if (S_ISREG(stat->st_mode))
        (*out)->source = tree_text(tree, path, strlen(path));
    if (S_ISLNK(stat->st_mode) && link_take(tree, path, *out) != 0)
        return -1;
    return xattrs_take(source, path, *out);
}

static int entry_take(const struct source *source, const FTSENT *entry,
                      size_t skip, void **known)
{
    const char *path = entry->fts_path, *place = path + skip;
    const struct stat *stat = entry->fts_statp;
    struct shared *shared = NULL;
    struct node *node;
    const char *why;

    if (entry->fts_info == FTS_DP)
        return 0;
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
        entry->fts_info == FTS_NS)
        return complain("%s: %s", path, strerror(entry->fts_errno));
    if (!S_ISDIR(stat->st_mode) && stat->st_nlink > 1)
        shared = shared_find(source->tree, known, stat);
    if (shared != NULL && shared->node != NULL) {
        why = tree_link(source->tree, place, shared->node);
        return why != NULL ? complain("%s: %s", path, why) : 0;
    }
    if (file_take(source, path, place, stat, &node) != 0)
        return -1;
    if (shared != NULL)
        shared->node = node;
    return 0;
}

static void forget(void *node)
{
    (void)node; /* it is the tree's */
}

int source_dir(const struct source *source, const char *path)
{
    char *const paths[] = {(char *)path, NULL};
    size_t skip = strlen(path);
    void *known = NULL;
    FTSENT *entry;
    struct stat stat_of_it;
    int status = 0;
    FTS *walk;

    if (stat(path, &stat_of_it) != 0)
        return complain("%s: %s", path, strerror(errno));
    if (!S_ISDIR(stat_of_it.st_mode))
        return complain("%s: it is no directory", path);
    walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, NULL);
    if (walk == NULL)
        return complain("%s: %s", path, strerror(errno));
    errno = 0;
    while (status == 0 && (entry = fts_read(walk)) != NULL) {
        status = entry_take(source, entry, skip, &known);
        errno = 0;
    }
    if (status == 0 && errno != 0)
        status = complain("%s: %s", path, strerror(errno));
    fts_close(walk);
    tdestroy(known, forget);
    return status;
}
