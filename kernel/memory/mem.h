/*
 * Memory is divided over the CPUs at boot: each gets a share, with a page
 * allocator for it (page.h).
 */
#ifndef TORC_KERNEL_MEM_H
#define TORC_KERNEL_MEM_H

#include "hal/hal.h"
#include "kernel/memory/page.h"
#include <stdint.h>
#include <torc/compiler.h>

/*
 * Divide the regions over `cpu_count` CPUs: the memory of each node evenly over
 * its CPUs, that of nodes without CPUs over all. Where nodes are so uneven that
 * a CPU would get less than a MEM_NODE_UNEVENth of an even share, nodes are
 * ignored. CPU 0, at boot.
 * Returns 0, -ENOMEM when a share would be below MEM_SHARE_MIN.
 */
enum { MEM_SHARE_MIN = 1024 * 1024, MEM_NODE_UNEVEN = 16 };
must_check int mem_init(const struct hal_boot_info *info, unsigned cpu_count);

/* The allocator of one CPU; for that CPU, and for CPU 0 before it starts. */
struct page_allocator *mem_pages_of(unsigned cpu);

/* A range of addresses that belongs to one CPU. */
struct mem_share {
    uintptr_t base;
    uintptr_t end;
    unsigned cpu;
};

/* The one that `ptr` is in; constant. NULL: nobody's. Any CPU. */
const struct mem_share *mem_share_of(const void *ptr);

/* The CPU whose share `ptr` is in, or -1. Any CPU. */
int mem_owner(const void *ptr);

#endif
