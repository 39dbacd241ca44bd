/*
 * Frames on a tap: a card of the hosted machine beside a bare loop of read()
 * and write(). A sample is the best of many rounds, since noise only adds: each
 * round sends, or receives, ROUND frames. What is received was put into the
 * queue of the tap before, by the same thread.
 */
#include "tests/bench/io_tap.h"
#include "kernel/device/netdev.h"
#include "tests/bench/bench.h"
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <torc/buf.h>
#include <torc/device.h>
#include <torc/log.h>
#include <torc/thread.h>
#include <unistd.h>

enum {
    ROUND = 512, /* frames; a tap holds 1000 */
    BATCH = 32,
    FRAME_MAX = 1514,
    SEGMENT = 1460, /* bytes of payload */
    HEADERS = 14 + 20 + 20,
    SEGMENTS = 44, /* of a long frame */
    SLICES = 4,    /* that its payload lies in */
};

/* ---- Frames -------------------------------------------------------------- */

/* TCP to an address that nobody has: the host drops it where it sees that. */
static const uint8_t headers[HEADERS] = {0x02, 0,    0,    0,    0,
                                         0x99, 0x02, 0,    0,    0,
                                         0,    1,    0x08, 0x00, /* Ethernet */
                                         0x45, 0,    0,    0,    0,
                                         0,    0x40, 0,    64,   6,
                                         0,    0, /* IP */
                                         10,   9,    9,    2,    10,
                                         9,    9,    3,    0x10, 0,
                                         0x20, 0,    0,    0,    0,
                                         1,    0,    0,    0,    0,
                                         0x50, 0x10, /* TCP */
                                         0xff, 0xff, 0,    0,    0,
                                         0};

static void frame_fill(uint8_t *frame, size_t len)
{
    uint16_t size = (uint16_t)(len - 14);

    memset(frame, 0, len < FRAME_MAX ? len : FRAME_MAX);
    memcpy(frame, headers, HEADERS);
    frame[16] = (uint8_t)(size >> 8);
    frame[17] = (uint8_t)size;
}

/* ---- A bare loop --------------------------------------------------------- */

static int bare_open(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 ? fd : -1;
}

static int bare_fd;
static uint8_t bare_frame[FRAME_MAX];

static bool bare_send(size_t len, uint64_t *ns)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < ROUND; i++)
        if (write(bare_fd, bare_frame, len) != (ssize_t)len)
            return false;
    *ns = bench_now_ns() - start;
    return true;
}

static bool bare_receive(size_t len, uint64_t *ns)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < ROUND; i++)
        if (read(bare_fd, bare_frame, sizeof(bare_frame)) != (ssize_t)len)
            return false;
    *ns = bench_now_ns() - start;
    return true;
}

/* ---- Torc ---------------------------------------------------------------- */

static struct net_queue *queue;

static bool card_open(void)
{
    struct device *device = device_find(DEVICE_NET, 0);

    if (device == NULL || device_dedicate(device, 0) != 0)
        return false;
    queue = net_queue_mine(net_from_device(device));
    return queue != NULL;
}

static struct packet *packet_make(size_t len)
{
    struct packet *packet = packet_get();

    if (packet != NULL)
        frame_fill(packet_append(packet, len), len);
    return packet;
}

static struct buf *payload[SLICES];

/* A frame of SEGMENTS segments that the host cuts. */
static struct packet *long_make(size_t len)
{
    struct packet *packet = packet_get();
    uint32_t part = (uint32_t)(len - HEADERS) / SLICES;
    uint16_t head;

    if (packet == NULL)
        return NULL;
    memcpy(packet_append(packet, HEADERS), headers, HEADERS);
    packet->data[16] = (uint8_t)((len - 14) >> 8);
    packet->data[17] = (uint8_t)(len - 14);
    head = (uint16_t)packet_headroom(packet);
    packet->offload = (struct packet_offload){.csum_partial = true,
                                              .segments = PACKET_TCP4,
                                              .segment_len = SEGMENT,
                                              .headers_len = HEADERS,
                                              .csum_start = head + 34,
                                              .csum_at = head + 34 + 16};
    for (unsigned i = 0; i < SLICES; i++) {
        buf_get(payload[i]);
        if (packet_add_slice(packet, (struct slice){payload[i], 0, part}) != 0)
            return NULL;
    }
    return packet;
}

