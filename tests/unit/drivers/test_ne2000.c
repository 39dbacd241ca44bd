/* The NE2000 against the model: frames in both directions, interrupts, two
 * places to send from, probe and start. */
#include "hal/posix/kernel/irq.h"
#include "tests/unit/drivers/ne2000_card.h"

/* ---- Frames -------------------------------------------------------------- */

static void test_frames_come_and_go(void **state)
{
    (void)state;
    fresh();
    start();
    assert_memory_equal(card->mac, model.mac, 6);
    assert_int_equal(card->mtu, 1500);
    assert_int_equal(card->offloads, 0);
    assert_true(card->link_up);
    assert_int_equal(poll(16), 0);
    arrives(1514);
    run_card();
    assert_int_equal(wakes, 1);
    assert_int_equal(poll(16), 1);
    assert_true(got_is(1514));
    assert_int_equal(QUEUE->rx_frames, 1);
    assert_int_equal(QUEUE->rx_bytes, 1514);

    assert_true(send(1514));
    assert_int_equal(sent_count, 0);
    run_card();
    assert_int_equal(sent_count, 1);
    assert_true(sent_is(1514));
    assert_int_equal(wakes, 1); /* nobody waits for it */
    assert_int_equal(QUEUE->tx_frames, 0);
    poll(16); /* that it was sent is noticed here */
    assert_int_equal(QUEUE->tx_frames, 1);
    assert_int_equal(QUEUE->tx_bytes, 1514);
    assert_int_equal(QUEUE->rx_dropped + QUEUE->tx_dropped, 0);
    finish();
}

/* Every length, at every place of the ring, also over its end. */
static void test_every_length_goes_round(void **state)
{
    unsigned free_count, count = 0;

    (void)state;
    fresh();
    start();
    free_count = packet_free_count();
    for (size_t len = 60; len <= 1514; len++) {
        arrives(len);
        assert_true(send(len));
        run_card();
        assert_int_equal(poll(16), 1);
        assert_true(got_is(len));
        assert_true(sent_is(len));
        assert_int_equal(sent_count, ++count);
        assert_int_equal(QUEUE->tx_frames, count);
    }
    assert_int_equal(QUEUE->rx_dropped + QUEUE->tx_dropped, 0);
    assert_int_equal(packet_free_count(), free_count);
    finish();
}

static void test_short_frames_are_padded(void **state)
{
    (void)state;
    fresh();
    start();
    assert_true(send(200)); /* nothing of it may be in the next one's padding */
    assert_true(send(200));
    run_card();
    for (size_t len = 1; len <= 60; len++) {
        assert_true(send(len));
        run_card();
        assert_true(sent_is(len));
    }
    poll(16);
    assert_int_equal(QUEUE->tx_bytes, 400 + 60 * 61 / 2);
    finish();
}

static void test_too_long_frames_are_dropped(void **state)
{
    unsigned free_count;

    (void)state;
    fresh();
    start();
    free_count = packet_free_count();
    assert_true(send(1515));
    run_card();
    assert_int_equal(sent_count, 0);
    assert_int_equal(QUEUE->tx_dropped, 1);
    assert_int_equal(QUEUE->tx_frames, 0);
    assert_int_equal(packet_free_count(), free_count);
    finish();
}

static void test_slices_are_sent(void **state)
{
    struct packet *packet;
    struct buf *page;

    (void)state;
    fresh();
    start();
    page = buf_alloc(4096);
    assert_non_null(page);
    for (unsigned i = 0; i < 4096; i++)
        page->base[i] = (uint8_t)(i * 7);
    packet = make(55);
    for (unsigned i = 0; i < 3; i++) {
        buf_get(page);
        assert_int_equal(
            packet_add_slice(packet, (struct slice){page, 1000 * i, 101}), 0);
    }
    assert_int_equal(net_send(QUEUE, &packet, 1), 1);
    assert_int_equal(page->refs, 1);
    run_card();
    assert_int_equal(sent_len, 55 + 303);
    for (unsigned i = 0; i < 303; i++)
        assert_int_equal(sent[55 + i],
                         (uint8_t)((i / 101 * 1000 + i % 101) * 7));
    buf_put(page);
    finish();
}

