/*
 * The virtual CPUs of the hosted machine (cpu.c).
 */
#ifndef TORC_HAL_POSIX_CPU_H
#define TORC_HAL_POSIX_CPU_H

#include "hal/hal.h"
#include "hal/posix/kernel/irq.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A virtual CPU: a pthread of the host that runs kernel code. Interrupts are
 * bits that anybody sets and the CPU itself takes, at its delivery points,
 * while its interrupt flag is on.
 */
enum { VCPU_LINE_WORDS = 8 };

struct vcpu {
    /* constant from host_machine_prepare() on: */
    unsigned id;

    /* this CPU only: */
    void *local;
    bool irq_on;
    bool is_idle;           /* in a sleep, or on its way to one */
    uint64_t sample_period; /* sample.c; in the handler of a signal: */
    unsigned samples_off;   /* in a row with interrupts off */
    bool ring_watched;      /* Linux works for it: delivery points look there */
    const void *watched;    /* idle.c: what the next sleep looks at, or NULL */
    uint64_t seen[VCPU_LINE_WORDS];
    struct irq_action own[IRQ_OWN_COUNT]; /* stop, doorbell, timer */
    struct hal_context host;              /* the pthread's own stack */
    struct hal_context start;             /* the stack the kernel gave */
    struct hal_context *switched_from;    /* for the sanitizers */
    void (*entry)(void *);
    void *arg;

    /* CPU 0 only: */
    bool started;

    /* any thread, atomic: */
    cache_aligned atomic_bool attention; /* something is pending, or stop */
    _Atomic uint64_t pending[IRQ_WORDS];
};

extern struct vcpu machine_cpu[HAL_CPU_MAX];

/* The caller's CPU and what the kernel keeps there; see hal_cpu_local(). */
extern _Thread_local struct vcpu *machine_vcpu;
extern _Thread_local void *machine_local;
extern _Thread_local atomic_bool *machine_attention;

static inline struct vcpu *vcpu_self(void)
{
    struct vcpu *cpu;

    __asm__ volatile("movq %%fs:machine_vcpu@tpoff, %0" : "=r"(cpu));
    return cpu;
}

/* The caller becomes that CPU. */
void vcpu_become(struct vcpu *cpu);

/* Before a machine starts: no CPU but 0 is started. */
void cpu_reset(void);

/* Tell CPUs 1 to count-1 to return to their pthread's own stack and end. */
void cpu_stop_others(unsigned count);

/* Tell the CPUs but the caller to stop for good: the machine ends. */
void cpu_park_others(unsigned count);

/*
 * Linux works for this CPU (host/ring.h). From now on, until it does not any
 * more, each delivery point takes the slow path and looks whether something has
 * completed there, which raises an interrupt.
 */
void cpu_watch_ring(void);

/* Look there; returns whether anything has completed. The caller delivers the
 * interrupts. */
bool cpu_ring_look(struct vcpu *cpu);

/*
 * The slow path of a delivery point: run the handlers of pending interrupts if
 * this CPU has interrupts on; do what the two functions above ask.
 */
void cpu_attend(struct vcpu *cpu);

#endif
