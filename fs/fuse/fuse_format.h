/*
 * The FUSE protocol, version 7.31, as virtio-fs carries it (VIRTIO 1.2, 5.11.6;
 * the layout is that of Linux, include/uapi/linux/fuse.h): numbers, and the
 * lengths of structures. All fields are little-endian, one behind the other
 * without gaps; where a field is told by its offset.
 */
#ifndef TORC_FS_FUSE_FORMAT_H
#define TORC_FS_FUSE_FORMAT_H

enum fuse_opcode {
    FUSE_LOOKUP = 1,
    FUSE_FORGET = 2, /* without an answer */
    FUSE_GETATTR = 3,
    FUSE_SETATTR = 4,
    FUSE_READLINK = 5,
    FUSE_SYMLINK = 6,
    FUSE_MKNOD = 8,
    FUSE_MKDIR = 9,
    FUSE_UNLINK = 10,
    FUSE_RMDIR = 11,
    FUSE_RENAME = 12,
    FUSE_LINK = 13,
    FUSE_OPEN = 14,
    FUSE_READ = 15,
    FUSE_WRITE = 16,
    FUSE_STATFS = 17,
    FUSE_RELEASE = 18,
    FUSE_FSYNC = 20,
    FUSE_SETXATTR = 21,
    FUSE_GETXATTR = 22,
    FUSE_LISTXATTR = 23,
    FUSE_REMOVEXATTR = 24,
    FUSE_INIT = 26,
    FUSE_OPENDIR = 27,
    FUSE_READDIR = 28,
    FUSE_RELEASEDIR = 29,
    FUSE_FSYNCDIR = 30,
    FUSE_DESTROY = 38,
    FUSE_BATCH_FORGET = 42, /* without an answer */
    FUSE_FALLOCATE = 43,
    FUSE_RENAME2 = 45,
};

enum {
    FUSE_MAJOR = 7,
    FUSE_MINOR = 31,
    FUSE_ROOT_NODE = 1,
};

/* Lengths of structures, in bytes. */
enum {
    FUSE_IN_HEADER = 40,
    FUSE_OUT_HEADER = 16,
    FUSE_ATTR = 88,
    FUSE_ENTRY_OUT = 40 + FUSE_ATTR,
    FUSE_ATTR_OUT = 16 + FUSE_ATTR,
    FUSE_INIT_OUT = 64,
    FUSE_OPEN_OUT = 16,
    FUSE_READ_IN = 40,
    FUSE_WRITE_IN = 40,
    FUSE_WRITE_OUT = 8,
    FUSE_STATFS_OUT = 80,
    FUSE_XATTR_OUT = 8,
    FUSE_DIRENT = 24, /* before the name */
    FUSE_FORGET_ONE = 16,
};

/* INIT: flags. */
enum {
    FUSE_ASYNC_READ = 1 << 0,
    FUSE_EXPORT_SUPPORT = 1 << 4,
    FUSE_BIG_WRITES = 1 << 5,
    FUSE_DONT_MASK = 1 << 6,
    FUSE_PARALLEL_DIROPS = 1 << 18,
    FUSE_MAX_PAGES = 1 << 22,
};

/* SETATTR: which fields are valid. */
enum {
    FUSE_SET_MODE = 1 << 0,
    FUSE_SET_UID = 1 << 1,
    FUSE_SET_GID = 1 << 2,
    FUSE_SET_SIZE = 1 << 3,
    FUSE_SET_ATIME = 1 << 4,
    FUSE_SET_MTIME = 1 << 5,
    FUSE_SET_HANDLE = 1 << 6,
};

/* What Linux calls O_RDONLY, O_RDWR, S_IFMT and so on, in messages. */
enum {
    FUSE_OPEN_READ = 0,
    FUSE_OPEN_BOTH = 2,
    FUSE_TYPE_SHIFT = 12, /* of st_mode; below it are 12 bits of the mode */
    FUSE_RENAME_EXCHANGE = 2,
    FUSE_FSYNC_DATA = 1,
    FUSE_FALLOC_PUNCH = 3, /* KEEP_SIZE | PUNCH_HOLE */
};

#endif
