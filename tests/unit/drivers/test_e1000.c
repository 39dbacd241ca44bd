/* Intel's cards against the model: frames in both directions, interrupts, the
 * link, start and probe. */
#include "tests/unit/drivers/e1000_card.h"

/* ---- Frames -------------------------------------------------------------- */

static void test_frames_come_and_go(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        assert_memory_equal(card->mac, model.mac, 6);
        assert_int_equal(card->mtu, 1500);
        assert_true(card->link_up);
        poll(16);
        assert_true(arrives(1514));
        run_card();
        ROW(kinds[k].name, wakes == 1);
        ROW(kinds[k].name, poll(16) == 1);
        ROW(kinds[k].name, got_len == 1514);
        for (size_t i = 14; i < 1514; i++)
            assert_int_equal(got[i], (uint8_t)i);
        assert_int_equal(QUEUE->rx_frames, 1);
        assert_int_equal(QUEUE->rx_bytes, 1514);

        send_must(make(1514));
        assert_int_equal(sent_count, 0);
        run_card();
        ROW(kinds[k].name, sent_is(1514));
        assert_int_equal(QUEUE->tx_frames, 1);
        assert_int_equal(QUEUE->tx_bytes, 1514);
        ROW(kinds[k].name, wakes == 1); /* nobody waits for it */
        ROW(kinds[k].name,
            (model.card.by_message > 0) ==
                (kinds[k].chip == E1000_82574L && !kinds[k].no_msix));
        finish();
    }
}

/* Longer than both rings, several times. */
static void test_rings_go_round(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        unsigned free_count;

        fresh(&kinds[k]);
        start();
        free_count = packet_free_count();
        for (unsigned i = 0; i < 1000; i++) {
            size_t len = 60 + i % 1400;

            assert_true(arrives(len));
            send_must(make(len));
            run_card();
            assert_int_equal(poll(16), 1);
            assert_int_equal(got_len, len);
            assert_true(sent_is(len));
        }
        poll(16);
        ROW(kinds[k].name, packet_free_count() == free_count);
        assert_int_equal(QUEUE->rx_dropped + QUEUE->tx_dropped, 0);
        finish();
    }
}

static void test_short_frames_are_padded(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    start();
    send_must(make(17));
    run_card();
    assert_int_equal(sent_len, 60);
    assert_true(sent_is(17));
    finish();
}

static void test_a_poll_keeps_its_budget(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    start();
    for (unsigned i = 0; i < 40; i++)
        assert_true(arrives(100));
    run_card();
    assert_int_equal(poll(16), 16);
    assert_int_equal(poll(16), 16);
    assert_int_equal(poll(16), 8);
    assert_int_equal(poll(16), 0);
    finish();
}

static void test_doorbells_are_few(void **state)
{
    struct packet *packets[20];
    unsigned rx, tx;

    (void)state;
    fresh(&kinds[0]);
    start();
    rx = model.tail_writes[0];
    tx = model.tail_writes[1];
    for (unsigned i = 0; i < 20; i++)
        packets[i] = make(100);
    assert_int_equal(net_send(QUEUE, packets, 20), 20);
    assert_int_equal(model.tail_writes[1], tx + 1);
    assert_int_equal(net_send(QUEUE, packets, 0), 0);
    assert_int_equal(model.tail_writes[1], tx + 1);
    for (unsigned i = 0; i < 20; i++)
        assert_true(arrives(100));
    run_card();
    assert_int_equal(poll(64), 20);
    assert_int_equal(model.tail_writes[0], rx + 1);
    assert_int_equal(poll(64), 0);
    assert_int_equal(model.tail_writes[0], rx + 1);
    finish();
}

static void test_slices_are_sent_as_they_are(void **state)
{
    struct buf *page;
    struct packet *packet;

    (void)state;
    fresh(&kinds[1]);
    start();
    page = buf_alloc(8192);
    assert_non_null(page);
    for (unsigned i = 0; i < 8192; i++)
        page->base[i] = (uint8_t)(i * 7);
    packet = make(54);
    for (unsigned i = 0; i < 3; i++) {
        buf_get(page);
        assert_int_equal(
            packet_add_slice(packet, (struct slice){page, 4000 + i * 100, 100}),
            0);
    }
    send_must(packet);
    run_card();
    assert_int_equal(sent_len, 354);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(sent[54 + i], (uint8_t)((4000 + i) * 7));
    assert_int_equal(page->refs, 4);
    poll(16);
    assert_int_equal(page->refs, 1); /* what was sent is given back */
    buf_put(page);
    finish();
}

