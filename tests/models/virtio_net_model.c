#include "tests/models/virtio_net_model.h"
#include "kernel/lib/bytes.h"
#include <string.h>

enum {
    HEADER = 12, /* 5.1.6 */
    HEADER_LEGACY = 10,
    ETHER = 14,
    NEEDS_CSUM = 1,
    GSO_NONE = 0,
    GSO_TCP4 = 1,
    GSO_TCP6 = 4,
    BUFFER_MIN = 1526, /* 5.1.6.3.1 */
    CONFIG_STATUS = 6, /* 5.1.4 */
    CONFIG_PAIRS = 8,
    CONFIG_MTU = 10,
    LINK_UP = 1,
    ANNOUNCE = 2,
    CLASS_ANNOUNCE = 3, /* 5.1.6.5 */
    CLASS_MQ = 4,
    ANY_LAYOUT = 27,
};

static bool agreed(const struct net_model *net, uint32_t feature)
{
    return (net->virtio.accepted & feature) != 0;
}

static unsigned pairs_max(const struct net_model *net)
{
    return agreed(net, NETF_MQ) ? le16_get(net->virtio.config + CONFIG_PAIRS)
                                : 1;
}

/* 5.1.3.1: what a feature cannot be agreed on without. */
static void features_check(struct virtio_model *virtio)
{
    static const struct {
        uint32_t feature, needs;
    } rows[] = {
        {NETF_GUEST_TSO4, NETF_GUEST_CSUM},  {NETF_GUEST_TSO6, NETF_GUEST_CSUM},
        {NETF_HOST_TSO4, NETF_CSUM},         {NETF_HOST_TSO6, NETF_CSUM},
        {NETF_GUEST_ANNOUNCE, NETF_CTRL_VQ}, {NETF_MQ, NETF_CTRL_VQ},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((virtio->accepted & rows[i].feature) != 0 &&
            (virtio->accepted & rows[i].needs) == 0)
            model_breach("feature %#x without %#x: 5.1.3.1", rows[i].feature,
                         rows[i].needs);
    }
}

void net_model_init(struct net_model *net)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

    memset(net, 0, sizeof(*net));
    net->late.steps = 3;
    net->virtio.id = 1;
    net->virtio.offered = UINT64_C(1) << 32 | NETF_MAC;
    net->virtio.queue_max = 256;
    net->virtio.queue_count = 2;
    net->virtio.agree = features_check;
    memcpy(net->virtio.config, mac, 6);
}

void net_model_offer(struct net_model *net, uint32_t features, uint16_t pairs)
{
    struct virtio_model *virtio = &net->virtio;

    virtio->offered |= features;
    if ((features & NETF_MQ) != 0) {
        le16_put(virtio->config + CONFIG_PAIRS, pairs);
        virtio->queue_count = 2U * pairs;
    }
    if ((features & NETF_STATUS) != 0)
        le16_put(virtio->config + CONFIG_STATUS, LINK_UP);
    if ((features & NETF_CTRL_VQ) != 0)
        virtio->queue_count++;
}

/* How many pairs the driver may use: a reset leaves one. */
static unsigned pairs_now(struct net_model *net)
{
    if (net->resets != net->virtio.resets)
        net->pairs = 1;
    net->resets = net->virtio.resets;
    return net->pairs;
}

static uint32_t header_size(const struct net_model *net)
{
    return net->virtio.legacy && !agreed(net, NETF_MRG_RXBUF) ? HEADER_LEGACY
                                                              : HEADER;
}

static bool header_is_apart(const struct net_model *net)
{
    return net->virtio.legacy && (net->virtio.accepted >> ANY_LAYOUT & 1) == 0;
}

static uint32_t mtu(const struct net_model *net)
{
    return agreed(net, NETF_MTU) ? le16_get(net->virtio.config + CONFIG_MTU)
                                 : 1500;
}

/* ---- Ending requests ----------------------------------------------------- */

bool net_model_late(struct net_model *net)
{
    return virtio_late_step(&net->virtio, &net->late);
}

/* ---- What the driver sends ----------------------------------------------- */

/* 5.1.6.2.1. */
static void sum_check(const struct net_model *net,
                      const struct net_model_frame *frame)
{
    const struct net_model_header *header = &frame->header;

    if (header->flags == 0)
        return;
    if (header->flags != NEEDS_CSUM || !agreed(net, NETF_CSUM))
        model_breach("flags %#x: 5.1.6.2.1", header->flags);
    if ((uint32_t)header->csum_start + header->csum_offset + 2 > frame->len)
        model_breach("a checksum at %u of %u bytes",
                     header->csum_start + header->csum_offset, frame->len);
}

