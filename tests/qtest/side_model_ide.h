/* The model of IDE for the scenarios. */
#ifndef TORC_TESTS_QTEST_SIDE_MODEL_IDE_H
#define TORC_TESTS_QTEST_SIDE_MODEL_IDE_H

#include "tests/qtest/scenario_block.h"

/* By DMA or by PIO; a disk that 28 bits can address, or one that needs 48. */
extern const struct block_side model_ide, model_ide_pio;
extern const struct block_side model_ide_48, model_ide_48_pio;

#endif
