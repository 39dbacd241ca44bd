/*
 * Pages with attributes, and what hal/posix/kernel/dma.c asks of its machine.
 */
#include "hal/posix/kernel/memory.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/kernel/idle.h"
#include "tests/guest/guest.h"
#include <stdlib.h>
#include <string.h>

enum { GUARD_CPUS = 8, GUARDS_MAX = 1024 };

unsigned machine_attr_fails;
bool machine_watches; /* what a test writes there changes nothing */
struct machine_memory machine_memory;

/* Those that are not normal. Each CPU adds to a row of its own: two that took
 * the same place would lose one, which nobody made normal again. */
struct guard {
    char *base;
    size_t size; /* 0: a free place */
    bool of_child;
};
GUEST_KEEP static struct guard guards[GUARD_CPUS][GUARDS_MAX];

static void guard_forget(const char *base, size_t size)
{
    for (unsigned cpu = 0; cpu < GUARD_CPUS; cpu++) {
        for (struct guard *g = guards[cpu]; g < guards[cpu] + GUARDS_MAX; g++) {
            if (g->base == base && g->size == size)
                g->size = 0;
        }
    }
}

static bool guard_note(char *base, size_t size)
{
    struct guard *row = guards[hal_cpu_id() % GUARD_CPUS];
    struct guard *free = NULL;

    for (struct guard *g = row; g < row + GUARDS_MAX; g++) {
        if (g->size == 0)
            free = g;
        else if (g->base == base && g->size == size)
            return true;
    }
    if (free == NULL)
        return false;
    *free = (struct guard){base, size, guest_child_runs()};
    return true;
}

int hal_page_attr(void *base, size_t size, enum hal_page_attr attr)
{
    int status;

    if (machine_attr_fails != 0 && --machine_attr_fails == 0)
        return -ENOMEM;
    status = metal_page_attr(base, size, attr);
    if (status == 0 && attr == HAL_PAGE_NORMAL)
        guard_forget(base, size);
    else if (status == 0 && !guard_note(base, size))
        status = -ENOMEM;
    return status;
}

void guest_guards_lift(bool child_only)
{
    struct guard *end = guards[0] + GUARD_CPUS * GUARDS_MAX;

    for (struct guard *g = guards[0]; g < end; g++) {
        if (g->size == 0 || (child_only && !g->of_child))
            continue;
        if (metal_page_attr(g->base, g->size, HAL_PAGE_NORMAL) != 0)
            guest_abort();
        g->size = 0;
    }
}

bool machine_owns_pages(const void *base, size_t size)
{
    uintptr_t start = (uintptr_t)base;

    return size != 0 && (start | size) % HAL_PAGE_SIZE == 0 &&
           start >= machine_memory.base && size <= machine_memory.size &&
           start - machine_memory.base <= machine_memory.size - size;
}

void *host_memory_map(size_t size, size_t align, uintptr_t hint)
{
    void *base = aligned_alloc(align, size);

    (void)hint;
    if (base != NULL)
        memset(base, 0, size);
    return base;
}

void host_memory_unmap(void *base, size_t size)
{
    (void)size;
    free(base);
}
