/*
 * Interrupts of the hosted machine (irq.c).
 *
 * Numbers: 0 .. 255 are lines; 256 .. are message-signalled, as those of the
 * leaf devices. All are edges: a raise is delivered once. One that comes before
 * anybody is attached is kept.
 */
#ifndef TORC_HAL_POSIX_IRQ_H
#define TORC_HAL_POSIX_IRQ_H

#include <stdint.h>

enum {
    IRQ_LINE_COUNT = 256,
    IRQ_MSI_COUNT = 256,
    IRQ_COUNT = IRQ_LINE_COUNT + IRQ_MSI_COUNT,
    IRQ_OWN_COUNT = 3, /* HAL_IRQ_TIMER, HAL_IRQ_DOORBELL, HAL_IRQ_STOP */
    IRQ_WORDS = (IRQ_OWN_COUNT + IRQ_COUNT + 63) / 64,
};

struct irq_action {
    void (*handler)(void *);
    void *arg;
    struct irq_action *next;
};

/* Raise interrupt `irq`, 0 .. IRQ_COUNT-1, on its CPU. Any thread. */
void irq_raise(int irq);

/*
 * The interrupt a device means by writing `data` to `addr`, the two values
 * hal_irq_msi() gave. Returns -EINVAL when they are not.
 */
int irq_from_msi(uint64_t addr, uint32_t data);

/* Give back what hal_irq_msi() has returned, while nothing is attached to it.
 * It stays when another has been handed out since. */
void irq_msi_undo(int irq);

/* ---- For the other files of this directory ------------------------------- */

struct vcpu;

/* Before a machine starts: no handler is attached, nothing is pending. */
void irq_reset(void);

/* Run the handlers of what is pending on this CPU. */
void irq_deliver(struct vcpu *cpu);

/*
 * What is always true of routes, handlers and messages. Tests; no interrupt is
 * attached meanwhile.
 */
void irq_check(void);

/* Let a CPU come to cpu_attend() soon; wake it if it sleeps. Any thread. */
void irq_attention(struct vcpu *cpu);

#endif
