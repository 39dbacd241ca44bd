/* The resolver against servers by hand: RFC 1035, 2308, 5452, 6761, 6891. */
#include "kernel/heap/heap.h"
#include "kernel/thread/sched.h"
#include "net/dns/resolver.h"
#include "net/stack.h"
#include "tests/fakes/dns_make.h"
#include "tests/fakes/netbench.h"
#include "tests/fakes/udp_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <torc/memory.h>
#include <torc/net_resolve.h>
#include <torc/thread.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum {
    FIRST = PEER_ADDRESS, /* the servers of names */
    SECOND = GATEWAY,
    THIRD = 0x08080808,
    NO_ERROR = 0x8180,
};

static struct resolver *resolver;
static struct dns_query *query;
static struct dns_answer answer;

/* ---- What is asked ------------------------------------------------------- */

struct question {
    uint32_t server;
    uint16_t port;
    uint16_t id;
    uint16_t type;
    bool has_edns;
    char name[256];
};

static bool hear(struct question *out)
{
    struct udp_datagram got;
    const uint8_t *data;
    size_t at = 12, text = 0;

    if (!udp_peer_receive(&got, NULL))
        return false;
    data = got.data;
    assert_int_equal(got.src, OUR_ADDRESS);
    assert_int_equal(got.to, 53);
    assert_true(got.from >= 49152);
    assert_memory_equal(data + 2, "\1\0\0\1\0\0\0\0\0", 9);
    for (; data[at] != 0; at += 1u + data[at]) {
        memcpy(out->name + text, data + at + 1, data[at]);
        text += data[at];
        out->name[text++] = '.';
    }
    out->name[text - 1] = '\0';
    out->server = got.dst;
    out->port = got.from;
    out->id = (uint16_t)peer_get16(data);
    out->type = (uint16_t)peer_get16(data + at + 1);
    assert_int_equal(peer_get16(data + at + 3), 1);
    out->has_edns = data[11] == 1;
    assert_int_equal(got.len, at + 5 + (out->has_edns ? 11 : 0));
    if (out->has_edns)
        assert_memory_equal(data + at + 5, "\0\0\x29\4\xd0\0\0\0\0\0\0", 11);
    return true;
}

static struct question expect(uint32_t server)
{
    struct question question;

    bench_poll();
    assert_true(hear(&question));
    assert_int_equal(question.server, server);
    return question;
}

static void expect_nothing(void)
{
    struct question question;

    bench_poll();
    assert_false(hear(&question));
}

/* ---- What is answered ---------------------------------------------------- */

/* Send what was built from `server` to where the question came from. */
static void reply_from(uint32_t server, const struct question *question)
{
    udp_peer_send(&(struct udp_datagram){
        .src = server,
        .from = 53,
        .to = question->port,
        .data = dns_message,
        .len = dns_message_len,
    });
}

static void begin_reply(const struct question *question, unsigned flags)
{
    dns_begin(question->id, flags, question->name, question->type);
}

/* Take what came, and do what is due. */
static void go_on(void)
{
    uint64_t until;

    do {
        dns_query_take(query, 0);
        until = dns_query_step(query);
        resolver_check(resolver);
    } while (bench.now >= until);
    bench_poll();
}

static void reply(const struct question *question)
{
    reply_from(question->server, question);
    go_on();
}

static void reply_address(const struct question *question, uint32_t ttl,
                          uint32_t addr)
{
    begin_reply(question, NO_ERROR);
    dns_record_a(">", ttl, addr);
    reply(question);
}

static void reply_flags(const struct question *question, unsigned flags)
{
    begin_reply(question, flags);
    reply(question);
}

static void sleep_s(double seconds)
{
    bench_sleep((uint64_t)(seconds * 1e9));
    go_on();
}

/* ---- Beginnings ---------------------------------------------------------- */

static struct dns_name name_of(const char *text)
{
    struct dns_name name;

    assert_int_equal(dns_name_parse(text, &name), 0);
    return name;
}

static void set_servers(unsigned count)
{
    const struct net_addr servers[] = {addr_of_ip4(FIRST), addr_of_ip4(SECOND),
                                       addr_of_ip4(THIRD)};

    servers_set(bench.stack, SERVER_DNS, SERVER_BY_DHCP, servers, count);
}

static void open_resolver(unsigned servers)
{
    bench_open(64);
    set_servers(servers);
    resolver = resolver_of(bench.stack);
    assert_non_null(resolver);
    assert_ptr_equal(resolver_of(bench.stack), resolver);
}

static int ask_for(const char *text, uint16_t type)
{
    const struct dns_name name = name_of(text);
    int status = resolver_ask(resolver, &name, type, &answer, &query);

    if (status == 0)
        go_on();
    return status;
}

static void ask(const char *text)
{
    assert_int_equal(ask_for(text, DNS_A), 0);
}

static void expect_done(int error, enum dns_meaning meaning)
{
    assert_true(query->is_done);
    assert_int_equal(query->error, error);
    if (error == 0)
        assert_int_equal(query->answer.meaning, meaning);
    expect_nothing();
    dns_query_put(query);
    resolver_check(resolver);
    assert_int_equal(resolver->query_count, 0);
}

/* ---- One question -------------------------------------------------------- */

