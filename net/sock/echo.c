/*
 * Echoes of ICMP that threads ask for. Who waits is in a list of the stack; the
 * protocols of both ICMPs, which the first echo registers, find him there.
 */
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include "net/ip.h"
#include "net/ip6.h"
#include "net/stack.h"
#include "net/wire/icmp6.h"
#include <torc/assert.h>
#include <torc/icmp.h>
#include <torc/random.h>
#include <torc/string.h>

enum {
    SECRET_SIZE = 8, /* of the payload: who did not see it cannot answer */
    HEADER_SIZE = 8, /* of both ICMPs */
};

_Static_assert((int)HEADER_SIZE == ICMP4_HEADER_SIZE &&
                   (int)HEADER_SIZE == ICMP6_HEADER_SIZE,
               "both ICMPs have the same header");

/* A thread that waits; on its stack. */
struct echo_wait {
    struct echo_wait *next; /* of stack->echoes */
    const struct icmp_echo *echo;
    struct net_addr local; /* that it was sent from */
    uint8_t secret[SECRET_SIZE];
    uint64_t sent_at;
    struct wait_queue done;
    bool is_done;
    int result;
    struct icmp_answer *answer;
};

static uint32_t rest_of(const struct icmp_echo *echo)
{
    return (uint32_t)echo->id << 16 | echo->sequence;
}

static uint8_t byte_at(const struct echo_wait *wait, size_t at)
{
    return at < SECRET_SIZE ? wait->secret[at] : (uint8_t)at;
}

/* ---- Answers ------------------------------------------------------------- */

static void wait_end(struct net_stack *stack, struct echo_wait *wait,
                     const struct net_addr *from, int result)
{
    wait->is_done = true;
    wait->result = result;
    wait->answer->from = *from;
    wait->answer->round_trip_ns = net_now(stack) - wait->sent_at;
    wait_wake_one(&wait->done);
}

/* Who waits for an answer to what was sent from `local` to `remote`, with that
 * id and sequence. NULL: nobody. */
static struct echo_wait *wait_find(struct net_stack *stack,
                                   const struct net_addr *local,
                                   const struct net_addr *remote, uint32_t rest)
{
    for (struct echo_wait *wait = stack->echoes; wait != NULL;
         wait = wait->next) {
        if (!wait->is_done && rest_of(wait->echo) == rest &&
            addr_equal(&wait->local, local) &&
            addr_equal(&wait->echo->to, remote))
            return wait;
    }
    return NULL;
}

static bool payload_is_right(const struct echo_wait *wait,
                             const struct packet *packet)
{
    const uint8_t *payload = packet->data + HEADER_SIZE;

    if (packet->rest > 0 || packet->len != HEADER_SIZE + wait->echo->size)
        return false;
    for (size_t i = 0; i < wait->echo->size; i++) {
        if (payload[i] != byte_at(wait, i))
            return false;
    }
    return true;
}

static void on_receive(struct net_stack *stack, struct packet *packet,
                       const struct ip_info *info)
{
    struct echo_wait *wait =
        wait_find(stack, &info->dst, &info->src, be32_get(packet->data + 4));

    if (wait != NULL && payload_is_right(wait, packet))
        wait_end(stack, wait, &info->src, 0);
    packet_put(packet);
}

static void on_failed(struct net_stack *stack, const struct ip_info *info,
                      const uint8_t *quote, const struct ip_failure *failure)
{
    uint8_t type = addr_is_ip4(&info->src) ? ICMP4_ECHO : ICMP6_ECHO;
    struct echo_wait *wait =
        wait_find(stack, &info->src, &info->dst, be32_get(quote + 4));

    if (wait == NULL || quote[0] != type || quote[1] != 0)
        return;
    wait->answer->is_expired = failure->is_expired;
    if (failure->error == -EMSGSIZE)
        wait->answer->mtu = failure->mtu;
    wait_end(stack, wait, &failure->from, failure->error);
}

static const struct ip_protocol echo4 = {
    .number = IP4_ICMP,
    .receive = on_receive,
    .failed = on_failed,
};

static const struct ip_protocol echo6 = {
    .number = IP6_ICMP,
    .receive = on_receive,
    .failed = on_failed,
};

