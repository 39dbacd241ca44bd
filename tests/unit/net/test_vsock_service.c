/* Services over vsock: which callbacks come; and many bytes, both ways. */
#include "tests/unit/net/vsock_bench.h"
#include <stdio.h>

/* What was called, as text: "a1 r1 c1" is accept, receive, close of port 1. */
static char calls[1000];
static struct socket *last;
static int accept_result, init_result;
static void (*in_receive)(struct socket *socket);

static void note(char what, struct socket *socket)
{
    static char bare[2];
    size_t len = strlen(calls);

    bare[0] = what;
    last = socket;
    if (socket_peer_vsock(socket).port == 0) /* it is over */
        snprintf(calls + len, sizeof(calls) - len, "%s ", bare);
    else
        snprintf(calls + len, sizeof(calls) - len, "%s%u ", bare,
                 socket_peer_vsock(socket).port);
}

static int on_init(struct service *service)
{
    (void)service;
    return init_result;
}

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    note('a', socket);
    return accept_result;
}

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    note('r', socket);
    if (in_receive != NULL)
        in_receive(socket);
}

static void on_writable(struct service *service, struct socket *socket)
{
    (void)service;
    note('w', socket);
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    note('c', socket);
}

static struct service service;

static void serve(void)
{
    plug();
    calls[0] = '\0';
    accept_result = init_result = 0;
    in_receive = NULL;
    service = (struct service){
        .name = "test",
        .init = on_init,
        .accept = on_accept,
        .receive = on_receive,
        .writable = on_writable,
        .close = on_close,
        .backlog = 3,
    };
    assert_int_equal(service_register_vsock(&service, PORT), 0);
    assert_true(console_has("vsock: test listens on port 5000"));
}

static void assert_calls(const char *want)
{
    settle();
    assert_string_equal(calls, want);
    calls[0] = '\0';
}

static void echo(struct socket *socket)
{
    char bytes[100];
    int64_t got;

    while ((got = socket_receive(socket, bytes, sizeof(bytes))) > 0)
        assert_int_equal(socket_send(socket, bytes, (size_t)got), got);
    if (got != -EAGAIN) {
        socket_close(socket);
        socket_close(socket); /* once more is nothing */
    }
}

static void test_echo(void **state)
{
    (void)state;
    serve();
    in_receive = echo;
    say(1, MODEL_REQUEST);
    (void)expect(1, MODEL_RESPONSE);
    assert_calls("a1 ");
    say_bytes(1, "hello", 5);
    assert_calls("r1 ");
    expect_bytes(1, "hello");
    say_bytes(1, "end", 3);
    say_shutdown(1, 2);
    assert_calls("r1 r1 c ");
    expect_bytes(1, "end");
    expect_shutdown(1, 3);
    say(1, MODEL_RST);
    assert_int_equal(stack_now()->count, 0);
    finish();
}

static void test_cannot_listen(void **state)
{
    struct service other = {.name = "other"};

    (void)state;
    serve();
    assert_int_equal(service_register_vsock(&other, PORT + 1), -EINVAL);
    other.receive = on_receive;
    assert_int_equal(service_register_vsock(&other, VSOCK_PORT_ANY), -EINVAL);
    assert_int_equal(service_register_vsock(&other, PORT), -EADDRINUSE);
    other.backlog = 65537;
    assert_int_equal(service_register_vsock(&other, PORT + 1), -EINVAL);
    other.backlog = 1;
    other.init = on_init;
    init_result = -EIO;
    assert_int_equal(service_register_vsock(&other, PORT + 1), -EIO);
    init_result = 0;
    assert_int_equal(service_register_vsock(&other, PORT + 1), 0);
    for (uint64_t n = 1; n <= 2; n++) {
        heap_fail(n);
        assert_int_equal(service_register_vsock(&other, PORT + 2), -ENOMEM);
        heap_fail(0);
    }
    finish();
}

