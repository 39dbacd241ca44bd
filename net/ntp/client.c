/* The wall time by NTP: RFC 4330, RFC 5905. */
#include "net/ntp/client.h"
#include "kernel/lib/minmax.h"
#include "net/stack.h"
#include "net/udp.h"
#include "net/wire/addr_text.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/thread.h>

static const struct net_addr no_addr = {.word = {0, 0}};

static uint64_t now(const struct ntp_client *client)
{
    return net_now(client->stack);
}

static const struct net_addr *server_of(const struct ntp_client *client)
{
    return &client->server[client->server_now];
}

/* ---- The clock ----------------------------------------------------------- */

/* Tell what was done, with the error in milliseconds. */
static void tell(const struct ntp_client *client, const char *what,
                 int64_t error_ns)
{
    char text[ADDR_TEXT];
    uint64_t size = (uint64_t)(error_ns < 0 ? -error_ns : error_ns);

    addr_format(text, server_of(client));
    log_info("ntp: the clock was %s%lu.%03lu ms, %s, by %s",
             error_ns < 0 ? "behind by " : "ahead by ", size / NS_PER_MS,
             size / NS_PER_US % 1000, what, text);
}

static void set_at_once(struct ntp_client *client, int64_t delta)
{
    int error = client->adjust(delta);

    client->slew_left = 0;
    client->slew_at = TIME_NEVER;
    if (error != 0) {
        log_error("ntp: the clock cannot be set: error %d", error);
        return;
    }
    tell(client, "set at once", -delta);
    client->is_set = true;
}

/* A little of what is left to be corrected. */
static void slew(struct ntp_client *client)
{
    int64_t part = client->slew_left;

    if (part > NTP_SLEW_NS)
        part = NTP_SLEW_NS;
    if (part < -NTP_SLEW_NS)
        part = -NTP_SLEW_NS;
    if (client->adjust(part) != 0)
        log_warn("ntp: the clock cannot be corrected");
    client->slew_left -= part;
    client->slew_at =
        client->slew_left != 0 ? now(client) + NS_PER_S : TIME_NEVER;
}

/* The middle one of some samples: it is no worse than most. */
static int64_t median(int64_t *sample, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        int64_t value = sample[i];
        unsigned place = i;

        for (; place > 0 && sample[place - 1] > value; place--)
            sample[place] = sample[place - 1];
        sample[place] = value;
    }
    return sample[count / 2];
}

/* Correct the clock by what was heard. */
static void correct(struct ntp_client *client)
{
    int64_t right = median(client->sample, client->sample_count);
    int64_t delta = right + (int64_t)now(client) - (int64_t)client->wall();

    if (!client->is_set || delta > NTP_STEP_NS || delta < -NTP_STEP_NS) {
        set_at_once(client, delta);
        client->poll_ns = NTP_POLL_MIN_NS;
        return;
    }
    client->slew_left = delta;
    client->slew_at = delta != 0 ? now(client) : TIME_NEVER;
    if (delta > NTP_GOOD_NS || delta < -NTP_GOOD_NS)
        client->poll_ns = NTP_POLL_MIN_NS;
    else
        client->poll_ns = min_u64(client->poll_ns * 2, NTP_POLL_MAX_NS);
}

/* ---- Questions ----------------------------------------------------------- */

static void question_end(struct ntp_client *client)
{
    if (client->socket != NULL)
        udp_close(client->socket);
    client->socket = NULL;
}

/* The next round comes after `wait_ns`. */
static void round_end(struct ntp_client *client, uint64_t wait_ns)
{
    question_end(client);
    client->tries = 0;
    client->sample_count = 0;
    client->next_at = now(client) + wait_ns;
}

/* The server gives no time: the next one is asked, after all of them later, and
 * less and less often. */
static void server_failed(struct ntp_client *client)
{
    client->failures++;
    for (unsigned i = 0; i < client->server_count; i++) {
        client->server_now = (client->server_now + 1) % client->server_count;
        if (!client->is_denied[client->server_now])
            break;
    }
    if (client->failures % client->server_count != 0) {
        round_end(client, NTP_BETWEEN_NS);
        return;
    }
    if (client->failures == client->server_count)
        log_warn("ntp: no server tells the time");
    round_end(client, client->poll_ns);
    client->poll_ns = min_u64(client->poll_ns * 2, NTP_POLL_MAX_NS);
}

static void round_done(struct ntp_client *client)
{
    if (client->sample_count < NTP_SAMPLES_MIN) {
        server_failed(client);
        return;
    }
    client->failures = 0;
    correct(client);
    round_end(client, client->poll_ns);
}

static void ask(struct ntp_client *client)
{
    uint8_t buf[NTP_SIZE];
    int error = udp_open(client->stack, &no_addr, 0, &client->socket);

    client->tries++;
    client->asked_at = now(client);
    client->next_at = client->asked_at + NTP_BETWEEN_NS;
    if (random_bytes(&client->cookie, sizeof(client->cookie)) != 0)
        log_debug("ntp: cookies can be guessed");
    ntp_emit(buf, client->cookie);
    if (error == 0)
        error = udp_connect(client->socket, server_of(client), NTP_PORT);
    if (error == 0)
        error = udp_send(client->socket, NULL, 0, buf, sizeof(buf));
    if (error != 0)
        log_debug("ntp: a question is not sent: error %d", error);
}

