/* Scripts of packetdrill: what each line does. drill_parse.c reads them. */
#include "tests/fakes/drill.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/drill_parse.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum {
    PEER_ISS = 0x70000000, /* what the script calls 0 */
    FDS = 16,
    SENT_MAX = 2048,
    OPTIONS_MAX = 40,
    TEXT_MAX = 1 << 20,
    PIECE = 1400, /* fits into a frame */
};

/* A segment that the stack sent, and when. */
struct sent {
    struct peer_segment segment;
    uint8_t options[OPTIONS_MAX];
    uint64_t at;
};

static struct sent sent[SENT_MAX];
static unsigned sent_first, sent_count;

/* What is behind a number of a file. */
static struct fd {
    bool is_open;
    bool is_ours;          /* a socket of a thread: it lasts until close() */
    struct socket *socket; /* NULL: it has ended, */
    int error;             /* with this */
    bool is_read_no_more;  /* shutdown() of both sides */
    unsigned chosen_count; /* options that were set before it connected */
    struct choice {
        enum socket_option option;
        uint64_t value;
    } chosen[4];
} fds[FDS];
static struct socket *accepted[FDS];
static unsigned accepted_count;

static struct service service;
static uint64_t begin;    /* of the script, in the bench's time */
static uint64_t event_at; /* when the event before happened */
static uint32_t our_base; /* what the script calls 0 of our numbers */
static bool has_base;
static bool has_accepted;   /* since then */
static bool was_split;      /* the last segment of the peer */
static uint32_t stamp_base; /* what we add to the script's of our timestamps */
static bool has_stamp_base;
static char content[TEXT_MAX];

static jmp_buf out;
static enum drill_result result;
static char reason[400];

/* ---- Ending -------------------------------------------------------------- */

static _Noreturn __attribute__((format(printf, 2, 3))) void
finish(enum drill_result how, const char *format, ...)
{
    va_list args;
    int len = snprintf(reason, sizeof(reason), "line %u: ", drill_line());

    va_start(args, format);
    vsnprintf(reason + len, sizeof(reason) - (size_t)len, format, args);
    va_end(args);
    result = how;
    longjmp(out, 1);
}

#define fail_with(...)   finish(DRILL_FAILED, __VA_ARGS__)
#define unsupported(...) finish(DRILL_UNSUPPORTED, __VA_ARGS__)

_Noreturn void drill_unsupported(const char *what)
{
    unsupported("%.200s", what);
}

/* ---- The service --------------------------------------------------------- */

static int on_accept(struct service *self, struct socket *socket)
{
    (void)self;
    if (accepted_count == FDS)
        return -ENOMEM;
    accepted[accepted_count++] = socket;
    return 0;
}

static void on_receive(struct service *self, struct socket *socket)
{
    (void)self;
    (void)socket;
}

static void on_close(struct service *self, struct socket *socket)
{
    (void)self;
    for (unsigned i = 0; i < FDS; i++) {
        if (fds[i].socket != socket)
            continue;
        fds[i].socket = NULL;
        fds[i].error = socket->error;
    }
    for (unsigned i = 0; i < accepted_count; i++) {
        if (accepted[i] == socket)
            accepted[i] = accepted[--accepted_count];
    }
}

/* ---- Time ---------------------------------------------------------------- */

/* Note what was sent by now. */
static void drain(void)
{
    struct peer_segment got;

    while (peer_receive(&got)) {
        struct sent *one = &sent[(sent_first + sent_count) % SENT_MAX];

        if (sent_count++ == SENT_MAX)
            fail_with("the stack sends without end");
        one->segment = got;
        memcpy(one->options, got.options, got.options_len);
        one->segment.options = one->options;
        one->segment.data = NULL;
        one->at = bench.now;
    }
}

static void advance(uint64_t to)
{
    drain();
    while (timer_next() <= to) {
        uint64_t next = timer_next();

        bench_sleep(next > bench.now ? next - bench.now : 0);
        drain();
    }
    if (to > bench.now)
        bench_sleep(to - bench.now);
}

