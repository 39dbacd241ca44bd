/*
 * Datagrams of a card of several CPUs: sockets of UDP on any of them hear what
 * comes to any queue, in pieces or whole, and what is sent to ourselves; of
 * IPv6 the first has the addresses, and tells the others.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "net/group/peek.h"
#include "net/ip.h"
#include "net/ip6.h"
#include "net/udp.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/group_card.h"
#include "tests/fakes/machine.h"
#include <torc/socket.h>

enum { UDP_PORT = 7000, PIECE = 1480, UDP6_LEN = 12 };

static const struct net_addr any = {.word = {0, 0}};
static const char our_address6[] = "\xfd\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1";
static const char peer_address6[] = "\xfd\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2";

static int start(unsigned queues)
{
    card_make(queues);
    if (net_start_on(&card->dev.device, &config, all_cpus, CPUS) != 0)
        return -1;
    while (peer_gets(5) != NO_QUEUE) /* announcements */
        continue;
    return 0;
}

/* ---- A socket of UDP on some CPU ----------------------------------------- */

struct asker {
    uint16_t port; /* 0: any */
    struct udp_socket *socket;
    struct net_addr to;
    uint16_t to_port;
    bool is_connected;
    struct flow from;
    int64_t got;
    uint8_t bytes[4000];
};

static int asker_open(void *arg)
{
    struct asker *asker = arg;
    int status = udp_open(stack_self(), &any, asker->port, &asker->socket);

    if (status == 0)
        asker->port = udp_port(asker->socket);
    return status;
}

static int asker_send(void *arg)
{
    struct asker *asker = arg;

    if (asker->is_connected &&
        udp_connect(asker->socket, &asker->to, asker->to_port) != 0)
        return -EINVAL;
    return udp_send(asker->socket, asker->is_connected ? NULL : &asker->to,
                    asker->to_port, "x", 1);
}

static int asker_hear(void *arg)
{
    struct asker *asker = arg;

    asker->got = udp_receive(asker->socket, &asker->from, asker->bytes,
                             sizeof(asker->bytes), time_ns() + 2 * NS_PER_S);
    return 0;
}

static int asker_close(void *arg)
{
    udp_close(((struct asker *)arg)->socket);
    return 0;
}

static int64_t hears(unsigned cpu, struct asker *asker)
{
    return remote_call(cpu, asker_hear, asker) == 0 ? asker->got : -EIO;
}

static int bad_here(void *arg)
{
    uint64_t end = time_ns() + 2 * NS_PER_S;

    (void)arg;
    while (stack_self()->stats.udp_bad == 0 && time_ns() < end)
        thread_sleep(NS_PER_MS / 4);
    return (int)stack_self()->stats.udp_bad;
}

/* ---- Datagrams of the peer ----------------------------------------------- */

/* The bytes of a datagram, behind its UDP header without a checksum. */
static uint8_t whole[4000];

static void whole_make(uint16_t to, size_t udp_len)
{
    for (size_t i = 8; i < sizeof(whole); i++)
        whole[i] = (uint8_t)(i * 7 + (i >> 8));
    peer_put16(whole, 53);
    peer_put16(whole + 2, to);
    peer_put16(whole + 4, (unsigned)udp_len);
    peer_put16(whole + 6, 0);
}

/* Bytes [offset, offset + len) of it, as a piece where it is one. */
static void piece_comes(unsigned queue, unsigned id, size_t offset, size_t len,
                        bool more)
{
    uint8_t frame[PACKET_SIZE] = {0};
    size_t size;

    memcpy(frame + 34, whole + offset, len);
    size = peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, len);
    peer_put16(frame + 14 + 4, id);
    peer_put16(frame + 14 + 6, (more ? 0x2000u : 0) | (unsigned)offset / 8);
    peer_put16(frame + 14 + 10, 0);
    peer_put16(frame + 14 + 10, peer_checksum(frame + 14, 20, 0));
    come(queue, frame, size);
}

static bool is_whole(const struct asker *asker, size_t len)
{
    return asker->got == (int64_t)len &&
           memcmp(asker->bytes, whole + 8, len) == 0;
}

