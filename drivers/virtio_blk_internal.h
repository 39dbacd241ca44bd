/* Between virtio_blk.c (requests) and virtio_blk_device.c (the device). */
#ifndef TORC_DRIVERS_VIRTIO_BLK_INTERNAL_H
#define TORC_DRIVERS_VIRTIO_BLK_INTERNAL_H

#include "drivers/virtio.h"
#include "kernel/device/block_driver.h"
#include <torc/assert.h>
#include <torc/list.h>

/* Features: 5.2.3. */
enum {
    BLK_F_SIZE_MAX = 1,
    BLK_F_SEG_MAX = 2,
    BLK_F_READ_ONLY = 5,
    BLK_F_BLK_SIZE = 6,
    BLK_F_FLUSH = 9,
    BLK_F_MQ = 12,
    BLK_F_DISCARD = 13,
    BLK_F_WRITE_ZEROES = 14,
};

enum {
    BLK_QUEUE_SIZE = 256,
    BLK_QUEUE_SIZE_SMALL = 64, /* where memory is short */
    BLK_RAW_QUEUE_SIZE = 4,    /* for crash dumps */
    BLK_SEGMENTS_MAX = 126,    /* pieces of data in a request */
    BLK_PIECES_MIN = 3,        /* of a request: header, data, status */
    BLK_HEADER_SIZE = 16,
    BLK_STATUS_NONE = 0xff, /* the device has not written it */
};

/* What the device reads and writes beside the data of a request: 5.2.6. */
struct blk_slot {
    uint32_t type;
    uint32_t reserved; /* zero */
    uint64_t sector;
    struct {
        uint64_t sector;
        uint32_t sectors;
        uint32_t flags; /* zero */
    } range;            /* of a discard, or of zeros */
    volatile uint8_t status;
    uint8_t pad[31];
};
static_assert(sizeof(struct blk_slot) == 64, "a cache line each");

/* A request with the device; the device does not see this part. */
struct blk_flight {
    struct block_request *request; /* NULL: this flight is free */
    struct blk_slot *slot;         /* its own, constant */
    uint64_t bus;                  /* of the slot */
    struct blk_flight *next_free;
};

/* A queue, in the memory of its CPU. */
struct blk_queue {
    /* constant while the disk works: */
    struct block_queue *block;
    struct virtio_device *virtio;
    bool is_legacy;
    unsigned flight_count;
    struct blk_slot *slots;
    struct blk_flight *flights; /* NULL: not yet made */

    /* the queue's CPU only: */
    struct virtqueue vq;
    struct blk_flight *free;
    unsigned in_flight;
    struct vq_piece pieces[BLK_SEGMENTS_MAX + 2]; /* of the request that is
                                                   * being submitted */
};

struct virtio_blk {
    struct block_device block;
    struct virtio_device *virtio;
    uint64_t features; /* as they were when it was registered */
    uint16_t raw_size; /* of the queue of virtio_blk_raw.c, constant */
    int status; /* of what is being done on each queue; one CPU at a time */
};

static inline struct virtio_blk *blk_of(struct block_device *disk)
{
    return container_of(disk, struct virtio_blk, block);
}

static inline struct blk_queue *blk_queue_of(const struct block_queue *queue)
{
    return queue->driver;
}

/* ---- virtio_blk.c -------------------------------------------------------- */

/* Operations of the disk. */
int blk_submit(struct block_queue *queue, struct block_request *first);
void blk_commit(struct block_queue *queue);
void blk_poll(struct block_queue *queue);

/* Make a queue, without ring and flights. Returns NULL: no memory. The queue's
 * CPU. */
must_check struct blk_queue *blk_queue_create(struct block_queue *block,
                                              struct virtio_device *virtio);

/* Make its flights (> 0). Returns 0, -ENOMEM. */
must_check int blk_flights_create(struct blk_queue *queue, unsigned count);

/* Free it; its slots only if the device does not reach them any more. */
void blk_queue_destroy(struct blk_queue *queue, bool is_stopped);

/* Give all requests back that the device had, which was stopped. */
void blk_queue_recall(struct blk_queue *queue);

/* Assert what is always true of a queue. */
void blk_queue_check(const struct blk_queue *queue);

#endif
