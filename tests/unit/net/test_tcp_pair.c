/*
 * Two of our stacks talk over a link that loses, doubles, damages and reorders
 * frames, in virtual time: one opens the connection and sends, the other sends
 * all back. Each byte must come back, each segment on the link must be legal
 * for what its sender knows, and both stacks must be whole all the time. A seed
 * decides how bad the link is, and what it does. In the environment:
 * SEEDS=1000 FIRST=1 BYTES=10000000 (`make pair`).
 */
#include "kernel/cpu/percpu.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/air.h"
#include "tests/fakes/chance.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum {
    PERIOD = 65521,  /* of the bytes that are sent; a prime */
    PIECE = 20000,   /* that is read or written at once */
    CHECK_EVERY = 64 /* steps */
};

static uint64_t seed_now;
static uint64_t bytes;

/* ---- What a segment may be ----------------------------------------------- */

/* One side, by the frames that it has sent and got. Numbers are counted from
 * its initial one. */
struct side {
    struct net_stack *stack;
    struct fakenet *net;
    bool has_iss;
    uint32_t iss;
    unsigned scale;   /* of its windows; 0 in a SYN */
    uint32_t end;     /* behind all that it has sent */
    uint32_t edge;    /* how far it may send, for all it knows */
    uint32_t ack;     /* the highest that it has sent, of the other's numbers */
    uint32_t granted; /* the right edge of its own windows, likewise */
};

static struct side sides[2]; /* that connects; that serves */
static struct fakenet other_net;
static struct socket *client;

struct view {
    uint32_t seq, ack, len, window;
    uint8_t flags;
};

static bool view_of(const uint8_t *frame, size_t len, struct view *view)
{
    const uint8_t *tcp = frame + 34;
    size_t header;

    if (len < 54 || peer_get16(frame + 12) != 0x0800 || frame[23] != 6)
        return false;
    header = (size_t)(tcp[12] >> 4) * 4;
    *view = (struct view){.seq = peer_get32(tcp + 4),
                          .ack = peer_get32(tcp + 8),
                          .len = peer_get16(frame + 16) - 20 - (uint32_t)header,
                          .window = peer_get16(tcp + 14),
                          .flags = tcp[13]};
    return true;
}

static unsigned scale_of(const uint8_t *frame)
{
    const uint8_t *at = frame + 54;
    const uint8_t *end = frame + 34 + (frame[46] >> 4) * 4;

    while (at < end && *at != 3 && *at != 0)
        at += *at == 1 ? 1 : at[1];
    return at < end && *at == 3 ? at[2] : 0;
}

static bool is_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* `from` sends this: is it allowed to? */
static void legal_check(struct side *from, struct side *to,
                        const uint8_t *frame, const struct view *view)
{
    bool is_syn = (view->flags & SYN) != 0;
    uint32_t seq, end, grant;

    if (is_syn && !from->has_iss) {
        from->has_iss = true;
        from->iss = view->seq;
        from->scale = scale_of(frame);
    }
    assert_int_equal(view->flags & RST, 0);
    seq = view->seq - from->iss;
    end = seq + view->len + is_syn + ((view->flags & FIN) != 0);
    if (is_after(end, from->end))
        from->end = end;
    if (!is_syn && view->len > 0) /* a byte more probes a closed window */
        assert_false(is_after(seq + view->len, from->edge + 1));
    if ((view->flags & ACK) == 0)
        return;
    assert_false(is_after(view->ack - to->iss, to->end));
    assert_false(is_after(from->ack, view->ack - to->iss));
    from->ack = view->ack - to->iss;
    grant = from->ack + (view->window << (is_syn ? 0 : from->scale));
    /* It may round down what the scale cannot say: RFC 7323, 2.4. */
    assert_true(is_after(grant + (1U << from->scale), from->granted));
    if (is_after(grant, from->granted))
        from->granted = grant;
}

