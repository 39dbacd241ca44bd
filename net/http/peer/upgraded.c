/* Connections that another protocol has. */
#include "net/http/peer/engine_internal.h"

int http_upgraded_step(struct http_worker *worker,
                       struct http_exchange *exchange)
{
    int64_t taken;
    int status;

    if (exchange->rest != NULL) {
        status = http_send_more(exchange);
        if (status != HTTP_GO_ON)
            return status == HTTP_WAIT && http_is_late(exchange) ? -ETIMEDOUT
                                                                 : status;
        exchange->protocol->writable(exchange);
        return HTTP_GO_ON;
    }
    if (http_is_late(exchange))
        return exchange->protocol->timeout(exchange);
    if (worker->in_at == worker->in_len) {
        status = http_receive(worker, exchange);
        if (status == -EPIPE)
            return (int)exchange->protocol->receive(exchange, NULL, 0);
        if (status != HTTP_GO_ON)
            return status;
    }
    taken = exchange->protocol->receive(exchange, worker->input + worker->in_at,
                                        worker->in_len - worker->in_at);
    if (taken < 0)
        return (int)taken;
    worker->in_at += (size_t)taken;
    if (exchange->state != HTTP_UPGRADED)
        return HTTP_WAIT; /* it has ended */
    if (taken > 0 || exchange->rest != NULL)
        return HTTP_GO_ON;
    return http_receive(worker, exchange); /* the head of a frame is short */
}
