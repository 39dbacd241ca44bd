#include "kernel/mem.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

enum { CHUNK_PAGES = HAL_LARGE_PAGE_SIZE / PAGE_SIZE };

static_assert(sizeof(struct page) == 32, "33 bytes for 4 KiB: 0.8 percent");

/* Constant after mem_init(); the blocks behind belong to their CPUs. */
static struct page_allocator allocators[HAL_CPU_MAX];
static unsigned allocator_count;

struct page_allocator *mem_pages_of(unsigned cpu)
{
    assert(cpu < allocator_count);
    return &allocators[cpu];
}

static bool range_holds(const struct page_range *range, uintptr_t address)
{
    return address >= range->base &&
           address - range->base < range->page_count * (uintptr_t)PAGE_SIZE;
}

static struct page_range *range_of(struct page_allocator *pages,
                                   uintptr_t address)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        if (range_holds(&pages->range[i], address))
            return &pages->range[i];
    }
    return NULL;
}

/*
 * All ranges by address, so that any CPU can look up whose an address is
 * without touching what others write. Constant after mem_init().
 */
static struct mem_share owners[HAL_CPU_MAX * PAGE_RANGE_MAX];
static unsigned owner_count;

static void owner_insert(const struct page_range *range, unsigned cpu)
{
    unsigned at = owner_count++;

    for (; at > 0 && owners[at - 1].base > range->base; at--)
        owners[at] = owners[at - 1];
    owners[at].base = range->base;
    owners[at].end = range->base + range->page_count * PAGE_SIZE;
    owners[at].cpu = cpu;
}

static void owners_fill(void)
{
    owner_count = 0;
    for (unsigned cpu = 0; cpu < allocator_count; cpu++) {
        for (unsigned i = 0; i < allocators[cpu].range_count; i++)
            owner_insert(&allocators[cpu].range[i], cpu);
    }
}

const struct mem_share *mem_share_of(const void *ptr)
{
    uintptr_t address = (uintptr_t)ptr;
    unsigned low = 0;
    unsigned high = owner_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (address < owners[middle].base)
            high = middle;
        else if (address >= owners[middle].end)
            low = middle + 1;
        else
            return &owners[middle];
    }
    return NULL;
}

int mem_owner(const void *ptr)
{
    const struct mem_share *share = mem_share_of(ptr);

    return share != NULL ? (int)share->cpu : -1;
}

static struct page *page_in(const struct page_range *range, uintptr_t address)
{
    return &range->pages[(address - range->base) >> PAGE_SHIFT];
}

struct page *page_at(struct page_allocator *pages, const void *ptr)
{
    struct page_range *range = range_of(pages, (uintptr_t)ptr);

    if (unlikely(range == NULL))
        panic("address %p is not memory of cpu %u", ptr, pages->cpu);
    return page_in(range, (uintptr_t)ptr);
}

void *page_address(struct page_allocator *pages, const struct page *page)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        struct page_range *range = &pages->range[i];

        if (page >= range->pages && page < range->pages + range->page_count)
            return (char *)range->base +
                   (size_t)(page - range->pages) * PAGE_SIZE;
    }
    panic("page %p is not of cpu %u", (const void *)page, pages->cpu);
}

/* ---- Blocks -------------------------------------------------------------- */

static void block_insert(struct page_allocator *pages, struct page *page,
                         unsigned order)
{
    page->state = PAGE_FREE;
    page->order = (uint8_t)order;
    list_push_front(&pages->free[order], &page->link);
    pages->free_orders |= UINT32_C(1) << order;
}

static void block_remove(struct page_allocator *pages, struct page *page)
{
    list_remove(&page->link);
    page->state = PAGE_INNER;
    if (list_empty(&pages->free[page->order]))
        pages->free_orders &= ~(UINT32_C(1) << page->order);
}

/* Free one aligned block, joining it with its buddies as far as they go. */
static void block_free(struct page_allocator *pages, struct page_range *range,
                       uintptr_t address, unsigned order)
{
    while (order < PAGE_ORDER_MAX) {
        uintptr_t size = (uintptr_t)PAGE_SIZE << order;
        uintptr_t buddy_address = address ^ size;
        struct page *buddy;

        if (!range_holds(range, buddy_address) ||
            (buddy_address - range->base) >> PAGE_SHIFT >= range->fresh)
            break;
        buddy = page_in(range, buddy_address);
        if (buddy->state != PAGE_FREE || buddy->order != order)
            break;
        block_remove(pages, buddy);
        page_in(range, address)->state = PAGE_INNER;
        address &= ~size;
        order++;
    }
    block_insert(pages, page_in(range, address), order);
}

/* The largest order a block at `address` of at most `count` pages can have. */
static unsigned order_fit(uintptr_t address, size_t count)
{
    unsigned align = (unsigned)__builtin_ctzll(address >> PAGE_SHIFT);
    unsigned size = 63 - (unsigned)__builtin_clzll(count);
    unsigned order = align < size ? align : size;

    return order < PAGE_ORDER_MAX ? order : PAGE_ORDER_MAX;
}

