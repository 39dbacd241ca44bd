/* Checksums and segments left to Intel's cards: what the model makes of the
 * driver's descriptors is compared with what the frames have to be. */
#include "tests/unit/drivers/e1000_card.h"

enum { ETHER = 14, TCP = 6, UDP = 17, FIN = 1, PSH = 8, ACK = 16, SEQ = 1000 };

/* ---- Checksums, once more ------------------------------------------------ */

static uint32_t sum_add(uint32_t sum, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The sum of the pseudo header of a payload of `len` bytes. */
static uint32_t pseudo_sum(const uint8_t *ip, bool six, uint8_t protocol,
                           size_t len)
{
    return sum_add(protocol + (uint32_t)len, ip + (six ? 8 : 12), six ? 32 : 8);
}

/* ---- A stream of bytes --------------------------------------------------- */

static uint8_t byte_of(size_t at)
{
    return (uint8_t)(at * 11 + at / 256);
}

/* What is sent, and how. */
struct flow {
    const char *name;
    bool six;
    uint8_t protocol;
    size_t ip_options, options; /* of IP and of TCP, bytes */
    unsigned segment;           /* 0: whole */
    size_t first, rest;         /* payload beside the headers, and in slices */
};

static size_t ip_len(const struct flow *flow)
{
    return flow->six ? 40 : 20 + flow->ip_options;
}

static size_t headers_len(const struct flow *flow)
{
    return ETHER + ip_len(flow) +
           (flow->protocol == UDP ? 8 : 20 + flow->options);
}

static size_t sum_at(const struct flow *flow)
{
    return ETHER + ip_len(flow) + (flow->protocol == UDP ? 6 : 16);
}

static void headers_put(const struct flow *flow, uint8_t *at, size_t payload)
{
    uint8_t *ip = at + ETHER;
    uint8_t *transport = ip + ip_len(flow);
    size_t len = headers_len(flow) + payload - ETHER - ip_len(flow);

    memset(at, 0, headers_len(flow));
    memcpy(at, (uint8_t[12]){2, 0, 0, 0, 0, 9, 0x52, 0x54, 0, 1, 2, 3}, 12);
    be16_put(at + 12, flow->six ? 0x86dd : 0x0800);
    if (flow->six) {
        ip[0] = 0x60;
        be16_put(ip + 4, (uint16_t)len);
        ip[6] = flow->protocol;
        for (unsigned i = 8; i < 40; i++)
            ip[i] = (uint8_t)(i * 37);
    } else {
        ip[0] = (uint8_t)(0x40 + ip_len(flow) / 4);
        be16_put(ip + 2, (uint16_t)(ip_len(flow) + len));
        be16_put(ip + 4, 0xfffe); /* the next but one is 0 */
        ip[8] = 64;
        ip[9] = flow->protocol;
        for (size_t i = 12; i < ip_len(flow); i++)
            ip[i] = i < 20 ? (uint8_t)(i * 37) : 1;
        be16_put(ip + 10, (uint16_t)~fold(sum_add(0, ip, ip_len(flow))));
    }
    be16_put(transport, 80);
    be16_put(transport + 2, 50000);
    if (flow->protocol == UDP) {
        be16_put(transport + 4, (uint16_t)len);
    } else {
        be32_put(transport + 4, SEQ);
        transport[12] = (uint8_t)((20 + flow->options) / 4 << 4);
        transport[13] = FIN | PSH | ACK;
        memset(transport + 20, 1, flow->options);
    }
    be16_put(at + sum_at(flow),
             fold(pseudo_sum(ip, flow->six, flow->protocol, len)));
}

static struct packet *make_flow(const struct flow *flow)
{
    struct packet *packet = packet_get();
    size_t headers = headers_len(flow), done = flow->first;
    uint8_t *at;
    size_t headroom;

    assert_non_null(packet);
    at = packet_append(packet, headers + flow->first);
    assert_non_null(at);
    headers_put(flow, at, flow->first + flow->rest);
    for (size_t i = 0; i < flow->first; i++)
        at[headers + i] = byte_of(i);
    while (done < flow->first + flow->rest) {
        size_t left = flow->first + flow->rest - done;
        uint32_t now = left < 5000 ? (uint32_t)left : 5000;
        struct buf *buf = buf_alloc(8192);

        assert_non_null(buf);
        for (size_t i = 0; i < now; i++)
            buf->base[3 + i] = byte_of(done + i);
        assert_int_equal(packet_add_slice(packet, (struct slice){buf, 3, now}),
                         0);
        done += now;
    }
    headroom = packet_headroom(packet);
    packet->offload = (struct packet_offload){
        .csum_partial = true,
        .csum_start = (uint16_t)(headroom + ETHER + ip_len(flow)),
        .csum_at = (uint16_t)(headroom + sum_at(flow)),
    };
    if (flow->segment != 0) {
        packet->offload.segments = flow->six ? PACKET_TCP6 : PACKET_TCP4;
        packet->offload.segment_len = (uint16_t)flow->segment;
        packet->offload.headers_len = (uint16_t)headers;
    }
    return packet;
}

/* ---- At the other end ---------------------------------------------------- */

static const struct flow *sent_flow;
static size_t arrived; /* bytes of its stream */
static unsigned frames;

/* Frame number `frames` of the flow is as it has to be. */
static void frame_check(void *arg, const uint8_t *frame, size_t len)
{
    const struct flow *flow = sent_flow;
    size_t headers = headers_len(flow), all = flow->first + flow->rest;
    size_t wanted = all - arrived;
    const uint8_t *ip = frame + ETHER;
    const uint8_t *transport = ip + ip_len(flow);
    size_t rest;

    (void)arg;
    if (flow->segment != 0 && wanted > flow->segment)
        wanted = flow->segment;
    rest = headers + wanted - ETHER - ip_len(flow);
    ROW(flow->name, len == (headers + wanted < 60 ? 60 : headers + wanted));
    ROW(flow->name, be16_get(frame + 12) == (flow->six ? 0x86dd : 0x0800));
    if (flow->six) {
        ROW(flow->name, be16_get(ip + 4) == rest);
    } else {
        ROW(flow->name, be16_get(ip + 2) == ip_len(flow) + rest);
        ROW(flow->name, be16_get(ip + 4) == (uint16_t)(0xfffe + frames));
        ROW(flow->name, fold(sum_add(0, ip, ip_len(flow))) == 0xffff);
    }
    if (flow->protocol == TCP) {
        bool last = arrived + wanted == all;

        ROW(flow->name, be32_get(transport + 4) == SEQ + arrived);
        ROW(flow->name, transport[13] == (last ? FIN | PSH | ACK : ACK));
    } else {
        ROW(flow->name, be16_get(transport + 4) == rest);
        ROW(flow->name, be16_get(transport + 6) != 0); /* 0 is "none" */
    }
    ROW(flow->name,
        fold(sum_add(pseudo_sum(ip, flow->six, flow->protocol, rest), transport,
                     rest)) == 0xffff);
    for (size_t i = 0; i < wanted; i++)
        if (frame[headers + i] != byte_of(arrived + i))
            fail_msg("row \"%s\": byte %zu", flow->name, arrived + i);
    arrived += wanted;
    frames++;
}

static void flow_goes(const struct flow *flow)
{
    size_t all = flow->first + flow->rest;

    sent_flow = flow;
    arrived = 0;
    frames = 0;
    send_must(make_flow(flow));
    run_card();
    ROW(flow->name, arrived == all);
    ROW(flow->name, frames == (flow->segment == 0 ? 1
                                                  : (all + flow->segment - 1) /
                                                        flow->segment));
    assert_int_equal(QUEUE->tx_dropped, 0);
}

static const struct flow flows[] = {
    {"UDP4", false, UDP, 0, 0, 0, 100, 0},
    {"UDP4 of an odd length", false, UDP, 0, 0, 0, 101, 0},
    {"UDP4 of nothing", false, UDP, 0, 0, 0, 0, 0},
    {"UDP4 in slices", false, UDP, 0, 0, 0, 0, 1472},
    {"UDP6", true, UDP, 0, 0, 0, 3, 1001},
    {"TCP4", false, TCP, 0, 12, 0, 1, 1},
    {"TCP4 in slices", false, TCP, 0, 0, 0, 0, 1460},
    {"TCP4 with options of IP", false, TCP, 8, 0, 0, 17, 500},
    {"TCP6", true, TCP, 0, 0, 0, 999, 2},
    {"TSO4, one byte more", false, TCP, 0, 0, 1460, 0, 1461},
    {"TSO4, one segment", false, TCP, 0, 0, 1460, 0, 1460},
    {"TSO4, in the first part", false, TCP, 0, 0, 100, 1000, 0},
    {"TSO4, odd segments", false, TCP, 0, 12, 333, 77, 9999},
    {"TSO4, all that goes", false, TCP, 0, 0, 1460, 0, 65536 - 54},
    {"TSO4 with options of IP", false, TCP, 8, 12, 1400, 0, 20000},
    {"TSO4, segments of 1", false, TCP, 0, 0, 1, 5, 5},
    {"TSO6", true, TCP, 0, 0, 1440, 0, 30000},
    {"TSO6 with options", true, TCP, 0, 12, 1428, 200, 7000},
};

/* Each after each, so that each context follows each. */
static void test_flows(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        unsigned free_count;

        fresh(&kinds[k]);
        model.sent = frame_check;
        start();
        poll(16);
        assert_int_equal(card->offloads & 7,
                         NET_TX_CSUM | NET_TX_TCP4 | NET_TX_TCP6);
        free_count = packet_free_count();
        for (size_t i = 0; i < COUNT_OF(flows); i++) {
            for (size_t j = 0; j < COUNT_OF(flows); j++) {
                flow_goes(&flows[i]);
                flow_goes(&flows[j]);
            }
            poll(16);
            assert_int_equal(packet_free_count(), free_count);
            net_check(card);
        }
        finish();
    }
}

