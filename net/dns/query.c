/* A question under way: RFC 1035, 7. */
#include "kernel/lib/minmax.h"
#include "net/dns/resolver.h"
#include "net/stack.h"
#include "net/udp.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/string.h>

static const struct net_addr no_addr = {.word = {0, 0}};

static uint64_t now(const struct dns_query *query)
{
    return net_now(query->resolver->stack);
}

/* ---- Servers that are silent --------------------------------------------- */

static bool is_silent(const struct resolver *resolver,
                      const struct net_addr *server, uint64_t now_ns)
{
    for (unsigned i = 0; i < SERVERS_ALL_MAX; i++) {
        if (addr_equal(&resolver->silent[i].addr, server))
            return now_ns < resolver->silent[i].until;
    }
    return false;
}

/* Remember that a server has not answered, in place of what is oldest. */
static void note_silent(struct resolver *resolver,
                        const struct net_addr *server, uint64_t now_ns)
{
    unsigned place = 0;

    for (unsigned i = 0; i < SERVERS_ALL_MAX; i++) {
        if (addr_equal(&resolver->silent[i].addr, server)) {
            place = i;
            break;
        }
        if (resolver->silent[i].until < resolver->silent[place].until)
            place = i;
    }
    resolver->silent[place].addr = *server;
    resolver->silent[place].until = now_ns + DNS_SILENT_NS;
}

static void note_alive(struct resolver *resolver, const struct net_addr *server)
{
    for (unsigned i = 0; i < SERVERS_ALL_MAX; i++) {
        if (addr_equal(&resolver->silent[i].addr, server))
            resolver->silent[i].until = 0;
    }
}

/* The servers as they are to be asked. */
static void servers_take(struct dns_query *query)
{
    struct net_addr all[SERVERS_ALL_MAX];
    struct resolver *resolver = query->resolver;
    unsigned count = servers_get(resolver->stack, SERVER_DNS, all);

    query->server_count = 0;
    for (unsigned want_silent = 0; want_silent < 2; want_silent++) {
        for (unsigned i = 0; i < count; i++) {
            if (is_silent(resolver, &all[i], now(query)) == want_silent)
                query->server[query->server_count++] = all[i];
        }
    }
}

/* ---- The end ------------------------------------------------------------- */

static void message_end(struct dns_query *query)
{
    if (query->socket != NULL)
        udp_close(query->socket);
    query->socket = NULL;
}

static void done(struct dns_query *query, int error)
{
    struct resolver *resolver = query->resolver;

    message_end(query);
    query->is_done = true;
    query->error = error;
    query->next_at = TIME_NEVER;
    list_remove(&query->link);
    if (error == 0) {
        query->answer.ttl_s = min_u32(query->answer.ttl_s, query->ttl_s);
        dns_cache_put(&resolver->cache, &query->name, query->type, now(query),
                      &query->answer);
    }
    wait_wake_all(&query->waiters);
}

/* ---- Messages out -------------------------------------------------------- */

/* The server of the next message; its tries are counted. Returns false: all
 * have been asked often enough, or know nothing. */
static bool server_choose(struct dns_query *query, unsigned *out)
{
    while (query->tries < DNS_ROUNDS * query->server_count) {
        *out = query->tries++ % query->server_count;
        if (!query->is_helpless[*out])
            return true;
    }
    return false;
}

static int message_send(struct dns_query *query, const struct net_addr *server)
{
    uint8_t buf[DNS_QUERY_MAX];
    size_t len;
    int error = udp_open(query->resolver->stack, &no_addr, 0, &query->socket);

    if (error != 0)
        return error;
    if (random_bytes(&query->id, sizeof(query->id)) != 0)
        log_debug("dns: ids can be guessed");
    len = dns_query_emit(buf, query->id, &query->current, query->type,
                         query->has_edns);
    error = udp_connect(query->socket, server, DNS_PORT);
    if (error == 0)
        error = udp_send(query->socket, NULL, 0, buf, len);
    if (error != 0)
        message_end(query);
    return error;
}

/* The server whose message is under way. */
static unsigned server_now(const struct dns_query *query)
{
    return (query->tries - 1) % query->server_count;
}

/* Send a message to the next server. */
static void ask_next(struct dns_query *query)
{
    unsigned server;
    uint64_t wait;

    message_end(query);
    if (!server_choose(query, &server)) {
        bool none_helps = true;

        for (unsigned i = 0; i < query->server_count; i++)
            none_helps = none_helps && query->is_helpless[i];
        done(query, none_helps ? -EIO : -ETIMEDOUT);
        return;
    }
    wait = DNS_WAIT_NS << (query->tries - 1) / query->server_count;
    query->resolver->asked++;
    if (message_send(query, &query->server[server]) != 0)
        log_debug("dns: a question is not sent");
    query->next_at = now(query) + wait; /* like one that is lost */
}