static void segments_check(const struct net_model *net,
                           const struct net_model_frame *frame)
{
    const struct net_model_header *header = &frame->header;
    uint32_t need = header->gso_type == GSO_TCP4   ? NETF_HOST_TSO4
                    : header->gso_type == GSO_TCP6 ? NETF_HOST_TSO6
                                                   : 0;
    unsigned tcp = header->csum_start;

    if (need == 0 || !agreed(net, need))
        model_breach("segments of type %#x: 5.1.6.2.1", header->gso_type);
    if ((header->flags & NEEDS_CSUM) == 0)
        model_breach("segments without a checksum: 5.1.6.2.1");
    if (header->gso_size == 0)
        model_breach("segments of no size: 5.1.6.2.1");
    if (tcp + 20 > frame->len ||
        header->headers_len != tcp + (frame->data[tcp + 12] >> 4) * 4U)
        model_breach("headers of %u bytes", header->headers_len);
}

static void frame_check(const struct net_model *net,
                        const struct net_model_frame *frame)
{
    if (frame->len < ETHER)
        model_breach("a frame of %u bytes", frame->len);
    sum_check(net, frame);
    if (frame->header.gso_type != GSO_NONE)
        segments_check(net, frame);
    else if (frame->len > mtu(net) + ETHER)
        model_breach("a frame of %u bytes: 5.1.4.2", frame->len);
}

/* Header and frame, as one. */
static uint32_t gather(const struct net_model *net,
                       const struct ring_chain *chain, uint8_t *to)
{
    uint32_t len = 0;

    if (header_is_apart(net) && chain->piece[0].len != header_size(net))
        model_breach("a legacy header has no descriptor: 5.1.6.2");
    for (unsigned i = 0; i < chain->count; i++) {
        if (chain->piece[i].writable)
            model_breach("a frame to send that is writable");
        if (len + chain->piece[i].len > HEADER + NET_MODEL_FRAME_MAX)
            model_breach("a frame of more than 64 KiB");
        memcpy(to + len, chain->piece[i].data, chain->piece[i].len);
        len += chain->piece[i].len;
    }
    return len;
}

static void frame_read(const struct net_model *net,
                       const struct ring_chain *chain,
                       struct net_model_frame *frame)
{
    static uint8_t whole[HEADER + NET_MODEL_FRAME_MAX];
    uint32_t header = header_size(net);
    uint32_t len = gather(net, chain, whole);

    if (len < header)
        model_breach("a frame without a header");
    if (header == HEADER && le16_get(whole + HEADER_LEGACY) != 0)
        model_breach("num_buffers is %u: 5.1.6.2.1",
                     le16_get(whole + HEADER_LEGACY));
    frame->header = (struct net_model_header){
        .flags = whole[0],
        .gso_type = whole[1],
        .headers_len = le16_get(whole + 2),
        .gso_size = le16_get(whole + 4),
        .csum_start = le16_get(whole + 6),
        .csum_offset = le16_get(whole + 8),
    };
    frame->pieces = chain->count;
    frame->len = len - header;
    memcpy(frame->data, whole + header, frame->len);
}

const struct net_model_frame *net_model_read(struct net_model *net,
                                             unsigned pair,
                                             const struct ring_chain *chain)
{
    static struct net_model_frame frame;

    if (pair >= pairs_now(net))
        model_breach("a frame for pair %u of %u: 5.1.6.5.5", pair, net->pairs);
    frame.pair = pair;
    frame_read(net, chain, &frame);
    frame_check(net, &frame);
    net->sent++;
    return &frame;
}

const struct net_model_frame *net_model_take(struct net_model *net,
                                             unsigned pair)
{
    static struct ring_chain chain;
    unsigned queue = 2 * pair + 1;
    const struct net_model_frame *frame;

    if (!model_take(&net->virtio, queue, &chain))
        return NULL;
    frame = net_model_read(net, pair, &chain);
    virtio_fault_end(&net->virtio, &net->late, queue, chain.head, 0,
                     fault_among(net->plan, "send",
                                 FAULT_ALL & ~(fault_bit(FAULT_FAIL) |
                                               fault_bit(FAULT_SHORT))));
    return frame;
}

