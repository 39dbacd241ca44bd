/*
 * Start and end of the hosted machine: hal.h, section 1. All memory is in one
 * piece, at an address the host chooses, aligned to large pages; a region for
 * each node.
 */
#include "hal/posix/machine.h"
#include "hal/posix/point.h"
#include "hal/posix/sanitize.h"
#include "hal/posix/sim.h"
#include "kernel/lib/str.h"

/* Simulated runs must have the same addresses to be the same. */
#define SIM_MEMORY_BASE UINT64_C(0x200000000000)

enum { EXIT_STACK_SIZE = 512 * 1024 };

struct hal_boot_info machine_boot;
struct machine_memory machine_memory;

static char cmdline[HOST_CMDLINE_MAX];
static bool quiet;

/* ---- Start --------------------------------------------------------------- */

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

static int memory_open(size_t size)
{
    void *base;

    size &= ~(size_t)(HAL_PAGE_SIZE - 1);
    base = host_memory_map(size, HAL_LARGE_PAGE_SIZE,
                           HAL_SIM ? SIM_MEMORY_BASE : 0);
    if (base == NULL) {
        host_complain("no room for %zu bytes of memory, see --mem", size);
        return -ENOMEM;
    }
    /* Another machine may have left its stacks' red zones here. */
    context_memory_fresh(base, size);
    machine_memory.base = (uintptr_t)base;
    machine_memory.size = size;
    if (dma_open() != 0) {
        host_complain("no room for the page table, see --mem");
        return -ENOMEM;
    }
    return 0;
}

static int modules_open(const struct host_config *config)
{
    for (unsigned i = 0; i < config->module_count; i++) {
        struct hal_module *module = &machine_boot.module[i];
        const void *base;
        int err = host_file_map(config->modules[i], &base, &module->size);

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
        host_complain("the command line is longer than %zu bytes",
                      sizeof(cmdline) - 1);
        return -E2BIG;
    }
    err = memory_open(mem * cpus);
    if (err != 0)
        return err;
    nodes_divide(config->nodes != 0 ? config->nodes : 1, cpus);
    cpu_reset();
    irq_reset();
    platform_reset();
    err = host_cpus_open(cpus);
    if (err != 0) {
        host_complain("no room for %u CPUs", cpus);
        return err;
    }
    machine_boot.cpu_count = cpus;
    machine_boot.cmdline = cmdline;
    machine_boot.boot_wall_ns = HAL_SIM ? 0 : host_wall_ns() - host_time_ns();
    machine_boot.machine = HAL_SIM ? "posix sim" : "posix threads";
    err = modules_open(config);
    if (err != 0)
        return err;
    return leaf_open(config);
}

const struct hal_boot_info *
host_machine_prepare(const struct host_config *config)
{
    unsigned cpus = config->cpus != 0 ? config->cpus : 1;
    size_t mem = config->mem_bytes != 0 ? config->mem_bytes : HOST_MEM_DEFAULT;

    host_machine_close();
    quiet = config->quiet;
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
    if (machine_boot.cpu_count > 0) {
        cpu_stop_others();
        host_cpus_close();
    }
    machine_boot.cpu_count = 0;
    leaf_close();
    for (unsigned i = 0; i < machine_boot.module_count; i++)
        host_file_unmap(machine_boot.module[i].base,
                        machine_boot.module[i].size);
    machine_boot.module_count = 0;
    dma_close();
    if (machine_memory.size > 0)
        host_memory_unmap((void *)machine_memory.base, machine_memory.size);
    machine_memory.size = 0;
    machine_boot.region_count = 0;
}

/* ---- End ----------------------------------------------------------------- */

/* Leaving a process runs the host's own code, which wants a large stack. */
static unsigned char exit_stack[EXIT_STACK_SIZE] cache_aligned;
static atomic_bool exiting;
static int exit_status;

#if SANITIZE_ADDRESS
/* The leak checker sees only the stack the process ends on: it would report
 * what the others hold. */
int __lsan_is_turned_off(void)
{
    return atomic_load(&exiting);
}
#endif

static void exit_enter(void *arg)
{
    (void)arg;
    host_exit(exit_status);
}

void hal_exit(int status)
{
    struct hal_context from = {0}, to;
    struct vcpu *cpu = vcpu_self();

    cpu->irq_on = false;
    /* The first one ends the process; the others wait for that. */
    while (atomic_exchange(&exiting, true))
        host_cpu_relax();
    exit_status = status;
#if HAL_SIM
    sim_exit(status);
#endif
    hal_context_init(&to, exit_stack, sizeof(exit_stack), exit_enter, NULL);
    context_jump(cpu, &from, &to);
    host_abort();
}

void hal_abort(void)
{
    host_abort();
}

void machine_bug(const char *what)
{
    host_complain("broken rule of hal.h on CPU %u: %s", vcpu_self()->id, what);
    host_abort();
}

void hal_console_write(const char *text, size_t len)
{
    if (!quiet)
        host_console_write(text, len);
}
