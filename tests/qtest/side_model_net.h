/* The model of a virtio card for the scenario; `options` are a model_place. */
#ifndef TORC_TESTS_QTEST_SIDE_MODEL_NET_H
#define TORC_TESTS_QTEST_SIDE_MODEL_NET_H

#include "tests/qtest/scenario_net.h"

extern const struct net_side model_net;

#endif
