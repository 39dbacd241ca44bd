/* The rings of Intel's cards in memory, with a card played by hand: what it may
 * write, and what it should not. */
#include "drivers/e1000_ring.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/memory.h>

enum { RING = 8, PACKETS = 100, TX_RING = 64, DD = 1, EOP = 2 };

static struct net_queue queue;

static void begin(void)
{
    machine_attach(16 << 20);
    assert_int_equal(packet_pool_grow(PACKETS), 0);
    queue = (struct net_queue){0};
}

static void end(void)
{
    assert_int_equal(packet_free_count(), PACKETS);
    machine_detach();
}

/* ---- Receiving ----------------------------------------------------------- */

static struct e1000_rx_ring rx;

static void rx_begin(void)
{
    begin();
    assert_int_equal(e1000_rx_init(&rx, RING), 0);
    e1000_rx_check(&rx);
    assert_int_equal(packet_free_count(), PACKETS - (RING - 1));
    assert_int_equal(e1000_rx_tail(&rx), RING - 1);
    assert_false(e1000_rx_ready(&rx));
}

static void rx_end(void)
{
    e1000_rx_check(&rx);
    e1000_rx_fini(&rx);
    end();
}

/* The card writes the next descriptor but `ahead`. */
static void rx_write(unsigned ahead, uint32_t len, uint32_t status)
{
    struct e1000_desc *desc = &rx.desc[(rx.next + ahead) % RING];

    desc->command = len;
    desc->status = status;
}

/* Poll one descriptor. Returns whether it is a frame, and puts that. */
static bool rx_comes(uint32_t len, bool csum_valid)
{
    struct packet *packet = NULL;
    unsigned done = rx.next;
    bool used = false;
    unsigned count = e1000_rx_take(&rx, &queue, &packet, 1, &used);

    e1000_rx_check(&rx);
    assert_true(used);
    assert_int_equal(rx.next, (done + 1) % RING);
    if (count == 0)
        return false;
    packet_check(packet);
    assert_int_equal(packet->len, len);
    assert_int_equal(packet_len(packet), len);
    assert_int_equal(packet->offload.csum_valid, csum_valid);
    assert_false(packet->offload.csum_partial);
    packet_put(packet);
    return true;
}

static void test_what_a_card_says_of_a_frame(void **state)
{
    static const struct {
        const char *name;
        uint32_t len; /* and what stands beside it */
        uint32_t status;
        bool comes, csum_valid;
    } rows[] = {
        {"a frame", 60, DD | EOP, true, false},
        {"headers only", 14, DD | EOP, true, false},
        {"less than headers", 13, DD | EOP, false, false},
        {"nothing", 0, DD | EOP, false, false},
        {"all of the buffer", 2048, DD | EOP, true, false},
        {"more than the buffer", 2049, DD | EOP, false, false},
        {"far more", 65535, DD | EOP, false, false},
        {"a checksum beside", 60 | 0xffffU << 16, DD | EOP, true, false},
        {"a tag beside", 60, DD | EOP | 0xffffU << 16, true, false},
        {"CE", 60, DD | EOP | 1 << 8, false, false},
        {"SE", 60, DD | EOP | 1 << 9, false, false},
        {"SEQ", 60, DD | EOP | 1 << 10, false, false},
        {"CXE", 60, DD | EOP | 1 << 12, false, false},
        {"RXE", 60, DD | EOP | 1 << 15, false, false},
        {"TCP is right", 60, DD | EOP | 1 << 5, true, true},
        {"and IPv4", 60, DD | EOP | 3 << 5, true, true},
        {"only IPv4", 60, DD | EOP | 1 << 6, true, false},
        {"not checked", 60, DD | EOP | 1 << 2, true, false},
        {"both", 60, DD | EOP | 1 << 2 | 1 << 5, true, false},
        {"TCP is wrong", 60, DD | EOP | 1 << 5 | 1 << 13, true, false},
        {"IPv4 is wrong", 60, DD | EOP | 3 << 5 | 1 << 14, true, false},
        {"a group by its hash", 60, DD | EOP | 1 << 7, true, false},
    };

    (void)state;
    rx_begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t dropped = queue.rx_dropped, frames = queue.rx_frames;

        rx_write(0, rows[i].len, rows[i].status);
        assert_true(e1000_rx_ready(&rx));
        ROW(rows[i].name, rx_comes(rows[i].len & 0xffff, rows[i].csum_valid) ==
                              rows[i].comes);
        ROW(rows[i].name, queue.rx_dropped == dropped + !rows[i].comes);
        ROW(rows[i].name, queue.rx_frames == frames + rows[i].comes);
        assert_false(e1000_rx_ready(&rx));
    }
    rx_end();
}

