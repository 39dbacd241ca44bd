/*
 * What files hold. A file has a window of the channel's sectors, where its own
 * lie one behind the other; transfer.c makes READ and WRITE of requests there.
 * Holes are the server's matter: all is data.
 */
#include "fs/fuse/fuse_internal.h"

static struct inode *inode_of(struct mapping *mapping)
{
    return container_of(mapping, struct inode, pages);
}

/* mapping_ops.map(): the file is open, and has a window, from here on. */
static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    struct fuse_inode *node = fuse_inode_of(inode_of(mapping));
    const uint64_t window = UINT64_C(1) << FUSE_WINDOW_SHIFT;
    int status;

    if (mode == MAP_RELEASE)
        return 0; /* nothing was reserved */
    if (sector >= window || sectors > window - sector)
        return -EFBIG;
    status =
        handle_open(&node->inode, mode == MAP_READ ? HANDLE_READ : HANDLE_BOTH);
    if (status == 0)
        status = window_open(node);
    if (status != 0)
        return status;
    *out = (struct extent){
        EXTENT_DATA, ((uint64_t)node->window << FUSE_WINDOW_SHIFT) + sector,
        sectors};
    return 0;
}

int fuse_data_init(struct inode *inode, uint64_t size)
{
    static const struct mapping_ops ops = {.map = map};

    return mapping_init(&inode->pages, &ops, &inode->mount->open, PAGE_SECTORS,
                        size);
}

int fuse_truncate(struct inode *inode, uint64_t old_bytes)
{
    (void)old_bytes;
    return fuse_size_set(inode);
}

int fuse_punch(struct inode *inode, uint64_t from, uint64_t to)
{
    struct fuse_inode *node = fuse_inode_of(inode);
    struct message message;
    int status = handle_open(inode, HANDLE_BOTH);

    if (status == 0)
        status = message_begin(&message, fuse_of(inode), FUSE_FALLOCATE,
                               inode->number, 32, 0);
    if (status != 0)
        return status;
    put64(&message, node->handles[HANDLE_BOTH].fh);
    put64(&message, from);
    put64(&message, to - from);
    put32(&message, FUSE_FALLOC_PUNCH);
    put32(&message, 0);
    status = message_ask_for(&message, 0);
    message_end(&message);
    fuse_changed(node);
    return status == -ENOSYS ? -ENOTSUP : status;
}

int fuse_ask_sync(struct inode *inode, enum fuse_opcode opcode, uint64_t fh,
                  bool data_only)
{
    struct message message;
    int status =
        message_begin(&message, fuse_of(inode), opcode, inode->number, 16, 0);

    if (status != 0)
        return status;
    put64(&message, fh);
    put32(&message, data_only ? FUSE_FSYNC_DATA : 0);
    put32(&message, 0);
    status = message_ask_for(&message, 0);
    message_end(&message);
    return status == -ENOSYS ? 0 : status;
}

/* It may have been written by way of a handle that is closed: any one will do.
 */
static int file_sync_data(struct inode *inode, bool data_only)
{
    struct fuse_inode *node = fuse_inode_of(inode);
    int status = 0;

    if (handle_any(node) == NULL)
        status = handle_open(inode, HANDLE_READ);
    if (status != 0)
        return status;
    return fuse_ask_sync(inode, FUSE_FSYNC, handle_any(node)->fh, data_only);
}

static int size_sync(struct inode *inode)
{
    int status;

    if (!fuse_size_differs(inode))
        return 0;
    rwlock_lock(&inode->lock);
    status = fuse_size_set(inode);
    rwlock_unlock(&inode->lock);
    return status;
}

/* What is changed while this is under way needs another one. */
int fuse_sync(struct inode *inode, bool data_only)
{
    struct fuse_inode *node = fuse_inode_of(inode);
    int status = size_sync(inode);

    if (status != 0 || !node->needs_sync)
        return status;
    node->needs_sync = data_only;
    if (inode->type == FILE_DIRECTORY)
        status = fuse_dir_sync(inode, data_only);
    else if (inode->type == FILE_REGULAR)
        status = file_sync_data(inode, data_only);
    if (status != 0)
        node->needs_sync = true;
    return status;
}
