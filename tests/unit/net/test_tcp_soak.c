/*
 * Transfers over a bad link: frames are lost, doubled, delayed past each other
 * and damaged, by a fixed seed. A small peer, written for this test, sends
 * bytes to an echo service and must get the same bytes back, all of them, on
 * every connection; then all memory must be free again. The peers offer
 * different options, and every segment the stack sends must be legal: see
 * legal_check().
 */
#include "tests/fakes/chance.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum {
    PEERS_MAX = 16,
    LINK_MAX = 4096,
    SEGMENT = 1000,
    PEER_RTO_MS = 250,
};

struct profile {
    const char *name;
    unsigned loss; /* of 1000 frames */
    unsigned twice;
    unsigned damage;
    unsigned delay_min_us;
    unsigned delay_max_us;
    unsigned peers;
    uint32_t bytes;
    uint16_t window;
};

/* ---- The link ------------------------------------------------------------ */

struct flying {
    uint64_t at;
    bool to_stack;
    size_t len;
    uint8_t frame[FAKENET_FRAME_MAX];
};

static struct flying air[LINK_MAX];
static unsigned air_count;
static const struct profile *profile;

static void link_add(const uint8_t *frame, size_t len, bool to_stack)
{
    struct flying *flying = &air[air_count];
    unsigned spread = profile->delay_max_us - profile->delay_min_us + 1;

    assert_true(air_count < LINK_MAX);
    air_count++;
    flying->at =
        bench.now + (profile->delay_min_us + chance(spread)) * NS_PER_US;
    flying->to_stack = to_stack;
    flying->len = len;
    memcpy(flying->frame, frame, len);
    if (chance(1000) < profile->damage)
        flying->frame[14 + chance((uint32_t)len - 14)] ^=
            (uint8_t)(1 << chance(8));
}

static void link_send(const uint8_t *frame, size_t len, bool to_stack)
{
    if (chance(1000) < profile->loss)
        return;
    link_add(frame, len, to_stack);
    if (chance(1000) < profile->twice)
        link_add(frame, len, to_stack);
}

/* ---- The peer ------------------------------------------------------------ */

enum peer_state { PEER_SYN, PEER_OPEN, PEER_FIN, PEER_DONE };

struct peer {
    enum peer_state state;
    uint16_t port;
    uint32_t iss, irs;  /* numbers below count from these */
    uint32_t una, next; /* acknowledged, sent: bytes */
    uint32_t window;
    uint32_t have; /* received in order: bytes */
    uint64_t deadline;
    bool fin_seen;
    uint8_t *got;  /* what came back */
    uint8_t *mark; /* which of it came */
    uint32_t bytes;

    /* What the stack may do, and what it has done: numbers of bytes, as
     * above; 64 bits, so that those before the first byte are negative. */
    bool has_scale;   /* both sides sent the option */
    uint32_t stamp;   /* the latest of the stack's */
    int64_t edge;     /* the right edge of our windows */
    int64_t sent_end; /* the end of our data and FIN */
    bool is_opened;   /* a SYN-ACK was sent */
    bool is_reset;    /* a reset was sent */
    uint32_t stack_iss;
    int64_t ack_max;    /* the highest number it has acknowledged */
    int64_t stack_edge; /* the right edge of its windows */
    int64_t fin_at;     /* the number of its FIN; -1: none yet */
};

static struct peer peers[PEERS_MAX];

enum { OUR_SCALE = 4, STACK_SCALE = 8, STACK_MSS = 1460 };

/* The SYN options of each fourth peer: none; MSS; MSS and window scale; what
 * Linux sends (MSS, SACK permitted, timestamps, window scale). */
static const struct {
    uint8_t option[20];
    size_t len;
    unsigned mss;
    bool has_scale;
} offers[4] = {
    {{0}, 0, 536, false},
    {{2, 4, 1000 >> 8, 1000 & 255}, 4, 1000, false},
    {{2, 4, 1200 >> 8, 1200 & 255, 1, 3, 3, OUR_SCALE}, 8, 1200, true},
    {{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, OUR_SCALE},
     20,
     1460,
     true},
};

static unsigned offer_of(const struct peer *peer)
{
    return peer->port % 4;
}

/* ---- What the stack may send --------------------------------------------- */

static bool has_stamps(const struct peer *peer)
{
    return offer_of(peer) == 3;
}

