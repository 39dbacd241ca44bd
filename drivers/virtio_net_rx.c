/*
 * Frames that a virtio card receives: VIRTIO 1.2, sections 5.1.6.3 and 5.1.6.4.
 * Each buffer that the device gets is that of a packet, from its beginning: the
 * header, then the frame. A frame in several buffers becomes one packet with
 * the others as slices.
 */
#include "drivers/virtio_net_internal.h"
#include <torc/string.h>

enum {
    FRAME_MIN = 14,
    TCP_DATA_OFFSET = 12, /* in the TCP header: its length */
    TCP_HEADER_MIN = 20,
};

/* ---- Buffers for the device ---------------------------------------------- */

/* The header has a descriptor of its own. */
static noinline void give_apart(struct vnet_pair *pair, struct packet *packet)
{
    uint32_t header = pair->header_size;
    const struct vq_piece pieces[] = {
        {packet->buf.bus, header, true},
        {packet->buf.bus + header, PACKET_SIZE - header, true},
    };
    int status = vq_add(&pair->rx, pieces, 2, packet);

    assert(status == 0);
}

/* Hand a packet's whole buffer to the device, whose ring has room. */
static inline void give(struct vnet_pair *pair, struct packet *packet)
{
    int status;

    packet_expose(packet);
    if (pair->has_header_apart) {
        give_apart(pair, packet);
        return;
    }
    status = vq_add_one(&pair->rx, packet->buf.bus, PACKET_SIZE, true, packet);
    assert(status == 0);
}

void vnet_rx_fill(struct vnet_pair *pair)
{
    unsigned need = pair->has_header_apart ? 2 : 1;
    struct packet *packet;

    while (pair->rx.free_count >= need && (packet = packet_get()) != NULL)
        give(pair, packet);
}

/* The device gets a fresh packet in exchange; when there is none, the same
 * again: what it has received is lost. Returns whether it is not. */
static inline bool exchange(struct vnet_pair *pair, struct packet *packet)
{
    struct packet *fresh = packet_get();

    give(pair, fresh != NULL ? fresh : packet);
    return fresh != NULL;
}

/* ---- What the device says of a frame ------------------------------------- */

/*
 * Segments that the device has joined. How long the headers are is read from
 * the frame: the device's word is a hint only (5.1.6.4.2). All of them lie in
 * the first buffer, or the frame makes no sense.
 */
static bool segments_take(const struct vnet_header *header,
                          struct packet *packet)
{
    struct packet_offload *offload = &packet->offload;
    size_t tcp = header->csum_start;
    size_t tcp_len;

    switch (header->gso_type & ~VNET_GSO_ECN) {
    case VNET_GSO_TCP4:
        offload->segments = PACKET_TCP4;
        break;
    case VNET_GSO_TCP6:
        offload->segments = PACKET_TCP6;
        break;
    default:
        return false;
    }
    if (tcp + TCP_HEADER_MIN > packet->len || header->gso_size == 0 ||
        (header->flags & VNET_NEEDS_CSUM) == 0)
        return false;
    tcp_len = (packet->data[tcp + TCP_DATA_OFFSET] >> 4) * 4U;
    if (tcp_len < TCP_HEADER_MIN || tcp + tcp_len > packet->len)
        return false;
    offload->headers_len = (uint16_t)(tcp + tcp_len);
    offload->segment_len = header->gso_size;
    return true;
}

/* Returns whether it makes sense. */
static bool offload_take(const struct vnet_header *header,
                         struct packet *packet)
{
    struct packet_offload *offload = &packet->offload;
    size_t head = packet_headroom(packet);

    offload->csum_valid = (header->flags & VNET_DATA_VALID) != 0;
    if ((header->flags & VNET_NEEDS_CSUM) != 0) {
        if ((size_t)header->csum_start + header->csum_offset + 2 > packet->len)
            return false;
        offload->csum_partial = true;
        offload->csum_start = (uint16_t)(head + header->csum_start);
        offload->csum_at =
            (uint16_t)(offload->csum_start + header->csum_offset);
    }
    if (header->gso_type == VNET_GSO_NONE)
        return true;
    return segments_take(header, packet);
}

/* ---- Frames -------------------------------------------------------------- */

static void drop(struct vnet_pair *pair, struct packet *packet)
{
    pair->queue->rx_dropped++;
    packet_put(packet);
}

/* The buffer of a frame that makes no sense, and was not exchanged. */
static noinline __attribute__((cold)) void refuse(struct vnet_pair *pair,
                                                  struct packet *packet)
{
    pair->queue->rx_dropped++;
    give(pair, packet);
}

/*
 * A buffer has come, with a header and the frame, or its beginning: `written`
 * bytes. Returns whether it is the packet's now; else it is dropped, and the
 * device has it again.
 */
static inline bool first_take(struct vnet_pair *pair, struct packet *packet,
                              uint32_t written)
{
    uint32_t size = pair->header_size;

    if (unlikely(written < size + FRAME_MIN)) {
        refuse(pair, packet);
        return false;
    }
    if (unlikely(!exchange(pair, packet))) {
        pair->queue->rx_dropped++;
        return false;
    }
    packet_set_frame(packet, size, written - size);
    return true;
}

/* What the header says besides that there is a frame: a copy, which the device
 * cannot change any more. Returns whether it makes sense. */
static noinline bool header_take(struct packet *packet,
                                 const struct vnet_header *header)
{
    return (header->flags | header->gso_type) == 0 ||
           offload_take(header, packet);
}

