/*
 * A virtio disk, for tests: VIRTIO 1.2, section 5.2. A request of a form that
 * the specification does not allow, or of an operation that was not agreed on,
 * is a breach. It serves a request a step, and meets the faults of a plan.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_BLK_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_BLK_MODEL_H

#include "tests/models/fault.h"
#include "tests/models/virtio_fault.h"
#include "tests/models/virtio_model.h"

/* What it offers: 5.2.3. */
enum {
    BLK_SIZE_MAX = 1 << 1,
    BLK_SEG_MAX = 1 << 2,
    BLK_RO = 1 << 5,
    BLK_BLK_SIZE = 1 << 6,
    BLK_FLUSH = 1 << 9,
    BLK_TOPOLOGY = 1 << 10,
    BLK_MQ = 1 << 12,
    BLK_DISCARD = 1 << 13,
    BLK_WRITE_ZEROES = 1 << 14,
};

struct blk_model {
    struct virtio_model virtio;
    uint8_t *data; /* the test's */
    uint64_t sectors;

    /* what it does: */
    struct fault_plan *plan; /* NULL: no faults */
    bool silent;             /* it serves nothing */

    /* what it has seen: */
    unsigned requests; /* of them: */
    unsigned reads, writes, flushes, discards, zeroes;
    unsigned of_queue[MODEL_QUEUES];
    unsigned segments_most; /* pieces of data in one */

    struct virtio_late late;
};

/*
 * A disk of so many sectors with one queue of 128 descriptors, VIRTIO 1.x,
 * flush and nothing else. What it offers more the test sets, before it puts
 * blk->virtio on a transport.
 */
void blk_model_init(struct blk_model *blk, uint8_t *data, uint64_t sectors);

/* The configuration fields of what it offers: 5.2.4. */
void blk_model_limits(struct blk_model *blk, uint32_t size_max,
                      uint32_t seg_max, uint32_t blk_size);
void blk_model_queues(struct blk_model *blk, uint16_t count);
void blk_model_discard(struct blk_model *blk, uint32_t discard_max,
                       uint32_t zeroes_max);

/*
 * Do what a request that was taken asks for, and write its status: for those
 * who step the device and end its requests by themselves. Returns how many
 * bytes it has written; *fault is what is to happen at its end.
 */
uint32_t blk_model_perform(struct blk_model *blk, unsigned queue,
                           const struct ring_chain *chain,
                           enum model_fault *fault);

/* Do one thing, if there is any: end a late request, serve the next one of some
 * queue. Returns whether there was. */
bool blk_model_step(struct blk_model *blk);

/* Serve the next request of one queue. Without faults each queue may be served
 * on a CPU of its own. */
bool blk_model_step_queue(struct blk_model *blk, unsigned queue);

#endif
