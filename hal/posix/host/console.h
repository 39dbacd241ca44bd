/*
 * Text for people. Both functions wait for a slow reader for at most 200 ms,
 * then drop the rest. Any thread.
 */
#ifndef TORC_HAL_POSIX_HOST_CONSOLE_H
#define TORC_HAL_POSIX_HOST_CONSOLE_H

#include <stddef.h>

/* Write to stdout. */
void host_console_write(const char *text, size_t len);

/* Write one line to stderr, with "torc: " before it. */
void host_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
