/* How the processor caches memory: mem_cache_set(). */
#include "hal/hal.h"
#include "kernel/memory/mem.h"
#include <torc/machine.h>
#include <torc/memory.h>

/* Whether [from, from+size) lies in one piece of this CPU's share. */
static bool is_mine(uintptr_t from, size_t size)
{
    const struct page_allocator *pages = mem_pages_of(cpu_id());

    for (unsigned i = 0; i < pages->range_count; i++) {
        const struct page_range *range = &pages->range[i];
        size_t bytes = range->page_count << PAGE_SHIFT;

        if (from >= range->base && size <= bytes &&
            from - range->base <= bytes - size)
            return true;
    }
    return false;
}

int mem_cache_set(void *ptr, size_t size, enum mem_cache mode)
{
    static const enum hal_page_attr attr[] = {
        [MEM_CACHED] = HAL_PAGE_NORMAL,
        [MEM_UNCACHED] = HAL_PAGE_UNCACHED,
        [MEM_WRITE_COMBINING] = HAL_PAGE_WRITE_COMBINING,
    };

    if ((unsigned)mode >= COUNT_OF(attr) || size == 0 ||
        ((uintptr_t)ptr | size) % PAGE_SIZE != 0)
        return -EINVAL;
    if (!is_mine((uintptr_t)ptr, size))
        return mem_owner(ptr) < 0 ? -EINVAL : -EXDEV;
    return hal_page_attr(ptr, size, attr[mode]);
}
