/*
 * Every combination of flags in every state of a connection: RFC 9293, 3.10.7,
 * as a table. For each combination, a payload or none, and numbers that are
 * right, old or too new, the first row that fits says which state follows and
 * what is sent.
 */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* States without a connection, behind those of enum tcp_state. */
enum { LISTEN = TCP_LAST_ACK + 1, NOBODY, STATES };

static const char *const state_names[STATES] = {
    "CLOSED",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
    "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING",      "TIME-WAIT",
    "CLOSE-WAIT", "LAST-ACK",   "LISTEN",       "no listener"};

#define BIT(state) (1U << (state))
enum {
    IN_SYN_SENT = BIT(TCP_SYN_SENT),
    IN_SYN_RECEIVED = BIT(TCP_SYN_RECEIVED),
    IN_ESTABLISHED = BIT(TCP_ESTABLISHED),
    IN_FIN_WAIT_1 = BIT(TCP_FIN_WAIT_1),
    IN_FIN_WAIT_2 = BIT(TCP_FIN_WAIT_2),
    IN_CLOSING = BIT(TCP_CLOSING),
    IN_TIME_WAIT = BIT(TCP_TIME_WAIT),
    IN_CLOSE_WAIT = BIT(TCP_CLOSE_WAIT),
    IN_LAST_ACK = BIT(TCP_LAST_ACK),
    IN_LISTEN = BIT(LISTEN),
    IN_NOBODY = BIT(NOBODY),
    IN_ANY = BIT(STATES) - 1,
    TAKES_DATA = IN_ESTABLISHED | IN_FIN_WAIT_1 | IN_FIN_WAIT_2,
    FIN_SEEN = IN_CLOSE_WAIT | IN_CLOSING | IN_LAST_ACK,
};

/* Where a segment begins. */
enum { SEQ_OLD = 1, SEQ_NEXT = 2, SEQ_AHEAD = 4, SEQ_ANY = 7 };

/* What it acknowledges: not all that was sent, all, or more. */
enum { ACK_OLD = 1, ACK_ALL = 2, ACK_MORE = 4, ACK_ANY = 7 };

enum { NO_DATA = 1, DATA = 2, ANY_DATA = 3 };

enum answer {
    NOTHING,
    SEND_ACK,
    SEND_SYN_ACK,
    SEND_RST,     /* with the sequence number that was acknowledged */
    SEND_RST_ACK, /* acknowledges the segment */
};

enum { SAME = -1 };

struct row {
    const char *rule;
    unsigned states;
    uint8_t set;   /* these flags are set */
    uint8_t clear; /* these are not */
    uint8_t seq;
    uint8_t ack;
    uint8_t data;
    int next;
    enum answer answer;
};

