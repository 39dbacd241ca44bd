/* Echo of ICMP: is a host there, how far is it, and who is on the way? */
#ifndef TORC_ICMP_H
#define TORC_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/net_addr.h>

struct icmp_echo {
    struct net_addr to;   /* a host: no broadcast, no group */
    uint16_t id;          /* tells those who ask at the same time apart */
    uint16_t sequence;    /* tells what they ask apart */
    uint8_t hop_limit;    /* 1 .. 255: how many links it may go; 0: as usual */
    size_t size;          /* of the payload, in bytes */
    uint64_t deadline_ns; /* as time_ns() counts */
};

struct icmp_answer {
    struct net_addr from;   /* who answered; none: nobody */
    uint64_t round_trip_ns; /* from the request to this answer */
    bool is_expired; /* -EHOSTUNREACH: the hop limit was reached at `from` */
    uint16_t mtu;    /* -EMSGSIZE: what the path takes; 0: it is not told */
};

/*
 * Ask a host for an echo (RFC 792, RFC 4443 section 4) and wait for it. The
 * answer must come from that host, to the address that we sent from, with the
 * same id, sequence and payload, which begins with eight random bytes; all
 * others are ignored. What is sent is not cut up on the way.
 *
 * Returns 0; -ETIMEDOUT (no answer until the deadline); -EHOSTUNREACH,
 * -EMSGSIZE, -ECONNREFUSED (as out->from says: anybody may have made that up;
 * from none: as we know ourselves, there is no route, no address to send from,
 * or the link takes no datagram of that size); -EINVAL (not the address of a
 * host); -ENOBUFS; -ENOTCONN: this CPU has no stack. *out is set in all cases.
 * Context: thread; waits. Many may ask at once.
 */
must_check int icmp_echo(const struct icmp_echo *echo, struct icmp_answer *out);

#endif
