/*
 * Network cards. Each is of one kind: a tap interface of the host (tap.c), a
 * network inside the process (slirp.c), an end of a wire inside it (link.c) or
 * to another process (unix.c). A card has queues, each used by one CPU.
 */
#ifndef TORC_HAL_POSIX_HOST_NET_H
#define TORC_HAL_POSIX_HOST_NET_H

#include "hal/posix/host/config.h"
#include "hal/posix/host/vec.h"

enum {
    HOST_NET_QUEUES = 16, /* of a card */
    HOST_NET_VECS = 36,   /* pieces of a frame */
    HOST_MTU = 1500,
    HOST_ETHER = 14,                        /* an Ethernet header */
    HOST_FRAME_MAX = HOST_MTU + HOST_ETHER, /* of a card with that MTU */
    HOST_FRAME_LARGE = 65535 + HOST_ETHER,  /* of one that joins segments */
};

enum host_net_offload {
    HOST_NET_TX_CSUM = 1,
    HOST_NET_TX_TCP4 = 2,
    HOST_NET_TX_TCP6 = 4,
    HOST_NET_RX_CSUM = 8,
    HOST_NET_RX_LARGE = 16,
};

struct host_net_info {
    uint16_t mtu;
    unsigned offloads; /* enum host_net_offload */
    unsigned queue_count;
    uint32_t frame_max;
};

enum host_net_segments { HOST_NET_WHOLE, HOST_NET_TCP4, HOST_NET_TCP6 };

/* As struct hal_net_frame. */
struct host_frame {
    const struct host_vec *vec;
    unsigned vec_count; /* at most HOST_NET_VECS */
    uint32_t len;       /* when sent: HOST_ETHER at least */
    bool csum_partial;
    bool csum_valid;
    uint8_t segments; /* enum host_net_segments */
    uint16_t segment_len;
    uint16_t headers_len;
    uint16_t csum_start, csum_at;
    int status;
};

/*
 * Open net `unit`, with at most `queue_max` queues. Returns 0, or an error
 * after a line on stderr.
 */
int host_net_open(unsigned unit, const struct host_net_config *config,
                  unsigned queue_max, struct host_net_info *info);

/* CPU 0, which is alone. */
void host_net_close(unsigned unit);

/* Whether the card has a link; a change raises the interrupt of queue 0. Any
 * thread. */
bool host_net_link(unsigned unit);

/* Open a queue for the calling CPU, whose number is `cpu`: once. Returns 0 or
 * an error. */
int host_net_queue_open(unsigned unit, unsigned queue, unsigned cpu, int irq);

/* ---- The CPU that has opened the queue: as hal_net_send_all() and so on -- */

unsigned host_net_send(unsigned unit, unsigned queue, struct host_frame *frames,
                       unsigned count);
unsigned host_net_recv(unsigned unit, unsigned queue, struct host_frame *frames,
                       unsigned count);
bool host_net_arm(unsigned unit, unsigned queue, bool on);

#endif
