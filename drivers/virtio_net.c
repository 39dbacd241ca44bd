/*
 * Virtio network card: VIRTIO 1.2, section 5.1. One pair of queues, no
 * offloads. A header of 12 bytes (10 for legacy devices) comes before each
 * frame; it is written into the headroom of the packet.
 *
 * A received frame interrupts. A sent one does so only while the ring is full:
 * packets that were sent are taken back by the next poll. The device is
 * notified of frames to send once a scheduler pass, not once a frame.
 */
#include "drivers/virtio.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    FEATURE_MTU = 3,
    FEATURE_MAC = 5,
    CONFIG_MAC = 0,
    CONFIG_MTU = 10,
    QUEUE_RX = 0,
    QUEUE_TX = 1,
    QUEUE_SIZE = 256,
    QUEUE_SIZE_SMALL = 64, /* where memory is short */
    SMALL_MEMORY = 16 * 1024 * 1024,
    HEADER_SIZE = 12,
    HEADER_SIZE_LEGACY = 10,
    MTU_DEFAULT = 1500,
    FRAME_MIN = 14,
    PIECES_MAX = 2 + PACKET_SLICES, /* of a frame that is sent */
};
#define FEATURES (UINT64_C(1) << FEATURE_MTU | UINT64_C(1) << FEATURE_MAC)

struct virtio_net {
    struct net_device net;
    struct virtio_device *virtio;

    /* owner CPU only: */
    struct virtqueue rx;
    struct virtqueue tx;
    struct irq_work work; /* the device has interrupted */
    struct irq_work kick; /* frames were added: notify the device */
    size_t header_size;
    bool dead; /* given up: see net_die() */
};

static struct virtio_net *net_of(struct net_device *dev)
{
    return container_of(dev, struct virtio_net, net);
}

/* The one queue of the card. */
static struct net_queue *queue_of(struct virtio_net *net)
{
    return &net->net.queues[0];
}

/* Give the device up: reset it and use it no more. */
static void net_die(struct virtio_net *net)
{
    if (net->dead)
        return;
    log_error("%s: a used ring breaks the rules: the card is given up",
              net->net.device.name);
    net->dead = true;
    virtio_fail(net->virtio);
}

/* ---- Receiving ----------------------------------------------------------- */

/*
 * Hand a packet's whole buffer to the device, whose ring has room. Legacy
 * devices want the header in a descriptor of its own: 5.1.6.1.
 */
static void rx_give(struct virtio_net *net, struct packet *packet)
{
    uint32_t header = (uint32_t)net->header_size;
    const struct vq_piece pieces[] = {
        {packet->buf.bus, header, true},
        {packet->buf.bus + header, PACKET_SIZE - header, true},
    };
    const struct vq_piece whole = {packet->buf.bus, PACKET_SIZE, true};
    int status;

    packet_expose(packet);
    if (net->virtio->is_legacy)
        status = vq_add(&net->rx, pieces, 2, packet);
    else
        status = vq_add(&net->rx, &whole, 1, packet);
    assert(status == 0);
}

/* Give the device all the buffers that its ring has room for, once: each one
 * that comes back is replaced. */
static void rx_fill(struct virtio_net *net)
{
    struct packet *packet;

    while (net->rx.free_count >= 2 && (packet = packet_get()) != NULL)
        rx_give(net, packet);
}

/*
 * A frame of `written` bytes, header included, was received. The device gets a
 * fresh packet in exchange; when there is none, the frame is dropped and the
 * device gets its packet again. Returns whether there is a frame.
 */
static bool rx_one(struct virtio_net *net, struct packet *packet,
                   uint32_t written)
{
    struct packet *fresh = packet_get();
    bool bad = written < net->header_size + FRAME_MIN;

    if (fresh == NULL || bad) {
        queue_of(net)->rx_dropped++;
        packet_put(fresh);
        rx_give(net, packet);
        return false;
    }
    rx_give(net, fresh);
    assert(written <= PACKET_SIZE);
    packet_set_frame(packet, net->header_size, written - net->header_size);
    net_count_received(queue_of(net), packet->len);
    return true;
}

/* Take at most `max` frames. Returns how many; sets *status to -EIO when the
 * ring is broken. A frame that is dropped counts as work done. */
static unsigned rx_take(struct virtio_net *net, struct packet *packets[],
                        unsigned max, int *status)
{
    unsigned count = 0;

    for (unsigned i = 0; i < max; i++) {
        uint32_t written;
        void *cookie;

        *status = vq_take(&net->rx, &cookie, &written);
        if (*status <= 0)
            break;
        if (rx_one(net, cookie, written))
            packets[count++] = cookie;
    }
    return count;
}