/* ---- What the driver receives -------------------------------------------- */

static void buffer_check(const struct net_model *net,
                         const struct ring_chain *chain)
{
    uint32_t need = agreed(net, NETF_GUEST_TSO4 | NETF_GUEST_TSO6)
                        ? HEADER + NET_MODEL_FRAME_MAX
                        : BUFFER_MIN;
    uint32_t len = 0;

    if (need < header_size(net) + mtu(net) + ETHER)
        need = header_size(net) + mtu(net) + ETHER;
    if (agreed(net, NETF_MRG_RXBUF))
        need = HEADER;
    else if (net->virtio.legacy)
        need -= HEADER - HEADER_LEGACY;
    for (unsigned i = 0; i < chain->count; i++) {
        if (!chain->piece[i].writable)
            model_breach("a receive buffer that cannot be written");
        len += chain->piece[i].len;
    }
    if (header_is_apart(net) && chain->piece[0].len != header_size(net))
        model_breach("a legacy header has no descriptor: 5.1.6.3");
    if (len < need)
        model_breach("a receive buffer of %u bytes: 5.1.6.3.1", len);
}

/* Put bytes into a buffer: how many it takes. */
static uint32_t fill(struct ring_chain *chain, const uint8_t *from,
                     uint32_t len)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < chain->count; i++) {
        uint32_t part = chain->piece[i].len;

        if (part > len - at)
            part = len - at;
        memcpy(chain->piece[i].data, from + at, part);
        at += part;
    }
    return at;
}

static void header_write(const struct net_model *net, uint8_t *to,
                         const struct net_model_header *header)
{
    memset(to, 0, header_size(net));
    if (header != NULL) {
        to[0] = header->flags;
        to[1] = header->gso_type;
        le16_put(to + 2, header->headers_len);
        le16_put(to + 4, header->gso_size);
        le16_put(to + 6, header->csum_start);
        le16_put(to + 8, header->csum_offset);
    }
}

/* Take the buffers of a frame: how many; 0: there are not enough. */
static unsigned parts_take(struct net_model *net, unsigned queue,
                           const uint8_t *whole, uint32_t len,
                           struct net_model_part parts[NET_MODEL_PARTS])
{
    static struct ring_chain chains[NET_MODEL_PARTS];
    unsigned count = 0;
    uint32_t at = 0;

    while (at < len && count < NET_MODEL_PARTS) {
        uint32_t most = len - at;

        if (!model_take(&net->virtio, queue, &chains[count]))
            return 0;
        buffer_check(net, &chains[count]);
        if (net->lie_short_part && most > 1000)
            most = 1000;
        parts[count].head = chains[count].head;
        parts[count].written = fill(&chains[count], whole + at, most);
        at += parts[count++].written;
        if (!agreed(net, NETF_MRG_RXBUF) && at < len)
            model_breach("a frame of %u bytes for a driver that takes none",
                         len);
    }
    if (header_size(net) == HEADER) {
        uint16_t num = (uint16_t)count;

        if (net->lie_num_buffers != 0)
            num = net->lie_num_buffers == UINT16_MAX ? 0 : net->lie_num_buffers;
        /* The first piece of the first buffer has all of the header. */
        le16_put(chains[0].piece[0].data + HEADER_LEGACY, num);
    }
    return count;
}

unsigned net_model_fill(struct net_model *net, unsigned pair,
                        const struct net_model_header *header,
                        const void *frame, uint32_t len,
                        struct net_model_part parts[NET_MODEL_PARTS])
{
    static uint8_t whole[HEADER + NET_MODEL_FRAME_MAX];
    uint32_t total = header_size(net) + len;

    if (pair >= pairs_now(net))
        model_breach("the test sends to pair %u of %u", pair, net->pairs);
    header_write(net, whole, header);
    memcpy(whole + header_size(net), frame, len);
    return parts_take(net, 2 * pair, whole, total, parts);
}

