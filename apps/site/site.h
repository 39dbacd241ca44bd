/* The service that answers requests with files. */
#ifndef TORC_APPS_SITE_SITE_H
#define TORC_APPS_SITE_SITE_H

#include "apps/site/writes.h"
#include <stdint.h>
#include <torc/compiler.h>

/*
 * Serve the files below directory `dir` (absolute) on `port`; `writes` is what
 * changes them, NULL: nothing. Thread of the CPU that has the card and the
 * disk. Returns 0, or as service_register().
 */
must_check int site_start(const char *dir, uint16_t port,
                          const struct site_writes *writes);

/*
 * Serve files that nothing changes on one of several CPUs, for ever.
 *   pages_max  they are another CPU's, which lends so many bytes of them at
 *              most; 0: they are this one's
 * Thread of that CPU. Returns 0, or as service_register().
 */
must_check int site_start_one(const char *dir, uint16_t port,
                              uint64_t pages_max);

/*
 * Let the connections end with the requests they have begun, within
 * `patience_ns`; then drop them. Once, on the CPU of the site, by any thread;
 * waits. Returns 0, -EBUSY (one is left: its disk does not answer).
 */
must_check int site_stop(uint64_t patience_ns);

#endif
