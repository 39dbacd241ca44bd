/*
 * What each CPU owns. cpu_self() is mine; cpu_of(n) is another's and appears
 * only in exchange.c and percpu.c, for the fields marked so.
 */
#ifndef TORC_KERNEL_PERCPU_H
#define TORC_KERNEL_PERCPU_H

#include "hal/hal.h"
#include "kernel/irq_work.h"
#include "kernel/lib/list.h"
#include <stdint.h>

struct thread;
struct timer;
struct exchange_cpu;
struct heap;
struct page_allocator;

struct cpu {
    /* constant after boot: */
    unsigned id;
    unsigned node;
    struct page_allocator *pages;
    struct heap *heap;
    struct exchange_cpu *exchange;

    /* owner CPU only: the scheduler's (sched.c, thread.c) */
    struct thread *current;
    struct thread *idle;
    struct thread *dead; /* ended, still on its stack: freed by the next one */
    struct list ready;   /* struct thread */
    struct list threads; /* all threads that live here */
    uint64_t thread_sequence;
    unsigned thread_count;

    /* owner CPU, interrupts off: raised by handlers, taken by the pass */
    struct irq_work *irq_work_head;
    struct irq_work **irq_work_tail;
    struct irq_work timer_work;
    /* set with irq_work_head: one flag for the switch's fast path to look at */
    volatile bool attention;

    /* owner CPU only: the timer heap (timer.c) */
    struct timer **timers;
    unsigned timer_count;
    unsigned timer_capacity;
    uint64_t timer_armed_ns; /* what the HAL's timer is set to */

    /* owner CPU only: one pointer per subsystem above the kernel core */
    void *packet_pool;
    struct list mounts;
    void *net_stack;
};

static inline struct cpu *cpu_self(void)
{
    return hal_cpu_local();
}

/* The block of another CPU. Only for what its comment allows. */
struct cpu *cpu_of(unsigned id);

/*
 * Make the block of CPU `id` from memory of that CPU's region and its other
 * per-CPU parts. CPU 0, at boot. Returns NULL when the region is too small.
 */
struct cpu *percpu_create(unsigned id);

/* How many CPUs run. */
unsigned percpu_count(void);

#endif
