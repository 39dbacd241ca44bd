/*
 * Virtio network card: VIRTIO 1.2, section 5.1: finding it, what it says of
 * itself, and setting it up. virtio_net_internal.h tells what is where.
 *
 * Sums and segments are left to the device where it can; it may leave them to
 * us where somebody takes frames in several buffers (net_device.takes_large).
 * Each queue of the card is a pair of virtqueues in the memory of its CPU, with
 * an interrupt vector there.
 */
#include "drivers/virtio_net_internal.h"
#include "kernel/device/driver.h"
#include "kernel/lib/minmax.h"
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>

enum {
    MTU_MIN = 576,
    MTU_DEFAULT = 1500,
    PAIRS_MAX = (VIRTIO_QUEUE_MAX - 1) / 2,
    LINK_UP = 1, /* in the status: 5.1.4 */
    ANNOUNCE = 2,
};

#define BIT(n) (UINT64_C(1) << (n))

/* ---- Features ------------------------------------------------------------ */

/* What every card is asked for, one with several queues besides, and one whose
 * user takes frames in several buffers. */
#define FEATURES                                                    \
    (BIT(NET_F_CSUM) | BIT(NET_F_GUEST_CSUM) | BIT(NET_F_MTU) |     \
     BIT(NET_F_MAC) | BIT(NET_F_HOST_TSO4) | BIT(NET_F_HOST_TSO6) | \
     BIT(NET_F_STATUS) | BIT(NET_F_CTRL_VQ) | BIT(NET_F_GUEST_ANNOUNCE))
#define FEATURES_LARGE \
    (BIT(NET_F_GUEST_TSO4) | BIT(NET_F_GUEST_TSO6) | BIT(NET_F_MRG_RXBUF))

/* What a feature cannot be without: 5.1.3.1; without buffers that are merged
 * those for frames of 64 KiB would take too much memory. */
static const struct {
    uint8_t feature;
    uint8_t needs;
} requirements[] = {
    {NET_F_GUEST_TSO4, NET_F_GUEST_CSUM},
    {NET_F_GUEST_TSO6, NET_F_GUEST_CSUM},
    {NET_F_GUEST_TSO4, NET_F_MRG_RXBUF},
    {NET_F_GUEST_TSO6, NET_F_MRG_RXBUF},
    {NET_F_HOST_TSO4, NET_F_CSUM},
    {NET_F_HOST_TSO6, NET_F_CSUM},
    {NET_F_GUEST_ANNOUNCE, NET_F_STATUS},
    {NET_F_GUEST_ANNOUNCE, NET_F_CTRL_VQ},
    {NET_F_MQ, NET_F_CTRL_VQ},
};

static uint64_t features_possible(uint64_t features)
{
    for (unsigned i = 0; i < COUNT_OF(requirements); i++) {
        if ((features & BIT(requirements[i].needs)) == 0)
            features &= ~BIT(requirements[i].feature);
    }
    if ((features & (BIT(NET_F_GUEST_ANNOUNCE) | BIT(NET_F_MQ))) == 0)
        features &= ~BIT(NET_F_CTRL_VQ); /* no command that we have */
    return features;
}

/* Reset the device and agree on features. */
static int begin(struct virtio_net *net, uint64_t wanted)
{
    if (net->virtio->is_legacy)
        wanted &= ~(FEATURES_LARGE | BIT(NET_F_MQ));
    return virtio_begin(net->virtio, wanted);
}

static unsigned offloads_of(const struct virtio_device *virtio)
{
    static const struct {
        uint8_t feature;
        uint8_t offload;
    } pairs[] = {
        {NET_F_CSUM, NET_TX_CSUM},       {NET_F_HOST_TSO4, NET_TX_TCP4},
        {NET_F_HOST_TSO6, NET_TX_TCP6},  {NET_F_GUEST_CSUM, NET_RX_CSUM},
        {NET_F_MRG_RXBUF, NET_RX_LARGE},
    };
    unsigned offloads = 0;

    for (unsigned i = 0; i < COUNT_OF(pairs); i++) {
        if (virtio_has(virtio, pairs[i].feature))
            offloads |= pairs[i].offload;
    }
    return offloads;
}

/* ---- Configuration: 5.1.4 ------------------------------------------------ */

enum { MAC, LINK = 6, PAIRS, MTU, FIELD_COUNT };

/* Fields, and the feature without which each one is not there. */
static const struct {
    struct virtio_field field;
    uint8_t feature;
    uint8_t without;
} config_fields[FIELD_COUNT] = {
    {{0, 1}, NET_F_MAC, 0},
    {{1, 1}, NET_F_MAC, 0},
    {{2, 1}, NET_F_MAC, 0},
    {{3, 1}, NET_F_MAC, 0},
    {{4, 1}, NET_F_MAC, 0},
    {{5, 1}, NET_F_MAC, 0},
    [LINK] = {{6, 2}, NET_F_STATUS, LINK_UP},
    [PAIRS] = {{8, 2}, NET_F_MQ, 1},
    [MTU] = {{10, 2}, NET_F_MTU, 0},
};

