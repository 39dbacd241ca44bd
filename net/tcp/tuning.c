/* What a socket can choose of its connection; and keep-alive, which only runs
 * where it is chosen: RFC 9293, 3.8.4. */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/memory.h>

/* The number before the next one is outside the peer's window, so that it
 * answers. */
static void probe_send(struct tcp_conn *conn)
{
    conn->tuning->probes++;
    (void)segment_send(conn, conn->snd_max - 1, 0, 0);
}

/* TCP_ALARM_IDLE, or earlier. Returns when to look again. What is in flight is
 * watched by the retransmission timer instead. */
static uint64_t on_keep(struct tcp_conn *conn)
{
    struct tcp_tuning *tuning = conn->tuning;
    uint64_t now = conn_now(conn);
    uint64_t quiet =
        min_u64(conn_since_ns(conn, conn->active_ms), now - tuning->heard_at);

    if (quiet < tuning->keep_idle_ns) {
        tuning->probes = 0;
        return now + tuning->keep_idle_ns - quiet;
    }
    if (tuning->probes > 0 && now < tuning->probe_at)
        return tuning->probe_at;
    /* Where both have ended, the peer may have forgotten it. */
    if (conn->state == TCP_TIME_WAIT || conn->fin_acked ||
        conn->snd_una != conn->snd_max)
        return now + tuning->keep_idle_ns;
    if (tuning->probes < tuning->keep_count) {
        probe_send(conn);
        tuning->probe_at = now + tuning->keep_interval_ns;
        return tuning->probe_at;
    }
    conn->stack->stats.tcp_timeouts++;
    tcp_send_reset(conn);
    conn_fail(conn, -ETIMEDOUT);
    return TIME_NEVER;
}

/* Set TCP_ALARM_IDLE anew, for the service and for keep-alive. */
static void idle_start(struct tcp_conn *conn)
{
    uint64_t idle = server_idle_ns(conn->server);
    uint64_t at = TIME_NEVER;
    uint64_t since;

    if (conn->state < TCP_ESTABLISHED)
        conn->active_ms = conn_now_ms(conn);
    since = conn_now(conn) - conn_since_ns(conn, conn->active_ms);
    if (idle != 0)
        at = since + idle;
    if (conn->tuning->keep_idle_ns != 0)
        at = min_u64(at, since + conn->tuning->keep_idle_ns);
    alarm_set_idle(conn, at);
}

int tcp_tune(struct tcp_conn *conn, const struct tcp_tuning *tuning)
{
    if (conn->tuning == NULL)
        conn->tuning = mem_alloc(sizeof(*conn->tuning));
    if (conn->tuning == NULL)
        return -ENOMEM;
    *conn->tuning = *tuning;
    conn->tuning->keep = on_keep;
    stack_tick(conn->stack);
    conn->tuning->heard_at =
        conn_now(conn) - conn_since_ns(conn, conn->active_ms);
    conn->tuning->probes = 0;
    conn_mark(conn, tuning);
    idle_start(conn);
    tcp_output(conn); /* what Nagle's algorithm has held */
    return 0;
}

struct tcp_tuning tcp_tuning_of(const struct tcp_conn *conn)
{
    return conn->tuning != NULL ? *conn->tuning : (struct tcp_tuning){0};
}
