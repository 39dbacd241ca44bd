/*
 * Sleep of the hosted machine (idle.c).
 */
#ifndef TORC_HAL_POSIX_IDLE_H
#define TORC_HAL_POSIX_IDLE_H

#include <stdbool.h>

/* Tests: hal_cpu_watch() can watch memory, by looking at it again and again. */
extern bool machine_watches;

#endif
