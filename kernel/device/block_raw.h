/*
 * A disk without its block layer, for who writes to it when nothing else works
 * any more: in the report of a panic (kernel/boot/dump_disk.c). The calls wait
 * by looking, and not without end; no interrupt, no thread and no other CPU is
 * needed, and no memory but that of prepare().
 *
 * They take the disk from whoever uses it: what that waits for never ends.
 */
#ifndef TORC_KERNEL_BLOCK_RAW_H
#define TORC_KERNEL_BLOCK_RAW_H

#include "kernel/device/block.h"

enum { BLOCK_RAW_BYTES = 16 * 1024 }; /* of one move, at most */

struct block_raw_ops {
    /* Get what the others need, for one disk of the driver, and leave the disk
     * alone: somebody may have it. CPU 0, at boot, thread. Returns 0, -ENOMEM,
     * -EBUSY (it is another disk's). */
    int (*prepare)(struct block_device *disk);

    /* Reset the disk and make it ready. Returns 0, -EIO, -ETIMEDOUT .. */
    int (*begin)(struct block_device *disk);

    /*
     * Write (or read) `bytes`, a multiple of the disk's sectors, at `sector`
     * (512 bytes), from memory of dma_alloc(). The caller keeps to the disk's
     * size. Returns 0, or an error.
     */
    int (*move)(struct block_device *disk, bool is_write, uint64_t sector,
                void *data, uint32_t bytes);

    /* Make durable what was written. Returns 0, or an error. */
    int (*flush)(struct block_device *disk);
};

/* What a driver of disks has of it; linked where an application names the
 * driver's <name>_dump_driver, else NULL. */
extern const struct block_raw_ops virtio_blk_raw __attribute__((weak));
extern const struct block_raw_ops ide_raw __attribute__((weak));
extern const struct block_raw_ops leaf_blk_raw __attribute__((weak));

#endif
