/* Half-open connections: RFC 9293, 3.10.7.4; RFC 5961; RFC 6298, 5.4 to 5.7;
 * RFC 7323, 5. */
#include "kernel/heap/heap.h"
#include "net/ip4.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { IRS = 1000, STAMP = 7000, SECOND = 0x0a000009 };

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

static void open_bench(void)
{
    bench_open(64);
    bench.accepted = 0;
    bench_serve(&service);
}

static unsigned drain(void)
{
    struct peer_segment got;
    unsigned count = 0;

    while (peer_receive(&got))
        count++;
    return count;
}

/* A SYN of a port with timestamps, and what was answered: bench.iss. */
static struct peer_segment syn(uint16_t port, bool stamps)
{
    uint8_t options[12] = {1, 1, 8, 10};
    struct peer_segment got;

    peer_put32(options + 4, STAMP);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = IRS,
                                    .window = 9000,
                                    .port = port,
                                    .options = options,
                                    .options_len = stamps ? 12 : 0});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    bench.iss = got.seq;
    bench.relative = true;
    return got;
}

static struct tcp_half *half_of(uint16_t port)
{
    return bench_half(PEER_ADDRESS, port, SERVICE_PORT);
}

/* ---- What it costs ------------------------------------------------------- */

static void test_a_syn_costs_its_record(void **state)
{
    struct mem_stats before, after;

    (void)state;
    open_bench();
    mem_get_stats(&before);
    syn(PEER_PORT, true);
    mem_get_stats(&after);
    assert_true(sizeof(struct tcp_half) <= 96);
    assert_int_equal(after.block_count - before.block_count, 1);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(bench.stack->half_open_count, 1);
    bench_close();
}

/* ---- Segments ------------------------------------------------------------ */

