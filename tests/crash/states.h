/*
 * What a crash could leave of a log of writes (disk.h).
 *
 * A crash comes at some event. What was flushed before is there. Of the writes
 * since the last flush (the *window*) each sector may be there or not, whatever
 * the order: the cache of a disk writes as it likes, and a write of several
 * sectors may be torn between two of them. Where a sector was written more than
 * once in the window, it holds one of these versions, or what was there before.
 *
 * A window with few sectors is explored as a whole. Of a large one: each prefix
 * of its writes, the last write torn at each sector; each write alone, and all
 * but one; then draws by a seed: of writes, of pairs of sectors, of sectors.
 * The counts say how many windows were of which kind.
 */
#ifndef TORC_TESTS_CRASH_STATES_H
#define TORC_TESTS_CRASH_STATES_H

#include "tests/crash/disk.h"

/* One state. The crash came before event `end`, or in one of those from
 * `begin` on: those before `begin` are durable. */
struct crash_state {
    const uint8_t *image;
    size_t begin, end;
    uint64_t number; /* of all states of the log, from 1: for
                      * crash_limits.only */
    const char
        *made_by; /* "all", "prefix", "torn", "alone", "but one", "drawn" */
};

struct crash_limits {
    uint32_t exhaustive; /* so many states of a window are all explored */
    uint32_t drawn;      /* else so many are drawn */
    uint64_t seed;
    uint64_t only; /* tell this state only, by its number; 0: all */
    unsigned atom; /* sectors that the disk writes as one; 0: 1. Writes are
                        * multiples of it */
};

struct crash_counts {
    uint64_t windows, explored_all; /* of these */
    uint64_t states;                /* made */
    uint64_t distinct;              /* told: others had been told before */
};

/*
 * Make the states of a log that began with `base`, of `size` bytes, and tell
 * each that is new. tell() returns false to end. Crashes come before each flush
 * and each mark, and at the end of the log.
 */
void crash_states(const uint8_t *base, size_t size, const struct crash_log *log,
                  const struct crash_limits *limits,
                  bool (*tell)(void *context, const struct crash_state *state),
                  void *context, struct crash_counts *counts);

#endif
