/* Packets in. */
#include "kernel/lib/minmax.h"
#include "net/vsock/vsock.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* ---- New connections ----------------------------------------------------- */

/* A connection that a listener is asked for. Returns whether it is made. */
static bool request_take(struct vsock_listener *listener,
                         const struct vsock_packet *packet)
{
    struct server *server = &listener->base.server;
    struct vsock_conn *conn;
    struct socket *socket;

    if (!server->is_listening || listener->count >= server->backlog ||
        vsock_conn_create(listener->stack, &packet->dst, &packet->src, &conn) !=
            0)
        return false;
    socket = server->client->create(server, NULL);
    if (socket == NULL) {
        vsock_conn_end(conn, -ENOMEM);
        return false;
    }
    socket->vsock = conn;
    conn->socket = socket;
    conn->listener = listener;
    listener->count++;
    conn->state = VSOCK_OPEN;
    conn->peer_alloc = packet->buf_alloc;
    conn->peer_fwd = packet->fwd_cnt;
    conn->tx_cnt = packet->fwd_cnt;
    vsock_conn_watch(conn);
    vsock_owe(conn, OWES_RESPONSE);
    return true;
}

/* Nobody knows a packet: an answer of a reset would have no end. */
static void stranger(struct vsock_stack *stack,
                     const struct vsock_packet *packet)
{
    struct vsock_listener *listener =
        packet->type == VSOCK_TYPE_STREAM && packet->op == VSOCK_OP_REQUEST
            ? vsock_listener_find(stack, packet->dst.port)
            : NULL;

    if (listener != NULL && request_take(listener, packet))
        return;
    if (packet->op != VSOCK_OP_RST)
        vsock_stray(stack, packet);
}

/* ---- Packets of a connection --------------------------------------------- */

/* The peer's credit. Returns 0, -EPROTO: it has read more than was sent. */
static int credit_take(struct vsock_conn *conn,
                       const struct vsock_packet *packet)
{
    bool was_dry = vsock_credit(conn) == 0;

    if (packet->fwd_cnt - conn->peer_fwd > conn->tx_cnt - conn->peer_fwd)
        return -EPROTO;
    if (packet->fwd_cnt != conn->peer_fwd)
        conn->moved_ns = time_ns();
    conn->peer_fwd = packet->fwd_cnt;
    conn->peer_alloc = packet->buf_alloc;
    if (was_dry && vsock_credit(conn) > 0) {
        conn->has_asked = false;
        vsock_wake_thirsty(conn->stack);
    }
    return 0;
}

/* Returns 0, -EPROTO: it is not as long as it says, or longer than the credit,
 * or comes behind the end. */
static int bytes_take(struct vsock_conn *conn,
                      const struct vsock_packet *packet, const uint8_t *data,
                      size_t len)
{
    size_t at = conn->rx_cnt % VSOCK_RING;
    size_t first = min_size(len, VSOCK_RING - at);

    if (packet->len != len || len > VSOCK_RING - vsock_unread(conn) ||
        (conn->peer_shut & VSOCK_SHUT_SEND) != 0)
        return -EPROTO;
    if (len == 0)
        return 0;
    memcpy(conn->ring + at, data, first);
    memcpy(conn->ring, data + first, len - first);
    conn->rx_cnt += (uint32_t)len;
    conn->moved_ns = time_ns();
    vsock_notify(conn, SOCKET_RECEIVE);
    return 0;
}

/* What was said once holds. When both sides are ended the answer is a reset,
 * as soon as what has come is read. */
static void shutdown_take(struct vsock_conn *conn, uint32_t flags)
{
    conn->peer_shut |= (uint8_t)(flags & VSOCK_SHUT_BOTH);
    if (conn->peer_shut == VSOCK_SHUT_BOTH && vsock_unread(conn) == 0) {
        vsock_conn_hang_up(conn, -EPIPE);
        return;
    }
    if (conn->peer_shut & VSOCK_SHUT_SEND)
        vsock_notify(conn, SOCKET_RECEIVE);
    if (conn->peer_shut & VSOCK_SHUT_RECEIVE)
        vsock_notify(conn, SOCKET_WRITABLE);
}

/* Returns 0, -EPROTO. */
static int open_take(struct vsock_conn *conn, const struct vsock_packet *packet,
                     const uint8_t *data, size_t len)
{
    int error = credit_take(conn, packet);

    if (error != 0)
        return error;
    switch (packet->op) {
    case VSOCK_OP_RW:
        return bytes_take(conn, packet, data, len);
    case VSOCK_OP_SHUTDOWN:
        shutdown_take(conn, packet->flags);
        return 0;
    case VSOCK_OP_CREDIT_REQUEST:
        vsock_owe(conn, OWES_CREDIT_UPDATE);
        return 0;
    case VSOCK_OP_CREDIT_UPDATE:
        return 0;
    default:
        return -EPROTO;
    }
}

