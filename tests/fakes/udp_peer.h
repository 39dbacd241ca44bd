/*
 * Hosts on the bench's link that exchange datagrams of UDP with the stack.
 * Built from the RFCs, not with net/wire.
 */
#ifndef TORC_TESTS_FAKES_UDP_PEER_H
#define TORC_TESTS_FAKES_UDP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udp_datagram {
    uint32_t src; /* 0: PEER_ADDRESS */
    uint32_t dst; /* 0: OUR_ADDRESS */
    uint16_t from;
    uint16_t to;
    const uint8_t *data;
    size_t len;
    bool is_broadcast; /* the frame is for all cards */
};

/* Let a datagram come, and let the stack run. */
void udp_peer_send(const struct udp_datagram *datagram);

/*
 * The next datagram of UDP that the stack has sent; its checksums must be
 * right. Other frames are dropped; `other` (NULL: nobody) is told of them.
 * Returns false when there is none. `data` is valid until the next call.
 */
bool udp_peer_receive(struct udp_datagram *out,
                      void (*other)(const uint8_t *frame, size_t len));

#endif
