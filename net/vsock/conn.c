/* The table of connections, and their ends. */
#include "kernel/cpu/percpu.h"
#include "kernel/lib/minmax.h"
#include "net/vsock/vsock.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/random.h>

enum {
    MEMORY_SHARE = 8, /* of what is free: at most this part for rings */
    CONNS_MIN = 16,
    CONNS_MAX = 1024,
    HASH_FACTOR = 31,
};

static void tick_run(struct timer *timer);

/* ---- The stack ----------------------------------------------------------- */

static struct vsock_stack *vsock_create(struct vsock_device *device)
{
    struct vsock_stack *stack = mem_alloc_zeroed(sizeof(*stack));
    size_t most = mem_free_bytes() / MEMORY_SHARE / VSOCK_RING;

    if (stack == NULL)
        return NULL;
    stack->device = device;
    for (unsigned i = 0; i < VSOCK_CHAINS; i++)
        list_init(&stack->chains[i]);
    list_init(&stack->listeners);
    list_init(&stack->owing);
    list_init(&stack->thirsty);
    list_init(&stack->closing);
    stack->count_max = (unsigned)min_size(max_size(most, CONNS_MIN), CONNS_MAX);
    /* Ports of an earlier boot that the peer still knows are unlikely. */
    if (random_bytes(&stack->next_port, sizeof(stack->next_port)) != 0)
        stack->next_port ^= (uint32_t)time_ns();
    timer_init(&stack->tick, tick_run);
    return stack;
}

/* The device, which CPU 0 alone may use. Returns 0, -EXDEV, -ENODEV. */
static int device_get(struct vsock_device **out)
{
    if (cpu_self()->id != 0)
        return -EXDEV;
    *out = vsock_device_find();
    return *out != NULL ? 0 : -ENODEV;
}

int vsock_stack_get(struct vsock_stack **out)
{
    struct vsock_device *device;
    int error = device_get(&device);

    if (error != 0)
        return error;
    if (device->client == NULL) {
        struct vsock_stack *stack = vsock_create(device);

        if (stack == NULL)
            return -ENOMEM;
        device->client_arg = stack;
        device->client = &vsock_client;
        device->ops->begin(device);
    }
    *out = device->client_arg;
    return 0;
}

int vsock_cid(uint32_t *out)
{
    struct vsock_device *device;
    int error = device_get(&device);

    if (error == 0)
        *out = device->cid;
    return error;
}

/* ---- The table ----------------------------------------------------------- */

static struct list *chain_of(struct vsock_stack *stack,
                             const struct vsock_address *local,
                             const struct vsock_address *remote)
{
    uint32_t hash = remote->port;

    hash = hash * HASH_FACTOR + local->port;
    hash = hash * HASH_FACTOR + remote->cid;
    return &stack->chains[(hash ^ hash >> 16 ^ hash >> 8) % VSOCK_CHAINS];
}

static bool address_equal(const struct vsock_address *a,
                          const struct vsock_address *b)
{
    return a->port == b->port && a->cid == b->cid;
}

struct vsock_conn *vsock_conn_find(struct vsock_stack *stack,
                                   const struct vsock_address *local,
                                   const struct vsock_address *remote)
{
    list_for_each (node, chain_of(stack, local, remote)) {
        struct vsock_conn *conn = container_of(node, struct vsock_conn, link);

        if (address_equal(&conn->local, local) &&
            address_equal(&conn->remote, remote))
            return conn;
    }
    return NULL;
}

/* Whether there is room for one more connection: those that only wait for the
 * peer's answer give way. */
static bool room_make(struct vsock_stack *stack)
{
    while (stack->count >= stack->count_max) {
        struct vsock_conn *oldest;

        if (list_empty(&stack->closing))
            return false;
        oldest = container_of(stack->closing.next, struct vsock_conn, closing);
        vsock_conn_end(oldest, -ETIMEDOUT);
    }
    return true;
}

int vsock_conn_create(struct vsock_stack *stack,
                      const struct vsock_address *local,
                      const struct vsock_address *remote,
                      struct vsock_conn **out)
{
    struct vsock_conn *conn;

