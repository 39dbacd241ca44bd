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

enum {
    DETAIL_MAX = 512,
    NESTED_MAX = 8, /* faults while others are reported */
    /* Numbers of exceptions, and what a page fault says: Intel SDM volume 3. */
    TRAP_PAGE_FAULT = 14,
    ERROR_WRITE = 1 << 1,
    ERROR_FETCH = 1 << 4,
    FLAGS_PLAIN = 1 << 9 | 1 << 1,
};
enum { REGISTER_ORIG_RAX = 15, REGISTER_IP = 16, REGISTER_SP = 19 };
enum { READ = 1, WRITE, EXECUTE }; /* enum hal_access */

static _Thread_local volatile sig_atomic_t fault_depth;

static const struct {
    int signal;
    const char *what;
    bool has_address;
} faults[] = {
    {SIGSEGV, "segmentation fault", true},  {SIGBUS, "bus error", true},
    {SIGILL, "invalid instruction", false}, {SIGFPE, "arithmetic fault", false},
    {SIGTRAP, "breakpoint", false},
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

void host_registers(const void *context, uint64_t *out)
{
    static const int order[HOST_REGISTERS] = {
        REG_R15, REG_R14, REG_R13, REG_R12, REG_RBP, REG_RBX, REG_R11,
        REG_R10, REG_R9,  REG_R8,  REG_RAX, REG_RCX, REG_RDX, REG_RSI,
        REG_RDI, -1,      REG_RIP, -1,      REG_EFL, REG_RSP, -1,
        -1,      -1,      -1,      -1,      -1,      -1,
    };
    const ucontext_t *at = context;

    for (unsigned i = 0; i < HOST_REGISTERS; i++)
        out[i] = order[i] < 0 ? 0 : (uint64_t)at->uc_mcontext.gregs[order[i]];
    out[REGISTER_ORIG_RAX] = UINT64_MAX; /* in no system call */
}

static unsigned access_of(const greg_t *reg)
{
    if (reg[REG_TRAPNO] != TRAP_PAGE_FAULT)
        return 0;
    if ((reg[REG_ERR] & ERROR_FETCH) != 0)
        return EXECUTE;
    return (reg[REG_ERR] & ERROR_WRITE) != 0 ? WRITE : READ;
}

/* Where the kernel wants to go on; nothing of what was is left over. */
static void go_on(ucontext_t *at, const struct host_fault *fault)
{
    greg_t *reg = at->uc_mcontext.gregs;

    /* No x87 exception waits for the next instruction, no register is used. */
    at->uc_mcontext.fpregs->swd = 0;
    at->uc_mcontext.fpregs->ftw = 0; /* as FXSAVE has it: all are empty */
    reg[REG_RIP] = (greg_t)fault->registers[REGISTER_IP];
    reg[REG_RSP] = (greg_t)fault->registers[REGISTER_SP];
    reg[REG_EFL] = FLAGS_PLAIN;
}

static void fault_handle(int signal, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    const greg_t *reg = at->uc_mcontext.gregs;
    static _Thread_local char detail[DETAIL_MAX];
    struct host_fault fault = {
        .what = "fault",
        .ip = (uintptr_t)reg[REG_RIP],
        .sp = (uintptr_t)reg[REG_RSP],
        .fp = (uintptr_t)reg[REG_RBP],
        .detail = detail,
        .access = access_of(reg),
    };

    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (faults[i].signal != signal)
            continue;
        fault.what = faults[i].what;
        if (faults[i].has_address)
            fault.address = (uintptr_t)info->si_addr;
    }
    if (!host_is_cpu() || fault_depth++ > NESTED_MAX) {
        host_complain("%s at %#lx, address %#lx, %s", fault.what,
                      (unsigned long)fault.ip, (unsigned long)fault.address,
                      host_is_cpu() ? "while another is reported"
                                    : "in a thread of the host half");
        host_abort();
    }
    detail_print(detail, reg);
    host_registers(at, fault.registers);
    machine_fault(&fault);
    fault_depth--;
    go_on(at, &fault);
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
