/*
 * Cards of the hosted machine: the net class over hal_net_*. Each queue of the
 * card is one of the host's, on the CPU it belongs to.
 *
 * Frames pass in batches, each by one call of the host. What is sent waits for
 * the next pass of the scheduler, or until a batch is full; the host copies it
 * out of the packets at once. A frame comes into a packet; where frames may be
 * longer than one, what does not fit goes into buffers of 16 KiB, which the
 * packet has as slices.
 */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>

enum {
    PACKETS = 512,
    PACKETS_SMALL = 128,
    SMALL_MEMORY = 16 * 1024 * 1024,
    FIRST_SIZE = PACKET_SIZE - PACKET_HEADROOM,
    LARGE_SIZE = 16 * 1024,
    LARGE_COUNT = 64,
    SPARE_MAX = 4, /* with the first part they hold 64 KiB */
    BATCH = 32,    /* frames that the host is given in one call */
    BATCH_LEAST = 2,
};
static_assert(FIRST_SIZE + SPARE_MAX * LARGE_SIZE >= 65535 + 14,
              "the longest frame fits");

struct leaf_queue;

/* Memory for the rest of a long frame. */
struct leaf_large {
    struct buf buf;
    struct leaf_queue *queue;
    struct leaf_large *next_free;
};

/* A queue. Made by its CPU when the card is first started, and stays. */
struct leaf_queue {
    /* constant: */
    struct leaf_net *leaf;
    unsigned index;
    unsigned spare_count; /* that a frame may need */
    /* its CPU only: */
    struct irq_work work;
    bool is_attached; /* its interrupt */
    bool dry;         /* the last poll has found the end of what had come */
    unsigned wish;    /* frames that the host is asked for next */
    unsigned got;     /* that the last call has returned */
    struct leaf_large *free;
    struct leaf_large *spares[SPARE_MAX]; /* for the next frame, or NULL */
    struct irq_work kick; /* in the next pass the host gets what waits */
    unsigned waiting_count;
    struct packet *waiting[BATCH];
    /* while the host is called: */
    struct packet *packets[BATCH];
    struct hal_net_frame frames[BATCH];
    struct hal_vec vec[BATCH * (1 + PACKET_SLICES)];
};

struct leaf_net {
    struct net_device net;
    /* constant: */
    unsigned unit;
    uint32_t frame_max;
    /* [i] belongs to the CPU of queue i: */
    struct leaf_queue *queues[NET_QUEUE_MAX];
};

static struct leaf_net *leaf_of(struct net_device *dev)
{
    return container_of(dev, struct leaf_net, net);
}

static struct leaf_queue *queue_of(struct net_queue *queue)
{
    return leaf_of(queue->device)->queues[queue->index];
}

/* ---- Out ----------------------------------------------------------------- */

static void describe(const struct packet *packet, struct hal_vec *vec,
                     struct hal_net_frame *frame)
{
    static const uint8_t segments[] = {
        [PACKET_WHOLE] = HAL_NET_WHOLE,
        [PACKET_TCP4] = HAL_NET_TCP4,
        [PACKET_TCP6] = HAL_NET_TCP6,
    };
    const struct packet_offload *offload = &packet->offload;
    uint16_t head = (uint16_t)packet_headroom(packet);
    unsigned count = 0;

    vec[count++] = (struct hal_vec){packet->data, packet->len};
    for (unsigned i = 0; i < packet->slice_count; i++)
        vec[count++] = (struct hal_vec){slice_data(&packet->slices[i]),
                                        packet->slices[i].len};
    assert(offload->segments < COUNT_OF(segments));
    *frame = (struct hal_net_frame){.vec = vec,
                                    .vec_count = count,
                                    .len = packet_len(packet),
                                    .segments = segments[offload->segments],
                                    .segment_len = offload->segment_len,
                                    .headers_len = offload->headers_len};
    if (offload->csum_partial) {
        assert(offload->csum_start >= head);
        frame->csum_partial = true;
        frame->csum_start = (uint16_t)(offload->csum_start - head);
        frame->csum_at = (uint16_t)(offload->csum_at - head);
    }
}

/* The host has taken the first packets that waited. */
static void sent_put(struct net_queue *net, struct leaf_queue *queue,
                     unsigned taken)
{
    for (unsigned i = 0; i < taken; i++) {
        if (queue->frames[i].status != 0) {
            net_drop_sent(net, queue->waiting[i]);
            continue;
        }
        net_count_sent(net, queue->frames[i].len);
        packet_put(queue->waiting[i]);
    }
    queue->waiting_count -= taken;
    memmove(queue->waiting, queue->waiting + taken,
            queue->waiting_count * sizeof(queue->waiting[0]));
}