bool net_model_send(struct net_model *net, unsigned pair,
                    const struct net_model_header *header, const void *frame,
                    uint32_t len)
{
    struct net_model_part parts[NET_MODEL_PARTS];
    unsigned count = net_model_fill(net, pair, header, frame, len, parts);
    enum model_fault fault;
    unsigned queue = 2 * pair;

    net->lie_short_part = false;
    net->lie_num_buffers = 0;
    if (count == 0) {
        net->no_buffer++;
        return false;
    }
    fault =
        fault_among(net->plan, "receive", FAULT_ALL & ~fault_bit(FAULT_FAIL));
    if (fault == FAULT_SHORT)
        parts[count - 1].written /= 2;
    /* All together: 5.1.6.4.1. */
    for (unsigned i = 0; i + 1 < count; i++)
        ring_complete(&net->virtio.queue[queue], parts[i].head,
                      parts[i].written);
    virtio_fault_end(&net->virtio, &net->late, queue, parts[count - 1].head,
                     parts[count - 1].written, fault);
    if (fault != FAULT_NEVER)
        net->delivered++;
    return true;
}

/* ---- Commands ------------------------------------------------------------ */

/* VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET. */
static void pairs_set(struct net_model *net, const struct ring_chain *chain,
                      const uint8_t *command, uint32_t len)
{
    unsigned pairs = le16_get(command + 2);

    (void)chain;
    if (!agreed(net, NETF_MQ) || len != 4)
        model_breach("a command for pairs of %u bytes", len);
    if (pairs == 0 || pairs > pairs_max(net))
        model_breach("%u pairs of %u: 5.1.6.5.5.1", pairs, pairs_max(net));
    for (unsigned i = 0; i < 2 * pairs; i++) {
        if (!net->virtio.queue[i].ready)
            model_breach("queue %u is not set up: 5.1.6.5.5.1", i);
    }
    (void)pairs_now(net);
    if (!net->fail_commands)
        net->pairs = pairs;
}

static void announce_ack(struct net_model *net, uint32_t len)
{
    uint8_t *status = net->virtio.config + CONFIG_STATUS;

    if (!agreed(net, NETF_GUEST_ANNOUNCE) || len != 2)
        model_breach("an acknowledgement of %u bytes", len);
    if ((le16_get(status) & ANNOUNCE) == 0)
        model_breach("an acknowledgement that nobody has asked for");
    le16_put(status, le16_get(status) & ~ANNOUNCE);
    net->announced++;
}

/* All but the last byte: what is read. */
static uint32_t command_read(const struct ring_chain *chain, uint8_t to[16])
{
    unsigned last = chain->count - 1;
    uint32_t len = 0;

    if (chain->count < 2 || !chain->piece[last].writable ||
        chain->piece[last].len != 1)
        model_breach("a command without a place for the answer");
    for (unsigned i = 0; i < last; i++) {
        if (chain->piece[i].writable || len + chain->piece[i].len > 16)
            model_breach("a command of a strange form");
        memcpy(to + len, chain->piece[i].data, chain->piece[i].len);
        len += chain->piece[i].len;
    }
    if (len < 2)
        model_breach("a command of %u bytes", len);
    return len;
}

bool net_model_command(struct net_model *net)
{
    static struct ring_chain chain;
    unsigned queue = 2 * pairs_max(net);
    enum model_fault fault;
    uint8_t command[16] = {0};
    uint32_t len;

    if (!agreed(net, NETF_CTRL_VQ) || queue >= net->virtio.queue_count ||
        !model_take(&net->virtio, queue, &chain))
        return false;
    len = command_read(&chain, command);
    fault =
        fault_among(net->plan, "command", FAULT_ALL & ~fault_bit(FAULT_SHORT));
    net->commands++;
    if (command[0] == CLASS_MQ && command[1] == 0)
        pairs_set(net, &chain, command, len);
    else if (command[0] == CLASS_ANNOUNCE && command[1] == 0)
        announce_ack(net, len);
    else
        model_breach("command %u of class %u", command[1], command[0]);
    *chain.piece[chain.count - 1].data =
        net->fail_commands || fault == FAULT_FAIL;
    virtio_fault_end(&net->virtio, &net->late, queue, chain.head, 1, fault);
    return true;
}

/* ---- Configuration ------------------------------------------------------- */

static void status_set(struct net_model *net, unsigned bit, bool on)
{
    uint8_t *status = net->virtio.config + CONFIG_STATUS;

    le16_put(status, (uint16_t)((le16_get(status) & ~bit) | (on ? bit : 0)));
    model_config_changed(&net->virtio);
}

void net_model_link(struct net_model *net, bool up)
{
    status_set(net, LINK_UP, up);
}

void net_model_announce(struct net_model *net)
{
    status_set(net, ANNOUNCE, true);
}
