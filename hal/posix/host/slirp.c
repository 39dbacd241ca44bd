/*
 * A network card on a network inside the process (libslirp): the machine is
 * 10.0.2.15/24 behind a gateway 10.0.2.2 that speaks for it to the network of
 * the host, with ordinary sockets and no privilege.
 *
 * libslirp is not thread-safe, so one thread makes all calls to it and sleeps
 * in poll(). Frames pass between this thread and the CPU in two ring buffers,
 * each with a lock. A frame for the machine is dropped while its ring is full,
 * as on a real network.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/frame_ring.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/host/net_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

enum {
    RING_SLOTS = 4096,
    BURST_MAX = 512, /* frames of the machine between two calls of poll() */
    TIMER_MAX = 4,
    POLL_GROWTH = 64, /* sockets */
    LISTEN_BACKLOG = 1024,
    NS_PER_MS = 1000000,
};

struct timer {
    SlirpTimerCb fn;
    void *arg;
    int64_t expire_ms; /* 0: not set */
};

struct host_slirp {
    Slirp *slirp;
    pthread_t thread;
    int wake;       /* eventfd */
    atomic_int irq; /* NO_IRQ: the queue is not open */
    atomic_bool stop;
    struct frame_ring to_machine;
    struct frame_ring from_machine;
    /* used by the thread only: */
    struct pollfd *polls;
    unsigned poll_count;
    unsigned poll_room;
    struct timer timers[TIMER_MAX];
    uint8_t bytes[HOST_FRAME_MAX];
};

enum { NO_IRQ = -1 };

/* Of the units of this kind. */
static struct host_slirp *networks[HOST_NET_MAX];

static void thread_wake(struct host_slirp *net)
{
    (void)eventfd_write(net->wake, 1);
}

static void machine_tell(struct host_slirp *net)
{
    int irq = atomic_load(&net->irq);

    if (irq != NO_IRQ)
        machine_irq_raise(irq);
}

/* ---- Callbacks of libslirp ----------------------------------------------- */

