/*
 * Fuzzing the network stack from the wire.
 *
 * An input is a list of steps, each an opcode and what it needs (see the enum;
 * tests/fuzz/corpus_net.sh writes some). Each input runs on a machine and a
 * stack of its own, with fixed keys and a fixed clock, so that it does the same
 * when it is replayed alone. The service echoes, and more as the data say.
 *
 * After each frame, timeout and callback the bench asserts what must be true of
 * the stack; in the end everything is taken down and nothing may be left.
 */
#include "kernel/heap/heap.h"
#include "net/udp.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include "tests/fuzz/step_input.h"
#include <stdlib.h>
#include <string.h>
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/socket.h>

enum {
    STEPS_MAX = 200,
    PAYLOAD_MAX = 1440,
    MEM_MIB = 4,
    PEERS = 4,
    PORTS = 8,
    UDP_ECHO = 7, /* a port: RFC 862 */
};

/* The opcodes, and the bytes that follow them. Numbers of two bytes have the
 * high one first. */
enum step {
    STEP_RAW,    /* length, bytes: a frame as it is */
    STEP_IP,     /* peer, protocol, fragment, length, bytes: a datagram */
    STEP_TCP,    /* see step_tcp() */
    STEP_ICMP,   /* peer, type, code, MTU (2), port, seq (2), quote length */
    STEP_ARP,    /* operation, sender, target, MAC */
    STEP_TIME,   /* n: 2^n ms */
    STEP_CARD,   /* full, or not */
    STEP_BUDGET, /* pages: how much the buffers may still take */
    STEP_HEAP,   /* n: the n-th allocation from now on fails */
    STEP_APP,    /* what, which socket: see step_app() */
    STEP_SOCK,   /* what, which socket of a thread: see step_sock() */
    STEP_COUNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint16_t take16(struct input *input)
{
    uint8_t high = take(input);

    return (uint16_t)(high << 8 | take(input));
}

/* Two known neighbours, one that answers no ARP, one behind the gateway. */
static uint32_t peer_address(uint8_t which)
{
    static const uint32_t addresses[PEERS] = {PEER_ADDRESS, GATEWAY,
                                              OUR_ADDRESS + 40, 0x08080808};

    return addresses[which % PEERS];
}

/* ---- The service --------------------------------------------------------- */

static struct socket *sockets[16];
static bool is_reading;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    for (unsigned i = 0; i < COUNT_OF(sockets); i++) {
        if (sockets[i] == NULL) {
            sockets[i] = socket;
            return 0;
        }
    }
    return -1; /* refused */
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    for (unsigned i = 0; i < COUNT_OF(sockets); i++) {
        if (sockets[i] == socket)
            sockets[i] = NULL;
    }
}

/* Echoes. The first byte says more: "*" 100 times, "!" abort, "." close, "~"
 * stop reading. */
static void on_receive(struct service *service, struct socket *socket)
{
    uint8_t buf[300];
    int64_t got;

    (void)service;
    while (is_reading) {
        unsigned times;

        got = socket_receive(socket, buf, sizeof(buf));
        if (got == 0)
            socket_close(socket);
        if (got <= 0)
            return;
        times = buf[0] == '*' ? 100 : 1;
        while (times-- > 0 && socket_send(socket, buf, (size_t)got) == got)
            continue;
        if (buf[0] == '!')
            socket_abort(socket);
        else if (buf[0] == '.')
            socket_close(socket);
        is_reading = buf[0] != '~';
    }
}

static void on_writable(struct service *service, struct socket *socket)
{
    assert(socket_send_room(socket) > 0);
    on_receive(service, socket);
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = on_accept,
                                 .receive = on_receive,
                                 .writable = on_writable,
                                 .close = on_close,
                                 .backlog = 10,
                                 .idle_ns = 30 * NS_PER_S};

/* A socket for datagrams, which sends them back: with it fragments are put
 * together. */
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

/* ---- What the stack said ------------------------------------------------- */

/* The numbers each peer and port should use next, to aim near them. */
static struct aim {
    uint32_t seq;
    uint32_t ack;
    uint32_t stamp; /* the stack's latest, to be echoed */
} aims[PEERS][PORTS];

/* The timestamp among the options of a segment that the stack has sent. */
static void stamp_update(struct aim *aim, const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != 0 && *at != 8)
        at += *at == 1 ? 1 : at[1];
    if (at < end && *at == 8)
        aim->stamp = peer_get32(at + 2);
}

