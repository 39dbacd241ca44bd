/*
 * Making a file system that is full from the start: what fs/ext2/make and
 * fs/fat/make share. A tree of files is lent by the caller, and the volume is
 * written from its front to its back: what lies where depends on the tree
 * alone, so the same tree makes the same bytes.
 *
 * Nothing else has the volume, and it reads as zeros before. The caller lends
 * memory and a disk, so this runs in a kernel as well as in a tool of the host.
 */
#ifndef TORC_FS_MAKE_H
#define TORC_FS_MAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>

/* ---- The tree ------------------------------------------------------------ */

struct make_file;

/* An entry of a directory. */
struct make_name {
    const char *text; /* without '/' and NUL, neither "." nor ".." */
    uint32_t len;     /* 1 .. FILE_NAME_MAX */
    struct make_file *file;
};

/* An extended attribute. */
struct make_xattr {
    const char *name; /* with its prefix, NUL-terminated: "user.note" */
    const void *value;
    uint32_t size;
};

/* A file of any type, which several names may lead to. What the caller does not
 * fill is 0. */
struct make_file {
    uint8_t type;  /* enum file_type */
    uint16_t mode; /* the low 12 bits of st_mode */
    uint32_t uid, gid;
    struct file_time time; /* of all kinds */
    uint64_t size_bytes;   /* of a regular file; of a link's target */
    uint64_t rdev;         /* of a device, in 32 bits as Linux has it */
    const char *target;    /* of a symbolic link */
    const struct make_xattr *xattrs;
    uint32_t xattr_count;
    const struct make_name *names; /* of a directory: in the order they are */
    uint32_t name_count;           /* to have */

    /* Set by make_tree_order(): */
    struct make_file *next;   /* in the order files are written; NULL: last */
    struct make_file *parent; /* of a directory: where its name is; the root's
                               * is itself */
    uint32_t links;           /* names that lead to it; 1 of the root */
    uint32_t dirs;            /* directories that are in it */

    /* The maker's: */
    uint32_t number;   /* of its inode, or its first cluster */
    uint32_t clusters; /* of FAT */
};

/*
 * Put a tree in order: a directory before what is in it, what is in one
 * directory together. Once, before anything is made of it. Returns 0; -EINVAL:
 * two names lead to one directory, and *file is that.
 */
must_check int make_tree_order(struct make_file *root,
                               const struct make_file **file);

/* ---- What the caller lends ----------------------------------------------- */

struct make_host {
    void *context;

    /* Write bytes of the volume. Returns 0, or an error, which ends all. */
    int (*write)(void *context, uint64_t offset, const void *data, size_t size);

    /* Read bytes that a regular file has. Returns 0, or an error. */
    int (*read)(void *context, const struct make_file *file, uint64_t offset,
                void *to, size_t size);

    /* How many bytes of a file from `offset` on are surely zeros; NULL: that is
     * not known. */
    uint64_t (*hole)(void *context, const struct make_file *file,
                     uint64_t offset);

    /* Memory, of any content; NULL: there is none. */
    void *(*alloc)(void *context, size_t size);
    void (*release)(void *context, void *memory, size_t size);
};

/* ---- Writing (disk.c): for the makers ------------------------------------ */

enum { MAKE_CHUNK = 256 * 1024 };

/* The volume, to be written: what lies behind each other goes together. */
struct make_disk {
    const struct make_host *host;
    bool is_dry; /* nothing is written: only room is counted */
    uint64_t offset;
    size_t used;
    uint8_t *buffer; /* MAKE_CHUNK bytes */
};

/* Returns 0, -ENOMEM. */
must_check int make_disk_begin(struct make_disk *disk,
                               const struct make_host *host, bool is_dry);
void make_disk_end(struct make_disk *disk);

/* Write bytes, at the latest with make_disk_flush(). Return 0, or as
 * make_host.write(). */
must_check int make_disk_write(struct make_disk *disk, uint64_t offset,
                               const void *data, size_t size);
must_check int make_disk_flush(struct make_disk *disk);

/* Whether all bytes are zeros. */
bool make_is_zero(const uint8_t *data, size_t size);

#endif
