/* UDP: sockets, and the datagrams for them. */
#include "net/udp.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/checksum.h"
#include "kernel/lib/minmax.h"
#include "net/group.h"
#include "net/ip.h"
#include "net/ip4.h"
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/string.h>

enum {
    UDP_BUCKETS = 64, /* a power of two */
    PORT_TRIES = 64,
};

struct udp_table {
    struct list bucket[UDP_BUCKETS]; /* struct udp_socket, by local port */
    unsigned queued;                 /* packets, of all sockets */
    unsigned queued_max;
};

struct udp_socket {
    struct list link; /* in table->bucket[] */
    struct net_stack *stack;
    struct flow flow;      /* none, 0: any */
    struct queue received; /* packets: see struct origin */
    unsigned received_count;
    int error; /* of a datagram that was sent; 0: none */
    struct wait_queue readable;
    void (*changed)(void *arg); /* NULL: nobody watches */
    void *changed_arg;
    struct dst dst; /* the way to where it is connected */
};

/* In front of the payload of a packet that was received. */
struct origin {
    struct net_addr addr;
    uint16_t port;
};

static struct list *bucket_of(struct udp_table *table, uint16_t port)
{
    return &table->bucket[port & (UDP_BUCKETS - 1)];
}

static bool is_any_or(const struct net_addr *have, const struct net_addr *addr)
{
    return addr_is_none(have) || addr_equal(have, addr);
}

/* The socket that a datagram of this flow is for, which no other one is for:
 * is_taken(). NULL: none. */
static struct udp_socket *socket_find(struct udp_table *table,
                                      const struct flow *flow)
{
    list_for_each (node, bucket_of(table, flow->lport)) {
        struct udp_socket *socket = container_of(node, struct udp_socket, link);
        const struct flow *own = &socket->flow;

        if (own->lport == flow->lport && is_any_or(&own->local, &flow->local) &&
            is_any_or(&own->remote, &flow->remote) &&
            (own->rport == 0 || own->rport == flow->rport))
            return socket;
    }
    return NULL;
}

/* ---- In ------------------------------------------------------------------ */

/* The sum of a packet's payload and of the pseudo header; 0: it is right. */
static uint16_t sum_of(const struct packet *packet, const struct ip_info *info)
{
    uint32_t sum = addr_pseudo_sum(&info->src, &info->dst, info->protocol,
                                   packet_len(packet));

    sum = checksum_add(sum, packet->data, packet->len);
    /* Only the last fragment of a datagram may have an odd length. */
    for (unsigned i = 0; i < packet->slice_count; i++) {
        const struct slice *slice = &packet->slices[i];

        sum = checksum_add(sum, slice->buf->base + slice->offset, slice->len);
    }
    return checksum_finish(sum);
}

static bool sum_is_right(const struct packet *packet,
                         const struct ip_info *info,
                         const struct udp_header *header)
{
    if (packet->offload.csum_valid || packet->offload.csum_partial)
        return true;
    if (header->sum == 0) /* none was made; IPv6 needs one: RFC 8200, 8.1 */
        return addr_is_ip4(&info->src);
    return sum_of(packet, info) == 0;
}

static void wake(struct udp_socket *socket)
{
    wait_wake_one(&socket->readable);
    if (socket->changed != NULL)
        socket->changed(socket->changed_arg);
}

/* How many packets of the pool a datagram holds: one that was reassembled has
 * its fragments as slices. */
static unsigned packets_of(const struct packet *packet)
{
    return 1 + packet->slice_count;
}

/* Keep a datagram for the socket, with `origin` in front. Takes the packet. */
static void socket_queue(struct udp_socket *socket, struct packet *packet,
                         const struct origin *origin)
{
    struct net_stack *stack = socket->stack;
    struct udp_table *table = stack->udp;
    uint8_t *start = packet_push(packet, sizeof(*origin));

    /* Where its IP and UDP headers were is room for that. */
    assert(start != NULL);
    if (socket->received_count >= UDP_QUEUE_MAX ||
        table->queued + packets_of(packet) > table->queued_max) {
        stack->stats.udp_full++;
        packet_put(packet);
        return;
    }
    memcpy(start, origin, sizeof(*origin));
    queue_push(&socket->received, &packet->node);
    socket->received_count++;
    table->queued += packets_of(packet);
    wake(socket);
}

