/*
 * The virtio balloon for tests: VIRTIO 1.2, section 5.5, written from it and
 * not from the driver. The test is the host: it takes what the driver tells,
 * and answers; nothing happens by itself. What a page held is lost when the
 * host has it: the model overwrites it.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_BALLOON_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_BALLOON_MODEL_H

#include "tests/models/virtio_model.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    MODEL_BALLOON_INFLATE = 0,
    MODEL_BALLOON_DEFLATE = 1,
    MODEL_BALLOON_MUST_TELL = 1 << 0,
    MODEL_BALLOON_STATS = 1 << 1,
    MODEL_BALLOON_ON_OOM = 1 << 2,
    MODEL_BALLOON_HINT = 1 << 3,
    MODEL_BALLOON_REPORTING = 1 << 5,
    MODEL_BALLOON_PAGES = 1 << 16, /* of the machine, in numbers, at most */
};

/* `model`, of zeros but for what the test has chosen, is such a device with
 * these features of its own, and `queues` queues. */
void balloon_model_init(struct virtio_model *model, uint32_t features,
                        unsigned queues);

/* Its answers say how many bytes it has read, where it has written none: there
 * are devices that do, and a driver reads no length there. */
void balloon_model_says_read(void);

/* The host wants so many pages; it tells the driver. */
void balloon_model_want(struct virtio_model *model, uint32_t pages);

/* What the driver says that it has given. */
uint32_t balloon_model_actual(const struct virtio_model *model);

/* How many pages there are in the balloon, by what was told. */
unsigned balloon_model_pages(void);

/* Answer the next request of the inflate or deflate queue: returns how many
 * pages it was of; 0: there is none. */
unsigned balloon_model_answer(struct virtio_model *model, unsigned queue);

/* A report that the host has: of what, and not yet answered. */
struct model_report {
    struct ring_chain chain;
    uint64_t bytes;
};

/* Take the next report of a queue; false: there is none. */
bool balloon_model_report(struct virtio_model *model, unsigned queue,
                          struct model_report *report);

/* Answer it: what was in there is lost. */
void balloon_model_reported(struct virtio_model *model, unsigned queue,
                            struct model_report *report);

#endif
