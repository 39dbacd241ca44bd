/* What IPv4 does beyond what a server of TCP needs: struct ip4_more. */
#include "kernel/lib/bytes.h"
#include "net/group.h"
#include "net/icmp.h"
#include "net/ip4.h"
#include "net/reassembly.h"
#include "net/stack.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    LOOP_MAX = 64,       /* datagrams that were sent to ourselves */
    LOOP_BUDGET = 16,    /* of them between two polls of the card */
    FRAGMENTS_SHARE = 4, /* of the packets: a quarter may wait */
};

static void fragment_receive(struct net_stack *stack, struct packet *packet,
                             const struct ip4_header *header)
{
    const struct fragment fragment = {
        .key = {.src = addr_of_ip4(header->src),
                .dst = addr_of_ip4(header->dst),
                .id = header->id,
                .protocol = header->protocol},
        .offset = header->fragment_offset,
        .header_len = (uint32_t)header->header_len,
        .is_last = !header->more_fragments,
    };
    struct ip4_header whole;
    int error;

    error = packet_pull(packet, header->header_len);
    assert(error == 0); /* ip4_parse() has checked the length */
    packet = reassembly_add(stack, &fragment, packet);
    if (packet == NULL)
        return;
    packet->hops = PACKET_NO_FRAME;
    if (ip4_parse_quoted(packet->data, packet->len, &whole) != 0 ||
        (whole.protocol == IP4_TCP && packet->rest > 0)) {
        stack->stats.ip_bad++; /* TCP takes segments in one piece */
        packet_put(packet);
        return;
    }
    ip4_deliver(stack, packet, &whole);
}

static bool loop_poll(struct net_stack *stack)
{
    for (unsigned i = 0; i < LOOP_BUDGET; i++) {
        struct queue_node *node = queue_pop(&stack->loop);
        struct packet *packet;
        struct ip4_header header;

        if (node == NULL)
            return false;
        stack->loop_count--;
        packet = container_of(node, struct packet, node);
        if (ip4_parse(packet->data, packet->len, &header) != 0) {
            stack->stats.ip_bad++;
            packet_put(packet);
            continue;
        }
        stack->stats.ip_in++;
        if (stack->group != NULL)
            stack->group->looped(stack, packet);
        ip4_deliver(stack, packet, &header);
    }
    return true;
}

/* To ourselves. Takes the packet. */
static void loop_send(struct net_stack *stack, struct packet *packet)
{
    if (stack->loop_count >= LOOP_MAX) {
        stack->stats.frames_dropped++;
        packet_put(packet);
        return;
    }
    packet->hops = PACKET_NO_FRAME;
    queue_push(&stack->loop, &packet->node);
    stack->loop_count++;
    wait_wake_one(&stack->wake);
}

/* To all hosts of the link, or to those of a group (RFC 1112, 6.4). Takes the
 * packet. */
static void group_send(struct net_stack *stack, struct packet *packet,
                       uint32_t group)
{
    uint8_t mac[ETHER_ADDR_SIZE];

    memset(mac, 0xff, sizeof(mac));
    if (ip4_is_multicast(group)) {
        memcpy(mac, "\x01\x00\x5e", 3);
        be32_put(mac + 2, 0x5e000000 | (group & 0x007fffff));
    }
    neigh_frame(stack, packet, mac, ETHER_TYPE_IP4);
}

static bool send_special(struct net_stack *stack, struct packet *packet,
                         uint32_t remote)
{
    if (ip4_is_loop(remote) || ip4_is_ours(stack, remote))
        loop_send(stack, packet);
    else if (ip4_is_broadcast(stack, remote) || ip4_is_multicast(remote))
        group_send(stack, packet, remote);
    else
        return false;
    return true;
}

static void fini(struct net_stack *stack)
{
    struct queue_node *node;

    reassembly_fini(stack);
    while ((node = queue_pop(&stack->loop)) != NULL)
        packet_put(container_of(node, struct packet, node));
}

static void check(const struct net_stack *stack)
{
    unsigned count = 0;

    reassembly_check(stack);
    for (struct queue_node *node = stack->loop.head; node != NULL;
         node = node->next)
        count++;
    assert(count == stack->loop_count && count <= LOOP_MAX);
}

static const struct ip4_more more = {
    .fragment = fragment_receive,
    .send = send_special,
    .poll = loop_poll,
    .fini = fini,
    .check = check,
};

static void complete_next(struct net_stack *stack, struct group_letter *letter)
{
    (void)letter;
    ip4_complete(stack);
}

void ip4_complete(struct net_stack *stack)
{
    const struct net_group *group = stack->group;

    if (stack->ip4_more != NULL)
        return;
    reassembly_init(stack, stack->packet_count / FRAGMENTS_SHARE);
    stack->reassembly.expired4 = icmp_expired;
    stack->ip4_more = &more;
    if (group == NULL || group->count == 1)
        return;
    /* The first of a group gets the fragments, and any of them answers what is
     * sent to ourselves: it goes round. */
    stack->complete.arrive = complete_next;
    group->send(group, (stack->member + 1) % group->count, &stack->complete);
}
