/* Which functions are on a stack. */
#ifndef TORC_KERNEL_BACKTRACE_H
#define TORC_KERNEL_BACKTRACE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/*
 * Frames by their frame pointers, as long as these climb, are aligned, and lie
 * in [low, high): the stack may be what is broken.
 */
struct frame_walk {
    uintptr_t fp; /* the next frame */
    uintptr_t low, high;
};

/* The address that a frame returns to; 0: that was the last one. */
uintptr_t frame_next(struct frame_walk *walk);

/* Straight to the console. Any context. */
void say(const char *format, ...) printf_like(1, 2);
void say_args(const char *format, va_list args);

/*
 * Print where code was interrupted: `ip`, and its callers as long as their
 * frames, the first at `fp`, lie in [low, high). Any context.
 */
void backtrace_print(uintptr_t ip, uintptr_t fp, uintptr_t low, uintptr_t high);

/* Its lines: where code is, where a call returns to, and all callers. */
void backtrace_in(uintptr_t ip);
void backtrace_at(uintptr_t return_ip);
void backtrace_callers(uintptr_t fp, uintptr_t low, uintptr_t high);

/* One line: the function and line of `ip`, and the names of callers. */
void backtrace_brief(uintptr_t ip, uintptr_t fp, uintptr_t low, uintptr_t high);

#endif
