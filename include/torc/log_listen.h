/* Who else wants what is logged. */
#ifndef TORC_LOG_LISTEN_H
#define TORC_LOG_LISTEN_H

#include <stddef.h>

/*
 * From now on call fn(line, len) for each line of the log and each text of
 * console_print(), of all CPUs, on CPU 0, in a thread or in irq work; NULL:
 * nobody. It must not log. CPU 0.
 */
void log_listen(void (*fn)(const char *line, size_t len));

#endif
