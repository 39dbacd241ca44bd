/*
 * What each CPU owns. cpu_self() is mine; cpu_of(n) is another's and appears
 * only where its comment allows.
 */
#ifndef TORC_KERNEL_PERCPU_H
#define TORC_KERNEL_PERCPU_H

#include "hal/hal.h"
#include "kernel/exchange.h"
#include "kernel/irq_work.h"
#include "kernel/lib/list.h"
#include <stdint.h>

struct thread;
struct timer;
struct exchange_cpu;
struct heap;

struct cpu {
    /* constant after boot: */
    unsigned id;
    struct heap *heap;
    struct exchange_cpu *exchange;

    /* "I am here", sent to CPU 0 once */
    struct exchange_item online_item;

    /* owner CPU only: the scheduler's (sched.c, thread.c) */
    struct thread *current;
    struct thread *idle;
    struct thread *dead; /* ended, still on its stack: freed by the next one */
    struct list ready;   /* struct thread, oldest first */
    struct list stacks;  /* of ended threads, for the next ones */
    unsigned stack_count;
    struct thread **threads; /* by slot number; NULL where free */
    unsigned thread_slots;
    unsigned thread_count;
    uint32_t thread_generation;
    unsigned spread; /* THREAD_SPREAD: how far the last one went */
    uint64_t switch_count;

    /* owner CPU, interrupts off: raised by handlers, taken by the pass */
    struct irq_work *irq_work_head;
    struct irq_work *irq_work_tail;
    volatile bool attention; /* irq_work_head is not NULL */

    /* owner CPU only: the timer heap (timer.c) */
    struct irq_work timer_work;
    struct timer **timers;
    unsigned timer_count;
    unsigned timer_capacity;

    /* owner CPU only: one place per subsystem above the kernel core */
    void *packet_pool;
    void *mounts; /* vfs.c */
    void *net_stack;
};

static inline struct cpu *cpu_self(void)
{
    return hal_cpu_local();
}

/*
 * Make the block of CPU `id` in memory of its own share, with its heap. CPU 0,
 * at boot. Returns NULL when the share is too small.
 */
struct cpu *percpu_create(unsigned id);

/* The block of another CPU: for exchange.c, and for init.c before it starts. */
struct cpu *cpu_of(unsigned id);

#endif
