/*
 * Renaming: the rules that are the same for all file systems.
 *
 * Between two directories, and if what is renamed is one, the mount's
 * rename_lock is held, so that no directory gets another parent meanwhile:
 * which of the two is above the other stays true until both are locked. The
 * directory through which the lower one is reached from the upper one is found
 * on the way: it cannot be moved into the lower one, which is below it, and it
 * is not empty.
 */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/string.h>

/* An operation under way. */
struct renaming {
    struct rename rename; /* inode1, inode2: held */
    struct inode *trap1;  /* in dir1 above dir2; held, or NULL */
    struct inode *trap2;  /* in dir2 above dir1; held, or NULL */
    struct inode *stray;  /* check_is_in(); held, or NULL */
    bool holds_parents;   /* the mount's rename lock */
    unsigned flags;
};

/* One step up, from an inode that is held to its parent, held. */
static int climb(struct inode *dir, struct inode **out)
{
    const struct name up = name_up(dir);

    return vfs_lookup(dir, &up, out);
}

/*
 * Whether `top` is above `dir`: then *below, held, is what in `top` leads to
 * `dir`. Otherwise it is NULL. The rename lock is held: what was climbed is
 * given back without a wait. Returns 0, -EUCLEAN (a circle, or a directory that
 * has been removed; it may be *below), or as vfs_lookup().
 */
static int find_below(struct inode *top, struct inode *dir,
                      struct inode **below)
{
    struct inode *at = dir, *parent;
    uint64_t mark = 0; /* one that was passed: a circle comes to it again */
    int status = 0;

    inode_hold(at);
    for (unsigned depth = 1; at != at->mount->root; depth++) {
        if ((depth & (depth - 1)) == 0)
            mark = at->number;
        status = climb(at, &parent);
        if (status != 0)
            break;
        if (parent == top) {
            inode_put_quick(parent);
            *below = at;
            return 0;
        }
        inode_put_quick(at);
        at = parent;
        if (at->links == 0) {
            *below = at;
            return -EUCLEAN;
        }
        if (at->number == mark) {
            status = -EUCLEAN;
            break;
        }
    }
    inode_put_quick(at);
    return status;
}

/* ---- Locks --------------------------------------------------------------- */

static void lock_two(struct inode *first, struct inode *second)
{
    rwlock_lock(&first->lock);
    if (second != first)
        rwlock_lock(&second->lock);
}

static void lock_by_number(struct inode *a, struct inode *b)
{
    if (a->number <= b->number)
        lock_two(a, b);
    else
        lock_two(b, a);
}

static void unlock_two(struct inode *a, struct inode *b)
{
    rwlock_unlock(&a->lock);
    if (a != b)
        rwlock_unlock(&b->lock);
}

/* Find out how two directories lie, and lock them. The rename lock is held. */
static int lock_placed(struct renaming *op)
{
    struct inode *dir1 = op->rename.dir1, *dir2 = op->rename.dir2;
    int status = find_below(dir1, dir2, &op->trap1);

    if (status == 0 && op->trap1 == NULL)
        status = find_below(dir2, dir1, &op->trap2);
    if (status != 0)
        return status;
    if (op->trap1 != NULL)
        lock_two(dir1, dir2);
    else if (op->trap2 != NULL)
        lock_two(dir2, dir1);
    else
        lock_by_number(dir1, dir2);
    return 0;
}

/* Lock both directories, after an error none. */
static int lock_dirs(struct renaming *op)
{
    struct inode *dir1 = op->rename.dir1, *dir2 = op->rename.dir2;
    int status = 0;

    if (op->holds_parents)
        rwlock_lock(&dir1->mount->rename_lock);
    if (dir1 == dir2)
        rwlock_lock(&dir1->lock);
    else
        status = lock_placed(op);
    if (status != 0)
        rwlock_unlock(&dir1->mount->rename_lock);
    return status;
}

static void unlock_dirs(struct renaming *op)
{
    unlock_two(op->rename.dir1, op->rename.dir2);
    if (op->holds_parents)
        rwlock_unlock(&op->rename.dir1->mount->rename_lock);
}

/* ---- Rules --------------------------------------------------------------- */

/* Find what the names lead to; inode2 may be NULL. */
static int find_both(struct renaming *op)
{
    struct rename *rename = &op->rename;
    int status = lookup_locked(rename->dir1, rename->name1, &rename->inode1);

    if (status != 0) {
        rename->inode1 = NULL;
        return status;
    }
    status = lookup_locked(rename->dir2, rename->name2, &rename->inode2);
    if (status != 0)
        rename->inode2 = NULL;
    if (status == -ENOENT && !rename->exchange)
        return 0;
    return status;
}

/* An entry that leads to one of the directories it may be in. */
static bool is_dir(const struct rename *rename, const struct inode *inode)
{
    return inode == rename->dir1 || inode == rename->dir2;
}

/* One inode goes to where the other is, or was. */
static int check_places(const struct renaming *op)
{
    const struct rename *rename = &op->rename;

    if (rename->inode1 == op->trap1)
        return -EINVAL;
    if (rename->inode2 != NULL && rename->inode2 == op->trap2)
        return rename->exchange ? -EINVAL : -ENOTEMPTY;
    if (is_dir(rename, rename->inode1) || is_dir(rename, rename->inode2))
        return -EUCLEAN;
    if (mount_is_on(rename->inode1))
        return -EBUSY;
    if (rename->inode2 != NULL && mount_is_on(rename->inode2))
        return -EBUSY;
    return 0;
}

