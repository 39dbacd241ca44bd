/*
 * The registers of an e1000 (82540EM or 82574L) used by hand, for the model and
 * for QEMU's card: what a register holds, what the card writes into
 * descriptors, what it counts.
 */
#ifndef TORC_TESTS_QTEST_SCENARIO_E1000_H
#define TORC_TESTS_QTEST_SCENARIO_E1000_H

#include "tests/qtest/scenario_net.h"

void scenario_e1000(const struct net_side *side, struct transcript *out);

#endif
