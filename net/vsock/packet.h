/* Packets of vsock: VIRTIO 1.2, section 5.10.6. */
#ifndef TORC_NET_VSOCK_PACKET_H
#define TORC_NET_VSOCK_PACKET_H

#include "kernel/device/vsock_device.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/vsock.h>

enum { VSOCK_TYPE_STREAM = 1 };

enum vsock_op {
    VSOCK_OP_REQUEST = 1,
    VSOCK_OP_RESPONSE = 2,
    VSOCK_OP_RST = 3,
    VSOCK_OP_SHUTDOWN = 4,
    VSOCK_OP_RW = 5,
    VSOCK_OP_CREDIT_UPDATE = 6,
    VSOCK_OP_CREDIT_REQUEST = 7,
};

/* Flags of SHUTDOWN: 5.10.6.5. The sender will do so no more. */
enum {
    VSOCK_SHUT_RECEIVE = 1,
    VSOCK_SHUT_SEND = 2,
    VSOCK_SHUT_BOTH = 3,
};

struct vsock_packet {
    struct vsock_address src, dst;
    uint32_t len; /* bytes of data behind the header */
    uint16_t type;
    uint16_t op; /* enum vsock_op, or any */
    uint32_t flags;
    /* The sender's credit: 5.10.6.3. */
    uint32_t buf_alloc;
    uint32_t fwd_cnt;
};

/* Returns 0 and *out, -EINVAL: a CID of more than 32 bits. */
must_check int vsock_packet_parse(const uint8_t header[VSOCK_HEADER_SIZE],
                                  struct vsock_packet *out);

void vsock_packet_write(uint8_t header[VSOCK_HEADER_SIZE],
                        const struct vsock_packet *packet);

#endif
