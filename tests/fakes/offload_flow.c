#include "tests/fakes/offload_flow.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>

enum { FIN = 1, PSH = 8, ACK = 16, SEQ = 1000, IP_ID = 0xfffe, PIECE = 5000 };

const uint8_t flow_from[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
const uint8_t flow_to[6] = {0x52, 0x55, 10, 0, 2, 2};

const struct flow flows[FLOW_COUNT] = {
    {"UDP4", false, FLOW_UDP, 0, 0, 0, 100, 0},
    {"UDP4 of an odd length", false, FLOW_UDP, 0, 0, 0, 101, 0},
    {"UDP4 of nothing", false, FLOW_UDP, 0, 0, 0, 0, 0},
    {"UDP4 in slices", false, FLOW_UDP, 0, 0, 0, 0, 1472},
    {"UDP6", true, FLOW_UDP, 0, 0, 0, 3, 1001},
    {"TCP4", false, FLOW_TCP, 0, 12, 0, 1, 1},
    {"TCP4 in slices", false, FLOW_TCP, 0, 0, 0, 0, 1460},
    {"TCP4 with options of IP", false, FLOW_TCP, 8, 0, 0, 17, 500},
    {"TCP6", true, FLOW_TCP, 0, 0, 0, 999, 2},
    {"TSO4, one byte more", false, FLOW_TCP, 0, 0, 1460, 0, 1461},
    {"TSO4, one segment", false, FLOW_TCP, 0, 0, 1460, 0, 1460},
    {"TSO4, in the first part", false, FLOW_TCP, 0, 0, 100, 1000, 0},
    {"TSO4, odd segments", false, FLOW_TCP, 0, 12, 333, 77, 9999},
    {"TSO4, all that goes", false, FLOW_TCP, 0, 0, 1460, 0, 65536 - 54},
    {"TSO4 with options of IP", false, FLOW_TCP, 8, 12, 1400, 0, 20000},
    {"TSO4, segments of 1", false, FLOW_TCP, 0, 0, 1, 5, 5},
    {"TSO6", true, FLOW_TCP, 0, 0, 1440, 0, 30000},
    {"TSO6 with options", true, FLOW_TCP, 0, 12, 1428, 200, 7000},
};

/* ---- Lengths ------------------------------------------------------------- */

size_t flow_ip_len(const struct flow *flow)
{
    return flow->six ? 40 : 20 + flow->ip_options;
}

size_t flow_headers_len(const struct flow *flow)
{
    return FLOW_ETHER + flow_ip_len(flow) +
           (flow->protocol == FLOW_UDP ? 8 : 20 + flow->options);
}

size_t flow_sum_at(const struct flow *flow)
{
    return FLOW_ETHER + flow_ip_len(flow) +
           (flow->protocol == FLOW_UDP ? 6 : 16);
}

size_t flow_payload(const struct flow *flow)
{
    return flow->first + flow->rest;
}

unsigned flow_frames(const struct flow *flow)
{
    if (flow->segment == 0)
        return 1;
    return (unsigned)((flow_payload(flow) + flow->segment - 1) / flow->segment);
}

/* ---- Checksums ----------------------------------------------------------- */

uint32_t flow_sum_add(uint32_t sum, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    return sum;
}

uint16_t flow_sum_fold(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The sum of the pseudo header of `len` bytes behind that of IP. */
static uint32_t pseudo_sum(const struct flow *flow, const uint8_t *ip,
                           size_t len)
{
    return flow_sum_add(flow->protocol + (uint32_t)len,
                        ip + (flow->six ? 8 : 12), flow->six ? 32 : 8);
}

/* ---- Packets ------------------------------------------------------------- */

static uint8_t byte_of(size_t at)
{
    return (uint8_t)(at * 11 + at / 256);
}

static void ip_put(const struct flow *flow, uint8_t *ip, size_t len)
{
    if (flow->six) {
        ip[0] = 0x60;
        be16_put(ip + 4, (uint16_t)len);
        ip[6] = flow->protocol;
        for (unsigned i = 8; i < 40; i++)
            ip[i] = (uint8_t)(i * 37);
        return;
    }
    ip[0] = (uint8_t)(0x40 + flow_ip_len(flow) / 4);
    be16_put(ip + 2, (uint16_t)(flow_ip_len(flow) + len));
    be16_put(ip + 4, IP_ID); /* the next but one is 0 */
    ip[8] = 64;
    ip[9] = flow->protocol;
    for (size_t i = 12; i < flow_ip_len(flow); i++)
        ip[i] = i < 20 ? (uint8_t)(i * 37) : 1;
    be16_put(ip + 10,
             (uint16_t)~flow_sum_fold(flow_sum_add(0, ip, flow_ip_len(flow))));
}

/* All headers; the checksum of TCP or UDP is the pseudo header's. */
static void headers_put(const struct flow *flow, uint8_t *at)
{
    uint8_t *ip = at + FLOW_ETHER;
    uint8_t *transport = ip + flow_ip_len(flow);
    size_t len = flow_headers_len(flow) + flow_payload(flow) - FLOW_ETHER -
                 flow_ip_len(flow);

    memset(at, 0, flow_headers_len(flow));
    memcpy(at, flow_to, 6);
    memcpy(at + 6, flow_from, 6);
    be16_put(at + 12, flow->six ? 0x86dd : 0x0800);
    ip_put(flow, ip, len);
    be16_put(transport, 80);
    be16_put(transport + 2, 50000);
    if (flow->protocol == FLOW_UDP) {
        be16_put(transport + 4, (uint16_t)len);
    } else {
        be32_put(transport + 4, SEQ);
        transport[12] = (uint8_t)((20 + flow->options) / 4 << 4);
        transport[13] = FIN | PSH | ACK;
        memset(transport + 20, 1, flow->options);
    }
    be16_put(at + flow_sum_at(flow), flow_sum_fold(pseudo_sum(flow, ip, len)));
}

static void rest_add(const struct flow *flow, struct packet *packet)
{
    for (size_t done = flow->first; done < flow_payload(flow);) {
        size_t left = flow_payload(flow) - done;
        uint32_t now = left < PIECE ? (uint32_t)left : PIECE;
        struct buf *buf = buf_alloc(8192);

        assert_non_null(buf);
        for (size_t i = 0; i < now; i++)
            buf->base[3 + i] = byte_of(done + i);
        assert_int_equal(packet_add_slice(packet, (struct slice){buf, 3, now}),
                         0);
        done += now;
    }
}

struct packet *flow_make(const struct flow *flow)
{
    struct packet *packet = packet_get();
    size_t headers = flow_headers_len(flow);
    uint8_t *at;
    size_t headroom;

    assert_non_null(packet);
    at = packet_append(packet, headers + flow->first);
    assert_non_null(at);
    headers_put(flow, at);
    for (size_t i = 0; i < flow->first; i++)
        at[headers + i] = byte_of(i);
    rest_add(flow, packet);
    headroom = packet_headroom(packet);
    packet->offload = (struct packet_offload){
        .csum_partial = true,
        .csum_start = (uint16_t)(headroom + FLOW_ETHER + flow_ip_len(flow)),
        .csum_at = (uint16_t)(headroom + flow_sum_at(flow)),
    };
    if (flow->segment != 0) {
        packet->offload.segments = flow->six ? PACKET_TCP6 : PACKET_TCP4;
        packet->offload.segment_len = (uint16_t)flow->segment;
        packet->offload.headers_len = (uint16_t)headers;
    }
    return packet;
}

size_t flow_frame(const struct flow *flow, uint8_t *frame)
{
    size_t headers = flow_headers_len(flow);
    size_t len = headers + flow_payload(flow);
    size_t start = FLOW_ETHER + flow_ip_len(flow);
    uint16_t sum;

    headers_put(flow, frame);
    for (size_t i = 0; headers + i < len; i++)
        frame[headers + i] = byte_of(i);
    sum = flow_sum_fold(flow_sum_add(0, frame + start, len - start));
    be16_put(frame + flow_sum_at(flow), (uint16_t)~sum);
    return len;
}

/* ---- What comes of it ---------------------------------------------------- */

static void ip_check(const struct flow_progress *progress, const uint8_t *ip,
                     size_t len)
{
    const struct flow *flow = progress->flow;

    if (flow->six) {
        ROW(flow->name, be16_get(ip + 4) == len);
        return;
    }
    ROW(flow->name, be16_get(ip + 2) == flow_ip_len(flow) + len);
    ROW(flow->name, be16_get(ip + 4) == (uint16_t)(IP_ID + progress->frames));
    ROW(flow->name,
        flow_sum_fold(flow_sum_add(0, ip, flow_ip_len(flow))) == 0xffff);
}

static void transport_check(const struct flow_progress *progress,
                            const uint8_t *ip, size_t len, bool is_last)
{
    const struct flow *flow = progress->flow;
    const uint8_t *transport = ip + flow_ip_len(flow);
    uint32_t sum = flow_sum_add(pseudo_sum(flow, ip, len), transport, len);

    ROW(flow->name, flow_sum_fold(sum) == 0xffff);
    if (flow->protocol == FLOW_UDP) {
        ROW(flow->name, be16_get(transport + 4) == len);
        ROW(flow->name, be16_get(transport + 6) != 0); /* that is "none" */
        return;
    }
    ROW(flow->name, be32_get(transport + 4) == SEQ + progress->arrived);
    ROW(flow->name, transport[13] == (is_last ? FIN | PSH | ACK : ACK));
}

void flow_check(struct flow_progress *progress, const uint8_t *frame,
                size_t len)
{
    const struct flow *flow = progress->flow;
    size_t headers = flow_headers_len(flow);
    size_t size = flow_payload(flow) - progress->arrived;
    bool is_last = flow->segment == 0 || size <= flow->segment;
    const uint8_t *ip = frame + FLOW_ETHER;

    if (!is_last)
        size = flow->segment;
    if (len != headers + size && !(headers + size < 60 && len == 60))
        fail_msg("row \"%s\": frame %u of %zu bytes, not %zu", flow->name,
                 progress->frames, len, headers + size);
    ROW(flow->name, memcmp(frame, flow_to, 6) == 0);
    ROW(flow->name, be16_get(frame + 12) == (flow->six ? 0x86dd : 0x0800));
    ip_check(progress, ip, headers + size - FLOW_ETHER - flow_ip_len(flow));
    transport_check(progress, ip,
                    headers + size - FLOW_ETHER - flow_ip_len(flow), is_last);
    for (size_t i = 0; i < size; i++)
        if (frame[headers + i] != byte_of(progress->arrived + i))
            fail_msg("row \"%s\": byte %zu", flow->name, progress->arrived + i);
    progress->arrived += size;
    progress->frames++;
}
