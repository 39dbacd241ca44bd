/*
 * Network cards on tap interfaces: each queue is a file of the interface.
 *
 * A frame has a header before it, which says of checksums and segments what is
 * to be done or was (struct virtio_net_hdr; Linux, Documentation/networking/
 * tuntap.rst). A tap that was made with multi_queue has as many queues as the
 * machine has CPUs; Linux spreads frames over those that are open.
 *
 * Several frames at once are several operations of the CPU's ring, which Linux
 * carries out in one system call, in their order. They do not wait
 * (RWF_NOWAIT), so all are complete when the call returns.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/host/net_internal.h"
#include "hal/posix/host/ready.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <torc/assert.h>
#include <torc/compiler.h>
#include <unistd.h>

enum {
    CLOSED = -1,
    BATCH = 32,         /* frames in one system call */
    PATIENCE = 1000000, /* ns, for what Linux has not done at once */
};

/* What readv() or writev() needs for a frame. */
struct tap_io {
    struct virtio_net_hdr header;
    char spill; /* a byte behind the memory for a frame: it is too long */
    int count;
    struct iovec vec[1 + HOST_NET_VECS + 1];
};

/* An operation of the ring. */
struct tap_op {
    struct host_ring_op op;
    struct tap_queue *queue;
    int result;
    struct tap_io io;
};

static struct tap {
    /* constant while the tap is open: */
    char name[IFNAMSIZ];
    short flags;         /* it was attached with */
    bool has_header;     /* before each frame */
    atomic_bool gone;    /* the interface was removed */
    atomic_int link_irq; /* of queue 0; CLOSED: not open */
    struct tap_queue {
        int fd; /* CLOSED: none */
        bool open;
        struct host_ready ready;
        /* its CPU's: */
        bool batches;     /* Linux can do several operations in one call */
        unsigned pending; /* of them are under way */
        struct tap_op ops[BATCH];
    } queues[HOST_NET_QUEUES];
} taps[HOST_NET_MAX];

/* ---- Attaching ----------------------------------------------------------- */

/* Returns the file descriptor, or the negative of the host's errno. */
static int attach(const char *name, short flags)
{
    struct ifreq request = {.ifr_flags = flags};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int err;

    if (fd < 0)
        return -errno;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &request) == 0)
        return fd;
    err = errno;
    close(fd);
    return -err;
}

/* The interface is with several queues or with one, as it was made. */
static int attach_any(struct tap *tap)
{
    static const short queues[] = {IFF_MULTI_QUEUE, 0};
    int fd = -EINVAL;

    for (unsigned i = 0; fd == -EINVAL && i < 2; i++) {
        tap->flags = (short)(IFF_TAP | IFF_NO_PI | queues[i] |
                             (tap->has_header ? IFF_VNET_HDR : 0));
        fd = attach(tap->name, tap->flags);
    }
    return fd;
}

static void complain(const char *name, int err)
{
    if (err == EPERM || err == EACCES)
        host_complain("no permission for tap '%s': be root, or let root make "
                      "it with 'ip tuntap add dev %s mode tap user USER'",
                      name, name);
    else if (err == EBUSY)
        host_complain("tap '%s' is used by another process", name);
    else if (err == EINVAL)
        host_complain("'%s' is an interface, but no tap", name);
    else
        host_complain("cannot open tap '%s': %s", name, strerror(err));
}

/*
 * Say which frames we take: without a checksum, and several segments in one.
 * Without a header we can take none of them; the interface may remember that
 * somebody else could. Returns the offloads.
 */
static unsigned offloads_set(const struct tap *tap, bool large)
{
    unsigned tx = HOST_NET_TX_CSUM | HOST_NET_TX_TCP4 | HOST_NET_TX_TCP6;
    unsigned wish = TUN_F_CSUM;

    if (large)
        wish |= TUN_F_TSO4 | TUN_F_TSO6;
    if (!tap->has_header) {
        (void)ioctl(tap->queues[0].fd, TUNSETOFFLOAD, 0);
        return 0;
    }
    if (ioctl(tap->queues[0].fd, TUNSETOFFLOAD, wish) != 0)
        return tx;
    return tx | HOST_NET_RX_CSUM | (large ? HOST_NET_RX_LARGE : 0);
}

