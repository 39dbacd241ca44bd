/*
 * Long requests: those with more sectors or pieces of memory than the device
 * takes at once. They go to the driver as several requests, their parts, which
 * are the block layer's own. WRITE_ZEROES for a device that has no such
 * operation goes in parts, too, which write zeros.
 */
#include "kernel/device/block_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum { ZEROES_SIZE = 4096, ZEROES_SLICES = 64 };

struct block_part {
    struct block_request request; /* priv.node: in queue->parts while free */
};

struct block_zeroes {
    struct buf *buf;
    struct slice vec[ZEROES_SLICES]; /* each is all of buf */
};

static struct block_device *disk_of(const struct block_request *request)
{
    return request->priv.open->queue->disk;
}

/* Whether the parts write zeros that the submitter has not given. */
static bool is_zeroing(const struct block_request *whole)
{
    return whole->op == BLOCK_WRITE_ZEROES &&
           disk_of(whole)->limits.zeroes_sectors == 0;
}

const struct slice *block_zeroes(struct block_queue *queue)
{
    struct block_zeroes *zeroes = queue->zeroes;

    if (zeroes != NULL)
        return zeroes->vec;
    zeroes = mem_alloc(sizeof(*zeroes));
    if (zeroes == NULL)
        return NULL;
    zeroes->buf = buf_alloc(ZEROES_SIZE);
    if (zeroes->buf == NULL) {
        mem_free(zeroes);
        return NULL;
    }
    for (unsigned i = 0; i < ZEROES_SLICES; i++)
        zeroes->vec[i] = slice_whole(zeroes->buf);
    queue->zeroes = zeroes;
    return zeroes->vec;
}

int block_parts_create(struct block_queue *queue)
{
    queue_init(&queue->parts);
    for (unsigned i = 0; i < BLOCK_PARTS_MAX; i++) {
        struct block_part *part = mem_alloc_zeroed(sizeof(*part));

        if (part == NULL) {
            block_parts_destroy(queue);
            return -ENOMEM;
        }
        queue_push(&queue->parts, &part->request.priv.node);
    }
    return 0;
}

void block_parts_destroy(struct block_queue *queue)
{
    struct queue_node *node;

    assert(queue->parts_taken == 0);
    while ((node = queue_pop(&queue->parts)) != NULL)
        mem_free(container_of(node, struct block_part, request.priv.node));
    if (queue->zeroes != NULL) {
        buf_put(queue->zeroes->buf);
        mem_free(queue->zeroes);
        queue->zeroes = NULL;
    }
}

/* ---- Cutting ------------------------------------------------------------- */

/*
 * How many of `sectors` fit the pieces of memory that one request may have,
 * whose first is `vec` from byte `skip` on: whole sectors of the device.
 */
static uint32_t memory_fits(const struct block_device *disk,
                            const struct slice *vec, uint32_t skip,
                            uint32_t sectors)
{
    uint64_t wanted = (uint64_t)sectors * BLOCK_SECTOR_SIZE;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < disk->limits.segments && bytes < wanted; i++) {
        uint32_t left = (uint32_t)min_u64(vec->len - skip, wanted - bytes);
        uint32_t len =
            block_piece_len(&disk->limits, slice_bus(vec) + skip, left);

        bytes += len;
        skip += len;
        if (skip == vec->len) {
            vec++;
            skip = 0;
        }
    }
    bytes -= bytes % disk->sector_size;
    return (uint32_t)(bytes / BLOCK_SECTOR_SIZE);
}

/* Begin the rest of a long request behind its next `sectors`. */
static void rest_advance(struct block_private *priv, uint32_t sectors)
{
    uint64_t bytes = (uint64_t)sectors * BLOCK_SECTOR_SIZE + priv->rest_skip;

    priv->rest_sectors -= sectors;
    if (priv->rest_vec == NULL)
        return;
    while (priv->rest_sectors > 0 && bytes >= priv->rest_vec->len) {
        bytes -= priv->rest_vec->len;
        priv->rest_vec++;
    }
    priv->rest_skip = (uint32_t)bytes;
}

