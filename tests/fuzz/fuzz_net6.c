/*
 * Fuzzing IPv6 from the wire: headers and extensions, ICMPv6, Neighbour
 * Discovery, groups, fragments, with UDP and TCP above.
 *
 * As in fuzz_net.c an input is a list of steps, and runs on a machine and a
 * stack of its own, with fixed keys and a fixed clock. Its first byte says how
 * the stack gets its addresses. tests/fuzz/corpus_net6.sh writes some.
 */
#include "kernel/heap/heap.h"
#include "net/udp.h"
#include "tests/fakes/netbench6.h"
#include "tests/fuzz/step_input.h"
#include <string.h>
#include <torc/assert.h>

enum {
    STEPS_MAX = 200,
    PAYLOAD_AT = 54,
    PAYLOAD_MAX = 1400,
    UDP_ECHO = 7, /* a port: RFC 862 */
};

/* The opcodes, and the bytes that follow them. */
enum step {
    STEP_RAW,      /* length, bytes: a frame as it is */
    STEP_IP,       /* addresses, next, hops, length, bytes */
    STEP_ICMP,     /* addresses, hops, length, bytes: with its checksum */
    STEP_FRAGMENT, /* addresses, id, offset, length, bytes: of the last ICMP */
    STEP_ND,       /* addresses, type, flags, target, mac: of a neighbour */
    STEP_ROUTER,   /* addresses, lifetime, flags, prefix, lengths, lifetimes */
    STEP_REDIRECT, /* addresses, target, destination */
    STEP_QUERY,    /* addresses, delay, group, size */
    STEP_ERROR,    /* addresses, type, code, MTU (2), protocol, ports */
    STEP_TCP,      /* addresses, flags, seq, ack, length */
    STEP_TIME,     /* n: 2^n ms */
    STEP_CARD,     /* full, or not */
    STEP_HEAP,     /* n: the n-th allocation from now on fails */
    STEP_SEND,     /* address: a datagram of ours */
    STEP_COUNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t frame[FAKENET_FRAME_MAX];

/* Addresses that mean something; [7] and [8] are written by begin(). */
enum { ADDRESSES = 16, OURS_LINK = 7, OURS_MADE = 8 };

static struct net_addr addresses[ADDRESSES];

static const char *const texts[ADDRESSES] = {
    PEER6,
    ROUTER6,
    PEER6_GLOBAL,
    OUR6,
    "::",
    "::1",
    "ff02::1",
    "::",
    "::",
    "ff02::2",
    "ff02::1:ff00:1",
    "2a00::1",
    "::ffff:10.0.0.2",
    "fe80::3",
    "2001:db8:5::9",
    "ff02::16",
};

/* One of them, or of sixteen that differ in the last byte. */
static struct net_addr address(uint8_t which)
{
    struct net_addr addr = addresses[which % ADDRESSES];

