/*
 * The driver of the hosted cards over a host that the test plays: what it asks
 * of it, and what it makes of each answer.
 */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/leaf.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>

enum { UNITS = 27, IRQ = 240, QUEUES = 3, FRAME_MAX = 65549 };

/* ---- The host, in place of leaf_net.c ------------------------------------ */

static unsigned net_count;
static struct hal_net_info net_info[UNITS];
static bool link;
static int open_status[QUEUES]; /* 0: it opens */
static unsigned opened_by[QUEUES];

static int send_status;
static unsigned send_room; /* frames until there is none; 0: no end */
static unsigned send_queue;
static uint8_t sent[FRAME_MAX];
static struct hal_net_frame sent_frame;

/* What comes: a length, or an error; 0 ends it. The bytes of a frame are its
 * length's lowest. */
static const int *lengths;
static struct hal_net_frame said; /* of each frame that comes */
static size_t room;               /* for the last one */
static unsigned arms;
static bool arm_answer;

int leaf_nets_open(const struct host_config *config)
{
    (void)config;
    return 0;
}

void leaf_nets_close(void)
{
}

int hal_net_info(unsigned unit, struct hal_net_info *info)
{
    if (unit >= net_count)
        return -ENODEV;
    *info = net_info[unit];
    return 0;
}

int hal_net_open(unsigned unit, unsigned queue)
{
    assert_int_equal(unit, 0);
    assert_true(queue < QUEUES);
    if (open_status[queue] != 0)
        return open_status[queue];
    opened_by[queue] = hal_cpu_id();
    return IRQ + (int)queue;
}

/* How many frames each call was for. */
static unsigned wishes[64], call_count;

static void call_note(unsigned count)
{
    wishes[call_count++ % COUNT_OF(wishes)] = count;
}

static int send_one(unsigned unit, unsigned queue,
                    const struct hal_net_frame *frame)
{
    size_t at = 0;

    assert_int_equal(unit, 0);
    send_queue = queue;
    if (send_status != 0)
        return send_status;
    assert_true(frame->vec_count <= HAL_NET_VECS);
    for (unsigned i = 0; i < frame->vec_count; i++) {
        memcpy(sent + at, frame->vec[i].base, frame->vec[i].len);
        at += frame->vec[i].len;
    }
    assert_int_equal(at, frame->len);
    sent_frame = *frame;
    return 0;
}

unsigned hal_net_send_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count)
{
    call_note(count);
    for (unsigned i = 0; i < count; i++) {
        frames[i].status = send_one(unit, queue, &frames[i]);
        if (frames[i].status == -EAGAIN)
            return i;
        if (send_room > 0 && --send_room == 0)
            send_status = -EAGAIN;
    }
    return count;
}

static int recv_one(unsigned unit, unsigned queue, struct hal_net_frame *frame)
{
    const struct hal_vec *vec = frame->vec;
    size_t left;

    assert_int_equal(unit, 0);
    assert_int_equal(queue, 0);
    room = 0;
    for (unsigned i = 0; i < frame->vec_count; i++)
        room += vec[i].len;
    if (*lengths <= 0)
        return *lengths == 0 ? -EAGAIN : *lengths++;
    left = (size_t)*lengths++;
    assert_true(left <= room);
    said.vec = vec;
    said.vec_count = frame->vec_count;
    said.len = (uint32_t)left;
    *frame = said;
    for (; left > 0; vec++) {
        size_t part = left < vec->len ? left : vec->len;

        memset(vec->base, (int)said.len, part);
        left -= part;
    }
    return 0;
}

unsigned hal_net_recv_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count)
{
    call_note(count);
    for (unsigned i = 0; i < count; i++) {
        int status = recv_one(unit, queue, &frames[i]);

        if (status == -EAGAIN)
            return i;
        frames[i].status = status;
    }
    return count;
}