/* The time of an event, in the bench's. */
static uint64_t when(const struct drill_time *time)
{
    if (time->is_relative)
        return event_at + time->ns;
    return begin + time->ns;
}

/* ---- Segments ------------------------------------------------------------ */

static uint8_t *put(uint8_t *at, uint8_t kind, uint8_t len)
{
    at[0] = kind;
    at[1] = len;
    return at + 2;
}

/* The options of a segment of the script as bytes. */
static size_t options_build(const struct drill_segment *segment, uint8_t *buf)
{
    uint8_t *at = buf;

    for (unsigned i = 0; i < segment->option_count; i++) {
        const struct drill_option *option = &segment->option[i];

        switch (option->kind) {
        case DRILL_NOP:
            *at++ = 1;
            break;
        case DRILL_EOL:
            *at++ = 0;
            break;
        case DRILL_MSS:
            at = put(at, 2, 4);
            peer_put16(at, option->value[0]);
            at += 2;
            break;
        case DRILL_SCALE:
            at = put(at, 3, 3);
            *at++ = (uint8_t)option->value[0];
            break;
        case DRILL_SACK_OK:
            at = put(at, 4, 2);
            break;
        case DRILL_STAMP:
            at = put(at, 8, 10);
            peer_put32(at, option->value[0]);
            peer_put32(at + 4, option->value[1] == 0
                                   ? 0
                                   : option->value[1] + stamp_base);
            at += 8;
            break;
        case DRILL_SACK:
            at = put(at, 5, (uint8_t)(2 + 4 * option->count));
            for (unsigned j = 0; j < option->count; j++, at += 4)
                peer_put32(at, our_base + option->value[j]);
            break;
        }
    }
    while ((at - buf) % 4 != 0)
        *at++ = 1;
    return (size_t)(at - buf);
}

/* A long one comes as several. */
static void segment_in(const struct drill_segment *script)
{
    uint8_t options[OPTIONS_MAX + 20];
    size_t options_len = options_build(script, options);
    uint32_t done = 0;

    if (options_len > OPTIONS_MAX)
        unsupported("options that do not fit");
    was_split = script->len > PIECE;
    do {
        uint32_t left = script->len - done;
        uint32_t len = left < PIECE ? left : PIECE;

        peer_send((struct peer_segment){
            .seq = PEER_ISS + script->seq + done,
            .ack = (script->flags & ACK) != 0 ? our_base + script->ack : 0,
            .flags = len < left ? script->flags & (uint8_t)~FIN : script->flags,
            .window = (uint16_t)script->window,
            .urgent = (uint16_t)script->urgent,
            .tos = script->ecn,
            .data = content,
            .len = len,
            .options = options,
            .options_len = options_len});
        done += len;
    } while (done < script->len);
    drain();
}

/* Our options in the script's form. */
static void options_read(const struct peer_segment *got,
                         struct drill_segment *into)
{
    const uint8_t *at = got->options, *end = at + got->options_len;

    into->option_count = 0;
    while (at < end && *at != 0) {
        struct drill_option *option = &into->option[into->option_count];

        if (*at == 1) {
            at++;
            continue;
        }
        *option = (struct drill_option){0};
        if (end - at < 2 || at[1] < 2 || at[1] > end - at ||
            into->option_count == DRILL_OPTIONS_MAX)
            fail_with("the stack's options are malformed");
        switch (*at) {
        case 2:
            option->kind = DRILL_MSS;
            option->value[option->count++] = peer_get16(at + 2);
            break;
        case 3:
            option->kind = DRILL_SCALE;
            option->value[option->count++] = at[2];
            break;
        case 4:
            option->kind = DRILL_SACK_OK;
            break;
        case 5:
            option->kind = DRILL_SACK;
            for (unsigned i = 2; i + 4U <= at[1]; i += 4)
                option->value[option->count++] = peer_get32(at + i) - PEER_ISS;
            break;
        case 8:
            option->kind = DRILL_STAMP;
            option->count = 2;
            option->value[0] = peer_get32(at + 2);
            option->value[1] = peer_get32(at + 6);
            break;
        default:
            fail_with("the stack has sent option %u", *at);
        }
        into->option_count++;
        at += at[1];
    }
}

