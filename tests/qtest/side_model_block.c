#include "tests/qtest/side_model_block.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include "tests/qtest/device_thread.h"
#include "tests/qtest/model_place.h"
#include <string.h>

enum {
    DISK_SIZE = SCENARIO_SECTORS * 512,
    MEMORY = 32 << 20,
    FEATURE_READ_ONLY = 5,
    FEATURE_FLUSH = 9,
    /* VIRTIO 1.2, 5.2.6: types and status. */
    TYPE_IN = 0,
    TYPE_OUT = 1,
    TYPE_FLUSH = 4,
    STATUS_OK = 0,
    STATUS_IOERR = 1,
    STATUS_UNSUPP = 2,
};

static struct virtio_model model;
static uint8_t held[DISK_SIZE];
static bool is_read_only, is_faulty;

/* Whether sectors that are moved have a bad one among them. */
static bool is_bad(uint32_t type, uint64_t sector, uint32_t count)
{
    uint64_t bad = type == TYPE_IN ? SCENARIO_BAD_READ : SCENARIO_BAD_WRITE;

    return is_faulty && sector <= bad && bad < sector + count;
}

/* Move the data of a request; its status, and how many bytes were written. */
static uint8_t move(struct ring_chain *chain, uint32_t type, uint64_t sector,
                    uint32_t *written)
{
    for (unsigned i = 1; i + 1 < chain->count; i++) {
        uint32_t len = chain->piece[i].len;

        if (sector > SCENARIO_SECTORS ||
            len > (SCENARIO_SECTORS - sector) * 512 || len % 512 != 0 ||
            is_bad(type, sector, len / 512))
            return STATUS_IOERR;
        if (type == TYPE_IN) {
            memcpy(chain->piece[i].data, held + sector * 512, len);
            *written += len;
        } else {
            memcpy(held + sector * 512, chain->piece[i].data, len);
        }
        sector += len / 512;
    }
    return STATUS_OK;
}

static void serve_one(struct ring_chain *chain)
{
    const uint8_t *header = chain->piece[0].data;
    uint8_t *status = chain->piece[chain->count - 1].data;
    uint32_t type = le32_get(header);
    uint32_t written = 1;

    if (type == TYPE_FLUSH)
        *status = STATUS_OK;
    else if (type == TYPE_IN || (type == TYPE_OUT && !is_read_only))
        *status = move(chain, type, le64_get(header + 8), &written);
    else
        *status = type == TYPE_OUT ? STATUS_IOERR : STATUS_UNSUPP;
    model_complete(&model, 0, chain->head, written);
}

static bool step(void)
{
    struct ring_chain chain;

    if (!model_take(&model, 0, &chain))
        return false;
    serve_one(&chain);
    return true;
}

static void make(const struct block_side *side, unsigned kind)
{
    scenario_fill(held);
    is_read_only = (kind & SCENARIO_READ_ONLY) != 0;
    is_faulty = (kind & SCENARIO_FAULTY) != 0;
    memset(&model, 0, sizeof(model));
    model.id = 2;
    model.offered = model_place_features(side->options) | 1 << FEATURE_FLUSH |
                    (unsigned)is_read_only << FEATURE_READ_ONLY;
    model.queue_max = 128;
    model.queue_count = 1;
    le64_put(model.config, SCENARIO_SECTORS);
}

static void begin(const struct block_side *side)
{
    models_reset();
    machine_attach(MEMORY);
    model_place(&model, side->options);
}

static void serve(const struct block_side *side)
{
    (void)side;
    device_thread_begin(step);
}

static void end(const struct block_side *side)
{
    (void)side;
    device_thread_end();
    model_set_status(&model, 0); /* its memory is gone with the machine */
    machine_detach();
}

static void unmake(const struct block_side *side, uint8_t *disk)
{
    (void)side;
    memcpy(disk, held, DISK_SIZE);
}

const struct block_side model_block = {
    .name = "model",
    .make = make,
    .begin = begin,
    .serve = serve,
    .end = end,
    .unmake = unmake,
};
