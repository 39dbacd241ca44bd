/*
 * Receiving: the address filter, the FIFO, receive descriptors, checksums and
 * receive-side scaling. SDM 3.2, 13.4.22, 13.5; 82574 datasheet, 7.1.
 */
#include "kernel/lib/bytes.h"
#include "tests/models/e1000_parts.h"
#include <string.h>

enum {
    DD = 1,
    EOP = 1 << 1,
    IXSM = 1 << 2,
    VP = 1 << 3,
    UDPCS = 1 << 4, /* 82574L */
    TCPCS = 1 << 5,
    IPCS = 1 << 6,
    PIF = 1 << 7,
    ERROR_CE = 1,
    ERROR_TCPE = 1 << 5,
    ERROR_IPE = 1 << 6,
    ERROR_RXE = 1 << 7,
    ETHER_HEADER = 14,
    VLAN_TAG = 4,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    SHORT_LENGTH = 6, /* of a frame that a "short" fault cuts */
};

uint32_t model_crc32(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* ---- Control ------------------------------------------------------------- */

/* RCTL.BSIZE and BSEX: 13.4.22. */
uint32_t e1k_buffer_size(const struct e1000_model *model)
{
    uint32_t rctl = e1k_reg(model, RCTL);
    unsigned code = rctl >> 16 & 3;

    if ((rctl & RCTL_BSEX) == 0)
        return 2048U >> code;
    if (code == 0)
        model_breach("a reserved buffer size: BSEX with BSIZE 0");
    return 32768U >> code;
}

static void enable_check(const struct e1000_model *model)
{
    for (unsigned i = 0; i < 128; i++)
        if (!model->mta_written[i])
            model_breach("the receiver is enabled, but entry %u of the "
                         "multicast table was never set",
                         i);
    e1k_ring_ready(model, &model->rx[0], "the receiver is enabled");
    if ((e1k_reg(model, MRQC) & 3) == MRQC_RSS)
        e1k_ring_ready(model, &model->rx[1], "the receiver is enabled");
    if ((e1k_reg(model, RCTL) >> 6 & 3) > 1)
        model_breach("a reserved kind of loopback");
}

/* Descriptors that were given before keep the size of then: so it stays while
 * the device has any. */
void e1k_rctl_write(struct e1000_model *model, uint32_t value)
{
    uint32_t before = e1k_reg(model, RCTL);
    uint32_t size = 3 << 16 | RCTL_BSEX;
    bool held =
        e1k_ring_held(&model->rx[0]) > 0 || e1k_ring_held(&model->rx[1]) > 0;

    if (((before ^ value) & size) != 0 && (held || (before & RCTL_EN) != 0))
        model_breach("the size of receive buffers changes while the device "
                     "has some");
    model->reg[RCTL / 4] = value;
    (void)e1k_buffer_size(model);
    if ((value & ~before & RCTL_EN) != 0)
        enable_check(model);
    if ((before & ~value & RCTL_EN) != 0)
        model->rx_last = model->fifo_frames > 0;
}

/* ---- The filter ---------------------------------------------------------- */

static bool exact_match(const struct e1000_model *model, const uint8_t *frame)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = model->reg[RAL / 4 + 2 * i];
        uint32_t high = model->reg[RAH / 4 + 2 * i];

        if (high >> 31 != 0 && (high >> 16 & 3) == 0 &&
            low == le32_get(frame) && (high & 0xffff) == le16_get(frame + 4))
            return true;
    }
    return false;
}

/* 12 bits of the address, chosen by RCTL.MO, are an index: 13.5.1. */
static bool table_match(const struct e1000_model *model, const uint8_t *frame)
{
    static const unsigned shifts[] = {4, 3, 2, 0};
    unsigned shift = shifts[e1k_reg(model, RCTL) >> 12 & 3];
    unsigned index = (unsigned)le16_get(frame + 4) >> shift & 0xfff;

    return (model->reg[MTA / 4 + index / 32] >> index % 32 & 1) != 0;
}

