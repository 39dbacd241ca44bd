/*
 * Page tables: everything identity mapped. boot.S has mapped 4 GiB in large
 * pages; here the image gets its rights, page 0 goes, memory above 4 GiB comes,
 * and single pages change later. Intel SDM volume 3, chapter 4.
 *
 * Splitting a large page needs no agreement between CPUs: one that holds pages
 * of two of them has been split by CPU 0 before it started the others (hal.h,
 * hal_page_attr()), and any other is split by its only owner, with a table from
 * a pool of that CPU's. Changing an entry is one store.
 */
#include "hal/baremetal/memory/paging.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/image.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/memory/early.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    PTE_PRESENT = 1 << 0,
    PTE_WRITE = 1 << 1,
    PTE_WRITE_THROUGH = 1 << 3,
    PTE_NO_CACHE = 1 << 4,
    PTE_LARGE = 1 << 7,
    PTE_GUARD = 1 << 9, /* ours, in entries that are not present */
    TABLE_ENTRIES = 512,
    LEVELS = 4,
    POOL_MIN = 8,
    CPUID_1G_PAGES = 1 << 26,
};
#define PTE_NX      (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

extern uint64_t page_pml4[];
extern char boot_stack_guard[];

/* Bytes an entry of a level covers: 4 KiB, 2 MiB, 1 GiB, 512 GiB. */
static uint64_t level_size(unsigned level)
{
    return UINT64_C(4096) << 9 * level;
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(uintptr_t)(entry & PTE_ADDRESS);
}

static unsigned index_of(uint64_t address, unsigned level)
{
    return (unsigned)(address / level_size(level)) % TABLE_ENTRIES;
}