static void test_what_cannot_be_sent_is_dropped(void **state)
{
    struct packet *packet;
    unsigned free_count;

    (void)state;
    fresh(&kinds[0]);
    start();
    free_count = packet_free_count();
    send_must(make(16));
    send_must(make(1519));
    packet = make(100);
    packet->offload.csum_partial = true; /* of nothing */
    send_must(packet);
    packet = make(100);
    packet->offload.segments = PACKET_TCP4;
    packet->offload.segment_len = 10;
    send_must(packet);
    assert_int_equal(QUEUE->tx_dropped, 4);
    assert_int_equal(QUEUE->tx_frames, 0);
    assert_int_equal(packet_free_count(), free_count);
    send_must(make(1518));
    run_card();
    assert_true(sent_is(1518));
    finish();
}

/* ---- Who is let in ------------------------------------------------------- */

static void test_the_filter(void **state)
{
    static const struct {
        const char *name;
        uint8_t mac[6];
        bool comes;
    } rows[] = {
        {"us", {0x52, 0x54, 0, 1, 2, 3}, true},
        {"another card", {0x52, 0x54, 0, 1, 2, 4}, false},
        {"all", {255, 255, 255, 255, 255, 255}, true},
        {"all of IPv4", {1, 0, 0x5e, 0, 0, 1}, true},
        {"one with the same hash", {1, 0, 0x5e, 0, 5, 1}, true},
        {"routers of IPv4", {1, 0, 0x5e, 0, 0, 2}, false},
        {"all of IPv6", {0x33, 0x33, 0, 0, 0, 1}, true},
        {"who has our address", {0x33, 0x33, 0xff, 1, 2, 3}, true},
        {"who has another", {0x33, 0x33, 0xff, 1, 2, 0x13}, false},
    };

    (void)state;
    fresh(&kinds[0]);
    start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t frame[60];

        frame_make(frame, 60);
        memcpy(frame, rows[i].mac, 6);
        ROW(rows[i].name,
            e1000_model_receive(&model, frame, 60) == rows[i].comes);
        run_card();
        ROW(rows[i].name, poll(16) == (rows[i].comes ? 1U : 0U));
    }
    finish();
}

static bool group_comes(const uint8_t group[6])
{
    uint8_t frame[60];

    frame_make(frame, 60);
    memcpy(frame, group, 6);
    if (!e1000_model_receive(&model, frame, 60))
        return false;
    run_card();
    assert_int_equal(poll(16), 1);
    return true;
}

/* Those that are asked for, a reset in between or not. */
static void test_groups(void **state)
{
    static const uint8_t one[6] = {0x33, 0x33, 0xff, 0x78, 0x9a, 0xbc};
    static const uint8_t two[6] = {0x33, 0x33, 0xff, 0x11, 0x22, 0x33};
    static const uint8_t us[6] = {0x33, 0x33, 0xff, 1, 2, 3};

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        assert_false(group_comes(one));
        assert_int_equal(net_group_add(card, one), 0);
        assert_int_equal(net_group_add(card, two), 0);
        assert_true(group_comes(one) && group_comes(two) && group_comes(us));
        poll(16);
        send_must(make(100));
        e1000_model_link(&model, false); /* what waits goes with a reset */
        run_card();
        ROW(kinds[k].name, model.resets == 2);
        assert_int_equal(net_group_remove(card, two), 0);
        poll(16);
        net_arm(QUEUE, true);
        time_passes(10 * NS_PER_MS);
        e1000_model_link(&model, true);
        run_card();
        poll(16);
        assert_true(group_comes(one) && group_comes(us));
        assert_false(group_comes(two));
        assert_int_equal(net_group_remove(card, one), 0);
        assert_false(group_comes(one));
        assert_true(group_comes(us));
        finish();
    }
}

static void test_bad_frames_do_not_come(void **state)
{
    uint8_t frame[100];

    (void)state;
    fresh(&kinds[1]);
    start();
    frame_make(frame, 100);
    assert_false(e1000_model_receive_bad(&model, frame, 100));
    assert_false(arrives(59));
    assert_false(arrives(1519));
    assert_true(arrives(1518));
    run_card();
    assert_int_equal(poll(16), 1);
    finish();
}