/* All pieces of a frame that is longer than a buffer are dropped, however many
 * there are, and the next frame is none of them. */
static void test_a_frame_in_pieces(void **state)
{
    (void)state;
    rx_begin();
    for (unsigned pieces = 2; pieces < 12; pieces++) {
        for (unsigned i = 0; i + 1 < pieces; i++) {
            rx_write(0, 2048, DD);
            assert_false(rx_comes(0, false));
        }
        rx_write(0, 100, DD | EOP);
        assert_false(rx_comes(0, false));
        rx_write(0, 100, DD | EOP);
        assert_true(rx_comes(100, false));
    }
    rx_end();
}

/* Without DD nothing has happened, whatever else is written. */
static void test_no_frame_without_done(void **state)
{
    struct packet *packets[RING];
    bool used = false;

    (void)state;
    rx_begin();
    rx_write(0, 60, ~(uint32_t)DD);
    assert_false(e1000_rx_ready(&rx));
    assert_int_equal(e1000_rx_take(&rx, &queue, packets, RING, &used), 0);
    assert_false(used);
    assert_int_equal(queue.rx_dropped, 0);
    rx_end();
}

/* A later one first: frames come in order, when the first is done. */
static void test_done_out_of_order(void **state)
{
    struct packet *packets[RING];
    bool used = false;

    (void)state;
    rx_begin();
    rx_write(1, 61, DD | EOP);
    assert_false(e1000_rx_ready(&rx));
    assert_int_equal(e1000_rx_take(&rx, &queue, packets, RING, &used), 0);
    rx_write(0, 60, DD | EOP);
    assert_int_equal(e1000_rx_take(&rx, &queue, packets, RING, &used), 2);
    assert_true(used);
    assert_int_equal(packets[0]->len, 60);
    assert_int_equal(packets[1]->len, 61);
    packet_put(packets[0]);
    packet_put(packets[1]);
    rx_end();
}

/* A card that says all the time that all is done, what is nobody's, too, is
 * listened to no longer than the caller wants; each buffer comes once. */
static void test_always_done(void **state)
{
    struct packet *packets[3];
    bool used = false;

    (void)state;
    rx_begin();
    for (unsigned i = 0; i < 50; i++) {
        for (unsigned k = 0; k < RING; k++)
            rx_write(k, 100, UINT32_MAX & ~0x9700U);
        assert_int_equal(e1000_rx_take(&rx, &queue, packets, 3, &used), 3);
        assert_ptr_not_equal(packets[0], packets[1]);
        assert_ptr_not_equal(packets[1], packets[2]);
        e1000_rx_check(&rx);
        for (unsigned k = 0; k < 3; k++)
            packet_put(packets[k]);
    }
    rx_end();
}

/* The address in a descriptor is the card's to read: what it writes there
 * changes no buffer of ours. */
static void test_an_address_is_not_read_back(void **state)
{
    (void)state;
    rx_begin();
    for (unsigned i = 0; i < 2 * RING; i++) {
        rx.desc[rx.next].addr = ~UINT64_C(0);
        rx_write(0, 100, DD | EOP);
        assert_true(rx_comes(100, false));
    }
    for (unsigned i = 0; i < RING; i++)
        if (rx.packet[i] != NULL)
            assert_int_equal(rx.desc[i].addr, rx.packet[i]->buf.bus);
    rx_end();
}

