/*
 * The counters of IPv6: what each datagram, message and timeout adds to them. A
 * row names all that change; every other counter must stay.
 */
#include "net/udp.h"
#include "tests/fakes/netbench6.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { RA = 134, NS = 135, NA = 136, REDIRECT = 137 };

static uint8_t message[200];

static void echo(void)
{
    peer6_icmp(PEER6, OUR6, 64, "\x80\0\0\0\1\2\3\4", 8);
}

static void echo_of_another_code(void)
{
    peer6_icmp(PEER6, OUR6, 64, "\x80\1\0\0\1\2\3\4", 8);
}

static void a_message_below_those_of_nd(void)
{
    peer6_icmp(PEER6, OUR6, 255, "\x84\0\0\0\1\2\3\4", 8);
}

static void another_message(void)
{
    peer6_icmp(PEER6, OUR6, 64, "\xc8\0\0\0\1\2\3\4", 8);
}

static void wrong_checksum(void)
{
    peer6_send(PEER6, OUR6, 58, 64, "\x80\0\1\0\1\2\3\4", 8);
}

static void error_about_nothing(void)
{
    peer6_icmp(PEER6, OUR6, 64, "\1\0\0\0\0\0\0\0", 8);
}

static void from_a_group(void)
{
    peer6_send("ff02::1", OUR6, 58, 64, "12345678", 8);
}

static void to_another_host(void)
{
    peer6_send(PEER6, "2001:db8::99", 58, 64, "12345678", 8);
}

static void unknown_protocol(void)
{
    peer6_send(PEER6, OUR6, 200, 64, "12345678", 8);
}

static void unknown_protocol_to_all(void)
{
    peer6_send(PEER6, "ff02::1", 200, 64, "12345678", 8);
}

static void bad_extension(void)
{
    peer6_send(PEER6, OUR6, 60, 64, "\x3b\1\1\4\0\0\0\0", 8);
}

static void first_fragment(void)
{
    peer6_send(PEER6, OUR6, 44, 64, "\x3a\0\0\1\0\0\0\7abcdefgh", 16);
}

static void segment_to_a_group(void)
{
    peer6_send(PEER6, "ff02::1", 6, 64, "12345678123456781234", 20);
}

static void neighbour(uint8_t type, uint32_t flags, const char *target)
{
    peer6_icmp(PEER6, OUR6, 255, message,
               peer6_neighbour(message, type, flags, target, peer_mac));
}

static void solicitation(void)
{
    neighbour(NS, 0, OUR6);
}

static void solicitation_of_another(void)
{
    neighbour(NS, 0, "2001:db8::99");
}

static void advertisement(void)
{
    neighbour(NA, 0x20000000, PEER6);
}

static void advertisement_of_a_stranger(void)
{
    neighbour(NA, 0x20000000, "fe80::99");
}

static void claim(void)
{
    peer6_icmp(PEER6, OUR6, 255, message,
               peer6_neighbour(message, NA, 0x20000000, PEER6, router6_mac));
}

static void claim_of_ours(void)
{
    neighbour(NA, 0, OUR6);
}

static void our_own_comes_back(void)
{
    peer6_icmp(PEER6, OUR6, 255, message,
               peer6_neighbour(message, NA, 0, OUR6, bench_mac));
}

static void router_solicitation(void)
{
    peer6_icmp(PEER6, "ff02::1", 255, "\x85\0\0\0\0\0\0\0", 8);
}

static void router_advertisement(void)
{
    memset(message, 0, 16);
    message[0] = RA;
    peer6_icmp(ROUTER6, "ff02::1", 255, message, 16);
}

static void redirect_by_another(void)
{
    memset(message, 0, 40);
    message[0] = REDIRECT;
    peer6_icmp(PEER6, OUR6, 255, message, 40);
}

static void too_short(void)
{
    peer6_icmp(PEER6, OUR6, 255, "\x87\0\0\0\0\0\0\0", 8);
}

static void query_without_alert(void)
{
    memset(message, 0, 28);
    message[0] = 130;
    peer6_icmp(ROUTER6, "ff02::1", 1, message, 28);
}

static void send_to(const char *text)
{
    const struct net_addr dst = addr6(text), src = addr6(OUR6);
    const struct icmp6_message ping = {.type = 128};
    struct packet *packet = stack_packet(bench.stack);

    packet_append(packet, 8);
    icmp6_send(bench.stack, packet, &ping, &src, &dst, 64);
    bench_run();
}

static void send_to_the_peer(void)
{
    send_to(PEER6_GLOBAL);
}