/* An IPv4 frame with TCP or UDP, and right checksums. */
static size_t ip_frame(uint8_t *frame, uint8_t protocol)
{
    uint8_t *ip = frame + 14;
    uint32_t sum = 0;

    frame_make(frame, 80);
    be16_put(frame + 12, 0x0800);
    memcpy(ip, (uint8_t[20]){0x45, 0, 0,  66, 0, 1, 0,  0, 64, protocol,
                             0,    0, 10, 0,  2, 2, 10, 0, 2,  15},
           20);
    for (unsigned i = 0; i < 20; i += 2)
        sum += be16_get(ip + i);
    be16_put(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
    be16_put(ip + 20 + (protocol == 6 ? 16 : 6), 0);
    if (protocol == 17)
        be16_put(ip + 24, 46);
    sum = protocol + 46U;
    for (unsigned i = 12; i < 66; i += 2)
        sum += be16_get(ip + i);
    sum = (sum & 0xffff) + (sum >> 16);
    be16_put(ip + 20 + (protocol == 6 ? 16 : 6),
             (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
    return 80;
}

static void test_checksums_are_checked_by_the_card(void **state)
{
    static const struct {
        const char *name;
        uint8_t protocol;
        unsigned broken_at; /* 0: nowhere */
        bool valid;
    } rows[] = {
        {"tcp", 6, 0, true},         {"udp", 17, 0, true},
        {"wrong tcp", 6, 50, false}, {"wrong ip", 6, 18, false},
        {"neither", 1, 0, false},
    };

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        assert_true(card->offloads & NET_RX_CSUM);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            uint8_t frame[80];
            size_t len = ip_frame(frame, rows[i].protocol);

            frame[rows[i].broken_at] ^= rows[i].broken_at != 0;
            assert_true(e1000_model_receive(&model, frame, len));
            run_card();
            assert_int_equal(poll(16), 1);
            ROW(rows[i].name, got_offload.csum_valid == rows[i].valid);
            assert_false(got_offload.csum_partial);
        }
        assert_true(arrives(60)); /* no IP at all */
        run_card();
        assert_int_equal(poll(16), 1);
        assert_false(got_offload.csum_valid);
        finish();
    }
}

/* ---- Interrupts ---------------------------------------------------------- */

static void test_one_interrupt_until_armed_again(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, wakes == 0);     /* not armed yet */
        assert_false(net_arm(QUEUE, true)); /* it has come before */
        poll(16);
        for (unsigned i = 0; i < 10; i++) {
            assert_true(arrives(100));
            run_card();
            ROW(kinds[k].name, wakes == 1);
        }
        assert_int_equal(poll(16), 10);
        run_card();
        ROW(kinds[k].name, wakes == 1); /* nothing is left of them */
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, wakes == 2);
        assert_int_equal(poll(16), 1);
        assert_true(net_arm(QUEUE, true)); /* it is */
        assert_true(net_arm(QUEUE, false));
        assert_true(net_arm(QUEUE, false));
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, wakes == 2);
        finish();
    }
}

/* Causes that nobody waits for do not end the wait for a frame. */
static void test_causes_that_nobody_wants(void **state)
{
    struct hal_io io;

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        poll(16);
        assert_int_equal(hal_io_map(HAL_IO_MEMORY, model.card.bar[0].base,
                                    E1000_MODEL_BAR_SIZE, &io),
                         0);
        hal_io_write32(io, 0xc8, 1 << 9); /* ICS: the PHY has answered */
        hal_io_write32(io, 0xc8, 1);      /* a frame was sent */
        run_card();
        irq_raise(E1000_MODEL_LINE);
        settle();
        ROW(kinds[k].name, wakes == 0);
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, wakes == 1);
        finish();
    }
}

/* Nobody has armed the queue: a change of the link waits until then. */
static void test_the_link_changes_while_nobody_waits(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        e1000_model_link(&model, false);
        run_card();
        ROW(kinds[k].name, card->link_up);
        assert_true(net_arm(QUEUE, true));
        settle();
        ROW(kinds[k].name, !card->link_up);
        assert_true(net_arm(QUEUE, false));
        e1000_model_link(&model, true);
        run_card();
        ROW(kinds[k].name, !card->link_up);
        time_passes(NS_PER_S); /* the watchdog sees it, too */
        ROW(kinds[k].name, card->link_up);
        finish();
    }
}

