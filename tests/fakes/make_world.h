/* A host for makers of file systems: a tree and a disk in memory; faults. */
#ifndef TORC_TESTS_FAKES_MAKE_WORLD_H
#define TORC_TESTS_FAKES_MAKE_WORLD_H

#include "fs/make/make.h"

struct make_world {
    struct make_host host;
    struct make_file *root;
    uint8_t *disk;
    size_t size;

    /* Set by the test: the n-th call from now fails; 0: none does. */
    unsigned fail_alloc, fail_read, fail_write;

    /* What happened: */
    size_t allocated; /* bytes that were not given back */
};

/* An empty tree. */
void make_world_begin(struct make_world *world);

/* Everything has been given back. */
void make_world_end(struct make_world *world);

/* A disk of zeros. */
void make_world_disk(struct make_world *world, size_t size);

/* Add a new file to a directory. What a regular file holds depends on its size;
 * its first `rdev` bytes are zeros. */
struct make_file *make_world_add(struct make_world *world,
                                 struct make_file *dir, const char *name,
                                 enum file_type type);
struct make_file *make_world_file(struct make_world *world,
                                  struct make_file *dir, const char *name,
                                  uint64_t size);
struct make_file *make_world_link(struct make_world *world,
                                  struct make_file *dir, const char *target);

/* Let one more name lead to a file. */
void make_world_name(struct make_file *dir, const char *name,
                     struct make_file *file);

/* make_tree_order(), once. */
void make_world_order(struct make_world *world);

/* Mount the disk at "/", on a machine of its own; and end that, when nothing is
 * wrong with what is in memory. */
struct file_system;
void make_world_mount(const struct make_world *world,
                      const struct file_system *type);
void make_world_unmount(void);

/* Compare what is mounted at "/" with the tree, byte for byte; with `all` also
 * what FAT has not. Returns how many files were looked at. */
unsigned make_world_compare(const struct make_world *world, bool all);

#endif
