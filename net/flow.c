#include "net/flow.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

/* Of IPv4 the short form of the addresses, which costs less. */
uint64_t flow_hash(const struct siphash_key *key, const struct flow *flow)
{
    uint8_t tuple[2 * sizeof(struct net_addr) + 4];
    size_t len = flow_is_ip4(flow) ? 4 : sizeof(struct net_addr);
    size_t from = sizeof(struct net_addr) - len;

    memcpy(tuple, flow->local.byte + from, len);
    memcpy(tuple + len, flow->remote.byte + from, len);
    be16_put(tuple + 2 * len, flow->lport);
    be16_put(tuple + 2 * len + 2, flow->rport);
    return siphash(key, tuple, 2 * len + 4);
}
