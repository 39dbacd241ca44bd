/* SYNs while more frames wait than can be answered: net/tcp/crowd.c. */
#include "net/ip4.h"
#include "net/tcp.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { SECOND = 0x0a000009, STRANGERS = 0x08000000, ANSWERS = 8 };

static bool closes;

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    if (closes)
        socket_close(socket);
}

static struct service service = {.port = SERVICE_PORT, .receive = on_receive};

static void open_bench(void)
{
    bench_open(64);
    bench_serve(&service);
    assert_int_equal(ip4_address_add(bench.stack, SECOND, 0xffffff00), 0);
    bench.net.poll_max = 0;
}

static void inject(struct peer_segment segment)
{
    uint8_t frame[FAKENET_FRAME_MAX];

    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
}

static void inject_strangers(uint32_t first, unsigned count, uint32_t own)
{
    for (unsigned i = 0; i < count; i++)
        inject((struct peer_segment){
            .flags = SYN, .seq = 10, .address = first + i, .own = own});
}

/* Poll once; returns how many SYN-ACKs were sent. */
static unsigned poll_once(void)
{
    struct peer_segment got;
    unsigned count = 0;

    bench.relative = false;
    (void)stack_poll(bench.stack);
    bench_check();
    while (peer_receive(&got)) {
        assert_int_equal(got.flags, SYN | ACK);
        count++;
    }
    return count;
}

/* So many polls are full; all SYNs of them are answered. */
static void crowd(unsigned polls)
{
    for (unsigned i = 0; i < polls; i++) {
        inject_strangers(STRANGERS + i * STACK_POLL_BUDGET, STACK_POLL_BUDGET,
                         0);
        assert_int_equal(poll_once(), STACK_POLL_BUDGET);
    }
    assert_int_equal(bench.stack->stats.tcp_syns_shed, 0);
}

/* The fifth full poll in a row answers a few, on the short way and the long
 * one. */
static void test_few_strangers_are_answered(void **state)
{
    static const uint32_t own[] = {OUR_ADDRESS, SECOND};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        open_bench();
        crowd(CROWD_POLLS);
        inject_strangers(STRANGERS + 4096, STACK_POLL_BUDGET, own[i]);
        assert_int_equal(poll_once(), ANSWERS);
        assert_int_equal(bench.stack->stats.tcp_syns_shed,
                         STACK_POLL_BUDGET - ANSWERS);
        /* As many in the next one. */
        inject_strangers(STRANGERS + 8192, STACK_POLL_BUDGET, own[i]);
        assert_int_equal(poll_once(), ANSWERS);
        /* Both ways count all that came. */
        assert_int_equal(bench.stack->stats.tcp_in,
                         (CROWD_POLLS + 2) * STACK_POLL_BUDGET);
        assert_int_equal(bench.stack->stats.ip_in, bench.stack->stats.tcp_in);
        bench_close();
    }
}

/* What is passed over is not hashed, though it could be of the TIME-WAIT that
 * there is. */
static void test_what_is_passed_over_is_not_hashed(void **state)
{
    (void)state;
    open_bench();
    closes = true;
    peer_connect(PEER_PORT, 1000, 60000);
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .data = "x", .len = 1});
    peer_send((struct peer_segment){.flags = FIN | ACK, .seq = 1002, .ack = 2});
    closes = false;
    assert_int_equal(bench.stack->time_wait_count, 1);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    crowd(CROWD_POLLS);
    inject_strangers(STRANGERS + 4096, STACK_POLL_BUDGET, 0);
    (void)stack_poll(bench.stack); /* the bench's checks hash, too */
    assert_int_equal(addr_ip4(&bench.stack->hashed.remote),
                     STRANGERS + 4096 + ANSWERS - 1);
    assert_int_equal(poll_once(), ANSWERS);
    bench_close();
}