static void test_refuses(void **state)
{
    (void)state;
    serve();
    accept_result = -1;
    say(1, MODEL_REQUEST);
    (void)expect(1, MODEL_RESPONSE);
    (void)expect(1, MODEL_RST);
    assert_calls("a1 ");
    assert_int_equal(stack_now()->count, 0);
    accept_result = 0;
    for (uint32_t port = 1; port <= 4; port++) { /* a backlog of three */
        say(port, MODEL_REQUEST);
        (void)expect(port, port == 4 ? MODEL_RST : MODEL_RESPONSE);
    }
    assert_calls("a1 a2 a3 ");
    say(2, MODEL_RST);
    assert_calls("c ");
    say(4, MODEL_REQUEST);
    (void)expect(4, MODEL_RESPONSE);
    assert_calls("a4 ");
    finish();
}

/* The peer resets: what has come is read first, and close() follows. */
static void test_reset_by_peer(void **state)
{
    char got[8];

    (void)state;
    serve();
    say(1, MODEL_REQUEST);
    (void)expect(1, MODEL_RESPONSE);
    say_bytes(1, "abc", 3);
    assert_calls("a1 r1 ");
    say(1, MODEL_RST);
    assert_calls("r1 w1 ");
    assert_int_equal(socket_send(last, "x", 1), -ECONNRESET);
    assert_int_equal(socket_receive(last, got, 1), 1);
    assert_calls("");
    assert_int_equal(socket_receive(last, got, 8), 2);
    assert_int_equal(socket_receive(last, got, 8), -ECONNRESET);
    assert_int_equal(socket_send(last, "x", 1), -ECONNRESET);
    assert_calls("c ");
    finish();
}

static void test_writable(void **state)
{
    static char bytes[1000];

    (void)state;
    peer_alloc = 100;
    serve();
    peer_alloc = 100;
    say(1, MODEL_REQUEST);
    (void)expect(1, MODEL_RESPONSE);
    assert_calls("a1 ");
    assert_int_equal(socket_send(last, bytes, 1000), 100);
    (void)expect(1, MODEL_RW);
    (void)expect(1, MODEL_CREDIT_REQUEST);
    peer_fwd = 60;
    say(1, MODEL_CREDIT_UPDATE);
    assert_calls("w1 ");
    assert_int_equal(socket_send(last, bytes, 10), 10);
    peer_fwd = 70;
    say(1, MODEL_CREDIT_UPDATE);
    assert_calls(""); /* it has taken all */
    socket_close(last);
    assert_calls("c ");
    finish();
}

/* Idle connections: timeout() is NULL, which closes them. */
static void test_idle(void **state)
{
    (void)state;
    serve();
    service.idle_ns = 10 * NS_PER_S;
    say(1, MODEL_REQUEST);
    (void)expect(1, MODEL_RESPONSE);
    time_passes(9 * NS_PER_S);
    say_bytes(1, "x", 1);
    assert_calls("a1 r1 ");
    time_passes(9 * NS_PER_S);
    assert_calls("");
    time_passes(2 * NS_PER_S);
    assert_calls("c ");
    expect_shutdown(1, 3);
    finish();
}

/* ---- Many bytes ---------------------------------------------------------- */

enum { MANY = 512 << 10 };

/* The counts of both directions begin here: they pass 2^32 on the way. */
#define BASE 0xfffc0000U

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static uint8_t in_at(uint32_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) + (at >> 16));
}

static uint8_t out_at(uint32_t at)
{
    return (uint8_t)(at * 11 + (at >> 7) + (at >> 15));
}

/* Where both ends are. */
static struct {
    uint32_t we_read, we_sent;                /* the application's */
    uint32_t peer_sent, peer_got, peer_taken; /* the peer's */
    uint32_t our_alloc, our_fwd;
    uint32_t promised; /* by the peer: so much it has had room for, at most */
} at;

