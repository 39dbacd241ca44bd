/*
 * The net class: cards that carry Ethernet frames.
 *
 * A card has one or more queues. Each queue belongs to one CPU, with its rings
 * in that CPU's memory and its interrupts there. The interrupt handler raises
 * irq work; the work calls net_attend(), and whoever uses the queue polls, a
 * bounded number of frames: at once, or soon, in a thread.
 */
#ifndef TORC_KERNEL_NETDEV_H
#define TORC_KERNEL_NETDEV_H

#include "kernel/device/device.h"
#include "kernel/device/packet.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/trace.h>

enum { NET_QUEUE_MAX = 16, NET_GROUPS_MAX = 16 };

/* What a card can do for frames: struct packet_offload. */
enum net_offload {
    NET_TX_CSUM = 1, /* csum_partial */
    NET_TX_TCP4 = 2, /* segments; with NET_TX_CSUM */
    NET_TX_TCP6 = 4,
    NET_RX_CSUM = 8,  /* csum_valid, csum_partial */
    NET_RX_LARGE = 16 /* received frames may be longer than the MTU */
};

struct net_device;

struct net_queue {
    /* constant while the card is started: */
    struct net_device *device;
    unsigned index;
    unsigned cpu; /* the owner */

    /* owner CPU only, set by the queue's user, else NULL: */
    void (*wake)(struct net_queue *queue);   /* irq work: poll soon */
    void (*attend)(struct net_queue *queue); /* or now; NULL: wake does */
    void *user;
    void *driver; /* the driver's */

    /* owner CPU only: */
    uint64_t rx_frames, rx_bytes, rx_dropped;
    uint64_t tx_frames, tx_bytes, tx_dropped;
} cache_aligned;

/* All on the CPU of the queue. */
struct net_ops {
    /*
     * As device.start: open queues[0 .. queue_count), each on its CPU. The
     * caller is the CPU of queue 0. The driver may lower queue_count.
     */
    int (*start)(struct net_device *dev);

    /*
     * Take at most `max` received frames, and put the packets that were sent.
     * Returns how many frames. Does not ask for interrupts.
     */
    unsigned (*poll)(struct net_queue *queue, struct packet *packets[],
                     unsigned max);

    /*
     * Send frames, in their order. Returns how many the driver took: fewer than
     * `count` when the ring is full; then it wakes when there is room. What can
     * never be sent, as everything once the card is given up, counts as taken:
     * it is put, and counted in tx_dropped.
     */
    unsigned (*send)(struct net_queue *queue, struct packet *const packets[],
                     unsigned count);

    /*
     * Ask for an interrupt when a frame comes, or for none. One interrupt
     * answers: after net_attend() at most a stray one comes until it is asked
     * for again.
     * Returns false when a frame has come before: it interrupts nobody, so poll
     * again.
     */
    bool (*arm)(struct net_queue *queue, bool on);

    /* dev->groups has changed: let their frames in, and others at will. CPU of
     * queue 0. NULL: the card lets all groups in. */
    void (*listen)(struct net_device *dev);

    /* Assert what is always true of the driver's own, between two operations.
     * CPU of queue 0. NULL: nothing. */
    void (*check)(const struct net_device *dev);
};

struct net_device {
    struct device device; /* class DEVICE_NET */

    /* constant after net_register(): */
    const struct net_ops *ops;
    uint8_t mac[6];
    uint16_t mtu;       /* bytes of payload, as 1500 */
    unsigned queue_max; /* of the card, 1 .. NET_QUEUE_MAX */

    /* set by the card's user before it is started: frames may be received that
     * are longer than the MTU, in several slices */
    bool takes_large;

    /* constant while it is started: */
    unsigned offloads; /* enum net_offload */
    unsigned queue_count;
    struct net_queue queues[NET_QUEUE_MAX];

    /* the CPU of queue 0 only: */
    uint8_t groups[NET_GROUPS_MAX][6]; /* whose frames somebody wants */
    unsigned group_count;
    bool link_up;
    /* set by the card's user, else NULL; thread or irq work: */
    void (*link_changed)(struct net_device *dev);
    void (*announce)(struct net_device *dev); /* tell neighbours its address */
    void *user;
};

