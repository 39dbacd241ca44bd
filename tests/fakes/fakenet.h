/*
 * A network card without a network: frames the stack sends are kept for the
 * test, frames the test injects are handed over at the next poll.
 */
#ifndef TORC_TESTS_FAKES_FAKENET_H
#define TORC_TESTS_FAKES_FAKENET_H

#include "kernel/device/netdev.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKENET_FRAMES = 2048, FAKENET_FRAME_MAX = 1536 };

struct fakenet_frame {
    size_t len;
    uint8_t data[FAKENET_FRAME_MAX];
};

struct fakenet_queue {
    unsigned head;
    unsigned count;
    struct fakenet_frame frame[FAKENET_FRAMES];
};

struct fakenet {
    struct net_device dev; /* first: the driver's functions rely on it */
    bool is_full;          /* takes no frame */
    unsigned poll_max;     /* frames in one poll; 0: as many as are asked for */
    unsigned sums_filled;  /* checksums of frames that were left to the card */
    unsigned segments_cut; /* out of larger ones */
    struct packet_offload coming_offload; /* of every frame that comes */
    struct fakenet_queue sent;
    struct fakenet_queue coming;
};

/* A card with the given address, owned by this CPU, not registered. */
void fakenet_init(struct fakenet *net, const uint8_t mac[6]);

/* Let a frame come with the next poll. */
void fakenet_inject(struct fakenet *net, const void *frame, size_t len);

/* The oldest frame sent, or NULL; valid until the next one is sent. */
const struct fakenet_frame *fakenet_sent(struct fakenet *net);

#endif