static void test_a_poll_keeps_its_budget(void **state)
{
    (void)state;
    fresh();
    start();
    for (unsigned i = 0; i < 40; i++)
        arrives(100);
    run_card();
    assert_int_equal(poll(16), 16);
    /* What the poll has left behind interrupts nobody. */
    assert_false(net_arm(QUEUE, true));
    assert_int_equal(poll(16), 16);
    assert_int_equal(poll(16), 8);
    assert_int_equal(poll(16), 0);
    assert_int_equal(QUEUE->rx_frames, 40);
    finish();
}

/* Groups are the stack's to sort out, as are other cards' frames. */
static void test_whose_frames(void **state)
{
    static const struct {
        const char *name;
        uint8_t to[6];
        bool is_received;
    } rows[] = {
        {"ours", {0x52, 0x54, 0, 1, 2, 3}, true},
        {"another's", {0x52, 0x54, 0, 1, 2, 4}, false},
        {"all cards'", {255, 255, 255, 255, 255, 255}, true},
        {"a group's", {0x33, 0x33, 0, 0, 0, 1}, true},
        {"another group's", {1, 0, 0x5e, 0, 0, 251}, true},
    };

    (void)state;
    fresh();
    start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t frame[100];

        frame_make(frame, 100);
        memcpy(frame, rows[i].to, 6);
        assert_true(ne2000_model_receive(&model, frame, 100));
        run_card();
        ROW(rows[i].name, poll(16) == rows[i].is_received);
    }
    finish();
}

static void test_without_packets_frames_are_dropped(void **state)
{
    struct packet *hoard[300];
    unsigned count = 0;

    (void)state;
    fresh();
    start();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    for (unsigned i = 0; i < 100; i++) { /* more than the ring has pages */
        arrives(100);
        run_card();
        assert_int_equal(poll(16), 0);
    }
    assert_int_equal(QUEUE->rx_dropped, 100);
    assert_int_equal(model.frames_missed, 0);
    while (count > 0)
        packet_put(hoard[--count]);
    arrives(100);
    run_card();
    assert_int_equal(poll(16), 1);
    finish();
}

/* Longer ones than Ethernet has may come by; the ring goes on. */
static void test_giants_are_dropped(void **state)
{
    (void)state;
    fresh();
    start();
    arrives(1515);
    arrives(1600);
    arrives(1514);
    run_card();
    assert_int_equal(poll(16), 1);
    assert_true(got_is(1514));
    assert_int_equal(QUEUE->rx_dropped, 2);
    assert_int_equal(model.resets, 2); /* of the probe and the start */
    finish();
}

/* ---- What it costs ------------------------------------------------------- */

/* Accesses to ports leave the guest: count them. */
static struct sim_window window;
static unsigned reads, writes;

static uint32_t counted_read(void *arg, size_t offset, unsigned width)
{
    reads++;
    return window.read(arg, offset, width);
}

static void counted_write(void *arg, size_t offset, unsigned width,
                          uint32_t value)
{
    writes++;
    window.write(arg, offset, width, value);
}

static void count_ports(void)
{
    window = model.card.bar[0].window;
    model.card.bar[0].window =
        (struct sim_window){counted_read, counted_write, &model};
}

