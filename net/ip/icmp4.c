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

/* What a socket is told: RFC 1122, 3.2.2.1 and 3.2.2.4. */
static struct ip_failure failure_of(const struct icmp4_message *message)
{
    bool is_expired = message->type == ICMP4_TIME_EXCEEDED;
    struct ip_failure failure = {
        .error = -EHOSTUNREACH,
        .is_expired = is_expired && message->code == ICMP4_CODE_TRANSIT,
    };

    if (is_expired)
        return failure;
    if (message->code == ICMP4_CODE_PROTOCOL ||
        message->code == ICMP4_CODE_PORT)
        failure.error = -ECONNREFUSED;
    if (message->code == ICMP4_CODE_TOO_BIG) {
        failure.error = -EMSGSIZE;
        failure.mtu = (uint16_t)message->rest;
    }
    return failure;
}

/* Tell the protocol that has sent it. */
static void failed_tell(struct net_stack *stack, const struct ip4_header *inner,
                        const uint8_t *quote, const struct ip_failure *failure)
{
    const struct ip_protocol *protocol =
        ip_protocol_find(stack, inner->protocol);
    const struct ip_info info = {.src = addr_of_ip4(inner->src),
                                 .dst = addr_of_ip4(inner->dst),
                                 .protocol = inner->protocol};

    if (protocol != NULL && protocol->failed != NULL)
        protocol->failed(stack, &info, quote, failure);
}

/* A datagram of ours did not arrive. The message quotes it; anybody may have
 * made that up. */
static void error_receive(struct net_stack *stack, const struct packet *packet,
                          const struct ip4_header *header,
                          const struct icmp4_message *message)
{
    const uint8_t *quote = packet->data + ICMP4_HEADER_SIZE;
    size_t len = packet->len - ICMP4_HEADER_SIZE;
    struct ip_failure failure = failure_of(message);
    bool is_too_big = failure.error == -EMSGSIZE;
    struct ip4_header inner;

    if (ip4_parse_quoted(quote, len, &inner) != 0 ||
        !ip4_is_ours(stack, inner.src) ||
        len - inner.header_len < QUOTE_BYTES) {
        stack->stats.icmp_bad++;
        return;
    }
    quote += inner.header_len;
    failure.from = addr_of_ip4(header->src);
    if (inner.protocol == IP4_TCP && is_too_big)
        path_too_small(stack, &inner, quote, message->rest);
    else if (inner.protocol == IP4_ICMP || !is_too_big)
        failed_tell(stack, &inner, quote, &failure);
    /* Routers may cut up what others send. */
}

/* Somebody answers an echo that we may have sent. Takes the packet. */
static void reply_receive(struct net_stack *stack, struct packet *packet,
                          const struct ip4_header *header)
{
    const struct ip_protocol *protocol = ip_protocol_find(stack, IP4_ICMP);
    const struct ip_info info = {.src = addr_of_ip4(header->src),
                                 .dst = addr_of_ip4(header->dst),
                                 .protocol = IP4_ICMP};

    if (protocol != NULL)
        protocol->receive(stack, packet, &info);
    else
        packet_put(packet);
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
    if (message.type == ICMP4_ECHO_REPLY && message.code == 0) {
        reply_receive(stack, packet, header);
        return;
    }
    if (message.type == ICMP4_UNREACHABLE ||
        message.type == ICMP4_TIME_EXCEEDED)
        error_receive(stack, packet, header, &message);
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