    addr.byte[15] ^= (uint8_t)(which >> 4);
    return addr;
}

/* The two addresses, and the frame around `len` bytes at PAYLOAD_AT. */
static size_t frame_make(uint8_t src, uint8_t dst, uint8_t next, uint8_t hops,
                         size_t len)
{
    struct net_addr from = address(src), to = address(dst);

    peer6_ip(frame, PEER6, "ff02::1", next, hops, len);
    memcpy(frame + 22, from.byte, 16);
    memcpy(frame + 38, to.byte, 16);
    if (to.byte[0] != 0xff)
        memcpy(frame, bench_mac, 6);
    else
        memcpy(frame + 2, to.byte + 12, 4);
    return PAYLOAD_AT + len;
}

static void icmp_come(uint8_t src, uint8_t dst, uint8_t hops, size_t len)
{
    size_t size = frame_make(src, dst, 58, hops, len);

    peer6_sum(frame, 58, len, 2);
    fakenet_inject(&bench.net, frame, size);
}

/* ---- Steps --------------------------------------------------------------- */

static uint8_t payload[PAYLOAD_MAX];

static void step_ip(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t next = take(input), hops = take(input);
    size_t len = take_bytes(input, frame + PAYLOAD_AT, 255);

    fakenet_inject(&bench.net, frame, frame_make(src, dst, next, hops, len));
}

static void step_icmp(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t hops = take(input);
    size_t len = take_bytes(input, frame + PAYLOAD_AT, 255);

    if (len < 4)
        return;
    icmp_come(src, dst, hops, len);
    memcpy(payload, frame + PAYLOAD_AT, len);
}

static void step_fragment(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t *header = frame + PAYLOAD_AT;
    uint8_t next = take(input), id = take(input), offset = take(input);
    size_t len = take(input) * 4u;

    memset(header, 0, 8);
    header[0] = next;
    /* The low bit says that more follow. */
    peer_put16(header + 2, (unsigned)(offset & 0xfe) << 2 | (offset & 1));
    header[7] = id;
    memcpy(header + 8, payload, len);
    fakenet_inject(&bench.net, frame, frame_make(src, dst, 44, 64, 8 + len));
}

static void step_neighbour(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t type = take(input), flags = take(input);
    struct net_addr target = address(take(input));
    uint8_t mac = take(input);
    uint8_t *message = frame + PAYLOAD_AT;

    memset(message, 0, 40);
    message[0] = (uint8_t)(135 + type % 2);
    message[4] = flags;
    memcpy(message + 8, target.byte, 16);
    message[24] = (uint8_t)(1 + type % 2);
    message[25] = mac >> 7; /* of length 0, else */
    memcpy(message + 26, peer_mac, 6);
    message[31] = mac;
    icmp_come(src, dst, type < 250 ? 255 : type, flags & 1 ? 24 : 32);
}

static void step_router(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t *message = frame + PAYLOAD_AT;
    struct net_addr prefix;
    uint8_t count;
    size_t len = 24;

    memset(message, 0, 24 + 4 * 32 + 40);
    message[0] = 134;
    message[4] = take(input);
    message[5] = take(input);
    peer_put16(message + 6, (unsigned)take(input) << 4);
    message[16] = 5;
    message[17] = 1;
    peer_put16(message + 22, 1200u + take(input));
    for (count = take(input) % 5; count > 0; count--, len += 32) {
        uint8_t *option = message + len;

        prefix = address(take(input));
        option[0] = 3;
        option[1] = 4;
        option[2] = take(input);
        option[3] = take(input);
        peer_put32(option + 4, (uint32_t)take(input) << take(input) % 25);
        peer_put32(option + 8, take(input));
        memcpy(option + 16, prefix.byte, 16);
    }
    if (take(input) & 1) {
        prefix = address(take(input));
        message[len] = 25;
        message[len + 1] = 3;
        peer_put32(message + len + 4, take(input));
        memcpy(message + len + 8, prefix.byte, 16);
        len += 24;
    }
    icmp_come(src, dst, 255, len);
}

static void step_redirect(struct input *input, uint8_t src, uint8_t dst)
{
    struct net_addr target = address(take(input)), of = address(take(input));
    uint8_t *message = frame + PAYLOAD_AT;

    memset(message, 0, 40);
    message[0] = 137;
    memcpy(message + 8, target.byte, 16);
    memcpy(message + 24, of.byte, 16);
    icmp_come(src, dst, 255, 40);
}

static void step_query(struct input *input, uint8_t src, uint8_t dst)
{
    static const uint8_t alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};
    uint8_t *message = frame + PAYLOAD_AT;
    struct net_addr group;
    size_t len, size;

    memset(message, 0, 48);
    message[0] = 130;
    peer_put16(message + 4, (unsigned)take(input) << 8);
    group = address(take(input));
    memcpy(message + 8, group.byte, 16);
    len = 23 + take(input) % 8;
    size = frame_make(src, dst, 58, 1, len);
    peer6_sum(frame, 58, len, 2);
    memmove(message + 8, message, len);
    memcpy(message, alert, 8);
    frame[20] = 0;
    peer_put16(frame + 18, (unsigned)len + 8);
    fakenet_inject(&bench.net, frame, size + 8);
}

static void step_error(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t message[8 + 48] = {take(input), take(input)};
    struct net_addr from, to;

    peer_put16(message + 6, (unsigned)take(input) << 8 | take(input));
    message[8] = 0x60;
    message[14] = take(input);
    message[15] = 64;
    from = address(take(input));
    to = address(take(input));
    memcpy(message + 16, from.byte, 16);
    memcpy(message + 32, to.byte, 16);
    message[49] = take(input);
    message[51] = take(input);
    memcpy(frame + PAYLOAD_AT, message, sizeof(message));
    icmp_come(src, dst, 64, sizeof(message));
}

/* The stack's number, to be near it. */
static uint32_t aim;

static void step_tcp(struct input *input, uint8_t src, uint8_t dst)
{
    uint8_t *tcp = frame + PAYLOAD_AT;
    size_t len;

    memset(tcp, 0, 20);
    peer_put16(tcp, PEER_PORT);
    peer_put16(tcp + 2, SERVICE_PORT);
    tcp[12] = 0x50;
    tcp[13] = take(input);
    peer_put32(tcp + 4, take(input));
    peer_put32(tcp + 8, aim + (uint32_t)(int8_t)take(input));
    peer_put16(tcp + 14, 60000);
    len = 20 + take(input) * 4u;
    len = frame_make(src, dst, 6, 64, len);
    peer6_sum(frame, 6, len - PAYLOAD_AT, 16);
    fakenet_inject(&bench.net, frame, len);
}

