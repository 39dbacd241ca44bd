/* An Intel card and its driver on one CPU: what their tests share. Time stands
 * but for a microsecond at each look at the clock. */
#ifndef TORC_TESTS_UNIT_E1000_CARD_H
#define TORC_TESTS_UNIT_E1000_CARD_H

#include "hal/posix/kernel/irq.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/e1000_model.h"
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/time.h>

#define SECOND UINT64_C(1000000000)

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
static struct net_device *card;
static unsigned wakes;

/* What the card has sent, and what was received: the last one of each. */
static uint8_t sent[65536], got[2048];
static size_t sent_len, got_len;
static unsigned sent_count, got_count;
static struct packet_offload got_offload;

#define QUEUE (&card->queues[0])

static inline void sent_note(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    assert_true(len <= sizeof(sent));
    memcpy(sent, frame, len);
    sent_len = len;
    sent_count++;
}

static inline void wake_note(struct net_queue *queue)
{
    assert_ptr_equal(queue, QUEUE);
    wakes++;
}

static inline void time_starts(void)
{
    clock_set(SECOND);
    clock_step(NS_PER_US);
}

static inline void fresh_with(const struct kind *kind, size_t mem_bytes)
{
    sim_reset();
    memset(&model, 0, sizeof(model));
    model.chip = kind->chip;
    model.no_msix = kind->no_msix;
    memcpy(model.mac, (uint8_t[6]){0x52, 0x54, 0, 1, 2, 3}, 6);
    model.sent = sent_note;
    wakes = sent_count = got_count = 0;
    sent_len = got_len = 0;
    card = NULL;
    console_forget();
    time_starts();
    machine_attach(mem_bytes);
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

/* Interrupts come in at the end of one pass; their work runs in the next. */
static inline void settle(void)
{
    for (unsigned i = 0; i < 3; i++)
        thread_yield();
}

/* Let the card do all it can. */
static inline void run_card(void)
{
    while (e1000_model_step(&model))
        settle();
    settle();
}

/* Let time pass, and timers run; the card does what it can. */
static inline void time_passes(uint64_t ns)
{
    uint64_t end = clock_now() + ns;

    while (clock_now() < end) {
        uint64_t next = timer_next();

        next = next < end ? next : end;
        if (next > clock_now())
            clock_set(next);
        clock_step(NS_PER_US);
        timer_run(clock_now());
        run_card();
    }
}

/* As a stack does: poll until nothing comes, then ask for interrupts. */
static inline unsigned poll(unsigned max)
{
    struct packet *packets[64];
    unsigned count = 0;

    assert_true(max <= 64);
    (void)net_arm(QUEUE, false);
    do
        count += net_poll(QUEUE, packets + count, max - count);
    while (count < max && !net_arm(QUEUE, true));
    for (unsigned i = 0; i < count; i++) {
        packet_check(packets[i]);
        got_len = packets[i]->len;
        memcpy(got, packets[i]->data, got_len);
        got_offload = packets[i]->offload;
        got_count++;
        packet_put(packets[i]);
    }
    return count;
}

/* A frame to us, from another card; `len` bytes that count up. */
static inline void frame_make(uint8_t *frame, size_t len)
{
    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)i;
    memcpy(frame, model.mac, 6);
    memcpy(frame + 6, (uint8_t[6]){2, 0, 0, 0, 0, 9}, 6);
    be16_put(frame + 12, 0x88b5);
}

/* It arrives. Returns whether the card takes it. */
static inline bool arrives(size_t len)
{
    uint8_t frame[2048];

    frame_make(frame, len);
    return e1000_model_receive(&model, frame, len);
}

static inline struct packet *make(size_t len)
{
    struct packet *packet = packet_get();
    uint8_t *at = packet == NULL ? NULL : packet_append(packet, len);

    for (size_t i = 0; at != NULL && i < len; i++)
        at[i] = (uint8_t)(i * 3);
    return packet;
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

/* The last sent frame is what make() made. */
static inline bool sent_is(size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (sent[i] != (uint8_t)(i * 3))
            return false;
    return sent_len == (len < 60 ? 60 : len);
}

/* What must be true of both sides, and the end of the machine. */
static inline void finish(void)
{
    e1000_model_check(&model);
    if (card != NULL && card->queue_count > 0)
        net_check(card);
    machine_detach();
    sim_reset();
    clock_set(0);
}

#endif
