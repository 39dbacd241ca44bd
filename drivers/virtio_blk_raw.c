/*
 * Virtio disks without the block layer: kernel/device/block_raw.h. The device
 * is reset and gets a short queue of its own, with one request at a time.
 */
#include "drivers/virtio_blk_internal.h"
#include "kernel/device/block_raw.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>
#include <torc/memory.h>
#include <torc/time.h>

#define RAW_TIMEOUT_NS (5 * NS_PER_S)

/* CPU 0's at boot, then of the CPU that reports. */
static struct {
    struct block_device *disk; /* of the boot `epoch`; NULL: not prepared */
    unsigned epoch;
    struct virtqueue vq;
    struct blk_slot *slot;
} raw;

static int raw_prepare(struct block_device *disk)
{
    struct vq_shape shape = {0};
    int status;

    if (raw.disk != NULL && raw.epoch == device_epoch())
        return raw.disk == disk ? 0 : -EBUSY;
    shape.size = blk_of(disk)->raw_size;
    shape.is_packed = (blk_of(disk)->features & VIRTIO_F_RING_PACKED) != 0;
    shape.has_event_idx = (blk_of(disk)->features & VIRTIO_F_EVENT_IDX) != 0;
    raw.disk = NULL;
    raw.slot = dma_alloc(sizeof(*raw.slot));
    if (raw.slot == NULL)
        return -ENOMEM;
    status = vq_init(&raw.vq, &shape);
    if (status != 0) {
        dma_free(raw.slot, sizeof(*raw.slot));
        return status;
    }
    raw.disk = disk;
    raw.epoch = device_epoch();
    return 0;
}

static int raw_begin(struct block_device *disk)
{
    struct virtio_device *virtio = blk_of(disk)->virtio;
    int status = virtio_begin(virtio, blk_of(disk)->features);

    if (status == 0 && (virtio->features != blk_of(disk)->features ||
                        virtio_queue_max(virtio, 0, BLK_RAW_QUEUE_SIZE) !=
                            blk_of(disk)->raw_size))
        status = -ENODEV; /* the queue is for others */
    if (status != 0)
        return status;
    vq_restart(&raw.vq);
    vq_want_interrupt(&raw.vq, false);
    status = virtio->ops->queue_setup(virtio, 0, &raw.vq, VIRTIO_NO_VECTOR);
    if (status == 0)
        virtio_ready(virtio);
    return status;
}

/* One request of `count` pieces, slot->type and ->sector are set. */
static int raw_run(struct virtio_device *virtio, const struct vq_piece *pieces,
                   unsigned count)
{
    uint64_t end_ns = time_ns() + RAW_TIMEOUT_NS;
    uint32_t written;
    void *cookie;
    int status;

    raw.slot->reserved = 0;
    raw.slot->status = BLK_STATUS_NONE;
    status = vq_add(&raw.vq, pieces, count, &raw);
    if (status != 0)
        return status;
    virtio_kick(virtio, 0, &raw.vq);
    while ((status = vq_take(&raw.vq, &cookie, &written)) == 0) {
        if (time_ns() >= end_ns)
            return -ETIMEDOUT;
        hal_cpu_relax();
    }
    return status > 0 && raw.slot->status == 0 ? 0 : -EIO;
}

static int raw_move(struct block_device *disk, bool is_write, uint64_t sector,
                    void *data, uint32_t bytes)
{
    uint64_t bus = hal_dma_addr(raw.slot);
    struct vq_piece pieces[] = {
        {bus, BLK_HEADER_SIZE, false},
        {hal_dma_addr(data), 0, !is_write},
        {bus + offsetof(struct blk_slot, status), 1, true}};
    uint32_t most = disk->limits.segment_bytes & ~(BLOCK_LOGICAL_MAX - 1U);
    int status = 0;

    if (most == 0)
        most = disk->sector_size; /* a driver's limit has room for it */
    raw.slot->type = is_write ? 1 : 0;
    while (status == 0 && bytes > 0) {
        pieces[1].len = bytes < most ? bytes : most;
        raw.slot->sector = sector;
        status = raw_run(blk_of(disk)->virtio, pieces, COUNT_OF(pieces));
        pieces[1].bus += pieces[1].len;
        sector += pieces[1].len / BLOCK_SECTOR_SIZE;
        bytes -= pieces[1].len;
    }
    return status;
}

static int raw_flush(struct block_device *disk)
{
    uint64_t bus = hal_dma_addr(raw.slot);
    const struct vq_piece pieces[] = {
        {bus, BLK_HEADER_SIZE, false},
        {bus + offsetof(struct blk_slot, status), 1, true}};

    if ((disk->features & BLOCK_HAS_CACHE) == 0)
        return 0;
    raw.slot->type = 4;
    raw.slot->sector = 0;
    return raw_run(blk_of(disk)->virtio, pieces, COUNT_OF(pieces));
}

const struct block_raw_ops virtio_blk_raw = {
    .prepare = raw_prepare,
    .begin = raw_begin,
    .move = raw_move,
    .flush = raw_flush,
};

const struct driver virtio_blk_dump_driver = {.name = "virtio_blk_dump"};
