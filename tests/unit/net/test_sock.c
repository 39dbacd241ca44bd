/* The sockets of threads: <torc/socket.h>. What TCP does for them is in
 * test_tcp_connect.c and test_half_close.c. */
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "net/ip4.h"
#include "tests/fakes/call.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/thread.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { LISTEN_PORT = 80, IRS = 1000 };

static struct net_endpoint end_of(uint32_t address, uint16_t port)
{
    return (struct net_endpoint){addr_of_ip4(address), port};
}

/* A socket that listens on LISTEN_PORT. */
static struct socket *listen_on(unsigned backlog)
{
    const struct net_endpoint local = {.port = LISTEN_PORT};
    struct socket *listener;

    assert_int_equal(socket_open_tcp(&listener), 0);
    assert_int_equal(socket_bind(listener, &local), 0);
    assert_int_equal(socket_listen(listener, backlog), 0);
    return listener;
}

static void open_bench(void)
{
    bench_open(64);
    call_threads(2);
}

/* ---- A thread that makes one call that waits ----------------------------- */

struct call {
    int64_t (*run)(struct call *call);
    struct socket *socket;
    struct socket *out;
    const void *data;
    char buf[32];
    size_t size;
    uint64_t deadline;
    bool is_done;
    int64_t result;
};

static int call_run(void *arg)
{
    struct call *call = arg;

    call->is_done = false;
    call->result = call->run(call);
    call->is_done = true;
    return 0;
}

static int64_t run_accept(struct call *call)
{
    return socket_accept(call->socket, &call->out, call->deadline);
}

static int64_t run_read(struct call *call)
{
    return socket_read(call->socket, call->buf, call->size, call->deadline);
}

static int64_t run_peek(struct call *call)
{
    return socket_peek(call->socket, call->buf, call->size, call->deadline);
}

static int64_t run_write(struct call *call)
{
    return socket_write(call->socket, call->data, call->size, call->deadline);
}

static int64_t run_connect(struct call *call)
{
    const struct net_endpoint remote = end_of(PEER_ADDRESS, 7000);

    return socket_connect(call->socket, &remote, call->deadline);
}

/* ---- Accepting ----------------------------------------------------------- */

static void test_accept_waits_for_a_connection(void **state)
{
    struct call call = {.run = run_accept, .deadline = TIME_NEVER};

    (void)state;
    open_bench();
    call.socket = listen_on(0);
    assert_int_equal(socket_accept(call.socket, &call.out, 0), -EAGAIN);
    call_start(call_run, &call);
    assert_waits(&call);
    peer_connect(7, IRS, 60000);
    assert_done(&call, 0);
    assert_int_equal(socket_peer(call.out).port, 7);
    assert_int_equal(socket_local(call.out).port, LISTEN_PORT);
    socket_close(call.socket);
    /* What was accepted goes on without the listener. */
    assert_int_equal(socket_send(call.out, "x", 1), 1);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 1, .port = 7});
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 8});
    peer_expect({.flags = RST | ACK, .seq = 0 - bench.iss, .ack = 2});
    socket_abort(call.out);
    bench_close();
}

static void test_accept_gives_up(void **state)
{
    struct call call = {.run = run_accept};

    (void)state;
    open_bench();
    call.socket = listen_on(0);
    call.deadline = bench.now + NS_PER_S;
    call_start(call_run, &call);
    bench_sleep(NS_PER_S - 1);
    assert_waits(&call);
    bench_sleep(1);
    assert_done(&call, -EAGAIN);
    socket_close(call.socket);
    bench_close();
}

/* The backlog counts what waits, not what was accepted. */
static void test_backlog(void **state)
{
    struct socket *listener, *taken;

    (void)state;
    open_bench();
    listener = listen_on(1);
    peer_connect(1, IRS, 60000);
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 2});
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.tcp_backlog_full, 1);
    assert_int_equal(socket_accept(listener, &taken, 0), 0);
    bench_check();
    peer_connect(2, IRS, 60000);
    socket_close(taken);
    /* The second one is reset, and so is one that is half open. */
    bench.relative = false;
    socket_close(listener);
    bench_check();
    assert_int_equal(bench.stack->conn_count, 1); /* the first one's FIN */
    bench_close();
}

