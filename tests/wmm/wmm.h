/*
 * The weak-memory explorer, as its tests see it: a few model threads whose
 * every legal execution is tried. docs/wmm.md tells what it is for.
 */
#ifndef TORC_WMM_H
#define TORC_WMM_H

#include <stdbool.h>
#include <stddef.h>
#include <torc/compiler.h>

enum {
    WMM_THREADS = 4,
    WMM_UNBOUNDED = 14, /* as many preemptions as there can be */
};

struct wmm_test {
    const char *name;
    unsigned threads;
    unsigned bound; /* preemptions in an execution, at most */
    /* Once, before the first execution; what it leaves is what each one begins
     * with. Nothing it does is watched. May be NULL. */
    void (*setup)(void);
    void (*run[WMM_THREADS])(void);
    /* After each execution in which all threads have ended. May be NULL. */
    void (*finish)(void);
    /* Litmus tests: the results there must be and no others, or what the text
     * of the failure must contain. NULL for scenarios, which must not fail. */
    const char *outcomes;
    const char *program[WMM_THREADS]; /* litmus.c */
};

extern const struct wmm_test wmm_litmus[];
extern const size_t wmm_litmus_count;
void wmm_litmus_setup(const struct wmm_test *test);
extern const struct wmm_test wmm_scenarios[];
extern const size_t wmm_scenario_count;

/* The thread that runs, 0 .. threads-1. */
unsigned wmm_self(void);

/* End the execution: it has shown a fault. */
_Noreturn void wmm_fail(const char *format, ...) printf_like(1, 2);

/* finish(): the result, as decimal digits, one for each register. */
void wmm_outcome(unsigned digits);

/* Anything below `count`: a choice like all others. */
unsigned wmm_choose(unsigned count);

/* In a loop that waits for another thread's store: let the others go on. */
void wmm_pause(void);

/*
 * Interrupts, as far as sleep needs them. They carry no order, and two may
 * arrive as one. wmm_interrupt_wait() returns at once when one is pending,
 * wmm_interrupt_clear() forgets it.
 */
void wmm_interrupt_send(unsigned thread);
void wmm_interrupt_wait(void);
void wmm_interrupt_clear(void);

/*
 * This thread has got what it must get: from now on it may wait for an
 * interrupt for ever. When all others do so, too, or have ended, the execution
 * is over.
 */
void wmm_rest(void);

/*
 * From now until wmm_interrupt_clear() a store of another thread that changes
 * the 64 bytes at `line` is an interrupt. So is one that was done before but is
 * not seen by this thread even now.
 */
void wmm_interrupt_watch(const void *line);

/* The copying functions that watched code calls. */
void *wmm_memcpy(void *dst, const void *src, size_t size);
void *wmm_memmove(void *dst, const void *src, size_t size);
void *wmm_memset(void *dst, int byte, size_t size);

#endif
