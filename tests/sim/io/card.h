/*
 * A network card whose cable leads back to it: what it sends arrives later, in
 * another order, twice or never. Which kind of card it is is drawn.
 */
#ifndef TORC_TESTS_SIM_IO_CARD_H
#define TORC_TESTS_SIM_IO_CARD_H

#include "kernel/device/netdev.h"
#include "tests/models/fault.h"
#include "tests/models/virtio_net_model.h"
#include <stdbool.h>
#include <stdint.h>

/* On the cable. */
struct card_frame {
    struct net_model_header header; /* a card's word about sums and segments */
    uint32_t len;
    uint8_t data[];
};

struct card_kind {
    const char *name;
    uint32_t padded_to; /* bytes: shorter frames are filled up */
    unsigned kept_max;  /* packets: what a card that is given up may keep */
    /* Faults that may be its end, if they come again and again. */
    unsigned deadly;

    /* Draw what it is like, and put it into the machine. */
    void (*plug)(void);
    /* Between finding it and its start; NULL: nothing. */
    void (*prepare)(struct net_device *dev);
    /* A frame has come over the cable. */
    void (*receive)(const struct card_frame *frame);
    /* It is pulled out of the machine. */
    void (*pull)(void);
    /* Whether it does nothing before it is told to. */
    bool (*is_at_rest)(void);
    /* Frames put where the driver finds them; frames that it can count as
     * dropped though they were not; resets by the driver. */
    unsigned (*delivered)(void);
    unsigned (*missed)(void);
    unsigned (*resets)(void);
    /* What must be true while the driver's CPU sleeps; NULL: nothing. */
    void (*check)(void);
};

extern const struct card_kind card_virtio, card_e1000, card_ne2000;

struct card {
    const struct card_kind *kind;
    const struct net_queue *queue; /* the driver's */
    bool has_faults;               /* now */
    bool is_pulled;
    unsigned pull_after;                /* frames; 0: it is not pulled */
    unsigned lost_one_in, twice_one_in; /* on the cable; 0: no */
    unsigned on_cable;                  /* frames, now */
    unsigned forgot; /* resets by itself, or what is as bad */

    /* Since it was reset the last time, by whomever: what was delivered before
     * nobody has to have seen. */
    struct {
        unsigned resets;
        unsigned delivered;
        uint64_t seen;
    } since;
};

extern struct card card;

/* Draw the kind of card, and plug it. */
void card_plug(void);

/* The driver has started the card: faults come from now on. */
void card_begin(const struct net_queue *queue);

/* Faults come no more. */
void card_faults_end(void);

/* For the kinds: which fault an operation meets, and how late it is if it is
 * (0: longer than any driver waits); a frame leaves the card; the card is about
 * to deliver frames. */
enum model_fault card_fault(const char *operation, unsigned kinds,
                            uint64_t *late_ns);
void card_leaves(const struct net_model_header *header, const uint8_t *data,
                 uint32_t len);
void card_delivers(void);

/* Whether all that was delivered since its last reset came out of the driver,
 * or was dropped there; and whether more did than can. */
bool card_is_seen(void);
bool card_is_honest(void);

/* Whether the card, as it was drawn, may lose frames, or may be given up. */
bool card_may_lose(void);
bool card_may_die(void);

#endif
