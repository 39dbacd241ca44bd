/* Routes: the longest prefix wins, for both families. */
#include "net/dst.h"
#include "net/ip4.h"
#include "net/route.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static const struct net_addr on_link = {.word = {0, 0}};

static struct net_addr ip4(uint32_t address)
{
    return addr_of_ip4(address);
}

static int add4(uint32_t prefix, unsigned len, uint32_t gateway)
{
    struct net_addr hop = gateway != 0 ? ip4(gateway) : on_link;

    return route_add(bench.stack, ip4(prefix), 96 + len, &hop);
}

/* The hop of an address; 0: there is none. */
static uint32_t hop4(uint32_t address)
{
    struct net_addr addr = ip4(address);
    struct net_addr hop;

    return route_next_hop(bench.stack, &addr, &hop) == 0 ? addr_ip4(&hop) : 0;
}

/* The bench has 10.0.0.0/24 and 0.0.0.0/0 through its gateway. */
static void test_longest_prefix(void **state)
{
    static const struct {
        const char *name;
        uint32_t address;
        uint32_t hop;
    } rows[] = {
        {"on the link", 0x0a000020, 0x0a000020},
        {"the last of the link", 0x0a0000ff, 0x0a0000ff},
        {"behind the link", 0x0a000100, GATEWAY},
        {"anywhere", 0x08080808, GATEWAY},
        {"a network's router", 0xc0a80105, 0x0a000005},
        {"the first of that network", 0xc0a80000, 0x0a000005},
        {"the last of that network", 0xc0a8ffff, 0x0a000005},
        {"before that network", 0xc0a7ffff, GATEWAY},
        {"behind that network", 0xc0a90000, GATEWAY},
        {"a part of it", 0xc0a80781, 0x0a000006},
        {"before that part", 0xc0a8077f, 0x0a000005},
        {"a host of the part", 0xc0a80785, 0x0a000007},
        {"a host on the link elsewhere", 0x01020304, 0x01020304},
    };

    (void)state;
    bench_open(8);
    assert_int_equal(add4(0xc0a80785, 32, 0x0a000007), 0);
    assert_int_equal(add4(0xc0a80000, 16, 0x0a000005), 0);
    assert_int_equal(add4(0xc0a80780, 25, 0x0a000006), 0);
    assert_int_equal(add4(0x01020304, 32, 0), 0);
    bench_check();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        assert_int_equal(hop4(rows[i].address), rows[i].hop);
    }
    bench_close();
}

static void test_prefixes_are_cut(void **state)
{
    (void)state;
    bench_open(8);
    assert_int_equal(add4(0xc0a8ffff, 16, 0x0a000005), 0);
    assert_int_equal(hop4(0xc0a80001), 0x0a000005);
    assert_int_equal(add4(0xc0a81234, 16, 0x0a000006), -EEXIST);
    assert_int_equal(hop4(0xc0a80001), 0x0a000005);
    bench_close();
}

static void test_what_is_refused(void **state)
{
    struct net_addr gateway = ip4(0x0a000005);
    uint32_t n;

    (void)state;
    bench_open(8);
    assert_int_equal(add4(0xc0a80000, 33, 0), -EINVAL);
    assert_int_equal(add4(0xc0a80000, 16, 0x08080808), -EINVAL);
    assert_int_equal(add4(0, 0, 0x0a000005), -EEXIST); /* the bench's */
    for (n = bench.stack->routes.count; n < ROUTES_MAX; n++)
        assert_int_equal(add4(n << 24 | 1, 32, 0x0a000005), 0);
    assert_int_equal(add4(0x63000000, 8, 0x0a000005), -ENOSPC);
    assert_int_equal(hop4(0x63000001), GATEWAY);
    assert_int_equal(route_remove(bench.stack, ip4(0x63000000), 104), -ENOENT);
    assert_int_equal(route_remove(bench.stack, ip4(3 << 24 | 1), 127), -ENOENT);
    assert_int_equal(route_remove(bench.stack, ip4(3 << 24 | 1), 128), 0);
    assert_int_equal(hop4(3 << 24 | 1), GATEWAY);
    assert_int_equal(hop4(4 << 24 | 1), 0x0a000005);
    bench_check();
    assert_int_equal(route_add(bench.stack, ip4(0x63000000), 104, &gateway), 0);
    bench_close();
}

