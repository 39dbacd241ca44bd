/*
 * The virtio block device: VIRTIO 1.2, section 5.2: finding it, what it says of
 * itself, starting it, and starting it again.
 *
 * Each queue of the disk has a virtqueue in the memory of its CPU, and an
 * interrupt vector there. A device that does not answer in time, breaks the
 * rules of its queues or asks for it (NEEDS_RESET) is reset and set up again;
 * the block layer then tries its requests again.
 */
#include "drivers/virtio_blk_internal.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/lib/minmax.h"
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>

#define SMALL_MEMORY (16U * 1024 * 1024)
#define BIT(n)       (UINT64_C(1) << (n))
#define FEATURES                                                       \
    (BIT(BLK_F_SIZE_MAX) | BIT(BLK_F_SEG_MAX) | BIT(BLK_F_READ_ONLY) | \
     BIT(BLK_F_BLK_SIZE) | BIT(BLK_F_FLUSH) | BIT(BLK_F_MQ) |          \
     BIT(BLK_F_DISCARD) | BIT(BLK_F_WRITE_ZEROES))

enum {
    /* Requests with the device: 32 with an indirect table of their own, and 64
     * of three descriptors each. */
    FLIGHTS_MAX = 96,
    TABLES_MAX = 32,
    SECTORS_MAX = 2048, /* in one request: 1 MiB */
};

/* ---- Configuration: 5.2.4 ------------------------------------------------ */

/* Fields, and the feature without which each one is not there. */
enum {
    CAPACITY,
    SEG_BYTES,
    SEG_MAX,
    BLK_SIZE,
    QUEUES,
    DISCARD,
    ZEROES,
    FIELD_COUNT
};
static const struct {
    struct virtio_field field;
    int feature; /* -1: none needed */
    uint64_t without;
} config_fields[FIELD_COUNT] = {
    [CAPACITY] = {{0, 8}, -1, 0},
    [SEG_BYTES] = {{8, 4}, BLK_F_SIZE_MAX, UINT32_MAX},
    [SEG_MAX] = {{12, 4}, BLK_F_SEG_MAX, 1},
    [BLK_SIZE] = {{20, 4}, BLK_F_BLK_SIZE, BLOCK_SECTOR_SIZE},
    [QUEUES] = {{34, 2}, BLK_F_MQ, 1},
    [DISCARD] = {{36, 4}, BLK_F_DISCARD, 0},
    [ZEROES] = {{48, 4}, BLK_F_WRITE_ZEROES, 0},
};

/* Read what is there; the others get their values without. */
static int config_read(struct virtio_device *virtio,
                       uint64_t config[FIELD_COUNT])
{
    struct virtio_field fields[FIELD_COUNT];
    uint64_t values[FIELD_COUNT];
    unsigned count = 0;
    int status;

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        int feature = config_fields[i].feature;

        if (feature < 0 || virtio_has(virtio, (unsigned)feature))
            fields[count++] = config_fields[i].field;
    }
    status = virtio_config_read(virtio, fields, count, values);
    if (status != 0)
        return status;
    count = 0;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        int feature = config_fields[i].feature;

        config[i] = feature < 0 || virtio_has(virtio, (unsigned)feature)
                        ? values[count++]
                        : config_fields[i].without;
    }
    return 0;
}

/* ---- Starting ------------------------------------------------------------ */

static void queue_irq(void *arg)
{
    block_interrupt(arg);
}

/* How long a ring is to be, and how many tables it is to have. */
static struct virtio_queue_wish wish_of(const struct block_device *disk,
                                        unsigned index)
{
    bool is_small = mem_free_bytes() < SMALL_MEMORY;

    return (struct virtio_queue_wish){
        .size_max = is_small ? BLK_QUEUE_SIZE_SMALL : BLK_QUEUE_SIZE,
        .vector = index,
        .table_count = is_small ? TABLES_MAX / 4 : TABLES_MAX,
        .table_len = (uint16_t)(disk->limits.segments + 2),
    };
}

/* How many requests the device can have at a time. */
static unsigned flights_of(const struct virtqueue *vq)
{
    unsigned tables = min_u32(vq->table_count, vq->size);
    unsigned flights = tables + (vq->size - tables) / BLK_PIECES_MIN;

    return flights < FLIGHTS_MAX ? flights : FLIGHTS_MAX;
}

/*
 * Make the ring of a queue, and, the first time, what belongs to it. Returns 0,
 * or an error: what there is then the device may know. The queue's CPU.
 */
