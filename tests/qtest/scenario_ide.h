/*
 * The registers of an IDE controller used by hand, for the model and for QEMU's
 * PIIX3: an ATA drive as drive 0 of the primary channel, an ATAPI drive as
 * drive 0 of the secondary one, both in compatibility mode.
 */
#ifndef TORC_TESTS_QTEST_SCENARIO_IDE_H
#define TORC_TESTS_QTEST_SCENARIO_IDE_H

#include "tests/qtest/scenario_block.h"

void scenario_ide(const struct block_side *side, struct transcript *out);

#endif
