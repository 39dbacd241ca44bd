/* Time and entropy of the hosted machine, from the host half: hal.h, 4. */
#include "hal/posix/host/clock.h"
#include "hal/hal.h"
#include "hal/posix/host/entropy.h"
#include "hal/posix/kernel/cpu.h"

uint64_t hal_time_ns(void)
{
    return host_time_ns();
}

uint64_t hal_wall_ns(void)
{
    return host_wall_ns();
}

void hal_timer_set(uint64_t deadline_ns)
{
    host_timer_set(vcpu_self()->id, deadline_ns);
}

size_t hal_entropy(void *buf, size_t len)
{
    return host_entropy(buf, len);
}
