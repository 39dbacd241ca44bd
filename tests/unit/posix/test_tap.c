/*
 * Network cards on taps, without a tap: /dev/net/tun is one end of a pair of
 * sockets here, which carries frames as a tap does, with a header before each.
 * All with the ring of the CPU, as far as the host has one, and with the thread
 * that waits for files.
 */
#include "hal/leaf.h"
#include "hal/posix/host/config.h"
#include "hal/posix/host/net.h"
#include "hal/posix/host/ring.h"
#include "tests/unit/posix/counted_threads.h"
#include "tests/unit/posix/frames.h"
#include "tests/unit/posix/machine_bare.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>

enum { FRAME_SIZE = 1514, NETS = 3, FILES_MAX = 8 };

/* ---- Linux, as far as a tap needs it ------------------------------------- */

static int peer[FILES_MAX]; /* the other ends */
static unsigned peer_count;
static char attached[FILES_MAX][IFNAMSIZ];
static short attached_flags[FILES_MAX];
static unsigned long offload_asked;
static unsigned attaches;

/* What the next call fails with; 0: it does not. */
static int open_errno, attach_errno, epoll_errno, event_errno, add_errno;
static int thread_errno, write_errno, read_errno, stop_errno, offload_errno;
static short attach_refuses; /* IFF_MULTI_QUEUE: the tap was made without */
static bool no_rings;
static unsigned ring_entries; /* of a ring; 0: as many as are asked for */

/* Who gets the file with the number 0, which is a good one. */
enum { ZERO_NONE, ZERO_TAP, ZERO_EPOLL, ZERO_EVENT };
static int zero_for;

static void number_zero(int who)
{
    if (zero_for == who)
        close(0);
}

static int fail_with(int *number)
{
    int error = *number;

    *number = 0;
    if (error != 0)
        errno = error;
    return error;
}

/* A file that cannot promise not to wait (RWF_NOWAIT). */
static bool use_terminal;

static int terminal_open(int *other)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct termios raw;

    assert_true(fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0);
    *other = openat(AT_FDCWD, ptsname(fd), O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(*other >= 0);
    assert_int_equal(tcgetattr(*other, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(*other, TCSANOW, &raw), 0);
    return fd;
}

int open(const char *path, int flags, ...)
{
    int ends[2];
    va_list args;
    int mode;

    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);
    if (strcmp(path, "/dev/net/tun") != 0)
        return openat(AT_FDCWD, path, flags, mode);
    assert_int_equal(flags, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fail_with(&open_errno) != 0)
        return -1;
    if (use_terminal) {
        ends[0] = terminal_open(&ends[1]);
        peer[peer_count++] = ends[1];
        return ends[0];
    }
    number_zero(ZERO_TAP);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends),
                     0);
    assert_true(peer_count < FILES_MAX);
    peer[peer_count++] = ends[1];
    return ends[0];
}

int ioctl(int fd, unsigned long request, ...)
{
    struct ifreq *name;
    va_list args;

    (void)fd;
    va_start(args, request);
    name = va_arg(args, struct ifreq *);
    va_end(args);
    if (request == TUNSETOFFLOAD) {
        offload_asked = (unsigned long)(uintptr_t)name;
        return fail_with(&offload_errno) != 0 ? -1 : 0;
    }
    assert_int_equal(request, TUNSETIFF);
    attaches++;
    if ((name->ifr_flags & attach_refuses) != 0) {
        errno = EINVAL;
        close(peer[--peer_count]);
        return -1;
    }
    if (attach_errno != 0) {
        /* What an interface says that is no tap, it says again. */
        errno = attach_errno;
        if (attach_errno != EINVAL)
            attach_errno = 0;
        close(peer[--peer_count]);
        return -1;
    }
    memcpy(attached[peer_count - 1], name->ifr_name, IFNAMSIZ);
    attached_flags[peer_count - 1] = name->ifr_flags;
    return 0;
}

/* The function of libc behind one that is defined here. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params)
{
    if (ring_entries != 0)
        entries = ring_entries;
    return no_rings ? -EPERM
                    : REAL(io_uring_queue_init_params)(entries, ring, params);
}

static uint64_t holes;  /* reads of the next batch that find nothing */
static int empty_fd;    /* what they read instead */
static bool busy_rings; /* Linux takes no operation, until somebody waits */

/* Point the reads that are to find nothing to a file that has nothing. */
static void holes_make(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;

    for (unsigned at = sq->sqe_head; at != sq->sqe_tail; at++) {
        struct io_uring_sqe *sqe = &sq->sqes[at & *sq->kring_mask];

        if (sqe->opcode != IORING_OP_READV)
            continue;
        if ((holes & 1) != 0)
            sqe->fd = empty_fd;
        holes >>= 1;
    }
}

int io_uring_submit(struct io_uring *ring)
{
    holes_make(ring);
    return busy_rings ? -EBUSY : REAL(io_uring_submit)(ring);
}

int epoll_create1(int flags)
{
    if (fail_with(&epoll_errno) != 0)
        return -1;
    number_zero(ZERO_EPOLL);
    return REAL(epoll_create1)(flags);
}

int eventfd(unsigned count, int flags)
{
    if (fail_with(&event_errno) != 0)
        return -1;
    number_zero(ZERO_EVENT);
    return REAL(eventfd)(count, flags);
}

static unsigned rearms; /* of a tap that was added */

int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    rearms += op == EPOLL_CTL_MOD;
    if (op == EPOLL_CTL_ADD && event->data.ptr == NULL &&
        fail_with(&stop_errno) != 0)
        return -1; /* of the event that ends the thread */
    if (op == EPOLL_CTL_ADD && event->data.ptr != NULL &&
        fail_with(&add_errno) != 0)
        return -1;
    return REAL(epoll_ctl)(set, op, fd, event);
}