/* Whatever comes but the last of a handshake changes nothing, or ends it. */
static void test_segments_of_a_half_open_connection(void **state)
{
    static const struct {
        const char *name;
        struct peer_segment send;
        uint8_t answer; /* flags; 0: none */
        bool ends;
    } rows[] = {
        {"SYN again", {.flags = SYN, .seq = IRS}, SYN | ACK, false},
        {"SYN and ACK again",
         {.flags = SYN | ACK, .seq = IRS, .ack = 1},
         SYN | ACK,
         false},
        {"SYN again, with data",
         {.flags = SYN, .seq = IRS, .data = "x", .len = 1},
         SYN | ACK,
         false},
        {"another SYN before it", {.flags = SYN, .seq = IRS - 1}, ACK, false},
        {"another SYN, next", {.flags = SYN, .seq = IRS + 1}, ACK, false},
        {"another SYN in the window",
         {.flags = SYN, .seq = IRS + 100},
         ACK,
         false},
        {"another SYN behind it",
         {.flags = SYN, .seq = IRS + 70000},
         ACK,
         false},
        {"ACK before the window",
         {.flags = ACK, .seq = IRS, .ack = 1},
         ACK,
         false},
        {"data before the window",
         {.flags = ACK, .seq = IRS - 1, .ack = 1, .data = "x", .len = 1},
         ACK,
         false},
        {"FIN behind the window",
         {.flags = FIN | ACK, .seq = IRS + 70000, .ack = 1},
         ACK,
         false},
        {"ACK of more", {.flags = ACK, .seq = IRS + 1, .ack = 2}, RST, false},
        {"ACK of nothing",
         {.flags = ACK, .seq = IRS + 1, .ack = 0},
         RST,
         false},
        {"no ACK", {.flags = PSH, .seq = IRS + 1}, 0, false},
        {"RST", {.flags = RST, .seq = IRS + 1}, 0, true},
        {"RST and ACK", {.flags = RST | ACK, .seq = IRS + 1}, 0, true},
        {"RST in the window", {.flags = RST, .seq = IRS + 2}, ACK, false},
        {"RST before it", {.flags = RST, .seq = IRS}, 0, false},
        {"RST behind it", {.flags = RST, .seq = IRS + 70000}, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer_segment got;

        print_message("row %s\n", rows[i].name);
        open_bench();
        syn(PEER_PORT, false);
        peer_send(rows[i].send);
        if (rows[i].answer == 0) {
            peer_expect_nothing();
        } else {
            assert_true(peer_receive(&got));
            assert_int_equal(got.flags, rows[i].answer);
            if (got.flags != RST)
                assert_int_equal(got.ack, IRS + 1);
            assert_int_equal(got.seq, got.flags == RST
                                          ? rows[i].send.ack
                                          : (got.flags & SYN) == 0);
        }
        assert_int_equal(half_of(PEER_PORT) == NULL, rows[i].ends);
        assert_int_equal(bench.stack->stats.tcp_resets_in, rows[i].ends);
        assert_int_equal(bench.accepted, 0);
        peer_send(
            (struct peer_segment){.flags = ACK, .seq = IRS + 1, .ack = 1});
        assert_int_equal(bench.accepted, !rows[i].ends);
        drain();
        bench_close();
    }
}

/* RFC 7323, 5.3; a reset needs no timestamp. */
static void test_timestamps(void **state)
{
    static const struct {
        const char *name;
        uint32_t stamp; /* 0: none */
        uint8_t flags;
        bool is_last, is_answered, ends;
    } rows[] = {
        {"the same", STAMP, ACK, true, false, true},
        {"newer", STAMP + 1, ACK, true, false, true},
        {"older", STAMP - 1, ACK, false, true, false},
        {"none", 0, ACK, false, false, false},
        {"a reset without", 0, RST, false, false, true},
        {"an old reset", STAMP - 1, RST, false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t options[12] = {1, 1, 8, 10};
        struct peer_segment got;

        print_message("row %s\n", rows[i].name);
        open_bench();
        syn(PEER_PORT, true);
        peer_put32(options + 4, rows[i].stamp);
        peer_send(
            (struct peer_segment){.flags = rows[i].flags,
                                  .seq = IRS + 1,
                                  .ack = 1,
                                  .options = options,
                                  .options_len = rows[i].stamp != 0 ? 12 : 0});
        assert_int_equal(bench.accepted, rows[i].is_last);
        assert_int_equal(half_of(PEER_PORT) == NULL, rows[i].ends);
        if (rows[i].is_answered) { /* by a segment that has one, too */
            assert_true(peer_receive(&got));
            assert_int_equal(got.flags, ACK);
            assert_int_equal(got.options_len, 12);
            assert_int_equal(peer_get32(got.options + 8), STAMP);
        }
        peer_expect_nothing();
        bench_close();
    }
}

/* RFC 5961, 7: answers to what is not acceptable are limited. */
static void test_challenges_are_limited(void **state)
{
    (void)state;
    open_bench();
    syn(PEER_PORT, false);
    for (unsigned i = 0; i < 10; i++)
        peer_send((struct peer_segment){.flags = RST, .seq = IRS + 5});
    assert_int_equal(drain(), 1);
    bench_sleep((TCP_CHALLENGE_MS - 1) * NS_PER_MS);
    peer_send((struct peer_segment){.flags = RST, .seq = IRS + 5});
    peer_expect_nothing();
    bench_sleep(NS_PER_MS);
    peer_send((struct peer_segment){.flags = RST, .seq = IRS + 5});
    assert_int_equal(drain(), 1);
    assert_int_equal(bench.stack->stats.tcp_challenges, 2);
    bench_close();
}

/* The connection keeps the window that the SYN-ACK has announced, however
 * little memory there is when the handshake ends. */
static void test_the_window_that_was_announced(void **state)
{
    const struct tcp_conn *conn;
    struct peer_segment got;

    (void)state;
    open_bench();
    got = syn(PEER_PORT, false);
    assert_int_equal(got.window, 65535);
    bench.check_every = 1000; /* the checks would find that nobody has it */
    bench.stack->budget.used += bench.stack->budget.limit - 4096;
    peer_send((struct peer_segment){
        .flags = ACK, .seq = IRS + 1, .ack = 1, .window = 500});
    bench.stack->budget.used -= bench.stack->budget.limit - 4096;
    bench.check_every = 1;
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_non_null(conn);
    assert_int_equal(conn->rcv_adv - conn->rcv_nxt, 65535);
    assert_int_equal(conn->snd_wnd, 500);
    assert_int_equal(conn->snd_wnd_max, 9000); /* of the SYN */
    bench_close();
}

/* A scale that is not offered is 0, in the window of an ACK, too. */
static void test_window_of_an_answer(void **state)
{
    static const uint8_t scale[4] = {1, 3, 3, 7};

    (void)state;
    for (unsigned has_scale = 0; has_scale < 2; has_scale++) {
        struct peer_segment got;

        open_bench();
        bench.relative = false;
        peer_send((struct peer_segment){.flags = SYN,
                                        .seq = IRS,
                                        .options = scale,
                                        .options_len = has_scale ? 4 : 0});
        assert_int_equal(drain(), 1);
        peer_send((struct peer_segment){.flags = RST, .seq = IRS + 5});
        assert_true(peer_receive(&got));
        assert_int_equal(got.window, has_scale ? 65535 >> 8 : 65535);
        assert_int_equal(got.options_len, 0);
        bench_close();
    }
}

/* ---- Time ---------------------------------------------------------------- */

/* RFC 6298, 3: nobody knows which of two SYN-ACKs is acknowledged. */
static void test_what_was_sent_twice_is_not_measured(void **state)
{
    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        open_bench();
        syn(PEER_PORT, false);
        bench_sleep(100 * NS_PER_MS);
        if (again)
            peer_send((struct peer_segment){.flags = SYN, .seq = IRS});
        assert_int_equal(drain(), again);
        assert_int_equal(bench.stack->stats.tcp_retransmits, again);
        peer_send(
            (struct peer_segment){.flags = ACK, .seq = IRS + 1, .ack = 1});
        assert_int_equal(
            bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT)->srtt == 0,
            again);
        drain();
        bench_close();
    }
}

