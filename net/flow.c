#include "net/flow.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

/* Of IPv4 the short form of the addresses, which costs less. */
uint64_t flow_hash(const struct siphash_key *key, const struct flow *flow)
{
    uint8_t tuple[2 * sizeof(struct net_addr) + 4];
    uint8_t *ports = tuple + 2 * sizeof(struct net_addr);

    be16_put(ports, flow->lport);
    be16_put(ports + 2, flow->rport);
    if (flow_is_ip4(flow))
        return siphash_12(key,
                          (uint64_t)le32_get(flow->local.byte + 12) |
                              (uint64_t)le32_get(flow->remote.byte + 12) << 32,
                          le32_get(ports));
    memcpy(tuple, &flow->local, sizeof(flow->local));
    memcpy(tuple + sizeof(flow->local), &flow->remote, sizeof(flow->remote));
    return siphash(key, tuple, sizeof(tuple));
}
