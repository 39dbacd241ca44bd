/* Websockets: RFC 6455, on the HTTP server, in a world of the test. */
#include "tests/fakes/http_world.h"
/* the world first */
#include "net/http/peer/upgraded.c"
#include "net/http/peer/websocket.c"
#include "net/http/peer/websocket_frame.c"

/* ---- A server that answers with what it gets ----------------------------- */

static int opened, closed;
static unsigned closed_code;
static char said[1000]; /* "t:text" or "b:bytes", each with a ';' */
static struct websocket *last;
static int writable_calls;
static bool may_lose; /* there is no memory */
static char cookie[] = "cookie";

static void on_opened(struct websocket *socket)
{
    assert_ptr_equal(websocket_cookie(socket), cookie);
    last = socket;
    opened++;
}

static void on_said(struct websocket *socket, enum websocket_kind kind,
                    const char *data, size_t len)
{
    assert_int_equal(data[len], 0);
    if (strlen(said) + len + 4 < sizeof(said))
        sprintf(said + strlen(said), "%c:%s;",
                kind == WEBSOCKET_TEXT ? 't' : 'b', data);
    if (websocket_send(socket, kind, data, len) != 0)
        assert_true(may_lose);
}

static void on_room(struct websocket *socket)
{
    assert_ptr_equal(socket, last);
    writable_calls++;
}

static void on_closed(struct websocket *socket, unsigned code)
{
    assert_ptr_equal(socket, last);
    closed++;
    closed_code = code;
}

static const struct websocket_handler handler = {
    .protocol = "echo",
    .message_max = 70000,
    .open = on_opened,
    .message = on_said,
    .writable = on_room,
    .closed = on_closed,
};

static int accepted;

static void on_socket(struct http_exchange *exchange)
{
    accepted = websocket_accept(exchange, &handler, cookie);
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = on_socket},
};

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define HANDSHAKE                                         \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" \
    "Connection: keep-alive, Upgrade\r\n" KEY "Sec-WebSocket-Version: 13\r\n"

static struct socket *client;

static void begin_test(void)
{
    server_open(routes, 1);
    opened = closed = writable_calls = 0;
    closed_code = 0;
    said[0] = '\0';
    may_lose = false;
    client = client_open();
}

static void begin_open(void)
{
    begin_test();
    client_send(client, HANDSHAKE "\r\n");
    assert_int_equal(accepted, 0);
    assert_int_equal(opened, 1);
    out_clear(client);
}

static void end_test(void)
{
    client_free(client);
    assert_int_equal(opened, closed);
    server_close();
}

/* A frame of a client: its first byte, and its bytes. Returns its length. */
static size_t frame(char *to, uint8_t first, const char *bytes, size_t len)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;

    to[at++] = (char)first;
    if (len < 126) {
        to[at++] = (char)(0x80 | len);
    } else if (len < 65536) {
        to[at++] = (char)(0x80 | 126);
        to[at++] = (char)(len >> 8);
        to[at++] = (char)len;
    } else {
        to[at++] = (char)(0x80 | 127);
        for (int i = 7; i >= 0; i--)
            to[at++] = (char)((uint64_t)len >> (8 * i));
    }
    memcpy(to + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        to[at++] = (char)(bytes[i] ^ mask[i % 4]);
    return at;
}

static void send_frame_of(uint8_t first, const char *bytes, size_t len)
{
    static char text[80000];
    size_t size = frame(text, first, bytes, len);

    for (size_t at = 0; at < size; at += 30000)
        client_send_bytes(client, text + at,
                          size - at < 30000 ? size - at : 30000);
}

/* ---- The handshake ------------------------------------------------------- */

