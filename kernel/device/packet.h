/*
 * Packets: one frame each, as a list of slices.
 *
 * The first part of the frame lies in the packet's own buffer, from a pool of
 * one CPU, with room before it for headers. What follows lies in slices of any
 * buffers: pages of a file, constant data, buffers of other packets.
 *
 *   buf.base        data              data+len        base+PACKET_SIZE
 *    |--- headroom ---|--- first part ---|--- tailroom ---|   slices[0] ...
 *
 * Whoever holds the pointer owns the packet. Of its own buffer only the first
 * part may be accessed: in builds with AddressSanitizer the headroom (up to the
 * last multiple of 8 bytes) and the tailroom are poisoned. So `data`, `len` and
 * the slices change by the functions below only.
 *
 * A packet may be given to another CPU: it is that CPU's then, as one of its
 * own would be, and comes home to its pool when it is put there.
 */
#ifndef TORC_KERNEL_PACKET_H
#define TORC_KERNEL_PACKET_H

#include "kernel/cpu/exchange.h"
#include "kernel/lib/poison.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/list.h>

enum {
    PACKET_SIZE = 2048,
    PACKET_HEADROOM = 128, /* a new packet's: Ethernet, IP, TCP, virtio */
    /* 64 KiB of pages, wherever they begin, or of other packets. */
    PACKET_SLICES = 32,
    /* In packet.hops: a datagram that has no frame, since it was put together
     * from fragments or sent to ourselves. */
    PACKET_NO_FRAME = 128,
};

/* Segments that a card makes of one frame, or has joined into one. */
enum packet_segments { PACKET_WHOLE, PACKET_TCP4, PACKET_TCP6 };

/*
 * What the card is to do to a frame that is sent, or says of one received. A
 * new packet asks for nothing.
 */
struct packet_offload {
    /* The internet checksum from csum_start to the end of the frame is to be
     * put at csum_at; there is the sum of the pseudo header. Both count from
     * the beginning of the packet's own buffer, so headers may be pushed and
     * pulled. Received: the frame comes from this machine, nobody has put it
     * there. */
    bool csum_partial;
    bool csum_valid;      /* received: the card has checked it */
    uint8_t segments;     /* enum packet_segments */
    uint16_t segment_len; /* bytes of payload in each; 0: PACKET_WHOLE */
    uint16_t headers_len; /* of every segment, from `data` on when sent */
    uint16_t csum_start, csum_at;
};

struct packet {
    struct queue_node node; /* the holder's */
    struct buf buf;         /* its own; released into the pool */
    uint8_t *data;
    uint32_t len;  /* bytes at data */
    uint32_t rest; /* bytes in slices[] */
    uint16_t slice_count;
    struct packet_offload offload;
    uint8_t hops; /* stacks that had no use for it: net/group.h; with
                   * PACKET_NO_FRAME */
    struct slice slices[PACKET_SLICES]; /* each with a reference */
    /* packet_give.c: */
    const void *home;          /* hal_cpu_local() of its pool's CPU; constant */
    unsigned home_cpu;         /* constant */
    unsigned host_cpu;         /* whom its home has given it to */
    struct exchange_item trip; /* while it is under way */
    void (*arrive)(struct packet *packet);
};

/* Let this CPU's pool grow by `count` packets. Returns 0, -ENOMEM. */
must_check int packet_pool_grow(unsigned count);

/* An empty packet with PACKET_HEADROOM, or NULL when the pool is empty. */
struct packet *packet_get(void);

/*
 * Give a packet of this CPU back: its slices are dropped, and it is in the pool
 * again as soon as nobody has a reference to its buffer. NULL is ignored.
 */
void packet_put(struct packet *packet);

/*
 * Let packets of this CPU's pool be given to other CPUs. Returns 0, -ENOMEM.
 */
must_check int packet_pool_share(void);

/*
 * Give a packet, which is this CPU's, to `cpu`, another one: arrive(packet)
 * runs there under the rules of irq work, and owns the packet. Nobody else has
 * a reference to its buffer. If it has slices, their buffers stay those of its
 * home: their bytes may be read, but no references taken. packet_pool_share()
 * was called on the CPU that the packet is from.
 */
void packet_give(struct packet *packet, unsigned cpu,
                 void (*arrive)(struct packet *packet));

