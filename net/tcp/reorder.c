/*
 * Data that come before their predecessors. They are kept in chunks of their
 * own, so that what they cost follows from what has arrived, not from how far
 * behind the missing data it is. When those come, the chunks move to the
 * receive buffer. Nothing of this has memory while all is in order.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { CHUNK_MAX = 16 * 1024, CHUNKS_MAX = 1024 };

/* [seq, seq + len), which do not overlap and may touch. */
struct chunk {
    struct list link;
    uint32_t seq;
    uint32_t len;
    uint32_t size; /* of `data` */
    uint8_t data[];
};

static struct chunk *chunk_of(struct list *node)
{
    return container_of(node, struct chunk, link);
}

static uint32_t end_of(const struct chunk *chunk)
{
    return chunk->seq + chunk->len;
}

static void chunk_free(struct tcp_conn *conn, struct chunk *chunk)
{
    size_t size = sizeof(*chunk) + chunk->size;

    list_remove(&chunk->link);
    conn->reorder->bytes -= size;
    conn->reorder->count--;
    conn->stack->budget.used -= size;
    mem_free(chunk);
}

/* All chunks of a connection may have half of what the others have left, as its
 * buffers may. */
static struct chunk *chunk_alloc(struct tcp_conn *conn, uint32_t room)
{
    struct tcp_reorder *reorder = conn->reorder;
    struct net_budget *budget = &conn->stack->budget;
    size_t size = sizeof(struct chunk) + room;
    struct chunk *chunk;

    if (reorder->count >= CHUNKS_MAX ||
        reorder->bytes + size > share_limit(conn, (uint32_t)reorder->bytes) ||
        reorder->bytes + size >
            (budget->limit - budget->used + reorder->bytes) / 2)
        return NULL;
    chunk = mem_alloc(size);
    if (chunk == NULL)
        return NULL;
    chunk->size = room;
    chunk->len = 0;
    reorder->bytes += size;
    reorder->count++;
    budget->used += size;
    return chunk;
}

/* The first block of the next acknowledgements tells of this: RFC 2018, 4. */
static void note_recent(struct tcp_reorder *reorder, uint32_t seq, uint32_t end)
{
    if (reorder->recent_end != seq) {
        memmove(&reorder->recent[1], &reorder->recent[0],
                sizeof(reorder->recent) - sizeof(reorder->recent[0]));
        if (reorder->recent_count < TCP_SACKS_MAX)
            reorder->recent_count++;
    }
    reorder->recent[0] = seq;
    reorder->recent_end = end;
}

/* Put new data behind `before`, a chunk or the head of the list. */
static bool chunk_add(struct tcp_conn *conn, struct list *before,
                      const struct tcp_piece *piece)
{
    struct list *head = &conn->reorder->chunks;
    struct chunk *chunk = before == head ? NULL : chunk_of(before);
    bool touches = chunk != NULL && end_of(chunk) == piece->seq;
    uint32_t room = piece->len;

    if (!touches || chunk->size - chunk->len < piece->len) {
        if (touches) /* it goes on: so that small pieces do not make many */
            room = max_u32(room, min_u32(2 * chunk->size, CHUNK_MAX));
        chunk = chunk_alloc(conn, room);
        if (chunk == NULL)
            return false;
        chunk->seq = piece->seq;
        list_push_front(before, &chunk->link);
    }
    memcpy(chunk->data + chunk->len, piece->data, piece->len);
    chunk->len += piece->len;
    return true;
}

/* Cut off what chunks hold already, from `before` on: free those that are in
 * the piece, end it where another begins. */
static void cut_overlaps(struct tcp_conn *conn, struct list *before,
                         struct tcp_piece *piece)
{
    struct list *head = &conn->reorder->chunks;
    struct list *node = before->next;
    uint32_t old;

    if (before != head && seq_lt(piece->seq, end_of(chunk_of(before)))) {
        old = min_u32(piece->len, end_of(chunk_of(before)) - piece->seq);
        conn_duplicate(conn, piece->seq, piece->seq + old);
        piece->seq += old;
        piece->data += old;
        piece->len -= old;
    }
    while (node != head &&
           seq_lt(chunk_of(node)->seq, piece->seq + piece->len)) {
        struct chunk *chunk = chunk_of(node);

        node = node->next;
        if (seq_lt(piece->seq + piece->len, end_of(chunk))) {
            piece->len = chunk->seq - piece->seq;
            return;
        }
        chunk_free(conn, chunk);
    }
}

static void free_if_empty(struct tcp_conn *conn)
{
    if (conn->reorder->count > 0)
        return;
    mem_free(conn->reorder);
    conn->reorder = NULL;
}

