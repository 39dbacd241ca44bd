/*
 * What is done to a file system while it may crash: operations on a few paths,
 * and what they look like from outside.
 */
#ifndef TORC_TESTS_CRASH_WORLD_H
#define TORC_TESTS_CRASH_WORLD_H

#include "fs/ext2/check/check.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORLD_PATHS = 14, WORLD_ALLOWED_MAX = 4 };

/* The paths that operations change. */
extern const char *const world_path[WORLD_PATHS];

struct world_op {
    const char *name;
    int (*run)(void);    /* 0, or the error of the file API */
    const char *touches; /* paths, separated by spaces; "*": all */
    const char *syncs;   /* paths that are durable behind it; "*": all */
    /* What a crash may leave that "e2fsck -p" does not repair by itself, ended
     * by 0: codes + 1. docs/crash.md says why. */
    unsigned allowed[WORLD_ALLOWED_MAX];
    /* And beside, when the disk writes a part of a block. */
    unsigned torn[WORLD_ALLOWED_MAX];
    const char *torn_behind; /* ... and that operation came before; NULL: any */
};

extern const struct world_op world_ops[];
extern const size_t world_op_count;

/* The operation of that name, or -1. */
int world_op_find(const char *name, size_t len);

/* Whether `path` is in a list of paths. */
bool world_lists(const char *list, const char *path);

/* What a path is. */
struct world_look {
    int status; /* of file_stat() */
    unsigned type;
    uint64_t size, hash; /* of the content, or of the target */
};
void world_look(const char *path, struct world_look *look);
bool world_is_same(const struct world_look *a, const struct world_look *b);

/* One operation of each kind on new names: 0 or the first error. */
int world_go_on(void);

#endif
