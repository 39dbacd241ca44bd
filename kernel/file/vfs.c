/*
 * The mount table, the inodes in memory, and the path walk.
 *
 * A walk holds one inode at a time: the directory it has reached. Symbolic
 * links need no recursion: the target of a link replaces its name in the rest
 * of the path.
 */
#include "kernel/file/vfs.h"
#include "kernel/cpu/percpu.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

/*
 * One a CPU: cpu->mounts. A mount is in the table from before its first wait,
 * so that a second one cannot take the same place; walks see it when it is
 * complete.
 */
struct mount_table {
    struct list mounts; /* struct vfs_mount, oldest first */
};

/* Constant after vfs_init(). */
static const struct file_system *const *known;

void vfs_init(const struct file_system *const *file_systems)
{
    known = file_systems;
}

static struct list *mounts_of(struct cpu *cpu)
{
    struct mount_table *table = cpu->mounts;

    if (table == NULL) {
        table = mem_alloc(sizeof(*table));
        if (table == NULL)
            return NULL;
        list_init(&table->mounts);
        cpu->mounts = table;
    }
    return &table->mounts;
}

/* The mount on a directory, complete or not; NULL: the one at "/". */
static struct vfs_mount *mount_on(const struct vfs_inode *covered)
{
    struct mount_table *table = cpu_self()->mounts;

    if (table == NULL)
        return NULL;
    list_for_each (node, &table->mounts) {
        struct vfs_mount *mount = container_of(node, struct vfs_mount, link);

        if (mount->covered == covered)
            return mount;
    }
    return NULL;
}

static struct vfs_mount *root_mount(void)
{
    struct vfs_mount *mount = mount_on(NULL);

    return mount != NULL && mount->is_complete ? mount : NULL;
}

/* ---- Inodes -------------------------------------------------------------- */

static void inode_hold(struct vfs_inode *inode)
{
    inode->references++;
}

void vfs_put(struct vfs_inode *inode)
{
    assert(inode->references > 0);
    if (--inode->references > 0)
        return;
    assert(!inode->loading);
    list_remove(&inode->link);
    if (inode->status == 0)
        inode->mount->ops->inode_drop(inode);
    mem_free(inode);
}

static struct vfs_inode *inode_find(const struct vfs_mount *mount,
                                    uint64_t number)
{
    list_for_each (node, &mount->inodes) {
        struct vfs_inode *inode = container_of(node, struct vfs_inode, link);

        if (inode->number == number)
            return inode;
    }
    return NULL;
}

/* Hold an inode, and load it if it is not in memory. Returns 0 and *out,
 * -ENOMEM, or the error of inode_load(). */
static int inode_get(struct vfs_mount *mount, uint64_t number,
                     struct vfs_inode **out)
{
    struct vfs_inode *inode = inode_find(mount, number);
    int status;

    if (inode != NULL) {
        inode_hold(inode);
        while (inode->loading)
            wait_on(&inode->loaded);
    } else {
        inode = mem_alloc_zeroed(sizeof(*inode));
        if (inode == NULL)
            return -ENOMEM;
        inode->mount = mount;
        inode->number = number;
        inode->references = 1;
        inode->loading = true;
        wait_queue_init(&inode->loaded);
        list_push_front(&mount->inodes, &inode->link);
        inode->status = mount->ops->inode_load(inode);
        inode->loading = false;
        if (inode->status != 0)
            list_remove(&inode->link); /* the next call loads it again */
        wait_wake_all(&inode->loaded);
    }
    status = inode->status;
    if (status != 0)
        vfs_put(inode);
    else
        *out = inode;
    return status;
}

/* ---- The walk ------------------------------------------------------------ */

struct walk {
    struct vfs_inode *at; /* where the walk is; held */
    char *text;           /* FILE_PATH_MAX bytes: the rest of the path stands */
    char *rest;           /* at their end and begins here */
    unsigned links;       /* followed so far */
};

/* Go to `inode`, which is held already. */
static void walk_to(struct walk *walk, struct vfs_inode *inode)
{
    vfs_put(walk->at);
    walk->at = inode;
}

/* While a file system is mounted on the directory reached: go to its root. */
static void enter_mounts(struct walk *walk)
{
    struct vfs_mount *mount;

    while ((mount = mount_on(walk->at)) != NULL && mount->is_complete) {
        inode_hold(mount->root);
        walk_to(walk, mount->root);
    }
}

/* "..": from the root of a mount this leads to the parent of the directory
 * that it is mounted on. */
static int step_up(struct walk *walk)
{
    struct vfs_inode *parent;
    uint64_t number;
    int status;

    while (walk->at == walk->at->mount->root) {
        struct vfs_inode *covered = walk->at->mount->covered;

        if (covered == NULL)
            return 0; /* the root is its own parent */
        inode_hold(covered);
        walk_to(walk, covered);
    }
    status = walk->at->mount->ops->lookup(walk->at, "..", 2, &number);
    if (status == 0)
        status = inode_get(walk->at->mount, number, &parent);
    if (status != 0)
        return status;
    walk_to(walk, parent);
    enter_mounts(walk);
    return 0;
}

