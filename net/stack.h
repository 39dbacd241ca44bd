/*
 * One network stack: a card, an address and what hangs off them. There is at
 * most one per CPU, and everything in it belongs to that CPU. Code between two
 * yields is atomic there, so nothing in net/ has a lock.
 *
 * A frame's way in:  driver poll -> stack_receive -> arp_ / ip4_receive ->
 * icmp_ / tcp_receive -> socket events -> the service's thread.
 * A frame's way out: tcp_output -> ip4_send -> arp_send -> stack_transmit ->
 * driver. When the card is full, frames wait in tx_queue and TCP holds back;
 * both go on after the next poll, or a moment later by a timer.
 */
#ifndef TORC_NET_STACK_H
#define TORC_NET_STACK_H

#include "kernel/lib/list.h"
#include "kernel/netdev.h"
#include "kernel/timer.h"
#include "kernel/wait.h"
#include "net/arp.h"
#include "net/buffer.h"
#include "net/siphash.h"
#include "net/stats.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/net.h>

enum {
    STACK_POLL_BUDGET = 64,    /* frames between two yields */
    STACK_TX_QUEUE_MAX = 256,  /* frames behind a full card */
    STACK_TX_HOLD = 128,       /* from here on TCP holds back */
    STACK_CONN_BUCKETS = 1024, /* a power of two */
};

struct net_stack {
    /* constant after stack_create(): */
    struct net_device *dev;
    struct net_config config;
    uint64_t (*clock)(void); /* time_ns(), or a test's */
    struct siphash_key isn_key;
    struct siphash_key hash_key;

    /* owner CPU only: */
    struct wait_queue wake; /* the stack's thread */
    struct net_budget budget;
    struct net_stats stats;
    struct arp_cache arp;
    uint64_t icmp_second; /* the one icmp_sent counts for */
    unsigned icmp_sent;
    struct queue tx_queue;
    unsigned tx_queued;
    struct timer tx_timer;

    /* owner CPU only: TCP's */
    struct list listeners; /* struct tcp_listener */
    struct list *conns;    /* STACK_CONN_BUCKETS: struct tcp_conn by 4-tuple */
    struct list blocked;   /* have data, but the card or the pool has no room */
    struct list time_waits; /* oldest first */
    struct list dead;       /* to be freed */
    unsigned time_wait_count;
    unsigned time_wait_max;
    unsigned conn_count; /* all states */
};

/*
 * Make a stack on a card of this CPU and hook it to the card. No thread yet.
 * Returns 0 and *out, -EINVAL (the configuration), -ENOMEM.
 */
must_check int stack_create(struct net_device *dev,
                            const struct net_config *config,
                            struct net_stack **out);

/* Undo stack_create(); no service is registered any more. For tests. */
void stack_destroy(struct net_stack *stack);

/* This CPU's stack, or NULL. */
struct net_stack *stack_self(void);

/* Let the card work once. Returns whether there is more to do at once. */
bool stack_poll(struct net_stack *stack);

/* Send a finished frame; the packet is gone afterwards in any case. */
void stack_transmit(struct net_stack *stack, struct packet *packet);

/* Whether the card has no room: do not build more segments now. */
bool stack_tx_full(const struct net_stack *stack);

/* Somebody is in stack->blocked: look after it soon. */
void stack_retry(struct net_stack *stack);

/* A packet, or NULL, which is counted. */
struct packet *stack_packet(struct net_stack *stack);

static inline uint64_t net_now(const struct net_stack *stack)
{
    return stack->clock();
}

/* What this CPU's stack has counted. Returns 0, -ENOTCONN (no stack). */
must_check int net_get_stats(struct net_stats *stats);

/* Whether an interface can have this configuration. Returns 0, -EINVAL. */
must_check int net_config_check(const struct net_config *config);

#endif