static bool address_match(const struct e1000_model *model, const uint8_t *frame)
{
    static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
    uint32_t rctl = e1k_reg(model, RCTL);
    bool is_group = (frame[0] & 1) != 0;

    if ((rctl & (is_group ? RCTL_MPE : RCTL_UPE)) != 0 ||
        exact_match(model, frame))
        return true;
    if (memcmp(frame, broadcast, 6) == 0 && (rctl & RCTL_BAM) != 0)
        return true;
    return is_group && table_match(model, frame);
}

static bool is_tagged(const struct e1000_model *model, const uint8_t *frame)
{
    return be16_get(frame + 12) == e1k_reg(model, VET);
}

static bool vlan_match(const struct e1000_model *model, const uint8_t *frame)
{
    unsigned id = be16_get(frame + 14) & 0xfff;

    if ((e1k_reg(model, RCTL) & RCTL_VFE) == 0 || !is_tagged(model, frame))
        return true;
    return (model->reg[VFTA / 4 + id / 32] >> id % 32 & 1) != 0;
}

/* ---- The FIFO ------------------------------------------------------------ */

static void count_frame(struct e1000_model *model, const uint8_t *frame,
                        uint32_t size)
{
    static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

    e1k_count(model, GPRC, 1);
    e1k_count64(model, GORCL, size);
    e1k_count_size(model, PRC64, size);
    if (memcmp(frame, broadcast, 6) == 0)
        e1k_count(model, BPRC, 1);
    else if ((frame[0] & 1) != 0)
        e1k_count(model, MPRC, 1);
}

/* Whether the receiver wants the frame; what it does not want is counted. */
static bool wanted(struct e1000_model *model, const uint8_t *frame, size_t len,
                   bool crc_bad)
{
    uint32_t rctl = e1k_reg(model, RCTL);

    if (model->resetting || (rctl & RCTL_EN) == 0 ||
        (!e1k_link_up(model) && (rctl & RCTL_LBM_MAC) == 0))
        return false;
    e1k_count(model, TPR, 1);
    e1k_count64(model, TORL, (uint32_t)(len + CRC_SIZE));
    if (crc_bad)
        e1k_count(model, CRCERRS, 1);
    if (len < FRAME_MIN)
        e1k_count(model, RUC, 1);
    if (len > FRAME_LONG && (rctl & RCTL_LPE) == 0)
        e1k_count(model, ROC, 1);
    if (len > FRAME_LONG && (rctl & RCTL_LPE) == 0)
        return false;
    if ((crc_bad || len < FRAME_MIN) && (rctl & RCTL_SBP) == 0)
        return false;
    return len >= ETHER_HEADER && address_match(model, frame) &&
           vlan_match(model, frame);
}

static bool fifo_add(struct e1000_model *model, const uint8_t *frame,
                     size_t len, bool crc_bad)
{
    uint32_t room = (e1k_reg(model, PBA) & 0xffff) * 1024;
    uint32_t size = (uint32_t)len + CRC_SIZE;
    uint8_t *at = model->fifo + model->fifo_bytes;

    if (room > E1000_MODEL_FIFO)
        model_breach("PBA gives the receiver %u bytes", room);
    if (!wanted(model, frame, len, crc_bad))
        return false;
    if (size > room - model->fifo_bytes ||
        model->fifo_frames == E1000_MODEL_FIFO_FRAMES) {
        e1k_count(model, MPC, 1);
        e1k_raise(model, RXO);
        return false;
    }
    memcpy(at, frame, len);
    le32_put(at + len, model_crc32(frame, len) ^ crc_bad);
    model->fifo_len[model->fifo_frames] = size;
    model->fifo_bad[model->fifo_frames] = crc_bad;
    model->fifo_frames++;
    model->fifo_bytes += size;
    if (!crc_bad)
        count_frame(model, frame, size);
    return true;
}

static void fifo_remove(struct e1000_model *model)
{
    uint32_t size = model->fifo_len[0];

    model->fifo_frames--;
    model->fifo_bytes -= size;
    memmove(model->fifo, model->fifo + size, model->fifo_bytes);
    memmove(model->fifo_len, model->fifo_len + 1,
            model->fifo_frames * sizeof(model->fifo_len[0]));
    memmove(model->fifo_bad, model->fifo_bad + 1,
            model->fifo_frames * sizeof(model->fifo_bad[0]));
    model->rx_counted = false;
}

