/* Apart from beneath.c: a test that has the kernel's upcalls itself links that
 * one alone. */
#include "hal/posix/host/fault.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include "kernel/base/boot_info.h"
#include "kernel/boot/init.h"
#include "kernel/lib/poison.h"
#include "tests/fakes/beneath.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

const struct hal_boot_info *beneath_open(const struct host_config *config)
{
    const struct hal_boot_info *info = host_machine_prepare(config);

    if (info == NULL)
        abort();
    return info;
}

void beneath_close(void)
{
    const struct hal_boot_info *info = boot_info();

    /* Whoever gets these addresses next, this machine's poison must be gone. */
    for (unsigned i = 0; info != NULL && i < info->region_count; i++)
        unpoison((void *)info->region[i].base, info->region[i].size);
    host_machine_close();
}

static _Noreturn void child(const struct host_config *config, int out_fd)
{
    struct host_signal_stack stack;

    host_signal_stack_open(&stack); /* as host/process.c does */
    dup2(out_fd, 1);
    dup2(out_fd, 2);
    host_fault_catch();
    kernel_main(beneath_open(config));
}

int beneath_run(const struct host_config *config, const char **said)
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
        child(config, ends[1]);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    *said = text;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
