/*
 * Between the files of the virtio network card: virtio_net.c (the card),
 * virtio_net_pair.c (a pair of queues: its life), virtio_net_rx.c and
 * virtio_net_tx.c (frames), virtio_net_ctrl.c (commands), virtio_net_reset.c
 * (a card that is reset while it works).
 */
#ifndef TORC_DRIVERS_VIRTIO_NET_INTERNAL_H
#define TORC_DRIVERS_VIRTIO_NET_INTERNAL_H

#include "drivers/virtio.h"
#include "kernel/cpu/exchange.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/timer.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>
#include <torc/thread.h>

/* Features: 5.1.3. */
enum {
    NET_F_CSUM = 0,
    NET_F_GUEST_CSUM = 1,
    NET_F_MTU = 3,
    NET_F_MAC = 5,
    NET_F_GUEST_TSO4 = 7,
    NET_F_GUEST_TSO6 = 8,
    NET_F_HOST_TSO4 = 11,
    NET_F_HOST_TSO6 = 12,
    NET_F_MRG_RXBUF = 15,
    NET_F_STATUS = 16,
    NET_F_CTRL_VQ = 17,
    NET_F_GUEST_ANNOUNCE = 21,
    NET_F_MQ = 22,
};

/* Before each frame: 5.1.6. Legacy devices without NET_F_MRG_RXBUF have no
 * num_buffers. */
struct vnet_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t headers_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
};

enum {
    VNET_HEADER_SIZE = 12,
    VNET_HEADER_SIZE_LEGACY = 10,
    VNET_NEEDS_CSUM = 1, /* flags */
    VNET_DATA_VALID = 2,
    VNET_GSO_NONE = 0, /* gso_type */
    VNET_GSO_TCP4 = 1,
    VNET_GSO_TCP6 = 4,
    VNET_GSO_ECN = 0x80, /* and it has been told of congestion */
    VNET_FRAME_LARGE = 65589,
    VNET_ETHER = 14,
    /* Pieces of a frame that is sent, buffers of one that is received. */
    VNET_PIECES_MAX = 2 + PACKET_SLICES,
    VNET_PARTS_MAX = 1 + PACKET_SLICES,
};
static_assert(sizeof(struct vnet_header) == VNET_HEADER_SIZE, "5.1.6");
static_assert(VNET_PARTS_MAX * PACKET_SIZE >=
                  VNET_HEADER_SIZE + VNET_FRAME_LARGE,
              "the longest frame fits");

/* What a pair of queues does. */
enum vnet_state {
    VNET_OFF,     /* not yet started, or being reset: frames wait */
    VNET_LIVE,    /* works */
    VNET_DEAD,    /* the card is given up: frames are dropped */
    VNET_REMOVED, /* the start has failed: freed when no irq work is left */
};

struct virtio_net;

/* A receive and a transmit queue, in the memory of their CPU, where alone they
 * are used. */
struct vnet_pair {
    enum vnet_state state;
    bool is_merging;  /* a frame may be received in several buffers */
    bool has_rx_sums; /* NET_F_GUEST_CSUM: headers may say something */
    /* Of a legacy device: the header has a descriptor of its own (5.1.6.1). */
    bool has_header_apart;
    uint32_t header_size;
    uint32_t frame_max; /* bytes of a frame that is not cut into segments */
    struct virtqueue rx;
    struct virtqueue tx;
    struct irq_work work; /* the device has interrupted */
    struct irq_work kick; /* frames were added: notify the device */
    bool is_awaited;      /* a sender found no room, and was not woken since */

    struct virtio_net *net;
    struct net_queue *queue;

    /* Watching: */
    struct timer watchdog;
    uint64_t watch_ns;       /* from one look to the next */
    uint64_t watch_activity; /* frames so far, at the last look, */
    uint64_t watch_sent;     /* and packets taken back */
    bool watch_busy;         /* and whether frames waited to be sent */
    uint64_t sent;           /* packets taken back so far */
    bool has_packets;        /* the pool has grown for this pair */

    /* The card is to be reset: */
    bool has_asked;
    struct exchange_item ask;
};

/* The queue of commands: 5.1.6.5. CPU of queue 0. */
struct vnet_ctrl {
    bool is_there;
    unsigned index;        /* of the queue */
    bool is_busy;          /* a command is with the device */
    int status;            /* of the last command: 0, -EIO */
    unsigned looks;        /* of the watchdog, since it was sent */
    struct wait_queue end; /* of the command */
    struct virtqueue vq;
    struct vnet_command *command; /* what the device reads and writes */
};

/* Owner CPU only. */
struct vnet_reset {
    struct wait_queue wait;
    bool is_wanted;
    bool ends; /* the thread is to end */
    thread_id thread;
    unsigned in_vain; /* so often in a row, and no frame between */
    uint64_t last_ns;
    uint64_t activity; /* frames so far, at the last one, */
    uint64_t now;      /* and at this one: summed up queue by queue */
};

