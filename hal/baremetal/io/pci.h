/* PCI configuration space. */
#ifndef TORC_HAL_BAREMETAL_PCI_H
#define TORC_HAL_BAREMETAL_PCI_H

/* Warn when this machine has PCI that hal_pci_read32() cannot reach. CPU 0, at
 * boot. */
void pci_init(void);

#endif
