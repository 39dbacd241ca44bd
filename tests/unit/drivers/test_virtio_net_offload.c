/* Features of the virtio card: sums, segments, frames in several buffers. */
#include "tests/unit/drivers/virtio_net_fixture.h"

enum {
    SUMS = NETF_CSUM | NETF_GUEST_CSUM,
    HOST_TSO = NETF_HOST_TSO4 | NETF_HOST_TSO6,
    LARGE = NETF_GUEST_TSO4 | NETF_GUEST_TSO6 | NETF_MRG_RXBUF,
    TCP = 34, /* where the TCP header begins */
    HEADERS = 54,
};

/* Started by a user that takes frames in several buffers. */
static void started_large(uint32_t features)
{
    fresh();
    net_model_offer(&model, features, 1);
    plug(PCI);
    probe();
    card->takes_large = true;
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake;
    net_check(card);
}

/* ---- Features ------------------------------------------------------------ */

static void test_offloads_by_features(void **state)
{
    static const struct {
        const char *name;
        uint32_t offered, accepted;
        unsigned offloads;
        bool takes_large;
    } rows[] = {
        {"nothing", 0, 0, 0, true},
        {"sums", SUMS, SUMS, NET_TX_CSUM | NET_RX_CSUM, false},
        {"segments to send", SUMS | HOST_TSO, SUMS | HOST_TSO,
         NET_TX_CSUM | NET_RX_CSUM | NET_TX_TCP4 | NET_TX_TCP6, false},
        {"one kind of them", NETF_CSUM | NETF_HOST_TSO6,
         NETF_CSUM | NETF_HOST_TSO6, NET_TX_CSUM | NET_TX_TCP6, false},
        {"segments without sums", HOST_TSO | NETF_GUEST_CSUM, NETF_GUEST_CSUM,
         NET_RX_CSUM, false},
        {"segments that nobody takes", SUMS | LARGE, SUMS,
         NET_TX_CSUM | NET_RX_CSUM, false},
        {"segments to receive", SUMS | LARGE, SUMS | LARGE,
         NET_TX_CSUM | NET_RX_CSUM | NET_RX_LARGE, true},
        {"but no buffers that are joined",
         SUMS | NETF_GUEST_TSO4 | NETF_GUEST_TSO6, SUMS,
         NET_TX_CSUM | NET_RX_CSUM, true},
        {"but no sums", LARGE, NETF_MRG_RXBUF, NET_RX_LARGE, true},
        {"announcements", NETF_STATUS | NETF_CTRL_VQ | NETF_GUEST_ANNOUNCE,
         NETF_STATUS | NETF_CTRL_VQ | NETF_GUEST_ANNOUNCE, 0, false},
        {"announcements without commands", NETF_STATUS | NETF_GUEST_ANNOUNCE,
         NETF_STATUS, 0, false},
        {"commands without use", NETF_STATUS | NETF_CTRL_VQ, NETF_STATUS, 0,
         false},
        {"a second queue that nobody wants", NETF_CTRL_VQ | NETF_MQ, 0, 0,
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        net_model_offer(&model, rows[i].offered, 2);
        plug(PCI);
        probe();
        card->takes_large = rows[i].takes_large;
        assert_int_equal(device_dedicate(&card->device, 0), 0);
        ROW(rows[i].name,
            (uint32_t)model.virtio.accepted == (rows[i].accepted | NETF_MAC));
        ROW(rows[i].name, card->offloads == rows[i].offloads);
        net_check(card);
        QUEUE->wake = wake;
        assert_works();
        finish();
    }
}

/* Legacy devices are asked for sums, but not for buffers that are joined. */
static void test_offloads_of_legacy_devices(void **state)
{
    (void)state;
    for (unsigned transport = LEGACY_MMIO; transport < TRANSPORTS;
         transport++) {
        for (unsigned any_layout = 0; any_layout < 2; any_layout++) {
            started(transport, SUMS | LARGE | HOST_TSO | any_layout << 27);
            card->takes_large = true;
            assert_int_equal(card->offloads, NET_TX_CSUM | NET_RX_CSUM |
                                                 NET_TX_TCP4 | NET_TX_TCP6);
            assert_works();
            finish();
        }
    }
}

/* A frame that is longer than the device takes is dropped; so it is when the
 * device takes less than usual. */
static void test_longest_frames(void **state)
{
    static const struct {
        uint16_t mtu;
        size_t len;
        bool is_sent;
    } rows[] = {
        {0, 1514, true},     {0, 1515, false},   {1000, 1014, true},
        {1000, 1015, false}, {1800, 1814, true}, {1800, 1815, false},
        {2022, 1900, true},  {2023, 1514, true}, {2023, 1515, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        net_model_offer(&model, rows[i].mtu != 0 ? NETF_MTU : 0, 1);
        le16_put(model.virtio.config + 10, rows[i].mtu);
        plug(MMIO);
        start();
        /* A frame of 2023 bytes has no room in a buffer of ours. */
        assert_int_equal(model.virtio.accepted >> 3 & 1,
                         rows[i].mtu != 0 && rows[i].mtu <= 2022);
        assert_int_equal(send(make(rows[i].len)), 1);
        settle();
        assert_int_equal(net_model_take(&model, 0) != NULL, rows[i].is_sent);
        assert_int_equal(QUEUE->tx_dropped, !rows[i].is_sent);
        assert_works();
        finish();
    }
}

/* ---- Sending ------------------------------------------------------------- */

/* A TCP frame that asks for what `offload` says, whose places count from the
 * beginning of the frame. */
static struct packet *make_asking(size_t len, struct packet_offload offload)
{
    struct packet *packet = make(len);
    uint16_t head = (uint16_t)packet_headroom(packet);

    packet->data[TCP + 12] = 0x50; /* a header of 20 bytes */
    offload.csum_start = (uint16_t)(offload.csum_start + head);
    offload.csum_at = (uint16_t)(offload.csum_at + head);
    packet->offload = offload;
    return packet;
}

static void test_sums_are_left_to_the_device(void **state)
{
    const struct net_model_frame *frame;

    (void)state;
    started(MMIO, SUMS);
    assert_true(send(make_asking(
        100, (struct packet_offload){
                 .csum_partial = true, .csum_start = TCP, .csum_at = 50})));
    settle();
    frame = net_model_take(&model, 0);
    assert_non_null(frame);
    assert_int_equal(frame->header.flags, 1);
    assert_int_equal(frame->header.gso_type, 0);
    assert_int_equal(frame->header.csum_start, TCP);
    assert_int_equal(frame->header.csum_offset, 16);
    /* The next one asks for nothing. */
    assert_true(send(make(100)));
    settle();
    frame = net_model_take(&model, 0);
    assert_int_equal(frame->header.flags, 0);
    assert_int_equal(frame->header.csum_start, 0);
    finish();
}

/* 60,000 bytes in pages, behind headers in the packet. */
static void test_segments_are_left_to_the_device(void **state)
{
    (void)state;
    for (unsigned kind = PACKET_TCP4; kind <= PACKET_TCP6; kind++) {
        const struct net_model_frame *frame;
        struct packet *packet;

        started(PCI, SUMS | HOST_TSO | 1 << 28);
        packet = make_asking(HEADERS,
                             (struct packet_offload){.csum_partial = true,
                                                     .csum_start = TCP,
                                                     .csum_at = TCP + 16,
                                                     .segments = (uint8_t)kind,
                                                     .segment_len = 1460,
                                                     .headers_len = HEADERS});
        for (unsigned i = 0; i < 15; i++) {
            struct buf *buf = buf_alloc(4096);

            memset(buf->base, (int)i, 4096);
            assert_int_equal(
                packet_add_slice(packet, (struct slice){buf, 96, 4000}), 0);
        }
        assert_true(send(packet));
        settle();
        frame = net_model_take(&model, 0);
        assert_non_null(frame);
        assert_int_equal(frame->len, HEADERS + 60000);
        assert_int_equal(frame->header.flags, 1);
        assert_int_equal(frame->header.gso_type, kind == PACKET_TCP4 ? 1 : 4);
        assert_int_equal(frame->header.gso_size, 1460);
        assert_int_equal(frame->header.headers_len, HEADERS);
        assert_int_equal(frame->data[HEADERS], 0);
        assert_int_equal(frame->data[HEADERS + 59999], 14);
        finish();
    }
}

/* With EVENT_IDX one interrupt answers a wish. A sender finds the ring full,
 * takes some back, and that is not enough: the next frame that is sent must
 * interrupt all the same. */
static void test_room_for_many_pieces(void **state)
{
    struct packet *packet;
    unsigned before;

    (void)state;
    fresh();
    model.virtio.offered |= 1 << 29;
    model.virtio.queue_max = 8;
    plug(MMIO);
    start();
    for (unsigned i = 0; i < 7; i++)
        assert_true(send(make(60)));
    settle();
    assert_non_null(net_model_take(&model, 0)); /* two are free */
    packet = make(60);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            packet_add_slice(packet, (struct slice){buf_alloc(100), 0, 100}),
            0);
    assert_false(send(packet)); /* four are needed */
    before = model.virtio.interrupts;
    assert_non_null(net_model_take(&model, 0));
    assert_int_equal(model.virtio.interrupts, before + 1);
    assert_false(send(packet));
    assert_non_null(net_model_take(&model, 0));
    assert_int_equal(model.virtio.interrupts, before + 2);
    packet_put(packet);
    while (net_model_take(&model, 0) != NULL)
        continue;
    assert_works();
    finish();
}

/* What the card was not asked for, or makes no sense, is dropped. */
static void test_offloads_that_cannot_be(void **state)
{
    static const struct {
        const char *name;
        uint32_t features;
        struct packet_offload offload;
        bool is_sent;
    } rows[] = {
        {"a sum",
         SUMS,
         {.csum_partial = true, .csum_start = TCP, .csum_at = 50},
         true},
        {"at the end",
         SUMS,
         {.csum_partial = true, .csum_start = TCP, .csum_at = 98},
         true},
        {"no feature",
         0,
         {.csum_partial = true, .csum_start = TCP, .csum_at = 50},
         false},
        {"behind the end",
         SUMS,
         {.csum_partial = true, .csum_start = TCP, .csum_at = 99},
         false},
        {"before its beginning",
         SUMS,
         {.csum_partial = true, .csum_start = TCP, .csum_at = 33},
         false},
        {"before the frame",
         SUMS,
         {.csum_partial = true, .csum_start = 65535, .csum_at = 50},
         false},
        {"segments",
         SUMS | NETF_HOST_TSO4,
         {true, false, PACKET_TCP4, 10, HEADERS, TCP, 50},
         true},
        {"the other kind",
         SUMS | NETF_HOST_TSO4,
         {true, false, PACKET_TCP6, 10, HEADERS, TCP, 50},
         false},
        {"without a sum",
         SUMS | NETF_HOST_TSO4,
         {false, false, PACKET_TCP4, 10, HEADERS, TCP, 50},
         false},
        {"of no length",
         SUMS | NETF_HOST_TSO4,
         {true, false, PACKET_TCP4, 0, HEADERS, TCP, 50},
         false},
        {"headers behind the end",
         SUMS | NETF_HOST_TSO4,
         {true, false, PACKET_TCP4, 10, 101, TCP, 50},
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned free_count;

        started(MMIO, rows[i].features);
        free_count = packet_free_count();
        ROW(rows[i].name, send(make_asking(100, rows[i].offload)));
        settle();
        ROW(rows[i].name,
            (net_model_take(&model, 0) != NULL) == rows[i].is_sent);
        ROW(rows[i].name, QUEUE->tx_dropped == !rows[i].is_sent);
        assert_null(receive()); /* takes back what was sent */
        ROW(rows[i].name, packet_free_count() == free_count);
        finish();
    }
}

/* ---- Receiving ----------------------------------------------------------- */

static void test_sums_that_the_device_has_checked(void **state)
{
    static const struct {
        const char *name;
        uint32_t features;
        struct net_model_header header;
        bool comes, is_valid, is_partial;
    } rows[] = {
        {"nothing said", SUMS, {0}, true, false, false},
        {"checked", SUMS, {.flags = 2}, true, true, false},
        {"still to be made",
         SUMS,
         {.flags = 1, .csum_start = TCP, .csum_offset = 16},
         true,
         false,
         true},
        {"both",
         SUMS,
         {.flags = 3, .csum_start = TCP, .csum_offset = 16},
         true,
         true,
         true},
        {"flags of tomorrow", SUMS, {.flags = 0xfc}, true, false, false},
        {"not agreed on",
         0,
         {.flags = 3, .csum_start = TCP, .csum_offset = 16},
         true,
         false,
         false},
        {"segments not agreed on", 0, {.gso_type = 1}, true, false, false},
        {"at the end",
         SUMS,
         {.flags = 1, .csum_start = 80, .csum_offset = 18},
         true,
         false,
         true},
        {"behind the end",
         SUMS,
         {.flags = 1, .csum_start = 80, .csum_offset = 19},
         false,
         false,
         false},
        {"far behind",
         SUMS,
         {.flags = 1, .csum_start = 65535, .csum_offset = 65535},
         false,
         false,
         false},
        {"segments of another kind",
         SUMS,
         {.gso_type = 3},
         false,
         false,
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet *packet;

        started(MMIO, rows[i].features);
        assert_true(deliver(&rows[i].header, 100));
        packet = receive();
        ROW(rows[i].name, (packet != NULL) == rows[i].comes);
        ROW(rows[i].name, QUEUE->rx_dropped == !rows[i].comes);
        if (packet != NULL) {
            const struct packet_offload *offload = &packet->offload;
            size_t head = packet_headroom(packet);

            ROW(rows[i].name, offload->csum_valid == rows[i].is_valid);
            ROW(rows[i].name, offload->csum_partial == rows[i].is_partial);
            if (rows[i].is_partial) {
                ROW(rows[i].name,
                    offload->csum_start == head + rows[i].header.csum_start);
                ROW(rows[i].name,
                    offload->csum_at ==
                        offload->csum_start + rows[i].header.csum_offset);
            }
            packet_check(packet);
            packet_put(packet);
        }
        assert_works();
        finish();
    }
}

/* Deliver a TCP frame whose TCP header says that it is `tcp_len` long. */
static bool deliver_tcp(const struct net_model_header *header, uint32_t len,
                        unsigned tcp_len)
{
    static uint8_t frame[NET_MODEL_FRAME_MAX];

    for (uint32_t i = 0; i < len; i++)
        frame[i] = byte_at(i);
    frame[TCP + 12] = (uint8_t)(tcp_len / 4 << 4);
    return net_model_send(&model, 0, header, frame, len);
}

static const struct net_model_header joined = {.flags = 1,
                                               .gso_type = 1,
                                               .gso_size = 1460,
                                               .headers_len = 3, /* a lie */
                                               .csum_start = TCP,
                                               .csum_offset = 16};

/* Frames of every number of buffers; their bytes come out. */
static void test_frames_in_several_buffers(void **state)
{
    static const uint32_t lens[] = {100,
                                    2035,
                                    2036,
                                    2037,
                                    4083,
                                    4084,
                                    4085,
                                    10000,
                                    65535,
                                    65588,
                                    VNET_FRAME_LARGE};
    static uint8_t got[NET_MODEL_FRAME_MAX];
    uint64_t bytes = 0;

    (void)state;
    started_large(SUMS | LARGE);
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        unsigned free_count = packet_free_count();
        struct packet *packet;

        assert_true(deliver_tcp(&joined, lens[i], 20));
        packet = receive();
        assert_non_null(packet);
        packet_check(packet);
        assert_int_equal(packet_len(packet), lens[i]);
        assert_int_equal(packet->slice_count, (lens[i] + 12 - 1) / 2048);
        assert_int_equal(packet->offload.segments, PACKET_TCP4);
        assert_int_equal(packet->offload.segment_len, 1460);
        assert_int_equal(packet->offload.headers_len, HEADERS);
        assert_true(packet->offload.csum_partial);
        assert_int_equal(packet_read(packet, 0, got, sizeof(got)), lens[i]);
        for (uint32_t k = 0; k < lens[i]; k++) {
            if (k != TCP + 12)
                assert_int_equal(got[k], byte_at(k));
        }
        packet_put(packet);
        assert_int_equal(packet_free_count(), free_count);
        net_check(card);
        bytes += lens[i];
        assert_int_equal(QUEUE->rx_bytes, bytes);
    }
    assert_int_equal(QUEUE->rx_frames, COUNT_OF(lens));
    assert_works();
    finish();
}

/* What the device says of segments and cannot be: dropped. */
static void test_segments_that_cannot_be(void **state)
{
    static const struct {
        const char *name;
        struct net_model_header header;
        unsigned tcp_len;
        bool comes;
    } rows[] = {
        {"as they are", {1, 1, HEADERS, 1460, TCP, 16}, 20, true},
        {"with IPv6", {1, 4, HEADERS, 1460, TCP, 16}, 20, true},
        {"that have told of congestion", {1, 0x81, 0, 1460, TCP, 16}, 20, true},
        {"of no size", {1, 1, HEADERS, 0, TCP, 16}, 20, false},
        {"of no sum", {0, 1, HEADERS, 1460, TCP, 16}, 20, false},
        {"of UDP", {1, 3, HEADERS, 1460, TCP, 16}, 20, false},
        {"only congestion", {1, 0x80, HEADERS, 1460, TCP, 16}, 20, false},
        {"a short TCP header", {1, 1, HEADERS, 1460, TCP, 16}, 16, false},
        {"a TCP header up to the end", {1, 1, 0, 1460, TCP, 16}, 36, true},
        {"and one behind it", {1, 1, 0, 1460, TCP, 16}, 40, false},
        {"no room for a TCP header", {1, 1, 0, 1460, 51, 16}, 20, false},
        {"far behind", {1, 1, 0, 1460, 65500, 16}, 20, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet *packet;
        unsigned free_count;

        started_large(SUMS | LARGE);
        free_count = packet_free_count();
        assert_true(deliver_tcp(&rows[i].header, 70, rows[i].tcp_len));
        packet = receive();
        ROW(rows[i].name, (packet != NULL) == rows[i].comes);
        ROW(rows[i].name, QUEUE->rx_dropped == !rows[i].comes);
        packet_put(packet);
        ROW(rows[i].name, packet_free_count() == free_count);
        assert_works();
        finish();
    }
}

/* Buffers that do not belong together: the frame is dropped, or, when the ring
 * is not to be trusted any more, the card is reset. */
static void test_buffers_that_cannot_be(void **state)
{
    static const struct {
        const char *name;
        uint16_t num_buffers; /* UINT16_MAX: 0 */
        bool short_part;
        bool is_reset;
    } rows[] = {
        {"no buffers", UINT16_MAX, false, true},
        {"one too many", 4, false, true},
        {"very many", 34, false, true},
        {"as many as there can be", 33, false, true},
        {"one that is not full", 0, true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned free_count, resets;

        started_large(SUMS | LARGE);
        free_count = packet_free_count();
        resets = model.virtio.resets;
        model.lie_num_buffers = rows[i].num_buffers;
        model.lie_short_part = rows[i].short_part;
        assert_true(deliver_tcp(&joined, 5000, 20));
        assert_null(receive());
        ROW(rows[i].name, QUEUE->rx_dropped == 1);
        settle();
        ROW(rows[i].name, (model.virtio.resets > resets) == rows[i].is_reset);
        ROW(rows[i].name, packet_free_count() == free_count);
        ROW(rows[i].name, NET->is_up);
        assert_works();
        finish();
    }
}

/* The pool is empty when a frame comes, or becomes so in the middle of it. */
static void test_no_packets_for_several_buffers(void **state)
{
    (void)state;
    for (unsigned left = 0; left < 5; left++) {
        struct packet *hoard[2000], *packet;
        unsigned count = 0;

        started_large(SUMS | LARGE);
        while ((hoard[count] = packet_get()) != NULL)
            count++;
        for (unsigned i = 0; i < left; i++)
            packet_put(hoard[--count]);
        assert_true(deliver_tcp(&joined, 5000, 20)); /* three buffers */
        packet = receive();
        assert_int_equal(packet != NULL, left >= 3);
        assert_int_equal(QUEUE->rx_dropped, left < 3);
        packet_put(packet);
        assert_int_equal(packet_free_count(), left);
        while (count > 0)
            packet_put(hoard[--count]);
        assert_works();
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offloads_by_features),
        cmocka_unit_test(test_offloads_of_legacy_devices),
        cmocka_unit_test(test_longest_frames),
        cmocka_unit_test(test_sums_are_left_to_the_device),
        cmocka_unit_test(test_segments_are_left_to_the_device),
        cmocka_unit_test(test_room_for_many_pieces),
        cmocka_unit_test(test_offloads_that_cannot_be),
        cmocka_unit_test(test_sums_that_the_device_has_checked),
        cmocka_unit_test(test_frames_in_several_buffers),
        cmocka_unit_test(test_segments_that_cannot_be),
        cmocka_unit_test(test_buffers_that_cannot_be),
        cmocka_unit_test(test_no_packets_for_several_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
