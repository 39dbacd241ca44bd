/* The client of NTP against servers by hand: RFC 4330, RFC 5905. */
#include "kernel/heap/heap.h"
#include "net/ntp/client.h"
#include "net/stack.h"
#include "tests/fakes/console.h"
#include "tests/fakes/netbench.h"
#include "tests/fakes/udp_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <torc/thread.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#define S  ((int64_t)NS_PER_S)
#define MS ((int64_t)NS_PER_MS)

/* 2026-01-01, in seconds since 1970. */
#define TODAY_S 1767225600
/* 1900 to 1970. */
#define SINCE_1900 UINT64_C(2208988800)

static struct ntp_client *client;
static int64_t wall_less_boot; /* of the machine's clock */
static int64_t true_less_boot;
static unsigned adjustments;
static int adjust_error;

static uint64_t wall(void)
{
    return bench.now + (uint64_t)wall_less_boot;
}

static int adjust(int64_t delta)
{
    adjustments++;
    if (adjust_error == 0)
        wall_less_boot += delta;
    return adjust_error;
}

static uint64_t true_time(void)
{
    return bench.now + (uint64_t)true_less_boot;
}

static int64_t error_now(void)
{
    return wall_less_boot - true_less_boot;
}

/* ---- Messages ------------------------------------------------------------ */

static void put_time(uint8_t *p, uint64_t ns)
{
    peer_put32(p, (uint32_t)(ns / NS_PER_S + SINCE_1900));
    peer_put32(p + 4, (uint32_t)((ns % NS_PER_S << 32) / NS_PER_S));
}

/* A good reply whose two times are that. */
static void make_reply(uint8_t reply[48], uint64_t cookie, uint64_t received,
                       uint64_t sent)
{
    memset(reply, 0, 48);
    reply[0] = 0x24;
    reply[1] = 2;
    peer_put32(reply + 24, (uint32_t)(cookie >> 32));
    peer_put32(reply + 28, (uint32_t)cookie);
    put_time(reply + 32, received);
    put_time(reply + 40, sent);
}

