/* The NE2000 when things go wrong: a full ring, the sweep of all faults, a card
 * that lies, is gone, or does not do what it is told. */
#include "tests/unit/drivers/ne2000_card.h"

/* What is there after the start: no frame, two resets. */
static void fresh_start(void)
{
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    assert_int_equal(model.resets, 2);
}

/* The card works, in both directions. */
static void assert_works(void)
{
    unsigned before = sent_count;

    while (poll(16) > 0)
        continue;
    assert_true(send(333));
    run_card();
    assert_int_equal(sent_count, before + 1);
    assert_true(sent_is(333));
    arrives(444);
    run_card();
    assert_int_equal(poll(16), 1);
    assert_true(got_is(444));
}

/* The card does nothing any more, and nobody waits for it. */
static void assert_is_dead(void)
{
    uint64_t dropped = QUEUE->tx_dropped;

    settle();
    assert_int_equal(timer_next(), TIME_NEVER);
    assert_false(card->link_up);
    assert_true(send(100));
    assert_true(send(100));
    assert_int_equal(QUEUE->tx_dropped, dropped + 2);
    assert_int_equal(poll(16), 0);
    assert_true(net_arm(QUEUE, true));
}

/* ---- The ring is full ---------------------------------------------------- */

/* Frames of a page each until one finds no room. */
static void overflow(void)
{
    unsigned i;

    for (i = 0; i < 100 && model.frames_missed == 0; i++) {
        arrives(200);
        while (ne2000_model_step_receive(&model))
            continue;
    }
    assert_true(i < 100);
    settle();
}

static void test_overflow(void **state)
{
    unsigned held, count = 0;

    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    overflow();
    held = model.frames_received;
    assert_int_equal(held, 51); /* one page of 52 stays free */
    assert_int_equal(wakes, 1);
    assert_int_equal(poll(16), 0); /* it comes to a stop; */
    assert_int_equal(model.command & 3, 1);
    assert_int_equal(wakes, 1);
    time_passes(1700 * NS_PER_US);
    assert_int_equal(wakes, 2); /* then room is to be made */
    while (poll(16) > 0)
        count++;
    assert_int_equal(got_count, held);
    assert_int_equal(model.overflow, OVERFLOW_NONE);
    arrives(300);
    run_card();
    assert_int_equal(wakes, 3);
    assert_int_equal(poll(16), 1);
    assert_true(got_is(300));
    time_passes(NS_PER_S);
    assert_int_equal(QUEUE->rx_dropped, 1);
    assert_int_equal(model.resets, 2); /* all that without a reset */
    assert_false(console_has("warning"));
    finish();
}

/* A sender meanwhile is told to wait, and then that there is room. */
static void test_overflow_stops_the_sender(void **state)
{
    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    overflow();
    assert_int_equal(poll(16), 0);
    assert_false(send(100));
    time_passes(1700 * NS_PER_US);
    assert_int_equal(wakes, 2);
    assert_false(send(100)); /* it runs in loopback */
    assert_int_equal(poll(16), 16);
    settle();
    assert_int_equal(wakes, 3);
    assert_true(send(100));
    run_card();
    assert_true(sent_is(100));
    finish();
}

/* What was being sent when the chip was stopped has left it, or is sent again,
 * each frame once; what waited behind it follows. */
static void test_overflow_while_sending(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        unsigned finishes = i % 2, frames = 1 + i / 2;

        fresh();
        model.stop_finishes = finishes;
        start();
        assert_int_equal(poll(16), 0);
        for (unsigned k = 0; k < frames; k++)
            assert_true(send(100 + k));
        overflow();
        assert_int_equal(sent_count, 0);
        assert_int_equal(poll(16), 0);
        assert_int_equal(sent_count, finishes);
        time_passes(1700 * NS_PER_US);
        assert_int_equal(sent_count, finishes);
        assert_int_equal(poll(16), 16);
        run_card();
        poll(16);
        assert_int_equal(sent_count, frames);
        assert_true(sent_is(100 + frames - 1));
        assert_int_equal(QUEUE->tx_frames, frames);
        assert_int_equal(model.resets, 2);
        finish();
    }
}

/* The sender still waits when both places are taken after the overflow: it is
 * told when a frame was sent, not before. */
