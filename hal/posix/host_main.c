/*
 * The process: from its arguments to kernel_main().
 */
#include "hal/posix/host.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_SIGNAL = 128 };

/* hal.h declares it, and this half does not see hal.h. */
_Noreturn void kernel_main(const struct hal_boot_info *boot);

static struct host_args args;
static sigset_t ending;

static void *signal_main(void *arg)
{
    int signal;

    (void)arg;
    while (sigwait(&ending, &signal) != 0)
        ;
    host_exit(STATUS_SIGNAL + signal);
}

/* SIGINT and SIGTERM end the process from a thread of their own. */
static void signals_open(void)
{
    pthread_t thread;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    if (pthread_create(&thread, NULL, signal_main, NULL) == 0)
        pthread_detach(thread);
    else
        pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
}

int main(int argc, char **argv)
{
    const struct hal_boot_info *boot;
    struct host_signal_stack stack;

    if (host_args_parse(argc, argv, &args) != 0) {
        host_complain("%s", args.error);
        return STATUS_USAGE;
    }
    if (args.help) {
        printf("usage: %s %s", argv[0], host_args_help);
        return EXIT_SUCCESS;
    }
    signals_open();
    boot = host_machine_prepare(&args.config);
    if (boot == NULL)
        return STATUS_FAILED;
    host_signal_stack_open(&stack);
    host_fault_catch();
    kernel_main(boot);
}