/* ---- Sending ------------------------------------------------------------- */

/* Put the packets that were sent. Returns 0, -EIO. */
static int tx_reclaim(struct virtio_net *net)
{
    uint32_t written;
    void *cookie;
    int status;

    while ((status = vq_take(&net->tx, &cookie, &written)) > 0)
        packet_put(cookie);
    return status;
}

/* Whether the ring has room for `need` pieces. If it has not, an interrupt
 * comes as soon as it has. */
static bool tx_room(struct virtio_net *net, unsigned need)
{
    if (net->tx.free_count >= need)
        return true;
    vq_want_interrupt(&net->tx, true);
    if (tx_reclaim(net) < 0)
        net_die(net);
    if (net->dead || net->tx.free_count < need)
        return false;
    vq_want_interrupt(&net->tx, false);
    return true;
}

/* The frame with its header of zeroes: no offloads. Returns how many pieces. */
static unsigned tx_pieces(struct virtio_net *net, struct packet *packet,
                          struct vq_piece pieces[PIECES_MAX])
{
    uint32_t header = (uint32_t)net->header_size;
    uint64_t bus = packet_bus(packet);
    unsigned count = 0;

    if (net->virtio->is_legacy) {
        pieces[count++] = (struct vq_piece){bus, header, false};
        pieces[count++] =
            (struct vq_piece){bus + header, packet->len - header, false};
    } else {
        pieces[count++] = (struct vq_piece){bus, packet->len, false};
    }
    for (unsigned i = 0; i < packet->slice_count; i++) {
        const struct slice *slice = &packet->slices[i];

        pieces[count++] =
            (struct vq_piece){slice_bus(slice), slice->len, false};
    }
    return count;
}

/* Whether the card can send the frame at all. */
static bool tx_fits(const struct virtio_net *net, const struct packet *packet)
{
    return packet->slice_count + 2U <= net->tx.size &&
           packet_headroom(packet) >= net->header_size;
}

static void tx_one(struct virtio_net *net, struct packet *packet)
{
    struct vq_piece pieces[PIECES_MAX];
    int status;

    assert(packet->len > 0);
    net_count_sent(queue_of(net), packet_len(packet));
    memset(packet_push(packet, net->header_size), 0, net->header_size);
    status = vq_add(&net->tx, pieces, tx_pieces(net, packet, pieces), packet);
    assert(status == 0); /* there is room */
}

static unsigned virtio_net_send(struct net_queue *queue,
                                struct packet *const packets[], unsigned count)
{
    struct virtio_net *net = net_of(queue->device);
    unsigned taken = 0;

    for (; taken < count; taken++) {
        struct packet *packet = packets[taken];

        if (!net->dead && tx_fits(net, packet)) {
            if (tx_room(net, packet->slice_count + 2U)) {
                tx_one(net, packet);
                continue;
            }
            if (!net->dead)
                break;
        }
        net_drop_sent(queue, packet);
    }
    if (taken > 0)
        irq_work_raise(&net->kick);
    return taken;
}

static void kick_run(struct irq_work *work)
{
    struct virtio_net *net = container_of(work, struct virtio_net, kick);

    if (!net->dead)
        virtio_kick(net->virtio, QUEUE_TX, &net->tx);
}

/* ---- Polling ------------------------------------------------------------- */

static unsigned virtio_net_poll(struct net_queue *queue,
                                struct packet *packets[], unsigned max)
{
    struct virtio_net *net = net_of(queue->device);
    unsigned count;
    int status = 0;

    if (net->dead)
        return 0;
    count = rx_take(net, packets, max, &status);
    assert(count <= max);
    if (status < 0 || tx_reclaim(net) < 0)
        net_die(net);
    else
        virtio_kick(net->virtio, QUEUE_RX, &net->rx);
    return count;
}

static bool virtio_net_arm(struct net_queue *queue, bool on)
{
    struct virtio_net *net = net_of(queue->device);

    if (net->dead)
        return true;
    vq_want_interrupt(&net->rx, on);
    return !on || !vq_has_used(&net->rx);
}

static void net_irq(void *arg)
{
    irq_work_raise(&((struct virtio_net *)arg)->work);
}

static void work_run(struct irq_work *work)
{
    net_wake(queue_of(container_of(work, struct virtio_net, work)));
}

/* ---- Start --------------------------------------------------------------- */

