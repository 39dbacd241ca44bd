/*
 * Virtio network card: VIRTIO 1.2, section 5.1. One pair of queues, no
 * offloads. Each frame follows a header of 12 bytes (10 for legacy devices),
 * which lies in the packet's headroom.
 *
 * Received frames interrupt; sent ones do not, unless the ring is full: their
 * packets are taken back when the next are sent. The device is told of sent
 * frames once a scheduler pass, not once a frame.
 */
#include "drivers/drivers.h"
#include "drivers/virtio.h"
#include "kernel/irq_work.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/netdev.h"
#include <torc/log.h>
#include <torc/memory.h>

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
};
#define FEATURES (UINT64_C(1) << FEATURE_MTU | UINT64_C(1) << FEATURE_MAC)

struct virtio_net {
    struct net_device net;
    struct virtio_device *virtio;

    /* owner CPU only: */
    struct virtqueue rx;
    struct virtqueue tx;
    struct irq_work work; /* something came */
    struct irq_work kick; /* tell the device of what was sent */
    size_t header_size;
    bool dead;
};

static struct virtio_net *net_of(struct net_device *dev)
{
    return container_of(dev, struct virtio_net, net);
}

static void net_die(struct virtio_net *net)
{
    if (net->dead)
        return;
    log_error("%s: a ring makes no sense: the card is given up",
              net->net.device.name);
    net->dead = true;
    virtio_fail(net->virtio);
}

/* ---- Receiving ----------------------------------------------------------- */

/*
 * Hand a packet's whole buffer to the device. Legacy devices want the header in
 * a descriptor of its own: 5.1.6.1.
 */
static bool rx_give(struct virtio_net *net, struct packet *packet)
{
    uint32_t header = (uint32_t)net->header_size;
    const struct vq_piece pieces[] = {
        {packet->bus, header, true},
        {packet->bus + header, PACKET_SIZE - header, true},
    };
    const struct vq_piece whole = {packet->bus, PACKET_SIZE, true};

    if (net->virtio->is_legacy)
        return vq_add(&net->rx, pieces, 2, packet) == 0;
    return vq_add(&net->rx, &whole, 1, packet) == 0;
}

static void rx_fill(struct virtio_net *net)
{
    struct packet *packet;

    while (net->rx.free_count >= 2 && (packet = packet_get()) != NULL) {
        if (!rx_give(net, packet)) {
            packet_put(packet);
            break;
        }
    }
}

/*
 * A frame of `written` bytes, header included. A fresh packet takes its place;
 * if there is none, the frame is dropped and its packet goes round again.
 */
static void rx_one(struct virtio_net *net, struct packet *packet,
                   uint32_t written)
{
    struct packet *fresh = packet_get();
    bool bad = written < net->header_size + FRAME_MIN;

    if (fresh == NULL || bad) {
        net->net.rx_dropped++;
        packet_put(fresh);
        if (!rx_give(net, packet))
            packet_put(packet);
        return;
    }
    if (!rx_give(net, fresh))
        packet_put(fresh);
    packet->data = packet->base + net->header_size;
    packet->len = written - net->header_size;
    net_receive(&net->net, packet);
}

static int rx_take(struct virtio_net *net)
{
    uint32_t written;
    void *cookie;
    int status = vq_take(&net->rx, &cookie, &written);

    if (status > 0)
        rx_one(net, cookie, written);
    return status;
}

/* ---- Sending ------------------------------------------------------------- */

static int tx_reclaim(struct virtio_net *net)
{
    uint32_t written;
    void *cookie;
    int status;

    while ((status = vq_take(&net->tx, &cookie, &written)) > 0)
        packet_put(cookie);
    return status;
}

/* Make room for a frame; false when there is none, and an interrupt will come
 * when there is. */
static bool tx_room(struct virtio_net *net)
{
    if (net->tx.free_count >= 2)
        return true;
    vq_want_interrupt(&net->tx, true);
    if (tx_reclaim(net) < 0)
        net_die(net);
    if (net->dead || net->tx.free_count < 2)
        return false;
    vq_want_interrupt(&net->tx, false);
    return true;
}

static int virtio_net_send(struct net_device *dev, struct packet *packet)
{
    struct virtio_net *net = net_of(dev);
    uint32_t header = (uint32_t)net->header_size;
    struct vq_piece pieces[2];
    uint8_t *at;

    if (net->dead || !tx_room(net))
        return -EAGAIN;
    at = packet_push(packet, header);
    if (at == NULL)
        return -EMSGSIZE;
    memset(at, 0, header);
    pieces[0] = (struct vq_piece){packet_bus(packet), header, false};
    pieces[1] = (struct vq_piece){packet_bus(packet) + header,
                                  (uint32_t)packet->len - header, false};
    if (!net->virtio->is_legacy)
        pieces[0].len = (uint32_t)packet->len;
    if (vq_add(&net->tx, pieces, net->virtio->is_legacy ? 2 : 1, packet) != 0) {
        (void)packet_pull(packet, header);
        return -EAGAIN;
    }
    irq_work_raise(&net->kick);
    return 0;
}

