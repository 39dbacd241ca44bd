/*
 * The memory of the hosted machine: one piece, which hal_boot_info.region
 * divides into nodes (memory.c).
 */
#ifndef TORC_HAL_POSIX_MEMORY_H
#define TORC_HAL_POSIX_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine_memory {
    uintptr_t base;
    size_t size;  /* bytes; 0: no machine */
    uint64_t bus; /* the bus address of base */
};
extern struct machine_memory machine_memory;

/*
 * Take `size` bytes, of the kind that `config` tells. Returns 0, or an error
 * after a line on stderr.
 */
struct host_config;
int memory_open(const struct host_config *config, size_t size);
void memory_close(void);

/* Whether [base, base+size) is whole pages of the machine's memory. */
bool machine_owns_pages(const void *base, size_t size);

/* Tests: the n-th call of hal_page_attr() from now fails; 0: none. */
extern unsigned machine_attr_fails;

#endif
