/*
 * tests/fakes/beneath.h in the guest: its HAL, and machines of this one's CPUs
 * and memory. beneath_run()'s is a child (child.c).
 */
#include "tests/fakes/beneath.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/posix/host/config.h"
#include "hal/posix/kernel/console.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/memory.h"
#include "hal/posix/kernel/platform.h"
#include "kernel/boot/init.h"
#include "tests/guest/guest.h"
#include <stdio.h>
#include <string.h>

static const struct host_config *run_config;
static struct hal_boot_info machine_boot;

uint64_t beneath_time_ns(void)
{
    return metal_time_ns();
}

uint64_t beneath_wall_ns(void)
{
    return metal_wall_ns();
}

void beneath_timer_set(uint64_t deadline_ns)
{
    metal_timer_set(deadline_ns);
}

size_t beneath_entropy(void *buf, size_t len)
{
    return metal_entropy(buf, len);
}

void beneath_console_write(const char *text, size_t len)
{
    guest_write(text, len);
}

void beneath_close(void)
{
    (void)hal_irq_save();
    metal_timer_set(UINT64_MAX);
    hal_cpu_set_local(NULL);
    for (unsigned i = 0; i < cpu_block_count; i++)
        memset(cpu_blocks[i]->handlers, 0, sizeof(cpu_blocks[i]->handlers));
    guest_irq_reset();
    platform_reset();
    guest_guards_lift(guest_child_runs());
    dma_close();
    machine_memory.size = 0;
    machine_boot.cpu_count = 0;
    machine_boot.region_count = 0;
}

static void nodes_divide(unsigned nodes, unsigned cpus)
{
    size_t pages = machine_memory.size / HAL_PAGE_SIZE;

    for (unsigned i = 0; i < nodes; i++) {
        size_t from = pages * i / nodes * HAL_PAGE_SIZE;
        size_t to = pages * (i + 1) / nodes * HAL_PAGE_SIZE;

        machine_boot.region[i] = (struct hal_region){
            .base = machine_memory.base + from, .size = to - from, .node = i};
    }
    machine_boot.region_count = nodes;
    for (unsigned i = 0; i < cpus; i++)
        machine_boot.cpu_node[i] = (uint8_t)(i * nodes / cpus);
}

static const struct hal_boot_info *
machine_open(enum guest_use use, const struct host_config *config)
{
    const struct guest_area *area = &guest_areas[use];
    unsigned cpus = config->cpus != 0 ? config->cpus : 1;
    size_t mem = config->mem_bytes != 0 ? config->mem_bytes : HOST_MEM_DEFAULT;

    beneath_close();
    console_quiet(config->quiet);
    if (cpus > cpu_block_count || mem * cpus > area->size) {
        printf("guest: no machine of %u CPUs with %zu bytes each\n", cpus, mem);
        guest_abort();
    }
    machine_memory.base = area->base;
    machine_memory.size = mem * cpus & ~(size_t)(HAL_PAGE_SIZE - 1);
    machine_memory.bus = DMA_BUS_BASE;
    if (dma_open() != 0)
        guest_abort();
    if (config->memory_bus != 0)
        machine_memory.bus = config->memory_bus;
    nodes_divide(config->nodes != 0 ? config->nodes : 1, cpus);
    machine_boot.cpu_count = cpus;
    machine_boot.cmdline = config->cmdline != NULL ? config->cmdline : "";
    machine_boot.machine = "x86-64 guest of tests";
    return &machine_boot;
}

const struct hal_boot_info *beneath_open(const struct host_config *config)
{
    return machine_open(GUEST_ATTACHED, config);
}

static void child(void)
{
    kernel_main(machine_open(GUEST_CHILD, run_config));
}

int beneath_run(const struct host_config *config, const char **text)
{
    run_config = config;
    return guest_child_run(child, text);
}
