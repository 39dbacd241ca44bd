/* Names: finding, making, removing and renaming them at the server. */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>
#include <torc/string.h>

/* An entry that the server tells, and what is kept for when it is not needed
 * any more: before it is asked, so that it can be told in any case. */
struct asked {
    struct message message;
    struct fuse_entry entry;
    struct parting *parting;
};

static int asked_begin(struct asked *asked, struct inode *dir,
                       enum fuse_opcode opcode, size_t in)
{
    int status;

    asked->parting = mem_alloc_zeroed(sizeof(*asked->parting));
    if (asked->parting == NULL)
        return -ENOMEM;
    status = message_begin(&asked->message, fuse_of(dir), opcode, dir->number,
                           in, FUSE_ENTRY_OUT);
    if (status != 0)
        mem_free(asked->parting);
    return status;
}

/* Nothing was looked up after all. */
static void look_undo(struct asked *asked)
{
    *asked->parting = (struct parting){.node = asked->entry.node, .lookups = 1};
    parting_queue(asked->message.fs, asked->parting);
}

/* Ask, and end the message. With an error there is no parting any more: what
 * cannot be, but was counted, is forgotten again. */
static int asked_ask(struct asked *asked)
{
    struct fuse_fs *fs = asked->message.fs;
    int status = message_ask_for(&asked->message, FUSE_ENTRY_OUT);

    asked->entry.node = 0;
    if (status == 0 &&
        !parse_entry(message_answer(&asked->message), &asked->entry))
        status = fuse_fault(fs, "an entry that cannot be");
    asked->entry.attr.unique = asked->message.unique;
    message_end(&asked->message);
    if (status != 0 && asked->entry.node != 0)
        look_undo(asked);
    else if (status != 0)
        mem_free(asked->parting);
    return status;
}

/* LOOKUP: with 0 there is an entry, and its parting. */
static int look(struct asked *asked, struct inode *dir, const struct name *name)
{
    int status = asked_begin(asked, dir, FUSE_LOOKUP, name->len + 1);

    if (status != 0)
        return status;
    put_name(&asked->message, name);
    status = asked_ask(asked);
    if (status != 0)
        asked->entry = (struct fuse_entry){.valid_ns = 0}; /* not trusted */
    if (status == 0 && asked->entry.node == 0) {
        mem_free(asked->parting);
        return -ENOENT;
    }
    return status;
}

int fuse_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    struct fuse_fs *fs = fuse_of(dir);
    struct asked asked = {.entry.valid_ns = 0};
    int status;

    if (name->len == 2 && memcmp(name->text, "..", 2) == 0)
        return fuse_lookup_up(dir, out);
    status = look(&asked, dir, name);
    if (status == 0 && asked.entry.node == FUSE_ROOT_NODE) {
        mem_free(asked.parting); /* which is never forgotten */
        status = fuse_fault(fs, "a name that leads to the root");
    }
    if (status == 0)
        status = fuse_inode_get(fs, &asked.entry, asked.parting, out);
    if (status == 0)
        fuse_parent_set(*out, dir);
    fuse_trust(fs, status == 0 || status == -ENOENT ? asked.entry.valid_ns : 0);
    return status;
}

int fuse_ask_up(struct inode *dir, struct inode **out)
{
    const struct name up = {.text = "..", .len = 2};
    struct fuse_fs *fs = fuse_of(dir);
    struct asked asked;
    int status = look(&asked, dir, &up);

    if (status != 0)
        return status;
    if (fuse_is_root(fs, &asked.entry)) {
        look_undo(&asked);
        inode_hold(fs->mount->root);
        *out = fs->mount->root;
        return 0;
    }
    return fuse_inode_get(fs, &asked.entry, asked.parting, out);
}

/* ---- Making -------------------------------------------------------------- */

static size_t create_room(const struct name *name, const struct new_inode *what)
{
    return 16 + name->len + 1 +
           (what->type == FILE_SYMLINK ? what->target_len + 1 : 0);
}

static enum fuse_opcode create_opcode(const struct new_inode *what)
{
    if (what->type == FILE_DIRECTORY)
        return FUSE_MKDIR;
    return what->type == FILE_SYMLINK ? FUSE_SYMLINK : FUSE_MKNOD;
}

static void put_create(struct message *message, const struct name *name,
                       const struct new_inode *what)
{
    message_owner(message, what->uid, what->gid);
    if (what->type == FILE_SYMLINK) {
        put_name(message, name);
        put_bytes(message, what->target, what->target_len);
        put_bytes(message, "", 1);
        return;
    }
    put32(message, fuse_mode(what->type, what->mode));
    if (what->type != FILE_DIRECTORY)
        put32(message, (uint32_t)what->rdev);
    put32(message, 0); /* the mode is as it is to be: no umask */
    if (what->type != FILE_DIRECTORY)
        put32(message, 0);
    put_name(message, name);
}

/* UNLINK or RMDIR. */
static int ask_remove(struct inode *dir, const struct name *name, bool is_dir)
{
    struct message message;
    int status =
        message_begin(&message, fuse_of(dir), is_dir ? FUSE_RMDIR : FUSE_UNLINK,
                      dir->number, name->len + 1, 0);

    if (status != 0)
        return status;
    put_name(&message, name);
    status = message_ask_for(&message, 0);
    message_end(&message);
    return status;
}

