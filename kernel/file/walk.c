/*
 * The path walk. Symbolic links need no recursion: the target of a link
 * replaces its name in the rest of the path.
 */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

static struct inode *root_of_cpu(void)
{
    const struct mount_table *table = cpu_self()->mounts;

    return table == NULL ? NULL : table->root;
}

int walk_begin(struct walk *walk, const char *path)
{
    walk->at = path[0] == '/' ? root_of_cpu() : walk_start();
    walk->holds = false;
    walk->links = 0;
    walk->rest = path;
    walk->limit = path + FILE_PATH_MAX;
    walk->text = NULL;
    if (walk->at == NULL || path[0] == '\0')
        return walk_nowhere(path);
    return 0;
}

void walk_end(struct walk *walk)
{
    mem_free(walk->text);
    if (walk->holds)
        inode_put(walk->at);
}

/* Go to an inode; the walk holds it if it has held the one before. */
static void walk_to(struct walk *walk, struct inode *inode)
{
    struct inode *before = walk->at;

    if (walk->holds)
        inode_hold(inode);
    walk->at = inode;
    if (walk->holds)
        inode_put(before);
}

/* Where something is mounted, go on to its root. */
static void enter_mounts(struct walk *walk)
{
    while (unlikely(walk->at->mounted != NULL))
        walk_to(walk, walk->at->mounted->root);
}

/* Find a name that no dentry knows. *out is held, and so is walk->at. */
static __attribute__((cold)) int
find_slowly(struct walk *walk, const struct name *name, struct inode **out)
{
    walk_hold(walk);
    return vfs_lookup(walk->at, name, out);
}

/*
 * Read the target of a link to the begin of walk->text and move it before the
 * rest of the path, which ends there and begins at `rest`: with the slash that
 * is between the two, if there is a rest.
 */
static __attribute__((cold)) int splice(struct walk *walk, struct inode *link,
                                        char *rest)
{
    size_t room = (size_t)(rest - walk->text);
    int64_t len = vfs_readlink(link, walk->text, room);

    if (len <= 0)
        return len == 0 ? -ENOENT : (int)len;
    if ((uint64_t)len > room)
        return -ENAMETOOLONG;
    walk->rest = rest - len;
    walk->limit = walk->text + FILE_PATH_MAX;
    memmove(rest - len, walk->text, (size_t)len);
    return 0;
}

__attribute__((cold)) int walk_link(struct walk *walk, struct inode *link)
{
    size_t rest_len = str_len(walk->rest, FILE_PATH_MAX);
    char *rest;
    int status;

    if (++walk->links > FILE_LINK_MAX)
        return -ELOOP;
    if (rest_len >= FILE_PATH_MAX)
        return -ENAMETOOLONG;
    if (walk->text == NULL)
        walk->text = mem_alloc(FILE_PATH_MAX);
    if (walk->text == NULL)
        return -ENOMEM;
    rest = walk->text + FILE_PATH_MAX - 1 - rest_len;
    memmove(rest, walk->rest, rest_len + 1);
    walk_hold(walk);
    status = splice(walk, link, rest);
    if (status == 0 && walk->rest[0] == '/')
        walk_to(walk, root_of_cpu());
    return status;
}

/* Whether nothing but slashes is left. */
static bool is_end(const char *rest)
{
    while (*rest == '/')
        rest++;
    return *rest == '\0';
}

/* "..": from the root of a mount this leads to the parent of the directory
 * that it is mounted on. */
static __attribute__((cold)) int step_up(struct walk *walk)
{
    struct dentry *dentry;
    struct inode *parent;
    struct name up;
    int status;

    while (walk->at == walk->at->mount->root) {
        if (walk->at->mount->covered == NULL)
            return 0; /* the root is its own parent */
        walk_to(walk, walk->at->mount->covered);
    }
    up = name_up(walk->at);
    dentry = dentry_find(walk->at, &up);
    if (dentry != NULL && dentry->inode != NULL) {
        walk_to(walk, dentry->inode);
    } else {
        status = find_slowly(walk, &up, &parent);
        if (status != 0)
            return status;
        walk_to(walk, parent);
        inode_put(parent);
    }
    enter_mounts(walk);
    return 0;
}

