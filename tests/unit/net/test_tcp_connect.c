/* Active opens: RFC 9293, 3.10.1 and 3.10.7.3; RFC 6298, 6056, 6191, 5927. The
 * table of flags in SYN-SENT is in test_tcp_states.c. */
#include "kernel/heap/heap.h"
#include "net/ip4.h"
#include "net/tcp/conn.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { REMOTE_PORT = 7000, IRS = 1000 };

static struct socket *sock;
static uint16_t our_port;

static struct net_endpoint end_of(uint32_t address, uint16_t port)
{
    return (struct net_endpoint){addr_of_ip4(address), port};
}

static int start(uint32_t address, uint16_t port)
{
    const struct net_endpoint remote = end_of(address, port);

    return socket_connect_start(sock, &remote);
}

/* Begin to connect to the peer; its SYN was sent. */
static struct peer_segment begin(void)
{
    struct peer_segment got;

    assert_int_equal(socket_open_tcp(&sock), 0);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    bench.relative = false;
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN);
    assert_int_equal(got.ack, 0);
    assert_int_equal(got.port, REMOTE_PORT);
    assert_int_equal(got.own, OUR_ADDRESS);
    bench.iss = got.seq;
    bench.relative = true;
    our_port = got.target;
    bench_check();
    return got;
}

static void open_bench(void)
{
    bench_open(64);
    (void)begin();
}

static void answer(struct peer_segment segment)
{
    segment.port = REMOTE_PORT;
    segment.target = our_port;
    segment.window = 60000;
    peer_send(segment);
}

/* What the socket is ready for; 0: nothing. */
static unsigned ready(void)
{
    struct socket_poll poll = {.socket = sock, .events = 7};

    return socket_wait(&poll, 1, 0) == -EAGAIN ? 0 : poll.ready;
}

static void establish(void)
{
    answer((struct peer_segment){.flags = SYN | ACK, .seq = IRS, .ack = 1});
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1});
}

static void finish(void)
{
    socket_abort(sock);
    bench_close();
}

/* A neighbour that answers no ARP: after three questions. Another attempt, to
 * one that does, goes on. */
static void test_a_silent_neighbour_is_no_host(void **state)
{
    struct socket *other;

    (void)state;
    open_bench();
    other = sock;
    bench.answers_arp = false;
    assert_int_equal(socket_open_tcp(&sock), 0);
    assert_int_equal(start(PEER_ADDRESS + 7, REMOTE_PORT), 0);
    bench_sleep(3 * NS_PER_S - NS_PER_MS);
    assert_int_equal(ready(), 0);
    bench_sleep(NS_PER_S);
    assert_int_equal(sock->error, -EHOSTUNREACH);
    assert_null(sock->conn);
    assert_int_not_equal(ready(), 0);
    assert_non_null(other->conn);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    socket_abort(other);
    finish();
}

static void test_the_syn_offers_all(void **state)
{
    static const uint8_t offered[] = {2, 4, 1460 >> 8, 1460 & 255, 4, 2, 8, 10};
    struct peer_segment got;

    (void)state;
    bench_open(64);
    got = begin();
    assert_int_equal(got.options_len, 20);
    assert_memory_equal(got.options, offered, sizeof(offered));
    assert_int_not_equal(peer_get32(got.options + 8), 0);
    assert_int_equal(peer_get32(got.options + 12), 0);
    assert_memory_equal(got.options + 16, "\x01\x03\x03\x08", 4);
    assert_int_equal(got.window, 65535);
    assert_true(our_port >= 49152);
    assert_int_equal(ready(), 0);
    assert_int_equal(socket_send(sock, "x", 1), 0);
    finish();
}

static void test_connects_and_talks(void **state)
{
    struct net_endpoint end;
    char buf[8];

    (void)state;
    open_bench();
    establish();
    assert_int_equal(ready(), SOCKET_CAN_SEND);
    end = socket_local(sock);
    assert_int_equal(end.port, our_port);
    assert_int_equal(addr_ip4(&end.addr), OUR_ADDRESS);
    assert_int_equal(socket_send(sock, "abc", 3), 3);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 3});
    answer((struct peer_segment){
        .flags = ACK, .seq = IRS + 1, .ack = 4, .data = "defg", .len = 4});
    assert_int_equal(ready(), SOCKET_CAN_READ | SOCKET_CAN_SEND);
    assert_int_equal(socket_receive(sock, buf, sizeof(buf)), 4);
    assert_memory_equal(buf, "defg", 4);
    socket_close(sock);
    peer_expect({.flags = FIN | ACK, .seq = 4, .ack = IRS + 5});
    bench_close();
}