/* ---- Clients ------------------------------------------------------------- */

/* Answers come to any queue, and each socket gets its own. */
static int run_clients(void *arg)
{
    unsigned queues = *(unsigned *)arg;

    if (start(queues) != 0)
        return 1;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        struct asker asker = {.to = addr_of_ip4(PEER_ADDRESS),
                              .to_port = 53,
                              .is_connected = cpu % 2};

        if (remote_call(cpu, asker_open, &asker) != 0 ||
            remote_call(cpu, asker_send, &asker) != 0)
            return 2;
        if (asker.port < UDP_PORT_FIRST ||
            (unsigned)(asker.port - UDP_PORT_FIRST) % CPUS != cpu)
            return 3;
        if (peer_gets(2000) != cpu % queues || last.data[14 + 9] != 17 ||
            peer_get16(last.data + 34) != asker.port)
            return 4;
        whole_make(asker.port, 8 + 5);
        for (unsigned queue = 0; queue < queues; queue++) {
            piece_comes(queue, 1, 0, 8 + 5, false);
            if (hears(cpu, &asker) != 5 || !is_whole(&asker, 5))
                return 5;
        }
        if (remote_call(cpu, asker_close, &asker) != 0)
            return 6;
    }
    return all_are_right(CPUS) ? 0 : 7;
}

static void test_clients_on_any_cpu(void **state)
{
    (void)state;
    for (unsigned queues = 1; queues <= CPUS; queues++)
        assert_int_equal(machine_run(CPUS, MEMORY, run_clients, &queues), 0);
}

static void test_ports_of_members(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= GROUP_MAX; count++) {
        const struct net_group group = {.count = count};

        for (unsigned port = UDP_PORT_FIRST; port <= UINT16_MAX; port += 7) {
            for (unsigned i = 0; i < count; i++) {
                uint16_t near = group_port_near(&group, i, (uint16_t)port);

                assert_true(group_port_is_chosen(near));
                assert_int_equal(group_port_member(&group, near), i);
            }
        }
        assert_true(group_port_near(&group, 0, UINT16_MAX) > UINT16_MAX - 32);
    }
    assert_false(group_port_is_chosen(UDP_PORT_FIRST - 1));
}

/* ---- In pieces ----------------------------------------------------------- */

/* The first CPU gets the pieces once somebody has a socket of UDP. */
static bool first_joins(void)
{
    uint64_t end = time_ns() + 2 * NS_PER_S;

    while (stack_self()->ip4_more == NULL && time_ns() < end)
        thread_sleep(NS_PER_MS / 4);
    return stack_self()->ip4_more != NULL;
}

static int run_pieces(void *arg)
{
    struct asker asker = {.port = UDP_PORT};
    unsigned id = 1;

    (void)arg;
    if (start(2) != 0)
        return 1;
    piece_comes(1, 99, 0, 48, true); /* nobody wants it yet */
    for (uint64_t end = time_ns() + 2 * NS_PER_S;
         stack_self()->stats.ip_fragments == 0 && time_ns() < end;)
        thread_sleep(NS_PER_MS / 4);
    if (remote_call(2, asker_open, &asker) != 0 || !first_joins())
        return 2;
    for (unsigned queue = 0; queue < 4; queue++) {
        whole_make(UDP_PORT, 160); /* fits into one packet */
        piece_comes(queue % 2, id, 0, 80, true);
        piece_comes(queue / 2, id++, 80, 80, false);
        if (hears(2, &asker) != 152 || !is_whole(&asker, 152))
            return 3;
        whole_make(UDP_PORT, PIECE + 800); /* in two buffers */
        piece_comes(queue % 2, id, 0, PIECE, true);
        piece_comes(queue / 2, id++, PIECE, 800, false);
        if (hears(2, &asker) != PIECE + 792 || !is_whole(&asker, PIECE + 792))
            return 4;
    }
    /* What is longer than its header says, and in other CPUs' buffers. */
    whole_make(UDP_PORT, PIECE);
    piece_comes(0, id, 0, PIECE, true);
    piece_comes(1, id++, PIECE, 800, false);
    whole_make(UDP_PORT, 9);
    piece_comes(0, id, 0, 9, false);
    if (hears(2, &asker) != 1 || remote_call(2, bad_here, NULL) != 1)
        return 5;
    return all_are_right(CPUS) && remote_call(2, asker_close, &asker) == 0 ? 0
                                                                           : 6;
}

