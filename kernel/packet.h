/*
 * Packet buffers: one frame each, in memory a device can reach, from a pool of
 * one CPU. Whoever holds the pointer owns the packet; there are no counts.
 *
 *   base            data              data+len        base+PACKET_SIZE
 *    |--- headroom ---|----- frame -----|--- tailroom ---|
 */
#ifndef TORC_KERNEL_PACKET_H
#define TORC_KERNEL_PACKET_H

#include "kernel/lib/list.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum {
    PACKET_SIZE = 2048,
    PACKET_HEADROOM = 128, /* a new packet's: Ethernet, IPv4, TCP, virtio */
};

struct packet {
    struct queue_node node; /* the holder's */
    uint8_t *base;          /* constant */
    uint64_t bus;           /* constant: device address of base */
    uint8_t *data;
    size_t len;
};

/* Let this CPU's pool grow by `count` packets. Returns 0, -ENOMEM. */
must_check int packet_pool_grow(unsigned count);

/* An empty packet with PACKET_HEADROOM, or NULL when the pool is empty. */
struct packet *packet_get(void);

/* Give a packet of this CPU back; NULL is ignored. */
void packet_put(struct packet *packet);

/* How many packets this CPU's pool has free. */
unsigned packet_free_count(void);

static inline size_t packet_headroom(const struct packet *packet)
{
    return (size_t)(packet->data - packet->base);
}

static inline size_t packet_tailroom(const struct packet *packet)
{
    return PACKET_SIZE - packet_headroom(packet) - packet->len;
}

/* Device address of the frame's first byte. */
static inline uint64_t packet_bus(const struct packet *packet)
{
    return packet->bus + packet_headroom(packet);
}

/* Extend the frame by `size` bytes at the front, or at the end: the new part,
 * or NULL when there is no room. */
uint8_t *packet_push(struct packet *packet, size_t size);
uint8_t *packet_append(struct packet *packet, size_t size);

/* Cut `size` bytes off the front; NULL when the frame is shorter, else the
 * part cut off. */
uint8_t *packet_pull(struct packet *packet, size_t size);

#endif