static int queue_make(struct block_queue *block)
{
    struct virtio_blk *blk = blk_of(block->disk);
    struct virtio_queue_wish wish = wish_of(block->disk, block->index);
    struct blk_queue *queue = blk_queue_of(block);
    int status;

    if (queue == NULL) {
        queue = blk_queue_create(block, blk->virtio);
        if (queue == NULL)
            return -ENOMEM;
        block->driver = queue;
    }
    status = virtio_queue(blk->virtio, block->index, &wish, &queue->vq);
    if (status != 0)
        return status;
    if (queue->vq.size < block->disk->limits.segments + 2)
        return -ENOTSUP; /* shorter than a request */
    if (queue->flights == NULL)
        status = blk_flights_create(queue, flights_of(&queue->vq));
    vq_want_interrupt(&queue->vq, true);
    return status;
}

/* For block_each_queue(), which has no results. */
static void queue_make_here(struct block_queue *block)
{
    struct virtio_blk *blk = blk_of(block->disk);

    if (blk->status == 0)
        blk->status = queue_make(block);
}

static void queue_recall_here(struct block_queue *block)
{
    blk_queue_recall(blk_queue_of(block));
    virtio_queue_end(&blk_queue_of(block)->vq, 0);
}

/* blk->status says whether the device was stopped. */
static void queue_free_here(struct block_queue *block)
{
    struct blk_queue *queue = blk_queue_of(block);

    virtio_detach(blk_of(block->disk)->virtio, block->index);
    if (queue == NULL)
        return;
    block->driver = NULL;
    virtio_queue_end(&queue->vq, blk_of(block->disk)->status);
    blk_queue_destroy(queue, blk_of(block->disk)->status == 0);
}

/* Whether a disk can have so many sectors. */
static bool capacity_possible(uint64_t sectors)
{
    return sectors != 0 && sectors >> 55 == 0; /* as bytes it needs 64 bits */
}

/* The device wants to be reset, or has another size. */
static void blk_changed(struct virtio_device *virtio)
{
    struct block_device *disk = &((struct virtio_blk *)virtio->driver)->block;
    uint64_t config[FIELD_COUNT];

    if (virtio_needs_reset(virtio))
        block_recover(disk->queues[0], "it asks to be reset");
    else if (config_read(virtio, config) == 0 &&
             capacity_possible(config[CAPACITY]))
        block_resized(disk, config[CAPACITY]);
}

static int vectors_attach(struct virtio_blk *blk)
{
    struct block_device *disk = &blk->block;
    struct virtio_vector *vectors = blk->virtio->vectors;
    int count;

    for (unsigned i = 0; i < disk->queue_count; i++)
        vectors[i] = (struct virtio_vector){queue_irq, disk->queues[i],
                                            disk->queues[i]->cpu};
    count = virtio_attach(blk->virtio, vectors, disk->queue_count, blk_changed);
    if (count < 0)
        return count;
    if ((unsigned)count == disk->queue_count)
        return 0;
    if (disk->queues[0]->driver != NULL)
        return -ENOSPC; /* it worked with more */
    disk->queue_count = (unsigned)count;
    return 0;
}

/* Whether the device is still the one that was registered; its size may have
 * changed. Returns 0, -ENODEV, -EIO. */
static int compare(struct virtio_blk *blk)
{
    uint64_t config[FIELD_COUNT];
    int status = config_read(blk->virtio, config);

    if (status != 0)
        return status;
    if (blk->virtio->features != blk->features ||
        !capacity_possible(config[CAPACITY]))
        return -ENODEV;
    block_resized(&blk->block, config[CAPACITY]);
    return 0;
}

/*
 * Set the device up, which may have been set up before. From virtio_ready() on
 * it may interrupt. After an error it is stopped, and nothing is left.
 */
static int blk_setup(struct virtio_blk *blk)
{
    int status = virtio_begin(blk->virtio, FEATURES);

    if (status == 0)
        status = compare(blk);
    if (status == 0)
        status = vectors_attach(blk);
    blk->status = status;
    block_each_queue(&blk->block, queue_make_here);
    status = blk->status;
    if (status == 0) {
        virtio_ready(blk->virtio);
        return 0;
    }
    blk->status = virtio_fail(blk->virtio);
    block_each_queue(&blk->block, queue_free_here);
    return status;
}

static int blk_start(struct block_device *disk)
{
    return blk_setup(blk_of(disk));
}

/*
 * Reset it, give its requests back, and set it up again. If it cannot be
 * stopped, what it might still reach stays as it is.
 */
