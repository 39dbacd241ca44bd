/* Connections that have become websockets: RFC 6455, 4 to 7. */
#include "net/http/peer/engine_internal.h"
#include "net/http/peer/websocket_frame.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/websocket.h>

enum { MESSAGE_FIRST = 256 }; /* room for a message at first */

/* Owner: the CPU of the server. */
struct websocket {
    struct http_exchange *exchange;
    const struct websocket_handler *handler;
    void *cookie;
    size_t message_max;
    unsigned code;   /* what closed() is told */
    bool is_open;    /* open() was called */
    bool is_closing; /* our close is sent */
    bool is_asked;   /* a ping is, and nothing has come since */
    bool is_over;    /* both closes, or a mistake: end when all is sent */

    bool in_frame; /* its head was taken: */
    struct websocket_frame frame;
    uint64_t frame_at; /* bytes of it that were taken */

    bool in_message; /* a fragment was taken, the last one was not */
    enum websocket_kind kind;
    struct utf8 utf8;
    char *message; /* so far, and a NUL */
    size_t message_len;
    size_t message_size;

    char control[WEBSOCKET_CONTROL_MAX]; /* of a control frame */
};

/* ---- Sending ------------------------------------------------------------- */

static void set_idle_deadline(struct websocket *socket)
{
    http_set_deadline(socket->exchange, WEBSOCKET_IDLE_S * NS_PER_S);
}

/* 0, or it is lost. */
static int send_frame(struct websocket *socket, enum websocket_opcode opcode,
                      const void *data, size_t len)
{
    struct http_exchange *exchange = socket->exchange;
    char head[WEBSOCKET_HEAD_MAX + WEBSOCKET_CONTROL_MAX];
    size_t head_len = websocket_frame_head(opcode, len, head);
    bool was_sent = exchange->rest == NULL;
    int status;

    if (len <= WEBSOCKET_CONTROL_MAX) { /* as one piece */
        if (len > 0)
            memcpy(head + head_len, data, len);
        head_len += len;
        len = 0;
    }
    status = http_send(exchange, head, head_len);
    if (status == 0 && len > 0)
        status = http_send(exchange, data, len);
    if (status != 0)
        http_lose(exchange);
    else if (was_sent && exchange->rest != NULL)
        http_set_deadline(exchange, exchange->engine->server->send_ns);
    return status;
}

int websocket_send(struct websocket *socket, enum websocket_kind kind,
                   const void *data, size_t len)
{
    const struct http_exchange *exchange = socket->exchange;

    if (kind != WEBSOCKET_TEXT && kind != WEBSOCKET_BINARY)
        return -EINVAL;
    if (socket->is_closing || exchange->state != HTTP_UPGRADED)
        return -EPIPE;
    if (exchange->rest_len - exchange->rest_sent >= WEBSOCKET_QUEUE_MAX)
        return -EAGAIN;
    return send_frame(socket, (enum websocket_opcode)kind, data, len);
}

/* Send a close; code 0: without one. */
static void send_close(struct websocket *socket, unsigned code,
                       const char *reason)
{
    char text[WEBSOCKET_CONTROL_MAX];
    size_t len = 0;

    if (code != 0) {
        text[0] = (char)(code >> 8);
        text[1] = (char)code;
        len = 2;
    }
    if (reason != NULL) {
        size_t more = str_len(reason, WEBSOCKET_REASON_MAX);

        memcpy(text + len, reason, more);
        len += more;
    }
    socket->is_closing = true;
    if (send_frame(socket, WEBSOCKET_OP_CLOSE, text, len) == 0)
        http_set_deadline(socket->exchange, WEBSOCKET_CLOSE_S * NS_PER_S);
}

void websocket_close(struct websocket *socket, unsigned code,
                     const char *reason)
{
    assert(websocket_code_is_valid(code));
    if (socket->is_closing || socket->exchange->state != HTTP_UPGRADED)
        return;
    socket->code = code;
    send_close(socket, code, reason);
}