static bool stamp_is(const struct drill_option *want,
                     const struct drill_option *got, uint64_t tolerance)
{
    int32_t gap;

    if (!has_stamp_base) {
        has_stamp_base = true;
        stamp_base = got->value[0] - want->value[0];
    }
    gap = (int32_t)(got->value[0] - stamp_base - want->value[0]);
    return want->value[1] == got->value[1] &&
           (uint64_t)abs(gap) <= tolerance / NS_PER_MS;
}

/* Both without NOPs. */
static bool options_are(const struct drill_segment *want,
                        const struct peer_segment *got)
{
    struct drill_segment have;
    unsigned at = 0;

    options_read(got, &have);
    for (unsigned i = 0; i < want->option_count; i++) {
        const struct drill_option *option = &want->option[i];

        if (option->kind == DRILL_NOP)
            continue;
        if (at == have.option_count || have.option[at].kind != option->kind)
            return false;
        if (option->kind == DRILL_STAMP) {
            if (!stamp_is(option, &have.option[at], drill_tolerance_ns()))
                return false;
        } else if (option->count != have.option[at].count ||
                   memcmp(option->value, have.option[at].value,
                          option->count * sizeof(option->value[0])) != 0) {
            return false;
        }
        at++;
    }
    return at == have.option_count;
}

static _Noreturn void differs(const char *what,
                              const struct drill_segment *want,
                              const struct peer_segment *got, uint64_t at)
{
    fail_with("%s: sent at %.3f: flags %02x %u(%zu) ack %u win %u; "
              "want flags %02x %u(%u) ack %u win %u",
              what, (double)(at - begin) / 1e9, got->flags, got->seq - our_base,
              got->len, got->ack - PEER_ISS, got->window, want->flags,
              want->seq, want->len, want->ack, want->window);
}

/* The next segment that is sent until `limit`. */
static struct sent *sent_next(uint64_t limit)
{
    struct sent *one;

    drain();
    while (sent_count == 0 && timer_next() <= limit)
        advance(timer_next());
    if (sent_count == 0)
        fail_with("nothing is sent");
    one = &sent[sent_first];
    sent_first = (sent_first + 1) % SENT_MAX;
    sent_count--;
    return one;
}

/* An acknowledgement of a piece, of which the script knows nothing. */
static bool is_of_a_piece(const struct drill_segment *want,
                          const struct sent *one)
{
    return was_split && want->len == 0 && one->segment.len == 0 &&
           one->segment.flags == ACK && want->flags == ACK &&
           (int32_t)(one->segment.ack - PEER_ISS - want->ack) < 0;
}

static void segment_compare(const struct drill_segment *want,
                            const struct sent *one, uint32_t done)
{
    const struct peer_segment *got = &one->segment;
    bool is_last = done + got->len == want->len;
    uint8_t flags = want->flags & (uint8_t) ~(PSH | (is_last ? 0 : FIN));

    if ((got->flags & ~PSH) != flags)
        differs("flags", want, got, one->at);
    if (got->seq - our_base != want->seq + done)
        differs("number", want, got, one->at);
    if ((want->flags & ACK) != 0 && got->ack - PEER_ISS != want->ack)
        differs("acknowledgement", want, got, one->at);
    if (want->has_ecn && (got->tos & 3) != want->ecn)
        differs("ECN of IP", want, got, one->at);
    if (want->has_window && got->window != want->window)
        differs("window", want, got, one->at);
    if (want->has_options && !options_are(want, got))
        differs("options", want, got, one->at);
}