/* What waits to be accepted has no service that could close it. */
static void test_what_waits_is_not_evicted(void **state)
{
    struct socket *listener;

    (void)state;
    open_bench();
    listener = listen_on(1);
    peer_connect(1, IRS, 60000);
    bench_sleep(3600 * NS_PER_S);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 2});
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.tcp_backlog_full, 1);
    assert_int_equal(bench.stack->stats.tcp_evicted, 0);
    socket_close(listener);
    bench_close();
}

static void test_closed_before_accepted(void **state)
{
    struct socket *listener, *taken;

    (void)state;
    open_bench();
    listener = listen_on(0);
    peer_connect(1, IRS, 60000);
    peer_send((struct peer_segment){.flags = RST, .seq = IRS + 1, .port = 1});
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(socket_accept(listener, &taken, 0), -EAGAIN);
    socket_close(listener);
    bench_close();
}

static void test_half_open_when_the_listener_closes(void **state)
{
    struct socket *listener;
    struct peer_segment got;

    (void)state;
    open_bench();
    listener = listen_on(0);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = IRS, .port = 1});
    assert_true(peer_receive(&got));
    socket_close(listener);
    peer_expect(
        {.flags = RST | ACK, .seq = got.seq + 1, .ack = IRS + 1, .port = 1});
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

static void test_addresses_of_listeners(void **state)
{
    enum { SECOND = 0x0a000009 };
    const struct net_endpoint second = end_of(SECOND, LISTEN_PORT);
    const struct net_endpoint first = end_of(OUR_ADDRESS, LISTEN_PORT);
    const struct net_endpoint all = {.port = LISTEN_PORT};
    struct socket *one, *two, *three, *four;

    (void)state;
    open_bench();
    assert_int_equal(ip4_address_add(bench.stack, SECOND, 0xffffff00), 0);
    assert_int_equal(socket_open_tcp(&one), 0);
    assert_int_equal(socket_listen(one, 0), -EINVAL); /* no port */
    assert_int_equal(socket_bind(one, &second), 0);
    assert_int_equal(socket_listen(one, 70000), -EINVAL);
    assert_int_equal(socket_listen(one, 0), 0);
    assert_int_equal(socket_listen(one, 0), -EINVAL);
    assert_int_equal(socket_open_tcp(&two), 0);
    assert_int_equal(socket_bind(two, &all), 0);
    assert_int_equal(socket_listen(two, 0), -EADDRINUSE);
    assert_int_equal(socket_open_tcp(&three), 0);
    assert_int_equal(socket_bind(three, &second), 0);
    assert_int_equal(socket_listen(three, 0), -EADDRINUSE); /* the same */
    assert_int_equal(socket_open_tcp(&four), 0);
    assert_int_equal(socket_bind(four, &first), 0);
    assert_int_equal(socket_listen(four, 0), 0); /* another address */
    socket_close(four);
    socket_close(three);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = IRS, .port = 1});
    peer_expect({.flags = RST | ACK, .ack = IRS + 1}); /* to the first one */
    peer_send((struct peer_segment){
        .flags = SYN, .seq = IRS, .port = 1, .own = SECOND});
    assert_int_equal(bench.stack->half_open_count, 1);
    socket_close(one);
    assert_int_equal(socket_listen(two, 0), 0);
    socket_close(two);
    bench_close();
}

/* ---- Connecting ---------------------------------------------------------- */

static void test_connect_waits(void **state)
{
    struct call call = {.run = run_connect, .deadline = TIME_NEVER};
    struct peer_segment got;

    (void)state;
    open_bench();
    assert_int_equal(socket_open_tcp(&call.socket), 0);
    call_start(call_run, &call);
    assert_waits(&call);
    bench.relative = false;
    assert_true(peer_receive(&got));
    peer_send((struct peer_segment){.flags = SYN | ACK,
                                    .seq = IRS,
                                    .ack = got.seq + 1,
                                    .window = 1000,
                                    .port = 7000,
                                    .target = got.target});
    assert_done(&call, 0);
    socket_abort(call.socket);
    bench_close();
}

