/*
 * Who has the places of a service (`backlog`), and who must go when they are
 * all taken.
 *
 * - One source has at most a quarter of them. A source is an address of IPv4,
 *   or a /64 of IPv6, since one host may have all addresses of that.
 * - A connection makes progress when all that was sent to its peer has been
 *   acknowledged, or TCP_PLACE_BYTES have moved. In the list `open` of a server
 *   those come first that have made none for longest.
 * - When all places are taken, or all of a source, the first of that list that
 *   may be disturbed goes: it has made no progress for TCP_EVICT_NS; or it has
 *   never made any, and nothing that it sent is unread. So heads and readers
 *   that are slow on purpose go in the order in which they came, however many
 *   there are. Who waits between two requests is closed, others are reset.
 *
 * A service that works on a first request for long makes no progress for its
 * peer, and nothing of it is unread: when the places are all taken it may go.
 *
 * Only who has come to the end of a handshake makes another one go, since the
 * addresses of SYNs may be invented.
 *
 * How many connections a source has is counted in two rows of counters that
 * sources share, by a keyed hash; the lesser one counts. So another source is
 * taken for one with too many only when it meets such ones in both rows, and
 * nobody can choose to.
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

enum {
    SOURCE_LEAST = 8, /* connections, however small the backlog is */
    SOURCE_LOOKS = 64,
};

/* ---- Sources ------------------------------------------------------------- */

noinline unsigned source_slot(const struct net_stack *stack,
                              const struct flow *flow, unsigned row)
{
    /* Multiply-shift hashing. */
    uint64_t key = stack->hash_key.word[row] * UINT64_C(0x9e3779b97f4a7c15) | 1;

    return (unsigned)(flow_source(flow) * key >> (64 - SOURCE_BITS));
}

static uint32_t *counter(const struct net_stack *stack, struct server *server,
                         const struct flow *flow, unsigned row)
{
    return &server->sources[row][source_slot(stack, flow, row)];
}

void places_count(struct tcp_conn *conn, int change)
{
    struct server *server = conn->server;

    server->conn_count += (unsigned)change;
    for (unsigned row = 0; row < SERVER_SOURCE_ROWS; row++)
        *counter(conn->stack, server, &conn->flow, row) += (uint32_t)change;
}

static bool source_has_all(const struct net_stack *stack, struct server *server,
                           const struct flow *flow)
{
    uint32_t most = max_u32(server->backlog / 4, SOURCE_LEAST);

    return *counter(stack, server, flow, 0) >= most &&
           *counter(stack, server, flow, 1) >= most;
}

/* ---- Who must go --------------------------------------------------------- */

void places_progress(struct tcp_conn *conn)
{
    conn->moved = 0;
    conn->useful_ms = conn_now_ms(conn);
    conn->was_useful = true;
    if (conn->server == NULL)
        return;
    list_remove(&conn->state_link);
    list_push_back(&conn->server->open, &conn->state_link);
}

static bool may_go(const struct tcp_conn *conn)
{
    if (conn->rx.used > 0) /* the service has its turn */
        return false;
    return !conn->was_useful ||
           conn_since_ns(conn, conn->useful_ms) >= TCP_EVICT_NS;
}

/* The first that may go: of the source of `flow`, or of all (NULL). NULL: none
 * of the first ones. */
static struct tcp_conn *victim(struct server *server, const struct flow *flow)
{
    unsigned looks = flow != NULL ? SOURCE_LOOKS : TCP_EVICT_LOOKS;

    if (server->service == NULL) /* these wait to be accepted */
        return NULL;
    list_for_each (node, &server->open) {
        struct tcp_conn *conn = container_of(node, struct tcp_conn, state_link);

        if (looks-- == 0)
            return NULL;
        if ((flow == NULL || flow_source(&conn->flow) == flow_source(flow)) &&
            may_go(conn))
            return conn;
    }
    return NULL;
}

static void evict(struct tcp_conn *conn)
{
    struct socket *socket = conn->socket;

    conn->stack->stats.tcp_evicted++;
    if (conn->was_useful && conn->tx.used == 0) {
        conn_close(conn);
        socket_detach(socket, -ETIMEDOUT);
    } else {
        tcp_send_reset(conn);
        conn_fail(conn, -ETIMEDOUT);
    }
}

/* ---- Places -------------------------------------------------------------- */

bool places_expected(struct net_stack *stack, struct server *server,
                     const struct flow *flow)
{
    if ((!source_has_all(stack, server, flow) ||
         victim(server, flow) != NULL) &&
        (server->conn_count < server->backlog || victim(server, NULL) != NULL))
        return true;
    stack->stats.tcp_backlog_full++;
    return false;
}

bool places_make(struct net_stack *stack, struct server *server,
                 const struct flow *flow)
{
    struct tcp_conn *conn = NULL;

    if (source_has_all(stack, server, flow))
        conn = victim(server, flow);
    else if (server->conn_count < server->backlog)
        return true;
    else
        conn = victim(server, NULL);
    if (conn == NULL) {
        stack->stats.tcp_backlog_full++;
        return false;
    }
    evict(conn);
    return true;
}
