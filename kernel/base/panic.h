/* Stop, and say why. */
#ifndef TORC_KERNEL_PANIC_H
#define TORC_KERNEL_PANIC_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/*
 * Print the reason, the CPU, the thread and a backtrace, then end the machine
 * with hal_abort(). For broken invariants only: a device that fails and memory
 * that runs out are errors, not panics.
 */
_Noreturn void panic(const char *format, ...) printf_like(1, 2);

/* The thread that runs on this CPU, for the report. */
struct panic_thread {
    const char *name;
    uintptr_t stack; /* its lowest byte, above a guard page; 0: no guard page */
};

/*
 * Let panic() ask `describe` which thread runs on this CPU; it returns false
 * while there is none. It must work when the kernel's data is damaged. CPU 0,
 * at boot, before threads.
 */
void panic_set_describer(bool (*describe)(struct panic_thread *out));

/*
 * Print where code was interrupted: `ip`, and its callers as long as their
 * frames, the first at `fp`, lie in [low, high). Any context.
 */
void backtrace_print(uintptr_t ip, uintptr_t fp, uintptr_t low, uintptr_t high);

#endif
