/* Mounting, and the table of operations for the VFS. */
#include "fs/fuse/fuse_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>

enum {
    INIT_IN = 16,
    PAGES_WITHOUT = 32, /* of a message, where the server does not say */
    WRITE_MIN = PAGE_BYTES,
};

/* ---- The session --------------------------------------------------------- */

/* What the server says at the beginning: 7.31 or later, and how much it takes
 * at a time. */
static int init_read(struct fuse_fs *fs, const uint8_t *p)
{
    struct block_device *device = &fs->channel->block;
    const uint32_t flags = le32_get(p + 12);
    uint32_t pages = PAGES_WITHOUT, sectors;

    if (le32_get(p) != FUSE_MAJOR || le32_get(p + 4) < FUSE_MINOR) {
        log_error(
            "%s: the server of files speaks FUSE %u.%u, not 7.31 or later",
            device->device.name, le32_get(p), le32_get(p + 4));
        return -ENOTSUP;
    }
    if ((flags & FUSE_MAX_PAGES) != 0)
        pages = le16_get(p + 28);
    if (le32_get(p + 20) < WRITE_MIN || pages == 0)
        return fuse_fault(fs, "it takes less than a page at a time");
    /* Nobody else has it open, and nothing is under way. */
    sectors = min_u32(pages, le32_get(p + 20) / PAGE_BYTES) * PAGE_SECTORS;
    device->limits.sectors = min_u32(device->limits.sectors, sectors);
    return 0;
}

static int session_begin(struct fuse_fs *fs)
{
    struct message message;
    int status =
        message_begin(&message, fs, FUSE_INIT, 0, INIT_IN, FUSE_INIT_OUT);

    if (status != 0)
        return status;
    put32(&message, FUSE_MAJOR);
    put32(&message, FUSE_MINOR);
    put32(&message, UINT32_MAX); /* it may read ahead as it likes */
    put32(&message, FUSE_ASYNC_READ | FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES |
                        FUSE_DONT_MASK | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES);
    status = message_ask_for(&message, FUSE_INIT_OUT);
    if (status == 0)
        status = init_read(fs, message_answer(&message));
    message_end(&message);
    return status;
}

/* A server that does not know of it ends with the connection. */
static void session_end(struct fuse_fs *fs)
{
    struct message message;

    if (message_begin(&message, fs, FUSE_DESTROY, 0, 0, 0) == 0)
        (void)!message_ask(&message);
    message_end(&message);
}

/* ---- Mounting ------------------------------------------------------------ */

static void fuse_unmount(struct mount *mount)
{
    struct fuse_fs *fs = mount->fs_data;

    partings_end(fs);
    session_end(fs);
    fs->channel->transfer = NULL;
    transfers_fini(fs);
    mem_free(fs);
}

static void fuse_check(const struct mount *mount)
{
    const struct fuse_fs *fs = mount->fs_data;
    unsigned count = 0;

    list_for_each (link, &fs->handles)
        count++;
    assert(count == fs->handle_count);
    assert(fs->sync_count <= FUSE_SYNC_MAX);
}

static const struct fs_ops fuse_ops = {
    .inode_size = sizeof(struct fuse_inode),
    .inode_read = fuse_inode_read,
    .inode_write = fuse_inode_write,
    .pages_write = mapping_write,
    .inode_drop = fuse_inode_drop,
    .attr_set = fuse_attr_set,
    .lookup = fuse_lookup,
    .create = fuse_create,
    .link = fuse_link,
    .unlink = fuse_unlink,
    .rename = fuse_rename,
    .truncate = fuse_truncate,
    .punch = fuse_punch,
    .xattr_get = fuse_xattr_get,
    .xattr_list = fuse_xattr_list,
    .xattr_set = fuse_xattr_set,
    .readdir = fuse_readdir,
    .readlink = fuse_readlink,
    .sync = fuse_sync,
    .number_told = fuse_number_told,
    .statfs = fuse_statfs,
    .unmount = fuse_unmount,
    .check = fuse_check,
};

static struct fuse_fs *fs_make(struct mount *mount,
                               struct fuse_channel *channel)
{
    struct fuse_fs *fs = mem_alloc_zeroed(sizeof(*fs));

    if (fs == NULL)
        return NULL;
    fs->channel = channel;
    fs->mount = mount;
    fs->unique_next = 1;
    list_init(&fs->looked);
    list_init(&fs->handles);
    partings_init(fs);
    if (transfers_init(fs) != 0) {
        mem_free(fs);
        return NULL;
    }
    return fs;
}

static int fuse_mount(struct mount *mount, const void *options)
{
    struct fuse_channel *channel = fuse_channel_of(mount->open.dev);
    struct fuse_fs *fs;
    int status;

    (void)options;
    if (channel == NULL)
        return -EINVAL;
    status = page_cache_start_flusher();
    if (status != 0)
        return status;
    fs = fs_make(mount, channel);
    if (fs == NULL)
        return -ENOMEM;
    status = session_begin(fs);
    if (status != 0) {
        transfers_fini(fs);
        mem_free(fs);
        return status;
    }
    mount->ops = &fuse_ops;
    mount->fs_data = fs;
    mount->root_number = FUSE_ROOT_NODE;
    mount->keeps_no_names = true;
    mount->size_max =
        (UINT64_C(1) << FUSE_WINDOW_SHIFT) * BLOCK_SECTOR_SIZE - PAGE_BYTES;
    channel->fs = fs;
    channel->transfer = fuse_transfer;
    return 0;
}

const struct file_system fuse_file_system = {
    .type = "fuse",
    .mount = fuse_mount,
};
