/* tests/fakes/clock.h in the guest; the clock is the HAL's until one is set. */
#include "tests/fakes/clock.h"
#include "tests/guest/guest.h"
#include <string.h>

static uint64_t now_ns, step_ns;
static int entropy_byte = -1;
static size_t entropy_good;
static unsigned entropy_count;

void clock_set(uint64_t ns)
{
    now_ns = ns;
    step_ns = 0;
}

uint64_t clock_now(void)
{
    return now_ns != 0 ? now_ns : metal_time_ns();
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
    return entropy_byte < 0 ? metal_wall_ns() : 0;
}

void hal_timer_set(uint64_t deadline_ns)
{
    metal_timer_set(now_ns != 0 ? UINT64_MAX : deadline_ns);
}

void entropy_set(int byte, size_t good)
{
    entropy_byte = byte;
    entropy_good = good;
    entropy_count = 0;
}

unsigned entropy_asked(void)
{
    return entropy_count;
}

size_t hal_entropy(void *buf, size_t len)
{
    entropy_count++;
    if (entropy_byte < 0)
        return metal_entropy(buf, len);
    memset(buf, entropy_byte, len);
    return entropy_good < len ? entropy_good : len;
}
