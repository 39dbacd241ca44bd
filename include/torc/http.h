/*
 * HTTP/1.1 (RFC 9110, RFC 9112): a server over the TCP of <torc/net.h>.
 *
 * A server has routes. A request that matches one is an *exchange*: the route's
 * functions are told of its head, of its content as it comes, and of its end,
 * and one of them answers. The server does the rest: persistent connections,
 * pipelining, both framings of content in both directions, HEAD and OPTIONS,
 * conditions and ranges, 100-continue, limits, deadlines.
 *
 *     static void hello(struct http_exchange *exchange)
 *     {
 *         http_respond_text(exchange, 200, "text/plain", "Hello\n");
 *     }
 *     static const struct http_route routes[] = {
 *         {.method = "GET", .path = "/", .complete = hello},
 *     };
 *     static struct http_server server = {
 *         .name = "hello", .port = 80, .routes = routes,
 *         .route_count = COUNT_OF(routes),
 *     };
 *     status = http_serve(&server);
 *
 * Everything of a server belongs to the CPU that http_serve() was called on.
 * The functions of routes run in the thread of the service, one at a time, or
 * with `workers` in threads of the server, so that one that waits does not stop
 * the others.
 */
#ifndef TORC_HTTP_H
#define TORC_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/net.h>
#include <torc/span.h>
#include <torc/string.h>

struct file; /* <torc/file.h> */
struct http_exchange;
struct http_engine;
struct http_request; /* net/http/request.h */
struct http_file;    /* net/http/head.h */

/* ---- Servers ------------------------------------------------------------- */

struct http_route {
    /* "GET" (it answers HEAD, too), "POST" ...; NULL: any */
    const char *method;

    /* The decoded path: "/a", or with "*" at its end everything that begins
     * with what stands before. The first route that matches is taken. */
    const char *path;

    /* The head of a request has come. May answer, before the content. NULL:
     * nothing. */
    void (*begin)(struct http_exchange *exchange);

    /*
     * Content has come. Returns how many bytes were taken, 1 .. size; 0: none
     * now, wait for http_resume(), and TCP's window closes meanwhile; or a
     * negative status to answer (-400 .. -599). NULL: a request with content is
     * answered with 413.
     */
    int64_t (*content)(struct http_exchange *exchange, const void *data,
                       size_t size);

    /* The request is complete. Answers; or returns without an answer, and is
     * called again after http_resume(). */
    void (*complete)(struct http_exchange *exchange);

    /* The exchange is over, whatever its end: free the cookie. NULL: nothing.
     * Called once for each begin(). */
    void (*end)(struct http_exchange *exchange);

    uint64_t content_max; /* bytes, 413 beyond; 0: no limit */
};

struct http_server {
    const char *name; /* of the service, for logs */
    const struct http_route *routes;
    size_t route_count;
    uint16_t port;
    void *cookie; /* the application's */

    /* 0: the default of each. */
    unsigned connections_max; /* struct service, backlog */
    unsigned workers;         /* 0: the service's thread alone */
    uint64_t idle_ns;         /* between two requests */
    uint64_t head_ns;         /* for a whole request head */
    uint64_t content_ns;      /* for HTTP_PACE bytes of content to come */
    uint64_t send_ns;         /* for HTTP_PACE bytes of an answer to go */
    uint64_t answer_ns;       /* from a complete request to its answer */

    struct http_engine *engine; /* of http_serve() */
};

enum {
    HTTP_PACE = 4096, /* bytes */
    HTTP_IDLE_S = 75,
    HTTP_HEAD_S = 30,
    HTTP_CONTENT_S = 60,
    HTTP_SEND_S = 60,
    HTTP_ANSWER_S = 60,
};

/*
 * Serve: listen on server->port of this CPU's stack. *server must live for
 * ever. Returns 0, -ENOMEM, or as service_register(). Context: thread; waits.
 */
must_check int http_serve(struct http_server *server);

/*
 * Serve on every CPU that has a stack with this CPU's card: a server each, like
 * *server. A request is answered on the CPU that its connection is on, so what
 * routes share is the application's care. Errors as of http_serve(); the CPUs
 * that serve by then go on. Such servers cannot be stopped. Context: thread;
 * waits.
 */
must_check int http_serve_all(const struct http_server *server);

/*
 * The main function of an application that is a server and nothing else: the
 * card as its options say (<torc/net_card.h>), a server on each CPU, for ever.
 * Returns 2 when there is an argument, an option is wrong, or it cannot serve;
 * that is logged. Context: thread; waits.
 */
must_check int http_main(struct http_server *server, int argc);

/*
 * Let idle connections end now, others with the request they have begun, and
 * take no new ones; after `patience_ns` drop those that are left. Returns 0,
 * -EBUSY (one is left: its handler does not return). Context: thread of the
 * server's CPU, not a handler; waits.
 */
must_check int http_stop(struct http_server *server, uint64_t patience_ns);

/* ---- Requests ------------------------------------------------------------ */

/*
 * What was asked. Valid in the functions of the route, but for end(). The
 * texts live as long as the function that asks runs.
 */
struct span http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange);  /* decoded */
struct span http_query(const struct http_exchange *exchange); /* with its '?' */

/* The first field line of that name, without blanks around it; at == NULL:
 * there is none. */
