/* Intel's cards when things go wrong: the sweep of all faults, a card that
 * hangs, forgets, does not reset, or is gone. */
#include "tests/unit/drivers/e1000_card.h"

/* ---- Afterwards ---------------------------------------------------------- */

/* The card works, in both directions. */
static void assert_works(void)
{
    unsigned before = sent_count;

    while (poll(16) > 0)
        continue;
    send_must(make(333));
    assert_true(arrives(444));
    run_card();
    assert_int_equal(sent_count, before + 1);
    assert_true(sent_is(333));
    assert_int_equal(poll(16), 1);
    assert_int_equal(got_len, 444);
    assert_int_equal(poll(16), 0);
}

/* The card is given up: frames are dropped, and nobody waits for it. */
static void assert_is_dead(void)
{
    uint64_t dropped = QUEUE->tx_dropped;

    settle();
    assert_int_equal(timer_next(), TIME_NEVER);
    assert_false(card->link_up);
    send_must(make(100));
    send_must(make(100));
    assert_int_equal(QUEUE->tx_dropped, dropped + 2);
    assert_int_equal(poll(16), 0);
    assert_true(net_arm(QUEUE, true));
    assert_true(net_arm(QUEUE, false));
}

static void fresh_start(const struct kind *kind)
{
    fresh(kind);
    start();
    assert_int_equal(poll(16), 0);
    assert_int_equal(model.resets, 1);
}

/* ---- The sweep ----------------------------------------------------------- */

enum { FRAMES = 6, LEFT = 3 };

/* As a stack does: poll when it is woken, and try again what found no room.
 * Long enough for each deadline. */
static unsigned stack_runs(unsigned to_send)
{
    unsigned seen = wakes;

    for (unsigned round = 0; round < 12; round++) {
        while (to_send > 0) {
            struct packet *packet = make(60 + 200 * to_send);

            assert_non_null(packet);
            if (!send(packet)) {
                packet_put(packet);
                break;
            }
            to_send--;
        }
        run_card();
        if (wakes != seen) {
            seen = wakes;
            while (poll(16) > 0)
                continue;
        }
        net_check(card);
        time_passes(500 * NS_PER_MS);
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

static void frames_go_and_come(const struct fault_plan *plan)
{
    for (unsigned i = 0; i < FRAMES; i++)
        assert_true(arrives(60 + 200 * i));
    assert_int_equal(stack_runs(FRAMES), 0);
    receiver_frees();
    assert_int_equal(QUEUE->tx_frames, FRAMES);
    assert_int_equal(sent_count + QUEUE->tx_dropped, FRAMES);
    if (plan->used && plan->kind == FAULT_RESET)
        return; /* with what was in the card */
    assert_int_equal(got_count + QUEUE->rx_dropped, FRAMES);
    assert_true(QUEUE->rx_dropped <= 1);
}

/* The cable goes while frames wait, which needs a reset. */
static void link_goes_and_comes(void)
{
    uint64_t dropped = QUEUE->tx_dropped;

    for (unsigned i = 0; i < LEFT; i++)
        send_must(make(100 + i));
    e1000_model_link(&model, false);
    assert_int_equal(stack_runs(0), 0);
    assert_false(card->link_up);
    /* What a card that is given up has, it keeps. */
    assert_int_equal(QUEUE->tx_dropped,
                     dropped + (console_has("is given up") ? 0 : LEFT));
    e1000_model_link(&model, true);
    assert_int_equal(stack_runs(0), 0);
}

static void scenario(struct fault_plan *plan, void *arg)
{
    unsigned free_count;

    fresh_with(arg, 12 << 20);
    probe();
    model.faults = plan;
    if (device_dedicate(&card->device, 0) !=
        0) { /* of one that does not reset */
        assert_true(plan->used);
        model.reset_stuck = false;
        time_passes(3 * NS_PER_S);
        assert_int_equal(device_dedicate(&card->device, 0), 0);
    }
    QUEUE->wake = wake_note;
    free_count = packet_free_count();
    assert_int_equal(poll(16), 0);
    frames_go_and_come(plan);
    link_goes_and_comes();
    model.faults = NULL;
    if (console_has("is given up")) {
        assert_int_equal(plan->kind, FAULT_NEVER);
        assert_string_equal(plan->operation, "reset");
        assert_is_dead();
        finish();
        return;
    }
    if (!plan->used) {
        assert_int_equal(sent_count, FRAMES);
        assert_int_equal(got_count, FRAMES);
        assert_int_equal(model.resets, 2);
    }
    assert_true(card->link_up);
    assert_works();
    assert_int_equal(packet_free_count(), free_count);
    finish();
}

static void test_every_fault(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kind kind = kinds[k];

        assert_true(fault_sweep(FAULT_ALL, scenario, &kind) > 80);
    }
}

/* Each word of the EEPROM fails in each way: the registers have the address. */
static void probe_scenario(struct fault_plan *plan, void *arg)
{
    fresh(arg);
    model.faults = plan;
    probe();
    model.faults = NULL;
    assert_non_null(card);
    assert_memory_equal(card->mac, model.mac, 6);
    if (plan->kind == FAULT_NEVER || plan->kind == FAULT_LATE)
        assert_true(!plan->used || clock_now() < NS_PER_S + NS_PER_S / 5);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake_note;
    assert_works();
    finish();
}

static void test_every_fault_of_the_eeprom(void **state)
{
    const unsigned faults =
        fault_bit(FAULT_FAIL) | fault_bit(FAULT_LATE) | fault_bit(FAULT_NEVER);

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct kind kind = kinds[k];

        assert_int_equal(fault_sweep(faults, probe_scenario, &kind), 3 * 64);
    }
}

