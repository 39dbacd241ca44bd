/* What a mount has in memory reaches the device. */
#include "kernel/file/vfs_internal.h"
#include <torc/log.h>
#include <torc/memory.h>

/* Write what an inode is and holds. */
static int write_inode(struct inode *inode)
{
    const struct fs_ops *ops = inode->mount->ops;
    int status = 0, synced = 0;

    if (inode->type == FILE_REGULAR)
        status = mapping_write(&inode->pages, 0, UINT64_MAX);
    if (ops->sync != NULL && ops->sync_fs == NULL)
        synced = ops->sync(inode, false);
    return status != 0 ? status : synced;
}

/* One after the other gets to the end of the list. */
static int unused_write(struct mount *mount)
{
    unsigned count = mount->unused_count;
    int status = 0;

    while (count-- > 0 && !list_empty(&mount->unused)) {
        struct inode *inode =
            container_of(mount->unused.next, struct inode, unused);
        int written;

        inode_hold(inode);
        written = write_inode(inode);
        inode_put(inode);
        if (status == 0)
            status = written;
    }
    return status;
}

static int write_all(struct mount *mount)
{
    int unused = unused_write(mount);
    int dirty = dirty_write(mount);
    int root = write_inode(mount->root);
    int synced = mount->ops->sync_fs == NULL ? 0 : mount->ops->sync_fs(mount);
    int flushed = block_flush(&mount->open);

    if (unused != 0 || dirty != 0)
        return unused != 0 ? unused : dirty;
    if (root != 0 || synced != 0)
        return root != 0 ? root : synced;
    return flushed;
}

static void count_dirty(struct hash_node *node, void *arg)
{
    const struct inode *inode = container_of(node, struct inode, node);
    uint64_t *count = arg;

    if (inode->type == FILE_REGULAR && inode->pages.open != NULL)
        *count += inode->pages.dirty_count;
}

static uint64_t dirty_count(const struct mount *mount)
{
    uint64_t count = 0;

    hash_for_each(&mount->inodes, count_dirty, &count);
    return count;
}

/* Whether there is nothing to be written. Pages may have been dirty when it
 * became read-only. */
static bool is_clean(const struct mount *mount)
{
    return mount->open.dev == NULL ||
           (mount->is_read_only && mount->dirty_count == 0 &&
            list_empty(&mount->removed) && dirty_count(mount) == 0);
}

bool mount_write(struct mount *mount)
{
    uint64_t dirty;
    int status;

    if (is_clean(mount))
        return true;
    inode_hold(mount->root); /* the mount is in use */
    change_begin(mount);
    status = write_all(mount);
    change_end(mount);
    inode_put(mount->root);
    if (mount_is_used(mount))
        return false;
    dirty = dirty_count(mount);
    if (status == 0)
        return dirty == 0 && mount->dirty_count == 0; /* or somebody has
                                                       * written meanwhile */
    log_error("%s: unmounted with an error (%d): %lu pages are lost",
              mount->open.dev->device.name, status, (unsigned long)dirty);
    return true;
}

/* ---- A mount that stays -------------------------------------------------- */

/* Files with dirty pages, held. */
struct dirty_files {
    struct inode **inodes;
    unsigned count, room;
};

static bool is_dirty(const struct inode *inode)
{
    return inode->state == INODE_LIVE && inode->type == FILE_REGULAR &&
           inode->pages.open != NULL && inode->pages.dirty_count > 0;
}

static void count_file(struct hash_node *node, void *arg)
{
    struct dirty_files *files = arg;

    files->room += is_dirty(container_of(node, struct inode, node));
}

/* Nobody has run since they were counted but reclaimers: there are no more. */
static void hold_file(struct hash_node *node, void *arg)
{
    struct inode *inode = container_of(node, struct inode, node);
    struct dirty_files *files = arg;

    if (!is_dirty(inode) || files->count == files->room)
        return;
    inode_hold(inode);
    files->inodes[files->count++] = inode;
}

/* Write the pages of all files. Returns the first error. */
static int files_write(struct mount *mount)
{
    struct dirty_files files = {.count = 0};
    int status = 0;

    hash_for_each(&mount->inodes, count_file, &files);
    if (files.room == 0)
        return 0;
    files.inodes = mem_alloc(files.room * sizeof(files.inodes[0]));
    if (files.inodes == NULL)
        return -ENOMEM;
    hash_for_each(&mount->inodes, hold_file, &files);
    for (unsigned i = 0; i < files.count; i++) {
        struct inode *inode = files.inodes[i];
        int written = mapping_write(&inode->pages, 0, UINT64_MAX);

        inode_put(inode);
        if (status == 0)
            status = written;
    }
    mem_free(files.inodes);
    return status;
}

int vfs_sync_mount(struct mount *mount)
{
    int status, written;

    if (is_clean(mount))
        return 0;
    inode_hold(mount->root);
    change_begin(mount);
    status = files_write(mount);
    written = write_all(mount);
    change_end(mount);
    inode_put(mount->root);
    return status != 0 ? status : written;
}
