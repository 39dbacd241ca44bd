/*
 * The device's side of virtio, for tests: a strict and asynchronous referee,
 * written from VIRTIO 1.2 and not from the drivers. A breach of the protocol
 * fails the test with a sentence. Nothing happens by itself: a notification is
 * only noted, the test steps the device.
 *
 * What the device holds, and what the driver must leave alone meanwhile, is the
 * matter of its queues: virtio_ring.h.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_MODEL_H

#include "tests/models/breach.h"
#include "tests/models/virtio_ring.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_QUEUES = 10, MODEL_CONFIG = -1 };

struct virtio_model {
    /* what it is: */
    uint32_t id;
    bool legacy;
    uint64_t offered;
    uint32_t queue_max;
    unsigned queue_count;
    uint8_t config[64];
    uint8_t generation; /* of config: section 2.5.1 */
    bool is_master;     /* over PCI: it may access memory, and interrupt */
    /* The transport's: interrupt for a queue, or for MODEL_CONFIG. */
    void (*raise)(struct virtio_model *model, int source);
    /* The driver has notified of requests in a queue. NULL: the test steps the
     * device without being told. */
    void (*notified)(struct virtio_model *model, unsigned index);
    /* The driver has accepted features: which of them need others? NULL: none
     * do. */
    void (*agree)(struct virtio_model *model);

    /* what the driver made of it: */
    uint8_t status;
    uint64_t accepted;
    unsigned feature_select;
    unsigned driver_select;
    unsigned queue_select;
    struct ring queue[MODEL_QUEUES];
    uint32_t isr;
    unsigned resets;
    unsigned reset_reads; /* of slow_reset, still to come */
    bool saw_failed;      /* the driver gave up with FAILED */
    unsigned interrupts;  /* that the driver wanted and got, */
    unsigned by_message;  /* of them by MSI-X, */
    unsigned by_line;     /* or by the interrupt line */
    unsigned generation_reads;

    /* faults: */
    bool refuse_features; /* FEATURES_OK does not stay */
    /* Before so many more reads of the configuration it becomes the other one;
     * 0: never. With `restless` so it goes on, back and forth. */
    unsigned change_config_at;
    uint8_t other_config[64];
    bool restless;
    bool never_resets;
    /* Each time that the status of such a one is read. NULL: nothing. */
    void (*stalls)(struct virtio_model *model);
    unsigned reset_at_most; /* so often it does, then never; 0: always */
    unsigned slow_reset;    /* how often the status is read before it is 0 */
    bool lose_interrupts;
};

/* For transports. */
void model_set_status(struct virtio_model *model, uint8_t status);
uint8_t model_get_status(struct virtio_model *model);
void model_queue_enable(struct virtio_model *model, unsigned index);
void model_notify(struct virtio_model *model, unsigned index);
void model_select_check(uint32_t select); /* of feature bits */
uint32_t model_config_read(struct virtio_model *model, size_t offset,
                           unsigned width);
void model_config_write(struct virtio_model *model, size_t offset,
                        unsigned width, uint32_t value);
/* A queue of a legacy device, at one address: 2.7.2. */
void model_legacy_queue(struct virtio_model *model, unsigned index,
                        uint16_t size, uint64_t base);

/* Take the next request that the driver has notified of; false when there is
 * none. */
bool model_take(struct virtio_model *model, unsigned index,
                struct ring_chain *chain);

/* Give it back as used with that length, and interrupt if the driver wants. */
void model_complete(struct virtio_model *model, unsigned index, uint16_t head,
                    uint32_t written);

/* The device was not reset: is all that it may access still memory? */
void model_touch(const struct virtio_model *model);

/* Lies: ring_use_raw(), ring_used_index(). */
void model_use_raw(struct virtio_model *model, unsigned index, uint32_t id,
                   uint32_t len);
void model_used_index(struct virtio_model *model, unsigned index, uint16_t to);
void model_interrupt(struct virtio_model *model, unsigned index);

/* The configuration has changed: say so (2.5.1). The device is broken, and
 * wants to be reset (2.1.2). */
void model_config_changed(struct virtio_model *model);
void model_need_reset(struct virtio_model *model);

/* ---- Transports: put the model into the machine -------------------------- */

/* Over MMIO, `version` 1 or 2, at a place and line of its own, which the
 * firmware tells of. */
void model_on_mmio(struct virtio_model *model, unsigned version);

/* The same, but nobody tells of it: for the command line. Its registers take
 * MODEL_MMIO_SIZE bytes. */
enum { MODEL_MMIO_SIZE = 0x1000 };
void model_hidden_on_mmio(struct virtio_model *model, unsigned version,
                          uint64_t *base, int *irq);

/* Over PCI, with MSI-X or only with a line. */
struct pci_model_options {
    bool no_msix;
    uint8_t msix_entries;  /* 0: twelve */
    bool no_modern;        /* no VIRTIO 1.x capabilities */
    bool legacy;           /* the legacy interface: transitional, or legacy */
    bool legacy_in_memory; /* which is no port, but memory */
    bool cap_loop;         /* the capability list leads back */
    bool bar_at_zero;
    bool no_line;              /* no interrupt line */
    bool msix_table_outside;   /* of the BAR that it names */
    bool decoys;               /* structures that are none, before and behind */
    bool refuse_vector;        /* a queue takes no vector: 4.1.5.1.2.2, */
    bool refuse_config_vector; /* or the configuration */
    uint8_t odd_type;          /* of a structure that has another length, */
    uint32_t odd_length;       /* this one, */
    bool odd_is_missing;       /* or that is not there */
    uint16_t notify_offset;    /* of every queue, times 4; 0: its number */
    uint16_t vendor_id;        /* 0: 0x1af4 */
    uint16_t device_id;        /* 0: 0x1040 + id */
};
void model_on_pci(struct virtio_model *model,
                  const struct pci_model_options *options);

/* Forget all devices; call before each machine. */
void models_reset(void);

#endif