/* SYNs for nobody are counted once, and take no answer of a service. */
static void test_a_closed_port(void **state)
{
    struct peer_segment got;
    unsigned resets = 0, answers = 0;

    (void)state;
    open_bench();
    crowd(CROWD_POLLS);
    for (uint32_t i = 0; i < STACK_POLL_BUDGET; i++)
        inject((struct peer_segment){.flags = SYN,
                                     .seq = 10,
                                     .address = STRANGERS + 4096 + i,
                                     .target = i < 50 ? 81 : 80});
    (void)stack_poll(bench.stack);
    while (peer_receive(&got)) {
        resets += got.flags == (RST | ACK);
        answers += got.flags == (SYN | ACK);
    }
    assert_int_equal(resets, ANSWERS);
    assert_int_equal(answers, ANSWERS);
    bench_close();
}

/* What does not come from the card in this poll is answered: of another member
 * of a group, or of ourselves. */
static void test_others_are_not_of_the_crowd(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(0x7f000001), SERVICE_PORT};
    uint8_t frame[FAKENET_FRAME_MAX];
    const struct peer_segment segment = {
        .flags = SYN, .seq = 10, .address = STRANGERS + 9999};
    struct packet *packet;
    struct peer_segment got;
    struct socket_poll wait = {.events = SOCKET_CAN_SEND};
    struct socket *sock;
    size_t len;

    (void)state;
    open_bench();
    packet = packet_get();
    assert_int_equal(socket_open_tcp(&sock), 0);
    wait.socket = sock;
    crowd(CROWD_POLLS);
    inject_strangers(STRANGERS + 4096, STACK_POLL_BUDGET, 0);
    assert_int_equal(socket_connect_start(sock, &remote), 0);
    assert_int_equal(poll_once(), ANSWERS);
    assert_int_equal(bench.stack->stats.tcp_syns_shed,
                     STACK_POLL_BUDGET - ANSWERS);
    bench_check();
    len = peer_frame(frame, &segment);
    memcpy(packet_append(packet, (uint32_t)len), frame, len);
    packet->hops = 1;
    stack_receive(bench.stack, packet);
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    inject_strangers(STRANGERS + 8192, STACK_POLL_BUDGET, 0);
    assert_int_equal(poll_once(), ANSWERS);
    assert_int_equal(socket_wait(&wait, 1, 0), 1);
    socket_close(sock);
    bench_close();
}

/* Who is known has no more than its part: a source, and all of them. */
static void test_known_sources_have_a_part(void **state)
{
    (void)state;
    open_bench();
    for (uint32_t i = 0; i < STACK_POLL_BUDGET; i++) {
        const struct flow flow = {.remote = addr_of_ip4(STRANGERS + 5000 + i)};

        crowd_learn(bench.stack, &flow);
    }
    crowd(CROWD_POLLS);
    for (unsigned poll = 0; poll < 2; poll++) {
        for (uint16_t i = 1; i <= STACK_POLL_BUDGET; i++)
            inject((struct peer_segment){
                .flags = SYN,
                .seq = 10,
                .address = STRANGERS + 5000,
                .port = (uint16_t)(poll * STACK_POLL_BUDGET + i)});
        assert_int_equal(poll_once(), 4);
    }
    inject_strangers(STRANGERS + 5000, STACK_POLL_BUDGET, 0);
    assert_int_equal(poll_once(), 32);
    bench_close();
}

/* A poll that is not full ends it. */
static void test_the_crowd_is_gone(void **state)
{
    (void)state;
    open_bench();
    crowd(CROWD_POLLS);
    inject_strangers(STRANGERS + 4096, STACK_POLL_BUDGET - 1, 0);
    assert_int_equal(poll_once(), ANSWERS);
    inject_strangers(STRANGERS + 8192, STACK_POLL_BUDGET - 1, 0);
    assert_int_equal(poll_once(), STACK_POLL_BUDGET - 1);
    bench_close();
}

static void test_three_full_polls_are_no_crowd(void **state)
{
    (void)state;
    open_bench();
    crowd(CROWD_POLLS - 1);
    inject_strangers(STRANGERS + 4096, 1, 0);
    assert_int_equal(poll_once(), 1);
    crowd(CROWD_POLLS);
    bench_close();
}

