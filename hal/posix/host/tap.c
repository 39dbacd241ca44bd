/*
 * Network cards on tap interfaces: each queue is a file of the interface.
 *
 * A frame has a header before it, which says of checksums and segments what is
 * to be done or was (struct virtio_net_hdr; Linux, Documentation/networking/
 * tuntap.rst). A tap that was made with multi_queue has as many queues as the
 * machine has CPUs; Linux spreads frames over those that are open.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/host/net_internal.h"
#include "hal/posix/host/ready.h"
#include <errno.h>
#include <fcntl.h>
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
#include <unistd.h>

enum { CLOSED = -1 };

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

/* The header and the frame, for Linux. Returns how many pieces. */
static int vector_make(const struct tap *tap, const struct host_frame *frame,
                       struct virtio_net_hdr *header, struct iovec *vec)
{
    int count = 0;

    if (tap->has_header)
        vec[count++] = (struct iovec){header, sizeof(*header)};
    for (unsigned i = 0; i < frame->vec_count; i++)
        vec[count++] = (struct iovec){frame->vec[i].base, frame->vec[i].len};
    return count;
}

static int tap_send(unsigned unit, unsigned index,
                    const struct host_frame *frame)
{
    struct tap *tap = &taps[unit];
    struct iovec vec[1 + HOST_NET_VECS];
    struct virtio_net_hdr header;
    int count;

    header_make(frame, &header);
    count = vector_make(tap, frame, &header, vec);
    for (;;) {
        if (writev(tap->queues[index].fd, vec, count) >= 0)
            return 0;
        if (errno == EBADFD)
            set_gone(tap);
        if (errno != EINTR) /* its queue is full, the interface is down .. */
            return errno == EINVAL ? -EMSGSIZE : -EIO;
    }
}

static int tap_recv(unsigned unit, unsigned index, struct host_frame *frame)
{
    struct tap *tap = &taps[unit];
    struct iovec vec[1 + HOST_NET_VECS + 1];
    struct virtio_net_hdr header = {0};
    size_t head = tap->has_header ? sizeof(header) : 0;
    size_t room = frame_room(frame);
    char spill;
    ssize_t got;
    int count = vector_make(tap, frame, &header, vec);

    vec[count++] = (struct iovec){&spill, 1};
    do {
        got = readv(tap->queues[index].fd, vec, count);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EBADFD)
            set_gone(tap);
        return -EAGAIN;
    }
    if (got <= (ssize_t)head)
        return got == 0 ? -EAGAIN : -EMSGSIZE;
    if ((size_t)got > head + room)
        return -EMSGSIZE;
    frame_plain(frame, (uint32_t)((size_t)got - head));
    return !tap->has_header || header_take(&header, frame) ? 0 : -EMSGSIZE;
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
    .send = tap_send,
    .recv = tap_recv,
    .arm = tap_arm,
};