static void test_overflow_with_a_sender_that_waits(void **state)
{
    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    assert_true(send(100));
    assert_true(send(101));
    assert_false(send(102));
    overflow();
    assert_int_equal(poll(16), 0);
    time_passes(1700 * NS_PER_US); /* it was woken, and tries again */
    assert_false(send(102));
    wakes = 0;
    assert_int_equal(poll(16), 16);
    settle();
    assert_int_equal(wakes, 0);
    assert_true(ne2000_model_step_transmit(&model));
    settle();
    assert_int_equal(wakes, 1);
    assert_true(sent_is(100));
    finish();
}

/* Nothing is left in the ring when its overflow is noticed. */
static void test_overflow_of_an_empty_ring(void **state)
{
    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    model.isr |= 0x10; /* OVW */
    model.overflow = OVERFLOW_HAPPENED;
    assert_int_equal(poll(16), 0);
    time_passes(1700 * NS_PER_US);
    assert_int_equal(poll(16), 0);
    assert_int_equal(model.overflow, OVERFLOW_NONE);
    arrives(100);
    run_card();
    assert_int_equal(poll(16), 1);
    finish();
}

/* Whoever does not poll is told again. */
static void test_overflow_without_a_poll(void **state)
{
    (void)state;
    fresh();
    start();
    assert_int_equal(poll(16), 0);
    overflow();
    assert_int_equal(poll(16), 0);
    time_passes(1700 * NS_PER_US);
    assert_int_equal(wakes, 2);
    time_passes(NS_PER_S + NS_PER_MS);
    assert_int_equal(wakes, 3);
    assert_false(net_arm(QUEUE, true)); /* there is something to poll */
    assert_int_equal(poll(16), 16);
    finish();
}

/* ---- The sweep ----------------------------------------------------------- */

enum { FRAMES = 8, BURST = 60 };

/* As a stack does: poll when it is woken, and try again what found no room. */
static unsigned stack_runs(unsigned to_send)
{
    unsigned seen = wakes;

    for (unsigned round = 0; round < 15; round++) {
        while (to_send > 0 && send(100 * to_send))
            to_send--;
        run_card();
        if (wakes != seen) {
            seen = wakes;
            while (poll(16) > 0)
                continue;
        }
        time_passes(200 * NS_PER_MS);
    }
    return to_send;
}

/* A receiver that stands still is as a wire that is silent: nobody can tell. So
 * it frees itself. */
static void receiver_frees(void)
{
    if (!model.met.rx.stuck)
        return;
    model.met.rx.stuck = false;
    (void)stack_runs(0);
}

static void scenario(struct fault_plan *plan, void *arg)
{
    unsigned free_count;

    (void)arg;
    fresh_with(4 << 20);
    model.faults = plan;
    start();
    free_count = packet_free_count();
    assert_int_equal(poll(16), 0);
    for (unsigned i = 0; i < FRAMES; i++)
        arrives(60 + 200 * i);
    assert_int_equal(stack_runs(FRAMES), 0);
    assert_int_equal(QUEUE->tx_frames + QUEUE->tx_dropped, FRAMES);
    assert_true(QUEUE->tx_dropped <= 2);
    /* More than the ring holds, while frames are sent. */
    for (unsigned i = 0; i < 2; i++)
        assert_true(send(1000 + i) || send(1000 + i));
    receiver_frees();
    for (unsigned i = 0; i < BURST; i++)
        arrives(200);
    while (ne2000_model_step_receive(&model))
        continue;
    assert_int_equal(stack_runs(0), 0);
    receiver_frees();
    assert_int_equal(model.wire_count, 0);
    assert_int_equal(QUEUE->tx_frames + QUEUE->tx_dropped, FRAMES + 2);
    /* Of one that is sent when the card is reset nobody knows. */
    assert_true(QUEUE->tx_frames == sent_count ||
                (plan->kind == FAULT_RESET && QUEUE->tx_frames < sent_count));
    if (!plan->used) {
        assert_int_equal(sent_count, FRAMES + 2);
        assert_int_equal(got_count, FRAMES + 51);
        assert_int_equal(QUEUE->rx_dropped, BURST - 51);
        assert_int_equal(model.resets, 2);
    }
    model.faults = NULL;
    assert_works();
    poll(16);
    assert_int_equal(packet_free_count(), free_count);
    assert_false(console_has("given up"));
    finish();
}

