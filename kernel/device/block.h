/*
 * Disks, partitions of disks, and their requests. docs/io.md tells the whole.
 *
 * A user opens a device and submits lists of requests, each over a list of
 * slices. The block layer checks them, joins neighbours, cuts what is too long
 * for the device, watches their time, and tells their end by request->done.
 * Threads mostly use block_read(), block_write() and block_flush(), which wait.
 *
 * Drivers include kernel/device/block_driver.h.
 */
#ifndef TORC_KERNEL_BLOCK_H
#define TORC_KERNEL_BLOCK_H

#include "kernel/device/device.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/list.h>
#include <torc/time.h>

enum {
    BLOCK_SECTOR_SIZE = 512,  /* the unit of every place and length */
    BLOCK_LOGICAL_MAX = 4096, /* the largest block_device.sector_size */
    BLOCK_PARTITION_MAX = 128,
    BLOCK_QUEUE_MAX = 64, /* of one disk */
};

/* How long a request may take that does not say it. */
#define BLOCK_TIMEOUT_NS (30 * NS_PER_S)

/* ---- Requests ------------------------------------------------------------ */

enum block_op {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,       /* what writes that have ended wrote becomes durable */
    BLOCK_DISCARD,     /* a hint: the contents are not needed any more */
    BLOCK_WRITE_ZEROES /* without data; where the device has no such operation
                        * zeros are written to it */
};

/* Flags of a request. */
enum {
    BLOCK_FUA = 1,      /* of writes: durable when the request ends */
    BLOCK_PREFLUSH = 2, /* of writes: flush the device before */
    BLOCK_META = 4,     /* a hint: metadata of a file system */
    BLOCK_AHEAD = 8,    /* of reads: only if the device has room now, else it
                         * ends with -ECANCELED; its errors are not logged */
};

struct block_open;
struct block_queue;
struct block_recovery;
struct block_request;

/* What the block layer and the driver note in a request. All zero before the
 * first block_submit(). */
struct block_private {
    /* For the driver, constant while it has the request. They stand for the
     * request itself and for those that were joined to it: */
    uint64_t sector;   /* on the whole disk, in 512 bytes */
    uint32_t sectors;  /* 0: a flush */
    uint32_t segments; /* pieces of memory, at most; 0: without data */
    uint8_t op;        /* enum block_op */
    uint8_t flags;     /* FUA only where the device has it; META */

    /* The block layer's: */
    uint8_t state;  /* enum block_state */
    uint8_t steps;  /* what is still to be done */
    uint8_t tries;  /* how often the driver has given it back */
    bool is_alone;  /* is not joined with others; all but the plainest are */
    bool is_long;   /* goes to the driver in parts */
    int status;     /* how it has ended; of a long one: the first failure */
    uint32_t skip;  /* bytes of the first slice that are not its own */
    uint32_t parts; /* of a long one: with the driver, or waiting */

    struct queue_node node; /* the driver's while it has the request */

    struct list link;             /* in queue->waiting, or queue->busy */
    struct block_request *joined; /* the next one of those joined, or NULL */
    struct block_request *last;   /* of the first of several: the last one */
    uint64_t deadline_ns;         /* its own */
    uint64_t earliest_ns;         /* of the first: of all that are joined */
    struct block_open *open;
    struct block_request *whole; /* of a part: what it is a part of */

    /* Of a long one, what has not been given to the driver: */
    const struct slice *rest_vec;
    uint32_t rest_skip;
    uint32_t rest_sectors;
};

struct block_request {
    /* The submitter's; the block layer only reads them: */
    enum block_op op;
    unsigned flags;
    uint64_t sector;         /* of the device that is open; 0 for a flush */
    uint32_t sectors;        /* > 0; 0 for a flush */
    unsigned count;          /* slices: > 0 for READ and WRITE, else 0 */
    const struct slice *vec; /* of this CPU's buffers; together all sectors */
    uint64_t deadline_ns;    /* 0: BLOCK_TIMEOUT_NS from now */

    struct block_request *next; /* in the list given to block_submit() */

    /*
     * Called once on the CPU of the open, from a loop and never within another
     * done(): 0, or -EIO, -ETIMEDOUT, -ENOTSUP, -ECANCELED (AHEAD only), or
     * another error of the driver. The request may be submitted again from
     * here. Must not wait.
     */
    void (*done)(struct block_request *request, int status);
    void *cookie; /* the submitter's */

    struct block_private priv;
};

/* ---- Devices and their users --------------------------------------------- */

/* What one request of the device may be; longer ones go in parts. Filled by the
 * driver; zeros stand for no limit where it is not said otherwise. */
struct block_limits {
    uint32_t sectors;         /* of a read or write, in 512 bytes */
    uint32_t segments;        /* pieces of memory */
    uint32_t segment_bytes;   /* of one piece */
    uint32_t align;           /* of address and length of a piece: a power of
                               * two up to 512, which submitters keep to */
    uint32_t boundary;        /* a power of two: no piece crosses a multiple */
    uint32_t discard_sectors; /* of a discard; 0: there is no discard */
    uint32_t zeroes_sectors;  /* of WRITE_ZEROES; 0: there is none */
};

