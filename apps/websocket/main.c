/* A websocket that sends back what it gets, at /echo; and a page that tries it.
 * Options: <torc/net_card.h>. */
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/http.h>
#include <torc/log.h>
#include <torc/net_card.h>
#include <torc/websocket.h>

enum { MESSAGE_MAX = 1024 * 1024 };

static const char page[] =
    "<!doctype html><title>websocket</title><input id=i><pre id=o></pre>\n"
    "<script>\n"
    "const ws = new WebSocket('ws://' + location.host + '/echo');\n"
    "const say = t => o.textContent += t + '\\n';\n"
    "ws.onopen = () => say('open'); ws.onmessage = e => say(e.data);\n"
    "ws.onclose = e => say('closed: ' + e.code);\n"
    "i.onchange = () => { ws.send(i.value); i.value = ''; };\n"
    "</script>\n";

static void on_page(struct http_exchange *exchange)
{
    http_respond_text(exchange, 200, "text/html; charset=utf-8", page);
}

/* Nothing more is received while an answer waits for the peer, so there is
 * always room for one. */
static void on_message(struct websocket *socket, enum websocket_kind kind,
                       const char *data, size_t len)
{
    int status = websocket_send(socket, kind, data, len);

    if (status != 0)
        log_debug("websocket: an echo is lost: error %d", status);
}

static const struct websocket_handler echo = {.message_max = MESSAGE_MAX,
                                              .message = on_message};

static void on_echo(struct http_exchange *exchange)
{
    if (websocket_accept(exchange, &echo, NULL) != 0)
        log_debug("websocket: a request that asks for none");
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = on_page},
    {.method = "GET", .path = "/echo", .complete = on_echo},
};
static struct http_server server = {
    .name = "websocket", .port = 80, .routes = routes, .route_count = 2};

static int app_main(int argc, char **argv)
{
    (void)argv;
    return http_main(&server, argc);
}

static const char *const options[] = {NET_CARD_OPTION_NAMES, NULL};
static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &leaf_net_driver,   NULL};

const struct torc_app torc_app = {.name = "websocket",
                                  .main = app_main,
                                  .options = options,
                                  .drivers = drivers};
