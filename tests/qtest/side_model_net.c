#include "tests/qtest/side_model_net.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_net_model.h"
#include "tests/qtest/model_place.h"
#include <string.h>

enum { MEMORY = 32 << 20 };

static struct net_model model;

/* What QEMU's card offers behind a cable without offloads. */
static void make(const struct net_side *side)
{
    net_model_init(&model);
    model.virtio.offered = model_place_features(side->options) | NETF_MAC;
    net_model_offer(
        &model,
        NETF_STATUS | NETF_CTRL_VQ | NETF_GUEST_ANNOUNCE | NETF_MRG_RXBUF, 1);
    memcpy(model.virtio.config, scenario_mac, 6);
}

static void begin(const struct net_side *side)
{
    models_reset();
    machine_attach(MEMORY);
    model_place(&model.virtio, side->options);
}

static void end(const struct net_side *side)
{
    (void)side;
    model_set_status(&model.virtio,
                     0); /* its memory is gone with the machine */
    machine_detach();
}

static void unmake(const struct net_side *side)
{
    (void)side;
}

static bool cable_send(const struct net_side *side, const uint8_t *frame,
                       size_t len)
{
    (void)side;
    return net_model_send(&model, 0, NULL, frame, (uint32_t)len);
}

static size_t cable_take(const struct net_side *side, uint8_t *frame,
                         size_t size)
{
    const struct net_model_frame *taken = net_model_take(&model, 0);

    (void)side;
    if (taken == NULL)
        return 0;
    memcpy(frame, taken->data, taken->len < size ? taken->len : size);
    return taken->len;
}

static void link(const struct net_side *side, bool up)
{
    (void)side;
    net_model_link(&model, up);
}

const struct net_side model_net = {
    .name = "model",
    .make = make,
    .begin = begin,
    .end = end,
    .unmake = unmake,
    .cable_send = cable_send,
    .cable_take = cable_take,
    .link = link,
};
