/*
 * The client of a file server that speaks FUSE: its structures, and what its
 * files offer each other.
 *
 *   message.c   a message, and the wait for its answer
 *   parse.c     what the server says: attributes, entries, errors
 *   parting.c   telling it what is not needed any more
 *   inode.c     its nodes as inodes, how long they are trusted
 *   names.c     names: finding, making, removing, renaming
 *   up.c        from a directory to its parent
 *   dir.c       listing directories
 *   handle.c    files that are open at the server
 *   data.c      what files hold: where it lies, truncating, syncing
 *   transfer.c  requests of the page cache as READ and WRITE
 *   attr.c      attributes
 *   xattr.c     extended attributes
 *   ops.c       mounting
 *
 * Everything belongs to the CPU that mounted it.
 */
#ifndef TORC_FS_FUSE_INTERNAL_H
#define TORC_FS_FUSE_INTERNAL_H

#include "fs/fuse/fuse_format.h"
#include "kernel/device/fuse_channel.h"
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/errno.h>

enum {
    FUSE_SYNC_MAX = 8,      /* messages that threads wait for, at a time */
    FUSE_ASYNC_MAX = 8,     /* those that nobody waits for */
    FUSE_FLIGHTS = 32,      /* reads and writes at a time */
    FUSE_HANDLES_MAX = 64,  /* files open at the server that nobody uses */
    FUSE_WINDOW_SHIFT = 33, /* sectors of the channel for each file: 4 TiB */
    FUSE_WINDOWS_MAX = 1 << 20,
};

struct flight;

/* mount->fs_data. Owner CPU only. */
struct fuse_fs {
    struct fuse_channel *channel; /* constant */
    struct mount *mount;          /* constant */
    bool has_warned;              /* the server's faults are told once */
    uint64_t unique_next;
    uint64_t serial_last;
    unsigned sync_count;     /* messages that threads wait for */
    unsigned async_count;    /* that nobody waits for */
    uint64_t async_at_ns;    /* since then there are not fewer of these */
    unsigned release_count;  /* of these: files that are being closed */
    struct wait_queue quiet; /* until there are fewer of these */

    struct list looked; /* struct looked, of lookups under way */

    struct list partings; /* struct parting, to be sent */
    struct list forgets;  /* those whose files are being closed, or are */
    struct flush_work parting_work;

    struct list handles; /* inodes with handles, used longest ago first */
    unsigned handle_count;

    /* transfer.c */
    struct flight *flights;
    struct flight *free_flight;
    struct buf *slots; /* device memory, a slot for each */
    struct fuse_piece pieces[FUSE_CHANNEL_SEGMENTS + FUSE_CHANNEL_PIECES];
    struct fuse_inode **windows;
    uint32_t window_count; /* of the array; 0 is not used */
    uint32_t window_hint;  /* those before it are taken */
};

enum handle_kind { HANDLE_READ, HANDLE_BOTH, HANDLE_DIR, HANDLE_KINDS };

struct handle {
    uint64_t fh;
    bool is_open;
};

/* What the server is told when a node is not needed any more. It is made
 * before there is something to tell: the end of an inode needs no memory. */
struct parting {
    struct list link; /* in fs->partings */
    uint64_t node;
    uint64_t lookups;                    /* to be forgotten; 0: none */
    struct handle handles[HANDLE_KINDS]; /* to be released */
};

struct listing;

struct fuse_inode {
    struct inode inode;      /* first; its number is the server's node id */
    uint64_t lookups;        /* that the server counts */
    uint64_t host_number;    /* what users are told as its number */
    uint64_t serial;         /* no other inode of the mount has, or had, it */
    uint64_t parent;         /* of a directory: the node it was found in, */
    uint64_t parent_serial;  /* as it was then; 0: not known */
    struct parting *parting; /* NULL: the root */
    struct rwlock inner;     /* opening, listing, and setting the size */
    struct handle handles[HANDLE_KINDS];
    struct list handle_link; /* in fs->handles */
    unsigned in_flight;      /* reads and writes under way */
    uint64_t changed_at;     /* messages that began before it tell what was */
    uint32_t window;         /* in fs->windows; 0: none */

    /* Of a regular file: what the server has told last. */
    uint64_t server_size;
    struct file_time server_mtime;

    bool needs_sync; /* changed since the last FSYNC, or FSYNCDIR */

    struct listing *listing; /* of a directory: dir.c; NULL: none */
};

static inline struct fuse_fs *fuse_of(const struct inode *inode)
{
    return inode->mount->fs_data;
}

static inline struct fuse_inode *fuse_inode_of(const struct inode *inode)
{
    return container_of(inode, struct fuse_inode, inode);
}

/* ---- message.c ----------------------------------------------------------- */