static void test_a_question_says_nothing(void **state)
{
    uint8_t buf[49];

    (void)state;
    memset(buf, 0xee, sizeof(buf));
    ntp_emit(buf, 0x0102030405060708);
    assert_int_equal(buf[0], 0x23);
    for (size_t i = 1; i < 40; i++)
        assert_int_equal(buf[i], 0);
    assert_memory_equal(buf + 40, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(buf[48], 0xee);
}

static void test_a_reply_is_parsed(void **state)
{
    uint8_t buf[48];
    struct ntp_reply reply;

    (void)state;
    make_reply(buf, 7, TODAY_S * NS_PER_S, (TODAY_S + 1) * NS_PER_S);
    peer_put32(buf + 36, 0x80000000); /* half a second */
    peer_put32(buf + 4, 0x8000);      /* root delay: half a second */
    peer_put32(buf + 8, 0x4000);      /* dispersion: a quarter */
    assert_int_equal(ntp_parse(buf, 48, 7, &reply), 0);
    assert_int_equal(reply.kiss, NTP_KISS_NONE);
    assert_int_equal(reply.stratum, 2);
    assert_true(reply.received == TODAY_S * NS_PER_S + NS_PER_S / 2);
    assert_true(reply.sent == (TODAY_S + 1) * NS_PER_S);
    assert_true(reply.distance == NS_PER_S / 2);
}

/* 2036-02-07 06:28:16 is 0 again. */
static void test_the_second_era(void **state)
{
    uint8_t buf[48];
    struct ntp_reply reply;

    (void)state;
    make_reply(buf, 7, 1, 1);
    peer_put32(buf + 32, 0xffffffff);
    peer_put32(buf + 36, 0);
    peer_put32(buf + 40, 5);
    peer_put32(buf + 44, 0);
    assert_int_equal(ntp_parse(buf, 48, 7, &reply), 0);
    assert_true(reply.received == UINT64_C(2085978495) * NS_PER_S);
    assert_true(reply.sent == UINT64_C(2085978501) * NS_PER_S);
}

static void test_bad_replies(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint32_t value; /* of four bytes */
        int want;
    } rows[] = {
        {"another cookie", 28, 8, -ENOENT},
        {"another cookie's beginning", 24, 1, -ENOENT},
        {"a client's", 0, 0x23020000, -ENOENT},
        {"a broadcast", 0, 0x25020000, -ENOENT},
        {"version 2", 0, 0x14020000, -EPROTO},
        {"version 5", 0, 0x2c020000, -EPROTO},
        {"version 3", 0, 0x1c020000, 0},
        {"a leap second comes", 0, 0x64020000, 0},
        {"a clock that is not set", 0, 0xe4020000, -EPROTO},
        {"stratum 1", 0, 0x24010000, 0},
        {"stratum 15", 0, 0x240f0000, 0},
        {"stratum 16", 0, 0x24100000, -EPROTO},
        {"a root delay of 2 s", 4, 0x20000, 0},
        {"of more", 4, 0x20003, -EPROTO},
        {"a dispersion of 1 s", 8, 0x10000, 0},
        {"of more", 8, 0x10001, -EPROTO},
        {"a negative delay", 4, 0xffffffff, -EPROTO},
        {"sent before it came", 40, 0xe0000000, -EPROTO},
        {"the year 2019", 32, 1577836799u + 2208988800u, -EPROTO},
        {"2020", 32, 1577836800u + 2208988800u, 0},
    };
    struct ntp_reply reply;
    uint8_t buf[48];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make_reply(buf, 7, TODAY_S * NS_PER_S, TODAY_S * NS_PER_S);
        peer_put32(buf + rows[i].at, rows[i].value);
        if (ntp_parse(buf, 48, 7, &reply) != rows[i].want)
            fail_msg("%s", rows[i].what);
    }
    make_reply(buf, 7, TODAY_S * NS_PER_S, TODAY_S * NS_PER_S);
    for (size_t len = 0; len < 48; len++) {
        uint8_t *exact = malloc(len + 1);

        memcpy(exact + 1, buf, len);
        assert_int_equal(ntp_parse(exact + 1, len, 7, &reply), -ENOENT);
        free(exact);
    }
    memset(buf + 40, 0, 8); /* no time at all */
    assert_int_equal(ntp_parse(buf, 48, 7, &reply), -EPROTO);
    make_reply(buf, 7, 0, TODAY_S * NS_PER_S);
    memset(buf + 32, 0, 8);
    assert_int_equal(ntp_parse(buf, 48, 7, &reply), -EPROTO);
}

static void test_kisses(void **state)
{
    static const struct {
        const char *code;
        enum ntp_kiss want;
    } rows[] = {{"RATE", NTP_KISS_RATE},
                {"DENY", NTP_KISS_DENY},
                {"RSTR", NTP_KISS_DENY},
                {"INIT", NTP_KISS_OTHER},
                {"\0\0\0\0", NTP_KISS_OTHER}};
    struct ntp_reply reply;
    uint8_t buf[48];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make_reply(buf, 7, TODAY_S * NS_PER_S, TODAY_S * NS_PER_S);
        buf[1] = 0;
        memcpy(buf + 12, rows[i].code, 4);
        buf[16] = 1; /* what follows it is another field */
        assert_int_equal(ntp_parse(buf, 48, 7, &reply), 0);
        assert_int_equal(reply.kiss, rows[i].want);
        assert_int_equal(ntp_parse(buf, 48, 8, &reply), -ENOENT);
    }
}

/* ---- The client ---------------------------------------------------------- */

struct question {
    uint32_t server;
    uint16_t port;
    uint64_t cookie;
};

