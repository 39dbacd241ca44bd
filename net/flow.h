/* The two ends of a conversation, of either family. */
#ifndef TORC_NET_FLOW_H
#define TORC_NET_FLOW_H

#include "net/wire/addr.h"
#include <stdint.h>

struct flow {
    struct net_addr local;
    struct net_addr remote;
    uint16_t lport;
    uint16_t rport;
    uint8_t protocol;
};

#endif
