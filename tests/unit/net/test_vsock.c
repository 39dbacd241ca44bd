/* Sockets of threads over vsock: <torc/vsock.h>. */
#include "tests/unit/net/vsock_bench.h"

/* ---- The thinnest thing -------------------------------------------------- */

static void test_echo(void **state)
{
    static const uint64_t features[] = {0, UINT64_C(1) << 28, UINT64_C(1) << 29,
                                        UINT64_C(1) << 34 | UINT64_C(1) << 29 |
                                            UINT64_C(1) << 28};
    char got[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct socket *listener, *socket;

        plug_features(16, i >= 4, features[i % 4]);
        assert_true(console_has("the CID is 77"));
        listener = listener_open(0);
        socket = accepted(listener, HOST_PORT);
        assert_int_equal(socket_peer_vsock(socket).cid, HOST);
        assert_int_equal(socket_peer_vsock(socket).port, HOST_PORT);
        assert_int_equal(socket_local_vsock(socket).cid, OUR_CID);
        assert_int_equal(socket_local_vsock(socket).port, PORT);
        say_bytes(HOST_PORT, "hello", 5);
        assert_int_equal(socket_read(socket, got, sizeof(got), 0), 5);
        assert_int_equal(socket_write(socket, got, 5, 0), 5);
        expect_bytes(HOST_PORT, "hello");
        socket_close(socket);
        expect_shutdown(HOST_PORT, 3);
        say(HOST_PORT, MODEL_RST);
        expect_nothing();
        socket_close(listener);
        assert_int_equal(stack_now()->count, 0);
        finish();
    }
}

static void open_bench(void)
{
    plug();
    (void)stack_now();
}

/* ---- Opening and addresses ----------------------------------------------- */

static void test_addresses(void **state)
{
    static const char *const bad[] = {
        "",
        "vsock",
        "vsock:",
        "vsock:2",
        "vsock:2:",
        "vsock::3",
        "vsock:2:3:4",
        "vsock:2:4294967295",
        "vsock:x:3",
        "vsock:2:x",
        "tcp:2:3",
        "vsock:2:-1",
        "vsock:2: 3",
        "vsock:99999999999999999999:3",
        "vsock:2:1k",
    };
    struct vsock_address address = {7, 8};
    char text[VSOCK_ADDRESS_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(vsock_address_parse(bad[i], &address), -EINVAL);
        assert_int_equal(address.cid, 7);
    }
    assert_int_equal(vsock_address_parse("vsock:4294967294:0", &address), 0);
    assert_true(address.cid == 4294967294U && address.port == 0);
    vsock_address_format(text, &address);
    assert_string_equal(text, "vsock:4294967294:0");
}

static void test_without_a_device(void **state)
{
    struct service service = {.name = "none"};
    struct socket *socket;
    uint32_t cid;

    (void)state;
    models_reset();
    machine_attach(8 << 20);
    assert_int_equal(virtio_vsock_driver.probe(), 0);
    assert_int_equal(vsock_cid(&cid), -ENODEV);
    assert_int_equal(socket_open_vsock(&socket), -ENODEV);
    assert_int_equal(service_register_vsock(&service, PORT), -ENODEV);
    machine_detach();
}

