/*
 * The two rings of descriptors that Intel's gigabit cards have: what is in
 * memory, and who owns which packet. Knows no registers. All on the CPU that
 * made the ring.
 *
 * The card has the descriptors from head to tail; one of the ring is always
 * nobody's, so that full and empty differ (SDM 3.2.6, 3.4).
 */
#ifndef TORC_DRIVERS_E1000_RING_H
#define TORC_DRIVERS_E1000_RING_H

#include "drivers/e1000_regs.h"
#include "kernel/device/netdev.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

enum {
    E1000_FRAME_MAX = 1518, /* without check sequence, with a tag */
    E1000_PIECE_MAX = 4096, /* bytes of a transmit descriptor */
    E1000_PIECES_MAX = 1 + 1 + PACKET_SLICES + 64 * 1024 / E1000_PIECE_MAX,
};

/* ---- Receiving ----------------------------------------------------------- */

struct e1000_rx_ring {
    struct e1000_desc *desc;
    struct packet **packet; /* by descriptor; NULL: nobody's */
    unsigned size;          /* a power of 2: places wrap by its mask */
    unsigned next;          /* the next descriptor that the card writes */
    bool skipping;          /* in a frame that is longer than a buffer */
};

/* A ring of `size` descriptors (a power of 2, 8 .. 4096), all of whose buffers
 * come from this CPU's pool. Returns 0, -ENOMEM. */
must_check int e1000_rx_init(struct e1000_rx_ring *ring, unsigned size);

/* The card is reset. Its buffers go back. */
void e1000_rx_fini(struct e1000_rx_ring *ring);

/* The card is reset: all buffers are in the ring again, from the start. */
void e1000_rx_restart(struct e1000_rx_ring *ring);

/* Whether the card has written a frame. */
bool e1000_rx_ready(const struct e1000_rx_ring *ring);

/*
 * Take at most `max` frames; what is dropped is counted in `queue`. Returns how
 * many, and sets *used when descriptors were given to the card.
 */
unsigned e1000_rx_take(struct e1000_rx_ring *ring, struct net_queue *queue,
                       struct packet *packets[], unsigned max, bool *used);

/* What the tail register has to be. */
static inline unsigned e1000_rx_tail(const struct e1000_rx_ring *ring)
{
    return (ring->next - 1) & (ring->size - 1);
}

void e1000_rx_check(const struct e1000_rx_ring *ring);

/* ---- Sending ------------------------------------------------------------- */

/* The parameters that the card has from the last context descriptor. */
struct e1000_context {
    uint64_t sums;    /* addr: where checksums begin, and where they go */
    uint32_t command; /* with the length of the payload */
    uint32_t status;
};

struct e1000_tx_ring {
    struct e1000_desc *desc;
    struct {
        struct packet *packet; /* by its first descriptor, else NULL */
        unsigned last;         /* its last descriptor */
    } * slot;
    unsigned size; /* the same */
    unsigned head; /* the first that is not known to be done */
    unsigned tail; /* the next to be given */
    bool has_context;
    struct e1000_context context;
    bool ends_short; /* see pieces_end_short() */
    bool was_segmented;
};

must_check int e1000_tx_init(struct e1000_tx_ring *ring, unsigned size,
                             bool ends_short);
void e1000_tx_fini(struct e1000_tx_ring *ring);

/* Whether the card can send the frame at all, and do what it is to do. */
bool e1000_tx_valid(const struct packet *packet);

/*
 * Put a valid packet into the ring; it is the ring's until it is sent. Returns
 * false when there is no room: it stays the caller's.
 */
must_check bool e1000_tx_add(struct e1000_tx_ring *ring, struct packet *packet);

/* Put the packets that were sent; those that were not, for collisions, are
 * counted in `queue`. Returns how many. */
unsigned e1000_tx_reclaim(struct e1000_tx_ring *ring, struct net_queue *queue);

/* The card is reset: what it had not sent is dropped, the ring starts anew. */
void e1000_tx_restart(struct e1000_tx_ring *ring, struct net_queue *queue);

static inline bool e1000_tx_is_empty(const struct e1000_tx_ring *ring)
{
    return ring->head == ring->tail;
}

void e1000_tx_check(const struct e1000_tx_ring *ring);

#endif
