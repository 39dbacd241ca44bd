/*
 * Where models of devices plug into the hosted machine: registers,
 * configuration space. Without a model there is no device, and hal_io_map()
 * finds nothing.
 *
 * A model is called on the CPU that touches its register. It reaches memory by
 * dma_lookup() (hal/posix/kernel/dma.h) and interrupts by irq_raise() and
 * irq_from_msi() (hal/posix/kernel/irq.h).
 */
#ifndef TORC_HAL_POSIX_SIMBUS_H
#define TORC_HAL_POSIX_SIMBUS_H

#include "hal/hal.h"

struct sim_window {
    uint32_t (*read)(void *model, size_t offset, unsigned width);
    void (*write)(void *model, size_t offset, unsigned width, uint32_t value);
    void *model;
};

/* Put a window of registers at [base, base+size). Returns 0, -ENOSPC. */
must_check int sim_claim(enum hal_io_space space, uint64_t base, size_t size,
                         const struct sim_window *window);

/* Answer at a place of PCI configuration space; the two called with reg % 4 ==
 * 0. Returns 0, -ENOSPC. */
struct sim_pci {
    uint32_t (*read)(void *model, unsigned reg);
    void (*write)(void *model, unsigned reg, uint32_t value);
    void *model;
};
must_check int sim_pci(struct hal_pci_addr addr,
                       const struct sim_pci *function);

/* What is always true of the models. */
void sim_check(void);
void sim_pci_check(void);

/* Take every model out; the second only those of configuration space. */
void sim_reset(void);
void sim_pci_reset(void);

#endif