/* Removing any of them leaves the others. */
static void test_removal(void **state)
{
    (void)state;
    for (uint32_t gone = 0; gone < 5; gone++) {
        bench_open(8);
        for (uint32_t n = 0; n < 5; n++)
            assert_int_equal(add4((0xc0 + n) << 24, 8 + 4 * n, 0x0a000010 + n),
                             0);
        assert_int_equal(route_remove(bench.stack, ip4((0xc0 + gone) << 24),
                                      96 + 8 + 4 * gone),
                         0);
        bench_check();
        for (uint32_t n = 0; n < 5; n++)
            assert_int_equal(hop4((0xc0 + n) << 24 | 1),
                             n == gone ? GATEWAY : 0x0a000010 + n);
        bench_close();
    }
}

/* A prefix of IPv6, and none of IPv4, is one of IPv6. */
static void test_families(void **state)
{
    static const struct net_addr net6 = {
        .byte = {0x20, 0x01, 0x0d, 0xb8, 0, 5}};
    static const struct net_addr host6 = {
        .byte = {0x20, 0x01, 0x0d, 0xb8, 0, 5, 0, 0, [15] = 9}};
    static const struct net_addr other6 = {
        .byte = {0x20, 0x01, 0x0d, 0xb8, 0, 6, 0, 0, [15] = 9}};
    struct net_addr hop;

    (void)state;
    bench_open(8);
    assert_null(route_find(bench.stack, &host6));
    assert_int_equal(route_next_hop(bench.stack, &host6, &hop), -EHOSTUNREACH);
    assert_int_equal(route_add(bench.stack, net6, 48, &on_link), 0);
    assert_true(route_is_on_link(bench.stack, &host6));
    assert_int_equal(route_next_hop(bench.stack, &host6, &hop), 0);
    assert_true(addr_equal(&hop, &host6));
    assert_int_equal(route_next_hop(bench.stack, &other6, &hop), -EHOSTUNREACH);
    assert_int_equal(route_add(bench.stack, net6, 129, &on_link), -EINVAL);
    assert_int_equal(route_add(bench.stack, on_link, 0, &host6), 0);
    assert_int_equal(route_next_hop(bench.stack, &other6, &hop), 0);
    assert_true(addr_equal(&hop, &host6));
    assert_false(route_is_on_link(bench.stack, &other6));
    assert_int_equal(hop4(0x08080808), GATEWAY);
    assert_int_equal(route_remove(bench.stack, ip4(0), 96), 0);
    assert_int_equal(hop4(0x08080808), 0);
    bench_close();
}

/* A connection that knows its way takes another one when the routes change. */
static void test_ways_follow_the_routes(void **state)
{
    struct dst dst = {0};

    (void)state;
    bench_open(8);
    bench.answers_arp = false;
    for (unsigned i = 0; i < 2; i++) {
        const struct fakenet_frame *frame;

        ip4_output(bench.stack, packet_get(), 0x08080808, 99, &dst);
        frame = fakenet_sent(&bench.net);
        assert_non_null(frame);
        if (i == 0) {
            assert_int_equal(peer_get16(frame->data + 12), 0x0800);
            assert_int_equal(add4(0x08000000, 8, 0x0a000077), 0);
        } else { /* the new gateway is not known yet */
            assert_int_equal(peer_get16(frame->data + 12), 0x0806);
            assert_int_equal(peer_get32(frame->data + 38), 0x0a000077);
        }
    }
    bench_close();
}

/* A /32 address, whose gateway is on the link all the same. */
static void test_gateway_outside_the_prefix(void **state)
{
    static const struct net_config config = {OUR_ADDRESS, 0xffffffff,
                                             0xc0a80001};
    const struct fakenet_frame *frame;

    (void)state;
    bench_open_as(8, &config);
    bench.answers_arp = false;
    assert_int_equal(hop4(0x08080808), 0xc0a80001);
    assert_int_equal(hop4(0xc0a80001), 0xc0a80001);
    assert_int_equal(hop4(PEER_ADDRESS), 0xc0a80001);
    ip4_send(bench.stack, packet_get(), 0x08080808, 99);
    frame = fakenet_sent(&bench.net);
    assert_int_equal(peer_get16(frame->data + 12), 0x0806);
    assert_int_equal(peer_get32(frame->data + 38), 0xc0a80001);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_prefix),
        cmocka_unit_test(test_prefixes_are_cut),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_ways_follow_the_routes),
        cmocka_unit_test(test_gateway_outside_the_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
