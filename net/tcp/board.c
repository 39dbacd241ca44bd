/*
 * What is in flight, as runs of sequence numbers with the same fate: when they
 * were sent last, and whether the peer has them (RFC 2018), they are lost (RFC
 * 8985), or were sent again. The runs cover all from snd_una to snd_max without
 * gaps. Data sent within a small part of the round trip make one run, so there
 * are few without loss, whatever the window. A few are in the connection
 * itself; memory for more is freed when all is acknowledged.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

static struct tcp_run *runs(struct tcp_board *board)
{
    return (board->more != NULL ? board->more : board->inner) + board->first;
}

static unsigned capacity(const struct tcp_board *board)
{
    return board->more != NULL ? board->size : TCP_RUNS_INNER;
}

static uint32_t start_of(struct tcp_conn *conn, unsigned at)
{
    return at == 0 ? conn->snd_una : runs(&conn->board)[at - 1].end;
}

/* Make room for `extra` more runs behind the last one. Without memory: false.
 */
static bool make_room(struct tcp_board *board, unsigned extra)
{
    struct tcp_run *old = runs(board);
    struct tcp_run *more;
    unsigned size = capacity(board);

    if (board->first + board->count + extra <= size)
        return true;
    if (board->count + extra > size / 2 && size < TCP_RUNS_MAX) {
        size = max_u32(2 * size, TCP_RUNS_MIN);
        more = mem_alloc(size * sizeof(*more));
        if (more == NULL)
            return false;
        memcpy(more, old, board->count * sizeof(*more));
        mem_free(board->more);
        board->more = more;
        board->size = (uint16_t)size;
    } else if (board->count + extra > size) {
        return false;
    } else {
        memmove(old - board->first, old, board->count * sizeof(*old));
    }
    board->first = 0;
    return true;
}