/* How many packets of this CPU were given to `cpu` and have not come home. */
unsigned packet_given_count(unsigned cpu);

/* For packet.c: a packet of another CPU was put here; it goes home. */
void packet_go_home(struct packet *packet);

/* How many packets this CPU's pool has free. */
unsigned packet_free_count(void);

/* Bytes of the whole frame. */
static inline uint32_t packet_len(const struct packet *packet)
{
    return packet->len + packet->rest;
}

static inline size_t packet_headroom(const struct packet *packet)
{
    return (size_t)(packet->data - packet->buf.base);
}

static inline size_t packet_tailroom(const struct packet *packet)
{
    return PACKET_SIZE - packet_headroom(packet) - packet->len;
}

/* Whether a reference to the packet's buffer may be kept for long: all of the
 * frame is there, and it is of the pool of the CPU that it is on. */
static inline bool packet_may_stay(const struct packet *packet)
{
    return packet->slice_count == 0 && packet->home == packet->buf.owner;
}

/* Device address of the frame's first byte. */
static inline uint64_t packet_bus(const struct packet *packet)
{
    return packet->buf.bus + packet_headroom(packet);
}

/* Extend the first part by `size` bytes at the front, or, while there are no
 * slices, at the end: the new part, or NULL when there is no room. */
static inline uint8_t *packet_push(struct packet *packet, size_t size);
uint8_t *packet_append(struct packet *packet, size_t size);

static inline uint8_t *packet_push(struct packet *packet, size_t size)
{
    if (size > packet_headroom(packet))
        return NULL;
    packet->data -= size;
    packet->len += (uint32_t)size;
    unpoison(packet->data, size);
    return packet->data;
}

/* Remove `size` bytes from the front. Returns 0, -EINVAL (the first part is
 * shorter). */
static inline int packet_pull(struct packet *packet, size_t size)
{
    if (size > packet->len)
        return -EINVAL;
    packet->data += size;
    packet->len -= (uint32_t)size;
    poison(packet->buf.base, packet_headroom(packet));
    return 0;
}

/* Whether a packet is of this CPU's pool. */
bool packet_is_home(const struct packet *packet);

/* Whether this CPU may drop the slices of a packet, if it has some: those of a
 * packet that was given to it are its home's. */
static inline bool packet_may_cut(const struct packet *packet)
{
    return packet->slice_count == 0 || buf_is_mine(packet->slices[0].buf);
}

/* Shorten the frame to its first `len` bytes; len <= packet_len(), and
 * packet_may_cut() where a slice would go. */
void packet_trim(struct packet *packet, size_t len);

/*
 * Append a slice (of > 0 bytes); the caller's reference to its buffer is the
 * packet's now. Returns 0, -ENOSPC (PACKET_SLICES are there: it stays the
 * caller's).
 */
must_check int packet_add_slice(struct packet *packet, struct slice slice);

/*
 * Append the frame of `next`, which has no slices, without copying it. Returns
 * 0: `next` is gone; -ENOSPC.
 */
must_check int packet_join(struct packet *packet, struct packet *next);

/* Copy up to `size` bytes from byte `offset` of the frame on. Returns how many:
 * fewer where the frame ends. */
size_t packet_read(const struct packet *packet, size_t offset, void *to,
                   size_t size);

/* A device may write anywhere in the buffer from now on. The frame is empty. */
static inline void packet_expose(struct packet *packet)
{
    assert(packet->slice_count == 0);
    packet->data = packet->buf.base;
    packet->len = 0;
    unpoison(packet->buf.base, PACKET_SIZE);
}

/* A device has written a frame of `len` bytes, `offset` bytes behind buf.base;
 * offset + len <= PACKET_SIZE. */
static inline void packet_set_frame(struct packet *packet, size_t offset,
                                    size_t len)
{
    assert(offset <= PACKET_SIZE);
    assert(len <= PACKET_SIZE - offset);
    packet->data = packet->buf.base + offset;
    packet->len = (uint32_t)len;
    poison(packet->buf.base, offset);
    unpoison(packet->data, len);
    poison(packet->data + len, PACKET_SIZE - offset - len);
}

/* Assert what is always true of a packet that somebody holds. Its CPU. */
void packet_check(const struct packet *packet);

#endif
