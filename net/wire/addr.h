/* What the stack asks of an address: <torc/net_addr.h>. */
#ifndef TORC_NET_WIRE_ADDR_H
#define TORC_NET_WIRE_ADDR_H

#include "kernel/lib/bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/net_addr.h>

static inline struct net_addr addr_of_ip4(uint32_t address)
{
    return (struct net_addr){
        .word = {0, be64_word(UINT64_C(0xffff) << 32 | address)}};
}

static inline bool addr_is_ip4(const struct net_addr *addr)
{
    return addr->word[0] == 0 && be32_get(addr->byte + 8) == 0xffff;
}

/* The IPv4 address of an address of that family. */
static inline uint32_t addr_ip4(const struct net_addr *addr)
{
    return be32_get(addr->byte + 12);
}

/* All zeros: IPv6's unspecified address, and no address at all. */
static inline bool addr_is_none(const struct net_addr *addr)
{
    return (addr->word[0] | addr->word[1]) == 0;
}

static inline bool addr_equal(const struct net_addr *a,
                              const struct net_addr *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

/* The sum over the pseudo header of both families (RFC 9293, 3.1; RFC 8200,
 * 8.1), for checksum_add(). */
uint32_t addr_pseudo_sum(const struct net_addr *src, const struct net_addr *dst,
                         uint8_t protocol, size_t len);

#endif
