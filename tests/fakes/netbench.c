#include "tests/fakes/netbench.h"
#include "kernel/cpu/percpu.h"
#include "tests/fakes/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <torc/assert.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

struct bench bench;

const uint8_t bench_mac[6] = {0x52, 0x54, 0, 0, 0, 1};
const uint8_t peer_mac[6] = {0x52, 0x54, 0, 0, 0, 2};

/* ---- Bytes --------------------------------------------------------------- */

void peer_put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

void peer_put32(uint8_t *p, uint32_t value)
{
    peer_put16(p, value >> 16);
    peer_put16(p + 2, value & 0xffff);
}

uint32_t peer_get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

uint32_t peer_get32(const uint8_t *p)
{
    return peer_get16(p) << 16 | peer_get16(p + 2);
}

/* RFC 1071, byte by byte. */
uint16_t peer_checksum(const uint8_t *data, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

size_t peer_ip4(uint8_t *frame, uint32_t src, uint32_t dst, uint8_t protocol,
                size_t len)
{
    uint8_t *ip = frame + 14;

    memcpy(frame, bench_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    peer_put16(frame + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    peer_put16(ip + 2, (unsigned)(20 + len));
    ip[8] = 64;
    ip[9] = protocol;
    peer_put32(ip + 12, src);
    peer_put32(ip + 16, dst);
    peer_put16(ip + 10, peer_checksum(ip, 20, 0));
    return 34 + len;
}

static uint32_t pseudo_sum(uint32_t src, uint32_t dst, size_t len)
{
    return (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + 6 +
           (uint32_t)len;
}

size_t peer_frame(uint8_t *frame, const struct peer_segment *segment)
{
    uint32_t src = segment->address != 0 ? segment->address : PEER_ADDRESS;
    uint32_t dst = segment->own != 0 ? segment->own : OUR_ADDRESS;
    uint8_t *tcp = frame + 34;
    size_t header = 20 + segment->options_len;
    size_t len = header + segment->len;
    uint32_t base = bench.relative && (segment->flags & ACK) ? bench.iss : 0;

    memset(tcp, 0, 20);
    peer_put16(tcp, segment->port != 0 ? segment->port : PEER_PORT);
    peer_put16(tcp + 2, segment->target != 0 ? segment->target : SERVICE_PORT);
    peer_put32(tcp + 4, segment->seq);
    peer_put32(tcp + 8, segment->ack + base);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = segment->flags;
    peer_put16(tcp + 14, segment->window);
    peer_put16(tcp + 18, segment->urgent);
    if (segment->options_len > 0)
        memcpy(tcp + 20, segment->options, segment->options_len);
    if (segment->len > 0)
        memcpy(tcp + header, segment->data, segment->len);
    peer_put16(tcp + 16, peer_checksum(tcp, len, pseudo_sum(src, dst, len)));
    len = peer_ip4(frame, src, dst, 6, len);
    frame[15] = segment->tos;
    peer_put16(frame + 24, 0);
    peer_put16(frame + 24, peer_checksum(frame + 14, 20, 0));
    return len;
}

/* ---- The bench ----------------------------------------------------------- */

static uint64_t bench_clock(void)
{
    return bench.now;
}

/* An ARP message of the peer or the gateway. */
static void arp_say(uint32_t address, uint8_t op)
{
    uint8_t frame[42];

    memcpy(frame, bench_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    peer_put16(frame + 12, 0x0806);
    memcpy(frame + 14, "\0\1\x08\0\6\4\0", 7);
    frame[21] = op;
    memcpy(frame + 22, peer_mac, 6);
    peer_put32(frame + 28, address);
    memset(frame + 32, 0, 6);
    peer_put32(frame + 38, OUR_ADDRESS);
    fakenet_inject(&bench.net, frame, sizeof(frame));
}

/* The peer tells who it is, as any host does before it talks. */
static void introduce(uint32_t address)
{
    arp_say(address, 1);
    bench_poll();
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

/* Answer the questions among what was sent, and take them out. */
static bool arp_answer(void)
{
    struct fakenet_queue *sent = &bench.net.sent;
    bool any = false;

    for (unsigned i = 0; bench.answers_arp && i < sent->count; i++) {
        struct fakenet_frame *frame =
            &sent->frame[(sent->head + i) % FAKENET_FRAMES];
        uint32_t target = peer_get32(frame->data + 38);

        if (frame->len != 42 || peer_get16(frame->data + 12) != 0x0806 ||
            frame->data[21] != 1 ||
            (target != PEER_ADDRESS && target != GATEWAY))
            continue;
        arp_say(target, 2);
        frame->len = 0;
        any = true;
    }
    return any;
}

void bench_check(void)
{
    if (++bench.check_calls >= bench.check_every) {
        bench.check_calls = 0;
        stack_check(bench.stack);
    }
}

/* Of the pool, when the bench was opened and nothing waited. */
static unsigned packets_free;

void bench_pool_grew(unsigned packets)
{
    packets_free += packets;
    bench.blocks++;
}

void bench_open(size_t mem_mib)
{
    const struct net_config config = {OUR_ADDRESS, 0xffffff00, GATEWAY};

    bench_open_as(mem_mib, &config);
}

void bench_set_address(uint32_t address, uint32_t netmask)
{
    static const struct net_addr on_link = {.word = {0, 0}};
    struct net_stack *stack = bench.stack;
    unsigned len = 96;

    for (uint32_t mask = netmask; mask != 0; mask <<= 1)
        len++;
    stack->config = (struct net_config){address, netmask, 0};
    stack->ip4[0] = (struct ip4_address){address, netmask};
    stack->routes.count = 0;
    assert_int_equal(route_add(stack, addr_of_ip4(address), len, &on_link), 0);
}

void bench_open_as(size_t mem_mib, const struct net_config *config)
{
    struct mem_stats memory;
    int error;

    machine_attach(mem_mib << 20);
    /* Far from the machine's own clock, which must not run our timers. */
    bench.now = 1000000 * NS_PER_S;
    bench.answers_arp = true;
    bench.relative = false;
    bench.ttl = 64;
    bench.server = NULL;
    bench.check_every = 1;
    fakenet_init(&bench.net, bench_mac);
    error = stack_create(&bench.net.dev.queues[0], config, &bench.stack);
    assert_int_equal(error, 0);
    bench.stack->clock = bench_clock;
    bench.hash_key = bench.stack->hash_key;
    bench.stack->hash_key = (struct siphash_key){{1, 2}}; /* always the same */
    bench.net.poll_max = 1; /* each frame is followed by a check */
    cpu_self()->net_stack = bench.stack;
    introduce(PEER_ADDRESS);
    introduce(GATEWAY);
    bench.stack->stats = (struct net_stats){0};
    mem_get_stats(&memory);
    bench.blocks = memory.block_count - 2; /* less the stack and its chains */
    packets_free = packet_free_count();
}

void bench_close(void)
{
    struct mem_stats memory;

    if (bench.server != NULL) {
        tcp_fini(bench.stack);
        assert_int_equal(bench.stack->conn_count, 0);
        assert_int_equal(bench.stack->half_open_count, 0);
        while (server_dispatch(bench.server, 1000))
            continue;
        server_destroy(bench.server);
    }
    assert_int_equal(bench.stack->budget.used, 0);
    cpu_self()->net_stack = NULL;
    stack_destroy(bench.stack);
    mem_get_stats(&memory);
    assert_true(memory.block_count <= bench.blocks + 1); /* the timer queue */
    assert_int_equal(packet_free_count(), packets_free);
    assert_true(timer_next() == TIME_NEVER);
    machine_detach();
}

void bench_serve(struct service *service)
{
    int error = server_create(bench.stack, service, &bench.server);

    assert_int_equal(error, 0);
    bench.server->is_listening = true;
}

int bench_accept(struct service *service, struct socket *socket)
{
    (void)service;
    bench.socket = socket;
    bench.accepted++;
    return 0;
}

void bench_leave(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
}

void bench_drain(struct service *service, struct socket *socket)
{
    char buf[2000];

    (void)service;
    while (socket_receive(socket, buf, sizeof(buf)) > 0)
        continue;
}

static struct flow flow_of(uint32_t remote, uint16_t rport, uint16_t lport)
{
    return (struct flow){
        .local = addr_of_ip4(bench.stack->config.address),
        .remote = addr_of_ip4(remote),
        .lport = lport,
        .rport = rport,
        .protocol = 6,
    };
}

struct tcp_conn *bench_conn(uint32_t remote, uint16_t rport, uint16_t lport)
{
    const struct flow flow = flow_of(remote, rport, lport);

    return conn_find(bench.stack, &flow);
}

struct tcp_half *bench_half(uint32_t remote, uint16_t rport, uint16_t lport)
{
    const struct flow flow = flow_of(remote, rport, lport);

    return half_find(bench.stack, &flow);
}

struct tcp_wait *bench_wait(uint32_t remote, uint16_t rport, uint16_t lport)
{
    const struct flow flow = flow_of(remote, rport, lport);

    return wait_find(bench.stack, &flow);
}

enum tcp_state bench_state(uint32_t remote, uint16_t rport, uint16_t lport)
{
    const struct tcp_conn *conn = bench_conn(remote, rport, lport);

    if (conn != NULL)
        return conn->state;
    if (bench_half(remote, rport, lport) != NULL)
        return TCP_SYN_RECEIVED;
    return bench_wait(remote, rport, lport) != NULL ? TCP_TIME_WAIT
                                                    : TCP_CLOSED;
}

struct tcp_conn **bench_chain(uint32_t remote, uint16_t rport, uint16_t lport)
{
    const struct flow flow = flow_of(remote, rport, lport);

    return conn_chain(bench.stack,
                      (uint32_t)(conn_hash(bench.stack, &flow) >> 32));
}

struct neigh *bench_neigh(uint32_t address)
{
    const struct net_addr addr = addr_of_ip4(address);

    for (unsigned i = 0; i < NEIGH_SETS * NEIGH_WAYS; i++) {
        struct neigh *neigh =
            &bench.stack->neigh.entry[i / NEIGH_WAYS][i % NEIGH_WAYS];

        if (addr_equal(&neigh->address, &addr))
            return neigh;
    }
    return NULL;
}

void bench_poll(void)
{
    do {
        bool more;

        do {
            more = stack_poll(bench.stack);
            bench_check();
        } while (more);
    } while (arp_answer());
}

void bench_run(void)
{
    bench_poll();
    while (bench.server != NULL && server_dispatch(bench.server, 1))
        bench_check();
    bench_check();
}

void bench_sleep(uint64_t ns)
{
    uint64_t end = bench.now + ns;

    while (timer_next() <= end) {
        if (timer_next() > bench.now)
            bench.now = timer_next();
        timer_run(bench.now);
        bench_check();
        bench_run();
    }
    bench.now = end;
}

/* ---- The peer ------------------------------------------------------------ */

void peer_send_quietly(struct peer_segment segment)
{
    static uint8_t frame[FAKENET_FRAME_MAX];

    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
    bench_poll();
}

void peer_send(struct peer_segment segment)
{
    peer_send_quietly(segment);
    bench_run();
}

static void check_ip4(const uint8_t *ip, size_t len)
{
    assert_true(len >= 20);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(peer_checksum(ip, 20, 0), 0);
    assert_int_equal(peer_get16(ip + 2), len);
    assert_int_equal(peer_get16(ip + 6), 0x4000); /* it is not fragmented */
    assert_int_equal(ip[8], bench.ttl);
}

bool peer_receive(struct peer_segment *out)
{
    const struct fakenet_frame *frame;
    const uint8_t *ip = bench.frame + 14;
    const uint8_t *tcp = bench.frame + 34;
    size_t header, len;

    do {
        frame = fakenet_sent(&bench.net);
        if (frame == NULL)
            return false;
    } while (frame->len == 0);
    memcpy(bench.frame, frame->data, frame->len);
    assert_memory_equal(bench.frame + 6, bench_mac, 6);
    assert_int_equal(peer_get16(bench.frame + 12), 0x0800);
    check_ip4(ip, frame->len - 14);
    assert_int_equal(ip[9], 6);
    len = frame->len - 34;
    assert_true(len >= 20);
    assert_int_equal(peer_checksum(tcp, len,
                                   pseudo_sum(peer_get32(ip + 12),
                                              peer_get32(ip + 16), len)),
                     0);
    header = (size_t)(tcp[12] >> 4) * 4;
    assert_true(header >= 20 && header <= len);
    *out = (struct peer_segment){
        .own = peer_get32(ip + 12),
        .tos = ip[1],
        .address = peer_get32(ip + 16),
        .target = (uint16_t)peer_get16(tcp),
        .port = (uint16_t)peer_get16(tcp + 2),
        .seq = peer_get32(tcp + 4) - (bench.relative ? bench.iss : 0),
        .ack = peer_get32(tcp + 8),
        .flags = tcp[13],
        .window = (uint16_t)peer_get16(tcp + 14),
        .options = tcp + 20,
        .options_len = header - 20,
        .data = tcp + header,
        .len = len - header,
    };
    return true;
}

void peer_expect_at(struct peer_segment want, const char *file, int line)
{
    struct peer_segment got;
    bool same;

    if (!peer_receive(&got)) {
        print_error("nothing was sent\n");
        _fail(file, line);
        return;
    }
    same = (got.flags & ~PSH) == (want.flags & ~PSH) && got.seq == want.seq &&
           got.own == (want.own != 0 ? want.own : OUR_ADDRESS) &&
           got.ack == want.ack && got.len == want.len &&
           (want.window == 0 || want.window == got.window) &&
           (want.port == 0 || want.port == got.port);
    if (same && want.data != NULL && want.len > 0)
        same = memcmp(want.data, got.data, want.len) == 0;
    if (same)
        return;
    print_error("sent: flags %02x seq %u ack %u len %zu window %u port %u\n"
                "want: flags %02x seq %u ack %u len %zu window %u port %u\n",
                got.flags, got.seq, got.ack, got.len, got.window, got.port,
                want.flags, want.seq, want.ack, want.len, want.window,
                want.port);
    _fail(file, line);
}

void peer_expect_nothing_at(const char *file, int line)
{
    struct peer_segment got;

    if (!peer_receive(&got))
        return;
    print_error("sent: flags %02x seq %u ack %u len %zu window %u\n", got.flags,
                got.seq, got.ack, got.len, got.window);
    _fail(file, line);
}

void peer_connect(uint16_t port, uint32_t seq, uint16_t window)
{
    static const uint8_t mss_1000[4] = {2, 4, 1000 >> 8, 1000 & 255};
    struct peer_segment got;

    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = seq,
                                    .window = window,
                                    .port = port,
                                    .options = mss_1000,
                                    .options_len = 4});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.ack, seq + 1);
    bench.iss = got.seq;
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = seq + 1,
                                    .ack = 1,
                                    .window = window,
                                    .port = port});
}