static void on_receive(struct net_stack *stack, struct packet *packet,
                       const struct ip_info *info)
{
    struct origin origin = {.addr = info->src};
    struct flow flow = {.local = info->dst, .remote = info->src};
    struct udp_header header;
    struct udp_socket *socket;
    int error;

    stack->stats.udp_in++;
    if (udp_parse(packet->data, packet->len, &header) != 0 ||
        header.len > packet_len(packet)) {
        stack->stats.udp_bad++;
        packet_put(packet);
        return;
    }
    if (header.len < packet_len(packet) && !packet_may_cut(packet)) {
        stack->stats.udp_bad++; /* nobody has reason to send it */
        packet_put(packet);
        return;
    }
    packet_trim(packet, header.len);
    if (!sum_is_right(packet, info, &header)) {
        stack->stats.udp_bad++;
        packet_put(packet);
        return;
    }
    flow.lport = header.dst_port;
    flow.rport = origin.port = header.src_port;
    socket = socket_find(stack->udp, &flow);
    if (socket == NULL && !info->to_group && stack->group != NULL &&
        stack->group->pass(stack, packet, info->header_len))
        return;
    if (socket == NULL) {
        stack->stats.udp_no_port++;
        ip_port_unreachable(stack, packet, info);
        packet_put(packet);
        return;
    }
    error = packet_pull(packet, UDP_HEADER_SIZE);
    assert(error == 0); /* udp_parse() has checked the length */
    socket_queue(socket, packet, &origin);
}

/* An ICMP message about a datagram of ours: only a connected socket believes
 * it, which is harder to guess (RFC 1122, 4.1.3.3). */
static void on_failed(struct net_stack *stack, const struct ip_info *info,
                      const uint8_t *quote, const struct ip_failure *failure)
{
    const struct flow flow = {
        .local = info->src,
        .remote = info->dst,
        .lport = be16_get(quote),
        .rport = be16_get(quote + 2),
    };
    struct udp_socket *socket = socket_find(stack->udp, &flow);

    if (socket == NULL || socket->flow.rport == 0)
        return;
    socket->error = failure->error;
    wake(socket);
}

static const struct ip_protocol udp_protocol = {
    .number = IP4_UDP,
    .receive = on_receive,
    .failed = on_failed,
};

/* ---- Sockets ------------------------------------------------------------- */

static int table_create(struct net_stack *stack)
{
    struct udp_table *table;

    if (stack->udp != NULL)
        return 0;
    table = mem_alloc_zeroed(sizeof(*table));
    if (table == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < UDP_BUCKETS; i++)
        list_init(&table->bucket[i]);
    /* The largest datagram that is put together fits in any case. */
    table->queued_max =
        max_u32(stack->packet_count / 8,
                min_u32(REASSEMBLY_PIECES, stack->packet_count / 4));
    stack->udp = table;
    stack->udp_fini = udp_fini;
    ip_protocol_add(stack, &udp_protocol);
    ip4_complete(stack);
    return 0;
}

/* Whether two sockets would take the same datagrams. */
static bool is_taken(struct udp_table *table, const struct net_addr *local,
                     uint16_t port)
{
    list_for_each (node, bucket_of(table, port)) {
        struct udp_socket *socket = container_of(node, struct udp_socket, link);

        if (socket->flow.lport == port &&
            (addr_is_none(local) || is_any_or(&socket->flow.local, local)))
            return true;
    }
    return false;
}

/* A free port that is hard to guess: RFC 6056, 3.3.1. 0: none was found. */
static uint16_t port_choose(const struct net_stack *stack,
                            const struct net_addr *local)
{
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        uint16_t number, port;
        int error = random_bytes(&number, sizeof(number));

        (void)error; /* of those that can be guessed each is another, too */
        port = (uint16_t)(UDP_PORT_FIRST + number % UDP_PORT_COUNT);
        if (stack->group != NULL)
            port = group_port_near(stack->group, stack->member, port);
        if (!is_taken(stack->udp, local, port))
            return port;
    }
    return 0;
}

