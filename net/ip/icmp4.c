/*
 * ICMP: echo replies, errors about protocols and ports we do not serve, and the
 * path MTU for TCP. RFC 792, RFC 1122 section 3.2.2, RFC 1191.
 */
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include "net/dst.h"
#include "net/icmp.h"
#include "net/ip.h"
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
    struct dst dst = {.source = header->dst};

    /* What the card has said of the request is no wish for the reply. */
    packet->offload = (struct packet_offload){.segments = PACKET_WHOLE};
    icmp4_emit(packet->data, packet->len, &reply);
    stack->stats.icmp_out++;
    ip4_output(stack, packet, header->src, IP4_ICMP, &dst);
}

/*
 * A router has dropped a segment of ours, which `inner` and `quote` tell,
 * because its next link has an MTU of `mtu` bytes; an old router does not say
 * how many. TCP checks that we have sent it.
 */
static void path_too_small(struct net_stack *stack,
                           const struct ip4_header *inner, const uint8_t *quote,
                           uint32_t mtu)
{
    const struct flow flow = {
        .local = addr_of_ip4(inner->src),
        .remote = addr_of_ip4(inner->dst),
        .lport = be16_get(quote),
        .rport = be16_get(quote + 2),
    };

    tcp_path_mtu(stack, &flow, be32_get(quote + 4), mtu & UINT16_MAX,
                 (uint32_t)inner->total_len);
}

/* What a socket is told: RFC 1122, 3.2.2.1. */
static int error_of(uint8_t code)
{
    return code == ICMP4_CODE_PROTOCOL || code == ICMP4_CODE_PORT
               ? -ECONNREFUSED
               : -EHOSTUNREACH;
}

/* A datagram of ours did not arrive. The message quotes it; anybody may have
 * made that up. */
static void unreachable(struct net_stack *stack, const struct packet *packet,
                        const struct icmp4_message *message)
{
    const uint8_t *quote = packet->data + ICMP4_HEADER_SIZE;
    size_t len = packet->len - ICMP4_HEADER_SIZE;
    const struct ip_protocol *protocol;
    struct ip4_header inner;
    struct ip_info info;

    if (ip4_parse_quoted(quote, len, &inner) != 0 ||
        !ip4_is_ours(stack, inner.src) ||
        len - inner.header_len < QUOTE_BYTES) {
        stack->stats.icmp_bad++;
        return;
    }
    quote += inner.header_len;
    if (inner.protocol == IP4_TCP && message->code == ICMP4_CODE_TOO_BIG) {
        path_too_small(stack, &inner, quote, message->rest);
        return;
    }
    protocol = ip_protocol_find(stack, inner.protocol);
    if (protocol == NULL || protocol->failed == NULL ||
        message->code == ICMP4_CODE_TOO_BIG) /* routers may cut it up */
        return;
    info = (struct ip_info){.src = addr_of_ip4(inner.src),
                            .dst = addr_of_ip4(inner.dst),
                            .protocol = inner.protocol};
    protocol->failed(stack, &info, quote, error_of(message->code));
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
    if (message.type == ICMP4_UNREACHABLE)
        unreachable(stack, packet, &message);
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

void icmp_error(struct net_stack *stack, const struct packet *packet,
                uint8_t type, uint8_t code)
{
    const struct icmp4_message message = {.type = type, .code = code};
    struct ip4_header header;
    struct packet *error;
    struct dst dst = {0};
    uint8_t *start;
    size_t quote;

    if (ip4_parse_quoted(packet->data, packet->len, &header) != 0 ||
        header.protocol == IP4_ICMP || !error_allowed(stack))
        return;
    error = stack_packet(stack);
    if (error == NULL)
        return;
    quote = min_size(header.header_len + QUOTE_BYTES, packet->len);
    start = packet_append(error, ICMP4_HEADER_SIZE + quote);
    memcpy(start + ICMP4_HEADER_SIZE, packet->data, quote);
    icmp4_emit(start, ICMP4_HEADER_SIZE + quote, &message);
    stack->stats.icmp_out++;
    dst.source = header.dst;
    ip4_output(stack, error, header.src, IP4_ICMP, &dst);
}

void icmp_port_unreachable(struct net_stack *stack, struct packet *packet,
                           const struct ip_info *info)
{
    if (info->to_group)
        return;
    packet_push(packet, info->header_len);
    icmp_error(stack, packet, ICMP4_UNREACHABLE, ICMP4_CODE_PORT);
}

void icmp_expired(struct net_stack *stack, struct packet *packet)
{
    icmp_error(stack, packet, ICMP4_TIME_EXCEEDED, ICMP4_CODE_REASSEMBLY);
}
