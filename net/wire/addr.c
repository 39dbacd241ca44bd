/* Addresses of both families. */
#include "net/wire/addr.h"
#include "kernel/lib/checksum.h"

uint32_t addr_pseudo_sum(const struct net_addr *src, const struct net_addr *dst,
                         uint8_t protocol, size_t len)
{
    uint32_t sum = checksum_add(protocol, src, sizeof(*src));

    /* The ffff of an IPv4 address adds nothing: in one's complement it is 0. */
    return checksum_add(sum, dst, sizeof(*dst)) + (uint32_t)len;
}