/* A sum of UDP that comes out as 0 is sent as 0xffff: RFC 768. */
static void test_a_sum_of_zero(void **state)
{
    static const struct flow flow = {"zero", false, UDP, 0, 0, 0, 2, 0};
    struct packet *packet;
    uint8_t *at;
    uint16_t sum;

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        fresh(&kinds[k]);
        start();
        packet = make_flow(&flow);
        at = packet->data;
        sum = fold(sum_add(be16_get(at + sum_at(&flow)), at + 34, 6));
        be16_put(at + 42, (uint16_t)~sum);
        send_must(packet);
        run_card();
        assert_int_equal(be16_get(sent + sum_at(&flow)), 0xffff);
        finish();
    }
}

/* Frames that are to be left alone are left alone between others. */
static void test_frames_without_offload(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        fresh(&kinds[k]);
        start();
        for (size_t i = 0; i < COUNT_OF(flows); i++) {
            model.sent = frame_check;
            flow_goes(&flows[i]);
            model.sent = sent_note;
            send_must(make(200));
            run_card();
            ROW(flows[i].name, sent_is(200));
        }
        finish();
    }
}

/* After a reset the card has no context; the driver must not think that it
 * has: the model would not let it. */
static void test_a_reset_forgets_the_context(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        model.sent = frame_check;
        start();
        poll(16);
        flow_goes(&flows[0]);
        flow_goes(&flows[10]);
        model.reg[0x400 / 4] &= ~2U; /* TCTL.EN: it has forgotten */
        time_passes(2 * SECOND);
        ROW(kinds[k].name, model.resets == 2);
        flow_goes(&flows[10]);
        flow_goes(&flows[0]);
        finish();
    }
}

