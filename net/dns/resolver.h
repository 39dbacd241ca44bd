/*
 * A stub resolver: it asks the servers of servers.h, which look further
 * themselves (RFC 1035, 5.3.1; RFC 1123, 6.1.3). Questions that several threads
 * ask at once are sent once.
 *
 * A query is one question under way. Its thread does
 *
 *     while (!query->is_done) {
 *         uint64_t until = dns_query_step(query);
 *         dns_query_take(query, until);
 *     }
 *
 * Against forged answers (RFC 5452): each message has a socket of its own with
 * a random port, a random id, and takes answers of that server only; the
 * question must come back.
 *
 * Owner: the stack's CPU.
 */
#ifndef TORC_NET_DNS_RESOLVER_H
#define TORC_NET_DNS_RESOLVER_H

#include "kernel/thread/wait.h"
#include "net/dns/cache.h"
#include "net/servers.h"
#include <torc/time.h>

struct net_stack;
struct udp_socket;

enum {
    DNS_QUERIES_MAX = 16, /* at once */
    DNS_ROUNDS = 4,       /* in each, all servers are asked */
};

/* How long a server has in the first round; in the next, twice as long: 15 s
 * for one server in all (RFC 1536, 1). */
#define DNS_WAIT_NS (1 * NS_PER_S)

/* How long an answer over TCP may take. */
#define DNS_TCP_NS (5 * NS_PER_S)

/* A server that did not answer is asked after the others for so long. */
#define DNS_SILENT_NS (60 * NS_PER_S)

struct resolver {
    struct net_stack *stack;
    struct dns_cache cache;
    struct list queries;
    unsigned query_count;
    struct {
        struct net_addr addr; /* none: free */
        uint64_t until;
    } silent[SERVERS_ALL_MAX];
    uint64_t asked; /* questions that were sent */
    uint64_t bad;   /* answers that were none */
};

struct dns_query {
    struct list link;
    struct resolver *resolver;
    struct dns_name name;
    uint16_t type;
    struct wait_queue waiters;
    unsigned users; /* who need it, its thread included */
    bool has_thread;

    /* The result: */
    bool is_done;
    int error; /* 0: `answer` tells */
    struct dns_answer answer;

    /* On the way there: */
    struct dns_name current; /* the name, or what it is an alias of */
    unsigned aliases;        /* on the way from one to the other */
    uint32_t ttl_s;          /* of them */
    struct net_addr server[SERVERS_ALL_MAX];
    unsigned server_count;
    bool is_helpless[SERVERS_ALL_MAX]; /* that one has said so */
    unsigned tries;                    /* messages sent since the last alias */
    bool has_edns;
    bool wants_tcp; /* the server has said that its answer is larger */
    uint16_t id;
    struct udp_socket *socket; /* NULL: no message is under way */
    uint64_t next_at;
    uint8_t buf[DNS_UDP_SIZE];
};

/* The resolver of a stack, made when it is first asked for; NULL: no memory. */
struct resolver *resolver_of(struct net_stack *stack);

/*
 * Ask. Returns 1 and *answer: it was known; 0 and *query, which is the caller's
 * to dns_query_put(): a question under way, perhaps somebody else's;
 * -ENETUNREACH: no server is known; -EAGAIN: too many questions are under way;
 * -ENOMEM.
 */
must_check int resolver_ask(struct resolver *resolver,
                            const struct dns_name *name, uint16_t type,
                            struct dns_answer *answer,
                            struct dns_query **query);

/* Do what is due. Returns when the next thing is. */
uint64_t dns_query_step(struct dns_query *query);

/* Wait until `deadline_ns` for an answer and take it; one over TCP for at most
 * DNS_TCP_NS. */
void dns_query_take(struct dns_query *query, uint64_t deadline_ns);

/*
 * Ask a server over TCP: query->answer is its answer. Returns 0, or an error of
 * the sockets or of dns_answer_parse(). Waits.
 */
must_check int dns_tcp_ask(struct dns_query *query,
                           const struct net_addr *server, uint64_t deadline_ns);

void dns_query_put(struct dns_query *query);

/* For stack_destroy(): nobody asks any more. */
void resolver_fini(struct net_stack *stack);

/* Assert what must be true of it. */
void resolver_check(const struct resolver *resolver);

#endif