/* `to` has got this, unharmed. */
static void learn(struct side *from, struct side *to, const struct view *view)
{
    uint32_t edge;

    if ((view->flags & ACK) == 0)
        return;
    edge = view->ack - to->iss +
           (view->window << ((view->flags & SYN) != 0 ? 0 : from->scale));
    if (is_after(edge, to->edge))
        to->edge = edge;
}

/* ---- The link ------------------------------------------------------------ */

static struct {
    unsigned loss, twice, damage, late; /* of 1000 frames */
    unsigned delay_us, late_us;
} bad;

struct flying {
    struct flight flight;
    unsigned to;
    bool is_damaged;
    size_t len;
    uint8_t frame[FAKENET_FRAME_MAX];
};

static void fly(const uint8_t *frame, size_t len, unsigned to)
{
    struct flying *flying = malloc(sizeof(*flying));

    assert_non_null(flying);
    flying->flight.due = bench.now + bad.delay_us * NS_PER_US;
    if (chance(1000) < bad.late)
        flying->flight.due += chance(bad.late_us) * NS_PER_US;
    flying->to = to;
    flying->len = len;
    memcpy(flying->frame, frame, len);
    flying->is_damaged = chance(1000) < bad.damage;
    if (flying->is_damaged)
        flying->frame[34 + chance((uint32_t)len - 34)] ^=
            (uint8_t)(1 << chance(8));
    air_add(&flying->flight);
}

static void collect(unsigned from)
{
    const struct fakenet_frame *sent;
    struct view view;

    while ((sent = fakenet_sent(sides[from].net)) != NULL) {
        if (sent->len == 0)
            continue;
        if (view_of(sent->data, sent->len, &view))
            legal_check(&sides[from], &sides[!from], sent->data, &view);
        if (chance(1000) < bad.loss)
            continue;
        fly(sent->data, sent->len, !from);
        if (chance(1000) < bad.twice)
            fly(sent->data, sent->len, !from);
    }
}

static void deliver(struct flying *flying)
{
    struct side *to = &sides[flying->to];
    struct view view;

    if (!flying->is_damaged && view_of(flying->frame, flying->len, &view))
        learn(&sides[!flying->to], to, &view);
    fakenet_inject(to->net, flying->frame, flying->len);
    free(flying);
    while (stack_poll(to->stack))
        continue;
}

/* ---- Applications -------------------------------------------------------- */

static uint8_t pattern[PERIOD + PIECE];
static uint64_t sent_bytes, got_bytes;
static bool is_shut, is_ended;
static struct {
    uint8_t data[PIECE];
    size_t from, to;
} echo;
static bool has_closed;

static void echo_run(struct service *service, struct socket *socket)
{
    int64_t done;

    (void)service;
    for (;;) {
        if (echo.from < echo.to) {
            done =
                socket_send(socket, echo.data + echo.from, echo.to - echo.from);
            assert_true(done >= 0);
            echo.from += (size_t)done;
            if (echo.from < echo.to)
                return;
        }
        done = socket_receive(socket, echo.data, PIECE);
        if (done == -EAGAIN)
            return;
        assert_true(done >= 0);
        if (done == 0) {
            socket_close(socket);
            return;
        }
        echo.from = 0;
        echo.to = (size_t)done;
    }
}

static void echo_close(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    has_closed = true;
}

static struct service echo_service = {.port = SERVICE_PORT,
                                      .receive = echo_run,
                                      .writable = echo_run,
                                      .close = echo_close};

static void client_run(void)
{
    static uint8_t back[PIECE];
    int64_t done = 1;

    while (sent_bytes < bytes && done > 0) {
        uint64_t left = bytes - sent_bytes;

        done = socket_send(client, pattern + sent_bytes % PERIOD,
                           left < PIECE ? (size_t)left : PIECE);
        assert_true(done >= 0);
        sent_bytes += (uint64_t)done;
    }
    if (sent_bytes == bytes && !is_shut) {
        assert_int_equal(socket_shutdown(client), 0);
        is_shut = true;
    }
    while ((done = socket_receive(client, back, PIECE)) > 0) {
        assert_memory_equal(back, pattern + got_bytes % PERIOD, (size_t)done);
        got_bytes += (uint64_t)done;
    }
    is_ended = done == 0;
    assert_true(done == 0 || done == -EAGAIN || done == -ENOTCONN);
}