static int queues_make(struct virtio_net *net)
{
    uint16_t size =
        mem_free_bytes() < SMALL_MEMORY ? QUEUE_SIZE_SMALL : QUEUE_SIZE;
    const struct virtio_queue_wish wish = {.size_max = size};
    int status = virtio_queue(net->virtio, QUEUE_RX, &wish, &net->rx);
    int stopped;

    if (status != 0)
        return status;
    status = virtio_queue(net->virtio, QUEUE_TX, &wish, &net->tx);
    if (status == 0)
        /* Both rings full, and as many packets again in use by the stack. */
        status = packet_pool_grow(net->rx.size + 2U * net->tx.size);
    if (status == 0)
        return 0;
    /* The device knows the rings: reset it before they are freed. */
    stopped = virtio_fail(net->virtio);
    virtio_queue_end(&net->tx, stopped);
    virtio_queue_end(&net->rx, stopped);
    return status;
}

static int virtio_net_start(struct net_device *dev)
{
    struct virtio_net *net = net_of(dev);
    struct virtio_device *virtio = net->virtio;
    const struct virtio_vector vector = {net_irq, net, cpu_self()->id};
    int status = virtio_begin(virtio, FEATURES);

    irq_work_init(&net->work, work_run);
    irq_work_init(&net->kick, kick_run);
    assert(!net->dead);
    net->header_size = virtio->is_legacy ? HEADER_SIZE_LEGACY : HEADER_SIZE;
    if (status == 0)
        status = virtio_attach(virtio, &vector, 1, NULL);
    if (status > 0)
        status = queues_make(net);
    if (status != 0) {
        virtio_fail(virtio);
        return status;
    }
    assert(net->rx.size >= 2);
    assert(net->tx.size >= 2);
    vq_want_interrupt(&net->tx, false);
    rx_fill(net);
    virtio_ready(virtio);
    virtio_kick(virtio, QUEUE_RX, &net->rx);
    return 0;
}

static const struct net_ops virtio_net_ops = {.start = virtio_net_start,
                                              .send = virtio_net_send,
                                              .poll = virtio_net_poll,
                                              .arm = virtio_net_arm};

/* Read the card's address and its MTU, or choose them. Returns 0, -EIO. */
static int address_read(struct virtio_net *net)
{
    static const struct virtio_field fields[] = {
        {CONFIG_MAC, 1},     {CONFIG_MAC + 1, 1}, {CONFIG_MAC + 2, 1},
        {CONFIG_MAC + 3, 1}, {CONFIG_MAC + 4, 1}, {CONFIG_MAC + 5, 1},
        {CONFIG_MTU, 2},
    };
    struct virtio_device *virtio = net->virtio;
    uint64_t values[COUNT_OF(fields)];
    int status = virtio_config_read(virtio, fields, COUNT_OF(fields), values);

    if (status != 0)
        return status;
    for (unsigned i = 0; i < 6; i++)
        net->net.mac[i] = (uint8_t)values[i];
    if (!virtio_has(virtio, FEATURE_MAC)) {
        (void)hal_entropy(net->net.mac, 6);
        net->net.mac[0] = (uint8_t)((net->net.mac[0] & 0xfc) | 2); /* local */
    }
    net->net.mtu = MTU_DEFAULT;
    if (virtio_has(virtio, FEATURE_MTU) && values[6] >= 576 &&
        values[6] < MTU_DEFAULT)
        net->net.mtu = (uint16_t)values[6];
    return 0;
}

/* Leave a card out, with the reason. */
static int net_left_out(struct virtio_net *net, const char *why)
{
    log_error("virtio: the card at %s %s: left out", net->virtio->where, why);
    virtio_fail(net->virtio);
    mem_free(net);
    return 0;
}

static int net_found(struct virtio_device *virtio)
{
    struct virtio_net *net = mem_alloc_zeroed(sizeof(*net));

    if (net == NULL)
        return -ENOMEM;
    net->virtio = virtio;
    net->net.ops = &virtio_net_ops;
    if (virtio_begin(virtio, FEATURES) != 0)
        return net_left_out(net, "does not start");
    if (address_read(net) != 0)
        return net_left_out(net, "does not start");
    if (!net_address_valid(net->net.mac))
        return net_left_out(net, "has a group address, or none");
    if (net_register(&net->net) != 0)
        return net_left_out(net, "is one too many: no name is left");
    log_info("%s: %02x:%02x:%02x:%02x:%02x:%02x, virtio %s",
             net->net.device.name, net->net.mac[0], net->net.mac[1],
             net->net.mac[2], net->net.mac[3], net->net.mac[4], net->net.mac[5],
             virtio->where);
    return 0;
}

static int net_probe(void)
{
    return virtio_find(VIRTIO_ID_NET, net_found);
}

const struct driver virtio_net_driver = {"virtio_net", net_probe};
