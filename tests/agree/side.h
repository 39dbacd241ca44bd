/*
 * A file system as seen from one of two sides: Linux, which has the image
 * mounted, and the kernel under test, which has it as a disk in memory. Both
 * offer the same calls, so that one generator changes files, and one listing
 * tells what is there, on either.
 */
#ifndef TORC_TESTS_AGREE_SIDE_H
#define TORC_TESTS_AGREE_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIDE_PATH_MAX = 4096, SIDE_NAME_MAX = 255 };

struct side_time {
    int64_t s;
    uint32_t ns;
};

/* Moments of side.set_times() that mean the same on both sides. */
enum { SIDE_TIME_OMIT = 0x3ffffffe };

struct side_stat {
    uint64_t inode;
    uint32_t mode; /* st_mode, with the type as Linux has it */
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint64_t rdev; /* of a device, as Linux encodes it in 32 bits */
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    struct side_time atime, mtime, ctime;
};

struct side_entry {
    uint64_t inode;
    char type; /* '?': not said */
    char name[SIDE_NAME_MAX + 1];
};

struct side_fs {
    uint32_t block_bytes;
    uint64_t blocks_free;
    uint64_t inodes;
    uint64_t inodes_free;
};

enum side_open { SIDE_WRITE = 1, SIDE_CREATE = 2, SIDE_EXCLUSIVE = 4 };
enum side_rename { SIDE_NOREPLACE = 1, SIDE_EXCHANGE = 2 };

struct side_file;

/*
 * Paths begin with "/" and lead from the root of the image. A symbolic link at
 * the end is never followed. Calls return 0 or a count, or a negative errno.
 */
struct side {
    int (*stat)(const char *path, struct side_stat *out);
    int (*fs_stat)(struct side_fs *out);

    /* Calls fn() for each entry but "." and "..", as long as it returns 0. */
    int (*list)(const char *path,
                int (*fn)(const struct side_entry *entry, void *arg),
                void *arg);
    int64_t (*read_link)(const char *path, char *buf, size_t size);

    int (*open)(const char *path, unsigned flags, uint32_t mode,
                struct side_file **out);
    int64_t (*read)(struct side_file *file, void *buf, size_t size,
                    uint64_t offset);
    int64_t (*write)(struct side_file *file, const void *buf, size_t size,
                     uint64_t offset);
    int (*truncate)(struct side_file *file, uint64_t size);
    int (*punch)(struct side_file *file, uint64_t offset, uint64_t len);
    int64_t (*seek)(struct side_file *file, uint64_t from, bool to_data);
    int (*sync)(struct side_file *file);
    void (*close)(struct side_file *file);

    int (*make_dir)(const char *path, uint32_t mode);
    int (*make_node)(const char *path, uint32_t mode, uint64_t rdev);
    int (*make_link)(const char *target, const char *path); /* symbolic */
    int (*link)(const char *old, const char *path);
    int (*unlink)(const char *path);
    int (*remove_dir)(const char *path);
    int (*rename)(const char *old, const char *path, unsigned flags);

    int (*set_mode)(const char *path, uint32_t mode);
    int (*set_owner)(const char *path, uint32_t uid, uint32_t gid);
    int (*set_times)(const char *path, struct side_time atime,
                     struct side_time mtime);
    int64_t (*xattr_list)(const char *path, char *names, size_t size);
    int64_t (*xattr_get)(const char *path, const char *name, void *value,
                         size_t size);
    int (*xattr_set)(const char *path, const char *name, const void *value,
                     size_t size);
    int (*xattr_remove)(const char *path, const char *name);

    /* Everything is on the image; the end. Returns 0 or the first error. */
    int (*end)(void);
};

/* The directory where Linux has the image mounted. NULL after a line on
 * standard error. */
const struct side *side_linux(const char *place);

/* The image itself, mounted as `type` ("ext2", "ext4", "fat"); nobody else uses
 * it. NULL after a line on standard error. */
const struct side *side_torc(const char *image, const char *type);

#endif
