/* The resolver of a stack: <torc/net_resolve.h>. */
#include "net/dns/resolver.h"
#include "net/stack.h"
#include "net/wire/addr_text.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/net_resolve.h>
#include <torc/string.h>
#include <torc/thread.h>

/* ---- One of a stack ------------------------------------------------------ */

struct resolver *resolver_of(struct net_stack *stack)
{
    struct resolver *resolver = stack->resolver;

    if (resolver != NULL)
        return resolver;
    resolver = mem_alloc_zeroed(sizeof(*resolver));
    if (resolver == NULL)
        return NULL;
    resolver->stack = stack;
    dns_cache_init(&resolver->cache, &stack->hash_key);
    list_init(&resolver->queries);
    stack->resolver = resolver;
    stack->resolver_fini = resolver_fini;
    return resolver;
}

void resolver_fini(struct net_stack *stack)
{
    struct resolver *resolver = stack->resolver;

    assert(resolver->query_count == 0);
    dns_cache_fini(&resolver->cache);
    mem_free(resolver);
    stack->resolver = NULL;
}

void resolver_check(const struct resolver *resolver)
{
    unsigned count = 0;

    dns_cache_check(&resolver->cache);
    list_for_each (node, &resolver->queries) {
        const struct dns_query *query =
            container_of(node, struct dns_query, link);

        count++;
        assert(!query->is_done);
        assert(query->users > 0);
        assert(query->server_count <= SERVERS_ALL_MAX);
        assert(query->tries <= DNS_ROUNDS * query->server_count);
        assert(query->aliases <= DNS_CHAIN_MAX);
    }
    assert(count <= resolver->query_count);
    assert(resolver->query_count <= DNS_QUERIES_MAX);
}

/* ---- Names that need no server ------------------------------------------- */

/* RFC 6761, 6.3 and 6.4. Returns the number of addresses, -ENOENT: there is no
 * such name; 0: a server knows. */
static int special_name(const struct dns_name *name, uint16_t type,
                        struct dns_answer *out)
{
    static const struct dns_name localhost = {11, "\11localhost"};
    static const struct dns_name invalid = {9, "\7invalid"};
    static const struct net_addr loop6 = {.byte = {[15] = 1}};

    if (dns_name_in(name, &invalid))
        return -ENOENT;
    if (!dns_name_in(name, &localhost) || type == DNS_PTR)
        return 0;
    *out = (struct dns_answer){.meaning = DNS_FOUND, .addr_count = 1};
    out->addr[0] = type == DNS_A ? addr_of_ip4(0x7f000001) : loop6;
    return 1;
}

/* ---- Asking -------------------------------------------------------------- */

static int query_run(void *arg)
{
    struct dns_query *query = arg;

    while (!query->is_done)
        dns_query_take(query, dns_query_step(query));
    dns_query_put(query);
    return 0;
}

/* Give a new query a thread of its own. Returns 0 or -ENOMEM. */
static int query_start(struct dns_query *query)
{
    const struct thread_attr attr = {.name = "dns", .detached = true};

    if (query->has_thread)
        return 0;
    query->users++;
    query->has_thread = true;
    if (thread_create(&attr, query_run, query, NULL) == 0)
        return 0;
    query->users--;
    query->has_thread = false;
    return -ENOMEM;
}

static int query_await(struct dns_query *query, uint64_t deadline_ns,
                       struct dns_answer *answer)
{
    while (!query->is_done) {
        if (wait_on_until(&query->waiters, deadline_ns) != 0)
            return -ETIMEDOUT;
    }
    *answer = query->answer;
    return query->error;
}

static int error_of(const struct dns_answer *answer)
{
    switch (answer->meaning) {
    case DNS_FOUND:
        return 0;
    case DNS_NO_NAME:
        return -ENOENT;
    default:
        return -ENODATA;
    }
}