/* clang-format off */
static const struct row rows[] = {
    /* 3.10.7.1: no such port */
    {"3.10.7.1, a reset is discarded",
     IN_NOBODY, RST, 0, SEQ_ANY, ACK_ANY, ANY_DATA, SAME, NOTHING},
    {"3.10.7.1, ACK on", IN_NOBODY, ACK, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, SEND_RST},
    {"3.10.7.1, ACK off", IN_NOBODY, 0, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, SEND_RST_ACK},
    /* 3.10.7.2: LISTEN */
    {"3.10.7.2, first: reset",
     IN_LISTEN, RST, 0, SEQ_ANY, ACK_ANY, ANY_DATA, SAME, NOTHING},
    {"3.10.7.2, second: ACK", IN_LISTEN, ACK, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, SEND_RST},
    {"3.10.7.2, third: SYN", IN_LISTEN, SYN, FIN, SEQ_ANY, ACK_ANY, ANY_DATA,
     TCP_SYN_RECEIVED, SEND_SYN_ACK},
    {"3.10.7.2, fourth: anything else is dropped",
     IN_LISTEN, 0, 0, SEQ_ANY, ACK_ANY, ANY_DATA, SAME, NOTHING},
    /* 3.10.7.3: SYN-SENT */
    {"3.10.7.3, first: reset, not of our SYN", IN_SYN_SENT, ACK | RST, 0,
     SEQ_ANY, ACK_OLD | ACK_MORE, ANY_DATA, SAME, NOTHING},
    {"3.10.7.3, first: not of our SYN", IN_SYN_SENT, ACK, 0, SEQ_ANY,
     ACK_OLD | ACK_MORE, ANY_DATA, SAME, SEND_RST},
    {"3.10.7.3, second: refused", IN_SYN_SENT, ACK | RST, 0, SEQ_ANY, ACK_ALL,
     ANY_DATA, TCP_CLOSED, NOTHING},
    {"3.10.7.3, second: reset, ACK off", IN_SYN_SENT, RST, 0, SEQ_ANY, ACK_ANY,
     ANY_DATA, SAME, NOTHING},
    {"3.10.7.3, fourth: SYN, ACK and FIN", IN_SYN_SENT, SYN | ACK | FIN, 0,
     SEQ_ANY, ACK_ALL, ANY_DATA, TCP_CLOSE_WAIT, SEND_ACK},
    {"3.10.7.3, fourth: SYN and ACK", IN_SYN_SENT, SYN | ACK, 0, SEQ_ANY,
     ACK_ALL, ANY_DATA, TCP_ESTABLISHED, SEND_ACK},
    {"3.10.7.3, fourth: SYN, simultaneous open", IN_SYN_SENT, SYN, 0, SEQ_ANY,
     ACK_ANY, ANY_DATA, TCP_SYN_RECEIVED, SEND_SYN_ACK},
    {"3.10.7.3, fifth: neither SYN nor RST", IN_SYN_SENT, 0, 0, SEQ_ANY,
     ACK_ANY, ANY_DATA, SAME, NOTHING},
    /* TIME-WAIT: resets are ignored, a new SYN may open a connection */
    {"RFC 1337", IN_TIME_WAIT, RST, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, NOTHING},
    {"RFC 1122, 4.2.2.13", IN_TIME_WAIT, SYN, ACK | FIN, SEQ_AHEAD, ACK_ANY,
     ANY_DATA, TCP_SYN_RECEIVED, SEND_SYN_ACK},
    {"TIME-WAIT: SYN", IN_TIME_WAIT, SYN, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, SEND_ACK},
    {"TIME-WAIT: FIN", IN_TIME_WAIT, FIN, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, SEND_ACK},
    {"TIME-WAIT: data", IN_TIME_WAIT, 0, 0, SEQ_ANY, ACK_ANY, DATA,
     SAME, SEND_ACK},
    {"TIME-WAIT: nothing", IN_TIME_WAIT, 0, 0, SEQ_ANY, ACK_ANY, NO_DATA,
     SAME, NOTHING},
    /* 3.10.7.4 */
    {"first: old reset", IN_ANY, RST, 0, SEQ_OLD, ACK_ANY, ANY_DATA,
     SAME, NOTHING},
    {"first: old", IN_ANY, 0, 0, SEQ_OLD, ACK_ANY, ANY_DATA, SAME, SEND_ACK},
    {"second: reset", IN_ANY, RST, 0, SEQ_NEXT, ACK_ANY, ANY_DATA,
     TCP_CLOSED, NOTHING},
    {"second: reset, RFC 5961, 3.2", IN_ANY, RST, 0, SEQ_AHEAD, ACK_ANY,
     ANY_DATA, SAME, SEND_ACK},
    /* In SYN-RECEIVED as well, where RFC 9293 would end the connection. */
    {"fourth: SYN, RFC 5961, 4.2", IN_ANY, SYN, 0, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, SEND_ACK},
    {"fifth: ACK off", IN_ANY, 0, ACK, SEQ_ANY, ACK_ANY, ANY_DATA,
     SAME, NOTHING},
    {"fifth: not of our SYN", IN_SYN_RECEIVED, ACK, 0, SEQ_ANY,
     ACK_OLD | ACK_MORE, ANY_DATA, SAME, SEND_RST},
    {"fifth, eighth: established, FIN", IN_SYN_RECEIVED, FIN, 0, SEQ_NEXT,
     ACK_ALL, ANY_DATA, TCP_CLOSE_WAIT, SEND_ACK},
    {"fifth, eighth: established, FIN ahead", IN_SYN_RECEIVED, FIN, 0,
     SEQ_AHEAD, ACK_ALL, ANY_DATA, TCP_ESTABLISHED, SEND_ACK},
    {"fifth, seventh: established, data ahead", IN_SYN_RECEIVED, 0, 0,
     SEQ_AHEAD, ACK_ALL, DATA, TCP_ESTABLISHED, SEND_ACK},
    {"fifth: established", IN_SYN_RECEIVED, 0, 0, SEQ_ANY, ACK_ALL, ANY_DATA,
     TCP_ESTABLISHED, NOTHING},
    {"fifth: of what was not sent", IN_ANY, 0, 0, SEQ_ANY, ACK_MORE, ANY_DATA,
     SAME, SEND_ACK},
    {"fifth: CLOSING", IN_CLOSING, 0, 0, SEQ_ANY, ACK_ALL, ANY_DATA,
     TCP_TIME_WAIT, NOTHING},
    {"fifth: LAST-ACK", IN_LAST_ACK, 0, 0, SEQ_ANY, ACK_ALL, ANY_DATA,
     TCP_CLOSED, NOTHING},
    {"fifth, eighth: both FINs", IN_FIN_WAIT_1, FIN, 0, SEQ_NEXT, ACK_ALL,
     ANY_DATA, TCP_TIME_WAIT, SEND_ACK},
    {"fifth, eighth: FIN ahead", IN_FIN_WAIT_1, FIN, 0, SEQ_AHEAD, ACK_ALL,
     ANY_DATA, TCP_FIN_WAIT_2, SEND_ACK},
    {"fifth, seventh: data", IN_FIN_WAIT_1, 0, 0, SEQ_ANY, ACK_ALL, DATA,
     TCP_FIN_WAIT_2, SEND_ACK},
    {"fifth: our FIN", IN_FIN_WAIT_1, 0, 0, SEQ_ANY, ACK_ALL, NO_DATA,
     TCP_FIN_WAIT_2, NOTHING},
    {"eighth: FIN", IN_ESTABLISHED, FIN, 0, SEQ_NEXT, ACK_ANY, ANY_DATA,
     TCP_CLOSE_WAIT, SEND_ACK},
    {"eighth: FIN", IN_FIN_WAIT_1, FIN, 0, SEQ_NEXT, ACK_ANY, ANY_DATA,
     TCP_CLOSING, SEND_ACK},
    {"eighth: FIN", IN_FIN_WAIT_2, FIN, 0, SEQ_NEXT, ACK_ANY, ANY_DATA,
     TCP_TIME_WAIT, SEND_ACK},
    {"eighth: FIN ahead", TAKES_DATA, FIN, 0, SEQ_AHEAD, ACK_ANY, ANY_DATA,
     SAME, SEND_ACK},
    {"seventh: data, acknowledged later", IN_ESTABLISHED, 0, 0, SEQ_NEXT,
     ACK_ANY, DATA, SAME, NOTHING},
    {"seventh: data ahead, RFC 5681, 4.2", IN_ESTABLISHED, 0, 0, SEQ_AHEAD,
     ACK_ANY, DATA, SAME, SEND_ACK},
    {"seventh: data after close()", IN_FIN_WAIT_1 | IN_FIN_WAIT_2, 0, 0,
     SEQ_ANY, ACK_ANY, DATA, SAME, SEND_ACK},
    {"seventh: data behind the FIN", FIN_SEEN, 0, 0, SEQ_ANY, ACK_ANY, DATA,
     SAME, SEND_ACK},
    {"nothing new", IN_ANY, 0, 0, SEQ_ANY, ACK_ANY, NO_DATA, SAME, NOTHING},
};
/* clang-format on */

