/*
 * ICMPv6 (RFC 4443) and what lies in it: Neighbour Discovery (RFC 4861, RFC
 * 8106) and Multicast Listener Discovery (RFC 3810, RFC 2710). Pure functions
 * on bytes, as those of wire.h.
 */
#ifndef TORC_NET_WIRE_ICMP6_H
#define TORC_NET_WIRE_ICMP6_H

#include "net/wire/ip6.h"

enum {
    ICMP6_HEADER_SIZE = 8, /* with the type's own four bytes */
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PROBLEM = 4,
    ICMP6_INFORMATIONAL = 128, /* this type and those above are no errors */
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_MLD_QUERY = 130,
    ICMP6_MLD_REPORT1 = 131, /* RFC 2710 */
    ICMP6_ND_RS = 133,
    ICMP6_ND_RA = 134,
    ICMP6_ND_NS = 135,
    ICMP6_ND_NA = 136,
    ICMP6_ND_REDIRECT = 137,
    ICMP6_MLD_REPORT = 143,
};

/* Codes: RFC 4443, 3. */
enum {
    ICMP6_CODE_NO_ROUTE = 0, /* of ICMP6_UNREACHABLE */
    ICMP6_CODE_PORT = 4,
    ICMP6_CODE_TRANSIT = 0,     /* of ICMP6_TIME_EXCEEDED: the hop limit */
    ICMP6_CODE_REASSEMBLY = 1,  /* of ICMP6_TIME_EXCEEDED */
    ICMP6_CODE_FIELD = 0,       /* of ICMP6_PROBLEM */
    ICMP6_CODE_NEXT_HEADER = 1, /* also a protocol that nobody has */
    ICMP6_CODE_OPTION = 2,
};

struct icmp6_message {
    uint8_t type;
    uint8_t code;
    uint32_t rest; /* the type's own four bytes */
};

/* Returns 0, -EPROTO (too short), -EUCLEAN (the checksum, which is looked at
 * when `sum` says so). */
must_check int icmp6_parse(const uint8_t *buf, size_t len,
                           const struct ip6_header *header, enum wire_sum sum,
                           struct icmp6_message *out);

/* Write the header in front of the payload that is in place already; `len` is
 * that of both. */
void icmp6_emit(uint8_t *buf, size_t len, const struct net_addr *src,
                const struct net_addr *dst,
                const struct icmp6_message *message);

/* ---- Neighbour Discovery: RFC 4861, 4 ------------------------------------ */

enum {
    ND_SOLICIT_SIZE = 24, /* of neighbours, and advertisements of them */
    ND_ROUTER_SOLICIT_SIZE = 8,
    ND_MAC_OPTION_SIZE = 8,
    ND_NONCE_SIZE = 8, /* the option: RFC 3971, 5.3.2 */
    ND_NONCE_LEN = 6,
    ND_PREFIXES_MAX = 8, /* of one advertisement; more are left out */
    ND_DNS_MAX = 3,      /* servers: RFC 8106, 5.3.1 */
};

/* Flags of a neighbour's advertisement. */
#define ND_ROUTER    UINT32_C(0x80000000)
#define ND_SOLICITED UINT32_C(0x40000000)
#define ND_OVERRIDE  UINT32_C(0x20000000)

/* Solicitation or advertisement of a neighbour. */
struct nd_neighbour {
    struct net_addr target;
    uint32_t flags;     /* ND_... of an advertisement */
    const uint8_t *mac; /* into the buffer: of the sender of a solicitation, of
                           the target of an advertisement; NULL: not told */
    const uint8_t *nonce; /* the same, ND_NONCE_LEN bytes, of a solicitation */
};

/* RFC 4861, 4.6.2. */
struct nd_prefix {
    struct net_addr prefix;
    uint8_t len; /* 0 .. 128 */
    bool on_link;
    bool autonomous;
    uint32_t valid_s;
    uint32_t preferred_s;
};

struct nd_router {
    uint8_t hops;        /* 0: not told */
    int8_t preference;   /* -1, 0, 1: RFC 4191, 2.1 */
    uint16_t lifetime_s; /* 0: no default router */
    const uint8_t *mac;  /* NULL: not told */
    uint32_t mtu;        /* 0: not told */
    unsigned prefix_count;
    struct nd_prefix prefix[ND_PREFIXES_MAX];
    bool has_dns; /* RFC 8106 */
    uint32_t dns_s;
    unsigned dns_count;
    struct net_addr dns[ND_DNS_MAX];
};

struct nd_redirect {
    struct net_addr target;
    struct net_addr destination;
    const uint8_t *mac; /* of the target; NULL: not told */
};

/*
 * Parse a message of `len` bytes at `buf`, from its ICMP header on, which
 * icmp6_parse() has accepted. Returns 0, -EPROTO (too short, an option of
 * length 0 or past the end, or one that we read and that has another length
 * than its kind has).
 */
must_check int nd_parse_solicit(const uint8_t *buf, size_t len,
                                struct nd_neighbour *out);
must_check int nd_parse_advert(const uint8_t *buf, size_t len,
                               struct nd_neighbour *out);
must_check int nd_parse_router(const uint8_t *buf, size_t len,
                               struct nd_router *out);
must_check int nd_parse_redirect(const uint8_t *buf, size_t len,
                                 struct nd_redirect *out);

/* Write the target of a solicitation or advertisement behind its header. */
void nd_emit_target(uint8_t *buf, const struct net_addr *target);

/* Write an option with a hardware address: of the target, or of the sender. */
void nd_emit_mac(uint8_t *buf, bool of_target,
                 const uint8_t mac[ETHER_ADDR_SIZE]);

/* Write an option with a nonce, by which a probe is known that comes back: RFC
 * 7527, 4.1. */
void nd_emit_nonce(uint8_t *buf, const uint8_t nonce[ND_NONCE_LEN]);

/* ---- Multicast Listener Discovery: RFC 3810, 5 --------------------------- */

enum {
    MLD_QUERY1_SIZE = 24, /* RFC 2710 */
    MLD_QUERY_SIZE = 28,
    MLD_RECORD_SIZE = 20, /* without sources */
    MLD_IS_EXCLUDE = 2,   /* kinds of records: listens to all sources */
    MLD_TO_EXCLUDE = 4,
};

struct mld_query {
    struct net_addr group; /* none: all groups */
    uint32_t delay_ms;     /* answer within */
    bool is_old;           /* of RFC 2710 */
};

/* As those of Neighbour Discovery. Returns 0, -EPROTO (the length). */
must_check int mld_parse_query(const uint8_t *buf, size_t len,
                               struct mld_query *out);

/* Write a record of a report; MLD_RECORD_SIZE bytes. */
void mld_emit_record(uint8_t *buf, uint8_t kind, const struct net_addr *group);

#endif
