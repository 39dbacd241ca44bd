/* The status page: what it collects, in which forms, and who may ask. */
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "net/stack.h"
#include "net/status/status_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tools/trace/decode.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/figures.h>
#include <torc/http.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/status.h>
#include <torc/thread.h>

enum { MEMORY = 16 << 20 };

/* ---- In place of the network --------------------------------------------- */

static struct http_server served; /* by http_serve_all() */
static int serve_status;
static int config_status;
static bool has_stack;
static struct net_stack stack;
static struct net_endpoint local;

static int answered; /* the status; 0: none yet */
static char *body;
static size_t body_len;
static int source_status;  /* why a source has ended */
static unsigned reads_max; /* drop the connection after so many; 0: never */
static int respond_status; /* what http_respond() returns */

int http_serve_all(const struct http_server *server)
{
    served = *server;
    return serve_status;
}

struct socket *http_socket(const struct http_exchange *exchange)
{
    return (struct socket *)(uintptr_t)exchange;
}

struct net_endpoint socket_local(const struct socket *socket)
{
    (void)socket;
    return local;
}

int net_get_config(struct net_config *out)
{
    out->address = 0x0a00020f;
    return config_status;
}

int net_get_stats(struct net_stats *out)
{
    if (!has_stack)
        return -ENOTCONN;
    *out = (struct net_stats){.frames_in = 11, .tcp_opened = 12};
    return 0;
}

static void body_add(const void *bytes, size_t len)
{
    body = realloc(body, body_len + len + 1);
    memcpy(body + body_len, bytes, len);
    body_len += len;
    body[body_len] = '\0';
}

/* In odd pieces, as a slow peer would have it. */
static void source_run(const struct http_source *source)
{
    char piece[77];
    int64_t got = 1;

    for (unsigned i = 0; got > 0 && (reads_max == 0 || i < reads_max); i++) {
        got = source->read(source->cookie, body_len, piece, sizeof(piece));
        if (got > 0)
            body_add(piece, (size_t)got);
    }
    source_status = (int)got;
    source->close(source->cookie);
}

int http_respond(struct http_exchange *exchange,
                 const struct http_response *response)
{
    (void)exchange;
    assert_int_equal(answered, 0);
    if (respond_status != 0) {
        if (response->source.close != NULL)
            response->source.close(response->source.cookie);
        return respond_status;
    }
    answered = response->status;
    if (response->source.read != NULL)
        source_run(&response->source);
    else
        body_add(response->body, response->body_len);
    return 0;
}

void http_respond_bytes(struct http_exchange *exchange, int status,
                        const char *type, const void *bytes, size_t size)
{
    (void)exchange;
    (void)type;
    assert_int_equal(answered, 0);
    answered = status;
    body_add(bytes, size);
}

void http_respond_page(struct http_exchange *exchange, int status,
                       const char *fields)
{
    http_respond_text(exchange, status, fields, "");
}

/* ---- Asking -------------------------------------------------------------- */

static int get(const char *path)
{
    free(body);
    body = NULL;
    body_len = 0;
    answered = 0;
    for (size_t i = 0; i < served.route_count; i++) {
        if (strcmp(served.routes[i].path, path) == 0)
            served.routes[i].complete((struct http_exchange *)(uintptr_t)&body);
    }
    return answered;
}

/* What a program says about the body; 0: it is content. */
static int ask(const char *command)
{
    FILE *pipe = popen(command, "w");

    assert_non_null(pipe);
    assert_int_equal(fwrite(body, 1, body_len, pipe), body_len);
    return pclose(pipe);
}

static void begin(const char *cmdline)
{
    memset(&served, 0, sizeof(served));
    machine_attach_cmdline(MEMORY, cmdline);
}

static int teardown(void **state)
{
    (void)state;
    serve_status = config_status = respond_status = 0;
    reads_max = 0;
    has_stack = false;
    memset(&local, 0, sizeof(local));
    free(body);
    body = NULL;
    machine_detach();
    return 0;
}

/* ---- Where it listens ---------------------------------------------------- */

static void test_status_is_off_by_default(void **state)
{
    (void)state;
    begin("");
    assert_int_equal(status_start(), 0);
    assert_int_equal(served.route_count, 0);
}

