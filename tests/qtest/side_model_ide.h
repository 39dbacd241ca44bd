/* The model of IDE for the scenarios. */
#ifndef TORC_TESTS_QTEST_SIDE_MODEL_IDE_H
#define TORC_TESTS_QTEST_SIDE_MODEL_IDE_H

#include "tests/qtest/scenario_block.h"

extern const struct block_side model_ide;

#endif
