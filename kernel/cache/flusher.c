/*
 * The flusher: a thread of each CPU that writes what has been dirty for a
 * while, or at once when much is. While nothing is dirty it sleeps without a
 * deadline.
 *
 * cache->dirty is in the order in which mappings are to be written. One that is
 * being written goes to its end first, so that what becomes dirty meanwhile, or
 * cannot be written, is tried again, but not at once.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cache/io.h"
#include "kernel/cpu/percpu.h"
#include <torc/errno.h>
#include <torc/memory.h>

enum {
    SPARE_PIECES = 16,
    FILES_MAX = 12,  /* that are written at the same time, */
    PAGES_MAX = 256, /* until they are so many pages */
};

/* What could not be written for want of memory is not tried again before. */
#define MEMORY_AFTER_NS (NS_PER_S / 10)

/* ---- What to write next -------------------------------------------------- */

static struct mapping *mapping_of(const struct list *node)
{
    return container_of(node, struct mapping, dirty_link);
}

/* Much is dirty, or somebody waits. */
static bool is_urgent(const struct page_cache *cache)
{
    return cache->throttled > 0 ||
           cache->dirty_count >= cache->dirty_limit / FLUSH_SHARE;
}

/* When a mapping is to be written. One that could not be written waits for its
 * time in any case. */
static uint64_t due_ns(const struct mapping *mapping, bool urgent)
{
    if (urgent && mapping->flush_status == 0 &&
        mapping->urgent_at_ns < mapping->flush_at_ns)
        return mapping->urgent_at_ns;
    return mapping->flush_at_ns;
}

/* The mapping to be written now; or NULL, and *deadline is when to look again.
 */
static struct mapping *choose(const struct page_cache *cache,
                              uint64_t *deadline_ns)
{
    bool urgent = is_urgent(cache);
    uint64_t now = time_ns();

    *deadline_ns = TIME_NEVER;
    list_for_each (node, &cache->dirty) {
        uint64_t due = due_ns(mapping_of(node), urgent);

        if (due <= now)
            return mapping_of(node);
        if (due < *deadline_ns)
            *deadline_ns = due;
        if (!urgent)
            break;
    }
    return NULL;
}

void flush_status_set(struct mapping *mapping, int status)
{
    if (status == -ENOMEM || status == mapping->flush_status)
        return;
    mapping->flush_status = status;
    wait_wake_all(&mapping->cache->room);
}

/* ---- Writing it ---------------------------------------------------------- */

/* A mapping that the flusher writes. */
struct flush {
    struct mapping *mapping; /* NULL: it has ended in its own flush */
    struct writing writing;
};

static void flush_begin(struct flush *flush, struct mapping *mapping)
{
    mapping->flush_at_ns = time_ns() + FLUSH_AFTER_NS;
    list_remove(&mapping->dirty_link);
    list_push_back(&mapping->cache->dirty, &mapping->dirty_link);
    *flush = (struct flush){.mapping = mapping};
    mapping->flush = flush;
}

static void flush_end(struct page_cache *cache, struct flush *flush, int status)
{
    struct mapping *mapping = flush->mapping;

    if (mapping != NULL) {
        /* What failed somebody else may have written meanwhile. */
        if (flush->writing.has_tried ? status == 0 || mapping->dirty_count > 0
                                     : status != 0)
            flush_status_set(mapping, status);
        if (status == -ENOMEM)
            mapping->urgent_at_ns = time_ns() + MEMORY_AFTER_NS;
        mapping->flush = NULL;
    }
    wait_wake_all(&cache->flushed);
    wait_wake_all(&cache->room);
}

/* A file of which only pages are to be written: in any order, and whatever
 * others do. */
static bool is_plain(const struct mapping *mapping)
{
    return mapping->is_file && mapping->ops->flush == NULL;
}

static void flush_other(struct page_cache *cache, struct mapping *mapping)
{
    struct flush flush;
    int status;

    flush_begin(&flush, mapping);
    if (mapping->ops != NULL && mapping->ops->flush != NULL)
        status = mapping->ops->flush(mapping);
    else
        status = mapping_write(mapping, 0, UINT64_MAX);
    flush_end(cache, &flush, status);
}

/* Write a file, and at the same time those that are to be written next: a
 * device has little to do with a small one, but each takes as long. */
static void flush_files(struct page_cache *cache, struct mapping *mapping)
{
    struct flush flushes[FILES_MAX];
    unsigned count = 0;
    uint64_t pages = 0, deadline_ns;

    do {
        struct flush *flush = &flushes[count++];

        pages += mapping->dirty_count;
        flush_begin(flush, mapping);
        writing_begin(&flush->writing, mapping, 0, UINT64_MAX);
        mapping = choose(cache, &deadline_ns);
    } while (count < FILES_MAX && pages < PAGES_MAX && mapping != NULL &&
             mapping->flush == NULL && is_plain(mapping));
    for (unsigned i = 0; i < count; i++)
        flush_end(cache, &flushes[i], writing_end(&flushes[i].writing));
}

