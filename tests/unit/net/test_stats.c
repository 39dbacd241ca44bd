/*
 * The counters: what each frame, call and timeout adds to them. A row names all
 * that change; every other counter must stay.
 */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

static uint8_t frame[FAKENET_FRAME_MAX];

static void inject(size_t len)
{
    fakenet_inject(&bench.net, frame, len);
    bench_run();
}

/* ---- Ethernet and ARP ---------------------------------------------------- */

static size_t make_arp(uint8_t op, uint32_t sender, uint32_t target)
{
    memset(frame, 0xff, 6);
    memcpy(frame + 6, peer_mac, 6);
    memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0", 9);
    frame[21] = op;
    memcpy(frame + 22, peer_mac, 6);
    peer_put32(frame + 28, sender);
    memset(frame + 32, 0, 6);
    peer_put32(frame + 38, target);
    return 42;
}

static void short_frame(void)
{
    inject(13);
}

static void to_another_card(void)
{
    size_t len = make_arp(1, PEER_ADDRESS, OUR_ADDRESS);

    memcpy(frame, "\x52\x54\0\0\0\x63", 6);
    inject(len);
}

static void unknown_type(void)
{
    size_t len = make_arp(1, PEER_ADDRESS, OUR_ADDRESS);

    frame[13] = 7;
    inject(len);
}

static void arp_request(void)
{
    inject(make_arp(1, PEER_ADDRESS, OUR_ADDRESS));
}

static void arp_probe(void)
{
    inject(make_arp(1, 0, OUR_ADDRESS));
}

static void arp_cut_off(void)
{
    (void)make_arp(1, PEER_ADDRESS, OUR_ADDRESS);
    inject(41);
}

static void arp_from_elsewhere(void)
{
    inject(make_arp(1, 0x08080808, OUR_ADDRESS));
}

static void arp_of_a_stranger(void)
{
    inject(make_arp(1, OUR_ADDRESS + 9, OUR_ADDRESS + 8));
}

static void say(struct peer_segment segment)
{
    segment.window = 60000;
    peer_send(segment);
}

/* A packet waits for a neighbour that does not answer. */
static void arp_without_answer(void)
{
    bench.answers_arp = false;
    say((struct peer_segment){.flags = ACK, .address = OUR_ADDRESS + 9});
    bench_sleep(3 * NS_PER_S);
}

/* ---- IPv4 and ICMP ------------------------------------------------------- */

static size_t make_ping(uint32_t src, uint32_t dst)
{
    memset(frame + 34, 0, 16);
    frame[34] = 8;
    peer_put16(frame + 36, peer_checksum(frame + 34, 16, 0));
    return peer_ip4(frame, src, dst, 1, 16);
}

static void ping(void)
{
    inject(make_ping(PEER_ADDRESS, OUR_ADDRESS));
}

static void ping_with_code(void)
{
    size_t len = make_ping(PEER_ADDRESS, OUR_ADDRESS);

    frame[35] = 1;
    frame[36] = frame[37] = 0;
    peer_put16(frame + 36, peer_checksum(frame + 34, 16, 0));
    inject(len);
}

static void damaged_header(void)
{
    size_t len = make_ping(PEER_ADDRESS, OUR_ADDRESS);

    frame[22]--;
    inject(len);
}

static void impossible_source(void)
{
    inject(make_ping(0x7f000001, OUR_ADDRESS));
}

static void to_another_host(void)
{
    inject(make_ping(PEER_ADDRESS, OUR_ADDRESS + 7));
}

static void to_all(void)
{
    inject(make_ping(PEER_ADDRESS, 0xffffffff));
}

static void fragment(void)
{
    size_t len = make_ping(PEER_ADDRESS, OUR_ADDRESS);

    frame[20] = 0x20;
    frame[24] = frame[25] = 0;
    peer_put16(frame + 24, peer_checksum(frame + 14, 20, 0));
    inject(len);
}

static void datagram(uint8_t protocol)
{
    inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, protocol, 20));
}

static void udp(void)
{
    datagram(17);
}

static void another_protocol(void)
{
    datagram(47);
}

static void too_many_errors(void)
{
    for (unsigned i = 0; i < 102; i++)
        datagram(17);
}

static void damaged_icmp(void)
{
    size_t len = make_ping(PEER_ADDRESS, OUR_ADDRESS);

    frame[len - 1]++;
    inject(len);
}

