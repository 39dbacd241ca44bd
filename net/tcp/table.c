/*
 * The hash table of the connections of a stack: chains by the keyed hash of a
 * flow. It doubles before there are more connections than chains, so that a
 * chain is short however many there are. What was in the old one moves with the
 * connections that come, TABLE_MOVE chains with each: before the next doubling
 * all have moved, and no packet waits for many. Without memory for a larger
 * table the chains become longer. It never shrinks: a pointer for each of the
 * most connections that there were at a time.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum {
    TABLE_MAX = 1 << 16, /* what conn->hash can tell */
    TABLE_MOVE = 4,
};

struct tcp_conn **conn_chain(struct net_stack *stack, uint32_t hash)
{
    struct conn_table *table = &stack->conns;
    uint32_t at = hash >> 16;

    if (table->old != NULL && (at & (table->old_size - 1)) >= table->moved)
        return &table->old[at & (table->old_size - 1)];
    return &table->chain[at & (table->size - 1)];
}

static void push(struct tcp_conn **chain, struct tcp_conn *conn)
{
    conn->next = *chain;
    *chain = conn;
}

/* Move the next chain; those behind it are found in the old table. */
static void move(struct net_stack *stack)
{
    struct conn_table *table = &stack->conns;
    struct tcp_conn *conn = table->old[table->moved++];

    while (conn != NULL) {
        struct tcp_conn *next = conn->next;

        push(conn_chain(stack, conn->hash), conn);
        conn = next;
    }
    if (table->moved < table->old_size)
        return;
    mem_free(table->old);
    table->old = NULL;
}

static __attribute__((cold)) void grow(struct conn_table *table)
{
    struct tcp_conn **more;

    table->grow_at *= 2;
    more = mem_alloc_zeroed(2 * table->size * sizeof(struct tcp_conn *));
    if (more == NULL)
        return; /* again when there are twice as many */
    table->old = table->chain;
    table->old_size = table->size;
    table->moved = 0;
    table->chain = more;
    table->size *= 2;
}

void conn_insert(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;
    struct conn_table *table = &stack->conns;

    for (unsigned i = 0; i < TABLE_MOVE && table->old != NULL; i++)
        move(stack);
    if (stack->conn_count >= table->grow_at && table->size < TABLE_MAX)
        grow(table);
    push(conn_chain(stack, conn->hash), conn);
    *conn_recent(stack, &conn->flow) = conn;
    stack->conn_count++;
}

void conn_hide(struct tcp_conn *conn)
{
    struct tcp_conn **recent = conn_recent(conn->stack, &conn->flow);
    struct tcp_conn **at = conn_chain(conn->stack, conn->hash);

    if (*recent == conn)
        *recent = NULL;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
}

struct tcp_conn *conn_find_hashed(struct net_stack *stack,
                                  const struct flow *flow)
{
    uint32_t hash = (uint32_t)(conn_hash(stack, flow) >> 32);
    struct tcp_conn *conn = *conn_chain(stack, hash);

    for (; conn != NULL; conn = conn->next) {
        if (flow_equal(&conn->flow, flow)) {
            *conn_recent(stack, flow) = conn;
            return conn;
        }
    }
    return NULL;
}

static void visit_chains(struct tcp_conn **chain, unsigned count,
                         void (*visit)(struct tcp_conn *conn, void *arg),
                         void *arg)
{
    for (unsigned i = 0; i < count; i++) {
        struct tcp_conn *conn = chain[i];

        while (conn != NULL) {
            struct tcp_conn *next = conn->next;

            visit(conn, arg);
            conn = next;
        }
    }
}

void conn_visit_all(const struct net_stack *stack,
                    void (*visit)(struct tcp_conn *conn, void *arg), void *arg)
{
    const struct conn_table *table = &stack->conns;

    visit_chains(table->chain, table->size, visit, arg);
    if (table->old != NULL)
        visit_chains(table->old + table->moved, table->old_size - table->moved,
                     visit, arg);
}