/* The peer's options count, those it does not have are not used. */
static void test_the_answer_decides_the_options(void **state)
{
    static const uint8_t few[] = {2, 4, 500 >> 8, 500 & 255, 1, 3, 3, 2};
    struct tcp_conn *conn;

    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = SYN | ACK,
                                 .seq = IRS,
                                 .ack = 1,
                                 .options = few,
                                 .options_len = sizeof(few)});
    conn = bench_conn(PEER_ADDRESS, REMOTE_PORT, our_port);
    assert_int_equal(conn->mss, 500);
    assert_int_equal(conn->snd_scale, 2);
    assert_int_equal(conn->rcv_scale, TCP_SCALE);
    assert_false(conn->has_stamps);
    assert_false(conn->has_sack);
    assert_int_equal(conn->snd_wnd, 60000); /* of a SYN: not scaled */
    finish();
}

static void test_data_and_fin_with_the_answer(void **state)
{
    char buf[8];

    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = SYN | ACK | FIN,
                                 .seq = IRS,
                                 .ack = 1,
                                 .data = "early",
                                 .len = 5});
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 7});
    assert_int_equal(socket_receive(sock, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "early", 5);
    assert_int_equal(socket_receive(sock, buf, sizeof(buf)), 0);
    finish();
}

static void test_refused(void **state)
{
    char buf[8];

    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = RST | ACK, .seq = 0, .ack = 1});
    peer_expect_nothing();
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(ready(),
                     SOCKET_CAN_READ | SOCKET_CAN_SEND | SOCKET_HAS_ENDED);
    assert_int_equal(socket_send(sock, "x", 1), -ECONNREFUSED);
    assert_int_equal(socket_receive(sock, buf, 1), -ECONNREFUSED);
    /* It may be tried again. */
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), -EINVAL);
    finish();
}

/* RFC 6298: 1, 2, 4 ... 60 seconds; RFC 9293, 3.8.3: at least 3 minutes. */
static void test_syn_is_sent_again(void **state)
{
    static const unsigned after[] = {1, 2, 4, 8, 16, 32, 60, 60};

    (void)state;
    open_bench();
    for (unsigned i = 0; i < COUNT_OF(after); i++) {
        bench_sleep(after[i] * NS_PER_S - 1);
        peer_expect_nothing();
        bench_sleep(1);
        if (i + 1 < COUNT_OF(after))
            peer_expect({.flags = SYN, .seq = 0, .ack = 0});
    }
    peer_expect_nothing();
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(bench.stack->stats.tcp_timeouts, 1);
    assert_int_equal(socket_send(sock, "x", 1), -ETIMEDOUT);
    finish();
}

/* RFC 6298, 5.7: what was sent again tells no round trip. */
static void test_timeout_after_a_lost_syn(void **state)
{
    (void)state;
    open_bench();
    bench_sleep(NS_PER_S);
    peer_expect({.flags = SYN, .seq = 0, .ack = 0});
    establish();
    assert_int_equal(bench_conn(PEER_ADDRESS, REMOTE_PORT, our_port)->rto_ms,
                     3000);
    finish();
}

/* ---- Both at the same time ----------------------------------------------- */

static unsigned state_now(void)
{
    return bench_state(PEER_ADDRESS, REMOTE_PORT, our_port);
}

/* RFC 9293, figure 8. */
static void test_simultaneous_open(void **state)
{
    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = SYN, .seq = IRS});
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    assert_int_equal(state_now(), TCP_SYN_RECEIVED);
    assert_int_equal(ready(), 0);
    /* An acknowledgement with an old number opens nothing. */
    answer((struct peer_segment){.flags = ACK, .seq = IRS, .ack = 1});
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1});
    assert_int_equal(state_now(), TCP_SYN_RECEIVED);
    bench_sleep(100 * NS_PER_MS); /* not too many challenges */
    answer((struct peer_segment){.flags = SYN | ACK, .seq = IRS, .ack = 1});
    peer_expect_nothing();
    assert_int_equal(state_now(), TCP_ESTABLISHED);
    assert_int_equal(ready(), SOCKET_CAN_SEND);
    /* Ours was lost: the peer repeats its own. */
    answer((struct peer_segment){.flags = SYN | ACK, .seq = IRS, .ack = 1});
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1});
    finish();
}

/* Who has sent a SYN is behind its next hop, though that may be silent now. */
static void test_a_silent_neighbour_in_a_simultaneous_open(void **state)
{
    struct tcp_conn *conn;

    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = SYN, .seq = IRS});
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    conn = bench_conn(PEER_ADDRESS, REMOTE_PORT, our_port);
    assert_non_null(conn->dst.neigh);
    bench.stack->neigh.silent(bench.stack, conn->dst.neigh);
    assert_ptr_equal(sock->conn, conn);
    finish();
}

