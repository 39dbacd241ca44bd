/* CUBIC: RFC 9438. Lengths are bytes, times are milliseconds. */
#include "net/stack.h"
#include "net/tcp/conn.h"

enum {
    BETA = 7,               /* tenths */
    ALPHA = 529,            /* thousandths: 3 (1 - beta) / (1 + beta) */
    AGE_MAX_MS = 60 * 1000, /* the cube of it fits */
    CUBE_DIVISOR = 2500000, /* 1 / C, C = 0.4 segments in s^3, and ms */
};

/* The cube root of `x`, rounded down. */
static uint32_t cube_root(uint64_t x)
{
    uint32_t root = 0;

    for (unsigned bit = 1 << 20; bit != 0; bit >>= 1) {
        uint64_t next = root | bit;

        if (next * next * next <= x)
            root = (uint32_t)next;
    }
    return root;
}

/* RFC 9438, 4.2, equation 2, and 4.8. */
static void epoch_begin(struct tcp_conn *conn)
{
    struct tcp_cubic *cubic = &conn->cubic;
    uint64_t gap = 0;

    if (cubic->max < conn->cwnd)
        cubic->max = conn->cwnd;
    gap = cubic->max - conn->cwnd;
    cubic->in_epoch = true;
    cubic->epoch_ms = conn_now_ms(conn);
    cubic->estimate = conn->cwnd;
    cubic->rest = cubic->estimate_rest = 0;
    cubic->k_ms = cube_root(gap * CUBE_DIVISOR * 1000 / conn->mss) & INT32_MAX;
}

/* W_cubic, equation 1, one round trip from now. */
static uint32_t target(const struct tcp_conn *conn)
{
    const struct tcp_cubic *cubic = &conn->cubic;
    uint32_t age = conn_now_ms(conn) - cubic->epoch_ms +
                   (uint32_t)(conn_srtt_ns(conn) / NS_PER_MS);
    uint64_t d, cube;

    age = min_u32(age, AGE_MAX_MS);
    d = age < cubic->k_ms ? cubic->k_ms - age : age - cubic->k_ms;
    cube = d * d * d / CUBE_DIVISOR * conn->mss / 1000;
    if (age < cubic->k_ms)
        return cubic->max - (uint32_t)min_u64(cube, cubic->max);
    return (uint32_t)min_u64(cubic->max + cube, TCP_CWND_MAX);
}

/* sum += amount * share / whole, without losing what is less than 1. */
static void add_share(uint32_t *sum, uint32_t *rest, uint64_t amount,
                      uint64_t share, uint64_t whole)
{
    uint64_t all = amount * share + *rest;

    *sum += (uint32_t)(all / whole);
    *rest = (uint32_t)(all % whole);
}

/* RFC 9438, 4.2 to 4.5. */
static void cubic_acked(struct tcp_conn *conn, uint32_t acked)
{
    struct tcp_cubic *cubic = &conn->cubic;
    uint32_t goal, alpha;

    if (conn_is_first_start(conn)) {
        if (hystart_acked(conn, acked))
            conn->cubic = (struct tcp_cubic){0};
        return;
    }
    if (conn->cwnd < conn->ssthresh) {
        conn->cwnd += acked;
        return;
    }
    if (!cubic->in_epoch)
        epoch_begin(conn);
    alpha = cubic->estimate >= cubic->max ? 1000 : ALPHA;
    add_share(&cubic->estimate, &cubic->estimate_rest, acked,
              (uint64_t)conn->mss * alpha / 1000, conn->cwnd);
    goal = min_u32(target(conn), conn->cwnd + conn->cwnd / 2);
    if (goal > conn->cwnd)
        add_share(&conn->cwnd, &cubic->rest, acked, goal - conn->cwnd,
                  conn->cwnd);
    conn->cwnd = max_u32(conn->cwnd, cubic->estimate);
}

/* RFC 9438, 4.6 and 4.7. */
static void cubic_lost(struct tcp_conn *conn)
{
    struct tcp_cubic *cubic = &conn->cubic;
    uint32_t now = conn->cwnd;

    if (conn_is_first_start(conn))
        conn->cubic = (struct tcp_cubic){0};
    cubic->max = now < cubic->max ? now / 20 * (10 + BETA) : now;
    cubic->in_epoch = false;
    conn->ssthresh = max_u32(now / 10 * BETA, 2U * conn->mss);
}

static void cubic_init(struct tcp_conn *conn)
{
    if (conn_is_first_start(conn))
        hystart_init(conn);
    else
        conn->cubic = (struct tcp_cubic){0};
}

const struct tcp_cc tcp_cubic = {
    .init = cubic_init,
    .acked = cubic_acked,
    .lost = cubic_lost,
    .timeout = cubic_lost,
    .idle = cubic_init,
};
