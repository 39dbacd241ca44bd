#include "net/group/peek.h"
#include "kernel/lib/bytes.h"
#include "net/wire/icmp6.h"
#include "net/wire/wire.h"
#include <torc/string.h>

enum {
    PORTS = 4, /* bytes of both ports, in TCP and in UDP */
    IP4_FRAGMENT_BITS = 0x3fff,
    IP6_NEXT_FRAGMENT = 44,
    IP6_NEXT_ICMP = 58,
};

static bool has_ports(uint8_t protocol)
{
    return protocol == IP4_TCP || protocol == IP4_UDP;
}

static void ports_get(const uint8_t *at, struct flow *flow)
{
    flow->rport = be16_get(at);
    flow->lport = be16_get(at + 2);
}

static bool is_fragment4(const uint8_t *ip, size_t len)
{
    return ip[0] >> 4 == 4 && len >= (ip[0] & 15) * 4U + PORTS &&
           (ip[0] & 15) * 4U >= IP4_HEADER_SIZE &&
           (be16_get(ip + 6) & IP4_FRAGMENT_BITS) != 0;
}

/* Of a whole one. */
static enum frame_kind ip4_peek(const uint8_t *ip, size_t len,
                                struct flow *flow)
{
    size_t header = (ip[0] & 15) * 4U;

    if (ip[0] >> 4 != 4 || header < IP4_HEADER_SIZE || len < header + PORTS)
        return FRAME_OTHER;
    if (ip[9] == IP4_ICMP)
        return ip[header] == ICMP4_ECHO ? FRAME_OTHER : FRAME_LINK;
    if (!has_ports(ip[9]))
        return FRAME_OTHER;
    *flow = (struct flow){.local = addr_of_ip4(be32_get(ip + 16)),
                          .remote = addr_of_ip4(be32_get(ip + 12)),
                          .protocol = ip[9]};
    ports_get(ip + header, flow);
    return FRAME_FLOW;
}

static bool is_fragment6(const uint8_t *ip, size_t len)
{
    return ip[0] >> 4 == 6 && len >= IP6_HEADER_SIZE + PORTS &&
           ip[6] == IP6_NEXT_FRAGMENT;
}

/* Of a whole one, which may still have the header of a fragment. */
static enum frame_kind ip6_peek(const uint8_t *ip, size_t len,
                                struct flow *flow)
{
    size_t header = IP6_HEADER_SIZE;
    uint8_t next = ip[6];

    if (is_fragment6(ip, len)) {
        next = ip[IP6_HEADER_SIZE];
        header += IP6_FRAGMENT_SIZE;
    }
    if (ip[0] >> 4 != 6 || len < header + PORTS)
        return FRAME_OTHER;
    if (next == IP6_NEXT_ICMP)
        return ip[header] == ICMP6_ECHO ? FRAME_OTHER : FRAME_LINK;
    if (!has_ports(next))
        return FRAME_OTHER;
    *flow = (struct flow){.protocol = next};
    memcpy(flow->remote.byte, ip + 8, sizeof(flow->remote));
    memcpy(flow->local.byte, ip + 24, sizeof(flow->local));
    ports_get(ip + header, flow);
    return FRAME_FLOW;
}

enum frame_kind frame_peek(const uint8_t *frame, size_t len, struct flow *flow)
{
    const uint8_t *ip = frame + ETHER_HEADER_SIZE;
    enum frame_kind kind = FRAME_OTHER;

    if (len < ETHER_HEADER_SIZE + IP4_HEADER_SIZE)
        return FRAME_OTHER;
    len -= ETHER_HEADER_SIZE;
    switch (be16_get(frame + 12)) {
    case ETHER_TYPE_ARP:
        return FRAME_LINK;
    case ETHER_TYPE_IP4:
        kind = is_fragment4(ip, len) ? FRAME_FRAGMENT : ip4_peek(ip, len, flow);
        break;
    case ETHER_TYPE_IP6:
        kind = is_fragment6(ip, len) ? FRAME_FRAGMENT : ip6_peek(ip, len, flow);
        break;
    }
    if (ether_is_group(frame) && kind != FRAME_LINK)
        return FRAME_GROUP;
    return kind;
}

enum frame_kind datagram_peek(const uint8_t *ip, size_t len, struct flow *flow)
{
    if (len < IP4_HEADER_SIZE)
        return FRAME_OTHER;
    return ip[0] >> 4 == 4 ? ip4_peek(ip, len, flow) : ip6_peek(ip, len, flow);
}