static void test_accesses_are_few(void **state)
{
    struct packet *packets[2];

    (void)state;
    fresh();
    start();
    assert_int_equal(model.tcr, 0); /* check sequences are the chip's */
    assert_int_equal(poll(16), 0);
    count_ports();
    /* Nothing has come. */
    reads = writes = 0;
    assert_int_equal(net_poll(QUEUE, packets, 2), 0);
    assert_int_equal(reads, 1);
    assert_int_equal(writes, 0);
    /* Another device has interrupted. */
    reads = writes = 0;
    irq_raise(NE2000_MODEL_LINE);
    settle();
    assert_int_equal(reads, 1);
    assert_int_equal(writes, 0);
    /* A frame of 60 bytes and one of 1,514. */
    arrives(60);
    arrives(1514);
    run_card();
    reads = writes = 0;
    assert_int_equal(net_poll(QUEUE, packets, 1), 1);
    packet_put(packets[0]);
    assert_in_range(reads, 64 / 4, 64 / 4 + 6);
    assert_in_range(writes, 1, 12);
    reads = writes = 0;
    assert_int_equal(net_poll(QUEUE, packets, 1), 1);
    packet_put(packets[0]);
    assert_in_range(reads, 1518 / 4, 1518 / 4 + 10);
    assert_in_range(writes, 1, 20);
    reads = writes = 0;
    assert_true(send(1514));
    assert_in_range(reads, 1, 6);
    assert_in_range(writes, 1516 / 4, 1516 / 4 + 12);
    finish();
}

/* ---- Interrupts ---------------------------------------------------------- */

static void test_interrupts_are_asked_for(void **state)
{
    struct packet *packets[4];

    (void)state;
    fresh();
    start();
    /* Not armed. */
    arrives(100);
    run_card();
    assert_int_equal(model.card.by_line, 0);
    assert_int_equal(wakes, 0);
    /* It has come before. */
    assert_false(net_arm(QUEUE, true));
    assert_false(model.card.asserted);
    assert_int_equal(net_poll(QUEUE, packets, 4), 1);
    packet_put(packets[0]);
    /* Armed: one interrupt, one wake. */
    assert_true(net_arm(QUEUE, true));
    arrives(100);
    arrives(100);
    run_card();
    assert_int_equal(model.card.by_line, 1);
    assert_int_equal(wakes, 1);
    assert_false(model.card.asserted);
    assert_int_equal(poll(16), 2);
    /* Disarmed again. */
    assert_true(net_arm(QUEUE, false));
    arrives(100);
    run_card();
    assert_int_equal(wakes, 1);
    finish();
}

/* The line is shared: what others interrupt for is none of our business. */
static void test_interrupts_of_others(void **state)
{
    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    irq_raise(NE2000_MODEL_LINE);
    settle();
    assert_int_equal(wakes, 0);
    /* It is armed as before. */
    arrives(100);
    run_card();
    assert_int_equal(wakes, 1);
    /* With a frame there, but nothing asked for. */
    poll(16);
    assert_true(net_arm(QUEUE, false));
    arrives(100);
    run_card();
    irq_raise(NE2000_MODEL_LINE);
    settle();
    assert_int_equal(wakes, 1);
    finish();
}

static void test_a_lost_interrupt_is_late(void **state)
{
    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    model.met.lose_next = true;
    arrives(100);
    run_card();
    assert_int_equal(wakes, 0);
    time_passes(NS_PER_S + NS_PER_MS);
    assert_int_equal(wakes, 1);
    assert_int_equal(poll(16), 1);
    assert_int_equal(model.resets, 2);
    finish();
}

/* When nothing happens the card is looked at less and less often. */
static void test_looks_become_rare(void **state)
{
    uint64_t gap = 0;

    (void)state;
    fresh();
    start();
    for (unsigned i = 0; i < 9; i++) {
        uint64_t next = timer_next() - clock_now();

        assert_in_range(next, gap, 2 * gap + NS_PER_S + NS_PER_MS);
        gap = next;
        time_passes(next + NS_PER_US);
    }
    assert_in_range(gap, 64 * NS_PER_S - NS_PER_MS, 64 * NS_PER_S);
    /* Something happens: the next look comes soon. */
    assert_true(send(60));
    assert_in_range(timer_next() - clock_now(), 0, NS_PER_S);
    finish();
}

/* ---- Two places to send from --------------------------------------------- */

static void test_full_and_its_interrupt(void **state)
{
    (void)state;
    fresh();
    start();
    assert_true(send(100));
    assert_true(send(101));
    assert_false(send(102));
    assert_int_equal(wakes, 0);
    assert_true(ne2000_model_step_transmit(&model));
    settle();
    assert_int_equal(wakes, 1); /* there is room, */
    assert_true(sent_is(100));
    assert_true(ne2000_model_step_transmit(&model)); /* the second is on */
    assert_true(sent_is(101));
    settle();
    assert_int_equal(wakes, 1);
    assert_true(send(102));
    assert_true(send(103));
    run_card();
    assert_int_equal(wakes, 1); /* nobody waited */
    assert_true(sent_is(103));
    assert_int_equal(sent_count, 4);
    finish();
}