static void test_handshake(void **state)
{
    (void)state;
    begin_test();
    client_send(client, HANDSHAKE "Sec-WebSocket-Protocol: chat, echo\r\n\r\n");
    assert_int_equal(accepted, 0);
    /* The example of RFC 6455, 1.3. */
    assert_string_equal(
        out(client),
        "HTTP/1.1 101 Switching Protocols\r\nServer: Torc\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        "Sec-WebSocket-Protocol: echo\r\n\r\n");
    end_test();
    assert_int_equal(closed_code, WEBSOCKET_LOST);
}

static bool status_is(const char *status)
{
    return client->out_len > 12 && memcmp(client->out + 9, status, 3) == 0;
}

static void test_handshakes_that_are_refused(void **state)
{
    static const struct {
        const char *name, *request, *status;
    } rows[] = {
        {"no upgrade", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "426"},
        {"1.0",
         "GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY
         "Sec-WebSocket-Version: 13\r\n\r\n",
         "426"},
        {"HEAD",
         "HEAD / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\n" KEY "Sec-WebSocket-Version: 13\r\n\r\n",
         "426"},
        {"another protocol",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websockets\r\n"
         "Connection: Upgrade\r\n" KEY "Sec-WebSocket-Version: 13\r\n\r\n",
         "426"},
        {"no Connection",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" KEY
         "Sec-WebSocket-Version: 13\r\n\r\n",
         "426"},
        {"another version",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\n" KEY "Sec-WebSocket-Version: 8\r\n\r\n",
         "426"},
        {"no key",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"a short key",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\nSec-WebSocket-Key: AAAA\r\n"
         "Sec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"a key with bits too many",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="
         "\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"a key that is not base64",
         "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\nSec-WebSocket-Key: dGhl-HNhbXBsZSBub25jZQ=="
         "\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_test();
        client_send(client, rows[i].request);
        if (accepted != -EPROTO || !status_is(rows[i].status))
            fail_msg("%s: %s", rows[i].name, out(client));
        if (rows[i].status[0] == '4' && rows[i].status[2] == '6')
            assert_non_null(
                strstr(out(client), "Sec-WebSocket-Version: 13\r\n"));
        end_test();
    }
}

/* ---- Frames -------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *frames; /* of "FIRST LEN bytes": see send_rows() */
    const char *said;
    unsigned code; /* of closed(); 0: it is still open */
} rows[] = {
    {"a text", "81:hello", "t:hello;", 0},
    {"bytes", "82:\xff\xfe", "b:\xff\xfe;", 0},
    {"an empty text", "81:", "t:;", 0},
    {"fragments", "01:he|00:ll|80:o", "t:hello;", 0},
    {"a fragment of nothing", "01:|80:a", "t:a;", 0},
    {"a ping between", "01:he|89:x|80:llo", "t:hello;", 0},
    {"a pong unasked", "8a:x|81:a", "t:a;", 0},
    {"two texts", "81:a|81:b", "t:a;t:b;", 0},
    {"UTF-8", "81:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
     "t:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;", 0},
    {"UTF-8 in two", "01:\xe2\x82|80:\xac", "t:\xe2\x82\xac;", 0},
    {"half a character", "81:\xe2\x82", "", 1007},
    {"no UTF-8", "81:a\xff", "", 1007},
    {"an overlong one", "81:\xc0\x80", "", 1007},
    {"an overlong one of 3", "81:\xe0\x9f\xbf", "", 1007},
    {"an overlong one of 4", "81:\xf0\x8f\xbf\xbf", "", 1007},
    {"a surrogate", "81:\xed\xa0\x80", "", 1007},
    {"too large a one", "81:\xf4\x90\x80\x80", "", 1007},
    {"no such one", "81:\xf5\x80\x80\x80", "", 1007},
    {"a continuation alone", "81:\x80", "", 1007},
    {"a reserved bit", "c1:a", "", 1002},
    {"another", "91:a", "", 1002},
    {"an unknown opcode", "83:a", "", 1002},
    {"an unknown control", "8b:a", "", 1002},
    {"a fragment of a ping", "09:a", "", 1002},
    {"more of nothing", "80:a", "", 1002},
    {"a text within a text", "01:a|81:b", "", 1002},
    {"a close", "88:\x03\xe8", "", 1000},
    {"a close with a reason", "88:\x03\xe9why", "", 1001},
    {"an empty close", "88:", "", 1005},
    {"a close of one byte", "88:\x03", "", 1002},
    {"a code that is none", "88:\x03\xed", "", 1002},
    {"one below", "88:\x03\xe7", "", 1002},
    {"one between", "88:\x0b\xb7", "", 1002},
    {"one of applications", "88:\x0f\xa0", "", 4000},
    {"one above", "88:\x13\x88", "", 1002},
    {"a reason that is no text", "88:\x03\xe8\xff", "", 1007},
    {"half a reason", "88:\x03\xe8\xc3", "", 1007},
    {"after a close", "88:\x03\xe8|81:a", "", 1000},
};

/* All frames of a row, as bytes. */
static size_t row_bytes(size_t i, char *to)
{
    const char *p = rows[i].frames;
    size_t len = 0;

    while (*p != '\0') {
        const char *end = strchr(p, '|');
        size_t size = (end != NULL ? (size_t)(end - p) : strlen(p)) - 3;

        len += frame(to + len, (uint8_t)strtoul(p, NULL, 16), p + 3, size);
        p += 3 + size + (end != NULL);
    }
    return len;
}

static void test_each_row_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char bytes[200];
        size_t len = row_bytes(i, bytes);

        for (size_t cut = 0; cut <= len; cut++) {
            begin_open();
            client_send_bytes(client, bytes, cut);
            client_send_bytes(client, bytes + cut, len - cut);
            if (strcmp(said, rows[i].said) != 0 ||
                client->is_closed != (rows[i].code != 0))
                fail_msg("%s, cut at %zu: %s", rows[i].name, cut, said);
            end_test();
            assert_int_equal(closed_code,
                             rows[i].code != 0 ? rows[i].code : WEBSOCKET_LOST);
        }
    }
}

