/* The cable is a pair of datagram sockets: a frame is a datagram. */
#include "tests/qtest/side_qemu_net.h"
#include "tests/qtest/firmware.h"
#include "tests/qtest/qemu.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int cable = -1;

void qemu_net_make(const struct net_side *side)
{
    const struct qemu_net *options = side->options;
    char netdev[80];
    const char *args[QEMU_ARGS_MAX + 1] = {"-netdev", netdev};
    unsigned count = 2;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        qemu_die("no sockets for a cable");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    snprintf(netdev, sizeof(netdev), "dgram,id=net,local.type=fd,local.str=%d",
             ends[1]);
    for (unsigned i = 0; options->args[i] != NULL; i++)
        args[count++] = options->args[i];
    qemu_start(options->machine, args);
    close(ends[1]);
    cable = ends[0];
}

void qemu_net_begin(const struct net_side *side)
{
    const struct qemu_net *options = side->options;

    qemu_attach(NULL);
    firmware_run(options->machine);
}

void qemu_net_end(const struct net_side *side)
{
    (void)side;
    qemu_detach();
}

void qemu_net_unmake(const struct net_side *side)
{
    const struct qemu_net *options = side->options;

    qemu_report(side->name, options->by_message);
    close(cable);
    qemu_stop();
}

bool qemu_net_send(const struct net_side *side, const uint8_t *frame,
                   size_t len)
{
    ssize_t sent = send(cable, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS)
        qemu_die("%s: the cable is cut", side->name);
    return sent == (ssize_t)len;
}

size_t qemu_net_take(const struct net_side *side, uint8_t *frame, size_t size)
{
    ssize_t got = recv(cable, frame, size, MSG_DONTWAIT | MSG_TRUNC);

    if (got < 0 && errno != EAGAIN)
        qemu_die("%s: the cable is cut", side->name);
    return got < 0 ? 0 : (size_t)got;
}

void qemu_net_link(const struct net_side *side, bool up)
{
    (void)side;
    qemu_execute("set_link", up ? "'name': 'net', 'up': true"
                                : "'name': 'net', 'up': false");
}