    if (!room_make(stack))
        return -ENOBUFS;
    conn = mem_alloc_zeroed(sizeof(*conn));
    if (conn == NULL)
        return -ENOMEM;
    conn->ring = mem_alloc(VSOCK_RING);
    if (conn->ring == NULL) {
        mem_free(conn);
        return -ENOMEM;
    }
    list_init(&conn->turn);
    list_init(&conn->thirst);
    list_init(&conn->closing);
    conn->stack = stack;
    conn->local = *local;
    conn->remote = *remote;
    conn->moved_ns = time_ns();
    list_push_back(chain_of(stack, local, remote), &conn->link);
    stack->count++;
    *out = conn;
    return 0;
}

/* ---- The end ------------------------------------------------------------- */

void vsock_notify(struct vsock_conn *conn, enum socket_event event)
{
    if (conn->socket == NULL)
        return;
    conn->socket->events |= (uint8_t)event;
    conn->socket->client->notify(conn->socket, event);
}

void vsock_conn_uncount(struct vsock_conn *conn)
{
    if (conn->listener != NULL)
        conn->listener->count--;
    conn->listener = NULL;
}

void vsock_conn_free(struct vsock_conn *conn)
{
    assert(conn->state == VSOCK_ENDED);
    vsock_conn_uncount(conn);
    conn->stack->count--;
    conn->stack->ended_count--;
    mem_free(conn->ring);
    mem_free(conn);
}

void vsock_conn_detach(struct vsock_conn *conn)
{
    struct socket *socket = conn->socket;
    int error = conn->error;

    socket->vsock = NULL;
    vsock_conn_free(conn);
    socket_finish(socket, error);
}

/* No packet finds it any more. */
static void conn_forget(struct vsock_conn *conn)
{
    conn->state = VSOCK_ENDED;
    conn->owed = 0;
    list_remove(&conn->link);
    list_remove(&conn->turn);
    list_remove(&conn->thirst);
    list_remove(&conn->closing);
    conn->stack->ended_count++;
}

/* A socket that nobody has accepted goes with a connection that was reset;
 * others read what has come, and write no more. */
void vsock_conn_end(struct vsock_conn *conn, int error)
{
    assert(conn->state != VSOCK_ENDED);
    conn_forget(conn);
    conn->error = error;
    if (conn->socket == NULL)
        vsock_conn_free(conn);
    else if (vsock_unread(conn) == 0 ||
             (!conn->socket->is_accepted && error != -EPIPE))
        vsock_conn_detach(conn);
    else
        vsock_notify(conn, SOCKET_RECEIVE | SOCKET_WRITABLE);
}

/* It goes on without its socket, and without memory for bytes. */
static void conn_orphan(struct vsock_conn *conn)
{
    vsock_conn_uncount(conn);
    conn->socket = NULL;
    conn->state = VSOCK_CLOSING;
    conn->moved_ns = time_ns();
    mem_free(conn->ring);
    conn->ring = NULL;
    list_remove(&conn->thirst);
    list_push_back(&conn->stack->closing, &conn->closing);
    vsock_conn_watch(conn);
}

void vsock_conn_reset(struct vsock_conn *conn, int error)
{
    const struct vsock_packet packet = {
        .src = conn->remote, .dst = conn->local, .type = VSOCK_TYPE_STREAM};
    struct vsock_stack *stack = conn->stack;

    vsock_conn_end(conn, error);
    vsock_stray(stack, &packet);
}

void vsock_conn_hang_up(struct vsock_conn *conn, int error)
{
    struct socket *socket = conn->socket;

    assert(conn->state != VSOCK_ENDED);
    conn_orphan(conn);
    vsock_owe(conn, OWES_RST);
    socket->vsock = NULL;
    socket_finish(socket, error);
}

void vsock_conn_close(struct vsock_conn *conn, bool abort)
{
    bool is_reset = abort || conn->state == VSOCK_CONNECTING ||
                    conn->peer_shut == VSOCK_SHUT_BOTH;

    if (conn->state == VSOCK_ENDED) {
        vsock_conn_free(conn);
        return;
    }
    conn_orphan(conn);
    vsock_owe(conn, is_reset ? OWES_RST : OWES_SHUTDOWN);
}

/* ---- Time ---------------------------------------------------------------- */

