/* Calls of <torc/file.h> that set attributes. */
#include "kernel/file/carry.h"
#include <torc/time.h>

static int64_t run_set(struct carried *call);

static int set(const char *path, bool follow, const struct vfs_attr *attr)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){
            .run = run_set, .path = path, .follow = follow, .in = attr});
    if (status != 0)
        return status;
    status = vfs_setattr(inode, attr);
    inode_put(inode);
    return status;
}

static int64_t run_set(struct carried *call)
{
    return set(call->path, call->follow, call->in);
}

int file_chmod(const char *path, bool follow, uint32_t mode)
{
    const struct vfs_attr attr = {.mask = ATTR_MODE,
                                  .mode = (uint16_t)(mode & 07777)};

    return set(path, follow, &attr);
}

int file_chown(const char *path, bool follow, uint32_t uid, uint32_t gid)
{
    const uint32_t same = (uint32_t)FILE_SAME_ID;
    const struct vfs_attr attr = {.mask = (uid != same ? ATTR_UID : 0U) |
                                          (gid != same ? ATTR_GID : 0U),
                                  .uid = uid,
                                  .gid = gid};

    return set(path, follow, &attr);
}

/* What one of the two times is to be. Returns its bit of the mask, 0: it stays;
 * -EINVAL. */
static int time_to_set(struct file_time *time, unsigned bit)
{
    if (time->ns == FILE_TIME_OMIT)
        return 0;
    if (time->ns == FILE_TIME_NOW)
        *time = vfs_now();
    return time->ns < NS_PER_S ? (int)bit : -EINVAL;
}

int file_set_times(const char *path, bool follow, struct file_time atime,
                   struct file_time mtime)
{
    struct vfs_attr attr;
    int a = time_to_set(&atime, ATTR_ATIME);
    int m = time_to_set(&mtime, ATTR_MTIME);

    if (a < 0 || m < 0)
        return -EINVAL;
    attr.mask = (unsigned)(a | m);
    attr.atime = atime;
    attr.mtime = mtime;
    return set(path, follow, &attr);
}