struct virtio_net {
    struct net_device net;
    struct virtio_device *virtio;
    uint64_t features;    /* as they were at the start; 0: before it */
    uint16_t mtu;         /* as the device says; 0: it does not */
    bool mtu_is_too_long; /* for our buffers: not agreed on */
    bool is_up;           /* owner only: it works, and may say so */
    int status; /* of what is being done on each queue; one CPU at a time */
    struct vnet_ctrl ctrl;
    struct vnet_reset reset;
};

static inline struct virtio_net *vnet_of(struct net_device *dev)
{
    return container_of(dev, struct virtio_net, net);
}

static inline struct vnet_pair *vnet_pair_of(const struct net_queue *queue)
{
    return queue->driver;
}

/* The virtqueues of a pair: 5.1.2. */
static inline unsigned vnet_rx_index(const struct vnet_pair *pair)
{
    return 2 * pair->queue->index;
}

static inline unsigned vnet_tx_index(const struct vnet_pair *pair)
{
    return 2 * pair->queue->index + 1;
}

/* ---- virtio_net.c -------------------------------------------------------- */

/*
 * Set the device up with its features, rings and commands; for the first time,
 * or after it was stopped. It works from then on; only the pairs are still off.
 * Returns 0, or an error: it is stopped, and the rings are gone. Owner, thread.
 */
must_check int vnet_setup(struct virtio_net *net);

/* See what the device says: its link, whether the neighbours are to be told its
 * address again, whether it wants to be reset. Owner. */
void vnet_look(struct virtio_net *net);

/* ---- virtio_net_pair.c --------------------------------------------------- */

/* All for net_each_queue(). Make the rings, and the first time the pair.
 * Returns 0, or an error. */
must_check int vnet_pair_make(struct net_queue *queue);

/* Give the device buffers to receive into. Returns 0, -ENOMEM. */
must_check int vnet_pair_fill(struct net_queue *queue);

/* Frames come and go from now on; the device was set up. Returns 0. */
int vnet_pair_begin(struct net_queue *queue);

/* End the rings of a device for which virtio_stop() returned net->status: what
 * it had is dropped, or never used again. Returns 0. */
int vnet_pair_end(struct net_queue *queue);

/* Free the pair, whose rings have ended; or let it drop all frames from now on.
 * Both return 0. */
int vnet_pair_free(struct net_queue *queue);
int vnet_pair_die(struct net_queue *queue);

/* Interrupt handler; `arg` is the struct net_queue. */
void vnet_pair_irq(void *arg);

/* Look at the pair soon: something was given to the device. */
void vnet_pair_watch(struct vnet_pair *pair);

/* Assert what is always true of a pair, between two operations. */
void vnet_pair_check(const struct vnet_pair *pair);

/* ---- virtio_net_rx.c, virtio_net_tx.c ------------------------------------ */

/* Give the device all the buffers that its ring has room for, once: each one
 * that comes back is replaced. */
void vnet_rx_fill(struct vnet_pair *pair);

/* Operations of the card. */
unsigned vnet_poll(struct net_queue *queue, struct packet *packets[],
                   unsigned max);
bool vnet_arm(struct net_queue *queue, bool on);
unsigned vnet_send(struct net_queue *queue, struct packet *const packets[],
                   unsigned count);

/* Put the packets that were sent. Returns 0, -EIO. */
must_check int vnet_tx_reclaim(struct vnet_pair *pair);

/* ---- virtio_net_ctrl.c: owner CPU ---------------------------------------- */

/* Make the queue of commands, number `index`. Returns 0, or an error. */
must_check int vnet_ctrl_make(struct virtio_net *net, unsigned index);

/* The device was stopped (0), or not. */
void vnet_ctrl_end(struct virtio_net *net, int stopped);

/* Let the device use so many pairs, and wait for its answer. Returns 0, -EIO,
 * -ETIMEDOUT. Thread. */
must_check int vnet_ctrl_pairs(struct virtio_net *net, uint16_t pairs);

/* Tell the device that the neighbours are told; no command is under way. */
void vnet_ctrl_announced(struct virtio_net *net);

/* Take the answer, if there is one. */
void vnet_ctrl_poll(struct virtio_net *net);

/* The watchdog's: whether a command is overdue. */
bool vnet_ctrl_hangs(struct virtio_net *net);

void vnet_ctrl_check(const struct virtio_net *net);

/* ---- virtio_net_reset.c -------------------------------------------------- */

/* The card is to be reset, for a reason that is logged. CPU of the pair, or
 * owner. */
void vnet_pair_ask_reset(struct vnet_pair *pair, const char *why);
void vnet_ask_reset(struct virtio_net *net, const char *why);

/* Make the thread that does so (0, or an error); end it. Owner, thread. */
must_check int vnet_reset_begin(struct virtio_net *net);
void vnet_reset_end(struct virtio_net *net);

#endif