static void test_every_fault(void **state)
{
    (void)state;
    assert_true(fault_sweep(FAULT_ALL, scenario, NULL) > 500);
}

/* ---- A card that lies ---------------------------------------------------- */

static void test_lies_in_the_ring(void **state)
{
    static const struct {
        const char *name;
        uint8_t next; /* page; 0x4d is the first frame's */
        uint16_t len;
        bool is_reset; /* else the frame is dropped, and that is all */
    } rows[] = {
        {"the truth, of a frame of 196 bytes", 0x4e, 200, false},
        {"no bytes", 0x4e, 0, false},
        {"too few", 0x4e, 63, false},
        {"a page too many", 0x4e, 253, true},
        {"a page too many, and a page more", 0x4f, 253, true},
        {"far too many", 0x4e, 65535, true},
        {"the same page", 0x4d, 200, true},
        {"the page before", 0x4c, 200, true},
        {"a page that skips one", 0x4f, 200, true},
        {"a page to send from", 0x40, 200, true},
        {"the page behind the ring", 0x80, 200, true},
        {"page 0", 0, 200, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_true = rows[i].next == 0x4e && rows[i].len == 200;
        unsigned free_count;

        fresh_start();
        free_count = packet_free_count();
        model.lie = true;
        model.lie_next = rows[i].next;
        model.lie_len = rows[i].len;
        arrives(196);
        run_card();
        ROW(rows[i].name, poll(16) == is_true);
        ROW(rows[i].name, model.resets == 2U + rows[i].is_reset);
        ROW(rows[i].name, QUEUE->rx_dropped == (!is_true && !rows[i].is_reset));
        ROW(rows[i].name,
            console_has("net0: the card breaks the rules of its ring: it is "
                        "reset\n") == rows[i].is_reset);
        assert_works();
        ROW(rows[i].name, packet_free_count() == free_count);
        finish();
    }
}

/* What came before the lie is handed over. */
static void test_a_lie_behind_the_truth(void **state)
{
    (void)state;
    fresh_start();
    arrives(100);
    arrives(101);
    run_card();
    model.lie = true;
    model.lie_next = 0x70;
    arrives(102);
    run_card();
    assert_int_equal(poll(16), 2);
    assert_true(got_is(101));
    assert_int_equal(model.resets, 3);
    assert_works();
    finish();
}

/* Status of a frame: received with an error, though such are not wanted. */
static void test_a_bad_frame_in_the_ring(void **state)
{
    (void)state;
    fresh_start();
    arrives(100);
    run_card();
    *ne2000_model_ram(&model, 0x4d00) = 2; /* CRC */
    assert_int_equal(poll(16), 0);
    assert_int_equal(model.resets, 3);
    assert_works();
    finish();
}

static void test_current_outside_of_the_ring(void **state)
{
    static const uint8_t pages[] = {0, 0x40, 0x4b, 0x80, 0xff};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        fresh_start();
        arrives(100);
        run_card();
        model.current = pages[i];
        assert_int_equal(poll(16), 0);
        assert_int_equal(model.resets, 3);
        assert_works();
        finish();
    }
}

/* ---- A card that does not do it ------------------------------------------ */

static void test_never_a_copy(void **state)
{
    struct always what = {"dma", FAULT_NEVER};
    struct fault_plan plan = {.draw = always, .arg = &what};

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        fresh_start();
        model.faults = &plan;
        for (unsigned i = 0; i < 4; i++) {
            if (way == 0) {
                assert_false(send(100));
                settle();
                assert_int_equal(wakes, i + 1); /* try again */
            } else {
                arrives(100);
                run_card();
                assert_int_equal(poll(16), 0);
            }
            assert_int_equal(model.resets, 3 + i);
        }
        assert_int_equal(QUEUE->tx_dropped, 0);
        if (way == 0) {
            assert_true(send(100)); /* and dropped */
            assert_int_equal(QUEUE->tx_dropped, 1);
        } else {
            arrives(100);
            run_card();
            assert_int_equal(poll(16), 0);
        }
        assert_int_equal(model.resets, 6);
        assert_true(console_has(way == 0 ? "net0: the card does not take a "
                                           "frame: it is given up\n"
                                         : "net0: the card does not give a "
                                           "frame: it is given up\n"));
        assert_is_dead();
        finish();
    }
}

