/* Echoes that threads ask for: <torc/icmp.h>; RFC 792, RFC 4443. */
#include "kernel/cpu/percpu.h"
#include "net/ip4.h"
#include "net/ip6.h"
#include "net/route.h"
#include "tests/fakes/call.h"
#include "tests/fakes/netbench6.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/icmp.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { ID = 0x1234, SEQ = 7, HEADER = 8, ICMP6 = 58, SILENCE_MS = 50 };

struct call {
    struct icmp_echo echo;
    struct icmp_answer answer;
    bool is_done;
    int64_t result;
};

static uint8_t frame[FAKENET_FRAME_MAX];
static uint8_t request[FAKENET_FRAME_MAX]; /* of ICMP, as it was sent */
static size_t request_len;

static int call_run(void *arg)
{
    struct call *call = arg;

    call->result = icmp_echo(&call->echo, &call->answer);
    call->is_done = true;
    return 0;
}

static struct call call_to(uint32_t address, size_t size)
{
    return (struct call){
        .echo = {.to = addr_of_ip4(address),
                 .id = ID,
                 .sequence = SEQ,
                 .size = size,
                 .deadline_ns = bench.now + SILENCE_MS * NS_PER_MS}};
}

static struct call call_to6(const char *address, size_t size)
{
    struct call call = call_to(0, size);

    call.echo.to = addr6(address);
    return call;
}

static void open_bench(void)
{
    bench_open(64);
    call_threads(3);
}

static void open_bench6(void)
{
    bench6_open_static();
    call_threads(3);
}

/* The request that was sent to `dst`, which asks for that of the routers. */
static void take_request(uint32_t dst, uint8_t ttl, size_t size)
{
    const struct fakenet_frame *sent = fakenet_sent(&bench.net);

    assert_non_null(sent);
    assert_int_equal(sent->len, 34 + HEADER + size);
    assert_int_equal(peer_checksum(sent->data + 14, 20, 0), 0);
    assert_int_equal(peer_get16(sent->data + 20), 0x4000); /* in one piece */
    assert_int_equal(sent->data[22], ttl);
    assert_int_equal(sent->data[23], 1);
    assert_int_equal(peer_get32(sent->data + 26), OUR_ADDRESS);
    assert_int_equal(peer_get32(sent->data + 30), dst);
    request_len = sent->len - 34;
    memcpy(request, sent->data + 34, request_len);
    assert_int_equal(peer_get16(request), 0x0800);
    assert_int_equal(peer_checksum(request, request_len, 0), 0);
    assert_int_equal(peer_get32(request + 4), ID << 16 | SEQ);
}

static void take_request6(const char *dst, uint8_t hops, size_t size)
{
    struct peer6_frame got;

    assert_true(peer6_expect_icmp(128, &got));
    assert_true(is_addr6(&got.dst, dst));
    assert_true(is_addr6(&got.src, OUR6));
    assert_int_equal(got.hops, hops);
    assert_int_equal(got.len, HEADER + size);
    request_len = got.len;
    memcpy(request, got.data, got.len);
    assert_int_equal(request[1], 0);
    assert_int_equal(peer_get32(request + 4), ID << 16 | SEQ);
}

/* What an answer has that an echo of the request has not. */
struct lie {
    const char *name;
    uint32_t src, dst;
    uint8_t type, code;
    int at; /* of a byte that is another one; 0: none */
    int more;
    bool has_bad_sum;
};

static void reply(struct lie lie)
{
    size_t len = (size_t)((int)request_len + lie.more);
    uint8_t *icmp = frame + 34;

    memset(frame, 0, sizeof(frame));
    memcpy(icmp, request, request_len);
    icmp[0] = lie.type;
    icmp[1] = lie.code;
    if (lie.at != 0)
        icmp[lie.at] ^= 1;
    peer_put16(icmp + 2, 0);
    peer_put16(icmp + 2, peer_checksum(icmp, len, 0));
    icmp[2] ^= lie.has_bad_sum;
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, lie.src != 0 ? lie.src : PEER_ADDRESS,
                            lie.dst != 0 ? lie.dst : OUR_ADDRESS, 1, len));
    bench_run();
}

