/*
 * What the mounted file systems of this CPU hold, as text; and how two such
 * states differ.
 */
#ifndef TORC_TESTS_FAKES_TREE_H
#define TORC_TESTS_FAKES_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/file.h>

enum { TREE_PATHS_MAX = 400, TREE_PATH_MAX = 64 };

struct tree_path {
    char path[TREE_PATH_MAX]; /* without the first slash */
    uint64_t inode;
    enum file_type type;
    uint32_t links;
};

/* Sorted by path. */
struct tree {
    struct tree_path paths[TREE_PATHS_MAX];
    size_t count;
};

/* Read all of it, from "/" down, but mounts on directories. */
void tree_read(struct tree *tree);

/*
 * How it has changed, words with a blank between: "-p" the path is gone; "+p"
 * it leads to a new inode, with the letter of its type behind it; "+p=q" it
 * leads to the inode that q led to. Sorted by path.
 */
void tree_difference(const struct tree *before, const struct tree *after,
                     char *text, size_t size);

#endif