/* No packet for what follows: the frame is dropped, its buffer stays. */
static void test_no_packet_left(void **state)
{
    struct packet *hoard[PACKETS + 1];
    unsigned count = 0;

    (void)state;
    rx_begin();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    for (unsigned i = 0; i < 3 * RING; i++) {
        rx_write(0, 100, DD | EOP);
        assert_false(rx_comes(100, false));
    }
    assert_int_equal(queue.rx_dropped, 3 * RING);
    while (count > 0)
        packet_put(hoard[--count]);
    rx_write(0, 100, DD | EOP);
    assert_true(rx_comes(100, false));
    rx_end();
}

/* From every place in the ring, in the middle of a frame, too. */
static void test_receive_restarts(void **state)
{
    (void)state;
    rx_begin();
    for (unsigned i = 0; i < 3 * RING; i++) {
        for (unsigned k = 0; k < i; k++) {
            rx_write(0, 100, DD | EOP);
            assert_true(rx_comes(100, false));
        }
        rx_write(0, 2048, DD);
        if (i % 2 == 0)
            assert_false(rx_comes(0, false));
        e1000_rx_restart(&rx);
        e1000_rx_check(&rx);
        assert_int_equal(e1000_rx_tail(&rx), RING - 1);
        assert_false(e1000_rx_ready(&rx)); /* what was there is forgotten */
        for (unsigned k = 0; k < RING - 1; k++)
            assert_int_equal(rx.desc[k].addr, rx.packet[k]->buf.bus);
        rx_write(0, 100, DD | EOP);
        assert_true(rx_comes(100, false));
        e1000_rx_restart(&rx);
    }
    rx_end();
}

static void test_receive_without_memory(void **state)
{
    (void)state;
    begin();
    for (unsigned n = 1; n <= 2; n++) {
        heap_fail(n);
        assert_int_equal(e1000_rx_init(&rx, RING), -ENOMEM);
        assert_true(heap_failed());
        heap_fail(0);
        assert_int_equal(packet_free_count(), PACKETS);
    }
    end();
}

/* Fewer packets than it needs. */
static void test_receive_without_packets(void **state)
{
    struct packet *hoard[PACKETS + 1];
    unsigned count = 0;
    struct mem_stats before;

    (void)state;
    begin();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    before = stats();
    for (unsigned left = 0; left < RING - 1; left++) {
        assert_int_equal(packet_free_count(), left);
        assert_int_equal(e1000_rx_init(&rx, RING), -ENOMEM);
        assert_int_equal(stats().block_count, before.block_count);
        assert_int_equal(packet_free_count(), left);
        packet_put(hoard[--count]);
    }
    assert_int_equal(e1000_rx_init(&rx, RING), 0);
    e1000_rx_fini(&rx);
    while (count > 0)
        packet_put(hoard[--count]);
    end();
}

/* ---- What can be sent ---------------------------------------------------- */

enum { IP4 = 0x0800, IP6 = 0x86dd };

/* A packet of `first` bytes and `rest` in slices of one page each at most. */
static struct packet *make(size_t first, size_t rest, unsigned type)
{
    struct packet *packet = packet_get();
    uint8_t *at;

    assert_non_null(packet);
    at = packet_append(packet, first);
    assert_non_null(at);
    memset(at, 0x55, first);
    if (first >= 14)
        be16_put(at + 12, (uint16_t)type);
    while (rest > 0) {
        struct buf *buf = buf_alloc(4096);
        uint32_t now = rest < 4096 ? (uint32_t)rest : 4096;

        assert_non_null(buf);
        assert_int_equal(packet_add_slice(packet, (struct slice){buf, 0, now}),
                         0);
        rest -= now;
    }
    return packet;
}

static void test_whole_frames_that_can_be_sent(void **state)
{
    static const struct {
        const char *name;
        size_t first, rest;
        bool valid;
    } rows[] = {
        {"the shortest", 17, 0, true},
        {"too short", 16, 0, false},
        {"short in two parts", 14, 3, true},
        {"too short in two parts", 14, 2, false},
        {"nothing before the slices", 0, 100, false},
        {"the longest", 1518, 0, true},
        {"too long", 1519, 0, false},
        {"the longest in two parts", 14, 1504, true},
        {"too long in two parts", 14, 1505, false},
    };

    (void)state;
    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet *packet = make(rows[i].first, rows[i].rest, IP4);

        ROW(rows[i].name, e1000_tx_valid(packet) == rows[i].valid);
        packet_put(packet);
    }
    end();
}

