#include "kernel/cache/radix.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>

static unsigned slot_of(uint64_t index, unsigned shift)
{
    return (unsigned)(index >> shift) % RADIX_SLOTS;
}

static uint64_t bit_of(unsigned slot)
{
    return UINT64_C(1) << slot;
}

/* How far indexes are shifted for the topmost node. */
static unsigned top_shift(const struct radix *tree)
{
    return (tree->height - 1U) * RADIX_SHIFT;
}

static void slot_set(struct radix_node *node, unsigned slot, void *entry,
                     bool is_dirty)
{
    node->slots[slot] = entry;
    node->used |= bit_of(slot);
    if (is_dirty)
        node->dirty |= bit_of(slot);
}

/* The nodes on the way to `index`, the topmost one first, as far as there are
 * any; how many. */
static unsigned path_of(const struct radix *tree, uint64_t index,
                        struct radix_node *path[RADIX_HEIGHT_MAX])
{
    void *at = tree->root;
    unsigned count = 0;

    while (count < tree->height && at != NULL) {
        path[count] = at;
        at = path[count]
                 ->slots[slot_of(index, top_shift(tree) - count * RADIX_SHIFT)];
        count++;
    }
    return count;
}

/* ---- Removing ------------------------------------------------------------ */

/* A tree that has only what is in its first slot gets lower. */
static void lower(struct radix *tree)
{
    while (tree->height > 0 && tree->root != NULL) {
        struct radix_node *node = tree->root;

        if (node->used != bit_of(0))
            return;
        tree->root = node->slots[0];
        tree->height--;
        tree->is_dirty = tree->height == 0 && node->dirty != 0;
        mem_free(node);
    }
    if (tree->root == NULL)
        *tree = (struct radix){.root = NULL};
}

/* Free the nodes on the way to `index` that are empty. */
static void prune(struct radix *tree, uint64_t index)
{
    struct radix_node *path[RADIX_HEIGHT_MAX];
    unsigned count = path_of(tree, index, path);

    while (count > 0 && path[count - 1]->used == 0) {
        mem_free(path[--count]);
        if (count == 0) {
            tree->root = NULL;
        } else {
            struct radix_node *above = path[count - 1];
            unsigned slot =
                slot_of(index, top_shift(tree) - (count - 1) * RADIX_SHIFT);

            above->slots[slot] = NULL;
            above->used &= ~bit_of(slot);
            above->dirty &= ~bit_of(slot);
        }
    }
    lower(tree);
}

void radix_remove(struct radix *tree, uint64_t index)
{
    struct radix_node *path[RADIX_HEIGHT_MAX];
    unsigned count;

    assert(radix_find(tree, index) != NULL);
    radix_set_dirty(tree, index, false);
    count = path_of(tree, index, path);
    if (count == 0) {
        tree->root = NULL;
    } else {
        struct radix_node *node = path[count - 1];
        unsigned slot = slot_of(index, 0);

        node->slots[slot] = NULL;
        node->used &= ~bit_of(slot);
    }
    prune(tree, index);
}

/* ---- Inserting ----------------------------------------------------------- */

/* One level more, by the node given. */
static void raise(struct radix *tree, struct radix_node *node)
{
    slot_set(node, 0, tree->root,
             tree->height == 0 ? tree->is_dirty
                               : ((struct radix_node *)tree->root)->dirty != 0);
    tree->root = node;
    tree->height++;
    tree->is_dirty = false;
}

/*
 * Take one step towards an entry at `index`, by a node that is given; or by
 * none, which is enough when the entry can be put in. Returns whether a node is
 * needed.
 */
static bool needs_node(struct radix *tree, uint64_t index, void *entry,
                       struct radix_node **given)
{
    struct radix_node *path[RADIX_HEIGHT_MAX];
    struct radix_node *node = *given;
    unsigned count;

    while (tree->root == NULL && index >> tree->height * RADIX_SHIFT != 0)
        tree->height++;
    if (index >> tree->height * RADIX_SHIFT != 0) {
        if (node == NULL)
            return true;
        raise(tree, node);
        *given = NULL;
        return true;
    }
    count = path_of(tree, index, path);
    if (count < tree->height && node != NULL) {
        if (count == 0)
            tree->root = node;
        else
            slot_set(
                path[count - 1],
                slot_of(index, top_shift(tree) - (count - 1) * RADIX_SHIFT),
                node, false);
        path[count++] = node;
        *given = NULL;
    }
    if (count < tree->height)
        return true;
    if (count == 0)
        tree->root = entry;
    else
        slot_set(path[count - 1], slot_of(index, 0), entry, false);
    return false;
}

/*
 * Each node is allocated on its own, and then the way to the index is looked up
 * anew: the reclaimer, which may run in an allocation, changes the tree.
 */
