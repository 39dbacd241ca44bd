/*
 * Segments for no connection, and connections being made.
 *
 * What has not answered our SYN-ACK yet costs one struct tcp_conn and no
 * buffers, and a service has at most half_open_max of them. When a flood of
 * SYNs has used them up, the next ones get a SYN cookie (RFC 4987, section
 * 3.6): the state goes into the sequence number of the SYN-ACK, and the
 * connection is made from the ACK that brings it back. Its five top bits are a
 * clock, the next three the MSS, the rest a keyed hash. Such a connection has
 * no window scale.
 */
#include "kernel/lib/bytes.h"
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"

static struct server *server_find(struct net_stack *stack, uint16_t port)
{
    list_for_each (node, &stack->listeners) {
        struct server *server = container_of(node, struct server, link);

        if (server->service->port == port && server->is_listening)
            return server;
    }
    return NULL;
}

/* ---- SYN cookies --------------------------------------------------------- */

enum {
    COOKIE_TICK_S = 64,
    COOKIE_TICKS = 2, /* how old one may be */
    COOKIE_HASH_BITS = 24,
};

static const uint16_t cookie_mss[8] = {64,   216,  536,  1000,
                                       1220, 1380, 1440, 1460};

static uint32_t cookie_tick(const struct net_stack *stack)
{
    return (uint32_t)(net_now(stack) / (COOKIE_TICK_S * NS_PER_S));
}

static uint32_t cookie_make(const struct net_stack *stack, uint32_t remote,
                            const struct tcp_segment *segment, uint32_t irs,
                            uint32_t tick, uint32_t mss_index)
{
    uint32_t top = (tick & 31) << 3 | mss_index;
    uint8_t input[17];

    be32_put(input, remote);
    be16_put(input + 4, segment->src_port);
    be16_put(input + 6, segment->dst_port);
    be32_put(input + 8, irs);
    be32_put(input + 12, tick);
    input[16] = (uint8_t)mss_index;
    return top << COOKIE_HASH_BITS |
           (uint32_t)(siphash(&stack->isn_key, input, sizeof(input)) >>
                      (64 - COOKIE_HASH_BITS));
}

static void cookie_send(struct net_stack *stack, struct server *server,
                        uint32_t remote, const struct tcp_segment *segment)
{
    uint32_t tick = cookie_tick(stack);
    uint32_t index = COUNT_OF(cookie_mss) - 1;
    uint16_t mss =
        segment->options.mss != 0 ? segment->options.mss : TCP_MSS_DEFAULT;

    while (index > 0 && cookie_mss[index] > mss)
        index--;
    server->cookies_until =
        net_now(stack) + COOKIE_TICKS * COOKIE_TICK_S * NS_PER_S;
    stack->stats.tcp_cookies_out++;
    tcp_send_cookie(
        stack, remote, segment,
        cookie_make(stack, remote, segment, segment->seq, tick, index));
}

/*
 * The connection of an ACK that brings a cookie back, or NULL. Cookies are
 * believed only while some are about.
 */
static struct tcp_conn *cookie_receive(struct net_stack *stack,
                                       struct server *server, uint32_t remote,
                                       const struct tcp_segment *segment)
{
    uint32_t cookie = segment->ack - 1;
    uint32_t index = cookie >> COOKIE_HASH_BITS & 7;
    uint32_t now = cookie_tick(stack);
    uint32_t age = (now - (cookie >> (COOKIE_HASH_BITS + 3))) & 31;
    struct tcp_segment syn = *segment;
    struct tcp_conn *conn;

    if (net_now(stack) >= server->cookies_until || age >= COOKIE_TICKS ||
        (segment->flags & TCP_SYN) != 0)
        return NULL;
    syn.seq = segment->seq - 1;
    if (cookie_make(stack, remote, segment, syn.seq, now - age, index) !=
        cookie)
        return NULL;
    if (server->conn_count >= server->backlog) {
        stack->stats.tcp_backlog_full++;
        return NULL;
    }
    syn.options = (struct tcp_options){.mss = cookie_mss[index]};
    conn = conn_create(stack, server, remote, &syn);
    if (conn == NULL) {
        stack->stats.tcp_no_memory++;
        return NULL;
    }
    conn_set_iss(conn, cookie);
    conn->rcv_adv = conn->rcv_nxt + TCP_COOKIE_WINDOW;
    conn->backoff = 1; /* the round trip is not known */
    stack->stats.tcp_cookies_in++;
    return conn;
}

/* ---- SYNs ---------------------------------------------------------------- */

/* RFC 9293, 3.10.7.2. Data that came with the SYN is not acknowledged, so the
 * peer sends it again. */
static void syn_receive(struct net_stack *stack, struct server *server,
                        uint32_t remote, const struct tcp_segment *segment)
{
    struct tcp_conn *conn;

    if (server->conn_count >= server->backlog) {
        stack->stats.tcp_backlog_full++;
        return;
    }
    if (server->half_open_count >= server->half_open_max) {
        cookie_send(stack, server, remote, segment);
        return;
    }
    conn = conn_create(stack, server, remote, segment);
    if (conn == NULL) {
        stack->stats.tcp_no_memory++;
        return;
    }
    tcp_send_syn_ack(conn);
    rexmit_start(conn);
}

struct tcp_conn *listen_receive(struct net_stack *stack, uint32_t remote,
                                const struct tcp_segment *segment)
{
    struct server *server = server_find(stack, segment->dst_port);
    struct tcp_conn *conn = NULL;

    if ((segment->flags & TCP_RST) != 0)
        return NULL;
    if (server != NULL && (segment->flags & TCP_ACK) != 0)
        conn = cookie_receive(stack, server, remote, segment);
    if (conn != NULL)
        return conn;
    if (server == NULL || (segment->flags & TCP_ACK) != 0)
        tcp_refuse(stack, remote, segment);
    else if ((segment->flags & (TCP_SYN | TCP_FIN)) == TCP_SYN)
        syn_receive(stack, server, remote, segment);
    return NULL;
}

bool listen_established(struct tcp_conn *conn)
{
    struct server *server = conn->server;
    uint64_t now = net_now(conn->stack);

    /* Full meanwhile: stay half open, the peer's data comes again. */
    if (server->conn_count >= server->backlog) {
        conn->stack->stats.tcp_backlog_full++;
        return false;
    }
    conn->socket = socket_create(server, conn);
    if (conn->socket == NULL) {
        conn->stack->stats.tcp_no_memory++;
        conn_reset(conn, -ENOMEM);
        return false;
    }
    conn_establish(conn);
    alarm_clear(conn, TCP_ALARM_REXMIT);
    if (conn->backoff == 0)
        ack_measure(conn, now - conn->progress_at);
    else
        conn->rto_ns = 3 * NS_PER_S; /* RFC 6298, 5.7 */
    ack_init(conn);
    conn->active_at = now;
    if (server->service->idle_ns != 0)
        alarm_set(conn, TCP_ALARM_IDLE, now + server->service->idle_ns);
    return true;
}
