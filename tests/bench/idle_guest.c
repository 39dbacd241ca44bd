/*
 * Many idle connections to a web server on each CPU: what one costs in memory,
 * and what a packet costs in guest instructions among few and among many. An
 * image; tools/bench_idle.sh boots it and counts. Its argument is how many
 * connections each CPU has.
 *
 * Each CPU has a card of its own here, and peers on the other side of that: no
 * driver, no wire, so all that is counted is the stack and the server.
 *
 * Prints "bench NAME PACKETS" for each pair of marks on CPU 0, in their order,
 * and "idle ..." lines with bytes.
 */
#include "apps/bench/marks.h"
#include "hal/hal.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/netdev.h"
#include "kernel/device/packet.h"
#include "kernel/lib/bytes.h"
#include "net/flow.h"
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/app.h>
#include <torc/format.h>
#include <torc/http.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    FEW = 10, /* connections that the first measurement has, and a batch */
    BATCHES = 20,
    FRAME_MAX = 512,
    RING = 32,
    CPUS = 8,
    OURS = 0x0a000001,
    GATEWAY = 0x0a0000fe,
    PEERS = 0x0a010000, /* and those after it, PORTS connections each */
    PORTS = 100,
    PEER_WINDOW = 60000,
    TURNS_MAX = 100000,
};

#define PAUSE_NS (250 * NS_PER_MS)

/* ---- A card without a wire ----------------------------------------------- */

struct ring {
    unsigned head, count;
    uint16_t len[RING];
    uint8_t frame[RING][FRAME_MAX];
};

struct peer {
    uint32_t seq; /* next to be sent */
    uint32_t ack; /* next expected */
};

/* All that a CPU has. Owner: that CPU; CPU 0 looks when its threads ended. */
struct world {
    struct net_device dev; /* first */
    struct ring sent, coming;
    struct peer *peers;
    unsigned opened, wanted;
    unsigned answers; /* segments with data that have come */
    size_t bytes;     /* that the connections behind the first ones took */
    int status;
};

static struct world *worlds[CPUS]; /* each set by its CPU, before it is read */

static uint8_t *ring_push(struct ring *ring, size_t len)
{
    unsigned at = (ring->head + ring->count) % RING;

    if (ring->count == RING || len > FRAME_MAX)
        return NULL;
    ring->count++;
    ring->len[at] = (uint16_t)len;
    return ring->frame[at];
}

static uint8_t *ring_pop(struct ring *ring, size_t *len)
{
    unsigned at = ring->head;

    if (ring->count == 0)
        return NULL;
    ring->head = (at + 1) % RING;
    ring->count--;
    *len = ring->len[at];
    return ring->frame[at];
}

static unsigned card_send(struct net_queue *queue,
                          struct packet *const packets[], unsigned count)
{
    struct world *world = (struct world *)queue->device;

    for (unsigned i = 0; i < count; i++) {
        size_t len = packet_len(packets[i]);
        uint8_t *to = ring_push(&world->sent, len);

        if (to == NULL)
            return i;
        (void)packet_read(packets[i], 0, to, len);
        packet_put(packets[i]);
    }
    return count;
}

static unsigned card_poll(struct net_queue *queue, struct packet *packets[],
                          unsigned max)
{
    struct world *world = (struct world *)queue->device;
    unsigned count = 0;
    size_t len = 0;

    while (count < max && world->coming.count > 0) {
        const uint8_t *from;

        packets[count] = packet_get();
        if (packets[count] == NULL)
            break;
        from = ring_pop(&world->coming, &len);
        memcpy(packet_append(packets[count++], len), from, len);
    }
    return count;
}

static bool card_arm(struct net_queue *queue, bool on)
{
    return !on || ((struct world *)queue->device)->coming.count == 0;
}

static int card_start(struct device *device)
{
    (void)device;
    return 0;
}

static void card_init(struct world *world)
{
    static const struct net_ops ops = {
        .send = card_send, .poll = card_poll, .arm = card_arm};
    struct net_device *dev = &world->dev;

    dev->ops = &ops;
    dev->mtu = 1500;
    dev->queue_max = dev->queue_count = 1;
    dev->queues[0].device = dev;
    dev->queues[0].cpu = cpu_id();
    dev->device.class = DEVICE_NET;
    dev->device.owner = (int)cpu_id();
    dev->device.start = card_start;
    fmt_print(dev->device.name, sizeof(dev->device.name), "idle%u", cpu_id());
    dev->mac[0] = 2;
}

/* ---- Peers --------------------------------------------------------------- */

static const uint8_t peer_mac[ETHER_ADDR_SIZE] = {2, 1};

