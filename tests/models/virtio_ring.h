/*
 * The device's side of one virtqueue, split or packed, for tests: strict,
 * written from VIRTIO 1.2 (sections 2.7 and 2.8) and not from the driver. A
 * breach of the protocol fails the test with a sentence.
 *
 * The device looks at the ring when it is notified, and at no other time. What
 * it holds from then on, descriptors, indirect tables and buffers, the driver
 * must leave alone until the device has used it: the ring compares them with
 * what they were. For that the test works on copies of the buffers;
 * ring_complete() writes those back that the device may write.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_RING_H
#define TORC_TESTS_MODELS_VIRTIO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_MAX = 256, RING_PIECES = 160 };

struct ring_piece {
    uint64_t bus;
    uint32_t len;
    bool writable;
    uint64_t sum; /* of the buffer when the device saw it first */
    uint8_t *copy;
};

/* A request the device holds: as it was when the device saw it first. */
struct ring_flight {
    bool owned;
    bool taken;      /* by ring_take(): the copies are there */
    uint16_t places; /* descriptors in the ring */
    unsigned count;
    struct ring_piece *piece;
    uint64_t table; /* the indirect table, */
    uint32_t table_len;
    uint64_t table_sum; /* and its sum; 0 bytes: none */
};

struct ring {
    /* as the driver set it up: */
    unsigned index; /* for messages */
    uint16_t size;
    uint64_t desc, driver, device;
    bool ready;
    /* agreed on: */
    bool is_packed, has_event_idx, has_indirect;

    /* what the test asks of the device: */
    bool no_notify;        /* it wants no notification */
    uint16_t notify_after; /* with EVENT_IDX: none of so many entries */
    bool looked; /* it has looked while the driver was at work: the next
                  * notification may be of what it has seen */

    unsigned notifications;
    uint16_t seen;      /* split: available index at the last look; packed: the
                         * place of the next descriptor */
    bool seen_wrap;     /* packed */
    uint16_t used;      /* split: index; packed: place */
    bool used_wrap;     /* packed */
    uint16_t fresh;     /* entries used since the last look at the events */
    uint16_t first_ask; /* of those seen and not taken: the first in `order` */
    uint16_t asked;     /* and how many */
    uint16_t order[RING_MAX];
    bool held[RING_MAX]; /* by the device: the descriptor, and what it was */
    uint8_t raw[RING_MAX][16];
    struct ring_flight flight[RING_MAX]; /* by head, or by buffer id */

    /* It lied about what it has used: who owns what is no longer known, and
     * nothing is compared any more. */
    bool lied;
};

/* A request as the device sees it; `data` are copies. */
struct ring_chain {
    uint16_t head; /* or buffer id */
    unsigned count;
    struct {
        uint8_t *data;
        uint32_t len;
        bool writable;
    } piece[RING_PIECES];
};

/* The driver has set the queue up: size, areas and features are there. */
void ring_begin(struct ring *ring);

/* The driver has notified: see what is new. */
void ring_notified(struct ring *ring);

/* See what is new though nobody has notified, as a device that polls. */
void ring_look(struct ring *ring);

/* Whether the driver has made requests available and not notified of them
 * though the device wants it. */
bool ring_kick_missing(const struct ring *ring);

/* Take the next request that was seen; false when there is none. */
bool ring_take(struct ring *ring, struct ring_chain *chain);

/* Give it back as used with that length. */
void ring_complete(struct ring *ring, uint16_t head, uint32_t written);

/* Whether the driver wants an interrupt for what was used since the last time
 * that this was asked: 2.7.7, 2.8.10. */
bool ring_wants_interrupt(struct ring *ring);

/* Lies: any element; any used index (of a split ring). */
void ring_use_raw(struct ring *ring, uint32_t id, uint32_t len);
void ring_used_index(struct ring *ring, uint16_t to);

/* The device may still access all that it knows of: is it memory? */
void ring_touch(const struct ring *ring);

/* A reset: the device holds nothing any more. */
void ring_forget(struct ring *ring);

/* Free what rings have allocated, whether they were forgotten or not. */
void rings_reset(void);

/* Memory that a device reaches, or a breach. */
uint8_t *ring_reach(uint64_t bus, size_t size, const char *what);

#endif