uint64_t ntp_step(struct ntp_client *client)
{
    if (now(client) >= client->slew_at)
        slew(client);
    if (now(client) >= client->next_at) {
        question_end(client);
        if (client->sample_count == NTP_SAMPLES || client->tries == NTP_TRIES)
            round_done(client);
        else if (!client->is_denied[client->server_now])
            ask(client);
        else
            server_failed(client); /* all have said that we must not ask */
    }
    return min_u64(client->next_at, client->slew_at);
}

/* ---- Replies ------------------------------------------------------------- */

static void take_kiss(struct ntp_client *client, enum ntp_kiss kiss)
{
    char text[ADDR_TEXT];

    addr_format(text, server_of(client));
    if (kiss == NTP_KISS_RATE) {
        log_warn("ntp: %s wants to be asked less often", text);
        client->poll_ns = min_u64(client->poll_ns * 2, NTP_POLL_MAX_NS);
        round_end(client, client->poll_ns);
    } else if (kiss == NTP_KISS_DENY) {
        log_warn("ntp: %s does not want to be asked", text);
        client->is_denied[client->server_now] = true;
        server_failed(client);
    } else {
        server_failed(client);
    }
}

static void take_time(struct ntp_client *client, const struct ntp_reply *reply,
                      uint64_t came_at)
{
    uint64_t away = came_at - client->asked_at;
    uint64_t there = reply->sent - reply->received;

    if (there > away || client->sample_count == NTP_SAMPLES) {
        client->bad++; /* it has had the question longer than we waited */
        return;
    }
    /* In the middle of the time on the way it was the middle of its two. */
    client->sample[client->sample_count++] =
        (int64_t)(reply->received + there / 2) -
        (int64_t)(client->asked_at + away / 2);
}

void ntp_take(struct ntp_client *client, uint64_t deadline_ns)
{
    uint8_t buf[NTP_SIZE];
    struct ntp_reply reply;
    uint64_t came_at;
    int64_t len;
    int error;

    if (client->socket == NULL) {
        thread_sleep_until(deadline_ns);
        return;
    }
    len = udp_receive(client->socket, NULL, buf, sizeof(buf), deadline_ns);
    came_at = now(client);
    if (len == -ETIMEDOUT)
        return;
    if (len < 0) {
        server_failed(client); /* ICMP says that nobody is there */
        return;
    }
    error = ntp_parse(buf, min_size((size_t)len, sizeof(buf)), client->cookie,
                      &reply);
    if (error != 0) {
        client->bad++;
        if (error == -EPROTO)
            question_end(client);
        return;
    }
    question_end(client);
    if (reply.kiss != NTP_KISS_NONE)
        take_kiss(client, reply.kiss);
    else
        take_time(client, &reply, came_at);
}

/* ---- The beginning and the end ------------------------------------------- */

/* The place of a server in the list; server_count: it is not there. */
static unsigned place_of(const struct ntp_client *client,
                         const struct net_addr *server)
{
    unsigned i = 0;

    while (i < client->server_count && !addr_equal(&client->server[i], server))
        i++;
    return i;
}

bool ntp_is_lost(const struct ntp_client *client)
{
    return client->failures >= NTP_LOST * client->server_count;
}

void ntp_servers_set(struct ntp_client *client, const struct net_addr *servers,
                     unsigned count)
{
    bool is_denied[SERVERS_ALL_MAX] = {false};
    uint64_t next_at = client->next_at;
    bool has_new = false;

    client->failures = 0;
    if (count == 0)
        return;
    count = min_u32(count, SERVERS_ALL_MAX);
    for (unsigned i = 0; i < count; i++) {
        unsigned old = place_of(client, &servers[i]);

        has_new |= old == client->server_count;
        is_denied[i] = old < client->server_count && client->is_denied[old];
    }
    for (unsigned i = 0; i < count; i++) {
        client->server[i] = servers[i];
        client->is_denied[i] = is_denied[i];
    }
    client->server_count = count;
    client->server_now = 0;
    round_end(client, 0);
    if (has_new)
        client->poll_ns = NTP_POLL_MIN_NS;
    else
        client->next_at = next_at;
}

int ntp_open(struct net_stack *stack, const struct net_addr *servers,
             unsigned count, struct ntp_client **out)
{
    struct ntp_client *client = mem_alloc_zeroed(sizeof(*client));

    assert(count > 0);
    if (client == NULL)
        return -ENOMEM;
    client->stack = stack;
    client->wall = time_wall_ns;
    client->adjust = time_wall_adjust;
    client->slew_at = TIME_NEVER;
    ntp_servers_set(client, servers, count);
    *out = client;
    return 0;
}

void ntp_close(struct ntp_client *client)
{
    question_end(client);
    mem_free(client);
}

void ntp_check(const struct ntp_client *client)
{
    assert(client->server_now < client->server_count);
    assert(client->server_count <= SERVERS_ALL_MAX);
    assert(client->tries <= NTP_TRIES);
    assert(client->sample_count <= client->tries);
    assert(client->sample_count <= NTP_SAMPLES);
    assert(client->poll_ns >= NTP_POLL_MIN_NS);
    assert(client->poll_ns <= NTP_POLL_MAX_NS);
    assert((client->slew_at == TIME_NEVER) == (client->slew_left == 0));
    assert(client->slew_left >= -NTP_STEP_NS);
    assert(client->slew_left <= NTP_STEP_NS);
}
