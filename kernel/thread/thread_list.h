/*
 * The threads of a CPU and its load, for pages and tools that show them. All
 * of the calling CPU; others are asked by a message.
 */
#ifndef TORC_KERNEL_THREAD_LIST_H
#define TORC_KERNEL_THREAD_LIST_H

#include <stdint.h>
#include <torc/thread.h>

struct thread_row {
    thread_id id;
    enum thread_state state;
    uint64_t cycles; /* it has run, since cpu_load_begin() or with cputime=1 */
    size_t stack_size;
    char name[THREAD_NAME_MAX];
};

/*
 * Fill at most `max` rows with the threads that live here, without the idle
 * one. Returns how many. Thread or irq work; takes as long as the table is.
 */
unsigned thread_list(struct thread_row rows[], unsigned max);

struct cpu_load {
    uint64_t cycles;      /* now */
    uint64_t idle_cycles; /* of them without work, since cpu_load_begin() */
    uint64_t switches;    /* of threads, since boot */
    unsigned threads;     /* that were made here and are not gone */
};

/* Count the time of threads on this CPU from now on, as cputime=1 does for all:
 * a look at the counter for each switch. */
void cpu_load_begin(void);
void cpu_load_get(struct cpu_load *out);

#endif