/* ---- A card that does not do it ------------------------------------------ */

static void test_a_card_that_sends_nothing(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct fault_plan plan = {.kind = FAULT_NEVER, .nth = 1};
        unsigned free_count;

        fresh_start(&kinds[k]);
        free_count = packet_free_count();
        time_passes(NS_PER_S / 2); /* in between of two looks */
        model.faults = &plan;
        for (unsigned i = 0; i < 3; i++)
            send_must(make(100 + i));
        run_card();
        time_passes(NS_PER_S - 10 * NS_PER_MS);
        ROW(kinds[k].name, model.resets == 1);
        time_passes(NS_PER_S + 20 * NS_PER_MS); /* at its next look */
        ROW(kinds[k].name, model.resets == 2);
        assert_true(console_has("net0: the card sends nothing: it is reset\n"));
        assert_int_equal(sent_count, 0);
        assert_int_equal(QUEUE->tx_dropped, 3);
        ROW(kinds[k].name, wakes == 1);
        assert_int_equal(packet_free_count(), free_count);
        assert_works();
        finish();
    }
}

/* Frame by frame, each within its second: that is no reason for a reset, as
 * long as the whole may take. */
static void test_a_card_that_is_slow(void **state)
{
    (void)state;
    fresh_start(&kinds[0]);
    for (unsigned i = 0; i < 4; i++)
        send_must(make(100));
    model.met.tx.stuck = true;
    for (unsigned i = 0; i < 4; i++) {
        time_passes(900 * NS_PER_MS);
        model.met.tx.stuck = false;
        assert_true(e1000_model_step_transmit(&model)); /* a frame of it */
        model.met.tx.stuck = true;
        settle();
    }
    assert_int_equal(sent_count, 4);
    assert_int_equal(model.resets, 1);
    model.met.tx.stuck = false;
    assert_works();
    finish();
}

/* Reset by somebody else: the watchdog finds out, soon while frames come and
 * go, after a minute at most otherwise. */
static void test_a_card_that_forgets(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        for (unsigned i = 0; i < 2; i++) {
            struct fault_plan plan = {.kind = FAULT_RESET, .nth = 1};

            fresh_start(&kinds[k]);
            time_passes(i == 0 ? 0 : 200 * NS_PER_S);
            model.faults = &plan;
            if (i == 0)
                send_must(make(100));
            else
                assert_true(arrives(100));
            run_card();
            assert_true(plan.used);
            model.faults = NULL;
            assert_int_equal(poll(16), 0);
            time_passes(i == 0 ? NS_PER_S + 10 * NS_PER_MS : 65 * NS_PER_S);
            ROW(kinds[k].name, model.resets == 2);
            assert_true(console_has(
                "net0: the card has forgotten its set-up: it is reset\n"));
            assert_int_equal(QUEUE->tx_dropped, i == 0 ? 1 : 0);
            assert_works();
            finish();
        }
    }
}

/* Half of its set-up is gone. */
static void test_a_card_that_forgets_half(void **state)
{
    static const unsigned registers[] = {0x100, 0x400}; /* RCTL, TCTL */

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        fresh_start(&kinds[0]);
        model.reg[registers[i] / 4] &= ~2U;
        time_passes(2 * NS_PER_S);
        assert_int_equal(model.resets, 2);
        assert_true(console_has("has forgotten its set-up"));
        assert_works();
        finish();
    }
}

