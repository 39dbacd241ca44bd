/* Devices see the addresses the processor sees: there is no IOMMU in
 * between. */
#include "hal/baremetal/machine.h"

int hal_dma_map(void *ptr, size_t size)
{
    if (((uintptr_t)ptr | size) % HAL_PAGE_SIZE != 0 || size == 0 ||
        !boot_is_ram((uintptr_t)ptr, size))
        return -EINVAL;
    return 0;
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
