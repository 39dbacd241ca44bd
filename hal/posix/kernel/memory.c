/* Memory of the hosted machine, and its attributes: hal.h, section 6. */
#include "hal/posix/host/memory.h"
#include "hal/hal.h"
#include "hal/posix/host/config.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/kernel/context.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/memory.h"
#include <torc/assert.h>
#include <torc/string.h>

struct machine_memory machine_memory;
unsigned machine_attr_fails;

/* What the memory is at first: of a file, or of the process. */
static int memory_kind(const struct host_config *config, void *base,
                       size_t size)
{
    size_t filled = size < HOST_FILL_MAX ? size : HOST_FILL_MAX;
    int err;

    if (config->memory_file > 0) {
        err = host_memory_share(base, size, config->memory_file,
                                config->memory_offset);
        if (err != 0)
            host_complain("the file of the memory does not have %zu bytes "
                          "from %#llx on (error %d)",
                          size, (unsigned long long)config->memory_offset, err);
        else if (config->fill)
            memset(base, HOST_FILL_BYTE, filled);
        return err;
    }
    if (!config->fill)
        return 0;
    err = host_memory_fill(base, filled, HOST_FILL_BYTE);
    if (err != 0)
        host_complain("cannot make the file that --fill copies: leave it out");
    return err;
}

/* The bus address that devices know the memory by. */
static uint64_t memory_bus(const struct host_config *config)
{
    assert(config->memory_bus % HAL_PAGE_SIZE == 0);
    if (config->memory_file > 0)
        return config->memory_offset;
    return config->memory_bus != 0 ? config->memory_bus : DMA_BUS_BASE;
}

int memory_open(const struct host_config *config, size_t size)
{
    void *base;

    assert(machine_memory.size == 0);
    size &= ~(size_t)(HAL_PAGE_SIZE - 1);
    base = host_memory_map(size, HAL_LARGE_PAGE_SIZE, host_kind.memory_hint);
    if (base == NULL) {
        host_complain(
            "no room for %zu bytes of memory: give less with --mem, or "
            "fewer --cpus",
            size);
        return -ENOMEM;
    }
    assert((uintptr_t)base % HAL_LARGE_PAGE_SIZE == 0);
    /* Another machine may have left its stacks' red zones here. */
    context_memory_fresh(base, size);
    machine_memory.base = (uintptr_t)base;
    machine_memory.size = size;
    machine_memory.bus = memory_bus(config);
    return memory_kind(config, base, size);
}

void memory_close(void)
{
    if (machine_memory.size > 0)
        host_memory_unmap((void *)machine_memory.base, machine_memory.size);
    machine_memory.size = 0;
}

bool machine_owns_pages(const void *base, size_t size)
{
    uintptr_t start = (uintptr_t)base;

    return size != 0 && (start | size) % HAL_PAGE_SIZE == 0 &&
           start >= machine_memory.base && size <= machine_memory.size &&
           start - machine_memory.base <= machine_memory.size - size;
}

int hal_page_attr(void *base, size_t size, enum hal_page_attr attr)
{
    if (!machine_owns_pages(base, size))
        return -EINVAL;
    if (attr == HAL_PAGE_UNCACHED || attr == HAL_PAGE_WRITE_COMBINING)
        return -ENOTSUP;
    if (attr != HAL_PAGE_NORMAL && attr != HAL_PAGE_NONE)
        return -EINVAL;
    if (machine_attr_fails != 0 && --machine_attr_fails == 0)
        return -ENOMEM;
    if (!host_kind.memory_protect)
        return 0;
    return host_memory_protect(base, size, attr == HAL_PAGE_NORMAL);
}