static void test_status_addresses(void **state)
{
    static const struct {
        const char *option;
        int status;
    } rows[] = {
        {"status=0.0.0.0:81", 0},      {"status=10.0.2.15:81", 0},
        {"status=[fe80::1]:81", 0},    {"status=10.0.2.15", -EINVAL},
        {"status=81", -EINVAL},        {"status=", -EINVAL},
        {"status=0.0.0.0:0", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(rows[i].option);
        ROW(rows[i].option, status_start() == rows[i].status);
        ROW(rows[i].option, served.port == (rows[i].status == 0 ? 81 : 0));
        if (i + 1 < COUNT_OF(rows))
            machine_detach();
    }
}

static void test_status_needs_a_stack(void **state)
{
    (void)state;
    begin("status=0.0.0.0:81");
    config_status = -ENOTCONN;
    assert_int_equal(status_start(), -ENOTCONN);
    config_status = 0;
    serve_status = -EADDRINUSE;
    assert_int_equal(status_start(), -EADDRINUSE);
}

static void test_status_answers_at_its_address_only(void **state)
{
    static const char *const paths[] = {"/", "/status.json", "/metrics",
                                        "/trace"};

    (void)state;
    begin("status=10.0.2.15:81 trace=all");
    assert_int_equal(status_start(), 0);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(net_addr_parse("10.0.2.15", &local.addr), 0);
        ROW(paths[i], get(paths[i]) == 200);
        assert_int_equal(net_addr_parse("10.0.2.16", &local.addr), 0);
        ROW(paths[i], get(paths[i]) == 404);
    }
}

/* ---- What it says -------------------------------------------------------- */

static int sleepy(void *arg)
{
    (void)arg;
    thread_sleep(UINT64_MAX / 4);
    return 0;
}

static void test_status_figures(void **state)
{
    static uint8_t data[64 * 512];
    const struct thread_attr attr = {.name = "odd\"\\\n", .detached = true};
    struct ramblk ram = {.fail_at = 0};
    struct net_device card = {.queue_max = 1};

    (void)state;
    begin("status=0.0.0.0:81");
    ramblk_init(&ram, data, sizeof(data));
    assert_int_equal(net_register(&card), 0);
    card.queue_count = 1;
    card.queues[0].rx_frames = 7;
    card.link_up = true;
    has_stack = true;
    stack.conn_count = 5;
    cpu_self()->net_stack = &stack;
    assert_int_equal(status_start(), 0);
    log_info("a line with \"quotes\"");
    assert_int_equal(thread_create(&attr, sleepy, NULL, NULL), 0);
    thread_yield();
    assert_int_equal(get("/status.json"), 200);
    assert_int_equal(
        ask("python3 -c \"import json, sys; s = json.load(sys.stdin); "
            "c = s['cpus'][0]; assert s['name'] == 'test'; "
            "assert c['net']['connections'] == 5 and "
            "c['net']['opened'] == 12; "
            "assert c['memory']['free'] <= c['memory']['total']; "
            "assert c['idle_ns'] <= c['time_ns']; "
            "t = [t for t in c['threads'] if t['name'] == 'odd\\\"\\\\\\\\?']; "
            "assert len(t) == 1 and t[0]['state'] == 'waiting', c; "
            "d = [q for q in c['queues'] if q['kind'] == 'disk']; "
            "assert len(d) == 1 and d[0]['sectors'] == 64, c; "
            "n = [q for q in c['queues'] if q['kind'] == 'card']; "
            "assert len(n) == 1 and n[0]['rx_frames'] == 7 and n[0]['link']; "
            "assert 'a line with \\\"quotes\\\"\\n' in s['log']\""),
        0);
    assert_int_equal(get("/metrics"), 200);
    assert_int_equal(ask("promtool check metrics"), 0);
    assert_non_null(strstr(body, "torc_tcp_connections{cpu=\"0\"} 5\n"));
    assert_non_null(strstr(body, "torc_tcp_opened_total{cpu=\"0\"} 12\n"));
    assert_non_null(strstr(body, "torc_card_received_frames_total{cpu=\"0\","
                                 "device=\"net0\"} 7\n"));
    cpu_self()->net_stack = NULL;
}

