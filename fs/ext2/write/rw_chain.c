/*
 * The leaves of an index that a name may be in: the one that its hash leads to,
 * and those that go on with names of the same hash.
 */
#include "fs/ext2/hash.h"
#include "fs/ext2/write/rw_dir.h"

/* An index that makes no sense. */
static int chain_status(struct ext2_chain *chain, int status)
{
    struct inode *dir = chain->walk.dir;

    if (status == -EUCLEAN)
        ext2_damaged(ext2_of(dir), dir->number, "directory index", chain->leaf);
    return status;
}

int ext2_chain_begin(struct ext2_chain *chain, struct inode *dir,
                     const struct name *name)
{
    struct ext2_fs *fs = ext2_of(dir);
    int status;

    ext2_view_begin(&chain->view, fs);
    chain->walk.dir = dir;
    chain->walk.view = &chain->view;
    chain->leaf = 0;
    chain->passed = 0;
    status = ext2_index_open(&chain->walk);
    if (status == 0) {
        chain->hash = ext2_hash(chain->walk.version, fs->hash_seed, name->text,
                                name->len);
        status = ext2_index_seek(&chain->walk, chain->hash, &chain->leaf);
    }
    return chain_status(chain, status);
}

int ext2_chain_next(struct ext2_chain *chain)
{
    uint32_t hash;
    unsigned depth;
    int status;

    /* No leaf is met twice, unless the index is damaged. */
    if (++chain->passed > ext2_dir_blocks(chain->walk.dir))
        return chain_status(chain, -EUCLEAN);
    status = ext2_index_peek(&chain->walk, &depth, &hash);
    if (status == 1 && hash != (chain->hash | 1))
        return 0;
    if (status == 1) {
        status = ext2_index_go(&chain->walk, depth, &chain->leaf);
        if (status == 0)
            return 1;
    }
    return chain_status(chain, status);
}

int ext2_chain_range(struct ext2_chain *chain, uint32_t *low, uint32_t *high)
{
    unsigned depth;
    int status = ext2_index_here(&chain->walk, low);

    if (status == 0)
        status = ext2_index_peek(&chain->walk, &depth, high);
    if (status == 0)
        *high = UINT32_MAX;
    if (status == 1)
        *high &= ~UINT32_C(1);
    return chain_status(chain, status < 0 ? status : 0);
}

void ext2_chain_end(struct ext2_chain *chain)
{
    ext2_view_end(&chain->view);
}
