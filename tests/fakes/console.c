#include "tests/fakes/console.h"
#include "hal/hal.h"
#include "hal/posix/kernel/console.h"
#include "tests/fakes/beneath.h"
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

const char *console_unseen(void)
{
    return is_quiet ? written : "";
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
        beneath_console_write(text, len);
}
