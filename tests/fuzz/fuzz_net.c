/*
 * Fuzzing the network stack from the wire.
 *
 * The input is a list of steps for a stack with an echo service: a frame as it
 * is, a frame whose lengths and checksums are made right (so that what is
 * behind them is reached), a TCP segment with numbers near those of the
 * connection, a moment of time, the card filling up. After each input
 * everything is taken down and must have left no memory behind.
 */
#include "kernel/lib/check.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>

enum { STEPS_MAX = 400, STEP_FRAME_MAX = 600 };

enum step {
    STEP_RAW,
    STEP_FIXED,
    STEP_TCP,
    STEP_TIME,
    STEP_CARD,
    STEP_MEMORY,
    STEP_COUNT,
};

struct input {
    const uint8_t *data;
    size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t take(struct input *input)
{
    if (input->len == 0)
        return 0;
    input->len--;
    return *input->data++;
}

static size_t take_bytes(struct input *input, uint8_t *out, size_t max)
{
    size_t len = take(input) * 3u;

    len = len < max ? len : max;
    len = len < input->len ? len : input->len;
    memcpy(out, input->data, len);
    input->data += len;
    input->len -= len;
    return len;
}

/* ---- The service: echoes, closes and aborts as the data say -------------- */

static void on_receive(struct service *service, struct socket *socket)
{
    uint8_t buf[300];
    int64_t got;

    (void)service;
    got = socket_receive(socket, buf, sizeof(buf));
    if (got > 0) {
        unsigned times = buf[0] == '*' ? 200 : 1;

        while (times-- > 0 && socket_send(socket, buf, (size_t)got) == got)
            continue;
        if (buf[0] == '!')
            socket_abort(socket);
        else if (buf[0] == '.')
            socket_close(socket);
    } else if (got == 0) {
        socket_close(socket);
    }
}

static struct service service = {
    .port = SERVICE_PORT, .receive = on_receive, .idle_ns = 30 * NS_PER_S};

/* ---- Steps --------------------------------------------------------------- */

/* What the stack said last, to aim near it. */
static uint32_t last_seq, last_ack;

static void drain(void)
{
    const struct fakenet_frame *frame;

    while ((frame = fakenet_sent(&bench.net)) != NULL) {
        if (frame->len < 54 || frame->data[23] != 6)
            continue;
        last_seq = peer_get32(frame->data + 38) + (frame->data[47] & 1) +
                   (frame->data[47] >> 1 & 1) + (uint32_t)frame->len - 54;
        last_ack = peer_get32(frame->data + 42);
    }
}

static void step_raw(struct input *input)
{
    uint8_t frame[STEP_FRAME_MAX];
    size_t len = take_bytes(input, frame, sizeof(frame));

    fakenet_inject(&bench.net, frame, len);
}

/* An IPv4 datagram for us with whatever is in it. */
static void step_fixed(struct input *input)
{
    uint8_t frame[STEP_FRAME_MAX];
    uint8_t *body = frame + 34;
    uint8_t protocol = take(input) & 1 ? 6 : 1;
    size_t len = take_bytes(input, body, sizeof(frame) - 34);
    uint32_t sum = 0;
    size_t at = protocol == 6 ? 16 : 2;

    if (protocol == 6)
        sum = (OUR_ADDRESS >> 16) + (OUR_ADDRESS & 0xffff) +
              (PEER_ADDRESS >> 16) + (PEER_ADDRESS & 0xffff) + 6 +
              (uint32_t)len;
    if (len >= at + 2) {
        peer_put16(body + at, 0);
        peer_put16(body + at, peer_checksum(body, len, sum));
    }
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, protocol, len));
}

static void step_tcp(struct input *input)
{
    uint8_t frame[STEP_FRAME_MAX + 100];
    uint8_t options[40];
    uint8_t data[400];
    uint8_t shape = take(input);
    struct peer_segment segment = {
        .flags = take(input),
        .port = (uint16_t)(1 + (shape & 7)),
        .seq =
            last_ack + (uint32_t)((int8_t)take(input) * (shape & 8 ? 99 : 1)),
        .ack =
            last_seq + (uint32_t)((int8_t)take(input) * (shape & 16 ? 99 : 1)),
        .window = (uint16_t)(take(input) << (shape & 32 ? 8 : 0)),
        .options = options,
        .data = data,
    };

    if (shape & 64)
        segment.options_len = take_bytes(input, options, sizeof(options)) & ~3u;
    if (shape & 128)
        segment.len = take_bytes(input, data, sizeof(data));
    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
}

static void step(struct input *input)
{
    switch (take(input) % STEP_COUNT) {
    case STEP_RAW:
        step_raw(input);
        break;
    case STEP_FIXED:
        step_fixed(input);
        break;
    case STEP_TCP:
        step_tcp(input);
        break;
    case STEP_TIME:
        bench_sleep(NS_PER_MS << take(input) % 18);
        break;
    case STEP_CARD:
        bench.net.is_full = take(input) & 1;
        break;
    case STEP_MEMORY:
        bench.stack->budget.limit =
            bench.stack->budget.used + ((size_t)take(input) << 12);
        break;
    }
    bench_run();
    drain();
}

static void start(void)
{
    static bool started;

    if (started)
        return;
    started = true;
    bench_open(64);
    bench.stack->isn_key = (struct siphash_key){{1, 2}};
    bench.stack->hash_key = (struct siphash_key){{3, 4}};
    bench_serve(&service);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input input = {data, len};
    struct mem_stats before, after;
    unsigned packets;

    start();
    bench.net.is_full = false;
    bench.stack->budget.limit = 1 << 20;
    bench_sleep(1000 * NS_PER_S);
    drain();
    last_seq = last_ack = 0;
    packets = packet_free_count();
    mem_get_stats(&before);
    for (unsigned i = 0; i < STEPS_MAX && input.len > 0; i++)
        step(&input);
    bench.net.is_full = false;
    tcp_fini(bench.stack);
    bench_run();
    bench_sleep(10 * NS_PER_S); /* ARP's last questions */
    drain();
    mem_get_stats(&after);
    assert(bench.stack->conn_count == 0);
    assert(bench.stack->budget.used == 0);
    assert(bench.stack->time_wait_count == 0);
    assert(bench.server->conn_count == 0);
    assert(bench.server->half_open_count == 0);
    assert(packet_free_count() == packets);
    assert(after.block_count <= before.block_count + 1); /* timer queue */
    return 0;
}
