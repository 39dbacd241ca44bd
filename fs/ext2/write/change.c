/* Change sets: pinning the blocks, and changing them together. */
#include "fs/ext2/write/change.h"
#include "fs/ext2/write/rw.h"
#include "kernel/cache/order.h"
#include <torc/assert.h>
#include <torc/string.h>

void ext2_change_begin(struct change *change, struct ext2_fs *fs)
{
    change->fs = fs;
    change->block_count = 0;
    change->order_count = 0;
    change->inode_count = 0;
    change->is_started = false;
}

struct change_block *ext2_change_find(struct change *change, uint64_t block)
{
    for (unsigned i = 0; i < change->block_count; i++) {
        if (change->blocks[i].block == block)
            return &change->blocks[i];
    }
    return NULL;
}

/* Pin the page of a block; read, or as it is. */
static int pin(struct change *change, uint64_t block, bool is_new,
               struct change_block **out)
{
    struct ext2_fs *fs = change->fs;
    uint64_t offset = block << fs->block_shift;
    uint64_t index = offset >> PAGE_BYTES_SHIFT;
    struct change_block *added = &change->blocks[change->block_count];
    int status;

    assert(!change->is_started);
    assert(change->block_count < EXT2_CHANGE_BLOCKS);
    if (block != fs->first_data_block && !ext2_blocks_valid(fs, block, 1))
        return ext2_damaged_volume(fs, "block number");
    status = is_new ? page_take(&fs->device, index, &added->page)
                    : page_get(&fs->device, index, 0, &added->page);
    if (status != 0)
        return status;
    added->block = block;
    added->from = (uint32_t)offset % PAGE_BYTES;
    added->is_new = is_new;
    added->is_kept = false;
    added->data = added->page->buf->base + added->from;
    change->block_count++;
    *out = added;
    return 0;
}

int ext2_change_block(struct change *change, uint64_t block,
                      struct change_block **out)
{
    struct change_block *there = ext2_change_find(change, block);

    if (there == NULL)
        return pin(change, block, false, out);
    there->data = there->page->buf->base + there->from;
    there->is_kept = false;
    *out = there;
    return 0;
}

int ext2_change_new_block(struct change *change, uint64_t block,
                          struct change_block **out)
{
    assert(ext2_change_find(change, block) == NULL);
    return pin(change, block, true, out);
}

void ext2_change_keep(struct change_block *block)
{
    block->is_kept = true;
}

static struct order_pair pair_of(const struct change_block *before,
                                 const struct change_block *after)
{
    return (struct order_pair){.before = before->page,
                               .before_from = before->from,
                               .after = after->page,
                               .after_from = after->from};
}

void ext2_change_order(struct change *change, const struct change_block *before,
                       const struct change_block *after)
{
    unsigned i = change->order_count;

    assert(!change->is_started);
    if (before == after)
        return;
    assert(i < EXT2_CHANGE_ORDERS);
    change->orders[i].before = (uint8_t)(before - change->blocks);
    change->orders[i].after = (uint8_t)(after - change->blocks);
    change->order_count++;
}

void ext2_change_inode(struct change *change, struct inode *inode)
{
    for (unsigned i = 0; i < change->inode_count; i++) {
        if (change->inodes[i] == inode)
            return;
    }
    assert(change->inode_count < EXT2_CHANGE_INODES);
    change->inodes[change->inode_count++] = inode;
}

bool ext2_change_fits(struct change *change, const struct change_block *before,
                      const struct change_block *after)
{
    const struct order_pair pair = pair_of(before, after);

    return mapping_order_fits(&change->fs->device, &pair);
}

/* Wait for reads of pages that are pinned; whether there were any. */
static bool wait_read(struct change *change)
{
    bool has_waited = false;

    for (unsigned i = 0; i < change->block_count; i++) {
        struct page *page = change->blocks[i].page;

        while (page->reading > 0) {
            wait_on(&page->waiters);
            has_waited = true;
        }
    }
    return has_waited;
}