bool e1000_model_receive(struct e1000_model *model, const uint8_t *frame,
                         size_t len)
{
    return fifo_add(model, frame, len, false);
}

bool e1000_model_receive_bad(struct e1000_model *model, const uint8_t *frame,
                             size_t len)
{
    return fifo_add(model, frame, len, true);
}

/* ---- What the card says of a frame --------------------------------------- */

struct verdict {
    unsigned queue;
    uint8_t status, errors;
    uint16_t vlan;
    uint16_t checksum; /* of everything from PCSS on */
    uint16_t ip_id;
    uint32_t hash;
    uint8_t hash_type;
};

static uint32_t sum_add(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += be16_get(data + i);
    if (size % 2 != 0)
        sum += (uint32_t)data[size - 1] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* TCP or UDP at `at`, `size` bytes; `pseudo` is the sum of the addresses. */
static void judge_transport(const struct e1000_model *model,
                            struct verdict *verdict, const uint8_t *at,
                            size_t size, unsigned protocol, uint32_t pseudo)
{
    size_t header = protocol == PROTOCOL_TCP ? 20 : 8;

    if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) ||
        size < header || (e1k_reg(model, RXCSUM) & RXCSUM_TUOFL) == 0)
        return;
    if (protocol == PROTOCOL_UDP && be16_get(at + 6) == 0)
        return; /* the sender has made none */
    verdict->status |= TCPCS;
    if (protocol == PROTOCOL_UDP && e1k_is_82574(model))
        verdict->status |= UDPCS;
    if (fold(sum_add(pseudo + protocol + (uint32_t)size, at, size)) != 0xffff)
        verdict->errors |= ERROR_TCPE;
}

static void judge_ip4(const struct e1000_model *model, struct verdict *verdict,
                      const uint8_t *ip, size_t size)
{
    size_t header = (size_t)(ip[0] & 15) * 4;
    size_t total = be16_get(ip + 2);

    if (ip[0] >> 4 != 4 || header < 20 || header > size || total < header ||
        total > size)
        return;
    verdict->ip_id = be16_get(ip + 4);
    if ((e1k_reg(model, RXCSUM) & RXCSUM_IPOFL) != 0) {
        verdict->status |= IPCS;
        if (fold(sum_add(0, ip, header)) != 0xffff)
            verdict->errors |= ERROR_IPE;
    }
    if ((be16_get(ip + 6) & 0x3fff) == 0) /* not a fragment */
        judge_transport(model, verdict, ip + header, total - header, ip[9],
                        sum_add(0, ip + 12, 8));
}

static void judge_checksums(const struct e1000_model *model,
                            struct verdict *verdict, const uint8_t *frame,
                            size_t len)
{
    size_t at =
        is_tagged(model, frame) ? ETHER_HEADER + VLAN_TAG : ETHER_HEADER;
    unsigned type = be16_get(frame + at - 2);
    const uint8_t *ip = frame + at;
    size_t start = e1k_reg(model, RXCSUM) & 0xff;

    if (start < len)
        verdict->checksum = fold(sum_add(0, frame + start, len - start));
    if (type == ETHERTYPE_IP4 && len >= at + 20)
        judge_ip4(model, verdict, ip, len - at);
    else if (type == ETHERTYPE_IP6 && len >= at + 40 &&
             be16_get(ip + 4) <= len - at - 40 && e1k_is_82574(model))
        judge_transport(model, verdict, ip + 40, be16_get(ip + 4), ip[6],
                        sum_add(0, ip + 8, 32));
    if ((verdict->status & (IPCS | TCPCS)) == 0)
        verdict->status |= IXSM;
}

/* The Toeplitz hash: 82574 datasheet, 7.1.11.1. */
static uint32_t toeplitz(const struct e1000_model *model, const uint8_t *data,
                         size_t size)
{
    uint32_t hash = 0;
    uint8_t key[40];

    for (unsigned i = 0; i < 10; i++)
        le32_put(key + 4 * i, model->reg[RSSRK / 4 + i]);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        size_t at = bit / 8;
        uint64_t window = (uint64_t)be32_get(key + at) << 8 | key[at + 4];

        if ((data[at] >> (7 - bit % 8) & 1) != 0)
            hash ^= (uint32_t)(window >> (8 - bit % 8));
    }
    return hash;
}

