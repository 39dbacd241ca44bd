#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
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

static void source_close(struct http_exchange *exchange)
{
    struct http_source source = exchange->source;

    exchange->source = (struct http_source){.read = NULL};
    if (source.read != NULL && source.close != NULL)
        source.close(source.cookie);
}

void http_send_abandon(struct http_exchange *exchange)
{
    rest_free(exchange);
    source_close(exchange);
}

/* How much is asked of the source at once. With no room one byte: it is not
 * taken, and the socket tells when there is room. */
static size_t ask_size(const struct http_exchange *exchange, size_t before)
{
    size_t room = socket_send_room(exchange->socket);
    size_t most;

    if (exchange->is_chunked)
        before += HTTP_CHUNK_HEAD + HTTP_CHUNK_TAIL;
    most = HTTP_OUTPUT_SIZE - before;
    room = room > before ? room - before : 1;
    if (room > most)
        room = most;
    return room < exchange->left ? room : (size_t)exchange->left;
}

static void put_chunk_size(char *at, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 4; i++)
        at[i] = digits[size >> (12 - 4 * i) & 15];
    at[4] = '\r';
    at[5] = '\n';
}

/* The source has ended: the last chunk, or the end of the connection. */
static int source_end(struct http_exchange *exchange, char *output,
                      size_t before)
{
    bool is_right =
        exchange->left == 0 || exchange->left == HTTP_LENGTH_UNKNOWN;

    source_close(exchange);
    if (!is_right)
        return -EIO; /* the peer must not take it for all */
    if (exchange->is_chunked) {
        memcpy(output + before, "0\r\n\r\n", 5);
        before += 5;
    }
    return before > 0 ? http_send(exchange, output, before) : 0;
}

/*
 * Read a piece of the source and send it, behind `before` bytes that are in the
 * output already: HTTP_GO_ON, HTTP_WAIT (the source has none; what was there
 * before is sent), or an error.
 */
static int source_send(struct http_exchange *exchange, size_t before)
{
    char *output = exchange->worker->output;
    size_t head = exchange->is_chunked ? HTTP_CHUNK_HEAD : 0;
    size_t size, len;
    int64_t got = 0;
    int status;

    if (exchange->socket == NULL)
        return -ECONNRESET;
    size = ask_size(exchange, before);
    if (size > 0)
        got = exchange->source.read(exchange->source.cookie, exchange->offset,
                                    output + before + head, size);
    exchange->worker->now_ns = time_ns(); /* it may have waited */
    if (exchange->socket == NULL || exchange->state == HTTP_ENDED)
        return -ECONNRESET;
    if (got == -EAGAIN) {
        status = before > 0 ? http_send(exchange, output, before) : 0;
        return status < 0 ? status : HTTP_WAIT;
    }
    if (got < 0)
        return (int)got;
    if (got == 0) {
        status = source_end(exchange, output, before);
        return status < 0 ? status : HTTP_GO_ON;
    }
    assert((size_t)got <= size);
    exchange->offset += (uint64_t)got;
    if (exchange->left != HTTP_LENGTH_UNKNOWN)
        exchange->left -= (uint64_t)got;
    len = before + head + (size_t)got;
    if (exchange->is_chunked) {
        put_chunk_size(output + before, (size_t)got);
        memcpy(output + len, "\r\n", HTTP_CHUNK_TAIL);
        len += HTTP_CHUNK_TAIL;
    }
    if (exchange->left == 0 && !exchange->is_chunked)
        source_close(exchange);
    status = http_send(exchange, output, len);
    return status < 0 ? status : HTTP_GO_ON;
}

int http_send_more(struct http_exchange *exchange)
{
    int status = rest_send(exchange);

    while (status == HTTP_GO_ON && exchange->source.read != NULL) {
        status = source_send(exchange, 0);
        if (status == HTTP_GO_ON)
            status = rest_send(exchange);
    }
    if (status == HTTP_WAIT && exchange->rest == NULL) /* the source's turn */
        http_set_deadline(exchange, exchange->engine->server->answer_ns);
    return status;
}

/* ---- Answers ------------------------------------------------------------- */

/* Whether text is whole field lines: names that are tokens, values without
 * control characters. RFC 9112, 5. */
