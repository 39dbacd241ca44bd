/*
 * A disk in memory for tests. It completes requests at once, or later when
 * told; and does with the n-th what a plan of faults says
 * (tests/models/fault.h).
 */
#ifndef TORC_TESTS_FAKES_RAMBLK_H
#define TORC_TESTS_FAKES_RAMBLK_H

#include "kernel/device/block_driver.h"
#include "tests/models/fault.h"

enum { RAMBLK_QUEUES = 4, RAMBLK_LOG = 64 };

struct ramblk_queue {
    /* the queue's CPU only; requests by priv.node: */
    struct queue held;     /* until ramblk_complete() */
    struct queue finished; /* until the block layer polls */
    struct queue lost;     /* until recovery */
    unsigned with_us;      /* all of these */
    unsigned commits;
    unsigned requests;
};

struct ramblk {
    struct block_device block;
    uint8_t *data; /* the test's; whole sectors */

    /* Set by the test: */
    unsigned fail_at;    /* the n-th request from now fails; 0: none does */
    unsigned fail_from;  /* the n-th and all after it */
    bool deferred;       /* requests wait for ramblk_complete() */
    bool by_interrupt;   /* they end between two threads, not within submit() */
    unsigned room;       /* requests of a queue at a time; 0: any number */
    uint64_t bad_sector; /* requests with it fail; 0: there is none */
    unsigned silent_first; /* of each queue so many get no answer */
    unsigned silent_step;  /* nor those of sectors that it divides; 0: none */
    unsigned queues_used;  /* fewer than asked for; 0: all */
    struct fault_plan *faults;
    int recover_status;      /* what recovery returns */
    bool keeps;              /* recovery gives nothing back */
    unsigned recover_yields; /* how long recovery takes */

    /* What happened: */
    unsigned requests;
    unsigned flushes;
    unsigned sectors_read;
    unsigned failures; /* how many failed */
    unsigned recoveries;
    struct block_private given[RAMBLK_LOG]; /* the last requests */

    struct ramblk_queue queues[RAMBLK_QUEUES];
};

/* Fill it; the test may change block.* before ramblk_start(). `size` is cut to
 * whole sectors. */
void ramblk_prepare(struct ramblk *ram, void *data, size_t size);

/* Register it and give it to this CPU, without looking for partitions. */
void ramblk_start(struct ramblk *ram);

/* Both. */
void ramblk_init(struct ramblk *ram, void *data, size_t size);

/* Complete what is held by queue 0; how many. Or only the oldest, with a
 * status; false: there is none. */
unsigned ramblk_complete(struct ramblk *ram);
bool ramblk_complete_one(struct ramblk *ram, int status);

/*
 * Read or write `sectors` at `sector` through memory that devices reach; waits.
 * For tests that only want the bytes. Returns as block_read().
 */
int disk_read(struct block_open *open, uint64_t sector, uint32_t sectors,
              void *to);
int disk_write(struct block_open *open, uint64_t sector, uint32_t sectors,
               const void *from);

#endif
