/* Links, extended attributes, the file system as a whole. */
#include "tools/fuse/host/conn_internal.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/statvfs.h>

void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char *target = malloc(PATH_MAX);
    int64_t len = -ENOMEM;

    if (target != NULL)
        len = serve_readlink(ino, target, PATH_MAX - 1);
    if (len < 0) {
        reply_status(req, (int)len);
    } else {
        target[len] = '\0';
        fuse_reply_readlink(req, target);
    }
    free(target);
}

void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct serve_fs fs;
    struct statvfs stat;
    int status = serve_statfs(&fs);

    (void)ino;
    if (status != 0) {
        reply_status(req, status);
        return;
    }
    stat = (struct statvfs){
        .f_bsize = fs.block_bytes,
        .f_frsize = fs.block_bytes,
        .f_blocks = fs.blocks,
        .f_bfree = fs.blocks_free,
        .f_bavail = fs.blocks_free,
        .f_files = fs.inodes,
        .f_ffree = fs.inodes_free,
        .f_favail = fs.inodes_free,
        .f_namemax = SERVE_NAME_MAX,
    };
    fuse_reply_statfs(req, &stat);
}

/* ---- Extended attributes ------------------------------------------------- */

/* A value or a list of `len` bytes, or an error; with size 0 its length was
 * asked for. */
static void reply_bytes(fuse_req_t req, const char *bytes, size_t size,
                        int64_t len)
{
    if (len < 0)
        reply_status(req, (int)len);
    else if (size == 0)
        fuse_reply_xattr(req, (size_t)len);
    else
        fuse_reply_buf(req, bytes, (size_t)len);
}

void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    char *value = size > 0 ? malloc(size) : NULL;

    if (size > 0 && value == NULL)
        reply_status(req, -ENOMEM);
    else
        reply_bytes(req, value, size, serve_xattr_get(ino, name, value, size));
    free(value);
}

void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    char *names = size > 0 ? malloc(size) : NULL;

    if (size > 0 && names == NULL)
        reply_status(req, -ENOMEM);
    else
        reply_bytes(req, names, size, serve_xattr_list(ino, names, size));
    free(names);
}

/* The flags are those of Linux in both halves. */
void ops_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
                  const char *value, size_t size, int flags)
{
    reply_status(req, serve_xattr_set(ino, name, value, size, (unsigned)flags));
}

void ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    reply_status(req, serve_xattr_remove(ino, name));
}
