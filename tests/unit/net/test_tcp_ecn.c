/* Explicit congestion notification: RFC 3168. */
#include "kernel/lib/bytes.h"
#include "net/tcp/conn.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { ECE = 64, CWR = 128, ECT = 2, CE = 3, IRS = 1000 };

static struct tcp_conn *conn;
static uint8_t data[20000];

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_drain};

static bool offers_sack;

/* A SYN with these flags; the flags of the answer. */
static uint8_t open_with(uint8_t flags)
{
    static const uint8_t options[] = {2, 4, 1000 >> 8, 1000 & 255, 4, 2, 1, 1};
    struct peer_segment got;

    bench_open(64);
    bench_serve(&service);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN | flags,
                                    .seq = IRS,
                                    .window = 60000,
                                    .options = options,
                                    .options_len = offers_sack ? 8 : 4});
    assert_true(peer_receive(&got));
    assert_int_equal(got.tos, 0); /* 6.1.1: a SYN is not capable */
    bench.iss = got.seq;
    bench.relative = true;
    peer_send((struct peer_segment){
        .flags = ACK, .seq = IRS + 1, .ack = 1, .window = 60000});
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    return got.flags;
}

static void says(uint8_t flags, uint32_t seq, uint32_t ack, uint8_t tos,
                 size_t len)
{
    peer_send((struct peer_segment){.flags = flags | ACK,
                                    .seq = IRS + seq,
                                    .ack = ack,
                                    .window = 60000,
                                    .tos = tos,
                                    .data = data,
                                    .len = len});
}

static struct peer_segment next(void)
{
    struct peer_segment got;

    assert_true(peer_receive(&got));
    return got;
}

static void drain(void)
{
    struct peer_segment got;

    while (peer_receive(&got))
        continue;
}

static void test_who_asks_gets_it(void **state)
{
    const struct {
        uint8_t asked, answer;
    } rows[] = {
        {ECE | CWR, SYN | ACK | ECE},
        {0, SYN | ACK},
        {ECE, SYN | ACK},
        {CWR, SYN | ACK},
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(open_with(rows[i].asked), rows[i].answer);
        assert_int_equal(conn->has_ecn, i == 0);
        assert_int_equal(socket_send(bench.socket, "x", 1), 1);
        assert_int_equal(next().tos, i == 0 ? ECT : 0);
        bench_close();
    }
}

/* The answers to our own SYN: ECE alone agrees. */
static void test_we_ask(void **state)
{
    const uint8_t rows[] = {ECE, 0, CWR, ECE | CWR};
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};
    struct peer_segment got;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        bench_open(64);
        bench.relative = false;
        assert_int_equal(socket_open_tcp(&bench.socket), 0);
        assert_int_equal(socket_set_option(bench.socket, SOCKET_ECN, 1), 0);
        assert_int_equal(socket_connect_start(bench.socket, &remote), 0);
        got = next();
        assert_int_equal(got.flags, SYN | ECE | CWR);
        assert_int_equal(got.tos, 0);
        peer_send((struct peer_segment){.flags = SYN | ACK | rows[i],
                                        .seq = IRS,
                                        .ack = got.seq + 1,
                                        .window = 1000,
                                        .port = 7000,
                                        .target = got.target});
        assert_int_equal(next().flags, ACK);
        assert_int_equal(socket_send(bench.socket, "x", 1), 1);
        assert_int_equal(next().tos, i == 0 ? ECT : 0);
        socket_abort(bench.socket);
        bench_close();
    }
}

/* 6.1.1.1: the second SYN does not ask, and then nothing is granted. */
static void test_a_lost_syn_asks_no_more(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};
    struct peer_segment got;

    (void)state;
    bench_open(64);
    bench.relative = false;
    assert_int_equal(socket_open_tcp(&bench.socket), 0);
    assert_int_equal(socket_set_option(bench.socket, SOCKET_ECN, 1), 0);
    assert_int_equal(socket_connect_start(bench.socket, &remote), 0);
    (void)next();
    bench_sleep(NS_PER_S);
    got = next();
    assert_int_equal(got.flags, SYN);
    peer_send((struct peer_segment){.flags = SYN | ACK | ECE,
                                    .seq = IRS,
                                    .ack = got.seq + 1,
                                    .window = 1000,
                                    .port = 7000,
                                    .target = got.target});
    (void)next();
    assert_int_equal(socket_send(bench.socket, "x", 1), 1);
    assert_int_equal(next().tos, 0);
    socket_abort(bench.socket);
    bench_close();
}

/* Behind the first segments, which are acknowledged each; from sequence number
 * FIRST on a second one is needed. */
enum { FIRST = 16001 };

static void pass_the_first(void)
{
    for (uint32_t seq = 1; seq < FIRST; seq += 1000)
        says(0, seq, 1, ECT, 1000);
    drain();
}

