#include "net/vsock/packet.h"
#include "kernel/lib/bytes.h"

/* Offsets in the header: 5.10.6. */
enum {
    SRC_CID = 0,
    DST_CID = 8,
    SRC_PORT = 16,
    DST_PORT = 20,
    LEN = 24,
    TYPE = 28,
    OP = 30,
    FLAGS = 32,
    BUF_ALLOC = 36,
    FWD_CNT = 40,
};
_Static_assert(FWD_CNT + 4 == VSOCK_HEADER_SIZE, "the header");

int vsock_packet_parse(const uint8_t header[VSOCK_HEADER_SIZE],
                       struct vsock_packet *out)
{
    if (le32_get(header + SRC_CID + 4) != 0 ||
        le32_get(header + DST_CID + 4) != 0)
        return -EINVAL;
    *out = (struct vsock_packet){
        .src = {le32_get(header + SRC_CID), le32_get(header + SRC_PORT)},
        .dst = {le32_get(header + DST_CID), le32_get(header + DST_PORT)},
        .len = le32_get(header + LEN),
        .type = le16_get(header + TYPE),
        .op = le16_get(header + OP),
        .flags = le32_get(header + FLAGS),
        .buf_alloc = le32_get(header + BUF_ALLOC),
        .fwd_cnt = le32_get(header + FWD_CNT),
    };
    return 0;
}

void vsock_packet_write(uint8_t header[VSOCK_HEADER_SIZE],
                        const struct vsock_packet *packet)
{
    le64_put(header + SRC_CID, packet->src.cid);
    le64_put(header + DST_CID, packet->dst.cid);
    le32_put(header + SRC_PORT, packet->src.port);
    le32_put(header + DST_PORT, packet->dst.port);
    le32_put(header + LEN, packet->len);
    le16_put(header + TYPE, packet->type);
    le16_put(header + OP, packet->op);
    le32_put(header + FLAGS, packet->flags);
    le32_put(header + BUF_ALLOC, packet->buf_alloc);
    le32_put(header + FWD_CNT, packet->fwd_cnt);
}
