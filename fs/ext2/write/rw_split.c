/*
 * Leaves of an index that are split, and the nodes above them. The steps and
 * their order: rw_grow.c.
 */
#include "fs/ext2/write/pairs.h"
#include "fs/ext2/write/rw_grow.h"
#include <torc/assert.h>
#include <torc/memory.h>

/* On the heap. */
struct split {
    struct inode *dir;
    struct change change;
    struct ext2_leaf list; /* of the old leaf */
    struct ext2_chain chain;
    uint32_t need; /* bytes of the entry that is to come */
    struct change_block *old, *leaf;
    uint32_t leaf_index;         /* of the new one */
    struct change_block *parent; /* its pairs lead to the leaf */
    struct change_block *root;   /* if a node is split, and it is full */
    struct change_block *node;   /* a new one; NULL: there is none */
    uint32_t node_index;
};

static struct ext2_index_level *level_of(struct split *op, unsigned depth)
{
    return &op->chain.walk.level[depth];
}

/* Where the pairs are that lead to the leaf. */
static struct ext2_index_level *parent_level(struct split *op)
{
    return level_of(op, op->chain.walk.levels);
}

/* The last of the leaves that the name may be in: one behind them begins with a
 * higher hash. */
static int go_to_last(struct split *op, const struct name *name)
{
    int status = ext2_chain_begin(&op->chain, op->dir, name);

    while (status == 0) {
        status = ext2_chain_next(&op->chain);
        if (status == 0)
            return 0;
        if (status == 1)
            status = 0;
    }
    return status;
}

/* Pin the leaf and list it. */
static int leaf_pin(struct split *op)
{
    struct ext2_fs *fs = ext2_of(op->dir);
    const struct ext2_hasher hasher = {op->chain.walk.version, fs->hash_seed};
    uint64_t offset;
    int status = ext2_dir_block(op->dir, op->chain.leaf, &offset);

    if (status == 0)
        status =
            ext2_change_block(&op->change, offset >> fs->block_shift, &op->old);
    if (status == 0)
        status = ext2_dir_said(
            op->dir, ext2_leaf_list(fs, &hasher, op->old->data, 0, &op->list),
            "directory block");
    return status;
}

/* Names that were removed have left room, but not in one piece. */
static int pack(struct split *op)
{
    int status = leaf_pin(op);

    if (status == 0)
        status = ext2_change_start(&op->change);
    if (status != 0)
        return status;
    ext2_leaf_drop(ext2_of(op->dir), &op->list, op->old->data, op->list.count);
    ext2_dir_added(op->dir);
    return 0;
}

/* Pin the block of the index at one level, and look at its pairs. */
static int pairs_pin(struct split *op, unsigned depth,
                     struct change_block **out, struct ext2_pairs *pairs)
{
    struct ext2_fs *fs = ext2_of(op->dir);
    int status = ext2_change_block(
        &op->change, level_of(op, depth)->pairs >> fs->block_shift, out);

    if (status == 0)
        status = ext2_pairs_open(fs, (*out)->data, depth == 0,
                                 ext2_dir_blocks(op->dir), pairs);
    /* It must be what the walk has seen. */
    if (status == 0 && level_of(op, depth)->at >= pairs->count)
        status = -EUCLEAN;
    if (status == 0 && depth == 0 &&
        (*out)->data[INDEX_ROOT_INFO + INDEX_ROOT_LEVELS] !=
            op->chain.walk.levels)
        status = -EUCLEAN;
    return ext2_dir_said(op->dir, status, "directory index");
}

/* How many blocks a split needs; -ENOSPC: the index is full. */
static int count_needed(struct split *op)
{
    struct ext2_pairs pairs;
    int status = pairs_pin(op, op->chain.walk.levels, &op->parent, &pairs);

    if (status != 0)
        return status;
    if (pairs.count < pairs.limit)
        return 1;
    if (op->chain.walk.levels == 0)
        return 2;
    status = pairs_pin(op, 0, &op->root, &pairs);
    if (status != 0)
        return status;
    return pairs.count < pairs.limit && op->chain.walk.levels == 1 ? 2
                                                                   : -ENOSPC;
}

/* Whether the names of the leaf are those that the index has there: otherwise
 * the hash of the new leaf would be out of order. */
static int check_range(struct split *op)
{
    uint32_t low = 0, high = UINT32_MAX;
    const struct ext2_leaf *list = &op->list;
    unsigned depth;
    int status = ext2_index_here(&op->chain.walk, &low);

    if (status == 0)
        status = ext2_index_peek(&op->chain.walk, &depth, &high);
    if (status == 0)
        high = UINT32_MAX;
    if (status >= 0) {
        bool is_in = list->list[0].hash >= (low & ~UINT32_C(1)) &&
                     list->list[list->count - 1].hash < high;

        status = is_in ? 0 : -EUCLEAN;
    }
    return ext2_dir_said(op->dir, status, "directory index");
}

