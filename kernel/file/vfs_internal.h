/* What the files of kernel/file offer each other. */
#ifndef TORC_KERNEL_VFS_INTERNAL_H
#define TORC_KERNEL_VFS_INTERNAL_H

#include "kernel/cpu/percpu.h"
#include "kernel/file/vfs.h"
#include <torc/assert.h>

/* ---- Mounts (mount.c) ---------------------------------------------------- */

/*
 * One a CPU: cpu->mounts. A mount is in the table from before its first wait,
 * so that a second one cannot take the same place; walks see it when it is
 * complete.
 */
/* Calls of other CPUs (carry.h), for a CPU that they may be about. */
struct serving {
    struct queue calls;     /* struct carried that wait, oldest first */
    struct wait_queue idle; /* threads without a call */
    unsigned threads;
    unsigned idle_count;
};

struct mount_table {
    bool (*reclaim)(struct mount_table *table); /* constant */
    struct list mounts;                         /* struct mount, oldest first */
    struct inode *root; /* of the mount at "/" when it is complete, or NULL */
    struct serving serving; /* calls of other CPUs */
};

/* The table of this CPU, made if there is none. NULL: no memory. */
struct mount_table *mount_table_of(struct cpu *cpu);

/*
 * A call that changes something begins, and has ended. In between the mount
 * does not become read-only. It looks whether it is (mount->is_read_only) after
 * the begin or, without a wait in between, before.
 */
static inline void change_begin(struct mount *mount)
{
    mount->changes++;
}

static inline void change_end(struct mount *mount)
{
    assert(mount->changes > 0);
    mount->changes--;
}

/* Whether something is mounted, or being mounted, on a directory. */
bool mount_is_on(const struct inode *inode);

/* Whether anybody has to do with a mount: it alone may hold its root, and
 * nobody anything else. */
static inline bool mount_is_used(const struct mount *mount)
{
    return mount->root->refs > 1 || mount->used_count > 1;
}

/*
 * Write what a mount, which is not used, has in memory, so that it can go; what
 * cannot be written is logged. Thread of the owner; may wait, and others may
 * use the mount meanwhile: false, it must stay (mount_write.c).
 */
must_check bool mount_write(struct mount *mount);

/* ---- Inodes (inode.c) ---------------------------------------------------- */

/* Set up what inode.c has of a mount. Returns 0, -ENOMEM. */
must_check int inodes_init(struct mount *mount);

/* There are no inodes any more. */
void inodes_fini(struct mount *mount);

/* Free unused inodes, down to `keep` of them; not those with something to be
 * written. If there is to be no wait, not those with pages either. */
void inodes_shrink(struct mount *mount, unsigned keep, bool may_wait);

/* Free all inodes, none of which is held; also those that the file system
 * keeps, but not those that inodes_evict() tries again. Thread; may wait. */
void inodes_drop(struct mount *mount);

/* Free those, too: behind dirty_stop(), when nothing tries again any more. */
void inodes_drop_removed(struct mount *mount);

/* Try again to free the storage of inodes that were removed, where it failed.
 * Thread; may wait. Returns 0, or the first error. */
must_check int inodes_evict(struct mount *mount);

/* Whether some have no links any more: their storage is still to be freed. */
bool inodes_any_removed(const struct mount *mount);

void inodes_check(const struct mount *mount);

/* ---- Attributes that are to be written (dirty.c) ------------------------- */

void dirty_init(struct mount *mount);

/* Write pages and attributes of all inodes that have dirty attributes, also of
 * those that are held. Thread; may wait. Returns 0, or the first error: what
 * could not be written is tried again later. */
must_check int dirty_write(struct mount *mount);

/* An inode leaves the memory, or its mount goes: wait for what is under way;
 * what is dirty is lost. */
void dirty_forget(struct inode *inode);
void dirty_stop(struct mount *mount);

void dirty_check(const struct mount *mount);

/* ---- Names --------------------------------------------------------------- */

/* What leads from a directory to its parent. */
static inline struct name name_up(const struct inode *dir)
{
    return (struct name){"..", 2, hash_bytes(&dir->mount->name_key, "..", 2)};
}

/* Whether it is "." or "..". */
static inline bool name_is_dots(const struct name *name)
{
    return name->text[0] == '.' &&
           (name->len == 1 || (name->len == 2 && name->text[1] == '.'));
}

/* ---- Dentries (dentry.c) ------------------------------------------------- */

/*
 * What a name in a directory leads to, or that nothing has it. A dentry holds
 * neither: both drop theirs when they leave the memory.
 */
struct dentry {
    struct hash_node node; /* first: in mount->dentries */
    struct inode *dir;
    struct inode *inode;  /* live; NULL: nothing has this name */
    struct list by_dir;   /* in dir->entries */
    struct list by_inode; /* in inode->names */
    struct list clock;    /* in mount->dentry_clock */
    bool used;            /* since it was looked at last */
    uint8_t len;
    char name[];
};

must_check int dentries_init(struct mount *mount);
void dentries_fini(struct mount *mount);

static inline uint32_t dentry_hash(const struct inode *dir,
                                   const struct name *name)
{
    return name->hash ^ dir->node.hash;
}

/* The dentry of a name, NULL: it is not known what the name leads to. */
struct dentry *dentry_find(const struct inode *dir, const struct name *name);

/* Keep that a name leads to an inode, or (NULL) to nothing; both are held.
 * Without memory it is not kept. */
void dentry_set(struct inode *dir, const struct name *name,
                struct inode *inode);

