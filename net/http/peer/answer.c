#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
#include <torc/string.h>

/* ---- Which answers are refused ------------------------------------------- */

/* A value that the server puts into a line of its own; NULL: there is none. */
static int check_value(const char *text)
{
    struct span value;

    if (text == NULL)
        return 0;
    value = span_of(text);
    if (value.len > HTTP_VALUE_MAX)
        return -EMSGSIZE;
    return span_find_line_end(value) == value.len ? 0 : -EINVAL;
}

static int check_response(const struct http_exchange *exchange,
                          const struct http_response *response)
{
    int status = check_value(response->type);

    if ((response->status < 200 && exchange->protocol == NULL) ||
        response->status < 101 || response->status > 599 ||
        (response->file != NULL && response->status != 200))
        return -EINVAL;
    if (response->fields != NULL) {
        struct span fields = span_of(response->fields);

        if (fields.len > HTTP_FIELDS_MAX)
            return -EMSGSIZE;
        if (!http_fields_are_valid(fields))
            return -EINVAL;
    }
    return status != 0 ? status : check_value(response->etag);
}

/* ---- What is sent of the content ----------------------------------------- */

struct plan {
    int status;
    bool has_content; /* RFC 9110, 6.4.1 */
    bool has_length;
    uint64_t size; /* of all the content */
    uint64_t first;
    uint64_t count;
};

/* Look at the conditions and the range that a GET has. */
static void plan_evaluate(struct plan *plan, struct http_exchange *exchange,
                          const struct http_response *response,
                          const struct http_request *request)
{
    const struct http_file *file = response->file;
    const struct http_validators validators = {
        .etag = file != NULL ? file->etag : response->etag,
        .modified_s = file != NULL ? file->modified_s : response->modified_s,
        .now_s = exchange->engine->date_s,
        .size_bytes = plan->size,
        .is_date_weak = !response->is_date_strong,
    };
    struct http_answer answer = http_evaluate(request, &validators);

    plan->status = answer.status;
    plan->first = answer.first;
    plan->count = answer.count;
}

static void plan_make(struct plan *plan, struct http_exchange *exchange,
                      const struct http_response *response)
{
    bool has_source = response->source.read != NULL;
    bool has_tag = response->file != NULL || response->etag != NULL;
    int status = response->status;

    plan->size = has_source ? response->length : response->body_len;
    plan->has_length = !has_source || plan->size != HTTP_LENGTH_UNKNOWN;
    plan->status = status;
    plan->first = 0;
    plan->count = plan->size;
    if (status == 200 && has_tag && plan->has_length) {
        const struct http_request *request = http_request_of(exchange);

        if (request->is_conditional && request->method <= HTTP_HEAD)
            plan_evaluate(plan, exchange, response, request);
        status = plan->status;
    }
    plan->has_content =
        status >= 200 && status != 204 && status != 205 && status != 304;
}

/* ---- Heads --------------------------------------------------------------- */

static void put_range(const struct plan *plan, struct http_text *text)
{
    http_text_put(text, "Content-Range: bytes ");
    http_text_put_number(text, plan->first);
    http_text_put(text, "-");
    http_text_put_number(text, plan->first + plan->count - 1);
    http_text_put(text, "/");
    http_text_put_number(text, plan->size);
    http_text_put(text, "\r\n");
}

