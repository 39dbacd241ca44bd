/*
 * The working directory of a thread: where paths without a slash in front
 * begin. The thread holds it; without one it is the root. If it is on another
 * CPU, thread->directory is the portal, and thread->directory_away what it is
 * there.
 */
#include "kernel/file/carry.h"
#include "kernel/thread/thread.h"
#include <torc/assert.h>
#include <torc/string.h>

struct inode *walk_start(void)
{
    struct inode *dir = thread_current()->directory;
    const struct mount_table *table = cpu_self()->mounts;

    if (dir != NULL) {
        assert(dir->mount->cpu == cpu_self()->id);
        return dir->mount->is_portal ? NULL : dir;
    }
    return table == NULL ? NULL : table->root;
}

int walk_nowhere(const char *path)
{
    const struct inode *dir = thread_current()->directory;

    return path[0] != '/' && path[0] != '\0' && dir != NULL &&
                   dir->mount->is_portal
               ? -EREMOTE
               : -ENOENT;
}

/* Give back an inode of this CPU. */
static int64_t run_put(struct carried *call)
{
    inode_put(call->out);
    return 0;
}

/* Give back a directory, and what it is behind a portal. */
static void put(struct inode *dir, struct inode *away)
{
    if (away != NULL) {
        struct carried call = {.run = run_put, .out = away};

        carry_surely(&call, dir->mount->portal_cpu);
    }
    inode_put(dir);
}

static void drop(void *dir)
{
    put(dir, thread_current()->directory_away);
}

/* The paths of the thread begin there from now on: `dir` is held, and `away`;
 * NULL is the root. Returns 0, -EBUSY. */
static int go_to(struct inode *dir, struct inode *away)
{
    struct thread *self = thread_current();
    struct inode *before = self->directory, *away_before = self->directory_away;

    if (dir != NULL && (self->requests & REQUEST_MOVE) != 0) {
        put(dir, away);
        return -EBUSY;
    }
    self->directory = dir;
    self->directory_away = away;
    self->directory_drop = drop;
    if (before != NULL)
        put(before, away_before);
    return 0;
}

/* A directory; *out is held. Returns 0, or as file_chdir(). */
static int find_directory(const char *path, struct inode **out)
{
    int status = vfs_walk(path, true, out);

    if (status == 0 && (*out)->type != FILE_DIRECTORY) {
        inode_put(*out);
        status = -ENOTDIR;
    }
    return status;
}

static int64_t run_find(struct carried *call)
{
    int status = find_directory(call->path, call->out);

    return status == -EREMOTE ? -EXDEV : status;
}

/* Go to a directory behind a portal. */
static int go_away(const char *path)
{
    struct inode *portal, *dir;
    struct portal_path away;
    struct carried call = {.run = run_find, .out = &dir};
    int status = portal_find(path, &away);

    if (status != 0)
        return status;
    portal = away.walk.at;
    call.path = away.path;
    status = (int)carry_to(&call, away.cpu, away.start);
    if (status == 0)
        inode_hold(portal);
    portal_end(&away);
    return status != 0 ? status : go_to(portal, dir);
}

int file_chdir(const char *path)
{
    struct inode *dir;
    int status = find_directory(path, &dir);

    if (status != 0)
        return status == -EREMOTE ? go_away(path) : status;
    if (dir == dir->mount->root && dir->mount->covered == NULL) {
        inode_put(dir);
        dir = NULL;
    }
    return go_to(dir, NULL);
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

/* The path of a directory, as file_getcwd(). */
static int64_t path_of(struct inode *at, char *buf, size_t size)
{
    struct inode *child;
    size_t used = 0;
    int64_t status;

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

static int64_t run_path_of(struct carried *call)
{
    return path_of((struct inode *)call->in, call->out, call->size);
}

/* The path of a portal, and behind it what the other CPU says. */
static int64_t path_of_away(struct inode *portal, const struct inode *away,
                            char *buf, size_t size)
{
    int64_t len = path_of(portal, buf, size), more;
    struct carried call = {.run = run_path_of, .in = away};

    if (len < 0)
        return len;
    if (len == 1) /* "/" */
        len = 0;
    call.out = buf + len;
    call.size = size - (size_t)len;
    more = carry_to(&call, portal->mount->portal_cpu, NULL);
    if (more < 0)
        return more;
    if (more == 1 && len > 0) { /* its root */
        buf[len] = '\0';
        return len;
    }
    return len + more;
}

int64_t file_getcwd(char *buf, size_t size)
{
    const struct thread *self = thread_current();
    const struct mount_table *table = cpu_self()->mounts;

    if (self->directory != NULL && self->directory_away != NULL)
        return path_of_away(self->directory, self->directory_away, buf, size);
    if (self->directory != NULL)
        return path_of(self->directory, buf, size);
    return table == NULL || table->root == NULL
               ? -ENOENT
               : path_of(table->root, buf, size);
}