static void invalidate(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

/* A page for a table: from this CPU's pool once there are pools. */
static void *table_alloc(void)
{
    struct cpu_block *block = cpu_block_count == 0 ? NULL : cpu_block_self();

    if (block == NULL || block->table_pages == NULL)
        return boot_alloc(HAL_PAGE_SIZE);
    if (block->table_page_count == 0)
        return NULL;
    return block->table_pages + --block->table_page_count * HAL_PAGE_SIZE;
}

/* Replace a large entry by a table that says the same. */
static bool entry_split(uint64_t *entry, unsigned level)
{
    uint64_t *table = table_alloc();
    uint64_t each = *entry;

    if (table == NULL)
        return false;
    if (level == 1)
        each &= ~(uint64_t)PTE_LARGE;
    if ((each & PTE_PRESENT) == 0)
        memset(table, 0, HAL_PAGE_SIZE);
    for (unsigned i = 0; (each & PTE_PRESENT) != 0 && i < TABLE_ENTRIES; i++)
        table[i] = each + i * level_size(level - 1);
    *entry = (uintptr_t)table | PTE_PRESENT | PTE_WRITE;
    return true;
}

/* The entry of `level` for an address, making tables on the way; NULL: none. */
static uint64_t *entry_of(uint64_t address, unsigned level)
{
    uint64_t *table = page_pml4;

    for (unsigned at = LEVELS - 1; at > level; at--) {
        uint64_t *entry = &table[index_of(address, at)];

        if ((*entry & PTE_PRESENT) == 0 || (*entry & PTE_LARGE) != 0) {
            if (!entry_split(entry, at))
                return NULL;
        }
        table = table_of(*entry);
    }
    return &table[index_of(address, level)];
}

/*
 * Give every 4 KiB page of [from, to) these bits. The tables are walked once
 * for the pages of one table: a twentieth of the instructions of a boot.
 */
static void protect(uintptr_t from, uintptr_t to, uint64_t bits)
{
    while (from < to) {
        uint64_t *entry = entry_of(from, 0);

        do {
            *entry++ = (bits & PTE_PRESENT) == 0 ? bits : from | bits;
            invalidate(from);
            from += HAL_PAGE_SIZE;
        } while (from < to && from % HAL_LARGE_PAGE_SIZE != 0);
    }
}

/* Rights for the image; nothing at page 0; the rest is data. */
void paging_init(void)
{
    uintptr_t large = HAL_LARGE_PAGE_SIZE;
    uintptr_t end = ((uintptr_t)image_end + large - 1) & ~(large - 1);

    protect(HAL_PAGE_SIZE, (uintptr_t)image_start,
            PTE_PRESENT | PTE_WRITE | PTE_NX);
    protect((uintptr_t)image_start, (uintptr_t)rodata_start, PTE_PRESENT);
    protect((uintptr_t)rodata_start, (uintptr_t)data_start,
            PTE_PRESENT | PTE_NX);
    protect((uintptr_t)data_start, end, PTE_PRESENT | PTE_WRITE | PTE_NX);
    protect(0, HAL_PAGE_SIZE, 0);
    paging_guard(boot_stack_guard);
}

/* [at, end) in large pages of a level, as far as one table goes: to where. */
static uint64_t map_large(uint64_t at, uint64_t end, unsigned level)
{
    uint64_t step = level_size(level);
    uint64_t *entry = entry_of(at, level);

    for (unsigned i = index_of(at, level); at < end && i < TABLE_ENTRIES; i++) {
        *entry++ = at | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
        at += step;
    }
    return at;
}

/*
 * Memory above what boot.S mapped: whole GiBs in one page each where the
 * processor has such pages, so that boot costs next to the same however much
 * there is; the rest in pages of 2 MiB.
 */
void paging_map_ram(uint64_t base, uint64_t size)
{
    bool has_1g = (cpuid(0x80000001, 0).edx & CPUID_1G_PAGES) != 0;
    const uint64_t huge = level_size(2);
    uint64_t end = base + size;
    uint64_t first = has_1g ? (base + huge - 1) & ~(huge - 1) : end;
    uint64_t last = has_1g ? end & ~(huge - 1) : end;
    uint64_t at = base & ~(level_size(1) - 1);

    if (at < 4 * huge)
        at = 4 * huge;
    while (at < end) {
        if (at >= first && at < last)
            at = map_large(at, last, 2);
        else
            at = map_large(at, at < first && first < end ? first : end, 1);
    }
}

/*
 * Set pages aside for tables: for each CPU as many as an even share could ever
 * need, so that guard pages can be anywhere in it (a CPU that has more, because
 * nodes are uneven, may run out before its memory does); and for CPU 0 those it
 * needs where shares meet, a table of each level.
 */
void paging_pools_init(const uint8_t *cpu_node)
{
    size_t large = regions_size(&ram) / HAL_LARGE_PAGE_SIZE / cpu_block_count;
    size_t count = large + large / TABLE_ENTRIES + POOL_MIN;

    for (unsigned i = 0; i < cpu_block_count; i++) {
        size_t more = i == 0 ? 2 * (ram.count + cpu_block_count) : 0;

        cpu_blocks[i]->table_pages =
            boot_alloc_near(cpu_node[i], (count + more) * HAL_PAGE_SIZE);
        cpu_blocks[i]->table_page_count = count + more;
    }
}

/* ---- Attributes ---------------------------------------------------------- */

/*
 * The memory types that the two cache bits of an entry choose from: what reset
 * leaves, but write combining in the place of write through, which nothing has
 * used before. Every 64-bit processor has the PAT. SDM volume 3, 11.12.
 */
void paging_cpu_init(void)
{
    enum {
        MSR_PAT = 0x277,
        UNCACHED = 0,
        WRITE_COMBINING = 1,
        WRITE_BACK = 6,
        UNCACHED_MINUS = 7,
    };
    uint64_t half = (uint64_t)UNCACHED << 24 | UNCACHED_MINUS << 16 |
                    WRITE_COMBINING << 8 | WRITE_BACK;

    msr_write(MSR_PAT, half << 32 | half);
}

/*
 * Bring the memory up to date and leave nothing of it in the caches: SDM volume
 * 3, 11.12.4. CLFLUSH looks at the caches whatever the memory type is now;
 * INVLPG, which serialises, before and after it keeps it in its place.
 */
static void cache_flush(uintptr_t from, size_t size)
{
    size_t line = (cpuid(1, 0).ebx >> 8 & 0xff) * 8;

    for (uintptr_t at = from; line != 0 && at < from + size; at += line)
        __asm__ volatile("clflush (%0)" ::"r"(at) : "memory");
    invalidate(from);
}

static const uint64_t attr_bits[] = {
    [HAL_PAGE_NORMAL] = PTE_PRESENT | PTE_WRITE | PTE_NX,
    [HAL_PAGE_NONE] = PTE_GUARD,
    [HAL_PAGE_UNCACHED] =
        PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_NO_CACHE | PTE_WRITE_THROUGH,
    [HAL_PAGE_WRITE_COMBINING] =
        PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_WRITE_THROUGH,
};

int hal_page_attr(void *base, size_t size, enum hal_page_attr attr)
{
    uintptr_t from = (uintptr_t)base;

    if ((from | size) % HAL_PAGE_SIZE != 0 || size == 0 ||
        !boot_is_ram(from, size) || (unsigned)attr >= COUNT_OF(attr_bits))
        return -EINVAL;
    for (uintptr_t at = from; at < from + size; at += HAL_PAGE_SIZE) {
        if (entry_of(at, 0) == NULL)
            return -ENOMEM;
    }
    for (uintptr_t at = from; at < from + size; at += HAL_PAGE_SIZE) {
        *entry_of(at, 0) =
            attr == HAL_PAGE_NONE ? PTE_GUARD : at | attr_bits[attr];
        invalidate(at);
    }
    if (attr == HAL_PAGE_UNCACHED || attr == HAL_PAGE_WRITE_COMBINING)
        cache_flush(from, size);
    return 0;
}

void paging_guard(void *page)
{
    protect((uintptr_t)page, (uintptr_t)page + HAL_PAGE_SIZE, PTE_GUARD);
}

bool paging_is_guard(uintptr_t address)
{
    const uint64_t *table = page_pml4;

    if (address >= level_size(LEVELS))
        return false;
    for (unsigned level = LEVELS - 1; level > 0; level--) {
        uint64_t entry = table[index_of(address, level)];

        if ((entry & PTE_PRESENT) == 0 || (entry & PTE_LARGE) != 0)
            return false;
        table = table_of(entry);
    }
    return table[index_of(address, 0)] == PTE_GUARD;
}

bool paging_is_mapped(uintptr_t address)
{
    const uint64_t *table = page_pml4;

    if (address >= level_size(LEVELS))
        return false;
    for (unsigned level = LEVELS - 1;; level--) {
        uint64_t entry = table[index_of(address, level)];

        if ((entry & PTE_PRESENT) == 0)
            return false;
        if (level == 0 || (entry & PTE_LARGE) != 0)
            return true;
        table = table_of(entry);
    }
}

/* One page of registers; uncached. */
static int map_io_page(uint64_t at, unsigned level)
{
    uint64_t *entry = entry_of(at, level);

    if (entry == NULL)
        return -ENOMEM;
    *entry = at | PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_NO_CACHE |
             PTE_WRITE_THROUGH | (level > 0 ? (uint64_t)PTE_LARGE : 0);
    invalidate(at);
    return 0;
}

/* Large pages, but for those that registers share with memory. */
int paging_map_io(uint64_t base, uint64_t size)
{
    const uint64_t large = level_size(1);
    uint64_t end = base + size;

    if (size > REGION_ADDRESS_LIMIT || base > REGION_ADDRESS_LIMIT - size)
        return -EINVAL;
    if (boot_has_ram(base, size))
        return -ENODEV;
    for (uint64_t at = base & ~(uint64_t)(HAL_PAGE_SIZE - 1); at < end;) {
        bool mixed = boot_has_ram(at & ~(large - 1), large);
        int status = map_io_page(mixed ? at : at & ~(large - 1), mixed ? 0 : 1);

        if (status != 0)
            return status;
        at = mixed ? at + HAL_PAGE_SIZE : (at & ~(large - 1)) + large;
    }
    return 0;
}
