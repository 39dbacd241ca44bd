/*
 * What a frame is about, found without the checks that those who process it
 * make: enough to choose the CPU that does. A pure function on bytes.
 */
#ifndef TORC_NET_GROUP_PEEK_H
#define TORC_NET_GROUP_PEEK_H

#include "net/flow.h"
#include <stddef.h>
#include <stdint.h>

enum frame_kind {
    FRAME_FLOW,     /* a whole datagram of TCP or UDP for one host */
    FRAME_LINK,     /* ARP, Neighbour Discovery, MLD, and ICMP's errors */
    FRAME_FRAGMENT, /* a part of a datagram */
    FRAME_GROUP,    /* anything else for a group of hosts */
    FRAME_OTHER,    /* pings, what is unknown, what is malformed */
};

/*
 * Look at a frame of `len` bytes. Of FRAME_FLOW *flow gets the two ends (local:
 * the receiver) and the protocol. IPv6 with extension headers other than a
 * fragment's is FRAME_OTHER.
 */
enum frame_kind frame_peek(const uint8_t *frame, size_t len, struct flow *flow);

/* The same of a datagram without a frame, which begins with its IP header. It
 * is whole, even where its header is still that of its first fragment. */
enum frame_kind datagram_peek(const uint8_t *ip, size_t len, struct flow *flow);

#endif
