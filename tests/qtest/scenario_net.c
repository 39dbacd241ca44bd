#include "tests/qtest/scenario_net.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>
#include <torc/device.h>
#include <torc/time.h>

const uint8_t scenario_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
const uint8_t scenario_peer_mac[6] = {0x52, 0x55, 10, 0, 2, 2};

enum {
    HEADER = 24, /* Ethernet's 14; what series, and where in it; 2 free */
    FRAME_MIN = 60,
    TYPE = 0x88b5, /* IEEE 802: for local experiments */
    BURST = 32,
    FLOOD = 400,     /* more than a ring has room for */
    FLOOD_SLOW = 40, /* the same for a slow card */
    QUEUE = 64,      /* frames that the card has given us and nobody took */
    QUIET = 100,     /* looks, a millisecond apart: a machine that stands still
                    meanwhile has looked once */
    LOSSY_AHEAD = 8, /* of those there is always room for so many frames */
    FILL_MAX = 1000, /* where frames leave a card that nobody takes from it, */
    FILL_SLOW = 60,  /* or a slow card */
    PATIENCE_S = 30,
};

static struct net_device *card;
static bool takes_large; /* the user of the card */

/* Each machine has its series, so that what is left of the one before can be
 * told from it. */
static uint32_t series;
static uint32_t sent_by_card, sent_to_card;     /* numbers of frames */
static uint32_t taken_of_card, taken_from_card; /* at the other end */

/* ---- Frames -------------------------------------------------------------- */

/* Frame `number` of the series: its length, and each byte. */
static size_t frame_length(uint32_t number)
{
    static const size_t lengths[] = {60,   61,   62,   63,   64,   65,   66,
                                     100,  127,  128,  129,  255,  256,  257,
                                     511,  512,  513,  576,  1023, 1024, 1025,
                                     1280, 1499, 1500, 1512, 1513, 1514};

    return lengths[number % (sizeof(lengths) / sizeof(lengths[0]))];
}

static size_t frame_make(uint8_t *frame, bool by_card, uint32_t number)
{
    size_t len = frame_length(number);

    memcpy(frame, by_card ? scenario_peer_mac : scenario_mac, 6);
    memcpy(frame + 6, by_card ? scenario_mac : scenario_peer_mac, 6);
    be16_put(frame + 12, TYPE);
    be32_put(frame + 14, series);
    be32_put(frame + 18, number);
    for (size_t i = 22; i < len; i++)
        frame[i] = (uint8_t)(i * (number * 2 + 1) + number / 7 + by_card);
    return len;
}

static bool may_skip; /* frames to the card may have been lost */

/* Whether a frame is of this series; then it must be frame *number, which is
 * the next one afterwards. */
static bool frame_check(const uint8_t *frame, size_t len, bool by_card,
                        uint32_t *number)
{
    uint8_t wanted[SCENARIO_FRAME_MAX];
    uint32_t got;

    if (len < HEADER || be16_get(frame + 12) != TYPE)
        fail_msg("a frame of %zu bytes that nobody has sent", len);
    if (be32_get(frame + 14) != series)
        return false;
    got = be32_get(frame + 18);
    if (got != *number && !(may_skip && !by_card && got > *number))
        fail_msg("frame %u instead of frame %u", got, *number);
    assert_int_equal(len, frame_make(wanted, by_card, got));
    assert_memory_equal(frame, wanted, len);
    *number = got + 1;
    return true;
}

/* ---- The card's end ------------------------------------------------------ */

static struct {
    uint8_t frame[SCENARIO_FRAME_MAX];
    size_t len;
} queue[QUEUE];
static unsigned queue_in, queue_out;

static void queue_add(struct packet *packet)
{
    size_t len = packet_len(packet);

    assert_true(queue_in - queue_out < QUEUE);
    assert_true(len <= SCENARIO_FRAME_MAX);
    queue[queue_in % QUEUE].len = len;
    assert_int_equal(packet_read(packet, 0, queue[queue_in % QUEUE].frame, len),
                     len);
    queue_in++;
    packet_put(packet);
}

static bool is_woken;   /* the card says that there is something to poll */
static bool is_refused; /* it had no room; when it has, it wakes us */

static void card_woken(struct net_queue *of)
{
    assert_ptr_equal(of, &card->queues[0]);
    is_woken = true;
}

/* Poll the card if it wants it, as a stack does. */
static void card_poll(void)
{
    struct packet *packets[QUEUE];
    unsigned count;

    if (queue_in != queue_out || !is_woken)
        return;
    is_refused = false;
    (void)net_arm(&card->queues[0], false);
    count = net_poll(&card->queues[0], packets, QUEUE);
    for (unsigned i = 0; i < count; i++)
        queue_add(packets[i]);
    is_woken = count == QUEUE || !net_arm(&card->queues[0], true);
}

