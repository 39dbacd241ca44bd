/*
 * Pages with attributes, and what hal/posix/kernel/dma.c asks of its machine.
 */
#include "hal/posix/kernel/memory.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/kernel/idle.h"
#include "tests/guest/guest.h"
#include <stdlib.h>
#include <string.h>

enum { GUARDS_MAX = 1024 };

unsigned machine_attr_fails;
bool machine_watches; /* what a test writes there changes nothing */
struct machine_memory machine_memory;

/* Those that are not normal; of a child any CPU adds its own. */
struct guard {
    char *base;
    size_t size;
    bool of_child;
};
GUEST_KEEP static struct guard guards[GUARDS_MAX];

static bool guard_note(char *base, size_t size, bool normal)
{
    struct guard *free = NULL;

    for (struct guard *g = guards; g < guards + GUARDS_MAX; g++) {
        if (g->size == 0)
            free = g;
        else if (g->base == base && g->size == size) {
            if (normal)
                g->size = 0;
            return true;
        }
    }
    if (normal)
        return true;
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
    if (status == 0 && !guard_note(base, size, attr == HAL_PAGE_NORMAL))
        status = -ENOMEM;
    return status;
}

void guest_guards_lift(bool child_only)
{
    for (struct guard *g = guards; g < guards + GUARDS_MAX; g++) {
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
