/*
 * Memory as devices of the hosted machine see it. A bus address is not a
 * pointer: it is the offset into the machine's memory plus DMA_BUS_BASE, so
 * that a driver that confuses the two is found out, and small enough for
 * devices that know 44 bits.
 */
#ifndef TORC_HAL_POSIX_DMA_H
#define TORC_HAL_POSIX_DMA_H

#include <stddef.h>
#include <stdint.h>

#define DMA_BUS_BASE UINT64_C(0x10000000000)

/*
 * For device models: the memory at bus address `bus`, or NULL when the `size`
 * (> 0) bytes do not lie in one range of hal_dma_map(). Any thread.
 */
void *dma_lookup(uint64_t bus, size_t size);

#endif