/* Returns 0, -EPROTO. */
static int connecting_take(struct vsock_conn *conn,
                           const struct vsock_packet *packet)
{
    if (packet->op != VSOCK_OP_RESPONSE)
        return -EPROTO;
    conn->state = VSOCK_OPEN;
    conn->moved_ns = time_ns();
    conn->peer_alloc = packet->buf_alloc;
    conn->peer_fwd = packet->fwd_cnt;
    conn->tx_cnt = packet->fwd_cnt;
    vsock_notify(conn, SOCKET_WRITABLE);
    return 0;
}

/* A connection without a socket: what the peer had sent before it saw the end
 * is of no use. When it ends, too, or begins anew, this one is over. */
static void closing_take(struct vsock_conn *conn,
                         const struct vsock_packet *packet)
{
    if (packet->op == VSOCK_OP_REQUEST ||
        (packet->op == VSOCK_OP_SHUTDOWN &&
         (packet->flags & VSOCK_SHUT_BOTH) == VSOCK_SHUT_BOTH))
        vsock_owe(conn, OWES_RST);
}

/* A reset ends a connection in order when the peer has said before that it
 * sends no more; before it has answered, it refuses. */
static void reset_take(struct vsock_conn *conn)
{
    int error = -ECONNRESET;

    if (conn->state == VSOCK_CONNECTING)
        error = -ECONNREFUSED;
    else if (conn->peer_shut & VSOCK_SHUT_SEND)
        error = -EPIPE;
    vsock_conn_end(conn, error);
}

static void conn_take(struct vsock_conn *conn,
                      const struct vsock_packet *packet, const uint8_t *data,
                      size_t len)
{
    int error = 0;

    if (packet->op == VSOCK_OP_RST)
        reset_take(conn);
    else if (conn->state == VSOCK_CLOSING)
        closing_take(conn, packet);
    else if (conn->state == VSOCK_CONNECTING)
        error = connecting_take(conn, packet);
    else
        error = open_take(conn, packet, data, len);
    if (error != 0)
        vsock_conn_reset(conn, -ECONNRESET);
}

/* ---- The device's client ------------------------------------------------- */

/* A packet causes at most one reset. */
static bool on_can_receive(void *client)
{
    return ((struct vsock_stack *)client)->stray_count < VSOCK_STRAYS;
}

/* What is not for us is dropped (5.10.6.4.1); what is of another type than
 * streams is no packet of a connection. */
static void on_receive(void *client, const uint8_t header[VSOCK_HEADER_SIZE],
                       const uint8_t *data, size_t len)
{
    struct vsock_stack *stack = client;
    struct vsock_packet packet;
    struct vsock_conn *conn;

    if (vsock_packet_parse(header, &packet) != 0 ||
        packet.dst.cid != stack->device->cid)
        return;
    conn = packet.type == VSOCK_TYPE_STREAM
               ? vsock_conn_find(stack, &packet.dst, &packet.src)
               : NULL;
    if (conn != NULL)
        conn_take(conn, &packet, data, len);
    else
        stranger(stack, &packet);
}

static void on_writable(void *client)
{
    struct vsock_stack *stack = client;

    stack->is_full = false;
    vsock_flush(stack);
    vsock_wake_thirsty(stack);
}

/* Also those that wait to be accepted are gone; who listens goes on. */
static void on_reset(void *client)
{
    struct vsock_stack *stack = client;

    stack->stray_count = 0;
    for (unsigned i = 0; i < VSOCK_CHAINS; i++) {
        while (!list_empty(&stack->chains[i]))
            vsock_conn_end(
                container_of(stack->chains[i].next, struct vsock_conn, link),
                -ECONNRESET);
    }
}

/* Threads that wait for connections look, too, and find no device. */
static void on_gone(void *client)
{
    struct vsock_stack *stack = client;

    on_reset(client);
    list_for_each (node, &stack->listeners) {
        struct vsock_listener *listener =
            container_of(node, struct vsock_listener, link);

        if (listener->base.owner != NULL)
            user_socket_wake(listener->base.owner);
    }
}

const struct vsock_client vsock_client = {
    .can_receive = on_can_receive,
    .receive = on_receive,
    .writable = on_writable,
    .reset = on_reset,
    .gone = on_gone,
};