static void test_an_answer_is_taken_and_kept(void **state)
{
    struct question question;

    (void)state;
    open_resolver(1);
    ask("www.example.com");
    question = expect(FIRST);
    assert_string_equal(question.name, "www.example.com");
    assert_int_equal(question.type, DNS_A);
    assert_true(question.has_edns);
    reply_address(&question, 300, 0x01020304);
    assert_int_equal(query->answer.addr_count, 1);
    assert_int_equal(addr_ip4(&query->answer.addr[0]), 0x01020304);
    expect_done(0, DNS_FOUND);

    bench_sleep(299 * NS_PER_S);
    assert_int_equal(ask_for("WWW.example.com.", DNS_A), 1);
    assert_int_equal(answer.addr_count, 1);
    assert_int_equal(addr_ip4(&answer.addr[0]), 0x01020304);
    assert_int_equal(answer.ttl_s, 1);
    assert_int_equal(ask_for("www.example.com", DNS_AAAA), 0); /* another one */
    question = expect(FIRST);
    assert_int_equal(question.type, DNS_AAAA);
    dns_query_put(query);
    bench_sleep(NS_PER_S);
    assert_int_equal(resolver->cache.count, 1);
    ask("www.example.com");
    expect(FIRST);
    assert_int_equal(resolver->cache.count, 0);
    dns_query_put(query);
    bench_close();
}

static void test_ids_and_ports_are_random(void **state)
{
    uint16_t ids[20], ports[20];
    unsigned same_ids = 0, same_ports = 0;

    (void)state;
    open_resolver(1);
    for (unsigned i = 0; i < COUNT_OF(ids); i++) {
        struct question question;

        ask("www.example.com");
        question = expect(FIRST);
        ids[i] = question.id;
        ports[i] = question.port;
        dns_query_put(query);
        for (unsigned j = 0; j < i; j++) {
            same_ids += ids[j] == ids[i];
            same_ports += ports[j] == ports[i];
        }
    }
    assert_true(same_ids < 4);
    assert_true(same_ports < 4);
    bench_close();
}

static void test_forged_answers_are_ignored(void **state)
{
    struct question question, forged;

    (void)state;
    open_resolver(2);
    ask("www.example.com");
    question = expect(FIRST);
    forged = question;
    forged.id ^= 1;
    reply_address(&forged, 300, 0x06060606);
    forged = question;
    strcpy(forged.name, "www.examp1e.com");
    reply_address(&forged, 300, 0x06060606);
    forged = question;
    forged.type = DNS_AAAA;
    reply_address(&forged, 300, 0x06060606);
    forged = question;
    forged.server = SECOND; /* not the one that was asked */
    reply_address(&forged, 300, 0x06060606);
    forged = question;
    forged.port++;
    reply_address(&forged, 300, 0x06060606);
    begin_reply(&question, 0x0100); /* a question */
    reply(&question);
    assert_false(query->is_done);
    assert_int_equal(resolver->bad, 4);
    while (fakenet_sent(&bench.net) != NULL)
        continue; /* unreachable ports */
    reply_address(&question, 300, 0x01020304);
    assert_int_equal(addr_ip4(&query->answer.addr[0]), 0x01020304);
    expect_done(0, DNS_FOUND);
    bench_close();
}

static void test_what_is_not_there_is_kept(void **state)
{
    static const struct {
        unsigned flags;
        enum dns_meaning want;
    } rows[] = {{0x8183, DNS_NO_NAME}, {NO_ERROR, DNS_NO_RECORD}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct question question;

        open_resolver(1);
        ask("nothing.example.com");
        question = expect(FIRST);
        begin_reply(&question, rows[i].flags);
        dns_record_soa(100, 50);
        reply(&question);
        expect_done(0, rows[i].want);
        bench_sleep(49 * NS_PER_S);
        assert_int_equal(ask_for("nothing.example.com", DNS_A), 1);
        assert_int_equal(answer.meaning, rows[i].want);
        assert_int_equal(answer.addr_count, 0);
        bench_sleep(1 * NS_PER_S);
        ask("nothing.example.com");
        expect(FIRST);
        dns_query_put(query);
        bench_close();
    }
}

static void test_what_may_not_be_kept_is_asked_again(void **state)
{
    struct question question;

    (void)state;
    open_resolver(1);
    ask("a.com");
    question = expect(FIRST);
    reply_address(&question, 0, 1);
    expect_done(0, DNS_FOUND);
    ask("a.com");
    question = expect(FIRST);
    reply_flags(&question, 0x8183); /* without SOA */
    expect_done(0, DNS_NO_NAME);
    ask("a.com");
    expect(FIRST);
    dns_query_put(query);
    bench_close();
}

static void test_a_name_of_an_address_is_kept(void **state)
{
    struct question question;
    const struct dns_name want = name_of("host.lan");

    (void)state;
    open_resolver(1);
    assert_int_equal(ask_for("1.0.0.10.in-addr.arpa", DNS_PTR), 0);
    question = expect(FIRST);
    begin_reply(&question, NO_ERROR);
    dns_record_name(DNS_ANSWER, ">", DNS_PTR, 60, "host.lan");
    reply(&question);
    assert_true(dns_name_equal(&query->answer.name, &want));
    expect_done(0, DNS_FOUND);
    memset(&answer, 0, sizeof(answer));
    assert_int_equal(ask_for("1.0.0.10.in-addr.arpa", DNS_PTR), 1);
    assert_true(dns_name_equal(&answer.name, &want));
    bench_close();
}

