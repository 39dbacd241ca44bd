/*
 * Connect, send bytes, end our side, and check that the same bytes come back:
 * what a server that echoes (RFC 862) does.
 *
 *   connect ENDPOINT [BYTES]     10.0.2.2:7, [fd77::1]:7 or vsock:2:7, which
 *                                needs no network; default 100000
 *
 *   net=ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   net6=ADDRESS/PREFIX[,GATEWAY]  or auto, which is waited for; default: none
 *   ecn=1                          ask for it (RFC 3168)
 *
 * The exit status is 0, 1 when it fails, 2 when the arguments are wrong.
 */
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net_card.h>
#include <torc/socket.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>
#include <torc/vsock.h>

enum { PIECE = 16 * 1024, TRIES = 100 };

#define WAIT_NS (30 * NS_PER_S)

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) + (at >> 16));
}

/* ---- Two threads: one sends, the other receives -------------------------- */

struct sender {
    struct socket *socket;
    uint64_t size;
    int64_t result;
};

static int send_all(void *arg)
{
    struct sender *sender = arg;
    uint8_t *piece = mem_alloc(PIECE);
    uint64_t sent = 0;

    sender->result = piece != NULL ? 0 : -ENOMEM;
    while (sender->result >= 0 && sent < sender->size) {
        uint64_t len =
            sender->size - sent < PIECE ? sender->size - sent : PIECE;

        for (uint64_t i = 0; i < len; i++)
            piece[i] = byte_at(sent + i);
        sender->result =
            socket_write(sender->socket, piece, len, time_ns() + WAIT_NS);
        if (sender->result >= 0 && (uint64_t)sender->result < len)
            sender->result = -ETIMEDOUT;
        sent += len;
    }
    mem_free(piece);
    if (sender->result >= 0)
        sender->result = socket_shutdown(sender->socket);
    return 0;
}

/* Returns 0, -EIO (other bytes, or not as many), or an error of the socket. */
static int64_t receive_all(struct socket *socket, uint64_t size)
{
    uint8_t *piece = mem_alloc(PIECE);
    uint64_t taken = 0;
    int64_t got = piece != NULL ? 1 : -ENOMEM;

    while (got > 0) {
        got = socket_read(socket, piece, PIECE, time_ns() + WAIT_NS);
        for (int64_t i = 0; i < got; i++) {
            if (piece[i] != byte_at(taken + (uint64_t)i))
                got = -EIO;
        }
        if (got > 0)
            taken += (uint64_t)got;
    }
    mem_free(piece);
    return got == 0 && taken != size ? -EIO : got;
}

static int64_t exchange(struct socket *socket, uint64_t size)
{
    const struct thread_attr attr = {.name = "send"};
    struct sender sender = {.socket = socket, .size = size};
    thread_id id;
    int64_t error = thread_create(&attr, send_all, &sender, &id);
    int status;

    if (error != 0)
        return error;
    error = receive_all(socket, size);
    if (thread_join(id, &status) != 0)
        return -EIO;
    return error != 0 ? error : sender.result;
}

/* ---- The program --------------------------------------------------------- */

/* An address of IPv6 that is being made is waited for. */
static int64_t connect_to(struct socket *socket, const struct net_endpoint *to)
{
    int64_t error = -EHOSTUNREACH;

    for (unsigned i = 0; i < TRIES && error == -EHOSTUNREACH; i++) {
        if (i > 0)
            thread_sleep_until(time_ns() + 100 * NS_PER_MS);
        error = socket_connect(socket, to, time_ns() + WAIT_NS);
    }
    return error;
}

static int run(const struct net_endpoint *to, uint64_t size, uint64_t ecn)
{
    char text[2][NET_ENDPOINT_SIZE];
    struct net_endpoint local;
    struct socket *socket;
    int64_t error = socket_open_tcp(&socket);

    net_endpoint_format(text[0], to);
    if (error != 0)
        return 1;
    if (ecn != 0)
        error = socket_set_option(socket, SOCKET_ECN, 1);
    if (error == 0)
        error = connect_to(socket, to);
    if (error == 0) {
        local = socket_local(socket);
        net_endpoint_format(text[1], &local);
        console_print("connect: %s to %s\n", text[1], text[0]);
        error = exchange(socket, size);
    }
    if (error == 0)
        console_print("connect: %llu bytes there and back\n",
                      (unsigned long long)size);
    else
        log_error("connect: %s: error %d", text[0], (int)error);
    socket_close(socket);
    return error != 0;
}

/* As run(), to the host's side of vsock. */
static int run_vsock(const struct vsock_address *to, uint64_t size)
{
    struct socket *socket;
    int64_t error = socket_open_vsock(&socket);

    if (error == 0) {
        error = socket_connect_vsock(socket, to, time_ns() + WAIT_NS);
        if (error == 0)
            error = exchange(socket, size);
        socket_close(socket);
    }
    if (error == 0)
        console_print("connect: %llu bytes there and back\n",
                      (unsigned long long)size);
    else
        log_error("connect: error %d", (int)error);
    return error != 0;
}

static int app_main(int argc, char **argv)
{
    struct vsock_address vsock;
    const char *net6 = machine_option("net6");
    const char *wish = machine_option("ecn");
    uint64_t size = 100000, ecn = 0;
    struct net_endpoint to;
    uint16_t port = 1;
    bool is_vsock = argc >= 2 && vsock_address_parse(argv[1], &vsock) == 0;

    if (argc < 2 || argc > 3 ||
        (!is_vsock && net_endpoint_parse(argv[1], &to) != 0) ||
        (argc == 3 && str_to_u64(argv[2], &size) != 0) ||
        (wish != NULL && (str_to_u64(wish, &ecn) != 0 || ecn > 1))) {
        log_error("connect: usage: [net=A.B.C.D/PREFIX[,GATEWAY]] [ecn=1] -- "
                  "A.B.C.D:PORT|[X::Y]:PORT|vsock:CID:PORT [BYTES]");
        return 2;
    }
    if (is_vsock)
        return run_vsock(&vsock, size);
    if (net_card_start(&port) != 0 ||
        (net6 != NULL && net_ip6.start(net6) != 0))
        return 2;
    return run(&to, size, ecn);
}

static const char *const options[] = {
    NET_CARD_OPTION_NAMES,
    "net6=auto|ADDRESS/PREFIX[,GATEWAY] addresses of IPv6 (none)",
    "ecn=0..1 1: asks for explicit congestion notification (0)", NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver,
    &e1000_driver,      &ne2000_driver,
    &leaf_net_driver,   &virtio_vsock_driver,
    &leaf_vsock_driver, NULL};

const struct torc_app torc_app = {
    .name = "connect",
    .main = app_main,
    .has_arguments = true,
    .options = options,
    .drivers = drivers,
};