/* MSS, SACK-permitted and scale are sent in a SYN-ACK only, and but for the MSS
 * only in answer to the same; timestamps in all segments (RFC 9293, 3.2; RFC
 * 7323, 2.2 and 3.2), and then SACK blocks when there are some. */
static void options_check(const struct peer *peer,
                          const struct peer_segment *got)
{
    static const uint8_t mss[4] = {2, 4, STACK_MSS >> 8, STACK_MSS & 255};
    static const uint8_t scale[4] = {1, 3, 3, STACK_SCALE};
    const uint8_t *at = got->options;
    const uint8_t *end = at + got->options_len;
    bool is_syn = (got->flags & SYN) != 0;

    if (is_syn) {
        assert_memory_equal(at, mss, 4);
        at += 4;
    }
    if (has_stamps(peer) && ((got->flags & RST) == 0 || at < end)) {
        assert_memory_equal(at, is_syn ? "\4\2\10\12" : "\1\1\10\12", 4);
        at += 12;
    }
    if (is_syn && offers[offer_of(peer)].has_scale) {
        assert_memory_equal(at, scale, 4);
        at += 4;
    }
    if (!is_syn && at < end) {
        assert_true(has_stamps(peer));
        assert_memory_equal(at, "\1\1\5", 3);
        assert_int_equal(at[3] % 8, 2);
        assert_true(got->len + at[3] + 2 <= offers[3].mss - 12);
        at += 2 + at[3];
    }
    assert_ptr_equal(at, end);
}

static void flags_check(const struct peer *peer, const struct peer_segment *got)
{
    assert_int_equal(got->flags & ~(FIN | SYN | RST | PSH | ACK), 0);
    if ((got->flags & RST) == 0)
        assert_int_equal(got->flags & ACK, ACK);
    if ((got->flags & (SYN | RST)) != 0) {
        assert_int_equal(got->flags & FIN, 0);
        assert_int_equal(got->len, 0);
    }
    assert_true(!peer->is_reset || (got->flags & RST) != 0);
}

/* Data go out within our window (a probe sends one byte into a closed one),
 * within our MSS, and none behind a FIN, which keeps its place. */
static void data_check(struct peer *peer, const struct peer_segment *got,
                       int64_t at)
{
    int64_t end = at + (int64_t)got->len;

    assert_true(got->len <= offers[offer_of(peer)].mss);
    assert_true(end <= peer->edge || got->len == 0 ||
                (got->len == 1 && at == peer->edge));
    assert_true(at >= 0 && end <= peer->bytes);
    if (peer->fin_at >= 0)
        assert_true(end <= peer->fin_at || got->len == 0);
    if ((got->flags & FIN) == 0)
        return;
    assert_true(peer->fin_at < 0 || peer->fin_at == end);
    assert_int_equal(end, peer->bytes); /* the echo service closes last */
    peer->fin_at = end;
}

/* Acknowledgements never go back and never name what was not sent; nor does
 * the window's right edge go back, but for the rounding of its scale: RFC 9293,
 * 3.8.6, and RFC 7323, 2.4. */
static void window_check(struct peer *peer, const struct peer_segment *got)
{
    int64_t ack = (int32_t)(got->ack - peer->iss - 1);
    unsigned scale =
        peer->has_scale && (got->flags & SYN) == 0 ? STACK_SCALE : 0;
    int64_t edge = ack + ((int64_t)got->window << scale);

    assert_true(ack >= peer->ack_max);
    assert_true(ack <= peer->sent_end);
    assert_true(edge + (1 << scale) > peer->stack_edge);
    assert_true(edge - ack <= NET_BUFFER_MAX);
    peer->ack_max = ack;
    if (edge > peer->stack_edge)
        peer->stack_edge = edge;
}

/* Assert that a segment of the stack is legal, in the order it sends them. */
static void legal_check(struct peer *peer, const struct peer_segment *got)
{
    flags_check(peer, got);
    options_check(peer, got);
    if ((got->flags & SYN) != 0) {
        assert_true(!peer->is_opened || got->seq == peer->stack_iss);
        peer->is_opened = true;
        peer->stack_iss = got->seq;
        peer->has_scale = offers[offer_of(peer)].has_scale;
    }
    if ((got->flags & RST) != 0) {
        peer->is_reset = true;
        return;
    }
    window_check(peer, got);
    if ((got->flags & SYN) == 0)
        data_check(peer, got,
                   (int32_t)(got->seq - peer->stack_iss - 1) -
                       (got->len == 0 && peer->fin_at >= 0 &&
                        got->seq == peer->stack_iss + peer->bytes + 2));
}

