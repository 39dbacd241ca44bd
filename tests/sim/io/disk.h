/*
 * A virtio disk that ends requests later, in another order, or not at all. It
 * has a cache: what was written is durable after a flush.
 */
#ifndef TORC_TESTS_SIM_IO_DISK_H
#define TORC_TESTS_SIM_IO_DISK_H

#include "tests/models/virtio_blk_model.h"
#include "tests/sim/io/virtio_device.h"

enum { DISK_SECTORS = 256, DISK_QUEUES = 3, DISK_SECTOR = 512 };

struct disk {
    struct blk_model model;
    struct device_queue queue[DISK_QUEUES];
    bool has_faults; /* now */
    bool has_cache;
    uint8_t data[DISK_SECTORS * DISK_SECTOR];
    bool volatile_now[DISK_SECTORS]; /* written since the last flush */
};

/* Draw what it is like, and put it into the machine. Faults come once
 * disk->has_faults is set. */
void disk_plug(struct disk *disk);

#endif
