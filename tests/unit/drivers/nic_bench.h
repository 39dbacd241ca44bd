/*
 * A network card on one CPU, with its model and driver: what the tests of all
 * cards share whose model is stepped. Time stands but for a microsecond at
 * each look at the clock.
 */
#ifndef TORC_TESTS_UNIT_DRIVERS_NIC_BENCH_H
#define TORC_TESTS_UNIT_DRIVERS_NIC_BENCH_H

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
#include "tests/models/fault.h"
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/time.h>

static const uint8_t card_mac[6] = {0x52, 0x54, 0, 1, 2, 3};

static struct net_device *card;
static unsigned wakes;

/* What the card has sent, and what was received: the last one of each. */
static uint8_t sent[65536], got[2048];
static size_t sent_len, got_len;
static unsigned sent_count, got_count;
static struct packet_offload got_offload;

#define QUEUE (&card->queues[0])

/* One step of the model: whether it did something. The test's own. */
static bool card_step(void);

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

/* A machine without cards, a second after it began. */
static inline void fresh_machine(size_t mem_bytes)
{
    sim_reset();
    wakes = sent_count = got_count = 0;
    sent_len = got_len = 0;
    card = NULL;
    console_forget();
    clock_set(NS_PER_S);
    clock_step(NS_PER_US);
    machine_attach(mem_bytes);
}

/* What must be true of the driver, and the end of the machine. */
static inline void machine_ends(void)
{
    if (card != NULL && card->queue_count > 0)
        net_check(card);
    machine_detach();
    sim_reset();
    clock_set(0);
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
    settle();
    while (card_step())
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
    memcpy(frame, card_mac, 6);
    memcpy(frame + 6, (uint8_t[6]){2, 0, 0, 0, 0, 9}, 6);
    be16_put(frame + 12, 0x88b5);
}

/* A packet to send. */
static inline struct packet *make(size_t len)
{
    struct packet *packet = packet_get();
    uint8_t *at = packet == NULL ? NULL : packet_append(packet, len);

    for (size_t i = 0; at != NULL && i < len; i++)
        at[i] = (uint8_t)(i * 3);
    return packet;
}

/* The last sent frame is what make() made, padded with zeroes. */
static inline bool sent_is(size_t len)
{
    for (size_t i = 0; i < sent_len; i++)
        if (sent[i] != (i < len ? (uint8_t)(i * 3) : 0))
            return false;
    return sent_len == (len < 60 ? 60 : len);
}

#endif
