/*
 * The status page: what each CPU, its memory, threads, slots, disks, cards and
 * connections do, for people, for Prometheus and for programs. docs/status.md.
 *
 *     static const char *const options[] = {STATUS_OPTION, NULL};
 *     ...
 *     status = status_start();
 *
 * The option status=ADDRESS:PORT turns it on; without it nothing listens. Who
 * can reach that port sees everything: choose an address that others cannot.
 */
#ifndef TORC_STATUS_H
#define TORC_STATUS_H

#include <torc/compiler.h>

/* For torc_app.options. */
#define STATUS_OPTION                                                    \
    "status=ADDRESS:PORT the page of what the machine does; 0.0.0.0 is " \
    "any address of the machine (off)"

/*
 * Serve the page, if the option says so, on all CPUs that share this one's
 * card. Returns 0 (also when it is off), or after a line in the log -EINVAL
 * (the option), -ENOTCONN (this CPU has no stack), or as http_serve_all().
 * Context: thread; waits.
 */
must_check int status_start(void);

#endif
