/*
 * The transmit ring: SDM 3.3 to 3.5. A frame takes a data descriptor for each
 * piece of memory; what the card is to do with it, checksum and segments, is in
 * a context descriptor before it, unless the card has the same one already.
 */
#include "drivers/e1000_ring.h"
#include "kernel/lib/bytes.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>

enum {
    FRAME_MIN = 17,    /* shorter ones are not padded */
    HEADERS_MAX = 240, /* of segments: SDM 3.3.6 */
    SEGMENTED_MAX = 64 * 1024,
    ETHER_HEADER = 14,
    ETHER_TYPE = 12,
    TYPE_IP4 = 0x0800,
    TYPE_IP6 = 0x86dd,
    IP4_HEADER = 20,
    IP4_LENGTH = 2,
    IP4_CHECKSUM = 10,
    IP6_HEADER = 40,
    IP6_LENGTH = 4,
    TCP_HEADER = 20,
    TCP_CHECKSUM = 16,
    LAST_PIECE = 4,
};

/* ---- The ring ------------------------------------------------------------ */

static size_t desc_bytes(const struct e1000_tx_ring *ring)
{
    return ring->size * sizeof(*ring->desc);
}

int e1000_tx_init(struct e1000_tx_ring *ring, unsigned size, bool ends_short)
{
    *ring = (struct e1000_tx_ring){.size = size, .ends_short = ends_short};
    assert(size > E1000_PIECES_MAX && (size & (size - 1)) == 0);
    ring->desc = dma_alloc(desc_bytes(ring));
    ring->slot = mem_alloc_zeroed(size * sizeof(*ring->slot));
    if (ring->desc != NULL && ring->slot != NULL)
        return 0;
    e1000_tx_fini(ring);
    return -ENOMEM;
}

void e1000_tx_fini(struct e1000_tx_ring *ring)
{
    mem_free(ring->slot);
    if (ring->desc != NULL)
        dma_free(ring->desc, desc_bytes(ring));
    ring->desc = NULL;
    ring->slot = NULL;
}

static unsigned next(const struct e1000_tx_ring *ring, unsigned index)
{
    return (index + 1) & (ring->size - 1);
}

static unsigned room(const struct e1000_tx_ring *ring)
{
    return (ring->head - ring->tail - 1) & (ring->size - 1);
}

/* ---- What a card can send ------------------------------------------------ */

/* Where a checksum begins and goes, counted from the frame's first byte. */
struct sums {
    size_t start, at;
};

static struct sums sums_of(const struct packet *packet)
{
    size_t headroom = packet_headroom(packet);

    return (struct sums){packet->offload.csum_start - headroom,
                         packet->offload.csum_at - headroom};
}

/* Both lie in the first part, and where 8 bits of a context reach. */
static bool sums_fit(const struct packet *packet)
{
    struct sums sums = sums_of(packet);

    return packet->offload.csum_start >= packet_headroom(packet) &&
           sums.start >= ETHER_HEADER && sums.start <= UINT8_MAX &&
           sums.at > sums.start && sums.at <= UINT8_MAX &&
           sums.at + 2 <= packet->len;
}

static bool segments_fit(const struct packet *packet)
{
    const struct packet_offload *offload = &packet->offload;
    bool is_ip4 = offload->segments == PACKET_TCP4;
    struct sums sums = sums_of(packet);
    size_t ip_header = is_ip4 ? IP4_HEADER : IP6_HEADER;

    if (!offload->csum_partial || !sums_fit(packet))
        return false;
    return sums.start >= ETHER_HEADER + ip_header &&
           sums.at == sums.start + TCP_CHECKSUM &&
           offload->headers_len >= sums.start + TCP_HEADER &&
           offload->headers_len <= HEADERS_MAX &&
           offload->headers_len <= packet->len &&
           offload->headers_len < packet_len(packet) &&
           packet_len(packet) <= SEGMENTED_MAX && offload->segment_len > 0 &&
           offload->headers_len + offload->segment_len <= E1000_FRAME_MAX &&
           be16_get(packet->data + ETHER_TYPE) ==
               (is_ip4 ? TYPE_IP4 : TYPE_IP6);
}