/* A frame that comes while the queue is being armed. */
static void test_armed_with_a_frame_there(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    start();
    assert_true(net_arm(QUEUE, true));
    assert_true(arrives(100));
    while (e1000_model_step_receive(&model))
        ;
    assert_false(net_arm(QUEUE, true));
    finish();
}

static void test_an_interrupt_of_another_device(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    probe();
    irq_raise(E1000_MODEL_LINE); /* not started: no register is touched */
    settle();
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake_note;
    poll(16);
    irq_raise(E1000_MODEL_LINE);
    settle();
    assert_int_equal(wakes, 0);
    assert_true(arrives(100));
    run_card();
    assert_int_equal(wakes, 1);
    finish();
}

static void test_a_full_ring_wakes_when_there_is_room(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct packet *packet = NULL;
        unsigned count = 0;

        fresh(&kinds[k]);
        start();
        poll(16);
        while ((packet = make(100)) != NULL && send(packet))
            count++;
        assert_non_null(packet);
        ROW(kinds[k].name, count == 254); /* one free, one for a context */
        assert_false(send(packet));       /* asks for no second interrupt */
        assert_int_equal(QUEUE->tx_frames, 254);
        settle();
        ROW(kinds[k].name, wakes == 0);
        assert_true(e1000_model_step_transmit(&model));
        settle();
        ROW(kinds[k].name, wakes == 1);
        assert_true(send(packet)); /* it takes back what was sent by itself */
        run_card();
        ROW(kinds[k].name, sent_count == 255);
        poll(16);
        send_must(make(100));
        run_card();
        ROW(kinds[k].name, wakes == 1); /* nobody waits any more */
        finish();
    }
}

/* Who polls meanwhile asks for no interrupt of received frames, and for one
 * again: the sender still hears of his. */
static void test_a_full_ring_and_somebody_polls(void **state)
{
    struct packet *packets[16];

    (void)state;
    for (unsigned armed = 0; armed < 2 * KINDS; armed++) {
        struct packet *packet = NULL;

        fresh(&kinds[armed / 2]);
        start();
        poll(16);
        while ((packet = make(100)) != NULL && send(packet))
            continue;
        assert_non_null(packet);
        (void)net_arm(QUEUE, false);
        assert_int_equal(net_poll(QUEUE, packets, 16), 0);
        if (armed % 2 != 0)
            assert_true(net_arm(QUEUE, true));
        assert_true(e1000_model_step_transmit(&model));
        settle();
        ROW(kinds[armed / 2].name, wakes == 1);
        send_must(packet);
        finish();
    }
}

/* The ring is full, all of it was sent, and nobody has looked. */
static void test_a_sender_makes_room_by_itself(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    start();
    for (unsigned i = 0; i < 254; i++)
        send_must(make(100));
    run_card();
    for (unsigned i = 0; i < 254; i++)
        send_must(make(100));
    run_card();
    assert_int_equal(sent_count, 508);
    assert_int_equal(wakes, 0);
    finish();
}

/* The next look at the causes (ICR) comes after a frame more was sent. */
static struct sim_window registers;
static bool sends_before_look;

static uint32_t read_late(void *of, size_t offset, unsigned width)
{
    if (offset == 0xc0 && sends_before_look) {
        sends_before_look = false;
        assert_true(e1000_model_step_transmit(&model));
    }
    return registers.read(of, offset, width);
}

/* A frame is sent just when the ring was found to be full: the look that tells
 * of it takes its interrupt away, so the sender tries once more. */
static void test_room_comes_before_the_wish_for_it(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        poll(16);
        for (unsigned i = 0; i < 254; i++)
            send_must(make(100));
        registers = model.card.bar[0].window;
        model.card.bar[0].window.read = read_late;
        sends_before_look = true;
        ROW(kinds[k].name, send(make(100)));
        ROW(kinds[k].name, !sends_before_look && sent_count == 1);
        settle();
        ROW(kinds[k].name, wakes == 0); /* nobody waits */
        run_card();
        ROW(kinds[k].name, sent_count == 255);
        finish();
    }
}

/* ---- Memory -------------------------------------------------------------- */