bool hal_net_arm(unsigned unit, unsigned queue, bool on)
{
    assert_int_equal(unit, 0);
    assert_int_equal(queue, 0);
    arms += on;
    return arm_answer;
}

bool hal_net_link(unsigned unit)
{
    assert_int_equal(unit, 0);
    return link;
}

/* ---- A card -------------------------------------------------------------- */

static struct net_device *card;
static struct packet *got[64];
static unsigned got_count, wakes;

#define QUEUE (&card->queues[0])

static void host_reset(void)
{
    static const int none[] = {0};

    net_count = 0;
    link = true;
    memset(open_status, 0, sizeof(open_status));
    send_status = 0;
    send_room = call_count = 0;
    lengths = none;
    said = (struct hal_net_frame){.len = 0};
    arms = 0;
    arm_answer = true;
    for (unsigned i = 0; i < UNITS; i++)
        net_info[i] =
            (struct hal_net_info){.mac = {0x52, 0x14, 0x23, 0x34, 0x45, 0x56},
                                  .mtu = 1400,
                                  .queue_count = 1,
                                  .frame_max = 1414};
}

static int setup(void **state)
{
    (void)state;
    host_reset();
    console_forget();
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static void wake(struct net_queue *queue)
{
    assert_ptr_equal(queue, QUEUE);
    wakes++;
}

static void card_find(void)
{
    net_count = 1;
    assert_int_equal(leaf_net_driver.probe(), 0);
    card = net_from_device(device_by_name("net0"));
    assert_non_null(card);
}

static void card_start(void)
{
    card_find();
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake;
    got_count = wakes = 0;
}

/* Packets that came are kept in got[]. */
static unsigned poll(unsigned max)
{
    unsigned count;

    assert_true(got_count + max <= COUNT_OF(got));
    count = net_poll(QUEUE, got + got_count, max);
    for (unsigned i = 0; i < count; i++) {
        struct packet *packet = got[got_count + i];
        uint8_t byte;

        packet_check(packet);
        for (size_t at = 0; at < packet_len(packet); at++) {
            assert_int_equal(packet_read(packet, at, &byte, 1), 1);
            assert_int_equal(byte, (uint8_t)packet_len(packet));
        }
    }
    got_count += count;
    return count;
}

static void got_put(void)
{
    while (got_count > 0)
        packet_put(got[--got_count]);
}

static void interrupt(unsigned queue)
{
    irq_raise(IRQ + (int)queue);
    thread_yield();
    thread_yield();
}

/* ---- Finding and starting ------------------------------------------------ */

/* There are names for 26. */
static void test_cards_are_found(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x14, 0x23, 0x34, 0x45, 0x56};
    struct mem_stats before = stats();

    (void)state;
    net_count = 27;
    net_info[25].offloads = HAL_NET_TX_CSUM | HAL_NET_RX_LARGE;
    net_info[25].queue_count = 99;
    net_info[24].offloads = HAL_NET_TX_TCP4 | HAL_NET_TX_TCP6 | HAL_NET_RX_CSUM;
    assert_int_equal(leaf_net_driver.probe(), 0);
    assert_int_equal(stats().block_count, before.block_count + 26);
    card = net_from_device(device_by_name("net25"));
    assert_non_null(card);
    assert_int_equal(card->mtu, 1400);
    assert_memory_equal(card->mac, mac, 6);
    assert_int_equal(card->offloads, NET_TX_CSUM | NET_RX_LARGE);
    assert_int_equal(card->queue_max, NET_QUEUE_MAX);
    assert_true(console_has("net25: 52:14:23:34:45:56, hosted\n"));
    assert_false(console_has("net26"));
    card = net_from_device(device_by_name("net24"));
    assert_int_equal(card->offloads, NET_TX_TCP4 | NET_TX_TCP6 | NET_RX_CSUM);
}

static void test_probe_out_of_memory(void **state)
{
    struct mem_stats before = stats();

    (void)state;
    net_count = 1;
    heap_fail(1);
    assert_int_equal(leaf_net_driver.probe(), -ENOMEM);
    assert_int_equal(stats().block_count, before.block_count);
    assert_null(device_by_name("net0"));
}

