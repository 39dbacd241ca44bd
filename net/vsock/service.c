/* Services on vsock: net/service.c calls them back. */
#include "net/vsock/vsock.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>

enum { BACKLOG_MAX = 65536 };

static struct socket *on_create(struct server *server, struct tcp_conn *conn);

static const struct socket_client service_client = {
    .create = on_create,
    .notify = service_notify,
    .calls = &vsock_calls,
};

static struct socket *on_create(struct server *server, struct tcp_conn *conn)
{
    const struct flow none = {.lport = 0};
    struct socket *socket = mem_alloc_zeroed(sizeof(*socket));

    if (socket == NULL)
        return NULL;
    socket_init(socket, &service_client, server, conn, &none);
    socket->events = SOCKET_ACCEPT;
    service_notify(socket, SOCKET_ACCEPT);
    return socket;
}

/* Nobody has connected: it does not listen yet. */
static int start(struct vsock_listener *listener)
{
    int error = server_start(&listener->base.server);

    if (error == 0)
        return 0;
    list_remove(&listener->link);
    mem_free(listener);
    return error;
}

int service_register_vsock(struct service *service, uint32_t port)
{
    struct vsock_listener *listener;
    struct vsock_stack *stack;
    int error = vsock_stack_get(&stack);

    if (error != 0)
        return error;
    if (port == VSOCK_PORT_ANY || service->receive == NULL ||
        service->backlog > BACKLOG_MAX)
        return -EINVAL;
    listener = mem_alloc_zeroed(sizeof(*listener));
    if (listener == NULL)
        return -ENOMEM;
    error = vsock_listen(listener, stack, port, service->backlog);
    if (error != 0) {
        mem_free(listener);
        return error;
    }
    listener->base.server.client = &service_client;
    listener->base.server.service = service;
    error = start(listener);
    if (error == 0)
        log_info("vsock: %s listens on port %u",
                 service->name != NULL ? service->name : "a service", port);
    return error;
}
