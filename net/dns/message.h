/*
 * The messages of DNS: RFC 1035, section 4; EDNS(0) of RFC 6891; addresses of
 * IPv6 of RFC 3596. Pure functions on bytes: no state, no allocation.
 */
#ifndef TORC_NET_DNS_MESSAGE_H
#define TORC_NET_DNS_MESSAGE_H

#include "net/wire/addr.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum {
    DNS_PORT = 53,
    DNS_NAME_MAX = 255,  /* bytes on the wire: RFC 1035, 2.3.4 */
    DNS_TEXT_SIZE = 254, /* of a host name: 253 characters, and NUL */
    DNS_UDP_SIZE = 1232, /* that we take: no router must cut it up */
    DNS_QUERY_MAX = 12 + DNS_NAME_MAX + 4 + 11,
    DNS_ADDRS_MAX = 8,           /* of an answer; more are left out */
    DNS_CHAIN_MAX = 8,           /* aliases of aliases */
    DNS_TTL_MAX = 86400,         /* a day: RFC 8767, 4 suggests up to 7 */
    DNS_NEGATIVE_TTL_MAX = 3600, /* RFC 2308, 5 has 1 to 3 hours */
};

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_AAAA = 28,
    DNS_OPT = 41,
};

/* A name as it is on the wire, not compressed, in lower case: labels with their
 * lengths in front, and a 0. */
struct dns_name {
    uint8_t len; /* 1 .. DNS_NAME_MAX */
    uint8_t byte[DNS_NAME_MAX];
};

/*
 * The name that text is: labels of 1 to 63 letters, digits, '-' and '_', with
 * dots between; a dot at the end means nothing. Returns 0, -EINVAL, or
 * -ENAMETOOLONG.
 */
must_check int dns_name_parse(const char *text, struct dns_name *out);

/* As text. Returns 0; -EINVAL: it is the root, or has other characters than
 * dns_name_parse() takes. */
must_check int dns_name_format(const struct dns_name *name,
                               char text[DNS_TEXT_SIZE]);

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);

/* Whether it is `suffix` or ends with that: "a.b" is in "b". */
bool dns_name_in(const struct dns_name *name, const struct dns_name *suffix);

/* The name by which the name of an address is asked: RFC 1035, 3.5; RFC 3596,
 * 2.5. */
void dns_name_of_addr(const struct net_addr *addr, struct dns_name *out);

/* Write a question. Returns its length, at most DNS_QUERY_MAX. With `has_edns`
 * it says that we take answers of DNS_UDP_SIZE, else they have 512. */
size_t dns_query_emit(uint8_t buf[DNS_QUERY_MAX], uint16_t id,
                      const struct dns_name *name, uint16_t type,
                      bool has_edns);

/* What an answer means. */
enum dns_meaning {
    DNS_FOUND,     /* there are such records */
    DNS_NO_RECORD, /* the name has no such record: RFC 2308, 2.2 */
    DNS_NO_NAME,   /* there is no such name: RFC 2308, 2.1 */
    DNS_ALIAS,     /* of `name`, of which the answer says nothing */
    DNS_TRUNCATED, /* the whole answer comes over TCP */
    DNS_NO_EDNS,   /* the server does not understand EDNS(0), perhaps */
    DNS_NO_HELP,   /* the server fails, refuses, or does not know */
};

struct dns_answer {
    enum dns_meaning meaning;
    uint32_t ttl_s; /* how long it may be kept; 0: not at all */
    unsigned addr_count;
    struct net_addr addr[DNS_ADDRS_MAX];
    struct dns_name name; /* of DNS_PTR and DNS_ALIAS */
};

/*
 * Parse an answer to dns_query_emit(). Returns 0; -EPROTO: it is damaged;
 * -ENOENT: it answers something else, maybe by somebody else. *out means
 * nothing then.
 */
must_check int dns_answer_parse(const uint8_t *buf, size_t len, uint16_t id,
                                const struct dns_name *name, uint16_t type,
                                struct dns_answer *out);

#endif
