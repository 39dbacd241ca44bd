/* The mount table of a CPU. */
#include "kernel/cache/mapping.h"
#include "kernel/file/carry.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    CACHED_SHARE = 64,  /* names and unused inodes take at most that part of */
    CACHED_BYTES = 512, /* the memory, at this many bytes for both */
    CACHED_MIN = 64,
    CACHED_MAX = 1 << 18,
};

/* Constant after vfs_init(). */
static const struct file_system *const *known;

static struct mount *mount_of(const struct list *node)
{
    return container_of(node, struct mount, link);
}

/* Memory is short: what is kept for later goes. */
static bool reclaim(struct mount_table *table)
{
    list_for_each (node, &table->mounts) {
        dentries_shrink(mount_of(node), 0);
        inodes_shrink(mount_of(node), 0, false);
    }
    return false; /* that was all */
}

/* By way of a pointer: an image that mounts nothing has none of this. */
static bool reclaim_if_any(void)
{
    struct mount_table *table = cpu_self()->mounts;

    return table != NULL && table->reclaim(table);
}

void vfs_init(const struct file_system *const *file_systems)
{
    static struct heap_reclaimer reclaimer = {.run = reclaim_if_any};

    known = file_systems;
    heap_add_reclaimer(&reclaimer);
    page_cache_boot(); /* is asked before */
}

struct mount_table *mount_table_of(struct cpu *cpu)
{
    struct mount_table *table = cpu->mounts;

    if (table == NULL) {
        table = mem_alloc(sizeof(*table));
        if (table == NULL)
            return NULL;
        table->reclaim = reclaim;
        list_init(&table->mounts);
        table->root = NULL;
        serving_init(&table->serving);
        cpu->mounts = table;
    }
    return table;
}

/* The mount on a directory, complete or not; NULL: the one at "/". */
static struct mount *mount_on(const struct mount_table *table,
                              const struct inode *covered)
{
    list_for_each (node, &table->mounts) {
        if (mount_of(node)->covered == covered)
            return mount_of(node);
    }
    return NULL;
}

bool mount_is_on(const struct inode *inode)
{
    return mount_on(cpu_self()->mounts, inode) != NULL;
}

/* Nobody uses it, or it does not come to be: the file system has it no more. */
static void mount_end(struct mount *mount)
{
    inodes_drop(mount);
    dirty_stop(mount);
    inodes_drop_removed(mount);
    mount->ops->unmount(mount);
}

/* ---- Mounting ------------------------------------------------------------ */

/* Try one file system; the mount has its root on success. */
static int mount_try(struct mount *mount, const struct file_system *fs,
                     const void *options)
{
    int status = fs->mount(mount, options);

    if (status != 0)
        return status;
    mount->type = fs->type;
    status = inode_get(mount, mount->root_number, &mount->root);
    if (status == 0 && mount->root->type != FILE_DIRECTORY) {
        inode_put(mount->root);
        status = -EUCLEAN;
    }
    if (status != 0)
        mount_end(mount);
    return status;
}

static int mount_any(struct mount *mount, const char *type)
{
    int status = -ENODEV;

    for (const struct file_system *const *fs = known; fs != NULL && *fs != NULL;
         fs++) {
        if (type != NULL && !str_equal(type, (*fs)->type))
            continue;
        if ((*fs)->is_in_memory != (mount->open.dev == NULL))
            continue;
        status = mount_try(mount, *fs, NULL);
        if (status != -EINVAL)
            return status;
    }
    return status;
}

/*
 * Find the directory to mount on, held, and check that it is free; of "/" leave
 * NULL there. Does not wait after the check.
 */
static int cover(const struct mount_table *table, const char *path,
                 struct inode **covered)
{
    int status;

