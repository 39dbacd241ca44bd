/* The operations that libfuse calls, and what is agreed with Linux. */
#include "tools/fuse/host/config.h"
#include "tools/fuse/host/conn_internal.h"
#include <errno.h>
#include <string.h>

enum { BACKGROUND_MAX = 64 }; /* requests that nobody waits for, at a time */

/* Whether Linux does without these calls (constant after ops_init()). */
static bool no_open, no_opendir;

static void wish(struct fuse_conn_info *info, unsigned capability)
{
    info->want |= info->capable & capability;
}

/*
 * Without open and release a file is known by its node alone: what Linux keeps
 * of it stays valid from one open to the next. Linux then truncates by itself.
 */
static void ops_init(void *data, struct fuse_conn_info *info)
{
    (void)data;
    info->want &=
        ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                    FUSE_CAP_SPLICE_MOVE | FUSE_CAP_ATOMIC_O_TRUNC |
                    FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV |
                    FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_POSIX_LOCKS);
    wish(info, FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
                   FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
                   FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS);
    if (fuse_config.writeback)
        wish(info, FUSE_CAP_WRITEBACK_CACHE);
    no_open = (info->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0;
    no_opendir = (info->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0;
    info->max_write = SERVE_SIZE_MAX;
    info->max_readahead = SERVE_SIZE_MAX;
    info->max_background = BACKGROUND_MAX;
    info->congestion_threshold = BACKGROUND_MAX * 3 / 4;
    info->time_gran = 1;
}

static void ops_open(fuse_req_t req, fuse_ino_t ino,
                     struct fuse_file_info *info)
{
    (void)ino;
    info->keep_cache = 1;
    if (no_open)
        fuse_reply_err(req, ENOSYS);
    else
        fuse_reply_open(req, info);
}

static void ops_opendir(fuse_req_t req, fuse_ino_t ino,
                        struct fuse_file_info *info)
{
    (void)ino;
    info->keep_cache = 1;
    info->cache_readdir = 1;
    if (no_opendir)
        fuse_reply_err(req, ENOSYS);
    else
        fuse_reply_open(req, info);
}

void reply_status(fuse_req_t req, int status)
{
    fuse_reply_err(req, -status);
}

void stat_of(const struct serve_attr *attr, struct stat *stat)
{
    memset(stat, 0, sizeof(*stat));
    stat->st_ino = attr->inode;
    stat->st_mode = attr->mode;
    stat->st_nlink = attr->links;
    stat->st_uid = attr->uid;
    stat->st_gid = attr->gid;
    stat->st_rdev = attr->rdev;
    stat->st_size = (off_t)attr->size_bytes;
    stat->st_blksize = 4096;
    stat->st_blocks = (blkcnt_t)attr->blocks;
    stat->st_atim.tv_sec = attr->atime.s;
    stat->st_atim.tv_nsec = attr->atime.ns;
    stat->st_mtim.tv_sec = attr->mtime.s;
    stat->st_mtim.tv_nsec = attr->mtime.ns;
    stat->st_ctim.tv_sec = attr->ctime.s;
    stat->st_ctim.tv_nsec = attr->ctime.ns;
}

const struct fuse_lowlevel_ops conn_ops = {
    .init = ops_init,
    .lookup = ops_lookup,
    .forget = ops_forget,
    .forget_multi = ops_forget_multi,
    .getattr = ops_getattr,
    .setattr = ops_setattr,
    .readlink = ops_readlink,
    .mknod = ops_mknod,
    .mkdir = ops_mkdir,
    .unlink = ops_unlink,
    .rmdir = ops_rmdir,
    .symlink = ops_symlink,
    .rename = ops_rename,
    .link = ops_link,
    .open = ops_open,
    .read = ops_read,
    .write = ops_write,
    .fsync = ops_fsync,
    .opendir = ops_opendir,
    .readdir = ops_readdir,
    .readdirplus = ops_readdirplus,
    .fsyncdir = ops_fsync,
    .statfs = ops_statfs,
    .setxattr = ops_setxattr,
    .getxattr = ops_getxattr,
    .listxattr = ops_listxattr,
    .removexattr = ops_removexattr,
    .create = ops_create,
    .fallocate = ops_fallocate,
    .lseek = ops_lseek,
};