static bool hear(struct question *out)
{
    struct udp_datagram got;

    bench_poll();
    if (!udp_peer_receive(&got, NULL))
        return false;
    assert_int_equal(got.to, 123);
    assert_int_equal(got.len, 48);
    assert_int_equal(got.data[0], 0x23);
    out->server = got.dst;
    out->port = got.from;
    out->cookie =
        (uint64_t)peer_get32(got.data + 40) << 32 | peer_get32(got.data + 44);
    return true;
}

static struct question expect(uint32_t server)
{
    struct question question;

    assert_true(hear(&question));
    assert_int_equal(question.server, server);
    return question;
}

static void expect_nothing(void)
{
    struct question question;

    assert_false(hear(&question));
}

/* Take what came, and do what is due. Returns when the next thing is. */
static uint64_t go_on(void)
{
    uint64_t until;

    do {
        if (client->socket != NULL)
            ntp_take(client, 0);
        until = ntp_step(client);
        ntp_check(client);
    } while (until <= bench.now);
    bench_poll();
    return until;
}

/* Let time pass; the first thing that is due at its end is not yet done. */
static void pass(uint64_t ns)
{
    uint64_t end = bench.now + ns;
    uint64_t until;

    while ((until = go_on()) < end)
        bench_sleep(until - bench.now);
    bench_sleep(end - bench.now);
}

static void sleep_for(uint64_t ns)
{
    pass(ns);
    go_on();
}

/* Until the next question, or what follows the last one of a round. */
static void sleep_next(void)
{
    uint64_t at = client->next_at;

    while (bench.now < at) {
        uint64_t until = go_on();

        bench_sleep((until < at ? until : at) - bench.now);
    }
    go_on();
}

static void reply_bytes(const struct question *question, const uint8_t *reply)
{
    udp_peer_send(&(struct udp_datagram){
        .src = question->server,
        .from = 123,
        .to = question->port,
        .data = reply,
        .len = 48,
    });
    go_on();
}

/* Answer when the way there took `there`, the answer `busy` and the way back
 * `back` nanoseconds, with a clock that is wrong by `wrong`. */
static void reply(const struct question *question, int64_t there, int64_t busy,
                  int64_t back, int64_t wrong)
{
    uint8_t buf[48];
    uint64_t received, sent;

    bench_sleep((uint64_t)there);
    received = true_time() + (uint64_t)wrong;
    bench_sleep((uint64_t)busy);
    sent = true_time() + (uint64_t)wrong;
    bench_sleep((uint64_t)back);
    make_reply(buf, question->cookie, received, sent);
    reply_bytes(question, buf);
}

static void reply_kiss(const struct question *question, const char *code)
{
    uint8_t buf[48];

    make_reply(buf, question->cookie, true_time(), true_time());
    buf[1] = 0;
    memcpy(buf + 12, code, 4);
    reply_bytes(question, buf);
}

/* All questions of a round are answered; then the client has corrected. */
static void answer_round(uint32_t server, int64_t wrong)
{
    for (unsigned i = 0; i < NTP_SAMPLES; i++) {
        struct question question = expect(server);

        reply(&question, 5 * MS, 1 * MS, 5 * MS, wrong);
        sleep_next();
    }
}

static void open_client(unsigned servers, int64_t error_ns)
{
    const struct net_addr list[] = {addr_of_ip4(PEER_ADDRESS),
                                    addr_of_ip4(GATEWAY)};

    bench_open(64);
    true_less_boot = TODAY_S * S - (int64_t)bench.now;
    wall_less_boot = true_less_boot + error_ns;
    adjustments = 0;
    adjust_error = 0;
    assert_int_equal(ntp_open(bench.stack, list, servers, &client), 0);
    client->wall = wall;
    client->adjust = adjust;
    go_on();
}

static void close_client(void)
{
    ntp_check(client);
    ntp_close(client);
    bench_close();
}

static void expect_error(int64_t most)
{
    if (llabs(error_now()) > most)
        fail_msg("the clock is wrong by %ld ns", error_now());
}