static void test_connect_gives_up(void **state)
{
    struct call call = {.run = run_connect};

    (void)state;
    open_bench();
    assert_int_equal(socket_open_tcp(&call.socket), 0);
    call.deadline = bench.now + 2 * NS_PER_S;
    call_start(call_run, &call);
    bench_sleep(2 * NS_PER_S - 1);
    assert_waits(&call);
    bench_sleep(1);
    assert_done(&call, -ETIMEDOUT);
    assert_int_equal(bench.stack->conn_count, 0);
    socket_close(call.socket);
    bench_close();
}

/* ---- Bytes --------------------------------------------------------------- */

/* A connection from port 7 that was accepted. */
static struct socket *connected(uint16_t window)
{
    struct socket *listener = listen_on(0);
    struct socket *taken;

    peer_connect(7, IRS, window);
    assert_int_equal(socket_accept(listener, &taken, 0), 0);
    socket_close(listener);
    return taken;
}

static void peer_says(uint8_t flags, uint32_t seq, const char *text)
{
    peer_send((struct peer_segment){.flags = flags | ACK,
                                    .seq = IRS + seq,
                                    .ack = 1,
                                    .window = 60000,
                                    .port = 7,
                                    .data = text,
                                    .len = strlen(text)});
}

static void test_read_waits_for_bytes(void **state)
{
    struct call call = {
        .run = run_read, .size = sizeof(call.buf), .deadline = TIME_NEVER};

    (void)state;
    open_bench();
    call.socket = connected(60000);
    assert_int_equal(socket_read(call.socket, call.buf, 1, 0), -EAGAIN);
    assert_int_equal(socket_read(call.socket, call.buf, 0, 0), -EINVAL);
    call_start(call_run, &call);
    assert_waits(&call);
    peer_says(0, 1, "hello");
    assert_done(&call, 5);
    assert_memory_equal(call.buf, "hello", 5);
    call.run = run_peek;
    call.size = 2;
    call_start(call_run, &call);
    assert_waits(&call);
    peer_says(0, 6, "you");
    assert_done(&call, 2);
    assert_memory_equal(call.buf, "yo", 2);
    assert_int_equal(socket_read(call.socket, call.buf, 8, 0), 3);
    assert_memory_equal(call.buf, "you", 3);
    call.run = run_read;
    call_start(call_run, &call);
    peer_says(FIN, 9, "");
    assert_done(&call, 0);
    assert_int_equal(socket_peek(call.socket, call.buf, 1, 0), 0);
    socket_abort(call.socket);
    bench_close();
}

static void test_read_ends_with_the_connection(void **state)
{
    struct call call = {
        .run = run_read, .size = sizeof(call.buf), .deadline = TIME_NEVER};
    struct call other = {
        .run = run_read, .size = sizeof(call.buf), .deadline = TIME_NEVER};

    (void)state;
    open_bench();
    call.socket = other.socket = connected(60000);
    call_start(call_run, &call);
    call_start(call_run, &other); /* two threads may wait for one socket */
    peer_says(RST, 1, "");
    assert_done(&call, -ECONNRESET);
    assert_done(&other, -ECONNRESET);
    assert_int_equal(socket_shutdown(call.socket), -ENOTCONN);
    assert_int_equal(socket_peek(call.socket, call.buf, 1, 0), -ECONNRESET);
    socket_close(call.socket);
    bench_close();
}

/* The peer takes and acknowledges `size` bytes, which must be these. */
static void take_all(const uint8_t *data, uint32_t size)
{
    struct peer_segment got;
    uint32_t taken = 0;

    for (unsigned i = 0; i < 5000 && taken < size; i++) {
        while (peer_receive(&got)) {
            if (got.len == 0 || got.seq != 1 + taken)
                continue;
            assert_memory_equal(got.data, data + taken, got.len);
            taken += (uint32_t)got.len;
        }
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = IRS + 1,
                                        .ack = 1 + taken,
                                        .window = 60000,
                                        .port = 7});
        thread_yield();
    }
    assert_int_equal(taken, size);
}

