/*
 * What the virtio card does when its device lies, is silent, or asks to be
 * reset: no packet is lost without being counted, none leaks, and the card
 * works again or is given up.
 */
#include "tests/unit/drivers/virtio_net_fixture.h"

enum {
    FEATURES = NETF_CSUM | NETF_GUEST_CSUM | NETF_STATUS | NETF_CTRL_VQ |
               NETF_GUEST_ANNOUNCE,
};

static const uint64_t T0 = 1000 * NS_PER_S;

/* Started, at a time that stands still. */
static void started_still(unsigned transport, uint32_t features)
{
    started(transport, features);
    clock_set(T0);
    timer_run(T0);
    settle();
}

static void finish_still(void)
{
    finish();
    clock_set(0);
}

/* Take what was received, and count it. */
static unsigned receive_all(void)
{
    struct packet *packet;
    unsigned count = 0;

    while ((packet = receive()) != NULL) {
        packet_check(packet);
        packet_put(packet);
        count++;
    }
    return count;
}

/* Whether the driver has taken it. */
static bool send_or_put(struct packet *packet)
{
    bool taken = send(packet);

    if (!taken)
        packet_put(packet);
    return taken;
}

/* ---- The sweep ----------------------------------------------------------- */

struct sweep {
    unsigned transport;
    uint64_t offered;
};

/* Frames both ways and commands, one of which meets the fault. What was taken
 * to be sent was sent, or is counted as dropped; what was delivered came, or
 * was dropped; all packets are there at the end. */
static void sweep_run(struct fault_plan *plan, void *arg)
{
    const struct sweep *sweep = arg;
    unsigned free_count, taken = 0, came = 0;

    fresh();
    model.virtio.offered |= sweep->offered;
    net_model_offer(&model, FEATURES, 1);
    plug(sweep->transport);
    start();
    clock_set(T0);
    timer_run(T0);
    settle();
    free_count = packet_free_count();
    model.plan = plan;
    for (unsigned i = 0; i < 40; i++) {
        bool has_work = i < 12;

        if (has_work && i % 3 == 0)
            net_model_announce(&model);
        if (has_work)
            taken += send_or_put(make(100 + i));
        settle();
        while (net_model_take(&model, 0) != NULL)
            continue;
        while (net_model_command(&model))
            settle();
        (void)net_model_late(&model);
        if (has_work)
            (void)deliver(NULL, 100 + i);
        settle();
        came += receive_all();
        net_check(card);
        if (!has_work)
            time_passes(3 * NS_PER_S);
    }
    assert_true(NET->is_up && vnet_pair_of(QUEUE)->state == VNET_LIVE);
    assert_false(NET->ctrl.is_busy);
    assert_true(taken >= 11);
    assert_int_equal(QUEUE->tx_frames, taken);
    assert_true(model.sent + QUEUE->tx_dropped >= taken);
    assert_true(QUEUE->tx_dropped <= 1);
    assert_int_equal(QUEUE->rx_frames, came);
    assert_true(came + QUEUE->rx_dropped + 1 >= model.delivered);
    assert_true(came >= 11);
    if (plan->kind == FAULT_LATE || plan->kind == FAULT_LOST_IRQ ||
        plan->kind == FAULT_SPURIOUS_IRQ || plan->kind == FAULT_FAIL)
        assert_int_equal(QUEUE->tx_dropped + QUEUE->rx_dropped, 0);
    assert_false(console_has("given up"));
    model.plan = NULL;
    assert_works();
    while (net_model_take(&model, 0) != NULL)
        continue;
    assert_int_equal(receive_all(), 0);
    /* A frame that the device has taken and not delivered is a buffer that it
     * keeps, not one more. */
    assert_int_equal(packet_free_count(), free_count);
    finish_still();
}

static void test_fault_sweep(void **state)
{
    static const struct sweep sweeps[] = {
        {MMIO, 0},
        {PCI, UINT64_C(1) << 34 | UINT64_C(1) << 29 | 1 << 28},
        {LEGACY_PCI, UINT64_C(1) << 29 | 1 << 28},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sweeps); i++) {
        struct sweep sweep = sweeps[i];

        /* Twelve frames each way and four commands. */
        assert_true(fault_sweep(FAULT_ALL, sweep_run, &sweep) >=
                    6 * 24 + 7 * 4);
    }
}

/* ---- Lies ---------------------------------------------------------------- */