static atomic_uint waits;
static atomic_bool wait_fails;

int epoll_wait(int set, struct epoll_event *events, int room, int timeout)
{
    atomic_fetch_add(&waits, 1);
    if (atomic_exchange(&wait_fails, false)) {
        errno = EINTR;
        return -1;
    }
    return REAL(epoll_wait)(set, events, room, timeout);
}

ssize_t writev(int fd, const struct iovec *vec, int count)
{
    if (peer_count > 0 && fail_with(&write_errno) != 0)
        return -1;
    return REAL(writev)(fd, vec, count);
}

static unsigned reads;

ssize_t readv(int fd, const struct iovec *vec, int count)
{
    reads++;
    if (fail_with(&read_errno) != 0)
        return -1;
    return REAL(readv)(fd, vec, count);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    /* The machine's timer thread comes before the tap's. */
    if (peer_count > 0 && thread_errno != 0)
        return fail_with(&thread_errno);
    return thread_make(thread, attr, fn, arg);
}

/* ---- Machines with taps -------------------------------------------------- */

static unsigned irqs[NETS];

static struct host_net_config nets[NETS] = {
    {.kind = HOST_NET_TAP, .tap = "t0"},
    {.kind = HOST_NET_TAP, .tap = "second", .mac = {2, 0, 0, 0, 0, 9}},
    {.kind = HOST_NET_TAP, .tap = "third"},
};

static void taps_open_as(unsigned count, unsigned cpus)
{
    peer_count = attaches = 0;
    bare_open(
        (struct host_config){.cpus = cpus, .net_count = count, .nets = nets});
    memset(irqs, 0, sizeof(irqs));
    for (unsigned i = 0; i < count; i++) {
        int irq = hal_net_open(i, 0);

        assert_true(irq >= 0);
        assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irqs[i]), 0);
    }
    hal_irq_restore(HAL_IRQS_ON);
}

static void taps_open(unsigned count)
{
    taps_open_as(count, 1);
}

static int setup(void **state)
{
    (void)state;
    attach_refuses = IFF_MULTI_QUEUE;
    attach_errno = 0;
    nets[0].plain = nets[0].large = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    for (unsigned i = 0; i < peer_count; i++)
        close(peer[i]);
    peer_count = 0;
    return 0;
}

static void frame_make(uint8_t *frame, size_t size, unsigned number)
{
    for (size_t i = 0; i < size; i++)
        frame[i] = (uint8_t)(i * 3 + number);
}

/* The other side sends a frame with a header. */
static void peer_send_as(unsigned i, const void *frame, size_t len,
                         struct virtio_net_hdr header)
{
    struct iovec vec[] = {{&header, sizeof(header)},
                          {(void *)(uintptr_t)frame, len}};
    const struct msghdr message = {.msg_iov = vec, .msg_iovlen = 2};

    assert_int_equal(sendmsg(peer[i], &message, 0), sizeof(header) + len);
}

static void peer_send(unsigned i, const void *frame, size_t len)
{
    peer_send_as(i, frame, len, (struct virtio_net_hdr){.flags = 0});
}

/* What the other side receives, without its header; -1: nothing. */
static struct virtio_net_hdr peer_header;

static ssize_t peer_recv(unsigned i, void *frame, size_t size)
{
    struct iovec vec[] = {{&peer_header, sizeof(peer_header)}, {frame, size}};
    struct msghdr message = {.msg_iov = vec, .msg_iovlen = 2};
    ssize_t len = recvmsg(peer[i], &message, 0);

    return len < 0 ? len : len - (ssize_t)sizeof(peer_header);
}

static void irq_wait(unsigned unit, unsigned before)
{
    bare_wait(&irqs[unit], before);
}

/* ---- Frames -------------------------------------------------------------- */