static void segment_out(const struct drill_event *event)
{
    const struct drill_segment *want = &event->segment;
    uint64_t from = when(&event->from), to = from;
    uint64_t tolerance = drill_tolerance_ns();
    uint32_t done = 0;

    if (event->has_end)
        to = when(&event->end);
    do {
        uint64_t limit = event->is_any_time ? TIME_NEVER - 1 : to + tolerance;
        struct sent *one = sent_next(limit);

        while (is_of_a_piece(want, one))
            one = sent_next(limit);

        /* Behind one that was accepted, another connection may begin. */
        if (!has_base || ((want->flags & SYN) != 0 && has_accepted)) {
            has_base = true;
            has_accepted = false;
            our_base = one->segment.seq - want->seq;
        }
        if (one->segment.len > want->len - done)
            differs("length", want, &one->segment, one->at);
        segment_compare(want, one, done);
        if (!event->is_any_time &&
            (one->at + tolerance < from || one->at > to + tolerance))
            fail_with("sent at %.6f instead of %.6f .. %.6f",
                      (double)(one->at - begin) / 1e9,
                      (double)(from - begin) / 1e9, (double)(to - begin) / 1e9);
        if (event->is_any_time)
            from = one->at;
        done += (uint32_t)one->segment.len;
        if (one->segment.len == 0 && done < want->len)
            differs("length", want, &one->segment, one->at);
    } while (done < want->len);
    event_at = from;
}

/* ---- System calls -------------------------------------------------------- */

static struct fd *fd_get(const struct drill_call *call)
{
    long number = strtol(call->arg[0], NULL, 10);

    if (number < 0 || number >= FDS || !fds[number].is_open)
        fail_with("%s of no open file", call->name);
    return &fds[number];
}

/* The number that the script wants, since it may have opened other files. */
static int64_t fd_new(const struct drill_call *call, struct socket *socket)
{
    int64_t number = call->result;

    if (number < 0 || number >= FDS || fds[number].is_open)
        unsupported("file number %ld", (long)number);
    fds[number] = (struct fd){.is_open = true, .socket = socket};
    return number;
}

static int64_t call_accept(const struct drill_call *call)
{
    struct socket *socket;

    if (accepted_count == 0)
        return -EAGAIN;
    socket = accepted[0];
    memmove(accepted, accepted + 1, --accepted_count * sizeof(accepted[0]));
    has_accepted = true;
    return fd_new(call, socket);
}

static int64_t call_listen(const struct drill_call *call)
{
    (void)fd_get(call);
    if (bench.server != NULL)
        unsupported("a second listener");
    service = (struct service){.port = SERVICE_PORT,
                               .accept = on_accept,
                               .receive = on_receive,
                               .close = on_close};
    bench_serve(&service);
    return 0;
}

/* What the script has chosen for it before. */
static void choices_apply(const struct fd *fd)
{
    for (unsigned i = 0; i < fd->chosen_count; i++) {
        if (socket_set_option(fd->socket, fd->chosen[i].option,
                              fd->chosen[i].value) != 0)
            unsupported("an option here");
    }
    if (drill_asks_ecn() && socket_set_option(fd->socket, SOCKET_ECN, 1) != 0)
        unsupported("ECN here");
}

/* It has begun, or it is over: blocking calls come twice. */
static int64_t call_connect(const struct drill_call *call)
{
    const struct net_endpoint local = {.port = SERVICE_PORT};
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), PEER_PORT};
    struct fd *fd = fd_get(call);
    struct socket_poll poll = {.socket = fd->socket,
                               .events = SOCKET_CAN_SEND | SOCKET_HAS_ENDED};

    if (fd->socket == NULL) {
        if (bench.server != NULL || socket_open_tcp(&fd->socket) != 0)
            unsupported("connect() here");
        choices_apply(fd);
        if (socket_bind(fd->socket, &local) != 0 ||
            socket_connect_start(fd->socket, &remote) != 0)
            unsupported("connect() here");
        fd->is_ours = true;
        return -DRILL_EINPROGRESS;
    }
    if (socket_wait(&poll, 1, 0) != 1)
        return -DRILL_EINPROGRESS;
    return (poll.ready & SOCKET_HAS_ENDED) != 0 ? fd->socket->error : 0;
}

