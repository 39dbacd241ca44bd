/*
 * What the virtio devices of the simulated machine share: how they are found,
 * and a queue whose requests the device serves one after the other, to end
 * later in any order.
 */
#ifndef TORC_TESTS_SIM_IO_VIRTIO_DEVICE_H
#define TORC_TESTS_SIM_IO_VIRTIO_DEVICE_H

#include "tests/models/fault.h"
#include "tests/models/virtio_model.h"
#include <stdbool.h>

/*
 * Draw the transport, the kind and the size of the rings, and put the model,
 * of which the rest is filled in, into the machine.
 */
void virtio_device_plug(struct virtio_model *model);

/* Whether the driver has set the queue up, and the device may work on it. After
 * a lie about what it has used it does not, before it is reset: it may have
 * written over what the driver tells it. */
bool virtio_device_serves(const struct virtio_model *model, unsigned index);

struct device_queue {
    /* constant: */
    struct virtio_model *model;
    unsigned index;
    /* Begin to work on a request; ends with device_queue_end(). */
    void (*serve)(struct device_queue *queue, const struct ring_chain *chain);

    /* The device's: */
    bool is_busy;       /* a step will come */
    bool interrupt_due; /* it comes later */
    unsigned under_way; /* requests neither ended nor forgotten by a reset */
    unsigned resets;    /* of the device, when it last looked */
};

/* The device looks at a queue by itself, if devices of this run do so and the
 * driver has set it up. Returns whether there are requests it has not taken. */
bool virtio_device_look(struct virtio_model *model, unsigned index,
                        bool no_notify);

/* The driver has notified of requests: serve them, a step each. */
void device_queue_notified(struct device_queue *queue);

/* A request that will end. */
struct device_flight {
    struct device_queue *queue;
    uint16_t head;
    uint32_t written;
    enum model_fault fault;
    unsigned resets; /* of the device when it was taken */
};

/* End the request after `ns`, with what `fault` does to the end of requests:
 * late, never, twice, interrupts. */
void device_queue_end(struct device_queue *queue, uint16_t head,
                      uint32_t written, enum model_fault fault, uint64_t ns);

/* Whether all that it has taken has ended, but for what never does, or was
 * forgotten by a reset. */
bool device_queue_rests(const struct device_queue *queue);

/* Interrupt for what was used, now or later, or not as the fault says. */
void device_queue_interrupt(struct device_queue *queue, enum model_fault fault);

#endif
