/*
 * What a source may have of the memory for data: a quarter of the budget, over
 * all its connections, so that others always find some. A source is an address
 * of IPv4, or a /64 of IPv6, and counted as in places.c: in two rows of
 * counters, of which the lesser one is believed.
 *
 * Each connection may have SHARE_SMALL that do not count; one that has more is
 * counted with all it has, in KiB: conn->held. It is counted anew when that
 * may have changed, so all costs the same however many connections there are.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

static uint32_t *counter(struct net_stack *stack, const struct flow *flow,
                         unsigned row)
{
    return &stack->held[row][source_slot(stack, flow, row)];
}

uint32_t share_held(const struct tcp_conn *conn)
{
    size_t size = send_queue_size(&conn->tx) + net_buffer_size(&conn->rx) +
                  (conn->reorder != NULL ? conn->reorder->bytes : 0);

    return size <= SHARE_SMALL ? 0 : (uint32_t)((size + 1023) / 1024);
}

void share_count(struct tcp_conn *conn)
{
    uint32_t held = share_held(conn);
    uint32_t change = held - conn->held;

    assert(held <= UINT16_MAX); /* three times NET_BUFFER_MAX at most */
    for (unsigned row = 0; row < HELD_ROWS; row++)
        *counter(conn->stack, &conn->flow, row) += change;
    conn->held = (uint16_t)held;
}

uint32_t share_of(struct net_stack *stack, const struct flow *flow,
                  uint32_t part, bool is_counted)
{
    const struct net_budget *budget = &stack->budget;
    size_t quarter = budget->limit / 4;
    size_t others = budget->used - part; /* a source has no more than all */
    size_t left;

    if (others > quarter / 2) {
        others = (size_t)1024 *
                 min_u32(*counter(stack, flow, 0), *counter(stack, flow, 1));
        if (is_counted)
            others -= min_size(others, part);
    }
    left = min_size(quarter - min_size(quarter, others), NET_BUFFER_MAX);
    if (left < NET_BUFFER_MIN)
        return max_u32(NET_BUFFER_MIN, part);
    /* The largest power of two that is not more: so large are buffers. */
    return max_u32(1U << (31 - __builtin_clz((uint32_t)left)), part);
}

uint32_t share_limit(const struct tcp_conn *conn, uint32_t part)
{
    return share_of(conn->stack, &conn->flow, part, conn->held != 0);
}