/* ---- What it sends ------------------------------------------------------- */

static uint8_t pattern(const struct peer *peer, uint32_t at)
{
    return (uint8_t)(at * 7 + at / 256 + peer->port * 13);
}

/* What the stack may rely on once it has this segment. */
static void peer_promises(struct peer *peer, const struct peer_segment *segment,
                          uint32_t at, unsigned scale)
{
    bool is_syn = (segment->flags & SYN) != 0;
    int64_t end =
        (int64_t)at + (int64_t)segment->len + ((segment->flags & FIN) != 0);
    int64_t edge = is_syn ? segment->window
                          : peer->have + ((int64_t)segment->window << scale);

    if (edge > peer->edge)
        peer->edge = edge;
    if (!is_syn && end > peer->sent_end)
        peer->sent_end = end;
}

/* Timestamps, and what came behind `have`. Returns the length. */
static size_t peer_options(const struct peer *peer, uint8_t *options)
{
    uint8_t *at = options + 12, *length;
    uint32_t where = peer->have, limit = peer->have + 100000;

    memcpy(options, "\1\1\10\12", 4);
    peer_put32(options + 4, (uint32_t)(bench.now / NS_PER_MS));
    peer_put32(options + 8, peer->stamp);
    memcpy(at, "\1\1\5\2", 4);
    length = at + 3;
    at += 4;
    if (limit > peer->bytes)
        limit = peer->bytes;
    while (where < limit && *length < 26) {
        uint32_t start = where;

        while (where < limit && peer->mark[where] == peer->mark[start])
            where++;
        if (peer->mark[start] == 0)
            continue;
        peer_put32(at, peer->irs + 1 + start);
        peer_put32(at + 4, peer->irs + 1 + where);
        at += 8;
        *length = (uint8_t)(*length + 8);
    }
    return *length == 2 ? 12 : (size_t)(at - options);
}

static void peer_emit(struct peer *peer, uint8_t flags, uint32_t at,
                      uint32_t len)
{
    uint8_t options[40];
    static uint8_t data[SEGMENT];
    static uint8_t frame[FAKENET_FRAME_MAX];
    unsigned scale = peer->has_scale ? OUR_SCALE : 0;
    struct peer_segment segment = {.flags = flags,
                                   .port = peer->port,
                                   .seq = peer->iss + 1 + at,
                                   .window =
                                       (uint16_t)(profile->window >> scale),
                                   .data = data,
                                   .len = len};

    for (uint32_t i = 0; i < len; i++)
        data[i] = pattern(peer, at + i);
    if ((flags & SYN) != 0) {
        segment.seq = peer->iss;
        segment.window = profile->window;
        segment.options = options;
        segment.options_len = offers[offer_of(peer)].len;
        memcpy(options, offers[offer_of(peer)].option, segment.options_len);
        if (has_stamps(peer))
            peer_put32(options + 8, (uint32_t)(bench.now / NS_PER_MS));
    } else if (has_stamps(peer)) {
        segment.options = options;
        segment.options_len = peer_options(peer, options);
    }
    if ((flags & ACK) != 0)
        segment.ack = peer->irs + 1 + peer->have + peer->fin_seen;
    peer_promises(peer, &segment, at, scale);
    link_send(frame, peer_frame(frame, &segment), true);
}

/* Send what the window allows, and the FIN when everything came back. */
static void peer_push(struct peer *peer)
{
    while (peer->state == PEER_OPEN && peer->next < peer->bytes &&
           peer->next - peer->una + SEGMENT <= peer->window) {
        uint32_t len = peer->bytes - peer->next;

        if (len > SEGMENT)
            len = SEGMENT;
        len = 1 + chance(len);
        peer_emit(peer, ACK | PSH, peer->next, len);
        peer->next += len;
    }
    if (peer->state == PEER_OPEN && peer->have == peer->bytes &&
        peer->una == peer->bytes) {
        peer->state = PEER_FIN;
        peer_emit(peer, ACK | FIN, peer->bytes, 0);
    }
}

static void peer_deadline(struct peer *peer)
{
    peer->deadline = bench.now + PEER_RTO_MS * NS_PER_MS;
}