static void test_the_clock_is_set_at_once_first(void **state)
{
    static const int64_t errors[] = {0,        -TODAY_S * S + 1, 3600 * S,
                                     -40 * MS, 10 * MS,          -129 * MS};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        open_client(1, errors[i]);
        answer_round(PEER_ADDRESS, 0);
        assert_int_equal(adjustments, 1);
        expect_error(1000);
        assert_true(console_has("set at once, by 10.0.0.2"));
        expect_nothing();
        pass(NTP_POLL_MIN_NS - 3 * NS_PER_S);
        expect_nothing();
        close_client();
    }
}

/* The middle of the way is the middle of the answer. */
static void test_the_way_counts(void **state)
{
    static const struct {
        int64_t there, busy, back, want;
    } rows[] = {
        {50 * MS, 0, 50 * MS, 0},
        {10 * MS, 300 * MS, 10 * MS, 0},
        {100 * MS, 0, 0, 50 * MS}, /* cannot be known */
        {0, 20 * MS, 100 * MS, -50 * MS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_client(1, 7 * S);
        for (unsigned n = 0; n < NTP_SAMPLES; n++) {
            struct question question = expect(PEER_ADDRESS);

            reply(&question, rows[i].there, rows[i].busy, rows[i].back, 0);
            sleep_next();
        }
        assert_int_equal(adjustments, 1);
        if (llabs(error_now() - rows[i].want) > 1000)
            fail_msg("row %zu: wrong by %ld", i, error_now());
        close_client();
    }
}

static void test_the_middle_sample_is_taken(void **state)
{
    static const int64_t wrong[] = {-500 * MS, 3 * MS, 400 * MS, 2 * MS,
                                    1 * MS};

    (void)state;
    open_client(1, 5 * S);
    for (unsigned i = 0; i < NTP_SAMPLES; i++) {
        struct question question = expect(PEER_ADDRESS);

        reply(&question, MS, MS, MS, wrong[i]);
        sleep_next();
    }
    assert_int_equal(adjustments, 1);
    if (llabs(error_now() - 2 * MS) > 1000)
        fail_msg("wrong by %ld", error_now());
    close_client();
}

/* From the second time on. */
static void test_small_errors_are_corrected_little_by_little(void **state)
{
    static const int64_t errors[] = {4 * MS, -4 * MS, 127 * MS, -300000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        int64_t last;
        unsigned seconds = 0;

        open_client(1, 0);
        answer_round(PEER_ADDRESS, 0);
        wall_less_boot += errors[i];
        sleep_next();
        answer_round(PEER_ADDRESS, 0);
        last = errors[i];
        while (llabs(error_now()) > 1000) {
            assert_true(llabs(last - error_now()) <= NTP_SLEW_NS + 1000);
            last = error_now();
            assert_true(seconds++ < 300);
            sleep_for(NS_PER_S);
            while (fakenet_sent(&bench.net) != NULL)
                continue; /* the next round */
        }
        assert_true(seconds <= llabs(errors[i]) / NTP_SLEW_NS + 1);
        close_client();
    }
}

static void test_large_errors_are_corrected_at_once(void **state)
{
    static const int64_t errors[] = {129 * MS, -129 * MS, 1000 * S};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        open_client(1, 0);
        answer_round(PEER_ADDRESS, 0);
        wall_less_boot += errors[i];
        sleep_next();
        answer_round(PEER_ADDRESS, 0);
        expect_error(1000);
        assert_int_equal(adjustments, 2);
        close_client();
    }
}

/* 64, 128, ... 1024 s while the clock is good; 64 s when it is not. */
static void test_a_good_clock_is_looked_at_less_often(void **state)
{
    static const unsigned waits[] = {64, 128, 256, 512, 1024, 1024};

    (void)state;
    open_client(1, 0);
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        answer_round(PEER_ADDRESS, 0);
        pass((waits[i] - 1) * NS_PER_S);
        expect_nothing();
        sleep_next();
        /* The next round has begun. */
    }
    close_client();
}

