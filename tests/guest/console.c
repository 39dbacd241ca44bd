/* tests/fakes/console.h in the guest. */
#include "tests/fakes/console.h"
#include "hal/posix/kernel/console.h"
#include "tests/guest/guest.h"
#include <string.h>

enum { TAIL = 2000 };

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

void guest_console_tail(void)
{
    size_t len = written_len < TAIL ? written_len : TAIL;

    if (is_quiet)
        guest_write(written + written_len - len, len);
}

void hal_console_write(const char *text, size_t len)
{
    size_t room = sizeof(written) - 1 - written_len;
    size_t kept = len < room ? len : room;

    memcpy(written + written_len, text, kept);
    written_len += kept;
    written[written_len] = '\0';
    if (!is_quiet)
        guest_write(text, len);
}
