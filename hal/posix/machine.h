/*
 * The hosted machine's kernel half: its CPUs and what its files share.
 */
#ifndef TORC_HAL_POSIX_MACHINE_H
#define TORC_HAL_POSIX_MACHINE_H

#include "hal/hal.h"
#include "hal/posix/host.h"
#include "hal/posix/irq.h"

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
    const void *watched; /* idle.c: what the next sleep looks at, or NULL */
    uint64_t seen[VCPU_LINE_WORDS];
    struct irq_action own[IRQ_OWN_COUNT]; /* timer, doorbell */
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
extern struct hal_boot_info machine_boot;

/* All the memory, which machine_boot.region divides into nodes. */
struct machine_memory {
    uintptr_t base;
    size_t size;
};
extern struct machine_memory machine_memory;

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

/* A rule of hal.h was broken: say which, and stop. */
_Noreturn void machine_bug(const char *what);

/* Whether [base, base+size) is whole pages of the machine's memory. */
bool machine_owns_pages(const void *base, size_t size);

/* cpu.c: reset all CPUs; tell those but 0 to leave. */
void cpu_reset(void);
void cpu_stop_others(void);

/* cpu.c: the slow side of a delivery point. */
void cpu_attend(struct vcpu *cpu);

/* irq.c: forget handlers and pending bits; run what is pending here. */
void irq_reset(void);
void irq_deliver(struct vcpu *cpu);

/* irq.c: make a CPU notice, and wake it. */
void irq_attention(struct vcpu *cpu);

/* context.c: switch without delivering anything. */
void context_jump(struct vcpu *cpu, struct hal_context *from,
                  struct hal_context *to);

/* context.c: the sanitizers forget what they know of this memory. */
void context_memory_fresh(void *base, size_t size);

/* dma.c: nothing is mapped. Returns 0, -ENOMEM. */
int dma_open(void);
void dma_close(void);

/* leaf.c: open the disks and nets. Returns 0 or an error, after a line. */
int leaf_open(const struct host_config *config);
void leaf_close(void);

/* platform.c: forget the platform devices. */
void platform_reset(void);

#endif
