/*
 * Files served by number: what the host half (ops_*.c) asks of the file system
 * that is mounted at "/". The kernel half (tools/fuse) implements it. Plain
 * types, Torc's errors.
 *
 * Linux names an inode by a node: 1 is the root, others it has got from
 * serve_lookup() and its like. Each struct serve_entry counts as one lookup of
 * its node, which stays in memory until serve_forget() has taken back as many.
 *
 * All are called by a thread of the kernel, on its CPU, and may wait unless
 * they say otherwise. Of a node that Linux does not have they return -ENOENT.
 */
#ifndef TORC_TOOLS_FUSE_HOST_SERVE_H
#define TORC_TOOLS_FUSE_HOST_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum {
    SERVE_ROOT = 1,
    SERVE_SIZE_MAX = 1 << 20,                 /* bytes of a read or a write */
    SERVE_PIECES = SERVE_SIZE_MAX / 4096 + 1, /* of what is read */
    SERVE_NAME_MAX = 255,
};

struct serve_time {
    int64_t s;
    uint32_t ns;
};

struct serve_attr {
    uint64_t inode;
    uint32_t mode; /* as st_mode, with the type */
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint64_t rdev;
    uint64_t size_bytes;
    uint64_t blocks;  /* of 512 bytes */
    bool is_settling; /* some are still to be chosen: of what was written */
    struct serve_time atime;
    struct serve_time mtime;
    struct serve_time ctime;
};

struct serve_entry {
    uint64_t node; /* 0: there is none */
    struct serve_attr attr;
};

/* ---- Nodes (serve_node.c) ------------------------------------------------ */

int serve_lookup(uint64_t dir, const char *name, struct serve_entry *out);

/* Take back lookups: of a node that is there. */
void serve_forget(uint64_t node, uint64_t count);

int serve_getattr(uint64_t node, struct serve_attr *out);

enum serve_change_mask {
    SERVE_MODE = 1,
    SERVE_UID = 2,
    SERVE_GID = 4,
    SERVE_ATIME = 8,
    SERVE_MTIME = 16,
    SERVE_ATIME_NOW = 32,
    SERVE_MTIME_NOW = 64,
    SERVE_SIZE = 128,
    SERVE_DROP_RIGHTS = 256, /* set-user-ID, set-group-ID: as a write does */
};

struct serve_change {
    unsigned mask;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes;
    struct serve_time atime;
    struct serve_time mtime;
};

/* *out is what the inode is then. */
int serve_setattr(uint64_t node, const struct serve_change *change,
                  struct serve_attr *out);

/* The target of a link, at most `size` bytes of it: how many. */
int64_t serve_readlink(uint64_t node, char *buf, size_t size);

/* ---- Names (serve_name.c) ------------------------------------------------ */

struct serve_new {
    uint32_t mode; /* as st_mode, with the type */
    uint32_t uid;
    uint32_t gid;
    uint64_t rdev;
    const char *target; /* of a link; else NULL */
};

int serve_create(uint64_t dir, const char *name, const struct serve_new *what,
                 struct serve_entry *out);
int serve_link(uint64_t node, uint64_t dir, const char *name,
               struct serve_entry *out);
int serve_unlink(uint64_t dir, const char *name);
int serve_rmdir(uint64_t dir, const char *name);

/* The flags are those of renameat2(2). */
int serve_rename(uint64_t dir1, const char *name1, uint64_t dir2,
                 const char *name2, unsigned flags);

struct serve_dirent {
    uint64_t inode;
    uint32_t mode;            /* the type, as in st_mode; 0: not known */
    uint64_t next;            /* the cursor behind it */
    struct serve_entry entry; /* node 0: not looked up */
    char name[SERVE_NAME_MAX + 1];
};

/*
 * The entry at `cursor`, which is 0 or what another entry said. With `plus` it
 * is looked up, too, where that can be done. Returns 1, 0 at the end, an error.
 */
int serve_readdir(uint64_t dir, uint64_t cursor, bool plus,
                  struct serve_dirent *out);

/* ---- What files hold (serve_data.c) -------------------------------------- */

/* As struct iovec. */
struct serve_piece {
    const void *base;
    size_t size;
};

/* What was read, where it lies in the cache. */
struct serve_data {
    unsigned count;
    struct serve_piece pieces[SERVE_PIECES];
    void *slices; /* serve_data.c's */
};

/* Memory for what is read; NULL: there is none. Does not wait. */
struct serve_data *serve_data_new(void);
void serve_data_free(struct serve_data *data);

/* Read up to `size` bytes. After 0 the caller looks at *data without a wait,
 * then calls serve_read_end(). */
int serve_read(uint64_t node, uint64_t offset, size_t size,
               struct serve_data *data);
void serve_read_end(struct serve_data *data);

/* Returns how many bytes. */
int64_t serve_write(uint64_t node, const void *data, size_t size,
                    uint64_t offset);

/*
 * Memory for SERVE_SIZE_MAX bytes that Linux writes; NULL: there is none. Does
 * not wait. And the same as serve_write() of what is at its begin: where much
 * is written the pages become the file's, and *room NULL. *data is used
 * meanwhile.
 */
void *serve_room_new(void);
void serve_room_free(void *room);
int64_t serve_write_room(uint64_t node, void **room, size_t size,
                         uint64_t offset, struct serve_data *data);

/* Wait until the device has what the inode holds and is. */
int serve_sync(uint64_t node, bool data_only);

/* The mode is that of fallocate(2). */
int serve_allocate(uint64_t node, int mode, uint64_t offset, uint64_t size);

/* As SEEK_DATA and SEEK_HOLE of lseek(2). */
int64_t serve_seek(uint64_t node, uint64_t offset, bool hole);

/* ---- Extended attributes and the file system (serve_more.c) -------------- */

/* As getxattr(2) and its like: of size 0 the length is told. */
int64_t serve_xattr_get(uint64_t node, const char *name, void *value,
                        size_t size);
int64_t serve_xattr_list(uint64_t node, char *names, size_t size);
int serve_xattr_set(uint64_t node, const char *name, const void *value,
                    size_t size, unsigned flags);
int serve_xattr_remove(uint64_t node, const char *name);

struct serve_fs {
    uint32_t block_bytes;
    uint64_t blocks;
    uint64_t blocks_free;
    uint64_t inodes;
    uint64_t inodes_free;
};

int serve_statfs(struct serve_fs *out);

#endif
