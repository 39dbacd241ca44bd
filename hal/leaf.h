/*
 * Leaf devices: the disks, network cards and terminal that a hosted machine has
 * instead of hardware. On bare metal there are none: every call returns an
 * error or NULL.
 *
 * The rules of hal.h hold here. A unit is used by one CPU, that of its driver.
 */
#ifndef TORC_HAL_LEAF_H
#define TORC_HAL_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

/* A piece of memory. */
struct hal_vec {
    void *base;
    size_t len; /* bytes */
};

/* ---- Disks --------------------------------------------------------------- */

/* Constant. Sectors are of 512 bytes everywhere; see sector_size. */
struct hal_blk_info {
    uint64_t sectors;
    uint32_t sector_size;  /* bytes: 512 or 4096. Each request begins and
                                ends at a multiple */
    uint32_t memory_align; /* of the base and length of each piece, a power of
                                two, at most 512 */
    uint32_t vec_max;      /* pieces of a request */
    uint32_t sectors_max;  /* of a request that moves bytes */
    unsigned queue_count;  /* at least 1, at most one for each CPU */
    unsigned queue_depth;  /* requests that a queue has room for */
    bool read_only;
};

enum hal_blk_op {
    HAL_BLK_READ,
    HAL_BLK_WRITE,
    HAL_BLK_FLUSH,   /* what was written, and has completed, is on the medium */
    HAL_BLK_DISCARD, /* the contents do not matter any more */
    HAL_BLK_WRITE_ZEROES,
};

enum { HAL_BLK_FUA = 1 }; /* a write completes when it is on the medium */

struct hal_blk_req {
    enum hal_blk_op op;
    unsigned flags;
    uint64_t sector;
    uint64_t sectors;    /* FLUSH: 0 */
    struct hal_vec *vec; /* READ, WRITE: sectors * 512 bytes in all. Vector and
                            memory are the HAL's from submit to poll, and it
                            changes the vector */
    unsigned vec_count;
    int status; /* at completion: 0, -EIO, -EROFS, -ENOSPC (no room on the
                   medium), -ENOTSUP (no
                   discard here), -ECANCELED */
    void *cookie;
};

/* Returns 0, or -ENODEV past the last unit. */
must_check int hal_blk_info(unsigned unit, struct hal_blk_info *info);

/*
 * From now on `queue` (0 .. queue_count-1) belongs to this CPU; opening it
 * again changes nothing. Returns the number of its interrupt, to be attached on
 * this CPU: it is raised when a request has completed, and not again before
 * hal_blk_poll() has returned NULL. Or -ENODEV (no such unit or queue), -EBUSY
 * (another CPU has it), -ENOMEM, -ENOSPC (no interrupt left).
 */
must_check int hal_blk_open(unsigned unit, unsigned queue);

/* The other functions are called on the CPU that has opened the queue. */

/*
 * Hand over a request. It may start now, and does at hal_blk_commit(). It comes
 * back through hal_blk_poll(); requests complete in any order. Returns 0,
 * -EAGAIN (no room: poll first), -EINVAL (a rule of hal_blk_info or of the
 * request is broken, or it is beyond the end), -ENODEV.
 */
must_check int hal_blk_submit(unsigned unit, unsigned queue,
                              struct hal_blk_req *req);

/* Start what was submitted: once for many requests. */
void hal_blk_commit(unsigned unit, unsigned queue);

/* A completed request, or NULL. */
struct hal_blk_req *hal_blk_poll(unsigned unit, unsigned queue);

/*
 * Ask that what has not completed comes back soon: with -ECANCELED, or as it
 * would have. What the host is in the middle of cannot be stopped.
 */
void hal_blk_cancel(unsigned unit, unsigned queue);

/*
 * Read or write `size` bytes (a multiple of the unit's sectors, aligned as its
 * pieces are) from `sector` on, at once and beside all queues, and with `size`
 * 0 make durable what was written so. For reports of a panic: any CPU; it waits
 * for the medium. Returns 0, -ENODEV, -EINVAL (behind the end), -EROFS, -EIO.
 */
must_check int hal_blk_now(unsigned unit, bool is_write, uint64_t sector,
                           void *data, size_t size);

/* ---- Network cards ------------------------------------------------------- */

/* What a card can do for frames. */
enum hal_net_offload {
    HAL_NET_TX_CSUM = 1, /* csum_partial */
    HAL_NET_TX_TCP4 = 2, /* segments */
    HAL_NET_TX_TCP6 = 4,
    HAL_NET_RX_CSUM = 8,   /* csum_partial, csum_valid */
    HAL_NET_RX_LARGE = 16, /* frames longer than the MTU come */
};

