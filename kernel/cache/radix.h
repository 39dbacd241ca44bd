/*
 * Radix trees: pages by index, 64 slots a node. A tree is as high as its
 * highest index needs; one with a single page at index 0 has no node at all.
 * Each node says which of its slots are used, and which of them are or lead to
 * something dirty. Owner CPU; nothing here waits.
 */
#ifndef TORC_KERNEL_CACHE_RADIX_H
#define TORC_KERNEL_CACHE_RADIX_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

enum {
    RADIX_SHIFT = 6,
    RADIX_SLOTS = 1 << RADIX_SHIFT,
    RADIX_HEIGHT_MAX = 9,
};

/* Indexes are smaller than this. */
#define RADIX_LIMIT (UINT64_C(1) << (RADIX_HEIGHT_MAX * RADIX_SHIFT))

struct radix_node {
    uint64_t used;  /* a bit for each slot that is not NULL */
    uint64_t dirty; /* of these: something below is dirty */
    void *slots[RADIX_SLOTS];
};

struct radix {
    void *root;     /* a node, or of height 0 the entry; NULL: empty */
    uint8_t height; /* levels of nodes */
    bool is_dirty;  /* of height 0: the entry is */
};

/* What is at `index`, or NULL. */
static inline void *radix_find(const struct radix *tree, uint64_t index)
{
    unsigned shift = tree->height * (unsigned)RADIX_SHIFT;
    void *at = tree->root;

    if (index >> shift != 0)
        return NULL;
    while (shift > 0 && at != NULL) {
        const struct radix_node *node = at;

        shift -= RADIX_SHIFT;
        at = node->slots[(index >> shift) % RADIX_SLOTS];
    }
    return at;
}

/*
 * Put an entry where there is none. Allocates; the reclaimer may remove other
 * entries of the same tree meanwhile. Returns 0, -ENOMEM.
 */
must_check int radix_insert(struct radix *tree, uint64_t index, void *entry);

/* Remove what is at `index`. */
void radix_remove(struct radix *tree, uint64_t index);

/* Mark what is at `index`, or take the mark away. */
void radix_set_dirty(struct radix *tree, uint64_t index, bool is_dirty);

/* The first entry at `index` or behind it, or NULL; or the first dirty one. */
void *radix_next(const struct radix *tree, uint64_t index, bool only_dirty);

/* Assert what is always true of a tree. Returns how many entries it has. */
uint64_t radix_check(const struct radix *tree);

#endif
