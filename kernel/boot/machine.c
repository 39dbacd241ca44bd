/* The machine, as the application sees it: <torc/machine.h>, <torc/time.h>. */
#include "hal/hal.h"
#include "kernel/base/boot_info.h"
#include <torc/machine.h>
#include <torc/time.h>

unsigned cpu_count(void)
{
    return boot_info()->cpu_count;
}

const char *machine_name(void)
{
    return boot_info()->machine;
}

uint64_t time_ns(void)
{
    return hal_time_ns();
}