static int64_t call_shutdown(const struct drill_call *call)
{
    struct fd *fd = fd_get(call);

    /* There is no call for the other side: who reads no more reads no more. */
    fd->is_read_no_more = strcmp(call->arg[1], "SHUT_RDWR") == 0;
    if ((!fd->is_read_no_more && strcmp(call->arg[1], "SHUT_WR") != 0) ||
        fd->socket == NULL)
        unsupported("shutdown() of %.80s", call->arg[1]);
    return socket_shutdown(fd->socket);
}

static size_t size_of(const struct drill_call *call, unsigned arg)
{
    size_t size = strtoul(call->arg[arg], NULL, 10);

    if (size > TEXT_MAX)
        unsupported("so many bytes");
    return size;
}

/* Flags of send() and recv() that change nothing here. */
static void check_flags(const struct drill_call *call, unsigned arg)
{
    if (call->count > arg && strcmp(call->arg[arg], "0") != 0 &&
        strcmp(call->arg[arg], "MSG_DONTWAIT") != 0 &&
        strcmp(call->arg[arg], "MSG_NOSIGNAL") != 0)
        unsupported("flag %.80s", call->arg[arg]);
}

static int64_t call_read(const struct drill_call *call)
{
    static char buf[TEXT_MAX];
    struct fd *fd = fd_get(call);
    int64_t done;

    check_flags(call, 3);
    if (fd->socket == NULL)
        return fd->error;
    done = socket_receive(fd->socket, buf, size_of(call, 2));
    return done == -EAGAIN && fd->is_read_no_more ? 0 : done;
}

static int64_t call_write(const struct drill_call *call)
{
    struct fd *fd = fd_get(call);
    int64_t done;

    check_flags(call, 3);
    if (fd->socket == NULL)
        return fd->error != 0 ? fd->error : -EPIPE;
    done = socket_send(fd->socket, content, size_of(call, 2));
    return done == 0 ? -EAGAIN : done;
}

static int64_t call_close(const struct drill_call *call)
{
    struct fd *fd = fd_get(call);

    if (fd->socket != NULL)
        socket_close(fd->socket);
    fd->socket = NULL;
    fd->is_open = false;
    return 0;
}

static bool is_one_of(const char *name, const char *const list[])
{
    for (; *list != NULL; list++) {
        if (strcmp(name, *list) == 0)
            return true;
    }
    return false;
}

/* The number of "[3000]". */
static uint64_t value_of(const char *arg)
{
    return strtoul(arg + (arg[0] == '['), NULL, 10);
}

/* Returns whether it is an option that we have: then it was set. */
static bool option_set(struct fd *fd, const char *name, uint64_t value)
{
    static const struct {
        const char *name;
        enum socket_option option;
        uint64_t unit;
    } rows[] = {
        {"TCP_NODELAY", SOCKET_NODELAY, 1},
        {"TCP_USER_TIMEOUT", SOCKET_USER_TIMEOUT, NS_PER_MS},
        {"TCP_KEEPIDLE", SOCKET_KEEP_IDLE, NS_PER_S},
        {"TCP_KEEPINTVL", SOCKET_KEEP_INTERVAL, NS_PER_S},
        {"TCP_KEEPCNT", SOCKET_KEEP_COUNT, 1},
        {"IP_TTL", SOCKET_HOP_LIMIT, 1},
    };
    unsigned i = 0;

    while (i < COUNT_OF(rows) && strcmp(rows[i].name, name) != 0)
        i++;
    if (i == COUNT_OF(rows))
        return false;
    if (fd->socket == NULL && fd->chosen_count < COUNT_OF(fd->chosen))
        fd->chosen[fd->chosen_count++] =
            (struct choice){rows[i].option, value * rows[i].unit};
    else if (fd->socket == NULL || socket_set_option(fd->socket, rows[i].option,
                                                     value * rows[i].unit) != 0)
        unsupported("option %.80s here", name);
    return true;
}

