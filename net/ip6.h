/*
 * IPv6 for an end host (RFC 8200, RFC 8504), with ICMPv6, Neighbour Discovery,
 * addresses that make themselves, and groups. A stack has it after ip6_start();
 * without that, stack->ip6 is NULL and an image has none of this code. Nothing
 * is forwarded, nothing sent in fragments.
 *
 * Whatever others on the link can make us keep has a fixed size, all of it in
 * struct ip6. Owner: the stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_IP6_H
#define TORC_NET_IP6_H

#include "kernel/lib/siphash.h"
#include "kernel/thread/timer.h"
#include "net/group.h"
#include "net/ip.h"
#include "net/stack.h"
#include "net/wire/icmp6.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>

enum {
    IP6_ADDRESSES_MAX = 8, /* with the one of the link */
    IP6_PREFIXES_MAX = 4,  /* that routers say are on the link */
    IP6_ROUTERS_MAX = 4,   /* default routers */
    IP6_REDIRECTS_MAX = 4, /* the oldest goes */
    IP6_DNS_MAX = 4,       /* name servers that routers tell */
    IP6_PROBES = 1, /* DupAddrDetectTransmits, of an address that we make */
    IP6_PROBES_CONFIGURED = 2, /* the first may be lost: a link comes up */
    IP6_ID_TRIES = 3,          /* interface ids: RFC 7217, 6, IDGEN_RETRIES */
    IP6_SOLICITS = 3,          /* of routers: RFC 4861, 10 */
    IP6_MADE_MAX = 8,          /* addresses in a minute by routers' prefixes */
    IP6_ERRORS_MAX = 100,      /* messages of errors in a second */
    IP6_HOPS_MIN = 32,         /* no router makes us send with fewer */
    IP6_PREFIX_LEN = 64,       /* of an address that makes itself */
};

#define IP6_PROBE_NS   (1 * NS_PER_S)    /* RetransTimer: RFC 4861, 10 */
#define IP6_SOLICIT_NS (4 * NS_PER_S)    /* between solicitations of routers */
#define IP6_TICK_NS    (3600 * NS_PER_S) /* the timer, when nothing is due */
#define IP6_TWO_HOURS  (7200 * NS_PER_S) /* RFC 4862, 5.5.3 e */
#define IP6_DEFEND_NS  (10 * NS_PER_S)   /* between two defences */

enum ip6_state {
    IP6_FREE,      /* the entry is unused */
    IP6_TENTATIVE, /* is it somebody else's, too? RFC 4862, 5.4 */
    IP6_READY,
    IP6_DUPLICATE, /* it is; not used */
};

/* One of ours. */
struct ip6_address {
    struct net_addr addr;
    enum ip6_state state;
    uint8_t prefix_len;
    bool is_auto;             /* we have made its interface id */
    uint8_t tries;            /* interface ids that were duplicates */
    uint8_t probes;           /* IP6_TENTATIVE: that are still to be sent */
    uint64_t at;              /* IP6_TENTATIVE: when the next thing is due */
    uint64_t valid_until;     /* or TIME_NEVER */
    uint64_t preferred_until; /* not used for new connections after that */
    uint64_t defend_from;
};

/* A group in which the card listens: all of them are those of addresses. */
struct ip6_group {
    struct net_addr addr; /* none: the entry is unused */
    uint8_t users;
    uint8_t reports; /* how often it is still to be told */
};

struct ip6_router {
    struct net_addr addr; /* none: the entry is unused */
    uint64_t until;
    int8_t preference;
    bool is_silent; /* did not answer */
};

/* A prefix, a host that was redirected or a name server, until a time. */
struct ip6_lease {
    struct net_addr addr;
    uint8_t len; /* of a prefix; 0: the entry is unused */
    uint64_t until;
    struct net_addr target; /* of a redirect: the neighbour that it leads to */
};

struct ip6 {
    struct net_stack *stack;
    bool is_auto;                /* listens to routers */
    struct siphash_key id_key;   /* of interface ids: RFC 7217 */
    uint8_t nonce[ND_NONCE_LEN]; /* of our probes: RFC 7527 */
    uint8_t hops;                /* hop limit of what we send */
    struct ip6_address address[IP6_ADDRESSES_MAX]; /* first: of the link */
    struct ip6_group group[IP6_ADDRESSES_MAX];
    struct ip6_router router[IP6_ROUTERS_MAX];
    const struct ip6_router *chosen; /* the default route's, or NULL */
    struct ip6_lease prefix[IP6_PREFIXES_MAX];
    struct ip6_lease redirect[IP6_REDIRECTS_MAX];
    struct ip6_lease dns[IP6_DNS_MAX];

    /* What is due when: one timer, which is always set. */
    struct timer timer;
    unsigned solicits; /* of routers, that are still to be sent */
    uint64_t solicit_at;
    uint64_t change_at; /* tell of groups that we have joined */
    uint64_t answer_at; /* answer a query of MLD */
    uint64_t old_until; /* a querier of RFC 2710 is there */