static void inject(struct world *world, unsigned i, struct tcp_segment *segment,
                   const char *data)
{
    struct peer *peer = &world->peers[i];
    size_t data_len = str_len(data, FRAME_MAX);
    struct ip4_header ip = {.src = PEERS + i / PORTS,
                            .dst = OURS,
                            .protocol = IP4_TCP,
                            .ttl = IP4_TTL,
                            .header_len = IP4_HEADER_SIZE};
    size_t header, len;
    uint8_t *frame;

    segment->src_port = (uint16_t)(10000 + i % PORTS);
    segment->dst_port = 80;
    segment->seq = peer->seq;
    segment->ack = peer->ack;
    segment->window = PEER_WINDOW;
    header = tcp_header_len(segment);
    len = header + data_len;
    frame =
        ring_push(&world->coming, ETHER_HEADER_SIZE + IP4_HEADER_SIZE + len);
    ether_put(frame, world->dev.mac, peer_mac, ETHER_TYPE_IP4);
    frame += ETHER_HEADER_SIZE;
    ip.total_len = IP4_HEADER_SIZE + len;
    ip4_emit(frame, &ip);
    frame += IP4_HEADER_SIZE;
    memcpy(frame + header, data, data_len);
    tcp_emit(frame, len, ip4_pseudo_sum(ip.src, ip.dst, IP4_TCP, len),
             WIRE_SUM_HERE, segment);
    peer->seq += (uint32_t)data_len + ((segment->flags & TCP_SYN) != 0);
}

static void inject_ack(struct world *world, unsigned i, const char *data)
{
    struct tcp_segment segment = {.flags = TCP_ACK};

    inject(world, i, &segment, data);
}

/* The gateway tells where it is. */
static void answer_arp(struct world *world)
{
    struct arp_message message = {
        .op = ARP_REPLY, .sender = GATEWAY, .target = OURS};
    uint8_t *frame = ring_push(&world->coming, ETHER_HEADER_SIZE + ARP_SIZE);

    memcpy(message.sender_mac, peer_mac, ETHER_ADDR_SIZE);
    memcpy(message.target_mac, world->dev.mac, ETHER_ADDR_SIZE);
    ether_put(frame, world->dev.mac, peer_mac, ETHER_TYPE_ARP);
    arp_emit(frame + ETHER_HEADER_SIZE, &message);
}

/* Take what the stack has sent. */
static void collect(struct world *world)
{
    const uint8_t *frame;
    size_t len;

    while ((frame = ring_pop(&world->sent, &len)) != NULL) {
        const uint8_t *ip = frame + ETHER_HEADER_SIZE;
        const uint8_t *tcp = ip + IP4_HEADER_SIZE;
        struct tcp_segment segment;
        unsigned i;

        if (be16_get(frame + 12) == ETHER_TYPE_ARP) {
            if (be32_get(ip + 24) == GATEWAY)
                answer_arp(world);
            continue;
        }
        len = be16_get(ip + 2) - (size_t)IP4_HEADER_SIZE;
        if (tcp_parse(tcp, len, 0, WIRE_SUM_BY_CARD, &segment) != 0)
            continue;
        i = (be32_get(ip + 16) - PEERS) * PORTS + segment.dst_port - 10000U;
        world->peers[i].ack = segment.seq + (uint32_t)segment.payload_len +
                              ((segment.flags & (TCP_SYN | TCP_FIN)) != 0);
        world->answers +=
            (segment.flags & TCP_SYN) != 0 || segment.payload_len > 0;
    }
}

/* Let the stack and the server run until all that comes is taken, and `answers`
 * frames were sent. Returns whether they were. */
static bool run(struct world *world, unsigned answers)
{
    struct net_queue *queue = &world->dev.queues[0];
    unsigned turns = 0;

    queue->wake(queue);
    while (world->coming.count > 0 || world->sent.count < answers) {
        if (++turns == TURNS_MAX)
            return false;
        thread_yield();
    }
    for (unsigned i = 0; i < 2; i++)
        thread_yield();
    return true;
}

static const char request[] = "GET / HTTP/1.1\r\nHost: torc\r\n\r\n";

/* A connection begins: each step is answered by one segment, or by none. */
static bool open_one(struct world *world)
{
    struct tcp_segment syn = {.flags = TCP_SYN,
                              .options = {.mss = 1460,
                                          .has_scale = true,
                                          .scale = 7,
                                          .sack_permitted = true}};
    unsigned i = world->opened++;

    inject(world, i, &syn, "");
    world->answers = 0;
    for (unsigned tries = 0; world->answers == 0; tries++) { /* ARP before */
        if (tries == 3 || !run(world, 1))
            return false;
        collect(world);
    }
    inject_ack(world, i, request);
    if (!run(world, 1))
        return false;
    collect(world);
    inject_ack(world, i, "");
    return run(world, 0);
}

/* ---- The server ---------------------------------------------------------- */