/* As device_dedicate() does, without what it does around it. */
static int start_alone(void)
{
    static const unsigned cpus[] = {0};
    int status;

    card->device.cpus = cpus;
    card->device.cpu_count = 1;
    status = card->device.start(&card->device);
    card->device.cpu_count = 0;
    return status;
}

/* Each allocation fails once; nothing is left behind, and then it starts. */
static void test_start_out_of_memory(void **state)
{
    struct mem_stats before;
    unsigned fails = 0;

    (void)state;
    net_info[0].frame_max = FRAME_MAX;
    card_find();
    before = stats();
    for (;; fails++) {
        heap_fail(fails + 1);
        if (start_alone() == 0)
            break;
        heap_fail(0);
        /* The pool itself stays. */
        assert_in_range(stats().block_count, before.block_count,
                        before.block_count + 1);
        assert_int_equal(packet_free_count(), 0);
        irq_raise(IRQ); /* for nobody */
    }
    heap_fail(0);
    assert_true(fails >= 4);
}

static void test_queues_that_cannot_be_opened(void **state)
{
    static const int errors[] = {-EBUSY, -ENODEV, IRQ_COUNT};

    (void)state;
    card_find();
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        open_status[0] = errors[i];
        assert_int_not_equal(start_alone(), 0);
    }
    open_status[0] = 0;
    assert_int_equal(start_alone(), 0);
}

/* ---- Out ----------------------------------------------------------------- */

/* With the pass that gives it to the host. 0: the driver has taken it. */
static int send(struct packet *packet)
{
    unsigned taken = net_send(QUEUE, &packet, 1);

    thread_yield();
    return taken == 1 ? 0 : -EAGAIN;
}

static struct packet *packet_make(size_t len)
{
    struct packet *packet = packet_get();

    assert_non_null(packet);
    memset(packet_append(packet, len), 0x77, len);
    return packet;
}

static void test_a_card_sends(void **state)
{
    unsigned free_count;
    struct packet *packet;

    (void)state;
    card_start();
    free_count = packet_free_count();
    packet = packet_make(60);
    assert_int_equal(net_send(QUEUE, &packet, 1), 1);
    assert_int_equal(call_count, 0); /* it waits for the pass */
    assert_int_equal(packet_free_count(), free_count - 1);
    thread_yield();
    assert_int_equal(call_count, 1);
    assert_int_equal(packet_free_count(), free_count);
    assert_int_equal(sent_frame.len, 60);
    assert_false(sent_frame.csum_partial);
    assert_int_equal(sent_frame.segments, HAL_NET_WHOLE);
    assert_int_equal(sent[0], 0x77);
    assert_int_equal(sent[59], 0x77);
    assert_int_equal(QUEUE->tx_frames, 1);
    assert_int_equal(QUEUE->tx_bytes, 60);
    interrupt(0);
    assert_int_equal(call_count, 1); /* nothing waits */
}

/* What the host has no room for waits for its interrupt. */
static void test_the_host_has_no_room(void **state)
{
    unsigned free_count;

    (void)state;
    card_start();
    free_count = packet_free_count();
    send_status = -EAGAIN;
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(send(packet_make(60 + i)), 0);
    assert_int_equal(packet_free_count(), free_count - 32);
    assert_int_equal(QUEUE->tx_frames, 0);
    assert_int_equal(wakes, 0);
    send_status = 0;
    send_room = 31;
    interrupt(0);
    assert_int_equal(QUEUE->tx_frames, 31);
    assert_int_equal(sent_frame.len, 60 + 30);
    assert_int_equal(wakes, 1);
    send_status = 0;
    send_room = 0;
    interrupt(0);
    assert_int_equal(sent_frame.len, 60 + 31);
    assert_int_equal(packet_free_count(), free_count);
}

