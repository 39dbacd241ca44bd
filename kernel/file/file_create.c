/* file_open() of a file that may have to be made, or is to be made empty. */
#include "kernel/file/carry.h"
#include <torc/memory.h>

/* What has that name was found: is it to be opened? */
static int check_found(struct inode *inode, unsigned flags)
{
    int status = file_may_open(inode, flags);

    if (inode->type == FILE_DIRECTORY)
        status = -EISDIR;
    if (status == 0 && (flags & FILE_TRUNCATE) != 0 &&
        inode->type == FILE_REGULAR) /* others have no size */
        status = vfs_truncate(inode, 0);
    return status;
}

/* What a path that ends with "/", "." or ".." gives. */
static int open_no_name(const struct last *last, unsigned flags)
{
    const unsigned both = FILE_CREATE | FILE_EXCLUSIVE;

    if (last->slash && last->name.len > 0 && !name_is_dots(&last->name))
        return -EISDIR;
    return (flags & both) == both ? -EEXIST : -EISDIR;
}

/* Find, or make, what the last component names. Returns 0 and *out, held. */
static int find_or_make(struct walk *walk, const struct name *name,
                        unsigned flags, uint32_t mode, struct inode **out)
{
    const struct new_inode what = {.type = FILE_REGULAR,
                                   .mode = (uint16_t)(mode & 07777)};
    int status;

    do {
        status = vfs_lookup(walk->at, name, out);
        if (status == 0 && (flags & FILE_EXCLUSIVE) != 0) {
            inode_put(*out);
            return -EEXIST;
        }
        if (status != -ENOENT)
            return status;
        status = vfs_create(walk->at, name, &what, out);
        /* Another thread may have made it since we looked. */
    } while (status == -EEXIST && (flags & FILE_EXCLUSIVE) == 0);
    return status;
}

static int open_last(struct walk *walk, unsigned flags, uint32_t mode,
                     struct inode **out)
{
    struct last last;
    int status;

    for (;;) {
        status = walk_parent(walk, &last);
        if (status != 0)
            return status;
        if (last.name.len == 0 || last.slash || name_is_dots(&last.name))
            return open_no_name(&last, flags);
        status = find_or_make(walk, &last.name, flags, mode, out);
        if (status != 0 || (*out)->type != FILE_SYMLINK)
            return status;
        status = (flags & FILE_NOFOLLOW) != 0 ? -ELOOP : walk_link(walk, *out);
        inode_put(*out);
        if (status != 0)
            return status;
    }
}

static bool are_valid(unsigned flags)
{
    if ((flags & FILE_EXCLUSIVE) != 0 && (flags & FILE_CREATE) == 0)
        return false;
    if ((flags & FILE_TRUNCATE) != 0 && (flags & FILE_WRITE) == 0)
        return false;
    return (flags & FILE_DIRECTORY_ONLY) == 0;
}

/* Find, or make, the inode; *out is held. */
static int walk_or_make(const char *path, unsigned flags, uint32_t mode,
                        struct inode **out)
{
    struct walk walk;
    int status = walk_begin(&walk, path);

    if (status != 0)
        return status;
    status = open_last(&walk, flags, mode, out);
    walk_end(&walk);
    return status;
}

static int open_inode(const char *path, unsigned flags, uint32_t mode,
                      struct inode **out)
{
    int status;

    if ((flags & FILE_CREATE) != 0)
        status = walk_or_make(path, flags, mode, out);
    else
        status = vfs_walk(path, (flags & FILE_NOFOLLOW) == 0, out);
    if (status != 0)
        return status;
    status = check_found(*out, flags);
    if (status != 0)
        inode_put(*out);
    return status;
}

static int64_t run_open_changing(struct carried *call)
{
    return file_open_changing(call->path, call->flags, call->mode, call->out);
}

int file_open_changing(const char *path, unsigned flags, uint32_t mode,
                       struct file **out)
{
    struct inode *inode;
    struct file *file;
    int status;

    if (!are_valid(flags))
        return -EINVAL;
    file = mem_alloc(sizeof(*file)); /* before anything is made */
    if (file == NULL)
        return -ENOMEM;
    status = open_inode(path, flags, mode, &inode);
    if (status != 0) {
        mem_free(file);
        return status == -EREMOTE
                   ? (int)carry_path(&(struct carried){.run = run_open_changing,
                                                       .path = path,
                                                       .flags = flags,
                                                       .mode = mode,
                                                       .out = out})
                   : status;
    }
    file_fill(file, inode, flags);
    *out = file;
    return 0;
}
