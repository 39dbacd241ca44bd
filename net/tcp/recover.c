/*
 * Recovery from loss when the peer tells what it has (RFC 2018): how much is
 * sent meanwhile (RFC 9937), and what is done when nothing was lost after all
 * (RFC 3522 by timestamps, RFC 3708 by duplicates; the response of RFC 4015).
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/memory.h>

uint32_t conn_pipe(const struct tcp_conn *conn)
{
    return conn_flight(conn) - conn->board.sacked - conn->board.lost;
}

/* ---- Undo ---------------------------------------------------------------- */

void undo_save(struct tcp_conn *conn)
{
    if (conn->loss == NULL)
        conn->loss = mem_alloc_zeroed(sizeof(*conn->loss));
    if (conn->loss == NULL)
        return;
    conn->loss->undo = (struct tcp_undo){
        .cwnd = conn->cwnd, .ssthresh = conn->ssthresh, .from = conn->snd_una};
}

void loss_free(struct tcp_conn *conn)
{
    mem_free(conn->loss);
    conn->loss = NULL;
}

void undo_resent(struct tcp_conn *conn, uint32_t len)
{
    struct tcp_undo *saved;

    if (conn->loss == NULL || conn->loss->undo.cwnd == 0)
        return;
    saved = &conn->loss->undo;
    if (saved->resent == 0)
        saved->stamp = conn_stamp(conn);
    saved->resent += len;
}

/* Something was sent again that an undo can be for. */
static bool may_undo(const struct tcp_conn *conn)
{
    return conn->loss != NULL && conn->loss->undo.cwnd != 0 &&
           conn->loss->undo.resent != 0;
}

static void undo(struct tcp_conn *conn)
{
    struct tcp_undo *saved = &conn->loss->undo;

    conn->cwnd = max_u32(conn->cwnd, saved->cwnd);
    conn->ssthresh = max_u32(conn->ssthresh, saved->ssthresh);
    if (conn_is_first_start(conn))
        conn->stack->cc->init(conn);
    saved->cwnd = 0;
    conn->is_recovering = false;
    conn->dup_acks = 0;
    conn->recover = conn->snd_una - 1;
    conn->backoff = 0;
    board_set(conn, TCP_RUN_LOST, false);
    conn->stack->stats.tcp_undone++;
}

/* The first acknowledgement of something new after a retransmission: it answers
 * the original when it echoes a time before that. */
void undo_acked(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    if (!may_undo(conn) || conn->loss->undo.is_asked)
        return;
    conn->loss->undo.is_asked = true;
    if (conn->has_stamps &&
        seq_lt(segment->options.timestamp_of, conn->loss->undo.stamp))
        undo(conn);
}

/* The peer had `len` bytes twice: when that is all that was sent again, nothing
 * was lost. What an earlier recovery has sent again does not count. */
void undo_duplicate(struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    struct tcp_undo *saved;

    if (!may_undo(conn) || seq_lt(seq, conn->loss->undo.from))
        return;
    saved = &conn->loss->undo;
    saved->resent -= min_u32(saved->resent, len);
    if (saved->resent == 0)
        undo(conn);
}

/* ---- Recovery ------------------------------------------------------------ */

/* The last acknowledgement has delivered so many bytes: those that were sacked
 * before are not delivered in the recovery (RFC 9937, 6.1). */
static void recovery_begin(struct tcp_conn *conn, uint32_t delivered)
{
    uint32_t sacked = conn->board.sacked;

    undo_save(conn);
    if (conn->loss != NULL)
        conn->loss->prr =
            (struct tcp_prr){.flight = conn_flight(conn) - sacked + delivered};
    conn->stack->cc->lost(conn);
    ecn_reduced(conn);
    conn->recover = conn->snd_max;
    conn->is_recovering = true;
    conn->stack->stats.tcp_fast_retransmits++;
    rexmit_start(conn); /* no probe is due any more: RFC 8985, 7.2 */
}

/* RFC 9937, 6.2: the window while recovering. `safe`: data have arrived in
 * order, and nothing more was found lost. */
static void reduce(struct tcp_conn *conn, struct tcp_prr *prr,
                   uint32_t delivered, bool safe)
{
    uint32_t pipe = conn_pipe(conn);
    uint32_t count;

    prr->delivered += delivered;
    if (pipe > conn->ssthresh) {
        count = (uint32_t)(((uint64_t)prr->delivered * conn->ssthresh +
                            prr->flight - 1) /
                           prr->flight);
        count -= min_u32(count, prr->out);
    } else {
        count = prr->delivered - min_u32(prr->delivered, prr->out);
        count = max_u32(count, delivered) + (safe ? conn->mss : 0);
        count = min_u32(conn->ssthresh - pipe, count);
    }
    if (prr->out == 0) /* the first one at once */
        count = max_u32(count, conn->mss);
    conn->cwnd = max_u32(pipe + count, conn->mss);
}

void recover_acked(struct tcp_conn *conn, uint32_t acked)
{
    uint32_t delivered = conn->stack->ack.delivered;
    bool lost = false;

    if (!conn_is_whole(conn))
        lost = rack_detect(conn);
    /* The probe first, whatever else: sent again, it would seem to pass. */
    if (lost && !mtu_probe_lost(conn) && !conn->is_recovering &&
        seq_le(conn->recover, conn->snd_una))
        recovery_begin(conn, delivered);
    if (!conn->is_recovering) {
        if (acked > 0)
            window_grow(conn, acked);
        return;
    }
    if (seq_lt(conn->snd_una, conn->recover)) {
        if (conn->loss != NULL)
            reduce(conn, &conn->loss->prr, delivered, !lost && acked > 0);
        else /* no memory: at once, as in RFC 6675, 5 */
            conn->cwnd = max_u32(conn->ssthresh, conn->mss);
        return;
    }
    conn->is_recovering = false;
    conn->cwnd = max_u32(conn->ssthresh, conn->mss);
    if (conn->rack_persist > 0 && --conn->rack_persist == 0)
        conn->rack_mult = 0;
}

/* TCP_ALARM_REORDER: what was waited for has not come. */
void recover_reordered(struct tcp_conn *conn)
{
    conn->stack->ack = (struct stack_ack){0};
    recover_acked(conn, 0);
    conn_output(conn);
}