/* What a socket of vsock is not for, and orders that cannot be. */
static void test_other_calls(void **state)
{
    const struct net_endpoint end = {.port = 80};
    const struct vsock_address host = {HOST, HOST_PORT};
    struct socket *listener, *socket, *other;
    uint64_t value;
    uint32_t cid = 0;
    char byte = 0;

    (void)state;
    open_bench();
    assert_int_equal(vsock_cid(&cid), 0);
    assert_int_equal(cid, OUR_CID);
    assert_int_equal(socket_open_vsock(&socket), 0);
    assert_int_equal(socket_listen(socket, 0), -EINVAL); /* no port */
    assert_int_equal(socket_bind(socket, &end), -EINVAL);
    assert_int_equal(socket_connect(socket, &end, 0), -EINVAL);
    assert_int_equal(socket_set_option(socket, SOCKET_NODELAY, 1), -EINVAL);
    assert_int_equal(socket_get_option(socket, SOCKET_NODELAY, &value),
                     -EINVAL);
    assert_int_equal(socket_accept(socket, &other, 0), -EINVAL);
    assert_int_equal(socket_send_to(socket, &byte, 1, &end), -EINVAL);
    assert_int_equal(socket_read(socket, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(socket_read(socket, &byte, 0, 0), -EINVAL);
    assert_int_equal(socket_write(socket, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(socket_shutdown(socket), -ENOTCONN);
    assert_int_equal(socket_send_room(socket), 0);
    assert_int_equal(socket_peer(socket).port, 0);
    assert_int_equal(socket_local(socket).port, 0);
    assert_int_equal(socket_peer_vsock(socket).cid, 0);
    assert_int_equal(socket_open_vsock(&other), 0);
    assert_int_equal(socket_bind_vsock(other, PORT), 0);
    listener = listener_open(3);
    assert_int_equal(socket_listen(other, 0), -EADDRINUSE);
    socket_close(other);
    assert_int_equal(socket_listen(listener, 0), -EINVAL);
    assert_int_equal(socket_listen(socket, 65537), -EINVAL);
    assert_int_equal(socket_bind_vsock(socket, PORT), -EADDRINUSE);
    assert_int_equal(socket_bind_vsock(socket, PORT + 1), 0);
    assert_int_equal(socket_listen(socket, 65537), -EINVAL);
    assert_int_equal(socket_bind_vsock(socket, PORT + 1), -EINVAL);
    assert_int_equal(socket_connect_start_vsock(listener, &host), -EINVAL);
    assert_int_equal(socket_connect_start_vsock(socket, &host), 0);
    assert_int_equal(socket_connect_start_vsock(socket, &host), -EINVAL);
    assert_int_equal(socket_listen(socket, 0), -EINVAL);
    assert_int_equal(socket_read(socket, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(socket_write(socket, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(socket_shutdown(socket), -ENOTCONN);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* ---- Connecting ---------------------------------------------------------- */

static int64_t run_connect(struct call *call)
{
    const struct vsock_address host = {HOST, HOST_PORT};

    return socket_connect_vsock(call->socket, &host, call->deadline);
}

static struct model_packet connect_begin(struct call *call, uint64_t deadline)
{
    *call = (struct call){.run = run_connect, .deadline = deadline};
    assert_int_equal(socket_open_vsock(&call->socket), 0);
    call_start(call);
    assert_false(call->is_done);
    return expect(HOST_PORT, MODEL_REQUEST);
}

static void answer(const struct model_packet *request, uint16_t op)
{
    struct model_packet packet = packet_from(HOST_PORT, op);

    packet.dst_port = request->src_port;
    put(&packet, NULL, 0);
}

static void test_connect(void **state)
{
    struct model_packet request, bytes;
    struct call call;

    (void)state;
    open_bench();
    request = connect_begin(&call, TIME_NEVER);
    assert_int_equal(request.src_cid, OUR_CID);
    assert_true(request.src_port >= 1024);
    assert_int_equal(request.buf_alloc, 65536);
    assert_int_equal(request.fwd_cnt, 0);
    answer(&request, MODEL_RESPONSE);
    assert_true(call.is_done);
    assert_int_equal(call.result, 0);
    assert_int_equal(socket_local_vsock(call.socket).port, request.src_port);
    assert_int_equal(socket_write(call.socket, "abc", 3, 0), 3);
    expect_bytes(HOST_PORT, "abc");
    bytes = packet_from(HOST_PORT, MODEL_RW);
    bytes.dst_port = request.src_port;
    bytes.len = 2;
    put(&bytes, "xy", 2);
    answer(&request, MODEL_RST); /* after a reset what has come is there */
    assert_reads(call.socket, "xy");
    assert_reads_error(call.socket, -ECONNRESET);
    socket_close(call.socket);
    finish();
}

/* The peer has no room yet: it is connected all the same. */
static void test_connect_without_credit(void **state)
{
    struct model_packet request;
    struct call call;

    (void)state;
    open_bench();
    request = connect_begin(&call, TIME_NEVER);
    peer_alloc = 0;
    answer(&request, MODEL_RESPONSE);
    assert_true(call.is_done);
    assert_int_equal(call.result, 0);
    assert_int_equal(socket_write(call.socket, "x", 1, 0), -EAGAIN);
    (void)expect(HOST_PORT, MODEL_CREDIT_REQUEST);
    socket_close(call.socket);
    finish();
}

/* A connection that is open wakes nobody. */
static void test_no_timer(void **state)
{
    struct model_packet request;
    struct socket *listener, *socket;
    struct timer *tick;
    struct call call;

    (void)state;
    open_bench();
    tick = &stack_now()->tick;
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    assert_false(timer_is_set(tick));
    request = connect_begin(&call, TIME_NEVER);
    assert_true(timer_is_set(tick));
    assert_true(tick->deadline_ns == time_ns() + VSOCK_CONNECT_NS);
    answer(&request, MODEL_RESPONSE);
    time_passes(VSOCK_CONNECT_NS); /* once more, and no more */
    assert_false(timer_is_set(tick));
    socket_close(socket); /* the earlier of two deadlines: */
    time_passes(NS_PER_S);
    socket_close(call.socket);
    assert_true(tick->deadline_ns == time_ns() - NS_PER_S + VSOCK_CLOSE_NS);
    time_passes(VSOCK_CLOSE_NS - NS_PER_S);
    assert_int_equal(stack_now()->count, 1);
    time_passes(NS_PER_S);
    assert_int_equal(stack_now()->count, 0);
    assert_false(timer_is_set(tick));
    socket_close(listener);
    finish();
}

static void test_connect_fails(void **state)
{
    struct model_packet request;
    struct call call;

    (void)state;
    open_bench();
    request = connect_begin(&call, TIME_NEVER); /* refused */
    answer(&request, MODEL_RST);
    assert_true(call.is_done);
    assert_int_equal(call.result, -ECONNREFUSED);
    expect_nothing();
    call.deadline = time_ns() + NS_PER_S; /* again, until the deadline */
    call_start(&call);
    (void)expect(HOST_PORT, MODEL_REQUEST);
    time_passes(2 * NS_PER_S);
    assert_true(call.is_done);
    assert_int_equal(call.result, -ETIMEDOUT);
    (void)expect(HOST_PORT, MODEL_RST);
    assert_int_equal(stack_now()->count, 0);
    call.deadline = TIME_NEVER; /* and until nobody answers for long */
    call_start(&call);
    (void)expect(HOST_PORT, MODEL_REQUEST);
    for (unsigned i = 0; i < 41; i++)
        time_passes(VSOCK_TICK_NS);
    assert_true(call.is_done);
    assert_int_equal(call.result, -ETIMEDOUT);
    (void)expect(HOST_PORT, MODEL_RST);
    call_start(&call); /* an answer that is none */
    request = expect(HOST_PORT, MODEL_REQUEST);
    answer(&request, MODEL_CREDIT_UPDATE);
    assert_int_equal(call.result, -ECONNRESET);
    (void)expect(HOST_PORT, MODEL_RST);
    socket_close(call.socket);
    finish();
}

/* A port that was chosen; the same two ends once only. */
static void test_connect_from(void **state)
{
    const struct vsock_address host = {HOST, HOST_PORT};
    struct socket *one, *two;

    (void)state;
    open_bench();
    assert_int_equal(socket_open_vsock(&one), 0);
    assert_int_equal(socket_open_vsock(&two), 0);
    assert_int_equal(socket_bind_vsock(one, 600), 0);
    assert_int_equal(socket_bind_vsock(two, 600), 0);
    assert_int_equal(socket_connect_start_vsock(one, &host), 0);
    assert_int_equal(expect(HOST_PORT, MODEL_REQUEST).src_port, 600);
    assert_int_equal(socket_connect_start_vsock(two, &host), -EADDRINUSE);
    socket_close(one); /* while it connects */
    (void)expect(HOST_PORT, MODEL_RST);
    assert_int_equal(socket_connect_start_vsock(two, &host), 0);
    socket_abort(two);
    /* Neither ports that are reserved nor one that listens are chosen. */
    stack_now()->next_port = UINT32_MAX;
    one = listener_open(0);
    assert_int_equal(socket_open_vsock(&two), 0);
    assert_int_equal(socket_connect_start_vsock(two, &host), 0);
    assert_int_equal(socket_local_vsock(two).port, 1024);
    socket_close(two);
    stack_now()->next_port = PORT;
    assert_int_equal(socket_open_vsock(&two), 0);
    assert_int_equal(socket_connect_start_vsock(two, &host), 0);
    assert_int_equal(socket_local_vsock(two).port, PORT + 1);
    socket_close(two);
    socket_close(one);
    finish();
}

/* ---- Accepting ----------------------------------------------------------- */

static int64_t run_accept(struct call *call)
{
    return socket_accept(call->socket, &call->out, call->deadline);
}

static void test_accept_waits(void **state)
{
    struct call call = {.run = run_accept, .deadline = TIME_NEVER};

    (void)state;
    open_bench();
    call.socket = listener_open(0);
    assert_int_equal(socket_accept(call.socket, &call.out, 0), -EAGAIN);
    call_start(&call);
    assert_false(call.is_done);
    say(HOST_PORT, MODEL_REQUEST);
    assert_true(call.is_done);
    assert_int_equal(call.result, 0);
    socket_abort(call.out);
    (void)expect(HOST_PORT, MODEL_RESPONSE);
    (void)expect(HOST_PORT, MODEL_RST);
    socket_close(call.socket);
    finish();
}

static void test_backlog(void **state)
{
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(2);
    for (uint32_t port = 1; port <= 2; port++) {
        say(port, MODEL_REQUEST);
        (void)expect(port, MODEL_RESPONSE);
    }
    say(3, MODEL_REQUEST);
    (void)expect(3, MODEL_RST);
    assert_int_equal(socket_accept(listener, &socket, 0), 0);
    assert_int_equal(socket_peer_vsock(socket).port, 1);
    say(3, MODEL_REQUEST);
    (void)expect(3, MODEL_RESPONSE);
    say(2, MODEL_RST); /* before it is accepted: it is none any more */
    say(4, MODEL_REQUEST);
    (void)expect(4, MODEL_RESPONSE);
    say_bytes(3, "early", 5);
    say_shutdown(3, 3);
    say(3, MODEL_RST); /* it has ended in order, and what it said is there */
    socket_close(socket);
    expect_shutdown(1, 3);
    assert_int_equal(socket_accept(listener, &socket, 0), 0);
    assert_int_equal(socket_peer_vsock(socket).port, 3);
    assert_reads(socket, "early");
    assert_reads_error(socket, 0);
    socket_close(socket);
    socket_close(listener); /* with one that waits */
    (void)expect(4, MODEL_RST);
    say(5, MODEL_REQUEST);
    (void)expect(5, MODEL_RST);
    finish();
}

/* ---- Packets of nobody --------------------------------------------------- */

static void test_strangers(void **state)
{
    struct model_packet packet;
    struct socket *listener;

    (void)state;
    open_bench();
    listener = listener_open(0);
    for (uint16_t op = 0; op < 10; op++) {
        if (op == MODEL_REQUEST)
            continue;
        say(HOST_PORT, op);
        if (op == MODEL_RST)
            expect_nothing();
        else
            (void)expect(HOST_PORT, MODEL_RST);
    }
    packet = packet_from(HOST_PORT, MODEL_REQUEST);
    packet.type = 2; /* the type comes back */
    put(&packet, NULL, 0);
    assert_true(vsock_model_take(&model, &packet, data));
    assert_int_equal(packet.op, MODEL_RST);
    assert_int_equal(packet.type, 2);
    for (unsigned i = 0; i < 4; i++) { /* not ours, or of nobody */
        packet = packet_from(HOST_PORT, MODEL_REQUEST);
        if (i == 0)
            packet.dst_cid = OUR_CID + 1;
        else if (i == 1)
            packet.dst_cid |= UINT64_C(1) << 32;
        else if (i == 2)
            packet.src_cid |= UINT64_C(1) << 63;
        if (i < 3)
            put(&packet, NULL, 0);
        else
            assert_true(vsock_model_put_raw(&model, (uint8_t[43]){0}, 43));
        expect_nothing();
    }
    assert_int_equal(stack_now()->count, 0);
    socket_close(listener);
    finish();
}

/* The same ports of another machine are another connection. */
static void test_another_cid(void **state)
{
    struct model_packet packet;
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    packet = packet_from(HOST_PORT, MODEL_RW);
    packet.src_cid = HOST + (1U << 24); /* of the same chain */
    packet.len = 1;
    put(&packet, "x", 1);
    assert_true(vsock_model_take(&model, &packet, data));
    assert_int_equal(packet.op, MODEL_RST);
    assert_int_equal(packet.dst_cid, HOST + (1U << 24));
    assert_reads_error(socket, -EAGAIN);
    say_bytes(HOST_PORT, "", 0); /* no bytes are no end */
    assert_reads_error(socket, -EAGAIN);
    say_bytes(HOST_PORT, "y", 1);
    assert_reads(socket, "y");
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* What ends a connection: each lie on one of its own. */
static void test_lies(void **state)
{
    static uint8_t bytes[200];
    struct model_packet packet;
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(0);
    for (uint32_t lie = 0; lie < 8; lie++) {
        uint32_t port = 100 + lie;
        size_t len = 10;

        socket = accepted(listener, port);
        assert_int_equal(socket_write(socket, bytes, 20, 0), 20);
        (void)expect(port, MODEL_RW);
        packet = packet_from(port, MODEL_RW);
        packet.len = 10;
        if (lie == 0)
            packet.len = 11; /* less than it says, */
        else if (lie == 1)
            packet.len = 9; /* or more */
        else if (lie == 2)
            packet.fwd_cnt = 21; /* it has read more than was sent */
        else if (lie == 3)
            packet.fwd_cnt = UINT32_MAX;
        else if (lie == 4)
            packet.op = MODEL_REQUEST;
        else if (lie == 5)
            packet.op = MODEL_RESPONSE;
        else if (lie == 6)
            packet.op = 99;
        else
            say_shutdown(port, 2); /* bytes behind the end */
        put(&packet, bytes, len);
        (void)expect(port, MODEL_RST);
        assert_reads_error(socket, -ECONNRESET);
        assert_int_equal(socket_write(socket, "x", 1, 0), -ECONNRESET);
        assert_int_equal(socket_shutdown(socket), -ENOTCONN);
        socket_close(socket);
        expect_nothing();
    }
    /* What is read again is right: nothing was lost by not lying. */
    socket = accepted(listener, HOST_PORT);
    assert_int_equal(socket_write(socket, bytes, 20, 0), 20);
    (void)expect(HOST_PORT, MODEL_RW);
    peer_fwd = 20;
    say(HOST_PORT, MODEL_CREDIT_UPDATE);
    expect_nothing();
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* ---- Credit -------------------------------------------------------------- */

/* The peer's: no byte more is sent, and it is asked for once. */
static void test_credit_of_the_peer(void **state)
{
    static uint8_t bytes[3000];
    struct socket *listener, *socket;
    struct socket_poll poll = {.events = SOCKET_CAN_SEND};

    (void)state;
    open_bench();
    listener = listener_open(0);
    peer_alloc = 1000;
    socket = accepted(listener, HOST_PORT);
    poll.socket = socket;
    assert_int_equal(socket_send_room(socket), 1000);
    assert_int_equal(socket_write(socket, bytes, sizeof(bytes), 0), 1000);
    assert_int_equal(expect(HOST_PORT, MODEL_RW).len, 1000);
    (void)expect(HOST_PORT, MODEL_CREDIT_REQUEST);
    assert_int_equal(socket_send_room(socket), 0);
    assert_int_equal(socket_write(socket, bytes, 1, 0), -EAGAIN);
    assert_int_equal(socket_wait(&poll, 1, 0), -EAGAIN);
    expect_nothing();
    say(HOST_PORT, MODEL_CREDIT_UPDATE); /* nothing new */
    assert_int_equal(socket_wait(&poll, 1, 0), -EAGAIN);
    peer_fwd = 400;
    say(HOST_PORT, MODEL_CREDIT_UPDATE);
    assert_int_equal(socket_wait(&poll, 1, 0), 1);
    assert_int_equal(socket_write(socket, bytes, sizeof(bytes), 0), 400);
    assert_int_equal(expect(HOST_PORT, MODEL_RW).len, 400);
    (void)expect(HOST_PORT, MODEL_CREDIT_REQUEST);
    peer_alloc = 500; /* a smaller buffer: 1000 are on their way */
    say(HOST_PORT, MODEL_CREDIT_UPDATE);
    assert_int_equal(socket_write(socket, bytes, 1, 0), -EAGAIN);
    peer_fwd = 1000;
    say(HOST_PORT, MODEL_CREDIT_UPDATE);
    assert_int_equal(socket_write(socket, bytes, sizeof(bytes), 0), 100);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* Ours: the counts are of all bytes ever, so that the peer may use all of the
 * buffer again when it was read, and no more. */
static void test_our_credit(void **state)
{
    static uint8_t bytes[4000], got[70000];
    struct socket *listener, *socket;
    struct model_packet update;
    uint32_t sent = 0;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    for (; sent + 4000 <= 65536; sent += 4000)
        say_bytes(HOST_PORT, bytes, 4000);
    say_bytes(HOST_PORT, bytes, 65536 - sent);
    expect_nothing();
    assert_int_equal(socket_read(socket, got, 10000, 0), 10000);
    expect_nothing(); /* less than a quarter */
    say(HOST_PORT, MODEL_CREDIT_REQUEST);
    update = expect(HOST_PORT, MODEL_CREDIT_UPDATE);
    assert_int_equal(update.fwd_cnt, 10000);
    assert_int_equal(update.buf_alloc, 65536);
    assert_int_equal(socket_read(socket, got, 16384, 0), 16384);
    assert_int_equal(expect(HOST_PORT, MODEL_CREDIT_UPDATE).fwd_cnt, 26384);
    assert_int_equal(socket_read(socket, got, sizeof(got), 0), 65536 - 26384);
    assert_int_equal(expect(HOST_PORT, MODEL_CREDIT_UPDATE).fwd_cnt, 65536);
    for (sent = 0; sent + 4000 <= 65536; sent += 4000)
        say_bytes(HOST_PORT, bytes, 4000);
    say_bytes(HOST_PORT, bytes, 65536 - sent);
    expect_nothing();
    say_bytes(HOST_PORT, bytes, 1); /* one byte more */
    (void)expect(HOST_PORT, MODEL_RST);
    assert_int_equal(socket_read(socket, got, sizeof(got), 0), 65536);
    assert_reads_error(socket, -ECONNRESET);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* ---- Both ends ----------------------------------------------------------- */

static void test_peek_and_slices(void **state)
{
    static uint8_t memory[16] = "0123456789abcdef";
    struct buf buf = {.base = memory, .size = sizeof(memory), .refs = 1};
    const struct slice slices[] = {{&buf, 2, 3}, {&buf, 10, 4}};
    struct socket *listener, *socket;
    char got[8];

    (void)state;
    open_bench();
    listener = listener_open(0);
    peer_alloc = 9;
    socket = accepted(listener, HOST_PORT);
    say_bytes(HOST_PORT, "peek", 4);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(socket_peek(socket, got, 2, 0), 2);
        assert_memory_equal(got, "pe", 2);
    }
    assert_true(socket_has_input(socket));
    assert_reads(socket, "peek");
    assert_false(socket_has_input(socket));
    assert_int_equal(socket_send_slices(socket, slices, 2, 0), 7);
    expect_bytes(HOST_PORT, "234");
    expect_bytes(HOST_PORT, "abcd");
    assert_int_equal(socket_lend(socket, "", 0, slices, 2), 2);
    expect_bytes(HOST_PORT, "23");
    (void)expect(HOST_PORT, MODEL_CREDIT_REQUEST);
    assert_int_equal(socket_lend(socket, "x", 1, slices, 2), 0);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* The peer sends no more: all that has come is read, then the end; the other
 * direction goes on. */
static void test_peer_ends_its_side(void **state)
{
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    say_bytes(HOST_PORT, "last words", 10);
    say_shutdown(HOST_PORT, 2);
    assert_reads(socket, "last words");
    assert_reads_error(socket, 0);
    assert_reads_error(socket, 0);
    assert_int_equal(socket_write(socket, "answer", 6, 0), 6);
    expect_bytes(HOST_PORT, "answer");
    say_shutdown(HOST_PORT, 0); /* what was said holds */
    assert_reads_error(socket, 0);
    socket_close(socket);
    expect_shutdown(HOST_PORT, 3);
    say(HOST_PORT, MODEL_RST);
    assert_int_equal(stack_now()->count, 0);
    socket_close(listener);
    finish();
}

/* The peer reads no more, but sends. */
static void test_peer_reads_no_more(void **state)
{
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    say_shutdown(HOST_PORT, 1);
    assert_int_equal(socket_write(socket, "x", 1, 0), -EPIPE);
    assert_int_equal(socket_send_room(socket), 0);
    say_bytes(HOST_PORT, "more", 4);
    assert_reads(socket, "more");
    assert_reads_error(socket, -EAGAIN);
    say_bytes(HOST_PORT, "end", 3);
    say_shutdown(HOST_PORT, 2); /* both, in two words */
    expect_nothing();
    assert_reads(socket, "end");
    (void)expect(HOST_PORT, MODEL_RST); /* the answer, when all is read */
    assert_reads_error(socket, 0);
    assert_int_equal(socket_write(socket, "x", 1, 0), -EPIPE);
    socket_close(socket);
    expect_nothing();
    assert_int_equal(stack_now()->count, 0);
    socket_close(listener);
    finish();
}

static void test_we_end_our_side(void **state)
{
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    assert_int_equal(socket_write(socket, "bye", 3, 0), 3);
    assert_int_equal(socket_shutdown(socket), 0);
    assert_int_equal(socket_shutdown(socket), 0);
    expect_bytes(HOST_PORT, "bye");
    expect_shutdown(HOST_PORT, 2);
    expect_nothing();
    assert_int_equal(socket_write(socket, "x", 1, 0), -EPIPE);
    say_bytes(HOST_PORT, "still", 5);
    assert_reads(socket, "still");
    say_shutdown(HOST_PORT, 3); /* nothing is unread: the answer comes now */
    (void)expect(HOST_PORT, MODEL_RST);
    assert_reads_error(socket, 0);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* Who waits for bytes hears of them, and of no others. */
static void test_bytes_are_waited_for(void **state)
{
    struct socket *listener, *socket;
    struct socket_poll poll = {.events = SOCKET_CAN_READ};

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = poll.socket = accepted(listener, HOST_PORT);
    assert_int_equal(socket_wait(&poll, 1, 0), -EAGAIN);
    say_bytes(HOST_PORT, "all", 3);
    assert_int_equal(socket_wait(&poll, 1, 0), 1);
    assert_int_equal(poll.ready, SOCKET_CAN_READ);
    assert_reads(socket, "all");
    assert_int_equal(socket_wait(&poll, 1, 0), -EAGAIN);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* A reset behind the peer's end of data is an end in order. */
static void test_reset_behind_the_end(void **state)
{
    struct socket *listener, *socket;
    struct socket_poll poll = {.events = 0};

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = poll.socket = accepted(listener, HOST_PORT);
    say_bytes(HOST_PORT, "all", 3);
    say_shutdown(HOST_PORT, 3);
    assert_int_equal(socket_wait(&poll, 1, 0), -EAGAIN);
    say(HOST_PORT, MODEL_RST);
    assert_int_equal(socket_wait(&poll, 1, 0), 1);
    assert_int_equal(poll.ready, SOCKET_HAS_ENDED);
    assert_int_equal(socket_write(socket, "x", 1, 0), -EPIPE);
    assert_reads(socket, "all");
    assert_reads_error(socket, 0);
    assert_int_equal(socket_wait(&poll, 1, 0), 1);
    socket_close(socket);
    socket = accepted(listener, HOST_PORT); /* and is not read at all */
    say_bytes(HOST_PORT, "all", 3);
    say(HOST_PORT, MODEL_RST);
    socket_close(socket);
    assert_int_equal(stack_now()->count, 0);
    expect_nothing();
    socket_close(listener);
    finish();
}

/* The peer does not answer our end. */
static void test_close_times_out(void **state)
{
    struct socket *listener, *socket;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    socket_close(socket);
    expect_shutdown(HOST_PORT, 3);
    say_bytes(HOST_PORT, "late", 4); /* what was on its way is dropped */
    say_shutdown(HOST_PORT, 2);
    for (unsigned i = 0; i < 31; i++)
        time_passes(VSOCK_TICK_NS);
    expect_nothing();
    time_passes(VSOCK_TICK_NS);
    (void)expect(HOST_PORT, MODEL_RST);
    assert_int_equal(stack_now()->count, 0);
    time_passes(VSOCK_TICK_NS);
    assert_false(timer_is_set(&stack_now()->tick));
    /* Both end at once; and the peer begins anew before it has answered. */
    for (unsigned i = 0; i < 2; i++) {
        socket = accepted(listener, HOST_PORT);
        socket_close(socket);
        expect_shutdown(HOST_PORT, 3);
        if (i == 0)
            say_shutdown(HOST_PORT, 3);
        else
            say(HOST_PORT, MODEL_REQUEST);
        (void)expect(HOST_PORT, MODEL_RST);
        assert_int_equal(stack_now()->count, 0);
    }
    socket_close(listener);
    finish();
}

/* ---- A queue that is full ------------------------------------------------ */

/* The device takes nothing: packets are owed, in their order, bytes wait with
 * the application, and at last nothing is received. */
static void test_device_is_slow(void **state)
{
    static uint8_t bytes[200000];
    struct socket *listener, *socket, *other;
    struct socket_poll poll = {.events = SOCKET_CAN_SEND};
    struct model_packet packet;
    uint64_t len;

    (void)state;
    open_bench();
    listener = listener_open(0);
    peer_alloc = 1000000;
    socket = poll.socket = accepted(listener, HOST_PORT);
    other = accepted(listener, 1);
    len = (uint64_t)socket_write(socket, bytes, sizeof(bytes), 0);
    assert_int_equal(len, 16 * (8192 - 64)); /* all buffers */
    assert_int_equal(socket_wait(&poll, 1, 0), -EAGAIN);
    assert_int_equal(socket_send_room(socket), 0);
    assert_int_equal(socket_write(other, "x", 1, 0), -EAGAIN);
    assert_int_equal(socket_shutdown(other), 0);
    say(1, MODEL_CREDIT_REQUEST);
    for (uint32_t port = 1000; port < 1000 + VSOCK_STRAYS; port++)
        say(port, MODEL_RW);
    packet = packet_from(2000, MODEL_RW); /* stays with the device's ring */
    put(&packet, NULL, 0);
    assert_int_equal(stack_now()->stray_count, VSOCK_STRAYS);
    vsock_check(stack_now());
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(expect(HOST_PORT, MODEL_RW).len, 8192 - 64);
    for (uint32_t port = 1000; port < 1000 + VSOCK_STRAYS; port++)
        (void)expect(port, MODEL_RST);
    (void)expect(2000, MODEL_RST);
    (void)expect(1, MODEL_CREDIT_UPDATE);
    expect_shutdown(1, 2);
    expect_nothing();
    assert_int_equal(socket_wait(&poll, 1, 0), 1);
    assert_int_equal(socket_write(socket, bytes, 5, 0), 5);
    (void)expect(HOST_PORT, MODEL_RW);
    socket_close(other);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* Resets that are owed to connections that nobody has any more. */
static void test_aborts_with_a_full_queue(void **state)
{
    static uint8_t bytes[200000];
    struct socket *listener, *socket, *aborted[3];

    (void)state;
    open_bench();
    listener = listener_open(0);
    peer_alloc = 1000000;
    socket = accepted(listener, HOST_PORT);
    for (uint32_t i = 0; i < 3; i++)
        aborted[i] = accepted(listener, i);
    assert_true(socket_write(socket, bytes, sizeof(bytes), 0) > 0);
    assert_int_equal(socket_shutdown(aborted[0]), 0);
    for (unsigned i = 0; i < 3; i++)
        socket_abort(aborted[i]);
    vsock_check(stack_now());
    say(1, MODEL_RST);            /* the peer was first */
    say(2, MODEL_CREDIT_REQUEST); /* behind a reset nothing is owed */
    say_shutdown(2, 3);
    assert_int_equal(stack_now()->count, 3);
    for (unsigned i = 0; i < 16; i++)
        (void)expect(HOST_PORT, MODEL_RW);
    (void)expect(0, MODEL_RST);
    (void)expect(2, MODEL_RST);
    expect_nothing();
    assert_int_equal(stack_now()->count, 1);
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* ---- Bounds -------------------------------------------------------------- */

/* So many connections, and no more; those that were closed give way. */
static void test_too_many(void **state)
{
    const struct vsock_address host = {HOST, 1};
    struct socket *listener, *socket[16], *more;

    (void)state;
    plug_features(6, false, 0);
    listener = listener_open(100);
    assert_int_equal(stack_now()->count_max, 16);
    for (uint32_t i = 0; i < 16; i++)
        socket[i] = accepted(listener, i);
    say(16, MODEL_REQUEST);
    (void)expect(16, MODEL_RST);
    assert_int_equal(socket_open_vsock(&more), 0);
    assert_int_equal(socket_connect_start_vsock(more, &host), -ENOBUFS);
    socket_close(socket[3]);
    expect_shutdown(3, 3);
    socket_close(socket[4]);
    expect_shutdown(4, 3);
    socket[3] = accepted(listener, 17);
    say(3, MODEL_CREDIT_UPDATE); /* it is forgotten, */
    (void)expect(3, MODEL_RST);
    say(4, MODEL_CREDIT_UPDATE); /* and this one is not */
    expect_nothing();
    /* One that has ended counts until it was read. */
    say_bytes(5, "x", 1);
    say(5, MODEL_RST);
    socket[4] = accepted(listener, 18);
    say(19, MODEL_REQUEST);
    (void)expect(19, MODEL_RST);
    assert_reads(socket[5], "x");
    say(19, MODEL_REQUEST);
    (void)expect(19, MODEL_RESPONSE);
    for (unsigned i = 0; i < 16; i++)
        socket_abort(socket[i]);
    socket_close(more);
    socket_close(listener);
    finish();
}

/* The n-th allocation fails, for each n: nothing is lost or leaked. */
static unsigned scenario(void)
{
    const struct vsock_address host = {HOST, 1};
    struct socket *listener = NULL, *socket = NULL, *out = NULL;
    struct model_packet packet;
    unsigned made = 0;

    if (socket_open_vsock(&listener) == 0) {
        assert_int_equal(socket_bind_vsock(listener, PORT), 0);
        made += socket_listen(listener, 0) == 0;
        made++;
    }
    if (socket_open_vsock(&out) == 0)
        made += 1 + (socket_connect_start_vsock(out, &host) == 0);
    packet = packet_from(HOST_PORT, MODEL_REQUEST);
    if (vsock_model_put(&model, &packet, NULL, 0))
        settle();
    if (made >= 3 && socket_accept(listener, &socket, 0) == 0) {
        say_bytes(HOST_PORT, "hello", 5);
        assert_reads(socket, "hello");
        socket_abort(socket);
        made++;
    }
    if (out != NULL)
        socket_close(out);
    if (listener != NULL)
        socket_close(listener);
    settle();
    while (vsock_model_take(&model, &packet, data))
        settle();
    return made;
}

static void test_out_of_memory(void **state)
{
    unsigned failures = 0, made = 0;

    (void)state;
    for (uint64_t n = 1; n < 30; n++) {
        size_t blocks;
        bool failed;

        open_bench();
        (void)scenario(); /* what stays is there now */
        blocks = stats().block_count;
        heap_fail(n);
        made = scenario();
        failed = heap_failed();
        heap_fail(0);
        assert_int_equal(stack_now()->count, 0);
        assert_int_equal(stats().block_count, blocks);
        finish();
        failures += failed;
        if (!failed)
            break;
        assert_true(made < 5);
    }
    assert_int_equal(made, 5);
    assert_true(failures >= 8);
}

/* ---- The device ---------------------------------------------------------- */

static void test_transport_reset(void **state)
{
    struct socket *listener, *socket, *waiting;

    (void)state;
    open_bench();
    listener = listener_open(0);
    socket = accepted(listener, HOST_PORT);
    say_bytes(HOST_PORT, "kept", 4);
    waiting = accepted(listener, 1);
    say(2, MODEL_REQUEST);
    (void)expect(2, MODEL_RESPONSE);
    assert_true(vsock_model_event(&model, 1, 4)); /* none that is known */
    settle();
    assert_true(vsock_model_event(&model, 0, 3)); /* too short */
    settle();
    assert_reads_error(waiting, -EAGAIN);
    for (unsigned i = 0; i < 6; i++) { /* buffers come back */
        vsock_model_set_cid(&model, OUR_CID + 1 + i);
        assert_true(vsock_model_event(&model, 0, 4));
        settle();
    }
    expect_nothing();
    assert_reads(socket, "kept");
    assert_reads_error(socket, -ECONNRESET);
    assert_reads_error(waiting, -ECONNRESET);
    assert_int_equal(stack_now()->count, 0);
    assert_int_equal(stack_now()->device->cid, OUR_CID + 6);
    socket_close(socket);
    socket_close(waiting);
    say(3, MODEL_REQUEST); /* to the CID of before */
    expect_nothing();
    vsock_model_set_cid(&model, OUR_CID);
    assert_true(vsock_model_event(&model, 0, 4));
    settle();
    socket = accepted(listener, HOST_PORT); /* who listens goes on */
    socket_close(socket);
    socket_close(listener);
    finish();
}

static int64_t run_read(struct call *call)
{
    return socket_read(call->socket, call->bytes, call->size, call->deadline);
}

static void test_device_is_lost(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 5; way++) {
        struct call accept = {.run = run_accept, .deadline = TIME_NEVER};
        struct call read = {.run = run_read, .deadline = TIME_NEVER};
        struct socket *socket;
        static uint8_t bytes[200000];
        uint8_t byte;

        plug_features(16, way == 4, 0);
        peer_alloc = sizeof(bytes);
        accept.socket = listener_open(0);
        read.socket = accepted(accept.socket, HOST_PORT);
        read.bytes = &byte;
        read.size = 1;
        call_start(&accept);
        call_start(&read);
        if (way == 0)
            model_use_raw(&model, MODEL_VSOCK_RX, 500, 8);
        else if (way == 1)
            model_used_index(&model, MODEL_VSOCK_TX, 500);
        else if (way == 2)
            model_use_raw(&model, MODEL_VSOCK_EVENT, 0, 5);
        else if (way == 3)
            vsock_model_set_cid(&model, 2);
        if (way == 4)
            model_need_reset(&model);
        else if (way == 3)
            assert_true(vsock_model_event(&model, 0, 4));
        else
            model_interrupt(&model, way == 1 ? MODEL_VSOCK_TX : way);
        if (way == 1) /* found by who sends, and has no buffer */
            assert_true(socket_write(read.socket, bytes, sizeof(bytes), 0) > 0);
        settle();
        assert_true(console_has(way == 3   ? "has no valid CID"
                                : way == 4 ? "asks to be reset"
                                           : "breaks the rules of its queue"));
        assert_int_equal(model.status, 0);
        assert_true(read.is_done);
        assert_int_equal(read.result, -ECONNRESET);
        assert_true(accept.is_done);
        assert_int_equal(accept.result, -ENODEV);
        assert_int_equal(socket_open_vsock(&socket), -ENODEV);
        assert_int_equal(socket_bind_vsock(accept.socket, 1), -ENODEV);
        assert_int_equal(socket_connect_vsock(accept.socket,
                                              &(struct vsock_address){HOST, 1},
                                              0),
                         -ENODEV);
        assert_int_equal(socket_write(read.socket, "x", 1, 0), -ECONNRESET);
        socket_close(read.socket);
        socket_close(accept.socket);
        finish();
    }
}

static int on_other_cpu(void *arg)
{
    struct socket *socket;
    uint32_t cid;

    (void)arg;
    if (socket_open_vsock(&socket) != -EXDEV)
        return 1;
    return vsock_cid(&cid) == -EXDEV ? 0 : 2;
}

static int elsewhere(void *arg)
{
    const struct thread_attr attr = {
        .name = "other", .place = THREAD_ON_CPU, .cpu = 1};
    thread_id id;
    int status = 3;

    (void)arg;
    if (thread_create(&attr, on_other_cpu, NULL, &id) != 0 ||
        thread_join(id, &status) != 0)
        return 4;
    return status;
}

static void test_other_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, elsewhere, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_without_a_device),
        cmocka_unit_test(test_other_calls),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_connect_without_credit),
        cmocka_unit_test(test_no_timer),
        cmocka_unit_test(test_connect_fails),
        cmocka_unit_test(test_connect_from),
        cmocka_unit_test(test_accept_waits),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_another_cid),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_credit_of_the_peer),
        cmocka_unit_test(test_our_credit),
        cmocka_unit_test(test_peek_and_slices),
        cmocka_unit_test(test_peer_ends_its_side),
        cmocka_unit_test(test_peer_reads_no_more),
        cmocka_unit_test(test_we_end_our_side),
        cmocka_unit_test(test_bytes_are_waited_for),
        cmocka_unit_test(test_reset_behind_the_end),
        cmocka_unit_test(test_close_times_out),
        cmocka_unit_test(test_device_is_slow),
        cmocka_unit_test(test_aborts_with_a_full_queue),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_transport_reset),
        cmocka_unit_test(test_device_is_lost),
        cmocka_unit_test(test_other_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
