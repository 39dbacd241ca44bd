/* IPv4 headers: RFC 791, with RFC 1122 for what to check. */
#include "kernel/lib/bytes.h"
#include "net/wire/wire.h"
#include <torc/format.h>
#include <torc/string.h>

static inline int header_parse(const uint8_t *buf, size_t len,
                               struct ip4_header *out)
{
    size_t header_len;
    uint16_t fragment;

    if (len < IP4_HEADER_SIZE || buf[0] >> 4 != 4)
        return -EPROTO;
    header_len = (size_t)(buf[0] & 15) * 4;
    if (header_len < IP4_HEADER_SIZE || header_len > len)
        return -EPROTO;
    fragment = be16_get(buf + 6);
    out->traffic_class = buf[1];
    out->header_len = header_len;
    out->total_len = be16_get(buf + 2);
    if (out->total_len < header_len)
        return -EPROTO;
    out->id = be16_get(buf + 4);
    out->is_fragment = (fragment & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0;
    out->more_fragments = (fragment & IP4_MORE_FRAGMENTS) != 0;
    out->fragment_offset = (uint32_t)(fragment & IP4_OFFSET_MASK) * 8;
    out->dont_fragment = (fragment & IP4_DONT_FRAGMENT) != 0;
    out->ttl = buf[8];
    out->protocol = buf[9];
    out->src = be32_get(buf + 12);
    out->dst = be32_get(buf + 16);
    return 0;
}

int ip4_parse_quoted(const uint8_t *buf, size_t len, struct ip4_header *out)
{
    return header_parse(buf, len, out);
}

int ip4_parse(const uint8_t *buf, size_t len, struct ip4_header *out)
{
    uint16_t sum;

    if (header_parse(buf, len, out) != 0 || out->total_len > len)
        return -EPROTO;
    if (likely(out->header_len == IP4_HEADER_SIZE))
        sum = ip4_header_sum(buf, IP4_HEADER_SIZE); /* of a constant: no loop */
    else
        sum = ip4_header_sum(buf, out->header_len);
    return sum == 0 ? 0 : -EUCLEAN;
}

void ip4_emit(uint8_t *buf, const struct ip4_header *header)
{
    ip4_header_put(buf, header);
}

void ip4_format(char text[IP4_ADDRESS_TEXT], uint32_t address)
{
    fmt_print(text, IP4_ADDRESS_TEXT, "%u.%u.%u.%u", address >> 24,
              address >> 16 & 255, address >> 8 & 255, address & 255);
}