static void test_tap_is_attached_by_its_name(void **state)
{
    struct hal_net_info info;

    (void)state;
    taps_open(2);
    assert_string_equal(attached[0], "t0");
    assert_string_equal(attached[1], "second");
    assert_int_equal(attached_flags[0], IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    assert_int_equal(offload_asked, TUN_F_CSUM);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_memory_equal(info.mac, "\x52\x54\x00\x12\x34\x56", 6);
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(info.queue_count, 1);
    assert_int_equal(info.frame_max, 1514);
    assert_int_equal(info.offloads, HAL_NET_TX_CSUM | HAL_NET_TX_TCP4 |
                                        HAL_NET_TX_TCP6 | HAL_NET_RX_CSUM);
    assert_true(hal_net_link(0));
    assert_int_equal(hal_net_info(1, &info), 0);
    assert_memory_equal(info.mac, "\x02\x00\x00\x00\x00\x09", 6);
    assert_int_equal(hal_net_info(2, &info), -ENODEV);
    assert_int_equal(hal_net_info(HOST_NET_MAX, &info), -ENODEV);
}

static void test_frames_go_out(void **state)
{
    uint8_t frame[FRAME_SIZE + 1], got[FRAME_SIZE + 1];

    (void)state;
    taps_open(1);
    frame_make(frame, sizeof(frame), 1);
    assert_int_equal(frame_send(0, frame, 13), -EMSGSIZE);
    assert_int_equal(frame_send(0, frame, FRAME_SIZE + 1), -EMSGSIZE);
    assert_int_equal(peer_recv(0, got, sizeof(got)), -1);
    assert_int_equal(frame_send(0, frame, 14), 0);
    assert_int_equal(peer_recv(0, got, sizeof(got)), 14);
    assert_memory_equal(got, frame, 14);
    assert_int_equal(frame_send(0, frame, FRAME_SIZE), 0);
    assert_int_equal(peer_recv(0, got, sizeof(got)), FRAME_SIZE);
    assert_memory_equal(got, frame, FRAME_SIZE);
    assert_int_equal(peer_header.flags, 0);
    assert_int_equal(peer_header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

static void test_a_send_that_fails(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        int error;
        int want;
        bool sent;
    } rows[] = {
        {"queue full: lost", EAGAIN, -EIO, false},
        {"no buffers: lost", ENOBUFS, -EIO, false},
        {"interrupted: tried again", EINTR, 0, true},
        {"interface down: lost", EIO, -EIO, false},
        {"makes no sense", EINVAL, -EMSGSIZE, false},
    };
    /* clang-format on */
    uint8_t frame[60], got[60];

    (void)state;
    taps_open(1);
    frame_make(frame, sizeof(frame), 2);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status;

        write_errno = rows[i].error;
        status = frame_send(0, frame, sizeof(frame));
        write_errno = 0;
        ROW(rows[i].name, status == rows[i].want);
        ROW(rows[i].name, (peer_recv(0, got, sizeof(got)) ==
                           (ssize_t)sizeof(got)) == rows[i].sent);
    }
    assert_true(hal_net_link(0));
}

static void test_frames_come_in(void **state)
{
    uint8_t frame[FRAME_SIZE], got[FRAME_SIZE];

    (void)state;
    taps_open(1);
    frame_make(frame, sizeof(frame), 3);
    assert_int_equal(frame_recv(0, got, sizeof(got)), -EAGAIN);
    peer_send(0, frame, FRAME_SIZE);
    irq_wait(0, 0);
    assert_int_equal(frame_recv(0, got, sizeof(got)), FRAME_SIZE);
    assert_memory_equal(got, frame, FRAME_SIZE);
    /* Larger than the room: dropped, and the next one comes whole. */
    peer_send(0, frame, 61);
    peer_send(0, frame, 60);
    peer_send(0, frame, 200);
    assert_int_equal(frame_recv(0, got, 60), -EMSGSIZE);
    assert_int_equal(frame_recv(0, got, 60), 60);
    assert_memory_equal(got, frame, 60);
    assert_int_equal(frame_recv(0, got, 60), -EMSGSIZE);
    read_errno = EINTR;
    peer_send(0, frame, 60);
    assert_int_equal(frame_recv(0, got, 60), 60);
    assert_int_equal(read_errno, 0);
    assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
}

/* A header without a frame, and less than a header, are none. */
static void test_short_reads(void **state)
{
    uint8_t frame[60] = {5}, got[60] = {0};

    (void)state;
    taps_open(1);
    peer_send(0, frame, 1);
    assert_int_equal(send(peer[0], frame, 10, 0), 10);
    assert_int_equal(send(peer[0], frame, 4, 0), 4);
    assert_int_equal(send(peer[0], frame, 0, 0), 0);
    peer_send(0, frame, 59);
    errno = EINTR; /* from before: it does not count */
    assert_int_equal(frame_recv(0, got, 60), 1);
    assert_int_equal(got[0], 5);
    assert_int_equal(frame_recv(0, got, 60), -EMSGSIZE);
    assert_int_equal(frame_recv(0, got, 60), -EMSGSIZE);
    errno = EINTR;
    assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
    assert_int_equal(frame_recv(0, got, 60), 59);
}

/* ---- Checksums and segments ---------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    struct hal_net_frame asks;
    uint32_t len;
    struct virtio_net_hdr want;
    int status;
} tx_rows[] = {
    {"nothing", {.len = 0}, 60, {.flags = 0}, 0},
    {"checksum", {.csum_partial = true, .csum_start = 34, .csum_at = 50}, 60,
     {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
      .csum_offset = 16}, 0},
    {"checksum at the end",
     {.csum_partial = true, .csum_start = 34, .csum_at = 58}, 60,
     {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
      .csum_offset = 24}, 0},
    {"checksum beyond the end",
     {.csum_partial = true, .csum_start = 34, .csum_at = 59}, 60,
     {.flags = 0}, -EMSGSIZE},
    {"checksum before its start",
     {.csum_partial = true, .csum_start = 34, .csum_at = 33}, 60,
     {.flags = 0}, -EMSGSIZE},
    {"segments",
     {.csum_partial = true, .csum_start = 34, .csum_at = 50,
      .segments = HAL_NET_TCP4, .segment_len = 1460, .headers_len = 54}, 30000,
     {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
      .csum_offset = 16, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
      .gso_size = 1460, .hdr_len = 54}, 0},
    {"segments of IPv6, 64 KiB",
     {.csum_partial = true, .csum_start = 54, .csum_at = 70,
      .segments = HAL_NET_TCP6, .segment_len = 1440, .headers_len = 74}, 65549,
     {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 54,
      .csum_offset = 16, .gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
      .gso_size = 1440, .hdr_len = 74}, 0},
    {"too many segments",
     {.csum_partial = true, .csum_start = 54, .csum_at = 70,
      .segments = HAL_NET_TCP6, .segment_len = 1440, .headers_len = 74}, 65550,
     {.flags = 0}, -EMSGSIZE},
    {"segments without a checksum",
     {.segments = HAL_NET_TCP4, .segment_len = 1460, .headers_len = 54}, 30000,
     {.flags = 0}, -EMSGSIZE},
    {"segments of nothing",
     {.csum_partial = true, .csum_start = 34, .csum_at = 50,
      .segments = HAL_NET_TCP4, .headers_len = 54}, 30000, {.flags = 0},
     -EMSGSIZE},
    {"headers longer than the frame",
     {.csum_partial = true, .csum_start = 34, .csum_at = 50,
      .segments = HAL_NET_TCP4, .segment_len = 10, .headers_len = 61}, 60,
     {.flags = 0}, -EMSGSIZE},
    {"no such segments",
     {.csum_partial = true, .csum_start = 34, .csum_at = 50, .segments = 3,
      .segment_len = 10, .headers_len = 54}, 60, {.flags = 0}, -EMSGSIZE},
    {"too long for one frame",
     {.csum_partial = true, .csum_start = 34, .csum_at = 50}, 1515,
     {.flags = 0}, -EMSGSIZE},
};
/* clang-format on */

static uint8_t long_frame[65550], long_got[65550];

static void test_what_is_left_to_the_host(void **state)
{
    int size = 300000;

    (void)state;
    taps_open(1);
    frame_make(long_frame, sizeof(long_frame), 1);
    for (int fd = peer[0] - 1; fd <= peer[0]; fd++)
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    for (size_t i = 0; i < COUNT_OF(tx_rows); i++) {
        const char *name = tx_rows[i].name;
        const struct hal_vec vec = {long_frame, tx_rows[i].len};
        struct hal_net_frame frame = tx_rows[i].asks;

        frame.vec = &vec;
        frame.vec_count = 1;
        frame.len = tx_rows[i].len;
        ROW(name, hal_net_send(0, 0, &frame) == tx_rows[i].status);
        if (tx_rows[i].status != 0) {
            ROW(name, peer_recv(0, long_got, sizeof(long_got)) == -1);
            continue;
        }
        ROW(name, peer_recv(0, long_got, sizeof(long_got)) == tx_rows[i].len);
        ROW(name, memcmp(long_got, long_frame, tx_rows[i].len) == 0);
        ROW(name,
            memcmp(&peer_header, &tx_rows[i].want, sizeof(peer_header)) == 0);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    struct virtio_net_hdr header;
    uint32_t len;
    int status;
    struct hal_net_frame want;
} rx_rows[] = {
    {"nothing", {.flags = 0}, 60, 0, {.len = 60}},
    {"valid", {.flags = VIRTIO_NET_HDR_F_DATA_VALID}, 60, 0,
     {.len = 60, .csum_valid = true}},
    {"partial", {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
                 .csum_offset = 16}, 60, 0,
     {.len = 60, .csum_partial = true, .csum_start = 34, .csum_at = 50}},
    {"partial at the end", {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                            .csum_start = 34, .csum_offset = 24}, 60, 0,
     {.len = 60, .csum_partial = true, .csum_start = 34, .csum_at = 58}},
    {"partial beyond the end", {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .csum_start = 34, .csum_offset = 25}, 60,
     -EMSGSIZE, {.len = 0}},
    {"partial far away", {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                          .csum_start = 65535, .csum_offset = 65535}, 60,
     -EMSGSIZE, {.len = 0}},
    {"segments", {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
                  .csum_offset = 16, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                  .gso_size = 1000, .hdr_len = 54}, 30000, 0,
     {.len = 30000, .csum_partial = true, .csum_start = 34, .csum_at = 50,
      .segments = HAL_NET_TCP4, .segment_len = 1000, .headers_len = 54}},
    {"segments of IPv6, with ECN",
     {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 54,
      .csum_offset = 16,
      .gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN,
      .gso_size = 1000, .hdr_len = 74}, 65549, 0,
     {.len = 65549, .csum_partial = true, .csum_start = 54, .csum_at = 70,
      .segments = HAL_NET_TCP6, .segment_len = 1000, .headers_len = 74}},
    {"segments of nothing", {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                             .hdr_len = 54}, 60, -EMSGSIZE, {.len = 0}},
    {"headers longer than the frame",
     {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1, .hdr_len = 61}, 60,
     -EMSGSIZE, {.len = 0}},
    {"fragments of UDP", {.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 9},
     60, -EMSGSIZE, {.len = 0}},
};
/* clang-format on */

static void test_what_the_host_has_left(void **state)
{
    int size = 300000;

    (void)state;
    nets[0].large = true;
    taps_open(1);
    assert_int_equal(offload_asked, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
    for (int fd = peer[0] - 1; fd <= peer[0]; fd++)
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    frame_make(long_frame, sizeof(long_frame), 1);
    for (size_t i = 0; i < COUNT_OF(rx_rows); i++) {
        const char *name = rx_rows[i].name;
        const struct hal_net_frame *want = &rx_rows[i].want;
        const struct hal_vec vec[] = {{long_got, 2000},
                                      {long_got + 2000, 63549}};
        struct hal_net_frame frame = {.vec = vec,
                                      .vec_count = 2,
                                      .csum_valid = true,
                                      .csum_partial = true,
                                      .segments = HAL_NET_TCP6};

        peer_send_as(0, long_frame, rx_rows[i].len, rx_rows[i].header);
        memset(long_got, 0, sizeof(long_got));
        ROW(name, hal_net_recv(0, 0, &frame) == rx_rows[i].status);
        if (rx_rows[i].status != 0)
            continue;
        ROW(name, memcmp(long_got, long_frame, rx_rows[i].len) == 0);
        ROW(name, frame.len == want->len);
        ROW(name, frame.csum_partial == want->csum_partial);
        ROW(name, frame.csum_valid == want->csum_valid);
        ROW(name, frame.csum_start == want->csum_start);
        ROW(name, frame.csum_at == want->csum_at);
        ROW(name, frame.segments == want->segments);
        ROW(name, frame.segment_len == want->segment_len);
        ROW(name, frame.headers_len == want->headers_len);
    }
}

static void test_taps_without_offloads(void **state)
{
    uint8_t frame[60], got[60];
    struct hal_net_info info;

    (void)state;
    nets[0].plain = true;
    taps_open(1);
    assert_int_equal(attached_flags[0], IFF_TAP | IFF_NO_PI);
    assert_int_equal(offload_asked, 0);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.offloads, 0);
    frame_make(frame, sizeof(frame), 1);
    assert_int_equal(frame_send(0, frame, 60), 0);
    assert_int_equal(recv(peer[0], got, 60, 0), 60);
    assert_memory_equal(got, frame, 60);
    assert_int_equal(send(peer[0], frame, 60, 0), 60);
    memset(got, 0, 60);
    assert_int_equal(frame_recv(0, got, 60), 60);
    assert_memory_equal(got, frame, 60);
    bare_close();
    close(peer[0]);

    /* The host takes all we leave to it, but promises nothing. */
    nets[0].plain = false;
    nets[0].large = true;
    offload_errno = EINVAL;
    taps_open(1);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.offloads,
                     HAL_NET_TX_CSUM | HAL_NET_TX_TCP4 | HAL_NET_TX_TCP6);
    assert_int_equal(info.frame_max, 1514);
}

/* ---- Many frames at once ------------------------------------------------- */

enum { MANY = 40 };

static struct many {
    struct hal_net_frame frames[MANY];
    struct hal_vec vec[MANY][2];
    uint8_t bytes[MANY][100];
} many;

/* Frames of 60 bytes and more, in two pieces. */
static void many_make(uint32_t longer)
{
    for (unsigned i = 0; i < MANY; i++) {
        many.vec[i][0] = (struct hal_vec){many.bytes[i], 20};
        many.vec[i][1] = (struct hal_vec){many.bytes[i] + 20, 40 + i * longer};
        many.frames[i] = (struct hal_net_frame){.vec = many.vec[i],
                                                .vec_count = 2,
                                                .len = 60 + i * longer,
                                                .status = 1};
        frame_make(many.bytes[i], sizeof(many.bytes[i]), i);
    }
}

static void test_many_go_out_at_once(void **state)
{
    uint8_t got[200];
    int room = 25000; /* Linux doubles it */

    (void)state;
    taps_open(1);
    many_make(1);
    many.frames[3].len = 13; /* bad ones do not hold up the others */
    many.frames[39].segments = 9;
    many.frames[5].csum_partial = true;
    many.frames[5].csum_start = 34;
    many.frames[5].csum_at = 50;
    /* More than the host has memory for. */
    many.vec[6][0] = (struct hal_vec){long_frame, 60000};
    many.frames[6] = (struct hal_net_frame){.vec = many.vec[6],
                                            .vec_count = 1,
                                            .len = 60000,
                                            .csum_partial = true,
                                            .csum_start = 34,
                                            .csum_at = 50,
                                            .segments = HAL_NET_TCP4,
                                            .segment_len = 1460,
                                            .headers_len = 54};
    assert_int_equal(
        setsockopt(peer[0] - 1, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(hal_net_send_all(0, 0, many.frames, 0), 0);
    assert_int_equal(hal_net_send_all(0, 0, many.frames, MANY), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        if (i == 3 || i == 39) {
            assert_int_equal(many.frames[i].status, -EMSGSIZE);
            continue;
        }
        if (i == 6) {
            assert_int_equal(many.frames[i].status, -EIO);
            continue;
        }
        assert_int_equal(many.frames[i].status, 0);
        assert_int_equal(peer_recv(0, got, sizeof(got)), 60 + i);
        assert_memory_equal(got, many.bytes[i], 60 + i);
        assert_int_equal(peer_header.flags, i == 5);
    }
    assert_int_equal(peer_recv(0, got, sizeof(got)), -1);
}

static void test_many_come_at_once(void **state)
{
    uint8_t frame[200];

    (void)state;
    taps_open(1);
    many_make(0);
    for (unsigned i = 0; i < MANY; i++)
        memset(many.bytes[i], 0, sizeof(many.bytes[i]));
    for (unsigned i = 0; i < 38; i++) {
        frame_make(frame, sizeof(frame), i);
        peer_send(0, frame, i == 7 ? 61 : 20 + i); /* 61: too long */
    }
    assert_int_equal(hal_net_recv_all(0, 0, many.frames, 0), 0);
    assert_int_equal(hal_net_recv_all(0, 0, many.frames, 34), 34);
    assert_int_equal(hal_net_recv_all(0, 0, many.frames + 34, 6), 4);
    for (unsigned i = 0; i < 38; i++) {
        if (i == 7) {
            assert_int_equal(many.frames[i].status, -EMSGSIZE);
            continue;
        }
        assert_int_equal(many.frames[i].status, 0);
        assert_int_equal(many.frames[i].len, 20 + i);
        frame_make(frame, sizeof(frame), i);
        assert_memory_equal(many.bytes[i], frame, 20 + i);
    }
    assert_int_equal(many.frames[38].status, 1); /* untouched */
    assert_int_equal(hal_net_recv_all(0, 0, many.frames, MANY), 0);
}

/* A read that finds nothing may be followed by one that finds a frame: what
 * came is there in its order, each frame with its header, and nothing else. */
static void test_many_come_with_holes(void **state)
{
    static const uint64_t rows[] = {0x1, 0x8, 0x7, 0xa5, 0x7ff00000, 0x15554};
    enum { CAME = 16 };

    (void)state;
    taps_open(1);
    empty_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(empty_fd >= 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t frame[70];

        for (unsigned k = 0; k < CAME; k++) {
            const struct virtio_net_hdr header = {
                .flags = k % 3 == 1 ? VIRTIO_NET_HDR_F_DATA_VALID : 0};

            frame_make(frame, sizeof(frame), 5 * k);
            /* Of two pieces; one of them is too long. */
            peer_send_as(0, frame, k == 9 ? 70 : 20 + 2 * k, header);
        }
        many_make(0);
        for (unsigned k = 0; k < MANY; k++)
            memset(many.bytes[k], 0, sizeof(many.bytes[k]));
        holes = rows[i];
        assert_int_equal(hal_net_recv_all(0, 0, many.frames, 32), CAME);
        assert_int_equal(holes != 0, no_rings);
        holes = 0;
        for (unsigned k = 0; k < CAME; k++) {
            if (k == 9) {
                assert_int_equal(many.frames[k].status, -EMSGSIZE);
                continue;
            }
            assert_int_equal(many.frames[k].status, 0);
            assert_int_equal(many.frames[k].len, 20 + 2 * k);
            assert_int_equal(many.frames[k].csum_valid, k % 3 == 1);
            frame_make(frame, sizeof(frame), 5 * k);
            assert_memory_equal(many.bytes[k], frame, 20 + 2 * k);
        }
        assert_int_equal(many.frames[CAME].status, 1); /* untouched */
        assert_int_equal(hal_net_recv_all(0, 0, many.frames, MANY), 0);
    }
    close(empty_fd);
}

/* The ring has room for some of the frames, or for none, because something else
 * is in it: the others go out one by one, in their order. */
static void test_many_that_the_ring_does_not_take(void **state)
{
    static const unsigned entries[] = {16, 1};
    uint8_t got[100];

    (void)state;
    for (size_t row = 0; row < COUNT_OF(entries); row++) {
        ring_entries = entries[row];
        taps_open(1);
        busy_rings = true;
        for (unsigned round = 0; round < 4; round++) {
            many_make(0);
            assert_true(hal_net_arm(0, 0, true)); /* it is in the ring */
            assert_int_equal(hal_net_send_all(0, 0, many.frames, MANY), MANY);
            for (unsigned i = 0; i < MANY; i++) {
                assert_int_equal(many.frames[i].status, 0);
                assert_int_equal(peer_recv(0, got, sizeof(got)), 60);
                assert_memory_equal(got, many.bytes[i], 60);
            }
        }
        busy_rings = false;
        bare_close();
        close(peer[--peer_count]);
    }
    ring_entries = 0;
}

/* Nobody is there, or the tap is gone: each frame tells. */
static void test_many_that_are_lost(void **state)
{
    (void)state;
    taps_open(1);
    close(peer[0]);
    many_make(0);
    assert_int_equal(hal_net_send_all(0, 0, many.frames, MANY), MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(many.frames[i].status, -EIO);
    assert_int_equal(hal_net_send_all(0, 1, many.frames, MANY), MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(many.frames[i].status, -ENODEV);
    assert_int_equal(hal_net_recv_all(0, 1, many.frames, MANY), 1);
    assert_int_equal(many.frames[0].status, -ENODEV);
}

/* Where Linux cannot promise not to wait, one follows the other. */
static void test_many_one_by_one(void **state)
{
    uint8_t got[300];

    (void)state;
    nets[0].plain = true;
    use_terminal = true;
    taps_open(1);
    use_terminal = false;
    many_make(0);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(hal_net_send_all(0, 0, many.frames, 3), 3);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(many.frames[i].status, 0);
            assert_int_equal(read(peer[0], got, 60), 60);
            assert_memory_equal(got, many.bytes[i], 60);
        }
    }
    assert_int_equal(hal_net_recv_all(0, 0, many.frames, 3), 0);
    assert_int_equal(write(peer[0], got, 30), 30);
    for (;;) { /* a terminal takes its time */
        unsigned count = hal_net_recv_all(0, 0, many.frames, 3);

        assert_true(count <= 1);
        if (count == 1)
            break;
        usleep(1000);
    }
    assert_int_equal(many.frames[0].len, 30);
    assert_memory_equal(many.bytes[0], got, 30);
}

/* ---- Queues -------------------------------------------------------------- */

static void test_a_tap_with_queues(void **state)
{
    struct hal_net_info info;
    uint8_t bytes[60] = {3};
    const struct hal_vec vec = {bytes, sizeof(bytes)};
    struct hal_net_frame frame = {.vec = &vec, .vec_count = 1, .len = 60};
    unsigned irq_count = 0;
    int irq;

    (void)state;
    attach_refuses = 0;
    taps_open_as(1, 3);
    assert_int_equal(attaches, 1);
    assert_int_equal(attached_flags[0],
                     IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.queue_count, 3);
    /* A queue is attached when it is opened. */
    irq = hal_net_open(0, 2);
    assert_true(irq >= 0 && irq != hal_net_open(0, 0));
    assert_int_equal(hal_net_open(0, 2), irq);
    assert_int_equal(peer_count, 2);
    assert_string_equal(attached[1], "t0");
    assert_int_equal(attached_flags[1], attached_flags[0]);
    assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irq_count), 0);

    assert_int_equal(hal_net_send(0, 2, &frame), 0);
    assert_int_equal(peer_recv(1, bytes, 60), 60);
    assert_int_equal(peer_recv(0, bytes, 60), -1);
    peer_send(1, bytes, 60);
    assert_int_equal(hal_net_recv(0, 0, &frame), -EAGAIN);
    assert_true(hal_net_arm(0, 2, true));
    bare_wait(&irq_count, 0);
    assert_int_equal(irqs[0], 0);
    assert_int_equal(hal_net_recv(0, 2, &frame), 0);
    assert_int_equal(hal_net_recv(0, 1, &frame), -ENODEV);

    /* One that cannot be attached may be, later. */
    attach_errno = EBUSY;
    assert_int_equal(hal_net_open(0, 1), -EBUSY);
    assert_true(hal_net_open(0, 1) >= 0);
}

static void test_more_cpus_than_queues(void **state)
{
    struct hal_net_info info;

    (void)state;
    attach_refuses = 0;
    taps_open_as(1, 20);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.queue_count, 16);
    attach_refuses = IFF_MULTI_QUEUE;
    bare_close();
    close(peer[0]);
    taps_open_as(1, 20);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.queue_count, 1);
    assert_int_equal(attaches, 2);
}