static void test_pieces_reach_any_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_pieces, NULL), 0);
}

/* What holds many packets is given only while most are here. */
static int run_few_packets(void *arg)
{
    struct asker asker = {.port = UDP_PORT};
    struct packet *held[1024];
    unsigned count = 0;

    (void)arg;
    if (start(1) != 0 || remote_call(2, asker_open, &asker) != 0 ||
        !first_joins())
        return 1;
    while (packet_free_count() >= stack_self()->packet_count / 2)
        held[count++] = packet_get();
    whole_make(UDP_PORT, PIECE + 800);
    piece_comes(0, 1, 0, PIECE, true);
    piece_comes(0, 1, PIECE, 800, false);
    for (uint64_t end = time_ns() + 2 * NS_PER_S;
         stack_self()->stats.handover_dropped == 0 && time_ns() < end;)
        thread_sleep(NS_PER_MS / 4);
    while (count > 0)
        packet_put(held[--count]);
    if (stack_self()->stats.handover_dropped != 1)
        return 2;
    return all_are_right(CPUS) && remote_call(2, asker_close, &asker) == 0 ? 0
                                                                           : 3;
}

static void test_pieces_leave_packets(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_few_packets, NULL), 0);
}

/* ---- To ourselves -------------------------------------------------------- */

static int run_loops(void *arg)
{
    struct asker server = {.port = UDP_PORT};
    struct asker client = {.to = addr_of_ip4(OUR_ADDRESS), .to_port = UDP_PORT};

    (void)arg;
    if (start(2) != 0 || remote_call(1, asker_open, &server) != 0 ||
        remote_call(3, asker_open, &client) != 0)
        return 1;
    if (remote_call(3, asker_send, &client) != 0 || hears(1, &server) != 1 ||
        server.from.rport != client.port)
        return 2;
    server.to = server.from.remote;
    server.to_port = server.from.rport;
    if (remote_call(1, asker_send, &server) != 0 || hears(3, &client) != 1 ||
        client.from.rport != UDP_PORT)
        return 3;
    /* Who says that nobody has a port is another CPU than that which asks. */
    client.is_connected = true;
    client.to_port = 9;
    if (remote_call(3, asker_send, &client) != 0 ||
        hears(3, &client) != -ECONNREFUSED)
        return 4;
    if (peer_gets(10) != NO_QUEUE ||
        remote_call(1, asker_close, &server) != 0 ||
        remote_call(3, asker_close, &client) != 0)
        return 5;
    return all_are_right(CPUS) ? 0 : 6;
}

static void test_datagrams_to_ourselves(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_loops, NULL), 0);
}

static int connect_here(void *arg)
{
    const struct net_endpoint to = {addr_of_ip4(OUR_ADDRESS), SERVICE_PORT};
    uint64_t deadline = time_ns() + 2 * NS_PER_S;
    struct socket *socket;
    char buf[4];
    int status = socket_open_tcp(&socket);

    (void)arg;
    if (status != 0)
        return status;
    status = socket_connect(socket, &to, deadline);
    if (status == 0 && (socket_write(socket, "hi", 2, deadline) != 2 ||
                        socket_read(socket, buf, sizeof(buf), deadline) != 2))
        status = -EIO;
    socket_close(socket);
    return status;
}

static int accept_some(void *arg)
{
    uint64_t deadline = time_ns() + 20 * NS_PER_S;
    struct socket *listener = arg, *socket;
    char buf[4];

    for (unsigned i = 0; i < CPUS; i++) {
        if (socket_accept(listener, &socket, deadline) != 0)
            return 1;
        if (socket_read(socket, buf, sizeof(buf), deadline) != 2 ||
            socket_write(socket, buf, 2, deadline) != 2)
            return 2;
        socket_close(socket);
    }
    return 0;
}