/* Where a checksum may begin and go: a context has 8 bits for each. */
static void test_checksums_that_can_be_put(void **state)
{
    static const struct {
        const char *name;
        int start, at; /* in the frame */
        size_t first;
        bool valid;
    } rows[] = {
        {"TCP over IPv4", 34, 50, 54, true},
        {"UDP over IPv4", 34, 40, 42, true},
        {"behind Ethernet", 14, 16, 60, true},
        {"within Ethernet", 13, 16, 60, false},
        {"before the frame", -1, 16, 60, false},
        {"as far as it goes", 253, 255, 300, true},
        {"too far", 253, 256, 300, false},
        {"too far a start", 256, 300, 400, false},
        {"beside each other", 40, 41, 60, true},
        {"before the start", 40, 39, 60, false},
        {"at the start", 40, 40, 60, false},
        {"the last bytes", 34, 58, 60, true},
        {"half beyond the first part", 34, 59, 60, false},
        {"beyond the first part", 34, 60, 60, false},
    };

    (void)state;
    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet *packet = make(rows[i].first, 100, IP4);
        int headroom = (int)packet_headroom(packet);

        packet->offload.csum_partial = true;
        packet->offload.csum_start = (uint16_t)(headroom + rows[i].start);
        packet->offload.csum_at = (uint16_t)(headroom + rows[i].at);
        ROW(rows[i].name, e1000_tx_valid(packet) == rows[i].valid);
        packet_put(packet);
    }
    end();
}

struct segmented {
    const char *name;
    uint8_t kind;
    bool no_sum;
    int start, at, headers;
    unsigned segment;
    size_t first, rest;
    unsigned type;
    bool valid;
};

static struct packet *make_segmented(const struct segmented *row)
{
    struct packet *packet = make(row->first, row->rest, row->type);
    int headroom = (int)packet_headroom(packet);

    packet->offload = (struct packet_offload){
        .csum_partial = !row->no_sum,
        .segments = row->kind,
        .segment_len = (uint16_t)row->segment,
        .headers_len = (uint16_t)row->headers,
        .csum_start = (uint16_t)(headroom + row->start),
        .csum_at = (uint16_t)(headroom + row->at),
    };
    return packet;
}

