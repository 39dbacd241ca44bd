/*
 * The device's side of virtio, for tests: a strict and asynchronous referee,
 * written from VIRTIO 1.2 and not from the drivers. A breach of the protocol
 * fails the test with a sentence. Nothing happens by itself: a notification is
 * only noted, the test steps the device.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_QUEUES = 3, MODEL_QUEUE_MAX = 256, MODEL_PIECES = 8 };

struct model_queue {
    uint16_t size; /* as the driver set it */
    uint64_t desc, driver, device;
    bool ready;
    bool notified;
    uint16_t taken; /* available index consumed */
    uint16_t used;
    bool owned[MODEL_QUEUE_MAX]; /* heads the device holds */
};

/* A request as the device sees it. */
struct model_chain {
    uint16_t head;
    unsigned count;
    struct {
        uint8_t *data;
        uint32_t len;
        bool writable;
    } piece[MODEL_PIECES];
};

struct virtio_model {
    /* what it is: */
    uint32_t id;
    bool legacy;
    uint64_t offered;
    uint16_t queue_max;
    unsigned queue_count;
    uint8_t config[64];
    void (*raise)(struct virtio_model *model); /* the transport's */

    /* what the driver made of it: */
    uint8_t status;
    uint64_t accepted;
    unsigned feature_select;
    unsigned driver_select;
    unsigned queue_select;
    struct model_queue queue[MODEL_QUEUES];
    uint32_t isr;
    unsigned resets;
    unsigned interrupts;

    /* faults: */
    bool refuse_features; /* FEATURES_OK does not stay */
    bool never_resets;
    bool lose_interrupts;
};

void model_breach(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* For transports. */
void model_set_status(struct virtio_model *model, uint8_t status);
uint8_t model_get_status(const struct virtio_model *model);
void model_queue_enable(struct virtio_model *model, unsigned index);
void model_notify(struct virtio_model *model, unsigned index);

/* Take the next available request of a queue; false when there is none. */
bool model_take(struct virtio_model *model, unsigned index,
                struct model_chain *chain);

/* Give it back as used with that length, and interrupt if the driver wants. */
void model_complete(struct virtio_model *model, unsigned index, uint16_t head,
                    uint32_t written);

/* Lies: any element; any used index. */
void model_use_raw(struct virtio_model *model, unsigned index, uint32_t id,
                   uint32_t len);
void model_used_index(struct virtio_model *model, unsigned index, uint16_t to);
void model_interrupt(struct virtio_model *model, unsigned index);

/* ---- Transports: put the model into the machine -------------------------- */

/* Over MMIO, `version` 1 or 2, at a place and line of its own. */
void model_on_mmio(struct virtio_model *model, unsigned version);

/* Over PCI, with MSI-X or only with a line. */
struct pci_model_options {
    bool no_msix;
    bool no_modern; /* no VIRTIO 1.x capabilities */
    bool cap_loop;  /* the capability list leads back */
    bool bar_at_zero;
    uint16_t device_id; /* 0: 0x1040 + id */
};
void model_on_pci(struct virtio_model *model,
                  const struct pci_model_options *options);

/* Forget all devices; call before each machine. */
void models_reset(void);

#endif
