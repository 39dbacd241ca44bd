/*
 * HyStart++ (RFC 9406): the first slow start ends before packets are lost, when
 * round trips become longer. What looks so may be chance: for some round trips
 * the window grows slowly, and if they become shorter again as before.
 *
 * Without pacing the RFC limits what one acknowledgement adds to 8 segments.
 * We do not: peers that join segments acknowledge many at once.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"

/* RFC 9406, 4.3. */
enum {
    RISE_MIN_US = 4000,
    RISE_MAX_US = 16000,
    RISE_DIVISOR = 8,
    SAMPLES = 8,      /* in a round trip, until its least counts */
    SLOW_DIVISOR = 4, /* of growth that is careful */
    SLOW_ROUNDS = 5,
    NONE = 0, /* a round trip that is not known */
};

void hystart_init(struct tcp_conn *conn)
{
    struct tcp_hystart *start = &conn->hystart;

    start->last_us = start->least_us = start->base_us = NONE;
    start->samples = start->rounds = 0;
    start->is_new = true; /* round_end follows */
}

/* Round trips have become longer since the last one. */
static bool is_rising(const struct tcp_hystart *start)
{
    uint32_t rise = start->last_us / RISE_DIVISOR;

    rise = min_u32(max_u32(rise, RISE_MIN_US), RISE_MAX_US);
    return start->samples >= SAMPLES && start->last_us != NONE &&
           start->least_us >= start->last_us + rise;
}

/* All that was in flight when the last round trip ended is acknowledged.
 * Returns whether there were enough careful ones. */
static bool round_end(struct tcp_hystart *start)
{
    start->is_new = true; /* its end is behind what is sent now */
    start->last_us = start->least_us;
    start->least_us = NONE;
    start->samples = 0;
    if (start->base_us == NONE)
        return false;
    return ++start->rounds >= SLOW_ROUNDS;
}

static void sample(struct tcp_hystart *start, uint32_t rtt_us)
{
    rtt_us = max_u32(rtt_us, 1);
    if (start->least_us == NONE || rtt_us < start->least_us)
        start->least_us = rtt_us;
    if (start->samples < SAMPLES)
        start->samples++;
    if (start->base_us == NONE && is_rising(start)) {
        start->base_us = start->least_us;
        start->rounds = 0;
    } else if (start->samples >= SAMPLES && start->least_us < start->base_us) {
        start->base_us = NONE; /* it was chance */
    }
}

bool hystart_acked(struct tcp_conn *conn, uint32_t acked)
{
    struct tcp_hystart *start = &conn->hystart;
    bool is_over = false;

    conn->cwnd += start->base_us != NONE ? acked / SLOW_DIVISOR : acked;
    sample(start, conn->rack.rtt_us);
    if (start->is_new)
        start->round_end = conn->snd_max;
    start->is_new = false;
    if (seq_le(start->round_end, conn->snd_una))
        is_over = round_end(start);
    if (is_over)
        conn->ssthresh =
            min_u32(conn->cwnd, TCP_CWND_MAX - 1); /* it is known */
    return is_over;
}