static void test_simultaneous_open_with_an_ack(void **state)
{
    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = SYN, .seq = IRS});
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    bench_sleep(NS_PER_S);
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    answer((struct peer_segment){.flags = SYN, .seq = IRS});
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    answer((struct peer_segment){
        .flags = ACK, .seq = IRS + 1, .ack = 1, .data = "x", .len = 1});
    assert_int_equal(state_now(), TCP_ESTABLISHED);
    assert_int_equal(ready(), SOCKET_CAN_SEND | SOCKET_CAN_READ);
    finish();
}

static void test_refused_while_both_open(void **state)
{
    (void)state;
    open_bench();
    answer((struct peer_segment){.flags = SYN, .seq = IRS});
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    answer((struct peer_segment){.flags = RST, .seq = IRS + 50});
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1}); /* RFC 5961 */
    answer((struct peer_segment){.flags = RST, .seq = IRS + 1});
    assert_int_equal(socket_send(sock, "x", 1), -ECONNREFUSED);
    assert_int_equal(bench.stack->conn_count, 0);
    finish();
}

/* ---- ICMP ---------------------------------------------------------------- */

/* An error about our SYN, or about one with another sequence number. */
static void icmp_say(uint8_t code, uint32_t wrong)
{
    uint8_t frame[34 + 8 + 28];
    uint8_t *icmp = frame + 34;
    uint8_t *quote = icmp + 8;

    memset(frame, 0, sizeof(frame));
    icmp[0] = 3;
    icmp[1] = code;
    quote[0] = 0x45;
    peer_put16(quote + 2, 60);
    quote[8] = 1;
    quote[9] = 6;
    peer_put32(quote + 12, OUR_ADDRESS);
    peer_put32(quote + 16, PEER_ADDRESS);
    peer_put16(quote + 20, our_port);
    peer_put16(quote + 22, REMOTE_PORT);
    peer_put32(quote + 24, bench.iss + wrong);
    peer_put16(icmp + 2, peer_checksum(icmp, 36, 0));
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, GATEWAY, OUR_ADDRESS, 1, 36));
    bench_run();
}

static void test_icmp_port_unreachable_ends_it(void **state)
{
    (void)state;
    open_bench();
    icmp_say(3, 1);
    assert_int_equal(bench.stack->conn_count, 1);
    icmp_say(3, 0);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(socket_send(sock, "x", 1), -ECONNREFUSED);
    finish();
}

/* RFC 1122, 4.2.3.9: told when it is given up. */
static void test_icmp_host_unreachable_is_remembered(void **state)
{
    (void)state;
    open_bench();
    icmp_say(1, 0);
    assert_int_equal(bench.stack->conn_count, 1);
    bench_sleep(200 * NS_PER_S);
    assert_int_equal(socket_send(sock, "x", 1), -EHOSTUNREACH);
    finish();
}

static void test_icmp_is_not_believed_later(void **state)
{
    (void)state;
    open_bench();
    establish();
    icmp_say(3, 0);
    assert_int_equal(state_now(), TCP_ESTABLISHED);
    finish();
}

/* ---- Ends ---------------------------------------------------------------- */

/* RFC 9293, 3.9.2.3: a segment for all hosts is none. */
static void test_groups_are_not_answered(void **state)
{
    uint64_t before;

    (void)state;
    open_bench();
    before = bench.stack->stats.ip_not_ours;
    answer((struct peer_segment){
        .flags = SYN | ACK, .seq = IRS, .ack = 1, .own = 0x0a0000ff});
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.ip_not_ours, before + 1);
    assert_int_equal(ready(), 0);
    finish();
}

static void test_who_cannot_be_connected_to(void **state)
{
    const struct {
        uint32_t address;
        uint16_t port;
        int error;
    } rows[] = {
        {PEER_ADDRESS, 0, -EINVAL}, {0, 80, -EINVAL},
        {0xffffffff, 80, -EINVAL},  {0x0a0000ff, 80, -EINVAL},
        {0xe0000001, 80, -EINVAL},
    };
    struct net_endpoint six = {.port = 80};

    (void)state;
    bench_open(64);
    assert_int_equal(socket_open_tcp(&sock), 0);
    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(start(rows[i].address, rows[i].port), rows[i].error);
    assert_int_equal(socket_connect_start(sock, &six), -EINVAL);
    six.addr.byte[0] = 0xff;
    assert_int_equal(socket_connect_start(sock, &six), -EINVAL);
    six.addr.byte[0] = 0x20;
    assert_int_equal(socket_connect_start(sock, &six), -EHOSTUNREACH);
    bench.stack->routes.count = 0;
    assert_int_equal(start(PEER_ADDRESS, 80), -EHOSTUNREACH);
    assert_int_equal(bench.stack->conn_count, 0);
    peer_expect_nothing();
    finish();
}

