/* Samples of the hosted machine: hal.h, section 4. */
#include "hal/posix/host/sample.h"
#include "hal/hal.h"
#include "hal/posix/kernel/cpu.h"

int hal_sample_start(uint64_t period_ns)
{
    if (period_ns != 0 && period_ns < HAL_SAMPLE_MIN_NS)
        period_ns = HAL_SAMPLE_MIN_NS;
    vcpu_self()->sample_period = period_ns;
    return host_sample_start(vcpu_self()->id, period_ns);
}

/*
 * For how long interrupts have been off, in periods; 0: they are on. A sample
 * while they are off sets `attention`, and who turns them on clears it. A CPU
 * that goes to sleep must not have it set: whoever interrupts it would take it
 * for awake.
 */
static unsigned periods_off(struct vcpu *cpu)
{
    bool was_set;

    if (cpu->irq_on || cpu->is_idle) {
        cpu->samples_off = 0;
        return 0;
    }
    was_set = atomic_exchange(&cpu->attention, true);
    cpu->samples_off = was_set ? cpu->samples_off + 1 : 0;
    return cpu->samples_off;
}

/* In a signal handler: wherever the CPU is, perhaps in the host half. */
void machine_sample(const struct host_fault *where)
{
    struct vcpu *cpu = vcpu_self();
    bool was_on = cpu->irq_on;
    unsigned off = periods_off(cpu);
    const struct hal_fault place = {
        .what = where->what,
        .ip = where->ip,
        .sp = where->sp,
        .fp = where->fp,
        .detail = "",
        .off_ns = off * cpu->sample_period,
    };

    if (!was_on && off < HAL_SAMPLES_MISSED)
        return;
    cpu->irq_on = false;
    kernel_sample(&place);
    cpu->irq_on = was_on;
}