/* The second part of a frame does not come; nothing is lost but the frame. */
static void test_never_the_rest_of_a_frame(void **state)
{
    unsigned free_count;

    (void)state;
    for (unsigned part = 1; part <= 3; part++) {
        struct fault_plan plan = {.kind = FAULT_NEVER, .nth = part};

        fresh_start();
        free_count = packet_free_count();
        while (model.current != 0x7e) {
            arrives(100);
            run_card();
            assert_int_equal(poll(16), 1);
        }
        arrives(1000); /* over the end of the ring: three copies */
        run_card();
        model.faults = &plan;
        got_count = 0;
        assert_int_equal(poll(16), 0);
        assert_true(plan.used);
        model.faults = NULL;
        assert_int_equal(model.resets, 3);
        assert_int_equal(packet_free_count(), free_count);
        assert_works();
        finish();
    }
}

static void test_never_a_transmission(void **state)
{
    struct fault_plan plan = {.kind = FAULT_NEVER, .nth = 1};

    (void)state;
    fresh_start();
    assert_true(send(100));
    assert_true(send(101));
    assert_false(send(102));
    model.faults = &plan;
    run_card();
    assert_int_equal(sent_count, 0);
    time_passes(3 * NS_PER_S / 2);
    assert_int_equal(model.resets, 3);
    assert_int_equal(QUEUE->tx_dropped, 2);
    assert_int_equal(wakes, 1);
    assert_true(console_has("net0: the card does not send: it is reset\n"));
    assert_works();
    finish();
}

/* One that takes long, but not too long, is no reason. */
static void test_a_slow_transmission(void **state)
{
    (void)state;
    fresh_start();
    assert_true(send(100));
    clock_set(clock_now() + 900 * NS_PER_MS);
    clock_step(NS_PER_US);
    run_card();
    assert_int_equal(sent_count, 1);
    time_passes(5 * NS_PER_S);
    assert_int_equal(QUEUE->tx_frames, 1);
    assert_int_equal(model.resets, 2);
    finish();
}

/* A reset that takes some time holds up nobody. */
static void test_a_slow_reset(void **state)
{
    struct fault_plan plan = {.kind = FAULT_LATE, .nth = 1};

    (void)state;
    fresh_start();
    model.current = 0;
    model.isr |= 1;
    model.faults = &plan;
    assert_int_equal(poll(16), 0);
    assert_true(plan.used);
    model.isr_late_ns = clock_now() + 5 * NS_PER_MS;
    assert_false(send(100));
    assert_int_equal(poll(16), 0);
    settle();
    assert_int_equal(wakes, 0);
    time_passes(4 * NS_PER_MS);
    assert_false(send(100));
    time_passes(3 * NS_PER_MS);
    assert_int_equal(wakes, 1);
    assert_int_equal(model.resets, 3);
    assert_works();
    finish();
}

static void test_never_a_reset(void **state)
{
    struct always what = {"reset", FAULT_NEVER};
    struct fault_plan plan = {.draw = always, .arg = &what};

    (void)state;
    fresh_start();
    model.faults = &plan;
    model.current = 0;
    model.isr |= 1;
    assert_int_equal(poll(16), 0);
    assert_false(send(100));
    time_passes(NS_PER_S);
    assert_int_equal(wakes, 1); /* it waits no more */
    assert_int_equal(model.resets, 6);
    assert_true(console_has("net0: the card does not reset: it is given up\n"));
    assert_is_dead();
    finish();
}

/* Somebody else resets the card: whoever looks at it first finds out. */
static void test_reset_by_somebody(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 4; who++) {
        struct fault_plan plan = {.kind = FAULT_RESET, .nth = 1};

        fresh_start();
        if (who == 3)
            (void)net_arm(QUEUE, false);
        model.faults = &plan;
        arrives(100);
        run_card();
        assert_true(plan.used);
        model.faults = NULL;
        if (who == 0)
            assert_false(send(100)); /* and is told to try again */
        else if (who == 1)
            assert_int_equal(poll(16), 0);
        else if (who == 2)
            time_passes(2 * NS_PER_S);
        else
            assert_false(net_arm(QUEUE, true));
        if (who == 3)
            assert_int_equal(poll(16), 0);
        settle();
        assert_int_equal(wakes, 1);
        assert_int_equal(model.resets, 3);
        assert_true(
            console_has("net0: the card has been reset: it is reset\n"));
        assert_works();
        finish();
    }
}