/* The ring is full of large packets: each goes whole, or not at all, and what
 * finds no room wakes. */
static void test_a_ring_full_of_segments(void **state)
{
    static const struct flow flow = {"full", false, TCP, 0, 0, 1460, 0, 30000};

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct packet *packet = NULL;
        unsigned count = 0, free_count;

        fresh(&kinds[k]);
        model.sent = frame_check;
        start();
        poll(16);
        free_count = packet_free_count();
        sent_flow = &flow;
        while (send(packet = make_flow(&flow)))
            count++;
        ROW(kinds[k].name, count > 15 && count < 40);
        for (unsigned i = 0; i < count; i++) {
            arrived = frames = 0;
            do
                assert_true(e1000_model_step_transmit(&model));
            while (arrived == 0); /* a context is a step, too */
            assert_int_equal(arrived, 30000);
            if (i == 0)
                settle();
        }
        ROW(kinds[k].name, wakes == 1);
        arrived = frames = 0;
        send_must(packet);
        run_card();
        assert_int_equal(arrived, 30000);
        poll(16);
        assert_int_equal(packet_free_count(), free_count);
        finish();
    }
}

/* Each transmission fails in every way in the middle of them. */
static void scenario(struct fault_plan *plan, void *arg)
{
    unsigned free_count;

    fresh(arg);
    start();
    poll(16);
    free_count = packet_free_count();
    model.faults = plan;
    for (size_t i = 0; i < COUNT_OF(flows); i++) {
        send_must(make_flow(&flows[i]));
        run_card();
        poll(16);
    }
    time_passes(4 * SECOND);
    model.faults = NULL;
    model.sent = frame_check;
    poll(16);
    assert_int_equal(packet_free_count(), free_count);
    QUEUE->tx_dropped = 0;
    for (size_t i = 0; i < COUNT_OF(flows); i++)
        flow_goes(&flows[i]);
    finish();
}

static void test_every_fault(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kind kind = kinds[k];

        assert_true(fault_sweep(FAULT_ALL, scenario, &kind) > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_a_sum_of_zero),
        cmocka_unit_test(test_frames_without_offload),
        cmocka_unit_test(test_a_reset_forgets_the_context),
        cmocka_unit_test(test_a_ring_full_of_segments),
        cmocka_unit_test(test_every_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
