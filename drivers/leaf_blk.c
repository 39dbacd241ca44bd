/*
 * Disks of the hosted machine, which are files: the block class over hal_blk_*.
 * Each queue of the disk is one of the host's, on the CPU it belongs to.
 */
#include "drivers/leaf_blk.h"
#include "hal/hal.h"
#include "hal/leaf.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/driver.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    FLIGHT_MAX = 64, /* of a queue */
    VEC_MAX = 64,    /* pieces of a request */
};

/* How long recovery waits for the host, and how often it looks. */
#define RECOVER_NS (5 * NS_PER_S)
#define LOOK_NS    (5 * NS_PER_MS)

/* A request with the host. */
struct leaf_flight {
    struct hal_blk_req req;
    struct leaf_flight *next_free;
    struct hal_vec vec[VEC_MAX];
};

/* A queue. Made by its CPU when the disk is first started, and stays. */
struct leaf_queue {
    /* constant: */
    unsigned unit;
    unsigned index;
    unsigned cpu;
    /* its CPU only: */
    struct block_queue *block;
    bool is_attached; /* its interrupt */
    struct leaf_flight *free;
    unsigned with_host;
    struct leaf_flight flights[FLIGHT_MAX];
};

struct leaf_blk {
    struct block_device block;
    /* constant: */
    unsigned unit;
    /* [i] belongs to the CPU of queue i; read by recover() while that waits: */
    struct leaf_queue *queues[BLOCK_QUEUE_MAX];
    int start_status[BLOCK_QUEUE_MAX];
};

static struct leaf_blk *leaf_of(struct block_device *disk)
{
    return container_of(disk, struct leaf_blk, block);
}

unsigned leaf_blk_unit(struct block_device *disk)
{
    return leaf_of(disk)->unit;
}

/* ---- Requests ------------------------------------------------------------ */

static void describe(const struct block_request *first,
                     struct leaf_flight *flight)
{
    static const enum hal_blk_op ops[] = {
        [BLOCK_READ] = HAL_BLK_READ,
        [BLOCK_WRITE] = HAL_BLK_WRITE,
        [BLOCK_FLUSH] = HAL_BLK_FLUSH,
        [BLOCK_DISCARD] = HAL_BLK_DISCARD,
        [BLOCK_WRITE_ZEROES] = HAL_BLK_WRITE_ZEROES,
    };
    struct block_cursor cursor;
    struct block_piece piece;
    unsigned count = 0;

    assert(first->priv.op < COUNT_OF(ops));
    assert(first->priv.segments <= VEC_MAX);
    if (first->priv.segments > 0) {
        block_pieces_begin(first, &cursor);
        while (block_piece_next(&cursor, UINT32_MAX, &piece)) {
            assert(count < VEC_MAX);
            flight->vec[count++] = (struct hal_vec){piece.at, piece.len};
        }
    }
    flight->req = (struct hal_blk_req){
        .op = ops[first->priv.op],
        .flags = (first->priv.flags & BLOCK_FUA) != 0 ? HAL_BLK_FUA : 0,
        .sector = first->priv.sector,
        .sectors = first->priv.sectors,
        .vec = flight->vec,
        .vec_count = count,
        .cookie = (void *)(uintptr_t)first,
    };
}

static int leaf_submit(struct block_queue *block, struct block_request *first)
{
    struct leaf_queue *queue = block->driver;
    struct leaf_flight *flight = queue->free;
    int status;

    if (flight == NULL)
        return -EAGAIN;
    describe(first, flight);
    status = hal_blk_submit(queue->unit, queue->index, &flight->req);
    if (status != 0)
        return status;
    queue->free = flight->next_free;
    queue->with_host++;
    return 0;
}

static void leaf_commit(struct block_queue *block)
{
    const struct leaf_queue *queue = block->driver;

    hal_blk_commit(queue->unit, queue->index);
}

static void leaf_poll(struct block_queue *block)
{
    struct leaf_queue *queue = block->driver;
    struct hal_blk_req *req;

    while ((req = hal_blk_poll(queue->unit, queue->index)) != NULL) {
        struct leaf_flight *flight = container_of(req, struct leaf_flight, req);

        assert(req->cookie != NULL);
        assert(queue->with_host > 0);
        queue->with_host--;
        flight->next_free = queue->free;
        queue->free = flight;
        block_done(block, req->cookie, req->status);
    }
}

static void leaf_irq(void *arg)
{
    const struct leaf_queue *queue = arg;

    if (queue->block != NULL)
        block_interrupt(queue->block);
}

/* ---- Starting ------------------------------------------------------------ */