struct span http_field(const struct http_exchange *exchange, const char *name);

/* All of the request, for who knows what net/http makes of it. Valid until the
 * route's function returns. */
const struct http_request *
http_request_of(const struct http_exchange *exchange);

struct http_server *http_server_of(const struct http_exchange *exchange);
struct socket *http_socket(const struct http_exchange *exchange);

/* The application's pointer for this exchange; NULL at first. */
void http_set_cookie(struct http_exchange *exchange, void *cookie);
void *http_cookie(const struct http_exchange *exchange);

/*
 * Something that an exchange waits for has happened: content() is called
 * again, or complete(), or read() of the source. Any thread of the server's
 * CPU, until end() was called. May call those functions before it returns.
 */
void http_resume(struct http_exchange *exchange);

/* ---- Answers ------------------------------------------------------------- */

#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* Where the content of an answer comes from, when it is not all there. */
struct http_source {
    /*
     * Write up to `size` (> 0) bytes of the content to `buf`, from `offset` on.
     * Returns how many; 0: the content ends here, which is an error when its
     * length is known; -EAGAIN: none now, http_resume() follows; or another
     * error: then 500 is answered if nothing was sent yet, or the connection is
     * dropped. May wait.
     */
    int64_t (*read)(void *cookie, uint64_t offset, void *buf, size_t size);

    /*
     * The same without a copy: fill `slices`, of which there are *count, with
     * up to `size` bytes that stay as they are; the references become the
     * server's (file_lend()). Asked instead of read() while more than
     * HTTP_COPY_MAX bytes of a known length are left. NULL: read() alone.
     */
    int64_t (*lend)(void *cookie, uint64_t offset, uint64_t size,
                    struct slice *slices, unsigned *count);

    /* It is not used any more. NULL: nothing. */
    void (*close)(void *cookie);

    void *cookie;
};

enum { HTTP_COPY_MAX = 4096 }; /* bytes; less is copied rather than lent */

struct http_response {
    int status;         /* 200 .. 599 */
    const char *type;   /* the media type of the content; NULL: unsaid */
    const char *fields; /* more field lines, each with its CR LF; NULL: none */

    /* The content: these bytes, which are sent or copied before
     * http_respond() returns; */
    const void *body;
    size_t body_len;

    /* or, if source.read is not NULL, what the source gives: so many bytes,
     * or HTTP_LENGTH_UNKNOWN: chunked, or to HTTP/1.0 up to the end of the
     * connection. The source is closed in any case. */
    uint64_t length;
    struct http_source source;

    /*
     * With `etag`, a strong one with its quotes, and status 200 the conditions
     * of a GET are looked at (RFC 9110, 13), and a range is sent if one is
     * wanted and the length is known (14). A page says 412 or 416, without
     * `fields`.
     */
    const char *etag;
    int64_t modified_s; /* UTC since 1970; 0: unknown */

    /* Whether two states of the content never have the same `modified_s`: then
     * a date in If-Range may be met. */
    bool is_date_strong;

    /* A head of 200 that is formatted already, for `length` bytes: instead of
     * `type`, `etag` and `modified_s`. NULL: there is none. */
    const struct http_file *file;
};

/*
 * Answer the exchange: once, in begin(), content() or complete() of its route.
 * An answer before the end of the request's content ends the connection behind
 * it. After an error the exchange has no answer yet, and the source is the
 * caller's: -EINVAL (the status or the fields are none), -EMSGSIZE (the fields
 * are longer than HTTP_FIELDS_MAX, the type or the etag than HTTP_VALUE_MAX),
 * -EALREADY (it is answered).
 */
must_check int http_respond(struct http_exchange *exchange,
                            const struct http_response *response);

enum { HTTP_FIELDS_MAX = 21 * 1024, HTTP_VALUE_MAX = 1024 };

/* Answer with bytes, or a text; an answer that is refused drops the connection.
 */
void http_respond_bytes(struct http_exchange *exchange, int status,
                        const char *type, const void *bytes, size_t size);
static inline void http_respond_text(struct http_exchange *exchange, int status,
                                     const char *type, const char *text)
{
    http_respond_bytes(exchange, status, type, text, strlen(text));
}

/*
 * Answer with a file: its media type by its name, conditions and ranges looked
 * at. What is not there, or no file, is answered with 404; what cannot be
 * opened or read with 500 or 503. `path` is of <torc/file.h>; http_path() has
 * no ".." in it. Waits for the disk: see `workers`.
 */
void http_respond_file(struct http_exchange *exchange, const char *path);

/* The parts of a source that is a file, for a route that opens it itself, and
 * the whole of it, which closes the file. Nothing is resumed: -EAGAIN of a file
 * is an error. */
int64_t http_file_read(void *file, uint64_t offset, void *buf, size_t size);
int64_t http_file_lend(void *file, uint64_t offset, uint64_t size,
                       struct slice *slices, unsigned *count);
struct http_source http_file_source(struct file *file);

/* Answer with a status, more field lines or NULL, and a page that says the
 * status; an answer that is refused drops the connection. */
void http_respond_page(struct http_exchange *exchange, int status,
                       const char *fields);

static inline void http_respond_status(struct http_exchange *exchange,
                                       int status)
{
    http_respond_page(exchange, status, NULL);
}

#endif
