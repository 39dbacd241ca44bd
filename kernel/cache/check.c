/* What is always true between two calls: mapping_check(), page_cache_check().
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cpu/percpu.h"

/* Pages of a mapping and how many of them are marked as dirty; the marks of the
 * tree agree with the pages. */
static void pages_of_check(const struct mapping *mapping)
{
    uint64_t count = 0, marked = 0, next_marked = 0;
    const struct page *page = radix_next(&mapping->tree, 0, false);

    for (; page != NULL;
         page = radix_next(&mapping->tree, page->index + 1, false)) {
        const struct page *found =
            radix_next(&mapping->tree, next_marked, true);

        assert(page->mapping == mapping);
        page_check(page);
        count++;
        if ((page->dirty | page->writing) != 0) {
            assert(found == page);
            next_marked = page->index + 1;
            marked++;
        }
    }
    assert(radix_next(&mapping->tree, next_marked, true) == NULL);
    assert(count == mapping->page_count);
    assert(marked == mapping->dirty_count);
}

void mapping_check(const struct mapping *mapping)
{
    bool is_listed = mapping->open != NULL && mapping->dirty_count > 0;

    assert(mapping->cache == cpu_self()->page_cache);
    assert(mapping->unit > 0);
    assert(PAGE_SECTORS % mapping->unit == 0);
    assert(mapping->size_bytes <= MAPPING_SIZE_MAX);
    assert(radix_check(&mapping->tree) == mapping->page_count);
    assert(!list_empty(&mapping->dirty_link) == is_listed);
    assert(!mapping->error_told || mapping->error != 0);
    pages_of_check(mapping);
}

void page_cache_check(void)
{
    const struct page_cache *cache = cpu_self()->page_cache;
    uint64_t clean = 0, dirty = 0, earliest = 0;

    if (cache == NULL)
        return;
    list_for_each (node, &cache->clean) {
        page_check(container_of(node, struct page, clean));
        clean++;
    }
    list_for_each (node, &cache->dirty) {
        const struct mapping *mapping =
            container_of(node, struct mapping, dirty_link);

        mapping_check(mapping);
        assert(mapping->flush_at_ns >= earliest);
        earliest = mapping->flush_at_ns;
        dirty += mapping->dirty_count;
    }
    assert(dirty == cache->dirty_count);
    assert(clean + dirty <= cache->page_count);
    assert(clean == cache->clean_count);
}