/* Forget a name, if it is known; all names in a directory or that lead to an
 * inode; only those that lead to it. */
void dentry_forget(const struct inode *dir, const struct name *name);
void dentry_forget_all(struct inode *inode);
void dentry_forget_names(struct inode *inode);

/* Free dentries, down to `keep` of them. */
void dentries_shrink(struct mount *mount, unsigned keep);

void dentries_check(const struct mount *mount);

/* ---- Paths (walk.c) ------------------------------------------------------ */

/*
 * A walk along a path. What is in memory is walked without holding it: nothing
 * can go away before the first wait. From there on the walk holds the directory
 * that it has reached.
 */
struct walk {
    struct inode *at;
    bool holds;        /* `at` is held */
    unsigned links;    /* followed so far */
    const char *rest;  /* of the path */
    const char *limit; /* where the path is too long */
    char *text; /* FILE_PATH_MAX bytes that hold the rest, once a link was
                        * followed; else NULL: the rest is the caller's */
};

/* The last component of a path: what a call is about to make or remove. */
struct last {
    struct name name; /* len 0: the path has none ("/") */
    bool slash;       /* slashes follow */
};

/* Where the calling thread's paths without a slash in front begin; NULL: there
 * is no root, or it is on another CPU (cwd.c). */
struct inode *walk_start(void);

/* What a walk says that cannot begin: -ENOENT, or -EREMOTE: paths of the thread
 * begin on another CPU. */
int walk_nowhere(const char *path);

/* Begin at the root, or where the thread is. Returns 0, -ENOENT, -EREMOTE.
 * After 0 the walk is ended with walk_end(). */
must_check int walk_begin(struct walk *walk, const char *path);
void walk_end(struct walk *walk);

/* Walk all of the rest; with `follow` false not along a link at its end.
 * Thread; may wait. Returns as vfs_walk(). */
must_check int walk_all(struct walk *walk, bool follow);

/* Walk to the directory of the last component. Returns as walk_all(). */
must_check int walk_parent(struct walk *walk, struct last *last);

/* Follow a link that the last component leads to: held by the caller. The rest
 * of the path is then what it says. Returns as walk_all(). */
must_check int walk_link(struct walk *walk, struct inode *link);

/* As vfs_walk(), but a portal itself can be the result; what is behind it is
 * -EXDEV. */
must_check int walk_here(const char *path, struct inode **out);

/* Where a path leaves this CPU (portal.c). */
struct portal_path {
    struct walk walk;    /* to the portal */
    unsigned cpu;        /* where it goes on */
    const char *path;    /* there */
    struct inode *start; /* there, if the path is relative; NULL: the root */
};

/* Find out, after a walk has returned -EREMOTE. Returns 0, then portal_end() is
 * called, or as vfs_walk(). */
must_check int portal_find(const char *path, struct portal_path *away);
void portal_end(struct portal_path *away);

/* Hold what the walk has reached. */
static inline void walk_hold(struct walk *walk)
{
    if (!walk->holds)
        inode_hold(walk->at);
    walk->holds = true;
}

/* ---- Data (vfs_data.c) --------------------------------------------------- */

/* Returns 0, -EISDIR, -EINVAL (no regular file). The second one is for what
 * will be written, and starts the flusher; also -EROFS, -ENOMEM. */
must_check int vfs_check_regular(const struct inode *inode);
must_check int vfs_check_writable(const struct inode *inode);

/* Let a file that is locked have a larger size; inode->size_bytes stays.
 * Returns 0; after -EFBIG or an error of mapping_truncate() or page_modify() it
 * is as long as it was. */
must_check int grow(struct inode *inode, uint64_t size_bytes);

/*
 * Whether `size` bytes at `offset` of an inode may be had without a wait: all
 * of them are in one page of a regular file and before its end, and nobody who
 * changes the file waits. Then what is done without a wait needs no lock.
 */
static inline bool is_quick(const struct inode *inode, uint64_t offset,
                            uint64_t size)
{
    return inode->type == FILE_REGULAR && inode->lock.writer == NULL &&
           offset < inode->size_bytes && size <= inode->size_bytes - offset &&
           size - 1 < PAGE_BYTES - offset % PAGE_BYTES; /* false of 0 */
}

/*
 * After an error: a file that is locked is as long as it was, `old` bytes, and
 * what it was given behind that is given back, also what the flusher has
 * written meanwhile. What fails of it is left behind the end.
 */
void grow_undo(struct inode *inode, uint64_t old);

/* ---- Lookup (vfs_lookup.c) ----------------------------------------------- */

/* As vfs_lookup(), in a directory that the caller has locked. */
must_check int lookup_locked(struct inode *dir, const struct name *name,
                             struct inode **out);

/* Whether a directory, which is locked, has no entries but "." and "..".
 * Returns 0, -ENOTEMPTY, or the error of fs_ops.readdir(). */
must_check int check_empty(struct inode *dir);

/*
 * What a hostile disk may say: a directory, held and found in `dir`, which is
 * locked, is that directory itself, or has another parent. Then no order in
 * which they are locked is safe, but that the rename lock is held, too. Returns
 * 0, or -EUCLEAN; *stray, if it is set, is put when no lock is held.
 */
must_check int check_is_in(struct inode *dir, struct inode *child,
                           struct inode **stray);

/* Whether names may change in a directory, which is locked. Returns 0, -ENOENT
 * (it has been removed), -EROFS. */
must_check int check_changeable(const struct inode *dir);

/* Say that a directory has changed: its times. */
void dir_changed(struct inode *dir);

#endif