/* Who waits for room is woken, though another sender was faster. */
static void test_full_with_two_senders(void **state)
{
    (void)state;
    fresh();
    start();
    assert_true(send(100));
    assert_true(send(101));
    assert_false(send(102));
    assert_true(ne2000_model_step_transmit(&model));
    assert_true(send(103)); /* before the interrupt is heard */
    settle();
    assert_int_equal(wakes, 0);
    assert_true(ne2000_model_step_transmit(&model));
    settle();
    assert_int_equal(wakes, 1);
    finish();
}

/* The same when a poll has taken the frame back: no interrupt will tell. */
static void test_full_and_a_poll(void **state)
{
    (void)state;
    fresh();
    start();
    assert_true(send(100));
    assert_true(send(101));
    assert_false(send(102));
    model.met.lose_next = true;
    assert_true(ne2000_model_step_transmit(&model));
    settle();
    assert_int_equal(wakes, 0);
    assert_int_equal(poll(16), 0);
    settle();
    assert_int_equal(wakes, 1);
    settle();
    assert_int_equal(wakes, 1);
    finish();
}

/* A sender that finds no room looks whether there is some meanwhile. */
static void test_a_sender_makes_room(void **state)
{
    struct packet *packets[8];

    (void)state;
    fresh();
    start();
    for (unsigned i = 0; i < 8; i++)
        packets[i] = make(100 + i);
    assert_int_equal(net_send(QUEUE, packets, 8), 2);
    for (unsigned i = 2; i < 8; i++) {
        assert_true(ne2000_model_step_transmit(&model));
        assert_true(sent_is(100 + i - 2));
        assert_int_equal(net_send(QUEUE, packets + i, 8 - i), 1);
    }
    run_card();
    assert_true(sent_is(107));
    assert_int_equal(QUEUE->tx_frames, 7); /* the last one is not looked at */
    finish();
}

/* The chip gives up a frame after too many collisions; the next one goes. */
static void test_a_frame_that_is_not_sent(void **state)
{
    struct fault_plan plan = {.kind = FAULT_FAIL, .nth = 1};

    (void)state;
    fresh();
    start();
    assert_true(send(100));
    assert_true(send(101));
    model.faults = &plan;
    run_card();
    assert_true(plan.used);
    assert_int_equal(sent_count, 1);
    assert_true(sent_is(101));
    poll(16);
    assert_int_equal(QUEUE->tx_dropped, 1);
    assert_int_equal(QUEUE->tx_frames, 1);
    assert_int_equal(QUEUE->tx_bytes, 101);
    assert_int_equal(model.resets, 2);
    finish();
}

/* A card that is not plugged in sends into nothing, and says it was sent. */
static void test_no_cable(void **state)
{
    (void)state;
    fresh();
    model.no_cable = true;
    start();
    assert_true(card->link_up); /* it cannot tell */
    assert_true(send(100));
    run_card();
    poll(16);
    assert_int_equal(sent_count, 0);
    assert_int_equal(QUEUE->tx_frames, 1);
    ne2000_model_link(&model, true);
    assert_true(send(100));
    run_card();
    assert_int_equal(sent_count, 1);
    finish();
}

/* Errors on the wire are counted, nothing else. */
static void test_bad_frames_are_counted(void **state)
{
    uint8_t frame[100];

    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    frame_make(frame, 100);
    for (unsigned i = 0; i < 3; i++)
        assert_true(ne2000_model_receive_bad(&model, frame, 100));
    arrives(100);
    run_card();
    assert_int_equal(poll(16), 1);
    time_passes(2 * NS_PER_S);
    assert_int_equal(QUEUE->rx_dropped, 3);
    assert_int_equal(QUEUE->rx_frames, 1);
    finish();
}