/* What can never be sent, or is lost, counts as taken. */
static void test_frames_that_are_lost(void **state)
{
    static const int errors[] = {-EMSGSIZE, -EIO, -ENODEV};
    unsigned free_count;

    (void)state;
    card_start();
    free_count = packet_free_count();
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        send_status = errors[i];
        assert_int_equal(send(packet_make(60)), 0);
        assert_int_equal(QUEUE->tx_dropped, i + 1);
    }
    assert_int_equal(QUEUE->tx_frames, 0);
    assert_int_equal(packet_free_count(), free_count);
}

static void test_many_are_sent_at_once(void **state)
{
    struct packet *packets[10];

    (void)state;
    card_start();
    for (unsigned i = 0; i < 10; i++)
        packets[i] = packet_make(60 + i);
    assert_int_equal(net_send(QUEUE, packets, 10), 10);
    thread_yield();
    assert_int_equal(call_count, 1);
    assert_int_equal(sent_frame.len, 69);
    assert_int_equal(QUEUE->tx_frames, 10);
}

/* The host is called once for 32; what does not fit those that wait stays the
 * sender's. */
static void test_more_than_the_host_has_room_for(void **state)
{
    struct packet *packets[73];
    unsigned free_count;

    (void)state;
    card_start();
    free_count = packet_free_count();
    for (unsigned i = 0; i < 73; i++)
        packets[i] = packet_make(60 + i);
    send_room = 40;
    assert_int_equal(net_send(QUEUE, packets, 73), 72);
    assert_int_equal(wishes[0], 32);
    assert_int_equal(wishes[1], 32);
    assert_int_equal(QUEUE->tx_frames, 40);
    assert_int_equal(sent_frame.len, 60 + 39);
    assert_int_equal(packet_free_count(), free_count - 33);
    assert_int_equal(net_send(QUEUE, packets + 72, 1), 0);
    send_status = 0;
    interrupt(0);
    assert_int_equal(wakes, 1);
    assert_int_equal(QUEUE->tx_frames, 72);
    assert_int_equal(sent_frame.len, 60 + 71);
    assert_int_equal(send(packets[72]), 0);
    assert_int_equal(sent_frame.len, 60 + 72);
    assert_int_equal(packet_free_count(), free_count);
}

/* Of as many pieces as a packet may have. */
static void test_slices_are_sent(void **state)
{
    struct buf *buf = buf_alloc(PACKET_SLICES * 100);
    struct packet *packet;

    (void)state;
    card_start();
    packet = packet_make(54);
    for (unsigned i = 0; i < PACKET_SLICES; i++) {
        memset(buf->base + i * 100, (int)i, 100);
        buf_get(buf);
        assert_int_equal(
            packet_add_slice(packet, (struct slice){buf, i * 100, 50}), 0);
    }
    assert_int_equal(send(packet), 0);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(sent_frame.len, 54 + PACKET_SLICES * 50);
    assert_int_equal(sent[53], 0x77);
    for (unsigned i = 0; i < PACKET_SLICES; i++) {
        assert_int_equal(sent[54 + i * 50], i);
        assert_int_equal(sent[54 + i * 50 + 49], i);
    }
}

/* Places in the buffer become places in the frame. */
static void test_offloads_are_asked_for(void **state)
{
    struct packet *packet;

    (void)state;
    card_start();
    packet = packet_make(60);
    packet->offload =
        (struct packet_offload){.csum_partial = true,
                                .segments = PACKET_TCP6,
                                .segment_len = 1000,
                                .headers_len = 54,
                                .csum_start = PACKET_HEADROOM + 34,
                                .csum_at = PACKET_HEADROOM + 50};
    assert_int_equal(packet_pull(packet, 2), 0);
    assert_int_equal(send(packet), 0);
    assert_true(sent_frame.csum_partial);
    assert_int_equal(sent_frame.csum_start, 32);
    assert_int_equal(sent_frame.csum_at, 48);
    assert_int_equal(sent_frame.segments, HAL_NET_TCP6);
    assert_int_equal(sent_frame.segment_len, 1000);
    assert_int_equal(sent_frame.headers_len, 54);
    packet = packet_make(60);
    packet->offload.segments = PACKET_TCP4;
    assert_int_equal(send(packet), 0);
    assert_int_equal(sent_frame.segments, HAL_NET_TCP4);
    assert_false(sent_frame.csum_partial);
}

