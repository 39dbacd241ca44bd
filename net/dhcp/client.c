/* A DHCP client: RFC 2131, section 4.4. */
#include "net/dhcp/client.h"
#include "kernel/lib/minmax.h"
#include "net/arp.h"
#include "net/stack.h"
#include "net/udp.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/string.h>

static const struct net_addr no_addr = {.word = {0, 0}};

/* A random number below `limit`, > 0. Where there is no randomness it can be
 * guessed, as all that is sent on the link can be read anyway. */
static uint64_t random_below(uint64_t limit)
{
    uint64_t number = 0;

    if (random_bytes(&number, sizeof(number)) != 0)
        log_debug("dhcp: random numbers can be guessed");
    return number % limit;
}

/* How long a message that was sent `tries` times is waited for. */
static uint64_t retry_after(unsigned tries)
{
    unsigned doublings = (unsigned)min_u32(tries - 1, DHCP_RETRY_DOUBLINGS);

    return (DHCP_RETRY_NS << doublings) - NS_PER_S + random_below(2 * NS_PER_S);
}

/* ---- Messages out -------------------------------------------------------- */

/* Send a message to `server`, or (0) to everybody; what cannot be sent is sent
 * again like what was lost. */
static void message_send(struct dhcp_client *client, enum dhcp_type type,
                         uint32_t server, const struct dhcp_request *rest)
{
    const struct net_addr to = addr_of_ip4(server != 0 ? server : UINT32_MAX);
    struct net_stack *stack = client->stack;
    struct dhcp_request request = *rest;
    uint8_t buf[DHCP_REQUEST_SIZE];
    uint64_t seconds = (net_now(stack) - client->began_at) / NS_PER_S;
    int error;

    request.type = (uint8_t)type;
    request.xid = client->xid;
    request.seconds = (uint16_t)min_u64(seconds, UINT16_MAX);
    request.client = dhcp_is_bound(client) ? client->lease.address : 0;
    request.is_broadcast = request.client == 0 && type != DHCP_DECLINE;
    memcpy(request.mac, stack->dev->mac, ETHER_ADDR_SIZE);
    dhcp_emit(buf, &request);
    error = udp_send(client->socket, &to, DHCP_SERVER_PORT, buf, sizeof(buf));
    if (error != 0)
        log_debug("dhcp: a message is not sent: error %d", error);
    client->tries++;
}

static void discover_send(struct dhcp_client *client)
{
    uint64_t wait;

    message_send(client, DHCP_DISCOVER, 0, &(struct dhcp_request){0});
    if (client->tries == 1)
        wait = DHCP_FIRST_NS + random_below(DHCP_FIRST_NS / 4);
    else
        wait = retry_after(client->tries - 1);
    client->next_at = net_now(client->stack) + wait;
}

static void request_send(struct dhcp_client *client)
{
    const struct dhcp_request request = {
        .requested = client->offer.address,
        .server = client->offer.server,
    };

    message_send(client, DHCP_REQUEST, 0, &request);
    client->next_at = net_now(client->stack) + retry_after(client->tries);
}

static void decline_send(struct dhcp_client *client)
{
    const struct dhcp_request request = {
        .requested = client->offer.address,
        .server = client->offer.server,
    };

    message_send(client, DHCP_DECLINE, 0, &request);
}

/* Ask for more time; again after half of what is left until `end`, and at least
 * a minute: RFC 2131, 4.4.5. */
static void renew_send(struct dhcp_client *client, uint32_t server,
                       uint64_t end)
{
    uint64_t now = net_now(client->stack);

    message_send(client, DHCP_REQUEST, server, &(struct dhcp_request){0});
    client->next_at =
        min_u64(end, now + max_u64((end - now) / 2, DHCP_RENEW_NS));
}

/* ---- States -------------------------------------------------------------- */

static void enter(struct dhcp_client *client, enum dhcp_state state)
{
    client->state = state;
    client->tries = 0;
}

/* Begin anew after `wait_ns`. */
static void restart(struct dhcp_client *client, uint64_t wait_ns)
{
    client->stack->arp_probed = 0;
    enter(client, DHCP_INIT);
    client->next_at = net_now(client->stack) + wait_ns;
}

static void new_transaction(struct dhcp_client *client)
{
    client->xid = (uint32_t)random_below(UINT64_C(1) << 32);
    client->began_at = net_now(client->stack);
    client->asked_at = client->began_at;
}

/* The address is no longer ours. */
static void give_up(struct dhcp_client *client, const char *why)
{
    char text[IP4_ADDRESS_TEXT];

    ip4_format(text, client->lease.address);
    log_error("dhcp: %s is given up: %s; connections end", text, why);
    lease_withdraw(client->stack, &client->routes);
    client->changes++;
    restart(client, 0);
}

