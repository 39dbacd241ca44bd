/* From options to a server that runs: the disk, the card, the site. */
#ifndef TORC_APPS_SITE_SERVING_H
#define TORC_APPS_SITE_SERVING_H

#include "apps/site/options.h"
#include "apps/site/writes.h"
#include <torc/compiler.h>

/*
 * Serve, each step on the CPU that will use its result: disks and the card are
 * dedicated to it, which then mounts and serves.
 *   mount   mounts something else than a disk, on that CPU; NULL: a disk
 *   writes  what changes files; NULL: nothing does
 * Returns 0 when it serves, or an exit status after it has logged what fails.
 */
must_check int site_serve(const struct site_options *options,
                          int (*mount)(void *arg),
                          const struct site_writes *writes);

/* The application's main(), when nothing changes its files: serve, for ever.
 * Returns an exit status when that is not possible. */
int site_main(int argc, char **argv);

#endif
