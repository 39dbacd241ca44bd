/*
 * Memory that the host has: what CPUs give up of their shares, and a driver
 * tells the host of.
 *
 * Each CPU gives up of its own share only, and takes it back itself. What goes
 * to the driver's CPU and comes back is a batch: pieces of memory that nobody
 * uses while it is under way. There are two ways to give memory:
 *
 *   a report   says that the pieces are free now: they are put back as soon as
 *              the host has answered, and it gives them new pages when they are
 *              used again. A CPU reports by itself, a second after something
 *              was freed, at most an eighth of its free memory at a time.
 *   the balloon keeps pieces from being used until the host wants less. The
 *              driver asks for so many pages; a CPU keeps an eighth of its
 *              share free, whatever it is asked for.
 *
 * All functions of a batch are irq work: none waits.
 */
#ifndef TORC_KERNEL_BALLOON_H
#define TORC_KERNEL_BALLOON_H

#include "kernel/cpu/exchange.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>

enum {
    BALLOON_PIECES = 16,        /* in a batch */
    BALLOON_BATCH_PAGES = 1024, /* asked for at once, at most; */
    BALLOON_PIECE_PAGES = 256,  /* and of a piece of the balloon */
};

struct balloon_piece {
    void *base;
    uint64_t bus; /* for the host */
    size_t pages;
};

struct balloon_host;

/* Whoever has it owns it: the CPU whose pieces they are, or the driver's. */
struct balloon_batch {
    struct exchange_item item;
    struct queue_node node;          /* the driver's, while it has the batch */
    const struct balloon_host *host; /* constant */
    unsigned cpu;                    /* whose pieces they are */
    bool is_told;                    /* a report: the host has answered */
    size_t want;                     /* of what is asked for: pages */
    unsigned count;
    struct balloon_piece piece[BALLOON_PIECES];
};

/* The driver. Its functions are called on its CPU, as irq work or by itself. */
struct balloon_host {
    unsigned cpu;
    unsigned report_pieces; /* in a report, at most; 0: none wanted */
    /* A CPU that has no other memory left may take what the balloon has: */
    bool may_deflate;
    bool must_tell; /* but has to tell the host before */

    /* A report; balloon_reported() when it has been answered, or cannot be. */
    void (*report)(struct balloon_batch *batch);
    /* What a CPU has taken back, or, with must_tell, is about to;
     * balloon_taken() when the host knows. */
    void (*take)(struct balloon_batch *batch);
    /* The answers to balloon_fill() and balloon_drain(). */
    void (*filled)(struct balloon_batch *batch);
    void (*drained)(struct balloon_batch *batch);
    /* The answer to balloon_keep() and balloon_release(): it is empty. */
    void (*done)(struct balloon_batch *batch);
};

/* There is a host: CPUs report from now on. `host` stays. The driver's CPU, in
 * a thread, when all CPUs are online. Returns 0, -ENOMEM. */
must_check int balloon_begin(const struct balloon_host *host);

/* The answers to the host's report() and take(). The driver's CPU. */
void balloon_reported(struct balloon_batch *batch);
void balloon_taken(struct balloon_batch *batch);

/* Let batch->cpu put up to batch->want pages (at most BALLOON_BATCH_PAGES) of
 * its free memory aside for the balloon, as this batch's pieces. When the host
 * has answered, let the CPU keep them: from then on it may take them back. What
 * the host is not told of is released instead. The driver's CPU. */
void balloon_fill(struct balloon_batch *batch);
void balloon_keep(struct balloon_batch *batch);

/* Let it take as many out of the balloon, or a little more, which are this
 * batch's pieces then; and let it use them again. The driver's CPU. */
void balloon_drain(struct balloon_batch *batch);
void balloon_release(struct balloon_batch *batch);

/* How many pages of this CPU are in the balloon. */
size_t balloon_pages(void);

#endif
