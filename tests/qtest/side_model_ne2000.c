#include "tests/qtest/side_model_ne2000.h"
#include "tests/fakes/machine.h"
#include "tests/models/ne2000_model.h"
#include "tests/qtest/device_thread.h"
#include <string.h>

enum { SLOT = 4, MEMORY = 32 << 20 };

static struct ne2000_model model;

static bool step(void)
{
    return sent_has_room() && ne2000_model_step(&model);
}

static void make(const struct net_side *side)
{
    (void)side;
    memset(&model, 0, sizeof(model));
    model.sent = sent_frame;
    memcpy(model.mac, scenario_mac, 6);
    sent_forget();
}

static void begin(const struct net_side *side)
{
    (void)side;
    sim_reset();
    machine_attach(MEMORY);
    ne2000_model_plug(&model, SLOT);
    device_thread_begin(step);
}

static void end(const struct net_side *side)
{
    device_thread_end();
    machine_detach();
    make(side); /* its memory is gone with the machine */
}

static void unmake(const struct net_side *side)
{
    (void)side;
}

static bool cable_send(const struct net_side *side, const uint8_t *frame,
                       size_t len)
{
    (void)side;
    return ne2000_model_receive(&model, frame, len);
}

static size_t cable_take(const struct net_side *side, uint8_t *frame,
                         size_t size)
{
    (void)side;
    return sent_take(frame, size);
}

const struct net_side model_ne2000 = {
    .name = "model of the NE2000",
    .make = make,
    .begin = begin,
    .end = end,
    .unmake = unmake,
    .cable_send = cable_send,
    .cable_take = cable_take,
    .is_lossy = true,
    .is_slow = true,
};
