/* ICMPv6: echo, errors, and the path MTU. RFC 4443, RFC 8201. */
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include "net/ip6.h"
#include "net/tcp.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { QUOTE_BYTES = 8 /* of the payload that an error must quote */ };

/* ---- Out ----------------------------------------------------------------- */

void icmp6_send(struct net_stack *stack, struct packet *packet,
                const struct icmp6_message *message, const struct net_addr *src,
                const struct net_addr *dst, uint8_t hops)
{
    struct ip6_header header = {
        .src = *src, .dst = *dst, .next = IP6_ICMP, .hops = hops};

    icmp6_emit(packet->data, packet->len, src, dst, message);
    stack->stats.icmp_out++;
    ip6_send(stack, packet, &header);
}

/* Whether one more error may be sent in this second; counts it. */
static bool error_allowed(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);
    uint64_t second = net_now(stack) / NS_PER_S;

    if (ip6->second != second) {
        ip6->second = second;
        ip6->errors = 0;
    }
    if (ip6->errors >= IP6_ERRORS_MAX) {
        stack->stats.icmp_limited++;
        return false;
    }
    ip6->errors++;
    return true;
}

/* Whether a datagram is an error of ICMP, or a redirect, or may be one: RFC
 * 4443, 2.4 (e.1) and (e.2). */
static bool is_error(const uint8_t *datagram, size_t len)
{
    struct ip6_chain chain;

    /* What ends in the middle of its extensions is not told apart. */
    if (ip6_chain_walk(datagram, len, &chain) == IP6_DROP)
        return true;
    if (chain.protocol != IP6_ICMP)
        return false;
    if (chain.is_fragment && chain.fragment_offset != 0)
        return true;
    return chain.len >= len || datagram[chain.len] < ICMP6_INFORMATIONAL ||
           datagram[chain.len] == ICMP6_ND_REDIRECT;
}

void icmp6_error(struct net_stack *stack, const struct packet *packet,
                 const struct icmp6_message *error, bool to_group_too)
{
    struct ip6_header header;
    struct net_addr src;
    struct packet *answer;
    uint8_t *start;
    size_t quote;

    if (ip6_parse_quoted(packet->data, packet->len, &header) != 0 ||
        !ip6_is_unicast(&header.src) ||
        (ip6_is_multicast(&header.dst) && !to_group_too) ||
        is_error(packet->data, packet->len) || !error_allowed(stack))
        return;
    src = ip6_is_multicast(&header.dst) ? ip6_source(stack, &header.src)
                                        : header.dst;
    answer = addr_is_none(&src) ? NULL : stack_packet(stack);
    if (answer == NULL)
        return;
    /* As much as fits into the smallest MTU: RFC 4443, 2.4 (c). */
    quote = min_size(packet->len,
                     IP6_MTU_MIN - IP6_HEADER_SIZE - ICMP6_HEADER_SIZE);
    start = packet_append(answer, ICMP6_HEADER_SIZE + quote);
    memcpy(start + ICMP6_HEADER_SIZE, packet->data, quote);
    icmp6_send(stack, answer, error, &src, &header.src, ip6_of(stack)->hops);
}

void icmp6_port_unreachable(struct net_stack *stack, struct packet *packet,
                            const struct ip_info *info)
{
    const struct icmp6_message error = {.type = ICMP6_UNREACHABLE,
                                        .code = ICMP6_CODE_PORT};

    packet_push(packet, info->header_len);
    icmp6_error(stack, packet, &error, false);
}

void icmp6_expired(struct net_stack *stack, struct packet *packet)
{
    const struct icmp6_message error = {.type = ICMP6_TIME_EXCEEDED,
                                        .code = ICMP6_CODE_REASSEMBLY};

    icmp6_error(stack, packet, &error, false);
}

/* ---- In ------------------------------------------------------------------ */

static void echo_reply(struct net_stack *stack, struct packet *packet,
                       const struct ip6_header *header, uint32_t rest)
{
    const struct icmp6_message reply = {
        .type = ICMP6_ECHO_REPLY,
        .rest = rest,
    };
    /* RFC 4443, 4.2: to a group, from one of ours. */
    struct net_addr src = ip6_is_multicast(&header->dst)
                              ? ip6_source(stack, &header->src)
                              : header->dst;

    if ((!ip6_is_unicast(&header->src) && !ip6_is_loop(&header->src)) ||
        addr_is_none(&src)) {
        packet_put(packet);
        return;
    }
    /* What the card has said of the request is no wish for the reply. */
    packet->offload = (struct packet_offload){.segments = PACKET_WHOLE};
    icmp6_send(stack, packet, &reply, &src, &header->src, ip6_of(stack)->hops);
}

/* What an error is about. */
struct quoted {
    struct ip6_header header;
    struct ip6_chain chain;
    const uint8_t *payload; /* at least QUOTE_BYTES */
};

/* Read the datagram that an error quotes. Returns whether we may have sent it:
 * anybody may have made that up. */
