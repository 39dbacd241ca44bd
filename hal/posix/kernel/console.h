/*
 * The console of the hosted machine (console.c).
 */
#ifndef TORC_HAL_POSIX_CONSOLE_H
#define TORC_HAL_POSIX_CONSOLE_H

#include <stdbool.h>

/* Whether hal_console_write() prints nothing from now on. */
void console_quiet(bool quiet);

#endif