/*
 * Add a card: the driver filled ops, mac, mtu and queue_max (0 counts as 1).
 * CPU 0. Returns 0, -ENOSPC.
 */
must_check int net_register(struct net_device *dev);

/*
 * As device_dedicate(), with a queue on each of `count` CPUs, at least one; the
 * first one is the card's owner. The card may have fewer queues: queue_count
 * tells. Thread; waits. Returns also -EINVAL (no such CPU, one of them twice).
 */
must_check int net_dedicate(struct net_device *dev, const unsigned cpus[],
                            unsigned count);

/* This CPU's queue of a started card; NULL: it has none. */
struct net_queue *net_queue_mine(struct net_device *dev);

/*
 * Drivers: call fn(queue) for each queue, on its CPU, in the scheduler's pass
 * there; one after the other, until one returns an error. Returns that, or 0.
 * Context: thread of the CPU of queue 0; waits.
 */
int net_each_queue(struct net_device *dev, int (*fn)(struct net_queue *queue));

/*
 * Ask for the frames of a group of cards, and no longer. Broadcasts come
 * always, and so does what is for all hosts of IPv4 and of IPv6. CPU of queue
 * 0. Returns 0, -EEXIST, -ENOSPC; -ENOENT.
 */
must_check int net_group_add(struct net_device *dev, const uint8_t group[6]);
int net_group_remove(struct net_device *dev, const uint8_t group[6]);

/* For users of a queue, on its CPU: as the operations of the same name. */
static inline unsigned net_poll(struct net_queue *queue,
                                struct packet *packets[], unsigned max)
{
    return queue->device->ops->poll(queue, packets, max);
}

static inline unsigned net_send(struct net_queue *queue,
                                struct packet *const packets[], unsigned count)
{
    return queue->device->ops->send(queue, packets, count);
}

static inline bool net_arm(struct net_queue *queue, bool on)
{
    return queue->device->ops->arm(queue, on);
}

/* For the trace: bytes of frames that were just counted, if any. */
static inline void net_trace_received(uintptr_t queue_address, uintptr_t len)
{
    const struct net_queue *queue = (struct net_queue *)queue_address;

    if (len > 0)
        trace_event(TRACE_PACKET_IN, queue->index, (uint32_t)len,
                    queue->rx_frames, 0);
}

static inline void net_trace_sent(uintptr_t queue_address, uintptr_t len)
{
    const struct net_queue *queue = (struct net_queue *)queue_address;

    trace_event(TRACE_PACKET_OUT, queue->index, (uint32_t)len, queue->tx_frames,
                0);
}

/* Drivers: a frame was received, was taken to be sent; or is dropped. */
static inline void net_count_received(struct net_queue *queue, uint32_t len)
{
    trace_site_add(&queue->rx_frames, 1, net_trace_received, (uintptr_t)queue,
                   len);
    queue->rx_bytes += len;
}

static inline void net_count_sent(struct net_queue *queue, uint32_t len)
{
    trace_site_add(&queue->tx_frames, 1, net_trace_sent, (uintptr_t)queue, len);
    queue->tx_bytes += len;
}

static inline void net_drop_sent(struct net_queue *queue, struct packet *packet)
{
    queue->tx_dropped++;
    packet_put(packet);
}

/* Drivers, in irq work on the queue's CPU: something happened, poll soon. */
void net_wake(struct net_queue *queue);

/* The same, as the last thing that the irq work does: the user may call any
 * operation of the queue before this returns. */
void net_attend(struct net_queue *queue);

/* Drivers, on the CPU of queue 0: the link went up or down (logged); neighbours
 * are to be told the address again. */
void net_link_set(struct net_device *dev, bool up);
void net_announce(struct net_device *dev);

/* Whether a hardware address is one card's: no group, and not all zero. */
bool net_address_valid(const uint8_t mac[6]);

/* The card behind a device, or NULL when it is none. */
struct net_device *net_from_device(struct device *device);

/* Assert what is always true of a card that is started, and of its driver. CPU
 * of queue 0. */
void net_check(const struct net_device *dev);

#endif
