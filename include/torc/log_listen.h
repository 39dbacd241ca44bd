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

/* What shows the console besides the machine's own: a screen. */
struct log_sink {
    struct log_sink *next;
    /* Show what is written to the console. CPU 0, thread or irq work; must not
     * wait or log. */
    void (*write)(struct log_sink *sink, const char *text, size_t len);
};

/* From now on `sink`, which stays for ever, shows the console. The report of a
 * panic is not shown there. CPU 0. */
void log_sink_add(struct log_sink *sink);

#endif
