#include "tests/qtest/side_model_e1000.h"
#include "tests/fakes/machine.h"
#include "tests/models/e1000_model.h"
#include "tests/qtest/device_thread.h"
#include <string.h>

enum { SLOT = 4, MEMORY = 32 << 20 };

static struct e1000_model model;

static bool step(void)
{
    return sent_has_room() && e1000_model_step(&model);
}

static void make(const struct net_side *side)
{
    memset(&model, 0, sizeof(model));
    model.chip = *(const enum e1000_chip *)side->options;
    model.sent = sent_frame;
    memcpy(model.mac, scenario_mac, 6);
    sent_forget();
}

static void begin(const struct net_side *side)
{
    (void)side;
    sim_reset();
    machine_attach(MEMORY);
    e1000_model_plug(&model, SLOT);
    device_thread_begin(step);
}

static void end(const struct net_side *side)
{
    device_thread_end();
    e1000_model_check(&model);
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
    return e1000_model_receive(&model, frame, len);
}

static size_t cable_take(const struct net_side *side, uint8_t *frame,
                         size_t size)
{
    (void)side;
    return sent_take(frame, size);
}

static void cable_link(const struct net_side *side, bool up)
{
    (void)side;
    e1000_model_link(&model, up);
}

static const enum e1000_chip chip_82540em = E1000_82540EM;
static const enum e1000_chip chip_82574l = E1000_82574L;

const struct net_side model_82540em = {
    .name = "model of the 82540EM",
    .make = make,
    .begin = begin,
    .end = end,
    .unmake = unmake,
    .cable_send = cable_send,
    .cable_take = cable_take,
    .link = cable_link,
    .options = &chip_82540em,
};

const struct net_side model_82574l = {
    .name = "model of the 82574L",
    .make = make,
    .begin = begin,
    .end = end,
    .unmake = unmake,
    .cable_send = cable_send,
    .cable_take = cable_take,
    .link = cable_link,
    .options = &chip_82574l,
};
