/*
 * Transmitting: legacy, context and data descriptors, checksums, TCP
 * segmentation. SDM 3.3 to 3.5 and 13.4.33; 82574 datasheet, 7.2.
 */
#include "kernel/lib/bytes.h"
#include "tests/models/e1000_parts.h"
#include <string.h>

enum {
    DD = 1,
    EC = 1 << 1,
    /* Byte 11 of every kind: */
    CMD_EOP = 1,
    CMD_IFCS = 1 << 1,
    CMD_IC = 1 << 2,  /* legacy, */
    CMD_TSE = 1 << 2, /* context and data */
    CMD_RS = 1 << 3,
    CMD_RESERVED = 1 << 4,
    CMD_DEXT = 1 << 5,
    CMD_VLE = 1 << 6,
    CMD_IDE = 1 << 7,
    TUCMD_TCP = 1,
    TUCMD_IP4 = 1 << 1,
    TYPE_CONTEXT = 0,
    TYPE_DATA = 1,
    POPTS_IXSM = 1,
    POPTS_TXSM = 1 << 1,
    DATA_MAX = 16288, /* bytes of a descriptor: 3.3.3.1 */
    SEND_MIN = 17,    /* shorter is not padded to 60 */
    ETHER_HEADER = 14,
    TCP_SEQ = 4,
    TCP_FLAGS = 13,
    TCP_FIN_PSH = 9,
    UDP_LENGTH = 4,
    VLAN_TAG = 4,
};

static bool is_legacy(const uint8_t *raw)
{
    return (raw[11] & CMD_DEXT) == 0;
}

static bool is_context(const uint8_t *raw)
{
    return !is_legacy(raw) && raw[10] >> 4 == TYPE_CONTEXT;
}

static uint32_t length_of(const uint8_t *raw)
{
    if (is_legacy(raw))
        return le16_get(raw + 8);
    return is_context(raw) ? 0 : le32_get(raw + 8) & 0xfffff;
}

/* ---- Control ------------------------------------------------------------- */

void e1k_tctl_write(struct e1000_model *model, uint32_t value)
{
    uint32_t before = e1k_reg(model, TCTL);

    model->reg[TCTL / 4] = value;
    if ((value & ~before & TCTL_EN) == 0)
        return;
    e1k_ring_ready(model, &model->tx[0], "the transmitter is enabled");
    if (e1k_reg(model, TIPG) == 0)
        model_breach("the transmitter is enabled before TIPG is set");
}

/* ---- Descriptors --------------------------------------------------------- */

/* 3.3.6: what a context may say. */
static void context_check(const uint8_t *raw)
{
    uint32_t payload = le32_get(raw + 8) & 0xfffff;

    if ((raw[11] & CMD_TSE) == 0)
        return;
    if (raw[13] < ETHER_HEADER + 28 || le16_get(raw + 14) == 0 || payload == 0)
        model_breach("segmentation with a header of %u bytes, segments of %u, "
                     "a payload of %u",
                     raw[13], le16_get(raw + 14), payload);
}

uint32_t e1k_tx_check(const struct e1000_model *model, const uint8_t *raw)
{
    uint32_t len = length_of(raw);

    (void)model;
    if (!is_legacy(raw) && raw[10] >> 4 > TYPE_DATA)
        model_breach("a transmit descriptor of type %u", raw[10] >> 4);
    if (raw[12] != 0)
        model_breach("a transmit descriptor is given with status %#x", raw[12]);
    if ((raw[11] & CMD_RESERVED) != 0)
        model_breach("reserved bits of a transmit command: %#x", raw[11]);
    if (is_context(raw)) {
        context_check(raw);
        return 0;
    }
    if (len > DATA_MAX)
        model_breach("a transmit descriptor of %u bytes", len);
    if (!is_legacy(raw) && (raw[13] & ~(POPTS_IXSM | POPTS_TXSM)) != 0)
        model_breach("reserved packet options: %#x", raw[13]);
    return len;
}

static void context_load(struct e1000_model_context *context,
                         const uint8_t *raw)
{
    *context = (struct e1000_model_context){
        .loaded = true,
        .ipcss = raw[0],
        .ipcso = raw[1],
        .ipcse = le16_get(raw + 2),
        .tucss = raw[4],
        .tucso = raw[5],
        .tucse = le16_get(raw + 6),
        .payload_len = le32_get(raw + 8) & 0xfffff,
        .command = raw[11],
        .header_len = raw[13],
        .mss = le16_get(raw + 14),
    };
}