static void test_segments_that_can_be_made(void **state)
{
    /* clang-format off */
    static const struct segmented rows[] = {
        {"IPv4", PACKET_TCP4, false, 34, 50, 54, 1460, 54, 4000, IP4, true},
        {"IPv6", PACKET_TCP6, false, 54, 70, 74, 1440, 74, 4000, IP6, true},
        {"without checksum", PACKET_TCP4, true, 34, 50, 54, 1460, 54, 4000,
         IP4, false},
        {"half an IPv4 header", PACKET_TCP4, false, 33, 49, 54, 1460, 54, 4000,
         IP4, false},
        {"half an IPv6 header", PACKET_TCP6, false, 53, 69, 74, 1440, 74, 4000,
         IP6, false},
        {"options of IPv4", PACKET_TCP4, false, 38, 54, 58, 1456, 58, 4000,
         IP4, true},
        {"a checksum beside TCP's", PACKET_TCP4, false, 34, 49, 54, 1460, 54,
         4000, IP4, false},
        {"UDP", PACKET_TCP4, false, 34, 40, 54, 1460, 54, 4000, IP4, false},
        {"a checksum too far", PACKET_TCP4, false, 240, 256, 260, 1000, 300,
         4000, IP4, false},
        {"half a TCP header", PACKET_TCP4, false, 34, 50, 53, 1460, 54, 4000,
         IP4, false},
        {"options of TCP", PACKET_TCP4, false, 34, 50, 94, 1424, 94, 4000, IP4,
         true},
        {"headers as long as they may be", PACKET_TCP4, false, 34, 50, 240, 100,
         300, 4000, IP4, true},
        {"headers too long", PACKET_TCP4, false, 34, 50, 241, 100, 300, 4000,
         IP4, false},
        {"headers beyond the first part", PACKET_TCP4, false, 34, 50, 54, 1460,
         53, 4000, IP4, false},
        {"no payload", PACKET_TCP4, false, 34, 50, 54, 1460, 54, 0, IP4, false},
        {"one byte", PACKET_TCP4, false, 34, 50, 54, 1460, 54, 1, IP4, true},
        {"64 KiB", PACKET_TCP4, false, 34, 50, 54, 1460, 54, 65482, IP4, true},
        {"more", PACKET_TCP4, false, 34, 50, 54, 1460, 54, 65483, IP4, false},
        {"segments of nothing", PACKET_TCP4, false, 34, 50, 54, 0, 54, 4000,
         IP4, false},
        {"segments of one byte", PACKET_TCP4, false, 34, 50, 54, 1, 54, 100,
         IP4, true},
        {"the longest segments", PACKET_TCP4, false, 34, 50, 54, 1464, 54, 4000,
         IP4, true},
        {"longer ones", PACKET_TCP4, false, 34, 50, 54, 1465, 54, 4000, IP4,
         false},
        {"IPv6 as IPv4", PACKET_TCP4, false, 54, 70, 74, 1440, 74, 4000, IP6,
         false},
        {"IPv4 as IPv6", PACKET_TCP6, false, 54, 70, 74, 1440, 74, 4000, IP4,
         false},
        {"a VLAN", PACKET_TCP4, false, 38, 54, 58, 1460, 58, 4000, 0x8100,
         false},
    };
    /* clang-format on */

    (void)state;
    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet *packet = make_segmented(&rows[i]);

        ROW(rows[i].name, e1000_tx_valid(packet) == rows[i].valid);
        packet_put(packet);
    }
    end();
}

/* ---- Sending ------------------------------------------------------------- */

static struct e1000_tx_ring tx;

static void tx_begin(bool ends_short)
{
    begin();
    assert_int_equal(e1000_tx_init(&tx, TX_RING, ends_short), 0);
    assert_true(e1000_tx_is_empty(&tx));
}

static void tx_end(void)
{
    e1000_tx_check(&tx);
    e1000_tx_restart(&tx, &queue);
    assert_true(e1000_tx_is_empty(&tx));
    e1000_tx_check(&tx);
    e1000_tx_fini(&tx);
    end();
}

static void tx_add(struct packet *packet)
{
    assert_true(e1000_tx_valid(packet));
    assert_true(e1000_tx_add(&tx, packet));
    e1000_tx_check(&tx);
}

/* Descriptor `index` is data: SDM 3.3.7. */
static void assert_data(unsigned index, uint64_t addr, uint32_t len, bool last,
                        bool segmented, unsigned options)
{
    const struct e1000_desc *desc = &tx.desc[index];
    uint32_t command = 0x22100000; /* DEXT, IFCS, data */

    command |= last ? 0x09000000 : 0; /* RS, EOP */
    command |= segmented ? 0x04000000 : 0;
    assert_int_equal(desc->addr, addr);
    assert_int_equal(desc->command, command | len);
    assert_int_equal(desc->status, options << 8);
}

static void test_pieces_become_descriptors(void **state)
{
    struct buf *big;
    struct packet *packet;
    uint64_t bus;

    (void)state;
    tx_begin(true);
    packet = make(100, 0, IP4);
    bus = packet_bus(packet);
    tx_add(packet);
    assert_int_equal(tx.tail, 1);
    assert_data(0, bus, 100, true, false, 0);

    packet = make(60, 1000, IP4);
    bus = packet_bus(packet);
    tx_add(packet);
    assert_int_equal(tx.tail, 3);
    assert_data(1, bus, 60, false, false, 0);
    assert_data(2, packet->slices[0].buf->bus, 1000, true, false, 0);

    big = buf_alloc(16384);
    packet = make_segmented(&(struct segmented){.kind = PACKET_TCP4,
                                                .start = 34,
                                                .at = 50,
                                                .headers = 54,
                                                .segment = 1460,
                                                .first = 54,
                                                .type = IP4});
    assert_int_equal(packet_add_slice(packet, (struct slice){big, 100, 8193}),
                     0);
    bus = packet_bus(packet);
    tx_add(packet);
    assert_int_equal(tx.tail, 8); /* a context, and 1 + 3 */
    assert_data(4, bus, 54, false, true, 3);
    assert_data(5, big->bus + 100, 4096, false, true, 3);
    assert_data(6, big->bus + 4196, 4096, false, true, 3);
    assert_data(7, big->bus + 8292, 1, true, true, 3);
    tx_end();
    assert_int_equal(queue.tx_dropped, 3);
}