static int queue_make(struct leaf_blk *leaf, unsigned index)
{
    struct leaf_queue *queue = mem_alloc_zeroed(sizeof(*queue));

    if (queue == NULL)
        return -ENOMEM;
    queue->unit = leaf->unit;
    queue->index = index;
    queue->cpu = cpu_self()->id;
    for (unsigned i = 0; i < FLIGHT_MAX; i++) {
        queue->flights[i].next_free = queue->free;
        queue->free = &queue->flights[i];
    }
    leaf->queues[index] = queue;
    return 0;
}

/* May be called again after a start that failed. */
static int queue_start(struct leaf_blk *leaf, struct block_queue *block)
{
    struct leaf_queue *queue = leaf->queues[block->index];
    int irq, status;

    irq = hal_blk_open(leaf->unit, block->index);
    if (irq < 0)
        return irq;
    if (queue == NULL) {
        status = queue_make(leaf, block->index);
        if (status != 0)
            return status;
        queue = leaf->queues[block->index];
    }
    assert(queue->cpu == cpu_self()->id); /* else it is not open here */
    if (!queue->is_attached) {
        status = hal_irq_attach(irq, queue->cpu, leaf_irq, queue);
        if (status != 0)
            return status;
        queue->is_attached = true;
    }
    queue->block = block;
    block->driver = queue;
    return 0;
}

static void queue_begin(struct block_queue *block)
{
    struct leaf_blk *leaf = leaf_of(block->disk);

    leaf->start_status[block->index] = queue_start(leaf, block);
}

/* The block layer's queue is freed. */
static void queue_forget(struct block_queue *block)
{
    struct leaf_queue *queue = block->driver;

    if (queue != NULL)
        queue->block = NULL;
}

static int leaf_start(struct block_device *disk)
{
    struct leaf_blk *leaf = leaf_of(disk);
    int status = 0;

    block_each_queue(disk, queue_begin);
    for (unsigned i = 0; status == 0 && i < disk->queue_count; i++)
        status = leaf->start_status[i];
    if (status != 0)
        block_each_queue(disk, queue_forget);
    return status;
}

/* ---- Recovery ------------------------------------------------------------ */

static void queue_cancel(struct block_queue *block)
{
    const struct leaf_queue *queue = block->driver;

    hal_blk_cancel(queue->unit, queue->index);
}

/*
 * What the host has not begun comes back at once. What it is in the middle of
 * cannot be taken from it: when that lasts, the disk is given up.
 */
static int leaf_recover(struct block_device *disk)
{
    const struct leaf_blk *leaf = leaf_of(disk);
    uint64_t end_ns = time_ns() + RECOVER_NS;
    unsigned left;

    block_each_queue(disk, queue_cancel);
    for (;;) {
        block_each_queue(disk, leaf_poll);
        left = 0;
        for (unsigned i = 0; i < disk->queue_count; i++)
            left += leaf->queues[i]->with_host;
        if (left == 0)
            return 0;
        if (time_ns() >= end_ns)
            return -ETIMEDOUT;
        thread_sleep(LOOK_NS);
    }
}

static const struct block_ops leaf_ops = {.start = leaf_start,
                                          .submit = leaf_submit,
                                          .commit = leaf_commit,
                                          .poll = leaf_poll,
                                          .recover = leaf_recover,
                                          .raw = &leaf_blk_raw};

/* ---- Finding ------------------------------------------------------------- */

static void describe_disk(struct block_device *disk,
                          const struct hal_blk_info *info)
{
    disk->ops = &leaf_ops;
    disk->sectors = info->sectors;
    disk->sector_size = info->sector_size;
    disk->read_only = info->read_only;
    disk->queue_max = info->queue_count;
    disk->features = BLOCK_HAS_CACHE | BLOCK_HAS_FUA;
    disk->limits.sectors = info->sectors_max;
    disk->limits.segments = min_u32(info->vec_max, VEC_MAX);
    disk->limits.align = info->memory_align;
    disk->limits.discard_sectors = UINT32_MAX;
    disk->limits.zeroes_sectors = UINT32_MAX;
}

static int leaf_probe(void)
{
    struct hal_blk_info info;

    for (unsigned unit = 0; hal_blk_info(unit, &info) == 0; unit++) {
        struct leaf_blk *leaf = mem_alloc_zeroed(sizeof(*leaf));

        if (leaf == NULL)
            return -ENOMEM;
        leaf->unit = unit;
        describe_disk(&leaf->block, &info);
        if (block_register(&leaf->block, "vd") != 0) {
            log_warn("disk %u has no sectors: left out", unit);
            mem_free(leaf);
            continue;
        }
        log_info("%s: %llu MiB%s, file", leaf->block.device.name,
                 (unsigned long long)(info.sectors / 2048),
                 info.read_only ? ", read-only" : "");
    }
    return 0;
}

const struct driver leaf_blk_driver = {.name = "leaf_blk", .probe = leaf_probe};