static void reply6(struct lie lie, const char *src)
{
    size_t len = (size_t)((int)request_len + lie.more);
    uint8_t icmp[FAKENET_FRAME_MAX] = {0};

    memcpy(icmp, request, request_len);
    icmp[0] = (uint8_t)(129 + lie.type);
    icmp[1] = lie.code;
    if (lie.at != 0)
        icmp[lie.at] ^= 1;
    peer6_icmp(src, OUR6, 64, icmp, len);
}

/* ---- Answers ------------------------------------------------------------- */

static void test_an_echo_is_answered(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 56, 1472};

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct call call = call_to(PEER_ADDRESS, sizes[i]);

        call_start(call_run, &call);
        take_request(PEER_ADDRESS, 64, sizes[i]);
        assert_waits(&call);
        bench_sleep(3 * NS_PER_MS);
        reply((struct lie){0});
        assert_done(&call, 0);
        assert_int_equal(call.answer.round_trip_ns, 3 * NS_PER_MS);
        assert_int_equal(addr_ip4(&call.answer.from), PEER_ADDRESS);
        assert_false(call.answer.is_expired);
        assert_int_equal(call.answer.mtu, 0);
    }
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.icmp_out, COUNT_OF(sizes));
    bench_close();
}

static void test_an_echo_of_ip6_is_answered(void **state)
{
    static const size_t sizes[] = {0, 8, 1452};

    (void)state;
    open_bench6();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct call call = call_to6(PEER6_GLOBAL, sizes[i]);

        call_start(call_run, &call);
        take_request6(PEER6_GLOBAL, 64, sizes[i]);
        bench_sleep(2 * NS_PER_MS);
        reply6((struct lie){0}, PEER6_GLOBAL);
        assert_done(&call, 0);
        assert_int_equal(call.answer.round_trip_ns, 2 * NS_PER_MS);
        assert_true(is_addr6(&call.answer.from, PEER6_GLOBAL));
    }
    bench_close();
}

static void test_other_answers_are_ignored(void **state)
{
    static const struct lie rows[] = {
        {.name = "of another host", .src = PEER_ADDRESS + 1},
        {.name = "with a code", .code = 1},
        {.name = "of another type", .type = 14},
        {.name = "another id", .at = 5},
        {.name = "another sequence", .at = 7},
        {.name = "another first byte", .at = 8},
        {.name = "another eighth byte", .at = 15},
        {.name = "another last byte", .at = 8 + 31},
        {.name = "longer", .more = 1},
        {.name = "shorter", .more = -1},
        {.name = "header only", .more = -32},
        {.name = "wrong sum", .has_bad_sum = true},
    };
    struct call call;

    (void)state;
    open_bench();
    assert_int_equal(ip4_address_add(bench.stack, OUR_ADDRESS + 4, 0xffffff00),
                     0);
    call = call_to(PEER_ADDRESS, 32);
    call_start(call_run, &call);
    take_request(PEER_ADDRESS, 64, 32);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reply(rows[i]);
        thread_yield();
        if (call.is_done)
            fail_msg("%s", rows[i].name);
    }
    reply((struct lie){.dst = OUR_ADDRESS + 4});
    assert_waits(&call); /* not from where it was sent */
    reply((struct lie){0});
    assert_done(&call, 0);
    reply((struct lie){0}); /* nobody waits any more */
    peer_expect_nothing();
    bench_close();
}

static void test_other_answers_of_ip6_are_ignored(void **state)
{
    static const struct lie rows[] = {
        {.name = "with a code", .code = 1},
        {.name = "of another type", .type = 20},
        {.name = "another id", .at = 4},
        {.name = "another last byte", .at = 8 + 31},
        {.name = "longer", .more = 1},
    };
    struct call call;

    (void)state;
    open_bench6();
    call = call_to6(PEER6_GLOBAL, 32);
    call_start(call_run, &call);
    take_request6(PEER6_GLOBAL, 64, 32);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reply6(rows[i], PEER6_GLOBAL);
        thread_yield();
        if (call.is_done)
            fail_msg("%s", rows[i].name);
    }
    reply6((struct lie){0}, "2001:db8::3");
    assert_waits(&call);
    reply6((struct lie){0}, PEER6_GLOBAL);
    assert_done(&call, 0);
    reply6((struct lie){0}, PEER6_GLOBAL);
    bench_close();
}

