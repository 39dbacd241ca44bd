/*
 * Memory of the process for the machine.
 */
#ifndef TORC_HAL_POSIX_HOST_MEMORY_H
#define TORC_HAL_POSIX_HOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_ANYWHERE = 0 }; /* no hint */

/*
 * Zeroed memory, `align` a power of two and at least a page; at `hint` if that
 * is free. NULL when there is none.
 */
void *host_memory_map(size_t size, size_t align, uintptr_t hint);
void host_memory_unmap(void *base, size_t size);

/*
 * Let memory of host_memory_map() hold `byte` everywhere when it is next read.
 * Only pages that are then touched take room. Returns 0, or a negative error.
 */
int host_memory_fill(void *base, size_t size, unsigned char byte);

/*
 * Let memory of host_memory_map() be that part of the file, shared with others
 * who have mapped it. `offset` and `size` are whole pages. Returns 0, or a
 * negative error.
 */
int host_memory_share(void *base, size_t size, int file, uint64_t offset);

/* Allow or forbid access to whole pages. Returns 0, -ENOMEM. */
int host_memory_protect(void *base, size_t size, bool access);

#endif