static int tap_open(unsigned unit, const struct host_net_config *config,
                    unsigned queue_max, struct host_net_info *info)
{
    struct tap *tap = &taps[unit];
    int fd;

    snprintf(tap->name, sizeof(tap->name), "%s", config->tap);
    tap->has_header = !config->plain;
    atomic_store(&tap->gone, false);
    atomic_store(&tap->link_irq, CLOSED);
    for (unsigned i = 0; i < HOST_NET_QUEUES; i++) {
        tap->queues[i].fd = CLOSED;
        tap->queues[i].open = false;
    }
    fd = attach_any(tap);
    if (fd < 0) {
        complain(tap->name, -fd);
        return host_error(-fd);
    }
    tap->queues[0].fd = fd;
    if ((tap->flags & IFF_MULTI_QUEUE) != 0)
        info->queue_count = queue_max;
    info->offloads = offloads_set(tap, config->large);
    if ((info->offloads & HOST_NET_RX_LARGE) != 0)
        info->frame_max = HOST_FRAME_LARGE;
    return 0;
}

static void tap_close(unsigned unit)
{
    for (unsigned i = 0; i < HOST_NET_QUEUES; i++) {
        struct tap_queue *queue = &taps[unit].queues[i];

        if (queue->open)
            host_ready_close(&queue->ready);
        if (queue->fd != CLOSED)
            close(queue->fd);
        queue->fd = CLOSED;
    }
}

static int tap_queue_open(unsigned unit, unsigned index, unsigned cpu, int irq)
{
    struct tap *tap = &taps[unit];
    struct tap_queue *queue = &tap->queues[index];
    int err;

    if (queue->fd == CLOSED)
        queue->fd = attach(tap->name, tap->flags);
    if (queue->fd < 0) {
        err = -queue->fd;
        queue->fd = CLOSED;
        complain(tap->name, err);
        return host_error(err);
    }
    err = host_ready_open(&queue->ready, queue->fd, POLLIN, cpu, irq);
    if (err != 0)
        return err;
    queue->open = true;
    queue->batches = queue->ready.by_ring;
    if (index == 0)
        atomic_store(&tap->link_irq, irq);
    return 0;
}

static bool tap_link(unsigned unit)
{
    return !atomic_load(&taps[unit].gone);
}

/* The interface was removed while we use it. */
static void set_gone(struct tap *tap)
{
    int irq = atomic_load(&tap->link_irq);

    if (!atomic_exchange(&tap->gone, true) && irq != CLOSED)
        machine_irq_raise(irq);
}

/* ---- Frames -------------------------------------------------------------- */

static void header_make(const struct host_frame *frame,
                        struct virtio_net_hdr *header)
{
    static const uint8_t types[] = {
        [HOST_NET_WHOLE] = VIRTIO_NET_HDR_GSO_NONE,
        [HOST_NET_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
        [HOST_NET_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
    };

    memset(header, 0, sizeof(*header));
    header->gso_type = types[frame->segments];
    if (frame->csum_partial) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = frame->csum_start;
        header->csum_offset = (uint16_t)(frame->csum_at - frame->csum_start);
    }
    if (frame->segments != HOST_NET_WHOLE) {
        header->gso_size = frame->segment_len;
        header->hdr_len = frame->headers_len;
    }
}

/* What the header says of a frame; false: it makes no sense. */
static bool header_take(const struct virtio_net_hdr *header,
                        struct host_frame *frame)
{
    uint32_t csum_at = (uint32_t)header->csum_start + header->csum_offset;

    frame->csum_valid = (header->flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0;
    if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
        if (csum_at + 2 > frame->len)
            return false;
        frame->csum_partial = true;
        frame->csum_start = header->csum_start;
        frame->csum_at = (uint16_t)csum_at;
    }
    switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        frame->segments = HOST_NET_TCP4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        frame->segments = HOST_NET_TCP6;
        break;
    default:
        return false;
    }
    frame->segment_len = header->gso_size;
    frame->headers_len = header->hdr_len;
    return frame->segment_len > 0 && frame->headers_len <= frame->len;
}