/* Options that scripts set for reasons that do not exist here: names that are
 * free at once, larger buffers. */
static int64_t call_setsockopt(const struct drill_call *call)
{
    static const char *const harmless[] = {"SO_REUSEADDR",    "SO_SNDBUF",
                                           "SO_RCVBUF",       "SO_LINGER_",
                                           "IP_MTU_DISCOVER", NULL};

    if (!option_set(fd_get(call), call->arg[2], value_of(call->arg[3])) &&
        !is_one_of(call->arg[2], harmless))
        unsupported("option %.80s", call->arg[2]);
    return 0;
}

static int64_t call_getsockopt(const struct drill_call *call)
{
    const struct fd *fd = fd_get(call);
    long want = (long)value_of(call->arg[3]);

    if (strcmp(call->arg[2], "SO_ERROR") == 0) {
        int error = fd->socket != NULL && fd->socket->conn == NULL
                        ? fd->socket->error
                        : fd->error;

        if (error != -want)
            fail_with("SO_ERROR is %d", -error);
        return 0;
    }
    if (strcmp(call->arg[2], "TCP_MAXSEG") != 0 || fd->socket == NULL)
        unsupported("option %.80s", call->arg[2]);
    if (fd->socket->conn->mss != want)
        fail_with("TCP_MAXSEG is %u", fd->socket->conn->mss);
    return 0;
}

static int64_t call_ioctl(const struct drill_call *call)
{
    const struct fd *fd = fd_get(call);
    long want = strtol(call->arg[2] + 1, NULL, 10);

    if (strcmp(call->arg[1], "SIOCINQ") != 0 || fd->socket == NULL ||
        fd->socket->conn == NULL)
        unsupported("ioctl %.80s", call->arg[1]);
    if (fd->socket->conn->rx.used != want)
        fail_with("SIOCINQ is %u", fd->socket->conn->rx.used);
    return 0;
}

static int64_t call_do(const struct drill_call *call)
{
    static const char *const nothing[] = {"bind", "fcntl", NULL};

    if (strcmp(call->name, "socket") == 0)
        return fd_new(call, NULL);
    if (is_one_of(call->name, nothing))
        return call->result;
    if (strcmp(call->name, "listen") == 0)
        return call_listen(call);
    if (strcmp(call->name, "connect") == 0)
        return call_connect(call);
    if (strcmp(call->name, "shutdown") == 0)
        return call_shutdown(call);
    if (strcmp(call->name, "accept") == 0)
        return call_accept(call);
    if (strcmp(call->name, "read") == 0 || strcmp(call->name, "recv") == 0)
        return call_read(call);
    if (strcmp(call->name, "write") == 0 || strcmp(call->name, "send") == 0 ||
        strcmp(call->name, "sendto") == 0)
        return call_write(call);
    if (strcmp(call->name, "close") == 0)
        return call_close(call);
    if (strcmp(call->name, "setsockopt") == 0)
        return call_setsockopt(call);
    if (strcmp(call->name, "getsockopt") == 0)
        return call_getsockopt(call);
    if (strcmp(call->name, "ioctl") == 0)
        return call_ioctl(call);
    unsupported("%.80s()", call->name);
}

static void call_check(const struct drill_call *call)
{
    int64_t got = call_do(call);

    if (got != call->result)
        fail_with("%s answers %ld instead of %ld", call->name, (long)got,
                  (long)call->result);
    bench_run();
    drain();
}

/* ---- Assertions ---------------------------------------------------------- */

