/*
 * Giving pages back: the cache is what is left of memory. The heap asks before
 * an allocation fails.
 *
 * The list `clean` is gone through from its front, where the pages are that
 * have been there for longest. One that was used since it was last looked at
 * gets another round: so what is read once goes before what is used again.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"

enum {
    RECLAIM_MIN = 32,   /* pages given back at once, if there are */
    RECLAIM_SHARE = 16, /* or this part of those that could be */
};

/* Look at the first page. Returns whether it was given back. */
static bool first_reclaim(struct page_cache *cache)
{
    struct page *page = container_of(cache->clean.next, struct page, clean);

    if (page->pins == 0 && !page->used) {
        page_drop(page);
        return true;
    }
    page->used = false;
    list_remove(&page->clean);
    list_push_back(&cache->clean, &page->clean);
    return false;
}

bool page_cache_reclaim(struct page_cache *cache)
{
    uint64_t wanted, looks, given = 0;

    wanted = cache->clean_count / RECLAIM_SHARE;
    if (wanted < RECLAIM_MIN)
        wanted = RECLAIM_MIN;
    for (looks = 2 * cache->clean_count; looks > 0 && given < wanted; looks--)
        given += !list_empty(&cache->clean) && first_reclaim(cache);
    return given > 0;
}

/* By way of a pointer: an image without pages has none of this. */
static bool reclaim_if_any(void)
{
    struct page_cache *cache = cpu_self()->page_cache;

    return cache != NULL && cache->reclaim(cache);
}

void page_cache_boot(void)
{
    static struct heap_reclaimer reclaimer = {.run = reclaim_if_any};

    heap_add_reclaimer(&reclaimer);
}
