/*
 * The tree that an image is made of: files by their paths, from several
 * sources. What a later source says of a path replaces what an earlier one has
 * said; directories are added to.
 */
#ifndef TORC_TOOLS_MKIMG_TREE_H
#define TORC_TOOLS_MKIMG_TREE_H

#include "fs/make/make.h"

struct node {
    struct make_file file; /* first */
    const char *path;      /* in the image, without a slash in front; "" */

    /* Of a regular file, where its bytes are: */
    const char *source; /* a file of the host; NULL: */
    int fd;             /* an archive that is open, */
    uint64_t offset;    /* from here on */
    bool has_holes;     /* SEEK_DATA finds some */

    /* Of a directory: */
    struct make_name *names;
    uint32_t room; /* of `names` */
};

struct tree {
    struct node *root;
    struct file_time time; /* of directories that no source has named */
    uint32_t files;        /* paths, with the root */

    struct tree_slot *slots; /* names by their hashes */
    uint32_t mask;
    struct tree_block *blocks; /* memory */
};

void tree_init(struct tree *tree, struct file_time time);
void tree_fini(struct tree *tree);

/* Memory until tree_fini(), zeros; a copy of a text. They end the program when
 * there is none. */
void *tree_alloc(struct tree *tree, size_t size);
const char *tree_text(struct tree *tree, const char *text, size_t len);

/* All of these return NULL, or what is wrong as a part of a sentence. */

/*
 * Put a file at a path, "" is the root: *out is to be filled. The directories
 * on the way are made, if need be. A directory that is there stays and is
 * returned; so is, with `keep`, any file.
 */
const char *tree_put(struct tree *tree, const char *path, uint8_t type,
                     bool keep, struct node **out);

/* Find what is at a path. */
const char *tree_find(struct tree *tree, const char *path, struct node **out);

/* Let one more path lead to a file. */
const char *tree_link(struct tree *tree, const char *path, struct node *node);

/* Add an attribute, or replace the one of that name. */
void tree_xattr(struct tree *tree, struct node *node, const char *name,
                const void *value, size_t size);

/* Sort names, and attributes, by their bytes: nothing is added any more. */
void tree_sort(struct tree *tree);

#endif
