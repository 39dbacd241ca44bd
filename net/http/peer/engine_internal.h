/*
 * The server: connections as small machines.
 *
 *                bytes come           the head is complete
 *      HTTP_IDLE ----------> HTTP_READ --------------------> HTTP_CONTENT
 *        ^ |                    ^                                 |
 *        | +---------- a pipelined request                        | all of it
 *        |                      |                                 v
 *        +--- nothing left -- HTTP_SEND <--- http_respond() -- HTTP_WORK
 *
 * A connection that cannot go on returns, and the next event of its socket, or
 * http_resume(), continues it. HTTP_UPGRADED hands its bytes to another
 * protocol.
 *
 * Bytes are received into a buffer of the worker that runs the connection, and
 * parsed there; only what could not be used yet is kept by the connection, so
 * an idle one has no buffer.
 *
 * Owner: the CPU that http_serve() was called on. A connection is run by one
 * worker at a time; handlers may wait, and the socket may close meanwhile.
 */
#ifndef TORC_NET_HTTP_PEER_ENGINE_INTERNAL_H
#define TORC_NET_HTTP_PEER_ENGINE_INTERNAL_H

#include "net/http/content.h"
#include "net/http/date.h"
#include "net/http/head.h"
#include "net/http/request.h"
#include <torc/http.h>
#include <torc/list.h>
#include <torc/sync.h>
#include <torc/time.h>

enum {
    HTTP_INPUT_SIZE = HTTP_HEAD_MAX,
    HTTP_OUTPUT_SIZE = 32 * 1024,
    HTTP_CHUNK_HEAD = 6, /* "7ff0\r\n" */
    HTTP_CHUNK_TAIL = 2, /* "\r\n" */
    HTTP_SLICES = 32,    /* are lent at once */
    HTTP_ENDING_TYPE = 64,
};

#define HTTP_CHECK_NS (15 * NS_PER_S) /* how often deadlines are looked at */

/* What a step returns, unless it is an error by which the connection is lost:
 * an event must come first, or the next step can be done. */
enum { HTTP_WAIT = 0, HTTP_GO_ON = 1, HTTP_NO_CONTENT = 2 };

/* What a thread that runs connections works with. */
struct http_worker {
    struct http_engine *engine;
    struct http_exchange *running;
    char *input;  /* HTTP_INPUT_SIZE: of it [in_at, in_len) is not used yet */
    size_t in_at; /* by `running` */
    size_t in_len;
    char *output; /* HTTP_OUTPUT_SIZE */
    /* It begins with a head that the next answer may have, too: */
    size_t head_len;             /* 0: it does not */
    unsigned head_ending;        /* engine->ending.number then */
    uint64_t head_until_ns;      /* engine->date_until_ns then */
    const char *head_connection; /* what it says of the connection */
    uint64_t now_ns;             /* 0: it has to be asked for; see http_now() */
    struct http_request *request;
    struct http_repeat last;                /* what *request is of */
    const struct http_exchange *request_of; /* whose it is; NULL: nobody's */
};

/* How the head of the last 200 without fields of its own ended: the next one is
 * often of the same type and length. */
struct http_ending {
    const char *type_at; /* where the application had it; NULL: none yet */
    char type[HTTP_ENDING_TYPE];
    unsigned number; /* of the endings so far */
    size_t content_len;
    size_t len;
    char text[HTTP_ENDING_TYPE + 64];
};

struct http_engine {
    struct http_server *server;
    struct service service;
    struct list all;     /* connections */
    struct list idle;    /* between two requests, the longest first */
    struct list reading; /* whose head comes, or is to come first */
    struct list ready;   /* to be run */
    unsigned connection_count;
    bool is_ending; /* no new ones, and no new requests */
    bool is_over;   /* its threads end */
    unsigned worker_count;
    struct semaphore *work;  /* a unit for each time that `ready` grew; NULL: no
                             * threads of the server's own */
    struct http_worker main; /* of the service's thread */

    /* The time, for heads: until date_until_ns of time_ns(). */
    uint64_t date_until_ns;
    int64_t date_s; /* seconds UTC since 1970, or 0: nobody knows */
    char date[HTTP_DATE_SIZE];
    size_t ok_len; /* how the head of a 200 begins */
    char ok[HTTP_BEGIN_MAX];
    struct http_ending ending;
};

enum http_state {
    HTTP_IDLE,
    HTTP_READ,
    HTTP_CONTENT,
    HTTP_WORK,
    HTTP_SEND,
    HTTP_UPGRADED,
    HTTP_ENDED, /* socket_close() was called */
};

/* What takes over a connection: websocket.c. */
struct http_protocol {
    /* http_upgraded_step(): named here, so that a server without such routes
     * does not link it. */
    int (*step)(struct http_worker *worker, struct http_exchange *exchange);
    /* Returns how many bytes were taken, 0: none until something is sent or
     * http_resume(); or an error by which the connection is lost. size 0: the
     * peer has ended its side. */
    int64_t (*receive)(struct http_exchange *exchange, char *bytes,
                       size_t size);
    /* All that was queued is sent. */
    void (*writable)(struct http_exchange *exchange);
    /* time_ns() has passed exchange->deadline_ns: 0, or as receive(). */
    int (*timeout)(struct http_exchange *exchange);
    void (*close)(struct http_exchange *exchange);
};

/* A connection, with the exchange it is at. */
struct http_exchange {
    struct http_engine *engine;
    struct socket *socket;      /* NULL: it is gone */
    struct http_worker *worker; /* that runs it, or NULL */
    struct list link;           /* in engine->all */
    struct list idle_link;      /* in engine->idle or engine->reading */
    struct list ready_link;     /* in engine->ready */
    uint64_t deadline_ns;
    size_t paced; /* bytes since the deadline was set */
    enum http_state state;
    bool is_again;   /* an event came while it ran */
    bool keep_alive; /* go on after this exchange */
    bool is_1_1;
    bool is_head;     /* the method is HEAD */
    bool is_answered; /* http_respond() was called */
    bool is_begun;    /* route->begin() was called, route->end() was not */
    bool awaits_100;  /* the client waits for it */

