/*
 * Processor exceptions: signals of a CPU's pthread, handled on a stack of their
 * own, since the usual cause is that the other one ran over its guard page.
 */
#include "hal/posix/host/fault.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/exit.h"
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

enum { DETAIL_MAX = 512 };

static _Thread_local volatile sig_atomic_t fault_depth;

static const struct {
    int signal;
    const char *what;
    bool has_address;
} faults[] = {
    {SIGSEGV, "segmentation fault", true},
    {SIGBUS, "bus error", true},
    {SIGILL, "invalid instruction", false},
    {SIGFPE, "arithmetic fault", false},
};

enum { FAULT_COUNT = sizeof(faults) / sizeof(faults[0]) };

static void detail_print(char *text, const greg_t *reg)
{
    snprintf(text, DETAIL_MAX,
             "rax %016llx  rbx %016llx  rcx %016llx\n"
             "rdx %016llx  rsi %016llx  rdi %016llx\n"
             "r8  %016llx  r9  %016llx  r10 %016llx\n"
             "r11 %016llx  r12 %016llx  r13 %016llx\n"
             "r14 %016llx  r15 %016llx  flags %llx\n",
             reg[REG_RAX], reg[REG_RBX], reg[REG_RCX], reg[REG_RDX],
             reg[REG_RSI], reg[REG_RDI], reg[REG_R8], reg[REG_R9], reg[REG_R10],
             reg[REG_R11], reg[REG_R12], reg[REG_R13], reg[REG_R14],
             reg[REG_R15], reg[REG_EFL]);
}

static void fault_handle(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    const greg_t *reg = at->uc_mcontext.gregs;
    char detail[DETAIL_MAX];
    struct host_fault fault = {
        .what = "fault",
        .ip = (uintptr_t)reg[REG_RIP],
        .sp = (uintptr_t)reg[REG_RSP],
        .fp = (uintptr_t)reg[REG_RBP],
        .detail = detail,
    };

    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (faults[i].signal != signal)
            continue;
        fault.what = faults[i].what;
        if (faults[i].has_address)
            fault.address = (uintptr_t)info->si_addr;
    }
    if (!host_is_cpu() || fault_depth++ > 1) {
        host_complain("%s at %#lx, address %#lx, %s", fault.what,
                      (unsigned long)fault.ip, (unsigned long)fault.address,
                      host_is_cpu() ? "while another is reported"
                                    : "in a thread of the host half");
        host_abort();
    }
    detail_print(detail, reg);
    machine_fault(&fault);
}

void host_fault_catch(void)
{
    struct sigaction action = {
        .sa_sigaction = fault_handle,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
    };

    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        sigaction(faults[i].signal, &action, NULL);
}
