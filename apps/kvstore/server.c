#include "apps/kvstore/server.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>

/* What a step returns, unless it is an error by which the connection is lost:
 * an event must come first, or the next step can be done. */
enum { WAIT = 0, GO_ON = 1 };

/* Of one CPU, in its memory. */
struct front {
    struct list stalled; /* connections that wait for room for calls */
    struct list dirty;   /* connections whose replies are to be sent */
    unsigned connections;
    struct resp_request request; /* being parsed */
};

static struct front **fronts; /* of each CPU; constant once the store serves */

static struct front *front_here(void)
{
    return fronts[cpu_id()];
}

unsigned kv_connections_here(void)
{
    return front_here()->connections;
}

void kv_connection_check(const struct kv_connection *connection)
{
    unsigned count = 0, awaited = 0;
    size_t done_bytes = 0;

    assert(connection->in_at <= connection->in_len);
    assert(connection->in_len <= connection->in_size);
    assert((connection->in == NULL) == (connection->in_size == 0));
    assert(connection->out_sent <= connection->out.len);
    assert(connection->proto == 2 || connection->proto == 3);
    for (const struct queue_node *node = connection->calls.head; node != NULL;
         node = node->next) {
        const struct kv_call *call = container_of(
            (struct queue_node *)(uintptr_t)node, struct kv_call, node);

        assert(call->connection == connection);
        assert(call->is_done == (call->waiting == 0));
        count++;
        awaited += !call->is_done;
        done_bytes += call->is_done ? call->reply.len : 0;
    }
    assert(count == connection->pending);
    assert(awaited == connection->awaited);
    assert(done_bytes == connection->done_bytes);
}

/* ---- Sending ------------------------------------------------------------- */

/* The replies that are next, as far as they are there. */
static void take_replies(struct kv_connection *connection)
{
    while (!queue_empty(&connection->calls)) {
        struct kv_call *call =
            container_of(connection->calls.head, struct kv_call, node);

        if (!call->is_done)
            return;
        queue_pop(&connection->calls);
        connection->pending--;
        connection->done_bytes -= call->reply.len;
        resp_put(&connection->out, call->reply.at, call->reply.len);
        kv_call_free(call);
    }
}

/* What is sent goes, before as much again is kept behind it. */
static void drop_sent(struct kv_connection *connection)
{
    struct resp_text *out = &connection->out;

    if (connection->out_sent < out->len - connection->out_sent)
        return;
    out->len -= connection->out_sent;
    memmove(out->at, out->at + connection->out_sent, out->len);
    connection->out_sent = 0;
}

/* GO_ON: all is sent; WAIT: the client does not take it; or an error. */
static int send_replies(struct kv_connection *connection)
{
    struct resp_text *out = &connection->out;
    int64_t sent;

    if (out->is_short)
        return -ENOMEM; /* a reply is lost: the client must not go on */
    if (out->len == connection->out_sent)
        return GO_ON;
    sent = socket_send(connection->socket, out->at + connection->out_sent,
                       out->len - connection->out_sent);
    if (sent < 0)
        return (int)sent;
    connection->out_sent += (size_t)sent;
    if (connection->out_sent < out->len) {
        drop_sent(connection);
        return WAIT;
    }
    resp_text_free(out);
    connection->out_sent = 0;
    return GO_ON;
}

/* ---- Requests ------------------------------------------------------------ */

/* The call is under way, or its reply is there and not its turn yet. */
static int put_behind(struct kv_connection *connection, struct kv_call *call)
{
    call->connection = connection;
    queue_push(&connection->calls, &call->node);
    connection->pending++;
    if (call->is_done)
        connection->done_bytes += call->reply.len;
    else
        connection->awaited++;
    return GO_ON;
}

/* Send it to whom it concerns: GO_ON, -ENOMEM. */
static int run_elsewhere(struct kv_connection *connection, struct kv_run *run)
{
    struct kv_call *call = kv_call_create(run);

    if (call == NULL)
        return -ENOMEM;
    kv_call_send(call);
    return put_behind(connection, call);
}

/* Run it here; its reply waits for those before it: GO_ON, -ENOMEM. */
static int run_behind(struct kv_connection *connection, struct kv_run *run)
{
    struct kv_call *call = kv_call_create(run);

    if (call == NULL)
        return -ENOMEM;
    run->out = &call->reply;
    kv_run_here(run);
    call->is_done = true;
    return put_behind(connection, call);
}