static void lease_log(const struct dhcp_client *client)
{
    const struct dhcp_reply *lease = &client->lease;
    char address[IP4_ADDRESS_TEXT], server[IP4_ADDRESS_TEXT];
    char gateway[IP4_ADDRESS_TEXT] = "none";
    unsigned len = 0;

    for (uint32_t mask = lease->netmask; mask != 0; mask <<= 1)
        len++;
    ip4_format(address, lease->address);
    ip4_format(server, lease->server);
    if (client->stack->config.gateway != 0)
        ip4_format(gateway, client->stack->config.gateway);
    if (lease->lease_s == DHCP_FOREVER)
        log_info("dhcp: %s/%u, gateway %s, from %s, for ever", address, len,
                 gateway, server);
    else
        log_info("dhcp: %s/%u, gateway %s, from %s, for %u s", address, len,
                 gateway, server, lease->lease_s);
}

/* The times of a lease that was asked for at `asked_at`. */
static void set_times(struct dhcp_client *client)
{
    const struct dhcp_reply *lease = &client->lease;
    uint64_t from = client->asked_at;
    bool ends = lease->lease_s != DHCP_FOREVER;

    client->renew_at = ends ? from + lease->renew_s * NS_PER_S : TIME_NEVER;
    client->rebind_at = ends ? from + lease->rebind_s * NS_PER_S : TIME_NEVER;
    client->expires_at = ends ? from + lease->lease_s * NS_PER_S : TIME_NEVER;
}

/* Use the lease of an acknowledgement, the first one or a renewed one. */
static void bind(struct dhcp_client *client, const struct dhcp_reply *lease)
{
    bool is_new = !dhcp_is_bound(client);

    if (!is_new)
        lease_forget(client->stack, &client->routes);
    client->lease = *lease;
    client->refused = 0;
    client->stack->arp_probed = 0;
    set_times(client);
    lease_apply(client->stack, &client->lease, &client->routes);
    client->changes++;
    enter(client, DHCP_BOUND);
    client->next_at = client->renew_at;
    if (!is_new) {
        client->tries = DHCP_ANNOUNCES;
        return;
    }
    client->next_at = net_now(client->stack);
    lease_log(client);
    wait_wake_all(&client->bound);
}

static void begin_probing(struct dhcp_client *client,
                          const struct dhcp_reply *lease)
{
    client->offer = *lease;
    client->stack->arp_probed = lease->address;
    client->stack->arp_probed_is_taken = false;
    enter(client, DHCP_PROBING);
    client->next_at = net_now(client->stack) + random_below(DHCP_PROBE_NS);
}

static void step_probing(struct dhcp_client *client)
{
    char text[IP4_ADDRESS_TEXT];

    if (client->stack->arp_probed_is_taken) {
        ip4_format(text, client->offer.address);
        log_warn("dhcp: another host has %s, which is declined", text);
        decline_send(client);
        restart(client, DHCP_DECLINED_NS);
        return;
    }
    if (client->tries == DHCP_PROBES) {
        bind(client, &client->offer);
        return;
    }
    arp_probe(client->stack, client->offer.address);
    client->tries++;
    client->next_at =
        net_now(client->stack) + DHCP_PROBE_NS + random_below(DHCP_PROBE_NS);
    if (client->tries == DHCP_PROBES)
        client->next_at = net_now(client->stack) + DHCP_PROBED_NS;
}

/* RENEWING and REBINDING: both can be over when a machine has stood still. */
static void step_renewing(struct dhcp_client *client)
{
    uint64_t now = net_now(client->stack);

    if (now >= client->expires_at) {
        give_up(client, "its time is over");
    } else if (now >= client->rebind_at) {
        if (client->state == DHCP_RENEWING) {
            log_warn("dhcp: the server does not renew the lease, others are "
                     "asked");
            enter(client, DHCP_REBINDING);
            new_transaction(client);
        }
        renew_send(client, 0, client->expires_at);
    } else {
        renew_send(client, client->lease.server, client->rebind_at);
    }
}

static void step_bound(struct dhcp_client *client)
{
    uint64_t now = net_now(client->stack);

    if (now >= client->renew_at) {
        enter(client, DHCP_RENEWING);
        new_transaction(client);
        step_renewing(client);
        return;
    }
    if (client->tries < DHCP_ANNOUNCES) {
        client->tries++;
        arp_announce(client->stack);
    }
    client->next_at = client->renew_at;
    if (client->tries < DHCP_ANNOUNCES)
        client->next_at = min_u64(client->renew_at, now + DHCP_ANNOUNCE_NS);
}

static void step_once(struct dhcp_client *client)
{
    switch (client->state) {
    case DHCP_INIT:
        enter(client, DHCP_SELECTING);
        new_transaction(client);
        discover_send(client);
        break;
    case DHCP_SELECTING:
        discover_send(client);
        break;
    case DHCP_REQUESTING:
        if (client->tries == DHCP_REQUESTS)
            restart(client, 0);
        else
            request_send(client);
        break;
    case DHCP_PROBING:
        step_probing(client);
        break;
    case DHCP_BOUND:
        step_bound(client);
        break;
    case DHCP_RENEWING:
    case DHCP_REBINDING:
        step_renewing(client);
        break;
    }
}

