/*
 * The trail: what memory was before it changed, so that an earlier state of the
 * execution can be brought back. Who changes something notes it first.
 */
#ifndef TORC_WMM_TRAIL_H
#define TORC_WMM_TRAIL_H

#include <stddef.h>
#include <stdint.h>

void trail_init(void);

/*
 * A number that only grows, with each trail_mark() and trail_back(). What was
 * noted at the present one need not be noted again. Never 0.
 */
extern uint32_t trail_now;

/* Note the `size` bytes at `at`. */
void trail_note(void *at, size_t size);

/* The present end; what is noted from now on lies behind it. */
size_t trail_mark(void);

/* Bring back all that was noted behind `mark`, and forget it. */
void trail_back(size_t mark);

/* Bring back what was noted between two marks, and keep it. */
void trail_repeat(size_t from, size_t to);

#endif