int udp_open(struct net_stack *stack, const struct net_addr *local,
             uint16_t port, struct udp_socket **out)
{
    struct udp_socket *socket;
    int error = table_create(stack);

    if (error != 0)
        return error;
    if (port == 0)
        port = port_choose(stack, local);
    if (port == 0 || is_taken(stack->udp, local, port))
        return -EADDRINUSE;
    socket = mem_alloc_zeroed(sizeof(*socket));
    if (socket == NULL)
        return -ENOMEM;
    socket->stack = stack;
    socket->flow.local = *local;
    socket->flow.lport = port;
    wait_queue_init(&socket->readable);
    list_push_back(bucket_of(stack->udp, port), &socket->link);
    *out = socket;
    return 0;
}

/* The oldest datagram that was received, or NULL. */
static struct packet *received_pop(struct udp_socket *socket)
{
    struct queue_node *node = queue_pop(&socket->received);
    struct packet *packet;

    if (node == NULL)
        return NULL;
    packet = container_of(node, struct packet, node);
    socket->received_count--;
    socket->stack->udp->queued -= packets_of(packet);
    return packet;
}

static void received_drop(struct udp_socket *socket)
{
    struct packet *packet;

    while ((packet = received_pop(socket)) != NULL)
        packet_put(packet);
}

void udp_close(struct udp_socket *socket)
{
    assert(wait_queue_empty(&socket->readable));
    received_drop(socket);
    list_remove(&socket->link);
    mem_free(socket);
}

void udp_watch(struct udp_socket *socket, void (*changed)(void *arg), void *arg)
{
    socket->changed = changed;
    socket->changed_arg = arg;
}

bool udp_is_ready(const struct udp_socket *socket)
{
    return !queue_empty(&socket->received) || socket->error != 0;
}

uint16_t udp_port(const struct udp_socket *socket)
{
    return socket->flow.lport;
}

int udp_connect(struct udp_socket *socket, const struct net_addr *remote,
                uint16_t port)
{
    if (addr_is_none(remote) || port == 0)
        return -EINVAL;
    received_drop(socket);
    socket->flow.remote = *remote;
    socket->flow.rport = port;
    socket->error = 0;
    socket->dst = (struct dst){.may_fragment = true};
    return 0;
}

/* ---- Out ----------------------------------------------------------------- */

static int take_error(struct udp_socket *socket)
{
    int error = socket->error;

    socket->error = 0;
    return error;
}

/* Put the header in front of the payload in `packet` and send it. */
static void datagram_send(struct net_stack *stack, struct packet *packet,
                          const struct flow *flow, struct dst *dst)
{
    uint8_t *start = packet_push(packet, UDP_HEADER_SIZE);
    const struct ip_info info = {
        .src = flow->local,
        .dst = flow->remote,
        .protocol = IP4_UDP,
    };
    struct udp_header header = {
        .src_port = flow->lport,
        .dst_port = flow->rport,
        .len = (uint16_t)packet->len,
    };

    udp_emit(start, &header);
    header.sum = sum_of(packet, &info);
    if (header.sum == 0)
        header.sum = UINT16_MAX; /* 0 means none */
    udp_emit(start, &header);
    stack->stats.udp_out++;
    stack_tick(stack);
    ip_output(stack, packet, flow, dst);
}

/* The flow of a datagram to `remote`:`port`. Returns 0, -EINVAL (no such
 * destination), -EHOSTUNREACH (we have no address to send from). */
static int flow_make(const struct udp_socket *socket,
                     const struct net_addr *remote, uint16_t port,
                     struct flow *out)
{
    const struct net_stack *stack = socket->stack;
    struct flow flow = {
        .local = socket->flow.local,
        .remote = *remote,
        .lport = socket->flow.lport,
        .rport = port,
        .protocol = IP4_UDP,
    };

