/* QEMU's network cards for the scenario. */
#ifndef TORC_TESTS_QTEST_SIDE_QEMU_NET_H
#define TORC_TESTS_QTEST_SIDE_QEMU_NET_H

#include "tests/qtest/scenario_net.h"

struct qemu_net {
    const char *machine;  /* "microvm" ends in ",ioapic2=off" */
    const char *args[12]; /* the card, whose netdev is "net"; NULL ends */
    bool by_message;      /* it interrupts by MSI-X, else by its line */
};

void qemu_net_make(const struct net_side *side);
void qemu_net_begin(const struct net_side *side);
void qemu_net_end(const struct net_side *side);
void qemu_net_unmake(const struct net_side *side);
bool qemu_net_send(const struct net_side *side, const uint8_t *frame,
                   size_t len);
void qemu_net_link(const struct net_side *side, bool up);
size_t qemu_net_take(const struct net_side *side, uint8_t *frame, size_t size);

#endif