/* Give the host what waits. What it has no room for goes on waiting for the
 * interrupt that tells of room. */
static void waiting_send(struct leaf_queue *queue)
{
    struct net_queue *net = &queue->leaf->net.queues[queue->index];
    unsigned taken;

    static_assert(1 + PACKET_SLICES <= HAL_NET_VECS, "the host takes it");
    if (queue->waiting_count == 0)
        return;
    for (unsigned i = 0; i < queue->waiting_count; i++)
        describe(queue->waiting[i], &queue->vec[i * (1 + PACKET_SLICES)],
                 &queue->frames[i]);
    taken = hal_net_send_all(queue->leaf->unit, queue->index, queue->frames,
                             queue->waiting_count);
    assert(taken <= queue->waiting_count);
    sent_put(net, queue, taken);
}

static void kick_run(struct irq_work *work)
{
    waiting_send(container_of(work, struct leaf_queue, kick));
}

static unsigned leaf_send(struct net_queue *net, struct packet *const packets[],
                          unsigned count)
{
    struct leaf_queue *queue = queue_of(net);

    for (unsigned i = 0; i < count; i++) {
        if (queue->waiting_count == BATCH)
            waiting_send(queue);
        if (queue->waiting_count == BATCH)
            return i;
        queue->waiting[queue->waiting_count++] = packets[i];
    }
    if (queue->waiting_count == BATCH)
        waiting_send(queue);
    else
        irq_work_raise(&queue->kick);
    return count;
}

/* ---- In ------------------------------------------------------------------ */

static void large_release(struct buf *buf)
{
    struct leaf_large *large = container_of(buf, struct leaf_large, buf);

    large->next_free = large->queue->free;
    large->queue->free = large;
}

/* Whether there is memory for the rest of a frame. */
static bool spares_ready(struct leaf_queue *queue)
{
    for (unsigned i = 0; i < queue->spare_count; i++) {
        struct leaf_large *large = queue->free;

        if (queue->spares[i] != NULL)
            continue;
        if (large == NULL)
            return false;
        queue->free = large->next_free;
        large->buf.refs = 1;
        queue->spares[i] = large;
    }
    return true;
}

/* `len` bytes of a frame lie in spares: they are the packet's now. */
static void rest_add(struct leaf_queue *queue, struct packet *packet,
                     uint32_t len)
{
    for (unsigned i = 0; len > 0; i++) {
        uint32_t part = min_u32(len, LARGE_SIZE);
        int status;

        assert(i < queue->spare_count);
        status = packet_add_slice(
            packet, (struct slice){&queue->spares[i]->buf, 0, part});
        assert(status == 0);
        queue->spares[i] = NULL;
        len -= part;
    }
}

/* What the host says of a frame. False: it makes no sense. */
static bool offload_take(const struct hal_net_frame *frame,
                         struct packet *packet)
{
    static const uint8_t segments[] = {
        [HAL_NET_WHOLE] = PACKET_WHOLE,
        [HAL_NET_TCP4] = PACKET_TCP4,
        [HAL_NET_TCP6] = PACKET_TCP6,
    };
    size_t head = packet_headroom(packet);

    if (frame->segments >= COUNT_OF(segments) ||
        (frame->csum_partial && frame->csum_at + 2U > packet->len))
        return false;
    packet->offload =
        (struct packet_offload){.csum_partial = frame->csum_partial,
                                .csum_valid = frame->csum_valid,
                                .segments = segments[frame->segments],
                                .segment_len = frame->segment_len,
                                .headers_len = frame->headers_len};
    if (frame->csum_partial) {
        packet->offload.csum_start = (uint16_t)(frame->csum_start + head);
        packet->offload.csum_at = (uint16_t)(frame->csum_at + head);
    }
    return true;
}