static void test_an_empty_pool_drops_and_recovers(void **state)
{
    struct packet *hoard[2000];
    unsigned count = 0;

    (void)state;
    fresh(&kinds[0]);
    start();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    for (unsigned i = 0; i < 600; i++) {
        assert_true(arrives(100));
        run_card();
        assert_int_equal(poll(16), 0);
    }
    assert_int_equal(QUEUE->rx_dropped, 600);
    while (count > 0)
        packet_put(hoard[--count]);
    assert_true(arrives(100));
    run_card();
    assert_int_equal(poll(16), 1);
    finish();
}

/* Nobody polls: the card has no buffers left, then no room, and says so. */
static void test_frames_without_buffers_are_counted(void **state)
{
    unsigned taken = 0, count = 0;

    (void)state;
    fresh(&kinds[0]);
    start();
    poll(16);
    for (unsigned i = 0; i < 400; i++) {
        taken += arrives(1000);
        run_card();
    }
    assert_true(taken > 255 && taken < 400);
    time_passes(2 * NS_PER_S);
    assert_int_equal(QUEUE->rx_dropped, 400 - taken);
    while (poll(64) > 0)
        run_card();
    count = (unsigned)QUEUE->rx_frames;
    assert_int_equal(count, taken);
    finish();
}

static void test_small_rings_where_memory_is_short(void **state)
{
    (void)state;
    fresh_with(&kinds[0], 12 << 20);
    start();
    assert_int_equal(model.rx[0].bytes, 64 * 16);
    assert_int_equal(model.tx[0].bytes, 64 * 16);
    assert_int_equal(packet_free_count(), 3 * 64 - 63);
    finish();
}

/* ---- The link ------------------------------------------------------------ */

static unsigned changes;

static void change_note(struct net_device *dev)
{
    assert_ptr_equal(dev, card);
    changes++;
}

static void test_the_link_goes_and_comes(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        changes = 0;
        card->link_changed = change_note;
        poll(16);
        e1000_model_link(&model, false);
        run_card();
        ROW(kinds[k].name, !card->link_up);
        ROW(kinds[k].name, wakes == 1); /* to arm it again */
        poll(16);
        assert_int_equal(changes, 1);
        send_must(make(100)); /* nobody would hear it */
        assert_int_equal(QUEUE->tx_dropped, 1);
        e1000_model_link(&model, true);
        run_card();
        ROW(kinds[k].name, card->link_up);
        assert_int_equal(changes, 2);
        send_must(make(100));
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, sent_count == 1);
        assert_int_equal(poll(16), 1);
        assert_int_equal(model.resets, 1);
        finish();
    }
}

static void test_cards_have_the_name_of_their_kind(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        bool is_82574 = kinds[k].chip == E1000_82574L;

        fresh(&kinds[k]);
        start();
        ROW(kinds[k].name, console_has(", e1000e at 00:03.0") == is_82574);
        ROW(kinds[k].name, console_has(", e1000 at 00:03.0") == !is_82574);
        finish();
    }
}

/* The card tells of its link (LSC): frames are no reason to look at it. */
static void test_frames_tell_nothing_of_the_link(void **state)
{
    enum { STATUS = 8, LINK_UP = 2 };

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        assert_int_equal(poll(1), 0);
        wakes = 0;
        assert_true(arrives(100));
        model.reg[STATUS / 4] &= ~(uint32_t)LINK_UP;
        run_card();
        ROW(kinds[k].name, wakes == 1);
        ROW(kinds[k].name, card->link_up);
        model.reg[STATUS / 4] |= LINK_UP;
        assert_int_equal(poll(1), 1);
        finish();
    }
}

static void test_frames_that_wait_go_with_the_link(void **state)
{
    unsigned free_count;

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        fresh(&kinds[k]);
        start();
        poll(16);
        free_count = packet_free_count();
        for (unsigned i = 0; i < 5; i++)
            send_must(make(100));
        e1000_model_link(&model, false);
        run_card();
        ROW(kinds[k].name, model.resets == 2);
        assert_false(send(make(100))); /* not now */
        assert_int_equal(poll(16), 0);
        assert_true(net_arm(QUEUE, true));
        time_passes(10 * NS_PER_MS);
        ROW(kinds[k].name, !card->link_up);
        assert_int_equal(QUEUE->tx_dropped, 5);
        assert_int_equal(packet_free_count(), free_count - 1);
        poll(16);
        e1000_model_link(&model, true);
        run_card();
        send_must(make(100));
        assert_true(arrives(100));
        run_card();
        ROW(kinds[k].name, sent_count == 1);
        assert_int_equal(poll(16), 1);
        finish();
    }
}