static void we_read(struct socket *socket)
{
    static uint8_t bytes[70000];
    int64_t got = socket_read(socket, bytes, 1 + draw(sizeof(bytes) - 1), 0);
    unsigned differ = 0;

    if (got == -EAGAIN)
        return;
    assert_true(got > 0);
    for (int64_t i = 0; i < got; i++)
        differ += bytes[i] != in_at(at.we_read++);
    assert_int_equal(differ, 0);
}

static void we_send(struct socket *socket)
{
    static uint8_t bytes[70000];
    uint32_t len = 1 + draw(sizeof(bytes) - 1);
    int64_t sent;

    if (len > MANY - at.we_sent)
        len = MANY - at.we_sent;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = out_at(at.we_sent + i);
    sent = len == 0 ? -EAGAIN : socket_write(socket, bytes, len, 0);
    if (sent == -EAGAIN)
        return;
    assert_true(sent > 0);
    at.we_sent += (uint32_t)sent;
}

static void peer_takes(void)
{
    struct model_packet packet;
    unsigned differ = 0;

    while (draw(4) != 0 && vsock_model_take(&model, &packet, data)) {
        at.our_alloc = packet.buf_alloc;
        assert_true(packet.fwd_cnt - at.our_fwd <=
                    BASE + at.peer_sent - at.our_fwd);
        at.our_fwd = packet.fwd_cnt;
        for (uint32_t i = 0; i < packet.len; i++)
            differ += data[i] != out_at(at.peer_got++);
        assert_int_equal(differ, 0);
        /* It never sends more than the peer has room for. */
        assert_true(at.peer_got <= at.promised);
        if (packet.op == MODEL_CREDIT_REQUEST)
            at.peer_taken = at.peer_got;
    }
}

/* The peer reads some, and now and then says so. */
static void peer_reads(void)
{
    at.peer_taken += draw(at.peer_got - at.peer_taken + 1);
    if (draw(3) != 0)
        return;
    peer_fwd = BASE + at.peer_taken;
    if (draw(50) == 0)
        peer_alloc = 1 + draw(100000);
    if (at.peer_taken + peer_alloc > at.promised)
        at.promised = at.peer_taken + peer_alloc;
    say(1, MODEL_CREDIT_UPDATE);
}

static void peer_sends(void)
{
    static uint8_t bytes[MODEL_VSOCK_PUT_MAX];
    uint32_t len = 1 + draw(sizeof(bytes) - 1);
    uint32_t room = at.our_alloc - (BASE + at.peer_sent - at.our_fwd);

    if (len > room)
        len = room;
    if (len > MANY - at.peer_sent)
        len = MANY - at.peer_sent;
    if (len == 0)
        return;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = in_at(at.peer_sent + i);
    at.peer_sent += len;
    say_bytes(1, bytes, len);
}

static void test_many_bytes(void **state)
{
    struct socket *listener, *socket;
    unsigned turns = 0;

    (void)state;
    plug();
    memset(&at, 0, sizeof(at));
    listener = listener_open(0);
    peer_fwd = BASE;
    socket = accepted(listener, 1);
    socket->vsock->rx_cnt = socket->vsock->fwd_cnt = BASE;
    socket->vsock->fwd_told = at.our_fwd = BASE;
    at.our_alloc = 65536;
    at.promised = peer_alloc;
    while (at.we_read < MANY || at.peer_got < MANY) {
        unsigned what = draw(5);

        assert_true(turns++ < 1000000);
        if (what == 0)
            we_read(socket);
        else if (what == 1)
            we_send(socket);
        else if (what == 2)
            peer_takes();
        else if (what == 3)
            peer_reads();
        else
            peer_sends();
        settle();
        if (turns % 64 == 0)
            vsock_check(stack_now());
    }
    assert_int_equal(at.we_read, MANY);
    assert_int_equal(at.peer_got, MANY);
    socket_close(socket);
    socket_close(listener);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),       cmocka_unit_test(test_cannot_listen),
        cmocka_unit_test(test_refuses),    cmocka_unit_test(test_reset_by_peer),
        cmocka_unit_test(test_writable),   cmocka_unit_test(test_idle),
        cmocka_unit_test(test_many_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
