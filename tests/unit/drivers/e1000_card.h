/* An Intel card and its driver: what their tests share. */
#ifndef TORC_TESTS_UNIT_E1000_CARD_H
#define TORC_TESTS_UNIT_E1000_CARD_H

#include "hal/posix/kernel/irq.h"
#include "tests/models/e1000_model.h"
#include "tests/unit/drivers/nic_bench.h"

/* The kinds of card, and of interrupt. */
static const struct kind {
    const char *name;
    enum e1000_chip chip;
    bool no_msix;
} kinds[] = {
    {"82540EM", E1000_82540EM, false},
    {"82574L", E1000_82574L, false},
    {"82574L by its line", E1000_82574L, true},
};
enum { KINDS = 3 };

static struct e1000_model model;

static bool card_step(void)
{
    return e1000_model_step(&model);
}

static inline void fresh_with(const struct kind *kind, size_t mem_bytes)
{
    fresh_machine(mem_bytes);
    memset(&model, 0, sizeof(model));
    model.chip = kind->chip;
    model.no_msix = kind->no_msix;
    memcpy(model.mac, card_mac, 6);
    model.sent = sent_note;
}

static inline void fresh(const struct kind *kind)
{
    fresh_with(kind, 32 << 20);
}

/* The card is in the machine, and the driver has found it. */
static inline void probe(void)
{
    e1000_model_plug(&model, 3);
    assert_int_equal(e1000_driver.probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
}

static inline void start(void)
{
    probe();
    assert_non_null(card);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake_note;
}

/* It arrives. Returns whether the card takes it. */
static inline bool arrives(size_t len)
{
    uint8_t frame[2048];

    frame_make(frame, len);
    return e1000_model_receive(&model, frame, len);
}

/* Returns whether the driver takes it. */
static inline bool send(struct packet *packet)
{
    return net_send(QUEUE, &packet, 1) == 1;
}

static inline void send_must(struct packet *packet)
{
    assert_non_null(packet);
    assert_true(send(packet));
}

/* What must be true of both sides, and the end of the machine. */
static inline void finish(void)
{
    e1000_model_check(&model);
    machine_ends();
}

#endif