/* ---- Other work ---------------------------------------------------------- */

static struct flush_work *work_of(const struct list *node)
{
    return container_of(node, struct flush_work, link);
}

/* The first work that is due, or NULL; *deadline_ns is lowered to the time of
 * the next one. */
static struct flush_work *choose_work(const struct page_cache *cache,
                                      uint64_t *deadline_ns)
{
    uint64_t now = time_ns();

    list_for_each (node, &cache->works) {
        if (work_of(node)->at_ns <= now)
            return work_of(node);
        if (work_of(node)->at_ns < *deadline_ns)
            *deadline_ns = work_of(node)->at_ns;
    }
    return NULL;
}

static void work_unqueue(struct flush_work *work)
{
    list_remove(&work->link);
    work->is_queued = false;
}

static void work_run(struct page_cache *cache, struct flush_work *work)
{
    work_unqueue(work);
    work->is_running = true;
    work->run(work);
    work->is_running = false;
    wait_wake_all(&cache->flushed);
}

void flush_work_queue(struct flush_work *work, uint64_t delay_ns)
{
    struct page_cache *cache = cpu_self()->page_cache;

    assert(cache->has_flusher);
    if (work->is_queued)
        return;
    work->is_queued = true;
    work->at_ns = time_ns() + delay_ns;
    list_push_back(&cache->works, &work->link);
    wait_wake_all(&cache->work);
}

void flush_work_cancel(struct flush_work *work)
{
    struct page_cache *cache = cpu_self()->page_cache;

    while (work->is_queued || work->is_running) {
        if (work->is_queued)
            work_unqueue(work);
        else
            wait_on(&cache->flushed);
    }
}

/* ---- The thread ---------------------------------------------------------- */

static int flusher_main(void *arg)
{
    struct page_cache *cache = arg;

    while (cache->has_flusher) {
        uint64_t deadline_ns;
        struct mapping *mapping = choose(cache, &deadline_ns);
        struct flush_work *work = choose_work(cache, &deadline_ns);

        if (work != NULL)
            work_run(cache, work);
        else if (mapping != NULL && is_plain(mapping))
            flush_files(cache, mapping);
        else if (mapping != NULL)
            flush_other(cache, mapping);
        else if (wait_on_until(&cache->work, deadline_ns) != 0)
            continue; /* it is time */
    }
    return 0;
}

void flusher_leave(struct mapping *mapping)
{
    struct page_cache *cache = mapping->cache;

    if (mapping->flush != NULL && thread_self() == cache->flusher) {
        mapping->flush->mapping = NULL; /* it ends in its own flush */
        mapping->flush = NULL;
    }
    while (mapping->flush != NULL)
        wait_on(&cache->flushed);
}

int page_cache_start_flusher(void)
{
    struct page_cache *cache = page_cache_of_cpu();
    struct thread_attr attr = {
        .name = "flusher", .place = THREAD_ON_CPU, .detached = true};
    int status;

    if (cache == NULL)
        return -ENOMEM;
    if (cache->has_flusher)
        return 0;
    attr.cpu = cpu_self()->id;
    cache->spare = page_io_create(BLOCK_WRITE, 0, 0, SPARE_PIECES);
    if (cache->spare == NULL)
        return -ENOMEM;
    cache->spare->spare_of = cache;
    cache->has_flusher = true;
    status = thread_create(&attr, flusher_main, cache, &cache->flusher);
    if (status == 0)
        return 0;
    cache->has_flusher = false;
    mem_free(cache->spare);
    cache->spare = NULL;
    return status;
}

/* ---- Writers that wait --------------------------------------------------- */

/* Dirty pages that the flusher could not write. */
static uint64_t stuck_count(const struct page_cache *cache)
{
    uint64_t count = 0;

    list_for_each (node, &cache->dirty) {
        if (mapping_of(node)->flush_status != 0)
            count += mapping_of(node)->dirty_count;
    }
    return count;
}

int mapping_throttle(struct mapping *mapping)
{
    struct page_cache *cache = mapping->cache;

    if (mapping->open == NULL)
        return 0;
    while (unlikely(cache->dirty_count >= cache->dirty_limit)) {
        if (mapping->flush_status != 0 && mapping->dirty_count > 0)
            return mapping->flush_status;
        /* Those of a device that is gone do not stop others. */
        if (cache->dirty_count - stuck_count(cache) < cache->dirty_limit)
            return 0;
        assert(cache->has_flusher);
        cache->throttled++;
        wait_wake_all(&cache->work);
        wait_on(&cache->room);
        cache->throttled--;
    }
    return 0;
}

void page_cache_get_stats(struct page_cache_stats *stats)
{
    const struct page_cache *cache = cpu_self()->page_cache;

    *stats = (struct page_cache_stats){.pages = 0};
    if (cache == NULL)
        return;
    stats->pages = cache->page_count;
    stats->dirty = cache->dirty_count;
    stats->dirty_limit = cache->dirty_limit;
}
