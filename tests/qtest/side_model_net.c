#include "tests/qtest/side_model_net.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include "tests/qtest/model_place.h"
#include <string.h>

enum {
    RX,
    TX,
    MEMORY = 32 << 20,
    HEADER = 12, /* VIRTIO 1.2, 5.1.6; */
    HEADER_LEGACY = 10,
    FEATURE_MAC = 5,
};

static struct virtio_model model;

static void make(const struct net_side *side)
{
    memset(&model, 0, sizeof(model));
    model.id = 1;
    model.offered = model_place_features(side->options) | 1 << FEATURE_MAC;
    model.queue_max = 256;
    model.queue_count = 2;
    memcpy(model.config, scenario_mac, 6);
}

static void begin(const struct net_side *side)
{
    models_reset();
    machine_attach(MEMORY);
    model_place(&model, side->options);
}

static void end(const struct net_side *side)
{
    (void)side;
    model_set_status(&model, 0); /* its memory is gone with the machine */
    machine_detach();
}

static void unmake(const struct net_side *side)
{
    (void)side;
}

static size_t header_size(void)
{
    return model.legacy ? HEADER_LEGACY : HEADER;
}

/* Into the next buffer, behind a header that says nothing. */
static bool cable_send(const struct net_side *side, const uint8_t *frame,
                       size_t len)
{
    size_t header = header_size(), at = 0;
    struct ring_chain chain;

    (void)side;
    if (!model_take(&model, RX, &chain))
        return false;
    for (unsigned i = 0; i < chain.count; i++)
        for (uint32_t k = 0; k < chain.piece[i].len && at < header + len;
             k++, at++)
            chain.piece[i].data[k] = at < header ? 0 : frame[at - header];
    assert_int_equal(at, header + len);
    model_complete(&model, RX, chain.head, (uint32_t)at);
    return true;
}

static size_t cable_take(const struct net_side *side, uint8_t *frame,
                         size_t size)
{
    size_t header = header_size(), len = 0;
    struct ring_chain chain;

    (void)side;
    if (!model_take(&model, TX, &chain))
        return 0;
    for (unsigned i = 0; i < chain.count; i++)
        for (uint32_t k = 0; k < chain.piece[i].len; k++, len++)
            if (len >= header && len - header < size)
                frame[len - header] = chain.piece[i].data[k];
    assert_true(len > header);
    model_complete(&model, TX, chain.head, 0);
    return len - header;
}

const struct net_side model_net = {
    .name = "model",
    .make = make,
    .begin = begin,
    .end = end,
    .unmake = unmake,
    .cable_send = cable_send,
    .cable_take = cable_take,
};
