/*
 * tests/fakes/machine.h in the guest: machines of this one's CPUs and memory.
 * machine_run()'s is a child (child.c).
 */
#include "tests/fakes/machine.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/posix/host/config.h"
#include "hal/posix/kernel/console.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/memory.h"
#include "hal/posix/kernel/platform.h"
#include "kernel/base/boot_info.h"
#include "kernel/boot/init.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread_internal.h"
#include "tests/guest/guest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/app.h>
#include <torc/errno.h>

unsigned machine_nodes;
const struct driver *machine_drivers[MACHINE_DRIVERS_MAX + 1];

static int (*app_fn)(void *);
static void *app_arg;
static unsigned run_cpus;
static size_t run_mem;
static const char *run_cmdline;
static struct hal_boot_info machine_boot;

/* What must be true of every structure of the calling CPU. */
static void cpu_check(void)
{
    struct cpu *cpu = cpu_self();

    pages_check(heap_of(cpu)->pages);
    heap_all_check(heap_of(cpu));
    exchange_check(cpu);
    sched_check(cpu);
    table_check(cpu);
    timer_check(cpu);
}

static int app_main(int argc, char **argv)
{
    int status;

    (void)argc;
    (void)argv;
    cpu_check();
    status = app_fn(app_arg);
    cpu_check();
    return status;
}

const struct torc_app torc_app = {
    .name = "test", .main = app_main, .drivers = machine_drivers};

static void machine_close(void)
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

static const struct hal_boot_info *machine_open(enum guest_use use,
                                                unsigned cpus, size_t mem,
                                                unsigned nodes,
                                                const char *cmdline)
{
    const struct guest_area *area = &guest_areas[use];

    machine_close();
    if (cpus > cpu_block_count || mem * cpus > area->size) {
        printf("guest: no machine of %u CPUs with %zu bytes each\n", cpus, mem);
        guest_abort();
    }
    machine_memory.base = area->base;
    machine_memory.size = mem * cpus & ~(size_t)(HAL_PAGE_SIZE - 1);
    machine_memory.bus = DMA_BUS_BASE;
    if (dma_open() != 0)
        guest_abort();
    nodes_divide(nodes != 0 ? nodes : 1, cpus);
    machine_boot.cpu_count = cpus;
    machine_boot.cmdline = cmdline != NULL ? cmdline : "";
    machine_boot.machine = "x86-64 guest of tests";
    return &machine_boot;
}

void machine_attach_still(unsigned cpus, size_t mem_bytes_per_cpu)
{
    console_quiet(true);
    kernel_init(machine_open(GUEST_ATTACHED, cpus, mem_bytes_per_cpu, 1, ""),
                &torc_app);
}

void machine_attach_config(const struct host_config *config)
{
    size_t mem = config->mem_bytes != 0 ? config->mem_bytes : HOST_MEM_DEFAULT;
    uint64_t bus = config->memory_bus;

    console_quiet(config->quiet);
    (void)machine_open(GUEST_ATTACHED, 1, mem, 1, config->cmdline);
    if (bus != 0)
        machine_memory.bus = bus;
    kernel_init(&machine_boot, &torc_app);
    if (sched_adopt() != 0)
        abort();
    hal_irq_restore(HAL_IRQS_ON);
}

void machine_attach_cmdline(size_t mem_bytes, const char *cmdline)
{
    const struct host_config config = {
        .cpus = 1, .mem_bytes = mem_bytes, .cmdline = cmdline, .quiet = true};

    machine_attach_config(&config);
}

void machine_attach(size_t mem_bytes)
{
    machine_attach_cmdline(mem_bytes, "");
}

void machine_detach(void)
{
    if (cpu_self() != NULL)
        cpu_check();
    machine_close();
}

static void child(void)
{
    console_quiet(false);
    kernel_main(machine_open(GUEST_CHILD, run_cpus, run_mem, machine_nodes,
                             run_cmdline));
}

int machine_run_output(unsigned cpus, size_t mem_bytes_per_cpu,
                       const char *cmdline, int (*fn)(void *), void *arg,
                       char *output, size_t output_size)
{
    const char *text;
    int status;

    app_fn = fn;
    app_arg = arg;
    run_cpus = cpus;
    run_mem = mem_bytes_per_cpu;
    run_cmdline = cmdline;
    status = guest_child_run(child, &text);
    if (output != NULL)
        snprintf(output, output_size, "%s", text);
    else if (status != 0)
        guest_write(text, strlen(text)); /* nobody else will tell */
    return status;
}

int machine_run(unsigned cpus, size_t mem_bytes_per_cpu, int (*fn)(void *),
                void *arg)
{
    return machine_run_output(cpus, mem_bytes_per_cpu, "", fn, arg, NULL, 0);
}
