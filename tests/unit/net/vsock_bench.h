/*
 * What the tests of vsock share: a machine with the socket device's model. The
 * host, its peer, is the test. What the peer sends and expects is written here
 * from VIRTIO 1.2, section 5.10.6, and not with net/vsock.
 */
#ifndef TORC_TESTS_UNIT_NET_VSOCK_BENCH_H
#define TORC_TESTS_UNIT_NET_VSOCK_BENCH_H

#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/timer.h"
#include "net/vsock/vsock.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_vsock_model.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/thread.h>
#include <torc/vsock.h>

enum { OUR_CID = 77, HOST = 2, PORT = 5000, HOST_PORT = 9000 };

static struct virtio_model model;
static uint8_t data[MODEL_VSOCK_DATA]; /* of the last packet that was taken */

/* What the peer says of its credit with each packet. */
static uint32_t peer_alloc, peer_fwd;

static inline void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static inline void time_passes(uint64_t ns)
{
    clock_set(clock_now() + ns);
    timer_run(time_ns());
    settle();
}

/* A machine of `mib` with the device, over MMIO or PCI. */
static inline void plug_features(unsigned mib, bool is_pci, uint64_t features)
{
    static const struct pci_model_options pci = {.legacy = false};

    models_reset();
    memset(&model, 0, sizeof(model));
    model.offered = features;
    vsock_model_init(&model, OUR_CID);
    peer_alloc = 100000;
    peer_fwd = 0;
    console_forget();
    machine_attach(mib << 20);
    clock_set(1000 * NS_PER_S);
    if (is_pci)
        model_on_pci(&model, &pci);
    else
        model_on_mmio(&model, 2);
    assert_int_equal(virtio_vsock_driver.probe(), 0);
    settle();
}

static inline void plug(void)
{
    plug_features(16, false, 0);
}

static inline struct vsock_stack *stack_now(void)
{
    struct vsock_stack *stack;

    assert_int_equal(vsock_stack_get(&stack), 0);
    return stack;
}

static inline void finish(void)
{
    if (vsock_device_find() != NULL)
        vsock_check(stack_now());
    model_set_status(&model, 0);
    clock_set(0);
    machine_detach();
}

/* ---- The peer ------------------------------------------------------------ */

static inline struct model_packet packet_from(uint32_t port, uint16_t op)
{
    return (struct model_packet){
        .src_cid = HOST,
        .dst_cid = OUR_CID,
        .src_port = port,
        .dst_port = PORT,
        .type = 1,
        .op = op,
        .buf_alloc = peer_alloc,
        .fwd_cnt = peer_fwd,
    };
}

static inline void put(const struct model_packet *packet, const void *bytes,
                       size_t len)
{
    assert_true(vsock_model_put(&model, packet, bytes, len));
    settle();
}

/* A packet of the peer's port without data. */
static inline void say(uint32_t port, uint16_t op)
{
    const struct model_packet packet = packet_from(port, op);

    put(&packet, NULL, 0);
}

static inline void say_shutdown(uint32_t port, uint32_t flags)
{
    struct model_packet packet = packet_from(port, MODEL_SHUTDOWN);

    packet.flags = flags;
    put(&packet, NULL, 0);
}

static inline void say_bytes(uint32_t port, const void *bytes, size_t len)
{
    struct model_packet packet = packet_from(port, MODEL_RW);

    packet.len = (uint32_t)len;
    put(&packet, bytes, len);
}

/* The next packet that was sent is of that operation, to that port. */
static inline struct model_packet expect(uint32_t port, uint16_t op)
{
    struct model_packet packet;

    settle();
    assert_true(vsock_model_take(&model, &packet, data));
    assert_int_equal(packet.op, op);
    assert_int_equal(packet.dst_port, port);
    assert_int_equal(packet.dst_cid, HOST);
    assert_int_equal(packet.type, 1);
    settle();
    return packet;
}

static inline void expect_bytes(uint32_t port, const char *text)
{
    const struct model_packet packet = expect(port, MODEL_RW);

    assert_int_equal(packet.len, strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static inline void expect_shutdown(uint32_t port, uint32_t flags)
{
    assert_int_equal(expect(port, MODEL_SHUTDOWN).flags, flags);
}

static inline void expect_nothing(void)
{
    struct model_packet packet;

    settle();
    assert_false(vsock_model_take(&model, &packet, data));
}

/* ---- Sockets of threads -------------------------------------------------- */

static inline struct socket *listener_open(unsigned backlog)
{
    struct socket *socket;

    assert_int_equal(socket_open_vsock(&socket), 0);
    assert_int_equal(socket_bind_vsock(socket, PORT), 0);
    assert_int_equal(socket_listen(socket, backlog), 0);
    return socket;
}

/* The peer connects from that port, and is accepted. */
static inline struct socket *accepted(struct socket *listener, uint32_t port)
{
    struct socket *socket;

    say(port, MODEL_REQUEST);
    (void)expect(port, MODEL_RESPONSE);
    assert_int_equal(socket_accept(listener, &socket, 0), 0);
    return socket;
}

static inline void assert_reads(struct socket *socket, const char *text)
{
    char got[100];

    assert_int_equal(socket_read(socket, got, sizeof(got), 0), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static inline void assert_reads_error(struct socket *socket, int64_t error)
{
    char byte;

    assert_int_equal(socket_read(socket, &byte, 1, 0), error);
}

/* A thread that makes a call that waits. */
struct call {
    int64_t (*run)(struct call *call);
    struct socket *socket, *out;
    uint64_t deadline;
    void *bytes;
    size_t size;
    bool is_done;
    int64_t result;
};

static inline int call_run(void *arg)
{
    struct call *call = arg;

    call->is_done = false;
    call->result = call->run(call);
    call->is_done = true;
    return 0;
}

static inline void call_start(struct call *call)
{
    const struct thread_attr attr = {.name = "call", .detached = true};

    assert_int_equal(thread_create(&attr, call_run, call, NULL), 0);
    thread_yield();
}

#endif
