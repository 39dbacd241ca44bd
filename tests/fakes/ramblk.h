/*
 * A disk in memory for tests: completes at once, or later when told, and fails
 * when told.
 */
#ifndef TORC_TESTS_FAKES_RAMBLK_H
#define TORC_TESTS_FAKES_RAMBLK_H

#include "kernel/block.h"

struct ramblk {
    struct block_device block;
    uint8_t *data; /* the test's; whole sectors */
    unsigned requests;
    unsigned sectors_read;
    unsigned fail_at;   /* the n-th request from now fails; 0: none does */
    unsigned fail_from; /* the n-th and all after it */
    unsigned failures;  /* how many did */
    bool deferred;      /* requests wait for ramblk_complete() */
    struct queue held;
};

/* Register and dedicate it to this CPU. `size` is cut to whole sectors. */
void ramblk_init(struct ramblk *ram, void *data, size_t size);

/* Complete what is held; how many. */
unsigned ramblk_complete(struct ramblk *ram);

#endif