static void put_length(struct http_exchange *exchange,
                       const struct http_response *response,
                       const struct plan *plan, struct http_text *text)
{
    if (plan->status == 206)
        put_range(plan, text);
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

/* What an answer says of the connection, or NULL. */
static const char *connection_of(const struct http_exchange *exchange)
{
    if (exchange->protocol != NULL)
        return "Upgrade";
    if (!exchange->keep_alive)
        return "close";
    return exchange->is_1_1 ? NULL : "keep-alive"; /* RFC 9112, C.2.2 */
}

/* The lines that all answers have. */
static void put_begin(struct http_exchange *exchange, int status,
                      const char *connection, struct http_text *text)
{
    const struct http_engine *engine = exchange->engine;

    if (status == 200) {
        http_text_put_span(text, (struct span){engine->ok, engine->ok_len});
        if (connection != NULL)
            http_connection_put(text, connection);
    } else {
        http_head_begin(text, status, engine->date, connection);
    }
}

/* The lines that say what follows, and the empty one. */
static void put_ending(struct http_exchange *exchange,
                       const struct http_response *response,
                       const struct plan *plan, struct http_text *text)
{
    const struct http_answer answer = {plan->status, plan->first, plan->count};

    if (response->fields != NULL)
        http_text_put(text, response->fields);
    if (response->file != NULL) {
        http_head_file(text, response->file, &answer);
        return;
    }
    if (response->etag != NULL)
        put_validators(response, text);
    put_length(exchange, response, plan, text);
    http_text_put(text, "\r\n");
}

/* ---- The last ending ----------------------------------------------------- */

/* Whether an answer is one whose ending may be kept. */
static bool is_short_text(const struct http_response *response)
{
    return response->status == 200 && response->fields == NULL &&
           response->etag == NULL && response->file == NULL &&
           response->source.read == NULL && response->type != NULL;
}

/* Whether an answer with a text ends as the last plain one did. The types are
 * compared only where both lay at one address, since that is cheap to see; what
 * lies there now may be another one. */
static bool ends_as_last(const struct http_engine *engine, int status,
                         const char *type, size_t size)
{
    const struct http_ending *ending = &engine->ending;

    return ending->content_len == size && ending->type_at == type &&
           type != NULL && status == 200 && str_equal(ending->type, type);
}

/* A plain one has been written, and ends from `at` on. */
static void ending_keep(struct http_engine *engine,
                        const struct http_response *response, const char *at,
                        size_t len)
{
    struct http_ending *ending = &engine->ending;
    size_t type_size = strlen(response->type) + 1;

    if (type_size > sizeof(ending->type) || len > sizeof(ending->text))
        return;
    memcpy(ending->type, response->type, type_size);
    ending->type_at = response->type;
    memcpy(ending->text, at, len);
    ending->number++;
    ending->content_len = response->body_len;
    ending->len = len;
}

/* The head of an answer that ends as the last one: it is in the output, or is
 * put there. */
static void put_head_as_last(struct http_exchange *exchange,
                             struct http_text *text)
{
    const struct http_engine *engine = exchange->engine;
    const char *connection = connection_of(exchange);
    struct http_worker *worker = exchange->worker;

    if (worker->head_len > 0 && worker->head_connection == connection &&
        worker->head_ending == engine->ending.number &&
        worker->head_until_ns == engine->date_until_ns) {
        text->len = worker->head_len;
        return;
    }
    put_begin(exchange, 200, connection, text);
    http_text_put_span(text,
                       (struct span){engine->ending.text, engine->ending.len});
    worker->head_len = text->len;
    worker->head_connection = connection;
    worker->head_ending = engine->ending.number;
    worker->head_until_ns = engine->date_until_ns;
}

static void put_head(struct http_exchange *exchange,
                     const struct http_response *response,
                     const struct plan *plan, struct http_text *text)
{
    size_t begun;

    exchange->worker->head_len = 0;
    put_begin(exchange, plan->status, connection_of(exchange), text);
    begun = text->len;
    put_ending(exchange, response, plan, text);
    if (is_short_text(response))
        ending_keep(exchange->engine, response, text->at + begun,
                    text->len - begun);
}

/* ---- Answers ------------------------------------------------------------- */

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

/* Send the head with the body, or with as much as the output holds. */
static int send_body(struct http_exchange *exchange, struct http_text *text,
                     struct span body)
{
    size_t room = text->size - text->len;
    size_t first = body.len < room ? body.len : room;
    int status;

    http_hold_last(exchange);
    http_text_put_span(text, (struct span){body.at, first});
    status = http_send(exchange, text->at, text->len);
    if (status != 0 || first == body.len)
        return status;
    return http_send(exchange, body.at + first, body.len - first);
}

/* The head is in the output: send it, and what follows. */
static int send_answer(struct http_exchange *exchange,
                       const struct http_response *response,
                       const struct plan *plan, struct http_text *text)
{
    if (plan->has_content && !exchange->is_head &&
        (plan->count > 0 || !plan->has_length)) {
        const char *body = response->body;

        if (exchange->source.read != NULL)
            return http_source_send(exchange, text->len);
        if (body != NULL)
            return send_body(
                exchange, text,
                (struct span){body + plan->first, (size_t)plan->count});
    } else if (exchange->source.read != NULL) {
        http_source_close(exchange);
    }
    http_hold_last(exchange);
    return http_send(exchange, text->at, text->len);
}

/* What decides about the connection. `is_open_ended`: the content has no
 * length. */
static void set_framing(struct http_exchange *exchange, bool is_open_ended)
{
    exchange->is_chunked = is_open_ended && exchange->is_1_1;
    if ((exchange->state == HTTP_CONTENT &&
         exchange->content.state != CONTENT_COMPLETE) ||
        (is_open_ended && !exchange->is_1_1) || exchange->engine->is_ending)
        exchange->keep_alive = false;
}

/* A condition is not met, or a range: there is a page instead of the
 * content. */
static void respond_unmet(struct http_exchange *exchange, int status,
                          uint64_t size)
{
    char fields[64];
    struct http_text text = {fields, sizeof(fields), 0};

    if (status == 416) {
        http_text_put(&text, "Content-Range: bytes */");
        http_text_put_number(&text, size);
        http_text_put(&text, "\r\n");
    }
    http_text_put_span(&text, (struct span){"", 1}); /* the NUL */
    http_respond_page(exchange, status, fields);
}

/* The handler may have waited, and the connection may be gone: false. What has
 * no source is sent right behind this. */
static bool begin_answer(struct http_exchange *exchange)
{
    if (exchange->state == HTTP_ENDED)
        return false;
    exchange->worker->now_ns =
        exchange->source.read == NULL && exchange->socket != NULL
            ? socket_time_ns(exchange->socket)
            : time_ns();
    http_update_date(exchange->engine, exchange->worker->now_ns);
    return true;
}

/* What was sent of an answer, or is to be, has this status. */
static void sent(struct http_exchange *exchange, int status)
{
    if (status == HTTP_NO_CONTENT)
        http_refuse(exchange, 500);
    else if (status < 0)
        http_lose(exchange);
}

int http_respond(struct http_exchange *exchange,
                 const struct http_response *response)
{
    struct http_text text = {exchange->worker->output, HTTP_OUTPUT_SIZE, 0};
    struct plan plan;
    int status = check_response(exchange, response);

    if (exchange->is_answered)
        return -EALREADY;
    if (status != 0)
        return status;
    exchange->source = response->source;
    if (!begin_answer(exchange)) {
        http_source_close(exchange);
        return 0;
    }
    plan_make(&plan, exchange, response);
    if (response->status == 200 && plan.status >= 400) {
        http_source_close(exchange);
        respond_unmet(exchange, plan.status, plan.size);
        return 0;
    }
    set_framing(exchange, plan.has_content && !plan.has_length);
    put_head(exchange, response, &plan, &text);
    exchange->is_answered = true;
    exchange->state = HTTP_SEND;
    http_set_deadline(exchange, exchange->engine->server->send_ns);
    exchange->offset = plan.first;
    exchange->left = plan.count;
    sent(exchange, send_answer(exchange, response, &plan, &text));
    return 0;
}

/* The same, of a text that ends as the last one: nothing of it is to be found
 * out. */
static void respond_as_last(struct http_exchange *exchange, struct span body)
{
    struct http_text text = {exchange->worker->output, HTTP_OUTPUT_SIZE, 0};
    int status;

    if (!begin_answer(exchange))
        return;
    set_framing(exchange, false);
    put_head_as_last(exchange, &text);
    exchange->is_answered = true;
    exchange->state = HTTP_SEND;
    if (exchange->is_head)
        body.len = 0;
    status = send_body(exchange, &text, body);
    if (exchange->rest != NULL)
        http_set_deadline(exchange, exchange->engine->server->send_ns);
    sent(exchange, status);
}

/* The same, of any text. */
static noinline void respond_text(struct http_exchange *exchange, int status,
                                  const char *type, struct span body)
{
    const struct http_response response = {
        .status = status, .type = type, .body = body.at, .body_len = body.len};

    if (http_respond(exchange, &response) != 0)
        http_lose(exchange);
}

void http_respond_bytes(struct http_exchange *exchange, int status,
                        const char *type, const void *bytes, size_t size)
{
    if (!exchange->is_answered &&
        ends_as_last(exchange->engine, status, type, size))
        respond_as_last(exchange, (struct span){bytes, size});
    else
        respond_text(exchange, status, type, (struct span){bytes, size});
}

void http_respond_page(struct http_exchange *exchange, int status,
                       const char *fields)
{
    char page[HTTP_STATUS_PAGE_MAX];
    const struct http_response response = {
        .status = status,
        .type = "text/html; charset=utf-8",
        .fields = fields,
        .body = page,
        .body_len = http_status_page(status, page, sizeof(page)),
    };

    if (http_respond(exchange, &response) != 0)
        http_lose(exchange);
}