/* Those that wait for 2 s do not keep one that waits for 1 s waiting. */
static void test_rows_go_side_by_side(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    syn(1, false);
    bench_sleep(1100 * NS_PER_MS); /* again at 3 s */
    assert_int_equal(drain(), 1);
    syn(2, false);
    bench_sleep(1000 * NS_PER_MS);
    assert_true(peer_receive(&got));
    assert_int_equal(got.port, 2);
    assert_int_equal(half_of(1)->tries, 1);
    assert_int_equal(half_of(2)->tries, 1);
    bench_sleep(900 * NS_PER_MS);
    assert_true(peer_receive(&got));
    assert_int_equal(got.port, 1);
    bench_close();
}

/* The timeout of one that has ended is that of nobody. */
static void test_the_first_one_has_ended(void **state)
{
    (void)state;
    open_bench();
    syn(1, false);
    bench_sleep(500 * NS_PER_MS);
    syn(2, false);
    peer_send((struct peer_segment){.flags = RST, .seq = IRS + 1, .port = 1});
    bench_sleep(500 * NS_PER_MS);
    peer_expect_nothing();
    bench_sleep(500 * NS_PER_MS);
    assert_int_equal(drain(), 1);
    bench_close();
}

/* The machine has stood still for a day: all is due at once. */
static void test_long_after_it_was_due(void **state)
{
    (void)state;
    open_bench();
    syn(1, false);
    syn(2, false);
    bench.now += 24 * 3600 * NS_PER_S;
    bench_sleep(1);
    assert_int_equal(drain(), 2);
    assert_int_equal(half_of(1)->tries, 1);
    bench_sleep(2 * NS_PER_S);
    assert_int_equal(drain(), 2);
    bench_close();
}

/* ---- The end ------------------------------------------------------------- */

/* Of a flow there is one: no connection of ours can begin beside it. */
static void test_its_flow_is_taken(void **state)
{
    const struct net_endpoint local = {.port = SERVICE_PORT};
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), PEER_PORT};
    struct socket *sock;

    (void)state;
    open_bench();
    syn(PEER_PORT, false);
    assert_int_equal(socket_open_tcp(&sock), 0);
    assert_int_equal(socket_bind(sock, &local), 0);
    assert_int_equal(socket_connect_start(sock, &remote), -EADDRINUSE);
    peer_send((struct peer_segment){.flags = RST, .seq = IRS + 1});
    assert_int_equal(socket_connect_start(sock, &remote), 0);
    assert_int_equal(drain(), 1);
    socket_close(sock);
    bench_close();
}

static void test_an_address_is_lost(void **state)
{
    const struct net_addr first = addr_of_ip4(OUR_ADDRESS);

    (void)state;
    open_bench();
    assert_int_equal(ip4_address_add(bench.stack, SECOND, 0xffffff00), 0);
    syn(1, false);
    syn(2, false);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = IRS, .own = SECOND});
    assert_int_equal(drain(), 1);
    tcp_address_lost(bench.stack, &first);
    assert_int_equal(bench.stack->half_open_count, 1);
    bench_check();
    tcp_address_lost(bench.stack, NULL);
    assert_int_equal(bench.stack->half_open_count, 0);
    bench_check();
    bench_close();
}

/* Ports whose hashes meet in one chain. */
static void test_chains(void **state)
{
    enum { COUNT = 100 };

    (void)state;
    open_bench();
    for (uint16_t port = 1; port <= COUNT; port++)
        syn(port, false);
    for (uint16_t port = 1; port <= COUNT; port++)
        assert_non_null(half_of(port));
    assert_null(half_of(COUNT + 1));
    for (uint16_t port = 2; port <= COUNT; port += 2)
        peer_send(
            (struct peer_segment){.flags = RST, .seq = IRS + 1, .port = port});
    for (uint16_t port = 1; port <= COUNT; port++)
        assert_int_equal(half_of(port) != NULL, port % 2);
    assert_int_equal(bench.stack->half_open_count, COUNT / 2);
    bench_close();
}

static void test_without_memory(void **state)
{
    (void)state;
    open_bench();
    heap_fail(1);
    peer_send((struct peer_segment){.flags = SYN, .seq = IRS});
    heap_fail(0);
    peer_expect_nothing();
    assert_int_equal(bench.stack->half_open_count, 0);
    assert_int_equal(bench.stack->stats.tcp_no_memory, 1);
    syn(PEER_PORT, false);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_syn_costs_its_record),
        cmocka_unit_test(test_segments_of_a_half_open_connection),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_challenges_are_limited),
        cmocka_unit_test(test_the_window_that_was_announced),
        cmocka_unit_test(test_window_of_an_answer),
        cmocka_unit_test(test_what_was_sent_twice_is_not_measured),
        cmocka_unit_test(test_rows_go_side_by_side),
        cmocka_unit_test(test_the_first_one_has_ended),
        cmocka_unit_test(test_long_after_it_was_due),
        cmocka_unit_test(test_its_flow_is_taken),
        cmocka_unit_test(test_an_address_is_lost),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
