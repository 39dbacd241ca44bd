/* A file system in memory: its structures, and what its files offer each
 * other. */
#ifndef TORC_FS_MEMFS_INTERNAL_H
#define TORC_FS_MEMFS_INTERNAL_H

#include "kernel/file/hash.h"
#include "kernel/file/vfs.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>

/* mount->fs_data. Owner CPU only. */
struct memfs {
    uint64_t inode_max; /* constant */
    uint64_t page_max;  /* constant */
    uint64_t inode_count;
    uint64_t page_count;  /* of data */
    uint64_t byte_count;  /* of names, targets and attributes */
    uint64_t number_next; /* of the next inode; never used again */
};

struct xattr;

/* A name in a directory. */
struct memfs_entry {
    struct hash_node node;  /* in dir->names */
    struct list order;      /* in dir->entries */
    uint64_t cookie;        /* grows along dir->entries */
    struct memfs_inode *to; /* in memory: it has a link */
    uint8_t len;
    char name[];
};

struct memfs_inode {
    struct inode inode; /* first */

    /* A directory: */
    struct memfs_inode *parent; /* NULL: it has been removed */
    struct hash_table names;
    struct list entries;
    uint64_t cookie_next;
    /* The entry that readdir() at `hint_cursor` begins with, or the list's
     * head; cursor 0: none is known. */
    struct list *hint;
    uint64_t hint_cursor;

    struct xattr *xattrs; /* xattr.c */
    char *target;         /* of a symbolic link, without NUL; size_bytes long */
};

static inline struct memfs *memfs_of(const struct inode *inode)
{
    return inode->mount->fs_data;
}

static inline struct memfs_inode *memfs_inode_of(const struct inode *inode)
{
    return container_of(inode, struct memfs_inode, inode);
}

/* Pages that are full, with those that names, targets and attributes need. */
static inline uint64_t memfs_pages(const struct memfs *fs)
{
    return fs->page_count + (fs->byte_count + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* ---- data.c -------------------------------------------------------------- */

/* Make the mapping of a regular file, which is empty. Returns 0, -ENOMEM. */
must_check int memfs_data_init(struct memfs_inode *node);

/* ---- xattr.c ------------------------------------------------------------- */

/* struct fs_ops */
int64_t memfs_xattr_get(struct inode *inode, const char *name, void *value,
                        size_t size);
int64_t memfs_xattr_list(struct inode *inode, char *names, size_t size);
int memfs_xattr_set(struct inode *inode, const char *name, const void *value,
                    size_t size);

/* Free all. */
void memfs_xattr_drop(struct memfs_inode *node);

/* ---- inode.c ------------------------------------------------------------- */

/* Count `more` bytes in place of `less` that go. Returns 0, -ENOSPC. */
must_check int memfs_count(struct memfs *fs, uint64_t more, uint64_t less);
void memfs_uncount(struct memfs *fs, uint64_t bytes);

/* Make an inode that no name leads to yet; returns as fs_ops.create(). */
must_check int memfs_inode_make(struct mount *mount,
                                const struct new_inode *what,
                                struct memfs_inode **out);

int memfs_inode_evict(struct inode *inode);
void memfs_inode_drop(struct inode *inode);
int64_t memfs_readlink(struct inode *inode, char *buf, size_t size);

/* ---- dir.c: struct fs_ops ------------------------------------------------ */

int memfs_lookup(struct inode *dir, const struct name *name,
                 struct inode **out);
int memfs_create(struct inode *dir, const struct name *name,
                 const struct new_inode *what, struct inode **out);
int memfs_link(struct inode *dir, const struct name *name, struct inode *inode);
int memfs_unlink(struct inode *dir, const struct name *name,
                 struct inode *inode);
int memfs_rename(const struct rename *rename);
int memfs_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry);

/* Set up a directory without entries; free what is in it. */
must_check int memfs_dir_init(struct memfs_inode *dir);
void memfs_dir_fini(struct memfs_inode *dir);

/* Assert what is always true of a directory. */
void memfs_dir_check(const struct memfs_inode *dir);

#endif