/* Read the fields from `first` to `end`, as far as they are there. Returns 0,
 * -EIO. */
static int config_read(struct virtio_device *virtio, unsigned first,
                       unsigned end, uint64_t config[FIELD_COUNT])
{
    struct virtio_field fields[FIELD_COUNT];
    uint64_t values[FIELD_COUNT];
    unsigned count = 0;
    int status = 0;

    for (unsigned i = first; i < end; i++) {
        if (virtio_has(virtio, config_fields[i].feature))
            fields[count++] = config_fields[i].field;
    }
    if (count > 0)
        status = virtio_config_read(virtio, fields, count, values);
    if (status != 0)
        return status;
    count = 0;
    for (unsigned i = first; i < end; i++)
        config[i] = virtio_has(virtio, config_fields[i].feature)
                        ? values[count++]
                        : config_fields[i].without;
    return 0;
}

void vnet_look(struct virtio_net *net)
{
    uint64_t config[FIELD_COUNT];
    bool is_up;

    if (!net->is_up)
        return;
    if (virtio_needs_reset(net->virtio)) {
        vnet_ask_reset(net, "asks to be reset");
        return;
    }
    if (!virtio_is_ready(net->virtio)) { /* what is not there reads as 0 */
        vnet_ask_reset(net, "is gone or was reset");
        return;
    }
    if (config_read(net->virtio, LINK, LINK + 1, config) != 0)
        return;
    is_up = (config[LINK] & LINK_UP) != 0;
    if (is_up != net->net.link_up)
        net_link_set(&net->net, is_up);
    if ((config[LINK] & ANNOUNCE) != 0 && !net->ctrl.is_busy &&
        virtio_has(net->virtio, NET_F_GUEST_ANNOUNCE)) {
        net_announce(&net->net);
        vnet_ctrl_announced(net);
    }
}

static void changed(struct virtio_device *virtio)
{
    vnet_look(virtio->driver);
}

/* ---- Starting ------------------------------------------------------------ */

/* A vector for each queue; a start may find that there are fewer. */
static int vectors_attach(struct virtio_net *net, bool is_start)
{
    struct net_device *dev = &net->net;
    struct virtio_vector *vectors = net->virtio->vectors;
    int count;

    for (unsigned i = 0; i < dev->queue_count; i++)
        vectors[i] = (struct virtio_vector){vnet_pair_irq, &dev->queues[i],
                                            dev->queues[i].cpu};
    count = virtio_attach(net->virtio, vectors, dev->queue_count, changed);
    if (count < 0)
        return count;
    if ((unsigned)count == dev->queue_count)
        return 0;
    if (!is_start)
        return -ENOSPC; /* it worked with more */
    dev->queue_count = (unsigned)count;
    return 0;
}

/* The rings and the commands. */
static int queues_make(struct virtio_net *net, unsigned pairs)
{
    int status = net_each_queue(&net->net, vnet_pair_make);

    if (status == 0 && virtio_has(net->virtio, NET_F_CTRL_VQ))
        status = vnet_ctrl_make(net, 2 * pairs);
    if (status == 0)
        status = net_each_queue(&net->net, vnet_pair_fill);
    return status;
}

/* Agree on features, and see what the device is. Returns 0 and how many pairs
 * it has. */
static int agree(struct virtio_net *net, unsigned *pairs)
{
    uint64_t wanted = FEATURES;
    uint64_t config[FIELD_COUNT];
    int status;

    /* After a reset what was agreed on, also when there were fewer vectors. */
    if (net->features == 0 ? net->net.queue_count > 1
                           : (net->features & BIT(NET_F_MQ)) != 0)
        wanted |= BIT(NET_F_MQ);
    if (net->net.takes_large)
        wanted |= FEATURES_LARGE;
    if (net->mtu_is_too_long)
        wanted &= ~BIT(NET_F_MTU);
    status = begin(net, wanted);
    if (status == 0)
        status = config_read(net->virtio, PAIRS, PAIRS + 1, config);
    if (status != 0)
        return status;
    *pairs = (unsigned)config[PAIRS];
    if (*pairs > PAIRS_MAX || *pairs < net->net.queue_count)
        return -ENODEV; /* this is not what it said before */
    return 0;
}

