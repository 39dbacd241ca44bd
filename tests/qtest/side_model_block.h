/* The model of a virtio disk for the scenario; `options` are a model_place. */
#ifndef TORC_TESTS_QTEST_SIDE_MODEL_BLOCK_H
#define TORC_TESTS_QTEST_SIDE_MODEL_BLOCK_H

#include "tests/qtest/scenario_block.h"

extern const struct block_side model_block;

#endif