/* A service of one CPU, and clients of it on all. */
static int run_tcp_loops(void *arg)
{
    const struct net_endpoint here = {any, SERVICE_PORT};
    const struct thread_attr attr = {.name = "accepts"};
    struct socket *listener;
    thread_id id;
    int status;

    (void)arg;
    if (start(2) != 0 || socket_open_tcp(&listener) != 0 ||
        socket_bind(listener, &here) != 0 || socket_listen(listener, 0) != 0 ||
        thread_create(&attr, accept_some, listener, &id) != 0)
        return 1;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (remote_call(cpu, connect_here, NULL) != 0)
            return 2;
    }
    if (thread_join(id, &status) != 0 || status != 0)
        return 3;
    socket_close(listener);
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_connections_to_ourselves(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_tcp_loops, NULL), 0);
}

/* ---- IPv6 ---------------------------------------------------------------- */

/* A datagram of IPv6 around `len` bytes at frame + 54, or + 62 behind the
 * header of a fragment; `sum`: where its checksum is, 0: nowhere. Returns its
 * length. */
static size_t frame6(uint8_t *frame, const char *src, const char *dst,
                     uint8_t next, size_t len, size_t sum)
{
    uint8_t *ip = frame + 14;

    memcpy(frame, bench_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    peer_put16(frame + 12, 0x86dd);
    ip[0] = 0x60;
    peer_put16(ip + 4, (unsigned)len);
    ip[6] = next;
    ip[7] = 255;
    memcpy(ip + 8, src, 16);
    memcpy(ip + 24, dst, 16);
    if (sum != 0)
        peer_put16(ip + sum,
                   peer_checksum(ip + 8, 32 + len, (uint32_t)len + next));
    return 14 + 40 + len;
}

/* UDP of 12 bytes with the text "text". */
static void datagram6_make(uint8_t *udp, uint16_t to)
{
    peer_put16(udp, 53);
    peer_put16(udp + 2, to);
    peer_put16(udp + 4, UDP6_LEN);
    memcpy(udp + 8, "text", 4);
}

static void datagram6_comes(unsigned queue, uint16_t to)
{
    uint8_t frame[100] = {0};

    datagram6_make(frame + 54, to);
    come(queue, frame,
         frame6(frame, peer_address6, our_address6, 17, UDP6_LEN, 40 + 6));
}

/* The same in two fragments, or in one that is whole: RFC 6946. */
static void pieces6_come(unsigned queue, unsigned id, uint16_t to, bool is_one)
{
    uint8_t frame[100] = {0}, udp[UDP6_LEN];
    size_t first = is_one ? UDP6_LEN : 8;

    datagram6_make(frame + 54, to);
    (void)frame6(frame, peer_address6, our_address6, 17, UDP6_LEN, 40 + 6);
    memcpy(udp, frame + 54, sizeof(udp));
    for (size_t at = 0; at < UDP6_LEN; at += first) {
        size_t len = UDP6_LEN - at < first ? UDP6_LEN - at : first;

        memset(frame, 0, sizeof(frame));
        frame[54] = 17;
        peer_put16(frame + 56, (unsigned)at | (at + len < UDP6_LEN));
        peer_put32(frame + 58, id);
        memcpy(frame + 62, udp + at, len);
        come(queue, frame,
             frame6(frame, peer_address6, our_address6, 44, 8 + len, 0));
    }
}

static int is_ours_here(void *arg)
{
    return ip_is_ours(stack_self(), arg);
}

/* Whether all CPUs have the address, or none, within ten seconds. */
static bool all_have(const struct net_addr *addr, bool want)
{
    uint64_t end = time_ns() + 10 * NS_PER_S;
    struct net_addr copy = *addr;

    for (unsigned cpu = 0; cpu < CPUS;) {
        if (remote_call(cpu, is_ours_here, &copy) == want)
            cpu++;
        else if (time_ns() > end)
            return false;
        else
            thread_sleep(NS_PER_MS);
    }
    return true;
}

/* Of what was sent: questions whether anybody has an address of ours, questions
 * for routers, reports of groups. */
struct seen {
    unsigned probes, solicits, reports;
};

static void see(struct seen *seen, unsigned ms)
{
    while (peer_gets(ms) != NO_QUEUE) {
        const uint8_t *ip = last.data + 14;

        if (peer_get16(last.data + 12) != 0x86dd)
            continue;
        if (ip[6] == 58 && ip[40] == 135 && peer_get32(ip + 8) == 0)
            seen->probes++;
        if (ip[6] == 58 && ip[40] == 133)
            seen->solicits++;
        if (ip[6] == 0)
            seen->reports++;
    }
}

static int start6(const char *value)
{
    return start(2) != 0 ? -1 : net_ip6_all.start(value);
}

static int run_udp6(void *arg)
{
    struct asker asker = {.port = UDP_PORT}, other = {.to_port = UDP_PORT};
    struct seen seen = {0};
    struct net_addr ours;

    (void)arg;
    memcpy(ours.byte, our_address6, 16);
    other.to = ours;
    if (start6("fd00::1:0:0:0:1/64") != 0 || !all_have(&ours, true))
        return 1;
    see(&seen, 30);
    if (seen.probes != 1 + 2 || seen.solicits != 0)
        return 2; /* of the link and of the configured one: by one CPU */
    if (remote_call(2, asker_open, &asker) != 0 || !first_joins())
        return 3;
    for (unsigned queue = 0; queue < 2; queue++) {
        datagram6_comes(queue, UDP_PORT);
        if (hears(2, &asker) != 4 || memcmp(asker.bytes, "text", 4) != 0)
            return 4;
        pieces6_come(queue, 7 + queue, UDP_PORT, false);
        if (hears(2, &asker) != 4 || memcmp(asker.bytes, "text", 4) != 0)
            return 5;
        pieces6_come(queue, 9 + queue, UDP_PORT, true);
        if (hears(2, &asker) != 4 || memcmp(asker.bytes, "text", 4) != 0)
            return 6;
    }
    if (remote_call(3, asker_open, &other) != 0 ||
        remote_call(3, asker_send, &other) != 0 || hears(2, &asker) != 1)
        return 7;
    other.is_connected = true;
    other.to_port = 9;
    if (remote_call(3, asker_send, &other) != 0 ||
        hears(3, &other) != -ECONNREFUSED)
        return 8;
    if (remote_call(3, asker_close, &other) != 0 ||
        remote_call(2, asker_close, &asker) != 0)
        return 9;
    return all_are_right(CPUS) ? 0 : 10;
}

static void test_ip6_reaches_any_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_udp6, NULL), 0);
}