/* A message that a thread sends, and its answer. */
struct message {
    struct fuse_call call;
    struct fuse_fs *fs;
    struct buf *buf;
    uint32_t room;    /* for the message, with its header; the answer follows */
    uint32_t len;     /* of the message, so far */
    uint32_t out_max; /* of the answer, with its header */
    uint64_t unique;
    bool is_async; /* nobody waits: it frees itself, on the heap */
    bool is_release;
    bool is_ended;
    int status;
    uint32_t written;
    struct wait_queue ended;
};

/*
 * Begin a message with room for `in` bytes behind its header, and for `out` of
 * the answer behind that one's. Returns 0, -ENOMEM. Ended by message_end().
 */
must_check int message_begin(struct message *message, struct fuse_fs *fs,
                             enum fuse_opcode opcode, uint64_t node, size_t in,
                             size_t out);

/* Add to it. */
void put32(struct message *message, uint32_t value);
void put64(struct message *message, uint64_t value);
void put_bytes(struct message *message, const void *bytes, size_t len);
void put_name(struct message *message, const struct name *name);

/* Say for whom the server is to do it. */
void message_owner(struct message *message, uint32_t uid, uint32_t gid);

/*
 * Send it and wait for the answer. Returns how many bytes it has behind its
 * header, which are at message_answer(); an error of the server; -EIO (it
 * breaks the protocol, or is gone).
 */
must_check int64_t message_ask(struct message *message);

/* The same, where the answer has this length; anything else is -EIO. */
must_check int message_ask_for(struct message *message, uint32_t len);

const uint8_t *message_answer(const struct message *message);
void message_end(struct message *message);

/* Send it without waiting, and free it, which mem_alloc() has made: `first`
 * before others, without an answer. In any case it is not the caller's any
 * more. Returns 0, -EAGAIN, -EIO. */
must_check int message_send(struct message *message, bool first);

/* Wait until one of those that nobody waits for has ended. */
void async_wait(struct fuse_fs *fs);

/* Give the server up if it has ended none of them for BLOCK_TIMEOUT_NS. */
void async_check(struct fuse_fs *fs);

/* The server has broken the protocol. Returns -EIO. */
int fuse_fault(struct fuse_fs *fs, const char *what);

/* ---- parse.c: what the server says --------------------------------------- */

struct fuse_attr {
    uint64_t unique; /* of the message that asked for them */
    uint64_t ino;    /* at the host */
    uint64_t size;
    uint64_t blocks;
    struct file_time atime, mtime, ctime;
    uint8_t type; /* enum file_type */
    uint16_t mode;
    uint32_t links;
    uint32_t uid, gid;
    uint64_t rdev;
};

struct fuse_entry {
    uint64_t node;     /* 0: there is no such name */
    uint64_t valid_ns; /* how long the name and the attributes are trusted */
    struct fuse_attr attr;
};

struct fuse_dirent {
    uint64_t ino;
    uint64_t next;    /* the offset behind it */
    uint8_t type;     /* enum file_type */
    const char *name; /* without NUL */
    uint32_t name_len;
    uint32_t bytes; /* to the next entry */
};

/* Decode what lies at `p`; whether it can be. */
must_check bool parse_attr(const uint8_t *p, struct fuse_attr *attr);
must_check bool parse_entry(const uint8_t *p, struct fuse_entry *entry);

/* Decode the entry at `p`, of `len` bytes that are left. Returns 1, 0 (there is
 * none, or not all of it), -EIO. */
must_check int parse_dirent(const uint8_t *p, size_t len,
                            struct fuse_dirent *entry);

/*
 * The header of an answer of `written` bytes. Returns how many are behind it,
 * the server's error, or -EPROTO: it is no answer to `unique`.
 */
must_check int64_t parse_header(const uint8_t *p, uint32_t written,
                                uint64_t unique);

/* What the server calls a type, in the mode of a file. */
uint32_t fuse_mode(uint8_t type, uint16_t mode);

/* ---- parting.c ----------------------------------------------------------- */

void partings_init(struct fuse_fs *fs);

/* Tell the server of it soon. It is not the caller's any more. Does not wait.
 */
void parting_queue(struct fuse_fs *fs, struct parting *parting);

/* Send all now, and wait until nothing that nobody waits for is under way. */
void partings_end(struct fuse_fs *fs);

/* ---- inode.c ------------------------------------------------------------- */

/* The answer of a lookup, for inode_read(). */
struct looked {
    struct list link; /* in fs->looked */
    const struct fuse_entry *entry;
    bool is_used;
};

/*
 * The inode of an entry that the server has counted: *out, held. `parting` is
 * taken in any case. Returns as inode_get().
 */
must_check int fuse_inode_get(struct fuse_fs *fs, struct fuse_entry *entry,
                              struct parting *parting, struct inode **out);