    *covered = NULL;
    if (str_equal(path, "/"))
        return mount_on(table, NULL) == NULL ? 0 : -EBUSY;
    status = walk_here(path, covered);
    if (status != 0)
        return status;
    if ((*covered)->type != FILE_DIRECTORY)
        status = -ENOTDIR;
    else if (*covered == (*covered)->mount->root)
        status = -EBUSY; /* the walk entered the mount that is there */
    else if (mount_on(table, *covered) != NULL)
        status = -EBUSY; /* another thread is mounting there */
    if (status != 0)
        inode_put(*covered);
    return status;
}

/* A mount without a place and a file system. NULL: no memory. */
static struct mount *mount_new(void)
{
    struct mount *mount = mem_alloc_zeroed(sizeof(*mount));
    size_t cached = mem_free_bytes() / CACHED_SHARE / CACHED_BYTES;

    if (mount == NULL)
        return NULL;
    if (cached < CACHED_MIN)
        cached = CACHED_MIN;
    mount->cached_max = cached < CACHED_MAX ? (unsigned)cached : CACHED_MAX;
    mount->cpu = cpu_self()->id;
    mount->size_max = MAPPING_SIZE_MAX;
    rwlock_init(&mount->rename_lock);
    dirty_init(mount);
    if (inodes_init(mount) != 0)
        goto fail_inodes;
    if (dentries_init(mount) != 0)
        goto fail_dentries;
    return mount;

fail_dentries:
    inodes_fini(mount);
fail_inodes:
    mem_free(mount);
    return NULL;
}

static void mount_free(struct mount *mount)
{
    dentries_fini(mount);
    inodes_fini(mount);
    mem_free(mount);
}

/* Walks see it from here on. */
static void mount_show(struct mount_table *table, struct mount *mount)
{
    mount->is_complete = true;
    if (mount->covered == NULL)
        table->root = mount->root;
    else
        mount->covered->mounted = mount;
}

static void mount_hide(struct mount_table *table, struct mount *mount)
{
    list_remove(&mount->link);
    if (mount->covered == NULL)
        table->root = NULL;
    else
        mount->covered->mounted = NULL;
}

/* What is to be mounted where: `fs`, or any of `type`. */
struct order {
    struct block_device *device; /* NULL: none */
    const char *path;
    const struct file_system *fs;
    const char *type;
    const void *options;
};

/* Take the place and the device, and mount. */
static int mount_at(struct mount_table *table, struct mount *mount,
                    const struct order *order)
{
    int status = cover(table, order->path, &mount->covered);

    if (status != 0)
        return status;
    list_push_back(&table->mounts, &mount->link);
    if (order->device != NULL)
        status = block_open(order->device, BLOCK_EXCLUSIVE, &mount->open);
    if (status != 0)
        goto fail_open;
    mount->place = order->path;
    status = order->fs != NULL ? mount_try(mount, order->fs, order->options)
                               : mount_any(mount, order->type);
    mount->place = NULL;
    if (status != 0)
        goto fail_mount;
    mount_show(table, mount);
    return 0;

fail_mount:
    if (order->device != NULL)
        block_close(&mount->open);
fail_open:
    list_remove(&mount->link);
    if (mount->covered != NULL)
        inode_put(mount->covered);
    return status;
}

static int mount_order(const struct order *order)
{
    struct mount_table *table = mount_table_of(cpu_self());
    struct mount *mount = table == NULL ? NULL : mount_new();
    int status;

    if (mount == NULL)
        return -ENOMEM;
    status = mount_at(table, mount, order);
    if (status != 0)
        mount_free(mount);
    return status;
}

int vfs_mount(struct block_device *device, const char *path, const char *type)
{
    const struct order order = {.device = device, .path = path, .type = type};

    if (device != NULL && !device_is_mine(&device->device))
        return -EXDEV;
    return mount_order(&order);
}

int vfs_mount_with(struct block_device *device, const char *path,
                   const struct file_system *fs, const void *options)
{
    const struct order order = {
        .device = device, .path = path, .fs = fs, .options = options};

    if (!device_is_mine(&device->device))
        return -EXDEV;
    return mount_order(&order);
}