bool block_parts_possible(const struct block_request *request)
{
    struct block_private rest = request->priv;

    if (request->count == 0)
        return true;
    while (rest.rest_sectors > 0) {
        uint32_t sectors = memory_fits(
            disk_of(request), rest.rest_vec, rest.rest_skip,
            min_u32(rest.rest_sectors, disk_of(request)->limits.sectors));

        if (sectors == 0)
            return false;
        rest_advance(&rest, sectors);
    }
    return true;
}

/* The slices, the length and the operation of the next part. */
static void part_fill(struct block_queue *queue, struct block_request *part,
                      const struct block_request *whole)
{
    struct block_device *disk = disk_of(whole);
    uint32_t sectors;

    part->op = is_zeroing(whole) ? BLOCK_WRITE : whole->op;
    part->vec = whole->priv.rest_vec;
    part->priv.skip = whole->priv.rest_skip;
    if (is_zeroing(whole))
        part->vec = block_zeroes(queue);
    sectors = min_u32(whole->priv.rest_sectors,
                      block_sectors_max(&disk->limits, part->op));
    if (is_zeroing(whole))
        sectors =
            min_u32(sectors, ZEROES_SLICES * ZEROES_SIZE / BLOCK_SECTOR_SIZE);
    part->priv.segments = 0;
    if (part->op == BLOCK_READ || part->op == BLOCK_WRITE) {
        sectors = memory_fits(disk, part->vec, part->priv.skip, sectors);
        part->priv.segments =
            block_segments(&disk->limits, part->vec, part->priv.skip,
                           (uint64_t)sectors * BLOCK_SECTOR_SIZE);
    }
    assert(sectors > 0);
    part->sectors = sectors;
}

struct block_request *block_part_next(struct block_queue *queue,
                                      struct block_request *whole)
{
    struct queue_node *node = queue_pop(&queue->parts);
    struct block_private *priv = &whole->priv;
    struct block_request *part;

    assert(priv->rest_sectors > 0);
    if (node == NULL)
        return NULL;
    part = container_of(node, struct block_request, priv.node);
    part_fill(queue, part, whole);
    part->flags = whole->flags;
    part->priv.op = (uint8_t)part->op;
    part->priv.flags = priv->flags;
    part->priv.sector = priv->sector + priv->sectors - priv->rest_sectors;
    part->priv.sectors = part->sectors;
    part->priv.steps = BLOCK_STEP_MAIN;
    part->priv.is_alone = true;
    part->priv.is_long = false;
    part->priv.tries = 0;
    part->priv.joined = NULL;
    part->priv.deadline_ns = part->priv.earliest_ns = priv->deadline_ns;
    part->priv.open = priv->open;
    part->priv.whole = whole;
    queue->parts_taken++;
    priv->parts++;
    rest_advance(priv, part->sectors);
    if (priv->rest_sectors == 0) {
        list_remove(&priv->link);
        priv->state = BLOCK_CUT;
    }
    return part;
}

void block_long_stop(struct block_queue *queue, struct block_request *whole,
                     int status)
{
    struct block_private *priv = &whole->priv;

    assert(priv->state == BLOCK_WAITING);
    assert(priv->rest_sectors > 0);
    if (priv->status == 0)
        priv->status = status;
    priv->rest_sectors = 0;
    list_remove(&priv->link);
    priv->state = BLOCK_CUT;
    if (priv->parts == 0)
        block_step_end(queue, whole, priv->status);
}

void block_part_end(struct block_queue *queue, struct block_request *part,
                    int status)
{
    struct block_request *whole = part->priv.whole;
    struct block_private *priv = &whole->priv;

    assert(priv->parts > 0);
    assert(queue->parts_taken > 0);
    assert(priv->state == (priv->rest_sectors > 0 ? BLOCK_WAITING : BLOCK_CUT));
    part->priv.state = BLOCK_IDLE;
    part->priv.whole = NULL;
    queue_push(&queue->parts, &part->priv.node);
    queue->parts_taken--;
    priv->parts--;
    if (status != 0 && priv->status == 0) {
        priv->status = status;
        priv->sector = part->priv.sector; /* for the log */
        priv->sectors = part->priv.sectors;
    }
    if (priv->status != 0 && priv->rest_sectors > 0)
        block_long_stop(queue, whole, status);
    else if (priv->parts == 0 && priv->rest_sectors == 0)
        block_step_end(queue, whole, priv->status);
}
