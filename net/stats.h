/* The counters of a stack. Every frame that is not delivered is counted in one
 * of them. */
#ifndef TORC_NET_STATS_H
#define TORC_NET_STATS_H

#include <stdint.h>

struct net_stats {
    uint64_t frames_in;
    uint64_t frames_out;
    uint64_t frames_bad;       /* no Ethernet header, or an unknown type */
    uint64_t frames_dropped;   /* the card and the send queue were full */
    uint64_t handed_over;      /* to the stack of another CPU: group.h */
    uint64_t handover_dropped; /* that one had too many */
    uint64_t no_packet;        /* the packet pool was empty */
    uint64_t no_timer;         /* no memory for the timer of the send queue */

    uint64_t arp_in;
    uint64_t arp_bad;     /* malformed, or an impossible sender address */
    uint64_t arp_ignored; /* from a host that is not in the table */
    uint64_t arp_out;
    uint64_t arp_conflicts; /* another card has our address: RFC 5227 */

    uint64_t nd_in;
    uint64_t nd_bad;     /* malformed, from too far, or impossible: RFC 4861 */
    uint64_t nd_ignored; /* of somebody else, or more than we keep */
    uint64_t nd_out;
    uint64_t nd_conflicts; /* another card has our address: RFC 4862 */

    uint64_t neigh_failed; /* no answer, or no room to wait for one */
    uint64_t neigh_claims; /* of another hardware address than the known one */

    uint64_t ip_in;
    uint64_t ip_bad; /* malformed, wrong checksum, impossible source */
    uint64_t ip_not_ours;
    uint64_t ip_fragments;
    uint64_t ip_reassembly_failed; /* datagrams whose fragments are dropped */
    uint64_t ip_unknown_protocol;
    uint64_t ip_out;
    uint64_t ip_no_route;

    uint64_t icmp_in;
    uint64_t icmp_bad;
    uint64_t icmp_out;
    uint64_t icmp_limited; /* errors not sent: too many in this second */

    uint64_t udp_in;
    uint64_t udp_bad; /* malformed or wrong checksum */
    uint64_t udp_no_port;
    uint64_t udp_full; /* too many wait to be taken */
    uint64_t udp_out;

    uint64_t tcp_in;
    uint64_t tcp_bad; /* malformed or wrong checksum */
    uint64_t tcp_out;
    uint64_t tcp_retransmits;
    uint64_t tcp_fast_retransmits;
    uint64_t tcp_tail_probes; /* RFC 8985 */
    uint64_t tcp_marked;      /* windows that RFC 3168 has made smaller */
    uint64_t tcp_undone;      /* recoveries without a loss */
    uint64_t tcp_timeouts;    /* connections given up */
    uint64_t tcp_resets_in;
    uint64_t tcp_resets_out;
    uint64_t tcp_challenges; /* RFC 5961 */
    uint64_t tcp_out_of_window;
    uint64_t tcp_out_of_order; /* data kept until their predecessors come */
    uint64_t tcp_no_memory;    /* dropped; the peer retransmits */
    uint64_t tcp_cookies_out;  /* SYN cookies sent */
    uint64_t tcp_cookies_in;   /* connections created from cookies */
    uint64_t tcp_evicted;      /* idle ones that had to make room */
    uint64_t tcp_backlog_full; /* the service has all its connections */
    uint64_t tcp_syns_shed;    /* while too many frames wait: crowd.c. They are
                                  in tcp_in; the checksum may be wrong */
    uint64_t tcp_opened;
};

#endif