static void icmp_with_a_bad_quote(void)
{
    memset(frame + 34, 0, 16);
    frame[34] = 3;
    frame[35] = 4;
    peer_put16(frame + 36, peer_checksum(frame + 34, 16, 0));
    inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 1, 16));
}

static void no_gateway(void)
{
    bench_set_address(OUR_ADDRESS, 0xffffff00);
    inject(make_ping(0x08080808, OUR_ADDRESS));
}

/* ---- TCP ----------------------------------------------------------------- */

static void syn(void)
{
    say((struct peer_segment){.flags = SYN, .seq = 1000});
}

static void syn_unanswered(void)
{
    syn();
    bench_sleep(1 * NS_PER_S);
}

static void syn_to_closed_port(void)
{
    say((struct peer_segment){.flags = SYN, .target = 81});
}

static void connection(void)
{
    peer_connect(PEER_PORT, 1000, 60000);
}

static void damaged_segment(void)
{
    struct peer_segment segment = {.flags = SYN};
    size_t len = peer_frame(frame, &segment);

    frame[40]++;
    inject(len);
}

static void port_zero(uint32_t at)
{
    struct peer_segment segment = {.flags = SYN};
    size_t len = peer_frame(frame, &segment);
    uint32_t sum = (OUR_ADDRESS >> 16) + (OUR_ADDRESS & 0xffff) +
                   (PEER_ADDRESS >> 16) + (PEER_ADDRESS & 0xffff) + 6 + 20;

    peer_put16(frame + at, 0);
    peer_put16(frame + 50, 0);
    peer_put16(frame + 50, peer_checksum(frame + 34, 20, sum));
    inject(len);
}

static void from_port_zero(void)
{
    port_zero(34);
}

static void to_port_zero(void)
{
    port_zero(36);
}

static void reset(void)
{
    connection();
    say((struct peer_segment){.flags = RST, .seq = 1001});
}

static void reset_in_window(void)
{
    connection();
    say((struct peer_segment){.flags = RST, .seq = 1002});
}

static void old_data(void)
{
    connection();
    say((struct peer_segment){
        .flags = ACK, .seq = 900, .ack = 1, .data = "x", .len = 1});
}

static void data_ahead(void)
{
    connection();
    say((struct peer_segment){
        .flags = ACK, .seq = 1011, .ack = 1, .data = "x", .len = 1});
}

/* One piece more than are kept. */
static void too_many_ranges(void)
{
    connection();
    for (uint32_t i = 0; i <= 1024; i++)
        say((struct peer_segment){.flags = ACK,
                                  .seq = 1011 + 10 * i,
                                  .ack = 1,
                                  .data = "x",
                                  .len = 1});
}

static void no_memory_for_data(void)
{
    connection();
    bench.stack->budget.limit = bench.stack->budget.lent_max = 0;
    say((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .data = "x", .len = 1});
}

static void data_unanswered(void)
{
    connection();
    assert_int_equal(socket_send(bench.socket, "abc", 3), 3);
    bench_sleep(200 * NS_PER_MS);
}

static void data_lost(void)
{
    static const char text[4000];

    connection();
    assert_int_equal(socket_send(bench.socket, text, 4000), 4000);
    for (unsigned i = 0; i < 3; i++)
        say((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 1});
}

static void abortion(void)
{
    connection();
    socket_abort(bench.socket);
}

/* Only what is counted at the end: ARP and retransmissions come before. */
static void silence(void)
{
    struct net_stats *stats = &bench.stack->stats;

    connection();
    assert_int_equal(socket_send(bench.socket, "abc", 3), 3);
    bench_sleep(200 * NS_PER_S);
    *stats = (struct net_stats){.tcp_timeouts = stats->tcp_timeouts,
                                .tcp_resets_out = stats->tcp_resets_out};
}

/* A SYN-ACK is sent TCP_SYN_TRIES times more; no reset follows the last. */
static void silence_after_syn(void)
{
    struct net_stats *stats = &bench.stack->stats;

    syn();
    bench_sleep(200 * NS_PER_S);
    *stats = (struct net_stats){.tcp_timeouts = stats->tcp_timeouts,
                                .tcp_resets_out = stats->tcp_resets_out,
                                .tcp_retransmits = stats->tcp_retransmits};
}

/* A connection that may not be disturbed, as it were. */
static void useful_connection(void)
{
    connection();
    bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT)->was_useful = true;
}

static void backlog_full(void)
{
    bench.server->backlog = 1;
    useful_connection();
    bench.relative = false;
    say((struct peer_segment){.flags = SYN, .port = 9});
}

