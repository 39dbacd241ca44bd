/*
 * SYN cookies (RFC 4987, section 3.6), for SYNs that come while a service has
 * as many half-open connections as it may have.
 *
 * No connection is created; the sequence number of the SYN-ACK, the cookie,
 * holds all that is needed to create it when the peer acknowledges it:
 *
 *    31    27 26  24 23            0
 *   +--------+------+---------------+
 *   |  time  | MSS  |  keyed hash   |
 *   +--------+------+---------------+
 *
 * The time counts COOKIE_TICK_S; the MSS is an index into cookie_mss[]. The
 * other options are in the timestamp of the SYN-ACK, which the peer sends back:
 * its lowest five bits are the peer's window scale (15: none) and whether it
 * permits SACK. Without timestamps the connection has neither.
 */
#include "kernel/lib/bytes.h"
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"

enum {
    COOKIE_TICK_S = 64,
    COOKIE_TICKS = 2, /* a cookie this old is refused */
    COOKIE_HASH_BITS = 24,
    COOKIE_INPUT = 17, /* bytes that are hashed */
    STAMP_SCALE = 15,  /* in the timestamp: or TCP_SCALE_NONE */
    STAMP_SACK = 16,
    STAMP_BITS = 31,
};

static const uint16_t cookie_mss[8] = {64,   216,  536,  1000,
                                       1220, 1380, 1440, 1460};

static uint32_t cookie_tick(const struct net_stack *stack)
{
    return (uint32_t)(net_now(stack) / (COOKIE_TICK_S * NS_PER_S));
}

static uint32_t cookie_make(struct net_stack *stack, const struct flow *flow,
                            uint32_t irs, uint32_t tick, uint32_t mss_index)
{
    uint32_t top = (tick & 31) << 3 | mss_index;
    uint8_t input[COOKIE_INPUT];

    le64_put(input, conn_hash(stack, flow));
    be32_put(input + 8, irs);
    be32_put(input + 12, tick);
    input[16] = (uint8_t)mss_index;
    return top << COOKIE_HASH_BITS |
           (uint32_t)(siphash(&stack->isn_key, input, sizeof(input)) >>
                      (64 - COOKIE_HASH_BITS));
}

/* The timestamp of a SYN-ACK; not one of the future, or those that follow would
 * be older. */
static uint32_t stamp_make(struct net_stack *stack, const struct flow *flow,
                           const struct tcp_half *half)
{
    uint32_t now = stack_stamp(stack, flow);
    uint32_t stamp = now & ~(uint32_t)STAMP_BITS;

    stamp |= half->scale;
    stamp |= half->has_sack ? STAMP_SACK : 0;
    return seq_lt(now, stamp) ? stamp - STAMP_BITS - 1 : stamp;
}

/* Without timestamps nothing brings these back, whatever the ACK claims. */
static void stamps_missing(struct tcp_half *half)
{
    if (half->has_stamps)
        return;
    half->scale = TCP_SCALE_NONE;
    half->has_sack = false;
}

void cookie_send(struct net_stack *stack, struct server *server,
                 const struct flow *flow, const struct tcp_segment *segment)
{
    uint32_t tick = cookie_tick(stack);
    uint32_t index = COUNT_OF(cookie_mss) - 1;
    uint16_t mss = segment->options.mss != 0 ? segment->options.mss
                                             : tcp_mss_default(flow);
    struct tcp_half half;

    while (index > 0 && cookie_mss[index] > mss)
        index--;
    half_fill(&half, server, flow, segment);
    stamps_missing(&half);
    half.iss = cookie_make(stack, flow, segment->seq, tick, index);
    half.rcv_wnd = TCP_COOKIE_WINDOW;
    server->cookies_until =
        net_now(stack) + COOKIE_TICKS * COOKIE_TICK_S * NS_PER_S;
    stack->stats.tcp_cookies_out++;
    tcp_send_half(stack, flow, &half, TCP_SYN | TCP_ACK,
                  stamp_make(stack, flow, &half));
}

/* Cookies are accepted only while one that was sent may still come back, so
 * that guessing them is possible during a flood of SYNs only. */
struct tcp_conn *cookie_receive(struct net_stack *stack, struct server *server,
                                const struct flow *flow,
                                const struct tcp_segment *segment)
{
    uint32_t cookie = segment->ack - 1;
    uint32_t index = cookie >> COOKIE_HASH_BITS & 7;
    uint32_t now = cookie_tick(stack);
    uint32_t age = (now - (cookie >> (COOKIE_HASH_BITS + 3))) & 31;
    uint32_t stamp = segment->options.timestamp_of;
    struct tcp_half half;
    struct tcp_conn *conn;

    if (net_now(stack) >= server->cookies_until || age >= COOKIE_TICKS ||
        (segment->flags & TCP_SYN) != 0)
        return NULL;
    half_fill(&half, server, flow, segment);
    half.irs = segment->seq - 1;
    half.iss = cookie;
    half.mss = cookie_mss[index];
    half.rcv_wnd = TCP_COOKIE_WINDOW;
    half.has_ecn = false;
    half.tries = 1; /* not measured: the SYN-ACK may have been lost */
    if (half.has_stamps) {
        half.scale = stamp & STAMP_SCALE;
        half.has_sack = (stamp & STAMP_SACK) != 0;
    }
    stamps_missing(&half);
    if (cookie_make(stack, flow, half.irs, now - age, index) != cookie)
        return NULL;
    conn = half_promote(stack, &half);
    if (conn != NULL)
        stack->stats.tcp_cookies_in++;
    return conn;
}