/* Nobody has asked: nothing is there that would look. */
static void test_an_answer_without_a_question(void **state)
{
    (void)state;
    bench6_open_static();
    memset(request, 0, request_len = 40);
    reply((struct lie){0});
    reply6((struct lie){0}, PEER6_GLOBAL);
    assert_int_equal(bench.stack->protocol_count, 0);
    assert_int_equal(bench.stack->stats.icmp_in, 2);
    assert_int_equal(bench.stack->stats.icmp_bad, 0);
    bench_close();
}

static void test_no_answer(void **state)
{
    struct call call;

    (void)state;
    open_bench();
    call = call_to(PEER_ADDRESS, 10);
    call_start(call_run, &call);
    take_request(PEER_ADDRESS, 64, 10);
    bench_sleep((SILENCE_MS - 1) * NS_PER_MS);
    assert_waits(&call);
    bench_sleep(NS_PER_MS);
    assert_done(&call, -ETIMEDOUT);
    assert_true(addr_is_none(&call.answer.from));
    reply((struct lie){0}); /* too late */
    call.echo.deadline_ns = 0;
    assert_int_equal(icmp_echo(&call.echo, &call.answer), -ETIMEDOUT);
    assert_null(bench.stack->echoes);
    bench_close();
}

static void test_several_ask_at_once(void **state)
{
    enum { COUNT = 3 };
    struct call call[COUNT];
    uint8_t sent[COUNT][HEADER + 16];

    (void)state;
    open_bench();
    for (unsigned i = 0; i < COUNT; i++) {
        call[i] = call_to(PEER_ADDRESS, 16);
        call[i].echo.id = (uint16_t)(ID + i / 2);
        call[i].echo.sequence = (uint16_t)(SEQ + i % 2);
        call_start(call_run, &call[i]);
        memcpy(sent[i], fakenet_sent(&bench.net)->data + 34, sizeof(sent[i]));
    }
    request_len = sizeof(sent[0]);
    /* Secrets differ. */
    assert_memory_not_equal(sent[0] + HEADER, sent[1] + HEADER, 8);
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned at = (i + 1) % COUNT; /* the middle of the list first */

        memcpy(request, sent[at], request_len);
        reply((struct lie){0});
        assert_done(&call[at], 0);
    }
    assert_null(bench.stack->echoes);
    bench_close();
}

/* ---- Errors -------------------------------------------------------------- */

struct error_row {
    const char *name;
    uint8_t type, code;
    uint32_t rest;
    int want; /* 0: it is ignored */
    bool is_expired;
    uint16_t mtu;
    int at; /* of a byte of the quote that is another one; 0: none */
};

/* The gateway tells that something has become of the request. */
static void error_come(const struct error_row *row)
{
    uint8_t *icmp = frame + 34;

    memset(frame, 0, sizeof(frame));
    icmp[0] = row->type;
    icmp[1] = row->code;
    peer_put32(icmp + 4, row->rest);
    icmp[8] = 0x45;
    peer_put16(icmp + 10, (unsigned)(20 + request_len));
    icmp[17] = 1;
    peer_put32(icmp + 20, OUR_ADDRESS);
    peer_put32(icmp + 24, PEER_ADDRESS);
    memcpy(icmp + 28, request, 8);
    if (row->at != 0)
        icmp[row->at] ^= 1;
    peer_put16(icmp + 2, peer_checksum(icmp, 36, 0));
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, GATEWAY, OUR_ADDRESS, 1, 36));
    bench_run();
}

static void test_errors(void **state)
{
    static const struct error_row rows[] = {
        {"net", 3, 0, 0, -EHOSTUNREACH, false, 0, 0},
        {"host", 3, 1, 0, -EHOSTUNREACH, false, 0, 0},
        {"protocol", 3, 2, 0, -ECONNREFUSED, false, 0, 0},
        {"too big", 3, 4, 1400, -EMSGSIZE, false, 1400, 0},
        {"too big, old router", 3, 4, 0, -EMSGSIZE, false, 0, 0},
        {"prohibited", 3, 13, 1400, -EHOSTUNREACH, false, 0, 0},
        {"hop limit", 11, 0, 0, -EHOSTUNREACH, true, 0, 0},
        {"reassembly", 11, 1, 0, -EHOSTUNREACH, false, 0, 0},
        {"another type", 4, 0, 0, 0, false, 0, 0},
        {"of UDP", 3, 1, 0, 0, false, 0, 17},
        {"not ours", 3, 1, 0, 0, false, 0, 23},
        {"to another host", 3, 1, 0, 0, false, 0, 27},
        {"of a reply", 3, 1, 0, 0, false, 0, 28},
        {"with a code", 3, 1, 0, 0, false, 0, 29},
        {"another id", 3, 1, 0, 0, false, 0, 32},
        {"another sequence", 3, 1, 0, 0, false, 0, 35},
    };

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call call = call_to(PEER_ADDRESS, 32);

        call_start(call_run, &call);
        take_request(PEER_ADDRESS, 64, 32);
        bench_sleep(NS_PER_MS);
        error_come(&rows[i]);
        thread_yield();
        if (call.is_done != (rows[i].want != 0))
            fail_msg("%s", rows[i].name);
        if (!call.is_done) {
            bench_sleep(SILENCE_MS * NS_PER_MS);
            assert_done(&call, -ETIMEDOUT);
            continue;
        }
        assert_int_equal(call.result, rows[i].want);
        assert_int_equal(call.answer.is_expired, rows[i].is_expired);
        assert_int_equal(call.answer.mtu, rows[i].mtu);
        assert_int_equal(addr_ip4(&call.answer.from), GATEWAY);
        assert_int_equal(call.answer.round_trip_ns, NS_PER_MS);
    }
    bench_close();
}

