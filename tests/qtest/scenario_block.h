/*
 * What is done with a disk, written once, for every device that may be behind
 * the driver: a model, or QEMU's.
 */
#ifndef TORC_TESTS_QTEST_SCENARIO_BLOCK_H
#define TORC_TESTS_QTEST_SCENARIO_BLOCK_H

#include "tests/qtest/transcript.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    SCENARIO_SECTORS = 4096,
    /* Of a disk: */
    SCENARIO_READ_ONLY = 1,
    SCENARIO_FAULTY = 2, /* these two cannot be read, or written */
    SCENARIO_BAD_READ = 100,
    SCENARIO_BAD_WRITE = 300,
    /* For `first`: the middle of the sectors is where 28 bits end. */
    SCENARIO_AT_28_BITS = (1 << 28) - SCENARIO_SECTORS / 2,
};

/* A device that answers to the driver. */
struct block_side {
    const char *name;
    const struct driver *driver; /* that it is for; a model has any */

    /* Make the device, with a disk of that kind whose sectors hold
     * scenario_fill(). */
    void (*make)(const struct block_side *side, unsigned kind);

    /* Begin a machine that has the device, and end it. The device stays what it
     * is: another machine may follow. `begin` is followed by driver->probe();
     * `serve` then by what uses the disk. */
    void (*begin)(const struct block_side *side);
    void (*serve)(const struct block_side *side);
    void (*end)(const struct block_side *side);

    /* Take it down; `disk` becomes what the disk holds. */
    void (*unmake)(const struct block_side *side, uint8_t *disk);

    const char *cmdline; /* of the machine; NULL: none */
    uint64_t first;      /* sectors of the disk, of zeros, before those */

    const void *options; /* the side's own */
};

/* What a fresh disk holds. */
void scenario_fill(uint8_t *disk);

/*
 * Do all of it, and tell. What the device must do in any case, as to return the
 * bytes that were written, is asserted.
 */
void scenario_block(const struct block_side *side, struct transcript *out);
void scenario_block_read_only(const struct block_side *side,
                              struct transcript *out);
void scenario_block_faulty(const struct block_side *side,
                           struct transcript *out);

#endif