static void test_a_bad_clock_is_looked_at_soon(void **state)
{
    static const struct {
        int64_t error;
        uint64_t want;
    } rows[] = {{9 * MS, 128 * NS_PER_S},
                {-9 * MS, 128 * NS_PER_S},
                {11 * MS, NTP_POLL_MIN_NS},
                {-11 * MS, NTP_POLL_MIN_NS}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_client(1, 0);
        answer_round(PEER_ADDRESS, 0);
        wall_less_boot += rows[i].error;
        sleep_next();
        answer_round(PEER_ADDRESS, 0);
        assert_true(client->poll_ns == rows[i].want);
        close_client();
    }
}

static void test_forged_replies_are_ignored(void **state)
{
    struct question question, forged;

    (void)state;
    open_client(2, 10 * S);
    for (unsigned i = 0; i < NTP_SAMPLES; i++) {
        question = expect(PEER_ADDRESS);
        forged = question;
        forged.cookie ^= 1;
        reply(&forged, 0, 0, 0, 900 * S);
        forged = question;
        forged.server = GATEWAY;
        reply(&forged, 0, 0, 0, 900 * S);
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        reply(&question, 0, 0, 0, 0);
        reply(&question, 0, 0, 0, 900 * S); /* twice */
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        sleep_next();
    }
    expect_error(1000);
    assert_int_equal(adjustments, 1);
    close_client();
}

static void test_cookies_are_random(void **state)
{
    struct question first, second;

    (void)state;
    open_client(1, 0);
    first = expect(PEER_ADDRESS);
    sleep_next();
    second = expect(PEER_ADDRESS);
    assert_true(first.cookie != second.cookie);
    assert_true(first.cookie >> 32 != second.cookie >> 32);
    close_client();
}

/* Three of eight answers are enough, two are not. */
static void test_lost_answers(void **state)
{
    (void)state;
    for (unsigned answers = 2; answers <= 3; answers++) {
        open_client(2, 10 * S);
        for (unsigned i = 0; i < NTP_TRIES; i++) {
            struct question question = expect(PEER_ADDRESS);

            if (i % 3 == 0 && i / 3 < answers)
                reply(&question, 0, 0, 0, 0);
            sleep_next();
        }
        assert_int_equal(adjustments, answers - 2);
        if (answers == 2) {
            sleep_next();
            answer_round(GATEWAY, 0);
            expect_error(1000);
        }
        close_client();
    }
}

/* What the server says it did in the time that we waited takes longer. */
static void test_an_impossible_answer(void **state)
{
    struct question question;
    uint8_t buf[48];

    (void)state;
    open_client(1, 10 * S);
    question = expect(PEER_ADDRESS);
    bench_sleep(10 * NS_PER_MS);
    make_reply(buf, question.cookie, true_time() - 20 * NS_PER_MS, true_time());
    reply_bytes(&question, buf);
    assert_int_equal(client->sample_count, 0);
    assert_int_equal(client->bad, 1);
    close_client();
}

/* An answer without sense ends its question: a second one is not heard. */
static void test_an_answer_without_sense(void **state)
{
    struct question question;
    uint8_t buf[48];

    (void)state;
    open_client(1, 10 * S);
    question = expect(PEER_ADDRESS);
    make_reply(buf, question.cookie, true_time(), true_time());
    buf[0] = 0xe4; /* the clock is not set */
    reply_bytes(&question, buf);
    assert_int_equal(client->bad, 1);
    make_reply(buf, question.cookie, true_time(), true_time());
    reply_bytes(&question, buf);
    assert_int_equal(client->sample_count, 0);
    assert_int_equal(client->bad, 1);
    close_client();
}

