/*
 * Fuzz vsock with a device whose packets are what they like, between calls of
 * an application with a listener, a service, and up to four sockets.
 *
 * Each byte is a step: a packet, whose fields are near to right ones or any
 * bytes; a call; time; or the device takes nothing, or is writable again. After
 * every step vsock_check() holds, what is sent is a packet that can be, and at
 * the end all connections are gone.
 */
#include "kernel/heap/heap.h"
#include "kernel/thread/timer.h"
#include "net/vsock/vsock.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/step_input.h"
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/thread.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CID = 5, HOST = 2, PORT = 7, SERVICE = 8, SOCKETS = 4, BYTES = 3000 };

static struct input input;
static bool is_full;
static struct socket *sockets[SOCKETS], *listener;
static uint32_t our_port; /* of the last REQUEST of ours */

/* ---- The device ---------------------------------------------------------- */

static void on_begin(struct vsock_device *device)
{
    (void)device;
}

static int on_send(struct vsock_device *device,
                   const uint8_t header[VSOCK_HEADER_SIZE],
                   const uint8_t *bytes, size_t len)
{
    struct vsock_packet packet;

    (void)bytes;
    must(vsock_packet_parse(header, &packet) == 0);
    must(packet.src.cid == CID && packet.len == len);
    must(len <= device->data_max && (len == 0 || packet.op == VSOCK_OP_RW));
    if (is_full)
        return -EAGAIN;
    if (packet.op == VSOCK_OP_REQUEST)
        our_port = packet.src.port;
    return 0;
}

static void on_flush(struct vsock_device *device)
{
    (void)device;
}

static const struct vsock_device_ops ops = {on_begin, on_send, on_flush};
static struct vsock_device device;

static void packet_come(void)
{
    static uint8_t bytes[BYTES];
    uint8_t header[VSOCK_HEADER_SIZE];
    uint8_t form = take(&input);
    struct vsock_packet packet = {
        .src = {HOST, take(&input) % 4},
        .dst = {CID, PORT + (form & 1)},
        .type = VSOCK_TYPE_STREAM,
        .op = take(&input) % 9,
        .flags = take(&input) % 4,
        .buf_alloc = 1000,
    };
    size_t len = packet.op == VSOCK_OP_RW ? take(&input) * 11U : 0;

    packet.len = (uint32_t)len;
    if (form & 2)
        packet.dst.port = our_port;
    if (form & 4)
        packet.buf_alloc = take32(&input);
    if (form & 8)
        packet.fwd_cnt = take32(&input);
    if (form & 16)
        packet.len = take32(&input);
    vsock_packet_write(header, &packet);
    if (form & 32)
        header[take(&input) % VSOCK_HEADER_SIZE] = take(&input);
    if (device.client->can_receive(device.client_arg))
        device.client->receive(device.client_arg, header, bytes, len);
}

/* ---- The application ----------------------------------------------------- */

static void connect_out(struct socket **socket)
{
    const struct vsock_address host = {HOST, take(&input) % 4};

    if (socket_open_vsock(socket) == 0 &&
        socket_connect_start_vsock(*socket, &host) != 0) {
        socket_close(*socket);
        *socket = NULL;
    }
}

static void call(uint8_t step)
{
    static uint8_t bytes[BYTES];
    struct socket **socket = &sockets[take(&input) % SOCKETS];
    size_t size = 1 + take(&input) * 11U;
    int64_t got = 0;

    if (*socket == NULL) {
        if (step & 1)
            connect_out(socket);
        else if (socket_accept(listener, socket, 0) != 0)
            *socket = NULL;
        return;
    }
    switch (step % 6) {
    case 0:
        got = socket_read(*socket, bytes, size, 0);
        break;
    case 1:
        got = socket_write(*socket, bytes, size, 0);
        break;
    case 2:
        got = socket_shutdown(*socket);
        break;
    case 3:
        got = socket_peek(*socket, bytes, size, 0);
        break;
    case 4:
        socket_close(*socket);
        *socket = NULL;
        break;
    default:
        socket_abort(*socket);
        *socket = NULL;
        break;
    }
    must(got <= (int64_t)size);
}

/* ---- A run --------------------------------------------------------------- */

static void receive(struct service *service, struct socket *socket)
{
    uint8_t bytes[100];
    int64_t got;

    (void)service;
    while ((got = socket_receive(socket, bytes, sizeof(bytes))) > 0) {
        if (socket_send(socket, bytes, (size_t)got) < got)
            break;
    }
    if (got != -EAGAIN)
        socket_close(socket);
}

static void step_run(uint8_t step)
{
    switch (step % 8) {
    case 0:
        clock_set(clock_now() + take(&input) * (NS_PER_S / 16));
        timer_run(time_ns());
        break;
    case 1:
        is_full = true;
        break;
    case 2:
        is_full = false;
        device.client->writable(device.client_arg);
        break;
    case 3:
        thread_yield();
        break;
    case 4:
    case 5:
        call(step / 8);
        break;
    default:
        packet_come();
        break;
    }
    if (step == 0xfb)
        device.client->reset(device.client_arg);
    vsock_check(device.client_arg);
}

/* One machine for all runs, which is as it was behind each. */
static struct vsock_stack *machine_get(void)
{
    static struct service service = {.receive = receive, .backlog = 3};
    static struct vsock_stack *stack;

    if (stack != NULL)
        return stack;
    device = (struct vsock_device){.ops = &ops, .data_max = 1000, .cid = CID};
    machine_attach(4 << 20);
    clock_set(NS_PER_S);
    must(vsock_device_register(&device) == 0);
    must(vsock_stack_get(&stack) == 0);
    must(service_register_vsock(&service, SERVICE) == 0);
    must(timer_set(&stack->tick, TIME_NEVER) == 0); /* the queue has grown */
    timer_cancel(&stack->tick);
    return stack;
}

static void end(struct vsock_stack *stack)
{
    is_full = false;
    device.client->writable(stack);
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (sockets[i] != NULL)
            socket_close(sockets[i]);
    }
    socket_close(listener);
    device.client->reset(stack);
    for (unsigned i = 0; i < 8; i++) /* the service closes its own */
        thread_yield();
    must(stack->count == 0);
    timer_cancel(&stack->tick);
    stack->next_port = 2000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vsock_stack *stack = machine_get();
    size_t blocks = stats().block_count;

    input = (struct input){data, size};
    memset(sockets, 0, sizeof(sockets));
    our_port = 0;
    must(socket_open_vsock(&listener) == 0);
    must(socket_bind_vsock(listener, PORT) == 0);
    must(socket_listen(listener, 2) == 0);
    while (input.len > 0)
        step_run(take(&input));
    end(stack);
    must(stats().block_count <= blocks);
    return 0;
}
