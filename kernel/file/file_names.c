/* Calls of <torc/file.h> that make and remove names. */
#include "kernel/file/carry.h"
#include <torc/string.h>

/* What a call returns for a path that ends with "/", "." or "..". */
struct no_name {
    int root;
    int dot;
    int dots;
};

/*
 * Walk to the directory of a path's last component, a name. With `slash` false
 * no slash may follow it: then, and after any other error, the walk is ended.
 */
static int begin(struct walk *walk, const char *path, struct last *last,
                 const struct no_name *no_name)
{
    int status = walk_begin(walk, path);

    if (status != 0)
        return status;
    status = walk_parent(walk, last);
    if (status == 0 && last->name.len == 0)
        status = no_name->root;
    else if (status == 0 && name_is_dots(&last->name))
        status = last->name.len == 1 ? no_name->dot : no_name->dots;
    if (status != 0)
        walk_end(walk);
    return status;
}

static const struct no_name exists = {-EEXIST, -EEXIST, -EEXIST};

/* Only of a directory can the name have a slash behind it: what a call says
 * that makes something else. */
static int refuse_slash(struct walk *walk, const struct last *last)
{
    struct inode *inode;
    int status = vfs_lookup(walk->at, &last->name, &inode);

    if (status != 0)
        return status;
    inode_put(inode);
    return -EEXIST;
}

static int64_t run_make(struct carried *call);

static int make(const char *path, const struct new_inode *what)
{
    struct inode *inode;
    struct walk walk;
    struct last last;
    int status = begin(&walk, path, &last, &exists);

    if (status == -EREMOTE)
        return (int)carry_path(
            &(struct carried){.run = run_make, .path = path, .in = what});
    if (status != 0)
        return status;
    if (last.slash && what->type != FILE_DIRECTORY) {
        status = refuse_slash(&walk, &last);
    } else {
        status = vfs_create(walk.at, &last.name, what, &inode);
        if (status == 0)
            inode_put(inode);
    }
    walk_end(&walk);
    return status;
}

static int64_t run_make(struct carried *call)
{
    return make(call->path, call->in);
}

int file_mkdir(const char *path, uint32_t mode)
{
    const struct new_inode what = {.type = FILE_DIRECTORY,
                                   .mode = (uint16_t)(mode & 01777)};

    return make(path, &what);
}

int file_make_node(const char *path, enum file_type type, uint32_t mode,
                   uint64_t rdev)
{
    const bool is_device = type == FILE_CHARACTER || type == FILE_BLOCK;
    const struct new_inode what = {.type = (uint8_t)type,
                                   .mode = (uint16_t)(mode & 07777),
                                   .rdev = is_device ? rdev : 0};

    if (!is_device && type != FILE_FIFO && type != FILE_SOCKET &&
        type != FILE_REGULAR)
        return -EINVAL;
    return make(path, &what);
}

int file_symlink(const char *target, const char *path)
{
    const struct new_inode what = {.type = FILE_SYMLINK,
                                   .mode = 0777,
                                   .target = target,
                                   .target_len =
                                       str_len(target, FILE_PATH_MAX)};

    if (what.target_len == 0)
        return -ENOENT;
    if (what.target_len >= FILE_PATH_MAX)
        return -ENAMETOOLONG;
    return make(path, &what);
}

static int64_t run_link(struct carried *call)
{
    return file_link(call->path, call->path2);
}

int file_link(const char *old, const char *path)
{
    struct inode *inode;
    struct walk walk;
    struct last last;
    int status = vfs_walk(old, false, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(
            &(struct carried){.run = run_link, .path = old, .path2 = path});
    if (status != 0)
        return status;
    status = begin(&walk, path, &last, &exists);
    if (status == -EREMOTE)
        status = -EXDEV;
    if (status == 0) {
        if (last.slash)
            status = refuse_slash(&walk, &last);
        else
            status = vfs_link(inode, walk.at, &last.name);
        walk_end(&walk);
    }
    inode_put(inode);
    return status;
}

static int64_t run_unlink(struct carried *call)
{
    return file_unlink(call->path);
}

int file_unlink(const char *path)
{
    static const struct no_name no_name = {-EISDIR, -EISDIR, -EISDIR};
    struct inode *inode;
    struct walk walk;
    struct last last;
    int status = begin(&walk, path, &last, &no_name);

    if (status == -EREMOTE)
        return (int)carry_path(
            &(struct carried){.run = run_unlink, .path = path});
    if (status != 0)
        return status;
    if (last.slash) { /* it asks for a directory, which is not for us */
        status = vfs_lookup(walk.at, &last.name, &inode);
        if (status == 0) {
            status = inode->type == FILE_DIRECTORY ? -EISDIR : -ENOTDIR;
            inode_put(inode);
        }
    } else {
        status = vfs_unlink(walk.at, &last.name);
    }
    walk_end(&walk);
    return status;
}

static int64_t run_rmdir(struct carried *call)
{
    return file_rmdir(call->path);
}

int file_rmdir(const char *path)
{
    static const struct no_name no_name = {-EBUSY, -EINVAL, -ENOTEMPTY};
    struct walk walk;
    struct last last;
    int status = begin(&walk, path, &last, &no_name);

    if (status == -EREMOTE)
        return (int)carry_path(
            &(struct carried){.run = run_rmdir, .path = path});
    if (status != 0)
        return status;
    status = vfs_rmdir(walk.at, &last.name);
    walk_end(&walk);
    return status;
}

static const struct no_name busy = {-EBUSY, -EBUSY, -EBUSY};

struct two_paths {
    struct walk walk1, walk2;
    struct last last1, last2;
};

static int check_is_directory(struct walk *walk, const struct last *last)
{
    struct inode *inode;
    int status = vfs_lookup(walk->at, &last->name, &inode);

    if (status != 0)
        return status;
    if (inode->type != FILE_DIRECTORY)
        status = -ENOTDIR;
    inode_put(inode);
    return status;
}

/* A slash behind a name asks for a directory: the one that is there, or, behind
 * the new name of something, the one that will be. */
static int check_slashes(struct two_paths *paths, bool exchange)
{
    int status = 0;

    if (paths->last1.slash || (paths->last2.slash && !exchange))
        status = check_is_directory(&paths->walk1, &paths->last1);
    if (status == 0 && paths->last2.slash && exchange)
        status = check_is_directory(&paths->walk2, &paths->last2);
    return status;
}

static int64_t run_rename(struct carried *call)
{
    return file_rename(call->path, call->path2, call->flags);
}

int file_rename(const char *old, const char *path, unsigned flags)
{
    const struct no_name *no_name2 =
        (flags & FILE_RENAME_NOREPLACE) != 0 ? &exists : &busy;
    const bool exchange = (flags & FILE_RENAME_EXCHANGE) != 0;
    struct two_paths paths;
    int status = begin(&paths.walk1, old, &paths.last1, &busy);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){
            .run = run_rename, .path = old, .path2 = path, .flags = flags});
    if (status != 0)
        return status;
    status = begin(&paths.walk2, path, &paths.last2, no_name2);
    if (status == -EREMOTE)
        status = -EXDEV;
    if (status == 0) {
        status = check_slashes(&paths, exchange);
        if (status == 0)
            status = vfs_rename(paths.walk1.at, &paths.last1.name,
                                paths.walk2.at, &paths.last2.name, flags);
        walk_end(&paths.walk2);
    }
    walk_end(&paths.walk1);
    return status;
}
