#include "tests/fakes/fakenet.h"
#include <string.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/machine.h>

static void queue_add(struct fakenet_queue *queue, const void *data, size_t len)
{
    struct fakenet_frame *frame;

    assert(len <= FAKENET_FRAME_MAX);
    assert(queue->count < FAKENET_FRAMES);
    frame = &queue->frame[(queue->head + queue->count++) % FAKENET_FRAMES];
    frame->len = len;
    memcpy(frame->data, data, len);
}

static const struct fakenet_frame *queue_take(struct fakenet_queue *queue)
{
    const struct fakenet_frame *frame = &queue->frame[queue->head];

    if (queue->count == 0)
        return NULL;
    queue->head = (queue->head + 1) % FAKENET_FRAMES;
    queue->count--;
    return frame;
}

/* What is left to the card (RFC 1071): byte by byte. */
static void checksum_fill(struct fakenet *net, const struct packet *packet,
                          uint8_t *frame)
{
    const struct packet_offload *offload = &packet->offload;
    size_t headroom = packet_headroom(packet);
    size_t start = offload->csum_start - headroom;
    uint32_t sum = 0;

    if (!offload->csum_partial)
        return;
    assert(offload->csum_start >= headroom);
    assert(offload->csum_at >= offload->csum_start);
    net->sums_filled++;
    for (size_t i = start; i < packet_len(packet); i++)
        sum += (i - start) % 2 == 0 ? (uint32_t)frame[i] << 8 : frame[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    frame[offload->csum_at - headroom] = (uint8_t)(~sum >> 8);
    frame[offload->csum_at - headroom + 1] = (uint8_t)~sum;
}

/* The sum that completes one, of `len` bytes (RFC 1071): byte by byte. */
static void sum_put(uint8_t *frame, size_t start, size_t len, size_t at,
                    uint32_t sum)
{
    frame[at] = frame[at + 1] = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)frame[start + i] << 8 : frame[start + i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    frame[at] = (uint8_t)(~sum >> 8);
    frame[at + 1] = (uint8_t)~sum;
}

/* Fill in the checksum of the segment at `tcp` of a frame: RFC 9293, 3.1. */
static void tcp_sum_put(uint8_t *frame, size_t tcp, size_t len)
{
    bool is_ip4 = frame[14] >> 4 == 4;
    uint32_t pseudo = 6 + (uint32_t)len;

    for (size_t i = is_ip4 ? 26 : 22; i < (is_ip4 ? 34 : 54); i += 2)
        pseudo += (uint32_t)frame[i] << 8 | frame[i + 1];
    sum_put(frame, tcp, len, tcp + 16, pseudo);
}

/* Make segments of a large one, as a card does: each has a copy of the headers
 * with its own length and sequence number, and only the last one has FIN and
 * PSH. Returns false when there is no room for all. */
static bool segments_cut(struct fakenet *net, const struct packet *packet)
{
    static uint8_t large[66000];
    const struct packet_offload *offload = &packet->offload;
    bool is_ip4 = offload->segments == PACKET_TCP4;
    /* Where TCP begins, where the length is told, and of what. */
    size_t tcp = is_ip4 ? 34 : 54, at_len = is_ip4 ? 16 : 18;
    size_t before = is_ip4 ? 14 : 54;
    size_t len = packet_len(packet), headers = offload->headers_len;
    size_t payload = len - headers, size = offload->segment_len;

    assert(len <= sizeof(large) && headers >= tcp + 20 && payload > size);
    assert(packet_read(packet, 0, large, len) == len);
    assert(large[14] >> 4 == (is_ip4 ? 4 : 6));
    assert(((unsigned)large[at_len] << 8 | large[at_len + 1]) == len - before);
    assert(offload->csum_partial);
    assert(offload->csum_start == packet_headroom(packet) + tcp);
    if (net->sent.count + payload / size + 1 > FAKENET_FRAMES)
        return false;
    for (size_t at = 0; at < payload; at += size) {
        size_t part = payload - at < size ? payload - at : size;
        uint8_t frame[FAKENET_FRAME_MAX];
        uint32_t seq = (uint32_t)at;

        memcpy(frame, large, headers);
        memcpy(frame + headers, large + headers + at, part);
        frame[at_len] = (uint8_t)((headers + part - before) >> 8);
        frame[at_len + 1] = (uint8_t)(headers + part - before);
        for (unsigned i = 0; i < 4; i++)
            seq += (uint32_t)large[tcp + 4 + i] << (24 - 8 * i);
        for (unsigned i = 0; i < 4; i++)
            frame[tcp + 4 + i] = (uint8_t)(seq >> (24 - 8 * i));
        if (at + part < payload)
            frame[tcp + 13] &= (uint8_t)~9U;
        if (is_ip4)
            sum_put(frame, 14, 20, 24, 0);
        tcp_sum_put(frame, tcp, headers + part - tcp);
        net->segments_cut++;
        queue_add(&net->sent, frame, headers + part);
    }
    return true;
}

static unsigned fake_send(struct net_queue *queue,
                          struct packet *const packets[], unsigned count)
{
    struct fakenet *net = (struct fakenet *)queue->device;
    uint8_t frame[FAKENET_FRAME_MAX];

    for (unsigned i = 0; i < count; i++) {
        if (net->is_full || net->sent.count == FAKENET_FRAMES)
            return i;
        packet_check(packets[i]);
        if (packets[i]->offload.segments != PACKET_WHOLE) {
            if (!segments_cut(net, packets[i]))
                return i;
            packet_put(packets[i]);
            continue;
        }
        assert(packet_len(packets[i]) <= sizeof(frame));
        (void)packet_read(packets[i], 0, frame, sizeof(frame));
        checksum_fill(net, packets[i], frame);
        queue_add(&net->sent, frame, packet_len(packets[i]));
        net_count_sent(queue, packet_len(packets[i]));
        packet_put(packets[i]);
    }
    return count;
}

static unsigned fake_poll(struct net_queue *queue, struct packet *packets[],
                          unsigned max)
{
    struct fakenet *net = (struct fakenet *)queue->device;
    unsigned count;

    if (net->poll_max > 0 && net->poll_max < max)
        max = net->poll_max;
    for (count = 0; count < max && net->coming.count > 0; count++) {
        const struct fakenet_frame *frame = queue_take(&net->coming);
        struct packet *packet = packet_get();

        assert(packet != NULL);
        memcpy(packet_append(packet, frame->len), frame->data, frame->len);
        packet->offload = net->coming_offload;
        net_count_received(queue, packet->len);
        packets[count] = packet;
    }
    return count;
}

static bool fake_arm(struct net_queue *queue, bool on)
{
    struct fakenet *net = (struct fakenet *)queue->device;

    return !on || net->coming.count == 0;
}

static int fake_start(struct device *device)
{
    (void)device;
    return 0;
}

void fakenet_init(struct fakenet *net, const uint8_t mac[6])
{
    static const struct net_ops ops = {
        .send = fake_send, .poll = fake_poll, .arm = fake_arm};

    memset(&net->dev, 0, sizeof(net->dev));
    net->is_full = false;
    net->poll_max = 0;
    net->sums_filled = 0;
    net->segments_cut = 0;
    net->coming_offload = (struct packet_offload){0};
    net->sent.head = net->sent.count = 0;
    net->coming.head = net->coming.count = 0;
    net->dev.ops = &ops;
    net->dev.mtu = 1500;
    net->dev.queue_max = net->dev.queue_count = 1;
    net->dev.queues[0].device = &net->dev;
    net->dev.queues[0].cpu = cpu_id();
    net->dev.device.class = DEVICE_NET;
    net->dev.device.owner = (int)cpu_id();
    net->dev.device.start = fake_start;
    strcpy(net->dev.device.name, "fake0");
    memcpy(net->dev.mac, mac, 6);
}

void fakenet_inject(struct fakenet *net, const void *frame, size_t len)
{
    queue_add(&net->coming, frame, len);
}

const struct fakenet_frame *fakenet_sent(struct fakenet *net)
{
    return queue_take(&net->sent);
}