/* The server tells an alias only: it is asked on. */
static void test_an_alias_is_followed(void **state)
{
    struct question question;

    (void)state;
    open_resolver(1);
    ask("a.com");
    question = expect(FIRST);
    begin_reply(&question, NO_ERROR);
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 40, "b.com");
    reply(&question);
    question = expect(FIRST);
    assert_string_equal(question.name, "b.com");
    reply_address(&question, 300, 7);
    assert_int_equal(query->answer.ttl_s, 40);
    expect_done(0, DNS_FOUND);
    /* It is kept for the name that was asked for. */
    assert_int_equal(ask_for("a.com", DNS_A), 1);
    assert_int_equal(addr_ip4(&answer.addr[0]), 7);
    ask("b.com");
    expect(FIRST);
    dns_query_put(query);
    bench_close();
}

static void test_aliases_without_end(void **state)
{
    (void)state;
    open_resolver(1);
    ask("a.com");
    for (unsigned i = 0; i <= DNS_CHAIN_MAX; i++) {
        struct question question = expect(FIRST);

        begin_reply(&question, NO_ERROR);
        dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 40,
                        i % 2 == 0 ? "b.com" : "a.com");
        reply(&question);
    }
    expect_done(-ELOOP, 0);
    bench_close();
}

/* ---- Servers ------------------------------------------------------------- */

static void test_silent_servers_are_asked_in_turn(void **state)
{
    static const struct {
        double at;
        uint32_t server;
    } rows[] = {
        {0, FIRST}, {1, SECOND},  {2, FIRST},  {4, SECOND},
        {6, FIRST}, {10, SECOND}, {14, FIRST}, {22, SECOND},
    };
    uint64_t began;

    (void)state;
    open_resolver(2);
    began = bench.now;
    ask("a.com");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t at = began + (uint64_t)rows[i].at * NS_PER_S;

        if (i > 0) {
            bench_sleep(at - bench.now - 1);
            go_on();
            expect_nothing();
            bench_sleep(1);
            go_on();
        }
        expect(rows[i].server);
    }
    sleep_s(8);
    expect_done(-ETIMEDOUT, 0);
    assert_int_equal(resolver->asked, 8);
    bench_close();
}

/* A late answer to an earlier message is none. */
static void test_only_the_last_message_counts(void **state)
{
    struct question first, second;

    (void)state;
    open_resolver(1);
    ask("a.com");
    first = expect(FIRST);
    sleep_s(1);
    second = expect(FIRST);
    assert_true(first.port != second.port || first.id != second.id);
    reply_address(&second, 100, 1);
    expect_done(0, DNS_FOUND);
    bench_close();
}

static void test_a_silent_server_is_asked_last(void **state)
{
    struct question question;

    (void)state;
    open_resolver(2);
    ask("a.com");
    expect(FIRST);
    sleep_s(1);
    question = expect(SECOND);
    reply_address(&question, 1, 1);
    expect_done(0, DNS_FOUND);
    ask("b.com");
    question = expect(SECOND);
    sleep_s(1);
    question = expect(FIRST); /* both are silent: it answers */
    reply_address(&question, 1, 1);
    expect_done(0, DNS_FOUND);
    ask("c.com");
    question = expect(FIRST);
    dns_query_put(query);
    bench_sleep(DNS_SILENT_NS);
    ask("d.com");
    expect(FIRST);
    sleep_s(1); /* again */
    question = expect(SECOND);
    reply_address(&question, 1, 1);
    expect_done(0, DNS_FOUND);
    ask("e.com");
    expect(SECOND);
    dns_query_put(query);
    bench_close();
}

/* Two that are silent at a time are known to be. */
static void test_silent_servers_are_remembered(void **state)
{
    struct question question;

    (void)state;
    open_resolver(3);
    ask("a.com");
    expect(FIRST);
    sleep_s(1);
    expect(SECOND);
    sleep_s(1);
    question = expect(THIRD);
    reply_address(&question, 1, 1);
    expect_done(0, DNS_FOUND);
    ask("b.com");
    question = expect(THIRD);
    reply_address(&question, 1, 1);
    expect_done(0, DNS_FOUND);
    bench_close();
}

static void test_a_server_that_does_not_help(void **state)
{
    static const unsigned flags[] = {0x8182, 0x8185, 0x818b};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        struct question question;

        open_resolver(2);
        ask("a.com");
        question = expect(FIRST);
        reply_flags(&question, flags[i]);
        question = expect(SECOND); /* at once */
        sleep_s(1);
        question = expect(SECOND); /* not the first again */
        reply_flags(&question, flags[i]);
        expect_done(-EIO, 0);
        bench_close();
    }
}

