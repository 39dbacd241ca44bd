/*
 * The bench of netbench.h with IPv6: what a peer emits and expects is built
 * here from the RFCs, not with net/wire.
 *
 *     bench6_open("auto");
 *     peer6_icmp("fe80::2", "ff02::1", 255, message, len);
 *     assert_true(peer6_receive(&got));
 */
#ifndef TORC_TESTS_FAKES_NETBENCH6_H
#define TORC_TESTS_FAKES_NETBENCH6_H

#include "net/ip6.h"
#include "tests/fakes/netbench.h"

#define PEER6        "fe80::2"
#define ROUTER6      "fe80::1"
#define OUR6         "2001:db8::1" /* /64: bench6_open_static() */
#define PEER6_GLOBAL "2001:db8::2"

/* A frame that the stack sent. */
struct peer6_frame {
    uint8_t mac[6]; /* to which card */
    struct net_addr src, dst;
    uint8_t next; /* behind an alert of the hop-by-hop options, if is_alert */
    uint8_t hops;
    bool is_alert;
    const uint8_t *data; /* valid until the next one */
    size_t len;
};

/* A machine whose stack has IPv4 as in bench_open(), and IPv6 as `config`. All
 * counters are 0; our probes and reports are still to come. */
void bench6_open(const char *config);

/* The same with OUR6/64 and the gateway fe80::1, whose probes are through; it
 * knows the hardware address of PEER6, of PEER6_GLOBAL and of the gateway. */
void bench6_open_static(void);

/* Sleep, and take out all that was sent. */
void bench6_settle(uint64_t ns);

struct net_addr addr6(const char *text);

/* Whether an address is as the text says. */
bool is_addr6(const struct net_addr *addr, const char *text);

/* Headers in front of `len` bytes at frame + 54; the length of the frame. To
 * the cards of a group when `dst` is one, else to ours. */
size_t peer6_ip(uint8_t *frame, const char *src, const char *dst, uint8_t next,
                uint8_t hops, size_t len);

/* Fill in the checksum at `at` of the payload at frame + 54. */
void peer6_sum(uint8_t *frame, uint8_t protocol, size_t len, size_t at);

/* Let a message of ICMPv6 come, with the right checksum, and let the stack run.
 */
void peer6_icmp(const char *src, const char *dst, uint8_t hops,
                const void *message, size_t len);

/* The same for any datagram, as it is. */
void peer6_send(const char *src, const char *dst, uint8_t next, uint8_t hops,
                const void *payload, size_t len);

/* A solicitation or an advertisement of a neighbour: written to `message`; its
 * length. `mac` NULL: without the option. */
size_t peer6_neighbour(uint8_t *message, uint8_t type, uint32_t flags,
                       const char *target, const uint8_t *mac);

/* The next frame of IPv6 that the stack sent; its header and the checksum of
 * ICMPv6 are right. Returns false when there is none. */
bool peer6_receive(struct peer6_frame *out);

/* The next one with that protocol and, of ICMPv6, that type; others are taken
 * out. */
bool peer6_expect_icmp(uint8_t type, struct peer6_frame *out);

/* Let the stack know the hardware address of a neighbour. */
void peer6_introduce(const char *address, const uint8_t mac[6]);

extern const uint8_t router6_mac[6];

#endif
