/*
 * A virtio network card, for tests: VIRTIO 1.2, section 5.1. A header, a buffer
 * or a command that the specification does not allow, or that needs a feature
 * that was not agreed on, is a breach. It does one thing a call, and meets the
 * faults of a plan.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_NET_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_NET_MODEL_H

#include "tests/models/fault.h"
#include "tests/models/virtio_fault.h"
#include "tests/models/virtio_model.h"

enum { NET_MODEL_FRAME_MAX = 65589, NET_MODEL_PARTS = 64 };

/* What it offers: 5.1.3. */
enum {
    NETF_CSUM = 1 << 0,
    NETF_GUEST_CSUM = 1 << 1,
    NETF_MTU = 1 << 3,
    NETF_MAC = 1 << 5,
    NETF_GUEST_TSO4 = 1 << 7,
    NETF_GUEST_TSO6 = 1 << 8,
    NETF_HOST_TSO4 = 1 << 11,
    NETF_HOST_TSO6 = 1 << 12,
    NETF_MRG_RXBUF = 1 << 15,
    NETF_STATUS = 1 << 16,
    NETF_CTRL_VQ = 1 << 17,
    NETF_GUEST_ANNOUNCE = 1 << 21,
    NETF_MQ = 1 << 22,
};

/* What stands before a frame: 5.1.6. */
struct net_model_header {
    uint8_t flags, gso_type;
    uint16_t headers_len, gso_size, csum_start, csum_offset;
};

struct net_model_frame {
    struct net_model_header header;
    unsigned pair;
    uint32_t len;
    unsigned pieces; /* descriptors */
    uint8_t data[NET_MODEL_FRAME_MAX];
};

struct net_model {
    struct virtio_model virtio;

    /* what it does: */
    struct fault_plan *plan; /* NULL: no faults */
    /* A lie in the next frame that is received; 0: none. */
    uint16_t lie_num_buffers;
    bool lie_short_part; /* a buffer that is not the last one is not full */
    bool fail_commands;  /* they end with VIRTIO_NET_ERR */

    /* what it has seen: */
    unsigned sent, delivered, no_buffer;
    unsigned commands, announced; /* commands, acknowledgements */
    unsigned pairs;               /* as set by command */
    unsigned resets;              /* that `pairs` knows of */

    struct virtio_late late;
};

/* A card with an address of its own and one pair of queues of 256 descriptors,
 * VIRTIO 1.x and nothing else. What it offers more the test adds, before it
 * puts net->virtio on a transport. */
void net_model_init(struct net_model *net);

/* Offer these features; with NETF_MQ so many pairs of queues. */
void net_model_offer(struct net_model *net, uint32_t features, uint16_t pairs);

/* End what was late, if its time has come: whether there was any. */
bool net_model_late(struct net_model *net);

/* Take the next frame that the driver sends by a pair; NULL: none. It stays
 * valid until the next call. */
const struct net_model_frame *net_model_take(struct net_model *net,
                                             unsigned pair);

/* Let the driver receive a frame by a pair, with that header (NULL: it says
 * nothing). False: there are no buffers; the frame is lost. */
bool net_model_send(struct net_model *net, unsigned pair,
                    const struct net_model_header *header, const void *frame,
                    uint32_t len);

/*
 * The halves of these two, for who ends requests himself: the frame of a
 * request, valid until the next call; and the buffers that a frame to receive
 * has been put into, to be ended all together (0: there are not enough).
 */
struct net_model_part {
    uint16_t head;
    uint32_t written;
};
const struct net_model_frame *net_model_read(struct net_model *net,
                                             unsigned pair,
                                             const struct ring_chain *chain);
unsigned net_model_fill(struct net_model *net, unsigned pair,
                        const struct net_model_header *header,
                        const void *frame, uint32_t len,
                        struct net_model_part parts[NET_MODEL_PARTS]);

/* Serve the next command; whether there was one. */
bool net_model_command(struct net_model *net);

/* The link goes up or down; the driver is asked to announce itself. */
void net_model_link(struct net_model *net, bool up);
void net_model_announce(struct net_model *net);

#endif