    uint64_t random;   /* counts the times that something was delayed */
    uint64_t minute;   /* in which `made` counts */
    unsigned made;     /* addresses by prefixes of routers */
    uint64_t second;   /* in which `errors` counts */
    unsigned errors;   /* messages of errors that were sent */
    struct queue loop; /* datagrams that were sent to ourselves */
    unsigned loop_count;

    /* One of a group: ip6_start_member(); else NULL. */
    const struct ip6_members *members;
    struct ip6_news *news;    /* of the first of a group: to each other one */
    struct group_letter here; /* of another one: it wants news; the first's */
};

static inline struct ip6 *ip6_of(const struct net_stack *stack)
{
    return stack->ip6_state;
}

/* How a stack gets its addresses. */
struct ip6_config {
    bool is_auto; /* from routers: RFC 4862; else the following */
    struct net_addr address;
    unsigned prefix_len;
    struct net_addr gateway; /* none: there is no way beyond the link */
    struct siphash_key key;  /* of interface ids; 0: of the card's address */
};

/*
 * Parse "auto[,KEY]" or "ADDRESS/PREFIX[,GATEWAY]". Returns 0, -EINVAL (also:
 * the address or the gateway is not one that a host can have).
 */
must_check int ip6_config_parse(const char *text, struct ip6_config *out);

/* Give the stack IPv6. Returns 0, -EBUSY (has it), -ENOMEM, -ENOSPC (routes).
 */
must_check int ip6_start(struct net_stack *stack,
                         const struct ip6_config *config);

/* For ip6_start() and ip6_start_member(): `members` NULL is the former. */
struct ip6_members;
must_check int ip6_start_as(struct net_stack *stack,
                            const struct ip6_config *config,
                            const struct ip6_members *members);

#define NET_IP6_VALUES "off|auto[,KEY]|ADDRESS/PREFIX[,GATEWAY]"

/* For families of addresses: whether an option may have that value; and let
 * start() do what it says. Return as those of struct net_family. */
must_check int ip6_family_check(const char *value);
must_check int ip6_family_start(const char *value,
                                int (*start)(void *ip6_config));

/* The name servers that routers have told, at most `max`; how many. */
unsigned ip6_dns(const struct net_stack *stack, struct net_addr out[],
                 unsigned max);

/* ---- ip/ip6.c ------------------------------------------------------------ */

/* Process a packet that begins with its IPv6 header. `to_group`: the frame was
 * sent to a group of cards. Takes the packet. */
void ip6_receive(struct net_stack *stack, struct packet *packet, bool to_group);

/* struct ip6_calls.output */
void ip6_output(struct net_stack *stack, struct packet *packet,
                const struct flow *flow, struct dst *dst);

/* Send the payload in `packet` behind that header, whose length is filled in.
 * Takes the packet. */
void ip6_send(struct net_stack *stack, struct packet *packet,
              struct ip6_header *header);

/* struct ip6_calls.poll */
bool ip6_loop_poll(struct net_stack *stack);

/* struct ip6_calls.receive_whole */
void ip6_receive_whole(struct net_stack *stack, struct packet *packet);

/* Whether what comes from there can be answered. */
bool ip6_is_possible_source(const struct net_stack *stack,
                            const struct net_addr *src);

/* ---- ip/ip6_address.c ---------------------------------------------------- */

/* The entry of an address, in whatever state; NULL: it is not ours. */
struct ip6_address *ip6_address_find(const struct net_stack *stack,
                                     const struct net_addr *addr);

/* struct ip6_calls.is_ours, .source */
bool ip6_is_ours(const struct net_stack *stack, const struct net_addr *addr);
struct net_addr ip6_source(const struct net_stack *stack,
                           const struct net_addr *remote);

/* Our address on the link, or none. */
struct net_addr ip6_link_address(const struct net_stack *stack);

/* An address with a stable, opaque interface id: RFC 7217. */
struct net_addr ip6_address_make(const struct ip6 *ip6,
                                 const struct net_addr *prefix, unsigned tries);

/*
 * Begin with an address: it is ours when nobody says within IP6_PROBE_NS of
 * each probe that it is his, after a delay of up to `delay_ms`. Returns 0,
 * -ENOSPC, -EEXIST.
 */
must_check int ip6_address_add(struct net_stack *stack,
                               const struct ip6_address *address,
                               unsigned delay_ms);

/* Somebody else has, or wants to have, that tentative address. */
void ip6_address_duplicate(struct net_stack *stack,
                           struct ip6_address *address);

/* What is due of addresses at `now`; when to come back. */
uint64_t ip6_address_tick(struct net_stack *stack, uint64_t now);

void ip6_address_check(const struct net_stack *stack);

