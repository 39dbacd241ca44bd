#include "net/http/peer/websocket_frame.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { LEN_16 = 126, LEN_64 = 127 };

/* ---- Frames: RFC 6455, 5.2 ----------------------------------------------- */

static bool is_opcode(unsigned opcode)
{
    return opcode <= WEBSOCKET_OP_BINARY ||
           (opcode >= WEBSOCKET_OP_CLOSE && opcode <= WEBSOCKET_OP_PONG);
}

/* A number of `size` bytes, the highest first. */
static uint64_t number(const uint8_t *bytes, size_t size)
{
    uint64_t out = 0;

    for (size_t i = 0; i < size; i++)
        out = out << 8 | bytes[i];
    return out;
}

int websocket_frame_parse(const char *text, size_t len,
                          struct websocket_frame *out)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 2;
    size_t more = 0;

    if (len >= 1 && ((bytes[0] & 0x70) != 0 || !is_opcode(bytes[0] & 15)))
        return -1; /* reserved bits, or an unknown opcode */
    if (len < 2)
        return 0;
    out->is_final = (bytes[0] & 0x80) != 0;
    out->opcode = (enum websocket_opcode)(bytes[0] & 15);
    out->len = bytes[1] & 0x7f;
    if ((bytes[1] & 0x80) == 0)
        return -1; /* a client masks: 5.1 */
    if (websocket_is_control(out->opcode) &&
        (!out->is_final || out->len > WEBSOCKET_CONTROL_MAX))
        return -1;
    if (out->len == LEN_16)
        more = 2;
    else if (out->len == LEN_64)
        more = 8;
    if (len < at + more)
        return 0;
    if (more > 0) {
        uint64_t least = more == 2 ? LEN_16 : 0x10000;

        out->len = number(bytes + at, more);
        if (out->len < least || out->len > INT64_MAX)
            return -1; /* not the shortest form, or the highest bit */
    }
    at += more;
    if (len < at + sizeof(out->mask))
        return 0;
    memcpy(out->mask, bytes + at, sizeof(out->mask));
    return (int)(at + sizeof(out->mask));
}

size_t websocket_frame_head(enum websocket_opcode opcode, uint64_t len,
                            char head[WEBSOCKET_HEAD_MAX])
{
    size_t more = len < LEN_16 ? 0 : len < 0x10000 ? 2 : 8;

    head[0] = (char)(0x80 | opcode);
    head[1] = (char)(more == 0 ? len : more == 2 ? LEN_16 : LEN_64);
    for (size_t i = 0; i < more; i++)
        head[2 + i] = (char)(len >> (8 * (more - 1 - i)));
    return 2 + more;
}

void websocket_unmask(const struct websocket_frame *frame, uint64_t offset,
                      char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(bytes[i] ^ frame->mask[(offset + i) & 3]);
}

bool websocket_code_is_valid(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
           code != 1006;
}

/* ---- UTF-8: RFC 3629, 4 -------------------------------------------------- */

/* A byte that begins a character; false: it begins none. */
static bool utf8_begin(struct utf8 *state, uint8_t byte)
{
    *state = (struct utf8){.min = 0x80, .max = 0xbf};
    if (byte < 0x80)
        return true;
    if (byte >= 0xc2 && byte <= 0xdf)
        state->more = 1;
    else if (byte >= 0xe0 && byte <= 0xef)
        state->more = 2;
    else if (byte >= 0xf0 && byte <= 0xf4)
        state->more = 3;
    if (byte == 0xe0) /* no overlong forms, */
        state->min = 0xa0;
    else if (byte == 0xed) /* no surrogates, */
        state->max = 0x9f;
    else if (byte == 0xf0)
        state->min = 0x90;
    else if (byte == 0xf4) /* nothing above U+10FFFF */
        state->max = 0x8f;
    return state->more > 0;
}

bool utf8_take(struct utf8 *state, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)bytes[i];

        if (state->more == 0) {
            if (!utf8_begin(state, byte))
                return false;
            continue;
        }
        if (byte < state->min || byte > state->max)
            return false;
        *state = (struct utf8){
            .more = (uint8_t)(state->more - 1), .min = 0x80, .max = 0xbf};
    }
    return true;
}

/* ---- SHA-1: FIPS 180-4, 6.1 ---------------------------------------------- */

struct sha1 {
    uint32_t h[5];
};

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static void sha1_block(struct sha1 *state, const uint8_t block[64])
{
    uint32_t w[80];
    uint32_t a = state->h[0], b = state->h[1], c = state->h[2];
    uint32_t d = state->h[3], e = state->h[4];

    for (size_t t = 0; t < 16; t++)
        w[t] = (uint32_t)number(block + 4 * t, 4);
    for (size_t t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (size_t t = 0; t < 80; t++) {
        uint32_t f, k, next;

        if (t < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (t < 40 || t >= 60) {
            f = b ^ c ^ d;
            k = t < 40 ? 0x6ed9eba1 : 0xca62c1d6;
        } else {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        }
        next = rotate(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state->h[0] += a;
    state->h[1] += b;
    state->h[2] += c;
    state->h[3] += d;
    state->h[4] += e;
}

/* ---- Base64: RFC 4648, 4 ------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(char c)
{
    for (int i = 0; i < 64; i++) {
        if (base64_digits[i] == c)
            return i;
    }
    return -1;
}

/* 16 bytes: 21 digits, one of which only the two highest bits count, "==". */
bool websocket_key_is_valid(struct span key)
{
    if (key.len != WEBSOCKET_KEY_LEN || memcmp(key.at + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++) {
        if (base64_value(key.at[i]) < 0)
            return false;
    }
    return (base64_value(key.at[21]) & 15) == 0;
}

void websocket_accept_key(struct span key,
                          char accept[WEBSOCKET_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    struct sha1 state = {
        {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    size_t len = WEBSOCKET_KEY_LEN + sizeof(guid) - 1; /* 60: two blocks */
    uint8_t blocks[128] = {0};
    uint8_t hash[21] = {0}; /* of 20 bytes, and one that pads it */

    assert(key.len == WEBSOCKET_KEY_LEN);
    memcpy(blocks, key.at, key.len);
    memcpy(blocks + key.len, guid, sizeof(guid) - 1);
    blocks[len] = 0x80;
    blocks[126] = (uint8_t)(8 * len >> 8);
    blocks[127] = (uint8_t)(8 * len);
    sha1_block(&state, blocks);
    sha1_block(&state, blocks + 64);
    for (size_t i = 0; i < 20; i++)
        hash[i] = (uint8_t)(state.h[i / 4] >> (24 - 8 * (i % 4)));
    for (size_t i = 0; i < 7; i++) {
        uint32_t bits = (uint32_t)number(hash + 3 * i, 3);

        for (size_t j = 0; j < 4; j++)
            accept[4 * i + j] = base64_digits[bits >> (18 - 6 * j) & 63];
    }
    accept[WEBSOCKET_ACCEPT_LEN - 1] = '=';
    accept[WEBSOCKET_ACCEPT_LEN] = '\0';
}
