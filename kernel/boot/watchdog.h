/*
 * Tells of threads that keep a CPU for themselves: with the option watchdog=MS,
 * one that has run for so long without giving it up is named, once, with a
 * backtrace of where it is. It goes on.
 */
#ifndef TORC_KERNEL_WATCHDOG_H
#define TORC_KERNEL_WATCHDOG_H

#include <stdbool.h>
#include <torc/compiler.h>

/*
 * Read the option. CPU 0, at boot, before the other CPUs start. Returns 0,
 * -EINVAL after a line.
 */
must_check int watchdog_options(void);

/* Whether the option is there, and stuck=end with it. Any CPU. */
bool watchdog_is_on(void);
bool watchdog_is_the_end(void);

/* Watch this CPU, if the option is there. Each CPU once, at its start. */
void watchdog_init(void);

#endif
