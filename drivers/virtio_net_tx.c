/*
 * Frames that a virtio card sends: VIRTIO 1.2, section 5.1.6.2. The header is
 * written into the headroom of the packet. The device is notified once a
 * scheduler pass, not once a frame; it interrupts only while the ring is full:
 * packets that were sent are taken back by the next poll.
 */
#include "drivers/virtio_net_internal.h"
#include <torc/string.h>

int vnet_tx_reclaim(struct vnet_pair *pair)
{
    uint32_t written;
    void *cookie;
    int status;

    while ((status = vq_take(&pair->tx, &cookie, &written)) > 0) {
        packet_put(cookie);
        pair->sent++;
    }
    return status;
}

/* The ring is full: take back what was sent. If that is not enough, an
 * interrupt comes at the next frame that is sent: asked for after the last
 * look, because one interrupt answers (vq_want_interrupt()). */
static bool room_make(struct vnet_pair *pair, unsigned need)
{
    do {
        if (vnet_tx_reclaim(pair) < 0) {
            vnet_pair_ask_reset(pair, "breaks the rules of its queue");
            return false;
        }
        if (pair->tx.free_count >= need) {
            vq_want_interrupt(&pair->tx, false);
            if (pair->is_awaited)
                irq_work_raise(&pair->work); /* no interrupt tells who waits */
            return true;
        }
        vq_want_interrupt(&pair->tx, true);
    } while (vq_has_used(&pair->tx));
    pair->is_awaited = true;
    return false;
}

/* ---- What the card is asked to do ---------------------------------------- */

static const struct {
    uint8_t gso_type;
    uint8_t need; /* of the card */
} segments[] = {
    [PACKET_WHOLE] = {VNET_GSO_NONE, 0},
    [PACKET_TCP4] = {VNET_GSO_TCP4, NET_TX_TCP4},
    [PACKET_TCP6] = {VNET_GSO_TCP6, NET_TX_TCP6},
};

/* Whether the card can do what is asked of it; csum_partial is. */
static bool offload_fits(const struct vnet_pair *pair,
                         const struct packet *packet)
{
    const struct packet_offload *offload = &packet->offload;
    unsigned need = NET_TX_CSUM;
    size_t head = packet_headroom(packet);

    assert(offload->segments < COUNT_OF(segments));
    need |= segments[offload->segments].need;
    if ((pair->queue->device->offloads & need) != need)
        return false;
    if (offload->csum_start < head || offload->csum_at < offload->csum_start ||
        offload->csum_at + 2U > head + packet->len)
        return false;
    if (offload->segments == PACKET_WHOLE)
        return packet_len(packet) <= pair->frame_max;
    return offload->segment_len > 0 && offload->headers_len <= packet->len &&
           packet_len(packet) <= VNET_FRAME_LARGE;
}

/* Whether the card can send the frame at all. */
static bool fits(const struct vnet_pair *pair, const struct packet *packet)
{
    if (packet->slice_count + 2U > pair->tx.size ||
        packet_headroom(packet) < pair->header_size || packet->len == 0)
        return false;
    if (packet->offload.csum_partial)
        return offload_fits(pair, packet);
    return packet->offload.segments == PACKET_WHOLE &&
           packet_len(packet) <= pair->frame_max;
}

/* The header of a frame that begins at `head` of the packet's buffer. */
static noinline void header_fill(struct vnet_header *header,
                                 const struct packet_offload *offload,
                                 size_t head)
{
    header->flags = VNET_NEEDS_CSUM;
    header->csum_start = (uint16_t)(offload->csum_start - head);
    header->csum_offset = (uint16_t)(offload->csum_at - offload->csum_start);
    header->gso_type = segments[offload->segments].gso_type;
    header->gso_size = offload->segment_len;
    header->headers_len = offload->headers_len;
}

static inline void header_push(struct vnet_pair *pair, struct packet *packet)
{
    size_t head = packet_headroom(packet);
    void *header = packet_push(packet, pair->header_size);

    memset(header, 0, VNET_HEADER_SIZE_LEGACY);
    if (pair->header_size == VNET_HEADER_SIZE)
        memset((uint8_t *)header + VNET_HEADER_SIZE_LEGACY, 0, 2);
    if (packet->offload.csum_partial)
        header_fill(header, &packet->offload, head);
}

/* ---- Sending ------------------------------------------------------------- */

/* A frame of several pieces, header and all. */
static noinline int add_pieces(struct vnet_pair *pair, struct packet *packet)
{
    struct vq_piece pieces[VNET_PIECES_MAX];
    uint64_t bus = packet_bus(packet);
    uint32_t header = pair->has_header_apart ? pair->header_size : 0;
    unsigned count = 0;

    if (header != 0)
        pieces[count++] = (struct vq_piece){bus, header, false};
    pieces[count++] =
        (struct vq_piece){bus + header, packet->len - header, false};
    for (unsigned i = 0; i < packet->slice_count; i++) {
        const struct slice *slice = &packet->slices[i];

        pieces[count++] =
            (struct vq_piece){slice_bus(slice), slice->len, false};
    }
    return vq_add(&pair->tx, pieces, count, packet);
}

static inline void send_one(struct vnet_pair *pair, struct packet *packet)
{
    int status;

    net_count_sent(pair->queue, packet_len(packet));
    header_push(pair, packet);
    if (packet->slice_count == 0 && !pair->has_header_apart)
        status = vq_add_one(&pair->tx, packet_bus(packet), packet->len, false,
                            packet);
    else
        status = add_pieces(pair, packet);
    assert(status == 0); /* there is room */
}

/* While the card is being reset frames wait, as when the ring is full. */
unsigned vnet_send(struct net_queue *queue, struct packet *const packets[],
                   unsigned count)
{
    struct vnet_pair *pair = vnet_pair_of(queue);
    unsigned taken = 0;

    for (; taken < count; taken++) {
        struct packet *packet = packets[taken];

        if (pair->state == VNET_OFF)
            break;
        if (pair->state == VNET_DEAD || !fits(pair, packet)) {
            net_drop_sent(queue, packet);
            continue;
        }
        if (pair->tx.free_count < packet->slice_count + 2U &&
            !room_make(pair, packet->slice_count + 2U))
            break;
        send_one(pair, packet);
    }
    if (taken > 0 && !pair->kick.raised) /* no interrupt raises it */
        irq_work_raise(&pair->kick);
    return taken;
}