/* Free `count` pages at `address`, as the aligned blocks they are made of. */
static void pages_free(struct page_allocator *pages, struct page_range *range,
                       uintptr_t address, size_t count)
{
    while (count > 0) {
        unsigned order = order_fit(address, count);

        block_free(pages, range, address, order);
        address += (uintptr_t)PAGE_SIZE << order;
        count -= (size_t)1 << order;
    }
}

/* Make the next chunk of never-used pages ready; false when there is none. */
static bool range_grow(struct page_allocator *pages, struct page_range *range)
{
    uintptr_t address = range->base + range->fresh * PAGE_SIZE;
    size_t first = range->fresh;
    size_t count = CHUNK_PAGES - ((address >> PAGE_SHIFT) & (CHUNK_PAGES - 1));

    if (count > range->page_count - first)
        count = range->page_count - first;
    if (count == 0)
        return false;
    for (size_t i = first; i < first + count; i++)
        range->pages[i] = (struct page){.state = PAGE_INNER};
    for (size_t i = first; i < first + count; i++)
        range->classes[i] = MEM_NO_CLASS;
    range->fresh += count;
    pages_free(pages, range, address, count);
    return true;
}

static bool allocator_grow(struct page_allocator *pages)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        if (range_grow(pages, &pages->range[i]))
            return true;
    }
    return false;
}

/* Take a free block of at least `order`, from the smallest that fits. */
static struct page *block_take(struct page_allocator *pages, unsigned order)
{
    uint32_t fitting;
    struct page *page;

    for (;;) {
        fitting = pages->free_orders >> order << order;
        if (fitting != 0)
            break;
        if (!allocator_grow(pages))
            return NULL;
    }
    page = container_of(pages->free[__builtin_ctz(fitting)].next, struct page,
                        link);
    block_remove(pages, page);
    return page;
}

void *page_alloc(struct page_allocator *pages, size_t count,
                 unsigned align_order)
{
    unsigned order = align_order;
    struct page_range *range;
    struct page *page;
    uintptr_t address;

    assert(count > 0);
    if (count > pages->free_pages)
        return NULL;
    while (order <= PAGE_ORDER_MAX && (size_t)1 << order < count)
        order++;
    if (order > PAGE_ORDER_MAX)
        return NULL;
    page = block_take(pages, order);
    if (page == NULL)
        return NULL;
    address = (uintptr_t)page_address(pages, page);
    range = range_of(pages, address);
    page->state = PAGE_RUN;
    page->used = (uint32_t)count;
    pages->free_pages -= count;
    pages_free(pages, range, address + count * PAGE_SIZE,
               ((size_t)1 << page->order) - count);
    return (char *)address;
}

size_t page_count_of(struct page_allocator *pages, const void *ptr)
{
    struct page *page = page_at(pages, ptr);

    if (page->state != PAGE_RUN || ((uintptr_t)ptr & (PAGE_SIZE - 1)) != 0)
        panic("%p is not the start of allocated pages", ptr);
    return page->used;
}

void page_free(struct page_allocator *pages, void *ptr)
{
    size_t count = page_count_of(pages, ptr);

    page_at(pages, ptr)->state = PAGE_INNER;
    pages->free_pages += count;
    pages_free(pages, range_of(pages, (uintptr_t)ptr), (uintptr_t)ptr, count);
}

void page_shrink(struct page_allocator *pages, void *ptr, size_t count)
{
    size_t old = page_count_of(pages, ptr);
    uintptr_t address = (uintptr_t)ptr;

    assert(count > 0 && count <= old);
    page_at(pages, ptr)->used = (uint32_t)count;
    pages->free_pages += old - count;
    pages_free(pages, range_of(pages, address), address + count * PAGE_SIZE,
               old - count);
}

void page_set_class(struct page_allocator *pages, const void *ptr, size_t count,
                    uint8_t class)
{
    struct page_range *range = range_of(pages, (uintptr_t)ptr);
    size_t first = ((uintptr_t)ptr - range->base) >> PAGE_SHIFT;

    for (size_t i = first; i < first + count; i++)
        range->classes[i] = class;
}

bool page_is_mine(struct page_allocator *pages, const void *ptr)
{
    return range_of(pages, (uintptr_t)ptr) != NULL;
}

/* ---- Dividing memory ----------------------------------------------------- */

/*
 * Give [base, base+size) to a CPU; what is too small to use is left out. What
 * continues the range before becomes part of it.
 */
