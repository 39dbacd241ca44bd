#include "tests/fakes/beneath.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/entropy.h"
#include "hal/posix/kernel/cpu.h"

uint64_t beneath_time_ns(void)
{
    return host_time_ns();
}

uint64_t beneath_wall_ns(void)
{
    return host_wall_ns();
}

void beneath_timer_set(uint64_t deadline_ns)
{
    host_timer_set(vcpu_self()->id, deadline_ns);
}

size_t beneath_entropy(void *buf, size_t len)
{
    return host_entropy(buf, len);
}

void beneath_console_write(const char *text, size_t len)
{
    host_console_write(text, len);
}