static bool has_room(const struct split *op)
{
    return ext2_leaf_size(&op->list) + op->need <= ext2_of(op->dir)->block_size;
}

/* Pin what a split changes. */
static int split_pin(struct split *op)
{
    int status = leaf_pin(op), needed;

    if (status == 0 && has_room(op))
        status = ext2_dir_said(op->dir, -EUCLEAN, "directory block");
    if (status == 0)
        status = check_range(op);
    if (status != 0)
        return status;
    needed = count_needed(op);
    if (needed < 0)
        return needed;
    status =
        ext2_spare_pin(op->dir, &op->change, 0, &op->leaf_index, &op->leaf);
    op->node = NULL;
    if (status == 0 && needed == 2)
        status =
            ext2_spare_pin(op->dir, &op->change, 1, &op->node_index, &op->node);
    return status;
}

/* The pairs of the node or root `block`. */
static struct ext2_pairs pairs_of(struct split *op, struct change_block *block,
                                  bool is_root)
{
    struct ext2_pairs pairs;
    int status = ext2_pairs_open(ext2_of(op->dir), block->data, is_root,
                                 UINT32_MAX, &pairs);

    assert(status == 0);
    return pairs;
}

/* The pair of the new leaf, behind that of the old one. */
static void add_pair(struct split *op, uint32_t hash)
{
    struct ext2_fs *fs = ext2_of(op->dir);
    uint32_t at = parent_level(op)->at;
    bool is_root = op->chain.walk.levels == 0;
    struct ext2_pairs pairs;

    if (op->node != NULL && is_root) {
        ext2_pairs_deepen(fs, op->parent->data, op->node->data, op->node_index);
        pairs = pairs_of(op, op->node, false);
    } else {
        pairs = pairs_of(op, op->parent, is_root);
    }
    if (op->node != NULL && !is_root) {
        uint32_t from = ext2_pairs_split(fs, &pairs, op->node->data);
        struct ext2_pairs root = pairs_of(op, op->root, true);

        ext2_pairs_insert(&root, level_of(op, 0)->at, from, op->node_index);
        if (at >= pairs.count) {
            at -= pairs.count;
            pairs = pairs_of(op, op->node, false);
        }
    }
    ext2_pairs_insert(&pairs, at, hash, op->leaf_index);
}

static int split(struct split *op)
{
    struct ext2_fs *fs = ext2_of(op->dir);
    int status = split_pin(op);
    uint32_t cut;

    if (status != 0)
        return status;
    cut = ext2_leaf_cut(fs, &op->list, op->chain.hash, op->need);
    ext2_change_order(&op->change, op->leaf, op->old);
    ext2_change_inode(&op->change, op->dir);
    status = ext2_change_start(&op->change);
    if (status != 0)
        return status;
    ext2_leaf_copy(fs, &op->list, op->old->data, cut, op->leaf->data);
    ext2_leaf_drop(fs, &op->list, op->old->data, cut);
    add_pair(op, ext2_leaf_cut_hash(&op->list, cut));
    ext2_spares_used(op->dir, op->node != NULL ? 2 : 1);
    return 0;
}

/* Only look: whether the leaf is to be packed, or how many blocks it takes to
 * split it. */
static int look(struct split *op)
{
    int status;

    ext2_change_begin(&op->change, ext2_of(op->dir));
    status = leaf_pin(op);
    if (status == 0 && !has_room(op))
        status = count_needed(op);
    ext2_change_abort(&op->change);
    return status;
}

/* A change of its own, made by `run`. */
static int run_change(struct split *op, int (*run)(struct split *op))
{
    int status;

    ext2_change_begin(&op->change, ext2_of(op->dir));
    status = run(op);
    if (status == 0)
        ext2_change_end(&op->change);
    else
        ext2_change_abort(&op->change);
    return status;
}

static int index_grow(struct split *op, const struct name *name)
{
    int status = go_to_last(op, name), needed;

    if (status != 0)
        return status;
    needed = look(op);
    if (needed <= 0)
        return needed < 0 ? needed : run_change(op, pack);
    status = ext2_spares_get(op->dir, (uint32_t)needed);
    return status != 0 ? status : run_change(op, split);
}

int ext2_index_grow(struct inode *dir, const struct name *name)
{
    struct split *op = mem_alloc_zeroed(sizeof(*op));
    int status;

    if (op == NULL)
        return -ENOMEM;
    op->dir = dir;
    op->need = ext2_entry_size(name->len);
    status = index_grow(op, name);
    ext2_chain_end(&op->chain);
    mem_free(op);
    return status;
}