/* A damaged answer of the right id and question. */
static void test_a_damaged_answer_is_no_help(void **state)
{
    struct question question;

    (void)state;
    open_resolver(2);
    ask("a.com");
    question = expect(FIRST);
    begin_reply(&question, NO_ERROR);
    dns_record_a(">", 300, 1);
    dns_message_len--;
    reply(&question);
    question = expect(SECOND);
    reply_address(&question, 300, 1);
    expect_done(0, DNS_FOUND);
    bench_close();
}

/* RFC 6891, 7. */
static void test_a_server_without_edns(void **state)
{
    static const unsigned flags[] = {0x8181, 0x8184};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        struct question question;

        open_resolver(2);
        ask("a.com");
        question = expect(FIRST);
        reply_flags(&question, flags[i]);
        question = expect(FIRST);
        assert_false(question.has_edns);
        reply_flags(&question, flags[i]);
        question = expect(SECOND); /* then it is no help */
        assert_false(question.has_edns);
        reply_address(&question, 300, 1);
        expect_done(0, DNS_FOUND);
        bench_close();
    }
}

static void test_a_server_that_is_not_there(void **state)
{
    static uint8_t frame[200];
    struct question question;
    const struct fakenet_frame *sent;
    struct udp_datagram got;
    size_t len;

    (void)state;
    open_resolver(2);
    ask("a.com");
    assert_true(udp_peer_receive(&got, NULL));
    len = 20 + 8 + got.len;
    /* ICMP: port unreachable, with the datagram that was sent. */
    memcpy(frame + 42, bench.frame + 14, len);
    memset(frame + 34, 0, 8);
    frame[34] = 3;
    frame[35] = 3;
    peer_put16(frame + 36, peer_checksum(frame + 34, 8 + len, 0));
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, FIRST, OUR_ADDRESS, 1, 8 + len));
    bench_poll();
    go_on();
    question = expect(SECOND);
    reply_address(&question, 300, 1);
    expect_done(0, DNS_FOUND);
    sent = fakenet_sent(&bench.net);
    assert_null(sent);
    bench_close();
}

static void test_servers_of_all_sources(void **state)
{
    struct net_addr list[SERVERS_ALL_MAX];
    struct net_addr some[5];

    (void)state;
    open_resolver(2);
    for (unsigned i = 0; i < COUNT_OF(some); i++)
        some[i] = addr_of_ip4(FIRST + i);
    servers_set(bench.stack, SERVER_DNS, SERVER_BY_OPTION, some,
                COUNT_OF(some));
    assert_int_equal(servers_get(bench.stack, SERVER_DNS, list), 4);
    assert_int_equal(addr_ip4(&list[0]), FIRST);
    assert_int_equal(addr_ip4(&list[2]), FIRST + 2);
    assert_int_equal(addr_ip4(&list[3]), SECOND);
    servers_set(bench.stack, SERVER_DNS, SERVER_BY_OPTION, NULL, 0);
    assert_int_equal(servers_get(bench.stack, SERVER_DNS, list), 2);
    bench_close();
}

/* ---- Limits -------------------------------------------------------------- */

static void test_without_servers_or_room(void **state)
{
    static struct dns_query *queries[DNS_QUERIES_MAX];
    char text[30];

    (void)state;
    open_resolver(0);
    assert_int_equal(ask_for("a.com", DNS_A), -ENETUNREACH);
    set_servers(1);
    heap_fail(1);
    assert_int_equal(ask_for("a.com", DNS_A), -ENOMEM);
    heap_fail(0);
    for (unsigned i = 0; i < DNS_QUERIES_MAX; i++) {
        snprintf(text, sizeof(text), "a%u.com", i);
        ask(text);
        queries[i] = query;
    }
    assert_int_equal(ask_for("b.com", DNS_A), -EAGAIN);
    ask("a3.com"); /* that is asked for already */
    assert_ptr_equal(query, queries[3]);
    assert_int_equal(query->users, 2);
    dns_query_put(query);
    for (unsigned i = 0; i < DNS_QUERIES_MAX; i++)
        dns_query_put(queries[i]);
    assert_int_equal(resolver->query_count, 0);
    bench_close();
}

/* Without memory for a socket it is as if the message were lost. */
static void test_a_message_that_cannot_be_sent(void **state)
{
    const struct dns_name name = name_of("a.com");
    struct question question;

    (void)state;
    open_resolver(1);
    assert_int_equal(resolver_ask(resolver, &name, DNS_A, &answer, &query), 0);
    heap_fail(1);
    go_on();
    heap_fail(0);
    expect_nothing();
    sleep_s(1);
    question = expect(FIRST);
    reply_address(&question, 300, 1);
    expect_done(0, DNS_FOUND);
    bench_close();
}

static void fill(unsigned count, unsigned type)
{
    struct dns_answer full = {
        .meaning = DNS_FOUND, .ttl_s = 100, .addr_count = DNS_ADDRS_MAX};
    char text[80];

    for (unsigned i = 0; i < count; i++) {
        struct dns_name name;

        snprintf(text, sizeof(text),
                 "a-long-name-so-that-bytes-count.and-a-longer-one.%u.com", i);
        name = name_of(text);
        if (type == DNS_A)
            full.addr_count = 1;
        dns_cache_put(&resolver->cache, &name, (uint16_t)type, bench.now,
                      &full);
        dns_cache_check(&resolver->cache);
    }
}

