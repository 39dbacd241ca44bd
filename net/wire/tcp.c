/* TCP segments: RFC 9293, section 3.1; options of RFC 7323 and RFC 2018. */
#include "kernel/lib/bytes.h"
#include "kernel/lib/checksum.h"
#include "kernel/lib/minmax.h"
#include "net/wire/wire.h"
#include <torc/string.h>

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMP = 8,
    SCALE_MAX = 14, /* RFC 7323, section 2.3: larger means 14 */
};

/* The length an option of `kind` must have; 0: any. */
static size_t option_len(uint8_t kind)
{
    switch (kind) {
    case OPTION_MSS:
        return 4;
    case OPTION_SCALE:
        return 3;
    case OPTION_SACK_PERMITTED:
        return 2;
    case OPTION_TIMESTAMP:
        return 10;
    default:
        return 0;
    }
}

static void take_timestamp(const uint8_t *option, struct tcp_options *out)
{
    out->has_timestamp = true;
    out->timestamp = be32_get(option + 2);
    out->timestamp_of = be32_get(option + 6);
}

static void take_option(const uint8_t *option, struct tcp_options *out)
{
    switch (option[0]) {
    case OPTION_MSS:
        out->mss = be16_get(option + 2);
        break;
    case OPTION_SCALE:
        out->has_scale = true;
        out->scale = (uint8_t)min_u32(option[2], SCALE_MAX);
        break;
    case OPTION_SACK_PERMITTED:
        out->sack_permitted = true;
        break;
    case OPTION_TIMESTAMP:
        take_timestamp(option, out);
        break;
    case OPTION_SACK: /* RFC 2018, 3; a part of a block tells nothing */
        out->sack_count =
            (uint8_t)min_u32((option[1] - 2U) / TCP_SACK_SIZE, TCP_SACKS_MAX);
        out->sack = option + 2;
        break;
    }
}

/* Each turn of the loop moves on by at least one byte. */
static int parse_options(const uint8_t *buf, size_t len,
                         struct tcp_options *out)
{
    size_t at = 0;

    *out = (struct tcp_options){0};
    if (len == TCP_STAMP_OPTION && be32_get(buf) == TCP_STAMP_START) {
        take_timestamp(buf + 2, out); /* what most segments have */
        return 0;
    }
    while (at < len && buf[at] != OPTION_END) {
        size_t size;

        if (buf[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (len - at < 2)
            return -EPROTO;
        size = buf[at + 1];
        if (size < 2 || size > len - at)
            return -EPROTO;
        if (option_len(buf[at]) != 0 && option_len(buf[at]) != size)
            return -EPROTO;
        take_option(buf + at, out);
        at += size;
    }
    return 0;
}

int tcp_parse(const uint8_t *buf, size_t len, uint32_t pseudo,
              enum wire_sum sum, struct tcp_segment *out)
{
    size_t header_len;

    if (len < TCP_HEADER_SIZE || len > UINT16_MAX)
        return -EPROTO;
    header_len = (size_t)(buf[12] >> 4) * 4;
    if (header_len < TCP_HEADER_SIZE || header_len > len)
        return -EPROTO;
    if (sum == WIRE_SUM_HERE &&
        checksum_finish(checksum_add(pseudo, buf, len)) != 0)
        return -EUCLEAN;
    out->src_port = be16_get(buf);
    out->dst_port = be16_get(buf + 2);
    out->seq = be32_get(buf + 4);
    out->ack = be32_get(buf + 8);
    out->flags = buf[13];
    out->window = be16_get(buf + 14);
    out->urgent = be16_get(buf + 18);
    out->payload = buf + header_len;
    out->payload_len = len - header_len;
    return parse_options(buf + TCP_HEADER_SIZE, header_len - TCP_HEADER_SIZE,
                         &out->options);
}

size_t tcp_options_len(const struct tcp_segment *segment)
{
    const struct tcp_options *options = &segment->options;
    bool is_syn = (segment->flags & TCP_SYN) != 0;
    size_t len = 0;

    if (options->has_timestamp)
        len += TCP_STAMP_OPTION;
    if (options->sack_count > 0)
        len += 4 + (size_t)options->sack_count * TCP_SACK_SIZE;
    if (!is_syn)
        return len;
    /* SACK-permitted takes the place of the NOPs before the timestamps. */
    return len + 4 + (options->has_scale ? 4 : 0) +
           (options->sack_permitted && !options->has_timestamp ? 4 : 0);
}

/* Two NOPs, or what takes their place, and an option of `len` bytes; returns
 * where its value goes. */
static uint8_t *put_aligned(uint8_t *at, bool sack_permitted, uint8_t kind,
                            size_t len)
{
    at[0] = sack_permitted ? OPTION_SACK_PERMITTED : OPTION_NOP;
    at[1] = sack_permitted ? 2 : OPTION_NOP;
    at[2] = kind;
    at[3] = (uint8_t)len;
    return at + 4;
}

/* RFC 9293, 3.2; RFC 7323, 2.2 and appendix A; RFC 2018, 2. */
static void emit_options(uint8_t *at, const struct tcp_segment *segment)
{
    const struct tcp_options *options = &segment->options;
    bool is_syn = (segment->flags & TCP_SYN) != 0;
    bool permitted = is_syn && options->sack_permitted;
    size_t len = (size_t)options->sack_count * TCP_SACK_SIZE;

    if (is_syn) {
        at[0] = OPTION_MSS;
        at[1] = 4;
        be16_put(at + 2, options->mss);
        at += 4;
    }
    if (options->has_timestamp) {
        at = put_aligned(at, permitted, OPTION_TIMESTAMP, 10);
        be32_put(at, options->timestamp);
        be32_put(at + 4, options->timestamp_of);
        at += 8;
    } else if (permitted) {
        at = put_aligned(at, true, OPTION_NOP, OPTION_NOP);
    }
    if (is_syn && options->has_scale) {
        at[0] = OPTION_NOP;
        at[1] = OPTION_SCALE;
        at[2] = 3;
        at[3] = options->scale;
        at += 4;
    }
    if (len > 0)
        memcpy(put_aligned(at, false, OPTION_SACK, len + 2), options->sack,
               len);
}

void tcp_emit(uint8_t *buf, size_t len, uint32_t pseudo, enum wire_sum sum,
              const struct tcp_segment *segment)
{
    size_t header_len = tcp_header_len(segment);

    tcp_header_put(buf, header_len, segment);
    if (header_len > TCP_HEADER_SIZE)
        emit_options(buf + TCP_HEADER_SIZE, segment);
    tcp_sum_put(buf, len, pseudo, sum);
}