/* ---- For Linux ----------------------------------------------------------- */

/* The header and the frame; of one that is received also the spill. */
static void io_make(const struct tap *tap, const struct host_frame *frame,
                    bool received, struct tap_io *io)
{
    int count = 0;

    if (tap->has_header)
        io->vec[count++] = (struct iovec){&io->header, sizeof(io->header)};
    for (unsigned i = 0; i < frame->vec_count; i++)
        io->vec[count++] =
            (struct iovec){frame->vec[i].base, frame->vec[i].len};
    if (received)
        io->vec[count++] = (struct iovec){&io->spill, 1};
    io->count = count;
}

/* The status of a frame; `result` is what writev() returned, or the negative
 * of errno. */
static int sent_status(struct tap *tap, ssize_t result)
{
    if (result >= 0)
        return 0;
    if (result == -EBADFD)
        set_gone(tap);
    /* Its queue is full, the interface is down .. */
    return result == -EINVAL ? -EMSGSIZE : -EIO;
}

/* The same for one that is received; -EAGAIN: none. */
static int received_status(struct tap *tap, const struct tap_io *io,
                           ssize_t result, struct host_frame *frame)
{
    ssize_t head = tap->has_header ? sizeof(io->header) : 0;

    if (result == -EBADFD)
        set_gone(tap);
    if (result <= 0)
        return -EAGAIN;
    if (result <= head || (size_t)(result - head) > frame_room(frame))
        return -EMSGSIZE;
    frame_plain(frame, (uint32_t)(result - head));
    return !tap->has_header || header_take(&io->header, frame) ? 0 : -EMSGSIZE;
}

/* ---- One frame ----------------------------------------------------------- */

static int send_one(struct tap *tap, struct tap_queue *queue,
                    const struct host_frame *frame)
{
    struct tap_io *io = &queue->ops[0].io;
    ssize_t result;

    header_make(frame, &io->header);
    io_make(tap, frame, false, io);
    do {
        result = writev(queue->fd, io->vec, io->count);
    } while (result < 0 && errno == EINTR);
    return sent_status(tap, result < 0 ? -errno : result);
}

static int recv_one(struct tap *tap, struct tap_queue *queue,
                    struct host_frame *frame)
{
    struct tap_io *io = &queue->ops[0].io;
    ssize_t result;

    memset(&io->header, 0, sizeof(io->header));
    io_make(tap, frame, true, io);
    do {
        result = readv(queue->fd, io->vec, io->count);
    } while (result < 0 && errno == EINTR);
    return received_status(tap, io, result < 0 ? -errno : result, frame);
}

/* ---- Several frames ------------------------------------------------------ */

static void op_done(struct host_ring_op *op, int result)
{
    struct tap_op *tap_op = container_of(op, struct tap_op, op);

    assert(tap_op->queue->pending > 0);
    tap_op->result = result;
    tap_op->queue->pending--;
}

static bool op_push(struct tap_queue *queue, struct tap_op *op, bool received)
{
    struct io_uring_sqe sqe;

    memset(&sqe, 0, sizeof(sqe));
    if (received)
        io_uring_prep_readv(&sqe, queue->fd, op->io.vec, (unsigned)op->io.count,
                            0);
    else
        io_uring_prep_writev(&sqe, queue->fd, op->io.vec,
                             (unsigned)op->io.count, 0);
    sqe.rw_flags = RWF_NOWAIT;
    op->op = (struct host_ring_op){.done = op_done};
    op->queue = queue;
    if (host_ring_push(queue->ready.cpu, &sqe, &op->op) != 0)
        return false;
    queue->pending++;
    return true;
}

/* Let Linux carry out what is pending. */
static void ops_run(struct tap_queue *queue)
{
    host_ring_submit(queue->ready.cpu);
    (void)host_ring_reap(queue->ready.cpu);
    while (queue->pending > 0) {
        host_ring_sleep(queue->ready.cpu, PATIENCE);
        (void)host_ring_reap(queue->ready.cpu);
    }
}