int vfs_mount_memory(const struct file_system *fs, const char *path,
                     const void *options)
{
    const struct order order = {.path = path, .fs = fs, .options = options};

    assert(fs->is_in_memory);
    return mount_order(&order);
}

int vfs_unmount(const char *path)
{
    struct inode *root;
    struct mount *mount;
    bool is_root;
    int status = walk_here(path, &root);

    if (status != 0)
        return status;
    mount = root->mount;
    is_root = root == mount->root;
    inode_put(root); /* does not wait if the mount holds it, too */
    if (!is_root)
        return -EINVAL;
    if (mount_is_used(mount) || !mount_write(mount))
        return -EBUSY;
    mount_hide(cpu_self()->mounts, mount);
    inode_put(mount->root);
    mount_end(mount);
    if (mount->open.dev != NULL)
        block_close(&mount->open);
    if (mount->covered != NULL)
        inode_put(mount->covered);
    mount_free(mount);
    return 0;
}

int vfs_statfs(struct mount *mount, struct file_fs_stat *stat)
{
    int status;

    *stat = (struct file_fs_stat){.is_read_only = mount->is_read_only};
    status = str_copy(stat->type, sizeof(stat->type), mount->type);
    if (status == 0 && mount->ops->statfs != NULL)
        status = mount->ops->statfs(mount, stat);
    return status;
}

/* Whether something is still to be written, or to be freed. */
static bool is_changing(const struct mount *mount)
{
    return mount->writers > 0 || mount->changes > 0 ||
           inodes_any_removed(mount);
}

int vfs_remount(struct mount *mount, bool read_only)
{
    bool before = mount->is_read_only;
    int status = 0;

    if (!read_only && mount->is_write_protected)
        return -EROFS;
    if (mount->is_remounting || (read_only && !before && is_changing(mount)))
        return -EBUSY;
    mount->is_remounting = true;
    mount->is_read_only |= read_only; /* nothing begins meanwhile */
    if (read_only && !before && mount->ops->inode_write != NULL)
        status = dirty_write(mount);
    if (status == 0 && mount->ops->remount != NULL)
        status = mount->ops->remount(mount, read_only);
    mount->is_read_only = status == 0 ? read_only : before;
    mount->is_remounting = false;
    return status;
}

/* ---- Checking ------------------------------------------------------------ */

/* How many mounts hold an inode as the directory they are mounted on. */
static uint32_t cover_count(const struct mount_table *table,
                            const struct inode *inode)
{
    uint32_t count = 0;

    list_for_each (node, &table->mounts)
        count += mount_of(node)->covered == inode;
    return count;
}

static void mount_check(const struct mount_table *table,
                        const struct mount *mount)
{
    const struct inode *covered = mount->covered;

    if (mount->open.dev != NULL) {
        assert(mount->open.mode == BLOCK_EXCLUSIVE);
        assert(device_is_mine(&mount->open.dev->device));
    }
    assert(cover_count(table, covered) == 1);
    if (covered != NULL) {
        assert(covered->type == FILE_DIRECTORY);
        assert(covered->refs > 0);
        assert(covered->mounted == (mount->is_complete ? mount : NULL));
    }
    inodes_check(mount);
    dentries_check(mount);
    dirty_check(mount);
    if (!mount->is_complete)
        return;
    assert(covered != NULL || table->root == mount->root);
    assert(mount->root->number == mount->root_number);
    assert(mount->root->mount == mount);
    assert(mount->root->type == FILE_DIRECTORY);
    assert(mount->root->refs > 0);
    if (mount->ops->check != NULL)
        mount->ops->check(mount);
}

void vfs_check(void)
{
    const struct mount_table *table = cpu_self()->mounts;

    if (table == NULL)
        return;
    serving_check(&table->serving);
    list_for_each (node, &table->mounts)
        mount_check(table, mount_of(node));
}