/* Whether the next frame has come. */
static bool card_take(void)
{
    card_poll();
    if (queue_in == queue_out)
        return false;
    (void)frame_check(queue[queue_out % QUEUE].frame,
                      queue[queue_out % QUEUE].len, false, &taken_of_card);
    queue_out++;
    return true;
}

/* Whether the card takes the next frame. */
static bool card_send(void)
{
    uint8_t frame[SCENARIO_FRAME_MAX];
    size_t len = frame_make(frame, true, sent_by_card);
    struct packet *packet = is_refused ? NULL : packet_get();
    uint8_t *at = packet == NULL ? NULL : packet_append(packet, len);

    if (at == NULL) {
        packet_put(packet);
        return false;
    }
    memcpy(at, frame, len);
    if (net_send(&card->queues[0], &packet, 1) == 0) {
        packet_put(packet);
        is_refused = true;
        return false;
    }
    sent_by_card++;
    return true;
}

/* ---- The other end ------------------------------------------------------- */

static bool cable_send(const struct net_side *side)
{
    uint8_t frame[SCENARIO_FRAME_MAX];
    size_t len = frame_make(frame, false, sent_to_card);

    if (!side->cable_send(side, frame, len))
        return false;
    sent_to_card++;
    return true;
}

static bool cable_take(const struct net_side *side)
{
    uint8_t frame[SCENARIO_FRAME_MAX + 1];
    size_t len = side->cable_take(side, frame, sizeof(frame));

    if (len == 0)
        return false;
    (void)frame_check(frame, len, true, &taken_from_card);
    return true;
}

/* ---- Traffic ------------------------------------------------------------- */

/* What has been sent has arrived, at both ends. */
static bool is_quiet(void)
{
    return taken_from_card == sent_by_card && taken_of_card == sent_to_card;
}

/*
 * Send so many frames from either end, as soon as they are taken, and wait
 * until all have arrived. At most `ahead` are under way.
 */
static void carry(const struct net_side *side, struct transcript *out,
                  uint32_t by_card, uint32_t to_card, uint32_t ahead)
{
    uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;
    uint32_t last_by = sent_by_card + by_card, last_to = sent_to_card + to_card;
    uint32_t ahead_to =
        side->is_lossy && ahead > LOSSY_AHEAD ? LOSSY_AHEAD : ahead;

    while (sent_by_card < last_by || sent_to_card < last_to || !is_quiet()) {
        bool moved = false;

        if (sent_by_card < last_by && sent_by_card - taken_from_card < ahead)
            moved = card_send();
        if (sent_to_card < last_to && sent_to_card - taken_of_card < ahead_to)
            moved |= cable_send(side);
        moved |= cable_take(side);
        moved |= card_take();
        if (moved)
            thread_yield();
        else
            thread_sleep(50 * NS_PER_US);
        if (time_ns() >= end)
            fail_msg("of %u frames sent %u arrived, of %u to the card %u",
                     sent_by_card, taken_from_card, sent_to_card,
                     taken_of_card);
    }
    transcript_add(out, "carried %u and %u, %u at a time", by_card, to_card,
                   ahead);
}

/* What has not been lost arrives. */
static void settle(const struct net_side *side)
{
    may_skip = true;
    for (unsigned quiet = 0; quiet < QUIET;) {
        if (card_take() || cable_take(side)) {
            quiet = 0;
        } else {
            quiet++;
            thread_sleep(NS_PER_MS);
        }
    }
    may_skip = false;
    taken_of_card = sent_to_card;
}

/* Send until nothing is taken for a while, or for long; nobody takes what
 * arrives. */
static void fill(const struct net_side *side, struct transcript *out,
                 bool by_card)
{
    uint32_t before = by_card ? sent_by_card : sent_to_card;
    uint32_t most = side->is_slow ? FILL_SLOW : FILL_MAX;
    uint32_t count = 0;
    unsigned quiet = 0;

    while (count < most && quiet < QUIET) {
        card_poll();
        if (by_card ? card_send() : cable_send(side)) {
            quiet = 0;
            thread_yield();
        } else {
            quiet++;
            thread_sleep(NS_PER_MS);
        }
        count = (by_card ? sent_by_card : sent_to_card) - before;
    }
    transcript_add(out, "%s is full: %s", by_card ? "the card" : "the cable",
                   count >= 8 ? "yes" : "at once");
    if (side->is_lossy)
        settle(side);
    carry(side, out, BURST, BURST, UINT32_MAX); /* all that, and more */
}

