/*
 * Physical memory as the parsers of this room read it: they get bytes from a
 * function and never use an address as a pointer themselves. On the machine the
 * function gives memory as it is, in tests a buffer.
 */
#ifndef TORC_HAL_BAREMETAL_PHYSICAL_H
#define TORC_HAL_BAREMETAL_PHYSICAL_H

#include <stddef.h>
#include <stdint.h>

struct physical_memory {
    /* The bytes [address, address+size), or NULL when one of them cannot be
     * read. Valid until the kernel starts. */
    const uint8_t *(*map)(uint64_t address, size_t size);
};

#endif
