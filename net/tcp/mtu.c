/*
 * How large a segment may be when no router tells: RFC 4821. Where full
 * segments vanish, smaller ones are sent; then a larger one now and then, a
 * probe, whose loss is no sign of congestion, shows what passes. A path that a
 * router has told of (RFC 1191) is probed again later: it may have become
 * wider.
 *
 * Only peers that tell what they have (RFC 2018) are sent probes: without that
 * the loss of a single segment cannot be told from others.
 */
#include "net/ip.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include "net/wire/ip6.h"
#include <torc/memory.h>

enum {
    BASE = 1280,       /* passes almost everywhere: RFC 8899, 5.1.2 */
    BASE_BACKOFF = 2,  /* the third timeout in turn: BASE is tried */
    LEAST_BACKOFF = 4, /* the fifth: the least that is believed */
    TRIES = 2,         /* of one size, until it counts as too large */
    GAP = 8,           /* it is not worth while to look closer */
    BEHIND = 3,        /* full segments behind a probe show that it is lost */
};

#define AGE_NS (600 * NS_PER_S) /* RFC 1191, 6.3: then the path is new */

/* What of a datagram are no data. */
static uint32_t headers_len(const struct tcp_conn *conn)
{
    return ip_header_size(&conn->flow) + TCP_HEADER_SIZE +
           conn_options_len(conn);
}

/* Segments of `size` bytes pass, or are all that is tried. */
static void size_set(struct tcp_conn *conn, uint32_t size)
{
    conn->mss = (uint16_t)size;
    conn->dst.pmtu = (uint16_t)(size + headers_len(conn));
}

/* Begin to look for what passes, from sizes that have. Without memory nothing
 * larger will be tried. */
static void search_begin(struct tcp_conn *conn, uint32_t high, uint64_t at)
{
    if (conn->mtu == NULL) {
        conn->mtu = mem_alloc(sizeof(*conn->mtu));
        if (conn->mtu == NULL)
            return;
        conn->mtu->max = conn->mss;
    }
    conn->mtu->high = (uint16_t)high;
    conn->mtu->has_failed = false;
    conn->mtu->probe = 0;
    conn->mtu->tries = 0;
    conn->mtu->next_at = at;
}

static bool is_found(const struct tcp_conn *conn)
{
    return conn->mtu->high - conn->mss < GAP;
}

/* ---- Down ---------------------------------------------------------------- */

void mtu_timeout(struct tcp_conn *conn)
{
    uint32_t least = flow_is_ip4(&conn->flow) ? DST_PMTU_MIN : IP6_MTU_MIN;
    uint32_t size =
        (conn->backoff < LEAST_BACKOFF ? BASE : least) - headers_len(conn);

    if (conn->mtu != NULL)
        conn->mtu->probe = 0; /* nobody knows */
    if ((conn->backoff != BASE_BACKOFF && conn->backoff != LEAST_BACKOFF) ||
        size >= conn->mss || conn_flight(conn) <= size)
        return;
    /* The path may just have been down: begin with what has passed before. */
    search_begin(conn, conn->mtu != NULL ? conn->mtu->high : conn->mss,
                 conn_now(conn));
    size_set(conn, size);
    /* They were too large, which says nothing of how many there may be. */
    if (conn->loss != NULL)
        conn->ssthresh = max_u32(conn->ssthresh, conn->loss->undo.ssthresh);
    if (conn_is_first_start(conn))
        conn->stack->cc->init(conn);
}

void mtu_told(struct tcp_conn *conn, uint32_t size)
{
    search_begin(conn, size, conn_now(conn) + AGE_NS);
}

void mtu_limit(struct tcp_conn *conn, uint32_t size)
{
    struct tcp_mtu *search = conn->mtu;

    if (size <= conn->mss) {
        mtu_free(conn);
        return;
    }
    search->max = (uint16_t)min_u32(search->max, size);
    search->high = (uint16_t)min_u32(search->high, size);
    if (search->probe > size)
        search->probe = 0; /* no other of its size can go */
}

void mtu_probe_told(struct tcp_conn *conn, uint32_t seq, uint32_t mtu)
{
    struct tcp_mtu *search = conn->mtu;
    uint32_t size = mtu - min_u32(mtu, headers_len(conn));

    if (search->probe == 0 || seq != search->start || size < conn->mss ||
        size >= search->probe)
        return;
    search->high = (uint16_t)size;
    search->tries = TRIES; /* its loss will be seen */
}

/* ---- Up ------------------------------------------------------------------ */

uint32_t mtu_probe(struct tcp_conn *conn, uint32_t offset, uint32_t avail)
{
    struct tcp_mtu *search = conn->mtu;
    uint32_t size, need;

    if (!conn->has_sack || search->probe != 0 || conn->is_recovering ||
        conn->board.sacked > 0 || conn->backoff > 0 ||
        conn_now(conn) < search->next_at)
        return 0;
    if (is_found(conn)) /* it was found long ago */
        search_begin(conn, search->max, search->next_at);
    if (is_found(conn)) {
        mtu_free(conn);
        return 0;
    }
    size =
        search->has_failed ? (conn->mss + search->high + 1U) / 2 : search->high;
    need = size + BEHIND * conn->mss;
    if (min_u32(avail, conn->cwnd) < need || conn->snd_wnd < offset + need ||
        segment_fit(conn, offset, size) < size)
        return 0;
    return size;
}

void mtu_probe_sent(struct tcp_conn *conn, uint32_t seq, uint32_t size)
{
    conn->mtu->start = seq;
    conn->mtu->probe = (uint16_t)size;
}

void mtu_acked(struct tcp_conn *conn)
{
    struct tcp_mtu *search = conn->mtu;

    if (search->probe == 0 ||
        seq_lt(conn->snd_una, search->start + search->probe))
        return;
    size_set(conn, search->probe);
    conn->cwnd = max_u32(conn->cwnd, conn->mss);
    conn->ssthresh =
        max_u32(conn->ssthresh, 2U * conn->mss); /* RFC 5681, 3.1 */
    conn->dst.may_fragment = false;              /* nobody had to cut it up */
    search->probe = 0;
    search->tries = 0;
    search->high = (uint16_t)max_u32(search->high, conn->mss);
    if (conn->mss == search->max)
        mtu_free(conn);
    else if (is_found(conn))
        search->next_at = conn_now(conn) + AGE_NS;
}

bool mtu_probe_lost(struct tcp_conn *conn)
{
    struct tcp_mtu *search = conn->mtu;
    uint32_t start, end, size;

    if (search == NULL || search->probe == 0)
        return false;
    size = search->probe;
    search->probe = 0;
    board_first_lost(conn, &start, &end);
    if (start != search->start || conn->board.lost != size)
        return false;
    if (++search->tries < TRIES)
        return true;
    search->tries = 0;
    search->has_failed = true;
    search->high = (uint16_t)min_u32(search->high, size - 1);
    if (is_found(conn))
        search->next_at = conn_now(conn) + AGE_NS;
    return true;
}

void mtu_free(struct tcp_conn *conn)
{
    mem_free(conn->mtu);
    conn->mtu = NULL;
}
