/*
 * The index of a directory by hashes of names. A node is a list of pairs of a
 * hash and a block, sorted; the names of a block have hashes from its own
 * pair's up to the next one's, and that one's itself only if the lowest bit
 * there says that they go on. Each block of the directory behind the root is in
 * one pair, and all leaves are equally deep. Source: the ext4 documentation of
 * Linux, "Hash Tree Directories".
 */
#include "fs/ext2/check/check_internal.h"
#include "fs/ext2/hash.h"

enum {
    LEVELS_MAX = 1, /* nodes between the root and the leaves */
    LEVELS_LARGE = 3,
    FLAG_INCOMPATIBLE = 1,
    PAIR_BLOCK_MASK = 0x0fffffff,
};
#define HASH_LAST 0xfffffffe

static const uint8_t *root_info(const struct fsck *fsck)
{
    return fsck->data + INDEX_ROOT_INFO;
}

/* Read block 0 of a directory: 1, 0: there is none, or an error. */
static int root_read(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t block = le32_get(view->raw + INODE_BLOCK);
    int status;

    if (!fsck_is_block(fsck, block))
        return 0;
    status = fsck_read_block(fsck, block, fsck->data);
    return status != 0 ? status : 1;
}

/* Whether the root can be used; only levels are told of later. */
static bool is_root_good(const struct fsck *fsck)
{
    const uint8_t *info = root_info(fsck);

    return le32_get(info + INDEX_ROOT_ZERO) == 0 &&
           info[INDEX_ROOT_INFO_SIZE] == INDEX_ROOT_PAIRS - INDEX_ROOT_INFO &&
           info[INDEX_ROOT_HASH] < EXT2_HASH_UNSIGNED &&
           (info[INDEX_ROOT_FLAGS] & FLAG_INCOMPATIBLE) == 0 &&
           info[INDEX_ROOT_LEVELS] <= LEVELS_MAX;
}

int fsck_index_root(struct fsck *fsck, const struct fsck_view *view)
{
    bool may = view->type == DIRENT_TYPE_DIRECTORY &&
               (fsck->compat & COMPAT_DIR_INDEX) != 0;
    int status = root_read(fsck, view);

    if (status < 0)
        return status;
    if (!may)
        fsck_found(fsck, CHECK_INDEX_SET, view->number, 0, 0, 0);
    if (status == 0 || !is_root_good(fsck))
        fsck_found(fsck, CHECK_INDEX_ROOT, view->number, 0, 0, 0);
    else if (may)
        fsck->inode[view->number].flags |= FSCK_INDEX;
    return 0;
}

/* ---- Before the blocks are read ------------------------------------------ */

int fsck_index_open(struct fsck_dir *dir, const struct fsck_view *view)
{
    struct fsck *fsck = dir->fsck;
    const uint8_t *seed = fsck->super + SUPER_HASH_SEED, *info;
    uint64_t blocks = view->size >> fsck->block_shift;
    int status;

    if ((fsck->inode[view->number].flags & FSCK_INDEX) == 0)
        return 0;
    if (blocks == 0 || blocks > fsck->blocks) {
        fsck_found(fsck, CHECK_INDEX_BLOCK, view->number, 0, fsck->blocks,
                   blocks);
        return 0;
    }
    status = root_read(fsck, view);
    if (status <= 0)
        return status;
    info = root_info(fsck);
    dir->hash_version = info[INDEX_ROOT_HASH];
    dir->levels = info[INDEX_ROOT_LEVELS];
    if ((le32_get(fsck->super + SUPER_FLAGS) & SUPER_FLAG_UNSIGNED_HASH) != 0)
        dir->hash_version += EXT2_HASH_UNSIGNED;
    for (unsigned i = 0; i < 4; i++)
        dir->hash_seed[i] = le32_get(seed + (size_t)4 * i);
    dir->leaves = (uint32_t)blocks;
    dir->leaf = fsck_alloc(fsck, dir->leaves * sizeof(*dir->leaf));
    if (dir->leaf == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < dir->leaves; i++)
        dir->leaf[i].low = UINT32_MAX;
    dir->has_index = true;
    return 0;
}

void fsck_index_close(struct fsck_dir *dir)
{
    fsck_release(dir->fsck, dir->leaf, dir->leaves * sizeof(*dir->leaf));
    dir->leaf = NULL;
}

/* ---- The tree, when all leaves are known --------------------------------- */

/* A node on the way from the root. */
struct step {
    uint32_t logical;
    uint32_t count, at; /* of its pairs */
    uint32_t low, high; /* hashes that may be below it */
};

struct tree {
    struct fsck_dir *dir;
    struct step step[LEVELS_LARGE + 1];
    unsigned depth;
    bool loaded; /* the node at `depth` is in fsck->node */
};

static void wrong(const struct tree *tree, enum ext2_code code,
                  uint32_t logical, uint64_t expected, uint64_t found)
{
    fsck_found(tree->dir->fsck, code, tree->dir->number, logical, expected,
               found);
}

