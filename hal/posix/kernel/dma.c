/*
 * Memory that devices reach: hal.h, section 6.
 *
 * Each page of the machine's memory has the number of the hal_dma_map() range
 * it lies in, 0 for none. A page belongs to a CPU, which writes its number;
 * device models on other threads only read.
 */
#include "hal/posix/kernel/dma.h"
#include "hal/hal.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/kernel/exit.h"
#include "hal/posix/kernel/memory.h"
#include <stdatomic.h>
#include <torc/assert.h>

enum { CHECK_PAGES = 4096 };

static _Atomic uint32_t *page_range;
static size_t page_count;

static _Atomic uint32_t last_range;

int dma_open(void)
{
    assert(page_range == NULL);
    assert(machine_memory.size > 0);
    page_count = machine_memory.size / HAL_PAGE_SIZE;
    page_range = host_memory_map(page_count * sizeof(*page_range),
                                 HAL_PAGE_SIZE, HOST_ANYWHERE);
    return page_range == NULL ? -ENOMEM : 0;
}

void dma_close(void)
{
    if (page_range != NULL)
        host_memory_unmap((void *)page_range, page_count * sizeof(*page_range));
    page_range = NULL;
    page_count = 0;
}

static size_t page_index(const void *ptr)
{
    return ((uintptr_t)ptr - machine_memory.base) / HAL_PAGE_SIZE;
}

/* The range page `index` lies in; none outside the memory. */
static uint32_t range_of(size_t index)
{
    if (index >= page_count)
        return 0;
    return atomic_load_explicit(&page_range[index], memory_order_acquire);
}

static void range_set(const void *ptr, size_t size, uint32_t range)
{
    size_t first = page_index(ptr);

    assert(first < page_count);
    assert(size / HAL_PAGE_SIZE <= page_count - first);
    for (size_t i = 0; i < size / HAL_PAGE_SIZE; i++)
        atomic_store_explicit(&page_range[first + i], range,
                              memory_order_release);
}

int hal_dma_map(void *ptr, size_t size)
{
    size_t first;

    if (!machine_owns_pages(ptr, size))
        return -EINVAL;
    first = page_index(ptr);
    for (size_t i = 0; i < size / HAL_PAGE_SIZE; i++)
        if (range_of(first + i) != 0)
            return -EINVAL;
    range_set(ptr, size, atomic_fetch_add(&last_range, 1) + 1);
    return 0;
}

void hal_dma_unmap(void *ptr, size_t size)
{
    size_t first;
    size_t count = size / HAL_PAGE_SIZE;
    uint32_t range;

    if (!machine_owns_pages(ptr, size))
        machine_bug("hal_dma_unmap() of what is no memory");
    first = page_index(ptr);
    range = range_of(first);
    for (size_t i = 0; i < count; i++)
        if (range == 0 || range_of(first + i) != range)
            machine_bug("hal_dma_unmap() of what is not one mapped range");
    /* first - 1 wraps to a page that is none when first is 0. */
    if (range_of(first - 1) == range || range_of(first + count) == range)
        machine_bug("hal_dma_unmap() of a part of a range");
    range_set(ptr, size, 0);
}

uint64_t hal_dma_addr(const void *ptr)
{
    if (range_of(page_index(ptr)) == 0)
        machine_bug("hal_dma_addr() of memory that is not mapped for devices");
    return (uintptr_t)ptr - machine_memory.base + machine_memory.bus;
}

/* Of a large machine only the first pages are looked at. */
void dma_check(void)
{
    size_t count = page_count < CHECK_PAGES ? page_count : CHECK_PAGES;

    assert((page_range == NULL) == (page_count == 0));
    assert(page_count == machine_memory.size / HAL_PAGE_SIZE);
    for (size_t i = 0; i < count; i++) {
        uint32_t range = range_of(i);

        assert(range <= atomic_load(&last_range));
        if (range == 0 || range_of(i + 1) == range)
            continue;
        /* It ends here: no page behind has the same number. */
        for (size_t j = i + 1; j < count; j++)
            assert(range_of(j) != range);
    }
}

void *dma_lookup(uint64_t bus, size_t size)
{
    uint64_t offset = bus - machine_memory.bus;
    uint64_t total = (uint64_t)page_count * HAL_PAGE_SIZE;
    uint32_t range;

    if (bus < machine_memory.bus || size == 0 || size > total ||
        offset > total - size)
        return NULL;
    range = range_of(offset / HAL_PAGE_SIZE);
    for (uint64_t page = offset / HAL_PAGE_SIZE;
         page <= (offset + size - 1) / HAL_PAGE_SIZE; page++)
        if (range == 0 || range_of(page) != range)
            return NULL;
    return (void *)(uintptr_t)(machine_memory.base + offset);
}
