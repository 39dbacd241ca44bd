/*
 * The block layer for drivers of disks.
 *
 * A driver registers a disk at boot. When the disk is dedicated, start() sets
 * it up. Then the block layer gives requests to submit(), and the driver ends
 * each with block_done(). Its interrupt handler calls block_interrupt(), after
 * which poll() is called between two threads.
 *
 * What a driver gets is one request, `first`, which stands for itself and for
 * those joined to it. It reads first->priv.op, .flags, .sector, .sectors and
 * .segments, and the memory by block_pieces_begin(). It uses no other field but
 * first->priv.node, which is its own.
 */
#ifndef TORC_KERNEL_BLOCK_DRIVER_H
#define TORC_KERNEL_BLOCK_DRIVER_H

#include "kernel/cpu/exchange.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/device/block.h"
#include "kernel/device/block_raw.h"
#include "kernel/thread/timer.h"

struct block_ops {
    /*
     * Set the disk up; as device.start. Queues 0 to disk->queue_count - 1 are
     * to work, each on the CPU disk->queues[i]->cpu; the first one's is this.
     * The driver may lower queue_count.
     */
    int (*start)(struct block_device *disk);

    /*
     * Start a request. 0: the driver has it until it calls block_done(), which
     * may be before submit() returns. -EAGAIN: no room, and other requests are
     * with the driver; it is tried again after the next block_done(). Another
     * error: the request has failed with it. The queue's CPU; thread or irq
     * work; must not wait.
     */
    int (*submit)(struct block_queue *queue, struct block_request *first);

    /* After the last of some calls of submit(): tell the device. As submit().
     * NULL: submit() does. */
    void (*commit)(struct block_queue *queue);

    /* End what the device has finished; may be called at any time. As submit().
     * NULL: nothing to do, submit() ends each request. */
    void (*poll)(struct block_queue *queue);

    /*
     * The device is silent or breaks its rules: reset it, give every request
     * back by block_done(queue, first, -ECANCELED), each on its queue's CPU,
     * and set it up again. Meanwhile neither submit() nor poll() is called; the
     * queue that asked, by block_recover(), has no submit() from then on. A
     * thread of the disk's owner; may wait.
     *
     * Returns 0; or an error: the disk is given up, no function of the driver
     * is called again, and it calls none. What it has not given back the device
     * may still reach: that memory is never used again. NULL: it cannot.
     */
    int (*recover)(struct block_device *disk);

    /* The disk without all of that, for crash dumps; NULL: none. */
    const struct block_raw_ops *raw;
};

struct block_part; /* block_parts.c */

/* A queue of a disk. */
struct block_queue {
    /* constant once the disk is dedicated: */
    struct block_device *disk;
    unsigned index;
    unsigned cpu;
    uint32_t plain_bytes; /* so long a slice is one piece of memory, if it is
                           * aligned */
    void *driver;         /* the driver's */

    /* this CPU only: */
    uint64_t sectors;    /* of the disk, in 512 bytes: block_resized() */
    struct list waiting; /* the driver had no room, oldest first */
    struct list busy;    /* with the driver, oldest first */
    struct queue ended;  /* with their status, not yet told */
    bool is_running;     /* the loop that starts and ends requests runs */
    bool is_full;        /* the driver had no room; nothing has ended since */
    bool is_stopped;     /* recovery is under way */
    bool is_dead;        /* the disk was given up */
    bool has_ahead;      /* among those that wait may be AHEAD ones */
    bool wants_recovery; /* the disk's owner has been asked */
    struct exchange_item recovery_item; /* to the owner */
    struct irq_work work;
    struct timer alarm;   /* always set: at alarm_ns, or at the end of time */
    uint64_t alarm_ns;    /* no request has an earlier deadline */
    struct queue parts;   /* free ones: struct block_part */
    unsigned parts_taken; /* how many are not free */
    struct block_zeroes *zeroes; /* to write; NULL: not yet needed */

    /* counters, this CPU only: */
    uint64_t submitted; /* requests from submitters */
    uint64_t given;     /* to the driver */
    uint64_t failed;
};