static void aim_update(const uint8_t *frame, size_t len)
{
    const uint8_t *tcp = frame + 34;
    uint32_t port = peer_get16(tcp + 2);

    if (len < 54 || peer_get16(frame + 12) != 0x0800 || frame[23] != 6 ||
        port == 0 || port > PORTS)
        return;
    for (uint8_t i = 0; i < PEERS; i++) {
        struct aim *aim = &aims[i][port - 1];

        if (peer_get32(frame + 30) != peer_address(i))
            continue;
        aim->seq = peer_get32(tcp + 8);
        aim->ack = peer_get32(tcp + 4) + (uint32_t)(len - 34) -
                   (uint32_t)(tcp[12] >> 4) * 4 + (tcp[13] & 1) +
                   (tcp[13] >> 1 & 1);
        stamp_update(aim, tcp + 20, tcp + (tcp[12] >> 4) * 4);
    }
}

static void drain(void)
{
    const struct fakenet_frame *frame;

    while ((frame = fakenet_sent(&bench.net)) != NULL)
        aim_update(frame->data, frame->len);
}

/* ---- Steps --------------------------------------------------------------- */

static uint8_t frame[FAKENET_FRAME_MAX];

static void step_raw(struct input *input)
{
    fakenet_inject(&bench.net, frame, take_bytes(input, frame, 255));
}

/* Make the datagram at frame + 34 a fragment; `fragment` is the offset in units
 * of 8 bytes and, as the top bit, "more fragments". */
static void set_fragment(uint8_t fragment)
{
    peer_put16(frame + 20,
               (unsigned)(fragment & 0x7f) | (fragment & 0x80 ? 0x2000u : 0));
    peer_put16(frame + 24, 0);
    peer_put16(frame + 24, peer_checksum(frame + 14, 20, 0));
}

static void step_ip(struct input *input)
{
    uint32_t src = peer_address(take(input));
    uint8_t protocol = take(input);
    uint8_t fragment = take(input);
    size_t len = take_bytes(input, frame + 34, 255);

    if (protocol == 1 && len >= 4) {
        peer_put16(frame + 36, 0);
        peer_put16(frame + 36, peer_checksum(frame + 34, len, 0));
    }
    len = peer_ip4(frame, src, OUR_ADDRESS, protocol, len);
    set_fragment(fragment);
    fakenet_inject(&bench.net, frame, len);
}

enum { SAID_STAMPS = 128 };

/* How a segment differs from a plain one to port 80. */
enum shape {
    SHAPE_OTHER_PORT = 1, /* to port 81, which nobody serves */
    SHAPE_FRAGMENT = 2,   /* a byte: as in set_fragment() */
    SHAPE_URGENT = 4,     /* the urgent pointer (2) */
    SHAPE_OPTIONS = 8,    /* length, bytes */
    SHAPE_DATA = 16,      /* length (2), first byte */
    SHAPE_GROUP = 32,     /* in a broadcast frame */
    SHAPE_MARKED = 64,    /* congestion experienced */
    SHAPE_SAID = 128,     /* options: see put_options() */
};

/*
 * Shape, peer and port (4 bits each), flags, seq (2), ack (2), window (2), then
 * what the shape says. seq and ack are signed distances from the numbers that
 * are right.
 */
/* Options that fit what the stack has said. A byte: the number of blocks of
 * SACK, and SAID_STAMPS; of timestamps the value (2) and how old the echo is
 * (2); of each block the start (2, from the acknowledgement) and length (2). */
static size_t put_options(struct input *input, uint8_t *options,
                          const struct aim *aim, uint32_t ack)
{
    uint8_t said = take(input);
    unsigned count = (said & ~SAID_STAMPS) % (said & SAID_STAMPS ? 4 : 5);
    uint8_t *at = options;

    if (said & SAID_STAMPS) {
        memcpy(at, "\1\1\10\12", 4);
        peer_put32(at + 4, take16(input));
        peer_put32(at + 8, aim->stamp - take16(input));
        at += 12;
    }
    if (count > 0) {
        memcpy(at, "\1\1\5", 3);
        at[3] = (uint8_t)(2 + 8 * count);
        at += 4;
    }
    for (; count > 0; count--, at += 8) {
        uint32_t start = ack + (uint32_t)(int16_t)take16(input);

        peer_put32(at, start);
        peer_put32(at + 4, start + take16(input));
    }
    return (size_t)(at - options);
}