/* The watchdog looks after 1, 2, 4 ... 64 seconds, until something happens. */
static void test_looks_become_rare(void **state)
{
    (void)state;
    fresh_start(&kinds[0]);
    time_passes(2 * NS_PER_S); /* a frame at its start counts */
    for (uint64_t seconds = 2; seconds < 64; seconds *= 2) {
        uint64_t next = timer_next() - clock_now();

        time_passes(next + NS_PER_MS);
        assert_true(timer_next() - clock_now() > next);
    }
    time_passes(200 * NS_PER_S);
    assert_true(timer_next() - clock_now() <= 64 * NS_PER_S);
    time_passes(timer_next() - clock_now() + NS_PER_MS);
    assert_true(timer_next() - clock_now() > 63 * NS_PER_S);
    send_must(make(100)); /* from now on it may hang */
    assert_true(timer_next() - clock_now() <= NS_PER_S);
    run_card();
    time_passes(NS_PER_S);
    assert_true(arrives(100));
    run_card();
    assert_int_equal(poll(16), 1);
    time_passes(3 * NS_PER_S);
    assert_true(timer_next() - clock_now() <= 4 * NS_PER_S);
    finish();
}

/* Interrupts that are lost are a second late. */
static void test_a_lost_interrupt_is_late(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh_start(&kinds[k]);
        model.met.lose_next = true;
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, wakes == 0);
        time_passes(2 * NS_PER_S);
        ROW(kinds[k].name, wakes >= 1);
        assert_int_equal(poll(16), 1);
        assert_works();
        finish();
    }
}

/* ---- A reset of a card at work ------------------------------------------- */

/* It takes two seconds: nobody waits for it, nothing is lost of what comes. */
static void test_a_late_reset(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct fault_plan plan = {.kind = FAULT_LATE, .nth = 1};
        struct packet *packet;
        unsigned i;

        fresh_start(&kinds[k]);
        model.reg[0x100 / 4] &= ~2U;
        model.faults = &plan;
        time_passes(NS_PER_S);
        assert_int_equal(model.resets, 2);
        packet = make(200);
        for (i = 0; i < 100; i++) {
            assert_false(send(packet)); /* later */
            assert_int_equal(poll(16), 0);
            assert_true(net_arm(QUEUE, true));
            time_passes(10 * NS_PER_MS);
        }
        ROW(kinds[k].name, wakes == 0);
        time_passes(NS_PER_S + 10 * NS_PER_MS);
        ROW(kinds[k].name, wakes == 1);
        send_must(packet);
        run_card();
        assert_true(sent_is(200));
        assert_works();
        finish();
    }
}

/* Whoever looks first goes on with it: no millisecond is waited for. */
static void test_a_reset_goes_on_with_a_poll(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 3; who++) {
        fresh_start(&kinds[0]);
        model.reg[0x100 / 4] &= ~2U;
        clock_set(clock_now() + 2 * NS_PER_S);
        clock_step(NS_PER_US);
        timer_run(clock_now());
        assert_int_equal(model.resets, 2);
        clock_set(clock_now() + 20 * NS_PER_US);
        clock_step(NS_PER_US);
        for (unsigned i = 0; i < 3; i++) {
            if (who == 0)
                assert_int_equal(poll(1), 0);
            else if (who == 1)
                (void)net_arm(QUEUE, true);
            else
                (void)net_send(QUEUE, NULL, 0);
        }
        assert_int_equal(wakes, 1);
        assert_works();
        finish();
    }
}

static void test_never_a_reset(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct fault_plan plan = {.kind = FAULT_NEVER, .nth = 1};
        struct packet *packet;

        fresh_start(&kinds[k]);
        model.reg[0x100 / 4] &= ~2U;
        model.faults = &plan;
        time_passes(2 * NS_PER_S);
        assert_int_equal(model.resets, 2);
        packet = make(100);
        assert_false(send(packet));
        time_passes(3 * NS_PER_S + NS_PER_S / 2);
        assert_false(send(packet));
        ROW(kinds[k].name, wakes == 0);
        time_passes(NS_PER_S);
        ROW(kinds[k].name, wakes == 1); /* it waits no more */
        assert_true(
            console_has("net0: the card does not reset: it is given up\n"));
        send_must(packet);
        assert_int_equal(QUEUE->tx_dropped, 1);
        assert_is_dead();
        finish();
    }
}

/* A PCI Express card whose accesses to memory do not end is reset all the
 * same: 200 us are waited for them, and no more than is needed. */
