/* The log, from inside: see <torc/log.h>. */
#ifndef TORC_KERNEL_LOG_H
#define TORC_KERNEL_LOG_H

#include <torc/compiler.h>

/*
 * Print lines up to this level: "error", "warn", "info", "debug". At boot.
 * Returns 0, -EINVAL (no such level).
 */
must_check int log_set_level(const char *name);

#endif
