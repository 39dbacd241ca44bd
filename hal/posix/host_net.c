/*
 * Nets of the host: tap interfaces here, libslirp in host_slirp.c.
 *
 * A tap is read by the CPU that owns it. One thread waits for all taps (epoll,
 * one-shot): a tap is armed when a read found nothing, and its event disarms it
 * and raises the interrupt. Arming looks at the queue again, in Linux, so a
 * frame between read and arming is not missed.
 */
#include "hal/posix/host_slirp.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EVENT_STOP = HOST_NET_MAX, SPILL_SIZE = 64 };

static struct host_net {
    struct host_slirp *slirp; /* NULL: a tap */
    int fd;
    int irq;
    atomic_bool armed;
} nets[HOST_NET_MAX];

/* The thread that waits for taps; there while tap_count > 0. */
static unsigned tap_count;
static pthread_t event_thread;
static int event_set;
static int event_stop;

/* ---- The event thread ---------------------------------------------------------- */

static void *event_main(void *arg)
{
    struct epoll_event events[HOST_NET_MAX + 1];

    (void)arg;
    for (;;) {
        int count = epoll_wait(event_set, events, HOST_NET_MAX + 1, -1);

        for (int i = 0; i < count; i++) {
            struct host_net *net;

            if (events[i].data.u32 == EVENT_STOP)
                return NULL;
            net = &nets[events[i].data.u32];
            atomic_store(&net->armed, false);
            machine_irq_raise(net->irq);
        }
    }
}

static int event_control(int op, int fd, unsigned id, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = id};

    return epoll_ctl(event_set, op, fd, &event) == 0 ? 0 : errno;
}

/* Returns 0 or the host's errno. */
static int events_open(void)
{
    int err;

    event_set = epoll_create1(EPOLL_CLOEXEC);
    if (event_set < 0)
        return errno;
    event_stop = eventfd(0, EFD_CLOEXEC);
    if (event_stop < 0) {
        err = errno;
        goto fail_eventfd;
    }
    err = event_control(EPOLL_CTL_ADD, event_stop, EVENT_STOP, EPOLLIN);
    if (err == 0)
        err = pthread_create(&event_thread, NULL, event_main, NULL);
    if (err == 0)
        return 0;
    close(event_stop);
fail_eventfd:
    close(event_set);
    return err;
}

static void events_close(void)
{
    static const uint64_t one = 1;

    while (write(event_stop, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(event_thread, NULL);
    close(event_stop);
    close(event_set);
}

/* ---- Taps ------------------------------------------------------------------------ */

/* Returns the file descriptor, or the negative of the host's errno. */
static int tap_attach(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
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

static void tap_complain(const char *name, int err)
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

static int tap_open(unsigned unit, const char *name)
{
    struct host_net *net = &nets[unit];
    int err;

    net->fd = tap_attach(name);
    if (net->fd < 0) {
        err = -net->fd;
        goto fail_attach;
    }
    if (tap_count == 0) {
        err = events_open();
        if (err != 0)
            goto fail_events;
    }
    atomic_store(&net->armed, true);
    err = event_control(EPOLL_CTL_ADD, net->fd, unit, EPOLLIN | EPOLLONESHOT);
    if (err != 0)
        goto fail_add;
    tap_count++;
    return 0;

fail_add:
    if (tap_count == 0)
        events_close();
fail_events:
    close(net->fd);
fail_attach:
    tap_complain(name, err);
    return host_error(err);
}

static void tap_close(struct host_net *net)
{
    if (--tap_count == 0)
        events_close();
    close(net->fd);
}

static int tap_send(struct host_net *net, const void *frame, size_t len)
{
    for (;;) {
        if (write(net->fd, frame, len) >= 0)
            return 0;
        if (errno == EAGAIN || errno == ENOBUFS)
            return -EAGAIN;
        if (errno != EINTR)
            return 0; /* the interface is down: the frame is lost */
    }
}

static int tap_recv(struct host_net *net, unsigned unit, void *buf, size_t size)
{
    char spill[SPILL_SIZE];
    struct iovec parts[] = {
        {.iov_base = buf, .iov_len = size},
        {.iov_base = spill, .iov_len = sizeof(spill)},
    };
    ssize_t got;

    do {
        got = readv(net->fd, parts, 2);
    } while (got < 0 && errno == EINTR);
    if (got > (ssize_t)size)
        return -EMSGSIZE;
    if (got > 0)
        return (int)got;
    if (!atomic_exchange(&net->armed, true))
        event_control(EPOLL_CTL_MOD, net->fd, unit, EPOLLIN | EPOLLONESHOT);
    return -EAGAIN;
}

/* ---- Either --------------------------------------------------------------------- */

int host_net_open(unsigned unit, const struct host_net_config *config, int irq)
{
    struct host_net *net = &nets[unit];

    net->irq = irq;
    net->slirp = NULL;
    if (config->kind == HOST_NET_TAP)
        return tap_open(unit, config->tap);
    net->slirp = host_slirp_open(config, irq);
    return net->slirp != NULL ? 0 : -EIO;
}

void host_net_close(unsigned unit)
{
    struct host_net *net = &nets[unit];

    if (net->slirp != NULL)
        host_slirp_close(net->slirp);
    else
        tap_close(net);
}

int host_net_send(unsigned unit, const void *frame, size_t len)
{
    struct host_net *net = &nets[unit];

    if (net->slirp != NULL)
        return host_slirp_send(net->slirp, frame, len);
    return tap_send(net, frame, len);
}

int host_net_recv(unsigned unit, void *buf, size_t size)
{
    struct host_net *net = &nets[unit];

    if (net->slirp != NULL)
        return host_slirp_recv(net->slirp, buf, size);
    return tap_recv(net, unit, buf, size);
}
