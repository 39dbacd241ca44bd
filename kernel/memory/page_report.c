#include "kernel/memory/page_report.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    LARGE_ORDER = 9, /* 2 MiB: what a host maps at once */
    SMALL_ORDER = 4, /* 64 KiB */
    LARGE_FROM = 64, /* so many large chunks in a share, or small ones */
    WORD_BITS = 64,
};

/* ---- Bits ---------------------------------------------------------------- */

/* The number of the chunk of an address, over all memory. */
static uintptr_t chunk_of(const struct page_report *report, uintptr_t address)
{
    return address >> (PAGE_SHIFT + report->order);
}

static size_t range_chunks(const struct page_report *report,
                           const struct page_range *range)
{
    uintptr_t last = range->base + range->page_count * PAGE_SIZE - 1;

    return chunk_of(report, last) - chunk_of(report, range->base) + 1;
}

/* Which of the ranges has an address, which is in this share. */
static unsigned range_number(const struct page_report *report,
                             uintptr_t address)
{
    const struct page_range *range = page_range_of(report->pages, address);

    assert(range != NULL);
    return (unsigned)(range - report->pages->range);
}

/* The bit of the chunk of an address in a range. */
static size_t bit_of(const struct page_report *report, unsigned range,
                     uintptr_t address)
{
    return report->first[range] + chunk_of(report, address) -
           chunk_of(report, report->pages->range[range].base);
}

static bool is_known(const struct page_report *report, size_t bit)
{
    return (report->known[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

/* The chunks that have something of these pages. */
static void set_known(struct page_report *report, uintptr_t address,
                      size_t count, bool known)
{
    unsigned range = range_number(report, address);
    size_t bit = bit_of(report, range, address);
    size_t last = bit_of(report, range, address + count * PAGE_SIZE - 1);

    for (; bit <= last; bit++) {
        uint64_t mask = UINT64_C(1) << bit % WORD_BITS;

        if (known)
            report->known[bit / WORD_BITS] |= mask;
        else
            report->known[bit / WORD_BITS] &= ~mask;
    }
}

static void freed(struct page_watch *watch, uintptr_t address, size_t count)
{
    struct page_report *report = container_of(watch, struct page_report, watch);

    set_known(report, address, count, false);
    if (!report->stirred) {
        report->stirred = true;
        report->stir(report);
    }
}

/* ---- Begin --------------------------------------------------------------- */

int page_report_begin(struct page_report *report, struct page_allocator *pages)
{
    size_t offsets = pages->range_count * sizeof(report->first[0]);
    size_t bits = 0;
    size_t bytes;

    report->pages = pages;
    report->order = pages->total_pages >> LARGE_ORDER >= LARGE_FROM
                        ? LARGE_ORDER
                        : SMALL_ORDER;
    for (unsigned i = 0; i < pages->range_count; i++)
        bits += range_chunks(report, &pages->range[i]);
    bytes = (bits + WORD_BITS - 1) / WORD_BITS * sizeof(report->known[0]);
    report->known = page_alloc(pages, pages_for(bytes + offsets), 0);
    if (report->known == NULL)
        return -ENOMEM;
    memset(report->known, 0xff, bytes);
    report->first = (void *)((char *)report->known + bytes);
    bits = 0;
    for (unsigned i = 0; i < pages->range_count; i++) {
        const struct page_range *range = &pages->range[i];

        report->first[i] = bits;
        bits += range_chunks(report, range);
        if (range->fresh > 0)
            set_known(report, range->base, range->fresh, false);
    }
    report->watch.freed = freed;
    pages->watch = &report->watch;
    report->stirred = true;
    report->stir(report);
    return 0;
}

void page_report_end(struct page_report *report)
{
    report->pages->watch = NULL;
    page_free(report->pages, report->known);
}

/* ---- Take and put -------------------------------------------------------- */

/*
 * In a free block, the first chunks in a row that are not known: `bit` is the
 * block's first, and becomes theirs. Returns how many, at most `limit`.
 */
static size_t unknown_chunks(const struct page_report *report, size_t *bit,
                             size_t chunks, size_t limit)
{
    size_t end = *bit + chunks;
    size_t count = 0;

    while (*bit < end && is_known(report, *bit))
        (*bit)++;
    while (count < limit && *bit + count < end &&
           !is_known(report, *bit + count))
        count++;
    return count;
}

/* Take some of a free block; NULL: all of it is known. */
static void *take_of(struct page_report *report, const struct page_info *page,
                     size_t limit, size_t *count)
{
    uintptr_t address = (uintptr_t)page_address(report->pages, page);
    unsigned number = range_number(report, address);
    const struct page_range *range = &report->pages->range[number];
    size_t block = (address - range->base) >> PAGE_SHIFT;
    size_t first = bit_of(report, number, address);
    size_t bit = first;
    size_t chunks = unknown_chunks(
        report, &bit, (size_t)1 << (page->order - report->order), limit);

    if (chunks == 0)
        return NULL;
    *count = chunks << report->order;
    return page_claim(report->pages, range, block,
                      block + ((bit - first) << report->order), *count);
}

void *page_report_take(struct page_report *report, size_t limit, size_t *count)
{
    size_t chunks = limit >> report->order;

    for (unsigned order = PAGE_ORDER_MAX; chunks > 0 && order >= report->order;
         order--) {
        list_for_each (node, &report->pages->free[order]) {
            void *ptr =
                take_of(report, container_of(node, struct page_info, link),
                        chunks, count);

            if (ptr != NULL)
                return ptr;
        }
    }
    return NULL;
}

void page_report_put(struct page_report *report, void *ptr, bool is_known)
{
    size_t count = page_count_of(report->pages, ptr);

    page_free(report->pages, ptr);
    if (is_known)
        set_known(report, (uintptr_t)ptr, count, true);
}
