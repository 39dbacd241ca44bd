/* What a stack counts. Every frame that is not delivered is in one of these. */
#ifndef TORC_NET_STATS_H
#define TORC_NET_STATS_H

#include <stdint.h>

struct net_stats {
    uint64_t frames_in;
    uint64_t frames_out;
    uint64_t frames_bad;     /* no Ethernet header, or an unknown type */
    uint64_t frames_dropped; /* the card and our queue behind it were full */
    uint64_t no_packet;      /* the packet pool was empty */

    uint64_t arp_in;
    uint64_t arp_bad;     /* malformed, or an address that cannot be */
    uint64_t arp_ignored; /* not for us and about nobody we know */
    uint64_t arp_out;
    uint64_t arp_failed; /* nobody answered: the waiting packets dropped */

    uint64_t ip_in;
    uint64_t ip_bad; /* malformed, wrong checksum, impossible source */
    uint64_t ip_not_ours;
    uint64_t ip_fragments;
    uint64_t ip_unknown_protocol;
    uint64_t ip_out;
    uint64_t ip_no_route;

    uint64_t icmp_in;
    uint64_t icmp_bad;
    uint64_t icmp_out;
    uint64_t icmp_limited; /* not sent: too many in this second */

    uint64_t tcp_in;
    uint64_t tcp_bad; /* malformed or wrong checksum */
    uint64_t tcp_out;
    uint64_t tcp_retransmits;
    uint64_t tcp_fast_retransmits;
    uint64_t tcp_timeouts; /* connections given up */
    uint64_t tcp_resets_in;
    uint64_t tcp_resets_out;
    uint64_t tcp_challenges; /* RFC 5961 */
    uint64_t tcp_out_of_window;
    uint64_t tcp_out_of_order; /* kept for later */
    uint64_t tcp_no_memory;    /* data dropped, the peer sends it again */
    uint64_t tcp_cookies_out;  /* SYN cookies given, and come back */
    uint64_t tcp_cookies_in;
    uint64_t tcp_backlog_full;
    uint64_t tcp_opened;
};

#endif
