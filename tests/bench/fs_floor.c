/*
 * A FUSE file system that does nothing: the floor of `make bench-fs`, what any
 * file system behind FUSE costs at least.
 *
 *     fs_floor DIR linux|none
 *
 * It knows the names that were made, in one table, and the sizes. What is
 * written is not kept; what is read are zeros. libfuse's own loop for one
 * thread runs it, and Linux is told the same as torc-fuse tells it: that it may
 * keep all for a long time, and need not ask for open and close; and who checks
 * rights: Linux, or nobody.
 */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NODES = 1 << 18, SLOTS = 1 << 19, READ_MAX = 1 << 20 };
#define KEEP_S 86400.0

/* The n-th node is number n; names are never removed from their directory's
 * list, but may lead to node 0. */
static struct node {
    mode_t mode;
    off_t size;
    struct name *names; /* of a directory: the latest first */
} nodes[NODES];
static fuse_ino_t node_last = FUSE_ROOT_ID;

static struct name {
    fuse_ino_t dir, node;
    char *text; /* NULL: the slot is free */
    struct name *next;
} slots[SLOTS];

static char zeros[READ_MAX];

static struct name *name_slot(fuse_ino_t dir, const char *text)
{
    uint32_t hash = (uint32_t)dir * 2654435761U;

    for (const char *c = text; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    for (hash %= SLOTS; slots[hash].text != NULL; hash = (hash + 1) % SLOTS) {
        if (slots[hash].dir == dir && strcmp(slots[hash].text, text) == 0)
            break;
    }
    return &slots[hash];
}

static void name_set(fuse_ino_t dir, const char *text, fuse_ino_t node)
{
    struct name *name = name_slot(dir, text);

    if (name->text == NULL) {
        name->dir = dir;
        name->text = strdup(text);
        name->next = nodes[dir].names;
        nodes[dir].names = name;
    }
    name->node = node;
}

static struct stat stat_of(fuse_ino_t node)
{
    return (struct stat){.st_ino = node,
                         .st_mode = nodes[node].mode,
                         .st_nlink = 1,
                         .st_size = nodes[node].size,
                         .st_blksize = 4096};
}

static struct fuse_entry_param param_of(fuse_ino_t node)
{
    return (struct fuse_entry_param){.ino = node,
                                     .attr = stat_of(node),
                                     .attr_timeout = KEEP_S,
                                     .entry_timeout = KEEP_S};
}

/* ---- Names --------------------------------------------------------------- */

static void floor_lookup(fuse_req_t req, fuse_ino_t dir, const char *text)
{
    struct fuse_entry_param param = param_of(name_slot(dir, text)->node);

    fuse_reply_entry(req, &param);
}

static fuse_ino_t make(fuse_ino_t dir, const char *text, mode_t mode)
{
    if (node_last + 1 == NODES)
        return 0;
    node_last++;
    nodes[node_last] = (struct node){.mode = mode};
    name_set(dir, text, node_last);
    return node_last;
}

static void make_reply(fuse_req_t req, fuse_ino_t dir, const char *text,
                       mode_t mode)
{
    struct fuse_entry_param param = param_of(make(dir, text, mode));

    if (param.ino == 0)
        fuse_reply_err(req, ENOSPC);
    else
        fuse_reply_entry(req, &param);
}

static void floor_mkdir(fuse_req_t req, fuse_ino_t dir, const char *text,
                        mode_t mode)
{
    make_reply(req, dir, text, S_IFDIR | mode);
}

static void floor_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
                          const char *text)
{
    (void)target;
    make_reply(req, dir, text, S_IFLNK | 0777);
}

static void floor_create(fuse_req_t req, fuse_ino_t dir, const char *text,
                         mode_t mode, struct fuse_file_info *info)
{
    struct fuse_entry_param param = param_of(make(dir, text, S_IFREG | mode));

    info->keep_cache = 1;
    if (param.ino == 0)
        fuse_reply_err(req, ENOSPC);
    else
        fuse_reply_create(req, &param, info);
}

static void floor_unlink(fuse_req_t req, fuse_ino_t dir, const char *text)
{
    name_set(dir, text, 0);
    fuse_reply_err(req, 0);
}

static void floor_rename(fuse_req_t req, fuse_ino_t dir1, const char *text1,
                         fuse_ino_t dir2, const char *text2, unsigned flags)
{
    (void)flags;
    name_set(dir2, text2, name_slot(dir1, text1)->node);
    name_set(dir1, text1, 0);
    fuse_reply_err(req, 0);
}