static bool send_with(struct packet *(*make)(size_t len), size_t len,
                      uint64_t *ns)
{
    struct packet *packets[BATCH];

    *ns = 0;
    for (unsigned sent = 0; sent < ROUND; sent += BATCH) {
        uint64_t start;

        for (unsigned i = 0; i < BATCH; i++) {
            packets[i] = make(len);
            if (packets[i] == NULL)
                return false;
        }
        start = bench_now_ns();
        if (net_send(queue, packets, BATCH) != BATCH)
            return false;
        *ns += bench_now_ns() - start;
    }
    return queue->tx_dropped == 0;
}

static bool torc_send(size_t len, uint64_t *ns)
{
    return send_with(packet_make, len, ns);
}

static bool torc_send_long(size_t len, uint64_t *ns)
{
    return send_with(long_make, len, ns);
}

static bool torc_receive(size_t len, uint64_t *ns)
{
    struct packet *packets[BATCH];
    uint64_t start = bench_now_ns();

    for (unsigned got = 0; got < ROUND;) {
        unsigned count = net_poll(queue, packets, BATCH);

        if (count == 0)
            return false;
        for (unsigned i = 0; i < count; i++) {
            if (packet_len(packets[i]) != len)
                return false;
            packet_put(packets[i]);
        }
        got += count;
    }
    *ns = bench_now_ns() - start;
    return true;
}

/* ---- The other side of the tap ------------------------------------------- */

static int feeder = -1; /* frames that it sends can be read from the tap */

static bool feeder_open(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_ifindex = (int)if_nametoindex(name)};
    int on = 1;

    feeder = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    return feeder >= 0 &&
           bind(feeder, (struct sockaddr *)&at, sizeof(at)) == 0 &&
           setsockopt(feeder, SOL_PACKET, PACKET_QDISC_BYPASS, &on,
                      sizeof(on)) == 0;
}

static bool feed(size_t len)
{
    uint8_t frame[FRAME_MAX];

    frame_fill(frame, len);
    for (unsigned i = 0; i < ROUND; i++)
        if (send(feeder, frame, len, 0) != (ssize_t)len)
            return false;
    return true;
}

/* ---- Rounds -------------------------------------------------------------- */

static const struct row {
    const char *name;
    bool bare; /* it opens the tap itself */
    bool fed;
    bool (*round)(size_t len, uint64_t *ns);
} rows[] = {
    {"send", false, false, torc_send},
    {"send-long", false, false, torc_send_long},
    {"receive", false, true, torc_receive},
    {"bare-send", true, false, bare_send},
    {"bare-receive", true, true, bare_receive},
};

/* Frames a second of the best round; 0: a round failed. */
static uint64_t best_of(const struct row *row, size_t len, uint64_t ms)
{
    uint64_t end = bench_now_ns() + ms * 1000000;
    uint64_t best = UINT64_MAX, ns;

    while (bench_now_ns() < end) {
        if ((row->fed && !feed(len)) || !row->round(len, &ns))
            return 0;
        if (ns < best)
            best = ns;
    }
    return (uint64_t)ROUND * 1000000000 / best;
}

static bool tap_open(const struct row *row, const char *name)
{
    if (row->bare) {
        bare_fd = bare_open(name);
        if (bare_fd < 0)
            return false;
    } else if (!card_open()) {
        return false;
    }
    return !row->fed || feeder_open(name);
}

int bench_tap(int argc, char **argv)
{
    const struct row *row = NULL;
    size_t len;
    uint64_t each;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (argc == 5 && strcmp(argv[1], rows[i].name) == 0)
            row = &rows[i];
    if (row == NULL)
        return 2;
    len = (size_t)atoi(argv[2]);
    if (row->round == torc_send_long) {
        len = HEADERS + SEGMENTS * SEGMENT;
        for (unsigned i = 0; i < SLICES; i++)
            if ((payload[i] = buf_alloc(16384)) == NULL)
                return 1;
    }
    if (len < HEADERS || !tap_open(row, argv[4]))
        return 1;
    frame_fill(bare_frame, len);
    each = best_of(row, len, (uint64_t)atoi(argv[3]));
    if (each == 0)
        return 1;
    console_print("sample %lu\n", each);
    return 0;
}
