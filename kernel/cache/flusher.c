/* The flusher: a thread of each CPU that writes what is dirty. */
#include "kernel/cache/cache_internal.h"

void flusher_leave(struct mapping *mapping)
{
    struct page_cache *cache = mapping->cache;

    while (cache->flushing == mapping)
        wait_on(&cache->flushed);
}
