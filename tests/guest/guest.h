/*
 * The guest in which unit tests run: a Torc image whose kernel_main() is
 * main() of a test program. CPU 0 runs the tests; the others wait until a test
 * starts a machine with them (machine.c).
 *
 * Names: metal_*() are the functions of hal/baremetal, renamed by the
 * Makefile's objcopy where the tests have one of their own in between.
 * Everything here belongs to CPU 0 unless it says otherwise.
 */
#ifndef TORC_TESTS_GUEST_GUEST_H
#define TORC_TESTS_GUEST_GUEST_H

#include "hal/hal.h"
#include <setjmp.h>

/* What a child machine cannot change: see child.c. The linker keeps it apart
 * from other variables. */
#define GUEST_KEEP __attribute__((section(".bss.guest_keep")))

enum { GUEST_STATUS_ABORT = 134 }; /* as of a process that aborts */

/* The parts of memory, each of whole large pages: start.c. */
struct guest_area {
    uintptr_t base;
    size_t size;
};
enum guest_use {
    GUEST_ARENA,    /* malloc() */
    GUEST_SNAPSHOT, /* what child_run() restores */
    GUEST_ATTACHED, /* the machine that the test attaches to */
    GUEST_CHILD,    /* that of machine_run() */
    GUEST_USES,
};
extern struct guest_area guest_areas[GUEST_USES];

/* The command line, which names tests to skip: "skip=,test_a,test_b,". */
extern const char *guest_cmdline;

/* What the root stack is, on which main() runs. */
extern char guest_stack[];
extern char *const guest_stack_end;

/* Text for whoever looks on: the console, or what a child has said. */
void guest_write(const char *text, size_t len);

/* End the test program or the child, as abort() does. */
_Noreturn void guest_abort(void);

/* The used part of malloc()'s arena. */
struct guest_area guest_arena_used(void);

/* setjmp.S: call fn() on another stack, and never return; the second out of the
 * handler of a non-maskable interrupt. */
_Noreturn void guest_call(void (*fn)(void), void *stack_end);
_Noreturn void guest_call_nmi(void (*fn)(void), void *stack_end);

/*
 * child.c: run fn(), which does not return, as a child: when it ends by
 * hal_exit() or hal_abort(), on whatever CPU, everything but page tables is as
 * before, as after fork(). Returns its exit status; *text is what it said.
 */
int guest_child_run(void (*fn)(void), const char **text);
bool guest_child_runs(void);

/* counters/dump.c; NULL in an image that does not count. */
void guest_counters_dump(void) __attribute__((weak));

/* memory.c: pages are no guards any more: those of the child, or all. */
void guest_guards_lift(bool child_only);

/* irq.c: the interrupts of models; none is attached. */
void guest_irq_reset(void);

/* The functions of the HAL. */
_Noreturn void metal_exit(int status);
_Noreturn void metal_abort(enum hal_end how);
void metal_console_write(const char *text, size_t len);
uint64_t metal_time_ns(void);
uint64_t metal_wall_ns(void);
void metal_timer_set(uint64_t deadline_ns);
size_t metal_entropy(void *buf, size_t len);
int metal_irq_attach(int irq, unsigned cpu, void (*fn)(void *), void *arg);
int metal_irq_msi(unsigned cpu, uint64_t *addr, uint32_t *data);
void metal_irq_restore(hal_irqflags flags);
void metal_cpu_idle(void);
void metal_cpu_relax(void);
int metal_page_attr(void *base, size_t size, enum hal_page_attr attr);

#endif
