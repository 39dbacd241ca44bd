/*
 * Fuzzing the client of DHCP.
 *
 * An input is parsed as a message. Then it is a list of steps, each an opcode
 * and what it needs: messages of a server whose options are the input's, ARP,
 * time. After each the client and its stack must be what they must be, and in
 * the end nothing is left.
 */
#include "net/dhcp/client.h"
#include "net/ip4.h"
#include "tests/fakes/netbench.h"
#include "tests/fakes/udp_peer.h"
#include "tests/fuzz/step_input.h"
#include <stdlib.h>
#include <string.h>
#include <torc/assert.h>

enum { STEPS_MAX = 100, OPTIONS_MAX = 600 };

enum step {
    STEP_SERVER, /* type, address, length, options: a message to us */
    STEP_RAW,    /* length, bytes: a message as it is */
    STEP_ARP,    /* who says it has our address */
    STEP_TIME,   /* n: 2^n ms, up to 12 days */
    STEP_NEXT,   /* the time of what is due next */
    STEP_COUNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct dhcp_client *client;

/* A byte says how many triples. */
static size_t take_triples(struct input *input, uint8_t *out, size_t max)
{
    size_t len = 3u * take(input);

    return take_part(input, out, len, max);
}

/* ---- The parser ---------------------------------------------------------- */

static void check_reply(const struct dhcp_reply *reply)
{
    size_t len = strlen(reply->host_name);

    assert(reply->route_count <= DHCP_ROUTES_MAX);
    assert(reply->dns_count <= DHCP_SERVERS_MAX);
    assert(reply->ntp_count <= DHCP_SERVERS_MAX);
    assert(reply->type == DHCP_OFFER || reply->type == DHCP_ACK ||
           reply->type == DHCP_NAK);
    assert(len < DHCP_NAME_SIZE);
    for (size_t i = 0; i < len; i++)
        assert(reply->host_name[i] > ' ' && reply->host_name[i] < 127);
    for (unsigned i = 0; i < reply->route_count; i++) {
        const struct dhcp_route *route = &reply->route[i];

        assert(route->len <= 32);
        assert(route->len == 32 || route->prefix << route->len == 0);
    }
}

static void parse(const uint8_t *data, size_t len)
{
    struct dhcp_reply reply;

    if (dhcp_parse(data, len, &reply) != 0)
        return;
    check_reply(&reply);
    if (lease_mend(&reply) == NULL) {
        assert(reply.renew_s < reply.rebind_s);
        assert(reply.rebind_s < reply.lease_s);
        assert(reply.renew_s >= 10);
    }
}

/* ---- The client ---------------------------------------------------------- */

static void run_client(void)
{
    do {
        (void)dhcp_step(client);
        dhcp_check(client);
        bench_check();
    } while (dhcp_take(client, 0) == 0);
    bench_poll();
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

static void say(const uint8_t *data, size_t len)
{
    udp_peer_send(&(struct udp_datagram){
        .dst = UINT32_MAX,
        .from = 67,
        .to = 68,
        .data = data,
        .len = len,
        .is_broadcast = true,
    });
}

static void step_server(struct input *input)
{
    uint8_t data[1000] = {2, 1, 6};
    uint8_t type = take(input), address = take(input);

    peer_put32(data + 4, client->xid);
    peer_put32(data + 16, OUR_ADDRESS + address % 4);
    memcpy(data + 28, bench_mac, 6);
    peer_put32(data + 236, 0x63825363);
    /* What most messages need; a part that is doubled is refused. */
    memcpy(data + 240, "\x35\1\2\x36\4\12\0\0\2\x33\4\0\0\1\0", 15);
    data[242] = type % 8;
    say(data, 255 + take_triples(input, data + 255, OPTIONS_MAX));
}

static void step_arp(uint8_t who)
{
    uint8_t frame[42];

    memset(frame, 0xff, 6);
    memcpy(frame + 6, who & 1 ? bench_mac : peer_mac, 6);
    memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0", 9);
    frame[21] = who & 2 ? 1 : 2;
    memcpy(frame + 22, frame + 6, 6);
    peer_put32(frame + 28, who & 4 ? 0 : OUR_ADDRESS);
    memset(frame + 32, 0, 6);
    peer_put32(frame + 38, OUR_ADDRESS);
    fakenet_inject(&bench.net, frame, sizeof(frame));
    bench_poll();
}

static void step(struct input *input)
{
    uint8_t raw[OPTIONS_MAX];
    uint64_t until;
    size_t len;

    switch (take(input) % STEP_COUNT) {
    case STEP_SERVER:
        step_server(input);
        break;
    case STEP_RAW:
        len = take_triples(input, raw, sizeof(raw));
        say(raw, len);
        break;
    case STEP_ARP:
        step_arp(take(input));
        break;
    case STEP_TIME:
        bench_sleep(NS_PER_MS << take(input) % 31);
        break;
    case STEP_NEXT:
        until = dhcp_step(client);
        if (until != TIME_NEVER && until > bench.now)
            bench_sleep(until - bench.now);
        break;
    }
    run_client();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input input = {data, len};
    int error;

    parse(data, len);
    bench_open_as(4, NULL);
    error = dhcp_open(bench.stack, &client);
    assert(error == 0);
    run_client();
    for (unsigned i = 0; i < STEPS_MAX && input.len > 0; i++)
        step(&input);
    bench_sleep(10 * NS_PER_S); /* the last questions of ARP */
    dhcp_close(client);
    assert(bench.stack->ip4_count == 0);
    assert(bench.stack->routes.count == 0);
    bench_close(); /* asserts that no memory was lost */
    return 0;
}
