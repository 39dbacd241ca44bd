/*
 * The mount table, the table of loaded inodes, and the path walk.
 *
 * A walk holds one inode at a time and gives it up for the next. Symbolic links
 * are not followed by recursion: the target takes the link's place in the text
 * still to walk.
 */
#include "kernel/vfs.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/lib/str.h"
#include "kernel/percpu.h"
#include <torc/log.h>
#include <torc/memory.h>

/* One a CPU: cpu->mounts. The first mount is the one at "/". */
struct mount_table {
    struct list mounts;
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

static struct vfs_mount *root_mount(void)
{
    struct mount_table *table = cpu_self()->mounts;

    if (table == NULL || list_empty(&table->mounts))
        return NULL;
    return container_of(table->mounts.next, struct vfs_mount, link);
}

/* ---- Inodes -------------------------------------------------------------- */

static void inode_hold(struct vfs_inode *inode)
{
    inode->references++;
}

void vfs_put(struct vfs_inode *inode)
{
    if (--inode->references > 0)
        return;
    list_remove(&inode->link);
    if (inode->status == 0)
        inode->mount->ops->inode_drop(inode);
    mem_free(inode);
}

static struct vfs_inode *inode_find(struct vfs_mount *mount, uint64_t number)
{
    list_for_each (node, &mount->inodes) {
        struct vfs_inode *inode = container_of(node, struct vfs_inode, link);

        if (inode->number == number)
            return inode;
    }
    return NULL;
}

/* The inode, held; loaded if it was not. */
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
            list_remove(&inode->link); /* the next one tries again */
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
    struct vfs_inode *at; /* held */
    char *text;           /* of FILE_PATH_MAX bytes; what is left, at the end */
    char *rest;
    unsigned links;
};

static void walk_to(struct walk *walk, struct vfs_inode *inode)
{
    vfs_put(walk->at);
    walk->at = inode;
}

/* From a directory that is mounted upon to what is mounted there. */
static void enter_mounts(struct walk *walk)
{
    struct mount_table *table = cpu_self()->mounts;
    bool moved = true;

    while (moved) {
        moved = false;
        list_for_each (node, &table->mounts) {
            struct vfs_mount *mount =
                container_of(node, struct vfs_mount, link);

            if (mount->covered != walk->at)
                continue;
            inode_hold(mount->root);
            walk_to(walk, mount->root);
            moved = true;
            break;
        }
    }
}

/* "..": out of a mount's root first, if that is where we are. */
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

/* Put the target, `len` bytes, in the link's place before what is left. */
static int splice(struct walk *walk, const char *target, size_t len)
{
    size_t rest_len = str_len(walk->rest, FILE_PATH_MAX);
    /* Without a rest there is no slash: it would ask for a directory. */
    size_t slash = rest_len > 0;
    char *rest = walk->text + FILE_PATH_MAX - 1 - rest_len;

    if (len + slash + rest_len >= FILE_PATH_MAX)
        return -ENAMETOOLONG;
    memmove(rest, walk->rest, rest_len + 1);
    if (slash != 0)
        *--rest = '/';
    memcpy(rest - len, target, len);
    walk->rest = rest - len;
    return 0;
}

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
        enter_mounts(walk);
    }
    mem_free(target);
    return status;
}

/* Whether nothing but slashes is left, and whether there are any. */
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
    walk.at = mount->root;
    inode_hold(walk.at);
    enter_mounts(&walk);
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

/* Where to mount: the root, or a directory, held. */
static int cover(const char *path, struct vfs_inode **covered)
{
    int status;

    *covered = NULL;
    if (str_equal(path, "/"))
        return root_mount() == NULL ? 0 : -EBUSY;
    status = vfs_walk(path, true, covered);
    if (status != 0)
        return status;
    if ((*covered)->type != FILE_DIRECTORY)
        status = -ENOTDIR;
    else if (*covered == (*covered)->mount->root)
        status = -EBUSY; /* something is mounted there: we came through */
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
    mount->device = device;
    list_init(&mount->inodes);
    status = cover(path, &mount->covered);
    if (status != 0)
        goto fail_cover;
    status = mount_any(mount, type);
    if (status != 0)
        goto fail_mount;
    list_push_back(mounts, &mount->link);
    return 0;

fail_mount:
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
    /* Only the root itself, and only by the mount. */
    if (mount->root->references > 1 || mount->inodes.next != mount->inodes.prev)
        return -EBUSY;
    vfs_put(mount->root);
    mount->ops->unmount(mount);
    if (mount->covered != NULL)
        vfs_put(mount->covered);
    list_remove(&mount->link);
    mem_free(mount);
    return 0;
}
