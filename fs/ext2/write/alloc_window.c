/*
 * Windows: blocks behind the end of a file that is being written, which others
 * do not take while there are any elsewhere. So two files that grow at the same
 * time do not get every other block. A window doubles each time the file goes
 * on in it; the files that were written last have one.
 */
#include "fs/ext2/write/rw.h"
#include "kernel/lib/minmax.h"

enum {
    WINDOWS_MAX = 16,
    WINDOW_FIRST = 8, /* blocks */
    WINDOW_LARGEST = 1024,
};

static struct ext2_rw_inode *window_of(const struct list *node)
{
    return container_of(node, struct ext2_rw_inode, window_link);
}

uint64_t ext2_windows_skip(const struct ext2_rw *rw, const struct inode *inode,
                           uint64_t block, uint32_t *max)
{
    list_for_each (node, &rw->windows) {
        const struct ext2_rw_inode *other = window_of(node);
        uint64_t end = other->window_first + other->window_size;

        if (&other->ext2.inode == inode || block >= end)
            continue;
        if (block >= other->window_first)
            return end;
        *max = (uint32_t)min_u64(*max, other->window_first - block);
    }
    return 0;
}

void ext2_window_drop(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);

    if (list_empty(&rwi->window_link))
        return;
    list_remove(&rwi->window_link);
    ext2_rw_of(inode)->window_count--;
    rwi->window_size = 0;
}

void ext2_window_move(struct inode *inode, uint64_t next, bool goes_on)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);
    uint32_t size = goes_on ? 2 * rwi->window_size : 0;

    if (inode->type != FILE_REGULAR)
        return;
    ext2_window_drop(inode);
    if (rw->window_count == WINDOWS_MAX)
        ext2_window_drop(&window_of(rw->windows.prev)->ext2.inode);
    rwi->window_first = next;
    rwi->window_size = min_u32(max_u32(size, WINDOW_FIRST), WINDOW_LARGEST);
    list_push_front(&rw->windows, &rwi->window_link);
    rw->window_count++;
}
