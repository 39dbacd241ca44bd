/*
 * What faults do to the end of a request, of whatever kind of virtio device.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_FAULT_H
#define TORC_TESTS_MODELS_VIRTIO_FAULT_H

#include "tests/models/fault.h"
#include "tests/models/virtio_model.h"

enum { VIRTIO_LATE_MAX = 8 };

struct virtio_late {
    unsigned steps; /* a late request ends so many steps later */
    struct {
        unsigned steps; /* 0: there is none */
        unsigned queue;
        uint16_t head;
        uint32_t written;
        unsigned resets;
    } request[VIRTIO_LATE_MAX];
};

/* End a request, with what the fault does to its end. */
void virtio_fault_end(struct virtio_model *model, struct virtio_late *late,
                      unsigned queue, uint16_t head, uint32_t written,
                      enum model_fault fault);

/* Of what was late one may end now; whether one has. */
bool virtio_late_step(struct virtio_model *model, struct virtio_late *late);

#endif
