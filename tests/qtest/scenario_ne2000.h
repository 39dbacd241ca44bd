/*
 * The registers of an NE2000 on PCI (Realtek RTL8029AS) used by hand, for the
 * model and for QEMU's card.
 */
#ifndef TORC_TESTS_QTEST_SCENARIO_NE2000_H
#define TORC_TESTS_QTEST_SCENARIO_NE2000_H

#include "tests/qtest/scenario_net.h"

void scenario_ne2000(const struct net_side *side, struct transcript *out);

#endif
