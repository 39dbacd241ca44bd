/*
 * Between the files of the block layer:
 *
 *   block.c          devices: registering, starting, dedicating
 *   block_open.c     who has them open
 *   block_request.c  what one request may be, its steps, joining two
 *   block_queue.c    submitting, the loop that starts and ends requests
 *   block_parts.c    requests longer than the device takes, zeros
 *   block_pieces.c   the memory of a request, for drivers
 *   block_recover.c  deadlines, and what happens when one passes
 *   block_wait.c     threads that wait for one request
 */
#ifndef TORC_KERNEL_BLOCK_INTERNAL_H
#define TORC_KERNEL_BLOCK_INTERNAL_H

#include "kernel/device/block_driver.h"

/* Where a request is: priv.state. */
enum block_state {
    BLOCK_IDLE,    /* with its submitter */
    BLOCK_CHECKED, /* in a list that block_submit() looks at */
    BLOCK_WAITING, /* in queue->waiting */
    BLOCK_BUSY,    /* with the driver, in queue->busy */
    BLOCK_JOINED,  /* its first one is somewhere */
    BLOCK_CUT,     /* all its parts are somewhere */
    BLOCK_ENDED,   /* in queue->ended */
};

/* What is still to be done for a request, in this order: priv.steps. With none
 * it has ended with priv.status. */
enum { BLOCK_STEP_PREFLUSH = 1, BLOCK_STEP_MAIN = 2, BLOCK_STEP_FLUSH = 4 };

enum {
    BLOCK_PARTS_MAX = 16, /* of long requests, with the driver at a time */
    BLOCK_TRIES_MAX =
        5, /* a request that recovery gives back more often ends */
    BLOCK_SECTORS_MAX = 1 << 22, /* of one request of any device: 2 GiB */
};

/* The whole disk of a partition; a disk itself. */
static inline struct block_device *block_disk(struct block_device *dev)
{
    return dev->disk != NULL ? dev->disk : dev;
}

/* ---- block.c ------------------------------------------------------------- */

/*
 * Start a disk on this CPU without looking for partitions: its queues, what
 * recovers it, and the driver. Returns 0, -ENOMEM, or the error of start().
 */
must_check int block_start_bare(struct block_device *disk);

/* ---- block_request.c ----------------------------------------------------- */

/*
 * Check a request and fill what is the block layer's in it. Returns 0, or the
 * error of block_submit() that it has.
 */
must_check int block_prepare(struct block_open *open,
                             struct block_request *request, uint64_t now_ns);

/* Let the driver see what the next step needs; the request is not joined. */
void block_step_begin(struct block_request *request);

/* Whether `other` begins on the disk where `first` ends. */
static inline bool block_follows(const struct block_request *first,
                                 const struct block_request *other)
{
    return first->priv.sector + first->priv.sectors == other->priv.sector;
}

/*
 * Let `first`, which the driver does not have, stand for `other` and those
 * joined to it, too, when they follow it on the disk and the device takes them
 * in one. Returns whether.
 */
bool block_join(struct block_request *first, struct block_request *other);

/* How many sectors one request of the operation may have; 0: none at all. */
uint32_t block_sectors_max(const struct block_limits *limits, enum block_op op);

/* How many pieces of memory some bytes of slices are, from `skip` on. */
uint32_t block_segments(const struct block_limits *limits,
                        const struct slice *vec, uint32_t skip, uint64_t bytes);

/* ---- block_queue.c ------------------------------------------------------- */

/* Make a queue of this CPU; NULL: no memory. */
struct block_queue *block_queue_create(struct block_device *disk,
                                       unsigned index);
void block_queue_destroy(struct block_queue *queue);

/* Start what waits and tell what has ended, until neither is possible. */
void block_queue_run(struct block_queue *queue);

/* Assert what is always true of a queue between two calls. */
void block_queue_check(struct block_queue *queue);

/* Put a request behind `before` in the list of those that wait. */
void block_queue_wait(struct block_queue *queue, struct block_request *request,
                      struct list *before);

/* A request that waits ends with `status`, and those joined to it. */
void block_waiting_end(struct block_queue *queue, struct block_request *first,
                       int status);

/* The same for one that is in no list. */
void block_end_all(struct block_queue *queue, struct block_request *first,
                   int status);

/*
 * `first`, which is in no list, failed together with those joined to it, or
 * recovery gave it back: each of them that has time after `now_ns` waits by
 * itself, before all others.
 */
void block_try_each(struct block_queue *queue, struct block_request *first,
                    uint64_t now_ns);

/* The current step has ended: the next one, or the request has ended. */
void block_step_end(struct block_queue *queue, struct block_request *request,
                    int status);

/* ---- block_parts.c ------------------------------------------------------- */

/* Whether each part of a long request can be at least one sector. */
bool block_parts_possible(const struct block_request *request);

/* The next part of a long request that waits, which leaves the list with its
 * last one. NULL: all parts are taken. */
struct block_request *block_part_next(struct block_queue *queue,
                                      struct block_request *whole);

/* Of a long request that waits no more parts are made: it ends with `status`
 * once those there are have ended. */
void block_long_stop(struct block_queue *queue, struct block_request *whole,
                     int status);

/* A part has ended. */
void block_part_end(struct block_queue *queue, struct block_request *part,
                    int status);

/* Make the parts and take them back. */
must_check int block_parts_create(struct block_queue *queue);
void block_parts_destroy(struct block_queue *queue);

/* Zeros to write; NULL: no memory. */
const struct slice *block_zeroes(struct block_queue *queue);

/* ---- block_pieces.c ------------------------------------------------------ */

/* How much of `left` bytes at `bus` is one piece. */
uint32_t block_piece_len(const struct block_limits *limits, uint64_t bus,
                         uint32_t left);

/* ---- block_recover.c ----------------------------------------------------- */

/* Make what recovers a disk, on its owner, and take it back. */
must_check int block_recovery_create(struct block_device *disk);
void block_recovery_destroy(struct block_device *disk);

/* The alarm of a queue rings. */
void block_alarm(struct timer *timer);

/* No later than then the queue's requests are looked at. */
void block_alarm_set(struct block_queue *queue, uint64_t deadline_ns);

/* ---- partition.c --------------------------------------------------------- */

/*
 * Read the partition table of a disk that this CPU owns, and add what it tells
 * of as children of the disk (vda1 ..). A disk without a table has no
 * partitions, which is success; an entry that makes no sense is logged and left
 * out. Returns 0, -ENOMEM, or the error of block_read(): what was found before
 * stays.
 */
must_check int partition_scan(struct block_device *disk);

#endif