/* Get all pages ready: none of them is being read, so nothing waits. */
static int modify_all(struct change *change)
{
    const uint32_t size = change->fs->block_size;

    for (unsigned i = 0; i < change->block_count; i++) {
        struct change_block *block = &change->blocks[i];
        int status =
            block->is_kept ? 0 : page_modify(block->page, block->from, size);

        if (status != 0)
            return status;
        block->data = block->page->buf->base + block->from;
    }
    return 0;
}

static void clear_new(struct change *change)
{
    for (unsigned i = 0; i < change->block_count; i++) {
        if (change->blocks[i].is_new)
            memset(change->blocks[i].data, 0, change->fs->block_size);
    }
}

/* Whether an order's first block waits for another one of the change. */
static bool has_to_wait(const struct change *change, unsigned done,
                        unsigned order)
{
    for (unsigned i = 0; i < change->order_count; i++) {
        if ((done >> i & 1) == 0 &&
            change->orders[i].after == change->orders[order].before)
            return true;
    }
    return false;
}

/* Whether the orders of the change can be kept: they are a circle when the disk
 * says that one block is two things. */
static bool is_possible(const struct change *change)
{
    const unsigned all = (1U << change->order_count) - 1;
    unsigned done = 0, before;

    do {
        before = done;
        for (unsigned i = 0; i < change->order_count; i++) {
            if (!has_to_wait(change, done, i))
                done |= 1U << i;
        }
    } while (done != before);
    return done == all;
}

/* Let the cache keep the order. Returns as mapping_order(). */
static int ask_order(struct change *change)
{
    struct order_pair pairs[EXT2_CHANGE_ORDERS];

    for (unsigned i = 0; i < change->order_count; i++) {
        const struct change_block *before =
            &change->blocks[change->orders[i].before];
        const struct change_block *after =
            &change->blocks[change->orders[i].after];

        pairs[i] = pair_of(before, after);
    }
    return mapping_order(&change->fs->device, pairs, change->order_count);
}

int ext2_change_start(struct change *change)
{
    int status;

    assert(!change->is_started);
    if (!is_possible(change))
        return ext2_damaged_volume(change->fs, "a block is used twice");
    do {
        while (wait_read(change))
            ;
        status = modify_all(change);
        if (status == 0)
            status = ask_order(change);
    } while (status == 1);
    if (status != 0)
        return status;
    clear_new(change);
    change->is_started = true;
    return 0;
}

static void unpin(struct change *change)
{
    for (unsigned i = 0; i < change->block_count; i++)
        page_put(change->blocks[i].page);
    change->block_count = 0;
}

static void blocks_dirty(const struct change *change)
{
    for (unsigned i = 0; i < change->block_count; i++) {
        const struct change_block *block = &change->blocks[i];

        if (!block->is_kept)
            page_dirty(block->page, block->from, change->fs->block_size);
    }
}

void ext2_change_end(struct change *change)
{
    struct ext2_rw *rw = change->fs->rw;

    assert(change->is_started);
    blocks_dirty(change);
    for (unsigned i = 0; i < change->inode_count; i++) {
        ext2_rw_inode_of(change->inodes[i])->after = rw->stamp;
        inode_dirty(change->inodes[i], INODE_REST);
    }
    rw->stamp++;
    unpin(change);
}

void ext2_change_abort(struct change *change)
{
    /* Blocks that others wait for now are written. */
    if (change->is_started && change->order_count > 0)
        blocks_dirty(change);
    unpin(change);
}

int ext2_change_one(struct change *change, struct ext2_fs *fs, uint64_t block,
                    struct change_block **out)
{
    int status;

    ext2_change_begin(change, fs);
    status = ext2_change_block(change, block, out);
    if (status == 0)
        status = ext2_change_start(change);
    if (status != 0)
        ext2_change_abort(change);
    return status;
}
