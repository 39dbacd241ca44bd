/* Cards of the hosted machine: the net class over hal_net_*. */
#include "drivers/drivers.h"
#include "hal/hal.h"
#include "kernel/irq_work.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/netdev.h"
#include "kernel/percpu.h"
#include <torc/log.h>
#include <torc/memory.h>

enum { PACKETS = 512, PACKETS_SMALL = 128, SMALL_MEMORY = 16 * 1024 * 1024 };

struct leaf_net {
    struct net_device net;
    unsigned unit;
    int irq;
    struct irq_work work; /* owner CPU */
};

static struct leaf_net *leaf_of(struct net_device *dev)
{
    return container_of(dev, struct leaf_net, net);
}

static int leaf_send(struct net_device *dev, struct packet *packet)
{
    int status = hal_net_send(leaf_of(dev)->unit, packet->data, packet->len);

    if (status == 0)
        packet_put(packet);
    return status;
}

/*
 * hal_net_recv() that finds nothing arms the interrupt by itself. Without a
 * packet to put a frame in, it is left where it is and looked for again.
 */
static unsigned leaf_poll(struct net_device *dev, unsigned budget)
{
    struct leaf_net *leaf = leaf_of(dev);
    unsigned count = 0;

    while (count < budget) {
        struct packet *packet = packet_get();
        int len;

        if (packet == NULL)
            return budget;
        len = hal_net_recv(leaf->unit, packet->data, packet_tailroom(packet));
        if (len < 0)
            packet_put(packet);
        if (len == -EAGAIN)
            break;
        count++;
        if (len < 0) {
            dev->rx_dropped++;
            continue;
        }
        packet->len = (size_t)len;
        net_receive(dev, packet);
    }
    return count;
}

static void leaf_irq(void *arg)
{
    struct leaf_net *leaf = arg;

    irq_work_raise(&leaf->work);
}

static void leaf_work(struct irq_work *work)
{
    net_wake(&container_of(work, struct leaf_net, work)->net);
}

static int leaf_start(struct device *device)
{
    struct leaf_net *leaf = leaf_of(net_from_device(device));
    struct mem_stats memory;
    int status;

    mem_get_stats(&memory);
    status = packet_pool_grow(memory.free_bytes < SMALL_MEMORY ? PACKETS_SMALL
                                                               : PACKETS);
    if (status != 0)
        return status;
    irq_work_init(&leaf->work, leaf_work);
    return hal_irq_attach(leaf->irq, cpu_self()->id, leaf_irq, leaf);
}

static const struct net_ops leaf_ops = {.send = leaf_send, .poll = leaf_poll};

static int leaf_probe(void)
{
    struct hal_net_info info;

    for (unsigned unit = 0; hal_net_info(unit, &info) == 0; unit++) {
        struct leaf_net *leaf = mem_alloc_zeroed(sizeof(*leaf));

        if (leaf == NULL)
            return -ENOMEM;
        leaf->unit = unit;
        leaf->irq = info.irq;
        leaf->net.ops = &leaf_ops;
        leaf->net.device.start = leaf_start;
        leaf->net.mtu = info.mtu;
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

const struct driver leaf_net_driver = {"leaf_net", leaf_probe};