bool e1000_tx_valid(const struct packet *packet)
{
    if (packet->offload.segments != PACKET_WHOLE)
        return segments_fit(packet);
    return packet->len > 0 && packet_len(packet) >= FRAME_MIN &&
           packet_len(packet) <= E1000_FRAME_MAX &&
           (!packet->offload.csum_partial || sums_fit(packet));
}

/* ---- Contexts ------------------------------------------------------------ */

/* The checksum of TCP or UDP, from where it begins up to the end. */
static struct e1000_context context_sum(const struct packet *packet)
{
    struct sums sums = sums_of(packet);
    bool is_tcp = sums.at - sums.start == TCP_CHECKSUM;

    return (struct e1000_context){
        .sums = (uint64_t)sums.start << 32 | (uint64_t)sums.at << 40,
        .command = E1000_TXD_DEXT | (is_tcp ? E1000_TXD_TCP : 0),
    };
}

/* The same for each segment, and for IPv4 its header's. */
static struct e1000_context context_segments(const struct packet *packet)
{
    const struct packet_offload *offload = &packet->offload;
    bool is_ip4 = offload->segments == PACKET_TCP4;
    struct e1000_context context = context_sum(packet);
    uint64_t ip_last = sums_of(packet).start - 1;

    if (is_ip4)
        context.sums |=
            ETHER_HEADER | (ETHER_HEADER + IP4_CHECKSUM) << 8 | ip_last << 16;
    else
        context.sums |= ETHER_HEADER;
    context.command |= E1000_TXD_TSE | (is_ip4 ? E1000_TXD_IP4 : 0) |
                       (packet_len(packet) - offload->headers_len);
    context.status = (uint32_t)offload->headers_len << E1000_TXD_HEADER_SHIFT |
                     (uint32_t)offload->segment_len << E1000_TXD_MSS_SHIFT;
    return context;
}

/*
 * The card counts each segment's length into its checksum, and fills in the
 * lengths of IP (SDM 3.5.8): take both out of the headers.
 */
static void headers_prepare(struct packet *packet)
{
    struct sums sums = sums_of(packet);
    uint8_t *ip = packet->data + ETHER_HEADER;
    uint8_t *sum = packet->data + sums.at;
    uint32_t len = packet_len(packet) - (uint32_t)sums.start;
    uint32_t value = be16_get(sum) + (~len & 0xffff);

    value = (value & 0xffff) + (value >> 16);
    be16_put(sum, (uint16_t)((value & 0xffff) + (value >> 16)));
    if (packet->offload.segments == PACKET_TCP4) {
        be16_put(ip + IP4_LENGTH, 0);
        be16_put(ip + IP4_CHECKSUM, 0);
    } else {
        be16_put(ip + IP6_LENGTH, 0);
    }
}

/* ---- Frames -------------------------------------------------------------- */

/* Packed: all of a frame fit on the stack. */
struct piece {
    uint64_t bus;
    uint32_t len;
} __attribute__((packed, aligned(4)));

static unsigned piece_add(struct piece *pieces, unsigned count, uint64_t bus,
                          uint32_t len)
{
    while (len > 0) {
        uint32_t now = len < E1000_PIECE_MAX ? len : E1000_PIECE_MAX;

        assert(count < E1000_PIECES_MAX);
        pieces[count++] = (struct piece){bus, now};
        bus += now;
        len -= now;
    }
    return count;
}

static unsigned pieces_of(const struct packet *packet,
                          struct piece pieces[E1000_PIECES_MAX])
{
    unsigned count = piece_add(pieces, 0, packet_bus(packet), packet->len);

    for (unsigned i = 0; i < packet->slice_count; i++)
        count = piece_add(pieces, count, slice_bus(&packet->slices[i]),
                          packet->slices[i].len);
    return count;
}

/*
 * The 8254x has an erratum: a descriptor that is all of a packet to be
 * segmented, or of the packet after such a one, may be said to be done before
 * the card has read the data. Linux's driver for it tells (e1000_tx_map()): it
 * helps to put the last four bytes into a descriptor of their own.
 */
static unsigned pieces_end_short(struct piece *pieces, unsigned count)
{
    if (count != 1)
        return count;
    pieces[1] =
        (struct piece){pieces[0].bus + pieces[0].len - LAST_PIECE, LAST_PIECE};
    pieces[0].len -= LAST_PIECE;
    return 2;
}

