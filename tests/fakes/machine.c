#include "tests/fakes/machine.h"
#include "hal/posix/host.h"
#include "kernel/init.h"
#include "kernel/lib/poison.h"
#include "kernel/thread.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <torc/app.h>
#include <torc/errno.h>
#include <unistd.h>

static int (*app_fn)(void *);
static void *app_arg;

static int app_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return app_fn(app_arg);
}

const struct torc_app torc_app = {.name = "test", .main = app_main};

static const struct hal_boot_info *prepare(const struct host_config *config)
{
    const struct hal_boot_info *info = host_machine_prepare(config);

    if (info == NULL)
        abort();
    /* What an earlier machine freed at the same addresses is forgotten. */
    for (unsigned i = 0; i < info->region_count; i++)
        unpoison((void *)info->region[i].base, info->region[i].size);
    return info;
}

void machine_attach_cmdline(size_t mem_bytes, const char *cmdline)
{
    const struct host_config config = {
        .cpus = 1, .mem_bytes = mem_bytes, .cmdline = cmdline, .quiet = true};

    kernel_init(prepare(&config), "test");
    if (sched_adopt() != 0)
        abort();
    hal_irq_restore(HAL_IRQS_ON);
}

void machine_attach(size_t mem_bytes)
{
    machine_attach_cmdline(mem_bytes, "");
}

void machine_detach(void)
{
    host_machine_close();
}

static _Noreturn void child(unsigned cpus, size_t mem_bytes,
                            const char *cmdline, int out_fd)
{
    const struct host_config config = {
        .cpus = cpus, .mem_bytes = mem_bytes, .cmdline = cmdline};
    struct host_signal_stack stack;

    host_signal_stack_open(&stack); /* as host_main.c does */
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
    char text[65536];
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