static void test_servers_that_never_answer(void **state)
{
    unsigned questions = 0;
    struct question question;
    uint64_t end;

    (void)state;
    open_client(2, 0);
    end = bench.now + 3600 * NS_PER_S;
    while (bench.now < end) {
        while (hear(&question))
            questions++;
        sleep_for(NS_PER_S);
    }
    assert_int_equal(adjustments, 0);
    assert_true(console_has("ntp: no server tells the time"));
    /* Rounds of 16 after 64, 128, ... s: seven in an hour. */
    assert_true(questions >= 5 * 16);
    assert_true(questions <= 8 * 16);
    close_client();
}

static void test_a_server_that_denies(void **state)
{
    static const char *const codes[] = {"DENY", "RSTR"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct question question;

        open_client(2, 10 * S);
        question = expect(PEER_ADDRESS);
        reply_kiss(&question, codes[i]);
        sleep_next();
        answer_round(GATEWAY, 0);
        expect_error(1000);
        sleep_next();
        question = expect(GATEWAY);
        reply_kiss(&question, codes[i]);
        sleep_for(10000 * NS_PER_S);
        expect_nothing(); /* nobody is asked again */
        close_client();
    }
}

static void test_a_server_that_is_asked_too_often(void **state)
{
    struct question question;

    (void)state;
    open_client(1, 10 * S);
    question = expect(PEER_ADDRESS);
    reply_kiss(&question, "RATE");
    pass(127 * NS_PER_S);
    expect_nothing();
    sleep_next();
    question = expect(PEER_ADDRESS);
    reply_kiss(&question, "RATE");
    pass(255 * NS_PER_S);
    expect_nothing();
    sleep_next();
    expect(PEER_ADDRESS);
    close_client();
}

/* A kiss with another cookie is anybody's. */
static void test_a_forged_kiss(void **state)
{
    struct question question;

    (void)state;
    open_client(1, 10 * S);
    question = expect(PEER_ADDRESS);
    question.cookie++;
    reply_kiss(&question, "DENY");
    question.cookie--;
    reply(&question, 0, 0, 0, 0);
    assert_int_equal(client->sample_count, 1);
    close_client();
}

static void test_another_kiss_means_the_next_server(void **state)
{
    struct question question;

    (void)state;
    open_client(2, 10 * S);
    question = expect(PEER_ADDRESS);
    reply_kiss(&question, "INIT");
    sleep_next();
    expect(GATEWAY);
    close_client();
}

/* ---- Servers that are gone ----------------------------------------------- */

/* Let the servers fail until others are wanted; how many questions that took.
 */
static unsigned lose(void)
{
    uint64_t end = bench.now + 5000 * NS_PER_S;
    struct question question;
    unsigned questions = 0;

    while (!ntp_is_lost(client)) {
        assert_true(bench.now < end);
        sleep_next();
        while (hear(&question))
            questions++;
    }
    return questions;
}

static void find(uint32_t first, uint32_t second)
{
    const struct net_addr list[] = {addr_of_ip4(first), addr_of_ip4(second)};

    ntp_servers_set(client, list, second != 0 ? 2 : 1);
    assert_false(ntp_is_lost(client));
    go_on();
}

static void test_other_servers_are_found(void **state)
{
    (void)state;
    open_client(1, 10 * S);
    answer_round(PEER_ADDRESS, 0);
    assert_true(client->is_set);
    assert_int_equal(lose(), 4 * 8); /* rounds of eight questions each */
    find(GATEWAY, 0);
    assert_true(client->is_set);
    true_less_boot -= 20 * MS;
    answer_round(GATEWAY, 0);
    expect_error(20 * MS); /* not at once: the clock was set before */
    assert_true(llabs(error_now()) > 19 * MS);
    sleep_for(60 * NS_PER_S);
    expect_error(1000);
    close_client();
}

