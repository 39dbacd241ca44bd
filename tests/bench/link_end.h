/*
 * An end of a link of Ethernet frames, for programs of Linux that stand beside
 * a hosted machine: a tap, or an interface that is there.
 */
#ifndef TORC_TESTS_BENCH_LINK_END_H
#define TORC_TESTS_BENCH_LINK_END_H

#include <stdint.h>

/* Print what failed, with errno, and end the program with status 1. */
_Noreturn void link_die(const char *what);

/* The monotonic clock, ns. */
uint64_t link_now_ns(void);

/*
 * Open "tap:NAME" (a tap that is made) or "raw:NAME" (an interface). Returns a
 * file descriptor that does not block; dies when there is none.
 */
int link_open(const char *text);

#endif
