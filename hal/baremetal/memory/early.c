#include "hal/baremetal/memory/early.h"
#include "hal/baremetal/base/fail.h"
#include <torc/string.h>

enum { LOW_MEMORY_END = 0xa0000 /* the PC's first 640 KiB are memory */ };

struct region_list ram;
static struct region_list machine_ram; /* what ram_init() was given */
static bool closed;                    /* boot_alloc() is over */

void ram_init(const struct region_list *usable)
{
    ram = *usable;
    machine_ram = *usable;
}

bool boot_is_ram(uintptr_t base, size_t size)
{
    return regions_contain(&ram, base, size);
}

bool boot_has_ram(uint64_t base, uint64_t size)
{
    return base < LOW_MEMORY_END || regions_overlap(&machine_ram, base, size);
}

static _Noreturn void too_little_memory(void)
{
    boot_fail("too little memory to start: give the machine 8 MiB a CPU");
}

void boot_alloc_close(void)
{
    closed = true;
}

/* From the start of the first region that has room. */
void *boot_alloc(size_t size)
{
    if (closed)
        return NULL;
    size = (size + HAL_PAGE_SIZE - 1) & ~(size_t)(HAL_PAGE_SIZE - 1);
    for (unsigned i = 0; i < ram.count; i++) {
        struct hal_region *region = &ram.region[i];
        void *ptr = (void *)region->base;

        if (region->size <= size || region->base > UINT32_MAX - size)
            continue;
        region->base += size;
        region->size -= size;
        memset(ptr, 0, size);
        return ptr;
    }
    too_little_memory();
}

/* From the end of the largest region, of that node if there is one. */
void *boot_alloc_near(unsigned node, size_t size)
{
    struct hal_region *best = NULL;

    for (unsigned i = 0; i < ram.count; i++) {
        struct hal_region *region = &ram.region[i];
        bool nearer =
            best != NULL && region->node == node && best->node != node;
        bool farther =
            best != NULL && region->node != node && best->node == node;

        if (region->size > size && !farther &&
            (best == NULL || nearer || region->size > best->size))
            best = region;
    }
    if (best == NULL)
        too_little_memory();
    best->size -= size;
    return (void *)(best->base + best->size);
}