/* The peer has broken the protocol: say so and end: 7.1.7. */
static void end_with(struct websocket *socket, unsigned code)
{
    if (!socket->is_closing) {
        socket->code = code;
        send_close(socket, code, NULL);
    }
    socket->is_over = true;
}

/* ---- Messages: 5.4 ------------------------------------------------------- */

static void message_free(struct websocket *socket)
{
    mem_free(socket->message);
    socket->message = NULL;
    socket->message_len = 0;
    socket->message_size = 0;
    socket->in_message = false;
    socket->utf8 = (struct utf8){.more = 0};
}

/* Make room for `more` bytes and a NUL. */
static bool message_grow(struct websocket *socket, size_t more)
{
    size_t size = socket->message_size;
    char *message;

    if (size == 0)
        size = MESSAGE_FIRST;
    while (size < socket->message_len + more + 1)
        size *= 2;
    if (size == socket->message_size)
        return true;
    message = mem_resize(socket->message, size);
    if (message == NULL)
        return false;
    socket->message = message;
    socket->message_size = size;
    return true;
}

/* Bytes of a message, unmasked. */
static void message_take(struct websocket *socket, const char *bytes,
                         size_t len)
{
    if (!message_grow(socket, len)) {
        end_with(socket, WEBSOCKET_TOO_BIG);
        return;
    }
    memcpy(socket->message + socket->message_len, bytes, len);
    socket->message_len += len;
    if (socket->kind == WEBSOCKET_TEXT && !utf8_take(&socket->utf8, bytes, len))
        end_with(socket, WEBSOCKET_BAD_DATA);
}

/* The last fragment is there. */
static void message_end(struct websocket *socket)
{
    if (!utf8_is_whole(&socket->utf8)) {
        end_with(socket, WEBSOCKET_BAD_DATA);
        return;
    }
    if (!message_grow(socket, 0)) {
        end_with(socket, WEBSOCKET_TOO_BIG);
        return;
    }
    socket->message[socket->message_len] = '\0';
    socket->in_message = false;
    if (!socket->is_closing)
        socket->handler->message(socket, socket->kind, socket->message,
                                 socket->message_len);
    message_free(socket);
}

/* ---- Control frames: 5.5 ------------------------------------------------- */

static void take_close(struct websocket *socket, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)socket->control;
    struct utf8 utf8 = {.more = 0};
    unsigned code = 0;

    if (len >= 2)
        code = (unsigned)bytes[0] << 8 | bytes[1];
    if (len == 1 || (len >= 2 && !websocket_code_is_valid(code))) {
        end_with(socket, WEBSOCKET_PROTOCOL_ERROR);
        return;
    }
    if (len > 2 && (!utf8_take(&utf8, socket->control + 2, len - 2) ||
                    !utf8_is_whole(&utf8))) {
        end_with(socket, WEBSOCKET_BAD_DATA);
        return;
    }
    if (!socket->is_closing) {
        socket->code = code != 0 ? code : WEBSOCKET_NO_STATUS;
        send_close(socket, code, NULL);
    }
    socket->is_over = true;
}

static void control_end(struct websocket *socket)
{
    size_t len = (size_t)socket->frame.len;

    if (socket->frame.opcode == WEBSOCKET_OP_CLOSE)
        take_close(socket, len);
    else if (socket->frame.opcode == WEBSOCKET_OP_PING && !socket->is_closing)
        (void)!send_frame(socket, WEBSOCKET_OP_PONG, socket->control, len);
}

/* ---- Frames -------------------------------------------------------------- */