/* An error that no command says: in its turn. */
static int put_error(struct kv_connection *connection, const char *line,
                     const struct resp_text *text)
{
    struct kv_run run = {.cpus = cpu_count()};
    struct resp_text *out = &connection->out;
    struct kv_call *call = NULL;

    if (connection->pending > 0) {
        call = kv_call_create(&run);
        if (call == NULL)
            return -ENOMEM;
        call->is_done = true;
        out = &call->reply;
    }
    if (line != NULL)
        resp_put_error(out, line);
    else
        resp_put(out, text->at, text->len);
    return call != NULL ? put_behind(connection, call) : GO_ON;
}

/* HELLO's protocol is that of its own reply, and of those behind it. */
static unsigned proto_of(struct kv_connection *connection,
                         const struct resp_request *request)
{
    if (resp_is(request->argv[0], "hello"))
        connection->proto =
            kv_hello_proto(request->argc, request->argv, connection->proto);
    return connection->proto;
}

/* A request with words. */
static int run_request(struct kv_connection *connection,
                       const struct resp_request *request)
{
    struct resp_text error = {.at = NULL};
    struct kv_run run = {
        .command = kv_command_find(request, &error),
        .argc = request->argc,
        .argv = request->argv,
        .cpus = cpu_count(),
        .out = &connection->out,
    };
    int status;

    if (run.command == NULL) {
        status = put_error(connection, NULL, &error);
        resp_text_free(&error);
        return status;
    }
    run.proto = proto_of(connection, request);
    if (resp_is(request->argv[0], "quit"))
        connection->is_ending = true;
    if (!kv_is_here(&run))
        return run_elsewhere(connection, &run);
    if (connection->pending > 0)
        return run_behind(connection, &run);
    kv_run_here(&run);
    return GO_ON;
}

/* Parse one, and run it. WAIT: it is not complete. */
static int next_request(struct kv_connection *connection)
{
    struct resp_request *request = &front_here()->request;
    const char *error = NULL;
    int64_t len;

    if (connection->in_at == connection->in_len)
        return WAIT;
    len =
        resp_parse(connection->in + connection->in_at,
                   connection->in_len - connection->in_at, kv_limits.value_max,
                   2 * kv_limits.value_max, request, &error);
    if (len == 0)
        return WAIT;
    if (len < 0) {
        connection->is_ending = true;
        return put_error(connection, error, NULL);
    }
    connection->in_at += (size_t)len;
    return request->argc == 0 ? GO_ON : run_request(connection, request);
}

/* ---- Receiving ----------------------------------------------------------- */

static void in_free(struct kv_connection *connection)
{
    mem_free(connection->in);
    connection->in = NULL;
    connection->in_at = 0;
    connection->in_len = 0;
    connection->in_size = 0;
}

/* Room behind what is there: by moving it to the front, or by more memory. */
static int make_room(struct kv_connection *connection)
{
    size_t size = connection->in_size * 2;
    char *in;

    if (connection->in_at > 0) {
        connection->in_len -= connection->in_at;
        memmove(connection->in, connection->in + connection->in_at,
                connection->in_len);
        connection->in_at = 0;
    }
    if (connection->in_len < connection->in_size)
        return 0;
    if (size == 0)
        size = KV_IN_FIRST;
    in = mem_resize(connection->in, size);
    if (in == NULL)
        return -ENOMEM;
    connection->in = in;
    connection->in_size = size;
    return 0;
}

static int receive(struct kv_connection *connection)
{
    int64_t got;

    if (connection->in_len == connection->in_size &&
        make_room(connection) != 0) {
        connection->is_ending = true;
        return put_error(connection, KV_OOM, NULL);
    }
    got =
        socket_receive(connection->socket, connection->in + connection->in_len,
                       connection->in_size - connection->in_len);
    if (got == -EAGAIN)
        return WAIT;
    if (got < 0)
        return (int)got;
    if (got == 0) {
        connection->is_ending = true;
        return GO_ON;
    }
    connection->in_len += (size_t)got;
    return GO_ON;
}

/* ---- The machine --------------------------------------------------------- */

/* Whether it may have another request; see server.h. */
static bool takes_more(const struct kv_connection *connection)
{
    size_t unsent = connection->out.len - connection->out_sent;

    return connection->pending < KV_PENDING_MAX && unsent < KV_OUT_MAX &&
           unsent + connection->done_bytes +
                   connection->awaited * kv_limits.value_max <
               KV_HELD_MAX;
}

static bool is_stalled(struct kv_connection *connection)
{
    connection->is_stopped = true;
    if (!takes_more(connection))
        return true;
    if (kv_call_has_room()) {
        connection->is_stopped = false;
        return false;
    }
    if (list_empty(&connection->stalled_link))
        list_push_back(&front_here()->stalled, &connection->stalled_link);
    return true;
}