/* Put the `len` bytes of a link's target before the rest of the path. */
static int splice(struct walk *walk, const char *target, size_t len)
{
    size_t rest_len = str_len(walk->rest, FILE_PATH_MAX);
    /* Without a rest there is no slash: it would ask for a directory. */
    size_t slash = rest_len > 0;
    char *rest = walk->text + FILE_PATH_MAX - 1 - rest_len;

    if (len + slash + rest_len >= FILE_PATH_MAX)
        return -ENAMETOOLONG;
    memmove(rest, walk->rest, rest_len + 1);
    assert(rest - slash - len >= walk->text);
    if (slash != 0)
        *--rest = '/';
    memcpy(rest - len, target, len);
    walk->rest = rest - len;
    return 0;
}

/* Follow a symbolic link. */
static int step_link(struct walk *walk, struct vfs_inode *link)
{
    char *target;
    int64_t len;
    int status;

    if (++walk->links > FILE_LINK_MAX)
        return -ELOOP;
    target = mem_alloc(FILE_PATH_MAX);
    if (target == NULL)
        return -ENOMEM;
    len = link->mount->ops->read_link(link, target, FILE_PATH_MAX);
    if (len > 0)
        status = splice(walk, target, (size_t)len);
    else
        status = len == 0 ? -ENOENT : (int)len;
    if (status == 0 && target[0] == '/') {
        struct vfs_inode *root = root_mount()->root;

        inode_hold(root);
        walk_to(walk, root);
    }
    mem_free(target);
    return status;
}

/* Whether the rest of the path is empty or only slashes; *slash: whether it
 * begins with a slash. */
static bool is_last(const char *rest, bool *slash)
{
    *slash = *rest == '/';
    while (*rest == '/')
        rest++;
    return *rest == '\0';
}

/* One name of `len` bytes at `name`, which is neither "." nor "..". */
static int step_name(struct walk *walk, const char *name, size_t len,
                     bool follow)
{
    struct vfs_inode *child;
    uint64_t number;
    bool slash;
    bool last = is_last(walk->rest, &slash);
    int status = walk->at->mount->ops->lookup(walk->at, name, len, &number);

    if (status == 0)
        status = inode_get(walk->at->mount, number, &child);
    if (status != 0)
        return status;
    if (child->type == FILE_SYMLINK && (follow || !last || slash)) {
        status = step_link(walk, child);
        vfs_put(child);
        return status;
    }
    walk_to(walk, child);
    enter_mounts(walk);
    return 0;
}

/* Walk one name of the rest of the path. */
static int step(struct walk *walk, bool follow)
{
    char *name = walk->rest;
    size_t len = 0;

    if (walk->at->type != FILE_DIRECTORY)
        return -ENOTDIR;
    while (name[len] != '\0' && name[len] != '/')
        len++;
    if (len > FILE_NAME_MAX)
        return -ENAMETOOLONG;
    walk->rest = name + len;
    if (len == 1 && name[0] == '.')
        return 0;
    if (len == 2 && name[0] == '.' && name[1] == '.')
        return step_up(walk);
    return step_name(walk, name, len, follow);
}

/* Walk to the end of the path. */
static int walk_all(struct walk *walk, bool follow)
{
    bool slash = false;

    for (;;) {
        int status;

        while (*walk->rest == '/') {
            slash = true;
            walk->rest++;
        }
        if (*walk->rest == '\0')
            break;
        slash = false;
        status = step(walk, follow);
        if (status != 0)
            return status;
    }
    return slash && walk->at->type != FILE_DIRECTORY ? -ENOTDIR : 0;
}

int vfs_walk(const char *path, bool follow, struct vfs_inode **out)
{
    struct vfs_mount *mount = root_mount();
    size_t len = str_len(path, FILE_PATH_MAX);
    struct walk walk = {.links = 0};
    int status;

    if (path[0] != '/')
        return -EINVAL;
    if (len >= FILE_PATH_MAX)
        return -ENAMETOOLONG;
    if (mount == NULL)
        return -ENOENT;
    walk.text = mem_alloc(FILE_PATH_MAX);
    if (walk.text == NULL)
        return -ENOMEM;
    walk.rest = walk.text + FILE_PATH_MAX - 1 - len;
    memcpy(walk.rest, path, len + 1);
    walk.at = mount->root; /* on which nothing is mounted: cover() */
    inode_hold(walk.at);
    status = walk_all(&walk, follow);
    mem_free(walk.text);
    if (status != 0)
        vfs_put(walk.at);
    else
        *out = walk.at;
    return status;
}

/* ---- Mounting ------------------------------------------------------------ */

