/*
 * A network stack: one card, one address, its neighbours, its services and
 * their connections. A CPU has at most one stack, and all of it belongs to that
 * CPU. Code between two yields is atomic there, so nothing in net/ has a lock.
 *
 * Receiving: driver poll -> stack_receive -> arp_receive or ip4_receive ->
 * icmp_receive or tcp_receive -> socket events -> the service's thread.
 * Sending: tcp_output -> ip4_output -> neigh_send -> stack_transmit -> driver.
 * When the card is full, frames wait in tx_queue and TCP stops sending; both
 * are tried again after the next poll, or after a short time by tx_timer.
 */
#ifndef TORC_NET_STACK_H
#define TORC_NET_STACK_H

#include "kernel/cpu/percpu.h"
#include "kernel/device/netdev.h"
#include "kernel/lib/siphash.h"
#include "kernel/thread/timer.h"
#include "kernel/thread/wait.h"
#include "net/buffer.h"
#include "net/flow.h"
#include "net/group.h"
#include "net/neigh.h"
#include "net/reassembly.h"
#include "net/route.h"
#include "net/servers.h"
#include "net/stats.h"
#include "net/wheel.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/net.h>
#include <torc/thread.h>

enum {
    STACK_POLL_BUDGET = 64,   /* frames between two yields */
    STACK_TX_QUEUE_MAX = 256, /* frames that wait for the card */
    STACK_TX_HOLD = 128,      /* with so many waiting TCP does not send */
    STACK_CONN_CHAINS = 2048, /* at first; a power of two */
    STACK_CONN_RECENT = 256,  /* a power of two */
    STACK_HALF_CHAINS = 128,  /* a power of two */
    HELD_ROWS = 2,            /* net/tcp/share.c */
    CROWD_POLLS = 4,          /* full ones in a row: too many frames wait */
    CROWD_BITS = 32768,       /* a power of two */
    CROWD_BUCKETS = 64,       /* a power of two */
    IP4_ADDRESSES_MAX = 4,
    IP_PROTOCOLS_MAX = 4, /* that register: ip.h */
};

struct echo_wait;
struct ip4_more;
struct ip6;
struct ip6_calls;
struct tcp_active;
struct tcp_cc;
struct tcp_half;
struct tcp_waits;
struct ip_protocol;
struct resolver;
struct udp_table;

/* Ours, in host order. */
struct ip4_address {
    uint32_t address;
    uint32_t netmask;
};

/* The connections by their flow: net/tcp/table.c. */
struct conn_table {
    struct tcp_conn **chain;
    unsigned size;         /* chains: a power of two */
    unsigned grow_at;      /* so many connections are to be */
    struct tcp_conn **old; /* NULL: all have moved */
    unsigned old_size;
    unsigned moved; /* of its chains */
};

/* What an acknowledgement that is being processed tells: net/tcp/rack.c. */
struct stack_ack {
    uint32_t sample_us; /* round trip of what it is for; 0: of nothing */
    uint32_t delivered; /* bytes */
    uint32_t window_us; /* the reordering window; and how long to wait until */
    uint32_t wait_us;   /* more is lost: rack_detect() */
};

/* When more SYNs come than can be answered: net/tcp/crowd.c. */
struct syn_crowd {
    unsigned full_polls; /* in a row */
    bool sheds;          /* now: frames of the card of a poll after these */
    /* SYNs that were answered in this poll: */
    uint8_t strangers[2];             /* [1]: for somebody who listens here */
    uint8_t answers;                  /* to known sources */
    uint8_t of_source[CROWD_BUCKETS]; /* the same, by the source's hash */
    unsigned present; /* the younger of the two generations of sources */
    unsigned count;   /* that it knows */
    uint64_t known[2][CROWD_BITS / 64];
};