/* Ask for records of one type. Returns 0 and *answer, or an error. */
static int ask(struct resolver *resolver, const struct dns_name *name,
               uint16_t type, uint64_t deadline_ns, struct dns_answer *answer)
{
    struct dns_query *query;
    int status = special_name(name, type, answer);

    if (status == 0)
        status = resolver_ask(resolver, name, type, answer, &query);
    if (status < 0)
        return status;
    if (status == 0) {
        status = query_start(query);
        if (status == 0)
            status = query_await(query, deadline_ns, answer);
        dns_query_put(query);
        if (status != 0)
            return status;
    }
    return error_of(answer);
}

/* Whether a host of IPv6 could be reached at all. */
static bool has_ip6(const struct net_stack *stack)
{
    static const struct net_addr global = {.byte = {0x20}};

    return route_find(stack, &global) != NULL;
}

struct found {
    struct net_addr *addr;
    unsigned size;
    unsigned count;
};

/* Add the addresses of one family behind those that are there. Returns 0 or an
 * error. */
static int add(struct resolver *resolver, const struct dns_name *name,
               uint16_t type, uint64_t deadline_ns, struct found *out)
{
    struct dns_answer answer;
    int error = ask(resolver, name, type, deadline_ns, &answer);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < answer.addr_count && out->count < out->size; i++)
        out->addr[out->count++] = answer.addr[i];
    return 0;
}

static bool is_wanted(const struct net_addr *addr, enum resolve_family family)
{
    return family == RESOLVE_ANY ||
           (family == RESOLVE_IP4) == addr_is_ip4(addr);
}

/* An address as text is itself. Returns whether it is one. */
static bool literal(const char *text, struct net_addr *out)
{
    const char *end;

    return addr_parse(text, &end, out) == 0 && *end == '\0';
}

int net_resolve(const char *text, enum resolve_family family,
                struct net_addr *addrs, unsigned size, uint64_t deadline_ns)
{
    struct found out = {.addr = addrs, .size = size};
    struct net_stack *stack = stack_self();
    struct resolver *resolver;
    struct dns_name name;
    struct net_addr addr;
    int error = 0, error6;

    if (size == 0)
        return -EINVAL;
    if (literal(text, &addr)) {
        if (!is_wanted(&addr, family))
            return -ENODATA;
        addrs[0] = addr;
        return 1;
    }
    error = dns_name_parse(text, &name);
    if (error != 0)
        return error;
    if (stack == NULL)
        return -ENOTCONN;
    resolver = resolver_of(stack);
    if (resolver == NULL)
        return -ENOMEM;
    if (family != RESOLVE_IP6)
        error = add(resolver, &name, DNS_A, deadline_ns, &out);
    if (family == RESOLVE_IP6 ||
        (family == RESOLVE_ANY && error != -ENOENT && has_ip6(stack))) {
        error6 = add(resolver, &name, DNS_AAAA, deadline_ns, &out);
        if (family == RESOLVE_IP6 || error == -ENODATA)
            error = error6;
    }
    return out.count > 0 ? (int)out.count : error;
}

int net_resolve_addr(const struct net_addr *addr, char text[NET_NAME_SIZE],
                     uint64_t deadline_ns)
{
    struct net_stack *stack = stack_self();
    struct resolver *resolver;
    struct dns_answer answer;
    struct dns_name name;
    int error;

    if (stack == NULL)
        return -ENOTCONN;
    resolver = resolver_of(stack);
    if (resolver == NULL)
        return -ENOMEM;
    dns_name_of_addr(addr, &name);
    error = ask(resolver, &name, DNS_PTR, deadline_ns, &answer);
    if (error != 0)
        return error;
    return dns_name_format(&answer.name, text) == 0 ? 0 : -EPROTO;
}

int net_set_name_servers(const struct net_addr *addrs, unsigned count)
{
    if (stack_self() == NULL)
        return -ENOTCONN;
    servers_set(stack_self(), SERVER_DNS, SERVER_BY_OPTION, addrs, count);
    return 0;
}