static void error_come6(const struct error_row *row)
{
    uint8_t icmp[HEADER + 40 + HEADER + 32] = {row->type, row->code};

    peer_put32(icmp + 4, row->rest);
    peer6_ip(frame, OUR6, PEER6_GLOBAL, ICMP6, 64, request_len);
    memcpy(icmp + HEADER, frame + 14, 40);
    memcpy(icmp + HEADER + 40, request, request_len);
    if (row->at != 0)
        icmp[row->at] ^= 1;
    peer6_icmp(ROUTER6, OUR6, 64, icmp, sizeof(icmp));
}

static void test_errors_of_ip6(void **state)
{
    static const struct error_row rows[] = {
        {"no route", 1, 0, 0, -EHOSTUNREACH, false, 0, 0},
        {"port", 1, 4, 0, -ECONNREFUSED, false, 0, 0},
        {"too big", 2, 0, 1280, -EMSGSIZE, false, 1280, 0},
        {"too big for IPv6", 2, 0, 70000, -EMSGSIZE, false, UINT16_MAX, 0},
        {"smaller than IPv6 allows", 2, 0, 1279, 0, false, 0, 0},
        {"hop limit", 3, 0, 0, -EHOSTUNREACH, true, 0, 0},
        {"reassembly", 3, 1, 0, -EHOSTUNREACH, false, 0, 0},
        {"next header", 4, 1, 40, -ECONNREFUSED, false, 0, 0},
        {"field", 4, 0, 0, -EHOSTUNREACH, false, 0, 0},
        {"another error", 5, 0, 0, 0, false, 0, 0},
        {"of a reply", 1, 0, 0, 0, false, 0, 48},
        {"another id", 1, 0, 0, 0, false, 0, 53},
    };

    (void)state;
    open_bench6();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call call = call_to6(PEER6_GLOBAL, 32);

        call_start(call_run, &call);
        take_request6(PEER6_GLOBAL, 64, 32);
        error_come6(&rows[i]);
        thread_yield();
        if (call.is_done != (rows[i].want != 0))
            fail_msg("%s", rows[i].name);
        if (!call.is_done) {
            bench_sleep(SILENCE_MS * NS_PER_MS);
            assert_done(&call, -ETIMEDOUT);
            continue;
        }
        assert_int_equal(call.result, rows[i].want);
        assert_int_equal(call.answer.is_expired, rows[i].is_expired);
        assert_int_equal(call.answer.mtu, rows[i].mtu);
        assert_true(is_addr6(&call.answer.from, ROUTER6));
    }
    bench_close();
}

/* ---- What is asked ------------------------------------------------------- */

static void test_hop_limits(void **state)
{
    static const uint8_t limits[] = {1, 2, 255};

    (void)state;
    open_bench6();
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct call call = call_to(PEER_ADDRESS, 0);

        call.echo.hop_limit = limits[i];
        call.echo.deadline_ns = 0;
        assert_int_equal(icmp_echo(&call.echo, &call.answer), -ETIMEDOUT);
        take_request(PEER_ADDRESS, limits[i], 0);
        call.echo.to = addr6(PEER6_GLOBAL);
        assert_int_equal(icmp_echo(&call.echo, &call.answer), -ETIMEDOUT);
        take_request6(PEER6_GLOBAL, limits[i], 0);
    }
    bench_close();
}