static void peer_timeout(struct peer *peer)
{
    peer_deadline(peer);
    switch (peer->state) {
    case PEER_SYN:
        peer_emit(peer, SYN, 0, 0);
        break;
    case PEER_OPEN:
        peer->next = peer->una; /* go back */
        if (peer->next < peer->bytes && peer->window < SEGMENT) {
            peer_emit(peer, ACK, peer->next, 1); /* a window probe */
            peer->next++;
        }
        peer_push(peer);
        peer_emit(peer, ACK, peer->next, 0);
        break;
    case PEER_FIN:
        peer_emit(peer, ACK | FIN, peer->bytes, 0);
        break;
    case PEER_DONE:
        peer->deadline = UINT64_MAX;
        break;
    }
}

static void peer_take(struct peer *peer, uint32_t at, const uint8_t *data,
                      size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t where = at + (uint32_t)i;

        assert_true(where < peer->bytes); /* never more than we sent */
        peer->got[where] = data[i];
        peer->mark[where] = 1;
    }
    while (peer->have < peer->bytes && peer->mark[peer->have] != 0)
        peer->have++;
}

static void peer_segment_in(struct peer *peer, const struct peer_segment *got)
{
    uint32_t ack = got->ack - peer->iss - 1;
    uint32_t at = got->seq - peer->irs - 1;

    /* Right only when both ends are done there, and something late came. */
    if ((got->flags & RST) != 0) {
        assert_true(peer->fin_seen);
        peer->state = PEER_DONE;
        return;
    }
    if (has_stamps(peer)) {
        uint32_t stamp =
            peer_get32(got->options + ((got->flags & SYN) != 0 ? 8 : 4));

        if ((int32_t)(stamp - peer->stamp) > 0 || peer->state == PEER_SYN)
            peer->stamp = stamp;
    }
    if (peer->state == PEER_DONE && (got->flags & SYN) != 0)
        return;
    if ((got->flags & SYN) != 0) {
        if (peer->state == PEER_SYN) {
            peer->irs = got->seq;
            peer->state = PEER_OPEN;
        }
        peer->window = got->window; /* not scaled */
        peer_emit(peer, ACK, peer->next, 0);
        peer_push(peer);
        peer_deadline(peer);
        return;
    }
    if (peer->state == PEER_SYN)
        return;
    if (ack > peer->una && ack <= peer->bytes + 1) {
        peer->una = ack > peer->bytes ? peer->bytes : ack;
        if (peer->next < peer->una)
            peer->next = peer->una;
        peer_deadline(peer);
    }
    if (ack == peer->una)
        peer->window = (uint32_t)got->window
                       << (peer->has_scale ? STACK_SCALE : 0);
    peer_take(peer, at, got->data, got->len);
    if ((got->flags & FIN) != 0 && at + got->len == peer->have)
        peer->fin_seen = true;
    if (got->len > 0 || (got->flags & FIN) != 0)
        peer_emit(peer, ACK, peer->next + (peer->state >= PEER_FIN), 0);
    if (peer->state == PEER_FIN && peer->fin_seen && ack == peer->bytes + 1)
        peer->state = PEER_DONE;
    peer_push(peer);
}

/* The segment in a frame of the stack. False: the link has damaged it. */
static bool frame_parse(const uint8_t *frame, size_t frame_len,
                        struct peer_segment *got)
{
    const uint8_t *ip = frame + 14;
    const uint8_t *tcp = frame + 34;
    size_t len = frame_len - 34;
    uint32_t sum = (OUR_ADDRESS >> 16) + (OUR_ADDRESS & 0xffff) +
                   (PEER_ADDRESS >> 16) + (PEER_ADDRESS & 0xffff) + 6 +
                   (uint32_t)len;
    size_t header = (size_t)(tcp[12] >> 4) * 4;

    if (peer_checksum(ip, 20, 0) != 0 || peer_checksum(tcp, len, sum) != 0)
        return false;
    *got = (struct peer_segment){.port = (uint16_t)peer_get16(tcp + 2),
                                 .seq = peer_get32(tcp + 4),
                                 .ack = peer_get32(tcp + 8),
                                 .flags = tcp[13],
                                 .window = (uint16_t)peer_get16(tcp + 14),
                                 .options = tcp + 20,
                                 .options_len = header - 20,
                                 .data = tcp + header,
                                 .len = len - header};
    assert_in_range(got->port, 1, profile->peers);
    return true;
}

/* A frame of the stack has crossed the link. */
static void peer_frame_in(const struct flying *flying)
{
    struct peer_segment got;

    if (frame_parse(flying->frame, flying->len, &got))
        peer_segment_in(&peers[got.port - 1], &got);
}

