/* Between the files of the status page. */
#ifndef TORC_NET_STATUS_INTERNAL_H
#define TORC_NET_STATUS_INTERNAL_H

#include "net/status/collect.h"
#include "net/status/text.h"

extern const char status_page[]; /* HTML */

/* Write all CPUs' figures, and for JSON the log. */
void status_json(struct text *text, const struct status_cpu cpus[],
                 const char *log);
void status_metrics(struct text *text, const struct status_cpu cpus[]);

/* ---- The last lines of the log (log.c) ----------------------------------- */

enum { STATUS_LOG_MAX = 4096 };

/* Keep what is logged from now on. CPU 0. */
void status_log_begin(void);

/* Copy what is kept, whole lines, with a NUL. Any CPU; thread; waits. Returns
 * 0, -ENOMEM, -EAGAIN. */
must_check int status_log_get(char out[STATUS_LOG_MAX]);

#endif