/* The header of a buffer that the device has used. */
static inline struct vnet_header header_of(const struct vnet_pair *pair,
                                           const struct packet *packet)
{
    struct vnet_header header = {.num_buffers = 1};

    memcpy(&header, packet->buf.base, VNET_HEADER_SIZE_LEGACY);
    if (pair->is_merging)
        memcpy(&header.num_buffers, packet->buf.base + VNET_HEADER_SIZE_LEGACY,
               sizeof(header.num_buffers));
    if (!pair->has_rx_sums)
        header.flags = header.gso_type = 0; /* they mean nothing */
    return header;
}

/* One more buffer of a frame, of which `frame` is there, unless it is dropped
 * (NULL). Returns it, or NULL: now it is dropped. */
static __attribute__((cold)) struct packet *next_take(struct vnet_pair *pair,
                                                      struct packet *frame,
                                                      struct packet *next,
                                                      uint32_t written)
{
    int status;

    if (frame == NULL) {
        give(pair, next);
        return NULL;
    }
    if (!exchange(pair, next)) {
        drop(pair, frame);
        return NULL;
    }
    packet_set_frame(next, 0, written);
    status = written == 0 ? -EIO : packet_join(frame, next);
    if (status == 0)
        return frame;
    packet_put(next);
    drop(pair, frame);
    return NULL;
}

/*
 * The rest of a frame of several buffers. The device has used them all when the
 * first one is seen (5.1.6.4.1), and all but the last are full. Returns the
 * frame, or NULL: it is dropped; sets *status to -EIO when buffers are missing.
 */
static __attribute__((cold)) struct packet *
rest_take(struct vnet_pair *pair, struct packet *frame, uint32_t written,
          unsigned num_buffers, int *status)
{
    bool is_full = written == PACKET_SIZE;

    if (num_buffers == 0 || num_buffers > VNET_PARTS_MAX) {
        *status = -EIO;
        num_buffers = 1;
    }
    for (unsigned i = 1; i < num_buffers; i++) {
        void *cookie;

        *status = vq_take(&pair->rx, &cookie, &written);
        if (*status <= 0) {
            *status = -EIO;
            break;
        }
        if (!is_full && frame != NULL) {
            drop(pair, frame);
            frame = NULL;
        }
        frame = next_take(pair, frame, cookie, written);
        is_full = written == PACKET_SIZE;
    }
    if (*status >= 0 || frame == NULL)
        return frame;
    drop(pair, frame);
    return NULL;
}

/* A frame of one buffer or several, which our stack does not ask for. Returns
 * it, or NULL: it is dropped; sets *status as rest_take(). */
static noinline __attribute__((cold)) struct packet *
merged_take(struct vnet_pair *pair, struct packet *packet, uint32_t written,
            int *status)
{
    const struct vnet_header header = header_of(pair, packet);
    bool is_short = written < VNET_HEADER_SIZE; /* and so is what it says */

    if (!first_take(pair, packet, written))
        packet = NULL;
    if (header.num_buffers != 1 && !is_short)
        packet = rest_take(pair, packet, written, header.num_buffers, status);
    if (packet == NULL || header_take(packet, &header))
        return packet;
    drop(pair, packet);
    return NULL;
}

/* A frame in a buffer, of which more is to be known than that it is there. */
static noinline struct packet *
described_take(struct vnet_pair *pair, struct packet *packet, uint32_t written)
{
    const struct vnet_header header = header_of(pair, packet);

    if (!first_take(pair, packet, written))
        return NULL;
    if (header_take(packet, &header))
        return packet;
    drop(pair, packet);
    return NULL;
}

/* The same of any frame: most headers say nothing. */
static inline struct packet *
single_take(struct vnet_pair *pair, struct packet *packet, uint32_t written)
{
    uint16_t said; /* flags and gso_type */

    memcpy(&said, packet->buf.base, sizeof(said));
    if (unlikely(said != 0))
        return described_take(pair, packet, written);
    return first_take(pair, packet, written) ? packet : NULL;
}

/* Take at most `max` frames. Returns how many; sets *status to -EIO when the
 * device has broken the rules. */
static inline unsigned take(struct vnet_pair *pair, struct packet *packets[],
                            unsigned max, int *status)
{
    unsigned count = 0;
    uint64_t bytes = 0;

    while (max-- > 0) {
        struct packet *packet;
        uint32_t written;
        void *cookie;

        *status = vq_take(&pair->rx, &cookie, &written);
        if (*status <= 0)
            break;
        if (unlikely(pair->is_merging)) {
            packet = merged_take(pair, cookie, written, status);
            if (*status < 0)
                max = 0;
        } else {
            packet = single_take(pair, cookie, written);
        }
        if (packet != NULL) {
            bytes += packet_len(packet);
            packets[count++] = packet;
        }
    }
    pair->queue->rx_bytes += bytes;
    trace_site_add(&pair->queue->rx_frames, count, net_trace_received,
                   (uintptr_t)pair->queue, bytes);
    return count;
}

unsigned vnet_poll(struct net_queue *queue, struct packet *packets[],
                   unsigned max)
{
    struct vnet_pair *pair = vnet_pair_of(queue);
    unsigned count;
    int status = 0;

    if (pair->state != VNET_LIVE)
        return 0;
    count = take(pair, packets, max, &status);
    assert(count <= max);
    if (status < 0 || vnet_tx_reclaim(pair) < 0)
        vnet_pair_ask_reset(pair, "breaks the rules of its queue");
    else
        virtio_kick(pair->net->virtio, vnet_rx_index(pair), &pair->rx);
    return count;
}

bool vnet_arm(struct net_queue *queue, bool on)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    if (pair->state != VNET_LIVE)
        return true; /* when the reset is done, it wakes */
    vq_want_interrupt(&pair->rx, on);
    return !on || !vq_has_used(&pair->rx);
}
