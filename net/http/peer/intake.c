/* The content of requests, as it comes. */
#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>

static int send_continue(struct http_exchange *exchange)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    exchange->awaits_100 = false;
    return http_send(exchange, text, sizeof(text) - 1);
}

/* Hand a piece of data to the route: how many bytes it took, or a status. */
static int64_t give(struct http_exchange *exchange, struct span data)
{
    const struct http_route *route = exchange->route;
    int64_t taken;

    if (route->content_max > 0 && exchange->content.taken > route->content_max)
        return -413;
    taken = route->content(exchange, data.at, data.len);
    exchange->worker->now_ns = 0; /* it may have waited */
    assert(taken <= (int64_t)data.len);
    return taken;
}

/* Take what is in the input. HTTP_GO_ON, HTTP_WAIT: the route takes no more. */
static int take_content(struct http_worker *worker,
                        struct http_exchange *exchange)
{
    while (worker->in_at < worker->in_len &&
           exchange->content.state != CONTENT_COMPLETE) {
        size_t size = worker->in_len - worker->in_at;
        struct span data;
        int64_t count = http_content_take(
            &exchange->content, worker->input + worker->in_at, size, &data);
        int64_t given;

        if (count < 0) {
            http_refuse(exchange, 400);
            return HTTP_GO_ON;
        }
        http_progress(exchange, (size_t)count,
                      exchange->engine->server->content_ns);
        worker->in_at += (size_t)count;
        if (data.len == 0)
            continue;
        given = give(exchange, data);
        if (given < 0 && !exchange->is_answered)
            http_refuse(exchange, (int)-given);
        if (exchange->is_answered || exchange->state != HTTP_CONTENT)
            return HTTP_GO_ON;
        if ((size_t)given == data.len)
            continue;
        /* The rest of the data is taken again later. */
        worker->in_at -= data.len - (size_t)given;
        exchange->content.left += data.len - (size_t)given;
        exchange->content.taken -= data.len - (size_t)given;
        exchange->content.state = CONTENT_DATA;
        if (given == 0)
            return HTTP_WAIT;
    }
    return HTTP_GO_ON;
}

int http_content_step(struct http_worker *worker,
                      struct http_exchange *exchange)
{
    int status = take_content(worker, exchange);

    if (exchange->state != HTTP_CONTENT)
        return status;
    if (exchange->content.state == CONTENT_COMPLETE)
        return http_complete(exchange);
    if (status == HTTP_WAIT) { /* it is not the peer's fault */
        http_set_deadline(exchange, exchange->engine->server->content_ns);
        return HTTP_WAIT;
    }
    if (http_is_late(exchange)) {
        http_refuse(exchange, 408);
        return HTTP_GO_ON;
    }
    if (exchange->awaits_100) {
        status = send_continue(exchange);
        if (status != 0)
            return status;
    }
    if (exchange->rest != NULL) { /* of the interim answer */
        status = http_send_more(exchange);
        if (status < 0)
            return status;
    }
    return http_receive(worker, exchange);
}
