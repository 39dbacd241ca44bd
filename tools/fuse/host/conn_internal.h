/* What the files that answer requests share. */
#ifndef TORC_TOOLS_FUSE_HOST_CONN_INTERNAL_H
#define TORC_TOOLS_FUSE_HOST_CONN_INTERNAL_H

#define FUSE_USE_VERSION 314

#include "tools/fuse/host/conn.h"
#include "tools/fuse/host/serve.h"
#include <fuse3/fuse_lowlevel.h>

struct conn_request {
    struct fuse_buf buf;
    struct serve_data *data;
    bool drops_rights; /* a write, a truncation: set-user-ID goes */
    void *room;        /* of serve_room_new(): what is written; or NULL */
};

/* The request that libfuse has just called an operation for: to be asked for
 * before anything waits. */
struct conn_request *conn_current(void);

/* ops.c */
extern const struct fuse_lowlevel_ops conn_ops;

/* How long Linux keeps what it was told, seconds: nobody else changes it. */
#define CONN_KEEP_S 86400.0

/* Except attributes that will change by themselves. */
#define CONN_SETTLING_S 1.0

static inline double conn_keep_s(const struct serve_attr *attr)
{
    return attr->is_settling ? CONN_SETTLING_S : CONN_KEEP_S;
}

/* ops_name.c, ops_data.c, ops_more.c */
void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void ops_forget_multi(fuse_req_t req, size_t count,
                      struct fuse_forget_data *forgets);
void ops_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               dev_t rdev);
void ops_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
               mode_t mode);
void ops_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                 const char *name);
void ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
              const char *name);
void ops_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                mode_t mode, struct fuse_file_info *info);
void ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_rename(fuse_req_t req, fuse_ino_t parent1, const char *name1,
                fuse_ino_t parent2, const char *name2, unsigned flags);
void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 struct fuse_file_info *info);
void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                     struct fuse_file_info *info);
void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void ops_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *stat, int to_set,
                 struct fuse_file_info *info);
void ops_readlink(fuse_req_t req, fuse_ino_t ino);
void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
              struct fuse_file_info *info);
void ops_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
               off_t offset, struct fuse_file_info *info);
void ops_fsync(fuse_req_t req, fuse_ino_t ino, int data_only,
               struct fuse_file_info *info);
void ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
                   off_t size, struct fuse_file_info *info);
void ops_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
               struct fuse_file_info *info);
void ops_statfs(fuse_req_t req, fuse_ino_t ino);
void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
                  size_t size);
void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void ops_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
                  const char *value, size_t size, int flags);
void ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* What an inode is, for libfuse. */
void stat_of(const struct serve_attr *attr, struct stat *stat);

/* Answer with 0 or an error of the kernel half. */
void reply_status(fuse_req_t req, int status);

#endif