/* A device that lies of a ring is reset, and works again. */
static void test_lying_device(void **state)
{
    (void)state;
    for (unsigned lie = 0; lie < 8; lie++) {
        unsigned resets, free_count;

        fresh();
        model.virtio.offered |= lie >= 4 ? UINT64_C(1) << 34 : 0;
        net_model_offer(&model, FEATURES, 1);
        plug(PCI);
        start();
        resets = model.virtio.resets;
        free_count = packet_free_count();
        assert_true(send(make(60)));
        settle();
        if (lie % 4 == 0)
            model_use_raw(&model.virtio, 0, 5000, 100);
        else if (lie % 4 == 1)
            model_use_raw(&model.virtio, 0, 0, 1 << 20);
        else if (lie % 4 == 2)
            model_use_raw(&model.virtio, 1, 5000, 0);
        else
            model_use_raw(&model.virtio, 1, 255, 0);
        assert_int_equal(receive_all(), 0);
        settle();
        /* The reset, and the one at the beginning of the setup. */
        assert_int_equal(model.virtio.resets, resets + 2);
        assert_false(model.virtio.saw_failed);
        assert_int_equal(QUEUE->tx_dropped, 1);
        assert_int_equal(packet_free_count(), free_count);
        assert_true(console_has("net0: the card breaks the rules of its "
                                "queue: it is reset\n"));
        assert_true(console_has("net0: works again\n"));
        assert_true(wakes > 0); /* the user arms it again */
        assert_works();
        finish();
    }
}

/* A used index that jumps. */
static void test_lying_index(void **state)
{
    (void)state;
    for (unsigned queue = 0; queue < 2; queue++) {
        started(MMIO, 0);
        model_used_index(&model.virtio, queue, 3000);
        assert_int_equal(receive_all(), 0);
        settle();
        assert_true(console_has("works again"));
        assert_works();
        finish();
    }
}

/* The answer to a command is a lie. */
static void test_lying_answer(void **state)
{
    (void)state;
    started(PCI, FEATURES);
    net_model_announce(&model);
    settle();
    model_use_raw(&model.virtio, 2, 77, 1);
    model_interrupt(&model.virtio, 2);
    settle();
    assert_true(console_has("works again"));
    settle();
    assert_true(net_model_command(&model)); /* it is still wanted */
    settle();
    assert_works();
    finish();
}

/* A sender that finds the ring full finds the lie, too. Its frame waits. */
static void test_lie_found_by_a_sender(void **state)
{
    struct packet *packet;
    unsigned taken = 0;

    (void)state;
    fresh();
    model.virtio.queue_max = 16;
    plug(MMIO);
    start();
    while ((packet = make(60)) != NULL && send(packet))
        taken++;
    assert_non_null(packet);
    assert_int_equal(taken, 15);
    settle();
    model_use_raw(&model.virtio, 1, 5000, 0);
    assert_false(send(packet));
    assert_false(send(packet)); /* nor while the reset waits */
    assert_null(receive());
    assert_int_equal(vnet_pair_of(QUEUE)->state, VNET_OFF);
    wakes = 0;
    settle();
    assert_int_equal(wakes, 1);
    assert_int_equal(QUEUE->tx_dropped, 15);
    assert_true(send(packet));
    settle();
    assert_non_null(net_model_take(&model, 0));
    assert_works();
    finish();
}

/* It lies each time, and carries nothing: it is given up. Between, what is sent
 * waits; then it is dropped. */
static void test_always_lies(void **state)
{
    unsigned resets = 0, free_count;

    (void)state;
    started(MMIO, NETF_STATUS);
    free_count = packet_free_count();
    for (; resets < 20 && NET->is_up; resets++) {
        model_use_raw(&model.virtio, 0, 5000, 100);
        assert_int_equal(receive_all(), 0);
        settle();
    }
    assert_int_equal(resets, 6);
    assert_true(console_has("net0: it cannot be reset (error -5): the card is "
                            "given up\n"));
    assert_false(card->link_up);
    assert_int_equal(model.virtio.status, 0);
    assert_true(send(make(60)));
    assert_int_equal(QUEUE->tx_dropped, 1);
    assert_null(receive());
    assert_true(net_arm(QUEUE, true));
    /* All that the device had is the pool's. */
    assert_int_equal(packet_free_count(),
                     free_count + 64); /* the ring of a small machine */
    /* It does not come back, whatever interrupts. */
    model.virtio.isr = 3;
    model.virtio.raise(&model.virtio, 0);
    settle();
    assert_int_equal(model.virtio.status, 0);
    finish();
}

/* With frames between it may lie as often as it likes. */
static void test_lies_now_and_then(void **state)
{
    (void)state;
    started(MMIO, 0);
    for (unsigned i = 0; i < 20; i++) {
        model_use_raw(&model.virtio, 0, 5000, 100);
        assert_int_equal(receive_all(), 0);
        settle();
        assert_works();
    }
    finish();
}

/* ---- Resets -------------------------------------------------------------- */

/* Frames on their way in and out, and a command, when the device wants to be
 * reset. */
