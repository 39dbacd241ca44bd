/*
 * Interrupts of the hosted machine, as device models see them.
 *
 * Numbers: 0 .. 255 are lines, of which the leaf devices have IRQ_LEAF_DISK and
 * IRQ_LEAF_NET up; 256 .. are message-signalled. All are edges: a raise is
 * delivered once. One that comes before anybody is attached is kept.
 */
#ifndef TORC_HAL_POSIX_IRQ_H
#define TORC_HAL_POSIX_IRQ_H

#include <stdint.h>

enum {
    IRQ_LINE_COUNT = 256,
    IRQ_MSI_COUNT = 256,
    IRQ_COUNT = IRQ_LINE_COUNT + IRQ_MSI_COUNT,
    IRQ_OWN_COUNT = 2, /* HAL_IRQ_TIMER, HAL_IRQ_DOORBELL */
    IRQ_WORDS = (IRQ_OWN_COUNT + IRQ_COUNT + 63) / 64,
    IRQ_LEAF_DISK = 224,
    IRQ_LEAF_NET = 240,
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

#endif