static void send_where_no_route_leads(void)
{
    const struct net_addr none = {.word = {0, 0}};

    assert_int_equal(route_remove(bench.stack, none, 0), 0);
    send_to("2a00::1");
}

static void send_what_is_too_large(void)
{
    const struct net_addr dst = addr6(PEER6), src = addr6(OUR6);
    const struct icmp6_message ping = {.type = 128};
    struct packet *packet = stack_packet(bench.stack);

    packet_append(packet, 1461);
    icmp6_send(bench.stack, packet, &ping, &src, &dst, 64);
    bench_run();
}

static void send_to_a_silent_one(void)
{
    send_to("2001:db8::99");
    bench_sleep(4 * NS_PER_S);
}

static void send_to_ourselves(void)
{
    send_to(OUR6);
}

static void ask_for_routers(void)
{
    router_solicit(bench.stack);
}

#define IN      .frames_in = 1, .ip_in = 1
#define ICMP_IN IN, .icmp_in = 1
#define ND_IN   ICMP_IN, .nd_in = 1
#define OUT     .ip_out = 1, .frames_out = 1, .icmp_out = 1

static const struct {
    const char *name;
    void (*happens)(void);
    struct net_stats want;
} rows[] = {
    {"echo", echo, {ICMP_IN, OUT}},
    {"another code of it", echo_of_another_code, {ICMP_IN}},
    {"done, of MLD", a_message_below_those_of_nd, {ICMP_IN}},
    {"a message that we do not know", another_message, {ICMP_IN}},
    {"a wrong checksum", wrong_checksum, {ICMP_IN, .icmp_bad = 1}},
    {"an error about nothing", error_about_nothing, {ICMP_IN, .icmp_bad = 1}},
    {"from a group", from_a_group, {IN, .ip_bad = 1}},
    {"to another host", to_another_host, {IN, .ip_not_ours = 1}},
    {"a protocol that nobody has",
     unknown_protocol,
     {IN, .ip_unknown_protocol = 1, OUT}},
    {"the same to all",
     unknown_protocol_to_all,
     {IN, .ip_unknown_protocol = 1}},
    {"an extension that is cut off", bad_extension, {IN, .ip_bad = 1}},
    {"a fragment", first_fragment, {IN, .ip_fragments = 1}},
    {"a segment to a group", segment_to_a_group, {IN, .ip_bad = 1}},
    {"a solicitation", solicitation, {ND_IN, OUT, .nd_out = 1}},
    {"of another", solicitation_of_another, {ND_IN, .nd_ignored = 1}},
    {"an advertisement", advertisement, {ND_IN}},
    {"of a stranger", advertisement_of_a_stranger, {ND_IN, .nd_ignored = 1}},
    {"another hardware address",
     claim,
     {ND_IN, OUT, .nd_out = 1, .neigh_claims = 1}},
    {"of ours", claim_of_ours, {ND_IN, OUT, .nd_out = 1, .nd_conflicts = 1}},
    {"our own", our_own_comes_back, {ND_IN, .nd_ignored = 1}},
    {"for routers", router_solicitation, {ND_IN, .nd_ignored = 1}},
    {"of a router", router_advertisement, {ND_IN, .nd_ignored = 1}},
    {"a redirect", redirect_by_another, {ND_IN, .nd_bad = 1}},
    {"too short", too_short, {ND_IN, .nd_bad = 1}},
    {"a query", query_without_alert, {ICMP_IN, .icmp_bad = 1}},
    {"to the peer", send_to_the_peer, {OUT}},
    {"without a route",
     send_where_no_route_leads,
     {.icmp_out = 1, .ip_no_route = 1}},
    {"too large", send_what_is_too_large, {.icmp_out = 1, .ip_no_route = 1}},
    {"to a silent one",
     send_to_a_silent_one,
     {.ip_out = 4,
      .icmp_out = 4,
      .nd_out = 3,
      .frames_out = 3,
      .neigh_failed = 1}},
    {"to ourselves",
     send_to_ourselves,
     {.icmp_out = 2, .ip_out = 2, .ip_in = 2, .icmp_in = 2}},
    {"for routers, by us", ask_for_routers, {OUT, .nd_out = 1}},
};

static void test_what_is_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const uint64_t *got, *want = (const uint64_t *)&rows[i].want;

        bench6_open_static();
        rows[i].happens();
        got = (const uint64_t *)&bench.stack->stats;
        for (size_t j = 0; j < sizeof(struct net_stats) / 8; j++) {
            if (got[j] != want[j])
                fail_msg("%s: counter %zu is %u, not %u", rows[i].name, j,
                         (unsigned)got[j], (unsigned)want[j]);
        }
        bench_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
