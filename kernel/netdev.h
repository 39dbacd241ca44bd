/*
 * The net class: cards that carry Ethernet frames.
 *
 * The driver raises irq work when something came; the work wakes the card's
 * receive thread (or whatever the stack set as `wake`), and that calls
 * ops->poll, which hands frames to `receive`. So frames are processed in a
 * thread, a bounded number at a time.
 */
#ifndef TORC_KERNEL_NETDEV_H
#define TORC_KERNEL_NETDEV_H

#include "kernel/device.h"
#include "kernel/packet.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

struct net_device;

struct net_ops {
    /*
     * Send a frame. 0: the driver owns the packet and puts it when sent.
     * -EAGAIN: the ring is full, the packet stays the caller's. Owner CPU.
     */
    int (*send)(struct net_device *dev, struct packet *packet);

    /*
     * Hand at most `budget` received frames to net_receive() and put the sent
     * ones. Returns how many were received; less than `budget` means that the
     * interrupt is armed again and the ring was empty after arming it.
     */
    unsigned (*poll)(struct net_device *dev, unsigned budget);
};

struct net_device {
    struct device device; /* class DEVICE_NET; start() is the driver's */

    /* constant after net_register(): */
    const struct net_ops *ops;
    uint8_t mac[6];
    uint16_t mtu; /* bytes of payload: 1500 */

    /* owner CPU only: set once by the stack before it polls, else NULL */
    void (*receive)(struct net_device *dev, struct packet *packet);
    void (*wake)(struct net_device *dev); /* irq work: call poll soon */
    void *stack;

    /* owner CPU only: */
    uint64_t rx_frames, rx_bytes, rx_dropped;
    uint64_t tx_frames, tx_bytes, tx_dropped;
};

/*
 * Add a card: the driver filled device.start, ops, mac and mtu.
 * Returns 0, -ENOSPC.
 */
must_check int net_register(struct net_device *dev);

/* Drivers: a frame has come; it belongs to the stack now. Counts it. */
void net_receive(struct net_device *dev, struct packet *packet);

/* Drivers, in irq work: something happened, poll soon. */
void net_wake(struct net_device *dev);

/*
 * Send a frame; the packet is gone afterwards in any case. A full ring drops it
 * and counts: Ethernet promises nothing. Owner CPU.
 */
void net_send(struct net_device *dev, struct packet *packet);

/* The card behind a device, or NULL when it is none. */
struct net_device *net_from_device(struct device *device);

#endif
