/* Text out of the machine: see console.h. */
#include "hal/posix/host/console.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { CONSOLE_WAIT_MS = 200, LINE_MAX_BYTES = 512 };

/* Write all, unless the reader takes nothing for CONSOLE_WAIT_MS. */
static void write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);

        if (done >= 0) {
            text += done;
            len -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};

            if (poll(&wait, 1, CONSOLE_WAIT_MS) == 0)
                return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

void host_console_write(const char *text, size_t len)
{
    write_all(STDOUT_FILENO, text, len);
}

void host_complain(const char *format, ...)
{
    char line[LINE_MAX_BYTES] = "torc: ";
    size_t len = 6;
    va_list args;
    int add;

    va_start(args, format);
    add = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    if (add > 0)
        len += (size_t)add < sizeof(line) - len - 1 ? (size_t)add
                                                    : sizeof(line) - len - 2;
    line[len++] = '\n';
    write_all(STDERR_FILENO, line, len);
}
