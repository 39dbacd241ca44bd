/*
 * A DHCP client: RFC 2131, section 4.4, without INIT-REBOOT, since nothing is
 * kept over a reboot. The address is probed before it is used (RFC 5227).
 *
 *     for (;;) {
 *         uint64_t until = dhcp_step(client);
 *         dhcp_take(client, until);
 *     }
 *
 * Owner: the stack's CPU. Only dhcp_take() waits.
 */
#ifndef TORC_NET_DHCP_CLIENT_H
#define TORC_NET_DHCP_CLIENT_H

#include "kernel/thread/wait.h"
#include "net/dhcp/lease.h"
#include "net/dhcp/message.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/time.h>

struct net_stack;
struct udp_socket;

enum dhcp_state {
    DHCP_INIT,       /* waits until it may begin */
    DHCP_SELECTING,  /* asks everybody for offers */
    DHCP_REQUESTING, /* has chosen one, and asks for it */
    DHCP_PROBING,    /* has it; does another host use the address? */
    DHCP_BOUND,      /* uses it */
    DHCP_RENEWING,   /* and asks its server for more time */
    DHCP_REBINDING,  /* and asks everybody */
};

/* RFC 2131, 4.1: how long until a message is sent again: 4 s, then twice as
 * long each time up to 64 s, a second more or less. */
#define DHCP_RETRY_NS (4 * NS_PER_S)

/* But the first DISCOVER after 1 s: what comes to a link that has just been set
 * up is often lost, and so is the answer. */
#define DHCP_FIRST_NS (1 * NS_PER_S)

enum {
    DHCP_RETRY_DOUBLINGS = 4,
    DHCP_REQUESTS = 5,  /* for an offer, then it is given up: RFC 2131, 3.1 */
    DHCP_PROBES = 3,    /* RFC 5227, 1.1 */
    DHCP_ANNOUNCES = 2, /* RFC 5227, 1.1 */
};

/*
 * By RFC 5227, 1.1 an address is probed for up to 7 seconds before it is used.
 * These are a tenth of its times: a link of today forwards and answers within
 * milliseconds, and a machine that boots waits for it.
 */
#define DHCP_PROBE_NS    (100 * NS_PER_MS) /* up to twice that, at random */
#define DHCP_PROBED_NS   (200 * NS_PER_MS) /* after the last one */
#define DHCP_ANNOUNCE_NS (2 * NS_PER_S)
#define DHCP_DECLINED_NS (10 * NS_PER_S) /* RFC 2131, 3.1 (5) */
#define DHCP_RENEW_NS    (60 * NS_PER_S) /* at least, between: 4.4.5 */

struct dhcp_client {
    /* owner CPU only: */
    struct net_stack *stack;
    struct udp_socket *socket;
    struct wait_queue bound; /* threads that wait for an address */
    enum dhcp_state state;
    uint32_t xid;
    uint64_t began_at;       /* to ask for this lease */
    uint64_t asked_at;       /* the lease begins then: 4.4.1 */
    uint64_t next_at;        /* when the state does something */
    unsigned tries;          /* messages that were sent in this state */
    unsigned refused;        /* times that the server said no in a row */
    struct dhcp_reply offer; /* REQUESTING, PROBING */
    struct dhcp_reply lease; /* BOUND, RENEWING, REBINDING */
    uint64_t renew_at;       /* TIME_NEVER: the lease has no end */
    uint64_t rebind_at;
    uint64_t expires_at;
    struct lease_routes routes;
    uint8_t received[DHCP_REPLY_MAX];
    uint64_t ignored; /* messages that were not for us, or made no sense */
    uint64_t changes; /* times that the lease came, was renewed or was lost */
};

/* A client for a stack that has no address. Returns 0 and *out, -EADDRINUSE,
 * -ENOMEM. */
must_check int dhcp_open(struct net_stack *stack, struct dhcp_client **out);

/* End it; the address is given up, nobody is told. */
void dhcp_close(struct dhcp_client *client);

/* Do what is due. Returns when the next thing is. */
uint64_t dhcp_step(struct dhcp_client *client);

/* Wait until `deadline_ns` for a message and act on it. Returns 0, -ETIMEDOUT.
 */
must_check int dhcp_take(struct dhcp_client *client, uint64_t deadline_ns);

/* Whether the stack has an address by it. */
static inline bool dhcp_is_bound(const struct dhcp_client *client)
{
    return client->state >= DHCP_BOUND;
}

/* Wait until the stack has an address, `wait_ns` at most. Returns 0, or
 * -ETIMEDOUT after the log says so. */
must_check int dhcp_await(struct dhcp_client *client, uint64_t wait_ns);

/* Assert what must be true of a client. */
void dhcp_check(const struct dhcp_client *client);

#endif
