/*
 * What leaves the card is checked byte by byte (tests/fakes/offload_flow.h).
 * Of what comes only this can be compared: a checksum that is wrong is never
 * said to be right. QEMU 7.2 differs from the documents, and so from the model,
 * in this:
 *
 * - the 82540EM does not look at checksums of what it receives, and gets the
 *   length of segments of IPv6 wrong, which the driver does not offer;
 * - when the payload is a multiple of the segments' length, it sends one more
 *   segment, without payload;
 * - the 82574L sends fragments of IP in place of segments, unless the other end
 *   takes large packets as they are: here they are left out.
 */
#include "tests/qtest/scenario_offload.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/offload_flow.h"
#include <limits.h>
#include <string.h>
#include <torc/device.h>
#include <torc/time.h>

enum { PATIENCE_S = 30, MANY = 64 };

static struct net_device *card;

#define QUEUE (&card->queues[0])

static void woken(struct net_queue *queue)
{
    (void)queue;
}

static unsigned tried; /* enum net_offload: what is left to the card */

static bool is_tried(const struct flow *flow)
{
    unsigned wanted = flow->segment == 0 ? NET_TX_CSUM
                      : flow->six        ? NET_TX_TCP6
                                         : NET_TX_TCP4;

    return (card->offloads & tried & wanted) != 0;
}

/* ---- Sending ------------------------------------------------------------- */

static const struct flow *before; /* the last flow that was complete */

/* Whether this is the segment without payload that QEMU adds. */
static bool is_empty(size_t len)
{
    return before != NULL && before->segment != 0 &&
           flow_payload(before) % before->segment == 0 &&
           len == flow_headers_len(before);
}

/* Frames come out of the cable until the flow is complete. */
static void flow_await(const struct net_side *side,
                       struct flow_progress *progress)
{
    uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;
    uint8_t frame[SCENARIO_FRAME_MAX + 1];

    while (progress->frames < flow_frames(progress->flow)) {
        size_t len = side->cable_take(side, frame, sizeof(frame));

        if (len > 0 && !(progress->frames == 0 && is_empty(len)))
            flow_check(progress, frame, len);
        else
            thread_sleep(50 * NS_PER_US);
        if (time_ns() >= end)
            fail_msg("of flow \"%s\" %u frames arrived", progress->flow->name,
                     progress->frames);
    }
    before = progress->flow;
}

static void flow_send(const struct flow *flow)
{
    uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;
    struct packet *packet = flow_make(flow);

    while (net_send(QUEUE, &packet, 1) == 0) {
        (void)net_poll(QUEUE, NULL, 0);
        thread_sleep(NS_PER_MS);
        assert_true(time_ns() < end);
    }
    assert_int_equal(QUEUE->tx_dropped, 0);
}

static void flows_leave(const struct net_side *side, struct transcript *out)
{
    for (unsigned i = 0; i < FLOW_COUNT; i++) {
        struct flow_progress progress = {&flows[i], 0, 0};

        if (!is_tried(&flows[i]))
            continue;
        flow_send(&flows[i]);
        flow_await(side, &progress);
        transcript_add(out, "%s: %zu bytes in %u frames", flows[i].name,
                       progress.arrived, progress.frames);
    }
}

/* Some at a time, whole ones and large ones in turn. */
static void flows_leave_at_once(const struct net_side *side,
                                struct transcript *out)
{
    static const unsigned which[] = {FLOW_TSO4, 0, FLOW_TSO4 + 1, 5, 6, 8};

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < COUNT_OF(which); i++)
            if (is_tried(&flows[which[i]]))
                flow_send(&flows[which[i]]);
        for (unsigned i = 0; i < COUNT_OF(which); i++)
            if (is_tried(&flows[which[i]]))
                flow_await(side,
                           &(struct flow_progress){&flows[which[i]], 0, 0});
    }
    transcript_add(out, "%zu at once", COUNT_OF(which));
}

/* ---- Receiving ----------------------------------------------------------- */

/* One frame comes, of which byte `broken` is wrong (0: none is). */
static bool is_said_valid(const struct net_side *side, const struct flow *flow,
                          size_t broken)
{
    uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;
    uint8_t frame[SCENARIO_FRAME_MAX];
    size_t len = flow_frame(flow, frame);
    struct packet *packet;
    bool valid;

    memcpy(frame, scenario_mac, 6);
    memcpy(frame + 6, scenario_peer_mac, 6);
    if (broken != 0)
        frame[broken] ^= 0x10;
    while (len < 60)
        frame[len++] = 0;
    while (!side->cable_send(side, frame, len) && time_ns() < end)
        thread_sleep(NS_PER_MS);
    while (net_poll(QUEUE, &packet, 1) == 0) {
        thread_sleep(50 * NS_PER_US);
        assert_true(time_ns() < end);
    }
    assert_int_equal(packet_len(packet), len);
    assert_memory_equal(packet->data, frame, len);
    assert_false(packet->offload.csum_partial);
    valid = packet->offload.csum_valid;
    packet_put(packet);
    return valid;
}

static void flows_come(const struct net_side *side, struct transcript *out)
{
    for (unsigned i = 0; i < FLOW_COUNT; i++) {
        const struct flow *flow = &flows[i];
        size_t start = FLOW_ETHER + flow_ip_len(flow);

        if (flow_headers_len(flow) + flow_payload(flow) > SCENARIO_FRAME_MAX)
            continue;
        (void)is_said_valid(side, flow, 0);
        assert_false(is_said_valid(side, flow, start + 2)); /* a port */
        assert_false(is_said_valid(side, flow, flow_sum_at(flow)));
        if (!flow->six)
            assert_false(is_said_valid(side, flow, FLOW_ETHER + 8));
        transcript_add(out, "%s: received", flow->name);
    }
}

static void run(const struct net_side *side, struct transcript *out)
{
    before = NULL;
    side->make(side);
    side->begin(side);
    assert_int_equal(side->driver->probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
    if (card == NULL)
        fail_msg("%s: no card", side->name);
    assert_int_equal(net_dedicate(card, (const unsigned[]){0}, 1), 0);
    QUEUE->wake = woken;
    assert_int_equal(packet_pool_grow(MANY), 0);
    transcript_add(out, "offloads %x", card->offloads);
    flows_leave(side, out);
    flows_leave_at_once(side, out);
    flows_come(side, out);
    net_check(card);
    side->end(side);
    side->unmake(side);
}

void scenario_offload(const struct net_side *side, struct transcript *out)
{
    tried = UINT_MAX;
    run(side, out);
}

void scenario_checksums(const struct net_side *side, struct transcript *out)
{
    tried = NET_TX_CSUM;
    run(side, out);
}