/* Nothing moves on a connection of a service. */
static void idle_check(struct vsock_conn *conn, uint64_t now)
{
    uint64_t idle_ns = server_idle_ns(conn->socket->server);

    if (idle_ns == 0 || !conn->socket->is_accepted ||
        now - conn->moved_ns < idle_ns)
        return;
    conn->moved_ns = now;
    vsock_notify(conn, SOCKET_TIMEOUT);
}

static void conn_tick(struct vsock_conn *conn, uint64_t now)
{
    uint64_t silent_ns = now - conn->moved_ns;

    if (conn->state == VSOCK_OPEN)
        idle_check(conn, now);
    else if (conn->state == VSOCK_CONNECTING && silent_ns >= VSOCK_CONNECT_NS)
        vsock_conn_hang_up(conn, -ETIMEDOUT);
    else if (conn->state == VSOCK_CLOSING && silent_ns >= VSOCK_CLOSE_NS &&
             (conn->owed & OWES_RST) == 0)
        vsock_owe(conn, OWES_RST);
}

/* When it has to be looked at, if nothing moves on it; TIME_NEVER: not at all.
 * One that owes RST waits for the device. */
static uint64_t conn_deadline(const struct vsock_conn *conn)
{
    uint64_t patience_ns = VSOCK_CONNECT_NS;

    if (conn->state == VSOCK_OPEN)
        patience_ns = server_idle_ns(conn->socket->server);
    else if (conn->state == VSOCK_CLOSING)
        patience_ns = (conn->owed & OWES_RST) == 0 ? VSOCK_CLOSE_NS : 0;
    if (patience_ns == 0 || patience_ns > TIME_NEVER - conn->moved_ns)
        return TIME_NEVER;
    return conn->moved_ns + patience_ns;
}

/* Look at the time then, or before. Without memory for a timer nothing times
 * out, until the next connection has a deadline. */
static void tick_set(struct vsock_stack *stack, uint64_t deadline_ns)
{
    deadline_ns = max_u64(deadline_ns, time_ns() + VSOCK_TICK_NS);
    if (deadline_ns == TIME_NEVER ||
        (timer_is_set(&stack->tick) && stack->tick.deadline_ns <= deadline_ns))
        return;
    if (timer_set(&stack->tick, deadline_ns) != 0)
        return;
}

void vsock_conn_watch(struct vsock_conn *conn)
{
    tick_set(conn->stack, conn_deadline(conn));
}

static void tick_run(struct timer *timer)
{
    struct vsock_stack *stack = container_of(timer, struct vsock_stack, tick);
    uint64_t now = time_ns();

    for (unsigned i = 0; i < VSOCK_CHAINS; i++) {
        list_for_each_safe (node, &stack->chains[i])
            conn_tick(container_of(node, struct vsock_conn, link), now);
    }
    for (unsigned i = 0; i < VSOCK_CHAINS; i++) {
        list_for_each (node, &stack->chains[i])
            vsock_conn_watch(container_of(node, struct vsock_conn, link));
    }
}

/* ---- Checks -------------------------------------------------------------- */

static void conn_check(const struct vsock_conn *conn)
{
    assert(conn->state != VSOCK_ENDED);
    assert((conn->socket == NULL) == (conn->state == VSOCK_CLOSING));
    assert((conn->ring == NULL) == (conn->state == VSOCK_CLOSING));
    assert(conn->socket == NULL || conn->socket->vsock == conn);
    assert(vsock_unread(conn) <= VSOCK_RING);
    assert(conn->fwd_cnt - conn->fwd_told <= VSOCK_RING);
    assert((conn->owed != 0) == !list_empty(&conn->turn));
}

void vsock_check(const struct vsock_stack *stack)
{
    unsigned count = 0;

    for (unsigned i = 0; i < VSOCK_CHAINS; i++) {
        list_for_each (node, &stack->chains[i]) {
            conn_check(container_of(node, struct vsock_conn, link));
            count++;
        }
    }
    assert(count + stack->ended_count == stack->count);
    assert(stack->count <= stack->count_max);
    assert(stack->stray_count <= VSOCK_STRAYS);
    list_for_each (node, &stack->listeners) {
        struct vsock_listener *listener =
            container_of(node, struct vsock_listener, link);

        assert(listener->count <= listener->base.server.backlog);
    }
}
