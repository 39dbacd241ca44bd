/*
 * The log: lines on the console.
 *
 *   log_error   something failed and somebody has to act: say what to do
 *   log_warn    odd, handled
 *   log_info    what a person watching wants to see
 *   log_debug   only with the option log=debug
 *
 * `format` is that of <torc/format.h>, without the newline. A line is cut at
 * LOG_LINE_MAX. Any CPU; thread or irq work, not an interrupt handler.
 */
#ifndef TORC_LOG_H
#define TORC_LOG_H

#include <torc/compiler.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum { LOG_LINE_MAX = 256 };

void log_write(enum log_level level, const char *format, ...) printf_like(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/* Plain text on the console, without prefix or newline. */
void console_print(const char *format, ...) printf_like(1, 2);

#endif
