#include "net/http/content.h"
#include "net/http/head.h"
#include "net/http/peer/response.h"
#include <torc/assert.h>
#include <torc/http_client.h>
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    OUTPUT_SIZE = 16 * 1024,
    CHUNK_HEAD = 6,   /* "3ff0\r\n" */
    PARTS_MAX = 8000, /* bytes of the target and of the host together */
    INTERIM_MAX = 16, /* responses before the final one */
};

enum client_state {
    CLIENT_READY,   /* a request may be sent */
    CLIENT_CONTENT, /* content of a response is to be read */
    CLIENT_ENDED,   /* the connection is of no use any more */
};

/* Owner: the CPU it was opened on. */
struct http_client {
    struct socket *socket;
    enum client_state state;
    struct http_response_head response;
    struct http_content content; /* of RESPONSE_LENGTH and RESPONSE_CHUNKED */
    char *head;                  /* of the response: HTTP_RESPONSE_MAX */
    size_t in_at;  /* bytes in `head` that were received and not used yet: */
    size_t in_len; /* [in_at, in_len) */
    char *fields;  /* a copy of the response's fields */
    char *output;  /* OUTPUT_SIZE */
};

int http_client_open(const struct net_endpoint *server, uint64_t deadline_ns,
                     struct http_client **out)
{
    struct http_client *client = mem_alloc_zeroed(sizeof(*client));
    int status = -ENOMEM;

    if (client == NULL)
        return -ENOMEM;
    client->head = mem_alloc(HTTP_RESPONSE_MAX);
    client->output = mem_alloc(OUTPUT_SIZE);
    if (client->head != NULL && client->output != NULL)
        status = socket_open_tcp(&client->socket);
    if (status == 0)
        status = socket_connect(client->socket, server, deadline_ns);
    if (status == 0)
        *out = client;
    else
        http_client_close(client);
    return status;
}

void http_client_close(struct http_client *client)
{
    if (client == NULL)
        return;
    if (client->socket != NULL)
        socket_close(client->socket);
    mem_free(client->fields);
    mem_free(client->output);
    mem_free(client->head);
    mem_free(client);
}

/* The connection is of no use any more; returns `status`. */
static int64_t end_with(struct http_client *client, int64_t status)
{
    client->state = CLIENT_ENDED;
    return status == -EAGAIN ? -ETIMEDOUT : status;
}

/* ---- Requests ------------------------------------------------------------ */

static int send_all(struct http_client *client, const char *bytes, size_t size,
                    uint64_t deadline_ns)
{
    int64_t sent;

    sent = socket_write(client->socket, bytes, size, deadline_ns);
    if (sent == (int64_t)size)
        return 0;
    return sent < 0 ? (int)sent : -ETIMEDOUT;
}

/* Whether a part of a request line or a field has no blanks or control
 * characters. */
static bool is_word(const char *text)
{
    size_t len = 0;

    for (; text[len] != '\0'; len++) {
        unsigned char c = (unsigned char)text[len];

        if (c <= ' ' || c == 0x7f || len > PARTS_MAX)
            return false;
    }
    return len > 0;
}

static int check_request(const struct http_client_request *request)
{
    struct span fields =
        span_of(request->fields != NULL ? request->fields : "");

    if (!span_is_token(span_of(request->method)) || !is_word(request->target) ||
        !is_word(request->host) || !http_fields_are_valid(fields))
        return -EINVAL;
    if (strlen(request->method) + strlen(request->target) +
                strlen(request->host) >
            PARTS_MAX ||
        fields.len > HTTP_CLIENT_FIELDS_MAX)
        return -EMSGSIZE;
    return 0;
}

static void put_head(const struct http_client_request *request,
                     struct http_text *text)
{
    http_text_put(text, request->method);
    http_text_put(text, " ");
    http_text_put(text, request->target);
    http_text_put(text, " HTTP/1.1\r\nHost: ");
    http_text_put(text, request->host);
    http_text_put(text, "\r\n");
    if (request->fields != NULL)
        http_text_put(text, request->fields);
    if (request->read != NULL) {
        http_text_put(text, "Transfer-Encoding: chunked\r\n");
    } else if (request->body_len > 0 || str_equal(request->method, "POST") ||
               str_equal(request->method, "PUT")) {
        http_text_put(text, "Content-Length: "); /* RFC 9110, 8.6 */
        http_text_put_number(text, request->body_len);
        http_text_put(text, "\r\n");
    }
    http_text_put(text, "\r\n");
}

