/* QEMU's disks for the scenario. */
#ifndef TORC_TESTS_QTEST_SIDE_QEMU_BLOCK_H
#define TORC_TESTS_QTEST_SIDE_QEMU_BLOCK_H

#include "tests/qtest/scenario_block.h"

struct qemu_block {
    const char *machine;  /* "microvm" ends in ",ioapic2=off" */
    const char *args[12]; /* the device, whose drive is "disk"; NULL ends */
    bool by_message;      /* it interrupts by MSI-X, else by its line */
};

void qemu_block_make(const struct block_side *side, unsigned kind);
void qemu_block_begin(const struct block_side *side);
void qemu_block_serve(const struct block_side *side);
void qemu_block_end(const struct block_side *side);
void qemu_block_unmake(const struct block_side *side, uint8_t *disk);

#endif
