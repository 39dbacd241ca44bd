/*
 * Requests of the virtio block device: VIRTIO 1.2, section 5.2.6. Each is a
 * chain of a header, the data and a status byte. Header and status lie in slots
 * that are there from the start, one for each request that can be with the
 * device (a flight).
 */
#include "drivers/virtio_blk_internal.h"
#include <torc/memory.h>

enum {
    RANGE_SIZE = 16,
    RANGE_AT = 16,
    STATUS_AT = 32,
    STATUS_OK = 0,
    STATUS_UNSUPPORTED = 2,
};
static_assert(offsetof(struct blk_slot, range) == RANGE_AT, "5.2.6");
static_assert(offsetof(struct blk_slot, status) == STATUS_AT, "behind it");

static const uint32_t types[] = {
    [BLOCK_READ] = 0,     [BLOCK_WRITE] = 1,         [BLOCK_FLUSH] = 4,
    [BLOCK_DISCARD] = 11, [BLOCK_WRITE_ZEROES] = 13,
};

/* ---- To the device ------------------------------------------------------- */

/* The data of a read or a write: how many pieces. */
static unsigned data_pieces(struct blk_queue *queue,
                            const struct block_request *first)
{
    bool device_writes = first->priv.op == BLOCK_READ;
    struct block_cursor cursor;
    struct block_piece piece;
    unsigned count = 1;

    block_pieces_begin(first, &cursor);
    while (block_piece_next(&cursor, UINT32_MAX, &piece)) {
        assert(count <= BLK_SEGMENTS_MAX);
        queue->pieces[count++] =
            (struct vq_piece){piece.bus, piece.len, device_writes};
    }
    return count;
}

/* All pieces of a request: how many. */
static unsigned request_pieces(struct blk_queue *queue,
                               struct blk_flight *flight,
                               const struct block_request *first)
{
    struct blk_slot *slot = flight->slot;
    unsigned count = 1;

    slot->type = types[first->priv.op];
    slot->status = BLK_STATUS_NONE;
    queue->pieces[0] = (struct vq_piece){flight->bus, BLK_HEADER_SIZE, false};
    if (first->priv.segments > 0) {
        slot->sector = first->priv.sector;
        count = data_pieces(queue, first);
    } else {
        slot->sector = 0;
    }
    if (first->priv.op >= BLOCK_DISCARD) {
        slot->range.sector = first->priv.sector;
        slot->range.sectors = first->priv.sectors;
        queue->pieces[count++] =
            (struct vq_piece){flight->bus + RANGE_AT, RANGE_SIZE, false};
    }
    queue->pieces[count++] =
        (struct vq_piece){flight->bus + STATUS_AT, 1, true};
    return count;
}

int blk_submit(struct block_queue *block, struct block_request *first)
{
    struct blk_queue *queue = blk_queue_of(block);
    struct blk_flight *flight = queue->free;
    int status;

    assert(first->priv.op < sizeof(types) / sizeof(types[0]));
    assert(!queue->vq.broken); /* the recovery comes first */
    if (flight == NULL)
        return -EAGAIN;
    assert(flight->request == NULL);
    status = vq_add(&queue->vq, queue->pieces,
                    request_pieces(queue, flight, first), flight);
    if (status != 0)
        return status;
    queue->free = flight->next_free;
    flight->request = first;
    queue->in_flight++;
    return 0;
}

void blk_commit(struct block_queue *block)
{
    struct blk_queue *queue = blk_queue_of(block);

    virtio_kick(queue->virtio, block->index, &queue->vq);
}

/* ---- From the device ----------------------------------------------------- */

static void flight_end(struct blk_queue *queue, struct blk_flight *flight,
                       int status)
{
    struct block_request *request = flight->request;

    assert(request != NULL);
    assert(queue->in_flight > 0);
    flight->request = NULL;
    flight->next_free = queue->free;
    queue->free = flight;
    queue->in_flight--;
    block_done(queue->block, request, status);
}

/*
 * The result of a request of which the device wrote `written` bytes. What
 * legacy devices say of that is better ignored: 2.7.8.1.
 */
static int status_of(const struct blk_queue *queue,
                     const struct blk_flight *flight, uint32_t written)
{
    const struct block_private *priv = &flight->request->priv;
    uint8_t status = flight->slot->status;

    if (status != STATUS_OK)
        return status == STATUS_UNSUPPORTED ? -ENOTSUP : -EIO;
    if (priv->op != BLOCK_READ || queue->is_legacy)
        return 0;
    return written == 1 + priv->sectors * BLOCK_SECTOR_SIZE ? 0 : -EIO;
}

void blk_poll(struct block_queue *block)
{
    struct blk_queue *queue = blk_queue_of(block);
    uint32_t written;
    void *cookie;
    int status;

    if (queue == NULL) /* it interrupts before it works */
        return;
    do {
        while ((status = vq_take(&queue->vq, &cookie, &written)) > 0)
            flight_end(queue, cookie, status_of(queue, cookie, written));
        if (status < 0) {
            block_recover(block, "it breaks the rules of its queue");
            return;
        }
        vq_want_interrupt(&queue->vq, true);
    } while (vq_has_used(&queue->vq));
}

void blk_queue_recall(struct blk_queue *queue)
{
    struct blk_flight *flight;

    while ((flight = vq_recall(&queue->vq)) != NULL)
        flight_end(queue, flight, -ECANCELED);
    assert(queue->in_flight == 0);
}

/* ---- Making -------------------------------------------------------------- */

struct blk_queue *blk_queue_create(struct block_queue *block,
                                   struct virtio_device *virtio)
{
    struct blk_queue *queue = mem_alloc_zeroed(sizeof(*queue));

    if (queue == NULL)
        return NULL;
    queue->block = block;
    queue->virtio = virtio;
    queue->is_legacy = virtio->is_legacy;
    return queue;
}

int blk_flights_create(struct blk_queue *queue, unsigned count)
{
    uint64_t bus;

    assert(count > 0);
    queue->slots = dma_alloc(count * sizeof(*queue->slots));
    if (queue->slots == NULL)
        return -ENOMEM;
    queue->flight_count = count;
    queue->flights = mem_alloc_zeroed(count * sizeof(*queue->flights));
    if (queue->flights == NULL)
        return -ENOMEM;
    bus = hal_dma_addr(queue->slots);
    for (unsigned i = 0; i < count; i++) {
        queue->flights[i].slot = &queue->slots[i];
        queue->flights[i].bus = bus + i * sizeof(*queue->slots);
        queue->flights[i].next_free = queue->free;
        queue->free = &queue->flights[i];
    }
    return 0;
}

void blk_queue_destroy(struct blk_queue *queue, bool is_stopped)
{
    assert(queue->in_flight == 0);
    if (queue->slots != NULL && is_stopped)
        dma_free(queue->slots, queue->flight_count * sizeof(*queue->slots));
    mem_free(queue->flights);
    mem_free(queue);
}

void blk_queue_check(const struct blk_queue *queue)
{
    unsigned free = 0;

    for (const struct blk_flight *flight = queue->free; flight != NULL;
         flight = flight->next_free) {
        assert(flight->request == NULL);
        free++;
        assert(free <= queue->flight_count);
    }
    assert(free + queue->in_flight == queue->flight_count);
    if (queue->vq.memory != NULL)
        vq_check(&queue->vq);
}
