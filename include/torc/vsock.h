/*
 * Sockets between the machine and its host (vsock): streams of bytes, without a
 * network, over a virtio socket device. An end is a context identifier (CID),
 * which says which machine, and a port of 32 bits.
 *
 * These sockets are those of <torc/socket.h> and, of a service, of
 * <torc/net.h>: once one is open, all of their calls for streams do the same,
 * but for those that take a struct net_endpoint, which answer -EINVAL, and
 * options, which there are none of. A network need not be there.
 *
 * They belong to CPU 0, as the device does: calls elsewhere answer -EXDEV. An
 * application that wants them names virtio_vsock_driver among its drivers.
 *
 * What has come stays to be read when the peer has ended the connection, also
 * by a reset; the end, or the error, follows behind it.
 */
#ifndef TORC_VSOCK_H
#define TORC_VSOCK_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

struct service;
struct socket;

enum {
    VSOCK_CID_HOST = 2,
    VSOCK_ADDRESS_SIZE = 28, /* the text of an address, and its NUL */
};
#define VSOCK_PORT_ANY UINT32_MAX

struct vsock_address {
    uint32_t cid;
    uint32_t port;
};

/* Read all of `text`: "vsock:CID:PORT", both decimal, the port below
 * VSOCK_PORT_ANY. Returns 0 and *out, or -EINVAL. */
must_check int vsock_address_parse(const char *text, struct vsock_address *out);

/* Write it so. */
void vsock_address_format(char text[VSOCK_ADDRESS_SIZE],
                          const struct vsock_address *address);

/* The machine's CID, which may change when the machine is moved to another
 * host. Returns 0 and *out, -ENODEV (there is no device), -EXDEV. */
must_check int vsock_cid(uint32_t *out);

/* Open a socket of a thread that is not connected. Returns 0 and *out, -ENODEV
 * (there is no device, or it is gone), -EXDEV, -ENOMEM. Does not wait. */
must_check int socket_open_vsock(struct socket **out);

/* Choose our port before socket_listen() or a connect; VSOCK_PORT_ANY: a free
 * one, as without this call. Returns 0, -EINVAL (it has one, or is no such
 * socket), -EADDRINUSE (one that listens has it). Does not wait. */
must_check int socket_bind_vsock(struct socket *socket, uint32_t port);

/*
 * Connect. Returns 0, -ECONNREFUSED, -ETIMEDOUT (no answer until the deadline,
 * or for VSOCK_CONNECT_NS), -EINVAL (it is connected, or listens), -EADDRINUSE
 * (our port and that peer are connected, or end), -ENOBUFS (there are too many
 * connections), -ENOMEM, -ENODEV, -ECONNRESET, -EXDEV. After an error it may be
 * tried again.
 */
must_check int socket_connect_vsock(struct socket *socket,
                                    const struct vsock_address *remote,
                                    uint64_t deadline_ns);

/* The same without waiting, as socket_connect_start(). */
must_check int socket_connect_start_vsock(struct socket *socket,
                                          const struct vsock_address *remote);

/* The two ends of a connection; zeros when it is over, or the socket is of
 * another kind. */
struct vsock_address socket_peer_vsock(const struct socket *socket);
struct vsock_address socket_local_vsock(const struct socket *socket);

/*
 * As service_register(), on that port; service->port is of TCP, on which the
 * same service can listen, too: its callbacks then run in two threads, on CPU 0
 * both. Returns 0, -EADDRINUSE, -EINVAL (no port, no receive(), a backlog above
 * 65536), -ENODEV, -EXDEV, -ENOMEM, or what init() returned. Context: thread;
 * waits for init().
 */
must_check int service_register_vsock(struct service *service, uint32_t port);

#endif