static void test_status_without_a_stack_of_this_cpu(void **state)
{
    (void)state;
    begin("status=0.0.0.0:81");
    assert_int_equal(status_start(), 0);
    assert_int_equal(get("/metrics"), 200);
    assert_null(strstr(body, "torc_tcp_opened_total{"));
    assert_int_equal(ask("promtool check metrics"), 0);
    assert_int_equal(get("/status.json"), 200);
    assert_null(strstr(body, "\"net\""));
    assert_int_equal(get("/"), 200);
    assert_string_equal(body, status_page);
    assert_null(strstr(body, "http://") == NULL
                    ? NULL
                    : strstr(strstr(body, "http://") + 1, "http://"));
}

/* What has no place is left out. */
static void test_status_more_than_there_is_room_for(void **state)
{
    static uint8_t data[512];
    static struct ramblk rams[STATUS_DEVICES + 2];
    static struct net_device cards[2]; /* the second without a queue */
    const struct thread_attr attr = {.detached = true};
    struct status_cpu cpu;

    (void)state;
    begin("status=0.0.0.0:81");
    for (unsigned i = 0; i < STATUS_DEVICES + 2; i++)
        ramblk_init(&rams[i], data, sizeof(data));
    for (unsigned i = 0; i < COUNT_OF(cards); i++)
        assert_int_equal(net_register(&cards[i]), 0);
    cards[0].queue_count = 1;
    for (unsigned i = 0; i < STATUS_THREADS + 2; i++)
        assert_int_equal(thread_create(&attr, sleepy, NULL, NULL), 0);
    assert_int_equal(status_collect(&cpu), 0);
    assert_int_equal(cpu.queue_count, STATUS_DEVICES);
    assert_int_equal(cpu.thread_count, STATUS_THREADS);
}

