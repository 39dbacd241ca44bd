/* Devices see the addresses the processor sees: there is no IOMMU in
 * between. */
#include "hal/baremetal/base/image.h"
#include "hal/baremetal/memory/early.h"

/* Code and constants are whole pages, from image_start on. */
static bool is_constant(uintptr_t base, size_t size)
{
    return base >= (uintptr_t)image_start && base < (uintptr_t)data_start &&
           size <= (uintptr_t)data_start - base;
}

int hal_dma_map(void *ptr, size_t size)
{
    uintptr_t base = (uintptr_t)ptr;

    if ((base | size) % HAL_PAGE_SIZE != 0 || size == 0)
        return -EINVAL;
    return boot_is_ram(base, size) || is_constant(base, size) ? 0 : -EINVAL;
}

void hal_dma_unmap(void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
}

uint64_t hal_dma_addr(const void *ptr)
{
    return (uintptr_t)ptr;
}