/*
 * Add a disk: the driver filled ops, sectors, sector_size, read_only, features,
 * limits and queue_max. Once the disk is dedicated, its partitions follow in
 * the device list. CPU 0. Returns 0, -EINVAL (no sectors, a sector size or
 * limits that cannot be), -ENOSPC (no name left).
 */
must_check int block_register(struct block_device *disk, const char *prefix);

/* A request that submit() took has ended, well or with an error. The queue's
 * CPU; thread or irq work. */
void block_done(struct block_queue *queue, struct block_request *first,
                int status);

/* Let poll() be called soon. Interrupt handlers on the queue's CPU. */
static inline void block_interrupt(struct block_queue *queue)
{
    irq_work_raise(&queue->work);
}

/* Call poll(), then tell the ends of requests and start those that wait. The
 * queue's CPU; thread or irq work. */
void block_poll(struct block_queue *queue);

/*
 * The device needs a reset: recover() will be called. The reason is logged. The
 * queue's CPU; thread or irq work.
 */
void block_recover(struct block_queue *queue, const char *why);

/*
 * The device has `sectors` now, of 512 bytes. Users learn of it by requests
 * that are refused, or no longer; partitions stay as they are. The disk's
 * owner; thread or irq work.
 */
void block_resized(struct block_device *disk, uint64_t sectors);

/*
 * Run fn(queue) on the CPU of each queue, between two threads there, one after
 * the other; it must not wait. Thread of the disk's owner; waits.
 */
void block_each_queue(struct block_device *disk,
                      void (*fn)(struct block_queue *queue));

/* ---- The memory of a request --------------------------------------------- */

struct block_piece {
    uint64_t bus; /* for the device */
    uint8_t *at;  /* for the processor */
    uint32_t len; /* bytes, > 0 */
};

struct block_cursor {
    const struct block_request *request; /* of those joined */
    const struct slice *slice;
    uint32_t offset; /* bytes of the slice that are done with */
    uint32_t left;   /* bytes of the request that are not */
};

/* For the functions below. */
bool block_cursor_settle(struct block_cursor *cursor);
uint32_t block_cursor_cut(const struct block_cursor *cursor, uint32_t len);

/* Begin with the first byte of a request. It may be done as often as wished. */
static inline void block_pieces_begin(const struct block_request *first,
                                      struct block_cursor *cursor)
{
    cursor->request = first;
    cursor->slice = first->vec;
    cursor->offset = first->priv.skip;
    cursor->left =
        first->priv.segments > 0 ? first->sectors * BLOCK_SECTOR_SIZE : 0;
}

/*
 * The next piece of memory, of at most `max_len` bytes (> 0) and within the
 * limits of the device. Without a smaller max_len there are at most
 * first->priv.segments. Returns false at the end.
 */
static inline bool block_piece_next(struct block_cursor *cursor,
                                    uint32_t max_len, struct block_piece *piece)
{
    const struct block_request *request = cursor->request;
    uint32_t len;

    if (cursor->left == 0 && likely(request->priv.joined == NULL))
        return false;
    if ((cursor->left == 0 || cursor->offset == cursor->slice->len) &&
        !block_cursor_settle(cursor))
        return false;
    len = cursor->slice->len - cursor->offset;
    if (len > cursor->left)
        len = cursor->left;
    if (unlikely(len > request->priv.open->queue->plain_bytes))
        len = block_cursor_cut(cursor, len);
    if (len > max_len)
        len = max_len;
    piece->bus = slice_bus(cursor->slice) + cursor->offset;
    piece->at = slice_data(cursor->slice) + cursor->offset;
    piece->len = len;
    cursor->offset += len;
    cursor->left -= len;
    return true;
}

/*
 * What a disk in memory does for a request whose first byte it has at `at`:
 * reads copy from there, writes to there, WRITE_ZEROES clears it; the others
 * do nothing.
 */
void block_copy(const struct block_request *first, uint8_t *at);

#endif