/* A router says that fd00:0:0:2::/64 is on the link, and makes addresses. */
static void router_comes(unsigned queue, uint32_t valid_s)
{
    uint8_t frame[14 + 40 + 16 + 32] = {0};
    uint8_t *icmp = frame + 54, *prefix = icmp + 16;
    size_t len;

    icmp[0] = 134;
    icmp[4] = 64;
    peer_put16(icmp + 6, 1800);
    memcpy(prefix, "\3\4\100\300", 4);
    peer_put32(prefix + 4, valid_s);
    peer_put32(prefix + 8, valid_s);
    memcpy(prefix + 16, "\xfd\0\0\0\0\0\0\2", 8);
    len = frame6(frame, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2",
                 "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 58, 48, 40 + 2);
    memcpy(frame, "\x33\x33\0\0\0\1", 6);
    come(queue, frame, len);
}

/* Their first address by a prefix of a router. */
static struct ip6_address *made(const struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 1; i < IP6_ADDRESSES_MAX; i++) {
        if (ip6->address[i].state == IP6_READY)
            return &ip6->address[i];
    }
    return NULL;
}

static int valid_here(void *arg)
{
    const struct ip6_address *own = made(stack_self());

    return own != NULL && own->valid_until > *(uint64_t *)arg;
}

static bool all_are_valid_until(uint64_t ns)
{
    uint64_t end = time_ns() + 2 * NS_PER_S;

    for (unsigned cpu = 0; cpu < CPUS;) {
        if (remote_call(cpu, valid_here, &ns) == 1)
            cpu++;
        else if (time_ns() > end)
            return false;
        else
            thread_sleep(NS_PER_MS);
    }
    return true;
}

