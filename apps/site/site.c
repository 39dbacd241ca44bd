#include "apps/site/site.h"
#include "apps/site/connection.h"
#include <torc/errno.h>
#include <torc/net.h>
#include <torc/thread.h>
#include <torc/time.h>

#define STEP_NS (10 * NS_PER_MS) /* how often site_stop() looks */

/* Owner: the CPU it was started on. */
static struct site site;

static int on_accept(struct service *service, struct socket *socket)
{
    struct connection *conn = connection_create(&site, socket);

    (void)service;
    if (conn == NULL)
        return -ENOMEM;
    socket_set_cookie(socket, conn);
    return 0;
}

static void on_event(struct service *service, struct socket *socket)
{
    (void)service;
    connection_run(socket_cookie(socket));
}

static void on_timeout(struct service *service, struct socket *socket)
{
    (void)service;
    connection_timeout(socket_cookie(socket));
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    connection_destroy(socket_cookie(socket));
}

int site_start(const char *dir, uint16_t port, const struct site_writes *writes)
{
    static struct service service = {
        .name = "http",
        .backlog = SITE_CONNECTIONS_MAX,
        .idle_ns = CONNECTION_CHECK_NS,
        .accept = on_accept,
        .receive = on_event,
        .writable = on_event,
        .timeout = on_timeout,
        .close = on_close,
    };
    int status = site_init(&site, dir, writes);

    if (status != 0)
        return status;
    service.port = port;
    if (writes != NULL)
        status = writes->start(site.responder.dir);
    if (status == 0)
        status = service_register(&service);
    if (status != 0)
        site_fini(&site);
    return status;
}

/* Returns whether there are none. */
static bool await_none(uint64_t patience_ns)
{
    uint64_t end_ns = time_ns() + patience_ns;

    while (site.connection_count > 0 && time_ns() < end_ns)
        thread_sleep(STEP_NS);
    return site.connection_count == 0;
}

int site_stop(uint64_t patience_ns)
{
    site_end_connections(&site);
    if (await_none(patience_ns))
        return 0;
    site_abort_connections(&site);
    return await_none(patience_ns) ? 0 : -EBUSY;
}