/* ---- Interrupts ---------------------------------------------------------- */

/* The thread waits in the kernel, and goes on after a signal. */
static void test_the_thread_sleeps(void **state)
{
    uint8_t frame[60] = {0}, got[60];
    unsigned before = 0;

    (void)state;
    taps_open(1);
    for (unsigned i = 0; i < 50; i++) { /* it may take some time to begin */
        before = atomic_load(&waits);
        usleep(20000);
        if (atomic_load(&waits) == before)
            break;
    }
    assert_int_equal(atomic_load(&waits), before);
    atomic_store(&wait_fails, true); /* the next time */
    for (unsigned i = 0; i < 3; i++) {
        before = irqs[0];
        assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
        peer_send(0, frame, 60);
        irq_wait(0, before);
        assert_int_equal(frame_recv(0, got, 60), 60);
    }
}

/* Nobody is interrupted who has not asked; asking twice is asking once. */
static void test_a_tap_is_armed_once(void **state)
{
    uint8_t frame[60] = {0}, got[60];

    (void)state;
    taps_open(1);
    rearms = 0;
    peer_send(0, frame, 60);
    usleep(5000);
    hal_cpu_relax();
    assert_int_equal(irqs[0], 0);
    assert_int_equal(frame_recv(0, got, 60), 60);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
    assert_true(hal_net_arm(0, 0, false));
    assert_int_equal(rearms, no_rings ? 1 : 0);
    peer_send(0, frame, 60);
    irq_wait(0, 0);
    assert_int_equal(irqs[0], 1);
    assert_int_equal(frame_recv(0, got, 60), 60);
}

