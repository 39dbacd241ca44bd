/* The pieces of RFC 6455 that are functions over bytes. Pure. */
#ifndef TORC_NET_HTTP_PEER_WEBSOCKET_FRAME_H
#define TORC_NET_HTTP_PEER_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/span.h>

enum websocket_opcode {
    WEBSOCKET_OP_MORE = 0,
    WEBSOCKET_OP_TEXT = 1,
    WEBSOCKET_OP_BINARY = 2,
    WEBSOCKET_OP_CLOSE = 8,
    WEBSOCKET_OP_PING = 9,
    WEBSOCKET_OP_PONG = 10,
};

enum {
    WEBSOCKET_CONTROL_MAX = 125, /* bytes of a control frame: 5.5 */
    WEBSOCKET_HEAD_MAX = 10,     /* of a frame without a mask */
    WEBSOCKET_KEY_LEN = 24,      /* Sec-WebSocket-Key: 16 bytes in base64 */
    WEBSOCKET_ACCEPT_LEN = 28,   /* Sec-WebSocket-Accept: 20 bytes */
};

struct websocket_frame {
    bool is_final;
    enum websocket_opcode opcode;
    uint64_t len;
    uint8_t mask[4];
};

static inline bool websocket_is_control(enum websocket_opcode opcode)
{
    return opcode >= WEBSOCKET_OP_CLOSE;
}

/*
 * Parse the head of a frame of a client: 5.2. Returns its length, 0 when it is
 * right so far and not complete, or -1: it breaks the protocol.
 */
must_check int websocket_frame_parse(const char *bytes, size_t len,
                                     struct websocket_frame *out);

/* Write the head of a final frame of a server. Returns its length. */
size_t websocket_frame_head(enum websocket_opcode opcode, uint64_t len,
                            char head[WEBSOCKET_HEAD_MAX]);

/* Unmask bytes of a frame that begin at its byte `offset`. */
void websocket_unmask(const struct websocket_frame *frame, uint64_t offset,
                      char *bytes, size_t len);

/* Whether a peer may close with that code: 7.4. */
bool websocket_code_is_valid(unsigned code);

/* UTF-8 as it comes, in any pieces: RFC 3629. All zero: the beginning. */
struct utf8 {
    uint8_t more;     /* continuation bytes that must follow */
    uint8_t min, max; /* what the first of them may be */
};

/* Take more bytes; false: they are not UTF-8. */
bool utf8_take(struct utf8 *state, const char *bytes, size_t len);

/* Whether a text may end here. */
static inline bool utf8_is_whole(const struct utf8 *state)
{
    return state->more == 0;
}

/* Whether a Sec-WebSocket-Key is 16 bytes in base64: 4.2.1. */
bool websocket_key_is_valid(struct span key);

/* The Sec-WebSocket-Accept for a key, and a NUL: 4.2.2. */
void websocket_accept_key(struct span key,
                          char accept[WEBSOCKET_ACCEPT_LEN + 1]);

#endif