static void test_starts_without_a_link(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    model.no_cable = true;
    start();
    assert_false(card->link_up);
    poll(16);
    e1000_model_link(&model, true);
    run_card();
    assert_true(card->link_up);
    finish();
}

/* ---- Probe --------------------------------------------------------------- */

static void test_the_address_is_the_eeproms(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        fresh(&kinds[k]);
        e1000_model_plug(&model, 3);
        model.reg[0x5400 / 4] ^= 0xff00; /* not what the registers say */
        assert_int_equal(e1000_driver.probe(), 0);
        card = net_from_device(device_find(DEVICE_NET, 0));
        assert_memory_equal(card->mac, model.mac, 6);
        finish();
    }
}

static void test_or_the_registers(void **state)
{
    static const struct {
        const char *name;
        bool bad_sum;
        enum model_fault fault; /* of the second word */
    } rows[] = {
        {"a wrong sum", true, FAULT_NONE},
        {"a word that is all ones", false, FAULT_FAIL},
        {"no answer", false, FAULT_NEVER},
        {"a late answer", false, FAULT_LATE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault_plan plan = {.kind = rows[i].fault, .nth = 2};

        fresh(&kinds[0]);
        model.bad_eeprom = rows[i].bad_sum;
        model.faults = rows[i].fault != FAULT_NONE ? &plan : NULL;
        start();
        ROW(rows[i].name, card != NULL);
        assert_memory_equal(card->mac, model.mac, 6);
        send_must(make(100));
        run_card();
        ROW(rows[i].name, sent_count == 1);
        finish();
    }
}

static void test_no_address_no_card(void **state)
{
    static const struct {
        const char *name;
        uint8_t mac[6];
        bool is_served;
    } rows[] = {
        {"of one card", {0x52, 0x54, 0, 1, 2, 3}, true},
        {"only the last byte", {0, 0, 0, 0, 0, 1}, true},
        {"a group", {0x53, 0x54, 0, 1, 2, 3}, false},
        {"none", {0, 0, 0, 0, 0, 0}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t blocks;

        fresh(&kinds[0]);
        memcpy(model.mac, rows[i].mac, 6);
        blocks = stats().block_count;
        probe();
        ROW(rows[i].name, (card != NULL) == rows[i].is_served);
        ROW(rows[i].name, console_has("has no address of its own: left out") ==
                              !rows[i].is_served);
        if (!rows[i].is_served)
            ROW(rows[i].name, stats().block_count == blocks);
        finish();
    }
    fresh(&kinds[0]); /* a wrong sum, and registers that say nothing */
    model.bad_eeprom = true;
    e1000_model_plug(&model, 3);
    model.reg[0x5404 / 4] &= 0x7fffffff;
    assert_int_equal(e1000_driver.probe(), 0);
    assert_null(device_find(DEVICE_NET, 0));
    finish();
}

static void test_cards_that_are_left_out(void **state)
{
    (void)state;
    fresh(&kinds[0]);
    e1000_model_plug(&model, 3);
    model.card.bar_value[0] = 0; /* the firmware gave it no place */
    assert_int_equal(e1000_driver.probe(), 0);
    assert_null(device_find(DEVICE_NET, 0));
    assert_true(
        console_has("e1000: the card at 00:03.0 cannot be reached: left out"));
    finish();

    fresh(&kinds[0]);
    e1000_model_plug(&model, 3);
    heap_fail(1);
    assert_int_equal(e1000_driver.probe(), 0);
    assert_true(heap_failed());
    heap_fail(0);
    assert_null(device_find(DEVICE_NET, 0));
    assert_true(console_has("has no memory: left out"));
    assert_int_equal(e1000_driver.probe(), 0);
    assert_non_null(device_find(DEVICE_NET, 0));
    for (unsigned i = 1; i < 26; i++) /* there are names for 26 */
        assert_int_equal(e1000_driver.probe(), 0);
    assert_false(console_has("one too many"));
    assert_int_equal(e1000_driver.probe(), 0);
    assert_true(console_has("is one too many: no name is left: left out"));
    finish();

    fresh(&kinds[0]); /* other cards, and other makers */
    e1000_model_plug(&model, 3);
    le16_put(model.card.config + 2, 0x100d);
    assert_int_equal(e1000_driver.probe(), 0);
    le16_put(model.card.config + 2, 0x100e);
    le16_put(model.card.config, 0x8087);
    assert_int_equal(e1000_driver.probe(), 0);
    assert_null(device_find(DEVICE_NET, 0));
    finish();
}

static void test_its_kin_are_found(void **state)
{
    static const uint16_t devices[] = {0x1004, 0x100f};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(devices); i++) {
        fresh(&kinds[0]);
        e1000_model_plug(&model, 3);
        le16_put(model.card.config + 2, devices[i]);
        assert_int_equal(e1000_driver.probe(), 0);
        assert_non_null(device_find(DEVICE_NET, 0));
        finish();
    }
}

/* ---- Start --------------------------------------------------------------- */

/* What every register is set to: SDM chapter 14; datasheet, "Initialization".
 * Not what the firmware or the EEPROM has left there. */
static void test_set_up(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        uint16_t at;
        uint32_t mask, value;
        bool of_82574;
    } rows[] = {
        {"no flow control, no tags", 0x0000, 0x580018a4, 0, false},
        {"the link may come up", 0x0000, 0x40, 0x40, false},
        {"FCAL", 0x0028, UINT32_MAX, 0, false},
        {"FCAH", 0x002c, UINT32_MAX, 0, false},
        {"FCT", 0x0030, UINT32_MAX, 0, false},
        {"FCTTV", 0x0170, UINT32_MAX, 0, false},
        {"ITR", 0x00c4, UINT32_MAX, 0, false},
        {"RCTL", 0x0100, UINT32_MAX, 0x04008002, false},
        {"RDTR", 0x2820, UINT32_MAX, 0, false},
        {"RADV", 0x282c, UINT32_MAX, 0, false},
        {"RXCSUM", 0x5000, 0x300, 0x300, false},
        {"TCTL", 0x0400, UINT32_MAX, 0x000400fa, false},
        {"TIPG", 0x0410, UINT32_MAX, 0x0060200a, false},
        {"TIDV", 0x3820, UINT32_MAX, 0, false},
        {"TADV", 0x382c, UINT32_MAX, 0, false},
        {"RAL0", 0x5400, UINT32_MAX, 0x01005452, false},
        {"RAH0", 0x5404, UINT32_MAX, 0x80000302, false},
        {"TXDCTL: a count", 0x3828, 0x00400000, 0x00400000, true},
        {"IVAR", 0x00e4, UINT32_MAX, 0x00088888, true},
        {"EITR0", 0x00e8, UINT32_MAX, 0, true},
    };
    /* clang-format on */

    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        unsigned groups = 0;

        fresh(&kinds[k]);
        model.ctrl = 0x580018a0;
        start();
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            if (rows[i].of_82574 && kinds[k].chip != E1000_82574L)
                continue;
            ROW(rows[i].name,
                (model.reg[rows[i].at / 4] & rows[i].mask) == rows[i].value);
        }
        for (unsigned at = 0x5408; at < 0x5480; at += 4)
            assert_int_equal(model.reg[at / 4], 0);
        for (unsigned i = 0; i < 128; i++)
            groups += (unsigned)__builtin_popcount(model.reg[0x5200 / 4 + i]);
        assert_int_equal(groups, 2);     /* two have the same hash */
        assert_int_equal(model.mask, 0); /* nothing interrupts */
        ROW(kinds[k].name, (model.reg[0x18 / 4] & 0x80000000) ==
                               (k == 1 ? 0x80000000 : 0)); /* PBA support */
        finish();
    }
}

