/*
 * What each CPU owns. cpu_self() is mine; cpu_of(n) is another's and appears
 * only where its comment allows.
 *
 * The block of a CPU begins with struct cpu. Behind it, at MEM_QUICK_OFFSET, is
 * the CPU's heap, whose layout only kernel/heap knows.
 */
#ifndef TORC_KERNEL_PERCPU_H
#define TORC_KERNEL_PERCPU_H

#include "hal/hal.h"
#include "kernel/cpu/exchange.h"
#include "kernel/cpu/irq_work.h"
#include <stdatomic.h>
#include <stdint.h>
#include <torc/list.h>

struct thread;
struct thread_entry;
struct timer;
struct trace;

struct cpu {
    /*
     * Owner CPU only: what every switch looks at, in the first 128 bytes, which
     * an instruction reaches with an offset of one byte. docs/bench.md has
     * what other places cost.
     */
    struct thread *current;
    struct queue ready;      /* struct thread, oldest first */
    struct thread *departed; /* switched away from for good: ended or moving */
    /* owner CPU, handlers too: a pass has more to do than look at the slots */
    volatile bool attention;
    struct exchange exchange[1]; /* owner only; one, used as a pointer */
    uint64_t switch_count;
    uint64_t switch_cycles; /* hal_cycles() at the last switch */
    bool switch_extras;     /* a switch has more to do than most */

    /* constant after boot: */
    unsigned id;
    struct thread *idle;
    uintptr_t idle_stack; /* above a guard page; 0: the HAL's, on CPU 0 */

    /* "I am here", sent to CPU 0 once */
    struct exchange_item online_item;

    /* owner CPU only: threads (thread_memory.c, thread_table.c, thread.c) */
    struct queue spare_threads; /* ended, with stacks, for the next ones */
    unsigned spare_count;
    struct thread_entry *threads; /* by slot number */
    unsigned thread_slots;
    unsigned thread_count;
    uint32_t thread_free; /* first free slot, or thread_slots */
    struct list guests;   /* threads whose home is another CPU */
    unsigned spread;      /* THREAD_SPREAD: how far the last one went */

    /* owner CPU only: how long sleeps were of late (idle.c) */
    uint64_t idle_estimate_ns;

    /* written by the owner, read by every CPU: odd while it sleeps, and when
     * the earliest timer then ends that (asleep.c) */
    _Atomic uint64_t sleeps;
    _Atomic uint64_t sleep_end_ns;

    /* owner CPU, interrupts off: raised by handlers, taken by the pass */
    struct irq_work *irq_work_head;
    struct irq_work *irq_work_tail;

    /* owner CPU only: the timer heap (timer.c) */
    struct irq_work timer_work;
    struct timer **timers;
    unsigned timer_count;
    unsigned timer_capacity;
    uint64_t timers_run_ns; /* timer_run() runs those until then; 0: not now */

    /* owner CPU only: one place per subsystem above the kernel core */
    void *packet_pool;
    void *page_cache; /* kernel/cache */
    void *mounts;     /* vfs.c */
    void *net_stack;
    void *random;        /* random.c */
    void *log_tail;      /* log.c */
    void *console;       /* console.c; of CPU 0 */
    void *balloon;       /* kernel/balloon */
    struct trace *trace; /* kernel/trace; NULL: nothing is traced */
};

static inline struct cpu *cpu_self(void)
{
    return hal_cpu_local();
}

/*
 * Make the block of CPU `id`, `size` bytes of zeroes, in memory of its own
 * share. Its heap and its threads are still to be set up. CPU 0, at boot.
 * Returns NULL when the share is too small.
 */
struct cpu *percpu_create(unsigned id, size_t size);

/* The block of another CPU: for exchange.c, and for init.c before it starts. */
struct cpu *cpu_of(unsigned id);

/* The same for reports of a panic; NULL: there is none, or not yet. */
struct cpu *cpu_if_any(unsigned id);

#endif