static int64_t now_ns(void *opaque)
{
    struct timespec now;

    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static ssize_t frame_out(const void *bytes, size_t len, void *opaque)
{
    struct host_slirp *net = opaque;
    const struct host_vec vec = {(void *)(uintptr_t)bytes, len};
    const struct host_frame frame = {
        .vec = &vec, .vec_count = 1, .len = (uint32_t)len};
    bool tell;

    if (len <= HOST_FRAME_MAX &&
        frame_ring_push(&net->to_machine, &frame, &tell) == 0 && tell)
        machine_tell(net);
    return (ssize_t)len;
}

/* An invalid packet of the machine is no error of ours. */
static void error_ignore(const char *text, void *opaque)
{
    (void)text, (void)opaque;
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
    struct host_slirp *net = opaque;

    for (unsigned i = 0; i < TIMER_MAX; i++) {
        struct timer *timer = &net->timers[i];

        if (timer->fn != NULL)
            continue;
        timer->fn = fn;
        timer->arg = arg;
        timer->expire_ms = 0;
        return timer;
    }
    host_complain("libslirp wants more than %d timers", TIMER_MAX);
    host_abort();
}

static void timer_free(void *timer, void *opaque)
{
    (void)opaque;
    ((struct timer *)timer)->fn = NULL;
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    (void)opaque;
    assert(((struct timer *)timer)->fn != NULL);
    ((struct timer *)timer)->expire_ms = expire_ms;
}

static void fd_ignore(int fd, void *opaque)
{
    (void)fd, (void)opaque;
}

/* Nothing to do: after each burst of frames the thread calls poll() again. */
static void notify_ignore(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = frame_out,
    .guest_error = error_ignore,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = fd_ignore,
    .unregister_poll_fd = fd_ignore,
    .notify = notify_ignore,
};

/* ---- The thread ---------------------------------------------------------- */

static const struct {
    int slirp;
    short host;
} poll_flags[] = {
    {SLIRP_POLL_IN, POLLIN},   {SLIRP_POLL_OUT, POLLOUT},
    {SLIRP_POLL_PRI, POLLPRI}, {SLIRP_POLL_ERR, POLLERR},
    {SLIRP_POLL_HUP, POLLHUP},
};

enum { POLL_FLAGS = sizeof(poll_flags) / sizeof(poll_flags[0]) };

/* Returns the index; or -1, and libslirp does not wait for this socket. */
static int poll_add(int fd, int events, void *opaque)
{
    struct host_slirp *net = opaque;
    struct pollfd *poll;

    if (net->poll_count == net->poll_room) {
        unsigned room = net->poll_room + POLL_GROWTH;

        assert(room > net->poll_count);
        poll = realloc(net->polls, room * sizeof(*poll));
        if (poll == NULL)
            return -1;
        net->polls = poll;
        net->poll_room = room;
    }
    poll = &net->polls[net->poll_count];
    poll->fd = fd;
    poll->events = 0;
    poll->revents = 0;
    for (unsigned i = 0; i < POLL_FLAGS; i++)
        if ((events & poll_flags[i].slirp) != 0)
            poll->events |= poll_flags[i].host;
    return (int)net->poll_count++;
}

static int poll_events(int index, void *opaque)
{
    const struct host_slirp *net = opaque;
    int events = 0;

    if (index < 0 || (unsigned)index >= net->poll_count)
        return 0;
    for (unsigned i = 0; i < POLL_FLAGS; i++)
        if ((net->polls[index].revents & poll_flags[i].host) != 0)
            events |= poll_flags[i].slirp;
    return events;
}

/* Call the functions of the timers that have expired. */
static void timers_run(struct host_slirp *net)
{
    int64_t now = now_ns(NULL) / NS_PER_MS;

    for (unsigned i = 0; i < TIMER_MAX; i++) {
        struct timer *timer = &net->timers[i];

        if (timer->fn == NULL || timer->expire_ms == 0 ||
            timer->expire_ms > now)
            continue;
        timer->expire_ms = 0; /* before the call, which may set it again */
        timer->fn(timer->arg);
    }
}

/* Returns how many ms until a timer expires; UINT32_MAX: never. */
static uint32_t timers_next(const struct host_slirp *net)
{
    int64_t now = now_ns(NULL) / NS_PER_MS;
    int64_t next = UINT32_MAX;

    for (unsigned i = 0; i < TIMER_MAX; i++) {
        const struct timer *timer = &net->timers[i];

        if (timer->fn != NULL && timer->expire_ms != 0 &&
            timer->expire_ms - now < next)
            next = timer->expire_ms - now;
    }
    return next < 0 ? 0 : (uint32_t)next;
}

/* Pass frames of the machine to libslirp; returns whether there may be more. */
static bool frames_in(struct host_slirp *net)
{
    const struct host_vec vec = {net->bytes, sizeof(net->bytes)};
    bool tell;

    for (unsigned i = 0; i < BURST_MAX; i++) {
        struct host_frame frame = {.vec = &vec, .vec_count = 1};
        int err = frame_ring_pop(&net->from_machine, &frame, &tell);

        if (tell)
            machine_tell(net);
        if (err == -EAGAIN)
            return !frame_ring_arm(&net->from_machine);
        if (err == 0)
            slirp_input(net->slirp, net->bytes, (int)frame.len);
    }
    return true;
}

static void sockets_wait(struct host_slirp *net, bool more)
{
    uint32_t timeout;
    eventfd_t wakes;
    int ready;

    timers_run(net);
    timeout = timers_next(net);
    net->poll_count = 0;
    (void)poll_add(net->wake, SLIRP_POLL_IN, net);
    slirp_pollfds_fill(net->slirp, &timeout, poll_add, net);
    if (more)
        timeout = 0;
    assert(net->poll_count > 0 && net->polls[0].fd == net->wake);
    ready = poll(net->polls, net->poll_count,
                 timeout > INT32_MAX ? -1 : (int)timeout);
    slirp_pollfds_poll(net->slirp, ready < 0, poll_events, net);
    if (ready > 0 && net->polls[0].revents != 0)
        (void)eventfd_read(net->wake, &wakes);
}

static void *slirp_main(void *arg)
{
    struct host_slirp *net = arg;

    while (!atomic_load(&net->stop))
        sockets_wait(net, frames_in(net));
    return NULL;
}

/* ---- Open and close ------------------------------------------------------ */

static struct in_addr address(uint32_t host_order)
{
    struct in_addr in = {.s_addr = htonl(host_order)};

    return in;
}

static int forward_open(struct host_slirp *net,
                        const struct host_forward *forward)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr host = address(forward->host_address);

    if (slirp_add_hostfwd(net->slirp, forward->udp, host, forward->host_port,
                          address(forward->guest_address),
                          forward->guest_port) == 0)
        return 0;
    inet_ntop(AF_INET, &host, text, sizeof(text));
    host_complain("cannot listen on %s port %s:%u: %s; choose another port for "
                  "hostfwd",
                  forward->udp ? "udp" : "tcp", text, forward->host_port,
                  strerror(errno));
    return -EADDRINUSE;
}

