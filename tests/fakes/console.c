#include "tests/fakes/console.h"
#include "hal/hal.h"
#include "hal/posix/host/console.h"
#include "hal/posix/kernel/console.h"
#include <string.h>

static char written[65536];
static size_t written_len;
static bool is_quiet;

void console_forget(void)
{
    written_len = 0;
    written[0] = '\0';
}

bool console_has(const char *text)
{
    return strstr(written, text) != NULL;
}

void console_quiet(bool quiet)
{
    is_quiet = quiet;
}

void hal_console_write(const char *text, size_t len)
{
    size_t room = sizeof(written) - 1 - written_len;
    size_t kept = len < room ? len : room;

    memcpy(written + written_len, text, kept);
    written_len += kept;
    written[written_len] = '\0';
    if (!is_quiet)
        host_console_write(text, len);
}
