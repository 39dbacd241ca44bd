#include "tests/fakes/machine.h"
#include "hal/posix/host/config.h"
#include "kernel/boot/init.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread_internal.h"
#include "tests/fakes/beneath.h"
#include <stdio.h>
#include <stdlib.h>
#include <torc/app.h>

unsigned machine_nodes;
const struct driver *machine_drivers[MACHINE_DRIVERS_MAX + 1];

static int (*app_fn)(void *);
static void *app_arg;

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

void machine_attach_still(unsigned cpus, size_t mem_bytes_per_cpu)
{
    const struct host_config config = {
        .cpus = cpus,
        .mem_bytes = mem_bytes_per_cpu,
        .quiet = true,
        .fill = true,
    };

    kernel_init(beneath_open(&config), &torc_app);
}

void machine_attach_config(const struct host_config *config)
{
    kernel_init(beneath_open(config), &torc_app);
    if (sched_adopt() != 0)
        abort();
    hal_irq_restore(HAL_IRQS_ON);
}

void machine_attach_cmdline(size_t mem_bytes, const char *cmdline)
{
    const struct host_config config = {
        .cpus = 1,
        .mem_bytes = mem_bytes,
        .cmdline = cmdline,
        .quiet = true,
        .fill = true,
    };

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
    beneath_close();
}

int machine_run_output(unsigned cpus, size_t mem_bytes_per_cpu,
                       const char *cmdline, int (*fn)(void *), void *arg,
                       char *output, size_t output_size)
{
    const struct host_config config = {
        .cpus = cpus,
        .mem_bytes = mem_bytes_per_cpu,
        .nodes = machine_nodes,
        .cmdline = cmdline,
        .fill = true,
    };
    const char *text;
    int status;

    app_fn = fn;
    app_arg = arg;
    status = beneath_run(&config, &text);
    if (output != NULL)
        snprintf(output, output_size, "%s", text);
    else if (status != 0)
        fputs(text, stderr); /* nobody else will tell */
    return status;
}

int machine_run(unsigned cpus, size_t mem_bytes_per_cpu, int (*fn)(void *),
                void *arg)
{
    return machine_run_output(cpus, mem_bytes_per_cpu, "", fn, arg, NULL, 0);
}
