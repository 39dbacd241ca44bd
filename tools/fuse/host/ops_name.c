/* Names and directories. */
#include "tools/fuse/host/conn_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static void param_of(const struct serve_entry *entry,
                     struct fuse_entry_param *param)
{
    *param = (struct fuse_entry_param){
        .ino = entry->node,
        .attr_timeout = conn_keep_s(&entry->attr),
        .entry_timeout = CONN_KEEP_S,
    };
    stat_of(&entry->attr, &param->attr);
}

/* Linux does not count the lookup when it has given up the request. */
static void reply_entry(fuse_req_t req, int status,
                        const struct serve_entry *entry)
{
    struct fuse_entry_param param;

    if (status != 0) {
        reply_status(req, status);
        return;
    }
    param_of(entry, &param);
    if (fuse_reply_entry(req, &param) != 0)
        serve_forget(entry->node, 1);
}

/* That there is no such name, Linux may keep, too. */
void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    const struct fuse_entry_param none = {.entry_timeout = CONN_KEEP_S};
    struct serve_entry entry;
    int status = serve_lookup(parent, name, &entry);

    if (status == -ENOENT)
        fuse_reply_entry(req, &none);
    else
        reply_entry(req, status, &entry);
}

void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    serve_forget(ino, count);
    fuse_reply_none(req);
}

void ops_forget_multi(fuse_req_t req, size_t count,
                      struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        serve_forget(forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

/* ---- Making -------------------------------------------------------------- */

static int make(fuse_req_t req, fuse_ino_t parent, const char *name,
                struct serve_new *what, struct serve_entry *entry)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);

    what->uid = ctx->uid;
    what->gid = ctx->gid;
    return serve_create(parent, name, what, entry);
}

void ops_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               dev_t rdev)
{
    struct serve_new what = {.mode = mode, .rdev = rdev};
    struct serve_entry entry;

    if ((mode & S_IFMT) == 0)
        what.mode |= S_IFREG;
    reply_entry(req, make(req, parent, name, &what, &entry), &entry);
}

void ops_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct serve_new what = {.mode = S_IFDIR | (mode & 07777)};
    struct serve_entry entry;

    reply_entry(req, make(req, parent, name, &what, &entry), &entry);
}

void ops_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                 const char *name)
{
    struct serve_new what = {.mode = S_IFLNK | 0777, .target = target};
    struct serve_entry entry;

    reply_entry(req, make(req, parent, name, &what, &entry), &entry);
}

void ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
              const char *name)
{
    struct serve_entry entry;

    reply_entry(req, serve_link(ino, parent, name, &entry), &entry);
}

void ops_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                mode_t mode, struct fuse_file_info *info)
{
    struct serve_new what = {.mode = S_IFREG | (mode & 07777)};
    struct fuse_entry_param param;
    struct serve_entry entry;
    int status = make(req, parent, name, &what, &entry);

    if (status != 0) {
        reply_status(req, status);
        return;
    }
    param_of(&entry, &param);
    info->keep_cache = 1;
    if (fuse_reply_create(req, &param, info) != 0)
        serve_forget(entry.node, 1);
}

/* ---- Removing and renaming ----------------------------------------------- */

void ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_status(req, serve_unlink(parent, name));
}

void ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_status(req, serve_rmdir(parent, name));
}

void ops_rename(fuse_req_t req, fuse_ino_t parent1, const char *name1,
                fuse_ino_t parent2, const char *name2, unsigned flags)
{
    reply_status(req, serve_rename(parent1, name1, parent2, name2, flags));
}

/* ---- Directories --------------------------------------------------------- */

/* Returns how many bytes the entry needs; what has no room is not written. */
static size_t entry_add(fuse_req_t req, char *buf, size_t size, bool plus,
                        const struct serve_dirent *entry)
{
    struct fuse_entry_param param;
    struct stat stat = {.st_ino = entry->inode, .st_mode = entry->mode};

    if (!plus)
        return fuse_add_direntry(req, buf, size, entry->name, &stat,
                                 (off_t)entry->next);
    if (entry->entry.node != 0)
        param_of(&entry->entry, &param);
    else
        param = (struct fuse_entry_param){.attr = stat};
    return fuse_add_direntry_plus(req, buf, size, entry->name, &param,
                                  (off_t)entry->next);
}

/* Returns how many bytes of entries there are, or an error. */
static int64_t entries_read(fuse_req_t req, fuse_ino_t ino, uint64_t cursor,
                            bool plus, char *buf, size_t size,
                            struct serve_dirent *entry)
{
    size_t used = 0;
    int status;

    while ((status = serve_readdir(ino, cursor, plus, entry)) == 1) {
        size_t need = entry_add(req, buf + used, size - used, plus, entry);

        if (need > size - used) {
            if (entry->entry.node != 0)
                serve_forget(entry->entry.node, 1);
            break;
        }
        used += need;
        cursor = entry->next;
    }
    return status < 0 && used == 0 ? status : (int64_t)used;
}

static void entries_reply(fuse_req_t req, fuse_ino_t ino, size_t size,
                          off_t offset, bool plus)
{
    struct serve_dirent *entry = malloc(sizeof(*entry));
    char *buf = malloc(size);
    int64_t used = -ENOMEM;

    if (buf != NULL && entry != NULL)
        used = entries_read(req, ino, (uint64_t)offset, plus, buf, size, entry);
    if (used < 0)
        reply_status(req, (int)used);
    else
        fuse_reply_buf(req, buf, (size_t)used);
    free(buf);
    free(entry);
}

void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 struct fuse_file_info *info)
{
    (void)info;
    entries_reply(req, ino, size, offset, false);
}

void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    (void)info;
    entries_reply(req, ino, size, offset, true);
}
