/* The hash table of connections: net/tcp/table.c. */
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "net/tcp.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum {
    OTHERS = 0x08000000, /* behind the gateway */
    PORTS = 50,          /* of each */
    MANY = 12500,
    BYTES = 640, /* of an idle connection, its socket, its share of the table */
};

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

static unsigned opened;

static void open_bench(void)
{
    bench_open(64);
    bench_serve(&service);
    bench.server->backlog = 2 * MANY;
    bench.answers_arp = true; /* of the gateway */
    bench.relative = false;
    bench.check_every = 1000;
    opened = 0;
}

/* Let `count` more peers connect. */
static void connect_more(unsigned count)
{
    for (unsigned end = opened + count; opened < end; opened++) {
        struct peer_segment segment = {.flags = SYN,
                                       .seq = 10,
                                       .window = 1000,
                                       .address = OTHERS + opened / PORTS,
                                       .port = (uint16_t)(1 + opened % PORTS)};
        struct peer_segment got;

        peer_send(segment);
        assert_true(peer_receive(&got));
        segment.flags = ACK;
        segment.seq = 11;
        segment.ack = got.seq + 1;
        peer_send(segment);
    }
}

static struct tcp_conn *find(unsigned i)
{
    return bench_conn(OTHERS + i / PORTS, (uint16_t)(1 + i % PORTS),
                      SERVICE_PORT);
}

static void all_are_found(void)
{
    for (unsigned i = 0; i < opened; i++)
        assert_non_null(find(i));
    assert_null(find(opened));
    assert_int_equal(bench.stack->conn_count, opened);
}

/* What a table has besides connections. */
static size_t table_bytes(void)
{
    return bench.stack->conns.size * sizeof(struct tcp_conn *);
}

/*
 * Among as many connections as a CPU has of 100,000 one is found as fast as
 * among ten: the steps along a chain are those of a table that is at most full,
 * 1.5 on average. And it costs what it may.
 */
static void test_many_idle_connections(void **state)
{
    struct mem_stats before, after;
    unsigned longest = 0;
    uint64_t steps = 0;
    size_t bytes;

    (void)state;
    open_bench();
    connect_more(1); /* what the first one needs besides */
    mem_get_stats(&before);
    connect_more(MANY - 1);
    mem_get_stats(&after);
    all_are_found();
    assert_null(bench.stack->conns.old);
    for (unsigned i = 0; i < bench.stack->conns.size; i++) {
        unsigned len = 0;

        for (struct tcp_conn *conn = bench.stack->conns.chain[i]; conn != NULL;
             conn = conn->next)
            steps += ++len;
        longest = len > longest ? len : longest;
    }
    bytes = before.free_bytes - after.free_bytes;
    print_message("%.2f steps, at most %u; %zu bytes, %zu of them the table\n",
                  (double)steps / MANY, longest, bytes / (MANY - 1),
                  table_bytes() / MANY);
    assert_true(steps < 3 * MANY / 2);
    assert_in_range(longest, 2, 10);
    assert_true(bytes <= (size_t)BYTES * (MANY - 1));
    assert_true(table_bytes() <= 2 * sizeof(void *) * MANY);
    bench_close();
}

/* While the table grows all are found, end, and are visited. */
static void test_growing(void **state)
{
    struct conn_table *table;

    (void)state;
    open_bench();
    bench.check_every = 100;
    table = &bench.stack->conns;
    connect_more(STACK_CONN_CHAINS);
    assert_null(table->old);
    connect_more(2);
    assert_non_null(table->old);
    assert_true(table->moved > 0);
    assert_int_equal(table->size, 2 * STACK_CONN_CHAINS);
    all_are_found();
    bench_check();
    for (unsigned i = 0; i < opened; i += 2) {
        struct peer_segment reset = {.flags = RST,
                                     .seq = 11,
                                     .address = OTHERS + i / PORTS,
                                     .port = (uint16_t)(1 + i % PORTS)};

        peer_send(reset);
        assert_null(find(i));
        assert_non_null(find(i + 1));
    }
    bench_check();
    tcp_address_lost(bench.stack, NULL);
    assert_int_equal(bench.stack->conn_count, 0);
    opened = 0;
    connect_more(STACK_CONN_CHAINS / 4);
    assert_null(table->old); /* all have moved */
    bench_close();
}

/* It is given back with the stack in the middle of that. */
static void test_end_while_growing(void **state)
{
    (void)state;
    open_bench();
    connect_more(STACK_CONN_CHAINS + 2);
    assert_non_null(bench.stack->conns.old);
    bench_close();
}

/* Without memory for a larger one the table stays, until there are twice as
 * many connections. */
static void test_no_memory_to_grow(void **state)
{
    struct conn_table *table;

    (void)state;
    open_bench();
    table = &bench.stack->conns;
    connect_more(STACK_CONN_CHAINS);
    heap_fail(3); /* the first two are for the connection */
    connect_more(1);
    assert_true(heap_failed());
    heap_fail(0);
    assert_int_equal(table->size, STACK_CONN_CHAINS);
    connect_more(STACK_CONN_CHAINS - 1);
    assert_int_equal(table->size, STACK_CONN_CHAINS);
    all_are_found();
    connect_more(1);
    assert_int_equal(table->size, 2 * STACK_CONN_CHAINS);
    all_are_found();
    bench_close();
}

/* No larger than a hash can tell. */
static void test_largest(void **state)
{
    struct conn_table *table;

    (void)state;
    open_bench();
    table = &bench.stack->conns;
    mem_free(table->chain);
    table->size = 1 << 16;
    table->chain = mem_alloc_zeroed(table_bytes());
    assert_non_null(table->chain);
    table->grow_at = 1;
    connect_more(10);
    assert_int_equal(table->size, 1 << 16);
    all_are_found();
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_idle_connections),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_end_while_growing),
        cmocka_unit_test(test_no_memory_to_grow),
        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