static void test_what_is_sent(void **state)
{
    static char text[70000];

    (void)state;
    begin_open();
    send_frame_of(0x81, "hi", 2);
    assert_memory_equal(out(client), "\x81\x02hi", 4);
    out_clear(client);
    send_frame_of(0x89, "ping", 4);
    assert_memory_equal(out(client), "\x8a\x04ping", 6);
    out_clear(client);
    memset(text, 'x', sizeof(text));
    send_frame_of(0x82, text, 125);
    assert_memory_equal(out(client), "\x82\x7dx", 3);
    out_clear(client);
    send_frame_of(0x82, text, 126);
    assert_memory_equal(out(client), "\x82\x7e\x00\x7ex", 5);
    assert_int_equal(client->out_len, 4 + 126);
    out_clear(client);
    send_frame_of(0x82, text, 65535);
    assert_memory_equal(out(client), "\x82\x7e\xff\xffx", 5);
    out_clear(client);
    send_frame_of(0x82, text, 65536);
    assert_memory_equal(out(client), "\x82\x7f\0\0\0\0\0\1\0\0x", 11);
    assert_int_equal(client->out_len, 10 + 65536);
    out_clear(client);
    send_frame_of(0x88, "\x03\xe8zz", 4);
    assert_memory_equal(out(client), "\x88\x02\x03\xe8", 4);
    assert_true(client->is_closed);
    end_test();
}

static void test_lengths_that_are_wrong(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        unsigned code;
    } lengths[] = {
        {"no mask", "\x81\x01", 2, 1002},
        {"126 that is 125", "\x82\xfe\x00\x7d", 4, 1002},
        {"127 that is 65535", "\x82\xff\0\0\0\0\0\0\xff\xff", 10, 1002},
        {"the highest bit", "\x82\xff\x80\0\0\0\0\0\0\0", 10, 1002},
        {"a long ping", "\x89\xfe\x00\x7e", 4, 1002},
        {"too large", "\x82\xff\0\0\0\0\0\1\x11\x71\1\2\3\4", 14, 1009},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        begin_open();
        client_send_bytes(client, lengths[i].bytes, lengths[i].len);
        if (!client->is_closed)
            fail_msg("%s", lengths[i].name);
        assert_memory_equal(out(client), "\x88\x02\x03", 3);
        assert_int_equal((uint8_t)out(client)[3], lengths[i].code - 0x300);
        end_test();
        assert_int_equal(closed_code, lengths[i].code);
    }
}

static void test_fragments_have_a_limit_together(void **state)
{
    static char text[70000];

    (void)state;
    begin_open();
    send_frame_of(0x02, text, 69999);
    send_frame_of(0x00, text, 1);
    assert_true(is_open(client));
    send_frame_of(0x80, text, 1);
    assert_true(client->is_closed);
    end_test();
    assert_int_equal(closed_code, WEBSOCKET_TOO_BIG);
}

/* ---- Back-pressure ------------------------------------------------------- */

static void test_a_peer_that_does_not_read_is_not_read(void **state)
{
    static char text[300000];
    size_t in_at;

    (void)state;
    begin_open();
    client->room = 10;
    send_frame_of(0x81, "0123456789", 10);
    send_frame_of(0x81, "abc", 3);
    assert_string_equal(said, "t:0123456789;");
    in_at = client->in_at;
    send_frame_of(0x81, "def", 3);
    assert_int_equal(client->in_at, in_at);
    client_takes(client, 1000);
    assert_string_equal(said, "t:0123456789;t:abc;t:def;");
    assert_int_equal(writable_calls, 1);
    assert_int_equal(client->out_len, 12 + 5 + 5);
    client->room = 0;
    assert_int_equal(websocket_send(last, WEBSOCKET_BINARY, text, 300000), 0);
    assert_int_equal(websocket_send(last, WEBSOCKET_BINARY, text, 1), -EAGAIN);
    assert_int_equal(websocket_send(last, 0, text, 1), -EINVAL);
    client_takes(client, 1000000);
    assert_int_equal(writable_calls, 2);
    assert_int_equal(websocket_send(last, WEBSOCKET_BINARY, text, 1), 0);
    client->room = 5; /* and one that never reads is dropped */
    assert_int_equal(websocket_send(last, WEBSOCKET_BINARY, text, 10), 0);
    pass(client, 75 * NS_PER_S);
    assert_true(client->is_aborted);
    end_test();
}