/* Addresses come, live longer, and go, on all CPUs by what the first tells. */
static int run_router(void *arg)
{
    struct seen seen = {0};
    struct ip6_address *own;
    struct net_addr addr;
    uint64_t end = time_ns() + 10 * NS_PER_S;

    (void)arg;
    if (start6("auto") != 0 || net_ip6.start("auto") != -ENOTSUP)
        return 1;
    router_comes(1, 9000);
    while (made(stack_self()) == NULL && time_ns() < end)
        see(&seen, 1);
    own = made(stack_self());
    if (own == NULL)
        return 2;
    addr = own->addr;
    if (!all_have(&addr, true) || seen.probes != 2 || seen.solicits > 1)
        return 3;
    router_comes(1, 90000);
    if (!all_are_valid_until(time_ns() + 80000 * NS_PER_S))
        return 4;
    /* Two changes in a row: the letters of the first are under way. */
    own->preferred_until = time_ns();
    ip6_changed(stack_self());
    own->valid_until = time_ns();
    ip6_due(ip6_of(stack_self()), time_ns());
    if (!all_have(&addr, false))
        return 5;
    return all_are_right(CPUS) ? 0 : 6;
}

static void test_ip6_addresses_of_all(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_router, NULL), 0);
}

static int run_no_memory6(void *arg)
{
    struct ip6_config config6;
    uint64_t n = 0;
    bool failed;

    (void)arg;
    if (start(2) != 0 || ip6_config_parse("auto", &config6) != 0)
        return 1;
    do {
        int status;

        heap_fail(++n);
        status = ip6_start_member(stack_self(), &config6);
        failed = heap_failed();
        heap_fail(0);
        if (status != (failed ? -ENOMEM : 0) ||
            (stack_self()->ip6 == NULL) != failed)
            return 2;
    } while (failed);
    return n > 2 ? 0 : 3; /* its state, and what the others are told by */
}

static void test_ip6_needs_memory(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_no_memory6, NULL), 0);
}

/* ---- A member that has stopped ------------------------------------------- */

static struct net_stack *hidden_stack;

/* Hide the CPU's stack, or show it again. */
static int hide_stack(void *arg)
{
    struct net_stack *now = cpu_self()->net_stack;

    (void)arg;
    cpu_self()->net_stack = hidden_stack;
    hidden_stack = now;
    return 0;
}

/* Letters and datagrams for it are lost. */
static int run_stopped(void *arg)
{
    struct asker asker = {.to = addr_of_ip4(OUR_ADDRESS), .to_port = 9};

    (void)arg;
    if (start(1) != 0 || remote_call(1, hide_stack, NULL) != 0)
        return 1;
    if (asker_open(&asker) != 0 || asker_send(&asker) != 0)
        return 2;
    for (uint64_t end = time_ns() + 2 * NS_PER_S;
         stack_self()->stats.handed_over == 0 && time_ns() < end;)
        thread_sleep(NS_PER_MS / 4);
    if (stack_self()->stats.handed_over != 1 ||
        remote_call(1, hide_stack, NULL) != 0 || asker_close(&asker) != 0)
        return 3;
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_nothing_for_a_member_that_has_stopped(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_stopped, NULL), 0);
}

static void test_short_datagrams(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        uint8_t *ip = test_malloc(len + 1);
        struct flow flow;

        memset(ip, 0, len + 1);
        ip[0] = 0x60;
        assert_int_equal(datagram_peek(ip, len, &flow), FRAME_OTHER);
        test_free(ip);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_on_any_cpu),
        cmocka_unit_test(test_ports_of_members),
        cmocka_unit_test(test_pieces_reach_any_cpu),
        cmocka_unit_test(test_pieces_leave_packets),
        cmocka_unit_test(test_datagrams_to_ourselves),
        cmocka_unit_test(test_connections_to_ourselves),
        cmocka_unit_test(test_ip6_reaches_any_cpu),
        cmocka_unit_test(test_ip6_addresses_of_all),
        cmocka_unit_test(test_ip6_needs_memory),
        cmocka_unit_test(test_nothing_for_a_member_that_has_stopped),
        cmocka_unit_test(test_short_datagrams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