struct attempt {
    unsigned state;
    uint8_t flags;
    uint8_t seq;
    uint8_t ack;
    uint8_t data;
};

static const struct row *row_of(const struct attempt *it)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];

        if ((row->states & BIT(it->state)) != 0 &&
            (it->flags & row->set) == row->set &&
            (it->flags & row->clear) == 0 && (row->seq & it->seq) != 0 &&
            (row->ack & it->ack) != 0 && (row->data & it->data) != 0)
            return row;
    }
    fail_msg("no row");
    return NULL;
}

/* ---- How the states are reached ------------------------------------------ */

enum { PORT = 7, IRS = 1000, LEN = 3 };

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_drain};

static uint32_t rcv_next; /* the peer's next sequence number */
static uint32_t snd_next; /* the stack's, from its first one */

static unsigned state_now(void)
{
    return bench_state(PEER_ADDRESS, PORT, SERVICE_PORT);
}

static void drain(void)
{
    struct peer_segment got;

    while (peer_receive(&got))
        continue;
}

static void say(uint8_t flags, uint32_t seq, uint32_t ack)
{
    peer_send((struct peer_segment){
        .flags = flags, .seq = seq, .ack = ack, .window = 60000, .port = PORT});
}

static void our_close(void)
{
    socket_close(bench.socket);
    bench_run();
    snd_next++;
}

