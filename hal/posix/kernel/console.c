/* The console of the hosted machine: stdout. */
#include "hal/posix/kernel/console.h"
#include "hal/hal.h"
#include "hal/posix/host/console.h"

/* Written before the machine runs. */
static bool is_quiet;

void console_quiet(bool quiet)
{
    is_quiet = quiet;
}

void hal_console_write(const char *text, size_t len)
{
    if (!is_quiet)
        host_console_write(text, len);
}