/* The run that contains `seq`; board->count: none. */
static unsigned find(struct tcp_board *board, uint32_t seq)
{
    const struct tcp_run *run = runs(board);
    unsigned low = 0, high = board->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (seq_lt(seq, run[middle].end))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The run that begins at `seq`, cut off from the one that contains it. There
 * must be room for it. */
static unsigned cut(struct tcp_conn *conn, uint32_t seq)
{
    struct tcp_board *board = &conn->board;
    unsigned at = find(board, seq);
    struct tcp_run *run = runs(board) + at;

    if (at == board->count || start_of(conn, at) == seq)
        return at;
    memmove(run + 1, run, (board->count - at) * sizeof(*run));
    board->count++;
    run->end = seq;
    return at + 1;
}

/* Runs of one fate that touch, from `at` - 1 on to `end`, become one. */
static void join(struct tcp_board *board, unsigned at, unsigned end)
{
    struct tcp_run *run = runs(board);
    unsigned to = at > 0 ? at - 1 : 0;

    end = min_u32(end, board->count - 1U);
    for (unsigned from = to + 1; from <= end; from++) {
        if (run[from].flags == run[to].flags &&
            ((run[from].flags & TCP_RUN_SACKED) != 0 ||
             run[from].sent_us == run[to].sent_us))
            run[to].end = run[from].end;
        else
            run[++to] = run[from];
    }
    memmove(&run[to + 1], &run[end + 1],
            (board->count - end - 1U) * sizeof(*run));
    board->count = (uint16_t)(board->count - (end - to));
}

/* Give a run another fate; the sums follow. */
static void set_flags(struct tcp_conn *conn, unsigned at, uint8_t flags)
{
    struct tcp_board *board = &conn->board;
    struct tcp_run *run = runs(board) + at;
    uint32_t len = run->end - start_of(conn, at);

    if ((run->flags & TCP_RUN_SACKED) != 0)
        board->sacked -= len;
    if ((run->flags & TCP_RUN_LOST) != 0)
        board->lost -= len;
    if ((flags & TCP_RUN_SACKED) != 0)
        board->sacked += len;
    if ((flags & TCP_RUN_LOST) != 0)
        board->lost += len;
    run->flags = flags;
}

/* New data, up to `end`. */
static void append(struct tcp_conn *conn, uint32_t end, uint32_t now_us)
{
    struct tcp_board *board = &conn->board;
    struct tcp_run *last = runs(board) + board->count - 1;
    bool is_plain = last->flags == 0;

    if (board->count == 0) { /* nothing was sent before, so these times go on */
        rack_start(conn, now_us);
        assert(board->more == NULL && board->first == 0);
        board->inner[0] = (struct tcp_run){.end = end, .sent_us = now_us};
        board->count = 1;
        return;
    }
    if (is_plain && now_us - last->sent_us <= conn_srtt_ns(conn) / TCP_RUN_NS) {
        last->end = end;
        return;
    }
    if (make_room(board, 1)) {
        runs(board)[board->count++] =
            (struct tcp_run){.end = end, .sent_us = now_us};
        return;
    }
    /* What the peer has may be forgotten, what it lacks may not. */
    if (!is_plain)
        set_flags(conn, board->count - 1U, 0);
    last->end = end;
}

/* Data that were sent before, [start, end). */
static void sent_again(struct tcp_conn *conn, uint32_t start, uint32_t end,
                       uint32_t now_us)
{
    struct tcp_board *board = &conn->board;
    unsigned at, last;

    if (make_room(board, 2)) {
        at = cut(conn, start);
        last = cut(conn, end);
    } else { /* the rest of a run will be found lost later */
        at = find(board, start);
        last = min_u32(find(board, end - 1) + 1, board->count);
    }
    for (unsigned i = at; i < last; i++) {
        if ((runs(board)[i].flags & TCP_RUN_SACKED) != 0)
            continue;
        set_flags(conn, i, TCP_RUN_RESENT);
        runs(board)[i].sent_us = now_us;
    }
    join(board, at, last);
}

void board_sent(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    uint32_t now_us = conn_now_us(conn);

    if (seq_lt(start, conn->snd_max))
        sent_again(conn, start,
                   seq_lt(end, conn->snd_max) ? end : conn->snd_max, now_us);
    if (seq_lt(conn->snd_max, end))
        append(conn, end, now_us);
}

void board_acked(struct tcp_conn *conn, uint32_t ack)
{
    struct tcp_board *board = &conn->board;
    uint32_t start = conn->snd_una;

    while (board->count > 0 && seq_lt(start, ack)) {
        struct tcp_run *run = runs(board);
        uint32_t end = seq_lt(ack, run->end) ? ack : run->end;

        if ((run->flags & TCP_RUN_SACKED) != 0)
            board->sacked -= end - start;
        else
            rack_delivered(conn, run, end, end - start);
        if ((run->flags & TCP_RUN_LOST) != 0)
            board->lost -= end - start;
        start = end;
        if (end != run->end)
            return;
        board->first++;
        board->count--;
    }
    if (board->more != NULL && board->count == 0)
        board_free(conn);
    else if (board->count == 0)
        board->first = 0;
}

/* The peer says that it has [start, end). */
static void sacked(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    struct tcp_board *board = &conn->board;
    unsigned at = find(board, start);
    unsigned last;

    if ((runs(board)[at].flags & TCP_RUN_SACKED) != 0 &&
        seq_le(end, runs(board)[at].end))
        return; /* we know */
    if (!make_room(board, 2))
        return;
    at = cut(conn, start);
    last = cut(conn, end);
    for (unsigned i = at; i < last; i++) {
        struct tcp_run *run = runs(board) + i;

        if ((run->flags & TCP_RUN_SACKED) != 0)
            continue;
        rack_delivered(conn, run, run->end, run->end - start_of(conn, i));
        set_flags(conn, i, TCP_RUN_SACKED);
    }
    join(board, at, last);
}

/* Whether the first block tells of data that came twice: RFC 2883, 4. */
static bool is_duplicate_block(const uint8_t *blocks, unsigned count,
                               uint32_t ack)
{
    uint32_t start = be32_get(blocks), end = be32_get(blocks + 4);

    if (seq_le(end, ack))
        return true;
    return count > 1 && seq_le(be32_get(blocks + 8), start) &&
           seq_le(end, be32_get(blocks + 12));
}

void board_sacks(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    const uint8_t *block = segment->options.sack;
    unsigned count = segment->options.sack_count;

    if (count > 0 && is_duplicate_block(block, count, segment->ack)) {
        uint32_t start = be32_get(block);

        rack_duplicate(conn, start, be32_get(block + 4) - start);
        block += TCP_SACK_SIZE;
        count--;
    }
    for (; count > 0; count--, block += TCP_SACK_SIZE) {
        uint32_t start = be32_get(block), end = be32_get(block + 4);

        if (seq_le(conn->snd_una, start) && seq_lt(start, end) &&
            seq_le(end, conn->snd_max))
            sacked(conn, start, end);
    }
}

bool board_lose(struct tcp_conn *conn, bool all)
{
    struct tcp_board *board = &conn->board;
    bool any = false;

    for (unsigned i = 0; i < board->count; i++) {
        uint8_t flags = runs(board)[i].flags;

        if ((flags & (TCP_RUN_SACKED | TCP_RUN_LOST)) != 0 && !all)
            continue;
        if (!all && !rack_is_lost(conn, &runs(board)[i]))
            continue;
        if ((flags & TCP_RUN_SACKED) == 0)
            set_flags(conn, i, flags | TCP_RUN_LOST);
        any = true;
    }
    if (any)
        join(board, 0, board->count);
    return any;
}

void board_set(struct tcp_conn *conn, uint8_t flag, bool on)
{
    struct tcp_board *board = &conn->board;

    for (unsigned i = 0; i < board->count; i++) {
        uint8_t flags = runs(board)[i].flags;

        set_flags(conn, i, on ? flags | flag : flags & (uint8_t)~flag);
    }
}

bool board_first_is_sacked(struct tcp_conn *conn)
{
    return conn->board.count > 0 &&
           (runs(&conn->board)->flags & TCP_RUN_SACKED) != 0;
}

void board_first_lost(struct tcp_conn *conn, uint32_t *start, uint32_t *end)
{
    unsigned i = 0;

    assert(conn->board.lost > 0);
    while ((runs(&conn->board)[i].flags & TCP_RUN_LOST) == 0)
        i++;
    *start = start_of(conn, i);
    while (i + 1U < conn->board.count &&
           (runs(&conn->board)[i + 1].flags & TCP_RUN_LOST) != 0)
        i++;
    *end = runs(&conn->board)[i].end;
}

void board_free(struct tcp_conn *conn)
{
    struct tcp_board *board = &conn->board;

    if (board->more != NULL)
        mem_free(board->more);
    board->more = NULL;
    board->first = board->count = 0;
    board->sacked = board->lost = 0;
}

void board_check(struct tcp_conn *conn)
{
    struct tcp_board *board = &conn->board;
    uint32_t before = conn->snd_una, sacks = 0, lost = 0;

    assert(board->first + board->count <= capacity(board));
    assert((board->more == NULL && board->first == 0) || board->count > 0);
    for (unsigned i = 0; i < board->count; i++) {
        const struct tcp_run *run = runs(board) + i;
        uint32_t len = run->end - before;

        assert(seq_lt(before, run->end));
        assert((run->flags & TCP_RUN_SACKED) == 0 ||
               (run->flags & TCP_RUN_LOST) == 0);
        if ((run->flags & TCP_RUN_SACKED) != 0)
            sacks += len;
        if ((run->flags & TCP_RUN_LOST) != 0)
            lost += len;
        before = run->end;
    }
    assert(before == conn->snd_max);
    assert(board->sacked == sacks && board->lost == lost);
}
