/*
 * The wall time by NTP, as a simple client (RFC 4330; RFC 5905, 14): it asks
 * one server some times, takes the middle of what it hears, and corrects the
 * clock. Less than NTP_STEP_NS is corrected little by little, more at once, and
 * so is the first time.
 *
 *     for (;;) {
 *         uint64_t until = ntp_step(client);
 *         ntp_take(client, until);
 *     }
 *
 * Owner: the stack's CPU. Only ntp_take() waits.
 */
#ifndef TORC_NET_NTP_CLIENT_H
#define TORC_NET_NTP_CLIENT_H

#include "net/ntp/message.h"
#include "net/servers.h"
#include <stdbool.h>
#include <torc/time.h>

struct net_stack;
struct udp_socket;

enum {
    NTP_SAMPLES = 5, /* of a server; an odd number has a middle */
    NTP_TRIES = 8,   /* questions, for so many samples */
    NTP_SAMPLES_MIN = 3,
    NTP_LOST = 4, /* times that all servers may fail: then others are found */
};

#define NTP_ANSWER_NS   (1 * NS_PER_S) /* an answer is waited for */
#define NTP_BETWEEN_NS  (2 * NS_PER_S) /* between questions: RFC 4330, 10 */
#define NTP_POLL_MIN_NS (64 * NS_PER_S)
#define NTP_POLL_MAX_NS (1024 * NS_PER_S)
#define NTP_STEP_NS     ((int64_t)(128 * NS_PER_MS)) /* RFC 5905, 12: STEPT */
#define NTP_GOOD_NS     ((int64_t)(10 * NS_PER_MS))  /* ask less often then */
#define NTP_SLEW_NS     ((int64_t)(500 * NS_PER_US)) /* in each second */

struct ntp_client {
    /* constant: */
    struct net_stack *stack;
    uint64_t (*wall)(void);          /* time_wall_ns(), or a test's */
    int (*adjust)(int64_t delta_ns); /* time_wall_adjust() */

    /* owner CPU only: */
    struct net_addr server[SERVERS_ALL_MAX];
    bool is_denied[SERVERS_ALL_MAX]; /* that one has said so */
    unsigned server_count;
    unsigned server_now;
    struct udp_socket *socket; /* NULL: no question is under way */
    uint64_t cookie;
    uint64_t asked_at;           /* when the last question was sent */
    uint64_t next_at;            /* the next question */
    unsigned tries;              /* questions in this round */
    unsigned failures;           /* servers in a row that gave no time */
    int64_t sample[NTP_SAMPLES]; /* wall time less time since boot */
    unsigned sample_count;
    uint64_t poll_ns;
    bool is_set;       /* the clock has been set */
    int64_t slew_left; /* to be corrected little by little */
    uint64_t slew_at;  /* the next time; TIME_NEVER: nothing is left */
    uint64_t bad;      /* replies that were none */
};

/* A client of these servers, at least one. Returns 0 and *out, -ENOMEM. */
must_check int ntp_open(struct net_stack *stack, const struct net_addr *servers,
                        unsigned count, struct ntp_client **out);

void ntp_close(struct ntp_client *client);

/* Whether all servers have failed NTP_LOST times since they were found: a name
 * may have other addresses now (RFC 4330, 10). */
bool ntp_is_lost(const struct ntp_client *client);

/*
 * These servers were found; none: the old ones stay. One that has said that we
 * must not ask is not asked again. One that is new is asked soon. What is known
 * of the clock stays.
 */
void ntp_servers_set(struct ntp_client *client, const struct net_addr *servers,
                     unsigned count);

/* Do what is due. Returns when the next thing is. */
uint64_t ntp_step(struct ntp_client *client);

/* Wait until `deadline_ns` for a reply and take it. */
void ntp_take(struct ntp_client *client, uint64_t deadline_ns);

/* Assert what must be true of it. */
void ntp_check(const struct ntp_client *client);

#endif