static void test_our_end_can_be_chosen(void **state)
{
    enum { SECOND = 0x0a000009 };
    const struct net_endpoint local = end_of(SECOND, 1234);
    const struct net_endpoint other = end_of(0x0a00000a, 1234);
    struct socket *twin;
    struct net_endpoint remote = end_of(PEER_ADDRESS, REMOTE_PORT);
    struct peer_segment got;

    (void)state;
    bench_open(64);
    assert_int_equal(ip4_address_add(bench.stack, SECOND, 0xffffff00), 0);
    assert_int_equal(socket_open_tcp(&sock), 0);
    assert_int_equal(socket_bind(sock, &other), -EINVAL);
    assert_int_equal(socket_bind(sock, &local), 0);
    assert_int_equal(socket_bind(sock, &local), -EINVAL);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    assert_true(peer_receive(&got));
    assert_int_equal(got.own, SECOND);
    assert_int_equal(got.target, 1234);
    assert_int_equal(socket_open_tcp(&twin), 0);
    assert_int_equal(socket_bind(twin, &local), 0);
    assert_int_equal(socket_connect_start(twin, &remote), -EADDRINUSE);
    remote.port++;
    assert_int_equal(socket_connect_start(twin, &remote), 0);
    socket_abort(twin);
    finish();
}

/* RFC 6056, 3.3.3: from one destination's ports nobody can tell another's. */
static void test_ports_are_hard_to_guess(void **state)
{
    struct socket *many[32];
    uint16_t port[32];
    unsigned far = 0;

    (void)state;
    bench_open(64);
    for (unsigned i = 0; i < 32; i++) {
        const struct net_endpoint remote =
            end_of(PEER_ADDRESS, (uint16_t)(80 + i));

        assert_int_equal(socket_open_tcp(&many[i]), 0);
        assert_int_equal(socket_connect_start(many[i], &remote), 0);
        port[i] = socket_local(many[i]).port;
        assert_true(port[i] >= 49152);
        if (i > 0 && (uint16_t)(port[i] - port[i - 1] + 8) > 16)
            far++;
        bench_check();
    }
    assert_true(far > 24);
    for (unsigned i = 0; i < 32; i++)
        socket_abort(many[i]);
    bench_close();
}

/* A port that another connection to the same end has is not chosen again. */
static void test_ports_are_free_ones(void **state)
{
    struct socket *twin;
    const struct net_endpoint remote = end_of(PEER_ADDRESS, REMOTE_PORT);

    (void)state;
    open_bench();
    bench.stack->tcp_port_next--; /* the same one would be next */
    assert_int_equal(socket_open_tcp(&twin), 0);
    assert_int_equal(socket_connect_start(twin, &remote), 0);
    assert_int_not_equal(socket_local(twin).port, our_port);
    socket_abort(twin);
    finish();
}

/* ---- TIME-WAIT: RFC 6191 ------------------------------------------------- */

static const uint8_t stamped[] = {2, 4, 5, 0xb4, 1, 1, 8, 10,
                                  0, 0, 1, 0,    0, 0, 0, 0};

/* A connection from port 1234 that has come to TIME-WAIT. */
static void reach_time_wait(bool has_stamps)
{
    const struct net_endpoint local = {.port = 1234};
    struct peer_segment got;

    assert_int_equal(socket_open_tcp(&sock), 0);
    assert_int_equal(socket_bind(sock, &local), 0);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    bench.relative = false;
    assert_true(peer_receive(&got));
    bench.iss = got.seq;
    bench.relative = true;
    our_port = got.target;
    answer(
        (struct peer_segment){.flags = SYN | ACK,
                              .seq = IRS,
                              .ack = 1,
                              .options = has_stamps ? stamped : NULL,
                              .options_len = has_stamps ? sizeof(stamped) : 0});
    socket_close(sock);
    answer((struct peer_segment){.flags = FIN | ACK,
                                 .seq = IRS + 1,
                                 .ack = 2,
                                 .options = has_stamps ? stamped + 4 : NULL,
                                 .options_len = has_stamps ? 12 : 0});
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    while (peer_receive(&got))
        continue;
    assert_int_equal(socket_open_tcp(&sock), 0);
    assert_int_equal(socket_bind(sock, &local), 0);
}

