/*
 * Network cards on Unix datagram sockets: a wire to another process, such as
 * another machine or QEMU (-netdev dgram). A datagram is a frame. One socket
 * has the name of this end and receives; another one is connected to the other
 * end and sends, so that Linux tells when a full queue has room again.
 *
 * The other end may come later, go, and come again: frames are lost while it is
 * not there.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/net_internal.h"
#include "hal/posix/host/ready.h"
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <torc/assert.h>
#include <unistd.h>

enum {
    CLOSED = -1,
    BATCH = 32, /* frames in one system call */
    SEND_BUFFER = 1 << 20,
};

static struct unix_card {
    /* constant while the card is open: */
    struct sockaddr_un local, peer;
    int receiver, sender;
    /* the CPU of the queue only: */
    bool open; /* the queue */
    struct host_ready frame_ready, room_ready;
    struct mmsghdr messages[BATCH];
} cards[HOST_NET_MAX];

/* ---- Open and close ------------------------------------------------------ */

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    assert(strlen(path) < sizeof(address.sun_path));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int socket_open(void)
{
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Returns 0 or the host's errno. */
static int socket_connect(int fd, const struct sockaddr_un *to)
{
    return connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 ? 0
                                                                      : errno;
}

static int socket_bind(int fd, const struct sockaddr_un *at)
{
    return bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : errno;
}

/* Whether the name is that of a socket whose process has ended. */
static bool is_left_over(const struct unix_card *card)
{
    struct stat stat;

    return lstat(card->local.sun_path, &stat) == 0 && S_ISSOCK(stat.st_mode) &&
           socket_connect(card->sender, &card->local) == ECONNREFUSED;
}

/* Take the name for the receiver. Returns 0 or the host's errno. */
static int name_take(struct unix_card *card)
{
    int err = socket_bind(card->receiver, &card->local);

    if (err != EADDRINUSE || !is_left_over(card))
        return err;
    (void)unlink(card->local.sun_path);
    return socket_bind(card->receiver, &card->local);
}

static void sockets_close(struct unix_card *card)
{
    if (card->receiver != CLOSED)
        close(card->receiver);
    if (card->sender != CLOSED)
        close(card->sender);
}

static void complain(const char *path, int err)
{
    if (err == EADDRINUSE)
        host_complain("'%s' is there already, and not left over: give --net "
                      "unix another path",
                      path);
    else
        host_complain("cannot make the socket '%s': %s", path, strerror(err));
}

static int unix_open(unsigned unit, const struct host_net_config *config,
                     unsigned queue_max, struct host_net_info *info)
{
    struct unix_card *card = &cards[unit];
    int size = SEND_BUFFER;
    int err = 0;

    (void)queue_max, (void)info;
    card->local = address_of(config->path);
    card->peer = address_of(config->peer);
    card->open = false;
    card->receiver = socket_open();
    card->sender = socket_open();
    if (card->receiver < 0 || card->sender < 0)
        err = errno;
    if (err == 0)
        err = name_take(card);
    if (err != 0) {
        sockets_close(card);
        complain(config->path, err);
        return host_error(err);
    }
    /* As much of it as Linux allows. */
    (void)setsockopt(card->sender, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return 0;
}

static void unix_close(unsigned unit)
{
    struct unix_card *card = &cards[unit];

    if (card->open) {
        host_ready_close(&card->frame_ready);
        host_ready_close(&card->room_ready);
    }
    sockets_close(card);
    (void)unlink(card->local.sun_path);
}

static int unix_queue_open(unsigned unit, unsigned queue, unsigned cpu, int irq)
{
    struct unix_card *card = &cards[unit];
    int err =
        host_ready_open(&card->frame_ready, card->receiver, POLLIN, cpu, irq);

    (void)queue;
    if (err != 0)
        return err;
    err = host_ready_open(&card->room_ready, card->sender, POLLOUT, cpu, irq);
    if (err != 0)
        host_ready_close(&card->frame_ready);
    card->open = err == 0;
    return err;
}

/* ---- Frames -------------------------------------------------------------- */

static_assert(sizeof(struct host_vec) == sizeof(struct iovec) &&
                  offsetof(struct host_vec, base) ==
                      offsetof(struct iovec, iov_base) &&
                  offsetof(struct host_vec, len) ==
                      offsetof(struct iovec, iov_len),
              "Linux has the same vectors");

/* Messages for up to BATCH frames. Returns how many. */
static unsigned messages_make(struct unix_card *card,
                              const struct host_frame *frames, unsigned count)
{
    unsigned made = 0;

    for (; made < count && made < BATCH; made++)
        card->messages[made].msg_hdr = (struct msghdr){
            .msg_iov = (struct iovec *)(uintptr_t)frames[made].vec,
            .msg_iovlen = frames[made].vec_count};
    return made;
}

/* After this error the other end may be found by its name. */
static bool is_lost(int err)
{
    return err == ENOTCONN || err == ECONNREFUSED || err == EPIPE;
}

static unsigned unix_send(unsigned unit, unsigned queue,
                          struct host_frame *frames, unsigned count)
{
    struct unix_card *card = &cards[unit];
    bool connected = false;
    unsigned done = 0;

    (void)queue;
    while (done < count) {
        unsigned made = messages_make(card, frames + done, count - done);
        int sent = sendmmsg(card->sender, card->messages, made, MSG_NOSIGNAL);
        int err = sent < 0 ? errno : 0;

        for (int i = 0; i < sent; i++)
            frames[done++].status = 0;
        if (sent > 0 || err == EINTR)
            continue;
        if (err == EAGAIN) {
            host_ready_arm(&card->room_ready);
            break;
        }
        if (is_lost(err) && !connected) {
            connected = true; /* once for each call */
            if (socket_connect(card->sender, &card->peer) == 0)
                continue;
        }
        frames[done++].status = err == EMSGSIZE ? -EMSGSIZE : -EIO;
    }
    return done;
}

static int received_status(const struct mmsghdr *message,
                           struct host_frame *frame)
{
    if ((message->msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
        message->msg_len < HOST_ETHER)
        return -EMSGSIZE;
    frame_plain(frame, message->msg_len);
    return 0;
}

static unsigned unix_recv(unsigned unit, unsigned queue,
                          struct host_frame *frames, unsigned count)
{
    struct unix_card *card = &cards[unit];
    unsigned done = 0;

    (void)queue;
    while (done < count) {
        unsigned made = messages_make(card, frames + done, count - done);
        int got = recvmmsg(card->receiver, card->messages, made, 0, NULL);

        if (got < 0 && errno == EINTR)
            continue;
        for (int i = 0; i < got; i++, done++)
            frames[done].status =
                received_status(&card->messages[i], &frames[done]);
        if (got < (int)made)
            break;
    }
    return done;
}

static bool unix_arm(unsigned unit, unsigned queue, bool on)
{
    (void)queue;
    if (on)
        host_ready_arm(&cards[unit].frame_ready);
    return true;
}

const struct net_kind net_unix = {
    .open = unix_open,
    .close = unix_close,
    .queue_open = unix_queue_open,
    .send_all = unix_send,
    .recv_all = unix_recv,
    .arm = unix_arm,
};
