/* The virtio card of the simulated machine: VIRTIO 1.2, 5.1. */
#include "hal/posix/sim/sim.h"
#include "tests/models/virtio_net_model.h"
#include "tests/sim/io/card.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/frames.h"
#include "tests/sim/io/virtio_device.h"
#include <string.h>
#include <torc/compiler.h>

enum {
    RX = 0,
    TX = 1,
    HEADER = 12,
    SHORT_LENGTH = 5, /* not even a header */
    STALL_NS = 1000 * 1000,
    TX_FAULTS = FAULT_ALL & ~(1 << FAULT_FAIL | 1 << FAULT_SHORT),
    RX_FAULTS = FAULT_ALL & ~(1 << FAULT_FAIL | 1 << FAULT_LATE),
};

#define VERY_LATE_NS UINT64_C(20000000000) /* the driver waits for half of it */

static struct net_model net;
static struct device_queue tx, rx;
static bool takes_large;
static unsigned delivered;

static bool agreed(uint32_t features)
{
    return (net.virtio.accepted & features) == features;
}

/* ---- Receiving ----------------------------------------------------------- */

/* Whether the driver has given buffers for so many bytes; each has the size of
 * a packet. */
static bool has_room(uint32_t len)
{
    uint32_t need = (HEADER + len + PACKET_SIZE - 1) / PACKET_SIZE;

    if (!agreed(NETF_MRG_RXBUF) && need > 1)
        return false;
    (void)virtio_device_look(&net.virtio, RX, false);
    return virtio_device_serves(&net.virtio, RX) &&
           net.virtio.queue[RX].asked >= need;
}

/* The frame is in buffers: end them, as the fault says. */
static void end(struct net_model_part *parts, unsigned count)
{
    struct ring *ring = &net.virtio.queue[RX];
    uint64_t never_late;
    enum model_fault fault = card_fault("receive", RX_FAULTS, &never_late);

    if (fault == FAULT_NEVER)
        return;
    if (fault == FAULT_RESET) {
        model_need_reset(&net.virtio);
        return;
    }
    if (fault == FAULT_SHORT && count == 1)
        parts[0].written = SHORT_LENGTH;
    for (unsigned i = 0; i < count; i++)
        ring_complete(ring, parts[i].head, parts[i].written);
    delivered++;
    /* The driver has given the same place to another buffer before it sees the
     * second end: a lie that nobody can know. So the end of one that is not. In
     * a packed ring that may lie over an end that it has not seen. */
    if (fault == FAULT_TWICE) {
        ring_use_raw(ring, RING_MAX - 1, parts[0].written);
        card.forgot++;
    }
    device_queue_interrupt(&rx, fault);
}

/* A frame of segments only where the driver takes them. */
static void receive(const struct card_frame *frame)
{
    const struct net_model_header *header = &frame->header;
    struct net_model_part parts[NET_MODEL_PARTS];
    unsigned count;

    if (header->gso_type != 0 && !agreed(NETF_GUEST_TSO4))
        return;
    if (!has_room(frame->len))
        return;
    count = net_model_fill(&net, 0, agreed(NETF_GUEST_CSUM) ? header : NULL,
                           frame->data, frame->len, parts);
    if (count > 0)
        end(parts, count);
}

/* ---- Sending ------------------------------------------------------------- */

static void serve(struct device_queue *queue, const struct ring_chain *chain)
{
    const struct net_model_frame *frame = net_model_read(&net, 0, chain);
    uint64_t late_ns = 1;
    enum model_fault fault = card_fault("send", TX_FAULTS, &late_ns);
    uint64_t ns = device_step_ns() + (late_ns == 0 ? VERY_LATE_NS : 0);

    /* A device that breaks down may have sent the frame, or not. */
    if ((fault != FAULT_NEVER && fault != FAULT_RESET) || device_sometimes(2))
        card_leaves(&frame->header, frame->data, frame->len);
    device_queue_end(queue, chain->head, 0, fault, ns);
}

static void notified(struct virtio_model *model, unsigned index)
{
    (void)model;
    if (index == TX && !card.is_pulled)
        device_queue_notified(&tx);
}

/* ---- The card ------------------------------------------------------------ */

static void plug(void)
{
    static const uint32_t features[] = {NETF_CSUM, NETF_GUEST_CSUM,
                                        NETF_MRG_RXBUF, NETF_HOST_TSO4,
                                        NETF_GUEST_TSO4};
    bool is_large = hal_choose(2, SIM_WORK) != 0;

    net_model_init(&net);
    net.virtio.offered = NETF_MAC;
    for (unsigned i = 0; is_large && i < COUNT_OF(features); i++) {
        if (hal_choose(4, SIM_WORK) != 1)
            net_model_offer(&net, features[i], 1);
    }
    takes_large = is_large && hal_choose(4, SIM_WORK) != 1;
    net.virtio.notified = notified;
    tx = (struct device_queue){
        .model = &net.virtio, .index = TX, .serve = serve};
    rx = (struct device_queue){.model = &net.virtio, .index = RX};
    virtio_device_plug(&net.virtio);
}

static void prepare(struct net_device *dev)
{
    dev->takes_large = takes_large;
}

/* It works no more, and cannot be reset: its registers hardly answer. */
static void stalls(struct virtio_model *model)
{
    (void)model;
    sim_delay(STALL_NS);
}

static void pull(void)
{
    net.virtio.never_resets = true;
    net.virtio.stalls = stalls;
}

/* Frames that it never ends it has forgotten. */
static bool is_at_rest(void)
{
    return !tx.is_busy && device_queue_rests(&tx);
}

static unsigned delivered_count(void)
{
    return delivered;
}

static unsigned none(void)
{
    return 0;
}

static unsigned resets(void)
{
    return net.virtio.resets;
}

static void check(void)
{
    for (unsigned i = 0; i < net.virtio.queue_count; i++) {
        if (virtio_device_serves(&net.virtio, i) &&
            ring_kick_missing(&net.virtio.queue[i]))
            sim_fail("the card was not notified, and nobody will do it");
    }
}

const struct card_kind card_virtio = {
    .name = "virtio",
    .kept_max = RING_MAX,
    .deadly = 1 << FAULT_TWICE | 1 << FAULT_RESET,
    .plug = plug,
    .prepare = prepare,
    .receive = receive,
    .pull = pull,
    .is_at_rest = is_at_rest,
    .delivered = delivered_count,
    .missed = none,
    .resets = resets,
    .check = check,
};