static bool quoted_read(const struct net_stack *stack,
                        const struct packet *packet, struct quoted *out)
{
    const uint8_t *at = packet->data + ICMP6_HEADER_SIZE;
    size_t len = packet->len - ICMP6_HEADER_SIZE;

    if (ip6_parse_quoted(at, len, &out->header) != 0 ||
        !ip6_is_ours(stack, &out->header.src) ||
        ip6_chain_walk(at, len, &out->chain) != IP6_TAKE ||
        out->chain.is_fragment || len - out->chain.len < QUOTE_BYTES)
        return false;
    out->payload = at + out->chain.len;
    return true;
}

/* Tell the protocol that has sent it. */
static void failed_tell(struct net_stack *stack, const struct quoted *quoted,
                        const struct ip_failure *failure)
{
    const struct ip_protocol *protocol =
        ip_protocol_find(stack, quoted->chain.protocol);
    const struct ip_info info = {
        .src = quoted->header.src,
        .dst = quoted->header.dst,
        .protocol = quoted->chain.protocol,
    };

    if (protocol != NULL && protocol->failed != NULL)
        protocol->failed(stack, &info, quoted->payload, failure);
}

/* RFC 8201, 4: no path has an MTU below IP6_MTU_MIN. */
static void too_big(struct net_stack *stack, const struct quoted *quoted,
                    const struct ip_failure *failure, uint32_t mtu)
{
    const struct flow flow = {
        .local = quoted->header.src,
        .remote = quoted->header.dst,
        .lport = be16_get(quoted->payload),
        .rport = be16_get(quoted->payload + 2),
        .protocol = quoted->chain.protocol,
    };

    if (mtu < IP6_MTU_MIN) {
        stack->stats.icmp_bad++;
        return;
    }
    if (quoted->chain.protocol == IP4_TCP)
        tcp_path_mtu(stack, &flow, be32_get(quoted->payload + 4),
                     min_u32(mtu, UINT16_MAX),
                     IP6_HEADER_SIZE + (uint32_t)quoted->header.payload_len);
    else
        failed_tell(stack, quoted, failure);
}

/* What a socket is told: RFC 4443, 3. */
static int error_of(const struct icmp6_message *message)
{
    switch (message->type) {
    case ICMP6_TOO_BIG:
        return -EMSGSIZE;
    case ICMP6_UNREACHABLE:
        return message->code == ICMP6_CODE_PORT ? -ECONNREFUSED : -EHOSTUNREACH;
    case ICMP6_PROBLEM:
        return message->code == ICMP6_CODE_NEXT_HEADER ? -ECONNREFUSED
                                                       : -EHOSTUNREACH;
    case ICMP6_TIME_EXCEEDED:
        return -EHOSTUNREACH;
    default:
        return 0;
    }
}

static void error_receive(struct net_stack *stack, const struct packet *packet,
                          const struct ip6_header *header,
                          const struct icmp6_message *message)
{
    const struct ip_failure failure = {
        .error = error_of(message),
        .from = header->src,
        .is_expired = message->type == ICMP6_TIME_EXCEEDED &&
                      message->code == ICMP6_CODE_TRANSIT,
        .mtu = (uint16_t)min_u32(message->rest, UINT16_MAX),
    };
    struct quoted quoted;

    if (!quoted_read(stack, packet, &quoted)) {
        stack->stats.icmp_bad++;
        return;
    }
    if (message->type == ICMP6_TOO_BIG)
        too_big(stack, &quoted, &failure, message->rest);
    else if (failure.error != 0)
        failed_tell(stack, &quoted, &failure);
}

/* Somebody answers an echo that we may have sent. Takes the packet. */
static void reply_receive(struct net_stack *stack, struct packet *packet,
                          const struct ip6_header *header)
{
    const struct ip_protocol *protocol = ip_protocol_find(stack, IP6_ICMP);
    const struct ip_info info = {
        .src = header->src, .dst = header->dst, .protocol = IP6_ICMP};

    if (protocol != NULL)
        protocol->receive(stack, packet, &info);
    else
        packet_put(packet);
}

/* A frame that never left this computer has no checksum, one that the card has
 * checked needs no second look. */
static enum wire_sum sum_of(const struct packet *packet)
{
    return packet->offload.csum_valid || packet->offload.csum_partial
               ? WIRE_SUM_BY_CARD
               : WIRE_SUM_HERE;
}

void icmp6_receive(struct net_stack *stack, struct packet *packet,
                   const struct ip6_header *header,
                   const struct ip6_chain *chain)
{
    struct icmp6_message message;

    stack->stats.icmp_in++;
    if (icmp6_parse(packet->data, packet->len, header, sum_of(packet),
                    &message) != 0) {
        stack->stats.icmp_bad++;
        packet_put(packet);
        return;
    }
    if (message.type == ICMP6_ECHO && message.code == 0) {
        echo_reply(stack, packet, header, message.rest);
        return;
    }
    if (message.type == ICMP6_ECHO_REPLY && message.code == 0) {
        reply_receive(stack, packet, header);
        return;
    }
    if (message.type < ICMP6_INFORMATIONAL)
        error_receive(stack, packet, header, &message);
    else if (message.type == ICMP6_MLD_QUERY)
        mld_receive(stack, packet, header, chain);
    else if (message.type >= ICMP6_ND_RS && message.type <= ICMP6_ND_REDIRECT)
        nd_receive(stack, packet, header, chain);
    packet_put(packet);
}