/* ---- Probe and start ----------------------------------------------------- */

static void test_addresses(void **state)
{
    static const struct {
        const char *name;
        uint8_t mac[6];
        bool is_served;
    } rows[] = {
        {"of one card", {0x52, 0x54, 0, 1, 2, 3}, true},
        {"only the last byte", {0, 0, 0, 0, 0, 1}, true},
        {"only the first byte", {2, 0, 0, 0, 0, 0}, true},
        {"a group", {0x53, 0x54, 0, 1, 2, 3}, false},
        {"none", {0, 0, 0, 0, 0, 0}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        memcpy(model.mac, rows[i].mac, 6);
        probe();
        ROW(rows[i].name, (card != NULL) == rows[i].is_served);
        ROW(rows[i].name,
            console_has("ne2000: the card at pci 00:03.0 has a group address, "
                        "or none: left out\n") == !rows[i].is_served);
        finish();
    }
}

static void test_what_is_found(void **state)
{
    (void)state;
    fresh();
    probe();
    assert_non_null(card);
    assert_string_equal(card->device.name, "net0");
    assert_true(console_has("net0: 52:54:00:01:02:03, ne2000 pci 00:03.0\n"));
    assert_int_equal(card->queue_max, 1);
    finish();
    /* Others are not ours. */
    for (unsigned i = 0; i < 2; i++) {
        fresh();
        ne2000_model_plug(&model, SLOT);
        model.card.config[2 * i] ^= 1;
        assert_int_equal(ne2000_driver.probe(), 0);
        assert_null(device_find(DEVICE_NET, 0));
        finish();
    }
}

static struct ne2000_model cards[27];

/* There are names for 26 cards. */
static void test_one_too_many(void **state)
{
    (void)state;
    fresh();
    memset(cards, 0, sizeof(cards));
    for (unsigned i = 0; i < 27; i++) {
        memcpy(cards[i].mac, model.mac, 6);
        ne2000_model_plug(&cards[i], i + 1);
    }
    assert_int_equal(ne2000_driver.probe(), 0);
    assert_non_null(device_by_name("net25"));
    assert_null(device_find(DEVICE_NET, 26));
    assert_true(console_has("ne2000: the card at pci 00:1b.0 is one too many: "
                            "no name is left: left out\n"));
    finish();
}

static void test_no_registers(void **state)
{
    (void)state;
    fresh();
    ne2000_model_plug(&model, SLOT);
    model.card.bar[0].size = 0;
    model.card.bar_value[0] = 0;
    assert_int_equal(ne2000_driver.probe(), 0);
    assert_null(device_find(DEVICE_NET, 0));
    assert_true(console_has("pci 00:03.0 has no registers: left out\n"));
    finish();
}

/* A card that does not answer is left out; one reset more is no reason. */
static void test_probe_with_faults(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct always what = {i < 2 ? "reset" : "dma",
                              i % 2 == 0 ? FAULT_NEVER : FAULT_LATE};
        struct fault_plan plan = {.draw = always, .arg = &what};

        fresh();
        model.faults = &plan;
        probe();
        assert_null(card);
        assert_true(console_has("does not answer: left out\n"));
        assert_int_equal(model.resets, i < 2 ? 9 : 3);
        finish();
    }
    for (unsigned i = 0; i < 2; i++) {
        struct fault_plan once = {.kind = FAULT_NEVER, .nth = 1 + i};

        fresh();
        model.faults = &once;
        probe();
        assert_true(once.used);
        assert_non_null(card);
        finish();
    }
}

static void test_out_of_memory_at_probe(void **state)
{
    (void)state;
    fresh();
    memset(cards, 0, sizeof(cards));
    memcpy(cards[0].mac, model.mac, 6);
    ne2000_model_plug(&model, SLOT);
    ne2000_model_plug(&cards[0], SLOT + 1); /* nor is the next one tried */
    heap_fail(1);
    assert_int_equal(ne2000_driver.probe(), -ENOMEM);
    heap_fail(0);
    assert_null(device_find(DEVICE_NET, 0));
    finish();
}