static bool is_kept(unsigned i, unsigned type)
{
    char text[80];
    struct dns_name name;

    snprintf(text, sizeof(text),
             "a-long-name-so-that-bytes-count.and-a-longer-one.%u.com", i);
    name = name_of(text);
    return dns_cache_find(&resolver->cache, &name, (uint16_t)type, bench.now,
                          &answer);
}

static void test_the_cache_has_limits(void **state)
{
    (void)state;
    open_resolver(1);
    fill(DNS_CACHE_ENTRIES, DNS_A);
    assert_int_equal(resolver->cache.count, DNS_CACHE_ENTRIES);
    assert_true(is_kept(0, DNS_A)); /* is used now */
    fill(1, DNS_PTR);
    assert_int_equal(resolver->cache.count, DNS_CACHE_ENTRIES);
    assert_true(is_kept(0, DNS_A));
    assert_false(is_kept(1, DNS_A)); /* not used for longest */
    assert_true(is_kept(2, DNS_A));
    dns_cache_fini(&resolver->cache);
    dns_cache_check(&resolver->cache);
    fill(DNS_CACHE_ENTRIES, DNS_AAAA);
    assert_true(resolver->cache.count < DNS_CACHE_ENTRIES);
    assert_true(resolver->cache.bytes > DNS_CACHE_BYTES * 9 / 10);
    assert_true(is_kept(DNS_CACHE_ENTRIES - 1, DNS_AAAA));
    bench_close();
}

static void test_an_answer_takes_the_place_of_the_older_one(void **state)
{
    struct dns_answer one = {
        .meaning = DNS_FOUND, .ttl_s = 100, .addr_count = 1};
    const struct dns_name name = name_of("a.com");

    (void)state;
    open_resolver(1);
    one.addr[0] = addr_of_ip4(1);
    dns_cache_put(&resolver->cache, &name, DNS_A, bench.now, &one);
    one.addr[0] = addr_of_ip4(2);
    dns_cache_put(&resolver->cache, &name, DNS_A, bench.now, &one);
    assert_int_equal(resolver->cache.count, 1);
    assert_int_equal(ask_for("a.com", DNS_A), 1);
    assert_int_equal(addr_ip4(&answer.addr[0]), 2);
    heap_fail(1);
    dns_cache_put(&resolver->cache, &name, DNS_A, bench.now, &one);
    heap_fail(0);
    assert_int_equal(resolver->cache.count, 0);
    dns_cache_check(&resolver->cache);
    bench_close();
}

/* ---- Threads that ask ---------------------------------------------------- */

struct asker {
    const char *name;
    enum resolve_family family;
    uint64_t deadline_ns;
    int result;
    struct net_addr addr[4];
    thread_id id;
};

static int asker_run(void *arg)
{
    struct asker *asker = arg;

    asker->result = net_resolve(asker->name, asker->family, asker->addr,
                                COUNT_OF(asker->addr), asker->deadline_ns);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* A resolver on a machine that keeps the stacks of some threads that have
 * ended: that memory is not lost. */
static void open_with_threads(void)
{
    struct mem_stats before, after;
    thread_id ids[6];

    open_resolver(1);
    mem_get_stats(&before);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(thread_create(NULL, nothing, NULL, &ids[i]), 0);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    mem_get_stats(&after);
    bench.blocks += after.block_count - before.block_count;
}

static void asker_start(struct asker *asker)
{
    assert_int_equal(thread_create(NULL, asker_run, asker, &asker->id), 0);
    for (unsigned i = 0; i < 4; i++)
        thread_yield(); /* it asks, its query's thread sends */
}

static void asker_join(struct asker *asker)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
    assert_int_equal(thread_join(asker->id, NULL), 0);
}

static void test_threads_that_ask_the_same_share_a_question(void **state)
{
    struct asker askers[] = {
        {.name = "www.example.com", .deadline_ns = TIME_NEVER},
        {.name = "WWW.example.com", .deadline_ns = TIME_NEVER},
        {.name = "www.example.com.", .deadline_ns = 1}, /* does not wait */
    };
    struct question question;

    (void)state;
    open_with_threads();
    for (size_t i = 0; i < COUNT_OF(askers); i++)
        asker_start(&askers[i]);
    asker_join(&askers[2]);
    assert_int_equal(askers[2].result, -ETIMEDOUT);
    question = expect(FIRST);
    expect_nothing();
    begin_reply(&question, NO_ERROR);
    dns_record_a(">", 300, 0x01020304);
    dns_record_a(">", 300, 0x01020305);
    reply_from(FIRST, &question);
    for (size_t i = 0; i < 2; i++) {
        asker_join(&askers[i]);
        assert_int_equal(askers[i].result, 2);
        assert_int_equal(addr_ip4(&askers[i].addr[1]), 0x01020305);
    }
    assert_int_equal(resolver->query_count, 0);
    assert_int_equal(resolver->asked, 1);
    bench_close();
}

static void ask_by_thread(struct asker *asker, void (*serve)(void))
{
    asker->deadline_ns = TIME_NEVER;
    asker_start(asker);
    serve();
    asker_join(asker);
}

static void serve_nothing(void)
{
    expect_nothing();
}

