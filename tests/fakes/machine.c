#include "tests/fakes/machine.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include "kernel/base/boot_info.h"
#include "kernel/boot/init.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/poison.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <torc/app.h>
#include <torc/errno.h>
#include <unistd.h>

unsigned machine_nodes;

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

const struct driver *machine_drivers[MACHINE_DRIVERS_MAX + 1];

const struct torc_app torc_app = {
    .name = "test", .main = app_main, .drivers = machine_drivers};

static const struct hal_boot_info *prepare(const struct host_config *config)
{
    const struct hal_boot_info *info = host_machine_prepare(config);

    if (info == NULL)
        abort();
    return info;
}

void machine_attach_still(unsigned cpus, size_t mem_bytes_per_cpu)
{
    const struct host_config config = {
        .cpus = cpus,
        .mem_bytes = mem_bytes_per_cpu,
        .quiet = true,
        .fill = true,
    };

    kernel_init(prepare(&config), &torc_app);
}

void machine_attach_config(const struct host_config *config)
{
    kernel_init(prepare(config), &torc_app);
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
    const struct hal_boot_info *info = boot_info();

    if (cpu_self() != NULL)
        cpu_check();
    /* Whoever gets these addresses next, this machine's poison must be gone. */
    for (unsigned i = 0; info != NULL && i < info->region_count; i++)
        unpoison((void *)info->region[i].base, info->region[i].size);
    host_machine_close();
}

static _Noreturn void child(unsigned cpus, size_t mem_bytes,
                            const char *cmdline, int out_fd)
{
    const struct host_config config = {
        .cpus = cpus,
        .mem_bytes = mem_bytes,
        .nodes = machine_nodes,
        .cmdline = cmdline,
        .fill = true,
    };
    struct host_signal_stack stack;

    host_signal_stack_open(&stack); /* as host/process.c does */
    dup2(out_fd, 1);
    dup2(out_fd, 2);
    host_fault_catch();
    kernel_main(prepare(&config));
}

int machine_run_output(unsigned cpus, size_t mem_bytes_per_cpu,
                       const char *cmdline, int (*fn)(void *), void *arg,
                       char *output, size_t output_size)
{
    int ends[2];
    static char text[16 << 20];
    size_t len = 0;
    ssize_t got;
    int status;
    pid_t pid;

    if (pipe(ends) != 0)
        abort();
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        app_fn = fn;
        app_arg = arg;
        child(cpus, mem_bytes_per_cpu, cmdline, ends[1]);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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
