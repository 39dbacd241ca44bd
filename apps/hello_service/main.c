/* Say hello over HTTP, on every CPU: Toro's HelloWorldMicroservice. */
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/format.h>
#include <torc/http.h>
#include <torc/machine.h>
#include <torc/net_card.h>
#include <torc/status.h>
#include <torc/thread.h>
#include <torc/time.h>

static void hello(struct http_exchange *exchange)
{
    http_respond_text(exchange, 200, "text/plain", "Hello World!\n");
}

/* Connections are spread over the CPUs: which one has this connection. */
static void tell_cpu(struct http_exchange *exchange)
{
    char text[16];

    fmt_print(text, sizeof(text), "%u\n", cpu_id());
    http_respond_text(exchange, 200, "text/plain", text);
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = hello},
    {.method = "GET", .path = "/cpu", .complete = tell_cpu},
};
static struct http_server server = {
    .name = "hello_service", .port = 80, .routes = routes, .route_count = 2};

static int app_main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1 || net_card_start_all(&server.port) != 0 ||
        http_serve_all(&server) != 0 || status_start() != 0)
        return 2;
    thread_sleep_until(TIME_NEVER);
    return 0;
}

static const char *const options[] = {NET_CARD_OPTION_NAMES, STATUS_OPTION,
                                      NULL};
static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &leaf_net_driver,   NULL};

const struct torc_app torc_app = {.name = "hello_service",
                                  .main = app_main,
                                  .options = options,
                                  .drivers = drivers};
