/* The end of the hosted machine: hal.h, section 1. */
#include "hal/posix/kernel/exit.h"
#include "hal/hal.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/terminal.h"
#include "hal/posix/kernel/boot.h"
#include "hal/posix/kernel/context.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/sanitize.h"
#include <stdatomic.h>

enum { EXIT_STACK_SIZE = 512 * 1024 };

/* Leaving a process runs the host's own code, which wants a large stack. */
static unsigned char exit_stack[EXIT_STACK_SIZE] cache_aligned;
static int exit_status;

/* Who ends the machine: a CPU's number, NO_CPU for other threads. */
enum { NOBODY = -1, NO_CPU = HAL_CPU_MAX };
static atomic_int exiting = NOBODY;
static atomic_int aborting = NOBODY;

#if SANITIZE_ADDRESS
/* The leak checker sees only the stack the process ends on: it would report
 * what the others hold. */
int __lsan_is_turned_off(void)
{
    return atomic_load(&exiting) != NOBODY;
}
#endif

/*
 * The first caller ends the machine; the others never return. The first one may
 * call again: what it runs at the end may itself fail.
 */
static void end_claim(atomic_int *by)
{
    int self = host_is_cpu() ? (int)vcpu_self()->id : NO_CPU;
    int first = NOBODY;

    if (atomic_compare_exchange_strong(by, &first, self) || first == self)
        return;
    if (self != NO_CPU)
        host_cpu_park();
    for (;;)
        host_cpu_relax();
}

static void exit_enter(void *arg)
{
    (void)arg;
    host_exit(exit_status);
}

void hal_exit(int status)
{
    struct hal_context from = {0}, to;
    struct vcpu *cpu = vcpu_self();

    if (status == HAL_EXIT_AGAIN)
        status = 0;
    cpu->irq_on = false;
    end_claim(&exiting);
    cpu_park_others(machine_boot.cpu_count);
    host_cpus_stop(status);
    exit_status = status;
    hal_context_init(&to, exit_stack, sizeof(exit_stack), exit_enter, NULL);
    context_jump(cpu, &from, &to);
    host_abort();
}

void machine_exit_request(int status)
{
    end_claim(&exiting);
    cpu_park_others(machine_boot.cpu_count);
    host_cpus_stop(status);
    host_exit(status);
}

bool hal_panic_begin(void)
{
    struct vcpu *cpu = vcpu_self();

    cpu->irq_on = false;
    if (atomic_load(&aborting) == (int)cpu->id)
        return false;
    end_claim(&aborting);
    host_cpus_stop(HOST_ABORTED);
    return true;
}

/* Also while another CPU exits: the panic counts. To begin again is for whoever
 * has started the process. */
void hal_abort(enum hal_end how)
{
    end_claim(&aborting);
    host_cpus_stop(HOST_ABORTED);
    if (how == HAL_END_HALT) {
        host_terminal_restore();
        host_cpu_park();
    }
    host_abort();
}

void machine_bug(const char *what)
{
    end_claim(&aborting);
    host_cpus_stop(HOST_ABORTED);
    if (host_is_cpu())
        host_complain("broken rule of hal.h on CPU %u: %s", vcpu_self()->id,
                      what);
    else
        host_complain("broken rule of hal.h in a device's thread: %s", what);
    host_abort();
}