/* ---- Asking -------------------------------------------------------------- */

static void send4(struct net_stack *stack, struct packet *packet,
                  const struct echo_wait *wait)
{
    const struct icmp4_message message = {
        .type = ICMP4_ECHO,
        .rest = rest_of(wait->echo),
    };
    struct ip4_header header = {
        .src = addr_ip4(&wait->local),
        .dst = addr_ip4(&wait->echo->to),
        .protocol = IP4_ICMP,
        .ttl = wait->echo->hop_limit != 0 ? wait->echo->hop_limit : IP4_TTL,
        .dont_fragment = true,
    };

    icmp4_emit(packet->data, packet->len, &message);
    ip4_header_send(stack, packet, &header);
}

static void send6(struct net_stack *stack, struct packet *packet,
                  const struct echo_wait *wait)
{
    const struct icmp6_message message = {
        .type = ICMP6_ECHO,
        .rest = rest_of(wait->echo),
    };
    struct ip6_header header = {
        .src = wait->local,
        .dst = wait->echo->to,
        .next = IP6_ICMP,
        .hops = wait->echo->hop_limit != 0 ? wait->echo->hop_limit
                                           : ip6_of(stack)->hops,
    };

    icmp6_emit(packet->data, packet->len, &header.src, &header.dst, &message);
    stack->ip6->send(stack, packet, &header);
}

/* Returns 0, -ENOBUFS. */
static int request_send(struct net_stack *stack, struct echo_wait *wait)
{
    struct packet *packet = stack_packet(stack);
    uint8_t *payload;

    if (packet == NULL)
        return -ENOBUFS;
    payload = packet_append(packet, HEADER_SIZE + wait->echo->size);
    assert(payload != NULL); /* it is no larger than what the link takes */
    payload += HEADER_SIZE;
    for (size_t i = 0; i < wait->echo->size; i++)
        payload[i] = byte_at(wait, i);
    stack->stats.icmp_out++;
    if (addr_is_ip4(&wait->local))
        send4(stack, packet, wait);
    else
        send6(stack, packet, wait);
    return 0;
}

static void wait_remove(struct net_stack *stack, const struct echo_wait *wait)
{
    struct echo_wait **at = &stack->echoes;

    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
}

/* Ask, and wait until the deadline. */
static int ask(struct net_stack *stack, struct echo_wait *wait)
{
    uint64_t deadline_ns = wait->echo->deadline_ns;
    int error;

    wait->next = stack->echoes;
    stack->echoes = wait;
    stack_tick(stack);
    wait->sent_at = stack->now;
    wait->result = request_send(stack, wait);
    if (wait->result == 0)
        wait->result = -ETIMEDOUT;
    else
        wait->is_done = true;
    while (!wait->is_done && net_now(stack) < deadline_ns) {
        error = wait_on_until(&wait->done, deadline_ns);
        (void)error; /* the clock says it */
    }
    wait_remove(stack, wait);
    return wait->result;
}

int icmp_echo(const struct icmp_echo *echo, struct icmp_answer *out)
{
    struct net_stack *stack = stack_self();
    struct flow flow = {.remote = echo->to};
    struct echo_wait wait = {.echo = echo, .answer = out};
    uint32_t mtu;
    int error;

    *out = (struct icmp_answer){.round_trip_ns = 0};
    if (stack == NULL)
        return -ENOTCONN;
    error = ip_way_find(stack, &flow);
    if (error != 0)
        return error;
    mtu = ip_link_mtu(stack, &flow);
    if (echo->size > mtu - ip_header_size(&flow) - HEADER_SIZE) {
        out->mtu = (uint16_t)min_u32(mtu, UINT16_MAX);
        return -EMSGSIZE;
    }
    ip4_complete(stack); /* the answer may come in fragments */
    ip_protocol_add(stack, &echo4);
    ip_protocol_add(stack, &echo6);
    wait.local = flow.local;
    wait_queue_init(&wait.done);
    error = random_bytes(wait.secret, sizeof(wait.secret));
    (void)error; /* there are other bytes each time, which may be guessed */
    return ask(stack, &wait);
}
