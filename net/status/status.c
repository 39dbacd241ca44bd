/* The status page's server: its routes, and where it listens. */
#include "net/status/status_internal.h"
#include <torc/http.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/status.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>
#include <torc/trace.h>

/* Constant after status_start(): where requests may come to; any is all 0. */
static struct net_endpoint listens;

/* ---- Answers ------------------------------------------------------------- */

/* A request to another address of the machine than the option says is answered
 * with an error. */
static bool is_for_us(struct http_exchange *exchange)
{
    struct net_endpoint local = socket_local(http_socket(exchange));

    if ((listens.addr.word[0] | listens.addr.word[1]) == 0 ||
        memcmp(&local.addr, &listens.addr, sizeof(local.addr)) == 0)
        return true;
    http_respond_status(exchange, 404);
    return false;
}

static void respond(struct http_exchange *exchange, const char *type,
                    const void *body, size_t len)
{
    const struct http_response response = {
        .status = 200,
        .type = type,
        .fields = "Cache-Control: no-store\r\n",
        .body = body,
        .body_len = len,
    };

    if (http_respond(exchange, &response) != 0)
        http_respond_status(exchange, 500);
}

static void page(struct http_exchange *exchange)
{
    if (is_for_us(exchange))
        respond(exchange, "text/html; charset=utf-8", status_page,
                str_len(status_page, SIZE_MAX));
}

/* Everything that an answer of figures needs. */
struct figures {
    struct text text;
    char log[STATUS_LOG_MAX];
    struct status_cpu cpus[];
};

static void figures_json(struct figures *figures)
{
    status_json(&figures->text, figures->cpus, figures->log);
}

static void figures_metrics(struct figures *figures)
{
    status_metrics(&figures->text, figures->cpus);
}

static void answer(struct http_exchange *exchange, const char *type,
                   void (*write)(struct figures *))
{
    struct figures *figures;

    if (!is_for_us(exchange))
        return;
    figures = mem_alloc_zeroed(sizeof(*figures) +
                               cpu_count() * sizeof(figures->cpus[0]));
    if (figures == NULL || status_collect(figures->cpus) != 0 ||
        status_log_get(figures->log) != 0) {
        mem_free(figures);
        http_respond_status(exchange, 503);
        return;
    }
    write(figures);
    if (figures->text.failed)
        http_respond_status(exchange, 503);
    else
        respond(exchange, type, figures->text.bytes, figures->text.len);
    text_free(&figures->text);
    mem_free(figures);
}

static void json(struct http_exchange *exchange)
{
    answer(exchange, "application/json", figures_json);
}

static void metrics(struct http_exchange *exchange)
{
    answer(exchange, "text/plain; version=0.0.4", figures_metrics);
}

/* ---- The trace ----------------------------------------------------------- */

/* An answer under way: the header and then the sections of each CPU, which are
 * taken when the ones before have been sent. */
struct tracing {
    struct trace_header header;
    unsigned next; /* CPU to take */
    void *part;    /* NULL: the header */
    size_t len;
    size_t sent;
};

static int tracing_next(struct tracing *tracing)
{
    mem_free(tracing->part);
    tracing->part = NULL;
    tracing->len = tracing->sent = 0;
    return trace_take(tracing->next++, &tracing->part, &tracing->len);
}

static int64_t tracing_read(void *cookie, uint64_t offset, void *buf,
                            size_t size)
{
    struct tracing *tracing = cookie;
    const char *from;
    size_t count;

    (void)offset;
    if (tracing->sent == tracing->len) {
        int status;

        if (tracing->next == cpu_count())
            return 0;
        status = tracing_next(tracing);
        if (status != 0)
            return status;
    }
    from = tracing->part != NULL ? tracing->part : &tracing->header;
    count = tracing->len - tracing->sent;
    if (count > size)
        count = size;
    memcpy(buf, from + tracing->sent, count);
    tracing->sent += count;
    return (int64_t)count;
}

static void tracing_close(void *cookie)
{
    struct tracing *tracing = cookie;

    mem_free(tracing->part);
    mem_free(tracing);
}

static void trace(struct http_exchange *exchange)
{
    struct http_response response = {
        .status = 200,
        .type = "application/octet-stream",
        .fields = "Cache-Control: no-store\r\n",
        .length = HTTP_LENGTH_UNKNOWN,
        .source = {.read = tracing_read, .close = tracing_close},
    };
    struct tracing *tracing;

    if (!is_for_us(exchange))
        return;
    tracing = mem_alloc_zeroed(sizeof(*tracing));
    if (tracing == NULL) {
        http_respond_status(exchange, 503);
        return;
    }
    if (trace_header_get(&tracing->header) != 0) {
        mem_free(tracing);
        http_respond_text(exchange, 404, "text/plain",
                          "The machine does not trace: give it trace=all.\n");
        return;
    }
    tracing->len = sizeof(tracing->header);
    response.source.cookie = tracing;
    if (http_respond(exchange, &response) != 0)
        http_respond_status(exchange, 500);
}

/* ---- Starting ------------------------------------------------------------ */

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = page},
    {.method = "GET", .path = "/status.json", .complete = json},
    {.method = "GET", .path = "/metrics", .complete = metrics},
    {.method = "GET", .path = "/trace", .complete = trace},
};

static int start_log(void *unused)
{
    (void)unused;
    status_log_begin();
    return 0;
}

/* Returns 0, -EINVAL after a line in the log, -ENOTCONN. */
static int address_check(const char *option)
{
    struct net_config config;
    struct net_addr any4;
    int status = net_get_config(&config);

    if (net_endpoint_parse(option, &listens) != 0 || listens.port == 0) {
        log_error("status=%s: give ADDRESS:PORT, as 0.0.0.0:8081", option);
        return -EINVAL;
    }
    if (status != 0)
        return status;
    if (net_addr_parse("0.0.0.0", &any4) == 0 &&
        memcmp(&listens.addr, &any4, sizeof(any4)) == 0)
        listens.addr = (struct net_addr){.word = {0, 0}};
    return 0;
}

int status_start(void)
{
    const char *option = machine_option("status");
    struct http_server server = {.name = "status",
                                 .routes = routes,
                                 .route_count = COUNT_OF(routes),
                                 .connections_max = 16,
                                 .workers = 1};
    int status;

    if (option == NULL)
        return 0;
    status = address_check(option);
    if (status != 0)
        return status;
    status = status_count_time();
    if (status == 0)
        status = remote_call(0, start_log, NULL);
    server.port = listens.port;
    if (status == 0)
        status = http_serve_all(&server);
    if (status == 0)
        log_info("status page: http://%s/", option);
    else
        log_error("status=%s: it cannot be served (error %d)", option, status);
    return status;
}
