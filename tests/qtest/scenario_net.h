/*
 * What is done with a network card, written once, for every device that may be
 * behind the driver: a model, or QEMU's.
 */
#ifndef TORC_TESTS_QTEST_SCENARIO_NET_H
#define TORC_TESTS_QTEST_SCENARIO_NET_H

#include "tests/qtest/transcript.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_device;

enum { SCENARIO_FRAME_MAX = 1514 };

/* The address of every card, and that of who is at the other end. */
extern const uint8_t scenario_mac[6], scenario_peer_mac[6];

/* A device that answers to the driver. */
struct net_side {
    const char *name;
    const struct driver *driver; /* that it is for; a model has any */

    /* Make the device; begin a machine that has it, and end it. The device
     * stays what it is: another machine may follow. Take it down. */
    void (*make)(const struct net_side *side);
    void (*begin)(const struct net_side *side);
    void (*end)(const struct net_side *side);
    void (*unmake)(const struct net_side *side);

    /* The other end of the cable: send a frame to the card, which may be
     * refused now; take one that the card has sent, and its length, or 0. */
    bool (*cable_send)(const struct net_side *side, const uint8_t *frame,
                       size_t len);
    size_t (*cable_take)(const struct net_side *side, uint8_t *frame,
                         size_t size);

    /* Put the cable in, or pull it. NULL: nobody hears of it. */
    void (*link)(const struct net_side *side, bool up);

    /* Let the driver reset the device while it works, and wait until it works
     * again. NULL: it cannot. */
    void (*reset)(struct net_device *card);

    bool is_slow; /* each word of a frame is an access */

    /* A frame that the card has no room for is lost; else it waits. */
    bool is_lossy;

    const void *options; /* the side's own */
};

/*
 * Do all of it, and tell. What the card must do in any case, as to carry each
 * frame once, in order and unchanged, is asserted.
 */
void scenario_net(const struct net_side *side, struct transcript *out);

/* A user that takes frames in several buffers: frames of up to 9000 bytes. */
void scenario_net_large(const struct net_side *side, struct transcript *out);

#endif