/* ---- In ------------------------------------------------------------------ */

/* What was too long was received, too: it counts, but is dropped. */
static void test_a_card_receives(void **state)
{
    static const int come[] = {60, 1514, -EMSGSIZE, 14, 61, 62, 0};
    unsigned free_count;

    (void)state;
    card_start();
    free_count = packet_free_count();
    lengths = come;
    assert_false(net_arm(QUEUE, true)); /* it has not looked */
    assert_int_equal(poll(0), 0);
    assert_int_equal(poll(4), 3);
    assert_false(net_arm(QUEUE, true)); /* there is more */
    assert_int_equal(arms, 0);
    assert_int_equal(got_count, 3);
    assert_int_equal(packet_len(got[0]), 60);
    assert_int_equal(packet_len(got[1]), 1514);
    assert_int_equal(packet_len(got[2]), 14);
    assert_int_equal(QUEUE->rx_dropped, 1);
    assert_int_equal(poll(4), 2);
    assert_true(net_arm(QUEUE, true));
    assert_int_equal(arms, 1);
    arm_answer = false;
    assert_false(net_arm(QUEUE, true)); /* one has come meanwhile */
    arm_answer = true;
    assert_true(net_arm(QUEUE, false));
    assert_int_equal(arms, 2);
    assert_int_equal(QUEUE->rx_frames, 5);
    assert_int_equal(QUEUE->rx_bytes, 60 + 1514 + 14 + 61 + 62);
    assert_int_equal(QUEUE->rx_dropped, 1);
    got_put();
    assert_int_equal(packet_free_count(), free_count);
    assert_int_equal(room, PACKET_SIZE - PACKET_HEADROOM);
}

/* It asks for more as long as more are there, and for little when little is. */
static void test_batches_grow_and_shrink(void **state)
{
    static const unsigned want[] = {2, 4, 8, 16, 32, 1, 2, 4, 2, 1};
    int come[67];

    (void)state;
    card_start();
    for (unsigned i = 0; i < 66; i++)
        come[i] = 60;
    come[66] = 0;
    lengths = come;
    assert_int_equal(poll(62), 62);
    assert_false(net_arm(QUEUE, true)); /* there may be more */
    got_put();
    assert_int_equal(poll(1), 1);
    assert_int_equal(poll(8), 3);
    assert_true(net_arm(QUEUE, true));
    assert_int_equal(poll(8), 0);
    assert_int_equal(poll(1), 0);
    assert_int_equal(call_count, COUNT_OF(want));
    for (unsigned i = 0; i < COUNT_OF(want); i++)
        assert_int_equal(wishes[i], want[i]);
    got_put();
}

