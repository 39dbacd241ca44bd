/* The log, from inside: see <torc/log.h>. */
#ifndef TORC_KERNEL_LOG_H
#define TORC_KERNEL_LOG_H

#include <torc/compiler.h>

/*
 * Print lines up to this level: "error", "warn", "info", "debug". At boot.
 * Returns 0, -EINVAL (no such level).
 */
must_check int log_set_level(const char *name);

/*
 * Keep the last lines of a CPU in these LOG_TAIL_SIZE bytes of zeroes, for the
 * report of a panic. CPU 0, at boot.
 */
enum { LOG_TAIL_SIZE = 1024 };
struct cpu;
void log_init(struct cpu *cpu, void *tail);

#endif