    char *kept; /* bytes received, not used yet; NULL: none */
    size_t kept_len;

    /* The exchange. */
    const struct http_route *route;
    void *cookie;
    char *head; /* a copy, when content follows or the answer comes later */
    size_t head_len;
    struct http_content content;

    /* The answer. */
    char *rest; /* what the socket did not take at once, or NULL */
    size_t rest_len;
    size_t rest_sent;
    struct http_source source; /* read NULL: there is none */
    uint64_t offset;           /* of the next byte of the source */
    uint64_t left;             /* or HTTP_LENGTH_UNKNOWN */
    bool is_chunked;

    const struct http_protocol *protocol;
    void *protocol_data; /* the protocol's */
};

/* ---- engine.c ------------------------------------------------------------ */

/* The callbacks of the service of a server. */
extern const struct service http_service;

/* Run the connection, whose turn it is, until it waits. */
void http_take_turn(struct http_worker *worker, struct http_exchange *exchange);

/* Run the connection, now or soon. */
void http_schedule(struct http_exchange *exchange);

/* The connection ends in good order: what is queued still goes out. */
void http_finish(struct http_exchange *exchange);

/*
 * The time; of a connection that is run, that of the first question since it
 * may have waited.
 */
uint64_t http_now(const struct http_exchange *exchange);

static inline bool http_is_late(const struct http_exchange *exchange)
{
    return http_now(exchange) >= exchange->deadline_ns;
}

void http_set_deadline(struct http_exchange *exchange, uint64_t ns);

/* Bytes have come or gone: the deadline moves with enough of them. */
static inline void http_progress(struct http_exchange *exchange, size_t count,
                                 uint64_t ns)
{
    exchange->paced += count;
    if (exchange->paced >= HTTP_PACE)
        http_set_deadline(exchange, ns);
}

/* Bring the texts that say the time up to `at_ns`. */
void http_set_date(struct http_engine *engine, uint64_t at_ns);

static inline void http_update_date(struct http_engine *engine, uint64_t at_ns)
{
    if (at_ns >= engine->date_until_ns)
        http_set_date(engine, at_ns);
}

/* The invariants of a connection that is not run. */
void http_exchange_check(const struct http_exchange *exchange);

/* ---- exchange.c ---------------------------------------------------------- */

/* Go on as far as possible: 0, or an error by which the connection is lost. */
must_check int http_run(struct http_worker *worker,
                        struct http_exchange *exchange);

/* Receive more bytes into worker->input: HTTP_GO_ON, HTTP_WAIT, -EPIPE (the
 * peer has ended its side), or an error. */
must_check int http_receive(struct http_worker *worker,
                            struct http_exchange *exchange);

/* The exchange is over: what it has is freed, its route is told. */
void http_exchange_end(struct http_exchange *exchange);

/* Nothing is known of the exchange: answer and close. */
void http_refuse(struct http_exchange *exchange, int status);

/* All of the request is there: let its route answer. */
must_check int http_complete(struct http_exchange *exchange);

/* ---- intake.c ------------------------------------------------------------ */

/* Take content: what http_run() does in HTTP_CONTENT. */
must_check int http_content_step(struct http_worker *worker,
                                 struct http_exchange *exchange);

/* ---- upgraded.c ---------------------------------------------------------- */

/* What http_run() does in HTTP_UPGRADED. */
must_check int http_upgraded_step(struct http_worker *worker,
                                  struct http_exchange *exchange);

/* ---- send.c -------------------------------------------------------------- */

/* Send bytes now, and keep those that the socket does not take: 0, -ENOMEM, or
 * an error of the socket. */
must_check int http_send(struct http_exchange *exchange, const char *bytes,
                         size_t size);

/* What is sent next is the last of an answer: when the connection ends with it,
 * both go together. It waits until the function of the route returns, which
 * should do nothing long behind its answer. */
void http_hold_last(struct http_exchange *exchange);

/* Go on sending what was kept and what the source has. HTTP_GO_ON: all is
 * sent. */
must_check int http_send_more(struct http_exchange *exchange);

/*
 * Read a piece of the source and send it, behind `before` bytes that are in the
 * output already: HTTP_GO_ON; HTTP_WAIT: the source has none, or the socket is
 * full; an error; or HTTP_NO_CONTENT: the source cannot be read, and nothing of
 * the output was sent.
 */
must_check int http_source_send(struct http_exchange *exchange, size_t before);

/* Let the source go. */
void http_source_close(struct http_exchange *exchange);

/* Whether a part of the answer is not sent yet. */
static inline bool http_has_unsent(const struct http_exchange *exchange)
{
    return exchange->rest != NULL || exchange->source.read != NULL;
}

/* Forget what is not sent. */
void http_send_abandon(struct http_exchange *exchange);

/* ---- answer.c ------------------------------------------------------------ */

/* The connection cannot go on: drop it. */
void http_lose(struct http_exchange *exchange);

/* ---- route.c ------------------------------------------------------------- */

/*
 * Which route serves a request: NULL, and *status is 404, 405, 501, or 204 for
 * an OPTIONS that the server answers itself. Pure.
 */
const struct http_route *http_route_find(const struct http_server *server,
                                         const struct http_request *request,
                                         int *status);

/* Append the Allow field for a path. */
void http_allow_put(const struct http_server *server, const char *path,
                    struct http_text *text);

#endif