static void serve_no_name(void)
{
    struct question question = expect(FIRST);

    begin_reply(&question, 0x8183);
    reply_from(FIRST, &question);
}

static void serve_no_record(void)
{
    struct question question = expect(FIRST);

    begin_reply(&question, NO_ERROR);
    reply_from(FIRST, &question);
}

static void serve_ip6(void)
{
    struct question question = expect(FIRST);

    assert_int_equal(question.type, DNS_AAAA);
    begin_reply(&question, NO_ERROR);
    dns_record(DNS_ANSWER, ">", DNS_AAAA, 60);
    dns_put16(16);
    for (uint32_t i = 0; i < 4; i++)
        dns_put32(0x20010db8 + i);
    reply_from(FIRST, &question);
}

static void test_what_net_resolve_answers(void **state)
{
    static const struct {
        const char *name;
        enum resolve_family family;
        void (*serve)(void);
        int result;
        uint32_t addr;
    } rows[] = {
        {"10.1.2.3", RESOLVE_ANY, serve_nothing, 1, 0x0a010203},
        {"10.1.2.3", RESOLVE_IP4, serve_nothing, 1, 0x0a010203},
        {"10.1.2.3", RESOLVE_IP6, serve_nothing, -ENODATA, 0},
        {"fe80::1", RESOLVE_IP4, serve_nothing, -ENODATA, 0},
        {"fe80::1", RESOLVE_IP6, serve_nothing, 1, 1},
        {"localhost", RESOLVE_ANY, serve_nothing, 1, 0x7f000001},
        {"a.LocalHost.", RESOLVE_IP4, serve_nothing, 1, 0x7f000001},
        {"localhost", RESOLVE_IP6, serve_nothing, 1, 1},
        {"a.invalid", RESOLVE_ANY, serve_nothing, -ENOENT, 0},
        {"a b", RESOLVE_ANY, serve_nothing, -EINVAL, 0},
        {"", RESOLVE_ANY, serve_nothing, -EINVAL, 0},
        {"gone.com", RESOLVE_ANY, serve_no_name, -ENOENT, 0},
        {"none.com", RESOLVE_ANY, serve_no_record, -ENODATA, 0},
        {"none.com", RESOLVE_IP6, serve_no_record, -ENODATA, 0},
        {"six.com", RESOLVE_IP6, serve_ip6, 1, 0x20010dbb},
    };

    (void)state;
    open_with_threads();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct asker asker = {.name = rows[i].name, .family = rows[i].family};

        ask_by_thread(&asker, rows[i].serve);
        if (asker.result != rows[i].result)
            fail_msg("%s: %d", rows[i].name, asker.result);
        if (asker.result > 0)
            assert_int_equal(peer_get32(asker.addr[0].byte + 12), rows[i].addr);
    }
    assert_int_equal(resolver->query_count, 0);
    bench_close();
}

static void serve_both(void)
{
    struct question question = expect(FIRST);

    assert_int_equal(question.type, DNS_A);
    begin_reply(&question, NO_ERROR);
    dns_record_a(">", 300, 0x01020304);
    reply_from(FIRST, &question);
    for (unsigned i = 0; i < 6; i++)
        thread_yield();
    serve_ip6();
}

static void serve_only_ip6(void)
{
    serve_no_record();
    for (unsigned i = 0; i < 6; i++)
        thread_yield();
    serve_ip6();
}

/* With a route to IPv6 both families are asked for. */
static void test_both_families(void **state)
{
    static const struct net_addr none = {.word = {0, 0}};
    struct asker both = {.name = "both.com"}, six = {.name = "only-six.com"};
    struct asker gone = {.name = "gone.com"};

    (void)state;
    open_with_threads();
    assert_int_equal(route_add(bench.stack, none, 0, &none), 0);
    ask_by_thread(&both, serve_both);
    assert_int_equal(both.result, 2);
    assert_int_equal(addr_ip4(&both.addr[0]), 0x01020304);
    assert_int_equal(peer_get32(both.addr[1].byte), 0x20010db8);
    ask_by_thread(&six, serve_only_ip6);
    assert_int_equal(six.result, 1);
    ask_by_thread(&gone, serve_no_name);
    assert_int_equal(gone.result, -ENOENT);
    bench_close();
}

struct namer {
    struct net_addr addr;
    char name[NET_NAME_SIZE];
    int result;
};

static int namer_run(void *arg)
{
    struct namer *namer = arg;

    namer->result = net_resolve_addr(&namer->addr, namer->name, TIME_NEVER);
    return 0;
}

static void test_what_net_resolve_addr_answers(void **state)
{
    static const struct {
        const char *target; /* NULL: there is none */
        int result;
    } rows[] = {{"host.lan", 0}, {"a b.lan", -EPROTO}, {NULL, -ENOENT}};

    (void)state;
    open_with_threads();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct namer namer = {.addr = addr_of_ip4(0x0a000005 + (uint32_t)i)};
        struct question question;
        thread_id id;

        assert_int_equal(thread_create(NULL, namer_run, &namer, &id), 0);
        for (unsigned n = 0; n < 4; n++)
            thread_yield();
        question = expect(FIRST);
        begin_reply(&question, rows[i].target != NULL ? NO_ERROR : 0x8183);
        if (rows[i].target != NULL)
            dns_record_name(DNS_ANSWER, ">", DNS_PTR, 60, rows[i].target);
        reply_from(FIRST, &question);
        for (unsigned n = 0; n < 4; n++)
            thread_yield();
        assert_int_equal(thread_join(id, NULL), 0);
        assert_int_equal(namer.result, rows[i].result);
        if (namer.result == 0)
            assert_string_equal(namer.name, rows[i].target);
    }
    bench_close();
}