/* Whatever fails, nothing is left and the next attempt may succeed. */
static void test_out_of_memory_at_start(void **state)
{
    struct timer timer;
    uint64_t n = 1;

    (void)state;
    timer_init(&timer, NULL);
    for (;; n++) {
        struct mem_stats before;
        int status;

        fresh();
        probe();
        assert_int_equal(packet_pool_grow(2), 0); /* the pool stays, */
        assert_int_equal(timer_set(&timer, TIME_NEVER), 0); /* as do timers */
        timer_cancel(&timer);
        before = stats();
        heap_fail(n);
        status = device_dedicate(&card->device, 0);
        if (!heap_failed())
            break;
        heap_fail(0);
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(stats().block_count, before.block_count);
        assert_int_equal(model.command & 3, 1); /* stopped */
        assert_int_equal(timer_next(), TIME_NEVER);
        assert_int_equal(device_dedicate(&card->device, 0), 0);
        arrives(100);
        run_card();
        assert_int_equal(poll(16), 1);
        finish();
    }
    heap_fail(0);
    assert_true(n > 1);
    finish();
    /* No memory for the first timer. */
    fresh();
    probe();
    heap_fail(1);
    assert_int_equal(device_dedicate(&card->device, 0), -ENOMEM);
    heap_fail(0);
    assert_int_equal(packet_free_count(), 0);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    finish();
}

static void test_does_not_start(void **state)
{
    struct always what = {"reset", FAULT_NEVER};
    struct fault_plan plan = {.draw = always, .arg = &what};

    (void)state;
    fresh();
    probe();
    model.faults = &plan;
    assert_int_equal(device_dedicate(&card->device, 0), -ETIMEDOUT);
    assert_int_equal(timer_next(), TIME_NEVER);
    model.faults = NULL;
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    finish();
    /* Without an interrupt line. */
    fresh();
    model.no_line = true;
    probe();
    assert_int_equal(device_dedicate(&card->device, 0), -ENODEV);
    assert_int_equal(timer_next(), TIME_NEVER);
    assert_int_equal(model.command & 3, 1);
    finish();
}

/* The pool is small where memory is short. */
static void test_packets(void **state)
{
    (void)state;
    fresh_with(32 << 20);
    start();
    assert_int_equal(packet_free_count(), 256);
    finish();
    fresh_with(16 << 20);
    start();
    assert_int_equal(packet_free_count(), 128);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_come_and_go),
        cmocka_unit_test(test_every_length_goes_round),
        cmocka_unit_test(test_short_frames_are_padded),
        cmocka_unit_test(test_too_long_frames_are_dropped),
        cmocka_unit_test(test_slices_are_sent),
        cmocka_unit_test(test_a_poll_keeps_its_budget),
        cmocka_unit_test(test_whose_frames),
        cmocka_unit_test(test_without_packets_frames_are_dropped),
        cmocka_unit_test(test_giants_are_dropped),
        cmocka_unit_test(test_accesses_are_few),
        cmocka_unit_test(test_interrupts_are_asked_for),
        cmocka_unit_test(test_interrupts_of_others),
        cmocka_unit_test(test_a_lost_interrupt_is_late),
        cmocka_unit_test(test_looks_become_rare),
        cmocka_unit_test(test_full_and_its_interrupt),
        cmocka_unit_test(test_full_with_two_senders),
        cmocka_unit_test(test_full_and_a_poll),
        cmocka_unit_test(test_a_sender_makes_room),
        cmocka_unit_test(test_a_frame_that_is_not_sent),
        cmocka_unit_test(test_no_cable),
        cmocka_unit_test(test_bad_frames_are_counted),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_is_found),
        cmocka_unit_test(test_one_too_many),
        cmocka_unit_test(test_no_registers),
        cmocka_unit_test(test_probe_with_faults),
        cmocka_unit_test(test_out_of_memory_at_probe),
        cmocka_unit_test(test_out_of_memory_at_start),
        cmocka_unit_test(test_does_not_start),
        cmocka_unit_test(test_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