static void step_tcp(struct input *input)
{
    static uint8_t data[PAYLOAD_MAX], options[40];
    uint8_t shape = take(input);
    uint8_t who = take(input);
    struct aim *aim = &aims[(who >> 4) % PEERS][who % PORTS];
    struct peer_segment segment = {.address = peer_address(who >> 4),
                                   .port = (uint16_t)(1 + who % PORTS),
                                   .flags = take(input),
                                   .options = options,
                                   .data = data};
    uint8_t fragment = 0;
    size_t len;

    segment.seq = aim->seq + (uint32_t)(int16_t)take16(input);
    segment.ack = aim->ack + (uint32_t)(int16_t)take16(input);
    segment.window = take16(input);
    segment.target = shape & SHAPE_OTHER_PORT ? 81 : 0;
    segment.tos = shape & SHAPE_MARKED ? 3 : 0;
    if (shape & SHAPE_FRAGMENT)
        fragment = take(input);
    if (shape & SHAPE_URGENT)
        segment.urgent = take16(input);
    if (shape & SHAPE_OPTIONS) {
        memset(options, 0, sizeof(options));
        segment.options_len =
            (take_bytes(input, options, sizeof(options)) + 3) & ~3u;
    }
    if (shape & SHAPE_SAID)
        segment.options_len = put_options(input, options, aim, segment.ack);
    if (shape & SHAPE_DATA) {
        segment.len = take16(input) % (PAYLOAD_MAX + 1 - segment.options_len);
        memset(data, 'd', segment.len);
        data[0] = take(input);
    }
    len = peer_frame(frame, &segment);
    if (fragment != 0)
        set_fragment(fragment);
    if (shape & SHAPE_GROUP)
        memset(frame, 0xff, 6);
    fakenet_inject(&bench.net, frame, len);
}

/* An error about a segment that was sent to a peer's port. */
static void step_icmp(struct input *input)
{
    uint8_t who = take(input);
    uint8_t *icmp = frame + 34;
    uint8_t *quote = icmp + 8;
    uint8_t port;
    size_t len;

    memset(icmp, 0, 8 + 60);
    icmp[0] = take(input);
    icmp[1] = take(input);
    peer_put16(icmp + 6, take16(input));
    port = take(input) % PORTS;
    quote[0] = 0x45;
    quote[9] = 6;
    peer_put32(quote + 12, OUR_ADDRESS);
    peer_put32(quote + 16, peer_address(who));
    peer_put16(quote + 20, SERVICE_PORT);
    peer_put16(quote + 22, 1u + port);
    peer_put32(quote + 24,
               aims[who % PEERS][port].ack + (uint32_t)(int16_t)take16(input));
    len = 8 + take(input) % 61u;
    peer_put16(icmp + 2, peer_checksum(icmp, len, 0));
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, GATEWAY, OUR_ADDRESS, 1, len));
}