/* ---- Over TCP ------------------------------------------------------------ */

enum { IRS = 1000 };

static void let_run(void)
{
    for (unsigned i = 0; i < 6; i++) {
        bench_poll();
        thread_yield();
    }
    bench_poll();
}

/* The name is asked for; the answer over UDP is cut. A segment of our SYN. */
static struct peer_segment ask_cut(struct asker *asker)
{
    struct peer_segment syn;
    struct question question;

    asker->deadline_ns = TIME_NEVER;
    asker_start(asker);
    question = expect(FIRST);
    begin_reply(&question, 0x8380);
    reply_from(FIRST, &question);
    let_run();
    bench.relative = false;
    assert_true(peer_receive(&syn));
    assert_int_equal(syn.flags, SYN);
    assert_int_equal(syn.port, 53);
    return syn;
}

/* The next segment with data, of our connection. */
static struct peer_segment receive_data(void)
{
    struct peer_segment got;

    do
        assert_true(peer_receive(&got));
    while (got.len == 0);
    return got;
}

/* Accept the connection. Returns the question's segment. */
static struct peer_segment accept_tcp(const struct peer_segment *syn)
{
    struct peer_segment got;

    peer_send((struct peer_segment){.flags = SYN | ACK,
                                    .seq = IRS,
                                    .ack = syn->seq + 1,
                                    .window = 60000,
                                    .port = 53,
                                    .target = syn->target});
    let_run();
    got = receive_data();
    assert_int_equal(peer_get16(got.data), got.len - 2);
    return got;
}

/* Say those bytes of the answer, from `at` on. */
static void say(const struct peer_segment *question, uint8_t flags,
                const uint8_t *data, size_t at, size_t len)
{
    peer_send(
        (struct peer_segment){.flags = ACK | flags,
                              .seq = IRS + 1 + (uint32_t)at,
                              .ack = question->seq + (uint32_t)question->len,
                              .window = 60000,
                              .port = 53,
                              .target = question->target,
                              .data = data + at,
                              .len = len});
    let_run();
}

/* A large answer, in front of which is its length. */
static size_t make_answer(const struct peer_segment *question, unsigned count,
                          unsigned flags, uint8_t *out)
{
    dns_begin(peer_get16((const uint8_t *)question->data + 2), flags,
              "www.example.com", DNS_A);
    for (unsigned i = 0; i < count; i++)
        dns_record_a(">", 300, 0x01020300 + i);
    dns_message[6] = (uint8_t)(count >> 8);
    dns_message[7] = (uint8_t)count;
    peer_put16(out, (unsigned)dns_message_len);
    memcpy(out + 2, dns_message, dns_message_len);
    return dns_message_len + 2;
}

static void test_an_answer_that_is_cut_comes_over_tcp(void **state)
{
    static uint8_t whole[10000];
    struct asker asker = {.name = "www.example.com"};
    struct peer_segment syn, question;
    size_t len, at = 0;

    (void)state;
    open_with_threads();
    syn = ask_cut(&asker);
    question = accept_tcp(&syn);
    assert_memory_equal((const uint8_t *)question.data + 4, "\1\0\0\1\0\0", 6);
    len = make_answer(&question, 300, NO_ERROR, whole);
    say(&question, 0, whole, 0, 1); /* in odd pieces */
    say(&question, 0, whole, 1, 2);
    for (at = 3; at < len; at += 1000)
        say(&question, 0, whole, at, len - at < 1000 ? len - at : 1000);
    asker_join(&asker);
    assert_int_equal(asker.result, 4);
    assert_int_equal(addr_ip4(&asker.addr[3]), 0x01020303);
    assert_int_equal(ask_for("www.example.com", DNS_A), 1); /* it is kept */
    bench_close();
}

enum tcp_failure {
    REFUSED,   /* the connection */
    ENDS,      /* in the middle */
    CUT_AGAIN, /* the answer says that it is cut */
    FORGED,    /* of another id */
    NO_MEMORY, /* for the answer */
    FAILURES,
};

static void fail_tcp(enum tcp_failure how, const struct peer_segment *syn)
{
    static uint8_t whole[10000];
    struct peer_segment question;
    size_t len;

    if (how == REFUSED) {
        peer_send((struct peer_segment){.flags = RST | ACK,
                                        .ack = syn->seq + 1,
                                        .port = 53,
                                        .target = syn->target});
        let_run();
        return;
    }
    question = accept_tcp(syn);
    len = make_answer(&question, 100, how == CUT_AGAIN ? 0x8380 : NO_ERROR,
                      whole);
    if (how == FORGED)
        whole[2] ^= 1;
    if (how == NO_MEMORY) {
        say(&question, 0, whole, 0, 1);
        heap_fail(1); /* what it is put together in */
    }
    if (how == NO_MEMORY) {
        say(&question, 0, whole, 1, 1);
        heap_fail(0);
        return;
    }
    say(&question, 0, whole, 0, how == ENDS ? 100 : 1000);
    if (how == ENDS)
        say(&question, FIN, whole, 100, 0);
    else
        say(&question, 0, whole, 1000, len - 1000);
}