static void put(struct e1000_tx_ring *ring, uint64_t addr, uint32_t command,
                uint32_t status)
{
    struct e1000_desc *desc = &ring->desc[ring->tail];

    desc->addr = addr;
    desc->command = command;
    atomic_store_explicit(&desc->status, status, memory_order_release);
    ring->tail = next(ring, ring->tail);
}

static bool context_is(const struct e1000_tx_ring *ring,
                       const struct e1000_context *context)
{
    return ring->has_context && ring->context.sums == context->sums &&
           ring->context.command == context->command &&
           ring->context.status == context->status;
}

static void put_pieces(struct e1000_tx_ring *ring, const struct packet *packet,
                       const struct piece *pieces, unsigned count)
{
    const struct packet_offload *offload = &packet->offload;
    uint32_t command = E1000_TXD_DATA | E1000_TXD_DEXT | E1000_TXD_IFCS;
    uint32_t options = offload->csum_partial ? E1000_TXD_TXSM : 0;

    if (offload->segments != PACKET_WHOLE)
        command |= E1000_TXD_TSE;
    if (offload->segments == PACKET_TCP4)
        options |= E1000_TXD_IXSM;
    for (unsigned i = 0; i < count; i++) {
        bool is_last = i + 1 == count;

        put(ring, pieces[i].bus,
            command | pieces[i].len |
                (is_last ? E1000_TXD_EOP | E1000_TXD_RS : 0),
            options);
    }
}

bool e1000_tx_add(struct e1000_tx_ring *ring, struct packet *packet)
{
    const struct packet_offload *offload = &packet->offload;
    bool segmented = offload->segments != PACKET_WHOLE;
    unsigned first = ring->tail;
    struct e1000_context context = {0};
    struct piece pieces[E1000_PIECES_MAX];
    unsigned count = pieces_of(packet, pieces);

    if (ring->ends_short && (segmented || ring->was_segmented))
        count = pieces_end_short(pieces, count);
    if (count + 1 > room(ring))
        return false;
    assert(ring->slot[first].packet == NULL);
    if (segmented) {
        context = context_segments(packet);
        headers_prepare(packet);
    } else if (offload->csum_partial) {
        context = context_sum(packet);
    }
    if (offload->csum_partial && !context_is(ring, &context)) {
        put(ring, context.sums, context.command, context.status);
        ring->context = context;
        ring->has_context = true;
    }
    put_pieces(ring, packet, pieces, count);
    ring->was_segmented = segmented;
    ring->slot[first].packet = packet;
    ring->slot[first].last = (ring->tail - 1) & (ring->size - 1);
    return true;
}

/* The packet at `head` leaves the ring. */
static void remove(struct e1000_tx_ring *ring)
{
    struct packet *packet = ring->slot[ring->head].packet;

    ring->slot[ring->head].packet = NULL;
    ring->head = next(ring, ring->slot[ring->head].last);
    packet_put(packet);
}

unsigned e1000_tx_reclaim(struct e1000_tx_ring *ring, struct net_queue *queue)
{
    unsigned count = 0;

    while (ring->head != ring->tail) {
        unsigned last = ring->slot[ring->head].last;
        uint32_t status = atomic_load_explicit(&ring->desc[last].status,
                                               memory_order_acquire);

        if ((status & E1000_TXD_DD) == 0)
            break;
        if ((status & E1000_TXD_FAILED) != 0)
            queue->tx_dropped++;
        remove(ring);
        count++;
    }
    return count;
}

void e1000_tx_restart(struct e1000_tx_ring *ring, struct net_queue *queue)
{
    (void)e1000_tx_reclaim(ring, queue);
    while (ring->head != ring->tail) {
        queue->tx_dropped++;
        remove(ring);
    }
    ring->head = ring->tail = 0;
    ring->has_context = false;
    ring->was_segmented = false;
}

void e1000_tx_check(const struct e1000_tx_ring *ring)
{
    unsigned at = ring->head;

    assert(ring->head < ring->size);
    assert(ring->tail < ring->size);
    for (unsigned i = 0; at != ring->tail && i < ring->size; i++) {
        assert(ring->slot[at].packet != NULL);
        packet_check(ring->slot[at].packet);
        at = next(ring, ring->slot[at].last);
    }
    assert(at == ring->tail);
}