static void step_arp(struct input *input)
{
    uint8_t operation = take(input);
    uint8_t sender = take(input);
    uint8_t target = take(input);

    memset(frame, 0xff, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[11] = take(input);
    memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0", 9);
    frame[21] = operation;
    memcpy(frame + 22, frame + 6, 6);
    /* On our link: 10.0.0.n; 255 is off it. */
    peer_put32(frame + 28, sender == 255 ? 0x08080808 : 0x0a000000u + sender);
    memset(frame + 32, 0, 6);
    peer_put32(frame + 38, 0x0a000000u + target);
    fakenet_inject(&bench.net, frame, 42);
}

static void step_app(struct input *input)
{
    uint8_t what = take(input);
    struct socket *socket = sockets[take(input) % COUNT_OF(sockets)];
    static uint8_t data[3000];

    is_reading |= what % 5 == 0;
    if (socket == NULL)
        return;
    switch (what % 5) {
    case 0:
        on_receive(&service, socket);
        break;
    case 1:
        socket_close(socket);
        break;
    case 2:
        socket_abort(socket);
        break;
    case 3:
        if (socket_send(socket, data, sizeof(data)) < 0)
            break;
        break;
    case 4:
        is_reading = false;
        break;
    }
}

/* ---- Sockets of threads -------------------------------------------------- */

static struct socket *user[8];

/* A new socket with a local port: 80, which segments go to, 81 or any. */
static struct socket *user_open(uint8_t which)
{
    const struct net_endpoint local = {
        .port = (uint16_t)(which % 3 == 2 ? 0 : SERVICE_PORT + which % 3)};
    struct socket *socket;

    if (socket_open_tcp(&socket) != 0)
        return NULL;
    if (socket_bind(socket, &local) == 0)
        return socket;
    socket_close(socket);
    return NULL;
}

/* To a peer's port, or one of ours. */
static void user_connect(struct socket *socket, uint8_t where)
{
    struct net_endpoint to = {addr_of_ip4(peer_address(where >> 4)),
                              (uint16_t)(1 + where % PORTS)};

    if ((where & 0xc0) == 0xc0)
        to = (struct net_endpoint){addr_of_ip4(OUR_ADDRESS),
                                   (uint16_t)(SERVICE_PORT + where % 2)};
    if (socket_connect_start(socket, &to) == -EXDEV)
        return;
}

static void user_talk(struct socket *socket, uint8_t what, uint8_t more)
{
    static uint8_t data[3000];
    struct socket_poll poll = {.socket = socket, .events = more};
    int64_t done = 0;

    switch (what) {
    case 0:
        done = socket_read(socket, data, 1 + (size_t)more * 10, 0);
        break;
    case 1:
        done = socket_write(socket, data, (size_t)more * 10, 0);
        break;
    case 2:
        done = socket_shutdown(socket);
        break;
    case 3:
        done = socket_set_option(socket, (enum socket_option)(more % 7),
                                 more >> 7 ? 20 * NS_PER_S : more >> 3 & 1);
        break;
    case 4:
        done = socket_wait(&poll, 1, 0);
        break;
    case 5:
        done = socket_peek(socket, data, more, 0);
        break;
    }
    assert(done != -EXDEV);
}

/* What, which, and one byte more. */
static void step_sock(struct input *input)
{
    uint8_t what = take(input) % 12;
    struct socket **slot = &user[take(input) % COUNT_OF(user)];
    uint8_t more = take(input);

    if (what < 2 && *slot == NULL)
        *slot = user_open(more);
    if (*slot == NULL)
        return;
    switch (what) {
    case 0:
        user_connect(*slot, take(input));
        break;
    case 1:
        if (socket_listen(*slot, more & 7) != 0)
            break;
        break;
    case 2:
        if (user[more % COUNT_OF(user)] == NULL &&
            socket_accept(*slot, &user[more % COUNT_OF(user)], 0) != 0)
            user[more % COUNT_OF(user)] = NULL;
        break;
    case 3:
        socket_close(*slot);
        *slot = NULL;
        break;
    case 4:
        socket_abort(*slot);
        *slot = NULL;
        break;
    default:
        user_talk(*slot, what - 5, more);
        break;
    }
}

static void user_end(void)
{
    for (unsigned i = 0; i < COUNT_OF(user); i++) {
        if (user[i] != NULL)
            socket_close(user[i]);
        user[i] = NULL;
    }
}

static void step(struct input *input)
{
    switch (take(input) % STEP_COUNT) {
    case STEP_RAW:
        step_raw(input);
        break;
    case STEP_IP:
        step_ip(input);
        break;
    case STEP_TCP:
        step_tcp(input);
        break;
    case STEP_ICMP:
        step_icmp(input);
        break;
    case STEP_ARP:
        step_arp(input);
        break;
    case STEP_TIME:
        /* While the card is full, the stack tries again each 0.5 ms. */
        bench_sleep(NS_PER_MS << take(input) % (bench.net.is_full ? 9 : 18));
        break;
    case STEP_CARD:
        bench.net.is_full = take(input) & 1;
        break;
    case STEP_BUDGET:
        bench.stack->budget.limit =
            bench.stack->budget.used + ((size_t)take(input) << 12);
        break;
    case STEP_HEAP:
        heap_fail(take(input));
        break;
    case STEP_APP:
        step_app(input);
        break;
    case STEP_SOCK:
        step_sock(input);
        break;
    }
    bench_run();
    udp_echo();
    bench_run();
    drain();
}

/* ---- One input ----------------------------------------------------------- */

static void begin(void)
{
    const struct net_addr any = {.word = {0, 0}};
    int error;

    bench_open(MEM_MIB);
    error = udp_open(bench.stack, &any, UDP_ECHO, &udp);
    assert(error == 0);
    bench.stack->isn_key = (struct siphash_key){{1, 2}};
    bench.stack->time_wait_max = 4;
    memset(aims, 0, sizeof(aims));
    memset(sockets, 0, sizeof(sockets));
    is_reading = true;
    bench_serve(&service);
    bench.server->half_open_max = 6; /* the next gets a SYN cookie */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input input = {data, len};
    unsigned packets;

    begin();
    packets = packet_free_count();
    for (unsigned i = 0; i < STEPS_MAX && input.len > 0; i++)
        step(&input);
    heap_fail(0);
    bench.net.is_full = false;
    bench_run();
    user_end();
    tcp_fini(bench.stack);
    bench_run();
    bench_sleep(40 * NS_PER_S); /* the last requests of ARP, and fragments */
    udp_echo();
    bench_run();
    bench_sleep(10 * NS_PER_S);
    drain();
    udp_close(udp);
    assert(packet_free_count() == packets);
    assert(bench.server->conn_count == 0);
    assert(bench.server->half_open_count == 0);
    for (unsigned i = 0; i < COUNT_OF(sockets); i++)
        assert(sockets[i] == NULL); /* close() was called */
    bench_close();                  /* asserts that no memory was lost */
    return 0;
}