/* Content of unknown length: RFC 9112, 7.1. */
static int send_chunks(struct http_client *client,
                       const struct http_client_request *request,
                       uint64_t deadline_ns)
{
    static const char digits[] = "0123456789abcdef";
    char *output = client->output;

    for (;;) {
        int64_t got = request->read(request->cookie, output + CHUNK_HEAD,
                                    OUTPUT_SIZE - CHUNK_HEAD - 2);
        int status;

        if (got < 0)
            return (int)got;
        if (got == 0)
            return send_all(client, "0\r\n\r\n", 5, deadline_ns);
        assert(got <= OUTPUT_SIZE - CHUNK_HEAD - 2);
        for (int i = 0; i < 4; i++)
            output[i] = digits[(unsigned)got >> (12 - 4 * i) & 15];
        memcpy(output + 4, "\r\n", 2);
        memcpy(output + CHUNK_HEAD + got, "\r\n", 2);
        status =
            send_all(client, output, CHUNK_HEAD + (size_t)got + 2, deadline_ns);
        if (status != 0)
            return status;
    }
}

static int send_request(struct http_client *client,
                        const struct http_client_request *request,
                        uint64_t deadline_ns)
{
    struct http_text text = {client->output, OUTPUT_SIZE, 0};
    size_t with_head = 0;
    int status;

    put_head(request, &text);
    if (request->read == NULL && request->body_len > 0 &&
        request->body_len <= OUTPUT_SIZE - text.len) {
        with_head = request->body_len; /* in one piece */
        http_text_put_span(&text, (struct span){request->body, with_head});
    }
    status = send_all(client, text.at, text.len, deadline_ns);
    if (status != 0)
        return status;
    if (request->read != NULL)
        return send_chunks(client, request, deadline_ns);
    if (request->body_len == with_head)
        return 0;
    return send_all(client, request->body, request->body_len, deadline_ns);
}

/* ---- Responses ----------------------------------------------------------- */

/* As socket_read(), which tells of a deadline only when it has to wait: a
 * server that never pauses would be read for ever. */
static int64_t read_some(struct http_client *client, void *buf, size_t size,
                         uint64_t deadline_ns)
{
    if (time_ns() >= deadline_ns)
        return -ETIMEDOUT;
    return socket_read(client->socket, buf, size, deadline_ns);
}

/* Receive more bytes behind those that are there: how many, 0: the peer has
 * ended its side, or an error. */
static int64_t receive(struct http_client *client, uint64_t deadline_ns)
{
    int64_t got;

    if (client->in_at > 0) {
        client->in_len -= client->in_at;
        memmove(client->head, client->head + client->in_at, client->in_len);
        client->in_at = 0;
    }
    assert(client->in_len < HTTP_RESPONSE_MAX);
    got = read_some(client, client->head + client->in_len,
                    HTTP_RESPONSE_MAX - client->in_len, deadline_ns);
    if (got > 0)
        client->in_len += (size_t)got;
    return got;
}

/* Content begins to be received where the head was. */
static int keep_fields(struct http_client *client)
{
    struct span fields = client->response.fields;

    mem_free(client->fields);
    client->fields = mem_alloc(fields.len + 1);
    if (client->fields == NULL)
        return -ENOMEM;
    memcpy(client->fields, fields.at, fields.len);
    client->response.fields.at = client->fields;
    return 0;
}

/* The head of the final response: 0 or an error. */
static int read_head(struct http_client *client, bool is_head,
                     uint64_t deadline_ns)
{
    unsigned interim = 0;

    for (;;) {
        int len = http_response_parse(client->head + client->in_at,
                                      client->in_len - client->in_at, is_head,
                                      &client->response);
        int64_t got;

        if (len < 0)
            return len;
        if (len > 0) {
            client->in_at += (size_t)len;
            if (client->response.status == 101)
                return -EPROTO; /* we have not asked for it */
            if (client->response.status >= 200)
                return keep_fields(client);
            if (interim++ == INTERIM_MAX)
                return -EPROTO;
            continue;
        }
        got = receive(client, deadline_ns);
        if (got <= 0)
            return got < 0 ? (int)got : -ECONNRESET;
    }
}

