/*
 * IPv6 headers and their extensions (RFC 8200), and kinds of addresses (RFC
 * 4291). Pure functions on bytes, as those of wire.h: what is accepted is safe
 * to use.
 */
#ifndef TORC_NET_WIRE_IP6_H
#define TORC_NET_WIRE_IP6_H

#include "net/wire/addr.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

/* ---- Addresses ----------------------------------------------------------- */

/* RFC 4291, 2.7; RFC 6724, 3.1. */
enum ip6_scope {
    IP6_SCOPE_INTERFACE = 1,
    IP6_SCOPE_LINK = 2,
    IP6_SCOPE_SITE = 5,
    IP6_SCOPE_GLOBAL = 14,
};

static inline bool ip6_is_multicast(const struct net_addr *addr)
{
    return addr->byte[0] == 0xff;
}

static inline bool ip6_is_link_local(const struct net_addr *addr)
{
    return addr->byte[0] == 0xfe && (addr->byte[1] & 0xc0) == 0x80;
}

/* ::1 */
static inline bool ip6_is_loop(const struct net_addr *addr)
{
    return addr->word[0] == 0 && be32_get(addr->byte + 8) == 0 &&
           be32_get(addr->byte + 12) == 1;
}

/* How far an address is known: RFC 6724, 3.1. */
unsigned ip6_scope(const struct net_addr *addr);

/* Whether an address can be a host's, on any link: not a group, not ::, not
 * ::1, and none that stands for one of IPv4 (RFC 4291, 2.5). */
bool ip6_is_unicast(const struct net_addr *addr);

/* The label of an address, by the longest prefix in the table that it has: RFC
 * 6724, 2.1. */
unsigned ip6_label(const struct net_addr *addr);

/* Whether no interface may have that id, the last half of an address: RFC 5453.
 */
bool ip6_id_is_reserved(const uint8_t id[8]);

/* How many leading bits two addresses have in common. */
unsigned ip6_common_len(const struct net_addr *a, const struct net_addr *b);

/* All hosts and all routers of the link, the hosts that listen for groups of
 * MLD, and the group in which the owner of an address is asked for: RFC 4291,
 * 2.7.1; RFC 3810, 11. */
extern const struct net_addr ip6_all_nodes, ip6_all_routers, ip6_all_mld;
struct net_addr ip6_solicited_node(const struct net_addr *addr);

/* The cards of a group: RFC 2464, 7. */
void ip6_group_mac(const struct net_addr *group, uint8_t mac[ETHER_ADDR_SIZE]);

/* ---- The header ---------------------------------------------------------- */

enum {
    IP6_HOPS = 64,
    IP6_HOPS_LINK = 255, /* of messages that no router has passed on */
    IP6_MTU_MIN = 1280,
    IP6_NEXT_AT = 6, /* where the header tells what follows it */
    IP6_PAYLOAD_LEN_AT = 4,
};

/* What follows a header: extensions, and the end of them. */
enum {
    IP6_HOP_BY_HOP = 0,
    IP6_ROUTING = 43,
    IP6_FRAGMENT = 44,
    IP6_ICMP = 58,
    IP6_NONE = 59,
    IP6_DESTINATION = 60,
};

struct ip6_header {
    struct net_addr src;
    struct net_addr dst;
    uint8_t traffic_class;
    uint8_t next;
    uint8_t hops;
    uint16_t payload_len; /* of what follows the header */
};

/*
 * Returns 0, -EPROTO (too short, another version, a payload that is longer than
 * `len`). Bytes behind the payload are link padding.
 */
must_check int ip6_parse(const uint8_t *buf, size_t len,
                         struct ip6_header *out);

/* As ip6_parse() for the header that an ICMP error quotes: its payload may be
 * cut off. */
must_check int ip6_parse_quoted(const uint8_t *buf, size_t len,
                                struct ip6_header *out);

/* Write IP6_HEADER_SIZE bytes. */
void ip6_emit(uint8_t *buf, const struct ip6_header *header);

/* ---- Extensions ---------------------------------------------------------- */

enum {
    IP6_EXTENSIONS_MAX = 8, /* RFC 8504, 5.3, lets a host have a limit */
    IP6_FRAGMENT_SIZE = 8,  /* of that extension */
    IP6_ALERT_SIZE = 8,     /* hop-by-hop options with a router alert */
};

/* What is to be done with a datagram. */
enum ip6_verdict {
    IP6_TAKE,
    IP6_DROP,    /* without a word */
    IP6_PROBLEM, /* tell its sender: chain.code, chain.at */
};

/* What stands between the header and the payload. */
struct ip6_chain {
    uint8_t protocol;  /* of the payload */
    uint16_t next_at;  /* where that is told, counted from the header */
    uint16_t len;      /* of the header and all extensions before the payload */
    bool has_fragment; /* there is a fragment header, if only of a whole */
    bool is_fragment;  /* it is not the whole: nothing behind was looked at */
    bool more_fragments;
    uint16_t fragment_at;     /* where the fragment header is */
    uint32_t fragment_id;     /* and what it says */
    uint32_t fragment_offset; /* bytes */
    bool is_alert;            /* hop-by-hop: a router alert for MLD */
    uint8_t code;             /* IP6_PROBLEM: of the ICMP message */
    bool to_group_too; /* that is sent about a datagram to a group, too */
    uint16_t at;       /* and where the problem is */
};

/*
 * Go along the extensions of a datagram that ip6_parse() has accepted, of which
 * `len` bytes are at `buf`: RFC 8200, 4. Options that we do not know are dealt
 * with as their first two bits say; nobody sends us around by a routing header
 * (RFC 5095); more than IP6_EXTENSIONS_MAX are dropped.
 */
enum ip6_verdict ip6_chain_walk(const uint8_t *buf, size_t len,
                                struct ip6_chain *out);

/* Make the datagram whose first fragment is at `buf` a whole one, of `len`
 * bytes: its fragment header says so then (RFC 6946). */
void ip6_make_whole(uint8_t *buf, const struct ip6_chain *chain, size_t len);

/* Write IP6_ALERT_SIZE bytes: hop-by-hop options for a message of MLD (RFC
 * 2711, RFC 3810, 5), in front of `next`. */
void ip6_emit_alert(uint8_t *buf, uint8_t next);

#endif