int radix_insert(struct radix *tree, uint64_t index, void *entry)
{
    struct radix_node *node = NULL;

    assert(index < RADIX_LIMIT);
    assert(radix_find(tree, index) == NULL);
    while (needs_node(tree, index, entry, &node)) {
        assert(node == NULL); /* each step takes the one that is given */
        node = mem_alloc_zeroed(sizeof(*node));
        if (node == NULL) {
            prune(tree, index);
            return -ENOMEM;
        }
    }
    mem_free(node);
    return 0;
}

/* ---- Marks, and the next one --------------------------------------------- */

void radix_set_dirty(struct radix *tree, uint64_t index, bool is_dirty)
{
    struct radix_node *path[RADIX_HEIGHT_MAX];
    unsigned count = path_of(tree, index, path);

    assert(radix_find(tree, index) != NULL);
    if (count == 0)
        tree->is_dirty = is_dirty;
    for (unsigned shift = 0; count > 0; shift += RADIX_SHIFT) {
        struct radix_node *node = path[--count];

        if (is_dirty)
            node->dirty |= bit_of(slot_of(index, shift));
        else
            node->dirty &= ~bit_of(slot_of(index, shift));
        if (!is_dirty && node->dirty != 0)
            return; /* above, they still lead to something dirty */
    }
}

/*
 * The entry at *index or behind it below the same topmost node that is on the
 * way; or NULL, and *index is the first one that has not been looked at.
 */
static void *next_below(const struct radix *tree, uint64_t *index, bool dirty)
{
    const struct radix_node *node = tree->root;
    unsigned shift = top_shift(tree);

    for (;;) {
        unsigned slot = slot_of(*index, shift);
        uint64_t mask = (dirty ? node->dirty : node->used) >> slot << slot;

        if (mask == 0) {
            shift += RADIX_SHIFT;
            *index = ((*index >> shift) + 1) << shift;
            return NULL;
        }
        if ((unsigned)__builtin_ctzll(mask) != slot) {
            slot = (unsigned)__builtin_ctzll(mask);
            *index = (*index >> (shift + RADIX_SHIFT) << RADIX_SHIFT | slot)
                     << shift;
        }
        if (shift == 0)
            return node->slots[slot];
        node = node->slots[slot];
        shift -= RADIX_SHIFT;
    }
}

void *radix_next(const struct radix *tree, uint64_t index, bool only_dirty)
{
    void *entry = NULL;

    if (tree->root == NULL)
        return NULL;
    if (tree->height == 0)
        return index == 0 && (!only_dirty || tree->is_dirty) ? tree->root
                                                             : NULL;
    while (entry == NULL && index >> tree->height * RADIX_SHIFT == 0)
        entry = next_below(tree, &index, only_dirty);
    return entry;
}

/* ---- Checking ------------------------------------------------------------ */

/* Returns how many slots are used. */
static unsigned node_check(const struct radix_node *node, bool is_lowest)
{
    unsigned count = 0;

    assert(node->used != 0);
    assert((node->dirty & ~node->used) == 0);
    for (unsigned i = 0; i < RADIX_SLOTS; i++) {
        const struct radix_node *below = node->slots[i];

        assert((below != NULL) == ((node->used & bit_of(i)) != 0));
        if (below != NULL && !is_lowest)
            assert((below->dirty != 0) == ((node->dirty & bit_of(i)) != 0));
        count += below != NULL;
    }
    return count;
}

uint64_t radix_check(const struct radix *tree)
{
    struct radix_node *path[RADIX_HEIGHT_MAX];
    uint64_t count = 0;
    uint64_t index = 0;

    assert(tree->height <= RADIX_HEIGHT_MAX);
    if (tree->height == 0)
        return tree->root != NULL;
    assert(tree->root != NULL);
    assert(((struct radix_node *)tree->root)->used != bit_of(0));
    assert(!tree->is_dirty);
    while (index >> tree->height * RADIX_SHIFT == 0) {
        unsigned length = path_of(tree, index, path);
        /* A node of the lowest level is done as a whole, else one slot. */
        unsigned levels = length == tree->height ? 1 : tree->height - length;
        unsigned shift = levels * RADIX_SHIFT;

        /* Each node is looked at when its first slot is. */
        for (unsigned i = 0; i < length; i++) {
            unsigned span = (tree->height - i) * RADIX_SHIFT;
            bool is_lowest = i + 1U == tree->height;

            if (index >> span << span != index)
                continue;
            if (is_lowest)
                count += node_check(path[i], true);
            else
                (void)node_check(path[i], false);
        }
        index = ((index >> shift) + 1) << shift;
    }
    return count;
}