/* ---- ip/ip6_members.c: the stacks of a group ----------------------------- */

/*
 * Of the stacks of a group the first alone probes and makes addresses, asks for
 * routers and tells of groups of hosts. The others have those of its addresses
 * that can be used: it tells them by letters. What routers say all see.
 */

struct ip6_members {
    /* Memory for that, freed with struct ip6. Returns 0, -ENOMEM. */
    int (*init)(struct net_stack *stack);

    /* IPv6 has started on this CPU: it wants to be told. */
    void (*here)(struct net_stack *stack);

    /* Addresses that can be used have come, have changed or have gone. */
    void (*tell)(struct net_stack *stack);
};

/* As ip6_start(), for a stack that may be one of a group. */
must_check int ip6_start_member(struct net_stack *stack,
                                const struct ip6_config *config);

/* What the first of a group tells the others of has changed. */
static inline void ip6_changed(struct net_stack *stack)
{
    if (ip6_of(stack)->members != NULL)
        ip6_of(stack)->members->tell(stack);
}

/* ---- ip/ip6_start.c ------------------------------------------------------ */

/* Something is due at that time. */
void ip6_due(struct ip6 *ip6, uint64_t at);

/* A time up to `max_ms` from now, hard to guess. */
uint64_t ip6_random_time(struct ip6 *ip6, unsigned max_ms);

/* ---- ip/icmp6.c ---------------------------------------------------------- */

/* Process a message of ICMPv6, in `packet`, behind that header and those
 * extensions. Takes the packet. */
void icmp6_receive(struct net_stack *stack, struct packet *packet,
                   const struct ip6_header *header,
                   const struct ip6_chain *chain);

/*
 * Tell the sender of the datagram in `packet`, which begins with its IPv6
 * header, what has become of it: `error` is the message. At most IP6_ERRORS_MAX
 * a second, and never about an error or, unless `to_group_too`, about what was
 * sent to a group: RFC 4443, 2.4. Does not take the packet.
 */
void icmp6_error(struct net_stack *stack, const struct packet *packet,
                 const struct icmp6_message *error, bool to_group_too);

/* struct ip6_calls.port_unreachable; struct reassembly.expired6 */
void icmp6_port_unreachable(struct net_stack *stack, struct packet *packet,
                            const struct ip_info *info);
void icmp6_expired(struct net_stack *stack, struct packet *packet);

/* Send a message: `packet` holds all of it, its first ICMP6_HEADER_SIZE bytes
 * are written here. Takes the packet. */
void icmp6_send(struct net_stack *stack, struct packet *packet,
                const struct icmp6_message *message, const struct net_addr *src,
                const struct net_addr *dst, uint8_t hops);

/* ---- ip/mld.c: Multicast Listener Discovery, RFC 3810 -------------------- */

/* Listen in a group, and no longer. As often as joined it must be left. */
void mld_join(struct net_stack *stack, const struct net_addr *group);
void mld_leave(struct net_stack *stack, const struct net_addr *group);

/* The card need not listen in any of them. */
void mld_fini(struct net_stack *stack);

/* A router asks. */
void mld_receive(struct net_stack *stack, const struct packet *packet,
                 const struct ip6_header *header,
                 const struct ip6_chain *chain);

/* Whether the card listens in a group. */
bool mld_is_member(const struct net_stack *stack, const struct net_addr *group);

uint64_t mld_tick(struct net_stack *stack, uint64_t now);
void mld_check(const struct net_stack *stack);

/* ---- link/nd.c: Neighbour Discovery, RFC 4861 ---------------------------- */

/* A message of it, which is in one piece and whose checksum is right. */
void nd_receive(struct net_stack *stack, const struct packet *packet,
                const struct ip6_header *header, const struct ip6_chain *chain);

/* struct neigh_table.ask6 */
void nd_ask(struct net_stack *stack, const struct net_addr *target,
            const uint8_t *mac);

/* Ask whether anybody has an address that is to be ours: RFC 4862, 5.4.2. */
void nd_probe(struct net_stack *stack, const struct net_addr *target);

/* Tell the link that an address is ours. */
void nd_announce(struct net_stack *stack, const struct net_addr *target);

/* ---- link/router.c: routers and what they say ---------------------------- */

/* Ask for routers. */
void router_solicit(struct net_stack *stack);

void router_receive(struct net_stack *stack, const struct packet *packet,
                    const struct ip6_header *header);
void redirect_receive(struct net_stack *stack, const struct packet *packet,
                      const struct ip6_header *header);

/* A neighbour does not answer; says that it is no router. */
void router_silent(struct net_stack *stack, const struct net_addr *addr);
void router_remove(struct net_stack *stack, const struct net_addr *addr);

uint64_t router_tick(struct net_stack *stack, uint64_t now);
void router_check(const struct net_stack *stack);

#endif