/* One interrupt for many frames, until it is armed again. */
static void test_interrupts_are_not_wasted(void **state)
{
    uint8_t frame[60] = {0}, got[60];

    (void)state;
    taps_open(1);
    for (unsigned round = 0; round < 20; round++) {
        unsigned before = irqs[0];

        assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
        assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
        peer_send(0, frame, 60);
        irq_wait(0, before);
        peer_send(0, frame, 60);
        usleep(2000);
        hal_cpu_relax();
        assert_int_equal(irqs[0], before + 1);
        assert_int_equal(frame_recv(0, got, 60), 60);
        assert_int_equal(frame_recv(0, got, 60), 60);
    }
    /* A frame that came before it is armed is not missed. */
    peer_send(0, frame, 60);
    assert_true(hal_net_arm(0, 0, true));
    irq_wait(0, irqs[0]);
}

static void test_each_tap_has_its_interrupt(void **state)
{
    uint8_t frame[60], got[60];

    (void)state;
    taps_open(3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(frame_recv(i, got, 60), -EAGAIN);
    for (unsigned i = 0; i < 3; i++) {
        frame_make(frame, sizeof(frame), i);
        peer_send(i, frame, 60);
        irq_wait(i, 0);
        for (unsigned j = i + 1; j < 3; j++)
            assert_int_equal(irqs[j], 0);
        assert_int_equal(frame_recv(i, got, 60), 60);
        assert_memory_equal(got, frame, 60);
        frame_make(frame, sizeof(frame), 10 + i);
        assert_int_equal(frame_send(i, frame, 60), 0);
        assert_int_equal(peer_recv(i, got, 60), 60);
        assert_memory_equal(got, frame, 60);
    }
}

/* The interface is removed: the link is down, which is told once. */
static void test_an_interface_goes_away(void **state)
{
    uint8_t frame[60] = {0}, got[60];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        taps_open(1);
        assert_true(hal_net_link(0));
        if (round == 0)
            read_errno = EBADFD;
        else
            write_errno = EBADFD;
        if (round == 0)
            assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
        else
            assert_int_equal(frame_send(0, frame, 60), -EIO);
        assert_false(hal_net_link(0));
        irq_wait(0, 0);
        assert_int_equal(irqs[0], 1);
        write_errno = EBADFD;
        assert_int_equal(frame_send(0, frame, 60), -EIO);
        read_errno = EBADFD;
        assert_int_equal(frame_recv(0, got, 60), -EAGAIN);
        usleep(2000);
        hal_cpu_relax();
        assert_int_equal(irqs[0], 1);
        assert_true(hal_net_arm(0, 0, true)); /* for nothing */
        bare_close();
        close(peer[0]);
    }
}