int vnet_setup(struct virtio_net *net)
{
    struct net_device *dev = &net->net;
    bool is_start = net->features == 0;
    unsigned pairs = 1;
    int status = agree(net, &pairs);

    if (status == 0 && !is_start && net->virtio->features != net->features)
        status = -ENODEV;
    if (status == 0)
        status = vectors_attach(net, is_start);
    if (status == 0)
        status = queues_make(net, pairs);
    if (status == 0) {
        virtio_ready(net->virtio);
        if (dev->queue_count > 1)
            status = vnet_ctrl_pairs(net, (uint16_t)dev->queue_count);
    }
    if (status != 0) {
        net->status = virtio_fail(net->virtio);
        vnet_ctrl_end(net, net->status);
        (void)net_each_queue(dev, vnet_pair_end);
        return status;
    }
    net->features = net->virtio->features;
    dev->offloads = offloads_of(net->virtio);
    net->is_up = true;
    return 0;
}

static int virtio_net_start(struct net_device *dev)
{
    struct virtio_net *net = vnet_of(dev);
    int status = vnet_reset_begin(net);

    if (status != 0) {
        virtio_fail(net->virtio); /* it has been asked for its features */
        return status;
    }
    net->features = 0;
    status = vnet_setup(net);
    if (status != 0) {
        (void)net_each_queue(dev, vnet_pair_free);
        vnet_reset_end(net);
        return status;
    }
    (void)net_each_queue(dev, vnet_pair_begin);
    vnet_look(net);
    return 0;
}

/* The pairs of other CPUs are theirs to check. */
static void virtio_net_check(const struct net_device *dev)
{
    const struct virtio_net *net =
        container_of(dev, const struct virtio_net, net);

    vnet_pair_check(vnet_pair_of(&dev->queues[0]));
    vnet_ctrl_check(net);
    assert(!net->is_up || net->virtio->features == net->features);
    assert(features_possible(net->features) == net->features);
}

static const struct net_ops virtio_net_ops = {.start = virtio_net_start,
                                              .send = vnet_send,
                                              .poll = vnet_poll,
                                              .arm = vnet_arm,
                                              .check = virtio_net_check};

/* ---- Finding ------------------------------------------------------------- */

/* The card's address and its MTU, or choose them. */
static void describe(struct virtio_net *net, const uint64_t config[FIELD_COUNT])
{
    struct net_device *dev = &net->net;
    unsigned pairs = (unsigned)config[PAIRS];

    for (unsigned i = MAC; i < LINK; i++)
        dev->mac[i] = (uint8_t)config[i];
    if (!virtio_has(net->virtio, NET_F_MAC)) {
        /* By chance, if not by much of it. */
        if (random_bytes(dev->mac, 6) != 0)
            log_warn("virtio: an address that may be guessed");
        dev->mac[0] = (uint8_t)((dev->mac[0] & 0xfc) | 2); /* local */
    }
    dev->mtu = MTU_DEFAULT;
    if (config[MTU] >= MTU_MIN && config[MTU] < MTU_DEFAULT)
        dev->mtu = (uint16_t)config[MTU];
    net->mtu = (uint16_t)config[MTU];
    /* A frame of that length needs a buffer of that length. */
    net->mtu_is_too_long =
        net->mtu + VNET_ETHER + VNET_HEADER_SIZE > PACKET_SIZE;
    if (pairs == 0 || pairs > PAIRS_MAX)
        pairs = 1; /* its commands could not be reached */
    dev->queue_max =
        virtio_vectors_max(net->virtio, min_u32(pairs, NET_QUEUE_MAX));
}

/* Leave a card out, with the reason. */
static int left_out(struct virtio_net *net, const char *why)
{
    log_error("virtio: the card at %s %s: left out", net->virtio->where, why);
    virtio_fail(net->virtio);
    mem_free(net);
    return 0;
}

/* What the card says of itself is needed to register; start() begins again. */
static int found(struct virtio_device *virtio)
{
    struct virtio_net *net = mem_alloc_zeroed(sizeof(*net));
    struct net_device *dev;
    uint64_t config[FIELD_COUNT];

    if (net == NULL)
        return -ENOMEM;
    dev = &net->net;
    net->virtio = virtio;
    dev->ops = &virtio_net_ops;
    virtio->possible = features_possible;
    if (begin(net, FEATURES | BIT(NET_F_MQ)) != 0 ||
        config_read(virtio, 0, FIELD_COUNT, config) != 0)
        return left_out(net, "does not start");
    describe(net, config);
    if (!net_address_valid(dev->mac))
        return left_out(net, "has a group address, or none");
    if (net_register(dev) != 0)
        return left_out(net, "is one too many: no name is left");
    virtio->driver = net;
    log_info("%s: %02x:%02x:%02x:%02x:%02x:%02x, virtio %s", dev->device.name,
             dev->mac[0], dev->mac[1], dev->mac[2], dev->mac[3], dev->mac[4],
             dev->mac[5], virtio->where);
    return 0;
}

static int virtio_net_probe(void)
{
    return virtio_find(VIRTIO_ID_NET, found);
}

const struct driver virtio_net_driver = {
    .name = "virtio_net", .probe = virtio_net_probe, .options = virtio_options};