static uint32_t pairs_at(unsigned depth)
{
    return depth == 0 ? INDEX_ROOT_PAIRS : INDEX_NODE_PAIRS;
}

static const uint8_t *pair_of(const struct tree *tree, uint32_t at)
{
    return tree->dir->fsck->node + pairs_at(tree->depth) +
           (size_t)at * INDEX_PAIR_SIZE;
}

/* Read the node of the step at `depth`, and look at its head when it is new. */
static int load(struct tree *tree, bool is_new)
{
    struct fsck *fsck = tree->dir->fsck;
    struct step *step = &tree->step[tree->depth];
    uint32_t limit =
        (fsck->block_size - pairs_at(tree->depth)) / INDEX_PAIR_SIZE;
    const uint8_t *first;
    int status =
        fsck_read_block(fsck, tree->dir->leaf[step->logical].block, fsck->node);

    fsck->bitmap_block = 0;
    tree->loaded = true;
    if (status != 0 || !is_new)
        return status;
    first = pair_of(tree, 0);
    step->count = le16_get(first + INDEX_PAIR_COUNT);
    step->at = 0;
    if (le16_get(first + INDEX_PAIR_LIMIT) != limit || step->count > limit ||
        step->count == 0) {
        wrong(tree, CHECK_INDEX_NODE, step->logical, limit, step->count);
        step->count = step->count > limit ? limit : step->count;
    }
    return 0;
}

static void leaf_check(const struct tree *tree, uint32_t logical, uint32_t low,
                       uint32_t high)
{
    const struct fsck_leaf *leaf = &tree->dir->leaf[logical];

    if (leaf->low > leaf->high)
        return;
    if (leaf->low < low || leaf->high > high)
        wrong(tree, CHECK_INDEX_HASH, logical, leaf->low < low ? low : high,
              leaf->low < low ? leaf->low : leaf->high);
}

/* The hashes that pair `at` of a node is for; false: they are not in order. */
static bool range(const struct tree *tree, uint32_t at, uint32_t *low,
                  uint32_t *high)
{
    const struct step *step = &tree->step[tree->depth];
    uint32_t next;

    *low = at == 0 ? step->low : le32_get(pair_of(tree, at)) & ~UINT32_C(1);
    *high = step->high;
    if (at + 1 == step->count)
        return true;
    next = le32_get(pair_of(tree, at + 1));
    /* Without the mark, the next hash itself is not here. */
    *high = next & ~UINT32_C(1);
    if (*high < *low)
        return false;
    if ((next & 1) == 0 && *high > 0)
        *high -= 1;
    return true;
}

/* Follow the next pair of the node. */
static int follow(struct tree *tree)
{
    struct fsck_dir *dir = tree->dir;
    struct step *step = &tree->step[tree->depth];
    uint32_t at = step->at++, low, high, block;

    block = le32_get(pair_of(tree, at) + INDEX_PAIR_BLOCK) & PAIR_BLOCK_MASK;
    if (!range(tree, at, &low, &high))
        wrong(tree, CHECK_INDEX_ORDER, step->logical, low, high);
    if (block >= dir->leaves) {
        wrong(tree, CHECK_INDEX_BLOCK, step->logical, dir->leaves, block);
        return 0;
    }
    if (dir->leaf[block].referenced++ > 0 || block == 0) {
        wrong(tree, CHECK_INDEX_TWICE, block, 0, at);
        return 0;
    }
    if (tree->depth == dir->levels) {
        leaf_check(tree, block, low, high);
        return 0;
    }
    if (dir->leaf[block].low <= dir->leaf[block].high) {
        wrong(tree, CHECK_INDEX_DEPTH, block, dir->levels, tree->depth);
        return 0;
    }
    if (dir->leaf[block].block == 0)
        return 0;
    tree->depth++;
    tree->step[tree->depth] =
        (struct step){.logical = block, .low = low, .high = high};
    return load(tree, true);
}

int fsck_index_check(struct fsck_dir *dir)
{
    struct tree tree = {.dir = dir, .step = {{.high = HASH_LAST}}};
    int status;

    if (dir->leaf[0].block == 0) /* said already */
        return 0;
    dir->leaf[0].referenced = 1;
    status = load(&tree, true);
    while (status == 0) {
        struct step *step = &tree.step[tree.depth];

        if (!tree.loaded)
            status = load(&tree, false);
        else if (step->at < step->count)
            status = follow(&tree);
        else if (tree.depth == 0)
            break;
        else
            tree.depth--, tree.loaded = false;
    }
    for (uint32_t i = 1; status == 0 && i < dir->leaves; i++)
        if (dir->leaf[i].referenced == 0 && dir->leaf[i].block != 0)
            wrong(&tree, CHECK_INDEX_NOT_REFERENCED, i, 1, 0);
    return status;
}