static void backlog_full_later(void)
{
    struct peer_segment got;

    bench.server->backlog = 1;
    say((struct peer_segment){.flags = SYN, .port = 9, .seq = 1});
    assert_true(peer_receive(&got));
    useful_connection();
    bench.relative = false;
    say((struct peer_segment){
        .flags = ACK, .port = 9, .seq = 2, .ack = got.seq + 1});
}

static void place_made(void)
{
    struct peer_segment got;

    bench.server->backlog = 1;
    connection();
    bench.relative = false;
    say((struct peer_segment){.flags = SYN, .port = 9, .seq = 1});
    assert_true(peer_receive(&got));
    say((struct peer_segment){
        .flags = ACK, .port = 9, .seq = 2, .ack = got.seq + 1});
}

static void cookie(void)
{
    bench.server->half_open_max = 0;
    syn();
}

static void cookie_returned(void)
{
    bench.server->half_open_max = 0;
    connection();
}

static void cookie_and_backlog_full(void)
{
    struct peer_segment got;

    bench.server->half_open_max = 0;
    bench.server->backlog = 1;
    say((struct peer_segment){.flags = SYN, .port = 9, .seq = 1});
    assert_true(peer_receive(&got));
    useful_connection();
    bench.relative = false;
    say((struct peer_segment){
        .flags = ACK, .port = 9, .seq = 2, .ack = got.seq + 1});
}

/* ---- No room ------------------------------------------------------------- */

static void full_card(void)
{
    bench.net.is_full = true;
    for (unsigned i = 0; i < STACK_TX_QUEUE_MAX + 2; i++)
        ping();
    assert_int_equal(bench.net.dev.queues[0].tx_dropped, 2);
    bench.net.is_full = false;
    bench_poll();
}

static struct packet *held[4096];
static unsigned held_count;

/* Leave one packet, for the frame that comes: none is left for the answer. */
static void pool_empty(void)
{
    for (held_count = 0; (held[held_count] = packet_get()) != NULL;)
        held_count++;
    packet_put(held[--held_count]);
}

static void pool_refill(void)
{
    while (held_count > 0)
        packet_put(held[--held_count]);
}

static void challenge_without_packet(void)
{
    connection();
    pool_empty();
    say((struct peer_segment){.flags = RST, .seq = 1002});
    pool_refill();
}

/* The acknowledgement is tried again 10 ms later. */
static void ack_without_packet(void)
{
    connection();
    pool_empty();
    say((struct peer_segment){
        .flags = ACK, .seq = 1002, .ack = 1, .data = "x", .len = 1});
    pool_refill();
    assert_int_equal(bench.stack->stats.tcp_out, 1);
    bench_sleep(10 * NS_PER_MS - 1);
    assert_int_equal(bench.stack->stats.tcp_out, 1);
    bench_sleep(1);
}

static void syn_without_packet(void)
{
    pool_empty();
    syn();
    pool_refill();
    assert_int_equal(bench.stack->stats.tcp_out, 0);
    bench_sleep(1 * NS_PER_S);
}

static void cookie_without_packet(void)
{
    bench.server->half_open_max = 0;
    pool_empty();
    syn();
    pool_refill();
}

static void refusal_without_packet(void)
{
    pool_empty();
    syn_to_closed_port();
    pool_refill();
}

static void udp_without_packet(void)
{
    pool_empty();
    udp();
    pool_refill();
}

static void arp_without_packet(void)
{
    pool_empty();
    arp_request();
    pool_refill();
}

/* Data that found no packet are sent when there are some. */
static void data_without_packet(void)
{
    connection();
    pool_empty();
    assert_non_null(packet_get());
    assert_int_equal(socket_send(bench.socket, "abc", 3), 3);
    assert_int_equal(bench.stack->stats.tcp_out, 1);
    held_count++; /* the one taken last */
    pool_refill();
    bench_sleep(500 * NS_PER_US);
}

/* ---- The table ----------------------------------------------------------- */

/* The counters of a segment that is answered, and of one that is not. */
#define IN     .frames_in = 1, .ip_in = 1, .tcp_in = 1
#define OUT(n) .frames_out = (n), .ip_out = (n), .tcp_out = (n)
#define INS(n) .frames_in = (n), .ip_in = (n), .tcp_in = (n)

