/* Attributes that are set, the size of files, and what the file system has. */
#include "fs/fuse/fuse_internal.h"

/* What SETATTR is to set. */
struct setting {
    uint32_t valid; /* FUSE_SET_... */
    uint64_t size;
    uint64_t fh;
    const struct vfs_attr *attr;
};

static void put_setting(struct message *message, const struct setting *setting)
{
    const struct vfs_attr *attr = setting->attr;

    put32(message, setting->valid);
    put32(message, 0);
    put64(message, setting->fh);
    put64(message, setting->size);
    put64(message, 0); /* no owner of locks */
    put64(message, (uint64_t)attr->atime.s);
    put64(message, (uint64_t)attr->mtime.s);
    put64(message, 0); /* ctime is the server's */
    put32(message, attr->atime.ns);
    put32(message, attr->mtime.ns);
    put32(message, 0);
    put32(message, attr->mode);
    put32(message, 0);
    put32(message, attr->uid);
    put32(message, attr->gid);
    put32(message, 0);
}

static int set(struct inode *inode, const struct setting *setting)
{
    struct fuse_fs *fs = fuse_of(inode);
    struct fuse_attr attr;
    struct message message;
    int status = message_begin(&message, fs, FUSE_SETATTR, inode->number, 88,
                               FUSE_ATTR_OUT);

    if (status != 0)
        return status;
    put_setting(&message, setting);
    status = message_ask_for(&message, FUSE_ATTR_OUT);
    if (status == 0 && !parse_attr(message_answer(&message) + 16, &attr))
        status = fuse_fault(fs, "attributes that cannot be");
    message_end(&message);
    return status;
}

/* What is written later gets a later time: it is written first. */
int fuse_attr_set(struct inode *inode, const struct vfs_attr *attr)
{
    static const struct {
        unsigned vfs;
        uint32_t fuse;
    } masks[] = {
        {ATTR_MODE, FUSE_SET_MODE},   {ATTR_UID, FUSE_SET_UID},
        {ATTR_GID, FUSE_SET_GID},     {ATTR_ATIME, FUSE_SET_ATIME},
        {ATTR_MTIME, FUSE_SET_MTIME},
    };
    struct setting setting = {.attr = attr};
    int status = 0;

    for (unsigned i = 0; i < COUNT_OF(masks); i++) {
        if ((attr->mask & masks[i].vfs) != 0)
            setting.valid |= masks[i].fuse;
    }
    if (inode->type == FILE_REGULAR && (attr->mask & ATTR_MTIME) != 0) {
        status = mapping_write(&inode->pages, 0, UINT64_MAX);
        if (status == 0)
            status = fuse_size_set(inode);
    }
    if (status == 0)
        status = set(inode, &setting);
    if (status == 0)
        fuse_changed(fuse_inode_of(inode));
    return status;
}

/* What is under way meanwhile ends before this size: nobody who wants to write
 * behind it has the lock. */
int fuse_size_set(struct inode *inode)
{
    static const struct vfs_attr nothing = {.mask = 0};
    struct fuse_inode *node = fuse_inode_of(inode);
    struct setting setting = {.valid = FUSE_SET_SIZE, .attr = &nothing};
    int status = 0;

    assert(rwlock_is_mine(&inode->lock));
    rwlock_lock(&node->inner);
    if (inode->size_bytes != node->server_size) {
        setting.size = inode->size_bytes;
        if (node->handles[HANDLE_BOTH].is_open) {
            setting.valid |= FUSE_SET_HANDLE;
            setting.fh = node->handles[HANDLE_BOTH].fh;
        }
        status = set(inode, &setting);
        if (status == 0) {
            node->server_size = setting.size;
            fuse_changed(node);
        }
    }
    rwlock_unlock(&node->inner);
    return status;
}

/*
 * All but the size the server has already: it was set, or written, there. The
 * lock is not waited for: who has it may wait for the flusher, whose thread
 * this may be. Then it comes again, and fuse_sync() does not go without it.
 */
int fuse_inode_write(struct inode *inode)
{
    int status;

    if (!fuse_size_differs(inode))
        return 0;
    if (!rwlock_try_lock(&inode->lock)) {
        inode_dirty(inode, INODE_REST);
        return 0;
    }
    status = fuse_size_set(inode);
    rwlock_unlock(&inode->lock);
    return status;
}

bool fuse_size_differs(const struct inode *inode)
{
    return inode->type == FILE_REGULAR && inode->links > 0 &&
           inode->size_bytes !=
               container_of(inode, struct fuse_inode, inode)->server_size;
}

int fuse_statfs(struct mount *mount, struct file_fs_stat *stat)
{
    struct fuse_fs *fs = mount->fs_data;
    struct message message;
    const uint8_t *p;
    int status = message_begin(&message, fs, FUSE_STATFS, FUSE_ROOT_NODE, 0,
                               FUSE_STATFS_OUT);

    if (status != 0)
        return status;
    status = message_ask_for(&message, FUSE_STATFS_OUT);
    if (status == 0) {
        p = message_answer(&message);
        stat->block_bytes =
            le32_get(p + 48) != 0 ? le32_get(p + 48) : le32_get(p + 40);
        stat->blocks = le64_get(p);
        stat->blocks_free = le64_get(p + 8);
        stat->inodes = le64_get(p + 24);
        stat->inodes_free = le64_get(p + 32);
    }
    message_end(&message);
    return status == -ENOSYS ? 0 : status;
}