/* Then the next server is asked. */
static void test_tcp_fails(void **state)
{
    (void)state;
    for (enum tcp_failure how = 0; how < FAILURES; how++) {
        struct asker asker = {.name = "www.example.com"};
        struct peer_segment syn;
        struct question question;

        open_with_threads();
        set_servers(2);
        syn = ask_cut(&asker);
        fail_tcp(how, &syn);
        question = expect(SECOND);
        begin_reply(&question, NO_ERROR);
        dns_record_a(">", 300, 0x01020304);
        reply_from(SECOND, &question);
        asker_join(&asker);
        if (asker.result != 1)
            fail_msg("way %d: %d", how, asker.result);
        bench_close();
    }
}

/* Nobody answers our SYN. */
static void test_tcp_is_waited_for_five_seconds(void **state)
{
    struct asker asker = {.name = "www.example.com"};
    struct question question;

    (void)state;
    open_with_threads();
    set_servers(2);
    (void)ask_cut(&asker);
    bench_sleep(DNS_TCP_NS - NS_PER_S / 2);
    let_run();
    assert_false(hear(&question));
    bench_sleep(NS_PER_S);
    let_run();
    question = expect(SECOND);
    begin_reply(&question, NO_ERROR);
    dns_record_a(">", 300, 0x01020304);
    reply_from(SECOND, &question);
    asker_join(&asker);
    assert_int_equal(asker.result, 1);
    bench_close();
}

static void test_net_resolve_fails(void **state)
{
    struct net_addr addr;
    struct net_stack *stack;
    const struct net_addr server = addr_of_ip4(SECOND);

    (void)state;
    bench_open(64);
    assert_int_equal(net_resolve("a.com", 0, &addr, 0, 0), -EINVAL);
    heap_fail(1);
    assert_int_equal(net_resolve("a.com", 0, &addr, 1, 0), -ENOMEM);
    heap_fail(1);
    assert_int_equal(net_resolve_addr(&server, (char[NET_NAME_SIZE]){0}, 0),
                     -ENOMEM);
    heap_fail(0);
    assert_int_equal(net_resolve("a.com", 0, &addr, 1, 0), -ENETUNREACH);
    assert_int_equal(net_set_name_servers(&server, 1), 0);
    heap_fail(2); /* the thread */
    assert_int_equal(net_resolve("a.com", 0, &addr, 1, 0), -ENOMEM);
    heap_fail(0);
    assert_int_equal(bench.stack->resolver->query_count, 0);
    stack = cpu_self()->net_stack;
    cpu_self()->net_stack = NULL;
    assert_int_equal(net_resolve("a.com", 0, &addr, 1, 0), -ENOTCONN);
    assert_int_equal(net_resolve("1.2.3.4", 0, &addr, 1, 0), 1);
    assert_int_equal(net_resolve_addr(&addr, (char[NET_NAME_SIZE]){0}, 0),
                     -ENOTCONN);
    assert_int_equal(net_set_name_servers(&server, 1), -ENOTCONN);
    cpu_self()->net_stack = stack;
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_taken_and_kept),
        cmocka_unit_test(test_ids_and_ports_are_random),
        cmocka_unit_test(test_forged_answers_are_ignored),
        cmocka_unit_test(test_what_is_not_there_is_kept),
        cmocka_unit_test(test_what_may_not_be_kept_is_asked_again),
        cmocka_unit_test(test_a_name_of_an_address_is_kept),
        cmocka_unit_test(test_an_alias_is_followed),
        cmocka_unit_test(test_aliases_without_end),
        cmocka_unit_test(test_silent_servers_are_asked_in_turn),
        cmocka_unit_test(test_only_the_last_message_counts),
        cmocka_unit_test(test_a_silent_server_is_asked_last),
        cmocka_unit_test(test_silent_servers_are_remembered),
        cmocka_unit_test(test_a_server_that_does_not_help),
        cmocka_unit_test(test_a_damaged_answer_is_no_help),
        cmocka_unit_test(test_a_server_without_edns),
        cmocka_unit_test(test_a_server_that_is_not_there),
        cmocka_unit_test(test_servers_of_all_sources),
        cmocka_unit_test(test_without_servers_or_room),
        cmocka_unit_test(test_a_message_that_cannot_be_sent),
        cmocka_unit_test(test_the_cache_has_limits),
        cmocka_unit_test(test_an_answer_takes_the_place_of_the_older_one),
        cmocka_unit_test(test_threads_that_ask_the_same_share_a_question),
        cmocka_unit_test(test_what_net_resolve_answers),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_what_net_resolve_addr_answers),
        cmocka_unit_test(test_an_answer_that_is_cut_comes_over_tcp),
        cmocka_unit_test(test_tcp_fails),
        cmocka_unit_test(test_tcp_is_waited_for_five_seconds),
        cmocka_unit_test(test_net_resolve_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