/* clang-format off */
static const struct {
    const char *name;
    void (*run)(void);
    struct net_stats want;
} rows[] = {
    {"short frame", short_frame, {.frames_in = 1, .frames_bad = 1}},
    {"to another card", to_another_card, {.frames_in = 1, .frames_bad = 1}},
    {"unknown type", unknown_type, {.frames_in = 1, .frames_bad = 1}},
    {"ARP request", arp_request,
     {.frames_in = 1, .arp_in = 1, .arp_out = 1, .frames_out = 1}},
    {"ARP probe", arp_probe,
     {.frames_in = 1, .arp_in = 1, .arp_out = 1, .frames_out = 1}},
    {"ARP cut off", arp_cut_off, {.frames_in = 1, .arp_in = 1, .arp_bad = 1}},
    {"ARP from elsewhere", arp_from_elsewhere,
     {.frames_in = 1, .arp_in = 1, .arp_bad = 1}},
    {"ARP of a stranger", arp_of_a_stranger,
     {.frames_in = 1, .arp_in = 1, .arp_ignored = 1}},
    {"ARP without answer", arp_without_answer,
     {IN, .tcp_out = 1, .tcp_resets_out = 1, .ip_out = 1, .arp_out = 3,
      .frames_out = 3, .neigh_failed = 1}},
    {"ping", ping,
     {.frames_in = 1, .ip_in = 1, .icmp_in = 1, .icmp_out = 1, .ip_out = 1,
      .frames_out = 1}},
    {"ping with a code", ping_with_code,
     {.frames_in = 1, .ip_in = 1, .icmp_in = 1}},
    {"damaged header", damaged_header,
     {.frames_in = 1, .ip_in = 1, .ip_bad = 1}},
    {"impossible source", impossible_source,
     {.frames_in = 1, .ip_in = 1, .ip_bad = 1}},
    {"to another host", to_another_host,
     {.frames_in = 1, .ip_in = 1, .ip_not_ours = 1}},
    {"to all", to_all, {.frames_in = 1, .ip_in = 1}},
    {"fragment", fragment, {.frames_in = 1, .ip_in = 1, .ip_fragments = 1}},
    {"UDP", udp,
     {.frames_in = 1, .ip_in = 1, .ip_unknown_protocol = 1, .icmp_out = 1,
      .ip_out = 1, .frames_out = 1}},
    {"another protocol", another_protocol,
     {.frames_in = 1, .ip_in = 1, .ip_unknown_protocol = 1, .icmp_out = 1,
      .ip_out = 1, .frames_out = 1}},
    {"too many errors", too_many_errors,
     {.frames_in = 102, .ip_in = 102, .ip_unknown_protocol = 102,
      .icmp_out = 100, .icmp_limited = 2, .ip_out = 100, .frames_out = 100}},
    {"damaged ICMP", damaged_icmp,
     {.frames_in = 1, .ip_in = 1, .icmp_in = 1, .icmp_bad = 1}},
    {"ICMP with a bad quote", icmp_with_a_bad_quote,
     {.frames_in = 1, .ip_in = 1, .icmp_in = 1, .icmp_bad = 1}},
    {"no gateway", no_gateway,
     {.frames_in = 1, .ip_in = 1, .icmp_in = 1, .icmp_out = 1,
      .ip_no_route = 1}},
    {"SYN", syn, {IN, OUT(1)}},
    {"SYN-ACK unanswered", syn_unanswered,
     {IN, OUT(2), .tcp_retransmits = 1}},
    {"SYN to a closed port", syn_to_closed_port,
     {IN, OUT(1), .tcp_resets_out = 1}},
    {"damaged segment", damaged_segment, {IN, .tcp_bad = 1}},
    {"from port 0", from_port_zero, {IN, .tcp_bad = 1}},
    {"to port 0", to_port_zero, {IN, .tcp_bad = 1}},
    {"connection", connection, {INS(2), OUT(1), .tcp_opened = 1}},
    {"reset", reset, {INS(3), OUT(1), .tcp_opened = 1, .tcp_resets_in = 1}},
    {"reset in the window", reset_in_window,
     {INS(3), OUT(2), .tcp_opened = 1, .tcp_challenges = 1}},
    {"old data", old_data,
     {INS(3), OUT(2), .tcp_opened = 1, .tcp_out_of_window = 1}},
    {"data ahead", data_ahead,
     {INS(3), OUT(2), .tcp_opened = 1, .tcp_out_of_order = 1}},
    {"too many ranges", too_many_ranges,
     {INS(2 + 1025), OUT(1 + 1025), .tcp_opened = 1, .tcp_out_of_order = 1025,
      .tcp_no_memory = 1}},
    {"no memory for data", no_memory_for_data,
     {INS(3), OUT(2), .tcp_opened = 1, .tcp_no_memory = 1}},
    {"data unanswered", data_unanswered,
     {INS(2), OUT(3), .tcp_opened = 1, .tcp_retransmits = 1}},
    {"data lost", data_lost,
     {INS(5), OUT(6), .tcp_opened = 1, .tcp_retransmits = 1,
      .tcp_fast_retransmits = 1}},
    {"abort", abortion, {INS(2), OUT(2), .tcp_opened = 1, .tcp_resets_out = 1}},
    {"silence", silence, {.tcp_timeouts = 1, .tcp_resets_out = 1}},
    {"silence after a SYN", silence_after_syn,
     {.tcp_timeouts = 1, .tcp_retransmits = TCP_SYN_TRIES}},
    {"backlog full", backlog_full,
     {INS(3), OUT(1), .tcp_opened = 1, .tcp_backlog_full = 1}},
    {"backlog full at the last ACK", backlog_full_later,
     {INS(4), OUT(2), .tcp_opened = 1, .tcp_backlog_full = 1}},
    {"a place is made", place_made,
     {INS(4), OUT(3), .tcp_opened = 2, .tcp_evicted = 1, .tcp_resets_out = 1}},
    {"cookie", cookie, {IN, OUT(1), .tcp_cookies_out = 1}},
    {"cookie returned", cookie_returned,
     {INS(2), OUT(1), .tcp_opened = 1, .tcp_cookies_out = 1,
      .tcp_cookies_in = 1}},
    {"cookie, and the backlog full", cookie_and_backlog_full,
     {INS(4), OUT(3), .tcp_opened = 1, .tcp_cookies_out = 2,
      .tcp_cookies_in = 1, .tcp_backlog_full = 1, .tcp_resets_out = 1}},
    {"full card", full_card,
     {.frames_in = 258, .ip_in = 258, .icmp_in = 258, .icmp_out = 258,
      .ip_out = 258, .frames_out = 256, .frames_dropped = 2}},
    {"challenge without packet", challenge_without_packet,
     {INS(3), OUT(1), .tcp_opened = 1, .tcp_challenges = 1, .no_packet = 1}},
    {"acknowledgement without packet", ack_without_packet,
     {INS(3), OUT(2), .tcp_opened = 1, .tcp_out_of_order = 1, .no_packet = 1}},
    {"SYN-ACK without packet", syn_without_packet,
     {IN, OUT(1), .tcp_retransmits = 1, .no_packet = 1}},
    {"cookie without packet", cookie_without_packet,
     {IN, .tcp_cookies_out = 1, .no_packet = 1}},
    {"refusal without packet", refusal_without_packet, {IN, .no_packet = 1}},
    {"ICMP error without packet", udp_without_packet,
     {.frames_in = 1, .ip_in = 1, .ip_unknown_protocol = 1, .no_packet = 1}},
    {"ARP without packet", arp_without_packet,
     {.frames_in = 1, .arp_in = 1, .no_packet = 1}},
    {"data without packet", data_without_packet,
     {INS(2), OUT(2), .tcp_opened = 1, .no_packet = 1}},
};
/* clang-format on */

