/*
 * What files hold: pages that stay, because the mapping has no device. The file
 * system only counts them.
 */
#include "fs/memfs/memfs_internal.h"
#include <torc/assert.h>

/* Pages of a mapping are to be filled, or are not any more. */
static void count(struct mapping *mapping, uint32_t sectors, bool is_more)
{
    struct inode *inode = container_of(mapping, struct inode, pages);
    struct memfs *fs = memfs_of(inode);
    uint32_t pages = sectors / PAGE_SECTORS;

    assert(sectors % PAGE_SECTORS == 0);
    if (is_more) {
        fs->page_count += pages;
        inode->blocks += sectors;
    } else {
        assert(fs->page_count >= pages);
        fs->page_count -= pages;
        inode->blocks -= sectors;
    }
}

/* mapping_ops.map(): of a mapping without a device only room is asked for. */
static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    const struct inode *inode = container_of(mapping, struct inode, pages);
    const struct memfs *fs = memfs_of(inode);
    uint64_t free_pages = fs->page_max - memfs_pages(fs);

    assert(mode == MAP_RESERVE || mode == MAP_RELEASE);
    if (mode == MAP_RESERVE && sectors / PAGE_SECTORS > free_pages)
        return -ENOSPC;
    count(mapping, sectors, mode == MAP_RESERVE);
    *out = (struct extent){EXTENT_HOLE, sector, sectors};
    return 0;
}

int memfs_data_init(struct memfs_inode *node)
{
    static const struct mapping_ops ops = {.map = map};

    return mapping_init(&node->inode.pages, &ops, NULL, PAGE_SECTORS, 0);
}
