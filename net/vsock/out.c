/* Packets out. */
#include "kernel/lib/minmax.h"
#include "net/vsock/vsock.h"
#include <torc/assert.h>

/* Returns whether it is sent, or never will be, since the device is gone. */
static bool packet_send(struct vsock_stack *stack, struct vsock_packet *packet,
                        const uint8_t *data)
{
    uint8_t header[VSOCK_HEADER_SIZE];

    vsock_packet_write(header, packet);
    if (stack->device->ops->send(stack->device, header, data, packet->len) ==
        -EAGAIN)
        stack->is_full = true;
    return !stack->is_full;
}

/* A packet of a connection, of `len` bytes of data. */
static bool conn_send(struct vsock_conn *conn, enum vsock_op op, uint32_t flags,
                      const uint8_t *data, size_t len)
{
    struct vsock_packet packet = {
        .src = conn->local,
        .dst = conn->remote,
        .len = (uint32_t)len,
        .type = VSOCK_TYPE_STREAM,
        .op = (uint16_t)op,
        .flags = flags,
        .buf_alloc = VSOCK_RING,
        .fwd_cnt = conn->fwd_cnt,
    };

    if (!packet_send(conn->stack, &packet, data))
        return false;
    conn->fwd_told = conn->fwd_cnt;
    return true;
}

/* ---- What is owed -------------------------------------------------------- */

static enum vsock_op op_of(unsigned owed)
{
    switch (owed) {
    case OWES_REQUEST:
        return VSOCK_OP_REQUEST;
    case OWES_RESPONSE:
        return VSOCK_OP_RESPONSE;
    case OWES_CREDIT_REQUEST:
        return VSOCK_OP_CREDIT_REQUEST;
    case OWES_CREDIT_UPDATE:
        return VSOCK_OP_CREDIT_UPDATE;
    case OWES_SHUTDOWN:
        return VSOCK_OP_SHUTDOWN;
    default:
        assert(owed == OWES_RST);
        return VSOCK_OP_RST;
    }
}

/* The flags of SHUTDOWN: one without a socket ends both sides. */
static uint32_t shut_of(const struct vsock_conn *conn)
{
    return conn->socket == NULL ? VSOCK_SHUT_BOTH : conn->own_shut;
}

/* Send what a connection owes. Returns false when there was no room for all of
 * it; it may be freed else. */
static bool owed_send(struct vsock_conn *conn)
{
    while (conn->owed != 0) {
        unsigned owed = conn->owed & -(unsigned)conn->owed;
        uint32_t flags = owed == OWES_SHUTDOWN ? shut_of(conn) : 0;

        if (!conn_send(conn, op_of(owed), flags, NULL, 0))
            return false;
        conn->owed &= (uint8_t)~owed;
        if (owed == OWES_RST) {
            vsock_conn_end(conn, -ECONNRESET);
            return true;
        }
    }
    list_remove(&conn->turn);
    return true;
}

/* Resets of what nobody knows, oldest first. */
static bool strays_send(struct vsock_stack *stack)
{
    unsigned sent = 0;

    while (sent < stack->stray_count &&
           packet_send(stack, &stack->strays[sent], NULL))
        sent++;
    stack->stray_count -= sent;
    for (unsigned i = 0; i < stack->stray_count; i++)
        stack->strays[i] = stack->strays[i + sent];
    return stack->stray_count == 0;
}

void vsock_flush(struct vsock_stack *stack)
{
    bool has_room = !stack->is_full && strays_send(stack);

    while (has_room && !list_empty(&stack->owing))
        has_room =
            owed_send(container_of(stack->owing.next, struct vsock_conn, turn));
    stack->device->ops->flush(stack->device);
}

/* Behind a reset nothing is sent, and before it nothing needs to be. */
void vsock_owe(struct vsock_conn *conn, unsigned packets)
{
    if (conn->owed & OWES_RST)
        return;
    conn->owed |= (uint8_t)packets;
    if (packets & OWES_RST)
        conn->owed = OWES_RST;
    if (list_empty(&conn->turn))
        list_push_back(&conn->stack->owing, &conn->turn);
    vsock_flush(conn->stack);
}

void vsock_stray(struct vsock_stack *stack, const struct vsock_packet *packet)
{
    assert(stack->stray_count < VSOCK_STRAYS); /* see can_receive() */
    stack->strays[stack->stray_count++] = (struct vsock_packet){
        .src = packet->dst,
        .dst = packet->src,
        .type = packet->type,
        .op = VSOCK_OP_RST,
    };
    vsock_flush(stack);
}

/* ---- Bytes --------------------------------------------------------------- */

bool vsock_has_room(struct vsock_conn *conn)
{
    uint32_t credit = vsock_credit(conn);

    if (credit > 0 && conn->owed == 0 && !conn->stack->is_full)
        return true;
    if (list_empty(&conn->thirst))
        list_push_back(&conn->stack->thirsty, &conn->thirst);
    if (credit == 0 && !conn->has_asked) {
        conn->has_asked = true;
        vsock_owe(conn, OWES_CREDIT_REQUEST);
    }
    return false;
}

size_t vsock_write(struct vsock_conn *conn, const uint8_t *data, size_t size)
{
    size_t data_max = conn->stack->device->data_max;
    size_t done = 0;

    while (done < size && vsock_has_room(conn)) {
        size_t len =
            min_size(min_size(size - done, vsock_credit(conn)), data_max);

        if (!conn_send(conn, VSOCK_OP_RW, 0, data + done, len))
            continue; /* vsock_has_room() says so, and ends it */
        conn->tx_cnt += (uint32_t)len;
        done += len;
    }
    if (done > 0) {
        conn->moved_ns = time_ns();
        conn->stack->device->ops->flush(conn->stack->device);
    }
    return done;
}

/* Each is told at most once: it comes back to the list when it finds none. */
void vsock_wake_thirsty(struct vsock_stack *stack)
{
    struct list told;
    struct list *node;

    list_init(&told);
    while ((node = list_pop_front(&stack->thirsty)) != NULL) {
        struct vsock_conn *conn = container_of(node, struct vsock_conn, thirst);

        if (vsock_credit(conn) == 0 || stack->is_full) {
            list_push_back(&told, node);
            continue;
        }
        vsock_notify(conn, SOCKET_WRITABLE);
    }
    while ((node = list_pop_front(&told)) != NULL)
        list_push_back(&stack->thirsty, node);
}