static void test_needs_reset(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        unsigned free_count;

        started(transport, FEATURES);
        free_count = packet_free_count();
        for (unsigned i = 0; i < 10; i++)
            assert_true(send(make(60)));
        assert_true(deliver(NULL, 100));
        net_model_announce(&model);
        settle();
        model_need_reset(&model.virtio);
        settle();
        settle();
        assert_int_equal(model.virtio.status & 64, 0);
        assert_int_equal(QUEUE->tx_dropped, 10);
        assert_true(console_has("net0: the card asks to be reset: it is "
                                "reset\n"));
        assert_int_equal(packet_free_count(), free_count);
        assert_true(net_model_command(&model)); /* still wanted */
        settle();
        assert_works();
        /* And once more, idle. */
        model_need_reset(&model.virtio);
        settle();
        settle();
        assert_int_equal(model.virtio.status & 64, 0);
        assert_works();
        finish();
    }
}

/* It was pulled out: all that is read is zero. Nobody waits for it. */
static void test_a_card_that_is_gone(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        started(transport, FEATURES);
        assert_works();
        model.virtio.status = 0;
        model.virtio.offered = 0;
        for (unsigned i = 0; i < 30; i++) {
            time_passes(3 * NS_PER_S);
            settle();
        }
        assert_true(console_has("net0: the card is gone or was reset: it is "
                                "reset\n"));
        assert_true(console_has("the card is given up\n"));
        assert_false(card->link_up);
        for (unsigned i = 0; i < 300; i++) /* more than a ring has */
            assert_true(send(make(60)));
        assert_int_equal(QUEUE->tx_dropped, 300);
        finish_still();
    }
}

/* Somebody else has reset it, and it is as it was: it works again. */
static void test_a_card_that_was_reset(void **state)
{
    (void)state;
    started(MMIO, FEATURES);
    model.virtio.status = 0;
    model_config_changed(&model.virtio);
    for (unsigned i = 0; i < 30; i++) {
        time_passes(3 * NS_PER_S);
        settle();
    }
    assert_true(console_has("is gone or was reset"));
    assert_true(console_has("net0: works again\n"));
    assert_works();
    finish_still();
}

/* The link has changed meanwhile. */
static void test_link_changes_during_a_reset(void **state)
{
    (void)state;
    started(PCI, FEATURES);
    le16_put(model.virtio.config + 6, 0);
    model_need_reset(&model.virtio);
    settle();
    settle();
    assert_false(card->link_up);
    assert_works();
    finish();
}

/* After the reset it is another device, or none. */
static void test_does_not_come_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        started(i == 5 ? PCI : MMIO, NETF_STATUS);
        assert_true(send(make(60)));
        settle();
        model.virtio.refuse_features = i == 0;
        if (i == 1)
            model.virtio.offered |= NETF_CSUM;
        if (i == 2)
            model.virtio.queue_count = 1;
        if (i == 3)
            model.virtio.queue_count = 0;
        model.virtio.never_resets = i >= 4;
        model_need_reset(&model.virtio);
        settle();
        settle();
        assert_true(console_has("the card is given up\n"));
        assert_false(card->link_up);
        if (i >= 4) {
            model_touch(&model.virtio); /* what it knows is still there */
            assert_int_equal(model.virtio.is_master, i == 4);
        } else {
            assert_int_equal(model.virtio.status, 0);
        }
        /* PCI: it was cut off from memory. */
        assert_int_equal(QUEUE->tx_dropped, i != 4);
        assert_true(send(make(60)));
        assert_int_equal(QUEUE->tx_dropped, 1 + (i != 4));
        assert_null(receive());
        settle();
        net_check(card);
        machine_detach();
    }
}

/* Each allocation of a reset fails once: the card is given up, or works. */
static void test_out_of_memory_at_reset(void **state)
{
    unsigned given_up = 0;

    (void)state;
    for (uint64_t n = 1; n < 30; n++) {
        unsigned free_count;
        bool failed;

        fresh();
        model.virtio.offered |= 1 << 28;
        net_model_offer(&model, FEATURES, 1);
        plug(MMIO);
        start();
        free_count = packet_free_count();
        assert_true(send(make(60)));
        settle();
        heap_fail(n);
        model_need_reset(&model.virtio);
        settle();
        settle();
        failed = heap_failed();
        heap_fail(0);
        if (NET->is_up) {
            assert_works();
            assert_int_equal(packet_free_count(), free_count);
        } else {
            assert_true(failed);
            given_up++;
            assert_int_equal(packet_free_count(), free_count + 64);
        }
        finish();
        if (!failed)
            break;
    }
    assert_true(given_up >= 6); /* two allocations for each ring */
}

/* ---- Time ---------------------------------------------------------------- */

