/*
 * One connection as a small machine: collect a request, send the head of the
 * answer and the bytes of its file as the socket takes them, begin again. A
 * connection that cannot go on returns, and the next callback of its socket
 * continues it.
 *
 *              bytes come             a head is complete
 *      idle ---------------> reading ---------------------> answering
 *        ^                      ^                               |
 *        +------ nothing left --+---- a pipelined request ------+
 *
 * A site that may change takes the content of a request (writes.h) before it
 * answers.
 *
 * Each state has a deadline: CONNECTION_IDLE_NS; CONNECTION_HEAD_NS for a whole
 * request head, however its bytes trickle; CONNECTION_TAKE_NS for each
 * CONNECTION_PACE bytes of content; CONNECTION_SEND_NS without progress.
 * Deadlines are looked at when bytes come and every CONNECTION_CHECK_NS, which
 * is the service's idle_ns.
 *
 * A connection that is to end is closed in stages (RFC 9112, 9.6):
 * socket_close() sends what is queued and a FIN, and TCP goes on taking, and
 * forgetting, what the peer still sends, so that no reset destroys our last
 * answer.
 *
 * Owner: the CPU of the site, and its one thread.
 */
#ifndef TORC_APPS_SITE_CONNECTION_H
#define TORC_APPS_SITE_CONNECTION_H

#include "apps/site/responder.h"
#include <torc/list.h>
#include <torc/net.h>
#include <torc/time.h>

#define CONNECTION_IDLE_NS  (75 * NS_PER_S)
#define CONNECTION_HEAD_NS  (30 * NS_PER_S)
#define CONNECTION_SEND_NS  (60 * NS_PER_S)
#define CONNECTION_TAKE_NS  (60 * NS_PER_S)
#define CONNECTION_CHECK_NS (15 * NS_PER_S)

enum {
    CONNECTION_PACE = 4096,      /* bytes of content; see above */
    SITE_CHUNK_SIZE = 64 * 1024, /* read from the disk at once */
    SITE_CONNECTIONS_MAX = NET_BACKLOG_DEFAULT,
    /* From here on a new connection ends the one that was idle longest. */
    SITE_CONNECTIONS_FULL = SITE_CONNECTIONS_MAX * 3 / 4,
};

/* What all connections share. Only one of them runs at a time. */
struct site {
    struct responder responder;
    char *chunk;                  /* SITE_CHUNK_SIZE: head and bytes to send */
    struct http_request *request; /* being answered */
    uint64_t now_ns;              /* when a connection began to go on */
    struct http_repeat last;      /* of a read-only site: its text */
    struct list all;              /* connections */
    struct list idle;             /* of them, the longest first */
    unsigned connection_count;
    bool is_ending; /* no new ones, and no new requests */
};

struct connection {
    struct site *site;
    struct socket *socket;
    struct list link;      /* in site->all */
    struct list idle_link; /* in site->idle */
    uint64_t deadline_ns;

    char *request; /* bytes received, not yet parsed */
    size_t request_len;
    size_t request_size;

    bool is_answering; /* an answer is under way; then: */
    bool keep_alive;   /* go on after it */
    char *head;        /* the part the socket did not take at once, or NULL */
    size_t head_len;
    size_t head_sent;
    struct http_body body; /* what is not sent of it */

    struct upload *upload; /* its content is being taken, before an answer */
    size_t content_bytes;  /* that have come since the deadline was set */
};

/* Returns 0, -ENAMETOOLONG (dir), -ENOMEM. */
must_check int site_init(struct site *site, const char *dir,
                         const struct site_writes *writes);

void site_fini(struct site *site);

/* Let each connection end: idle ones now, others after the request they have
 * begun. New ones are refused. */
void site_end_connections(struct site *site);

/* Drop those that are left. */
void site_abort_connections(struct site *site);

/* A new connection, idle; NULL: no memory, or the site is ending. May end
 * another one. */
must_check struct connection *connection_create(struct site *site,
                                                struct socket *socket);

/* Go on as far as possible. Ends the connection when that is its end. Context:
 * thread; may wait for the disk. */
void connection_run(struct connection *conn);

/* CONNECTION_CHECK_NS have passed without a byte. */
void connection_timeout(struct connection *conn);

/* The socket is gone. */
void connection_destroy(struct connection *conn);

/*
 * For struct site_writes: begin the request that has been parsed, whose head
 * has `len` bytes; take a part of its content. Return 1 when the connection
 * goes on, 0 when it waits, or an error by which it is lost.
 */
must_check int connection_begin_write(struct connection *conn, size_t len);
must_check int connection_take_content(struct connection *conn);

/* The invariants of a connection between two callbacks. */
void connection_check(const struct connection *conn);

#endif