static void test_a_master_that_does_not_stop(void **state)
{
    (void)state;
    for (unsigned stuck = 0; stuck < 2; stuck++) {
        uint64_t before;

        fresh_start(&kinds[1]);
        model.reg[0x0100 / 4] &= ~2U;
        model.master_stuck = stuck;
        clock_set(clock_now() + NS_PER_S);
        clock_step(NS_PER_US);
        before = clock_now();
        timer_run(clock_now());
        assert_int_equal(model.resets, 2);
        assert_int_equal(clock_now() - before >= 200 * NS_PER_US, stuck);
        assert_true(clock_now() - before < 2 * NS_PER_MS);
        time_passes(NS_PER_S);
        assert_works();
        finish();
    }
}

/* A start that failed is tried again while the reset is still under way. */
static void test_starts_again_after_a_late_reset(void **state)
{
    struct fault_plan plan = {.kind = FAULT_LATE, .nth = 1};

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        plan.count = 0;
        fresh(&kinds[k]);
        probe();
        model.faults = &plan;
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(device_dedicate(&card->device, 0), -ETIMEDOUT);
        assert_int_equal(model.resets, 1);
        assert_true(clock_now() < NS_PER_S + 400 * NS_PER_MS);
        clock_set(clock_now() + 2 * NS_PER_S);
        clock_step(NS_PER_US);
        assert_int_equal(device_dedicate(&card->device, 0), 0);
        QUEUE->wake = wake_note;
        assert_works();
        finish();
    }
}

/* ---- A card that is gone ------------------------------------------------- */

static void pull_out(void)
{
    pci_card_pull(&model.card);
}

static void test_gone(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct packet *packet = NULL;

        fresh_start(&kinds[k]);
        while ((packet = make(100)) != NULL && send(packet))
            continue;
        assert_non_null(packet);
        pull_out();
        assert_false(send(packet));
        time_passes(2 * NS_PER_S);
        assert_true(console_has("net0: the card is gone: it is given up\n"));
        ROW(kinds[k].name, wakes == 1); /* who waits for room */
        send_must(packet);
        assert_is_dead();
        finish();
    }
}

/* All its causes read as set, for ever: nobody is kept busy by that. */
static void test_gone_has_no_causes(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh_start(&kinds[k]);
        pull_out();
        assert_int_equal(poll(16), 0);
        settle();
        ROW(kinds[k].name, wakes == 0);
        finish();
    }
}

/* Gone while it is being reset: all ones look like a reset without end. */
static void test_gone_during_a_reset(void **state)
{
    (void)state;
    fresh_start(&kinds[0]);
    model.reg[0x100 / 4] &= ~2U;
    clock_set(clock_now() + 2 * NS_PER_S);
    clock_step(NS_PER_US);
    timer_run(clock_now());
    pull_out();
    time_passes(6 * NS_PER_S);
    assert_true(console_has("does not reset: it is given up"));
    assert_is_dead();
    finish();
}

static void test_gone_before_the_start(void **state)
{
    (void)state;
    fresh(&kinds[1]);
    probe();
    pull_out();
    assert_int_equal(device_dedicate(&card->device, 0), -ETIMEDOUT);
    assert_int_equal(timer_next(), TIME_NEVER);
    assert_int_equal(packet_free_count(), 0);
    finish();
}

/* What it does not find out by itself does not happen in an interrupt. */
static void test_an_interrupt_of_a_card_that_is_gone(void **state)
{
    (void)state;
    fresh_start(&kinds[0]);
    pull_out();
    irq_raise(E1000_MODEL_LINE);
    settle();
    assert_true(wakes <= 1);
    time_passes(2 * NS_PER_S);
    irq_raise(E1000_MODEL_LINE);
    assert_is_dead();
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_every_fault_of_the_eeprom),
        cmocka_unit_test(test_a_card_that_sends_nothing),
        cmocka_unit_test(test_a_card_that_is_slow),
        cmocka_unit_test(test_a_card_that_forgets),
        cmocka_unit_test(test_a_card_that_forgets_half),
        cmocka_unit_test(test_looks_become_rare),
        cmocka_unit_test(test_a_lost_interrupt_is_late),
        cmocka_unit_test(test_a_late_reset),
        cmocka_unit_test(test_a_reset_goes_on_with_a_poll),
        cmocka_unit_test(test_never_a_reset),
        cmocka_unit_test(test_a_master_that_does_not_stop),
        cmocka_unit_test(test_starts_again_after_a_late_reset),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_gone_has_no_causes),
        cmocka_unit_test(test_gone_during_a_reset),
        cmocka_unit_test(test_gone_before_the_start),
        cmocka_unit_test(test_an_interrupt_of_a_card_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
