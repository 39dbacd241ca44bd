/* Ethernet II frames. */
#include "kernel/lib/bytes.h"
#include "net/wire/wire.h"
#include <torc/string.h>

int ether_parse(const uint8_t *frame, size_t len, struct ether_header *out)
{
    if (len < ETHER_HEADER_SIZE || ether_is_group(frame + 6))
        return -EPROTO;
    memcpy(out->dst, frame, ETHER_ADDR_SIZE);
    memcpy(out->src, frame + 6, ETHER_ADDR_SIZE);
    out->type = be16_get(frame + 12);
    return 0;
}

void ether_emit(uint8_t *frame, const struct ether_header *header)
{
    memcpy(frame, header->dst, ETHER_ADDR_SIZE);
    memcpy(frame + 6, header->src, ETHER_ADDR_SIZE);
    be16_put(frame + 12, header->type);
}