static void test_what_the_host_says(void **state)
{
    static const int come[] = {60, 60, 60, 60, 60, 0};
    const struct packet_offload *offload;

    (void)state;
    card_start();
    lengths = come;
    said.csum_valid = true;
    assert_int_equal(poll(1), 1);
    offload = &got[0]->offload;
    assert_true(offload->csum_valid);
    assert_false(offload->csum_partial);
    assert_int_equal(offload->segments, PACKET_WHOLE);

    said = (struct hal_net_frame){.csum_partial = true,
                                  .csum_start = 34,
                                  .csum_at = 58,
                                  .segments = HAL_NET_TCP4,
                                  .segment_len = 100,
                                  .headers_len = 54};
    assert_int_equal(poll(1), 1);
    offload = &got[1]->offload;
    assert_false(offload->csum_valid);
    assert_true(offload->csum_partial);
    assert_int_equal(offload->csum_start, PACKET_HEADROOM + 34);
    assert_int_equal(offload->csum_at, PACKET_HEADROOM + 58);
    assert_int_equal(offload->segments, PACKET_TCP4);
    assert_int_equal(offload->segment_len, 100);
    assert_int_equal(offload->headers_len, 54);

    /* Nonsense is dropped. */
    said.csum_at = 59;
    assert_int_equal(poll(1), 0);
    said.csum_at = 50;
    said.segments = 3;
    assert_int_equal(poll(1), 0);
    assert_int_equal(QUEUE->rx_dropped, 2);
    said.segments = HAL_NET_TCP6;
    assert_int_equal(poll(1), 1);
    assert_int_equal(got[2]->offload.segments, PACKET_TCP6);
    got_put();
}

/* Without packets nothing is taken from the host, and nothing is lost. */
static void test_no_packets(void **state)
{
    static const int come[] = {60, 61, 0};
    struct packet *hoard[600];
    unsigned count = 0;

    (void)state;
    card_start();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    lengths = come;
    assert_int_equal(poll(8), 0);
    assert_false(net_arm(QUEUE, true));
    packet_put(hoard[--count]);
    assert_int_equal(poll(8), 1);
    while (count > 0)
        packet_put(hoard[--count]);
    assert_int_equal(poll(8), 1);
    assert_true(net_arm(QUEUE, true));
    got_put();
}

enum {
    FIRST = PACKET_SIZE - PACKET_HEADROOM,
    LARGE = 16 * 1024,
};

/* clang-format off */
static const struct {
    const char *name;
    int len;
    unsigned slices;
} large_rows[] = {
    {"small", 60, 0}, {"all of the first part", FIRST, 0},
    {"one byte more", FIRST + 1, 1}, {"one slice", FIRST + LARGE, 1},
    {"two slices", FIRST + LARGE + 1, 2},
    {"longest", FRAME_MAX, 4},
};
/* clang-format on */

static void test_large_frames(void **state)
{
    unsigned free_count;
    int come[2] = {0};

    (void)state;
    net_info[0].frame_max = FRAME_MAX;
    net_info[0].offloads = HAL_NET_RX_LARGE;
    card_start();
    free_count = packet_free_count();
    for (size_t i = 0; i < 10 * COUNT_OF(large_rows); i++) {
        size_t row = i % COUNT_OF(large_rows);

        come[0] = large_rows[row].len;
        lengths = come;
        ROW(large_rows[row].name, poll(1) == 1);
        assert_true(room >= FRAME_MAX);
        ROW(large_rows[row].name,
            (int)packet_len(got[0]) == large_rows[row].len);
        ROW(large_rows[row].name,
            got[0]->slice_count == large_rows[row].slices);
        got_put();
    }
    assert_int_equal(packet_free_count(), free_count);
}

/* The host is offered room for the longest frame, and no buffer more. */
static void test_room_for_the_longest_frame(void **state)
{
    static const struct {
        uint32_t frame_max;
        size_t room;
    } rows[] = {
        {FIRST, FIRST},
        {FIRST + 1, FIRST + LARGE},
        {FIRST + LARGE, FIRST + LARGE},
        {FIRST + LARGE + 1, FIRST + 2 * LARGE},
        {FIRST + 3 * LARGE, FIRST + 3 * LARGE},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        net_info[0].frame_max = rows[i].frame_max;
        card_start();
        assert_int_equal(poll(1), 0);
        assert_int_equal(room, rows[i].room);
        (void)teardown(state);
        (void)setup(state);
    }
}