/* ---- Time ---------------------------------------------------------------- */

/* However much is sent in all, as long as the peer takes it. */
static void test_a_queue_that_is_never_empty(void **state)
{
    enum { LEN = 10000, FRAME = LEN + 4, AHEAD = 5, COUNT = 1000 };
    static char text[LEN];
    const struct http_exchange *exchange;

    (void)state;
    begin_open();
    exchange = client->cookie;
    client_takes(client, 0);
    for (int i = 0; i < COUNT; i++) {
        memset(text, 'a' + i % 26, LEN);
        assert_int_equal(websocket_send(last, WEBSOCKET_TEXT, text, LEN), 0);
        if (i < AHEAD)
            continue;
        client_takes(client, FRAME);
        assert_int_equal(client->out_len, FRAME);
        memset(text, 'a' + (i - AHEAD) % 26, LEN);
        assert_memory_equal(client->out + 4, text, LEN);
        out_clear(client);
        assert_int_equal(exchange->rest_len - exchange->rest_sent,
                         AHEAD * FRAME);
        assert_true(exchange->rest_len <= 3 * AHEAD * FRAME);
    }
    assert_true(is_open(client));
    client_takes(client, AHEAD * FRAME);
    assert_int_equal(client->out_len, AHEAD * FRAME);
    assert_null(exchange->rest);
    end_test();
}

static void test_a_silent_peer_is_asked(void **state)
{
    (void)state;
    begin_open();
    pass(client, 75 * NS_PER_S);
    assert_memory_equal(out(client), "\x89\x00", 3);
    send_frame_of(0x8a, "", 0);
    pass(client, 45 * NS_PER_S);
    assert_int_equal(client->out_len, 2);
    pass(client, 30 * NS_PER_S);
    assert_int_equal(client->out_len, 4);
    assert_true(is_open(client));
    pass(client, 75 * NS_PER_S);
    assert_true(client->is_aborted);
    end_test();
    assert_int_equal(closed_code, WEBSOCKET_LOST);
}

static void test_closing(void **state)
{
    (void)state;
    begin_open();
    websocket_close(last, 4001, "bye");
    websocket_close(last, 1000, NULL);
    assert_memory_equal(out(client),
                        "\x88\x05\x0f\xa1"
                        "bye",
                        8);
    assert_int_equal(websocket_send(last, WEBSOCKET_TEXT, "a", 1), -EPIPE);
    send_frame_of(0x81, "late", 4);
    send_frame_of(0x89, "late", 4);
    assert_string_equal(said, "");
    assert_int_equal(client->out_len, 7);
    assert_true(is_open(client));
    send_frame_of(0x88, "\x0f\xa1", 2);
    assert_true(client->is_closed);
    end_test();
    assert_int_equal(closed_code, 4001);
    begin_open(); /* and a peer that does not answer */
    websocket_close(last, 1001, NULL);
    pass(client, 15 * NS_PER_S);
    assert_true(client->is_aborted);
    end_test();
    begin_open(); /* or just goes */
    client_end(client);
    assert_true(client->is_closed);
    end_test();
    assert_int_equal(closed_code, WEBSOCKET_LOST);
}

static void test_without_memory(void **state)
{
    static char text[2000];
    bool failed = true;

    (void)state;
    for (int n = 1; failed; n++) {
        begin_test();
        may_lose = true;
        mem_fail_at = n;
        client_send(client, HANDSHAKE "\r\n");
        if (opened > 0) {
            client->room = 100;
            send_frame_of(0x01, text, 300);
            if (is_open(client))
                send_frame_of(0x80, text, 1000);
        }
        failed = mem_fail_at == 0;
        mem_fail_at = 0;
        client_takes(client, 10000);
        end_test();
        if (!failed)
            assert_int_equal(opened, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_handshakes_that_are_refused),
        cmocka_unit_test(test_each_row_in_every_cut),
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_lengths_that_are_wrong),
        cmocka_unit_test(test_fragments_have_a_limit_together),
        cmocka_unit_test(test_a_peer_that_does_not_read_is_not_read),
        cmocka_unit_test(test_a_queue_that_is_never_empty),
        cmocka_unit_test(test_a_silent_peer_is_asked),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