static int blk_recover(struct block_device *disk)
{
    struct virtio_blk *blk = blk_of(disk);
    int status = virtio_stop(blk->virtio);

    if (status != 0)
        return status;
    block_each_queue(disk, queue_recall_here);
    return blk_setup(blk);
}

static const struct block_ops blk_ops = {
    .start = blk_start,
    .submit = blk_submit,
    .commit = blk_commit,
    .poll = blk_poll,
    .recover = blk_recover,
    .raw = &virtio_blk_raw,
};

/* ---- Finding ------------------------------------------------------------- */

/* Leave a disk out, with the reason. */
static int blk_left_out(struct virtio_blk *blk, const char *why, int status)
{
    log_error("virtio: the disk at %s %s (error %d): left out",
              blk->virtio->where, why, status);
    virtio_fail(blk->virtio);
    mem_free(blk);
    return 0;
}

/* How many pieces of data a request may have; 0: none. */
static uint32_t segments_of(struct virtio_device *virtio, uint64_t seg_max)
{
    uint16_t queue = virtio_queue_max(virtio, 0, BLK_QUEUE_SIZE_SMALL);

    if (queue < BLK_PIECES_MIN)
        return 0;
    return min_u32(min_u32((uint32_t)seg_max, BLK_SEGMENTS_MAX),
                   queue - (BLK_PIECES_MIN - 1U));
}

static void describe(struct virtio_blk *blk, const uint64_t config[FIELD_COUNT])
{
    struct block_device *disk = &blk->block;
    struct virtio_device *virtio = blk->virtio;

    disk->ops = &blk_ops;
    disk->sectors = config[CAPACITY];
    disk->sector_size = (uint32_t)config[BLK_SIZE];
    disk->read_only = virtio_has(virtio, BLK_F_READ_ONLY);
    if (virtio_has(virtio, BLK_F_FLUSH))
        disk->features = BLOCK_HAS_CACHE; /* else it writes through */
    disk->limits.sectors = SECTORS_MAX;
    disk->limits.segments = segments_of(virtio, config[SEG_MAX]);
    disk->limits.segment_bytes = (uint32_t)config[SEG_BYTES];
    disk->limits.discard_sectors = (uint32_t)config[DISCARD];
    disk->limits.zeroes_sectors = (uint32_t)config[ZEROES];
    disk->queue_max = virtio_vectors_max(
        virtio, min_u32((uint32_t)config[QUEUES], BLOCK_QUEUE_MAX));
}

/* What is wrong with what the device says of itself; NULL: nothing. */
static const char *fault_of(const struct block_device *disk)
{
    if (!capacity_possible(disk->sectors))
        return "has a size that cannot be";
    if (disk->sector_size != 512 && disk->sector_size != 4096)
        return "has sectors that are neither 512 nor 4096 bytes";
    if (disk->limits.segments == 0)
        return "has a queue that is too short";
    if (disk->limits.segment_bytes < BLOCK_SECTOR_SIZE)
        return "takes less than a sector";
    return NULL;
}

/* The features and the size are needed to register; start() begins again. */
static int blk_found(struct virtio_device *virtio)
{
    struct virtio_blk *blk = mem_alloc_zeroed(sizeof(*blk));
    uint64_t config[FIELD_COUNT];
    const char *fault;
    int status;

    if (blk == NULL)
        return -ENOMEM;
    blk->virtio = virtio;
    status = virtio_begin(virtio, FEATURES);
    if (status == 0)
        status = config_read(virtio, config);
    if (status != 0)
        return blk_left_out(blk, "does not start", status);
    virtio->driver = blk;
    blk->features = virtio->features;
    blk->raw_size = virtio_queue_max(virtio, 0, BLK_RAW_QUEUE_SIZE);
    describe(blk, config);
    fault = fault_of(&blk->block);
    if (fault != NULL)
        return blk_left_out(blk, fault, -EINVAL);
    status = block_register(&blk->block, "vd");
    if (status == -ENOSPC)
        return blk_left_out(blk, "is one too many: no name is left", status);
    if (status != 0)
        return blk_left_out(blk, "has limits that cannot be", status);
    log_info("%s: %llu MiB%s, virtio %s", blk->block.device.name,
             (unsigned long long)(blk->block.sectors / 2048),
             blk->block.read_only ? ", read-only" : "", virtio->where);
    return 0;
}

static int blk_probe(void)
{
    return virtio_find(VIRTIO_ID_BLOCK, blk_found);
}

const struct driver virtio_blk_driver = {
    .name = "virtio_blk", .probe = blk_probe, .options = virtio_options};