/* What the device can do and needs; filled by the driver. */
enum {
    BLOCK_HAS_CACHE = 1, /* writes are durable only after a flush */
    BLOCK_HAS_FUA = 2,   /* it takes writes with FUA */
};

struct block_ops;

struct block_device {
    struct device device; /* class DEVICE_BLOCK */

    /* constant after block_register(): */
    const struct block_ops *ops;
    uint64_t sectors;     /* in 512 bytes, a multiple of sector_size; of a whole
                           * disk its owner's: block_resized() */
    uint32_t sector_size; /* 512 or 4096; 0 is 512 */
    bool read_only;
    unsigned features; /* BLOCK_HAS_... */
    struct block_limits limits;
    unsigned queue_max; /* how many queues the device has; 0 is 1 */
    bool is_channel;    /* no disk, but a struct fuse_channel */

    /* of a partition, constant: its disk, its first sector there in 512 bytes,
     * and its number from 1 on; of a whole disk NULL, 0, 0 */
    struct block_device *disk;
    uint64_t first_sector;
    unsigned number;
    struct list part_link; /* in disk->partitions */

    /* of a whole disk, constant once it is dedicated: */
    struct list partitions; /* by number */
    unsigned queue_count;
    uint16_t queue_cpus[BLOCK_QUEUE_MAX];
    struct block_queue *queues[BLOCK_QUEUE_MAX];

    /* of a whole disk, owner CPU only: */
    struct list opens;               /* of it and of its partitions */
    struct block_recovery *recovery; /* block_recover.c */
};

/* The block device behind a device, or NULL when it is none. Any CPU. */
struct block_device *block_from_device(struct device *device);

/*
 * As device_dedicate(), with a queue on each of `count` CPUs, at least one; the
 * first one is the disk's owner. The disk may have fewer queues: queue_count
 * tells. Thread; waits. Returns also -EINVAL (no such CPU, one of them twice).
 */
must_check int block_dedicate(struct block_device *disk, const unsigned cpus[],
                              unsigned count);

/* Partition `number` of a disk that is dedicated, or NULL. Any CPU. */
struct block_device *block_partition(struct block_device *disk,
                                     unsigned number);

/* Of block_open(). */
enum block_mode {
    BLOCK_SHARED,
    BLOCK_EXCLUSIVE, /* nobody else has a sector of the device */
};

/* A device that is open for one CPU. */
struct block_open {
    /* constant while it is open: */
    struct block_device *dev;
    struct block_queue *queue; /* of the CPU that opened it */
    enum block_mode mode;
    uint64_t first_sector; /* as of the device */
    uint32_t sector_mask;  /* places and lengths are multiples of this plus 1 */

    /* queue->cpu only: */
    unsigned under_way; /* requests that have not ended */
    int write_error;    /* the first one that nobody has been told */

    struct list link; /* in disk->opens; its owner CPU only */
};

/*
 * Open a device for this CPU, which has a queue of its disk. `open` is the
 * caller's, until block_close(). Thread; waits when the disk's owner is another
 * CPU. Returns 0, -EXDEV (this CPU has no queue of it), -EBUSY (logged: a
 * sector of it is open elsewhere, there or here exclusively).
 */
must_check int block_open(struct block_device *dev, enum block_mode mode,
                          struct block_open *open);

/* None of its requests is under way. The CPU that opened it; waits as
 * block_open() does. */
void block_close(struct block_open *open);

/*
 * Submit a list of requests, linked by `next` and ended by NULL. Each one's end
 * is told by request->done, which may come before this returns; requests may
 * end in any order. The slices stay valid until then. Thread or irq work of the
 * CPU that opened it; does not wait.
 *
 * Returns 0, or an error of the first request that cannot be, and then none was
 * started and none is told: -EINVAL (a place or length that is not on the
 * device or no multiple of its sectors, slices of another length or alignment,
 * a flag that the operation has not), -EROFS, -ENOTSUP (DISCARD, which the
 * device has not), -EXDEV (another CPU opened it, or owns a buffer), -ENOMEM
 * (WRITE_ZEROES only).
 */
must_check int block_submit(struct block_open *open,
                            struct block_request *list);

/*
 * Read or write the slices from `sector` on, and wait. Thread of the CPU that
 * opened it. Returns 0, or the errors of block_submit() and of done().
 */
must_check int block_read(struct block_open *open, uint64_t sector,
                          const struct slice *vec, unsigned count);
must_check int block_write(struct block_open *open, uint64_t sector,
                           const struct slice *vec, unsigned count);

/*
 * Make durable what was written, and wait. Returns 0, the first error of a
 * write of this open since the last call, or an error of the flush itself.
 */
must_check int block_flush(struct block_open *open);

/* The error that block_flush() would tell, which is forgotten; 0: none. */
int block_write_error(struct block_open *open);

/* Assert what is always true of a disk or partition, and of the queue that this
 * CPU has of it, between two calls. CPUs that have a queue of it. */
void block_check(const struct block_device *dev);

#endif
