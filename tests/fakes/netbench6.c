#include "tests/fakes/netbench6.h"
#include "net/wire/addr_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

const uint8_t router6_mac[6] = {0x52, 0x54, 0, 0, 0, 0xfe};

struct net_addr addr6(const char *text)
{
    struct net_addr addr;

    assert_int_equal(addr_parse(text, NULL, &addr), 0);
    return addr;
}

bool is_addr6(const struct net_addr *addr, const char *text)
{
    struct net_addr want = addr6(text);

    return memcmp(addr->byte, want.byte, 16) == 0;
}

void bench6_open(const char *text)
{
    struct ip6_config config;

    bench_open(64);
    assert_int_equal(ip6_config_parse(text, &config), 0);
    config.key = (struct siphash_key){{3, 4}};
    assert_int_equal(ip6_start(bench.stack, &config), 0);
    bench.stack->stats = (struct net_stats){0};
}

void bench6_settle(uint64_t ns)
{
    bench_sleep(ns);
    bench_run();
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

void bench6_open_static(void)
{
    bench6_open(OUR6 "/64," ROUTER6);
    bench6_settle(10 * NS_PER_S);
    peer6_introduce(PEER6, peer_mac);
    peer6_introduce(PEER6_GLOBAL, peer_mac);
    peer6_introduce(ROUTER6, router6_mac);
    bench6_settle(0);
    bench.stack->stats = (struct net_stats){0};
}

size_t peer6_ip(uint8_t *frame, const char *src, const char *dst, uint8_t next,
                uint8_t hops, size_t len)
{
    struct net_addr from = addr6(src), to = addr6(dst);
    uint8_t *ip = frame + 14;

    memcpy(frame, bench_mac, 6);
    if (to.byte[0] == 0xff) {
        frame[0] = frame[1] = 0x33;
        memcpy(frame + 2, to.byte + 12, 4);
    }
    memcpy(frame + 6, peer_mac, 6);
    peer_put16(frame + 12, 0x86dd);
    peer_put32(ip, 0x60000000);
    peer_put16(ip + 4, (unsigned)len);
    ip[6] = next;
    ip[7] = hops;
    memcpy(ip + 8, from.byte, 16);
    memcpy(ip + 24, to.byte, 16);
    return 54 + len;
}

/* RFC 8200, 8.1. */
static uint32_t pseudo_sum(const uint8_t *ip, uint8_t protocol, size_t len)
{
    uint32_t sum = protocol + (uint32_t)len;

    for (unsigned i = 8; i < 40; i += 2)
        sum += peer_get16(ip + i);
    return sum;
}

void peer6_sum(uint8_t *frame, uint8_t protocol, size_t len, size_t at)
{
    uint8_t *payload = frame + 54;

    peer_put16(payload + at, 0);
    peer_put16(
        payload + at,
        peer_checksum(payload, len, pseudo_sum(frame + 14, protocol, len)));
}

void peer6_send(const char *src, const char *dst, uint8_t next, uint8_t hops,
                const void *payload, size_t len)
{
    static uint8_t frame[FAKENET_FRAME_MAX];

    if (len > 0)
        memcpy(frame + 54, payload, len);
    fakenet_inject(&bench.net, frame,
                   peer6_ip(frame, src, dst, next, hops, len));
    bench_run();
}

void peer6_icmp(const char *src, const char *dst, uint8_t hops,
                const void *message, size_t len)
{
    static uint8_t frame[FAKENET_FRAME_MAX];

    memcpy(frame + 54, message, len);
    peer6_ip(frame, src, dst, 58, hops, len);
    peer6_sum(frame, 58, len, 2);
    fakenet_inject(&bench.net, frame, 54 + len);
    bench_run();
}

size_t peer6_neighbour(uint8_t *message, uint8_t type, uint32_t flags,
                       const char *target, const uint8_t *mac)
{
    struct net_addr addr = addr6(target);

    memset(message, 0, 32);
    message[0] = type;
    peer_put32(message + 4, flags);
    memcpy(message + 8, addr.byte, 16);
    if (mac == NULL)
        return 24;
    message[24] = type == 135 ? 1 : 2;
    message[25] = 1;
    memcpy(message + 26, mac, 6);
    return 32;
}

bool peer6_receive(struct peer6_frame *out)
{
    const struct fakenet_frame *frame;
    const uint8_t *ip = bench.frame + 14;

    do {
        frame = fakenet_sent(&bench.net);
        if (frame == NULL)
            return false;
    } while (frame->len < 14 || peer_get16(frame->data + 12) != 0x86dd);
    memcpy(bench.frame, frame->data, frame->len);
    assert_memory_equal(bench.frame + 6, bench_mac, 6);
    assert_true(frame->len >= 54);
    assert_int_equal(ip[0] >> 4, 6);
    assert_int_equal(peer_get16(ip + 4), frame->len - 54);
    *out = (struct peer6_frame){
        .next = ip[6], .hops = ip[7], .data = ip + 40, .len = frame->len - 54};
    memcpy(out->mac, bench.frame, 6);
    memcpy(out->src.byte, ip + 8, 16);
    memcpy(out->dst.byte, ip + 24, 16);
    if (out->dst.byte[0] == 0xff) { /* RFC 2464, 7 */
        assert_memory_equal(out->mac, "\x33\x33", 2);
        assert_memory_equal(out->mac + 2, out->dst.byte + 12, 4);
    }
    if (out->next == 0) {
        static const uint8_t alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};

        assert_memory_equal(out->data, alert, 8);
        out->is_alert = true;
        out->next = 58;
        out->data += 8;
        out->len -= 8;
    }
    if (out->next == 58) {
        assert_true(out->len >= 8);
        assert_int_equal(
            peer_checksum(out->data, out->len, pseudo_sum(ip, 58, out->len)),
            0);
    }
    return true;
}

bool peer6_expect_icmp(uint8_t type, struct peer6_frame *out)
{
    while (peer6_receive(out)) {
        if (out->next == 58 && out->data[0] == type)
            return true;
    }
    return false;
}

void peer6_introduce(const char *address, const uint8_t mac[6])
{
    struct net_addr addr = addr6(address);

    assert_true(neigh_learn(bench.stack, &addr, mac, NEIGH_ASKS_US));
}
