#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { REST_MAX = 4 * 1024 * 1024 }; /* bytes that a connection may owe */

/* ---- What the socket did not take ---------------------------------------- */

static int rest_keep(struct http_exchange *exchange, const char *bytes,
                     size_t size)
{
    size_t owed = exchange->rest_len - exchange->rest_sent;
    char *rest;

    if (size > REST_MAX - owed)
        return -ENOMEM;
    if (owed > 0 && owed <= exchange->rest_sent) { /* what is sent goes */
        memmove(exchange->rest, exchange->rest + exchange->rest_sent, owed);
        exchange->rest_len = owed;
        exchange->rest_sent = 0;
    }
    rest = mem_resize(exchange->rest, exchange->rest_len + size);
    if (rest == NULL)
        return -ENOMEM;
    memcpy(rest + exchange->rest_len, bytes, size);
    exchange->rest = rest;
    exchange->rest_len += size;
    return 0;
}

static void rest_free(struct http_exchange *exchange)
{
    mem_free(exchange->rest);
    exchange->rest = NULL;
    exchange->rest_len = 0;
    exchange->rest_sent = 0;
}

int http_send(struct http_exchange *exchange, const char *bytes, size_t size)
{
    uint64_t send_ns = exchange->engine->server->send_ns;
    int64_t sent = 0;

    if (exchange->socket == NULL)
        return -ECONNRESET;
    if (exchange->rest == NULL) {
        sent = socket_send(exchange->socket, bytes, size);
        if (sent < 0)
            return (int)sent;
        http_progress(exchange, (size_t)sent, send_ns);
    }
    if ((size_t)sent == size)
        return 0;
    return rest_keep(exchange, bytes + sent, size - (size_t)sent);
}

void http_hold_last(struct http_exchange *exchange)
{
    if (!exchange->keep_alive && exchange->protocol == NULL &&
        exchange->socket != NULL)
        socket_hold(exchange->socket);
}

static int rest_send(struct http_exchange *exchange)
{
    while (exchange->rest != NULL) {
        int64_t sent;

        if (exchange->socket == NULL)
            return -ECONNRESET;
        sent =
            socket_send(exchange->socket, exchange->rest + exchange->rest_sent,
                        exchange->rest_len - exchange->rest_sent);
        if (sent <= 0)
            return (int)sent;
        exchange->rest_sent += (size_t)sent;
        http_progress(exchange, (size_t)sent,
                      exchange->engine->server->send_ns);
        if (exchange->rest_sent == exchange->rest_len)
            rest_free(exchange);
    }
    return HTTP_GO_ON;
}

/* ---- Sources ------------------------------------------------------------- */

void http_source_close(struct http_exchange *exchange)
{
    struct http_source source = exchange->source;

    exchange->source.read = NULL;
    if (source.read != NULL && source.close != NULL)
        source.close(source.cookie);
}

void http_send_abandon(struct http_exchange *exchange)
{
    if (exchange->rest != NULL)
        rest_free(exchange);
    if (exchange->source.read != NULL)
        http_source_close(exchange);
}

/* How much is asked of the source at once. With no room one byte: it is not
 * taken, and the socket tells when there is room. */
static uint64_t ask_size(const struct http_exchange *exchange, size_t before)
{
    size_t room = socket_send_room(exchange->socket);
    uint64_t size = room > before ? room - before : 1;

    return size < exchange->left ? size : exchange->left;
}

/* The same, of what is copied. */
static size_t copy_size(const struct http_exchange *exchange, size_t before)
{
    uint64_t size, most;

    if (exchange->is_chunked)
        before += HTTP_CHUNK_HEAD + HTTP_CHUNK_TAIL;
    size = ask_size(exchange, before);
    most = HTTP_OUTPUT_SIZE - before;
    return (size_t)(size < most ? size : most);
}

static void put_chunk_size(char *at, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 4; i++)
        at[i] = digits[size >> (12 - 4 * i) & 15];
    at[4] = '\r';
    at[5] = '\n';
}

/* It gives an error, or has ended too early, which the peer must not take for
 * all. */
static int source_failed(struct http_exchange *exchange, size_t before,
                         int64_t error)
{
    error = error < 0 ? error : -EIO;
    log_error("%s: content cannot be read at %llu: error %lld",
              exchange->engine->service.name,
              (unsigned long long)exchange->offset, (long long)error);
    http_source_close(exchange);
    return before > 0 ? HTTP_NO_CONTENT : (int)error;
}

