/*
 * Processor exceptions of the hosted machine: from a signal (host/fault.c) to
 * the kernel.
 */
#include "hal/posix/host/fault.h"
#include "hal/hal.h"
#include "hal/posix/kernel/cpu.h"

void machine_fault(const struct host_fault *fault)
{
    struct hal_fault report = {
        .what = fault->what,
        .ip = fault->ip,
        .sp = fault->sp,
        .fp = fault->fp,
        .address = fault->address,
        .detail = fault->detail,
    };

    vcpu_self()->irq_on = false;
    kernel_fault(&report);
}
