/*
 * Torc's TCP in `make bench-net`: the server of net_peer.c on our stack.
 *
 *   net_host --net tap=NAME,plain -- ADDRESS/PREFIX
 */
#include "net/stack.h"
#include "tests/bench/transfer.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/net.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

struct transfer {
    char request[TRANSFER_REQUEST];
    unsigned have; /* of it */
    bool is_put;
    uint64_t bytes;
    uint64_t done;
};

static uint8_t pattern[TRANSFER_PERIOD + TRANSFER_PIECE];
static uint8_t piece[TRANSFER_PIECE];

static int on_accept(struct service *service, struct socket *socket)
{
    struct transfer *transfer = mem_alloc(sizeof(*transfer));

    (void)service;
    if (transfer == NULL)
        return -ENOMEM;
    *transfer = (struct transfer){0};
    socket_set_cookie(socket, transfer);
    return 0;
}

static void on_writable(struct service *service, struct socket *socket)
{
    struct transfer *transfer = socket_cookie(socket);

    (void)service;
    while (transfer->done < transfer->bytes) {
        uint64_t left = transfer->bytes - transfer->done;
        size_t want = left < TRANSFER_PIECE ? left : TRANSFER_PIECE;
        int64_t sent = socket_send(
            socket, pattern + transfer->done % TRANSFER_PERIOD, want);

        if (sent < 0) {
            socket_abort(socket);
            return;
        }
        transfer->done += (uint64_t)sent;
        if ((size_t)sent < want)
            return;
    }
    socket_close(socket);
}

/* Returns whether the request is complete. */
static bool take_request(struct socket *socket, struct transfer *transfer)
{
    int64_t len;

    if (transfer->have == TRANSFER_REQUEST)
        return true;
    len = socket_receive(socket, transfer->request + transfer->have,
                         TRANSFER_REQUEST - transfer->have);
    if (len > 0)
        transfer->have += (unsigned)len;
    if (transfer->have < TRANSFER_REQUEST)
        return false;
    transfer->is_put = transfer->request[0] == 'P';
    for (unsigned i = 1; i < TRANSFER_REQUEST - 1; i++)
        transfer->bytes =
            transfer->bytes * 10 + (uint64_t)(transfer->request[i] - '0');
    return true;
}

static void on_receive(struct service *service, struct socket *socket)
{
    struct transfer *transfer = socket_cookie(socket);
    int64_t len;

    if (!take_request(socket, transfer))
        return;
    if (!transfer->is_put) {
        on_writable(service, socket);
        return;
    }
    while ((len = socket_receive(socket, piece, sizeof(piece))) > 0) {
        if (memcmp(piece, pattern + transfer->done % TRANSFER_PERIOD,
                   (size_t)len) != 0) {
            log_error("wrong bytes behind %lu", transfer->done);
            socket_abort(socket);
            return;
        }
        transfer->done += (uint64_t)len;
    }
    if (len != -EAGAIN) {
        socket_close(socket);
    } else if (transfer->done == transfer->bytes) {
        if (socket_send(socket, "!", 1) != 1)
            log_error("no room for the answer");
        transfer->bytes = UINT64_MAX; /* it was answered */
    }
}

static void on_close(struct service *service, struct socket *socket)
{
    struct net_stats stats;

    (void)service;
    mem_free(socket_cookie(socket));
    if (net_get_stats(&stats) != 0)
        return;
    log_info("retransmits %lu fast %lu tail %lu timeouts %lu undone %lu "
             "out of order %lu",
             (unsigned long)stats.tcp_retransmits,
             (unsigned long)stats.tcp_fast_retransmits,
             (unsigned long)stats.tcp_tail_probes,
             (unsigned long)stats.tcp_timeouts, (unsigned long)stats.tcp_undone,
             (unsigned long)stats.tcp_out_of_order);
}

static struct service transfers = {
    .name = "transfers",
    .port = 80,
    .accept = on_accept,
    .receive = on_receive,
    .writable = on_writable,
    .close = on_close,
};

static int app_main(int argc, char **argv)
{
    struct device *device = device_find(DEVICE_NET, 0);
    struct net_config config;

    transfer_fill(pattern);
    if (argc != 2 || net_config_parse(argv[1], &config) != 0 ||
        device == NULL || device_dedicate(device, 0) != 0 ||
        net_start(device, &config) != 0 || service_register(&transfers) != 0) {
        log_error("net_host --net tap=NAME,plain -- ADDRESS/PREFIX");
        return 1;
    }
    for (;;)
        thread_sleep(1000 * NS_PER_S);
}

const struct torc_app torc_app = {
    .name = "net_host",
    .main = app_main,
    .has_arguments = true,
    .drivers = (const struct driver *const[]){&leaf_net_driver, NULL},
};