/* There are 64 buffers for what is long. */
static void test_no_large_buffers(void **state)
{
    int come[40];

    (void)state;
    net_info[0].frame_max = FRAME_MAX;
    card_start();
    for (unsigned i = 0; i < 39; i++)
        come[i] = FRAME_MAX;
    come[39] = 0;
    lengths = come;
    assert_int_equal(poll(40), 16);
    assert_false(net_arm(QUEUE, true));
    assert_int_equal(poll(10), 0);
    packet_put(got[--got_count]);
    assert_int_equal(poll(10), 1);
    got_put();
    assert_int_equal(poll(40), 16);
    got_put();
    assert_int_equal(poll(40), 39 - 33);
    assert_true(net_arm(QUEUE, true));
    got_put();
}

/* ---- Interrupts and the link --------------------------------------------- */

static void test_a_card_interrupts(void **state)
{
    (void)state;
    card_start();
    thread_yield();
    thread_yield();
    assert_int_equal(wakes, 0);
    interrupt(0);
    assert_int_equal(wakes, 1);
}

static unsigned link_changes;

static void link_changed(struct net_device *dev)
{
    assert_ptr_equal(dev, card);
    link_changes++;
}

static void test_the_link(void **state)
{
    (void)state;
    link = false;
    card_start();
    assert_false(card->link_up);
    card->link_changed = link_changed;
    link_changes = 0;
    interrupt(0);
    assert_int_equal(link_changes, 0);
    link = true;
    interrupt(0);
    assert_int_equal(link_changes, 1);
    assert_true(card->link_up);
    link = false;
    interrupt(0);
    assert_int_equal(link_changes, 2);
    assert_true(console_has("net0: link down\n"));
}

/* ---- Queues -------------------------------------------------------------- */

static int send_there(void *arg)
{
    struct packet *packet = packet_make(60);

    (void)arg;
    assert_non_null(net_queue_mine(card));
    assert_int_equal(net_send(net_queue_mine(card), &packet, 1), 1);
    thread_yield();
    return 0;
}

/* On a machine of three CPUs: each queue is opened, and used, by its own. */
static int on_three_cpus(void *arg)
{
    static const unsigned cpus[] = {2, 0, 1};

    (void)arg;
    net_info[0].queue_count = 3;
    card_find();
    open_status[2] = -EBUSY;
    if (net_dedicate(card, cpus, 3) != -EBUSY)
        return 1;
    open_status[2] = 0;
    if (net_dedicate(card, cpus, 3) != 0 || card->queue_count != 3)
        return 2;
    for (unsigned i = 0; i < 3; i++) {
        if (opened_by[i] != cpus[i])
            return 3;
        if (remote_call(cpus[i], send_there, NULL) != 0 || send_queue != i)
            return 4;
    }
    return 0;
}

static void test_queues_of_several_cpus(void **state)
{
    (void)state;
    host_reset();
    assert_int_equal(machine_run(3, 16 << 20, on_three_cpus, NULL), 0);
}

/* As many packets as the memory allows. */
static void test_memory(void **state)
{
    (void)state;
    host_reset();
    machine_attach(8 << 20);
    card_start();
    assert_int_equal(packet_free_count(), 128);
    machine_detach();
    machine_attach(64 << 20);
    card_start();
    assert_int_equal(packet_free_count(), 512);
    machine_detach();
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_cards_are_found),
        READY(test_probe_out_of_memory),
        READY(test_start_out_of_memory),
        READY(test_queues_that_cannot_be_opened),
        READY(test_a_card_sends),
        READY(test_the_host_has_no_room),
        READY(test_frames_that_are_lost),
        READY(test_many_are_sent_at_once),
        READY(test_more_than_the_host_has_room_for),
        READY(test_slices_are_sent),
        READY(test_offloads_are_asked_for),
        READY(test_a_card_receives),
        READY(test_batches_grow_and_shrink),
        READY(test_what_the_host_says),
        READY(test_no_packets),
        READY(test_large_frames),
        READY(test_room_for_the_longest_frame),
        READY(test_no_large_buffers),
        READY(test_a_card_interrupts),
        READY(test_the_link),
        cmocka_unit_test(test_queues_of_several_cpus),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
