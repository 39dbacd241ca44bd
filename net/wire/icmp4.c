/* ICMP messages: RFC 792. */
#include "kernel/lib/bytes.h"
#include "kernel/lib/checksum.h"
#include "net/wire/wire.h"

int icmp4_parse(const uint8_t *buf, size_t len, struct icmp4_message *out)
{
    if (len < ICMP4_HEADER_SIZE)
        return -EPROTO;
    if (checksum_finish(checksum_add(0, buf, len)) != 0)
        return -EUCLEAN;
    out->type = buf[0];
    out->code = buf[1];
    out->rest = be32_get(buf + 4);
    return 0;
}

void icmp4_emit(uint8_t *buf, size_t len, const struct icmp4_message *message)
{
    buf[0] = message->type;
    buf[1] = message->code;
    be16_put(buf + 2, 0);
    be32_put(buf + 4, message->rest);
    be16_put(buf + 2, checksum_finish(checksum_add(0, buf, len)));
}