/* Whether a whole packet, from head on, is there; *count are its descriptors.
 * Without one, *count is 0. */
static bool packet_find(const struct e1000_model_ring *ring, uint32_t *count)
{
    uint32_t held = e1k_ring_held(ring);

    for (*count = 0; *count < held;) {
        uint32_t index = (ring->head + *count) % e1k_ring_count(ring);
        const uint8_t *raw = ring->slot[index].raw;

        if (*count > 0 && is_context(raw))
            model_breach("a context descriptor in the middle of a packet");
        (*count)++;
        if (is_context(raw) || (raw[11] & CMD_EOP) != 0)
            return true;
    }
    return false;
}

/* A packet out of its descriptors. */
struct packet {
    uint32_t len;
    const uint8_t *first, *last; /* descriptors */
};

static struct packet packet_gather(struct e1000_model *model,
                                   struct e1000_model_ring *ring,
                                   uint32_t count)
{
    struct packet packet = {.first = ring->slot[ring->head].raw};

    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (ring->head + i) % e1k_ring_count(ring);
        const struct e1000_model_slot *slot = &ring->slot[index];

        e1k_ring_compare(model, ring, index);
        if (is_legacy(slot->raw) != is_legacy(packet.first))
            model_breach("a packet of legacy and of data descriptors");
        if (!is_legacy(slot->raw) &&
            ((slot->raw[11] ^ packet.first[11]) & CMD_TSE) != 0)
            model_breach("a packet that is segmented in part");
        if (slot->len > E1000_MODEL_TX_MAX - packet.len)
            model_breach("a packet of more than %u bytes", E1000_MODEL_TX_MAX);
        if (slot->len == 0 && count > 1)
            model_breach("an empty descriptor within a packet: 3.3.3.1");
        if (slot->len > 0)
            memcpy(model->tx_data + packet.len,
                   pci_card_reach(&model->card, le64_get(slot->raw), slot->len,
                                  "a transmit buffer"),
                   slot->len);
        packet.len += slot->len;
        packet.last = slot->raw;
    }
    return packet;
}

/* ---- Checksums ----------------------------------------------------------- */