/* The stack sends a frame: all of it must be right. */
static void stack_frame_check(const struct fakenet_frame *frame)
{
    const uint8_t *ip = frame->data + 14;
    struct peer_segment got;

    assert_memory_equal(frame->data, peer_mac, 6);
    assert_memory_equal(frame->data + 6, bench_mac, 6);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(peer_get16(ip + 2), frame->len - 14);
    assert_int_equal(peer_get16(ip + 6), 0x4000); /* do not fragment */
    assert_true(ip[8] > 0);
    assert_int_equal(ip[9], 6);
    assert_int_equal(peer_get32(ip + 12), OUR_ADDRESS);
    assert_int_equal(peer_get32(ip + 16), PEER_ADDRESS);
    assert_int_equal(frame->data[46] & 15, 0);         /* reserved */
    assert_int_equal(peer_get16(frame->data + 52), 0); /* urgent */
    assert_true(frame_parse(frame->data, frame->len, &got));
    legal_check(&peers[got.port - 1], &got);
}

/* ---- The echo service ---------------------------------------------------- */

struct echo {
    char buf[700];
    size_t at;
    size_t len;
};

static int echo_accept(struct service *service, struct socket *socket)
{
    (void)service;
    socket_set_cookie(socket, calloc(1, sizeof(struct echo)));
    return 0;
}

static void echo_go_on(struct service *service, struct socket *socket)
{
    struct echo *echo = socket_cookie(socket);

    (void)service;
    for (;;) {
        int64_t got;

        if (echo->at < echo->len) {
            got =
                socket_send(socket, echo->buf + echo->at, echo->len - echo->at);
            assert_true(got >= 0);
            echo->at += (size_t)got;
            if (echo->at < echo->len)
                return; /* writable() comes */
        }
        got = socket_receive(socket, echo->buf, 1 + chance(sizeof(echo->buf)));
        if (got == -EAGAIN)
            return;
        if (got == 0) {
            socket_close(socket);
            return;
        }
        assert_true(got > 0);
        echo->at = 0;
        echo->len = (size_t)got;
    }
}

static void echo_close(struct service *service, struct socket *socket)
{
    (void)service;
    free(socket_cookie(socket));
}

static struct service echo_service = {.port = SERVICE_PORT,
                                      .accept = echo_accept,
                                      .receive = echo_go_on,
                                      .writable = echo_go_on,
                                      .close = echo_close};

/* ---- The run ------------------------------------------------------------- */

/* Put what the stack has sent on the link. */
static void collect(void)
{
    const struct fakenet_frame *frame;

    while ((frame = fakenet_sent(&bench.net)) != NULL) {
        if (frame->len == 0 || peer_get16(frame->data + 12) != 0x0800)
            continue;
        stack_frame_check(frame);
        link_send(frame->data, frame->len, false);
    }
}

/* Deliver everything that is due. */
static void deliver(void)
{
    for (unsigned i = 0; i < air_count;) {
        struct flying flying;

        if (air[i].at > bench.now) {
            i++;
            continue;
        }
        flying = air[i];
        air[i] = air[--air_count];
        if (flying.to_stack) {
            fakenet_inject(&bench.net, flying.frame, flying.len);
            bench_run();
            collect();
        } else {
            peer_frame_in(&flying);
        }
    }
}

static uint64_t next_event(void)
{
    uint64_t next = timer_next();

    for (unsigned i = 0; i < air_count; i++) {
        if (air[i].at < next)
            next = air[i].at;
    }
    for (unsigned i = 0; i < profile->peers; i++) {
        if (peers[i].deadline < next)
            next = peers[i].deadline;
    }
    return next > bench.now ? next : bench.now;
}

static bool all_done(void)
{
    for (unsigned i = 0; i < profile->peers; i++) {
        if (peers[i].state != PEER_DONE)
            return false;
    }
    return true;
}

static void step(void)
{
    bench.now = next_event();
    if (timer_next() <= bench.now)
        timer_run(bench.now);
    bench_check();
    bench_run();
    collect();
    deliver();
    for (unsigned i = 0; i < profile->peers; i++) {
        if (peers[i].deadline <= bench.now)
            peer_timeout(&peers[i]);
    }
}