/* The cable is pulled, and put in again. */
static void link_changes(const struct net_side *side, struct transcript *out)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;
        bool up = i % 2 != 0;

        side->link(side, up);
        while (card->link_up != up && time_ns() < end) {
            card_poll();
            thread_sleep(NS_PER_MS);
        }
        assert_int_equal(card->link_up, up);
        transcript_add(out, "the link is %s", card->link_up ? "up" : "down");
        if (up)
            carry(side, out, BURST, BURST, 4);
    }
}

/* The card is reset; what is sent afterwards arrives. */
static void resets(const struct net_side *side, struct transcript *out)
{
    for (unsigned i = 0; i < 3; i++) {
        side->reset(card);
        transcript_add(out, "it was reset");
        carry(side, out, BURST, BURST, 4);
        carry(side, out, FLOOD, FLOOD, BURST);
    }
}

/* ---- Machines ------------------------------------------------------------ */

static void machine_begin(const struct net_side *side, struct transcript *out)
{
    side->begin(side);
    series++;
    sent_by_card = sent_to_card = taken_of_card = taken_from_card = 0;
    queue_in = queue_out = 0;
    assert_int_equal(side->driver->probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
    if (card == NULL)
        fail_msg("%s: no card", side->name);
    card->takes_large = takes_large;
    assert_int_equal(net_dedicate(card, (const unsigned[]){0}, 1), 0);
    card->queues[0].wake = card_woken;
    is_woken = true;
    is_refused = false;
    assert_memory_equal(card->mac, scenario_mac, 6);
    transcript_add(out, "%s, MTU %u", card->device.name, card->mtu);
}

void scenario_net(const struct net_side *side, struct transcript *out)
{
    uint32_t flood = side->is_slow ? FLOOD_SLOW : FLOOD;

    side->make(side);
    machine_begin(side, out);
    carry(side, out, 27, 0, 1); /* each length by itself */
    carry(side, out, 0, 27, 1);
    carry(side, out, 27, 27, 1);
    carry(side, out, BURST, 0, BURST);
    carry(side, out, 0, BURST, BURST);
    carry(side, out, flood, flood, BURST);
    carry(side, out, flood, flood, UINT32_MAX);
    fill(side, out, true);
    fill(side, out, false);
    if (side->link != NULL)
        link_changes(side, out);
    if (side->reset != NULL)
        resets(side, out);
    net_check(card);
    side->end(side);

    machine_begin(side, out); /* in good order, */
    carry(side, out, flood, 0, UINT32_MAX);
    for (unsigned i = 0; i < BURST; i++) {
        (void)card_send();
        (void)cable_send(side);
    }
    side->end(side);

    machine_begin(side, out); /* and in the middle */
    carry(side, out, flood, flood, BURST);
    side->end(side);
    side->unmake(side);
}

/* ---- Frames in several buffers ------------------------------------------- */

enum { LARGE_MAX = 9000 };

static uint8_t large[LARGE_MAX];

static void large_make(size_t len)
{
    memcpy(large, scenario_mac, 6);
    memcpy(large + 6, scenario_peer_mac, 6);
    be16_put(large + 12, TYPE);
    be32_put(large + 14, series);
    for (size_t i = 18; i < len; i++)
        large[i] = (uint8_t)(i * 7 + i / 256 + len);
}

/* The packet that has come, or NULL after a while. */
static struct packet *large_poll(void)
{
    uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;
    struct packet *packet = NULL;

    while (net_poll(&card->queues[0], &packet, 1) == 0 && time_ns() < end)
        thread_sleep(50 * NS_PER_US);
    return packet;
}

static void large_carry(const struct net_side *side, struct transcript *out,
                        size_t len)
{
    static uint8_t got[LARGE_MAX];
    struct packet *packet;

    large_make(len);
    while (!side->cable_send(side, large, len))
        thread_sleep(50 * NS_PER_US);
    packet = large_poll();
    assert_non_null(packet);
    packet_check(packet);
    assert_int_equal(packet_len(packet), len);
    assert_int_equal(packet_read(packet, 0, got, len), len);
    assert_memory_equal(got, large, len);
    transcript_add(out, "%zu bytes in %u buffers", len,
                   1U + packet->slice_count);
    packet_put(packet);
}

void scenario_net_large(const struct net_side *side, struct transcript *out)
{
    static const size_t lens[] = {60,   1514, 2036, 2037,
                                  4084, 4085, 6000, LARGE_MAX};

    side->make(side);
    takes_large = true;
    machine_begin(side, out);
    takes_large = false;
    assert_int_equal(card->offloads, NET_RX_LARGE);
    for (unsigned round = 0; round < 100; round++) {
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
            large_carry(side, out, lens[i]);
    }
    is_woken = true;
    carry(side, out, BURST, BURST, 4);
    net_check(card);
    side->end(side);
    side->unmake(side);
}