static void share_add(struct page_allocator *pages, uintptr_t base, size_t size)
{
    struct page_range *range = &pages->range[pages->range_count];
    size_t total;
    size_t meta;

    if (pages->range_count > 0 &&
        range[-1].base + range[-1].page_count * PAGE_SIZE == base) {
        range--;
        pages->range_count--;
        pages->total_pages -= range->page_count;
        pages->free_pages -= range->page_count;
        size += base - (uintptr_t)range->pages;
        base = (uintptr_t)range->pages;
    }
    total = size >> PAGE_SHIFT;
    meta = (total * (sizeof(struct page) + 1) + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (total < 2 || total <= meta || pages->range_count == PAGE_RANGE_MAX)
        return;
    range->pages = (struct page *)base;
    range->base = base + meta * PAGE_SIZE;
    range->page_count = total - meta;
    range->classes = (uint8_t *)(range->pages + total);
    range->fresh = 0;
    pages->range_count++;
    pages->total_pages += range->page_count;
    pages->free_pages += range->page_count;
}

/*
 * Where one share may end and the next begin: on the largest page that shares
 * are large against, so that few are in small pages because of it.
 */
static size_t border_size(size_t share)
{
    const size_t huge = (size_t)1 << 30;

    if (share >= 4 * huge)
        return huge;
    return share >= 2 * (size_t)HAL_LARGE_PAGE_SIZE ? HAL_LARGE_PAGE_SIZE
                                                    : PAGE_SIZE;
}

/*
 * A deal: some regions divided evenly among some CPUs. A node's memory goes to
 * its CPUs, that of all nodes without CPUs to everybody, as does all memory
 * when nodes are to be ignored.
 */
enum { EVERYBODY = -1 };

static int dealt_to(const struct hal_boot_info *info, bool by_node,
                    unsigned region)
{
    for (unsigned cpu = 0; by_node && cpu < allocator_count; cpu++) {
        if (info->cpu_node[cpu] == info->region[region].node)
            return info->cpu_node[cpu];
    }
    return EVERYBODY;
}

/* The first CPU from `cpu` on that takes part, or allocator_count. */
static unsigned dealt_cpu(const struct hal_boot_info *info, int whom,
                          unsigned cpu)
{
    while (whom != EVERYBODY && cpu < allocator_count &&
           info->cpu_node[cpu] != whom)
        cpu++;
    return cpu;
}

/* What each CPU that takes part should get: all it is about, evenly. */
static size_t deal_share(const struct hal_boot_info *info, bool by_node,
                         int whom)
{
    size_t total = 0;
    size_t count = 0;

    for (unsigned i = 0; i < info->region_count; i++) {
        if (dealt_to(info, by_node, i) == whom)
            total += info->region[i].size;
    }
    for (unsigned cpu = dealt_cpu(info, whom, 0); cpu < allocator_count;
         cpu = dealt_cpu(info, whom, cpu + 1))
        count++;
    return total / count & ~(size_t)(PAGE_SIZE - 1);
}

/*
 * Walk the regions once, handing each CPU its share in turn. What the rounding
 * to a border takes from one share is added to the next.
 */
static void deal(const struct hal_boot_info *info, bool by_node, int whom)
{
    size_t share = deal_share(info, by_node, whom);
    size_t border = border_size(share);
    size_t missing = share;
    unsigned cpu = dealt_cpu(info, whom, 0);
    unsigned next = dealt_cpu(info, whom, cpu + 1);

    for (unsigned i = 0; i < info->region_count; i++) {
        uintptr_t base = info->region[i].base;
        uintptr_t end = base + info->region[i].size;

        while (base < end && dealt_to(info, by_node, i) == whom) {
            size_t size = end - base;

            if (size > missing && next < allocator_count) {
                uintptr_t cut = (base + missing) & ~(border - 1);

                size = cut > base ? cut - base : missing;
            }
            share_add(&allocators[cpu], base, size);
            base += size;
            missing -= size < missing ? size : missing;
            if (missing < border && next < allocator_count) {
                cpu = next;
                next = dealt_cpu(info, whom, cpu + 1);
                missing += share;
            }
        }
    }
}

/*
 * Divide all memory, what is near a CPU first: it is used first. Returns
 * whether every share is large enough.
 */
static bool divide(const struct hal_boot_info *info, bool by_node, size_t least)
{
    for (unsigned cpu = 0; cpu < allocator_count; cpu++) {
        allocators[cpu] = (struct page_allocator){.cpu = cpu};
        for (unsigned i = 0; i <= PAGE_ORDER_MAX; i++)
            list_init(&allocators[cpu].free[i]);
    }
    for (unsigned i = 0; i < info->region_count; i++) {
        int whom = dealt_to(info, by_node, i);
        unsigned before = 0;

        while (dealt_to(info, by_node, before) != whom)
            before++;
        if (before == i && whom != EVERYBODY)
            deal(info, by_node, whom);
    }
    deal(info, by_node, EVERYBODY);
    for (unsigned cpu = 0; cpu < allocator_count; cpu++) {
        if (allocators[cpu].total_pages * PAGE_SIZE < least)
            return false;
    }
    return true;
}

int mem_init(const struct hal_boot_info *info, unsigned cpu_count)
{
    size_t total = 0;
    size_t even;

    allocator_count = cpu_count;
    for (unsigned i = 0; i < info->region_count; i++)
        total += info->region[i].size;
    even = total / cpu_count;
    if (even < MEM_SHARE_MIN)
        return -ENOMEM;
    /* A CPU whose node has no memory, or next to none: better far than none. */
    if (!divide(info, true,
                even / MEM_NODE_UNEVEN > MEM_SHARE_MIN ? even / MEM_NODE_UNEVEN
                                                       : MEM_SHARE_MIN / 2) &&
        !divide(info, false, MEM_SHARE_MIN / 2))
        return -ENOMEM;
    owners_fill();
    return 0;
}