/* The oldest lines go, whole. */
static void test_status_log_keeps_the_last_lines(void **state)
{
    char log[STATUS_LOG_MAX];
    char *at;

    (void)state;
    begin("status=0.0.0.0:81");
    assert_int_equal(status_start(), 0);
    for (unsigned i = 0; i < 500; i++)
        log_info("line %u of many", i);
    assert_int_equal(status_log_get(log), 0);
    assert_true(strlen(log) > STATUS_LOG_MAX - 100);
    assert_non_null(strstr(log, "line 499 of many\n"));
    assert_int_equal(log[0], '[');
    at = strstr(log, "line ");
    for (unsigned i = (unsigned)atoi(at + 5); i < 500; i++) {
        char want[32];

        snprintf(want, sizeof(want), "line %u of many\n", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
}

/* Each allocation of an answer fails in turn. */
static void test_status_without_memory(void **state)
{
    static const char *const paths[] = {"/status.json", "/metrics", "/trace"};
    unsigned failures = 0;

    (void)state;
    begin("status=0.0.0.0:81 trace=mark trace_events=64");
    assert_int_equal(status_start(), 0);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        for (uint64_t n = 1; n < 50; n++) {
            bool failed;

            heap_fail(n);
            (void)get(paths[i]);
            failed = heap_failed();
            heap_fail(0);
            if (!failed)
                break;
            failures++;
            ROW(paths[i], answered == 503 ||
                              (answered == 200 && source_status == -ENOMEM));
        }
        ROW(paths[i], get(paths[i]) == 200);
    }
    assert_true(failures > 3);
}

static void test_status_refused_answers(void **state)
{
    static const char *const paths[] = {"/", "/status.json", "/metrics",
                                        "/trace"};

    (void)state;
    begin("status=0.0.0.0:81 trace=mark");
    assert_int_equal(status_start(), 0);
    respond_status = -EMSGSIZE;
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        ROW(paths[i], get(paths[i]) == 500);
}

static void test_status_trace(void **state)
{
    struct decoded trace;

    (void)state;
    begin("status=0.0.0.0:81 trace=mark");
    assert_int_equal(status_start(), 0);
    for (unsigned i = 0; i < 100; i++)
        trace_mark("mark", i);
    assert_int_equal(get("/trace"), 200);
    assert_null(decode(body, body_len, &trace));
    assert_int_equal(trace.event_count, 100);
    decode_free(&trace);
    reads_max = 3; /* the peer goes away */
    assert_int_equal(get("/trace"), 200);
}

static void test_status_trace_that_is_off(void **state)
{
    (void)state;
    begin("status=0.0.0.0:81");
    assert_int_equal(status_start(), 0);
    assert_int_equal(get("/trace"), 404);
    assert_non_null(strstr(body, "trace=all"));
}

/* ---- Several CPUs -------------------------------------------------------- */

static int emigrant(void *arg)
{
    (void)arg;
    if (thread_migrate(1) != 0)
        return 1;
    thread_sleep(UINT64_MAX / 4);
    return 0;
}

static int two_cpus(void *arg)
{
    const struct thread_attr attr = {.name = "emigrant"};
    struct thread_info info = {.cpu = 0};
    thread_id id;
    const char *at;

    (void)arg;
    if (status_start() != 0 || thread_create(&attr, emigrant, NULL, &id) != 0)
        return 2;
    while (info.cpu != 1 || info.state != THREAD_WAITING) {
        thread_yield();
        if (thread_get_info(id, &info) != 0)
            return 5;
    }
    if (get("/status.json") != 200)
        return 3;
    at = strstr(body, "\"cpu\":1,");
    if (at == NULL || strstr(at, "\"idle_ns\":0,") != NULL)
        return 4;
    if (strstr(body, "emigrant") == NULL || strstr(body, "emigrant") < at)
        return 6;
    fwrite(body, 1, body_len, stdout);
    return 0;
}

static void test_status_asks_each_cpu(void **state)
{
    static char output[65536];

    (void)state;
    begin("");
    assert_int_equal(machine_run_output(2, MEMORY, "status=0.0.0.0:81",
                                        two_cpus, NULL, output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "status page: http://0.0.0.0:81/"));
}

static int figures_fail(void *arg)
{
    static struct figures figures;

    (void)arg;
    if (figures_start() != 0 || figures_get(1, &figures) != 0 ||
        figures.thread_count == 0 ||
        figures.threads_all < figures.thread_count || figures.has_net)
        return 1;
    if (figures_get(2, &figures) != -EINVAL)
        return 2;
    heap_fail(1);
    return figures_get(0, &figures) == -ENOMEM ? 0 : 3;
}

static void test_figures_that_cannot_be_had(void **state)
{
    (void)state;
    begin("");
    assert_int_equal(machine_run(2, MEMORY, figures_fail, NULL), 0);
}

/* What JSON has words for, and a line that is longer than what is kept. */
static void test_status_log_of_any_bytes(void **state)
{
    char log[STATUS_LOG_MAX];

    (void)state;
    begin("status=0.0.0.0:81");
    assert_int_equal(status_start(), 0);
    log_info("a \"quoted\" back\\slash");
    log_info("of another\x01 \x7f machine");
    assert_int_equal(status_log_get(log), 0);
    assert_non_null(strstr(log, "a \"quoted\" back\\slash\n"));
    assert_int_equal(get("/status.json"), 200);
    assert_non_null(strstr(body, "a \\\"quoted\\\" back\\\\slash\\n"));
    assert_non_null(strstr(body, "of another? ? machine\\n"));
}

static void test_text_add_quoted(void **state)
{
    struct text text = {.bytes = NULL};

    (void)state;
    begin("");
    text_add_quoted(&text, "a\"b\\c\td\x7f");
    assert_int_equal(text.len, 12);
    assert_memory_equal(text.bytes, "\"a\\\"b\\\\c?d?\"", 12);
    text_free(&text);
}

int main(void)
{
#define ROW_OF(test) cmocka_unit_test_teardown(test, teardown)
    const struct CMUnitTest tests[] = {
        ROW_OF(test_status_is_off_by_default),
        ROW_OF(test_status_addresses),
        ROW_OF(test_status_needs_a_stack),
        ROW_OF(test_status_answers_at_its_address_only),
        ROW_OF(test_status_figures),
        ROW_OF(test_status_without_a_stack_of_this_cpu),
        ROW_OF(test_status_more_than_there_is_room_for),
        ROW_OF(test_status_log_keeps_the_last_lines),
        ROW_OF(test_status_without_memory),
        ROW_OF(test_status_refused_answers),
        ROW_OF(test_status_trace),
        ROW_OF(test_status_trace_that_is_off),
        ROW_OF(test_status_asks_each_cpu),
        ROW_OF(test_figures_that_cannot_be_had),
        ROW_OF(test_status_log_of_any_bytes),
        ROW_OF(test_text_add_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