/* Directories are where the names say; -EAGAIN: the rename lock is missing. */
static int check_parents(struct renaming *op)
{
    const struct rename *rename = &op->rename;
    struct inode *inode2 = rename->inode2;
    int status;

    if (!op->holds_parents &&
        (rename->inode1->type == FILE_DIRECTORY ||
         (inode2 != NULL && inode2->type == FILE_DIRECTORY)))
        return -EAGAIN;
    status = check_is_in(rename->dir1, rename->inode1, &op->stray);
    if (status == 0 && inode2 != NULL)
        status = check_is_in(rename->dir2, inode2, &op->stray);
    return status;
}

/* inode1 takes the place of inode2, which is locked. */
static int check_replaced(const struct rename *rename)
{
    bool is_dir1 = rename->inode1->type == FILE_DIRECTORY;
    bool is_dir2 = rename->inode2->type == FILE_DIRECTORY;

    if (is_dir1 && !is_dir2)
        return -ENOTDIR;
    if (!is_dir1 && is_dir2)
        return -EISDIR;
    return is_dir2 ? check_empty(rename->inode2) : 0;
}

/* ---- The operation ------------------------------------------------------- */

/* A directory has another parent. */
static void forget_parent(struct inode *inode)
{
    const struct name up = name_up(inode);

    if (inode->type == FILE_DIRECTORY)
        dentry_forget(inode, &up);
}

/* Names that lead to what has moved, however they are spelled. */
static void forget_spellings(const struct rename *rename)
{
    dentry_forget_names(rename->inode1);
    if (rename->inode2 != NULL)
        dentry_forget_names(rename->inode2);
}

static void renamed(const struct rename *rename)
{
    rename->inode1->ctime = vfs_now_in(rename->inode1->mount);
    inode_dirty(rename->inode1, INODE_REST);
    if (rename->inode2 != NULL) {
        rename->inode2->ctime = rename->inode1->ctime;
        inode_dirty(rename->inode2, INODE_REST);
    }
    dir_changed(rename->dir1);
    dir_changed(rename->dir2);
    if (rename->dir1->mount->ops->folds_names)
        forget_spellings(rename);
    dentry_set(rename->dir1, rename->name1,
               rename->exchange ? rename->inode2 : NULL);
    dentry_set(rename->dir2, rename->name2, rename->inode1);
    forget_parent(rename->inode1);
    if (rename->exchange)
        forget_parent(rename->inode2);
}

/* All four are locked. */
static int rename_locked(const struct rename *rename)
{
    int status = 0;

    if (rename->inode2 != NULL && !rename->exchange)
        status = check_replaced(rename);
    if (status == 0)
        status = rename->dir1->mount->ops->rename(rename);
    if (status == 0)
        renamed(rename);
    return status;
}

/* Whether one entry is to be spelled another way: there are no two names. */
static bool is_respelled(const struct rename *rename)
{
    const struct name *name1 = rename->name1, *name2 = rename->name2;

    return rename->dir1->mount->ops->folds_names && !rename->exchange &&
           rename->dir1 == rename->dir2 && rename->inode1 == rename->inode2 &&
           (name1->len != name2->len ||
            memcmp(name1->text, name2->text, name1->len) != 0);
}

/* The directories are locked. */
static int rename_between(struct renaming *op)
{
    struct rename *rename = &op->rename;
    int status = find_both(op);

    if (status != 0)
        return status;
    if (is_respelled(rename)) {
        inode_put_quick(rename->inode2);
        rename->inode2 = NULL;
    }
    if (rename->inode2 != NULL && (op->flags & FILE_RENAME_NOREPLACE) != 0)
        return -EEXIST;
    status = check_places(op);
    if (status == 0)
        status = check_changeable(rename->dir1);
    if (status == 0)
        status = check_changeable(rename->dir2);
    if (status == 0)
        status = check_parents(op);
    if (status != 0 || rename->inode1 == rename->inode2)
        return status; /* two names of one inode stay as they are */
    change_begin(rename->dir1->mount);
    if (rename->inode2 == NULL)
        rwlock_lock(&rename->inode1->lock);
    else
        lock_by_number(rename->inode1, rename->inode2);
    status = rename_locked(rename);
    unlock_two(rename->inode1,
               rename->inode2 != NULL ? rename->inode2 : rename->inode1);
    change_end(rename->dir1->mount);
    return status;
}

static void put_all(struct renaming *op)
{
    struct inode **const held[] = {&op->rename.inode1, &op->rename.inode2,
                                   &op->trap1, &op->trap2, &op->stray};

    for (size_t i = 0; i < COUNT_OF(held); i++) {
        if (*held[i] != NULL)
            inode_put(*held[i]);
        *held[i] = NULL;
    }
}

static int rename_once(struct renaming *op)
{
    int status = lock_dirs(op);

    if (status == 0) {
        status = rename_between(op);
        unlock_dirs(op);
    }
    put_all(op);
    return status;
}

int vfs_rename(struct inode *dir1, const struct name *name1, struct inode *dir2,
               const struct name *name2, unsigned flags)
{
    const unsigned both = FILE_RENAME_NOREPLACE | FILE_RENAME_EXCHANGE;
    struct renaming op = {
        .rename = {.dir1 = dir1, .name1 = name1, .dir2 = dir2, .name2 = name2},
        .flags = flags};
    int status;

    if ((flags & ~both) != 0 || flags == both)
        return -EINVAL;
    if (dir1->type != FILE_DIRECTORY || dir2->type != FILE_DIRECTORY)
        return -ENOTDIR;
    if (dir1->mount != dir2->mount)
        return -EXDEV;
    op.rename.exchange = (flags & FILE_RENAME_EXCHANGE) != 0;
    op.holds_parents = dir1 != dir2;
    status = rename_once(&op);
    if (status == -EAGAIN && !op.holds_parents) {
        op.holds_parents = true;
        status = rename_once(&op);
    }
    return status;
}
