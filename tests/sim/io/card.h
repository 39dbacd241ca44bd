/*
 * A virtio network card whose cable leads back to it: what it sends arrives
 * later, in another order, twice or never.
 */
#ifndef TORC_TESTS_SIM_IO_CARD_H
#define TORC_TESTS_SIM_IO_CARD_H

#include "tests/sim/io/virtio_device.h"

enum { CARD_FRAME_MAX = 1514 };

struct card {
    struct virtio_model model;
    struct device_queue tx, rx;

    /* Frames: */
    unsigned sent;      /* onto the cable */
    unsigned on_cable;  /* now */
    unsigned delivered; /* into memory */
    unsigned lost;      /* on the cable, or for want of a buffer */

    unsigned lost_one_in, twice_one_in; /* on the cable; 0: never */
};

/* Faults that the card has. */
enum {
    CARD_FAULTS =
        1 << FAULT_LATE | 1 << FAULT_LOST_IRQ | 1 << FAULT_SPURIOUS_IRQ,
};

/* Draw what it is like, and put it into the machine. */
void card_plug(struct card *card);

#endif