/* The sum of frame[from .. to), `to` included; 0: up to the end. */
static void sum_insert(uint8_t *frame, uint32_t len, uint32_t from, uint32_t at,
                       uint32_t to, bool zero_is_none)
{
    uint32_t end = to == 0 ? len : to + 1;
    uint32_t sum = 0;

    if (from >= len || end > len || from >= end || at + 2 > len)
        model_breach("a checksum of bytes %u to %u, put at %u, in a frame of "
                     "%u",
                     from, end, at, len);
    for (uint32_t i = from; i < end; i++)
        sum += (i - from) % 2 == 0 ? (uint32_t)frame[i] << 8 : frame[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    sum ^= 0xffff;
    if (sum == 0 && zero_is_none) /* UDP: RFC 768 */
        sum = 0xffff;
    be16_put(frame + at, (uint16_t)sum);
}

static void sums_insert(const struct e1000_model_context *context,
                        uint8_t options, uint8_t *frame, uint32_t len)
{
    if (options == 0)
        return;
    if (!context->loaded)
        model_breach("a checksum is wanted before there is a context");
    if ((options & POPTS_TXSM) != 0)
        sum_insert(frame, len, context->tucss, context->tucso, context->tucse,
                   (context->command & TUCMD_TCP) == 0);
    if ((options & POPTS_IXSM) != 0)
        sum_insert(frame, len, context->ipcss, context->ipcso, context->ipcse,
                   false);
}

/* ---- Frames -------------------------------------------------------------- */

static void count_frame(struct e1000_model *model, const uint8_t *frame,
                        uint32_t len)
{
    static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
    uint32_t size = len + CRC_SIZE;

    e1k_count(model, GPTC, 1);
    e1k_count(model, TPT, 1);
    e1k_count64(model, GOTCL, size);
    e1k_count64(model, TOTL, size);
    e1k_count_size(model, PTC64, size);
    if (memcmp(frame, broadcast, 6) == 0)
        e1k_count(model, BPTC, 1);
    else if ((frame[0] & 1) != 0)
        e1k_count(model, MPTC, 1);
}

/* Insert the tag of the descriptor's special field: 9.2. */
static uint32_t tag_insert(struct e1000_model *model, uint32_t len,
                           uint16_t tag)
{
    uint8_t *frame = model->tx_frame;

    if ((e1k_reg(model, CTRL) & CTRL_VME) == 0)
        model_breach("VLE without CTRL.VME");
    memmove(frame + 12 + VLAN_TAG, frame + 12, len - 12);
    be16_put(frame + 12, (uint16_t)e1k_reg(model, VET));
    be16_put(frame + 14, tag);
    return len + VLAN_TAG;
}

/* The frame in tx_frame leaves the card. */
static void frame_send(struct e1000_model *model, uint32_t len,
                       const uint8_t *flags)
{
    uint32_t all = e1k_is_82574(model) ? 40 : 64; /* KiB, both ways */
    uint32_t fifo = (all - (e1k_reg(model, PBA) & 0x3f)) * 1024;

    if ((flags[11] & CMD_IFCS) == 0)
        model_breach("a frame to be sent without check sequence (IFCS)");
    if (len < SEND_MIN)
        model_breach("a frame of %u bytes is sent", len);
    if (len > fifo)
        model_breach("a frame of %u bytes, the FIFO has %u", len, fifo);
    if ((flags[11] & CMD_VLE) != 0)
        len = tag_insert(model, len, le16_get(flags + 14));
    if (len < FRAME_MIN && (e1k_reg(model, TCTL) & TCTL_PSP) == 0)
        model_breach("a frame of %u bytes, but TCTL.PSP is off", len);
    while (len < FRAME_MIN)
        model->tx_frame[len++] = 0;
    count_frame(model, model->tx_frame, len);
    model->frames_sent++;
    if ((e1k_reg(model, RCTL) & RCTL_LBM_MAC) != 0)
        (void)e1000_model_receive(model, model->tx_frame, len);
    else if (model->sent != NULL)
        model->sent(model->sent_arg, model->tx_frame, len);
}

/* ---- Segmentation: 3.5 --------------------------------------------------- */

/* Make the header of segment `index`, which carries `size` bytes. */
static void segment_header(const struct e1000_model_context *context,
                           uint8_t *frame, uint32_t index, uint32_t size,
                           bool last)
{
    uint8_t *ip = frame + context->ipcss;
    uint8_t *transport = frame + context->tucss;
    uint32_t len = context->header_len + size;
    uint32_t sum;

    if ((context->command & TUCMD_IP4) != 0) {
        be16_put(ip + 2, (uint16_t)(len - context->ipcss));
        be16_put(ip + 4, (uint16_t)(be16_get(ip + 4) + index));
    } else {
        be16_put(ip + 4, (uint16_t)(len - context->ipcss - 40));
    }
    if ((context->command & TUCMD_TCP) != 0) {
        be32_put(transport + TCP_SEQ,
                 be32_get(transport + TCP_SEQ) + index * context->mss);
        if (!last)
            transport[TCP_FLAGS] &= (uint8_t)~TCP_FIN_PSH;
    } else {
        be16_put(transport + UDP_LENGTH, (uint16_t)(len - context->tucss));
    }
    /* The driver's sum of the pseudo-header has no length: 3.5.8. */
    sum = be16_get(frame + context->tucso) + len - context->tucss;
    sum = (sum & 0xffff) + (sum >> 16);
    be16_put(frame + context->tucso, (uint16_t)sum);
}

static void segments_check(const struct e1000_model_context *context,
                           uint32_t len)
{
    if (!context->loaded || (context->command & CMD_TSE) == 0)
        model_breach("a packet to be segmented without a context for it");
    if (len != context->header_len + context->payload_len)
        model_breach("a packet of %u bytes, the context says %u and %u", len,
                     context->header_len, context->payload_len);
    if (context->tucss + 8U > context->header_len ||
        context->ipcss + 20U > context->tucss ||
        context->tucso + 2U > context->header_len)
        model_breach("segmentation: the headers do not fit in %u bytes",
                     context->header_len);
}

static void segments_send(struct e1000_model *model,
                          const struct e1000_model_context *context,
                          const struct packet *packet)
{
    uint32_t count = (context->payload_len + context->mss - 1) / context->mss;

    segments_check(context, packet->len);
    e1k_count(model, TSCTC, 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i * context->mss;
        uint32_t rest = context->payload_len - at;
        uint32_t size = rest < context->mss ? rest : context->mss;
        uint32_t len = context->header_len + size;

        if (len > E1000_MODEL_FIFO - VLAN_TAG)
            model_breach("a segment of %u bytes", len);
        memcpy(model->tx_frame, model->tx_data, context->header_len);
        memcpy(model->tx_frame + context->header_len,
               model->tx_data + context->header_len + at, size);
        segment_header(context, model->tx_frame, i, size, i + 1 == count);
        sums_insert(context, packet->first[13], model->tx_frame, len);
        frame_send(model, len, packet->first);
    }
}

static void packet_send(struct e1000_model *model,
                        const struct e1000_model_context *context,
                        const struct packet *packet)
{
    const uint8_t *first = packet->first;
    const uint8_t *last = packet->last;

    if (!is_legacy(first) && (first[11] & CMD_TSE) != 0) {
        segments_send(model, context, packet);
        return;
    }
    if (packet->len > E1000_MODEL_FIFO - VLAN_TAG)
        model_breach("a frame of %u bytes is sent", packet->len);
    memcpy(model->tx_frame, model->tx_data, packet->len);
    if (!is_legacy(first))
        sums_insert(context, first[13], model->tx_frame, packet->len);
    else if ((last[11] & CMD_IC) != 0)
        sum_insert(model->tx_frame, packet->len, last[13], last[10], 0, false);
    frame_send(model, packet->len, last);
}

/* ---- Steps --------------------------------------------------------------- */

/* The device is done with `count` descriptors: it says so where RS asks. */
static void write_back(struct e1000_model *model, struct e1000_model_ring *ring,
                       uint32_t count, uint8_t status)
{
    unsigned queue = ring == &model->tx[1];
    bool reports = false;
    bool delayed = true;

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *raw = ring->slot[ring->head].raw;

        e1k_ring_compare(model, ring, ring->head);
        if ((raw[11] & CMD_RS) != 0) {
            e1k_descriptor(model, ring, ring->head)[12] |= status;
            reports = true;
            delayed = delayed && (raw[11] & CMD_IDE) != 0;
        }
        e1k_ring_advance(model, ring);
    }
    if (reports)
        e1k_tx_done(model, queue, delayed);
    if (e1k_ring_held(ring) == 0)
        e1k_raise(model,
                  TXQE | (e1k_is_82574(model) ? (uint32_t)TXQ0 << queue : 0));
}