static void test_too_large(void **state)
{
    static const size_t sizes[] = {1473, 65536, SIZE_MAX};
    struct call call;

    (void)state;
    open_bench6();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        call = call_to(PEER_ADDRESS, sizes[i]);
        assert_int_equal(icmp_echo(&call.echo, &call.answer), -EMSGSIZE);
        assert_int_equal(call.answer.mtu, 1500);
        assert_true(addr_is_none(&call.answer.from));
    }
    call = call_to6(PEER6_GLOBAL, 1453);
    assert_int_equal(icmp_echo(&call.echo, &call.answer), -EMSGSIZE);
    peer_expect_nothing();
    bench_close();
}

static void test_who_cannot_be_asked(void **state)
{
    static const struct {
        const char *name;
        const char *to;
        int want;
    } rows[] = {
        {"nobody", "::", -EINVAL},
        {"0.0.0.0", "0.0.0.0", -EINVAL},
        {"a group", "224.0.0.1", -EINVAL},
        {"all", "255.255.255.255", -EINVAL},
        {"all of the link", "10.0.0.255", -EINVAL},
        {"a group of IPv6", "ff02::1", -EINVAL},
        {"IPv6, which is not there", "2001:db8::1", -EHOSTUNREACH},
        {"no route", "11.0.0.1", -EHOSTUNREACH},
    };

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xffffff00);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call call = call_to(0, 8);

        assert_int_equal(net_addr_parse(rows[i].to, &call.echo.to), 0);
        if (icmp_echo(&call.echo, &call.answer) != rows[i].want)
            fail_msg("%s", rows[i].name);
        assert_true(addr_is_none(&call.answer.from));
    }
    peer_expect_nothing();
    bench_close();
}

/* Of ::/64 only ::1 is us: RFC 4291, 2.5.3. */
static void test_hardly_ourselves(void **state)
{
    struct flow flow = {.remote = addr6("::2")};

    (void)state;
    bench6_open(OUR6 "/64");
    bench6_settle(10 * NS_PER_S);
    assert_int_equal(ip_way_find(bench.stack, &flow), -EHOSTUNREACH);
    bench_close();
}

static void test_we_answer_ourselves(void **state)
{
    static const char *const ours[] = {"127.0.0.1", "10.0.0.1", "::1", OUR6};

    (void)state;
    open_bench6();
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        struct call call = call_to(0, 100);

        assert_int_equal(net_addr_parse(ours[i], &call.echo.to), 0);
        call_start(call_run, &call);
        bench_run();
        bench_run(); /* the answer */
        assert_done(&call, 0);
        assert_true(addr_equal(&call.answer.from, &call.echo.to));
    }
    peer_expect_nothing();
    bench_close();
}

static void test_no_packet(void **state)
{
    struct packet *taken[4096];
    struct call call;
    size_t count = 0;

    (void)state;
    open_bench();
    call = call_to(PEER_ADDRESS, 8);
    while ((taken[count] = stack_packet(bench.stack)) != NULL)
        count++;
    assert_int_equal(icmp_echo(&call.echo, &call.answer), -ENOBUFS);
    assert_null(bench.stack->echoes);
    while (count > 0)
        packet_put(taken[--count]);
    bench_close();
}

static void test_no_stack(void **state)
{
    struct call call;

    (void)state;
    bench_open(64);
    call = call_to(PEER_ADDRESS, 8);
    call.answer.mtu = 1;
    cpu_self()->net_stack = NULL;
    assert_int_equal(icmp_echo(&call.echo, &call.answer), -ENOTCONN);
    cpu_self()->net_stack = bench.stack;
    assert_int_equal(call.answer.mtu, 0);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_echo_is_answered),
        cmocka_unit_test(test_an_echo_of_ip6_is_answered),
        cmocka_unit_test(test_other_answers_are_ignored),
        cmocka_unit_test(test_other_answers_of_ip6_are_ignored),
        cmocka_unit_test(test_an_answer_without_a_question),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_several_ask_at_once),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_errors_of_ip6),
        cmocka_unit_test(test_hop_limits),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_who_cannot_be_asked),
        cmocka_unit_test(test_hardly_ourselves),
        cmocka_unit_test(test_we_answer_ourselves),
        cmocka_unit_test(test_no_packet),
        cmocka_unit_test(test_no_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