bool reorder_add(struct tcp_conn *conn, struct tcp_piece piece)
{
    struct list *before;
    bool added = true;

    if (conn->reorder == NULL) {
        conn->reorder = mem_alloc_zeroed(sizeof(*conn->reorder));
        if (conn->reorder == NULL)
            return false;
        list_init(&conn->reorder->chunks);
    }
    before = conn->reorder->chunks.prev; /* most often it is the last one */
    while (before != &conn->reorder->chunks &&
           seq_lt(piece.seq, chunk_of(before)->seq))
        before = before->prev;
    note_recent(conn->reorder, piece.seq, piece.seq + piece.len);
    cut_overlaps(conn, before, &piece);
    if (piece.len > 0)
        added = chunk_add(conn, before, &piece);
    free_if_empty(conn);
    return added;
}

/* Move what is in order now to the receive buffer. Without memory it stays, or
 * goes when part of it came again, and the peer sends it again. */
void reorder_advance(struct tcp_conn *conn)
{
    while (conn->reorder != NULL) {
        struct chunk *chunk = chunk_of(conn->reorder->chunks.next);
        uint32_t old = conn->rcv_nxt - chunk->seq;
        uint32_t len = chunk->len - min_u32(chunk->len, old);

        if (seq_lt(conn->rcv_nxt, chunk->seq))
            return;
        if (len > 0) {
            if (!data_reserve(conn, len)) {
                conn->stack->stats.tcp_no_memory++;
                if (old == 0)
                    return;
                chunk_free(conn, chunk);
                free_if_empty(conn);
                continue;
            }
            net_buffer_write(&conn->rx, conn->rx.used, chunk->data + old, len);
            net_buffer_commit(&conn->rx, len);
            conn->rcv_nxt += len;
        }
        chunk_free(conn, chunk);
        free_if_empty(conn);
    }
}

uint32_t reorder_end(const struct tcp_conn *conn)
{
    if (conn->reorder == NULL)
        return conn->rcv_nxt;
    return end_of(chunk_of(conn->reorder->chunks.prev));
}

/* The data around `seq` that are there without a gap. */
static bool span_of(const struct tcp_reorder *reorder, uint32_t seq,
                    uint32_t *start, uint32_t *end)
{
    bool found = false;

    list_for_each (node, &reorder->chunks) {
        const struct chunk *chunk = container_of(node, struct chunk, link);

        if (node == reorder->chunks.next || chunk->seq != *end) {
            if (found)
                return true;
            *start = chunk->seq;
        }
        *end = end_of(chunk);
        found = found || (seq_le(chunk->seq, seq) && seq_lt(seq, *end));
    }
    return found;
}

static void block_put(uint8_t *blocks, unsigned at, uint32_t start,
                      uint32_t end)
{
    be32_put(blocks + at * TCP_SACK_SIZE, start);
    be32_put(blocks + at * TCP_SACK_SIZE + 4, end);
}

unsigned reorder_blocks(struct tcp_conn *conn, uint8_t *blocks, unsigned max)
{
    const struct tcp_reorder *reorder = conn->reorder;
    uint32_t start = 0, end = 0;
    unsigned count = 0, first;

    if (conn->dsack_len != 0 && max > 0) {
        block_put(blocks, count++, conn->dsack_start,
                  conn->dsack_start + conn->dsack_len);
        conn->dsack_len = 0;
    }
    first = count;
    for (unsigned i = 0;
         reorder != NULL && i < reorder->recent_count && count < max; i++) {
        unsigned at = first;

        if (!span_of(reorder, reorder->recent[i], &start, &end))
            continue;
        while (at < count && be32_get(blocks + at * TCP_SACK_SIZE) != start)
            at++;
        if (at == count)
            block_put(blocks, count++, start, end);
    }
    return count;
}

void reorder_free(struct tcp_conn *conn)
{
    while (conn->reorder != NULL) {
        chunk_free(conn, chunk_of(conn->reorder->chunks.next));
        free_if_empty(conn);
    }
}

size_t reorder_check(const struct tcp_conn *conn)
{
    const struct tcp_reorder *reorder = conn->reorder;
    uint32_t before = conn->rcv_nxt;
    size_t bytes = 0;
    unsigned count = 0;

    if (reorder == NULL)
        return 0;
    list_for_each (node, &reorder->chunks) {
        const struct chunk *chunk = container_of(node, struct chunk, link);

        assert(chunk->len > 0 && chunk->len <= chunk->size);
        assert(seq_le(before, chunk->seq));
        before = end_of(chunk);
        bytes += sizeof(*chunk) + chunk->size;
        count++;
    }
    assert(seq_le(before, conn->rcv_adv));
    assert(count > 0 && count == reorder->count && bytes == reorder->bytes);
    assert(reorder->recent_count <= TCP_SACKS_MAX);
    assert(conn->socket != NULL);
    if (conn->fin_known)
        assert(seq_le(before, conn->fin_seq));
    return bytes;
}
