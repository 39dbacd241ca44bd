/*
 * Time and randomness of the hosted machine: hal.h, section 4. The clock and
 * the timers themselves are those of host_thread.c.
 */
#include "hal/posix/machine.h"
#include "hal/posix/point.h"
#include "hal/posix/sim.h"

uint64_t hal_time_ns(void)
{
    return host_time_ns();
}

void hal_timer_set(uint64_t deadline_ns)
{
    host_timer_set(vcpu_self()->id, deadline_ns);
}

size_t hal_entropy(void *buf, size_t len)
{
#if HAL_SIM
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)hal_choose(256, SIM_ENTROPY);
    return len;
#else
    return host_entropy(buf, len);
#endif
}