static bool fields_are_valid(struct span fields)
{
    struct span line, name;

    while (fields.len > 0) {
        if (!span_cut(&fields, '\n', &line) || line.len == 0 ||
            line.at[line.len - 1] != '\r')
            return false;
        line.len--;
        if (!span_cut(&line, ':', &name) || !span_is_token(name))
            return false;
        for (size_t i = 0; i < line.len; i++) {
            unsigned char c = (unsigned char)line.at[i];

            if ((c < ' ' && c != '\t') || c == 0x7f)
                return false;
        }
    }
    return true;
}

static int check_response(const struct http_exchange *exchange,
                          const struct http_response *response)
{
    struct span fields =
        span_of(response->fields != NULL ? response->fields : "");

    if (exchange->is_answered)
        return -EALREADY;
    if ((response->status < 200 && exchange->protocol == NULL) ||
        response->status < 101 || response->status > 599)
        return -EINVAL;
    if (fields.len > HTTP_FIELDS_MAX)
        return -EMSGSIZE;
    if (!fields_are_valid(fields))
        return -EINVAL;
    if (response->type != NULL) {
        struct span type = span_of(response->type);
        struct span line;

        if (type.len > HTTP_FIELDS_MAX)
            return -EMSGSIZE;
        if (span_cut(&type, '\n', &line) || span_cut(&type, '\r', &line))
            return -EINVAL;
    }
    return 0;
}

/* What is sent of the content, and how it is framed. */
struct plan {
    int status;
    bool has_content; /* RFC 9110, 6.4.1 */
    bool has_length;
    uint64_t size; /* of all the content */
    uint64_t first;
    uint64_t count;
};

static struct plan make_plan(struct http_exchange *exchange,
                             const struct http_response *response)
{
    bool has_source = response->source.read != NULL;
    struct plan plan = {
        .status = response->status,
        .size = has_source ? response->length : response->body_len,
    };

    plan.has_length = !has_source || plan.size != HTTP_LENGTH_UNKNOWN;
    plan.count = plan.size;
    if (response->status == 200 && response->etag != NULL && plan.has_length) {
        const struct http_request *request = http_request_of(exchange);
        const struct http_validators validators = {
            .etag = response->etag,
            .modified_s = response->modified_s,
            .now_s = exchange->engine->date_s,
            .size_bytes = plan.size,
            .is_date_weak = true,
        };
        struct http_answer answer = http_evaluate(request, &validators);

        plan.status = answer.status;
        plan.first = answer.first;
        plan.count = answer.count;
    }
    plan.has_content = plan.status >= 200 && plan.status != 204 &&
                       plan.status != 205 && plan.status != 304;
    return plan;
}

static void put_length(struct http_exchange *exchange,
                       const struct http_response *response,
                       const struct plan *plan, struct http_text *text)
{
    if (plan->status == 206 || plan->status == 416) {
        http_text_put(text, "Content-Range: bytes ");
        if (plan->status == 206) {
            http_text_put_number(text, plan->first);
            http_text_put(text, "-");
            http_text_put_number(text, plan->first + plan->count - 1);
        } else {
            http_text_put(text, "*");
        }
        http_text_put(text, "/");
        http_text_put_number(text, plan->size);
        http_text_put(text, "\r\n");
    }
    if (plan->status == 205) {
        http_text_put(text, "Content-Length: 0\r\n"); /* RFC 9110, 15.3.6 */
    } else if (!plan->has_content) {
        return;
    } else if (plan->has_length) {
        http_text_put(text, "Content-Length: ");
        http_text_put_number(text, plan->count);
        http_text_put(text, "\r\n");
    } else if (exchange->is_1_1) {
        http_text_put(text, "Transfer-Encoding: chunked\r\n");
    }
    if (response->type != NULL) {
        http_text_put(text, "Content-Type: ");
        http_text_put(text, response->type);
        http_text_put(text, "\r\n");
    }
}

static void put_validators(const struct http_response *response,
                           struct http_text *text)
{
    char date[HTTP_DATE_SIZE];

    http_text_put(text, "ETag: ");
    http_text_put(text, response->etag);
    http_text_put(text, "\r\n");
    if (response->modified_s > 0) {
        http_date_format(response->modified_s, date);
        http_text_put(text, "Last-Modified: ");
        http_text_put(text, date);
        http_text_put(text, "\r\n");
    }
    http_text_put(text, "Accept-Ranges: bytes\r\n");
}