struct net_stack {
    /* constant after stack_create(): */
    struct net_device *dev;
    struct net_queue *queue; /* of the card, on this CPU */
    uint64_t (*clock)(void); /* time_ns(), or a test's */
    struct siphash_key isn_key;
    struct siphash_key hash_key;
    unsigned packet_count;         /* of the pool of this CPU */
    const struct net_group *group; /* NULL: alone with its card */
    unsigned member;               /* of the group; 0: answers for all */
    thread_id thread;              /* stack_run(); of a group */

    /* owner CPU only: */
    struct wait_queue wake;   /* the stack's thread waits here */
    bool is_stopping;         /* it is to end */
    struct net_budget budget; /* of all connections' buffers */
    struct net_stats stats;
    struct neigh_table neigh;
    uint64_t arp_defend_from; /* the address is not defended before */
    uint32_t arp_probed;      /* an address we may want to use; 0: none */
    bool arp_probed_is_taken; /* another card has it, or wants it, too */
    uint16_t mtu;             /* of the link for IPv4: the card's, or less */
    struct net_config config; /* no address: it has none yet */
    struct ip4_address ip4[IP4_ADDRESSES_MAX]; /* the first: that of config */
    unsigned ip4_count;
    struct route_table routes;
    struct servers servers;
    struct resolver *resolver; /* NULL: nobody asks for names */
    void (*resolver_fini)(struct net_stack *stack);
    const struct ip4_more *ip4_more; /* NULL: ip4_complete() was not called */
    struct group_letter complete;    /* after that, in a group: to the next */
    struct reassembly reassembly;    /* after that */
    const struct ip6_calls *ip6;     /* NULL: ip6_start() was not called */
    struct ip6 *ip6_state;           /* after that */
    uint16_t ip6_mtu;                /* the same: of the link, for IPv6 */
    const struct ip_protocol *protocol[IP_PROTOCOLS_MAX];
    unsigned protocol_count;
    struct udp_table *udp; /* NULL: nobody uses UDP */
    void (*udp_fini)(struct net_stack *stack);
    struct echo_wait *echoes; /* that are not answered yet: sock/echo.c */
    struct queue loop;        /* datagrams that were sent to ourselves */
    unsigned loop_count;
    uint16_t ip_id;       /* of the next datagram that may be fragmented */
    uint64_t icmp_second; /* the second for which icmp_sent counts errors */
    unsigned icmp_sent;
    struct queue tx_queue; /* finished frames that wait for the card */
    unsigned tx_queued;    /* how many */
    struct timer tx_timer;

    /* owner CPU only, TCP: */
    struct list listeners; /* struct server */
    struct conn_table conns;
    struct list blocked;     /* wait for room in the card or the packet pool */
    struct list orphans;     /* closed by their service, oldest first */
    struct tcp_waits *waits; /* in TIME-WAIT without a socket; NULL: none yet */
    struct list dead;        /* in CLOSED, until tcp_reap() */
    unsigned orphan_count;
    unsigned orphan_max;
    unsigned time_wait_count;
    unsigned time_wait_max;
    unsigned place_max; /* of a service that does not say how many */
    struct syn_crowd crowd;
    /* KiB of the budget that sources have, by a hash: net/tcp/share.c. */
    uint32_t held[HELD_ROWS][1 << SOURCE_BITS];
    unsigned conn_count; /* in any state */
    unsigned half_open_count;
    struct tcp_half *halves[STACK_HALF_CHAINS]; /* net/tcp/half.c */
    uint64_t now;                               /* stack_tick() */
    struct packet *polled[STACK_POLL_BUDGET];   /* stack_poll()'s */
    struct buf *arrived; /* the segment being processed lies there, and may
                            stay; or NULL */
    uint32_t now_us;     /* the same, modulo 2^32 */
    uint32_t now_ms;
    uint64_t told_at; /* its CPU's switch_count when stack_time() told `now`,
                         + 1; 0: that was used */
    struct stack_ack ack;
    const struct tcp_cc *cc;
    struct flow hashed; /* the flow whose hash was computed last; and that */
    uint64_t hash;
    /* Where connections were found last: NULL or one of `conns`. */
    struct tcp_conn *recent[STACK_CONN_RECENT];
    const struct tcp_active *tcp_active; /* NULL: none was opened by us */
    struct wheel wheel;                  /* timeouts of connections */
    struct timer wheel_timer; /* always set: when the wheel is to turn */
    struct wheel_timer time_wait_timer; /* of the oldest of `waits` */
    struct wheel_timer half_timer;      /* of the first of `halves` */
    struct list opening;                /* by us: in SYN-SENT or SYN-RECEIVED */
    uint16_t tcp_port_next; /* how many ports were chosen: RFC 6056 */
};