static void hello(struct http_exchange *exchange)
{
    http_respond_text(exchange, 200, "text/plain", "Hello World!\n");
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = hello}};

static int serve(struct world *world)
{
    static const struct net_config config = {OURS, 0xffffff00, GATEWAY};
    struct http_server *server = mem_alloc_zeroed(sizeof(*server));
    int status;

    if (server == NULL)
        return -ENOMEM;
    *server = (struct http_server){.name = "idle",
                                   .port = 80,
                                   .routes = routes,
                                   .route_count = COUNT_OF(routes),
                                   .connections_max = 65536,
                                   .idle_ns = 3600 * NS_PER_S};
    status = net_start(&world->dev.device, &config);
    return status != 0 ? status : http_serve(server);
}

/* ---- On each CPU --------------------------------------------------------- */

static bool open_more(struct world *world, unsigned end)
{
    while (world->opened < end) {
        if (!open_one(world)) {
            log_error("connection %u of CPU %u is not answered", world->opened,
                      cpu_id());
            return false;
        }
    }
    return true;
}

static int begin(void *arg)
{
    unsigned wanted = (unsigned)(uintptr_t)arg;
    struct world *world = mem_alloc_zeroed(sizeof(*world));

    if (world == NULL)
        return 1;
    worlds[cpu_id()] = world;
    world->wanted = wanted;
    world->peers = mem_alloc_zeroed(wanted * sizeof(*world->peers));
    if (world->peers == NULL)
        return 1;
    card_init(world);
    if (serve(world) != 0)
        return 1;
    return !open_more(world, FEW);
}

static size_t bytes_used(void)
{
    struct mem_stats memory;

    mem_trim();
    mem_get_stats(&memory);
    return memory.total_bytes - memory.free_bytes;
}

static int go_on(void *arg)
{
    struct world *world = worlds[cpu_id()];
    size_t before = bytes_used();

    (void)arg;
    if (!open_more(world, world->wanted))
        return 1;
    world->bytes = bytes_used() - before;
    return 0;
}

static bool each_cpu(int (*fn)(void *), void *arg)
{
    thread_id id[CPUS];
    bool good = true;

    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {
            .name = "peers", .place = THREAD_ON_CPU, .cpu = cpu};

        if (thread_create(&attr, fn, arg, &id[cpu]) != 0)
            return false;
    }
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        int status = 1;

        good = thread_join(id[cpu], &status) == 0 && status == 0 && good;
    }
    return good;
}

/* ---- What is counted ----------------------------------------------------- */

/* Requests of FEW connections and their answers; then the acknowledgements of
 * these. */
static bool measure(const char *name, unsigned among)
{
    struct world *world = worlds[0];
    unsigned step = among / (BATCHES * FEW) > 0 ? among / (BATCHES * FEW) : 1;

    for (unsigned batch = 0; batch < BATCHES; batch++) {
        unsigned first = batch * FEW * step % among;
        bool good;

        /* What has been silent for a while begins anew: in both cases. */
        thread_sleep_until(time_ns() + PAUSE_NS);
        for (unsigned i = 0; i < FEW; i++)
            inject_ack(world, (first + i * step) % among, request);
        bench_begin();
        good = run(world, FEW);
        bench_end();
        console_print("bench request-%s %u\n", name, 2 * FEW);
        if (!good)
            return false;
        collect(world);
        for (unsigned i = 0; i < FEW; i++)
            inject_ack(world, (first + i * step) % among, "");
        bench_begin();
        good = run(world, 0);
        bench_end();
        console_print("bench ack-%s %u\n", name, FEW);
        if (!good)
            return false;
        collect(world);
    }
    return true;
}

static int app_main(int argc, char **argv)
{
    uint64_t wanted = 0;
    uint64_t bytes = 0, count = 0;

    if (argc != 2 || str_to_u64(argv[1], &wanted) != 0 || wanted <= FEW ||
        wanted > 65536 || cpu_count() > CPUS) {
        log_error("idle_guest CONNECTIONS, of each of at most %u CPUs", CPUS);
        return 2;
    }
    if (!each_cpu(begin, (void *)(uintptr_t)wanted) || !measure("few", FEW) ||
        !each_cpu(go_on, NULL) || !measure("many", (unsigned)wanted))
        return 1;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        bytes += worlds[cpu]->bytes;
        count += wanted - FEW;
    }
    console_print("idle %u CPUs %u connections %u bytes each\n", cpu_count(),
                  (unsigned)(count + cpu_count() * FEW),
                  (unsigned)(bytes / count));
    return 0;
}

static const struct driver *const drivers[] = {NULL};

const struct torc_app torc_app = {.name = "idle_guest",
                                  .main = app_main,
                                  .has_arguments = true,
                                  .drivers = drivers};
