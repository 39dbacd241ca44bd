/* What files hold, and what they are. */
#include "tools/fuse/host/conn_internal.h"
#include <errno.h>
#include <sys/uio.h>
#include <torc/assert.h>
#include <unistd.h>

static_assert(sizeof(struct serve_piece) == sizeof(struct iovec) &&
                  offsetof(struct serve_piece, size) ==
                      offsetof(struct iovec, iov_len),
              "a piece is the same in both halves");

void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
              struct fuse_file_info *info)
{
    struct serve_data *data = conn_current()->data;
    int status = serve_read(ino, (uint64_t)offset, size, data);

    (void)info;
    if (status != 0) {
        reply_status(req, status);
        return;
    }
    fuse_reply_iov(req, (const struct iovec *)data->pieces, (int)data->count);
    serve_read_end(data);
}

static int rights_drop(fuse_ino_t ino)
{
    const struct serve_change change = {.mask = SERVE_DROP_RIGHTS};
    struct serve_attr attr;

    return serve_setattr(ino, &change, &attr);
}

void ops_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
               off_t offset, struct fuse_file_info *info)
{
    struct conn_request *request = conn_current();
    int64_t written = request->drops_rights ? rights_drop(ino) : 0;

    (void)info;
    if (written == 0)
        written = request->room != NULL
                      ? serve_write_room(ino, &request->room, size,
                                         (uint64_t)offset, request->data)
                      : serve_write(ino, data, size, (uint64_t)offset);
    if (written < 0)
        reply_status(req, (int)written);
    else
        fuse_reply_write(req, (size_t)written);
}

void ops_fsync(fuse_req_t req, fuse_ino_t ino, int data_only,
               struct fuse_file_info *info)
{
    (void)info;
    reply_status(req, serve_sync(ino, data_only != 0));
}

void ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
                   off_t size, struct fuse_file_info *info)
{
    (void)info;
    reply_status(req,
                 serve_allocate(ino, mode, (uint64_t)offset, (uint64_t)size));
}

void ops_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
               struct fuse_file_info *info)
{
    int64_t at = -EINVAL;

    (void)info;
    if (whence == SEEK_DATA || whence == SEEK_HOLE)
        at = serve_seek(ino, (uint64_t)offset, whence == SEEK_HOLE);
    if (at < 0)
        reply_status(req, (int)at);
    else
        fuse_reply_lseek(req, at);
}

/* ---- Attributes ---------------------------------------------------------- */

static void reply_attr(fuse_req_t req, int status,
                       const struct serve_attr *attr)
{
    struct stat stat;

    if (status != 0) {
        reply_status(req, status);
        return;
    }
    stat_of(attr, &stat);
    fuse_reply_attr(req, &stat, conn_keep_s(attr));
}

void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    struct serve_attr attr;

    (void)info;
    reply_attr(req, serve_getattr(ino, &attr), &attr);
}

static unsigned mask_of(int to_set)
{
    static const struct {
        int bit;
        unsigned mask;
    } bits[] = {
        {FUSE_SET_ATTR_MODE, SERVE_MODE},
        {FUSE_SET_ATTR_UID, SERVE_UID},
        {FUSE_SET_ATTR_GID, SERVE_GID},
        {FUSE_SET_ATTR_SIZE, SERVE_SIZE},
        {FUSE_SET_ATTR_ATIME, SERVE_ATIME},
        {FUSE_SET_ATTR_MTIME, SERVE_MTIME},
        {FUSE_SET_ATTR_ATIME_NOW, SERVE_ATIME_NOW},
        {FUSE_SET_ATTR_MTIME_NOW, SERVE_MTIME_NOW},
    };
    unsigned mask = 0;

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if ((to_set & bits[i].bit) != 0)
            mask |= bits[i].mask;
    }
    return mask;
}

void ops_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *stat, int to_set,
                 struct fuse_file_info *info)
{
    struct serve_change change = {
        .mask = mask_of(to_set),
        .mode = stat->st_mode,
        .uid = stat->st_uid,
        .gid = stat->st_gid,
        .size_bytes = (uint64_t)stat->st_size,
        .atime = {stat->st_atim.tv_sec, (uint32_t)stat->st_atim.tv_nsec},
        .mtime = {stat->st_mtim.tv_sec, (uint32_t)stat->st_mtim.tv_nsec},
    };
    struct serve_attr attr;

    (void)info;
    if (conn_current()->drops_rights)
        change.mask |= SERVE_DROP_RIGHTS;
    reply_attr(req, serve_setattr(ino, &change, &attr), &attr);
}