/* The inode of what the server has made. */
static int created(struct fuse_fs *fs, struct asked *asked,
                   const struct new_inode *what, struct inode **out)
{
    struct inode *inode;
    int status = -EIO;

    if (asked->entry.node == 0 || asked->entry.attr.type != what->type)
        (void)fuse_fault(fs, "what was made is something else");
    else
        status = inode_new(fs->mount, asked->entry.node, what, &inode);
    if (status == 0) {
        status = fuse_fill(inode, &asked->entry.attr);
        if (status != 0)
            inode_discard(inode);
    }
    if (status != 0) {
        look_undo(asked);
        return status == -EUCLEAN
                   ? fuse_fault(fs, "what was made was there before")
                   : status;
    }
    fuse_inode_of(inode)->lookups = 1;
    fuse_inode_of(inode)->parting = asked->parting;
    *out = inode;
    return 0;
}

int fuse_create(struct inode *dir, const struct name *name,
                const struct new_inode *what, struct inode **out)
{
    struct fuse_fs *fs = fuse_of(dir);
    struct asked asked;
    int status =
        asked_begin(&asked, dir, create_opcode(what), create_room(name, what));

    if (status != 0)
        return status;
    put_create(&asked.message, name, what);
    status = asked_ask(&asked);
    if (status == -EEXIST)
        vfs_forget_names(fs->mount); /* others have made it: look again */
    if (status != 0)
        return status;
    fuse_inode_of(dir)->needs_sync = true;
    status = created(fs, &asked, what, out);
    if (status == -ENOMEM) /* nothing is to have changed, if that can be */
        (void)!ask_remove(dir, name, what->type == FILE_DIRECTORY);
    if (status == 0 && what->type == FILE_DIRECTORY) {
        fuse_parent_set(*out, dir);
        dir->links++;
    }
    fuse_trust(fs, status == 0 ? asked.entry.valid_ns : 0);
    return status;
}

int fuse_link(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct fuse_fs *fs = fuse_of(dir);
    struct asked asked;
    int status = asked_begin(&asked, dir, FUSE_LINK, 8 + name->len + 1);

    if (status != 0)
        return status;
    put64(&asked.message, inode->number);
    put_name(&asked.message, name);
    status = asked_ask(&asked);
    if (status == -EEXIST)
        vfs_forget_names(fs->mount);
    if (status != 0)
        return status;
    fuse_inode_of(dir)->needs_sync = true;
    if (asked.entry.node == inode->number) {
        fuse_trust(fs, asked.entry.valid_ns);
        fuse_inode_of(inode)->lookups++;
        inode->links = asked.entry.attr.links > 0 ? asked.entry.attr.links : 1;
        mem_free(asked.parting);
        return 0;
    }
    look_undo(&asked);
    return fuse_fault(fs, "a link leads to something else");
}

/* ---- Removing and renaming ----------------------------------------------- */

int fuse_unlink(struct inode *dir, const struct name *name, struct inode *inode)
{
    const bool is_dir = inode->type == FILE_DIRECTORY;
    int status = ask_remove(dir, name, is_dir);

    if (status == -ENOENT)
        vfs_forget_names(dir->mount);
    if (status != 0)
        return status;
    fuse_inode_of(dir)->needs_sync = true;
    fuse_links_less(inode);
    if (is_dir && dir->links > 1)
        dir->links--;
    fuse_trust(fuse_of(dir), 0);
    return 0;
}

/* How many directories a directory has more or less in it. */
static void links_move(const struct rename *rename)
{
    const bool moves = rename->inode1->type == FILE_DIRECTORY;
    const bool other =
        rename->inode2 != NULL && rename->inode2->type == FILE_DIRECTORY;

    if (moves && rename->dir1->links > 1)
        rename->dir1->links--;
    if (moves)
        rename->dir2->links++;
    if (other && rename->dir2->links > 1)
        rename->dir2->links--;
    if (other && rename->exchange)
        rename->dir1->links++;
}

int fuse_rename(const struct rename *rename)
{
    const size_t names = rename->name1->len + rename->name2->len + 2;
    struct fuse_fs *fs = fuse_of(rename->dir1);
    struct message message;
    int status = message_begin(&message, fs,
                               rename->exchange ? FUSE_RENAME2 : FUSE_RENAME,
                               rename->dir1->number, 16 + names, 0);

    if (status != 0)
        return status;
    put64(&message, rename->dir2->number);
    if (rename->exchange) {
        put32(&message, FUSE_RENAME_EXCHANGE);
        put32(&message, 0);
    }
    put_name(&message, rename->name1);
    put_name(&message, rename->name2);
    status = message_ask_for(&message, 0);
    message_end(&message);
    if (status == -ENOENT)
        vfs_forget_names(fs->mount);
    if (status != 0)
        return status == -ENOSYS ? -ENOTSUP : status;
    links_move(rename);
    fuse_inode_of(rename->dir1)->needs_sync = true;
    fuse_inode_of(rename->dir2)->needs_sync = true;
    fuse_parent_set(rename->inode1, rename->dir2);
    if (rename->exchange)
        fuse_parent_set(rename->inode2, rename->dir1);
    if (rename->inode2 != NULL && !rename->exchange)
        fuse_links_less(rename->inode2);
    fuse_trust(fs, 0);
    return 0;
}

static bool has_nul(const uint8_t *bytes, int64_t len)
{
    return str_len((const char *)bytes, (size_t)len) < (size_t)len;
}

int64_t fuse_readlink(struct inode *inode, char *buf, size_t size)
{
    struct fuse_fs *fs = fuse_of(inode);
    struct message message;
    int64_t len = message_begin(&message, fs, FUSE_READLINK, inode->number, 0,
                                FILE_PATH_MAX);

    if (len != 0)
        return len;
    len = message_ask(&message);
    if (len == 0 || (len > 0 && has_nul(message_answer(&message), len)))
        len = fuse_fault(fs, "a link that leads nowhere");
    if (len > 0)
        memcpy(buf, message_answer(&message),
               (size_t)len < size ? (size_t)len : size);
    message_end(&message);
    return len;
}
