#include "apps/site/site.h"
#include "apps/site/responder.h"
#include <torc/app.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/string.h>

struct site {
    struct responder responder;
    struct http_server server;
    struct http_route routes[1 + SITE_WRITE_ROUTES];
};

/* Of one CPU. Owner: the CPU it was started on. */
static struct site site;

static void on_get(struct http_exchange *exchange)
{
    responder_answer(http_server_of(exchange)->cookie, exchange);
}

static int start(struct site *own, const char *dir, uint16_t port,
                 const struct site_writes *writes, uint64_t pages_max)
{
    int status = responder_init(&own->responder, dir, writes, pages_max);

    if (status != 0)
        return status;
    own->routes[0] =
        (struct http_route){.method = "GET", .path = "*", .complete = on_get};
    own->server = (struct http_server){
        .name = torc_app.name,
        .port = port,
        .routes = own->routes,
        .route_count = 1,
        .cookie = &own->responder,
    };
    if (writes != NULL) {
        memcpy(own->routes + 1, writes->routes, sizeof(writes->routes));
        own->server.route_count += SITE_WRITE_ROUTES;
        status = writes->start(own->responder.dir);
    }
    if (status == 0)
        status = http_serve(&own->server);
    if (status != 0)
        responder_fini(&own->responder);
    return status;
}

int site_start(const char *dir, uint16_t port, const struct site_writes *writes)
{
    return start(&site, dir, port, writes, 0);
}

int site_start_one(const char *dir, uint16_t port, uint64_t pages_max)
{
    struct site *own = mem_alloc_zeroed(sizeof(*own));
    int status;

    if (own == NULL)
        return -ENOMEM;
    status = start(own, dir, port, NULL, pages_max);
    if (status != 0)
        mem_free(own);
    return status;
}

int site_stop(uint64_t patience_ns)
{
    return http_stop(&site.server, patience_ns);
}
