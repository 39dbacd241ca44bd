/*
 * Memory, divided over the CPUs at boot, and whose an address is.
 */
#include "kernel/memory/mem.h"
#include <torc/assert.h>

/* Constant after mem_init(); the blocks behind belong to their CPUs. */
static struct page_allocator allocators[HAL_CPU_MAX];
static unsigned allocator_count;

struct page_allocator *mem_pages_of(unsigned cpu)
{
    assert(cpu < allocator_count);
    return &allocators[cpu];
}

/*
 * At most so many pieces: dividing memory goes on to the next one where a
 * region ends or a CPU has its share, and a CPU gets memory twice at most, of
 * its node and of nodes without CPUs.
 */
enum { PIECES_MAX = HAL_REGION_MAX + 2 * HAL_CPU_MAX };

/* Those of one CPU in a row; each CPU's belong to it. */
static struct page_range ranges[PIECES_MAX];

/*
 * While memory is divided: the pieces, in the order in which their CPUs are to
 * use them. Then all ranges by address, so that any CPU can look up whose an
 * address is without touching what others write; constant after mem_init().
 */
static struct mem_share owners[PIECES_MAX];
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

/* ---- Dividing memory ----------------------------------------------------- */

/* Give [base, base+size) to a CPU. */
static void share_add(unsigned cpu, uintptr_t base, size_t size)
{
    if (owner_count > 0) {
        struct mem_share *last = &owners[owner_count - 1];

        /* What continues the piece before becomes part of it. */
        if (last->cpu == cpu && last->end == base) {
            last->end += size;
            return;
        }
    }
    assert(owner_count < PIECES_MAX);
    owners[owner_count++] = (struct mem_share){base, base + size, cpu};
}

/* A piece becomes the next range of its CPU; one that has no room for anything
 * but its own struct page_info is left out. */
static void range_add(struct page_allocator *pages,
                      const struct mem_share *piece)
{
    struct page_range *range = &pages->range[pages->range_count];
    size_t total = (piece->end - piece->base) >> PAGE_SHIFT;
    size_t meta = pages_for(total * (sizeof(struct page_info) + 1));

    if (total <= meta)
        return;
    range->pages = (struct page_info *)piece->base;
    range->base = piece->base + meta * PAGE_SIZE;
    range->page_count = total - meta;
    range->classes = (uint8_t *)(range->pages + total);
    range->fresh = 0;
    pages->range_count++;
    pages->total_pages += range->page_count;
    pages->free_pages += range->page_count;
}

static void ranges_fill(void)
{
    struct page_range *next = ranges;

    for (unsigned i = 0; i < owner_count; i++)
        allocators[owners[i].cpu].range_count++;
    for (unsigned cpu = 0; cpu < allocator_count; cpu++) {
        allocators[cpu].range = next;
        next += allocators[cpu].range_count;
        allocators[cpu].range_count = 0;
    }
    for (unsigned i = 0; i < owner_count; i++)
        range_add(&allocators[owners[i].cpu], &owners[i]);
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
    return total / count;
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

                /* `missing` is a border at least, or less than a page. */
                assert(cut >= base);
                size = cut - base;
            }
            share_add(cpu, base, size);
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
    owner_count = 0;
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
    ranges_fill();
    for (unsigned cpu = 0; cpu < allocator_count; cpu++) {
        if (allocators[cpu].total_pages * PAGE_SIZE < least)
            return false;
    }
    return true;
}

int mem_init(const struct hal_boot_info *info, unsigned cpu_count)
{
    size_t total = 0;
    size_t even, least;

    allocator_count = cpu_count;
    for (unsigned i = 0; i < info->region_count; i++) {
        assert(info->region[i].base % PAGE_SIZE == 0);
        assert(info->region[i].size % PAGE_SIZE == 0);
        total += info->region[i].size;
    }
    even = total / cpu_count;
    if (even < MEM_SHARE_MIN)
        return -ENOMEM;
    least = even / MEM_NODE_UNEVEN > MEM_SHARE_MIN ? even / MEM_NODE_UNEVEN
                                                   : MEM_SHARE_MIN / 2;
    /* A CPU whose node has no memory, or next to none: better far than none.
     * Without nodes all get nearly the same. */
    if (!divide(info, true, least))
        (void)divide(info, false, 0);
    owners_fill();
    return 0;
}
