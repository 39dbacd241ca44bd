/* The NE2000 of the simulated machine. */
#include "hal/posix/sim/sim.h"
#include "tests/models/ne2000_model.h"
#include "tests/sim/io/card.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/frames.h"
#include <string.h>

enum { SLOT = 20 };

static struct ne2000_model model;
static unsigned refused; /* frames with a wrong sum, or too many on the wire */

/* ---- At work ------------------------------------------------------------- */

/* A line that is heard interrupts until it falls. */
static bool step(void)
{
    if (card.is_pulled)
        return false;
    card_delivers();
    return ne2000_model_step(&model) ||
           (model.card.asserted && !model.card.muffled);
}

static uint64_t next_ns(void)
{
    return card.is_pulled ? UINT64_MAX : ne2000_model_next_ns(&model);
}

static struct device_agenda agenda = {.step = step, .next_ns = next_ns};

static void work(struct ne2000_model *of)
{
    (void)of;
    device_work(&agenda);
}

static void sent(void *arg, const uint8_t *frame, size_t len)
{
    static const struct net_model_header header;

    (void)arg;
    card_leaves(&header, frame, (uint32_t)len);
}

static void receive(const struct card_frame *frame)
{
    if (!ne2000_model_receive(&model, frame->data, frame->len))
        refused++;
    device_work(&agenda);
}

static enum model_fault draw_fault(void *arg, const char *operation,
                                   unsigned kinds)
{
    enum model_fault fault = card_fault(operation, kinds, &model.late_ns);

    (void)arg;
    if (fault == FAULT_FAIL && strcmp(operation, "receive") == 0)
        refused++;
    return fault;
}

/* ---- The card ------------------------------------------------------------ */

static void plug(void)
{
    static struct fault_plan plan = {.draw = draw_fault};

    model.stop_finishes = hal_choose(2, SIM_DEVICE) != 0;
    model.faults = &plan;
    model.sent = sent;
    model.work = work;
    memcpy(model.mac, frames_mac, sizeof(model.mac));
    ne2000_model_plug(&model, SLOT);
}

static void pull(void)
{
    pci_card_pull(&model.card);
}

static bool is_at_rest(void)
{
    return agenda.due_ns == 0;
}

static unsigned delivered(void)
{
    return model.frames_received;
}

static unsigned missed(void)
{
    return model.frames_missed + refused;
}

static unsigned resets(void)
{
    return model.resets;
}

const struct card_kind card_ne2000 = {
    .name = "ne2000",
    .padded_to = 60,
    .deadly = 1 << FAULT_LATE | 1 << FAULT_NEVER | 1 << FAULT_SHORT |
              1 << FAULT_RESET,
    .plug = plug,
    .receive = receive,
    .pull = pull,
    .is_at_rest = is_at_rest,
    .delivered = delivered,
    .missed = missed,
    .resets = resets,
};
