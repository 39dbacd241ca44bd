/*
 * What a connection has to send, in order: bytes that were copied into a ring
 * buffer, and slices of memory that was lent, pages of a file say.
 *
 * As long as nothing is lent there are no pieces, and all is in the ring. Both
 * count for the budget of the stack: memory that is lent cannot be used for
 * anything else.
 *
 * Offsets are counted from the oldest byte.
 *
 * Owner: the CPU of the stack. Nothing here yields.
 */
#ifndef TORC_NET_SEND_QUEUE_H
#define TORC_NET_SEND_QUEUE_H

#include "kernel/device/packet.h"
#include "net/buffer.h"

enum { SEND_PIECES_MAX = 1023 };

/* Where a byte is: its piece, how many bytes of that are before it, and how
 * many of the ring. */
struct send_place {
    uint32_t offset;
    uint32_t skip;
    uint32_t ring;
    uint32_t piece;
};

/* As large as a slice each is: with its place a list is a power of two. */
struct send_pieces {
    struct send_place last; /* behind the last byte that was sent, so that what
                             * follows it is not searched for; or the first */
    /* Each with a reference; with buf NULL: the next bytes of the ring. */
    struct slice piece[];
};

struct send_queue {
    uint32_t used; /* bytes of all */
    uint32_t lent; /* of them in slices */
    struct net_buffer ring;
    struct send_pieces *pieces; /* NULL: nothing is lent */
    uint16_t size;              /* how many there is room for */
    uint16_t first;
    uint16_t count;
};

/* What counts for the budget, in bytes. */
static inline size_t send_queue_size(const struct send_queue *queue)
{
    return net_buffer_size(&queue->ring) + (size_t)queue->lent;
}

/* How many bytes the queue may hold now; at least what it does. */
uint32_t send_queue_limit(const struct send_queue *queue,
                          struct net_budget *budget);

/* How many bytes may be lent now, besides what the queue has. */
uint32_t send_queue_room(const struct send_queue *queue,
                         struct net_budget *budget);

/* Copy data to the end: what fits a packet, and is alone, into one that may be
 * sent as it is. Returns how many bytes: fewer for lack of memory. */
uint32_t send_queue_write(struct send_queue *queue, struct net_budget *budget,
                          const void *data, uint32_t len);

/*
 * Append up to `len` bytes of slices, without copying them; the queue takes
 * references of its own. Empty ones are passed over. Returns how many bytes:
 * fewer for lack of memory or of budget.
 */
uint32_t send_queue_lend(struct send_queue *queue, struct net_budget *budget,
                         const struct slice *slices, unsigned count,
                         uint32_t len);

/* Copy `len` bytes at `offset` out; offset + len <= used. */
void send_queue_peek(struct send_queue *queue, uint32_t offset, void *to,
                     uint32_t len);

/*
 * Append `len` bytes at `offset` to a packet, those that were lent without
 * copying them. Returns 0; -ENOMEM (no packet for what must be copied), -ENOSPC
 * (too many slices): some bytes may have been appended.
 */
must_check int send_queue_fill(struct send_queue *queue, uint32_t offset,
                               uint32_t len, struct packet *packet);

/* The packet that has these bytes and nothing else, with a reference for the
 * caller, who may send it: it was not before; or NULL. */
struct packet *send_queue_packet(const struct send_queue *queue,
                                 uint32_t offset, uint32_t len);

/* How many of `len` bytes at `offset` surely fit one packet. */
uint32_t send_queue_fit(const struct send_queue *queue, uint32_t offset,
                        uint32_t len);

/* Remove the oldest `len` bytes; len <= used. Frees all memory when it is empty
 * then. */
void send_queue_drop(struct send_queue *queue, struct net_budget *budget,
                     uint32_t len);

/* Free the memory; the queue is empty afterwards. */
void send_queue_release(struct send_queue *queue, struct net_budget *budget);

/* Assert what must be true of a queue. */
void send_queue_check(const struct send_queue *queue);

#endif
