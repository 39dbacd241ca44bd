/* The socket device of the hosted machine. The test is the other end of the
 * wire: a Unix datagram is a packet. */
#include "hal/posix/host/config.h"
#include "hal/posix/host/net.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "net/vsock/vsock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/socket.h>
#include <torc/thread.h>
#include <unistd.h>

enum { CID = 77, HOST = 2, PORT = 5000, HOST_PORT = 9, FRAME = HOST_FRAME_MAX };

static char place[] = "/tmp/torc_vsock_XXXXXX";
static char names[4][64]; /* the machine's and the test's; a card's */
static int peer;
static uint8_t got[FRAME];

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    return address;
}

static void peer_open(void)
{
    struct sockaddr_un address = address_of(names[1]);

    peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(peer >= 0);
    assert_int_equal(bind(peer, (struct sockaddr *)&address, sizeof(address)),
                     0);
}

static void peer_close(void)
{
    close(peer);
    unlink(names[1]);
}

/* A machine with the device, and a card behind it. */
static void plug(void)
{
    static struct host_net_config nets[2];
    struct host_config config = {
        .mem_bytes = 16 << 20, .net_count = 2, .nets = nets};

    memcpy(place + strlen(place) - 6, "XXXXXX", 6);
    assert_non_null(mkdtemp(place));
    for (unsigned i = 0; i < 4; i++)
        snprintf(names[i], sizeof(names[i]), "%s/%u", place, i);
    nets[0] = (struct host_net_config){.kind = HOST_NET_UNIX,
                                       .path = names[0],
                                       .peer = names[1],
                                       .vsock_cid = CID};
    nets[1] = (struct host_net_config){
        .kind = HOST_NET_UNIX, .path = names[2], .peer = names[3]};
    peer_open();
    console_forget();
    machine_attach_config(&config);
}

static void finish(void)
{
    machine_detach();
    peer_close();
    assert_int_equal(rmdir(place), 0);
}

static void say(enum vsock_op op, const void *data, size_t len)
{
    const struct sockaddr_un to = address_of(names[0]);
    const struct vsock_packet packet = {
        .src = {HOST, HOST_PORT},
        .dst = {CID, PORT},
        .len = (uint32_t)len,
        .type = VSOCK_TYPE_STREAM,
        .op = (uint16_t)op,
        .buf_alloc = 1000000,
    };
    uint8_t frame[FRAME];

    vsock_packet_write(frame, &packet);
    if (len > 0)
        memcpy(frame + VSOCK_HEADER_SIZE, data, len);
    assert_int_equal(sendto(peer, frame, VSOCK_HEADER_SIZE + len, 0,
                            (const struct sockaddr *)&to, sizeof(to)),
                     VSOCK_HEADER_SIZE + len);
}

/* The next packet of the machine, which may take its time. */
static struct vsock_packet hear(enum vsock_op op)
{
    struct vsock_packet packet;
    uint64_t end = time_ns() + 20 * NS_PER_S;
    ssize_t len;

    while ((len = recv(peer, got, sizeof(got), 0)) < 0) {
        assert_true(errno == EAGAIN && time_ns() < end);
        thread_yield();
    }
    assert_int_equal(vsock_packet_parse(got, &packet), 0);
    assert_int_equal(packet.op, op);
    assert_int_equal(packet.len, len - VSOCK_HEADER_SIZE);
    assert_int_equal(packet.src.cid, CID);
    return packet;
}

static struct socket *accept_one(struct socket **listener)
{
    struct socket *socket;

    assert_int_equal(socket_open_vsock(listener), 0);
    assert_int_equal(socket_bind_vsock(*listener, PORT), 0);
    assert_int_equal(socket_listen(*listener, 0), 0);
    say(VSOCK_OP_REQUEST, NULL, 0);
    (void)hear(VSOCK_OP_RESPONSE);
    assert_int_equal(socket_accept(*listener, &socket, 0), 0);
    return socket;
}

static void test_echo(void **state)
{
    static uint8_t bytes[100000];
    struct socket *listener, *socket;
    size_t heard = 0;
    int64_t sent;

    (void)state;
    plug();
    assert_int_equal(leaf_net_driver.probe(), 0); /* the card, and no other */
    assert_non_null(device_find(DEVICE_NET, 0));
    assert_null(device_find(DEVICE_NET, 1));
    assert_int_equal(leaf_vsock_driver.probe(), 0);
    assert_true(console_has("a hosted socket device, the CID is 77"));
    socket = accept_one(&listener);
    say(VSOCK_OP_RW, "hello", 5);
    assert_int_equal(
        socket_read(socket, got, sizeof(got), time_ns() + 20 * NS_PER_S), 5);
    assert_memory_equal(got, "hello", 5);
    /* More than the wire holds: the rest waits for room. */
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    sent = 0;
    while (heard < sizeof(bytes)) {
        int64_t more =
            socket_write(socket, bytes + sent, sizeof(bytes) - (size_t)sent, 0);
        struct vsock_packet packet;

        sent += more > 0 ? more : 0;
        thread_yield();
        if (heard == (size_t)sent)
            continue; /* an interrupt will tell of room */
        packet = hear(VSOCK_OP_RW);
        assert_memory_equal(got + VSOCK_HEADER_SIZE, bytes + heard, packet.len);
        heard += packet.len;
    }
    socket_close(socket);
    (void)hear(VSOCK_OP_SHUTDOWN);
    say(VSOCK_OP_RST, NULL, 0);
    socket_close(listener);
    finish();
}

/* What is shorter than a header is no packet. */
static void test_no_packet(void **state)
{
    struct socket *listener, *socket;

    (void)state;
    plug();
    assert_int_equal(leaf_vsock_driver.probe(), 0);
    for (size_t len = 14; len < VSOCK_HEADER_SIZE; len += 29) {
        const struct sockaddr_un to = address_of(names[0]);

        assert_int_equal(
            sendto(peer, got, len, 0, (const struct sockaddr *)&to, sizeof(to)),
            len);
    }
    socket = accept_one(&listener);
    socket_abort(socket);
    (void)hear(VSOCK_OP_RST);
    socket_close(listener);
    finish();
}

/* The host's side goes, and comes again. */
static void test_host_goes(void **state)
{
    struct socket *listener, *socket;
    char byte;

    (void)state;
    plug();
    assert_int_equal(leaf_vsock_driver.probe(), 0);
    socket = accept_one(&listener);
    peer_close();
    assert_int_equal(socket_write(socket, "x", 1, 0), 1);
    assert_int_equal(socket_read(socket, &byte, 1, time_ns() + 20 * NS_PER_S),
                     -ECONNRESET);
    assert_true(console_has("the host's side is not there"));
    socket_close(socket);
    socket_close(listener);
    peer_open();
    socket = accept_one(&listener);
    socket_abort(socket);
    (void)hear(VSOCK_OP_RST);
    socket_close(listener);
    finish();
}

static void test_out_of_memory(void **state)
{
    (void)state;
    plug();
    heap_fail(1);
    assert_int_equal(leaf_vsock_driver.probe(), -ENOMEM);
    heap_fail(0);
    assert_int_equal(leaf_vsock_driver.probe(), 0);
    assert_non_null(vsock_device_find());
    assert_int_equal(leaf_vsock_driver.probe(), 0); /* it is there already */
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_no_packet),
        cmocka_unit_test(test_host_goes),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
