/* The process: from its arguments to kernel_main(). */
#include "hal/posix/host/process.h"
#include "hal/posix/host/args.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_SIGNAL = 128 };

/* Declared in hal.h, which the host half does not include. */
_Noreturn void kernel_main(const struct hal_boot_info *boot);

static struct host_args args;
static sigset_t ending;

static void *signal_main(void *arg)
{
    (void)arg;
    for (;;) {
        int signal;

        if (sigwait(&ending, &signal) == 0 && !machine_stop_ask())
            machine_exit_request(STATUS_SIGNAL + signal);
    }
    return NULL;
}

/* A thread of their own takes SIGINT and SIGTERM. */
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

int host_process_run(int argc, char **argv)
{
    const struct hal_boot_info *boot;
    struct host_signal_stack stack;

    host_signal_stack_open(&stack);
    host_fault_catch(); /* first of all: what fails from here on is told */
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
    kernel_main(boot);
}
