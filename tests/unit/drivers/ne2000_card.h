/* An NE2000 and its driver: what their tests share. */
#ifndef TORC_TESTS_UNIT_NE2000_CARD_H
#define TORC_TESTS_UNIT_NE2000_CARD_H

#include "tests/models/ne2000_model.h"
#include "tests/unit/drivers/nic_bench.h"

enum { SLOT = 3 };

static struct ne2000_model model;

static bool card_step(void)
{
    return ne2000_model_step(&model);
}

static inline void fresh_with(size_t mem_bytes)
{
    fresh_machine(mem_bytes);
    memset(&model, 0, sizeof(model));
    memcpy(model.mac, card_mac, 6);
    model.sent = sent_note;
}

static inline void fresh(void)
{
    fresh_with(32 << 20);
}

/* The card is in the machine, and the driver has looked for it. */
static inline void probe(void)
{
    ne2000_model_plug(&model, SLOT);
    assert_int_equal(ne2000_driver.probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
}

static inline void start(void)
{
    probe();
    assert_non_null(card);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake_note;
    thread_yield(); /* the wake that a start ends with */
    wakes = 0;
}

/* It is on the wire. */
static inline void arrives(size_t len)
{
    uint8_t frame[2048];

    frame_make(frame, len);
    assert_true(ne2000_model_receive(&model, frame, len));
}

/* The last frame that was received is such a one. */
static inline bool got_is(size_t len)
{
    uint8_t frame[2048];

    frame_make(frame, len);
    return got_len == len && memcmp(got, frame, len) == 0;
}

/* Returns whether the driver takes it; else it is put. */
static inline bool send(size_t len)
{
    struct packet *packet = make(len);
    bool taken;

    assert_non_null(packet);
    taken = net_send(QUEUE, &packet, 1) == 1;
    if (!taken)
        packet_put(packet);
    return taken;
}

/* Every operation of a name fails in one way. */
struct always {
    const char *operation;
    enum model_fault kind;
};

static inline enum model_fault always(void *arg, const char *operation,
                                      unsigned kinds)
{
    const struct always *what = arg;

    (void)kinds;
    return strcmp(operation, what->operation) == 0 ? what->kind : FAULT_NONE;
}

static inline void finish(void)
{
    machine_ends();
}

#endif
