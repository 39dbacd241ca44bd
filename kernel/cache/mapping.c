/* The cache of a CPU, and making and ending mappings. */
#include "kernel/cache/cache_internal.h"
#include "kernel/cpu/percpu.h"
#include <torc/errno.h>
#include <torc/memory.h>

/* Pages with a device may be dirty up to one of so many parts of the memory. */
enum { DIRTY_SHARE = 5 };

struct page_cache *page_cache_of_cpu(void)
{
    struct cpu *cpu = cpu_self();
    struct page_cache *cache = cpu->page_cache;

    if (cache != NULL)
        return cache;
    cache = mem_alloc_zeroed(sizeof(*cache));
    if (cache == NULL)
        return NULL;
    cache->reclaim = page_cache_reclaim;
    cache->dirty_limit = mem_total_bytes() / PAGE_BYTES / DIRTY_SHARE;
    list_init(&cache->clean);
    list_init(&cache->dirty);
    list_init(&cache->works);
    wait_queue_init(&cache->work);
    wait_queue_init(&cache->flushed);
    wait_queue_init(&cache->room);
    wait_queue_init(&cache->spare_back);
    cpu->page_cache = cache;
    return cache;
}

/* ---- Making and dropping ------------------------------------------------- */

int mapping_init(struct mapping *mapping, const struct mapping_ops *ops,
                 struct block_open *open, unsigned unit, uint64_t size_bytes)
{
    struct page_cache *cache = page_cache_of_cpu();

    assert(unit > 0);
    assert(PAGE_SECTORS % unit == 0);
    assert(size_bytes <= MAPPING_SIZE_MAX);
    if (cache == NULL)
        return -ENOMEM;
    *mapping = (struct mapping){
        .ops = ops,
        .open = open,
        .cache = cache,
        .unit = (uint8_t)unit,
        .is_file = true,
        .size_bytes = size_bytes,
    };
    list_init(&mapping->dirty_link);
    return 0;
}

int mapping_init_device(struct mapping *mapping, struct block_open *open)
{
    uint64_t size = open->dev->sectors * BLOCK_SECTOR_SIZE;
    int status = mapping_init(mapping, NULL, open, open->sector_mask + 1, size);

    mapping->is_file = false;
    return status;
}

void mapping_destroy(struct mapping *mapping)
{
    flusher_leave(mapping);
    mapping_drop(mapping, 0, RADIX_LIMIT);
    flusher_leave(mapping); /* it may have been chosen while that waited */
    assert(mapping->page_count == 0);
    if (mapping->order != NULL)
        mapping->order->ops->fini(mapping);
    assert(list_empty(&mapping->dirty_link));
}

bool mapping_is_idle(const struct mapping *mapping)
{
    return mapping->page_count == 0 && mapping->flush == NULL;
}