/* The fields of a context: SDM 3.3.6. */
static void test_contexts(void **state)
{
    /* clang-format off */
    static const struct {
        struct segmented how;
        uint32_t sums_ip, sums, command, status;
    } rows[] = {
        {{.name = "TCP", .start = 34, .at = 50, .first = 54, .rest = 10},
         0, 50 << 8 | 34, 0x21000000, 0},
        {{.name = "UDP", .start = 34, .at = 40, .first = 54, .rest = 10},
         0, 40 << 8 | 34, 0x20000000, 0},
        {{"TCP4", PACKET_TCP4, false, 38, 54, 58, 1456, 70, 3000, IP4, true},
         37 << 16 | 24 << 8 | 14, 54 << 8 | 38, 0x27000000 + 3012,
         1456U << 16 | 58 << 8},
        {{"TCP6", PACKET_TCP6, false, 54, 70, 74, 1440, 74, 3000, IP6, true},
         14, 70 << 8 | 54, 0x25000000 + 3000, 1440U << 16 | 74 << 8},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet *packet;

        tx_begin(false);
        packet = make_segmented(&rows[i].how);
        tx_add(packet);
        ROW(rows[i].how.name, (uint32_t)tx.desc[0].addr == rows[i].sums_ip);
        ROW(rows[i].how.name, tx.desc[0].addr >> 32 == rows[i].sums);
        ROW(rows[i].how.name, tx.desc[0].command == rows[i].command);
        ROW(rows[i].how.name, tx.desc[0].status == rows[i].status);
        assert_int_equal(tx.tail, 3);
        tx_end();
    }
}

/* A context stays with the card: the same one is not given twice. */
static void test_a_context_is_given_once(void **state)
{
    struct segmented how = {.kind = PACKET_TCP4,
                            .start = 34,
                            .at = 50,
                            .headers = 54,
                            .segment = 1000,
                            .first = 100,
                            .rest = 2000,
                            .type = IP4};
    unsigned tail;

    (void)state;
    tx_begin(false);
    tx_add(make_segmented(&how));
    assert_int_equal(tx.tail, 3);
    tx_add(make_segmented(&how));
    assert_int_equal(tx.tail, 5);
    tx_add(make(100, 0, IP4)); /* wants none, and changes none */
    assert_int_equal(tx.tail, 6);
    tx_add(make_segmented(&how));
    assert_int_equal(tx.tail, 8);
    for (unsigned i = 0; i < 4; i++) { /* one field after the other */
        how.rest += i == 0;
        how.segment += i == 1;
        how.start += 4 * (i == 2);
        how.at += 4 * (i == 2);
        how.headers += 4 * (i >= 2);
        tail = tx.tail;
        tx_add(make_segmented(&how));
        assert_int_equal(tx.tail, tail + 3);
        tx_add(make_segmented(&how));
        assert_int_equal(tx.tail, tail + 5);
    }
    e1000_tx_restart(&tx, &queue); /* the card has forgotten it */
    assert_int_equal(queue.tx_dropped, 12);
    tx_add(make_segmented(&how));
    assert_int_equal(tx.tail, 3);
    tx_end();
}

/* The 8254x wants the last four bytes of a packet to be segmented, and of the
 * packet after it, in a descriptor of their own. */
