/*
 * The operations that sequences are made of: on three names in the root and one
 * below, which change places with each other; and what the names look like.
 */
#ifndef TORC_TESTS_SEQUENCES_OPS_H
#define TORC_TESTS_SEQUENCES_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OP_ALL = INT32_MAX };

struct seq_op {
    const char *name;
    int (*run)(const struct seq_op *op, int limit);
    const char *a, *b; /* paths, or what else `run` needs */
    uint32_t offset, len;
    unsigned flags;
    bool is_posix; /* FAT has nothing like it */
    /* Of one that may be done though it failed: whether it was; or NULL. */
    bool (*was_done)(const struct seq_op *op);
};

extern const struct seq_op seq_ops[];
extern const size_t seq_op_count;

/* The operation of that name, or -1. */
int seq_op_find(const char *name, size_t len);

/* Make what each sequence begins with, and `more` files with long names in the
 * root: 0, or the first error. */
int seq_base_make(unsigned more);

/* Give back what operations have left open. */
void seq_ops_end(void);

/* Whether a file is open. */
bool seq_is_held(void);

/*
 * What is there: of each path that can be, what it is and what it holds, and
 * the names of each directory. As text, so that a difference can be read.
 * `is_posix`: with links, modes and attributes.
 */
enum { LOOK_MAX = 4096 };
void seq_look(char text[LOOK_MAX], bool is_posix);

#endif
