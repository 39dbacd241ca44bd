#include "hal/baremetal/base/fail.h"
#include "hal/hal.h"
#include <torc/format.h>
#include <torc/string.h>

enum { LINE_MAX = 200 };

static void write_line(const char *prefix, const char *text)
{
    hal_console_write(prefix, str_len(prefix, LINE_MAX));
    hal_console_write(text, str_len(text, LINE_MAX));
    hal_console_write("\n", 1);
}

void boot_fail(const char *why)
{
    write_line("error: ", why);
    hal_exit(1);
}

void boot_warn(const char *format, ...)
{
    char text[LINE_MAX];
    va_list args;

    va_start(args, format);
    fmt_vprint(text, sizeof(text), format, args);
    va_end(args);
    write_line("warning: ", text);
}