/* Who has ended a handshake is answered, with what else it sends. */
static void test_who_is_known_is_answered(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    peer_connect(PEER_PORT, 1000, 60000);
    bench_run();
    crowd(CROWD_POLLS);
    inject_strangers(STRANGERS + 4096, STACK_POLL_BUDGET - 4, 0);
    inject((struct peer_segment){.flags = SYN, .seq = 10, .port = 1});
    inject((struct peer_segment){
        .flags = SYN, .seq = 10, .port = 2, .own = SECOND});
    /* No SYN that begins anything. */
    inject((struct peer_segment){
        .flags = SYN | ACK, .seq = 9, .ack = 77, .address = 0x0b000001});
    inject((struct peer_segment){
        .flags = SYN, .seq = 10, .address = STRANGERS + 9999});
    bench.relative = false;
    (void)stack_poll(bench.stack);
    for (unsigned i = 0; i < ANSWERS; i++) {
        assert_true(peer_receive(&got));
        assert_int_equal(got.flags, SYN | ACK);
    }
    for (uint16_t port = 1; port <= 2; port++) {
        assert_true(peer_receive(&got));
        assert_int_equal(got.flags, SYN | ACK);
        assert_int_equal(got.port, port);
    }
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, RST);
    peer_expect_nothing();
    bench_close();
}

/* ---- Who is known -------------------------------------------------------- */

static void learn(uint32_t address)
{
    const struct flow flow = {.remote = addr_of_ip4(address)};

    crowd_learn(bench.stack, &flow);
}

/* All addresses of an IPv6 /64 are one source. */
static void test_a_source_of_ip6(void **state)
{
    struct flow flow = {.remote.word = {0x20010db8, 1}};

    (void)state;
    open_bench();
    crowd_begin(bench.stack);
    memset(bench.stack->crowd.strangers, ANSWERS, 2);
    crowd_learn(bench.stack, &flow);
    flow.remote.word[1] = 77;
    assert_false(crowd_is_shed(bench.stack, &flow));
    flow.remote.word[0]++;
    assert_true(crowd_is_shed(bench.stack, &flow));
    bench.stack->crowd.sheds = false;
    bench_close();
}

static bool is_stranger(uint32_t address)
{
    const struct flow flow = {.remote = addr_of_ip4(address)};

    crowd_begin(bench.stack);
    bench.stack->crowd.sheds = false;
    memset(bench.stack->crowd.strangers, ANSWERS,
           sizeof(bench.stack->crowd.strangers));
    return crowd_is_shed(bench.stack, &flow);
}

/* The last 4096 at least; and of others few are taken for them. */
static void test_the_latest_are_remembered(void **state)
{
    enum { SOURCES = 20000, LATEST = 4096, OTHERS = 20000 };
    unsigned forgotten = 0, mistaken = 0;

    (void)state;
    open_bench();
    for (uint32_t i = 0; i < SOURCES; i++)
        learn(STRANGERS + i);
    for (uint32_t i = 0; i < LATEST; i++)
        assert_false(is_stranger(STRANGERS + SOURCES - 1 - i));
    for (uint32_t i = 0; i < 1000; i++)
        forgotten += is_stranger(STRANGERS + i);
    for (uint32_t i = 0; i < OTHERS; i++)
        mistaken += !is_stranger(0x09000000 + i * 77);
    print_message("forgotten %u, mistaken %u\n", forgotten, mistaken);
    assert_true(forgotten > 800);
    assert_true(mistaken < OTHERS / 8);
    bench_close();
}

/* Who comes again and again takes no place of others. */
static void test_one_source_counts_once(void **state)
{
    (void)state;
    open_bench();
    learn(STRANGERS);
    for (unsigned i = 0; i < 10000; i++)
        learn(STRANGERS + 1);
    assert_false(is_stranger(STRANGERS));
    assert_int_equal(bench.stack->crowd.count, 2);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_strangers_are_answered),
        cmocka_unit_test(test_what_is_passed_over_is_not_hashed),
        cmocka_unit_test(test_a_closed_port),
        cmocka_unit_test(test_others_are_not_of_the_crowd),
        cmocka_unit_test(test_known_sources_have_a_part),
        cmocka_unit_test(test_a_source_of_ip6),
        cmocka_unit_test(test_the_crowd_is_gone),
        cmocka_unit_test(test_three_full_polls_are_no_crowd),
        cmocka_unit_test(test_who_is_known_is_answered),
        cmocka_unit_test(test_the_latest_are_remembered),
        cmocka_unit_test(test_one_source_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