    if (port == 0 || (stack->ip6 == NULL && !addr_is_ip4(remote)))
        return -EINVAL;
    if (addr_is_none(&flow.local))
        flow.local = ip_source(stack, remote);
    else if (addr_is_ip4(&flow.local) != addr_is_ip4(remote))
        return -EINVAL;
    if (addr_is_none(&flow.local))
        return -EHOSTUNREACH;
    *out = flow;
    return 0;
}

int udp_send(struct udp_socket *socket, const struct net_addr *remote,
             uint16_t port, const void *data, size_t len)
{
    struct dst other = {.may_fragment = true};
    struct dst *dst = remote == NULL ? &socket->dst : &other;
    struct packet *packet;
    struct flow flow;
    uint8_t *start;
    int error = take_error(socket);

    if (error != 0)
        return error;
    if (remote == NULL) {
        remote = &socket->flow.remote;
        port = socket->flow.rport;
    }
    error = flow_make(socket, remote, port, &flow);
    if (error != 0)
        return error;
    if (len + ip_header_size(&flow) + UDP_HEADER_SIZE >
        ip_link_mtu(socket->stack, &flow))
        return -EMSGSIZE;
    packet = stack_packet(socket->stack);
    if (packet == NULL)
        return -ENOBUFS;
    start = packet_append(packet, len);
    assert(start != NULL);
    if (len > 0)
        memcpy(start, data, len);
    datagram_send(socket->stack, packet, &flow, dst);
    return 0;
}

int64_t udp_receive(struct udp_socket *socket, struct flow *from, void *buf,
                    size_t size, uint64_t deadline_ns)
{
    struct origin origin;
    struct packet *packet;
    int64_t len;

    while (queue_empty(&socket->received) && socket->error == 0) {
        if (net_now(socket->stack) >= deadline_ns ||
            wait_on_until(&socket->readable, deadline_ns) != 0)
            return -ETIMEDOUT;
    }
    if (socket->error != 0)
        return take_error(socket);
    packet = received_pop(socket);
    packet_read(packet, 0, &origin, sizeof(origin));
    len = packet_len(packet) - (int64_t)sizeof(origin);
    packet_read(packet, sizeof(origin), buf, min_size(size, (size_t)len));
    packet_put(packet);
    if (from != NULL)
        *from = (struct flow){.local = socket->flow.local,
                              .remote = origin.addr,
                              .lport = socket->flow.lport,
                              .rport = origin.port,
                              .protocol = IP4_UDP};
    return len;
}

/* ---- The end, and what must be true -------------------------------------- */

void udp_fini(struct net_stack *stack)
{
    struct udp_table *table = stack->udp;

    for (unsigned i = 0; i < UDP_BUCKETS; i++) {
        while (!list_empty(&table->bucket[i]))
            udp_close(
                container_of(table->bucket[i].next, struct udp_socket, link));
    }
    mem_free(table);
    stack->udp = NULL;
}

/* Returns how many packets it holds. */
static unsigned socket_check(const struct udp_socket *socket, unsigned bucket)
{
    unsigned count = 0;
    unsigned packets = 0;

    assert((socket->flow.lport & (UDP_BUCKETS - 1)) == bucket);
    assert(socket->flow.lport != 0);
    assert((socket->flow.rport == 0) == addr_is_none(&socket->flow.remote));
    for (struct queue_node *node = socket->received.head; node != NULL;
         node = node->next) {
        const struct packet *packet = container_of(node, struct packet, node);

        packet_check(packet);
        packets += packets_of(packet);
        count++;
    }
    assert(count == socket->received_count && count <= UDP_QUEUE_MAX);
    wait_queue_check(&socket->readable);
    return packets;
}

void udp_check(const struct net_stack *stack)
{
    const struct udp_table *table = stack->udp;
    unsigned queued = 0;

    if (table == NULL)
        return;
    for (unsigned i = 0; i < UDP_BUCKETS; i++) {
        list_for_each (node, &table->bucket[i])
            queued +=
                socket_check(container_of(node, struct udp_socket, link), i);
    }
    assert(queued == table->queued && queued <= table->queued_max);
}