/* ---- A seed -------------------------------------------------------------- */

static uint64_t pair_clock(void)
{
    return bench.now;
}

static void choose_link(void)
{
    chance_seed = seed_now * UINT64_C(0x9e3779b97f4a7c15) + 1;
    bad.loss = chance(2) ? chance(60) : 0;
    bad.twice = chance(2) ? chance(60) : 0;
    bad.damage = chance(2) ? chance(30) : 0;
    bad.late = chance(2) ? chance(300) : 0;
    bad.delay_us = 10 + chance(chance(2) ? 200 : 20000);
    bad.late_us = 1 + chance(2 * bad.delay_us);
}

static void open_pair(void)
{
    const struct net_config config = {PEER_ADDRESS, 0xffffff00, GATEWAY};
    const struct net_endpoint remote = {addr_of_ip4(OUR_ADDRESS), SERVICE_PORT};
    unsigned packets;

    bench_open(128);
    bench.answers_arp = false;
    bench_serve(&echo_service);
    fakenet_init(&other_net, peer_mac);
    memset(sides, 0, sizeof(sides));
    sides[1].stack = bench.stack;
    sides[1].net = &bench.net;
    sides[0].net = &other_net;
    packets = packet_free_count();
    assert_int_equal(
        stack_create(&other_net.dev.queues[0], &config, &sides[0].stack), 0);
    bench_pool_grew(packet_free_count() - packets);
    sides[0].stack->clock = pair_clock;
    sent_bytes = got_bytes = 0;
    is_shut = is_ended = has_closed = false;
    echo.from = echo.to = 0;
    cpu_self()->net_stack = sides[0].stack;
    assert_int_equal(socket_open_tcp(&client), 0);
    assert_int_equal(socket_connect_start(client, &remote), 0);
}

static void close_pair(void)
{
    while (air_count > 0)
        free(air_take());
    socket_close(client);
    tcp_fini(sides[0].stack);
    stack_destroy(sides[0].stack);
    cpu_self()->net_stack = bench.stack;
    bench_close();
}

static void step(void)
{
    static unsigned steps;
    uint64_t next = air_count > 0 ? air[0]->due : TIME_NEVER;

    next = timer_next() < next ? timer_next() : next;
    assert_true(next != TIME_NEVER);
    if (next > bench.now)
        bench.now = next;
    if (timer_next() <= bench.now)
        timer_run(bench.now);
    while (air_count > 0 && air[0]->due <= bench.now)
        deliver((struct flying *)air_take());
    while (server_dispatch(bench.server, 16))
        continue;
    client_run();
    collect(0);
    collect(1);
    if (++steps % CHECK_EVERY == 0) {
        stack_check(sides[0].stack);
        stack_check(sides[1].stack);
    }
}

static void run_seed(void)
{
    uint64_t start;

    choose_link();
    print_message("seed %lu: of 1000 lost %u twice %u damaged %u late %u by "
                  "%u us, delay %u us: ",
                  (unsigned long)seed_now, bad.loss, bad.twice, bad.damage,
                  bad.late, bad.late_us, bad.delay_us);
    open_pair();
    start = bench.now;
    collect(0);
    while (!is_ended || !has_closed)
        step();
    assert_int_equal(sent_bytes, bytes);
    assert_int_equal(got_bytes, bytes);
    print_message("%.3f s\n", (double)(bench.now - start) / 1e9);
    close_pair();
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_pair(void **state)
{
    uint64_t first = setting("FIRST", 1);
    uint64_t count = setting("SEEDS", 20);

    (void)state;
    bytes = setting("BYTES", 200000);
    for (uint32_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i % PERIOD ^ (i % PERIOD) >> 7);
    for (seed_now = first; seed_now < first + count; seed_now++)
        run_seed();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pair)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
