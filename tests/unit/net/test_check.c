/*
 * The checks themselves. A stack damaged in one place must stop the machine,
 * which is a child process here, by SIGABRT.
 */
#include "net/arp.h"
#include "tests/fakes/netbench6.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

static struct tcp_conn *conn;

/* A connection with 100 bytes in flight, 10 bytes received, and 5 more behind a
 * gap of one byte. */
static void open_connection(void)
{
    static const char text[100];

    bench_open(8);
    bench.stack->budget.lent_max = 0; /* all data have memory of their own */
    bench_serve(&service);
    peer_connect(PEER_PORT, 1000, 60000);
    assert_int_equal(socket_send(bench.socket, text, 100), 100);
    for (unsigned i = 0; i < 2; i++)
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = i == 0 ? 1012 : 1001,
                                        .ack = 1,
                                        .window = 60000,
                                        .data = text,
                                        .len = i == 0 ? 5 : 10});
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1020,
                                    .ack = 1,
                                    .window = 60000,
                                    .data = text,
                                    .len = 2});
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
}

/* How a number at `at` is changed: `value` is added, or set. */
struct damage {
    const char *name;
    void *at;
    size_t size;
    bool is_set;
    uint64_t value;
};

static void damage_do(const struct damage *damage)
{
    uint64_t value = 0;

    memcpy(&value, damage->at, damage->size);
    value = damage->is_set ? damage->value : value + damage->value;
    memcpy(damage->at, &value, damage->size);
}