uint64_t dns_query_step(struct dns_query *query)
{
    if (query->is_done || now(query) < query->next_at)
        return query->next_at;
    if (query->tries > 0)
        note_silent(query->resolver, &query->server[server_now(query)],
                    now(query));
    ask_next(query);
    return query->next_at;
}

/* ---- Messages in --------------------------------------------------------- */

/* Ask for `current` from the beginning. */
static void begin(struct dns_query *query)
{
    message_end(query);
    servers_take(query);
    memset(query->is_helpless, 0, sizeof(query->is_helpless));
    query->tries = 0;
    query->next_at = now(query);
}

/* The server has told only that the name is another one's alias. */
static void follow(struct dns_query *query)
{
    if (++query->aliases > DNS_CHAIN_MAX) {
        done(query, -ELOOP);
        return;
    }
    query->ttl_s = min_u32(query->ttl_s, query->answer.ttl_s);
    query->current = query->answer.name;
    begin(query);
}

/* The server does not help; perhaps without EDNS(0). */
static void helpless(struct dns_query *query)
{
    if (query->answer.meaning == DNS_NO_EDNS && query->has_edns) {
        query->has_edns = false;
        query->tries--; /* the same one again */
    } else {
        query->is_helpless[server_now(query)] = true;
    }
    ask_next(query);
}

static void take(struct dns_query *query)
{
    switch (query->answer.meaning) {
    case DNS_FOUND:
    case DNS_NO_RECORD:
    case DNS_NO_NAME:
        done(query, 0);
        break;
    case DNS_ALIAS:
        follow(query);
        break;
    case DNS_TRUNCATED:
        message_end(query);
        query->wants_tcp = true;
        query->next_at = TIME_NEVER; /* not before TCP has ended */
        break;
    case DNS_NO_EDNS:
    case DNS_NO_HELP:
        helpless(query);
        break;
    }
}

static void take_by_tcp(struct dns_query *query)
{
    int error = dns_tcp_ask(query, &query->server[server_now(query)],
                            now(query) + DNS_TCP_NS);

    query->wants_tcp = false;
    if (error != 0 || query->answer.meaning == DNS_TRUNCATED)
        query->answer.meaning = DNS_NO_HELP;
    take(query);
}

void dns_query_take(struct dns_query *query, uint64_t deadline_ns)
{
    int64_t len;
    int error;

    if (query->wants_tcp) {
        take_by_tcp(query);
        return;
    }
    if (query->is_done || query->socket == NULL)
        return;
    len = udp_receive(query->socket, NULL, query->buf, sizeof(query->buf),
                      deadline_ns);
    if (len == -ETIMEDOUT)
        return;
    if (len < 0) { /* nobody is there: ICMP says so */
        note_silent(query->resolver, &query->server[server_now(query)],
                    now(query));
        ask_next(query);
        return;
    }
    error = dns_answer_parse(
        query->buf, min_size((size_t)len, sizeof(query->buf)), query->id,
        &query->current, query->type, &query->answer);
    if (error != 0) {
        query->resolver->bad++;
        if (error != -EPROTO)
            return; /* the right one may still come */
        query->answer.meaning = DNS_NO_HELP;
    }
    note_alive(query->resolver, &query->server[server_now(query)]);
    take(query);
}

/* ---- Those who ask ------------------------------------------------------- */

static struct dns_query *query_find(struct resolver *resolver,
                                    const struct dns_name *name, uint16_t type)
{
    list_for_each (node, &resolver->queries) {
        struct dns_query *query = container_of(node, struct dns_query, link);

        if (query->type == type && dns_name_equal(&query->name, name))
            return query;
    }
    return NULL;
}

int resolver_ask(struct resolver *resolver, const struct dns_name *name,
                 uint16_t type, struct dns_answer *answer,
                 struct dns_query **out)
{
    uint64_t now_ns = net_now(resolver->stack);
    struct dns_query *query;

    if (dns_cache_find(&resolver->cache, name, type, now_ns, answer))
        return 1;
    query = query_find(resolver, name, type);
    if (query != NULL) {
        query->users++;
        *out = query;
        return 0;
    }
    if (resolver->query_count == DNS_QUERIES_MAX)
        return -EAGAIN;
    query = mem_alloc_zeroed(sizeof(*query));
    if (query == NULL)
        return -ENOMEM;
    query->resolver = resolver;
    query->name = query->current = *name;
    query->type = type;
    query->ttl_s = DNS_TTL_MAX;
    query->has_edns = true;
    query->users = 1;
    wait_queue_init(&query->waiters);
    begin(query);
    if (query->server_count == 0) {
        mem_free(query);
        return -ENETUNREACH;
    }
    list_push_back(&resolver->queries, &query->link);
    resolver->query_count++;
    *out = query;
    return 0;
}

void dns_query_put(struct dns_query *query)
{
    assert(query->users > 0);
    if (--query->users > 0)
        return;
    if (!query->is_done)
        done(query, -ECANCELED);
    query->resolver->query_count--;
    mem_free(query);
}