/* LWTHRESH, in units of 8 descriptors: 13.4.44. */
static void low_check(struct e1000_model *model,
                      const struct e1000_model_ring *ring, uint32_t before)
{
    unsigned at = TXDCTL + (ring == &model->tx[1] ? RING_STRIDE : 0);
    uint32_t low = (e1k_reg(model, at) >> 25) * 8;

    if (before >= low && e1k_ring_held(ring) < low)
        e1k_raise(model, TXD_LOW);
}

/* The fault that the packet meets; true: it goes on now. */
static bool transmit_begins(struct e1000_model *model, uint8_t *status)
{
    unsigned kinds = FAULT_ALL & ~fault_bit(FAULT_SHORT);
    enum model_fault fault = fault_among(model->faults, "transmit", kinds);

    if (fault == FAULT_FAIL)
        *status |= EC;
    if (fault == FAULT_RESET)
        e1k_forget(model);
    return nic_fault_met(&model->met, &model->met.tx, &model->card, fault,
                         e1k_late(model));
}

static bool ring_step(struct e1000_model *model, unsigned queue)
{
    struct e1000_model_ring *ring = &model->tx[queue];
    struct e1000_model_context *context = &model->context[queue];
    uint32_t held = e1k_ring_held(ring);
    bool was_late = model->met.tx.late_ns != 0;
    uint8_t status = DD;
    uint32_t count;
    struct packet packet;

    if (!packet_find(ring, &count))
        return false;
    if (is_context(ring->slot[ring->head].raw)) {
        e1k_ring_compare(model, ring, ring->head);
        context_load(context, ring->slot[ring->head].raw);
        write_back(model, ring, 1, DD);
        return true;
    }
    model->met.tx.late_ns = 0;
    if (!was_late && !transmit_begins(model, &status))
        return true;
    packet = packet_gather(model, ring, count);
    if (packet.len > 0 && (status & EC) == 0)
        packet_send(model, context, &packet);
    write_back(model, ring, count, status);
    low_check(model, ring, held);
    return true;
}

bool e1000_model_step_transmit(struct e1000_model *model)
{
    bool loops = (e1k_reg(model, RCTL) & RCTL_LBM_MAC) != 0;

    if (model->resetting || model->met.tx.stuck ||
        (e1k_reg(model, TCTL) & TCTL_EN) == 0 ||
        (!e1k_link_up(model) && !loops) ||
        (model->met.tx.late_ns != 0 && hal_time_ns() < model->met.tx.late_ns))
        return false;
    for (unsigned queue = 0; queue < e1k_rings(model); queue++)
        if (ring_step(model, queue))
            return true;
    return false;
}