/* All content is read. Bytes behind it are no answer to anything. */
static void content_end(struct http_client *client)
{
    bool goes_on =
        client->response.keep_alive && client->in_at == client->in_len;

    client->state = goes_on ? CLIENT_READY : CLIENT_ENDED;
}

static void content_begin(struct http_client *client)
{
    const struct http_response_head *response = &client->response;

    client->state = CLIENT_CONTENT;
    http_content_start(&client->content, response->framing == RESPONSE_CHUNKED,
                       response->framing == RESPONSE_LENGTH ? response->length
                                                            : 0);
    if (response->framing != RESPONSE_TO_END &&
        client->content.state == CONTENT_COMPLETE)
        content_end(client);
}

int http_client_request(struct http_client *client,
                        const struct http_client_request *request,
                        uint64_t deadline_ns)
{
    int status = check_request(request);

    if (status != 0)
        return status;
    if (client->state == CLIENT_CONTENT)
        return -EBUSY;
    if (client->state == CLIENT_ENDED)
        return -ENOTCONN;
    status = send_request(client, request, deadline_ns);
    if (status == 0)
        status =
            read_head(client, str_equal(request->method, "HEAD"), deadline_ns);
    if (status != 0)
        return (int)end_with(client, status);
    content_begin(client);
    return client->response.status;
}

struct span http_client_field(const struct http_client *client,
                              const char *name)
{
    return http_fields_find(client->response.fields, name);
}

uint64_t http_client_length(const struct http_client *client)
{
    switch (client->response.framing) {
    case RESPONSE_EMPTY:
        return 0;
    case RESPONSE_LENGTH:
        return client->response.length;
    default:
        return HTTP_CLIENT_LENGTH_UNKNOWN;
    }
}

/* ---- Content ------------------------------------------------------------- */

/* Content up to the end of the connection. */
static int64_t read_to_end(struct http_client *client, void *buf, size_t size,
                           uint64_t deadline_ns)
{
    size_t have = client->in_len - client->in_at;
    int64_t got;

    if (have > 0) {
        if (size > have)
            size = have;
        memcpy(buf, client->head + client->in_at, size);
        client->in_at += size;
        return (int64_t)size;
    }
    got = read_some(client, buf, size, deadline_ns);
    if (got <= 0)
        client->state = CLIENT_ENDED;
    return got == -EAGAIN ? -ETIMEDOUT : got;
}

/* Take from what was received: how many bytes of data, or -EPROTO. */
static int64_t take(struct http_client *client, void *buf, size_t size)
{
    size_t have = client->in_len - client->in_at;
    struct span data;
    int64_t count;

    /* No more than there is room for; framing between data is short. */
    if (client->content.state == CONTENT_DATA && have > size)
        have = size;
    else if (client->content.state != CONTENT_DATA)
        have = 1;
    count = http_content_take(&client->content, client->head + client->in_at,
                              have, &data);
    if (count < 0)
        return -EPROTO;
    memcpy(buf, data.at, data.len);
    client->in_at += (size_t)count;
    return (int64_t)data.len;
}

int64_t http_client_read(struct http_client *client, void *buf, size_t size,
                         uint64_t deadline_ns)
{
    int64_t got;

    assert(size > 0);
    if (client->state != CLIENT_CONTENT)
        return 0;
    if (client->response.framing == RESPONSE_TO_END)
        return read_to_end(client, buf, size, deadline_ns);
    while (client->content.state != CONTENT_COMPLETE) {
        if (client->in_at == client->in_len) {
            got = receive(client, deadline_ns);
            if (got <= 0) /* an end that comes too early */
                return end_with(client, got < 0 ? got : -EPROTO);
        }
        got = take(client, buf, size);
        if (got < 0)
            return end_with(client, got);
        if (got > 0) {
            if (client->content.state == CONTENT_COMPLETE)
                content_end(client);
            return got;
        }
    }
    content_end(client);
    return 0;
}