/* It is removed before anybody has asked to be told. */
static void test_an_interface_goes_away_early(void **state)
{
    uint8_t bytes[60] = {0};
    const struct hal_vec vec = {bytes, sizeof(bytes)};
    const struct hal_net_frame frame = {.vec = &vec, .vec_count = 1, .len = 60};

    (void)state;
    attach_refuses = 0;
    peer_count = 0;
    bare_open((struct host_config){.cpus = 2, .net_count = 1, .nets = nets});
    assert_true(hal_net_open(0, 1) >= 0);
    write_errno = EBADFD;
    assert_int_equal(hal_net_send(0, 1, &frame), -EIO);
    assert_false(hal_net_link(0));
    assert_int_equal(hal_net_send(0, 1, &frame), 0); /* here it has not gone */
}

/* ---- What cannot be opened ----------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    int *fails;
    int number;
    const char *text;
} open_rows[] = {
    {"no right to open", &open_errno, EACCES,
     "torc: no permission for tap 't0': be root, or let root make it with "
     "'ip tuntap add dev t0 mode tap user USER'\n"},
    {"no right to attach", &attach_errno, EPERM,
     "torc: no permission for tap 't0': be root, or let root make it with "
     "'ip tuntap add dev t0 mode tap user USER'\n"},
    {"used", &attach_errno, EBUSY,
     "torc: tap 't0' is used by another process\n"},
    {"no tap", &attach_errno, EINVAL,
     "torc: 't0' is an interface, but no tap\n"},
    {"no device", &open_errno, ENOENT,
     "torc: cannot open tap 't0': No such file or directory\n"},
};
/* clang-format on */
static size_t open_row;