static void their_fin(uint32_t ack)
{
    say(FIN | ACK, rcv_next, ack);
    rcv_next++;
}

/* An active open, with the same ports as the service has. */
static void our_open(void)
{
    const struct net_endpoint local = {.port = SERVICE_PORT};
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), PORT};
    struct peer_segment got;

    assert_int_equal(socket_open_tcp(&bench.socket), 0);
    assert_int_equal(socket_bind(bench.socket, &local), 0);
    assert_int_equal(socket_connect_start(bench.socket, &remote), 0);
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN);
    bench.iss = got.seq;
    bench.relative = true;
    assert_int_equal(state_now(), TCP_SYN_SENT);
}

static void begin(unsigned state)
{
    struct peer_segment got;

    rcv_next = IRS + 1;
    snd_next = 1;
    bench.relative = false;
    bench.iss = 5000; /* without a connection: any number */
    if (state == LISTEN || state == NOBODY) {
        bench.relative = true;
        return;
    }
    if (state == TCP_SYN_SENT) {
        our_open();
        return;
    }
    say(SYN, IRS, 0);
    assert_true(peer_receive(&got));
    bench.iss = got.seq;
    bench.relative = true;
    if (state != TCP_SYN_RECEIVED)
        say(ACK, rcv_next, 1);
    if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK)
        their_fin(1);
    if (state != TCP_SYN_RECEIVED && state != TCP_ESTABLISHED &&
        state != TCP_CLOSE_WAIT)
        our_close();
    if (state == TCP_FIN_WAIT_2)
        say(ACK, rcv_next, 2);
    if (state == TCP_CLOSING)
        their_fin(1); /* has not seen ours */
    if (state == TCP_TIME_WAIT)
        their_fin(2);
    drain();
    assert_int_equal(state_now(), state);
}

/* ---- One attempt --------------------------------------------------------- */

/* How far rcv_next moves by it, given the state that follows. */
static uint32_t taken(const struct attempt *it, unsigned next)
{
    uint32_t len = it->data == DATA ? LEN : 0;

    if (it->state == TCP_SYN_SENT)
        return 1 + len + ((it->flags & FIN) != 0);
    if (it->seq != SEQ_NEXT || (it->flags & (SYN | RST)) != 0 ||
        (it->flags & ACK) == 0 || it->ack == ACK_MORE ||
        (BIT(it->state) & (FIN_SEEN | IN_TIME_WAIT)) != 0 ||
        (it->state == TCP_SYN_RECEIVED && next == TCP_SYN_RECEIVED))
        return 0;
    return len + ((it->flags & FIN) != 0);
}

