/* Samples of the hosted machine: hal.h, section 4. */
#include "hal/posix/host/sample.h"
#include "hal/hal.h"
#include "hal/posix/kernel/cpu.h"

int hal_sample_start(uint64_t period_ns)
{
    if (period_ns != 0 && period_ns < HAL_SAMPLE_MIN_NS)
        period_ns = HAL_SAMPLE_MIN_NS;
    return host_sample_start(vcpu_self()->id, period_ns);
}

/* In a signal handler: wherever the CPU is, perhaps in the host half. */
void machine_sample(const struct host_fault *where)
{
    struct vcpu *cpu = vcpu_self();
    const struct hal_fault place = {
        .what = where->what,
        .ip = where->ip,
        .sp = where->sp,
        .fp = where->fp,
        .detail = "",
    };

    if (!cpu->irq_on)
        return;
    cpu->irq_on = false;
    kernel_sample(&place);
    cpu->irq_on = true;
}