/*
 * libslirp calls listen() with a backlog of 1. When many clients connect at the
 * same time, Linux drops most of their SYNs, and they try again after a second.
 * Another listen() on the socket does nothing but change the backlog.
 */
static int backlog_set(int fd, int events, void *opaque)
{
    int listens = 0;
    socklen_t size = sizeof(listens);

    (void)events, (void)opaque;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
        listens != 0 && listen(fd, LISTEN_BACKLOG) != 0)
        host_complain(
            "clients may have to try twice to connect, since listen() "
            "fails: %s",
            strerror(errno));
    return 0;
}

static int slirp_open(struct host_slirp *net,
                      const struct host_net_config *config)
{
    const SlirpConfig slirp = {
        .version = 1,
        .in_enabled = true,
        .vnetwork = address(0x0a000200),
        .vnetmask = address(0xffffff00),
        .vhost = address(0x0a000202),
        .vdhcp_start = address(0x0a00020f),
        .vnameserver = address(0x0a000203),
    };
    uint32_t timeout_ms = 0;
    int err;

    net->slirp = slirp_new(&slirp, &callbacks, net);
    if (net->slirp == NULL) {
        host_complain("libslirp does not start");
        return -EIO;
    }
    for (unsigned i = 0; i < config->forward_count; i++) {
        err = forward_open(net, &config->forward[i]);
        if (err != 0)
            return err;
    }
    slirp_pollfds_fill(net->slirp, &timeout_ms, backlog_set, net);
    err = pthread_create(&net->thread, NULL, slirp_main, net);
    if (err != 0)
        host_complain("no thread for --net user: %s", strerror(err));
    return err;
}

static void slirp_free(struct host_slirp *net)
{
    if (net->slirp != NULL)
        slirp_cleanup(net->slirp);
    if (net->wake >= 0)
        close(net->wake);
    frame_ring_close(&net->to_machine);
    frame_ring_close(&net->from_machine);
    free(net->polls);
    free(net);
}

static int net_open(unsigned unit, const struct host_net_config *config,
                    unsigned queue_max, struct host_net_info *info)
{
    struct host_slirp *net = calloc(1, sizeof(*net));

    (void)queue_max, (void)info;
    if (net == NULL) {
        host_complain("no memory for --net user");
        return -ENOMEM;
    }
    atomic_store(&net->irq, NO_IRQ);
    net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (net->wake < 0 ||
        frame_ring_open(&net->to_machine, RING_SLOTS, HOST_FRAME_MAX) != 0 ||
        frame_ring_open(&net->from_machine, RING_SLOTS, HOST_FRAME_MAX) != 0) {
        host_complain("no memory for --net user");
        slirp_free(net);
        return -ENOMEM;
    }
    if (slirp_open(net, config) != 0) {
        slirp_free(net);
        return -EIO;
    }
    networks[unit] = net;
    return 0;
}

static void net_close(unsigned unit)
{
    struct host_slirp *net = networks[unit];

    networks[unit] = NULL;
    atomic_store(&net->stop, true);
    thread_wake(net);
    pthread_join(net->thread, NULL);
    slirp_free(net);
}

/* ---- The CPU ------------------------------------------------------------- */

static int net_queue_open(unsigned unit, unsigned queue, unsigned cpu, int irq)
{
    (void)queue, (void)cpu;
    atomic_store(&networks[unit]->irq, irq);
    return 0;
}

static int net_send(unsigned unit, unsigned queue,
                    const struct host_frame *frame)
{
    struct host_slirp *net = networks[unit];
    bool tell;
    int err;

    (void)queue;
    if (frame->len > HOST_FRAME_MAX)
        return -EMSGSIZE;
    err = frame_ring_push(&net->from_machine, frame, &tell);
    if (tell)
        thread_wake(net);
    return err;
}

/* libslirp does not wait for room, so nobody is told. */
static int net_recv(unsigned unit, unsigned queue, struct host_frame *frame)
{
    bool tell;

    (void)queue;
    return frame_ring_pop(&networks[unit]->to_machine, frame, &tell);
}

static bool net_arm(unsigned unit, unsigned queue, bool on)
{
    (void)queue;
    return !on || frame_ring_arm(&networks[unit]->to_machine);
}

const struct net_kind net_slirp = {
    .open = net_open,
    .close = net_close,
    .queue_open = net_queue_open,
    .send = net_send,
    .recv = net_recv,
    .arm = net_arm,
};
