/*
 * Make the hosted machine and close it: hal.h, section 1.
 */
#include "hal/posix/kernel/boot.h"
#include "hal/posix/host/capture.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/module.h"
#include "hal/posix/host/ring.h"
#include "hal/posix/host/sample.h"
#include "hal/posix/host/terminal.h"
#include "hal/posix/kernel/console.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/leaf.h"
#include "hal/posix/kernel/memory.h"
#include "hal/posix/kernel/platform.h"
#include <torc/assert.h>
#include <torc/string.h>

struct hal_boot_info machine_boot;

static char cmdline[HOST_CMDLINE_MAX];

static int config_check(const struct host_config *config, unsigned cpus,
                        size_t mem)
{
    if (cpus > HAL_CPU_MAX)
        host_complain("%u CPUs are too many, at most %d", cpus, HAL_CPU_MAX);
    else if (mem < HOST_MEM_MIN)
        host_complain("%zu bytes of memory for each CPU are too few, at least "
                      "%zu",
                      mem, HOST_MEM_MIN);
    else if (mem > SIZE_MAX / 2 / cpus)
        host_complain("%zu bytes of memory for each CPU are too many", mem);
    else if (config->nodes > HAL_REGION_MAX)
        host_complain("%u nodes are too many, at most %d", config->nodes,
                      HAL_REGION_MAX);
    else if (config->disk_count > HOST_DISK_MAX)
        host_complain("%u disks are too many, at most %d", config->disk_count,
                      HOST_DISK_MAX);
    else if (config->net_count > HOST_NET_MAX)
        host_complain("%u nets are too many, at most %d", config->net_count,
                      HOST_NET_MAX);
    else if (config->module_count > HOST_MODULE_MAX)
        host_complain("%u modules are too many, at most %d",
                      config->module_count, HOST_MODULE_MAX);
    else
        return 0;
    return -EINVAL;
}

/* The memory in even parts, and the CPUs, which need not be as many. */
static void nodes_divide(unsigned nodes, unsigned cpus)
{
    size_t pages = machine_memory.size / HAL_PAGE_SIZE;

    assert(nodes > 0 && nodes <= HAL_REGION_MAX);
    assert(pages >= nodes);
    for (unsigned i = 0; i < nodes; i++) {
        size_t from = pages * i / nodes * HAL_PAGE_SIZE;
        size_t to = pages * (i + 1) / nodes * HAL_PAGE_SIZE;

        machine_boot.region[i] = (struct hal_region){
            .base = machine_memory.base + from, .size = to - from, .node = i};
    }
    assert(machine_boot.region[nodes - 1].base +
               machine_boot.region[nodes - 1].size ==
           machine_memory.base + machine_memory.size);
    machine_boot.region_count = nodes;
    for (unsigned i = 0; i < cpus; i++)
        machine_boot.cpu_node[i] = (uint8_t)(i * nodes / cpus);
}

static int modules_open(const struct host_config *config)
{
    for (unsigned i = 0; i < config->module_count; i++) {
        struct hal_module *module = &machine_boot.module[i];
        const void *base;
        int err = host_module_map(config->modules[i], &base, &module->size);

        if (err != 0)
            return err;
        module->base = base;
        machine_boot.module_count++;
    }
    return 0;
}

static int machine_open(const struct host_config *config, unsigned cpus,
                        size_t mem)
{
    const char *line = config->cmdline != NULL ? config->cmdline : "";
    int err;

    if (str_copy(cmdline, sizeof(cmdline), line) != 0) {
        host_complain(
            "the command line is longer than %zu bytes: give fewer words",
            sizeof(cmdline) - 1);
        return -E2BIG;
    }
    err = memory_open(config, mem * cpus);
    if (err != 0)
        return err;
    err = dma_open();
    if (err != 0) {
        host_complain(
            "no room for the table of the pages: give less with --mem");
        return err;
    }
    nodes_divide(config->nodes != 0 ? config->nodes : 1, cpus);
    cpu_reset();
    irq_reset();
    platform_reset();
    err = host_cpus_open(cpus);
    if (err != 0) {
        host_complain(
            "no threads for %u CPUs: give fewer with --cpus, or raise the "
            "limit of processes (ulimit -u)",
            cpus);
        return err;
    }
    machine_boot.cpu_count = cpus;
    machine_boot.cmdline = cmdline;
    machine_boot.machine = host_kind.name;
    err = modules_open(config);
    if (err == 0)
        err = leaf_disks_open(config);
    if (err == 0)
        err = host_capture_open(&config->capture);
    if (err == 0)
        err = leaf_nets_open(config);
    return err;
}

const struct hal_boot_info *
host_machine_prepare(const struct host_config *config)
{
    unsigned cpus = config->cpus != 0 ? config->cpus : 1;
    size_t mem = config->mem_bytes != 0 ? config->mem_bytes : HOST_MEM_DEFAULT;

    host_machine_close();
    console_quiet(config->quiet);
    if (config_check(config, cpus, mem) != 0)
        return NULL;
    if (machine_open(config, cpus, mem) != 0) {
        host_machine_close();
        return NULL;
    }
    return &machine_boot;
}

void host_machine_close(void)
{
    host_samples_close();
    host_terminal_close();
    if (machine_boot.cpu_count > 0) {
        if (host_cpus_here())
            cpu_stop_others(machine_boot.cpu_count);
        host_cpus_close();
    }
    machine_boot.cpu_count = 0;
    host_ring_close(0); /* the others have closed theirs */
    leaf_disks_close();
    leaf_nets_close();
    host_capture_close();
    for (unsigned i = 0; i < machine_boot.module_count; i++)
        host_module_unmap(machine_boot.module[i].base,
                          machine_boot.module[i].size);
    machine_boot.module_count = 0;
    dma_close();
    memory_close();
    machine_boot.region_count = 0;
}
