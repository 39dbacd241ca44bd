/*
 * ICMP: echo replies, errors about protocols and ports we do not serve, and the
 * path MTU for TCP. RFC 792, RFC 1122 section 3.2.2, RFC 1191.
 */
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include "net/ip4.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/string.h>
#include <torc/time.h>

enum {
    ERRORS_PER_SECOND = 100,
    QUOTE_BYTES = 8, /* of the payload that an error quotes: RFC 792 */
};

static void echo_reply(struct net_stack *stack, struct packet *packet,
                       const struct ip4_header *header, uint32_t rest)
{
    const struct icmp4_message reply = {
        .type = ICMP4_ECHO_REPLY,
        .rest = rest,
    };

    /* What the card has said of the request is no wish for the reply. */
    packet->offload = (struct packet_offload){.segments = PACKET_WHOLE};
    icmp4_emit(packet->data, packet->len, &reply);
    stack->stats.icmp_out++;
    ip4_send(stack, packet, header->src, IP4_ICMP);
}

/*
 * A router has dropped a datagram of ours because its next link has an MTU of
 * `rest` bytes; an old one does not say how many. The message quotes the
 * datagram; TCP checks that we have sent it.
 */
static void path_too_small(struct net_stack *stack, const struct packet *packet,
                           uint32_t rest)
{
    const uint8_t *quote = packet->data + ICMP4_HEADER_SIZE;
    size_t len = packet->len - ICMP4_HEADER_SIZE;
    struct ip4_header inner;

    if (ip4_parse_quoted(quote, len, &inner) != 0 ||
        inner.protocol != IP4_TCP || inner.src != stack->config.address ||
        len - inner.header_len < QUOTE_BYTES) {
        stack->stats.icmp_bad++;
        return;
    }
    quote += inner.header_len;
    tcp_path_mtu(stack, inner.dst, be16_get(quote + 2), be16_get(quote),
                 be32_get(quote + 4), rest & UINT16_MAX,
                 (uint32_t)inner.total_len);
}

void icmp_receive(struct net_stack *stack, struct packet *packet,
                  const struct ip4_header *header)
{
    struct icmp4_message message;

    stack->stats.icmp_in++;
    if (icmp4_parse(packet->data, packet->len, &message) != 0) {
        stack->stats.icmp_bad++;
        packet_put(packet);
        return;
    }
    if (message.type == ICMP4_ECHO && message.code == 0) {
        echo_reply(stack, packet, header, message.rest);
        return;
    }
    if (message.type == ICMP4_UNREACHABLE && message.code == ICMP4_CODE_TOO_BIG)
        path_too_small(stack, packet, message.rest);
    packet_put(packet);
}

/* Whether one more error may be sent in this second; counts it. */
static bool error_allowed(struct net_stack *stack)
{
    uint64_t second = net_now(stack) / NS_PER_S;

    if (stack->icmp_second != second) {
        stack->icmp_second = second;
        stack->icmp_sent = 0;
    }
    if (stack->icmp_sent >= ERRORS_PER_SECOND) {
        stack->stats.icmp_limited++;
        return false;
    }
    stack->icmp_sent++;
    return true;
}

void icmp_unreachable(struct net_stack *stack, const struct packet *packet,
                      const struct ip4_header *header, uint8_t code)
{
    const struct icmp4_message message = {
        .type = ICMP4_UNREACHABLE,
        .code = code,
    };
    size_t quote = min_size(header->header_len + QUOTE_BYTES, packet->len);
    struct packet *error;
    uint8_t *start;

    if (!error_allowed(stack))
        return;
    error = stack_packet(stack);
    if (error == NULL)
        return;
    start = packet_append(error, ICMP4_HEADER_SIZE + quote);
    memcpy(start + ICMP4_HEADER_SIZE, packet->data, quote);
    icmp4_emit(start, ICMP4_HEADER_SIZE + quote, &message);
    stack->stats.icmp_out++;
    ip4_send(stack, error, header->src, IP4_ICMP);
}
