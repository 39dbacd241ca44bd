/* ICMPv6 messages: RFC 4443; those of MLD: RFC 3810, RFC 2710. */
#include "net/wire/icmp6.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/checksum.h"
#include <torc/string.h>

int icmp6_parse(const uint8_t *buf, size_t len, const struct ip6_header *header,
                enum wire_sum sum, struct icmp6_message *out)
{
    if (len < ICMP6_HEADER_SIZE)
        return -EPROTO;
    if (sum == WIRE_SUM_HERE) {
        uint32_t pseudo =
            addr_pseudo_sum(&header->src, &header->dst, IP6_ICMP, len);

        if (checksum_finish(checksum_add(pseudo, buf, len)) != 0)
            return -EUCLEAN;
    }
    out->type = buf[0];
    out->code = buf[1];
    out->rest = be32_get(buf + 4);
    return 0;
}

void icmp6_emit(uint8_t *buf, size_t len, const struct net_addr *src,
                const struct net_addr *dst, const struct icmp6_message *message)
{
    uint32_t pseudo = addr_pseudo_sum(src, dst, IP6_ICMP, len);

    buf[0] = message->type;
    buf[1] = message->code;
    be16_put(buf + 2, 0);
    be32_put(buf + 4, message->rest);
    be16_put(buf + 2, checksum_finish(checksum_add(pseudo, buf, len)));
}

/* ---- MLD ----------------------------------------------------------------- */

enum {
    CODE_EXACT = 0x8000, /* a smaller code is a number: RFC 3810, 5.1.3 */
    SOURCES_AT = 26,
    SOURCE_SIZE = 16,
};

/* RFC 3810, 5.1.3: above CODE_EXACT it has an exponent. */
static uint32_t delay_of(uint16_t code)
{
    uint32_t mantissa = (code & 0xfffu) | 0x1000;

    return code < CODE_EXACT ? code : mantissa << ((code >> 12 & 7) + 3);
}

int mld_parse_query(const uint8_t *buf, size_t len, struct mld_query *out)
{
    uint16_t code;

    /* RFC 3810, 8.1: the length tells the version. */
    if (len < MLD_QUERY1_SIZE ||
        (len > MLD_QUERY1_SIZE && len < MLD_QUERY_SIZE))
        return -EPROTO;
    if (len >= MLD_QUERY_SIZE &&
        (size_t)be16_get(buf + SOURCES_AT) * SOURCE_SIZE > len - MLD_QUERY_SIZE)
        return -EPROTO;
    code = be16_get(buf + 4);
    out->is_old = len == MLD_QUERY1_SIZE;
    out->delay_ms = out->is_old ? code : delay_of(code);
    memcpy(out->group.byte, buf + 8, 16);
    return 0;
}

void mld_emit_record(uint8_t *buf, uint8_t kind, const struct net_addr *group)
{
    buf[0] = kind;
    memset(buf + 1, 0, 3); /* no further data, no sources */
    memcpy(buf + 4, group->byte, 16);
}