/* Nothing else was found: they are asked on, as seldom as before. */
static void test_no_other_servers_are_found(void **state)
{
    unsigned questions = 0;
    struct question question;
    uint64_t end;

    (void)state;
    open_client(2, 0);
    assert_int_equal(lose(), 4 * 2 * 8);
    find(PEER_ADDRESS, 0);
    (void)lose();
    for (unsigned i = 0; i < 2; i++) {
        if (i == 0)
            ntp_servers_set(client, NULL, 0);
        else
            find(PEER_ADDRESS, 0);
        assert_false(ntp_is_lost(client));
        for (end = bench.now + 1500 * NS_PER_S; bench.now < end;) {
            sleep_for(NS_PER_S);
            while (hear(&question))
                questions++;
        }
        assert_in_range(questions, 8, 16);
        questions = 0;
    }
    close_client();
}

/* Who does not want to be asked is not, though it is found again; another one
 * is. */
static void test_servers_that_deny_are_not_asked_when_found_again(void **state)
{
    struct question question;

    (void)state;
    open_client(1, 10 * S);
    question = expect(PEER_ADDRESS);
    reply_kiss(&question, "DENY");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(lose(), 0);
        find(PEER_ADDRESS, 0);
        expect_nothing();
    }
    assert_int_equal(lose(), 0);
    find(PEER_ADDRESS, GATEWAY);
    sleep_next();
    answer_round(GATEWAY, 0);
    expect_error(1000);
    close_client();
}

static void test_what_fails(void **state)
{
    const struct net_addr server = addr_of_ip4(PEER_ADDRESS);
    struct question question;

    (void)state;
    bench_open(64);
    heap_fail(1);
    assert_int_equal(ntp_open(bench.stack, &server, 1, &client), -ENOMEM);
    heap_fail(0);
    bench_close();
    /* A question that cannot be sent is a lost one. */
    open_client(1, 10 * S);
    question = expect(PEER_ADDRESS);
    pass(2 * NS_PER_S);
    heap_fail(1);
    go_on();
    heap_fail(0);
    expect_nothing();
    sleep_next();
    question = expect(PEER_ADDRESS);
    assert_int_equal(client->tries, 3);
    reply(&question, 0, 0, 0, 0);
    assert_int_equal(client->sample_count, 1);
    close_client();
    /* The clock cannot be set; it is tried again. */
    open_client(1, 10 * S);
    adjust_error = -ENOMEM;
    answer_round(PEER_ADDRESS, 0);
    assert_true(console_has("the clock cannot be set"));
    adjust_error = 0;
    sleep_next();
    answer_round(PEER_ADDRESS, 0);
    expect_error(1000);
    close_client();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_says_nothing),
        cmocka_unit_test(test_a_reply_is_parsed),
        cmocka_unit_test(test_the_second_era),
        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_kisses),
        cmocka_unit_test(test_the_clock_is_set_at_once_first),
        cmocka_unit_test(test_the_way_counts),
        cmocka_unit_test(test_the_middle_sample_is_taken),
        cmocka_unit_test(test_small_errors_are_corrected_little_by_little),
        cmocka_unit_test(test_large_errors_are_corrected_at_once),
        cmocka_unit_test(test_a_good_clock_is_looked_at_less_often),
        cmocka_unit_test(test_a_bad_clock_is_looked_at_soon),
        cmocka_unit_test(test_forged_replies_are_ignored),
        cmocka_unit_test(test_cookies_are_random),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_an_impossible_answer),
        cmocka_unit_test(test_an_answer_without_sense),
        cmocka_unit_test(test_servers_that_never_answer),
        cmocka_unit_test(test_a_server_that_denies),
        cmocka_unit_test(test_a_server_that_is_asked_too_often),
        cmocka_unit_test(test_a_forged_kiss),
        cmocka_unit_test(test_another_kiss_means_the_next_server),
        cmocka_unit_test(test_other_servers_are_found),
        cmocka_unit_test(test_no_other_servers_are_found),
        cmocka_unit_test(test_servers_that_deny_are_not_asked_when_found_again),
        cmocka_unit_test(test_what_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
