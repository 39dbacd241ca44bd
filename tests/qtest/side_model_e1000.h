/* The models of the e1000 for the scenarios. */
#ifndef TORC_TESTS_QTEST_SIDE_MODEL_E1000_H
#define TORC_TESTS_QTEST_SIDE_MODEL_E1000_H

#include "tests/qtest/scenario_net.h"

extern const struct net_side model_82540em, model_82574l;

#endif