static void test_the_erratum_of_the_8254x(void **state)
{
    const struct segmented how = {.kind = PACKET_TCP4,
                                  .start = 34,
                                  .at = 50,
                                  .headers = 54,
                                  .segment = 100,
                                  .first = 1000,
                                  .type = IP4};

    (void)state;
    for (unsigned ends_short = 0; ends_short < 2; ends_short++) {
        struct packet *packet = NULL;
        uint64_t bus;

        tx_begin(ends_short);
        packet = make_segmented(&how);
        bus = packet_bus(packet);
        tx_add(packet);
        assert_int_equal(tx.tail, 2 + ends_short);
        assert_data(1, bus, ends_short ? 996 : 1000, !ends_short, true, 3);
        if (ends_short)
            assert_data(2, bus + 996, 4, true, true, 3);
        packet = make(60, 0, IP4);
        bus = packet_bus(packet);
        tx_add(packet);
        assert_int_equal(tx.tail, 3 + 2 * ends_short);
        if (ends_short)
            assert_data(4, bus + 56, 4, true, false, 0);
        tx_add(make(60, 0, IP4)); /* not the one after that */
        assert_int_equal(tx.tail, 4 + 2 * ends_short);
        tx_add(make_segmented(&how));
        e1000_tx_restart(&tx, &queue);
        tx_add(make(60, 0, IP4)); /* nor the first after a reset */
        assert_int_equal(tx.tail, 1);
        tx_end();
    }
}

/* The checksum that the card continues has no length in it, and neither has the
 * header of IP: SDM 3.5.8. */
static void test_headers_before_segmentation(void **state)
{
    static const struct {
        uint16_t before;
        uint16_t after; /* less the length, 2020, in ones' complement */
    } sums[] = {
        {0x1234, 0x0a50}, {0x0000, 0xf81b}, {2020, 0xffff},
        {0xffff, 0xf81b}, {2019, 0xfffe},
    };

    (void)state;
    for (unsigned six = 0; six < 2; six++) {
        for (size_t i = 0; i < COUNT_OF(sums); i++) {
            const struct segmented how = {.kind =
                                              six ? PACKET_TCP6 : PACKET_TCP4,
                                          .start = six ? 54 : 34,
                                          .at = six ? 70 : 50,
                                          .headers = six ? 74 : 54,
                                          .segment = 1000,
                                          .first = six ? 74 : 54,
                                          .rest = 2000,
                                          .type = six ? IP6 : IP4};
            struct packet *packet;
            uint8_t *at;

            tx_begin(false);
            packet = make_segmented(&how);
            at = packet->data;
            be16_put(at + how.at, sums[i].before);
            tx_add(packet);
            assert_int_equal(be16_get(at + how.at), sums[i].after);
            assert_int_equal(be16_get(at + 14 + 2), six ? 0x5555 : 0);
            assert_int_equal(be16_get(at + 14 + 4), six ? 0 : 0x5555);
            assert_int_equal(be16_get(at + 14 + 10), six ? 0x5555 : 0);
            tx_end();
        }
    }
}

/* ---- What a card says of what it sends ----------------------------------- */

static void test_sent_in_order(void **state)
{
    (void)state;
    tx_begin(false);
    tx_add(make(60, 100, IP4)); /* 0, 1 */
    tx_add(make(60, 100, IP4)); /* 2, 3 */
    tx.desc[0].status |= DD;    /* not the last one of it */
    tx.desc[3].status |= DD;    /* a later one first */
    assert_int_equal(e1000_tx_reclaim(&tx, &queue), 0);
    assert_int_equal(packet_free_count(), PACKETS - 2);
    tx.desc[1].status |= DD;
    assert_int_equal(e1000_tx_reclaim(&tx, &queue), 2);
    assert_int_equal(packet_free_count(), PACKETS);
    assert_int_equal(queue.tx_dropped, 0);
    assert_true(e1000_tx_is_empty(&tx));
    tx_end();
}

static void test_sent_is_only_what_was_given(void **state)
{
    (void)state;
    tx_begin(false);
    for (unsigned i = 0; i < TX_RING; i++)
        tx.desc[i].status = UINT32_MAX;
    assert_int_equal(e1000_tx_reclaim(&tx, &queue), 0);
    tx_add(make(60, 0, IP4));
    assert_int_equal(e1000_tx_reclaim(&tx, &queue), 0);
    for (unsigned i = 0; i < TX_RING; i++)
        tx.desc[i].status = DD;
    assert_int_equal(e1000_tx_reclaim(&tx, &queue), 1);
    assert_int_equal(e1000_tx_reclaim(&tx, &queue), 0);
    tx_end();
}