static struct udp_socket *udp;

static void udp_echo(void)
{
    uint8_t buf[300];
    struct flow from;
    int64_t got;

    udp_check(bench.stack);
    while ((got = udp_receive(udp, &from, buf, sizeof(buf), 0)) >= 0) {
        size_t len = got < 300 ? (size_t)got : sizeof(buf);

        if (from.rport != UDP_ECHO && /* it would never end */
            udp_send(udp, &from.remote, from.rport, buf, len) != 0)
            continue;
    }
}

static void step_send(uint8_t which)
{
    struct net_addr remote = address(which);

    if (udp_send(udp, &remote, 9, "hello", 5) != 0)
        return;
}

static void drain(void)
{
    const struct fakenet_frame *sent;

    while ((sent = fakenet_sent(&bench.net)) != NULL) {
        if (sent->len >= 74 && sent->data[20] == 6)
            aim = peer_get32(sent->data + 58) + 1;
    }
}

/* A step that is a frame between two addresses. */
static void step_between(enum step what, struct input *input)
{
    static void (*const steps[])(struct input *, uint8_t, uint8_t) = {
        [STEP_IP] = step_ip,
        [STEP_ICMP] = step_icmp,
        [STEP_FRAGMENT] = step_fragment,
        [STEP_ND] = step_neighbour,
        [STEP_ROUTER] = step_router,
        [STEP_REDIRECT] = step_redirect,
        [STEP_QUERY] = step_query,
        [STEP_ERROR] = step_error,
        [STEP_TCP] = step_tcp,
    };
    uint8_t src = take(input), dst = take(input);

    steps[what](input, src, dst);
}

static void step(struct input *input)
{
    enum step what = take(input) % STEP_COUNT;

    switch (what) {
    case STEP_RAW:
        fakenet_inject(&bench.net, frame, take_bytes(input, frame, 255));
        break;
    case STEP_TIME:
        /* While the card is full, the stack tries again each 0.5 ms. */
        bench_sleep(NS_PER_MS << take(input) % (bench.net.is_full ? 9 : 23));
        break;
    case STEP_CARD:
        bench.net.is_full = take(input) & 1;
        break;
    case STEP_HEAP:
        heap_fail(take(input));
        break;
    case STEP_SEND:
        step_send(take(input));
        break;
    default:
        step_between(what, input);
        break;
    }
    bench_run();
    udp_echo();
    bench_run();
    drain();
}

/* ---- One input ----------------------------------------------------------- */

static void on_receive(struct service *service, struct socket *socket)
{
    uint8_t buf[300];
    int64_t got;

    (void)service;
    while ((got = socket_receive(socket, buf, sizeof(buf))) > 0)
        if (socket_send(socket, buf, (size_t)got) != got)
            break;
    if (got == 0)
        socket_close(socket);
}

static struct service service = {
    .port = SERVICE_PORT, .receive = on_receive, .backlog = 10};

static void begin(uint8_t how)
{
    const struct net_addr any = {.word = {0, 0}};
    const struct ip6 *ip6;
    int error;

    if (how & 1)
        bench6_open_static();
    else
        bench6_open("auto");
    error = udp_open(bench.stack, &any, UDP_ECHO, &udp);
    assert(error == 0);
    bench.stack->isn_key = (struct siphash_key){{1, 2}};
    ip6 = ip6_of(bench.stack);
    for (unsigned i = 0; i < ADDRESSES; i++)
        addresses[i] = addr6(texts[i]);
    addresses[OURS_LINK] = ip6->address[0].addr;
    addresses[OURS_MADE] = addr6("2001:db8:5::");
    addresses[OURS_MADE] = ip6_address_make(ip6, &addresses[OURS_MADE], 0);
    memset(payload, 0, sizeof(payload));
    bench_serve(&service);
    bench.server->half_open_max = 3; /* the next gets a SYN cookie */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input input = {data, len};
    unsigned packets;

    begin(take(&input));
    packets = packet_free_count();
    for (unsigned i = 0; i < STEPS_MAX && input.len > 0; i++)
        step(&input);
    heap_fail(0);
    bench.net.is_full = false;
    bench_run();
    tcp_fini(bench.stack);
    bench_run();
    bench_sleep(40 * NS_PER_S); /* the last questions, and fragments */
    udp_echo();
    bench_run();
    bench_sleep(10 * NS_PER_S);
    drain();
    udp_close(udp);
    assert(packet_free_count() == packets);
    bench_close(); /* asserts that no memory was lost */
    return 0;
}
