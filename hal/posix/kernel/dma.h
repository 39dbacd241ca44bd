/*
 * Memory as devices of the hosted machine see it. A bus address is not a
 * pointer: it is the offset into the machine's memory plus DMA_BUS_BASE, so
 * that a driver that confuses the two is found out, and small enough for
 * devices that know 44 bits. Of memory that lies in a file it is the offset
 * into the file: what a second machine with the same memory has there. Devices
 * that know 32 bits want another base: host_config.memory_bus.
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

/* What is always true of the ranges. Tests; nothing is mapped meanwhile. */
void dma_check(void);

/* After memory_open(): nothing is mapped. Returns 0, -ENOMEM. */
int dma_open(void);
void dma_close(void);

#endif