/* Whether a link that has been reached is to be followed. */
static bool is_followed(const struct walk *walk, const struct inode *inode,
                        bool follow)
{
    return inode->type == FILE_SYMLINK && (follow || *walk->rest != '\0');
}

static __attribute__((cold)) int
step_slowly(struct walk *walk, const struct name *name, bool follow)
{
    struct inode *child;
    int status = find_slowly(walk, name, &child);

    if (status == -EREMOTE)
        walk->rest = name->text; /* the other CPU looks for it */
    if (status != 0)
        return status;
    if (is_followed(walk, child, follow)) {
        status = walk_link(walk, child);
    } else {
        walk_to(walk, child);
        enter_mounts(walk);
    }
    inode_put(child);
    return status;
}

/* One name, which is neither "." nor "..". */
static int step_name(struct walk *walk, const struct name *name, bool follow)
{
    struct dentry *dentry = dentry_find(walk->at, name);

    if (unlikely(dentry == NULL))
        return step_slowly(walk, name, follow);
    if (dentry->inode == NULL)
        return -ENOENT;
    if (unlikely(is_followed(walk, dentry->inode, follow)))
        return step_slowly(walk, name, follow);
    walk_to(walk, dentry->inode);
    enter_mounts(walk);
    return 0;
}

/*
 * The next component of the path, which walk->rest stays at; len 0: there is
 * none. Returns 0, -ENOTDIR (there is one, and this is no directory),
 * -ENAMETOOLONG.
 */
static int next_name(struct walk *walk, struct name *name)
{
    const struct hash_key *key = &walk->at->mount->name_key;
    const char *at = walk->rest;
    uint64_t point = key->point;
    uint64_t value = 0;

    while (*at == '/')
        at++;
    name->text = at;
    for (; *at != '/' && *at != '\0'; at++)
        value = hash_byte(point, value, *at);
    if (at >= walk->limit)
        return -ENAMETOOLONG;
    name->len = (uint32_t)(at - name->text);
    name->hash = hash_value(key, value);
    if (at == walk->rest)
        return 0;
    if (walk->at->type != FILE_DIRECTORY)
        return -ENOTDIR; /* a slash asks for a directory, too */
    return name->len <= FILE_NAME_MAX ? 0 : -ENAMETOOLONG;
}

static int step(struct walk *walk, const struct name *name, bool follow)
{
    walk->rest = name->text + name->len;
    if (unlikely(name_is_dots(name)))
        return name->len == 1 ? 0 : step_up(walk);
    return step_name(walk, name, follow);
}

int walk_all(struct walk *walk, bool follow)
{
    for (;;) {
        struct name name;
        int status = next_name(walk, &name);

        if (status != 0 || name.len == 0)
            return status;
        status = step(walk, &name, follow);
        if (status != 0)
            return status;
    }
}

int walk_parent(struct walk *walk, struct last *last)
{
    for (;;) {
        int status = next_name(walk, &last->name);
        const char *behind = last->name.text + last->name.len;

        if (status != 0)
            return status;
        if (walk->at->mount->is_portal)
            return -EREMOTE;
        if (last->name.len == 0 || is_end(behind)) {
            last->slash = *behind == '/';
            walk->rest = behind;
            walk_hold(walk);
            return 0;
        }
        status = step(walk, &last->name, true);
        if (status != 0)
            return status;
    }
}

/* Whether what has been reached is a portal. */
static bool is_portal(const struct inode *inode)
{
    return unlikely(inode->type == FILE_DIRECTORY) && inode->mount->is_portal;
}

/* Walk to an inode, held; a portal itself can be the result, or is -EREMOTE. */
static inline int walk_to_end(const char *path, bool follow, bool may_be_portal,
                              struct inode **out)
{
    struct walk walk;
    int status = walk_begin(&walk, path);

    if (status != 0)
        return status;
    status = walk_all(&walk, follow);
    if (status == 0 && !may_be_portal && is_portal(walk.at))
        status = -EREMOTE;
    if (status == 0) {
        inode_hold(walk.at);
        *out = walk.at;
    }
    walk_end(&walk);
    return status;
}

int walk_here(const char *path, struct inode **out)
{
    int status = walk_to_end(path, true, true, out);

    return status == -EREMOTE ? -EXDEV : status;
}

int vfs_walk(const char *path, bool follow, struct inode **out)
{
    return walk_to_end(path, follow, false, out);
}