/* Memory for up to `wish` frames. Returns how many; 0: there is none. */
static unsigned batch_make(struct leaf_queue *queue, unsigned wish)
{
    unsigned each = 1 + queue->spare_count;
    unsigned count = 0;

    /* There are spares for one frame. */
    if (!spares_ready(queue))
        return 0;
    for (; count < wish && (count == 0 || queue->spare_count == 0); count++) {
        struct hal_vec *vec = &queue->vec[count * each];
        struct packet *packet = packet_get();

        if (packet == NULL)
            break;
        vec[0].len = packet_tailroom(packet);
        vec[0].base = packet_append(packet, vec[0].len);
        for (unsigned i = 0; i < queue->spare_count; i++)
            vec[1 + i] =
                (struct hal_vec){queue->spares[i]->buf.base, LARGE_SIZE};
        queue->packets[count] = packet;
        queue->frames[count] =
            (struct hal_net_frame){.vec = vec, .vec_count = each};
    }
    return count;
}

/* A frame has come into the packet. Returns whether it is one. */
static bool frame_take(struct leaf_queue *queue,
                       const struct hal_net_frame *frame, struct packet *packet)
{
    uint32_t first;

    if (frame->status != 0)
        return false;
    first = min_u32(frame->len, packet->len);
    packet_trim(packet, first);
    rest_add(queue, packet, frame->len - first);
    return offload_take(frame, packet);
}

/* Receive up to `wish` frames. Returns how many good ones; *dry: no more are
 * there now. */
static unsigned batch_receive(struct net_queue *net, struct leaf_queue *queue,
                              struct packet *packets[], unsigned wish)
{
    unsigned made = batch_make(queue, wish);
    unsigned got =
        hal_net_recv_all(queue->leaf->unit, queue->index, queue->frames, made);
    unsigned count = 0;

    assert(got <= made);
    for (unsigned i = 0; i < made; i++) {
        struct packet *packet = queue->packets[i];

        if (i < got && frame_take(queue, &queue->frames[i], packet)) {
            net_count_received(net, packet_len(packet));
            packets[count++] = packet;
            continue;
        }
        net->rx_dropped += i < got;
        packet_put(packet);
    }
    queue->dry = got < made;
    queue->got = got;
    return count;
}

/*
 * Without memory a frame cannot be received: it stays with the host, and is
 * there at the next poll. The host is asked for twice as many frames as before
 * as long as they are there: what it is asked for in vain takes time, too.
 */
static unsigned leaf_poll(struct net_queue *net, struct packet *packets[],
                          unsigned max)
{
    struct leaf_queue *queue = queue_of(net);
    unsigned tried = 0, count = 0;

    queue->dry = false;
    while (tried < max && !queue->dry) {
        unsigned wish = min_u32(queue->wish, max - tried);

        count += batch_receive(net, queue, packets + count, wish);
        queue->wish = queue->dry ? BATCH_LEAST : min_u32(2 * wish, BATCH);
        if (queue->got == 0)
            break;
        tried += queue->got;
    }
    return count;
}

static bool leaf_arm(struct net_queue *net, bool on)
{
    const struct leaf_queue *queue = queue_of(net);

    if (on && !queue->dry)
        return false;
    return hal_net_arm(queue->leaf->unit, queue->index, on);
}

/* ---- Interrupts ---------------------------------------------------------- */

static void leaf_irq(void *arg)
{
    struct leaf_queue *queue = arg;

    irq_work_raise(&queue->work);
}

static void leaf_work(struct irq_work *work)
{
    struct leaf_queue *queue = container_of(work, struct leaf_queue, work);
    struct net_device *dev = &queue->leaf->net;

    if (queue->index == 0)
        net_link_set(dev, hal_net_link(queue->leaf->unit));
    waiting_send(queue);
    net_attend(&dev->queues[queue->index]);
}

/* ---- Starting ------------------------------------------------------------ */

/* Returns them, or NULL: no memory. */
static struct leaf_large *larges_make(struct leaf_queue *queue)
{
    struct leaf_large *larges = mem_alloc_zeroed(LARGE_COUNT * sizeof(*larges));
    uint8_t *base;

    if (larges == NULL)
        return NULL;
    base = dma_alloc((size_t)LARGE_COUNT * LARGE_SIZE);
    if (base == NULL) {
        mem_free(larges);
        return NULL;
    }
    for (unsigned i = 0; i < LARGE_COUNT; i++) {
        larges[i].queue = queue;
        buf_init(&larges[i].buf, base + (size_t)i * LARGE_SIZE, LARGE_SIZE,
                 large_release);
        buf_put(&larges[i].buf);
    }
    return larges;
}

/* None of them is in use. */
static void larges_free(struct leaf_large *larges)
{
    if (larges == NULL)
        return;
    dma_free(larges[0].buf.base, (size_t)LARGE_COUNT * LARGE_SIZE);
    mem_free(larges);
}

