#include "tests/models/nic_fault.h"

bool nic_fault_met(struct nic_faults *faults, struct nic_way *way,
                   struct pci_card *card, enum model_fault fault,
                   uint64_t late_ns)
{
    switch (fault) {
    case FAULT_LATE:
        way->late_ns = late_ns;
        return false;
    case FAULT_NEVER:
        way->stuck = true;
        return false;
    case FAULT_RESET:
        return false;
    case FAULT_TWICE:
        faults->spurious_due = true;
        return true;
    case FAULT_LOST_IRQ:
        faults->lose_next = true;
        return true;
    case FAULT_SPURIOUS_IRQ:
        pci_card_spurious(card);
        return true;
    default:
        return true;
    }
}
