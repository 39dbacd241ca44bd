#include "kernel/netdev.h"
#include "kernel/lib/check.h"

struct net_device *net_from_device(struct device *device)
{
    if (device == NULL || device->class != DEVICE_NET)
        return NULL;
    return container_of(device, struct net_device, device);
}

int net_register(struct net_device *dev)
{
    dev->device.class = DEVICE_NET;
    dev->device.owner = DEVICE_NOBODY;
    return device_register(&dev->device, "net");
}

void net_receive(struct net_device *dev, struct packet *packet)
{
    dev->rx_frames++;
    dev->rx_bytes += packet->len;
    if (dev->receive != NULL) {
        dev->receive(dev, packet);
        return;
    }
    dev->rx_dropped++;
    packet_put(packet);
}

void net_wake(struct net_device *dev)
{
    if (dev->wake != NULL)
        dev->wake(dev);
}

void net_send(struct net_device *dev, struct packet *packet)
{
    size_t len = packet->len;

    assert(device_is_mine(&dev->device));
    if (dev->ops->send(dev, packet) != 0) {
        dev->tx_dropped++;
        packet_put(packet);
        return;
    }
    dev->tx_frames++;
    dev->tx_bytes += len;
}