/* Constant. */
struct hal_net_info {
    uint8_t mac[6];
    uint16_t mtu;         /* bytes of payload */
    unsigned offloads;    /* enum hal_net_offload */
    unsigned queue_count; /* at least 1 */
    uint32_t frame_max;   /* bytes of the longest frame that comes */
    uint32_t vsock_cid;   /* not 0: no card, but a socket device with this CID;
                             a frame is a packet of VIRTIO 1.2, 5.10.6 */
};

enum hal_net_segments { HAL_NET_WHOLE, HAL_NET_TCP4, HAL_NET_TCP6 };

enum { HAL_NET_VECS = 36 }; /* pieces of a frame */

/* An Ethernet frame, without its check sequence. */
struct hal_net_frame {
    const struct hal_vec *vec; /* the caller's: memory for it, or its bytes */
    unsigned vec_count;
    uint32_t len; /* bytes of the frame */

    /* As far as the card has these offloads. The internet checksum from
     * csum_start to the end is to be put at csum_at, where the sum of the
     * pseudo header is; both count from the frame's first byte. Received:
     * nobody has put it there. */
    bool csum_partial;
    bool csum_valid;      /* received: it was checked */
    uint8_t segments;     /* enum hal_net_segments: the frame stands for many */
    uint16_t segment_len; /* bytes of payload in each of them */
    uint16_t headers_len; /* of each */
    uint16_t csum_start, csum_at;
    int status; /* what became of it */
};

/* Returns 0, or -ENODEV past the last unit. */
must_check int hal_net_info(unsigned unit, struct hal_net_info *info);

/*
 * From now on `queue` (0 .. queue_count-1) belongs to this CPU; opening it
 * again changes nothing. The host may spread received frames over all queues
 * that are open. Returns the number of its interrupt, to be attached on this
 * CPU. Or -ENODEV (no such unit or queue), -EBUSY (another CPU has it),
 * -ENOMEM, -ENOSPC (no interrupt left), another error of the host.
 */
must_check int hal_net_open(unsigned unit, unsigned queue);

/* The other functions are called on the CPU that has opened the queue. */

/*
 * Send frames, in their order; their bytes are the caller's again afterwards.
 * Returns how many were taken: fewer than `count` when there is no room, and an
 * interrupt tells when there is. The status of those is set: 0, -EMSGSIZE (it
 * can never be sent), -EIO (it is lost), -ENODEV.
 */
unsigned hal_net_send_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count);

/*
 * Take up to `count` received frames into the memory at their vec; the other
 * fields are set. Returns how many: with fewer than `count` no more were there.
 * The status is 0, -EMSGSIZE (it did not fit, or made no sense: it is lost),
 * or, of the first one only, -ENODEV.
 */
unsigned hal_net_recv_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count);

/* The same for one frame. Returns its status; -EAGAIN: no room, no frame. */
static inline int hal_net_send(unsigned unit, unsigned queue,
                               const struct hal_net_frame *frame)
{
    struct hal_net_frame copy = *frame;

    return hal_net_send_all(unit, queue, &copy, 1) == 1 ? copy.status : -EAGAIN;
}

static inline int hal_net_recv(unsigned unit, unsigned queue,
                               struct hal_net_frame *frame)
{
    return hal_net_recv_all(unit, queue, frame, 1) == 1 ? frame->status
                                                        : -EAGAIN;
}

/*
 * Ask for an interrupt when a frame comes, or for none; it comes once, and one
 * that is not wanted may come. Returns false when a frame is there already:
 * then nothing is asked for.
 */
bool hal_net_arm(unsigned unit, unsigned queue, bool on);

/* Whether the card has a link. When that changes, queue 0 is interrupted. */
bool hal_net_link(unsigned unit);

/* ---- The terminal -------------------------------------------------------- */

/*
 * From now on what is typed goes to this CPU, each key at once and not echoed;
 * hal_console_write() shows. Returns the number of its interrupt, to be
 * attached on this CPU: it is raised when bytes have come, and not again before
 * hal_tty_read() has returned 0. Or -ENODEV (there is none), -EBUSY (it is open
 * already), -ENOMEM, -ENOSPC (no interrupt left), another error of the host.
 */
must_check int hal_tty_open(void);

/* Take at most `size` bytes (> 0) of what was typed. Returns how many; 0: there
 * are no more now; -EPIPE: there will be no more, ever. */
must_check int hal_tty_read(void *buf, size_t size);

/* Nobody reads: the terminal is as it was, and hal_tty_open() may come again.
 * Its interrupt is not raised any more. The CPU that has opened it. */
void hal_tty_close(void);

#endif