static void test_collisions(void **state)
{
    static const struct {
        unsigned status;
        bool dropped;
    } rows[] = {{DD, false},
                {DD | 2, true},
                {DD | 4, true},
                {DD | 6, true},
                {DD | 8, false}};

    (void)state;
    tx_begin(false);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t before = queue.tx_dropped;

        tx_add(make(60, 0, IP4));
        tx.desc[tx.head].status |= rows[i].status;
        assert_int_equal(e1000_tx_reclaim(&tx, &queue), 1);
        assert_int_equal(queue.tx_dropped, before + rows[i].dropped);
    }
    tx_end();
}

/* As full as it gets: there is always room for a context, and one descriptor
 * is nobody's. */
static void test_a_full_ring(void **state)
{
    struct packet *packet;
    unsigned count = 0;

    (void)state;
    tx_begin(false);
    for (unsigned round = 0; round < 5; round++) { /* all over the ring */
        for (;;) {
            packet = make(60, 100, IP4);
            if (!e1000_tx_add(&tx, packet))
                break;
            count++;
        }
        assert_int_equal((tx.tail + TX_RING - tx.head) % TX_RING / 2,
                         (TX_RING - 2) / 2);
        packet_put(packet);
        for (unsigned i = 0; i < 7; i++) {
            tx.desc[(tx.head + 2 * i + 1) % TX_RING].status |= DD;
            count--;
        }
        assert_int_equal(e1000_tx_reclaim(&tx, &queue), 7);
        e1000_tx_check(&tx);
    }
    e1000_tx_restart(&tx, &queue);
    assert_int_equal(queue.tx_dropped, count);
    tx_end();
}

/* What was sent before the reset is no loss. */
static void test_transmit_restarts(void **state)
{
    (void)state;
    tx_begin(false);
    for (unsigned i = 0; i < 5; i++)
        tx_add(make(60, 0, IP4));
    tx.desc[0].status |= DD;
    tx.desc[1].status |= DD;
    tx.desc[3].status |= DD; /* after one that was not sent */
    e1000_tx_restart(&tx, &queue);
    assert_int_equal(queue.tx_dropped, 3);
    assert_int_equal(tx.head, 0);
    assert_int_equal(tx.tail, 0);
    assert_int_equal(packet_free_count(), PACKETS);
    tx_end();
}

static void test_transmit_without_memory(void **state)
{
    (void)state;
    begin();
    for (unsigned n = 1; n <= 2; n++) {
        struct mem_stats before = stats();

        heap_fail(n);
        assert_int_equal(e1000_tx_init(&tx, TX_RING, false), -ENOMEM);
        assert_true(heap_failed());
        heap_fail(0);
        assert_int_equal(stats().block_count, before.block_count);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_card_says_of_a_frame),
        cmocka_unit_test(test_a_frame_in_pieces),
        cmocka_unit_test(test_no_frame_without_done),
        cmocka_unit_test(test_done_out_of_order),
        cmocka_unit_test(test_always_done),
        cmocka_unit_test(test_an_address_is_not_read_back),
        cmocka_unit_test(test_no_packet_left),
        cmocka_unit_test(test_receive_restarts),
        cmocka_unit_test(test_receive_without_memory),
        cmocka_unit_test(test_receive_without_packets),
        cmocka_unit_test(test_whole_frames_that_can_be_sent),
        cmocka_unit_test(test_checksums_that_can_be_put),
        cmocka_unit_test(test_segments_that_can_be_made),
        cmocka_unit_test(test_pieces_become_descriptors),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_a_context_is_given_once),
        cmocka_unit_test(test_the_erratum_of_the_8254x),
        cmocka_unit_test(test_headers_before_segmentation),
        cmocka_unit_test(test_sent_in_order),
        cmocka_unit_test(test_sent_is_only_what_was_given),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_a_full_ring),
        cmocka_unit_test(test_transmit_restarts),
        cmocka_unit_test(test_transmit_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