/* All is queued, however long that takes; or as much as the deadline allows. */
static void test_write_waits_for_room(void **state)
{
    enum { SIZE = 3 * TCP_SEND_BUFFER };
    static uint8_t data[SIZE];
    struct call call = {.run = run_write, .data = data, .size = SIZE};

    (void)state;
    open_bench();
    for (unsigned i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    call.socket = connected(60000);
    call.deadline = TIME_NEVER;
    call_start(call_run, &call);
    assert_waits(&call);
    take_all(data, SIZE);
    assert_done(&call, SIZE);
    bench_conn(PEER_ADDRESS, 7, LISTEN_PORT)->cwnd = 10000; /* less room */
    call.deadline = bench.now + NS_PER_S;
    call_start(call_run, &call);
    assert_waits(&call);
    bench_sleep(NS_PER_S);
    thread_yield();
    assert_true(call.is_done);
    assert_in_range(call.result, 1, SIZE - 1);
    assert_int_equal(socket_write(call.socket, data, 1, 0), -EAGAIN);
    socket_abort(call.socket);
    bench_close();
}

static void test_slices(void **state)
{
    struct buf *buf;
    struct slice slices[2];
    struct peer_segment got;
    struct socket *socket;

    (void)state;
    open_bench();
    buf = buf_alloc(4096);
    assert_non_null(buf);
    memcpy(buf->base, "0123456789", 10);
    slices[0] = (struct slice){buf, 2, 3};
    slices[1] = (struct slice){buf, 7, 2};
    socket = connected(60000);
    assert_int_equal(socket_send_slices(socket, slices, 2, 0), 5);
    assert_true(peer_receive(&got));
    assert_memory_equal(got.data, "234", 3);
    assert_true(peer_receive(&got));
    assert_memory_equal(got.data, "78", 2);
    assert_int_equal(socket_shutdown(socket), 0);
    assert_int_equal(socket_send_slices(socket, slices, 2, 0), -EPIPE);
    socket_abort(socket);
    assert_int_equal(buf->refs, 1);
    buf_put(buf);
    bench_close();
}

static int64_t run_slices(struct call *call)
{
    const struct slice *slice = call->data;

    return socket_send_slices(call->socket, slice, 1, call->deadline);
}

/* A slice that is larger than the room is lent piece by piece. */
static void test_slices_wait_for_room(void **state)
{
    enum { SIZE = 3 * TCP_SEND_BUFFER };
    struct buf *buf;
    struct slice slice;
    struct call call = {
        .run = run_slices, .data = &slice, .deadline = TIME_NEVER};

    (void)state;
    open_bench();
    buf = buf_alloc(SIZE);
    assert_non_null(buf);
    for (unsigned i = 0; i < SIZE; i++)
        buf->base[i] = (uint8_t)(i * 7 + (i >> 8));
    slice = (struct slice){buf, 100, SIZE - 100};
    call.socket = connected(60000);
    call_start(call_run, &call);
    assert_waits(&call);
    take_all(buf->base + 100, SIZE - 100);
    assert_done(&call, SIZE - 100);
    socket_abort(call.socket);
    assert_int_equal(buf->refs, 1);
    buf_put(buf);
    bench_close();
}

static struct slice bytes[SEND_PIECES_MAX + 10];

static int64_t run_many_slices(struct call *call)
{
    return socket_send_slices(call->socket, bytes, COUNT_OF(bytes),
                              call->deadline);
}

/* More slices than may wait: a thread lets the others run meanwhile. */
static void test_many_slices(void **state)
{
    struct call call = {.run = run_many_slices, .deadline = TIME_NEVER};
    struct buf *buf;

    (void)state;
    open_bench();
    buf = buf_alloc(COUNT_OF(bytes));
    assert_non_null(buf);
    for (uint32_t i = 0; i < COUNT_OF(bytes); i++) {
        buf->base[i] = (uint8_t)(i * 7 + (i >> 8));
        bytes[i] = (struct slice){buf, i, 1};
    }
    call.socket = connected(60000);
    call_start(call_run, &call);
    assert_waits(&call);
    take_all(buf->base, COUNT_OF(bytes));
    assert_done(&call, COUNT_OF(bytes));
    socket_abort(call.socket);
    assert_int_equal(buf->refs, 1);
    buf_put(buf);
    bench_close();
}

static int64_t run_write_without_memory(struct call *call)
{
    heap_fail(1);
    return run_write(call);
}

/* Nor does it ask for memory again at once. */
static void test_write_waits_for_memory(void **state)
{
    struct call call = {.run = run_write_without_memory,
                        .data = "hello",
                        .size = 5,
                        .deadline = TIME_NEVER};

    (void)state;
    open_bench();
    bench.stack->budget.lent_max = 0; /* nor is there a packet */
    call.socket = connected(60000);
    call_start(call_run, &call);
    assert_waits(&call);
    assert_true(heap_failed());
    bench_sleep(10 * NS_PER_MS);
    assert_done(&call, 5);
    socket_abort(call.socket);
    bench_close();
}

/* ---- Many ---------------------------------------------------------------- */

static struct socket_poll polls[3];

static int64_t run_wait(struct call *call)
{
    return socket_wait(polls, 3, call->deadline);
}

static void test_wait_for_many(void **state)
{
    struct call call = {.run = run_wait, .deadline = TIME_NEVER};
    const struct net_endpoint to = end_of(OUR_ADDRESS, 5000);
    const struct net_endpoint local = {.port = 5000};
    char buf[8];

    (void)state;
    open_bench();
    polls[0] = (struct socket_poll){.socket = connected(60000),
                                    .events = SOCKET_CAN_READ};
    polls[1] =
        (struct socket_poll){.socket = listen_on(0), .events = SOCKET_CAN_READ};
    assert_int_equal(socket_open_udp(&polls[2].socket), 0);
    polls[2].events = SOCKET_CAN_READ;
    assert_int_equal(socket_bind(polls[2].socket, &local), 0);
    assert_int_equal(socket_wait(polls, 0, 0), -EINVAL);
    assert_int_equal(socket_wait(polls, 3, 0), -EAGAIN);
    call_start(call_run, &call);
    assert_waits(&call);
    peer_says(0, 1, "x");
    assert_done(&call, 1);
    assert_int_equal(polls[0].ready, SOCKET_CAN_READ);
    assert_int_equal(polls[1].ready, 0);
    assert_int_equal(polls[2].ready, 0);
    assert_int_equal(socket_read(polls[0].socket, buf, 8, 0), 1);
    call_start(call_run, &call);
    assert_waits(&call);
    peer_connect(9, IRS, 1000);
    assert_done(&call, 1);
    assert_int_equal(polls[1].ready, SOCKET_CAN_READ);
    assert_int_equal(socket_send_to(polls[2].socket, "dg", 2, &to), 0);
    bench_run();
    assert_int_equal(socket_wait(polls, 3, 0), 2);
    assert_int_equal(polls[2].ready, SOCKET_CAN_READ);
    polls[2].events |= SOCKET_CAN_SEND;
    assert_int_equal(socket_wait(polls, 3, 0), 2);
    assert_int_equal(polls[2].ready, SOCKET_CAN_READ | SOCKET_CAN_SEND);
    peer_send((struct peer_segment){
        .flags = RST, .seq = IRS + 2, .port = 7, .window = 1});
    assert_int_equal(socket_wait(polls, 3, 0), 3);
    assert_int_equal(polls[0].ready, SOCKET_CAN_READ | SOCKET_HAS_ENDED);
    for (unsigned i = 0; i < 3; i++)
        socket_abort(polls[i].socket);
    bench_close();
}

/* ---- Datagrams ----------------------------------------------------------- */

static int64_t run_receive(struct call *call)
{
    return socket_receive_from(call->socket, call->buf, call->size, NULL,
                               call->deadline);
}

static void test_datagrams(void **state)
{
    struct call call = {
        .run = run_receive, .size = sizeof(call.buf), .deadline = TIME_NEVER};
    struct net_endpoint to = end_of(OUR_ADDRESS, 0), from;
    struct socket *other;
    char buf[8];

    (void)state;
    open_bench();
    assert_int_equal(socket_open_udp(&call.socket), 0);
    assert_int_equal(socket_open_udp(&other), 0);
    assert_int_equal(socket_receive_from(call.socket, buf, 8, &from, 0),
                     -EAGAIN);
    to.port = socket_local(call.socket).port; /* it has one now */
    assert_true(to.port >= 49152);
    call_start(call_run, &call);
    assert_waits(&call);
    assert_int_equal(socket_send_to(other, "hello", 5, &to), 0);
    bench_run();
    assert_done(&call, 5);
    assert_memory_equal(call.buf, "hello", 5);
    assert_int_equal(socket_connect(other, &to, 0), 0);
    assert_int_equal(socket_write(other, "again", 5, 0), 5);
    bench_run();
    assert_int_equal(socket_receive_from(call.socket, buf, 2, &from, 0), 5);
    assert_memory_equal(buf, "ag", 2);
    assert_int_equal(from.port, socket_local(other).port);
    assert_int_equal(addr_ip4(&from.addr), OUR_ADDRESS);
    /* One without data has a sender, too. */
    from.port = 0;
    assert_int_equal(socket_write(other, "", 0, 0), 0);
    bench_run();
    assert_int_equal(socket_receive_from(call.socket, buf, 8, &from, 0), 0);
    assert_int_equal(from.port, socket_local(other).port);
    assert_int_equal(socket_send_to(call.socket, "back", 4, &from), 0);
    bench_run();
    assert_int_equal(socket_read(other, buf, 8, 0), 4);
    /* Nobody has that port any more. */
    socket_close(call.socket);
    assert_int_equal(socket_write(other, "lost", 4, 0), 4);
    bench_run();
    socket_close(other);
    bench_close();
}

static void test_ports_of_datagrams_become_free(void **state)
{
    const struct net_endpoint local = {.port = 5000};
    const struct net_endpoint nobody = {.port = 0};
    const struct net_endpoint peer = end_of(PEER_ADDRESS, 7);
    struct socket *one, *two;

    (void)state;
    open_bench();
    assert_int_equal(socket_open_udp(&one), 0);
    assert_int_equal(socket_open_udp(&two), 0);
    assert_int_equal(socket_bind(one, &local), 0);
    assert_int_equal(socket_bind(two, &local), -EADDRINUSE);
    assert_int_equal(socket_connect(one, &nobody, 0), -EINVAL);
    socket_close(one);
    assert_int_equal(socket_bind(two, &local), 0); /* it may be tried again */
    /* Without memory for its port it is not connected, and may be later. */
    assert_int_equal(socket_open_udp(&one), 0);
    heap_fail(1);
    assert_int_equal(socket_connect(one, &peer, 0), -ENOMEM);
    heap_fail(0);
    assert_int_equal(socket_peer(one).port, 0);
    assert_int_equal(socket_connect(one, &peer, 0), 0);
    assert_int_equal(socket_peer(one).port, 7);
    socket_close(one);
    socket_close(two);
    bench_close();
}

static void test_without_a_stack(void **state)
{
    struct socket *socket;

    (void)state;
    open_bench();
    cpu_self()->net_stack = NULL;
    assert_int_equal(socket_open_tcp(&socket), -ENOTCONN);
    assert_int_equal(socket_open_udp(&socket), -ENOTCONN);
    cpu_self()->net_stack = bench.stack;
    bench_close();
}

/* Calls for the other kind, and for what a service has. */

static void test_wrong_kinds(void **state)
{
    static struct service service = {
        .port = LISTEN_PORT, .accept = bench_accept, .receive = bench_leave};
    const struct net_endpoint end = end_of(PEER_ADDRESS, 1);
    struct socket *tcp, *udp, *out;
    struct socket_poll poll;
    char c;

    (void)state;
    open_bench();
    bench_serve(&service);
    peer_connect(1, IRS, 1000);
    assert_int_equal(socket_open_tcp(&tcp), 0);
    assert_int_equal(socket_open_udp(&udp), 0);
    assert_int_equal(socket_listen(udp, 0), -EINVAL);
    assert_int_equal(socket_accept(udp, &out, 0), -EINVAL);
    assert_int_equal(socket_accept(tcp, &out, 0), -EINVAL);
    assert_int_equal(socket_connect_start(udp, &end), -EINVAL);
    assert_int_equal(socket_peek(udp, &c, 1, 0), -EINVAL);
    assert_int_equal(socket_send_slices(udp, NULL, 0, 0), -EINVAL);
    assert_int_equal(socket_shutdown(udp), -ENOTCONN);
    assert_int_equal(socket_send_to(tcp, "", 0, &end), -EINVAL);
    assert_int_equal(socket_receive_from(tcp, &c, 1, NULL, 0), -EINVAL);
    assert_int_equal(socket_read(tcp, &c, 1, 0), -ENOTCONN);
    assert_int_equal(socket_write(tcp, &c, 1, 0), -ENOTCONN);
    assert_int_equal(socket_write(udp, &c, 1, 0), -EINVAL);
    assert_int_equal(socket_read(bench.socket, &c, 1, 0), -EINVAL);
    assert_int_equal(socket_write(bench.socket, &c, 1, 0), -EINVAL);
    assert_int_equal(socket_bind(bench.socket, &end), -EINVAL);
    assert_int_equal(socket_connect(bench.socket, &end, 0), -EINVAL);
    poll = (struct socket_poll){.socket = bench.socket, .events = 1};
    assert_int_equal(socket_wait(&poll, 1, 0), -EINVAL);
    socket_close(tcp);
    socket_close(udp);
    bench_close();
}

static void test_without_memory(void **state)
{
    const struct net_endpoint local = {.port = LISTEN_PORT};
    struct socket *tcp, *udp, *taken;

    (void)state;
    open_bench();
    heap_fail(1);
    assert_int_equal(socket_open_udp(&udp), -ENOMEM);
    heap_fail(0);
    assert_int_equal(socket_open_udp(&udp), 0);
    heap_fail(1);
    assert_int_equal(socket_bind(udp, &local), -ENOMEM);
    heap_fail(0);
    assert_int_equal(socket_bind(udp, &local), 0);
    socket_close(udp);
    assert_int_equal(socket_open_tcp(&tcp), 0);
    assert_int_equal(socket_bind(tcp, &local), 0);
    heap_fail(1);
    assert_int_equal(socket_listen(tcp, 0), -ENOMEM);
    heap_fail(0);
    assert_int_equal(socket_listen(tcp, 0), 0);
    /* No memory for the connection: it stays half open. None for its socket:
     * it is reset. */
    bench.relative = false;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = IRS, .port = 1, .window = 100});
    {
        struct peer_segment got;

        assert_true(peer_receive(&got));
        heap_fail(1);
        peer_send((struct peer_segment){
            .flags = ACK, .seq = IRS + 1, .ack = got.seq + 1, .port = 1});
        peer_expect_nothing();
        assert_int_equal(bench.stack->half_open_count, 1);
        heap_fail(2);
        peer_send((struct peer_segment){
            .flags = ACK, .seq = IRS + 1, .ack = got.seq + 1, .port = 1});
        heap_fail(0);
        peer_expect({.flags = RST | ACK, .seq = got.seq + 1, .ack = IRS + 1});
    }
    assert_int_equal(socket_accept(tcp, &taken, 0), -EAGAIN);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(bench.stack->half_open_count, 0);
    socket_close(tcp);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_waits_for_a_connection),
        cmocka_unit_test(test_accept_gives_up),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_what_waits_is_not_evicted),
        cmocka_unit_test(test_closed_before_accepted),
        cmocka_unit_test(test_half_open_when_the_listener_closes),
        cmocka_unit_test(test_addresses_of_listeners),
        cmocka_unit_test(test_connect_waits),
        cmocka_unit_test(test_connect_gives_up),
        cmocka_unit_test(test_read_waits_for_bytes),
        cmocka_unit_test(test_read_ends_with_the_connection),
        cmocka_unit_test(test_write_waits_for_room),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_slices_wait_for_room),
        cmocka_unit_test(test_many_slices),
        cmocka_unit_test(test_write_waits_for_memory),
        cmocka_unit_test(test_wait_for_many),
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_ports_of_datagrams_become_free),
        cmocka_unit_test(test_without_a_stack),
        cmocka_unit_test(test_wrong_kinds),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