static void test_time_wait_makes_place(void **state)
{
    struct peer_segment got;

    (void)state;
    bench_open(64);
    reach_time_wait(true);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), -EADDRINUSE);
    bench_sleep(NS_PER_S);
    bench_wait(PEER_ADDRESS, REMOTE_PORT, our_port)->snd_max += 0x10000000;
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN);
    /* behind all the old numbers */
    assert_true((int32_t)(got.seq - (0x10000000 + 2)) > 0);
    assert_int_equal(bench.stack->conn_count, 1);
    finish();
}

static void test_time_wait_without_stamps_stays(void **state)
{
    (void)state;
    bench_open(64);
    reach_time_wait(false);
    bench_sleep(30 * NS_PER_S);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), -EADDRINUSE);
    bench_sleep(31 * NS_PER_S);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    finish();
}

/* ---- To ourselves -------------------------------------------------------- */

static void test_connects_to_ourselves(void **state)
{
    static const uint32_t addresses[] = {OUR_ADDRESS, 0x7f000001};
    char buf[8];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(addresses); i++) {
        const struct net_endpoint local = {.port = SERVICE_PORT};
        struct socket *listener, *server;

        bench_open(64);
        assert_int_equal(socket_open_tcp(&listener), 0);
        assert_int_equal(socket_bind(listener, &local), 0);
        assert_int_equal(socket_listen(listener, 0), 0);
        assert_int_equal(socket_open_tcp(&sock), 0);
        assert_int_equal(start(addresses[i], SERVICE_PORT), 0);
        bench_run();
        assert_int_equal(ready(), SOCKET_CAN_SEND);
        assert_int_equal(socket_accept(listener, &server, 0), 0);
        assert_int_equal(socket_peer(server).port, socket_local(sock).port);
        assert_int_equal(socket_send(sock, "hello", 5), 5);
        bench_run();
        assert_int_equal(socket_receive(server, buf, sizeof(buf)), 5);
        assert_memory_equal(buf, "hello", 5);
        peer_expect_nothing();
        socket_close(server);
        bench_run();
        assert_int_equal(socket_receive(sock, buf, sizeof(buf)), 0);
        socket_close(listener);
        finish();
    }
}

/* ---- Memory -------------------------------------------------------------- */

static void test_without_memory(void **state)
{
    (void)state;
    bench_open(64);
    heap_fail(1);
    assert_int_equal(socket_open_tcp(&sock), -ENOMEM);
    heap_fail(0);
    assert_int_equal(socket_open_tcp(&sock), 0);
    heap_fail(1);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), -ENOMEM);
    heap_fail(0);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(start(PEER_ADDRESS, REMOTE_PORT), 0);
    finish();
}

/* RFC 9293, 3.10.4 and 3.10.5: nothing is sent in SYN-SENT. */
static void test_closed_in_syn_sent(void **state)
{
    (void)state;
    open_bench();
    socket_close(sock);
    peer_expect_nothing();
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
    open_bench();
    answer((struct peer_segment){.flags = SYN, .seq = IRS});
    peer_expect({.flags = SYN | ACK, .seq = 0, .ack = IRS + 1});
    socket_close(sock);
    peer_expect({.flags = RST | ACK, .seq = 1, .ack = IRS + 1});
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_syn_offers_all),
        cmocka_unit_test(test_a_silent_neighbour_is_no_host),
        cmocka_unit_test(test_connects_and_talks),
        cmocka_unit_test(test_the_answer_decides_the_options),
        cmocka_unit_test(test_data_and_fin_with_the_answer),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_syn_is_sent_again),
        cmocka_unit_test(test_timeout_after_a_lost_syn),
        cmocka_unit_test(test_simultaneous_open),
        cmocka_unit_test(test_a_silent_neighbour_in_a_simultaneous_open),
        cmocka_unit_test(test_simultaneous_open_with_an_ack),
        cmocka_unit_test(test_refused_while_both_open),
        cmocka_unit_test(test_icmp_port_unreachable_ends_it),
        cmocka_unit_test(test_icmp_host_unreachable_is_remembered),
        cmocka_unit_test(test_icmp_is_not_believed_later),
        cmocka_unit_test(test_groups_are_not_answered),
        cmocka_unit_test(test_who_cannot_be_connected_to),
        cmocka_unit_test(test_our_end_can_be_chosen),
        cmocka_unit_test(test_ports_are_hard_to_guess),
        cmocka_unit_test(test_ports_are_free_ones),
        cmocka_unit_test(test_time_wait_makes_place),
        cmocka_unit_test(test_time_wait_without_stamps_stays),
        cmocka_unit_test(test_connects_to_ourselves),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_closed_in_syn_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
