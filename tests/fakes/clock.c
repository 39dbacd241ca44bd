#include "tests/fakes/clock.h"
#include "hal/hal.h"
#include "tests/fakes/beneath.h"
#include <string.h>

static uint64_t now_ns, step_ns;
static int entropy_byte = -1;

void clock_set(uint64_t ns)
{
    now_ns = ns;
    step_ns = 0;
}

uint64_t clock_now(void)
{
    return now_ns != 0 ? now_ns : beneath_time_ns();
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
    return entropy_byte < 0 ? beneath_wall_ns() : 0;
}

void hal_timer_set(uint64_t deadline_ns)
{
    beneath_timer_set(now_ns != 0 ? UINT64_MAX : deadline_ns);
}

static size_t entropy_good;
static unsigned entropy_count;

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
        return beneath_entropy(buf, len);
    memset(buf, entropy_byte, len);
    return entropy_good < len ? entropy_good : len;
}