static void peers_init(void)
{
    memset(peers, 0, sizeof(peers));
    for (unsigned i = 0; i < profile->peers; i++) {
        struct peer *peer = &peers[i];

        peer->port = (uint16_t)(i + 1);
        peer->iss = i == 0 ? UINT32_MAX - 5000 : chance(UINT32_MAX);
        peer->bytes = profile->bytes;
        peer->got = calloc(1, peer->bytes + 1);
        peer->mark = calloc(1, peer->bytes + 1);
        peer->deadline = bench.now;
        peer->fin_at = -1;
    }
}

static void peers_check(void)
{
    for (unsigned i = 0; i < profile->peers; i++) {
        struct peer *peer = &peers[i];

        assert_int_equal(peer->have, peer->bytes);
        for (uint32_t at = 0; at < peer->bytes; at++)
            assert_int_equal(peer->got[at], pattern(peer, at));
        free(peer->got);
        free(peer->mark);
    }
}

static void soak(const struct profile *p, uint64_t first_seed, size_t mem_mib)
{
    uint64_t steps = 0;

    print_message("profile %s, seed %llu\n", p->name,
                  (unsigned long long)first_seed);
    profile = p;
    chance_seed = first_seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    air_count = 0;
    bench_open(mem_mib);
    bench_serve(&echo_service);
    bench.check_every = 5;
    peers_init();
    while (!all_done()) {
        step();
        assert_true(++steps < 2000000);
    }
    peers_check();
    /* The link runs dry, the ends time out, and nothing is left. */
    for (unsigned i = 0; i < p->peers; i++)
        peers[i].deadline = UINT64_MAX;
    air_count = 0;
    bench_sleep(300 * NS_PER_S);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(bench.server->conn_count, 0);
    assert_int_equal(bench.stack->budget.used, 0);
    bench_close();
}

/* clang-format off */
static const struct profile profiles[] = {
    /* name            loss twice damage delay us       peers  bytes  window */
    {"clean",             0,   0,   0,    100,   100,    4, 300000, 60000},
    {"losing",           50,   0,   0,    100,  2000,    4, 100000, 60000},
    {"reordering",        0,   0,   0,    100, 30000,    4, 200000, 60000},
    {"doubling",          0, 300,   0,    100,  5000,    4, 100000, 60000},
    {"damaging",          0,   0,  50,    100,  2000,    2,  60000, 60000},
    {"all of it",       100, 100,  20,    100, 20000,    8,  40000, 60000},
    {"hardly working",  300,  50,   0,    100, 20000,    2,  10000, 60000},
    {"tiny window",      20,  20,   0,    100,  3000,    2,  30000,  1500},
    {"long",             20,   0,   0, 100000, 120000,   2, 100000, 60000},
};
/* clang-format on */

static void soak_row(unsigned row)
{
    for (uint64_t n = 1; n <= 4; n++)
        soak(&profiles[row], n + row * 100, 64);
}

static void test_soak_clean(void **state)
{
    (void)state;
    soak_row(0);
}

static void test_soak_losing(void **state)
{
    (void)state;
    soak_row(1);
}

static void test_soak_reordering(void **state)
{
    (void)state;
    soak_row(2);
}

static void test_soak_doubling(void **state)
{
    (void)state;
    soak_row(3);
}

static void test_soak_damaging(void **state)
{
    (void)state;
    soak_row(4);
}

static void test_soak_all_of_it(void **state)
{
    (void)state;
    soak_row(5);
}

static void test_soak_hardly_working(void **state)
{
    (void)state;
    soak_row(6);
}

static void test_soak_tiny_window(void **state)
{
    (void)state;
    soak_row(7);
}

static void test_soak_long(void **state)
{
    (void)state;
    soak_row(8);
}

/* A machine with hardly any memory: buffers stay small, nothing fails. */
static void test_soak_little_memory(void **state)
{
    static const struct profile small = {.name = "little memory",
                                         .loss = 20,
                                         .delay_min_us = 100,
                                         .delay_max_us = 1000,
                                         .peers = 16,
                                         .bytes = 30000,
                                         .window = 60000};

    (void)state;
    soak(&small, 7, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_soak_clean),
        cmocka_unit_test(test_soak_losing),
        cmocka_unit_test(test_soak_reordering),
        cmocka_unit_test(test_soak_doubling),
        cmocka_unit_test(test_soak_damaging),
        cmocka_unit_test(test_soak_all_of_it),
        cmocka_unit_test(test_soak_hardly_working),
        cmocka_unit_test(test_soak_tiny_window),
        cmocka_unit_test(test_soak_long),
        cmocka_unit_test(test_soak_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
