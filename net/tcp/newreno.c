/* Congestion control as in RFC 5681, with bytes counted as in RFC 3465. */
#include "net/tcp/conn.h"

static void newreno_init(struct tcp_conn *conn)
{
    conn->newreno_acked = 0;
    if (conn_is_first_start(conn))
        hystart_init(conn);
}

/* RFC 5681, section 3.1: slow start, then a segment in each window. */
static void newreno_acked(struct tcp_conn *conn, uint32_t acked)
{
    if (conn_is_first_start(conn)) {
        if (hystart_acked(conn, acked))
            conn->newreno_acked = 0;
        return;
    }
    if (conn->cwnd < conn->ssthresh) {
        conn->cwnd += acked;
        return;
    }
    conn->newreno_acked += acked;
    if (conn->newreno_acked < conn->cwnd)
        return;
    conn->newreno_acked -= conn->cwnd;
    conn->cwnd += conn->mss;
}

/* RFC 5681, equation 4. */
static void newreno_lost(struct tcp_conn *conn)
{
    conn->newreno_acked = 0;
    conn->ssthresh = max_u32(conn_flight(conn) / 2, 2U * conn->mss);
}

const struct tcp_cc tcp_newreno = {
    .init = newreno_init,
    .acked = newreno_acked,
    .lost = newreno_lost,
    .timeout = newreno_lost,
    .idle = newreno_init,
};