/* Only IPv4, by MRQC: bit 16 with TCP ports, bit 17 without. */
static void judge_queue(const struct e1000_model *model,
                        struct verdict *verdict, const uint8_t *frame,
                        size_t len)
{
    uint32_t mrqc = e1k_reg(model, MRQC);
    const uint8_t *ip = frame + ETHER_HEADER;
    uint8_t input[12];
    bool with_ports;

    if ((mrqc & 3) != MRQC_RSS || len < ETHER_HEADER + 40 ||
        be16_get(frame + 12) != ETHERTYPE_IP4 || ip[0] != 0x45)
        return;
    with_ports = (mrqc >> 16 & 1) != 0 && ip[9] == PROTOCOL_TCP &&
                 (be16_get(ip + 6) & 0x3fff) == 0;
    if (!with_ports && (mrqc >> 17 & 1) == 0)
        return;
    memcpy(input, ip + 12, 8);
    memcpy(input + 8, ip + 20, 4);
    verdict->hash = toeplitz(model, input, with_ports ? 12 : 8);
    verdict->hash_type = with_ports ? 1 : 2;
    verdict->queue = model->reg[RETA / 4 + verdict->hash % 128 / 4] >>
                         (verdict->hash % 4 * 8 + 7) &
                     1;
}

static struct verdict judge(const struct e1000_model *model,
                            const uint8_t *frame, size_t len, bool crc_bad)
{
    struct verdict verdict = {.errors = crc_bad ? ERROR_CE : 0};

    if (len >= ETHER_HEADER + VLAN_TAG) {
        judge_checksums(model, &verdict, frame, len);
        judge_queue(model, &verdict, frame, len);
        if (is_tagged(model, frame) && (e1k_reg(model, CTRL) & CTRL_VME) != 0) {
            verdict.status |= VP;
            verdict.vlan = be16_get(frame + 14);
        }
    }
    if ((frame[0] & 1) != 0 && !exact_match(model, frame))
        verdict.status |= PIF; /* the table matches more than was asked for */
    return verdict;
}

/* ---- Into memory --------------------------------------------------------- */

static void write_back_legacy(uint8_t *desc, const struct verdict *verdict,
                              uint32_t size, bool last)
{
    le16_put(desc + 8, (uint16_t)size);
    le16_put(desc + 10, verdict->checksum);
    le16_put(desc + 14, last ? verdict->vlan : 0);
    desc[13] = last ? verdict->errors : 0;
    desc[12] = (uint8_t)(DD | (last ? EOP | verdict->status : 0));
}

/* RFCTL.EXSTEN: 82574 datasheet, 7.1.5. */
static void write_back_extended(const struct e1000_model *model, uint8_t *desc,
                                const struct verdict *verdict, uint32_t size,
                                bool last)
{
    uint32_t status = DD | (last ? EOP | verdict->status : 0U);

    le32_put(desc, verdict->queue << 8 | verdict->hash_type);
    if ((e1k_reg(model, RXCSUM) & RXCSUM_PCSD) != 0) {
        le32_put(desc + 4, verdict->hash);
    } else {
        le16_put(desc + 4, verdict->ip_id);
        le16_put(desc + 6, verdict->checksum);
    }
    le16_put(desc + 12, (uint16_t)size);
    le16_put(desc + 14, last ? verdict->vlan : 0);
    if (last)
        status |= (uint32_t)verdict->errors << 24;
    le32_put(desc + 8, status);
}

/* One descriptor's share of a frame. */
static void piece_write(struct e1000_model *model,
                        struct e1000_model_ring *ring, const uint8_t *data,
                        uint32_t size, const struct verdict *verdict, bool last)
{
    uint32_t index = ring->head;
    const struct e1000_model_slot *slot = &ring->slot[index];
    uint8_t *desc = e1k_descriptor(model, ring, index);

    e1k_ring_compare(model, ring, index);
    memcpy(pci_card_reach(&model->card, le64_get(slot->raw), slot->len,
                          "a receive buffer"),
           data, size);
    if ((e1k_reg(model, RFCTL) & RFCTL_EXSTEN) != 0)
        write_back_extended(model, desc, verdict, size, last);
    else
        write_back_legacy(desc, verdict, size, last);
    e1k_ring_advance(model, ring);
}