static const struct tcp_conn *only_conn(void)
{
    for (unsigned i = 0; i < FDS; i++) {
        if (fds[i].socket != NULL && fds[i].socket->conn != NULL)
            return fds[i].socket->conn;
    }
    return NULL;
}

static long in_segments(const struct tcp_conn *conn, uint32_t bytes)
{
    return (bytes + conn->mss - 1) / conn->mss;
}

static void assertion(const struct drill_event *event)
{
    const struct tcp_conn *conn = only_conn();

    for (unsigned i = 0; conn != NULL && i < event->assert_count; i++) {
        const struct drill_assert *one = &event->asserts[i];
        long got;

        if (strcmp(one->name, "tcpi_snd_cwnd") == 0)
            got = conn->cwnd / conn->mss;
        else if (strcmp(one->name, "tcpi_unacked") == 0)
            got = in_segments(conn, conn_flight(conn));
        else if (strcmp(one->name, "tcpi_sacked") == 0)
            got = in_segments(conn, conn->board.sacked);
        else
            continue;
        if (got != one->value)
            fail_with("%s is %ld instead of %ld", one->name, got, one->value);
    }
}

/* ---- A script ------------------------------------------------------------ */

/* A call that blocks until event->end; the next event may come before. */
static struct drill_event blocked;
static bool has_blocked;

static void unblock(uint64_t now)
{
    uint64_t end;

    if (!has_blocked)
        return;
    end = when(&blocked.end);
    if (end >= now)
        return;
    if (end > bench.now)
        advance(end);
    has_blocked = false;
    call_check(&blocked.call);
}

/* What connect() waits for has come: it returns before its end. */
static void connected(void)
{
    if (!has_blocked || strcmp(blocked.call.name, "connect") != 0 ||
        call_do(&blocked.call) == -DRILL_EINPROGRESS)
        return;
    has_blocked = false;
    call_check(&blocked.call);
}

static void event_run(struct drill_event *event)
{
    uint64_t at = when(&event->from);
    uint64_t end = event->has_end ? when(&event->end) : at;

    if (event->kind == DRILL_OUT) {
        segment_out(event);
        return;
    }
    unblock(at);
    if (!event->is_any_time)
        advance(at);
    event_at = bench.now;
    switch (event->kind) {
    case DRILL_IN:
        segment_in(&event->segment);
        connected();
        break;
    case DRILL_CALL:
        if (strcmp(event->call.name, "connect") == 0 && event->call.result == 0)
            (void)call_do(&event->call); /* begin */
        if (event->has_end && event->call.result >= 0) {
            if (has_blocked)
                unsupported("two calls that block");
            blocked = *event;
            blocked.end.ns = end - begin;
            blocked.end.is_relative = false;
            has_blocked = true;
        } else {
            call_check(&event->call);
        }
        break;
    case DRILL_ASSERT:
        assertion(event);
        break;
    case DRILL_OUT:
        break;
    }
}

static void script_run(void)
{
    static struct drill_event event;

    while (drill_next(&event))
        event_run(&event);
    unblock(TIME_NEVER);
}

enum drill_result drill_run(const char *path, const char **why)
{
    result = DRILL_PASSED;
    reason[0] = '\0';
    *why = reason;
    memset(fds, 0, sizeof(fds));
    accepted_count = sent_first = sent_count = 0;
    has_base = has_stamp_base = has_blocked = has_accepted = false;
    was_split = false;
    our_base = stamp_base = 0;
    bench_open(128);
    begin = event_at = bench.now;
    if (!drill_open(path)) {
        snprintf(reason, sizeof(reason), "cannot be read");
        result = DRILL_FAILED;
    } else if (setjmp(out) == 0) {
        script_run();
    }
    drill_close();
    for (unsigned i = 0; i < FDS; i++) {
        if (fds[i].is_ours && fds[i].socket != NULL)
            socket_abort(fds[i].socket);
    }
    bench_close();
    return result;
}
