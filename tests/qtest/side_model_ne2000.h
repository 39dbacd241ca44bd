/* The model of the NE2000 for the scenarios. */
#ifndef TORC_TESTS_QTEST_SIDE_MODEL_NE2000_H
#define TORC_TESTS_QTEST_SIDE_MODEL_NE2000_H

#include "tests/qtest/scenario_net.h"

extern const struct net_side model_ne2000;

#endif