/* What the server says of an inode becomes what we know. Returns 0, 1 (not now:
 * somebody uses it, or has changed it meanwhile), -EIO (it has become something
 * else). */
must_check int fuse_refresh(struct inode *inode, const struct fuse_attr *attr);

/* A new inode is what the server says. */
must_check int fuse_fill(struct inode *inode, const struct fuse_attr *attr);

/* Ask the server for the attributes. Returns 0, or an error. */
must_check int fuse_ask_attr(struct fuse_fs *fs, uint64_t node,
                             struct fuse_attr *attr);

/* It was changed at the server: it needs an FSYNC, and what the server has said
 * of it before is old. */
void fuse_changed(struct fuse_inode *node);

/* How many links it has, after one was removed. */
void fuse_links_less(struct inode *inode);

/* Names are trusted for so long from now on; 0: not at all. */
void fuse_trust(struct fuse_fs *fs, uint64_t valid_ns);

int fuse_inode_read(struct inode *inode);
void fuse_inode_drop(struct inode *inode);
uint64_t fuse_number_told(const struct inode *inode);

/* ---- up.c ---------------------------------------------------------------- */

/* A directory was found, or made, in `dir`, or moved there. */
void fuse_parent_set(struct inode *inode, const struct inode *dir);

/* Whether an entry, of another node, is the root by what it is. */
bool fuse_is_root(struct fuse_fs *fs, const struct fuse_entry *entry);

/* The parent of a directory; as fs_ops.lookup(). */
must_check int fuse_lookup_up(struct inode *dir, struct inode **out);

/* The same, asked of the server (names.c). */
must_check int fuse_ask_up(struct inode *dir, struct inode **out);

/* ---- handle.c ------------------------------------------------------------ */

/* Open a regular file at the server for reading, or for both. Thread; may wait.
 * Returns 0, or an error. */
must_check int handle_open(struct inode *inode, enum handle_kind kind);

/* What is open to read from; NULL: nothing. */
const struct handle *handle_any(const struct fuse_inode *node);

/* A message of OPEN or OPENDIR; *handle is filled. */
must_check int handle_ask(struct inode *inode, enum fuse_opcode opcode,
                          uint32_t flags, struct handle *handle);

/* Its handles are taken for a parting. */
void handles_take(struct fuse_inode *node, struct parting *parting);

/* ---- transfer.c ---------------------------------------------------------- */

must_check int transfers_init(struct fuse_fs *fs);
void transfers_fini(struct fuse_fs *fs);

/* Give a file sectors of the channel. Returns 0, -ENOMEM, -ENFILE. */
must_check int window_open(struct fuse_inode *node);
void window_close(struct fuse_inode *node);

/* fuse_channel.transfer() */
int fuse_transfer(struct fuse_channel *channel, struct block_request *first);

/* ---- data.c -------------------------------------------------------------- */

must_check int fuse_data_init(struct inode *inode, uint64_t size);
int fuse_truncate(struct inode *inode, uint64_t old_bytes);
int fuse_punch(struct inode *inode, uint64_t from, uint64_t to);
int fuse_sync(struct inode *inode, bool data_only);

/* ---- The others: struct fs_ops ------------------------------------------- */

int fuse_lookup(struct inode *dir, const struct name *name, struct inode **out);
int fuse_create(struct inode *dir, const struct name *name,
                const struct new_inode *what, struct inode **out);
int fuse_link(struct inode *dir, const struct name *name, struct inode *inode);
int fuse_unlink(struct inode *dir, const struct name *name,
                struct inode *inode);
int fuse_rename(const struct rename *rename);
int fuse_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry);
must_check int fuse_dir_sync(struct inode *dir, bool data_only);
/* FSYNC or FSYNCDIR of what is open. */
must_check int fuse_ask_sync(struct inode *inode, enum fuse_opcode opcode,
                             uint64_t fh, bool data_only);
void listing_drop(struct fuse_inode *node);
int64_t fuse_readlink(struct inode *inode, char *buf, size_t size);
int fuse_attr_set(struct inode *inode, const struct vfs_attr *attr);
int fuse_inode_write(struct inode *inode);
int fuse_statfs(struct mount *mount, struct file_fs_stat *stat);
int64_t fuse_xattr_get(struct inode *inode, const char *name, void *value,
                       size_t size);
int64_t fuse_xattr_list(struct inode *inode, char *names, size_t size);
int fuse_xattr_set(struct inode *inode, const char *name, const void *value,
                   size_t size);

/* Set the size at the server to what it is here, if that is another one. The
 * file is locked exclusively. */
must_check int fuse_size_set(struct inode *inode);

/* Whether the server is to be told the size of a file that has a name. */
bool fuse_size_differs(const struct inode *inode);

#endif
