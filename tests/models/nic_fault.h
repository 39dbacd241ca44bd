/*
 * What faults do to the frames of a network card on PCI: the part that does
 * not depend on which card it is.
 */
#ifndef TORC_TESTS_MODELS_NIC_FAULT_H
#define TORC_TESTS_MODELS_NIC_FAULT_H

#include "tests/models/fault.h"
#include "tests/models/pci_card.h"
#include <stdbool.h>
#include <stdint.h>

/* One direction. */
struct nic_way {
    uint64_t late_ns; /* its first frame waits until then; 0: for nothing */
    bool stuck;       /* no frame goes on before a reset */
};

/* What the faults that the card has met have left. */
struct nic_faults {
    struct nic_way rx, tx;
    bool lose_next; /* interrupt */
    bool spurious_due;
};

/*
 * The first frame of `way` meets the fault; a late one goes on at `late_ns`.
 * True: the frame goes on now. FAULT_FAIL and FAULT_SHORT change the frame,
 * and FAULT_RESET the card: these are the caller's.
 */
bool nic_fault_met(struct nic_faults *faults, struct nic_way *way,
                   struct pci_card *card, enum model_fault fault,
                   uint64_t late_ns);

#endif
