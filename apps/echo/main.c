/*
 * Send back what comes: RFC 862, over TCP and UDP. Options:
 * <torc/net_card.h>; the port is 7.
 *
 *   vsock=PORT   the same for the host, over vsock; a network card need not be
 *                there then
 */
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net_card.h>
#include <torc/socket.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/vsock.h>

enum {
    PORT = 7,
    CONNECTIONS_MAX = 64, /* a thread each */
    BUFFER_SIZE = 8 * 1024,
    DATAGRAM_MAX = 2 * 1024, /* more than a packet holds */
};

#define IDLE_NS (120 * NS_PER_S)
#define SEND_NS (30 * NS_PER_S) /* for BUFFER_SIZE bytes */

/* Owner: CPU 0. */
static unsigned connection_count;

/* ---- Streams ------------------------------------------------------------- */

/* Until the peer has ended its side: 0, or an error. */
static int echo_bytes(struct socket *socket, char *buffer)
{
    for (;;) {
        int64_t got =
            socket_read(socket, buffer, BUFFER_SIZE, time_ns() + IDLE_NS);

        if (got <= 0)
            return (int)got;
        if (socket_write(socket, buffer, (size_t)got, time_ns() + SEND_NS) !=
            got)
            return -ETIMEDOUT; /* it does not read */
    }
}

static int serve_connection(void *arg)
{
    struct socket *socket = arg;
    char *buffer = mem_alloc(BUFFER_SIZE);
    int status = buffer != NULL ? echo_bytes(socket, buffer) : -ENOMEM;

    mem_free(buffer);
    if (status == 0)
        socket_close(socket);
    else
        socket_abort(socket);
    connection_count--;
    return status;
}

static int serve_stream(void *arg)
{
    const struct thread_attr attr = {.name = "echo", .detached = true};
    struct socket *listener = arg;
    struct socket *socket;

    while (socket_accept(listener, &socket, TIME_NEVER) == 0) {
        connection_count++;
        if (connection_count <= CONNECTIONS_MAX &&
            thread_create(&attr, serve_connection, socket, NULL) == 0)
            continue;
        connection_count--;
        socket_abort(socket);
    }
    return 0;
}

/* ---- UDP ----------------------------------------------------------------- */

static int serve_udp(void *arg)
{
    static char datagram[DATAGRAM_MAX]; /* of this thread */
    struct socket *socket = arg;

    for (;;) {
        struct net_endpoint from;
        int64_t len = socket_receive_from(socket, datagram, sizeof(datagram),
                                          &from, TIME_NEVER);

        /* Two echoes would answer each other for ever. */
        if (len < 0 || len > DATAGRAM_MAX || from.port == PORT)
            continue;
        if (socket_send_to(socket, datagram, (size_t)len, &from) != 0)
            log_debug("echo: a datagram is lost");
    }
    return 0;
}

/* ---- Starting ------------------------------------------------------------ */

static int start(uint16_t port)
{
    const struct thread_attr attr = {.name = "echo", .detached = true};
    const struct net_endpoint local = {.port = port};
    struct socket *tcp, *udp;
    int status = socket_open_tcp(&tcp);

    if (status == 0)
        status = socket_bind(tcp, &local);
    if (status == 0)
        status = socket_listen(tcp, CONNECTIONS_MAX);
    if (status == 0)
        status = socket_open_udp(&udp);
    if (status == 0)
        status = socket_bind(udp, &local);
    if (status == 0)
        status = thread_create(&attr, serve_stream, tcp, NULL);
    if (status == 0)
        status = thread_create(&attr, serve_udp, udp, NULL);
    return status; /* what was opened ends with the machine */
}

static int start_vsock(uint32_t port)
{
    const struct thread_attr attr = {.name = "vsock", .detached = true};
    struct socket *socket;
    int status = socket_open_vsock(&socket);

    if (status == 0)
        status = socket_bind_vsock(socket, port);
    if (status == 0)
        status = socket_listen(socket, CONNECTIONS_MAX);
    if (status == 0)
        status = thread_create(&attr, serve_stream, socket, NULL);
    return status;
}

/* As the options say. Returns 0, or the status of the machine. */
static int serve(void)
{
    const char *vsock = machine_option("vsock");
    uint64_t vsock_port = 0;
    uint16_t port = PORT;
    int status = 0;

    if (vsock != NULL && str_to_u64(vsock, &vsock_port) != 0)
        return 2;
    if (vsock != NULL)
        status = start_vsock((uint32_t)vsock_port);
    if (status == 0 && vsock != NULL)
        log_info("echo: listens on port %s of vsock", vsock);
    if (status == 0 && (vsock == NULL || device_find(DEVICE_NET, 0) != NULL)) {
        if (net_card_start(&port) != 0)
            return 2;
        status = start(port);
        if (status == 0)
            log_info("echo: listens on port %u", port);
    }
    if (status != 0)
        log_error("echo: cannot serve: error %d", status);
    return status != 0;
}

static int app_main(int argc, char **argv)
{
    int status = argc > 1 ? 2 : serve();

    (void)argv;
    if (status == 0)
        thread_sleep_until(TIME_NEVER);
    return status;
}

static const char *const options[] = {
    NET_CARD_OPTION_NAMES,
    "vsock=1..4294967294 the port on which the host is served, too (none)",
    NULL};
static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver,
    &e1000_driver,      &ne2000_driver,
    &leaf_net_driver,   &virtio_vsock_driver,
    &leaf_vsock_driver, NULL};

const struct torc_app torc_app = {
    .name = "echo", .main = app_main, .options = options, .drivers = drivers};
