/*
 * Hostile clients of the HTTP server and of websockets: bytes in whatever
 * pieces the fuzzer says, while the client reads or not, time passes, and
 * memory is short.
 *
 * Input: one byte, whether the handshake is made before; then steps. A step is
 * a byte n: below 160, the next n + 1 bytes are sent as they are; below 200,
 * the next n - 159 bytes are sent masked, behind the head of a frame whose
 * first byte is the next one; else something else happens.
 */
#include "tests/fakes/http_world.h"
/* the world first */
#include "net/http/peer/upgraded.c"
#include "net/http/peer/websocket.c"
#include "net/http/peer/websocket_frame.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_exchange *late;
static int begun;

static void on_message(struct websocket *socket, enum websocket_kind kind,
                       const char *data, size_t len)
{
    struct utf8 utf8 = {.more = 0};

    if (kind == WEBSOCKET_TEXT &&
        (!utf8_take(&utf8, data, len) || !utf8_is_whole(&utf8)))
        abort();
    if (websocket_send(socket, kind, data, len) != 0)
        return;
    if (len > 0 && data[0] == 'q')
        websocket_close(socket, 1000, data);
}

static const struct websocket_handler handler = {.message_max = 3000,
                                                 .message = on_message};

static void on_socket(struct http_exchange *exchange)
{
    if (websocket_accept(exchange, &handler, NULL) != 0)
        return;
}

static void on_begin(struct http_exchange *exchange)
{
    (void)exchange;
    begun++;
}

static int64_t on_content(struct http_exchange *exchange, const void *data,
                          size_t size)
{
    late = exchange;
    if (memchr(data, '!', size) != NULL)
        return -422;
    return memchr(data, '?', size) != NULL ? (int64_t)size / 2 : (int64_t)size;
}

static void on_complete(struct http_exchange *exchange)
{
    const struct http_response response = {
        .status = 200,
        .body = "0123456789",
        .body_len = 10,
        .etag = "\"a\"",
    };

    late = exchange;
    if (http_query(exchange).len > 0 && http_query(exchange).len % 2 == 0)
        return;
    if (http_respond(exchange, &response) != 0)
        abort();
}

static void on_end(struct http_exchange *exchange)
{
    if (late == exchange)
        late = NULL;
    begun--;
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/ws", .complete = on_socket},
    {.path = "/*",
     .begin = on_begin,
     .content = on_content,
     .complete = on_complete,
     .end = on_end,
     .content_max = 5000},
};

static void do_step(uint8_t what, struct socket *client)
{
    switch (what % 8) {
    case 0:
        client->room = 0;
        break;
    case 1:
        client_takes(client, 100);
        break;
    case 2:
        client_takes(client, 1000000);
        break;
    case 3:
        if (late != NULL)
            http_resume(late);
        break;
    case 4:
        pass(client, 15 * NS_PER_S);
        break;
    case 5:
        mem_fail_at = 2;
        break;
    case 6:
        client_end(client);
        break;
    default:
        mem_fail_at = 0;
        break;
    }
}

/* A frame whose bytes are masked with zeros. */
static void send_frame_bytes(struct socket *client, uint8_t first,
                             const uint8_t *bytes, size_t len)
{
    char text[6 + 64] = {(char)first, (char)(0x80 | len)};

    memcpy(text + 6, bytes, len);
    client_send_bytes(client, text, 6 + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socket *client;

    if (size < 2)
        return 0;
    server_open(routes, COUNT_OF(routes));
    late = NULL;
    begun = 0;
    client = client_open();
    if (data[0] % 2 == 1)
        client_send(client, "GET /ws HTTP/1.1\r\nHost: h\r\n"
                            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                            "Sec-WebSocket-Version: 13\r\n\r\n");
    for (size_t i = 1; i < size; i++) {
        size_t len = (size_t)data[i] + 1;

        if (data[i] >= 200) {
            do_step(data[i], client);
            continue;
        }
        if (len > 160)
            len -= 159; /* and the first byte of the frame */
        if (len > size - i - 1)
            len = size - i - 1;
        if (client->in_len + 100 + len >= sizeof(client->in))
            break;
        if (data[i] < 160)
            client_send_bytes(client, (const char *)data + i + 1, len);
        else if (len > 1)
            send_frame_bytes(client, data[i + 1], data + i + 2, len - 1);
        i += len;
    }
    client_free(client);
    if (begun != 0)
        abort();
    errors_logged = 0;
    server_close();
    return 0;
}
