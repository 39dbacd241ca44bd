/* The receive ring: SDM 3.2. */
#include "drivers/e1000_ring.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>

enum { FRAME_MIN = 14 };

/* Give a packet to the card, at `index`. The status is written first: what the
 * card reads is complete when the tail is written. */
static void give(struct e1000_rx_ring *ring, unsigned index,
                 struct packet *packet)
{
    struct e1000_desc *desc = &ring->desc[index];

    assert(ring->packet[index] == NULL);
    packet_expose(packet);
    ring->packet[index] = packet;
    desc->addr = packet->buf.bus;
    desc->command = 0;
    atomic_store_explicit(&desc->status, 0, memory_order_release);
}

static size_t desc_bytes(const struct e1000_rx_ring *ring)
{
    return ring->size * sizeof(*ring->desc);
}

int e1000_rx_init(struct e1000_rx_ring *ring, unsigned size)
{
    *ring = (struct e1000_rx_ring){.size = size};
    assert(size >= 8 && size <= 4096 && (size & (size - 1)) == 0);
    ring->desc = dma_alloc(desc_bytes(ring));
    ring->packet = mem_alloc_zeroed(size * sizeof(*ring->packet));
    if (ring->desc == NULL || ring->packet == NULL)
        goto fail;
    for (unsigned i = 0; i + 1 < size; i++) {
        struct packet *packet = packet_get();

        if (packet == NULL)
            goto fail;
        give(ring, i, packet);
    }
    return 0;

fail:
    e1000_rx_fini(ring);
    return -ENOMEM;
}

void e1000_rx_fini(struct e1000_rx_ring *ring)
{
    for (unsigned i = 0; ring->packet != NULL && i < ring->size; i++)
        packet_put(ring->packet[i]);
    mem_free(ring->packet);
    if (ring->desc != NULL)
        dma_free(ring->desc, desc_bytes(ring));
    ring->desc = NULL;
    ring->packet = NULL;
}

void e1000_rx_restart(struct e1000_rx_ring *ring)
{
    struct packet *last = ring->packet[ring->size - 1];

    /* One descriptor is nobody's: from now on the last one. */
    ring->packet[ring->size - 1] = NULL;
    for (unsigned i = 0; i + 1 < ring->size; i++) {
        struct packet *packet = ring->packet[i];

        if (packet == NULL) {
            packet = last;
            last = NULL;
        }
        ring->packet[i] = NULL;
        give(ring, i, packet);
    }
    assert(last == NULL);
    ring->next = 0;
    ring->skipping = false;
}

static uint32_t status_of(const struct e1000_rx_ring *ring)
{
    return atomic_load_explicit(&ring->desc[ring->next].status,
                                memory_order_acquire);
}

bool e1000_rx_ready(const struct e1000_rx_ring *ring)
{
    return (status_of(ring) & E1000_RXD_DD) != 0;
}

/*
 * Whether descriptor `status` is a whole frame of `len` bytes. Frames longer
 * than a buffer, which nobody has allowed, are dropped with all their pieces.
 */
static bool is_frame(struct e1000_rx_ring *ring, uint32_t status, uint32_t len)
{
    bool was_skipping = ring->skipping;

    ring->skipping = (status & E1000_RXD_EOP) == 0;
    return !was_skipping && !ring->skipping &&
           (status & E1000_RXD_FRAME_ERRORS) == 0 && len >= FRAME_MIN &&
           len <= PACKET_SIZE;
}

static bool sums_valid(uint32_t status)
{
    return (status & (E1000_RXD_TCPCS | E1000_RXD_IXSM)) == E1000_RXD_TCPCS &&
           (status & E1000_RXD_SUM_ERRORS) == 0;
}

/*
 * The descriptor at `next` is done. The card gets another buffer for it, or the
 * same one when there is none: then the frame is dropped. Returns the frame, or
 * NULL.
 */
static struct packet *take_one(struct e1000_rx_ring *ring,
                               struct net_queue *queue, uint32_t status)
{
    uint32_t len = ring->desc[ring->next].command & 0xffff;
    struct packet *packet = ring->packet[ring->next];
    struct packet *fresh = NULL;
    unsigned free = e1000_rx_tail(ring);

    assert(packet != NULL);
    if (is_frame(ring, status, len))
        fresh = packet_get();
    ring->packet[ring->next] = NULL;
    ring->next = (ring->next + 1) & (ring->size - 1);
    if (fresh == NULL) {
        queue->rx_dropped++;
        give(ring, free, packet);
        return NULL;
    }
    give(ring, free, fresh);
    packet_set_frame(packet, 0, len);
    packet->offload.csum_valid = sums_valid(status);
    net_count_received(queue, len);
    return packet;
}

unsigned e1000_rx_take(struct e1000_rx_ring *ring, struct net_queue *queue,
                       struct packet *packets[], unsigned max, bool *used)
{
    unsigned count = 0;

    for (unsigned i = 0; i < max; i++) {
        uint32_t status = status_of(ring);
        struct packet *packet;

        if ((status & E1000_RXD_DD) == 0)
            break;
        packet = take_one(ring, queue, status);
        if (packet != NULL)
            packets[count++] = packet;
        *used = true;
    }
    return count;
}

void e1000_rx_check(const struct e1000_rx_ring *ring)
{
    assert(ring->next < ring->size);
    for (unsigned i = 0; i < ring->size; i++)
        assert((ring->packet[i] == NULL) == (i == e1000_rx_tail(ring)));
}