static void test_counters(void **state)
{
    enum { COUNT = sizeof(struct net_stats) / sizeof(uint64_t) };
    unsigned failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t want[COUNT], got[COUNT];

        bench_open(64);
        bench_serve(&service);
        bench.stack->stats = (struct net_stats){0};
        rows[i].run();
        memcpy(want, &rows[i].want, sizeof(want));
        memcpy(got, &bench.stack->stats, sizeof(got));
        for (size_t j = 0; j < COUNT; j++) {
            if (want[j] == got[j])
                continue;
            print_error("row %s: counter %zu is %lu, not %lu\n", rows[i].name,
                        j, (unsigned long)got[j], (unsigned long)want[j]);
            failures++;
        }
        bench_close();
    }
    assert_int_equal(failures, 0);
}

/* The counters of the card, and net_get_stats(). */
static void test_counters_of_the_card(void **state)
{
    struct net_stats stats;

    (void)state;
    bench_open(64);
    bench.net.dev.queues[0].tx_frames = bench.net.dev.queues[0].tx_bytes = 0;
    ping();
    assert_int_equal(bench.net.dev.queues[0].tx_frames, 1);
    assert_int_equal(bench.net.dev.queues[0].tx_bytes, 50);
    assert_int_equal(net_get_stats(&stats), 0);
    assert_int_equal(stats.icmp_in, 1);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_counters_of_the_card),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