static void open_fails(void)
{
    const struct host_config config = {.net_count = 1, .nets = nets};
    unsigned before = fds_open();

    peer_count = 0;
    attach_refuses = 0;
    *open_rows[open_row].fails = open_rows[open_row].number;
    if (host_machine_prepare(&config) != NULL)
        _exit(1);
    if (threads != 0)
        _exit(4);
    for (unsigned i = 0; i < peer_count; i++)
        close(peer[i]);
    if (fds_open() != before)
        _exit(2);
    /* And it works when the reason is gone. */
    *open_rows[open_row].fails = 0;
    peer_count = 0;
    _exit(host_machine_prepare(&config) != NULL ? 0 : 3);
}

static void test_taps_that_cannot_be_opened(void **state)
{
    char text[1024];

    (void)state;
    for (open_row = 0; open_row < COUNT_OF(open_rows); open_row++) {
        const char *name = open_rows[open_row].name;

        ROW(name, bare_child(open_fails, text, sizeof(text)) == 0);
        ROW(name, strcmp(text, open_rows[open_row].text) == 0);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    int *fails;
    int number;
    int want;
} wait_rows[] = {
    {"no epoll", &epoll_errno, EMFILE, -ENFILE},
    {"no event", &event_errno, EMFILE, -ENFILE},
    {"no watch", &add_errno, ENOSPC, -ENOSPC},
    {"no thread", &thread_errno, EAGAIN, -EAGAIN},
    {"no watch of the end", &stop_errno, ENOSPC, -ENOSPC},
};
/* clang-format on */

/* Of the thread that waits for files; a queue that could not be opened can be
 * opened later, also the second one. */
static void test_files_that_cannot_be_waited_for(void **state)
{
    (void)state;
    if (!no_rings)
        return;
    for (size_t i = 0; i < 2 * COUNT_OF(wait_rows); i++) {
        const char *name = wait_rows[i / 2].name;
        unsigned before;

        if (i % 2 == 1 && wait_rows[i / 2].fails != &add_errno)
            continue;
        peer_count = 0;
        bare_open((struct host_config){.net_count = 2, .nets = nets});
        if (i % 2 == 1)
            assert_true(hal_net_open(1, 0) >= 0);
        before = fds_open();
        *wait_rows[i / 2].fails = wait_rows[i / 2].number;
        ROW(name, hal_net_open(0, 0) == wait_rows[i / 2].want);
        ROW(name, *wait_rows[i / 2].fails == 0);
        ROW(name, fds_open() == before);
        ROW(name, hal_net_open(0, 0) >= 0);
        ROW(name, hal_net_open(1, 0) >= 0);
        bare_close();
        close(peer[0]);
        close(peer[1]);
        assert_int_equal(threads, 0);
    }
    peer_count = 0;
}

/* Frames pass whichever file has the number 0. */
static void zero_exchange(void)
{
    uint8_t frame[60] = {3}, got[60];

    taps_open(1);
    if (fcntl(0, F_GETFD) < 0)
        _exit(1);
    if (frame_recv(0, got, 60) != -EAGAIN)
        _exit(4);
    peer_send(0, frame, 60);
    irq_wait(0, 0);
    if (frame_recv(0, got, 60) != 60 || got[0] != 3)
        _exit(3);
    host_machine_close();
}

static void test_files_may_have_the_number_zero(void **state)
{
    char text[256];

    (void)state;
    for (zero_for = ZERO_TAP; zero_for <= ZERO_EVENT; zero_for++) {
        if (zero_for == ZERO_EPOLL && !no_rings)
            continue;
        assert_int_equal(bare_child(zero_exchange, text, sizeof(text)), 0);
        assert_string_equal(text, "");
    }
    zero_for = ZERO_NONE;
}

static void test_close_gives_every_file_back(void **state)
{
    const struct host_config config = {
        .net_count = 2, .nets = nets, .quiet = true};
    unsigned before = fds_open();

    (void)state;
    for (unsigned opened = 0; opened < 3; opened++) {
        uint8_t got[60];

        peer_count = 0;
        assert_non_null(host_machine_prepare(&config));
        for (unsigned i = 0; i < opened; i++) {
            assert_true(hal_net_open(i, 0) >= 0);
            assert_int_equal(frame_recv(i, got, 60), -EAGAIN); /* armed */
        }
        host_machine_close();
        for (unsigned i = 0; i < 2; i++)
            close(peer[i]);
        assert_int_equal(fds_open(), before);
        assert_int_equal(threads, 0);
    }
    peer_count = 0;
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_tap_is_attached_by_its_name),
        READY(test_frames_go_out),
        READY(test_many_go_out_at_once),
        READY(test_many_come_at_once),
        READY(test_many_come_with_holes),
        READY(test_many_that_the_ring_does_not_take),
        READY(test_many_that_are_lost),
        READY(test_many_one_by_one),
        READY(test_a_send_that_fails),
        READY(test_frames_come_in),
        READY(test_short_reads),
        READY(test_what_is_left_to_the_host),
        READY(test_what_the_host_has_left),
        READY(test_taps_without_offloads),
        READY(test_a_tap_with_queues),
        READY(test_more_cpus_than_queues),
        READY(test_the_thread_sleeps),
        READY(test_a_tap_is_armed_once),
        READY(test_interrupts_are_not_wasted),
        READY(test_each_tap_has_its_interrupt),
        READY(test_an_interface_goes_away),
        READY(test_an_interface_goes_away_early),
        READY(test_taps_that_cannot_be_opened),
        READY(test_files_that_cannot_be_waited_for),
        READY(test_close_gives_every_file_back),
        cmocka_unit_test_setup(test_files_may_have_the_number_zero, setup),
    };
    int failed;

    no_rings = true;
    failed = cmocka_run_group_tests_name("a thread", tests, NULL, NULL);
    no_rings = false;
    if (host_ring_probe() == 0)
        failed += cmocka_run_group_tests_name("a ring", tests, NULL, NULL);
    return failed;
}