static void kick_run(struct irq_work *work)
{
    struct virtio_net *net = container_of(work, struct virtio_net, kick);

    if (!net->dead)
        virtio_kick(net->virtio, QUEUE_TX, &net->tx);
}

/* ---- Polling ------------------------------------------------------------- */

static unsigned virtio_net_poll(struct net_device *dev, unsigned budget)
{
    struct virtio_net *net = net_of(dev);
    unsigned count = 0;
    int status = 0;

    if (net->dead)
        return 0;
    vq_want_interrupt(&net->rx, false);
    while (count < budget) {
        status = rx_take(net);
        if (status > 0) {
            count++;
            continue;
        }
        if (status < 0)
            break;
        /* Empty: ask for interrupts, and look again, since what came before
         * the asking does not interrupt. */
        vq_want_interrupt(&net->rx, true);
        if (!vq_has_used(&net->rx))
            break;
        vq_want_interrupt(&net->rx, false);
    }
    rx_fill(net);
    if (status < 0 || tx_reclaim(net) < 0)
        net_die(net);
    else
        virtio_kick(net->virtio, QUEUE_RX, &net->rx);
    return count;
}

static void net_irq(void *arg)
{
    struct virtio_net *net = arg;

    if (net->virtio->ops->acknowledge(net->virtio))
        irq_work_raise(&net->work);
}

static void work_run(struct irq_work *work)
{
    net_wake(&container_of(work, struct virtio_net, work)->net);
}

static const struct net_ops virtio_net_ops = {.send = virtio_net_send,
                                              .poll = virtio_net_poll};

/* ---- Start --------------------------------------------------------------- */

static int queues_make(struct virtio_net *net)
{
    struct mem_stats memory;
    uint16_t size = QUEUE_SIZE;
    int status;

    mem_get_stats(&memory);
    if (memory.free_bytes < SMALL_MEMORY)
        size = QUEUE_SIZE_SMALL;
    status = virtio_queue(net->virtio, QUEUE_RX, size, &net->rx);
    if (status != 0)
        return status;
    status = virtio_queue(net->virtio, QUEUE_TX, size, &net->tx);
    if (status == 0)
        /* The rings full, and as many again on their way through the stack. */
        status = packet_pool_grow(net->rx.size + 2U * net->tx.size);
    if (status == 0)
        return 0;
    virtio_fail(
        net->virtio); /* it knows the rings: they go after it is reset */
    if (net->tx.memory != NULL)
        vq_fini(&net->tx);
    vq_fini(&net->rx);
    return status;
}

static int net_start_device(struct device *device)
{
    struct virtio_net *net = net_of(net_from_device(device));
    struct virtio_device *virtio = net->virtio;
    int status = virtio_begin(virtio, FEATURES);

    irq_work_init(&net->work, work_run);
    irq_work_init(&net->kick, kick_run);
    net->dead = false;
    net->header_size = virtio->is_legacy ? HEADER_SIZE_LEGACY : HEADER_SIZE;
    if (status == 0)
        status = virtio->ops->attach(virtio, net_irq, net);
    if (status == 0)
        status = queues_make(net);
    if (status != 0) {
        virtio_fail(virtio);
        return status;
    }
    vq_want_interrupt(&net->tx, false);
    rx_fill(net);
    virtio_ready(virtio);
    virtio_kick(virtio, QUEUE_RX, &net->rx);
    return 0;
}

static void address_read(struct virtio_net *net)
{
    struct virtio_device *virtio = net->virtio;

    for (unsigned i = 0; i < 6; i++)
        net->net.mac[i] = virtio->ops->config8(virtio, CONFIG_MAC + i);
    if (!virtio_has(virtio, FEATURE_MAC)) {
        (void)hal_entropy(net->net.mac, 6);
        net->net.mac[0] = (uint8_t)((net->net.mac[0] & 0xfc) | 2); /* local */
    }
    net->net.mtu = MTU_DEFAULT;
    if (virtio_has(virtio, FEATURE_MTU)) {
        uint16_t mtu = virtio_config16(virtio, CONFIG_MTU);

        if (mtu >= 576 && mtu < MTU_DEFAULT)
            net->net.mtu = mtu;
    }
}

static int net_found(struct virtio_device *virtio)
{
    struct virtio_net *net = mem_alloc_zeroed(sizeof(*net));

    if (net == NULL)
        return -ENOMEM;
    net->virtio = virtio;
    net->net.ops = &virtio_net_ops;
    net->net.device.start = net_start_device;
    if (virtio_begin(virtio, FEATURES) != 0) {
        log_error("virtio: the card at %s does not start: left out",
                  virtio->where);
        virtio_fail(virtio);
        mem_free(net);
        return 0;
    }
    address_read(net);
    if (net_register(&net->net) != 0) {
        mem_free(net);
        return 0;
    }
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
