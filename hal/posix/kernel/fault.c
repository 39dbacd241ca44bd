/*
 * Processor exceptions of the hosted machine: from a signal (host/fault.c) to
 * the kernel.
 */
#include "hal/posix/host/fault.h"
#include "hal/hal.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/exit.h"
#include <torc/assert.h>
#include <torc/string.h>

static_assert((unsigned)HOST_REGISTERS == HAL_REGISTER_COUNT &&
                  sizeof(struct hal_registers) ==
                      sizeof(((struct host_fault *)0)->registers),
              "both halves have the same registers");

/* Each entry is its CPU's, until that has stopped. */
const struct hal_registers *hal_stopped[HAL_CPU_MAX];

void machine_stopped(const uint64_t *registers)
{
    hal_stopped[vcpu_self()->id] = (const void *)registers;
}

void machine_fault(struct host_fault *fault)
{
    struct vcpu *cpu = vcpu_self();
    struct hal_registers registers;
    struct hal_fault report = {
        .what = fault->what,
        .ip = fault->ip,
        .sp = fault->sp,
        .fp = fault->fp,
        .address = fault->address,
        .detail = fault->detail,
        .access = (enum hal_access)fault->access,
        .may_continue = cpu->irq_on,
        .registers = &registers,
    };

    memcpy(&registers, fault->registers, sizeof(registers));
    cpu->irq_on = false;
    kernel_fault(&report);
    if (!report.may_continue)
        machine_bug("kernel_fault() returned, and nothing can continue");
    cpu->irq_on = true;
    memcpy(fault->registers, &registers, sizeof(registers));
}