/* 6.1.3: told in every acknowledgement until the peer has answered. */
static void test_marks_are_told_until_answered(void **state)
{
    struct peer_segment got;

    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    pass_the_first();
    says(0, FIRST, 1, ECT, 1000);
    says(0, FIRST + 1000, 1, ECT, 1000);
    got = next();
    assert_int_equal(got.flags, ACK);
    assert_int_equal(got.tos, 0); /* 6.1.4: an acknowledgement is not capable */
    says(0, FIRST + 2000, 1, CE, 1000);
    says(0, FIRST + 3000, 1, ECT, 1000);
    assert_int_equal(next().flags, ACK | ECE);
    says(0, FIRST + 4000, 1, ECT, 1000);
    says(0, FIRST + 5000, 1, ECT, 1000);
    assert_int_equal(next().flags, ACK | ECE);
    assert_int_equal(socket_send(bench.socket, "x", 1), 1);
    assert_int_equal(next().flags & ~PSH, ACK | ECE);
    says(CWR, FIRST + 6000, 2, ECT, 1000);
    says(0, FIRST + 7000, 2, ECT, 1000);
    assert_int_equal(next().flags, ACK);
    /* A segment that answers and is marked itself. */
    says(CWR, FIRST + 8000, 2, CE, 1000);
    says(0, FIRST + 9000, 2, ECT, 1000);
    assert_int_equal(next().flags, ACK | ECE);
    bench_close();
}

/* A mark of an acknowledgement or of what is not ours means nothing: 6.1.4. */
static void test_marks_without_data(void **state)
{
    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    pass_the_first();
    says(0, FIRST, 1, CE, 0);
    says(0, FIRST + 4999999, 1, CE, 10);
    drain();
    says(0, FIRST, 1, ECT, 1000);
    says(0, FIRST + 1000, 1, ECT, 1000);
    assert_int_equal(next().flags, ACK);
    bench_close();
}

/* 6.1.2: the window becomes smaller as by a loss, once in a round trip, and the
 * next new data say so; nothing is sent again. */
static void test_the_window_becomes_smaller(void **state)
{
    uint32_t before, after;
    struct peer_segment got;

    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    before = conn->cwnd;
    assert_int_equal(before, 10000);
    assert_int_equal(socket_send(bench.socket, data, 20000), 20000);
    drain();
    assert_int_equal(conn->snd_max - conn->snd_una, 10000);
    says(ECE, 1, 1001, 0, 0);
    after = conn->cwnd;
    assert_int_equal(after, conn->ssthresh);
    assert_true(after < before && after >= before / 2);
    assert_int_equal(bench.stack->stats.tcp_marked, 1);
    says(ECE, 1, 2001, 0, 0); /* of the same window */
    assert_int_equal(conn->ssthresh, after);
    assert_int_equal(bench.stack->stats.tcp_marked, 1);
    says(0, 1, 9001, 0, 0);
    got = next();
    assert_int_equal(got.seq, 10001); /* nothing again */
    assert_int_equal(got.flags & CWR, CWR);
    assert_int_equal(got.tos, ECT);
    got = next();
    assert_int_equal(got.flags & CWR, 0); /* once */
    drain();
    says(ECE, 1, 12001, 0, 0); /* another window */
    assert_int_equal(bench.stack->stats.tcp_marked, 2);
    assert_true(conn->ssthresh < after);
    assert_int_equal(bench.stack->stats.tcp_retransmits, 0);
    bench_close();
}

/* An acknowledgement does not answer, new data do. */
static void test_an_answer_is_of_new_data(void **state)
{
    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    assert_int_equal(socket_send(bench.socket, data, 10000), 10000);
    drain();
    says(ECE, 1, 1001, 0, 1000);
    assert_int_equal(next().flags, ACK);
    assert_int_equal(socket_send(bench.socket, data, 1), 1);
    says(0, 1001, 10001, 0, 0);
    assert_int_equal(next().flags & CWR, CWR);
    bench_close();
}

/* An echo counts also where it acknowledges nothing new. */
static void test_an_echo_without_news(void **state)
{
    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    assert_int_equal(socket_send(bench.socket, data, 10000), 10000);
    drain();
    says(0, 1, 1001, 0, 0);
    says(ECE, 1, 1001, 0, 500);
    assert_int_equal(bench.stack->stats.tcp_marked, 1);
    bench_close();
}

/* An answer for each time that the window became smaller: the peer's echoes go
 * on until it has it, and one more could be taken for that of a later mark. */
static void test_each_reduction_is_told_once(void **state)
{
    struct peer_segment got;

    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    assert_int_equal(socket_send(bench.socket, data, 20000), 20000);
    drain();
    says(ECE, 1, 1001, 0, 0);
    says(ECE, 1, 9001, 0, 0);
    assert_int_equal(next().flags & CWR, CWR);
    drain();
    says(ECE, 1, 9001, 0, 0); /* RFC 3042: a duplicate lets one more go */
    got = next();
    assert_int_equal(got.len, 1000);
    assert_int_equal(got.flags & CWR, 0);
    says(0, 1, 10001, 0, 0);
    drain();
    says(ECE, 1, 16001, 0, 0); /* the answer was lost: the next window */
    assert_int_equal(bench.stack->stats.tcp_marked, 2);
    assert_int_equal(next().flags & CWR, CWR);
    bench_close();
}