/* Whether the frame may come now: 5.4. */
static bool frame_begin(struct websocket *socket)
{
    const struct websocket_frame *frame = &socket->frame;

    socket->frame_at = 0;
    socket->in_frame = true;
    if (websocket_is_control(frame->opcode))
        return true;
    if ((frame->opcode == WEBSOCKET_OP_MORE) != socket->in_message) {
        end_with(socket, WEBSOCKET_PROTOCOL_ERROR);
        return false;
    }
    if (frame->len > socket->message_max - socket->message_len) {
        end_with(socket, WEBSOCKET_TOO_BIG);
        return false;
    }
    if (!socket->in_message)
        socket->kind = (enum websocket_kind)frame->opcode;
    socket->in_message = true;
    return true;
}

static void frame_end(struct websocket *socket)
{
    socket->in_frame = false;
    if (websocket_is_control(socket->frame.opcode))
        control_end(socket);
    else if (socket->frame.is_final)
        message_end(socket);
}

/* Take bytes of the frame; how many. */
static size_t take_payload(struct websocket *socket, char *bytes, size_t size)
{
    uint64_t left = socket->frame.len - socket->frame_at;
    size_t len = size < left ? size : (size_t)left;

    websocket_unmask(&socket->frame, socket->frame_at, bytes, len);
    if (websocket_is_control(socket->frame.opcode))
        memcpy(socket->control + socket->frame_at, bytes, len);
    else
        message_take(socket, bytes, len);
    socket->frame_at += len;
    return len;
}

static int64_t websocket_receive(struct http_exchange *exchange, char *bytes,
                                 size_t size)
{
    struct websocket *socket = exchange->protocol_data;
    size_t at = 0;

    if (bytes == NULL) { /* an end without a close */
        http_finish(exchange);
        return 0;
    }
    socket->is_asked = false;
    if (!socket->is_closing)
        set_idle_deadline(socket);
    /* What we send must go before more is taken. */
    while (!socket->is_over && exchange->rest == NULL &&
           exchange->state == HTTP_UPGRADED) {
        if (!socket->in_frame) {
            int head =
                websocket_frame_parse(bytes + at, size - at, &socket->frame);

            if (head < 0)
                end_with(socket, WEBSOCKET_PROTOCOL_ERROR);
            if (head <= 0)
                break;
            at += (size_t)head;
            if (!frame_begin(socket))
                break;
        }
        at += take_payload(socket, bytes + at, size - at);
        if (socket->frame_at < socket->frame.len)
            break;
        if (!socket->is_over)
            frame_end(socket);
    }
    if (socket->is_over && exchange->rest == NULL)
        http_finish(exchange);
    return (int64_t)at;
}

/* ---- Of the connection --------------------------------------------------- */

static void websocket_writable(struct http_exchange *exchange)
{
    struct websocket *socket = exchange->protocol_data;

    if (socket->is_over) {
        http_finish(exchange);
        return;
    }
    if (socket->is_closing) {
        http_set_deadline(exchange, WEBSOCKET_CLOSE_S * NS_PER_S);
        return;
    }
    set_idle_deadline(socket);
    if (!socket->is_open) {
        socket->is_open = true;
        if (socket->handler->open != NULL)
            socket->handler->open(socket);
    } else if (socket->handler->writable != NULL) {
        socket->handler->writable(socket);
    }
}

/* A silent peer is asked once, and then dropped. */
static int websocket_timeout(struct http_exchange *exchange)
{
    struct websocket *socket = exchange->protocol_data;

    if (socket->is_closing || socket->is_asked)
        return -ETIMEDOUT;
    socket->is_asked = true;
    set_idle_deadline(socket);
    return send_frame(socket, WEBSOCKET_OP_PING, NULL, 0) == 0 ? HTTP_GO_ON
                                                               : HTTP_WAIT;
}

static void websocket_gone(struct http_exchange *exchange)
{
    struct websocket *socket = exchange->protocol_data;

    if (socket->is_open && socket->handler->closed != NULL)
        socket->handler->closed(socket, socket->code);
    message_free(socket);
    mem_free(socket);
}