/* Whether stack_check() ends the process after the damage. */
static bool is_noticed(const struct damage *damage)
{
    pid_t pid;
    int status;

    pid = fork();
    if (pid == 0) {
        if (damage != NULL)
            damage_do(damage);
        stack_check(bench.stack);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGABRT);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

#define ADD(field, by)                                         \
    {                                                          \
#field " + " #by, &(field), sizeof(field), false, (by) \
    }
#define SET(field, to)                                        \
    {                                                         \
#field " = " #to, &(field), sizeof(field), true, (to) \
    }
/* A bit that is not set is set. */
#define FLAG(conn, name)                                     \
    {                                                        \
#name, &(conn)->flags, sizeof((conn)->flags), false, \
            (struct tcp_conn){.name = true }.flags           \
    }
#define MINUS(n) ((uint64_t)0 - (n))

static void all_noticed(const struct damage *rows, size_t count)
{
    assert_false(is_noticed(NULL));
    for (size_t i = 0; i < count; i++) {
        if (!is_noticed(&rows[i]))
            fail_msg("not noticed: %s", rows[i].name);
    }
}

static void test_damaged_connections(void **state)
{
    (void)state;
    open_connection();
    {
        struct tcp_conn *c = conn;
        const struct damage rows[] = {
            SET(c->state, TCP_CLOSED),
            SET(c->state, TCP_LAST_ACK + 1),
            SET(c->state, TCP_SYN_RECEIVED),
            SET(c->state, TCP_CLOSE_WAIT),
            SET(c->state, TCP_FIN_WAIT_1),
            SET(c->socket, 0),
            SET(bench.socket->conn, 0),
            FLAG(c, fin_wanted),
            FLAG(c, fin_taken),
            FLAG(c, fin_known),
            ADD(bench.stack->orphan_count, 1),
            ADD(bench.server->conn_count, MINUS(1)),
            ADD(c->flow.lport, 1),
            SET(c->flow.rport, 0),
            ADD(c->flow.remote.byte[15], 1),
            ADD(c->flow.local.byte[15], 1),
            ADD(c->snd_una, 101),
            ADD(c->snd_una, MINUS(1)),
            ADD(c->board.inner[0].end, 1),
            ADD(c->board.sacked, 1),
            ADD(c->board.lost, 1),
            SET(c->board.count, 0),
            ADD(c->snd_max, 1),
            SET(c->tx.used, 0),
            ADD(c->tx.used, 4096),
            ADD(c->tx.ring.size, 1),
            SET(c->tx.ring.size, 1024),
            ADD(c->tx.ring.head, 2048),
            SET(c->tx.ring.base, 0),
            ADD(c->tx.lent, 1),
            SET(c->tx.size, 1),
            ADD(c->snd_wnd, 1),
            SET(c->mss, TCP_MSS_MIN - 1),
            SET(c->mss, 1461),
            SET(c->rto_ms, 199),
            SET(c->rto_ms, 60001),
            SET(c->backoff, TCP_BACKOFF_MAX + 1),
            SET(c->cwnd, 999),
            SET(c->cwnd, TCP_CWND_MAX + 1),
            SET(c->ssthresh, 1999),
            ADD(c->recover, 1000),
            FLAG(c, is_recovering),
            ADD(c->rcv_acked, 1),
            ADD(c->rcv_adv, MINUS(100000)),
            ADD(c->rcv_adv, 65536),
            SET(c->rcv_scale, 1),
            ADD(c->reorder->count, 1),
            ADD(c->reorder->bytes, 1),
            SET(c->reorder->recent_count, TCP_SACKS_MAX + 1),
            SET(c->reorder, 0),
            SET(c->rack_mult, TCP_REORDER_MAX + 1),
            ADD(c->rack.fack, 1000),
            ADD(c->rack.end, 1000),
            SET(c->rx.used, 4096),
            SET(c->rx.size, 0),
            ADD(c->armed, MINUS(1 << TCP_ALARM_REXMIT)),
            ADD(c->alarm[TCP_ALARM_REXMIT], MINUS(1000000)),
            ADD(c->armed, 1 << TCP_ALARM_LIFE),
            ADD(c->armed, 1 << TCP_ALARM_IDLE),
            SET(c->timer.at, TIME_NEVER),
            SET(c->timer.at, 1),
            SET(bench.stack->wheel_timer.slot, 0),
            SET(bench.stack->wheel.turning_ns, 1),
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    bench_close();
}

/* What is owed has an alarm. */
static void test_damaged_alarms(void **state)
{
    (void)state;
    open_connection();
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1011,
                                    .ack = 101,
                                    .window = 60000,
                                    .data = "x",
                                    .len = 1});
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1017,
                                    .ack = 101,
                                    .window = 60000,
                                    .data = "xxx",
                                    .len = 3});
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1022,
                                    .ack = 101,
                                    .window = 60000,
                                    .data = "x",
                                    .len = 1});
    assert_true(alarm_is_set(conn, TCP_ALARM_ACK));
    {
        struct tcp_conn *c = conn;
        const struct damage rows[] = {
            ADD(c->armed, MINUS(1 << TCP_ALARM_ACK)),
            ADD(c->armed, 1 << TCP_ALARM_REXMIT),
            FLAG(c, is_probing),
            FLAG(c, want_write),
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    bench_close();
}

static void test_damaged_orphans(void **state)
{
    (void)state;
    open_connection();
    socket_close(bench.socket);
    {
        struct tcp_conn *c = conn;
        const struct damage rows[] = {
            ADD(c->armed, MINUS(1 << TCP_ALARM_LIFE)),
            SET(c->state, TCP_TIME_WAIT),
            SET(c->discarded, TCP_DISCARD_MAX + 1),
            ADD(c->rcv_nxt, 100000),
            SET(bench.stack->orphan_max, 0),
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    bench_close();
}

static void test_damaged_half_open(void **state)
{
    struct tcp_half *half;

    (void)state;
    open_connection();
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 9});
    bench_sleep(NS_PER_S);
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 8});
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 7});
    half = bench_half(PEER_ADDRESS, 8, SERVICE_PORT);
    assert_non_null(half);
    {
        struct net_stack *stack = bench.stack;
        const struct damage rows[] = {
            ADD(half->lport, 1),
            ADD(half->rport, 1),
            ADD(half->remote.byte[15], 1),
            ADD(half->sent_us, 1000),
            ADD(half->sent_us, MINUS(500000)),
            SET(half->server, 0),
            SET(stack->half_open_count, 2),
            SET(stack->half_open_count, 4),
            SET(bench.server->half_open_count, 2),
            SET(stack->half_timer.at, TIME_NEVER),
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    bench_close();
}

static void test_damaged_time_waits(void **state)
{
    struct tcp_wait *wait;

    (void)state;
    open_connection();
    socket_close(bench.socket);
    peer_send((struct peer_segment){
        .flags = FIN | ACK, .seq = 1011, .ack = 102, .window = 60000});
    wait = bench_wait(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_non_null(wait);
    {
        struct net_stack *stack = bench.stack;
        const struct damage rows[] = {
            ADD(wait->lport, 1),
            ADD(wait->remote.byte[15], 1),
            SET(stack->time_wait_count, 0),
            SET(stack->time_wait_count, 2),
            SET(stack->time_wait_max, 0),
            SET(stack->time_wait_timer.at, TIME_NEVER),
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    bench_close();
}

static void test_damaged_stacks(void **state)
{
    (void)state;
    open_connection();
    bench.net.is_full = true;
    arp_announce(bench.stack);
    bench.answers_arp = false;
    peer_send((struct peer_segment){
        .flags = ACK, .address = OUR_ADDRESS + 20, .target = 81});
    {
        struct net_stack *stack = bench.stack;
        struct server *server = bench.server;
        struct neigh *known = bench_neigh(PEER_ADDRESS);
        struct neigh *asked = bench_neigh(OUR_ADDRESS + 20);
        struct packet *waiting =
            container_of(asked->waiting.head, struct packet, node);
        const struct damage rows[] = {
            SET(bench.net.dev.queues[0].user, 0),
            ADD(stack->tx_queued, 1),
            SET(stack->tx_timer.slot, 0),
            ADD(stack->conn_count, 1),
            ADD(stack->time_wait_count, 1),
            ADD(stack->budget.used, 1),
            SET(stack->budget.limit, 100),
            ADD(stack->budget.lent, 1),
            ADD(server->conn_count, 1),
            SET(server->backlog, 0),
            ADD(server->half_open_count, 1),
            ADD(stack->neigh.waiting_count, 1),
            SET(stack->neigh.timer.slot, 0),
            ADD(known->address.byte[15], 1),
            SET(known->address.word[1], 0),
            SET(known->generation, 0),
            SET(asked->is_known, true),
            SET(asked->asked, 0),
            SET(asked->asked, NEIGH_TRIES + 1),
            ADD(asked->waiting_count, 1),
            ADD(waiting->len, 2048),
            ADD(waiting->data, MINUS(200)),
            ADD(waiting->data, 2048),
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    bench.net.is_full = false;
    bench_close();
}

/* IPv6 with a router, a prefix and its address, a redirect, a name server. */
static void open_ip6(struct ip6 **out)
{
    uint8_t said[16 + 32 + 24] = {134, [4] = 64, [6] = 7, 8};
    uint8_t redirect[40] = {
        137, [8] = 0xfe, 0x80, [23] = 9, [24] = 0x2a, [39] = 1};

    memcpy(said + 16, "\3\4\x40\xc0\0\0\x0e\x10\0\0\x0e\x10", 12);
    memcpy(said + 32, "\x20\1\x0d\xb8", 4);
    memcpy(said + 48, "\x19\3\0\0\0\0\x0e\x10\x20\1\x0d\xb8", 12);
    bench6_open("auto");
    bench6_settle(2 * NS_PER_S);
    peer6_icmp(ROUTER6, "ff02::1", 255, said, sizeof(said));
    bench6_settle(3 * NS_PER_S);
    peer6_icmp(ROUTER6, "ff02::1", 255, redirect, sizeof(redirect));
    *out = ip6_of(bench.stack);
    assert_int_equal((*out)->address[1].state, IP6_READY);
    assert_int_equal((*out)->redirect[0].len, 128);
    assert_int_equal((*out)->dns[0].len, 128);
}

static void test_damaged_ip6(void **state)
{
    struct ip6 *ip6;

    (void)state;
    open_ip6(&ip6);
    {
        const struct damage rows[] = {
            {"hops", &ip6->hops, 1, true, 31},
            {"mtu", &bench.stack->ip6_mtu, 2, true, 1279},
            {"large mtu", &bench.stack->ip6_mtu, 2, true, 1501},
            {"loop", &ip6->loop_count, 4, true, 1},
            {"timer", &ip6->timer.slot, 4, true, 0},
            {"group", ip6->address[0].addr.byte + 15, 1, false, 1},
            {"address of the link", ip6->address[0].addr.byte, 1, true, 0x20},
            {"multicast", ip6->address[1].addr.byte, 1, true, 0xff},
            {"tries", &ip6->address[1].tries, 1, true, 9},
            {"valid", &ip6->address[1].valid_until, 8, true, 1},
            {"free, with an address", &ip6->address[1].state, 4, true, 0},
            {"users", &ip6->group[0].users, 1, true, 0},
            {"many users", &ip6->group[0].users, 1, true, 9},
            {"reports", &ip6->group[0].reports, 1, true, 1},
            {"change", &ip6->change_at, 8, true, 1},
            {"answer", &ip6->answer_at, 8, true, 1},
            {"router", ip6->router[0].addr.byte, 1, true, 0x20},
            {"preference", &ip6->router[0].preference, 1, true, 2},
            {"until", &ip6->router[0].until, 8, true, 1},
            {"chosen", &ip6->chosen, 8, true, 0},
            {"prefix without a route", ip6->prefix[0].addr.byte, 1, false, 1},
            {"its length", &ip6->prefix[0].len, 1, false, 1},
            {"its end", &ip6->prefix[0].until, 8, true, 1},
            {"free prefix", &ip6->prefix[0].len, 1, true, 0},
            {"redirect", ip6->redirect[0].addr.byte, 1, false, 1},
            {"server", &ip6->dns[0].until, 8, true, 1},
        };

        all_noticed(rows, COUNT_OF(rows));
    }
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_connections),
        cmocka_unit_test(test_damaged_alarms),
        cmocka_unit_test(test_damaged_orphans),
        cmocka_unit_test(test_damaged_half_open),
        cmocka_unit_test(test_damaged_time_waits),
        cmocka_unit_test(test_damaged_stacks),
        cmocka_unit_test(test_damaged_ip6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
