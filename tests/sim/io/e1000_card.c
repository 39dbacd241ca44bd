/* Intel's cards of the simulated machine. */
#include "hal/posix/sim/sim.h"
#include "tests/models/e1000_model.h"
#include "tests/sim/io/card.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/frames.h"
#include <string.h>

enum { SLOT = 20, RING = 64 };

static struct e1000_model model;
static unsigned refused; /* frames for which the FIFO has no room */

/* ---- At work ------------------------------------------------------------- */

/* A line that is heard interrupts until it falls. */
static bool step(void)
{
    if (card.is_pulled)
        return false;
    card_delivers();
    return e1000_model_step(&model) ||
           (model.card.asserted && !model.card.muffled);
}

static uint64_t next_ns(void)
{
    return card.is_pulled ? UINT64_MAX : e1000_model_next_ns(&model);
}

static struct device_agenda agenda = {.step = step, .next_ns = next_ns};

static void work(struct e1000_model *of)
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
    if (!e1000_model_receive(&model, frame->data, frame->len))
        refused++;
    device_work(&agenda);
}

static enum model_fault draw_fault(void *arg, const char *operation,
                                   unsigned kinds)
{
    (void)arg;
    return card_fault(operation, kinds, &model.late_ns);
}

/* ---- The card ------------------------------------------------------------ */

static void plug(void)
{
    static struct fault_plan plan = {.draw = draw_fault};

    model.chip = hal_choose(2, SIM_WORK) != 0 ? E1000_82574L : E1000_82540EM;
    model.no_msix = hal_choose(4, SIM_WORK) == 1;
    model.faults = &plan;
    model.sent = sent;
    model.work = work;
    memcpy(model.mac, frames_mac, sizeof(model.mac));
    e1000_model_plug(&model, SLOT);
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
    return refused;
}

static unsigned resets(void)
{
    return model.resets;
}

const struct card_kind card_e1000 = {
    .name = "e1000",
    .padded_to = 60,
    .kept_max = RING,
    .deadly = 1 << FAULT_NEVER, /* of a reset */
    .plug = plug,
    .receive = receive,
    .pull = pull,
    .is_at_rest = is_at_rest,
    .delivered = delivered,
    .missed = missed,
    .resets = resets,
};
