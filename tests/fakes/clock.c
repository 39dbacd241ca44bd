#include "tests/fakes/clock.h"
#include "hal/hal.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/entropy.h"
#include "hal/posix/kernel/cpu.h"

static uint64_t now_ns, step_ns;

void clock_set(uint64_t ns)
{
    now_ns = ns;
    step_ns = 0;
}

uint64_t clock_now(void)
{
    return now_ns != 0 ? now_ns : host_time_ns();
}

void clock_step(uint64_t ns)
{
    step_ns = ns;
}

uint64_t hal_time_ns(void)
{
    uint64_t ns = clock_now();

    if (now_ns != 0)
        now_ns += step_ns;
    return ns;
}

uint64_t hal_wall_ns(void)
{
    return host_wall_ns();
}

void hal_timer_set(uint64_t deadline_ns)
{
    host_timer_set(vcpu_self()->id, now_ns != 0 ? UINT64_MAX : deadline_ns);
}

size_t hal_entropy(void *buf, size_t len)
{
    return host_entropy(buf, len);
}
