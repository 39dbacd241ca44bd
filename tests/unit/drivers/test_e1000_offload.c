/* Checksums and segments left to Intel's cards: what the model makes of the
 * driver's descriptors is compared with what the frames have to be. */
#include "tests/fakes/offload_flow.h"
#include "tests/unit/drivers/e1000_card.h"

static struct flow_progress progress;

static void frame_check(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    assert_true(len >= 60);
    flow_check(&progress, frame, len);
}

static void flow_goes(const struct flow *flow)
{
    if (flow->segment != 0 && flow->six && (card->offloads & NET_TX_TCP6) == 0)
        return;
    progress = (struct flow_progress){flow, 0, 0};
    send_must(flow_make(flow));
    run_card();
    ROW(flow->name, progress.arrived == flow_payload(flow));
    ROW(flow->name, progress.frames == flow_frames(flow));
    assert_int_equal(QUEUE->tx_dropped, 0);
}

/* Each after each, so that each context follows each. */
static void test_flows(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        unsigned free_count;

        fresh(&kinds[k]);
        model.sent = frame_check;
        start();
        poll(16);
        assert_int_equal(card->offloads & (NET_TX_CSUM | NET_TX_TCP4),
                         NET_TX_CSUM | NET_TX_TCP4);
        ROW(kinds[k].name, ((card->offloads & NET_TX_TCP6) != 0) ==
                               (kinds[k].chip == E1000_82574L));
        free_count = packet_free_count();
        for (size_t i = 0; i < FLOW_COUNT; i++) {
            for (size_t j = 0; j < FLOW_COUNT; j++) {
                flow_goes(&flows[i]);
                flow_goes(&flows[j]);
            }
            poll(16);
            assert_int_equal(packet_free_count(), free_count);
            net_check(card);
        }
        finish();
    }
}

/* A sum of UDP that comes out as 0 is sent as 0xffff: RFC 768. */
static void test_a_sum_of_zero(void **state)
{
    static const struct flow flow = {"zero", false, FLOW_UDP, 0, 0, 0, 2, 0};
    struct packet *packet;
    uint8_t *at;
    uint16_t sum;

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        fresh(&kinds[k]);
        start();
        packet = flow_make(&flow);
        at = packet->data;
        sum = flow_sum_fold(
            flow_sum_add(be16_get(at + flow_sum_at(&flow)), at + 34, 6));
        be16_put(at + 42, (uint16_t)~sum);
        send_must(packet);
        run_card();
        assert_int_equal(be16_get(sent + flow_sum_at(&flow)), 0xffff);
        finish();
    }
}

/* Frames that are to be left alone are left alone between others. */
static void test_frames_without_offload(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        fresh(&kinds[k]);
        start();
        for (size_t i = 0; i < FLOW_COUNT; i++) {
            model.sent = frame_check;
            flow_goes(&flows[i]);
            model.sent = sent_note;
            send_must(make(200));
            run_card();
            ROW(flows[i].name, sent_is(200));
        }
        finish();
    }
}

/* After a reset the card has no context; the driver must not think that it
 * has: the model would not let it. */
static void test_a_reset_forgets_the_context(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        model.sent = frame_check;
        start();
        poll(16);
        flow_goes(&flows[0]);
        flow_goes(&flows[FLOW_TSO4]);
        model.reg[0x400 / 4] &= ~2U; /* TCTL.EN: it has forgotten */
        time_passes(2 * NS_PER_S);
        ROW(kinds[k].name, model.resets == 2);
        flow_goes(&flows[FLOW_TSO4]);
        flow_goes(&flows[0]);
        finish();
    }
}

/* The ring is full of large packets: each goes whole, or not at all, and what
 * finds no room wakes. */
static void test_a_ring_full_of_segments(void **state)
{
    static const struct flow flow = {"full", false, FLOW_TCP, 0,
                                     0,      1460,  0,        30000};

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct packet *packet = NULL;
        unsigned count = 0, free_count;

        fresh(&kinds[k]);
        model.sent = frame_check;
        start();
        poll(16);
        free_count = packet_free_count();
        while (send(packet = flow_make(&flow)))
            count++;
        ROW(kinds[k].name, count > 15 && count < 40);
        for (unsigned i = 0; i < count; i++) {
            progress = (struct flow_progress){&flow, 0, 0};
            do
                assert_true(e1000_model_step_transmit(&model));
            while (progress.arrived == 0); /* a context is a step, too */
            assert_int_equal(progress.arrived, 30000);
            if (i == 0)
                settle();
        }
        ROW(kinds[k].name, wakes == 1);
        progress = (struct flow_progress){&flow, 0, 0};
        send_must(packet);
        run_card();
        assert_int_equal(progress.arrived, 30000);
        poll(16);
        assert_int_equal(packet_free_count(), free_count);
        finish();
    }
}

/* Each transmission fails in every way in the middle of them. */
static void scenario(struct fault_plan *plan, void *arg)
{
    unsigned free_count;

    fresh(arg);
    start();
    poll(16);
    free_count = packet_free_count();
    model.faults = plan;
    for (size_t i = 0; i < FLOW_COUNT; i++) {
        send_must(flow_make(&flows[i]));
        run_card();
        poll(16);
    }
    time_passes(4 * NS_PER_S);
    model.faults = NULL;
    model.sent = frame_check;
    poll(16);
    assert_int_equal(packet_free_count(), free_count);
    QUEUE->tx_dropped = 0;
    for (size_t i = 0; i < FLOW_COUNT; i++)
        flow_goes(&flows[i]);
    finish();
}

static void test_every_fault(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kind kind = kinds[k];

        assert_true(fault_sweep(FAULT_ALL, scenario, &kind) > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_a_sum_of_zero),
        cmocka_unit_test(test_frames_without_offload),
        cmocka_unit_test(test_a_reset_forgets_the_context),
        cmocka_unit_test(test_a_ring_full_of_segments),
        cmocka_unit_test(test_every_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