/* While room is to be made after an overflow. */
static void test_reset_during_an_overflow(void **state)
{
    (void)state;
    fresh_start();
    for (unsigned i = 0; i < 60; i++)
        arrives(200);
    run_card();
    assert_int_equal(poll(16), 0);
    time_passes(1700 * NS_PER_US);
    assert_int_equal(model.overflow, OVERFLOW_LOOPS);
    model.isr |= 0x80; /* RST */
    assert_int_equal(poll(16), 0);
    assert_int_equal(model.resets, 3);
    assert_works();
    finish();
}

/* It says that a frame was sent, and there was none. */
static void test_sent_without_a_frame(void **state)
{
    (void)state;
    fresh_start();
    model.isr |= 2; /* PTX */
    assert_int_equal(poll(16), 0);
    assert_int_equal(QUEUE->tx_frames, 0);
    time_passes(2 * NS_PER_S);
    assert_int_equal(QUEUE->tx_frames, 0);
    assert_int_equal(model.resets, 2);
    finish();
}

/* ---- A card that is gone ------------------------------------------------- */

static void pull_out(void)
{
    pci_card_pull(&model.card);
}

static void test_gone(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 3; who++) {
        fresh_start();
        assert_true(send(100));
        pull_out();
        if (who == 0)
            assert_true(send(100));
        else if (who == 1)
            assert_int_equal(poll(16), 0);
        else
            time_passes(2 * NS_PER_S);
        assert_true(console_has("net0: the card is gone: it is given up\n"));
        assert_int_equal(QUEUE->tx_dropped, who == 0 ? 2 : 1);
        assert_is_dead();
        finish();
    }
}

static struct sim_window window;
static unsigned reads_left;

static uint32_t leaving_read(void *arg, size_t offset, unsigned width)
{
    if (reads_left == 0 || (offset == 0x10 && --reads_left == 0)) {
        pull_out();
        return UINT32_MAX >> (32 - 8 * width);
    }
    return window.read(arg, offset, width);
}

/* Gone while a frame is copied, by 76 reads: what was read since are ones, no
 * frame. */
static void test_gone_within_a_frame(void **state)
{
    (void)state;
    for (unsigned reads = 1; reads <= 76; reads += 5) {
        fresh_start();
        window = model.card.bar[0].window;
        model.card.bar[0].window.read = leaving_read;
        reads_left = reads;
        arrives(300);
        run_card();
        assert_int_equal(poll(16), 0);
        assert_int_equal(QUEUE->rx_frames, 0);
        assert_true(console_has("the card is gone: it is given up\n"));
        assert_is_dead();
        finish();
    }
}

/* Gone after it was found. */
static void test_gone_at_start(void **state)
{
    (void)state;
    fresh();
    probe();
    pull_out();
    assert_int_equal(device_dedicate(&card->device, 0), -EIO);
    assert_int_equal(timer_next(), TIME_NEVER);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_overflow_stops_the_sender),
        cmocka_unit_test(test_overflow_while_sending),
        cmocka_unit_test(test_overflow_with_a_sender_that_waits),
        cmocka_unit_test(test_overflow_of_an_empty_ring),
        cmocka_unit_test(test_overflow_without_a_poll),
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_lies_in_the_ring),
        cmocka_unit_test(test_a_lie_behind_the_truth),
        cmocka_unit_test(test_a_bad_frame_in_the_ring),
        cmocka_unit_test(test_current_outside_of_the_ring),
        cmocka_unit_test(test_never_a_copy),
        cmocka_unit_test(test_never_the_rest_of_a_frame),
        cmocka_unit_test(test_never_a_transmission),
        cmocka_unit_test(test_a_slow_transmission),
        cmocka_unit_test(test_a_slow_reset),
        cmocka_unit_test(test_never_a_reset),
        cmocka_unit_test(test_reset_by_somebody),
        cmocka_unit_test(test_reset_during_an_overflow),
        cmocka_unit_test(test_sent_without_a_frame),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_gone_within_a_frame),
        cmocka_unit_test(test_gone_at_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