static void put_head(struct http_exchange *exchange,
                     const struct http_response *response,
                     const struct plan *plan, struct http_text *text)
{
    const char *connection = NULL;

    if (exchange->protocol != NULL)
        connection = "Upgrade";
    else if (!exchange->keep_alive)
        connection = "close";
    else if (!exchange->is_1_1)
        connection = "keep-alive"; /* RFC 9112, C.2.2 */
    if (plan->status == 200) {
        const struct http_engine *engine = exchange->engine;

        http_text_put_span(text, (struct span){engine->ok, engine->ok_len});
        if (connection != NULL) {
            http_text_put(text, "Connection: ");
            http_text_put(text, connection);
            http_text_put(text, "\r\n");
        }
    } else {
        http_head_begin(text, plan->status, exchange->engine->date, connection);
    }
    if (response->fields != NULL)
        http_text_put(text, response->fields);
    if (response->etag != NULL && plan->status != 412 && plan->status != 416)
        put_validators(response, text);
    put_length(exchange, response, plan, text);
    http_text_put(text, "\r\n");
}

/* Send the head with the body, or with as much as the output holds. */
static int send_body(struct http_exchange *exchange, struct http_text *text,
                     struct span body)
{
    size_t room = text->size - text->len;
    size_t first = body.len < room ? body.len : room;
    int status;

    http_text_put_span(text, (struct span){body.at, first});
    status = http_send(exchange, text->at, text->len);
    if (status != 0 || first == body.len)
        return status;
    return http_send(exchange, body.at + first, body.len - first);
}

void http_lose(struct http_exchange *exchange)
{
    http_send_abandon(exchange);
    exchange->keep_alive = false;
    if (exchange->state == HTTP_ENDED)
        return;
    exchange->state = HTTP_ENDED;
    if (exchange->socket != NULL)
        socket_abort(exchange->socket);
}

int http_respond(struct http_exchange *exchange,
                 const struct http_response *response)
{
    struct http_text text = {exchange->worker->output, HTTP_OUTPUT_SIZE, 0};
    struct plan plan;
    bool sends_content;
    int status = check_response(exchange, response);

    if (status != 0)
        return status;
    if (exchange->state == HTTP_ENDED) { /* it was dropped meanwhile */
        exchange->source = response->source;
        source_close(exchange);
        return 0;
    }
    exchange->worker->now_ns = time_ns(); /* the handler may have waited */
    http_update_date(exchange->engine, exchange->worker->now_ns);
    if (exchange->state == HTTP_CONTENT &&
        exchange->content.state != CONTENT_COMPLETE)
        exchange->keep_alive = false;
    plan = make_plan(exchange, response);
    exchange->is_chunked =
        plan.has_content && !plan.has_length && exchange->is_1_1;
    if (plan.has_content && !plan.has_length && !exchange->is_1_1)
        exchange->keep_alive = false;
    if (exchange->engine->is_ending)
        exchange->keep_alive = false;
    put_head(exchange, response, &plan, &text);
    exchange->is_answered = true;
    exchange->state = HTTP_SEND;
    http_set_deadline(exchange, exchange->engine->server->send_ns);
    sends_content = plan.has_content && !exchange->is_head &&
                    (plan.count > 0 || !plan.has_length);
    exchange->source = response->source;
    exchange->offset = plan.first;
    exchange->left = plan.count;
    if (!sends_content)
        source_close(exchange);
    if (exchange->source.read != NULL) {
        status = source_send(exchange, text.len);
    } else if (sends_content && response->body != NULL) {
        status =
            send_body(exchange, &text,
                      (struct span){(const char *)response->body + plan.first,
                                    (size_t)plan.count});
    } else {
        status = http_send(exchange, text.at, text.len);
    }
    if (status < 0)
        http_lose(exchange);
    return 0;
}

void http_respond_text(struct http_exchange *exchange, int status,
                       const char *type, const char *text)
{
    const struct http_response response = {
        .status = status,
        .type = type,
        .body = text,
        .body_len = strlen(text),
    };

    if (http_respond(exchange, &response) != 0)
        http_lose(exchange);
}

void http_respond_status(struct http_exchange *exchange, int status)
{
    char page[HTTP_STATUS_PAGE_MAX];
    const struct http_response response = {
        .status = status,
        .type = "text/html; charset=utf-8",
        .body = page,
        .body_len = http_status_page(status, page, sizeof(page)),
    };

    if (http_respond(exchange, &response) != 0)
        http_lose(exchange);
}