/* Try one file system; the mount is complete on success. */
static int mount_try(struct vfs_mount *mount, const struct file_system *fs)
{
    int status = fs->mount(mount);

    if (status != 0)
        return status;
    status = inode_get(mount, mount->root_number, &mount->root);
    if (status == 0 && mount->root->type != FILE_DIRECTORY) {
        vfs_put(mount->root);
        status = -EUCLEAN;
    }
    if (status != 0)
        mount->ops->unmount(mount);
    return status;
}

static int mount_any(struct vfs_mount *mount, const char *type)
{
    int status = -ENODEV;

    for (const struct file_system *const *fs = known; fs != NULL && *fs != NULL;
         fs++) {
        if (type != NULL && !str_equal(type, (*fs)->type))
            continue;
        status = mount_try(mount, *fs);
        if (status != -EINVAL)
            return status;
    }
    return status;
}

/*
 * Find the directory to mount on, held, and check that it is free; of "/" leave
 * NULL there. Does not wait after the check.
 */
static int cover(const char *path, struct vfs_inode **covered)
{
    int status;

    if (str_equal(path, "/"))
        return mount_on(NULL) == NULL ? 0 : -EBUSY;
    status = vfs_walk(path, true, covered);
    if (status != 0)
        return status;
    if ((*covered)->type != FILE_DIRECTORY)
        status = -ENOTDIR;
    else if (*covered == (*covered)->mount->root)
        status = -EBUSY; /* the walk entered the mount that is there */
    else if (mount_on(*covered) != NULL)
        status = -EBUSY; /* another thread is mounting there */
    if (status != 0)
        vfs_put(*covered);
    return status;
}

int vfs_mount(struct block_device *device, const char *path, const char *type)
{
    struct list *mounts = mounts_of(cpu_self());
    struct vfs_mount *mount;
    int status;

    if (!device_is_mine(&device->device))
        return -EXDEV;
    mount = mem_alloc_zeroed(sizeof(*mount));
    if (mounts == NULL || mount == NULL) {
        mem_free(mount);
        return -ENOMEM;
    }
    list_init(&mount->inodes);
    status = cover(path, &mount->covered);
    if (status != 0)
        goto fail_cover;
    status = block_open(device, BLOCK_EXCLUSIVE, &mount->open);
    if (status != 0)
        goto fail_claim;
    list_push_back(mounts, &mount->link);
    status = mount_any(mount, type);
    if (status != 0)
        goto fail_mount;
    mount->is_complete = true;
    return 0;

fail_mount:
    list_remove(&mount->link);
    block_close(&mount->open);
fail_claim:
    if (mount->covered != NULL)
        vfs_put(mount->covered);
fail_cover:
    mem_free(mount);
    return status;
}

int vfs_unmount(const char *path)
{
    struct vfs_inode *root;
    struct vfs_mount *mount;
    int status = vfs_walk(path, true, &root);

    if (status != 0)
        return status;
    mount = root->mount;
    vfs_put(root);
    if (root != mount->root)
        return -EINVAL;
    /* Only the root may be in memory, held by the mount alone. */
    if (mount->root->references > 1 || mount->inodes.next != mount->inodes.prev)
        return -EBUSY;
    list_remove(&mount->link);
    vfs_put(mount->root);
    assert(list_empty(&mount->inodes));
    mount->ops->unmount(mount);
    block_close(&mount->open);
    if (mount->covered != NULL)
        vfs_put(mount->covered);
    mem_free(mount);
    return 0;
}

/* ---- Checking ------------------------------------------------------------ */

/* How many mounts hold an inode as the directory they are mounted on. */
static uint32_t cover_count(const struct list *mounts,
                            const struct vfs_inode *inode)
{
    uint32_t count = 0;

    list_for_each (node, mounts) {
        if (container_of(node, struct vfs_mount, link)->covered == inode)
            count++;
    }
    return count;
}

static void mount_check(const struct list *mounts,
                        const struct vfs_mount *mount)
{
    assert(mount->open.mode == BLOCK_EXCLUSIVE);
    assert(device_is_mine(&mount->open.dev->device));
    assert(mount->covered == NULL || mount->covered->type == FILE_DIRECTORY);
    assert(cover_count(mounts, mount->covered) == 1);
    if (mount->is_complete) {
        assert(mount->ops != NULL);
        assert(mount->root->number == mount->root_number);
        assert(mount->root->mount == mount);
        assert(mount->root->type == FILE_DIRECTORY);
    }
    list_for_each (node, &mount->inodes) {
        const struct vfs_inode *inode =
            container_of(node, struct vfs_inode, link);
        uint32_t holders =
            cover_count(mounts, inode) + (inode == mount->root ? 1 : 0);

        assert(inode->mount == mount);
        assert(inode->references > 0);
        assert(inode->references >= holders);
        assert(inode->loading || inode->status == 0);
        assert(inode_find(mount, inode->number) == inode);
    }
    if (mount->is_complete)
        mount->ops->check(mount);
}

void vfs_check(void)
{
    struct mount_table *table = cpu_self()->mounts;

    if (table == NULL)
        return;
    list_for_each (node, &table->mounts)
        mount_check(&table->mounts, container_of(node, struct vfs_mount, link));
}