/*
 * Carry out an operation for each of up to BATCH frames. Returns how many; 0:
 * the ring does not take them, or this Linux has no RWF_NOWAIT for taps.
 */
static unsigned batch_run(struct tap *tap, struct tap_queue *queue,
                          struct host_frame *frames, unsigned count,
                          bool received)
{
    unsigned pushed = 0;

    if (!queue->batches || count < 2)
        return 0;
    assert(queue->pending == 0);
    for (; pushed < count && pushed < BATCH; pushed++) {
        struct tap_op *op = &queue->ops[pushed];

        if (received)
            memset(&op->io.header, 0, sizeof(op->io.header));
        else
            header_make(&frames[pushed], &op->io.header);
        io_make(tap, &frames[pushed], received, &op->io);
        if (!op_push(queue, op, received))
            break;
    }
    ops_run(queue);
    queue->batches = pushed == 0 || queue->ops[0].result != -EOPNOTSUPP;
    return queue->batches ? pushed : 0;
}

static unsigned tap_send(unsigned unit, unsigned index,
                         struct host_frame *frames, unsigned count)
{
    struct tap *tap = &taps[unit];
    struct tap_queue *queue = &tap->queues[index];
    unsigned done = 0;

    while (done < count) {
        unsigned batch =
            batch_run(tap, queue, frames + done, count - done, false);

        for (unsigned i = 0; i < batch; i++, done++)
            frames[done].status = sent_status(tap, queue->ops[i].result);
        if (batch == 0) {
            frames[done].status = send_one(tap, queue, &frames[done]);
            done++;
        }
    }
    return count;
}

/* What operation `from` has read, to where `to` would have. Their memory has
 * one shape. */
static void op_move(const struct tap_op *from, struct tap_op *to)
{
    assert(from->io.count == to->io.count);
    for (int i = 0; i < from->io.count; i++) {
        assert(from->io.vec[i].iov_len == to->io.vec[i].iov_len);
        memcpy(to->io.vec[i].iov_base, from->io.vec[i].iov_base,
               from->io.vec[i].iov_len);
    }
}

/*
 * The frames that came become the first ones of the batch: an operation may
 * have found one after another has found none. Returns whether all came.
 */
static bool batch_take(struct tap *tap, struct tap_queue *queue,
                       struct host_frame *frames, unsigned batch,
                       unsigned *done)
{
    unsigned came = 0;

    for (unsigned i = 0; i < batch; i++) {
        const struct tap_op *op = &queue->ops[i];
        int status;

        if (op->result > 0 && came < i)
            op_move(op, &queue->ops[came]);
        status = received_status(tap, &queue->ops[came].io, op->result,
                                 &frames[came]);
        if (status == -EAGAIN)
            continue;
        frames[came++].status = status;
    }
    *done += came;
    return came == batch;
}

static unsigned tap_recv(unsigned unit, unsigned index,
                         struct host_frame *frames, unsigned count)
{
    struct tap *tap = &taps[unit];
    struct tap_queue *queue = &tap->queues[index];
    unsigned done = 0;

    while (done < count) {
        unsigned batch =
            batch_run(tap, queue, frames + done, count - done, true);
        int status;

        if (batch > 0) {
            if (!batch_take(tap, queue, frames + done, batch, &done))
                break;
            continue;
        }
        status = recv_one(tap, queue, &frames[done]);
        if (status == -EAGAIN)
            break;
        frames[done++].status = status;
    }
    return done;
}

static bool tap_arm(unsigned unit, unsigned index, bool on)
{
    if (on && !atomic_load(&taps[unit].gone))
        host_ready_arm(&taps[unit].queues[index].ready);
    return true;
}

const struct net_kind net_tap = {
    .open = tap_open,
    .close = tap_close,
    .link = tap_link,
    .queue_open = tap_queue_open,
    .send_all = tap_send,
    .recv_all = tap_recv,
    .arm = tap_arm,
};