/*
 * Create a stack without a thread for a queue of this CPU; `config` NULL: it
 * has no address yet. Returns 0 and *out, -EINVAL (the configuration), -ENOMEM.
 */
must_check int stack_create(struct net_queue *queue,
                            const struct net_config *config,
                            struct net_stack **out);

/* Undo stack_create(). No service may be registered. */
void stack_destroy(struct net_stack *stack);

/* As net_start(); `config` NULL: the stack has no address yet, and nobody is
 * told. */
must_check int stack_start(struct device *device,
                           const struct net_config *config,
                           struct net_stack **out);

/* Log what a stack that has started is. */
void stack_log(const struct net_stack *stack);

/* This CPU's stack, or NULL. */
struct net_stack *stack_self(void);

/* Receive at most STACK_POLL_BUDGET frames and send what waits. Returns whether
 * more may have been received. Does not yield. */
bool stack_poll(struct net_stack *stack);

/* The thread of a stack: polls and waits until `is_stopping`. */
int stack_run(void *stack);

/* The card has received a frame, which begins with its Ethernet header. Takes
 * the packet. */
void stack_receive(struct net_stack *stack, struct packet *packet);

/* The card has interrupted: wake the stack's thread; or do its work. */
void stack_wake(struct net_queue *queue);
void stack_attend(struct net_queue *queue);

/* Send an Ethernet frame, or queue it when the card is full. Takes the packet.
 */
void stack_transmit(struct net_stack *stack, struct packet *packet);

/* Whether so many frames wait for the card that TCP must not send. */
bool stack_tx_full(const struct net_stack *stack);

/* Try to send what waits soon, at the latest when tx_timer expires. */
void stack_retry(struct net_stack *stack);
void stack_tx_timeout(struct timer *timer);

/* An empty packet; NULL: the pool is empty, which is counted. */
struct packet *stack_packet(struct net_stack *stack);

/* Whether this one of the stacks of a card answers what concerns them all. */
static inline bool stack_answers(const struct net_stack *stack)
{
    return stack->member == 0;
}

static inline uint64_t net_now(const struct net_stack *stack)
{
    return stack->clock();
}

/*
 * The time of what the stack does now: read once for all frames of a poll, when
 * a timer has expired, or when a socket has something to send. What is called
 * from there uses stack->now.
 */
void stack_tick(struct net_stack *stack);

/*
 * The same for who asks what time it is and has something to send right behind
 * that: the output uses this time, unless the thread gives up the CPU before.
 */
uint64_t stack_time(struct net_stack *stack);

/* A thread has something to send. */
static inline void stack_tick_to_send(struct net_stack *stack)
{
    if (stack->told_at != cpu_self()->switch_count + 1)
        stack_tick(stack);
    stack->told_at = 0;
}

/* The counters of this CPU's stack. Returns 0, -ENOTCONN (no stack). */
must_check int net_get_stats(struct net_stats *stats);

/* Whether an interface can have this configuration. Returns 0, -EINVAL. */
must_check int net_config_check(const struct net_config *config);

/* Whether an address may be that of one host anywhere: RFC 1122, 3.2.1.3. */
bool net_is_unicast(uint32_t address);

/* Whether an address is a host's on a link with this netmask, and not that of
 * the network or of all hosts. A link of one or two addresses has neither: RFC
 * 3021. */
bool net_is_host(uint32_t address, uint32_t netmask);

/* Assert what must be true of a stack and all its parts. For tests: visits
 * every connection. */
void stack_check(const struct net_stack *stack);

#endif
