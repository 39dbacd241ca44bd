/* The two ends of a conversation, of either family. */
#ifndef TORC_NET_FLOW_H
#define TORC_NET_FLOW_H

#include "kernel/lib/siphash.h"
#include "net/wire/addr.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow {
    struct net_addr local;
    struct net_addr remote;
    uint16_t lport;
    uint16_t rport;
    uint8_t protocol;
};

static inline bool flow_is_ip4(const struct flow *flow)
{
    return addr_is_ip4(&flow->remote);
}

/* Whether two flows of one protocol are the same. */
static inline bool flow_equal(const struct flow *a, const struct flow *b)
{
    return a->rport == b->rport && a->lport == b->lport &&
           addr_equal(&a->remote, &b->remote) &&
           addr_equal(&a->local, &b->local);
}

enum { SOURCE_BITS = 8 }; /* a row has 1 << SOURCE_BITS counters of sources */

/* Who a flow is with, as far as one host may have many addresses: an address of
 * IPv4, or a /64 of IPv6. */
static inline uint64_t flow_source(const struct flow *flow)
{
    return flow->remote.word[flow_is_ip4(flow) ? 1 : 0];
}

/* The sum over the pseudo header of a segment of `len` bytes, in either
 * direction, for checksum_add(): RFC 9293, 3.1; RFC 8200, 8.1. */
static inline uint32_t flow_pseudo_sum(const struct flow *flow, size_t len)
{
    if (flow_is_ip4(flow))
        return ip4_pseudo_sum(addr_ip4(&flow->local), addr_ip4(&flow->remote),
                              flow->protocol, len);
    return addr_pseudo_sum(&flow->local, &flow->remote, flow->protocol, len);
}

/* A hash of a flow's addresses and ports that outsiders cannot predict. */
uint64_t flow_hash(const struct siphash_key *key, const struct flow *flow);

#endif
