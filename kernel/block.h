/*
 * The block class: disks, partitions of disks, and their requests.
 *
 * Drivers complete requests in irq work (or, a RAM disk, inside submit).
 * Threads mostly use block_read() and block_write(), which wait.
 */
#ifndef TORC_KERNEL_BLOCK_H
#define TORC_KERNEL_BLOCK_H

#include "kernel/device.h"
#include "kernel/wait.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

enum { BLOCK_SECTOR_SIZE = 512, BLOCK_PARTITION_MAX = 4 };

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block_request {
    enum block_op op;
    uint64_t sector; /* of 512 bytes; 0 for a flush */
    uint32_t count;  /* sectors, > 0; 0 for a flush */
    void *buf;       /* dma_alloc() memory, count * 512 bytes */

    /* Called once on the device's CPU; status 0, -EIO, -EROFS, -ETIMEDOUT. */
    void (*done)(struct block_request *request, int status);
    void *cookie; /* the submitter's */

    struct queue_node node; /* the driver's while it owns the request */
    void *driver_data;      /* likewise */
};

struct block_device;

struct block_ops {
    /*
     * Start a request whose range was checked. 0: the driver owns it until
     * done(), which may come before submit returns. -EAGAIN: full now, the
     * block layer retries after the next completion. Owner CPU; thread or irq
     * work.
     */
    int (*submit)(struct block_device *dev, struct block_request *request);

    /* Reap completions; may be called spuriously. */
    void (*poll)(struct block_device *dev);
};

struct block_device {
    struct device device; /* class DEVICE_BLOCK; start() is the driver's */

    /* constant after block_register(): */
    const struct block_ops *ops;
    uint64_t sectors;   /* of 512 bytes */
    uint32_t count_max; /* sectors in one request, > 0 */
    bool read_only;

    /* a partition: its disk and its first sector there; else NULL, 0 */
    struct block_device *disk;
    uint64_t first_sector;

    /* of a whole disk, constant once it is dedicated */
    struct block_device *partitions[BLOCK_PARTITION_MAX];

    /* owner CPU only, of whole disks: */
    struct queue waiting; /* requests the driver had no room for */
};

/*
 * Add a disk: the driver filled device.start, ops, sectors, count_max and
 * read_only. Returns 0, -EINVAL (no sectors), -ENOSPC.
 */
must_check int block_register(struct block_device *dev, const char *prefix);

/*
 * Read the partition table of a disk on its owner CPU (MBR; primary
 * partitions). A disk without a table has no partitions, which is success; a
 * damaged entry is logged and skipped. Returns 0, -EIO, -ENOMEM.
 */
must_check int partition_scan(struct block_device *disk);

/* Add what was found to the device list (vda1 ..). CPU 0. Returns 0,
 * -ENOSPC. */
must_check int partition_register(struct block_device *disk);

/*
 * Submit a request. Completion comes through request->done, always.
 * Returns 0, -EINVAL (range, count, flush with a range), -EROFS, -EXDEV (not
 * this CPU's). On an error done() is not called.
 */
must_check int block_submit(struct block_device *dev,
                            struct block_request *request);

/* Drivers: a request is over. */
void block_done(struct block_device *disk, struct block_request *request,
                int status);

/*
 * Read or write `count` sectors at `sector` from or to dma_alloc() memory and
 * wait; requests longer than the device takes are split.
 * Returns 0, or the errors of block_submit() and of done().
 */
must_check int block_read(struct block_device *dev, uint64_t sector,
                          uint32_t count, void *buf);
must_check int block_write(struct block_device *dev, uint64_t sector,
                           uint32_t count, const void *buf);

/* Make everything written durable. Returns 0, -EIO, -EXDEV. */
must_check int block_flush(struct block_device *dev);

/* The block device behind a device, or NULL when it is none. */
struct block_device *block_from_device(struct device *device);

#endif