static const struct http_protocol protocol = {
    .step = http_upgraded_step,
    .receive = websocket_receive,
    .writable = websocket_writable,
    .timeout = websocket_timeout,
    .close = websocket_gone,
};

/* ---- The handshake: 4.2 -------------------------------------------------- */

/* Whether a list, maybe of several lines, has a member. */
static bool field_has(const struct http_request *request, const char *name,
                      const char *member)
{
    struct span fields = request->fields;
    struct span line, before, item;

    while (span_cut(&fields, '\n', &line)) {
        if (!span_cut(&line, ':', &before) || !span_is_nocase(before, name))
            continue;
        line.len -= line.len > 0; /* its CR */
        while (span_list_next(&line, &item)) {
            if (span_is_nocase(item, member))
                return true;
        }
    }
    return false;
}

/* 0, or the status by which it is refused. */
static int judge_handshake(const struct http_exchange *exchange)
{
    const struct http_request *request = http_request_of(exchange);

    if (request->method != HTTP_GET || !request->is_1_1 ||
        request->has_content || !field_has(request, "Connection", "upgrade") ||
        !field_has(request, "Upgrade", "websocket"))
        return 426;
    if (!span_is(http_field(exchange, "Sec-WebSocket-Version"), "13"))
        return 426;
    if (!websocket_key_is_valid(http_field(exchange, "Sec-WebSocket-Key")))
        return 400;
    return 0;
}

static int refuse(struct http_exchange *exchange, int status)
{
    const struct http_response response = {
        .status = status,
        .type = "text/plain",
        .fields = status == 426 ? "Upgrade: websocket\r\nConnection: Upgrade"
                                  "\r\nSec-WebSocket-Version: 13\r\n"
                                : NULL,
        .body = "a websocket of version 13 is wanted here\n",
        .body_len = 41,
    };

    if (http_respond(exchange, &response) != 0)
        http_lose(exchange);
    return -EPROTO;
}

static int send_handshake(struct http_exchange *exchange,
                          const struct websocket_handler *handler)
{
    char fields[256];
    struct http_text text = {fields, sizeof(fields) - 1, 0};
    char accept[WEBSOCKET_ACCEPT_LEN + 1];
    const struct http_response response = {.status = 101, .fields = fields};

    websocket_accept_key(http_field(exchange, "Sec-WebSocket-Key"), accept);
    http_text_put(&text, "Upgrade: websocket\r\nSec-WebSocket-Accept: ");
    http_text_put(&text, accept);
    http_text_put(&text, "\r\n");
    if (handler->protocol != NULL &&
        field_has(http_request_of(exchange), "Sec-WebSocket-Protocol",
                  handler->protocol)) {
        http_text_put(&text, "Sec-WebSocket-Protocol: ");
        http_text_put(&text, handler->protocol);
        http_text_put(&text, "\r\n");
    }
    fields[text.len] = '\0';
    return http_respond(exchange, &response);
}

int websocket_accept(struct http_exchange *exchange,
                     const struct websocket_handler *handler, void *cookie)
{
    struct websocket *socket;
    int status = judge_handshake(exchange);

    assert(!exchange->is_answered);
    assert(handler->protocol == NULL || strlen(handler->protocol) <= 64);
    if (status != 0)
        return refuse(exchange, status);
    socket = mem_alloc_zeroed(sizeof(*socket));
    if (socket == NULL) {
        http_respond_status(exchange, 503);
        return -ENOMEM;
    }
    socket->exchange = exchange;
    socket->handler = handler;
    socket->cookie = cookie;
    socket->code = WEBSOCKET_LOST;
    socket->message_max = handler->message_max != 0 ? handler->message_max
                                                    : WEBSOCKET_MESSAGE_MAX;
    exchange->protocol = &protocol;
    exchange->protocol_data = socket;
    return send_handshake(exchange, handler);
}

void *websocket_cookie(const struct websocket *socket)
{
    return socket->cookie;
}