/* ---- Directories --------------------------------------------------------- */

static void readdir_any(fuse_req_t req, fuse_ino_t dir, size_t size,
                        off_t offset, bool plus)
{
    struct name *name = offset == 0 ? nodes[dir].names : slots[offset - 1].next;
    char *buf = malloc(size);
    size_t used = 0, need = 0;

    for (; buf != NULL && name != NULL; name = name->next) {
        struct fuse_entry_param param = param_of(name->node);
        off_t next = name - slots + 1;

        if (name->node == 0)
            continue;
        need = plus ? fuse_add_direntry_plus(req, buf + used, size - used,
                                             name->text, &param, next)
                    : fuse_add_direntry(req, buf + used, size - used,
                                        name->text, &param.attr, next);
        if (need > size - used)
            break;
        used += need;
    }
    fuse_reply_buf(req, buf, used);
    free(buf);
}

static void floor_readdir(fuse_req_t req, fuse_ino_t dir, size_t size,
                          off_t offset, struct fuse_file_info *info)
{
    (void)info;
    readdir_any(req, dir, size, offset, false);
}

static void floor_readdirplus(fuse_req_t req, fuse_ino_t dir, size_t size,
                              off_t offset, struct fuse_file_info *info)
{
    (void)info;
    readdir_any(req, dir, size, offset, true);
}

/* ---- Files --------------------------------------------------------------- */

static void floor_getattr(fuse_req_t req, fuse_ino_t node,
                          struct fuse_file_info *info)
{
    struct stat stat = stat_of(node);

    (void)info;
    fuse_reply_attr(req, &stat, KEEP_S);
}

static void floor_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr,
                          int to_set, struct fuse_file_info *info)
{
    if ((to_set & FUSE_SET_ATTR_SIZE) != 0)
        nodes[node].size = attr->st_size;
    floor_getattr(req, node, info);
}

static void floor_open(fuse_req_t req, fuse_ino_t node,
                       struct fuse_file_info *info)
{
    (void)node;
    (void)info;
    fuse_reply_err(req, ENOSYS); /* Linux never asks again */
}

static void floor_read(fuse_req_t req, fuse_ino_t node, size_t size,
                       off_t offset, struct fuse_file_info *info)
{
    off_t left = nodes[node].size - offset;

    (void)info;
    if (left < 0)
        left = 0;
    fuse_reply_buf(req, zeros, (off_t)size < left ? size : (size_t)left);
}

static void floor_write(fuse_req_t req, fuse_ino_t node, const char *buf,
                        size_t size, off_t offset, struct fuse_file_info *info)
{
    (void)buf;
    (void)info;
    if (offset + (off_t)size > nodes[node].size)
        nodes[node].size = offset + (off_t)size;
    fuse_reply_write(req, size);
}

static void floor_init(void *data, struct fuse_conn_info *info)
{
    (void)data;
    info->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ |
                              FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                              FUSE_CAP_AUTO_INVAL_DATA);
    info->max_write = READ_MAX;
    info->max_readahead = READ_MAX;
    info->time_gran = 1;
}

static const struct fuse_lowlevel_ops ops = {
    .init = floor_init,
    .lookup = floor_lookup,
    .getattr = floor_getattr,
    .setattr = floor_setattr,
    .mkdir = floor_mkdir,
    .unlink = floor_unlink,
    .rmdir = floor_unlink,
    .symlink = floor_symlink,
    .rename = floor_rename,
    .open = floor_open,
    .read = floor_read,
    .write = floor_write,
    .opendir = floor_open,
    .readdir = floor_readdir,
    .readdirplus = floor_readdirplus,
    .create = floor_create,
};

int main(int argc, char **argv)
{
    char checked[] = "-odefault_permissions,fsname=floor";
    char unchecked[] = "-ofsname=floor";
    bool checks = argc == 3 && strcmp(argv[2], "linux") == 0;
    char *options = checks ? checked : unchecked;
    char *words[] = {argv[0], options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, words);
    struct fuse_session *session;
    int status = 1;

    nodes[FUSE_ROOT_ID].mode = S_IFDIR | 0755;
    session =
        argc == 3 ? fuse_session_new(&args, &ops, sizeof(ops), NULL) : NULL;
    if (session == NULL)
        return 2;
    if (fuse_set_signal_handlers(session) == 0 &&
        fuse_session_mount(session, argv[1]) == 0) {
        status = fuse_session_loop(session) != 0;
        fuse_session_unmount(session);
    }
    fuse_session_destroy(session);
    return status;
}
