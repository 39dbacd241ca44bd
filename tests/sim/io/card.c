#include "tests/sim/io/card.h"
#include "hal/posix/sim/sim.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/frames.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>

enum { PULLED_ONE_IN = 4, PULLED_AFTER_MAX = 16, RESETS_FAIL_ONE_IN = 4 };

struct card card;

/* ---- The cable ----------------------------------------------------------- */

static void arrive(void *arg)
{
    struct card_frame *frame = arg;

    card.on_cable--;
    if (!card.is_pulled) {
        card_delivers();
        frame_arrives(frame->data, frame->len);
        card.kind->receive(frame);
    }
    free(frame);
}

static void put_on_cable(const struct net_model_header *header,
                         const uint8_t *data, uint32_t len)
{
    struct card_frame *frame = malloc(sizeof(*frame) + len);

    if (frame == NULL)
        abort();
    frame->header = *header;
    frame->len = len;
    memcpy(frame->data, data, len);
    card.on_cable++;
    device_after_step(arrive, frame);
}

static bool one_in(unsigned n)
{
    return n == 1 || (n != 0 && device_sometimes(n));
}

static void pull(void *unused)
{
    (void)unused;
    card.is_pulled = true;
    card.kind->pull();
}

void card_leaves(const struct net_model_header *header, const uint8_t *data,
                 uint32_t len)
{
    frame_leaves(data, len);
    if (card.pull_after != 0 && --card.pull_after == 0)
        device_after_step(pull, NULL);
    if (one_in(card.lost_one_in))
        return;
    put_on_cable(header, data, len);
    if (one_in(card.twice_one_in))
        put_on_cable(header, data, len);
}

/* ---- Faults -------------------------------------------------------------- */

enum model_fault card_fault(const char *operation, unsigned kinds,
                            uint64_t *late_ns)
{
    enum model_fault fault = FAULT_NONE;

    /* A driver may look every millisecond whether a reset is done. */
    if (strcmp(operation, "reset") == 0 &&
        !device_sometimes(RESETS_FAIL_ONE_IN))
        return FAULT_NONE;
    if (card.has_faults)
        fault = fault_among(&device_faults, operation, kinds);
    if (fault == FAULT_RESET)
        card.forgot++;
    if (fault == FAULT_LATE)
        *late_ns = device_sometimes(4) ? 0 : device_late_ns();
    return fault;
}

bool card_may_lose(void)
{
    unsigned harmless =
        fault_bit(FAULT_LOST_IRQ) | fault_bit(FAULT_SPURIOUS_IRQ);

    return card.is_pulled || (device_manner.fault_one_in != 0 &&
                              (device_manner.fault_kinds & ~harmless) != 0);
}

bool card_may_die(void)
{
    return card.is_pulled ||
           (device_manner.fault_one_in != 0 &&
            (device_manner.fault_kinds & card.kind->deadly) != 0);
}

/* ---- What it has delivered ----------------------------------------------- */

static uint64_t seen(void)
{
    return frames_came() + card.queue->rx_dropped;
}

static unsigned resets(void)
{
    return card.kind->resets() + card.forgot;
}

/* What came out since, of what was delivered before, counts as well: so the
 * rule is weak for the frames of one poll. */
void card_delivers(void)
{
    if (card.queue == NULL || resets() == card.since.resets)
        return;
    card.since.resets = resets();
    card.since.delivered = card.kind->delivered();
    card.since.seen = seen();
}

bool card_is_seen(void)
{
    card_delivers();
    return card.is_pulled || seen() - card.since.seen >=
                                 card.kind->delivered() - card.since.delivered;
}

bool card_is_honest(void)
{
    return frames_came() <= card.kind->delivered() &&
           seen() <= card.kind->delivered() + card.kind->missed();
}

/* ---- Begin and end ------------------------------------------------------- */

void card_plug(void)
{
    static const struct card_kind *const kinds[] = {&card_virtio, &card_e1000,
                                                    &card_ne2000};
    static const unsigned odds[] = {0, 0, 0, 16, 16, 4, 4, 1};

    card.kind = kinds[hal_choose(COUNT_OF(kinds), SIM_WORK)];
    card.lost_one_in = odds[hal_choose(COUNT_OF(odds), SIM_DEVICE)];
    card.twice_one_in = odds[hal_choose(COUNT_OF(odds), SIM_DEVICE)];
    if (device_has_fault(FAULT_NEVER) &&
        hal_choose(PULLED_ONE_IN, SIM_FAULT) == 1)
        card.pull_after = 1 + hal_choose(PULLED_AFTER_MAX, SIM_FAULT);
    frames_begin(card.kind->padded_to);
    card.kind->plug();
}

void card_begin(const struct net_queue *queue)
{
    card.queue = queue;
    card.has_faults = true;
    card_delivers();
}

void card_faults_end(void)
{
    card.has_faults = false;
    card.pull_after = 0;
}
