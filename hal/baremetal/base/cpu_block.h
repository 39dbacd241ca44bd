/*
 * What this HAL keeps for each CPU, in one block at its %gs. The groups of
 * fields belong to different rooms; each block's owner is its CPU, and CPU 0
 * until that CPU has started.
 */
#ifndef TORC_HAL_BAREMETAL_CPU_BLOCK_H
#define TORC_HAL_BAREMETAL_CPU_BLOCK_H

#include "hal/hal.h"

enum {
    VECTOR_IRQ_FIRST = 0x20,
    VECTOR_IRQ_LAST = 0xef,
    VECTOR_TIMER = 0xf0,
    VECTOR_DOORBELL = 0xf1,
    VECTOR_CLOCK = 0xf2, /* CPU 0: another CPU wants the clock read */
    VECTOR_SPURIOUS = 0xff,
    VECTOR_COUNT = 256,
};

struct handler {
    void (*fn)(void *arg);
    void *arg;
    struct handler *next; /* of a shared line */
};

struct cpu_block {
    void *local;          /* at 0: torc/cpu_local.h and start.S know */
    uint64_t id;          /* at 8 */
    uint64_t start_stack; /* at 16: start.S */
    void (*entry)(void *);
    void *entry_arg;
    uint32_t apic_id;
    bool started;
    bool watching; /* idle.c: hal_cpu_watch() was called */
    /* Of the timer, which serves both; UINT64_MAX: never. */
    uint64_t deadline_ns;   /* hal_timer_set() */
    uint64_t sample_ns;     /* the next sample, if the CPU stays awake */
    uint64_t clock_ns;      /* CPU 0: the clock's own reading */
    uint64_t sample_period; /* 0: none */
    uint64_t look_ns;       /* since it has slept: hang.c */
    uint64_t timer_ticks;   /* what the local APIC's timer was set to */
    uint64_t timer_tsc;     /* and when */

    /* clock.c and tsc_sync.c */
    uint64_t clock_asked;  /* the reading this CPU has asked for */
    uint64_t tsc_earliest; /* CPU 0's: the next stamp cannot be before */
    uint64_t tsc_checked;  /* CPU 0's: the last stamp it has looked at */
    bool tsc_is_off;       /* CPU 0's: it has been said */
    _Atomic uint64_t tsc_stamp;

    /* hang.c; read by the CPU that watches this one: */
    _Atomic uint64_t late_ns; /* then samples are missed; UINT64_MAX: none is */
    _Atomic uint64_t answered_ns; /* the last asked_ns it has seen */
    /* written by that CPU: */
    _Atomic uint64_t asked_ns; /* when it has asked what this one does */

    /* stop.c */
    _Atomic bool wants_stop; /* it stops the others, or wants to */
    _Atomic bool is_stopped; /* by another */
    uint64_t gdt[7];
    uint8_t tss[104] __attribute__((aligned(16)));
    struct handler handlers[VECTOR_COUNT];
    uint8_t *table_pages; /* for paging.c: pages free for page tables */
    size_t table_page_count;
};

extern struct cpu_block *cpu_blocks[HAL_CPU_MAX];
extern uint32_t cpu_apic_ids[HAL_CPU_MAX]; /* start.S finds its block by it */
extern unsigned cpu_block_count;

static inline struct cpu_block *cpu_block_self(void)
{
    uint64_t id;

    __asm__ volatile("movq %%gs:8, %0" : "=r"(id));
    return cpu_blocks[id];
}

#endif