/* The source has ended: the last chunk, or the end of the connection. */
static int source_end(struct http_exchange *exchange, char *output,
                      size_t before)
{
    int status;

    if (exchange->left != 0 && exchange->left != HTTP_LENGTH_UNKNOWN)
        return source_failed(exchange, before, 0);
    http_source_close(exchange);
    if (exchange->is_chunked) {
        memcpy(output + before, "0\r\n\r\n", 5);
        before += 5;
    }
    status = before > 0 ? http_send(exchange, output, before) : 0;
    return status < 0 ? status : HTTP_GO_ON;
}

/* So much content has been handed on. */
static void source_given(struct http_exchange *exchange, uint64_t count)
{
    exchange->offset += count;
    if (exchange->left == HTTP_LENGTH_UNKNOWN)
        return;
    exchange->left -= count;
    if (exchange->left == 0 && !exchange->is_chunked)
        http_source_close(exchange);
}

/* The source may have waited: whether the connection is still there. */
static bool is_there(struct http_exchange *exchange)
{
    exchange->worker->now_ns = 0;
    return exchange->socket != NULL && exchange->state != HTTP_ENDED;
}

/* The source has none yet: what is before it goes, and it has its time. */
static int source_waits(struct http_exchange *exchange, size_t before)
{
    int status = 0;

    if (before > 0)
        status = http_send(exchange, exchange->worker->output, before);
    if (status == 0 && exchange->rest == NULL) /* it is the source's turn */
        http_set_deadline(exchange, exchange->engine->server->answer_ns);
    return status < 0 ? status : HTTP_WAIT;
}

/* By copy, through the output. */
static int source_copy(struct http_exchange *exchange, size_t before)
{
    char *output = exchange->worker->output;
    size_t head = exchange->is_chunked ? HTTP_CHUNK_HEAD : 0;
    size_t size = copy_size(exchange, before), len;
    int64_t got = 0;
    int status;

    exchange->worker->head_len = 0;
    if (size > 0)
        got = exchange->source.read(exchange->source.cookie, exchange->offset,
                                    output + before + head, size);
    if (!is_there(exchange))
        return -ECONNRESET;
    if (got == -EAGAIN)
        return source_waits(exchange, before);
    if (got < 0)
        return source_failed(exchange, before, got);
    if (got == 0)
        return source_end(exchange, output, before);
    assert((size_t)got <= size);
    len = before + head + (size_t)got;
    if (exchange->is_chunked) {
        put_chunk_size(output + before, (size_t)got);
        memcpy(output + len, "\r\n", HTTP_CHUNK_TAIL);
        len += HTTP_CHUNK_TAIL;
    }
    source_given(exchange, (uint64_t)got);
    if (exchange->left == 0 && !exchange->is_chunked)
        http_hold_last(exchange);
    status = http_send(exchange, output, len);
    return status < 0 ? status : HTTP_GO_ON;
}

/* Without a copy: what the socket does not take of the content is lent again
 * later. */
static int source_lend(struct http_exchange *exchange, size_t before)
{
    const char *output = exchange->worker->output;
    struct slice slices[HTTP_SLICES];
    unsigned count = HTTP_SLICES;
    int64_t got =
        exchange->source.lend(exchange->source.cookie, exchange->offset,
                              ask_size(exchange, before), slices, &count);
    bool goes_on = is_there(exchange);
    int64_t sent = -ECONNRESET;

    if (got == -EAGAIN && goes_on)
        return source_waits(exchange, before);
    if (got <= 0)
        return goes_on ? source_failed(exchange, before, got) : -ECONNRESET;
    if (goes_on)
        sent = socket_lend(exchange->socket, output, before, slices, count);
    while (count > 0)
        buf_put(slices[--count].buf);
    if (sent < 0)
        return (int)sent;
    http_progress(exchange, (size_t)sent, exchange->engine->server->send_ns);
    if ((size_t)sent < before)
        return rest_keep(exchange, output + sent, before - (size_t)sent);
    source_given(exchange, (uint64_t)sent - before);
    return sent < (int64_t)before + got ? HTTP_WAIT : HTTP_GO_ON;
}

int http_source_send(struct http_exchange *exchange, size_t before)
{
    if (exchange->socket == NULL)
        return -ECONNRESET;
    if (exchange->source.lend != NULL && exchange->left > HTTP_COPY_MAX &&
        exchange->left != HTTP_LENGTH_UNKNOWN)
        return source_lend(exchange, before);
    return source_copy(exchange, before);
}

int http_send_more(struct http_exchange *exchange)
{
    int status = HTTP_GO_ON;

    if (exchange->rest != NULL)
        status = rest_send(exchange);
    while (status == HTTP_GO_ON && exchange->source.read != NULL) {
        status = http_source_send(exchange, 0);
        if (status == HTTP_GO_ON && exchange->rest != NULL)
            status = rest_send(exchange);
    }
    return status;
}
