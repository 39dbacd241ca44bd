/* ARP messages for IPv4 over Ethernet: RFC 826. */
#include "kernel/lib/bytes.h"
#include "net/wire/wire.h"
#include <torc/string.h>

enum { HARDWARE_ETHERNET = 1 };

int arp_parse(const uint8_t *buf, size_t len, struct arp_message *out)
{
    static const uint8_t zero[ETHER_ADDR_SIZE];
    uint16_t op;

    if (len < ARP_SIZE)
        return -EPROTO;
    if (be16_get(buf) != HARDWARE_ETHERNET ||
        be16_get(buf + 2) != ETHER_TYPE_IP4)
        return -EPROTO;
    if (buf[4] != ETHER_ADDR_SIZE || buf[5] != 4)
        return -EPROTO;
    op = be16_get(buf + 6);
    if (op != ARP_REQUEST && op != ARP_REPLY)
        return -EPROTO;
    if (ether_is_group(buf + 8) || memcmp(buf + 8, zero, sizeof(zero)) == 0)
        return -EPROTO;
    out->op = op;
    memcpy(out->sender_mac, buf + 8, ETHER_ADDR_SIZE);
    out->sender = be32_get(buf + 14);
    memcpy(out->target_mac, buf + 18, ETHER_ADDR_SIZE);
    out->target = be32_get(buf + 24);
    return 0;
}

void arp_emit(uint8_t *buf, const struct arp_message *message)
{
    be16_put(buf, HARDWARE_ETHERNET);
    be16_put(buf + 2, ETHER_TYPE_IP4);
    buf[4] = ETHER_ADDR_SIZE;
    buf[5] = 4;
    be16_put(buf + 6, message->op);
    memcpy(buf + 8, message->sender_mac, ETHER_ADDR_SIZE);
    be32_put(buf + 14, message->sender);
    memcpy(buf + 18, message->target_mac, ETHER_ADDR_SIZE);
    be32_put(buf + 24, message->target);
}
