/*
 * The call tree: a node is a function and the way it was called, from the
 * bottom of a stack on. Nodes are never freed, and never move.
 */
#ifndef TORC_TOOLS_PROFILE_TREE_H
#define TORC_TOOLS_PROFILE_TREE_H

#include <stdint.h>
#include <stdio.h>

/* Functions are numbers of the caller's; this is the root, which is none. */
#define TREE_ROOT UINT32_MAX

struct node {
    struct node *parent; /* NULL: the root */
    struct node *child;  /* the one that was used last */
    struct node *sibling;
    struct node *next; /* of all, in the order in which they were made */
    uint32_t function;
    uint32_t id; /* 0: the root; a parent's is less than its child's */
    uint32_t depth;
    uint64_t calls; /* how often it was begun */
    uint64_t instructions;
    uint64_t steps; /* of these, repetitions of string instructions */
};

/* The root. */
struct node *tree_root(void);

/*
 * The child of `node` for `function`, made if it is new. A stack that is too
 * deep goes on at the root. Ends the program when memory runs out.
 */
struct node *tree_child(struct node *node, uint32_t function);

/* The first in the order in which they were made, that is the root. */
struct node *tree_first(void);

#endif