/* 6.1.2: a loss makes the window smaller, too, however it was found. */
static void test_losses_are_told(void **state)
{
    /* 1001 to 4001 have come */
    static const uint8_t sack[] = {1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 0};
    static const struct {
        bool has_sack;
        unsigned duplicates;
        bool has_block;
        uint32_t again; /* what is sent again first */
    } rows[] = {
        {false, 0, false, 1},   /* by a timeout */
        {false, 3, false, 1},   /* three duplicates */
        {true, 1, true, 1},     /* SACK */
        {true, 0, false, 9001}, /* the probe of the tail */
    };
    struct peer_segment got;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        uint8_t block[sizeof(sack)];

        offers_sack = rows[i].has_sack;
        assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
        offers_sack = false;
        assert_int_equal(socket_send(bench.socket, data, 10000), 10000);
        drain();
        memcpy(block, sack, sizeof(sack));
        be32_put(block + 4, bench.iss + 1001);
        be32_put(block + 8, bench.iss + 4001);
        for (unsigned j = 0; j < rows[i].duplicates; j++)
            peer_send((struct peer_segment){
                .flags = ACK,
                .seq = IRS + 1,
                .ack = 1,
                .window = 60000,
                .options = block,
                .options_len = rows[i].has_block ? sizeof(block) : 0});
        while (!peer_receive(&got))
            bench_sleep(NS_PER_MS);
        assert_int_equal(got.seq, rows[i].again);
        assert_int_equal(got.flags & CWR, 0);
        drain();
        says(ECE, 1, 10001, 0, 0);
        assert_int_equal(bench.stack->stats.tcp_marked, 0);
        assert_int_equal(socket_send(bench.socket, data, 1), 1);
        assert_int_equal(next().flags & CWR, CWR);
        assert_int_equal(socket_send(bench.socket, data, 1), 1);
        assert_int_equal(next().flags & CWR, 0);
        bench_close();
    }
}

/* A loss is being repaired: the window is smaller already. */
static void test_marks_beside_a_loss(void **state)
{
    uint32_t before;

    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    assert_int_equal(socket_send(bench.socket, data, 20000), 20000);
    drain();
    for (unsigned i = 0; i < 3; i++)
        says(0, 1, 1, 0, 0);
    assert_true(conn->is_recovering);
    before = conn->ssthresh;
    says(ECE, 1, 1, 0, 0);
    assert_int_equal(conn->ssthresh, before);
    assert_int_equal(bench.stack->stats.tcp_marked, 0);
    bench_close();
}

/* 6.1.5 and 6.1.6: what is sent again, and probes of a window, are not capable.
 */
static void test_only_new_data_are_capable(void **state)
{
    struct peer_segment got;

    (void)state;
    assert_int_equal(open_with(ECE | CWR), SYN | ACK | ECE);
    assert_int_equal(socket_send(bench.socket, data, 100), 100);
    assert_int_equal(next().tos, ECT);
    bench_sleep(3 * NS_PER_S);
    got = next();
    assert_int_equal(got.seq, 1);
    assert_int_equal(got.tos, 0);
    drain();
    peer_send((struct peer_segment){
        .flags = ACK, .seq = IRS + 1, .ack = 101, .window = 0});
    assert_int_equal(socket_send(bench.socket, data, 100), 100);
    peer_expect_nothing();
    bench_sleep(10 * NS_PER_S);
    got = next();
    assert_int_equal(got.seq, 101);
    assert_int_equal(got.len, 1);
    assert_int_equal(got.tos, 0);
    bench_close();
}

/* Who has not asked does not get it, whatever it says. */
static void test_not_agreed(void **state)
{
    (void)state;
    assert_int_equal(open_with(0), SYN | ACK);
    assert_int_equal(socket_send(bench.socket, data, 20000), 20000);
    drain();
    says(ECE | CWR, 1, 1001, CE, 500);
    assert_int_equal(bench.stack->stats.tcp_marked, 0);
    drain();
    says(0, 501, 1001, CE, 1000);
    says(0, 1501, 1001, CE, 1000);
    assert_int_equal(next().flags & (ECE | CWR), 0);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_asks_gets_it),
        cmocka_unit_test(test_we_ask),
        cmocka_unit_test(test_a_lost_syn_asks_no_more),
        cmocka_unit_test(test_marks_are_told_until_answered),
        cmocka_unit_test(test_marks_without_data),
        cmocka_unit_test(test_the_window_becomes_smaller),
        cmocka_unit_test(test_an_answer_is_of_new_data),
        cmocka_unit_test(test_an_echo_without_news),
        cmocka_unit_test(test_each_reduction_is_told_once),
        cmocka_unit_test(test_losses_are_told),
        cmocka_unit_test(test_marks_beside_a_loss),
        cmocka_unit_test(test_only_new_data_are_capable),
        cmocka_unit_test(test_not_agreed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
