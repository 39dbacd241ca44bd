#include "apps/site/site.h"
#include "apps/site/responder.h"
#include <torc/app.h>
#include <torc/string.h>

/* Owner: the CPU it was started on. */
static struct site {
    struct responder responder;
    struct http_server server;
    struct http_route routes[1 + SITE_WRITE_ROUTES];
} site;

static void on_get(struct http_exchange *exchange)
{
    responder_answer(http_server_of(exchange)->cookie, exchange);
}

int site_start(const char *dir, uint16_t port, const struct site_writes *writes)
{
    int status = responder_init(&site.responder, dir, writes);

    if (status != 0)
        return status;
    site.routes[0] =
        (struct http_route){.method = "GET", .path = "*", .complete = on_get};
    site.server = (struct http_server){
        .name = torc_app.name,
        .port = port,
        .routes = site.routes,
        .route_count = 1,
        .cookie = &site.responder,
    };
    if (writes != NULL) {
        memcpy(site.routes + 1, writes->routes, sizeof(writes->routes));
        site.server.route_count += SITE_WRITE_ROUTES;
        status = writes->start(site.responder.dir);
    }
    if (status == 0)
        status = http_serve(&site.server);
    if (status != 0)
        responder_fini(&site.responder);
    return status;
}

int site_stop(uint64_t patience_ns)
{
    return http_stop(&site.server, patience_ns);
}