static void check_answer(const struct attempt *it, const struct row *row,
                         unsigned next, const struct peer_segment *sent)
{
    struct peer_segment got;
    uint32_t len = (uint32_t)sent->len + ((it->flags & SYN) != 0) +
                   ((it->flags & FIN) != 0);

    switch (row->answer) {
    case NOTHING:
        break;
    case SEND_ACK:
        peer_expect({.flags = ACK,
                     .seq = snd_next,
                     .ack = rcv_next + taken(it, next),
                     .port = PORT});
        break;
    case SEND_SYN_ACK:
        assert_true(peer_receive(&got));
        assert_int_equal(got.flags, SYN | ACK);
        assert_int_equal(got.ack, sent->seq + 1);
        break;
    case SEND_RST:
        peer_expect({.flags = RST, .seq = sent->ack, .port = PORT});
        break;
    case SEND_RST_ACK:
        peer_expect({.flags = RST | ACK,
                     .seq = 0 - bench.iss,
                     .ack = sent->seq + len,
                     .port = PORT});
        break;
    }
    peer_expect_nothing();
}

static void attempt_run(const struct attempt *it)
{
    const struct row *row = row_of(it);
    unsigned now =
        it->state == LISTEN || it->state == NOBODY ? TCP_CLOSED : it->state;
    unsigned next = row->next == SAME ? now : (unsigned)row->next;
    struct peer_segment segment = {.flags = it->flags,
                                   .window = 60000,
                                   .port = PORT,
                                   .data = "xyz",
                                   .len = it->data == DATA ? LEN : 0};

    begin(it->state);
    segment.target = it->state == NOBODY ? 81 : 0;
    segment.seq = it->seq == SEQ_NEXT    ? rcv_next
                  : it->seq == SEQ_AHEAD ? rcv_next + 100
                                         : rcv_next - 900;
    segment.ack = it->ack == ACK_ALL    ? snd_next
                  : it->ack == ACK_MORE ? snd_next + 1
                                        : snd_next - 1;
    if (it->state == TCP_SYN_SENT)
        rcv_next = segment.seq; /* any number begins */
    peer_send(segment);
    if (state_now() != next)
        fail_msg("%s, flags %02x, seq %u, ack %u, data %u (%s): %s, not %s",
                 state_names[it->state], it->flags, it->seq, it->ack, it->data,
                 row->rule, state_names[state_now()], state_names[next]);
    check_answer(it, row, next, &segment);
    tcp_fini(bench.stack);
    bench_run();
    drain();
    if (it->state == TCP_SYN_SENT)
        socket_close(bench.socket);
}

/* One test a state; its number is the test's initial state. */
static void test_all_flags(void **state)
{
    struct attempt it = {.state = (unsigned)(uintptr_t)*state};

    bench_open(64);
    bench_serve(&service);
    for (unsigned flags = 0; flags < 64; flags++) {
        it.flags = (uint8_t)flags;
        for (it.seq = SEQ_OLD; it.seq <= SEQ_AHEAD; it.seq *= 2) {
            for (it.ack = ACK_OLD; it.ack <= ACK_MORE; it.ack *= 2) {
                for (it.data = NO_DATA; it.data <= DATA; it.data *= 2)
                    attempt_run(&it);
            }
        }
    }
    bench_close();
}

int main(void)
{
    struct CMUnitTest tests[STATES - 1];

    for (unsigned i = 0; i < COUNT_OF(tests); i++)
        tests[i] =
            (struct CMUnitTest){.name = state_names[i + 1],
                                .test_func = test_all_flags,
                                .initial_state = (void *)(uintptr_t)(i + 1)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