/* Requests, as many as there are; then their replies. */
static int run(struct kv_connection *connection)
{
    int status = GO_ON;

    while (status == GO_ON && !connection->is_ending &&
           !is_stalled(connection)) {
        status = next_request(connection);
        if (status == WAIT)
            status = receive(connection);
    }
    if (status < 0)
        return status;
    if (connection->in_at == connection->in_len)
        in_free(connection);
    take_replies(connection);
    return send_replies(connection);
}

/* An event, or replies: go on as far as possible. */
static void go_on(struct kv_connection *connection)
{
    int status;

    if (connection->is_lost)
        return;
    do {
        connection->is_stopped = false;
        status = run(connection);
        /* What its own replies have stopped goes on when they are sent. */
    } while (status == GO_ON && connection->is_stopped &&
             takes_more(connection) && kv_call_has_room());
    if (status < 0) {
        connection->is_lost = true;
        socket_abort(connection->socket);
    } else if (status == GO_ON && connection->is_ending &&
               connection->pending == 0) {
        connection->is_lost = true;
        socket_close(connection->socket);
    }
    kv_connection_check(connection);
}

static void reply_came(struct kv_connection *connection,
                       const struct kv_call *call)
{
    connection->awaited--;
    connection->done_bytes += call->reply.len;
    if (list_empty(&connection->dirty_link))
        list_push_back(&front_here()->dirty, &connection->dirty_link);
}

/* Of kv_shards_start(): the replies of several calls go out together. */
static void answered(struct kv_call *call)
{
    struct front *front = front_here();
    struct list *next;

    if (call != NULL) {
        if (call->connection == NULL)
            kv_call_free(call);
        else
            reply_came(call->connection, call);
        return;
    }
    while ((next = list_pop_front(&front->dirty)) != NULL)
        go_on(container_of(next, struct kv_connection, dirty_link));
    while (kv_call_has_room() &&
           (next = list_pop_front(&front->stalled)) != NULL)
        go_on(container_of(next, struct kv_connection, stalled_link));
}

/* ---- The service --------------------------------------------------------- */

static int on_accept(struct service *service, struct socket *socket)
{
    struct kv_connection *connection = mem_alloc_zeroed(sizeof(*connection));

    (void)service;
    if (connection == NULL)
        return -ENOMEM;
    connection->socket = socket;
    connection->proto = 2;
    list_init(&connection->stalled_link);
    list_init(&connection->dirty_link);
    queue_init(&connection->calls);
    socket_set_cookie(socket, connection);
    front_here()->connections++;
    return 0;
}

static void on_event(struct service *service, struct socket *socket)
{
    (void)service;
    go_on(socket_cookie(socket));
}

/* Clients may be silent for ever; but another peer waits for a place. */
static void on_timeout(struct service *service, struct socket *socket)
{
    struct kv_connection *connection = socket_cookie(socket);

    (void)service;
    if (!connection->is_lost) {
        connection->is_lost = true;
        socket_close(socket);
    }
}

static void on_close(struct service *service, struct socket *socket)
{
    struct kv_connection *connection = socket_cookie(socket);
    struct queue_node *node;

    (void)service;
    while ((node = queue_pop(&connection->calls)) != NULL) {
        struct kv_call *call = container_of(node, struct kv_call, node);

        call->connection = NULL;
        if (call->is_done)
            kv_call_free(call); /* others are freed when they are answered */
    }
    list_remove(&connection->stalled_link);
    list_remove(&connection->dirty_link);
    resp_text_free(&connection->out);
    in_free(connection);
    mem_free(connection);
    front_here()->connections--;
}

static int front_start(void *arg)
{
    struct front *front = mem_alloc_zeroed(sizeof(*front));

    (void)arg;
    if (front == NULL)
        return -ENOMEM;
    list_init(&front->stalled);
    list_init(&front->dirty);
    fronts[cpu_id()] = front;
    return 0;
}

static int fronts_start(void)
{
    int status = 0;

    fronts = mem_alloc_zeroed(cpu_count() * sizeof(struct front *));
    if (fronts == NULL)
        return -ENOMEM;
    for (unsigned cpu = 0; cpu < cpu_count() && status == 0; cpu++)
        status = remote_call(cpu, front_start, NULL);
    return status;
}

int kv_serve(const struct kv_options *options)
{
    static struct service service = {
        .name = "kvstore",
        .accept = on_accept,
        .receive = on_event,
        .writable = on_event,
        .timeout = on_timeout,
        .close = on_close,
    };
    int status;

    service.port = options->port;
    service.backlog = options->connections_max;
    kv_limits.value_max = options->value_max;
    kv_hash_init();
    status = fronts_start();
    if (status == 0)
        status = kv_shards_start(options->max_bytes, answered);
    return status != 0 ? status : service_register_all(&service);
}