/* Whatever fails, nothing is left but packets and room for timers, and the next
 * attempt may succeed. */
static void test_out_of_memory_at_start(void **state)
{
    uint64_t n = 1;

    (void)state;
    for (;; n++) {
        struct mem_stats before;
        unsigned kept;
        int status;

        fresh(&kinds[1]);
        probe();
        assert_int_equal(packet_pool_grow(2), 0); /* the pool stays */
        before = stats();
        heap_fail(n);
        status = device_dedicate(&card->device, 0);
        if (!heap_failed())
            break;
        heap_fail(0);
        assert_int_equal(status, -ENOMEM);
        kept = packet_free_count() > 2;
        assert_int_equal(stats().block_count, before.block_count + kept);
        if (kept)
            assert_int_equal(packet_free_count(), 2 + 3 * 256);
        assert_int_equal(device_dedicate(&card->device, 0), 0);
        assert_int_equal(packet_free_count(), 2 + 3 * 256 - 255);
        send_must(make(100));
        run_card();
        assert_int_equal(sent_count, 1);
        finish();
    }
    heap_fail(0);
    assert_int_equal(n, 8); /* 2 for packets, 2 for each ring, 1 for timers */
    finish();
}

static void test_does_not_start(void **state)
{
    static const struct {
        const char *name;
        bool no_line;
        enum model_fault reset;
        int status;
    } rows[] = {
        {"no interrupt", true, FAULT_NONE, -ENODEV},
        {"no reset", false, FAULT_NEVER, -ETIMEDOUT},
        {"a late reset", false, FAULT_LATE, -ETIMEDOUT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault_plan plan = {.kind = rows[i].reset, .nth = 1};
        uint64_t blocks;

        fresh(&kinds[0]);
        model.no_line = rows[i].no_line;
        probe();
        if (rows[i].no_line)
            model.card.config[0x3c] = 255;
        model.faults = &plan;
        blocks = stats().block_count;
        ROW(rows[i].name, device_dedicate(&card->device, 0) == rows[i].status);
        ROW(rows[i].name,
            stats().block_count == blocks || rows[i].reset == FAULT_NONE);
        machine_detach();
        sim_reset();
        clock_set(0);
    }
}

/* This CPU stands still for a second before each look at the clock. */
static void test_starts_on_a_cpu_that_stands_still(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        fresh(&kinds[i]);
        clock_step(NS_PER_S);
        probe();
        ROW(kinds[i].name, device_dedicate(&card->device, 0) == 0);
        clock_set(0);
        machine_detach();
        sim_reset();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_on_a_cpu_that_stands_still),
        cmocka_unit_test(test_frames_come_and_go),
        cmocka_unit_test(test_rings_go_round),
        cmocka_unit_test(test_short_frames_are_padded),
        cmocka_unit_test(test_a_poll_keeps_its_budget),
        cmocka_unit_test(test_doorbells_are_few),
        cmocka_unit_test(test_slices_are_sent_as_they_are),
        cmocka_unit_test(test_what_cannot_be_sent_is_dropped),
        cmocka_unit_test(test_the_filter),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_bad_frames_do_not_come),
        cmocka_unit_test(test_checksums_are_checked_by_the_card),
        cmocka_unit_test(test_one_interrupt_until_armed_again),
        cmocka_unit_test(test_causes_that_nobody_wants),
        cmocka_unit_test(test_the_link_changes_while_nobody_waits),
        cmocka_unit_test(test_armed_with_a_frame_there),
        cmocka_unit_test(test_an_interrupt_of_another_device),
        cmocka_unit_test(test_a_full_ring_wakes_when_there_is_room),
        cmocka_unit_test(test_a_full_ring_and_somebody_polls),
        cmocka_unit_test(test_a_sender_makes_room_by_itself),
        cmocka_unit_test(test_room_comes_before_the_wish_for_it),
        cmocka_unit_test(test_an_empty_pool_drops_and_recovers),
        cmocka_unit_test(test_frames_without_buffers_are_counted),
        cmocka_unit_test(test_small_rings_where_memory_is_short),
        cmocka_unit_test(test_the_link_goes_and_comes),
        cmocka_unit_test(test_cards_have_the_name_of_their_kind),
        cmocka_unit_test(test_frames_tell_nothing_of_the_link),
        cmocka_unit_test(test_frames_that_wait_go_with_the_link),
        cmocka_unit_test(test_starts_without_a_link),
        cmocka_unit_test(test_the_address_is_the_eeproms),
        cmocka_unit_test(test_or_the_registers),
        cmocka_unit_test(test_no_address_no_card),
        cmocka_unit_test(test_cards_that_are_left_out),
        cmocka_unit_test(test_its_kin_are_found),
        cmocka_unit_test(test_set_up),
        cmocka_unit_test(test_out_of_memory_at_start),
        cmocka_unit_test(test_does_not_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
