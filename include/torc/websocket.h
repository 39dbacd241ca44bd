/*
 * WebSocket (RFC 6455) over the server of <torc/http.h>. A route accepts a
 * request as a websocket; from then on whole messages come and go.
 *
 * The server checks frames (masks, lengths, fragments, UTF-8, close codes),
 * answers pings, and asks a silent peer with one. Extensions are not used.
 */
#ifndef TORC_WEBSOCKET_H
#define TORC_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/http.h>

struct websocket;

enum websocket_kind { WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2 };

/* Close codes: RFC 6455, 7.4.1. */
enum {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_NO_STATUS = 1005, /* only told, never sent: none was given, */
    WEBSOCKET_LOST = 1006,      /* or the connection ended without a close */
    WEBSOCKET_BAD_DATA = 1007,
    WEBSOCKET_TOO_BIG = 1009,
};

enum {
    WEBSOCKET_MESSAGE_MAX = 64 * 1024, /* bytes; the default */
    WEBSOCKET_QUEUE_MAX = 256 * 1024,  /* bytes not yet taken by the peer */
    WEBSOCKET_REASON_MAX = 123,
    WEBSOCKET_IDLE_S = 60,  /* until a silent peer is asked, and then dropped */
    WEBSOCKET_CLOSE_S = 10, /* until the peer has answered our close */
};

struct websocket_handler {
    const char *protocol; /* the subprotocol that is spoken; NULL: none */
    size_t message_max;   /* bytes of a message; 0: the default */

    /* It is open. NULL: nothing. */
    void (*open)(struct websocket *socket);

    /* A whole message. A text is valid UTF-8. `data` is valid until the return;
     * a NUL stands behind it. */
    void (*message)(struct websocket *socket, enum websocket_kind kind,
                    const char *data, size_t len);

    /* All that was sent has been taken. NULL: nothing. */
    void (*writable)(struct websocket *socket);

    /* It is over; last call. `code`: of the peer's close, or one of ours.
     * NULL: nothing. */
    void (*closed)(struct websocket *socket, unsigned code);
};

/*
 * Make a websocket of the exchange, in begin() or complete() of a route for
 * GET. It is then over, and end() of the route is called. `handler` must live
 * for ever. Returns 0; or -EPROTO (the request asks for none, or not for one of
 * this version) or -ENOMEM, and the exchange is answered with 400, 426 or 503.
 */
must_check int websocket_accept(struct http_exchange *exchange,
                                const struct websocket_handler *handler,
                                void *cookie);

/*
 * Send a message, as one frame. Any thread of the server's CPU. Returns 0;
 * -EAGAIN: WEBSOCKET_QUEUE_MAX bytes wait for the peer, writable() follows;
 * -EPIPE: it is closing; -EINVAL: no kind; or it is lost: -ENOMEM, -ECONNRESET.
 */
must_check int websocket_send(struct websocket *socket,
                              enum websocket_kind kind, const void *data,
                              size_t len);

/*
 * Begin to close.
 *   code    1000, 1001, 1003, 1007 .. 1014, 3000 .. 4999
 *   reason  UTF-8, cut at WEBSOCKET_REASON_MAX bytes; NULL: none
 * What comes from the peer afterwards is dropped; closed() follows.
 */
void websocket_close(struct websocket *socket, unsigned code,
                     const char *reason);

void *websocket_cookie(const struct websocket *socket);

#endif