/* Frames that are not sent: after a while the card is reset. */
static void test_sends_nothing(void **state)
{
    (void)state;
    for (unsigned idle_s = 0; idle_s <= 300; idle_s += 100) {
        unsigned resets;

        started_still(PCI, NETF_STATUS);
        for (unsigned i = 0; i < idle_s; i += 5)
            time_passes(5 * NS_PER_S); /* it is looked at ever less often */
        resets = model.virtio.resets;
        assert_true(send(make(60)));
        settle();
        time_passes(5 * NS_PER_S);
        assert_int_equal(model.virtio.resets, resets);
        time_passes(5 * NS_PER_S);
        assert_int_equal(model.virtio.resets, resets + 2);
        assert_true(console_has("net0: the card sends nothing: it is reset\n"));
        assert_int_equal(QUEUE->tx_dropped, 1);
        assert_works();
        finish_still();
    }
}

/* A slow device sends a frame now and then: that is enough. */
static void test_sends_slowly(void **state)
{
    unsigned resets;

    (void)state;
    started_still(MMIO, 0);
    resets = model.virtio.resets;
    for (unsigned i = 0; i < 20; i++)
        assert_true(send(make(60)));
    settle();
    for (unsigned i = 0; i < 20; i++) {
        assert_non_null(net_model_take(&model, 0));
        time_passes(5 * NS_PER_S);
    }
    assert_int_equal(model.virtio.resets, resets);
    assert_works();
    finish_still();
}

/* A stalled device may be reset for ever: it breaks no rule. */
static void test_stalls_for_long(void **state)
{
    (void)state;
    started_still(MMIO, 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(send(make(60)));
        settle();
        time_passes(5 * NS_PER_S);
        time_passes(5 * NS_PER_S);
        assert_int_equal(QUEUE->tx_dropped, i + 1);
    }
    assert_true(NET->is_up);
    assert_works();
    finish_still();
}

/* The interrupt of a frame is lost: the watchdog sees it. */
static void test_lost_interrupt(void **state)
{
    (void)state;
    started_still(PCI, 0);
    model.virtio.lose_interrupts = true;
    assert_true(deliver(NULL, 100));
    settle();
    wakes = 0;
    time_passes(80 * NS_PER_S);
    assert_int_equal(wakes, 1);
    assert_int_equal(receive_all(), 1);
    model.virtio.lose_interrupts = false;
    assert_works();
    finish_still();
}

/* So is that of room in the ring, for a sender that waits for it. */
static void test_lost_interrupt_of_room(void **state)
{
    unsigned sent = 0;
    struct packet *packet;

    (void)state;
    started_still(PCI, 0);
    while (send(packet = make(60)))
        sent++;
    assert_true(sent > 0);
    packet_put(packet);
    settle();
    model.virtio.lose_interrupts = true;
    for (unsigned i = 0; i < sent; i++)
        assert_non_null(net_model_take(&model, 0));
    settle();
    wakes = 0;
    time_passes(80 * NS_PER_S);
    assert_int_equal(wakes, 1);
    model.virtio.lose_interrupts = false;
    assert_works();
    finish_still();
}

/* An idle card is looked at ever less often, down to once in 80 seconds. */
static void test_idle_card(void **state)
{
    unsigned looks = 0;
    uint64_t last;

    (void)state;
    started_still(PCI, 0);
    last = vnet_pair_of(QUEUE)->watchdog.deadline_ns;
    for (unsigned i = 0; i < 1000; i++) {
        time_passes(NS_PER_S);
        looks += vnet_pair_of(QUEUE)->watchdog.deadline_ns != last;
        last = vnet_pair_of(QUEUE)->watchdog.deadline_ns;
    }
    assert_in_range(looks, 12, 18);
    assert_works();
    finish_still();
}

static void test_spurious_interrupts(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        started(transport, FEATURES);
        for (int source = -1; source < 3; source++) {
            model.virtio.isr = 3;
            model.virtio.raise(&model.virtio, source);
            settle();
        }
        assert_works();
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_sweep),
        cmocka_unit_test(test_lying_device),
        cmocka_unit_test(test_lying_index),
        cmocka_unit_test(test_lying_answer),
        cmocka_unit_test(test_lie_found_by_a_sender),
        cmocka_unit_test(test_always_lies),
        cmocka_unit_test(test_lies_now_and_then),
        cmocka_unit_test(test_needs_reset),
        cmocka_unit_test(test_a_card_that_is_gone),
        cmocka_unit_test(test_a_card_that_was_reset),
        cmocka_unit_test(test_link_changes_during_a_reset),
        cmocka_unit_test(test_does_not_come_back),
        cmocka_unit_test(test_out_of_memory_at_reset),
        cmocka_unit_test(test_sends_nothing),
        cmocka_unit_test(test_sends_slowly),
        cmocka_unit_test(test_stalls_for_long),
        cmocka_unit_test(test_lost_interrupt),
        cmocka_unit_test(test_lost_interrupt_of_room),
        cmocka_unit_test(test_idle_card),
        cmocka_unit_test(test_spurious_interrupts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