static int queue_make(struct leaf_net *leaf, unsigned index)
{
    struct leaf_queue *queue = mem_alloc_zeroed(sizeof(*queue));
    struct leaf_large *larges = NULL;
    unsigned packets = PACKETS;
    int status = -ENOMEM;

    if (queue == NULL)
        return -ENOMEM;
    queue->leaf = leaf;
    queue->index = index;
    queue->wish = BATCH_LEAST;
    irq_work_init(&queue->work, leaf_work);
    irq_work_init(&queue->kick, kick_run);
    if (leaf->frame_max > FIRST_SIZE)
        queue->spare_count =
            (leaf->frame_max - FIRST_SIZE + LARGE_SIZE - 1) / LARGE_SIZE;
    assert(queue->spare_count <= SPARE_MAX);
    if (queue->spare_count > 0)
        larges = larges_make(queue);
    if (mem_free_bytes() < SMALL_MEMORY)
        packets = PACKETS_SMALL;
    if (queue->spare_count == 0 || larges != NULL)
        status = packet_pool_grow(packets);
    if (status != 0) {
        larges_free(larges);
        mem_free(queue);
        return status;
    }
    leaf->queues[index] = queue;
    return 0;
}

/* On the CPU of the queue; once more after a start that failed. */
static int queue_start(void *arg)
{
    const struct net_queue *net = arg;
    struct leaf_net *leaf = leaf_of(net->device);
    struct leaf_queue *queue = leaf->queues[net->index];
    int irq = hal_net_open(leaf->unit, net->index);
    int status;

    if (irq < 0)
        return irq;
    if (queue == NULL) {
        status = queue_make(leaf, net->index);
        if (status != 0)
            return status;
        queue = leaf->queues[net->index];
    }
    if (!queue->is_attached) {
        status = hal_irq_attach(irq, cpu_self()->id, leaf_irq, queue);
        if (status != 0)
            return status;
        queue->is_attached = true;
    }
    queue->dry = false;
    return 0;
}

static int leaf_start(struct net_device *dev)
{
    int status = 0;

    for (unsigned i = 0; status == 0 && i < dev->queue_count; i++)
        status = remote_call(dev->queues[i].cpu, queue_start, &dev->queues[i]);
    dev->link_up = hal_net_link(leaf_of(dev)->unit);
    return status;
}

static const struct net_ops leaf_ops = {
    .start = leaf_start, .send = leaf_send, .poll = leaf_poll, .arm = leaf_arm};

/* ---- Finding ------------------------------------------------------------- */

static unsigned offloads_of(unsigned hal)
{
    static const struct {
        unsigned hal;
        unsigned net;
    } pairs[] = {
        {HAL_NET_TX_CSUM, NET_TX_CSUM},   {HAL_NET_TX_TCP4, NET_TX_TCP4},
        {HAL_NET_TX_TCP6, NET_TX_TCP6},   {HAL_NET_RX_CSUM, NET_RX_CSUM},
        {HAL_NET_RX_LARGE, NET_RX_LARGE},
    };
    unsigned offloads = 0;

    for (unsigned i = 0; i < COUNT_OF(pairs); i++)
        if ((hal & pairs[i].hal) != 0)
            offloads |= pairs[i].net;
    return offloads;
}

static int leaf_probe(void)
{
    struct hal_net_info info;

    for (unsigned unit = 0; hal_net_info(unit, &info) == 0; unit++) {
        struct leaf_net *leaf;

        if (info.vsock_cid != 0)
            continue; /* leaf_vsock.c's */
        leaf = mem_alloc_zeroed(sizeof(*leaf));
        if (leaf == NULL)
            return -ENOMEM;
        leaf->unit = unit;
        leaf->frame_max = info.frame_max;
        leaf->net.ops = &leaf_ops;
        leaf->net.mtu = info.mtu;
        leaf->net.queue_max = min_u32(info.queue_count, NET_QUEUE_MAX);
        leaf->net.offloads = offloads_of(info.offloads);
        memcpy(leaf->net.mac, info.mac, sizeof(info.mac));
        if (net_register(&leaf->net) != 0) {
            mem_free(leaf);
            return 0;
        }
        log_info("%s: %02x:%02x:%02x:%02x:%02x:%02x, hosted",
                 leaf->net.device.name, info.mac[0], info.mac[1], info.mac[2],
                 info.mac[3], info.mac[4], info.mac[5]);
    }
    return 0;
}

const struct driver leaf_net_driver = {.name = "leaf_net", .probe = leaf_probe};
