/* Stop, and say why. */
#ifndef TORC_KERNEL_PANIC_H
#define TORC_KERNEL_PANIC_H

#include "kernel/base/symbols.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/*
 * Print the reason, the CPU, the thread and a backtrace, then end the machine
 * with hal_abort(). For broken invariants only: a device that fails and memory
 * that runs out are errors, not panics.
 */
_Noreturn void panic(const char *format, ...) printf_like(1, 2);

struct hal_fault;

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
 * kernel_fault() asks it whether a thread catches a fault after which the
 * machine can go on: it returns NULL and has changed where the registers
 * continue, or says why it cannot be caught ("": nobody wants to). Of
 * kernel/thread/catch.c; weak: NULL where that is not linked.
 */
__attribute__((weak)) const char *
exception_leave(const struct hal_fault *fault);

/*
 * Let the report call `fn` when it has said what happened and where; those
 * added first come first. All other CPUs are stopped, and the kernel's data may
 * be damaged: a part that faults ends, and the next one has its turn. CPU 0, at
 * boot.
 */
void panic_add_part(void (*fn)(void));

/*
 * For the parts of a report: the registers of a CPU when it failed or was
 * stopped; NULL: not known. Of this one perhaps only where it was.
 */
struct hal_registers;
const struct hal_registers *panic_registers(unsigned cpu);

/*
 * Let what a report says be shown by `write`, too. A fault in it ends that. CPU
 * 0, at boot.
 */
void panic_set_screen(void (*write)(const char *text, size_t len));

/* For say(): show it there, if a report has begun. */
void panic_screen_write(const char *text, size_t len);

/* Whether a report has begun. Any CPU, any context. */
bool panic_is_reported(void);

/* And the function that failed. */
struct panic_place {
    bool is_known, has_line;
    struct symbol symbol;
    struct source_line line;
};
const struct panic_place *panic_place(void);

/* Read the option panic=: what becomes of the machine after the report. CPU 0,
 * at boot. */
void panic_options(void);

#endif
