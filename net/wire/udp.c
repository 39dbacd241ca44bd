/* UDP headers: RFC 768, RFC 1122 section 4.1.3.4. */
#include "kernel/lib/bytes.h"
#include "net/wire/wire.h"

int udp_parse(const uint8_t *buf, size_t len, struct udp_header *out)
{
    if (len < UDP_HEADER_SIZE)
        return -EPROTO;
    out->src_port = be16_get(buf);
    out->dst_port = be16_get(buf + 2);
    out->len = be16_get(buf + 4);
    out->sum = be16_get(buf + 6);
    if (out->len < UDP_HEADER_SIZE || out->dst_port == 0)
        return -EPROTO;
    return 0;
}

void udp_emit(uint8_t *buf, const struct udp_header *header)
{
    be16_put(buf, header->src_port);
    be16_put(buf + 2, header->dst_port);
    be16_put(buf + 4, header->len);
    be16_put(buf + 6, header->sum);
}