uint64_t dhcp_step(struct dhcp_client *client)
{
    /* No state is entered twice at one time, so this ends. */
    while (net_now(client->stack) >= client->next_at)
        step_once(client);
    return client->next_at;
}

/* ---- Messages in --------------------------------------------------------- */

/* Whether a message is for this card, and of this transaction. */
static bool is_ours(const struct dhcp_client *client,
                    const struct dhcp_reply *reply)
{
    uint8_t id[DHCP_CLIENT_ID_SIZE];

    if (reply->xid != client->xid ||
        memcmp(reply->mac, client->stack->dev->mac, ETHER_ADDR_SIZE) != 0 ||
        !net_is_unicast(reply->server))
        return false;
    dhcp_client_id(id, client->stack->dev->mac);
    return !reply->has_client_id ||
           memcmp(reply->client_id, id, sizeof(id)) == 0;
}

/* A server says no. It is asked again at once, and if it goes on like that,
 * less and less often. */
static void take_nak(struct dhcp_client *client)
{
    uint64_t wait = client->refused == 0 ? 0 : retry_after(client->refused);

    client->refused++;
    if (dhcp_is_bound(client))
        give_up(client, "the server says no");
    else
        log_warn("dhcp: the server takes its offer back");
    restart(client, wait);
}

/* Whether the message answers what the state has asked. */
static bool is_expected(const struct dhcp_client *client,
                        const struct dhcp_reply *reply)
{
    switch (client->state) {
    case DHCP_SELECTING:
        return reply->type == DHCP_OFFER;
    case DHCP_REQUESTING:
        return reply->type != DHCP_OFFER &&
               reply->server == client->offer.server;
    case DHCP_RENEWING:
        return reply->type != DHCP_OFFER &&
               reply->server == client->lease.server;
    case DHCP_REBINDING:
        return reply->type != DHCP_OFFER;
    default:
        return false;
    }
}

/* The address that an acknowledgement must be of. */
static uint32_t wanted_address(const struct dhcp_client *client)
{
    return dhcp_is_bound(client) ? client->lease.address
                                 : client->offer.address;
}

/* A message that makes sense now. Returns whether its content does. */
static bool take(struct dhcp_client *client, struct dhcp_reply *reply)
{
    const char *wrong;

    if (reply->type == DHCP_NAK) {
        take_nak(client);
        return true;
    }
    wrong = lease_mend(reply);
    if (wrong == NULL && reply->type == DHCP_ACK &&
        reply->address != wanted_address(client))
        wrong = "an address that was not asked for";
    if (wrong != NULL) {
        log_warn("dhcp: the server offers %s, which is ignored", wrong);
        return false;
    }
    if (reply->type == DHCP_OFFER) {
        client->offer = *reply;
        enter(client, DHCP_REQUESTING);
        client->asked_at = net_now(client->stack);
        request_send(client);
    } else if (dhcp_is_bound(client)) {
        bind(client, reply);
    } else {
        begin_probing(client, reply);
    }
    return true;
}

int dhcp_take(struct dhcp_client *client, uint64_t deadline_ns)
{
    uint8_t *buf = client->received;
    struct dhcp_reply reply;
    struct flow from;
    int64_t len =
        udp_receive(client->socket, &from, buf, DHCP_REPLY_MAX, deadline_ns);

    if (len == -ETIMEDOUT)
        return -ETIMEDOUT;
    if (len < 0 || len > DHCP_REPLY_MAX || from.rport != DHCP_SERVER_PORT ||
        dhcp_parse(buf, (size_t)len, &reply) != 0 || !is_ours(client, &reply) ||
        !is_expected(client, &reply) || !take(client, &reply))
        client->ignored++;
    return 0;
}

/* ---- The beginning and the end ------------------------------------------- */

int dhcp_open(struct net_stack *stack, struct dhcp_client **out)
{
    struct dhcp_client *client = mem_alloc_zeroed(sizeof(*client));
    int error;

    if (client == NULL)
        return -ENOMEM;
    error = udp_open(stack, &no_addr, DHCP_CLIENT_PORT, &client->socket);
    if (error != 0) {
        mem_free(client);
        return error;
    }
    client->stack = stack;
    wait_queue_init(&client->bound);
    restart(client, 0);
    *out = client;
    return 0;
}

void dhcp_close(struct dhcp_client *client)
{
    client->stack->arp_probed = 0;
    if (dhcp_is_bound(client))
        lease_withdraw(client->stack, &client->routes);
    udp_close(client->socket);
    mem_free(client);
}

void dhcp_check(const struct dhcp_client *client)
{
    const struct net_stack *stack = client->stack;
    bool is_bound = dhcp_is_bound(client);

    assert((stack->config.address != 0) == is_bound);
    assert((stack->arp_probed != 0) == (client->state == DHCP_PROBING));
    assert((client->routes.count != 0) == is_bound);
    if (!is_bound)
        return;
    assert(stack->config.address == client->lease.address);
    assert(client->renew_at <= client->rebind_at);
    assert(client->rebind_at <= client->expires_at);
    assert(client->next_at <= client->expires_at);
}
