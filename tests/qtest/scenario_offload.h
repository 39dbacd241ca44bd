/* Checksums and segments that are left to the card, both ways. */
#ifndef TORC_TESTS_QTEST_SCENARIO_OFFLOAD_H
#define TORC_TESTS_QTEST_SCENARIO_OFFLOAD_H

#include "tests/qtest/scenario_net.h"

void scenario_offload(const struct net_side *side, struct transcript *out);

/* Without segments. */
void scenario_checksums(const struct net_side *side, struct transcript *out);

#endif
