/*
 * The virtio socket device for tests: VIRTIO 1.2, section 5.10, written from it
 * and not from the driver. The test is the peer: it takes the packets that were
 * sent, and puts packets; nothing happens by itself.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_VSOCK_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_VSOCK_MODEL_H

#include "tests/models/virtio_model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MODEL_VSOCK_RX = 0,
    MODEL_VSOCK_TX = 1,
    MODEL_VSOCK_EVENT = 2,
    MODEL_VSOCK_HEADER = 44,
    MODEL_VSOCK_DATA = 65536, /* bytes of one packet, at most */
};

/* Operations. */
enum {
    MODEL_REQUEST = 1,
    MODEL_RESPONSE,
    MODEL_RST,
    MODEL_SHUTDOWN,
    MODEL_RW,
    MODEL_CREDIT_UPDATE,
    MODEL_CREDIT_REQUEST,
};

struct model_packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port;
    uint32_t len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
};

/* `model`, of zeros but for what the test has chosen, is such a device. */
void vsock_model_init(struct virtio_model *model, uint64_t cid);

/* Its CID is another one from now on. */
void vsock_model_set_cid(struct virtio_model *model, uint64_t cid);

/* Take the next packet that was sent, and up to MODEL_VSOCK_DATA bytes of its
 * data; false: there is none. */
bool vsock_model_take(struct virtio_model *model, struct model_packet *packet,
                      uint8_t *data);

/* Give the driver a packet with `len` bytes behind its header, whatever it says
 * itself; false: it has no buffer for it. */
bool vsock_model_put(struct virtio_model *model,
                     const struct model_packet *packet, const void *data,
                     size_t len);

/* The first `len` bytes of a packet. */
bool vsock_model_put_raw(struct virtio_model *model, const uint8_t *bytes,
                         size_t len);

/* How many bytes of data a packet to the driver can have. */
enum { MODEL_VSOCK_PUT_MAX = 4032 };

/* Tell of an event, by `len` of the bytes of its number; false: no buffer. */
bool vsock_model_event(struct virtio_model *model, uint32_t id, uint32_t len);

#endif
