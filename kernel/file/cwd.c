/*
 * The working directory of a thread: where paths without a slash in front
 * begin. The thread holds it; without one it is the root.
 */
#include "kernel/file/file_internal.h"
#include "kernel/thread/thread.h"
#include <torc/assert.h>
#include <torc/string.h>

struct inode *walk_start(void)
{
    struct inode *dir = thread_current()->directory;
    const struct mount_table *table = cpu_self()->mounts;

    if (dir != NULL) {
        assert(dir->mount->cpu == cpu_self()->id);
        return dir;
    }
    return table == NULL ? NULL : table->root;
}

static void drop(void *dir)
{
    inode_put(dir);
}

/* The paths of the thread begin there from now on: `dir` is held, NULL is the
 * root. Returns 0, -EBUSY. */
static int go_to(struct inode *dir)
{
    struct thread *self = thread_current();
    struct inode *before = self->directory;

    if (dir != NULL && (self->requests & REQUEST_MOVE) != 0) {
        inode_put(dir);
        return -EBUSY;
    }
    self->directory = dir;
    self->directory_drop = drop;
    if (before != NULL)
        inode_put(before);
    return 0;
}

int file_chdir(const char *path)
{
    struct inode *dir;
    int status = vfs_walk(path, true, &dir);

    if (status != 0)
        return status;
    if (dir->type != FILE_DIRECTORY) {
        inode_put(dir);
        return -ENOTDIR;
    }
    if (dir == dir->mount->root && dir->mount->covered == NULL) {
        inode_put(dir);
        dir = NULL;
    }
    return go_to(dir);
}

/* ---- Where it is --------------------------------------------------------- */

/* The name of an inode in a directory, if it is in memory. */
static const struct dentry *name_known(const struct inode *inode,
                                       const struct inode *dir)
{
    list_for_each (node, &inode->names) {
        const struct dentry *dentry =
            container_of(node, struct dentry, by_inode);
        const struct name name = {dentry->name, dentry->len, 0};

        if (dentry->dir == dir && !name_is_dots(&name))
            return dentry;
    }
    return NULL;
}

/* Put the name of an inode in its directory before *at, where `room` bytes are
 * free. Returns its length, -ERANGE, -ENOENT, or as vfs_readdir(). */
static int64_t put_name(const struct inode *inode, struct inode *dir, char *at,
                        size_t room)
{
    const struct dentry *known = name_known(inode, dir);
    const char *text = known == NULL ? NULL : known->name;
    size_t len = known == NULL ? 0 : known->len;
    struct dir_entry entry;
    uint64_t cursor = 0;

    while (text == NULL) {
        int status = vfs_readdir(dir, &cursor, &entry);
        struct name name = {entry.name, 0, 0};

        if (status != 1)
            return status == 0 ? -ENOENT : status;
        name.len = (uint32_t)str_len(entry.name, FILE_NAME_MAX);
        if (entry.inode == inode->number && !name_is_dots(&name)) {
            text = entry.name;
            len = name.len;
        }
    }
    if (len + 1 > room)
        return -ERANGE;
    memcpy(at - len, text, len);
    at[-(int64_t)len - 1] = '/';
    return (int64_t)len + 1;
}

/* From an inode that is held, which is given back, to the directory that it is
 * in, held: over the edge of its mount. */
static int step_out(struct inode **inode, struct inode **child)
{
    struct inode *at = *inode;
    struct name up;

    while (at == at->mount->root && at->mount->covered != NULL) {
        inode_hold(at->mount->covered);
        *inode = at->mount->covered;
        inode_put(at);
        at = *inode;
    }
    *child = at;
    up = name_up(at);
    return at == at->mount->root ? 1 : vfs_lookup(at, &up, inode);
}

int64_t file_getcwd(char *buf, size_t size)
{
    struct inode *at = walk_start(), *child;
    size_t used = 0;
    int64_t status;

    if (at == NULL)
        return -ENOENT;
    if (size < 2)
        return -ERANGE;
    inode_hold(at);
    while ((status = step_out(&at, &child)) == 0) {
        int64_t len =
            put_name(child, at, buf + size - 1 - used, size - 1 - used);

        inode_put(child);
        status = len;
        if (len < 0)
            break;
        used += (size_t)len;
    }
    inode_put(at);
    if (status != 1)
        return status;
    if (used == 0)
        buf[size - 1 - ++used] = '/';
    memmove(buf, buf + size - 1 - used, used);
    buf[used] = '\0';
    return (int64_t)used;
}