/* Few are left: RCTL.RDMTS says what is few. */
static void threshold_check(struct e1000_model *model,
                            const struct e1000_model_ring *ring,
                            uint32_t before)
{
    unsigned shift = (e1k_reg(model, RCTL) >> 8 & 3) + 1;
    uint32_t few = e1k_ring_count(ring) >> shift;
    uint32_t now = e1k_ring_held(ring);
    uint32_t queue = e1k_is_82574(model) && ring == &model->rx[1];

    if (before > few && now <= few)
        e1k_raise(model,
                  RXDMT0 | (e1k_is_82574(model) ? (uint32_t)RXQ0 << queue : 0));
}

static void frame_write(struct e1000_model *model,
                        struct e1000_model_ring *ring, uint8_t *data,
                        uint32_t size, const struct verdict *verdict)
{
    uint32_t held = e1k_ring_held(ring);
    uint32_t buffer = e1k_buffer_size(model);

    for (uint32_t at = 0; at < size; at += buffer) {
        uint32_t rest = size - at;

        piece_write(model, ring, data + at, rest < buffer ? rest : buffer,
                    verdict, rest <= buffer);
    }
    model->frames_received++;
    threshold_check(model, ring, held);
    if (size <= e1k_reg(model, RSRPD))
        e1k_raise(model, SRPD);
    e1k_rx_done(model, ring == &model->rx[1]);
}

/* CTRL.VME takes the tag out. Returns where the frame begins now. */
static uint32_t tag_strip(struct e1000_model *model,
                          const struct verdict *verdict)
{
    if ((verdict->status & VP) == 0)
        return 0;
    memmove(model->fifo + VLAN_TAG, model->fifo, 12);
    return VLAN_TAG;
}

/* The fault that the frame meets; true: it goes on now. */
static bool receive_begins(struct e1000_model *model, struct verdict *verdict,
                           uint32_t *size)
{
    enum model_fault fault = fault_next(model->faults, "receive");

    if (fault == FAULT_FAIL)
        verdict->errors |= ERROR_RXE;
    if (fault == FAULT_SHORT)
        *size = SHORT_LENGTH;
    if (fault == FAULT_RESET)
        e1k_forget(model);
    return nic_fault_met(&model->met, &model->met.rx, &model->card, fault,
                         e1k_late(model));
}

/* Whether there are descriptors for the frame; a lack is counted once. */
static bool has_room(struct e1000_model *model,
                     const struct e1000_model_ring *ring, uint32_t size)
{
    uint32_t buffer = e1k_buffer_size(model);

    if (e1k_ring_held(ring) >= (size + buffer - 1) / buffer)
        return true;
    if (!model->rx_counted)
        e1k_count(model, RNBC, 1);
    model->rx_counted = true;
    return false;
}

static void frame_drop(struct e1000_model *model)
{
    while (model->fifo_frames > 0)
        fifo_remove(model);
}

bool e1000_model_step_receive(struct e1000_model *model)
{
    bool is_on = (e1k_reg(model, RCTL) & RCTL_EN) != 0;
    bool was_late = model->met.rx.late_ns != 0;
    struct verdict verdict;
    uint32_t size, from;

    if (model->fifo_frames == 0 || model->met.rx.stuck ||
        (was_late && hal_time_ns() < model->met.rx.late_ns))
        return false;
    if (!is_on && !model->rx_last) {
        frame_drop(model);
        return true;
    }
    size = model->fifo_len[0];
    verdict = judge(model, model->fifo, size - CRC_SIZE, model->fifo_bad[0]);
    if (!has_room(model, &model->rx[verdict.queue], size))
        return false;
    model->met.rx.late_ns = 0;
    if (!was_late && !receive_begins(model, &verdict, &size))
        return true;
    from = tag_strip(model, &verdict);
    size -= from;
    if ((e1k_reg(model, RCTL) & RCTL_SECRC) != 0 && size > SHORT_LENGTH)
        size -= CRC_SIZE;
    model->rx_last = false;
    frame_write(model, &model->rx[verdict.queue], model->fifo + from, size,
                &verdict);
    fifo_remove(model);
    return true;
}
