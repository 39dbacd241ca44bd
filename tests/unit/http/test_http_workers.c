/* Threads of the HTTP server: a handler that waits stops its own connection
 * alone. */
#include "tests/fakes/http_world.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void (*while_waiting)(void); /* what happens in the handler of /slow */
static int ended;
static struct socket *slow, *other;

static void on_quick(struct http_exchange *exchange)
{
    http_respond_text(exchange, 200, NULL, "quick");
}

static int sources_open;

static int64_t read_nothing(void *cookie, uint64_t offset, void *buf,
                            size_t size)
{
    (void)cookie;
    (void)offset;
    (void)buf;
    (void)size;
    return 0;
}

static void close_source(void *cookie)
{
    (void)cookie;
    sources_open--;
}

/* As on_slow(), with a source. */
static void on_source(struct http_exchange *exchange)
{
    const struct http_response response = {
        .status = 200,
        .length = 0,
        .source = {.read = read_nothing, .close = close_source},
    };

    sources_open++;
    while_waiting();
    while_waiting = NULL;
    assert_int_equal(http_respond(exchange, &response), 0);
}

static int64_t late_result; /* of the second read */

static int64_t read_late(void *cookie, uint64_t offset, void *buf, size_t size)
{
    (void)cookie;
    assert_true(size >= 10);
    memset(buf, 'x', 10);
    if (offset == 0)
        return 10;
    while_waiting();
    return late_result;
}

/* A source whose second read waits. */
static void on_late_source(struct http_exchange *exchange)
{
    const struct http_response response = {
        .status = 200,
        .length = 20,
        .source = {.read = read_late, .close = close_source},
    };

    sources_open++;
    assert_int_equal(http_respond(exchange, &response), 0);
}

static void on_slow(struct http_exchange *exchange)
{
    void (*happens)(void) = while_waiting;

    while_waiting = NULL;
    if (happens != NULL)
        happens();
    http_respond_text(exchange, 200, NULL, "slow");
}

static void on_begin(struct http_exchange *exchange)
{
    (void)exchange;
    while_waiting();
}

static void on_never(struct http_exchange *exchange)
{
    (void)exchange;
    fail_msg("the exchange was over");
}

static void on_end(struct http_exchange *exchange)
{
    (void)exchange;
    ended++;
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = on_quick},
    {.method = "GET", .path = "/slow", .complete = on_slow, .end = on_end},
    {.method = "GET", .path = "/late", .complete = on_late_source},
    {.method = "GET",
     .path = "/begin",
     .begin = on_begin,
     .complete = on_never,
     .end = on_end},
    {.method = "GET", .path = "/source", .complete = on_source, .end = on_end},
};

static void begin_test(void)
{
    server_open_with(routes, COUNT_OF(routes), 2);
    assert_int_equal(world_thread_count, 2);
    ended = 0;
    slow = client_open();
    other = client_open();
}

static void end_test(void)
{
    client_free(other);
    server_close();
}

static unsigned answers(const struct socket *socket, const char *text)
{
    unsigned count = 0;

    for (const char *p = out(socket); (p = strstr(p, text)) != NULL; p++)
        count++;
    return count;
}

static void test_the_services_thread_only_notes_events(void **state)
{
    (void)state;
    begin_test();
    client_send(other, GET("/"));
    client_send(other, GET("/"));
    assert_string_equal(out(other), "");
    assert_false(thread_runs(1));
    assert_int_equal(answers(other, "quick"), 2);
    client_free(slow);
    end_test();
}

static void another_is_served(void)
{
    client_send(other, GET("/"));
    assert_int_equal(answers(other, "quick"), 0);
    assert_false(thread_runs(1));
    assert_int_equal(answers(other, "quick"), 1);
}

static void test_a_handler_that_waits_stops_nobody_else(void **state)
{
    (void)state;
    begin_test();
    while_waiting = another_is_served;
    client_send(slow, GET("/slow"));
    assert_false(thread_runs(0));
    assert_int_equal(answers(other, "quick"), 1);
    assert_int_equal(answers(slow, "slow"), 1);
    client_free(slow);
    end_test();
}

static void more_comes(void)
{
    client_send(slow, GET("/"));
    assert_false(thread_runs(1)); /* it is not run twice at once */
    assert_string_equal(out(slow), "");
}

static void test_what_comes_meanwhile_is_not_forgotten(void **state)
{
    (void)state;
    begin_test();
    while_waiting = more_comes;
    client_send(slow, GET("/slow"));
    assert_false(thread_runs(0));
    assert_int_equal(answers(slow, "slow"), 1);
    assert_int_equal(answers(slow, "quick"), 1);
    client_free(slow);
    end_test();
}

static void the_peer_goes(void)
{
    client_free(slow);
    assert_int_equal(ended, 0);
}

static void test_a_socket_that_goes_while_its_handler_waits(void **state)
{
    (void)state;
    begin_test();
    while_waiting = the_peer_goes;
    client_send(slow, GET("/slow"));
    assert_false(thread_runs(0));
    assert_int_equal(ended, 1);
    assert_int_equal(server.engine->connection_count, 1);
    end_test();
}

static void test_a_socket_that_goes_before_it_is_run(void **state)
{
    (void)state;
    begin_test();
    client_send(slow, GET("/slow"));
    client_send(other, GET("/"));
    client_free(slow);
    assert_false(thread_runs(0));
    assert_int_equal(ended, 0);
    assert_int_equal(answers(other, "quick"), 1);
    end_test();
}

static void the_server_stops(void)
{
    assert_int_equal(http_stop(&server, NS_PER_S), -EBUSY);
    assert_true(slow->is_aborted);
    client_free(slow);
}

static void test_stopping_while_a_handler_waits(void **state)
{
    (void)state;
    begin_test();
    while_waiting = the_server_stops;
    client_send(slow, GET("/slow"));
    assert_false(thread_runs(0));
    assert_int_equal(ended, 1);
    assert_true(other->is_closed);
    end_test();
}

static void the_server_drops_it(void)
{
    assert_int_equal(http_stop(&server, NS_PER_S), -EBUSY);
    assert_true(slow->is_aborted);
}

/* Its close() comes after the answer, which goes nowhere. */
static void test_an_answer_to_a_dropped_connection(void **state)
{
    (void)state;
    begin_test();
    while_waiting = the_server_drops_it;
    client_send(slow, GET("/slow"));
    assert_false(thread_runs(0));
    assert_string_equal(out(slow), "");
    client_free(slow);
    assert_int_equal(ended, 1);
    end_test();
    begin_test();
    while_waiting = the_server_drops_it;
    client_send(slow, GET("/source"));
    assert_false(thread_runs(0));
    assert_int_equal(sources_open, 0);
    client_free(slow);
    end_test();
}

static void test_stopping_while_a_request_begins(void **state)
{
    (void)state;
    begin_test();
    while_waiting = the_server_drops_it;
    client_send(slow, GET("/begin"));
    assert_false(thread_runs(0));
    assert_string_equal(out(slow), "");
    client_free(slow);
    assert_int_equal(ended, 1);
    end_test();
}

static void test_stopping_while_a_source_waits(void **state)
{
    static const int64_t results[] = {10, 0, -EAGAIN, -EIO};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        begin_test();
        while_waiting = the_server_drops_it;
        late_result = results[i];
        client_send(slow, GET("/late"));
        assert_false(thread_runs(0));
        assert_int_equal(answers(slow, "x"), 10);
        assert_int_equal(sources_open, 0);
        client_free(slow);
        end_test();
    }
}

/* The thread takes it from the list after it was dropped. */
static void test_stopping_before_a_connection_is_run(void **state)
{
    (void)state;
    begin_test();
    client_send(slow, "GET / HTTP/1.1\r\n");
    assert_false(thread_runs(0));
    client_send(slow, "Host: h\r\n\r\n");
    the_server_drops_it();
    assert_false(thread_runs(0));
    assert_string_equal(out(slow), "");
    client_free(slow);
    end_test();
}

static void test_threads_that_cannot_be_made(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        world_begin();
        world_thread_count = 0;
        server = (struct http_server){
            .name = "test", .port = 80, .routes = routes, .workers = 3};
        thread_error_at = n;
        assert_int_equal(http_serve(&server), -EAGAIN);
        for (unsigned i = 0; i < world_thread_count; i++)
            assert_true(thread_runs(i));
        assert_int_equal(world_thread_count, n - 1);
        assert_int_equal(mem_blocks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_services_thread_only_notes_events),
        cmocka_unit_test(test_a_handler_that_waits_stops_nobody_else),
        cmocka_unit_test(test_what_comes_meanwhile_is_not_forgotten),
        cmocka_unit_test(test_a_socket_that_goes_while_its_handler_waits),
        cmocka_unit_test(test_a_socket_that_goes_before_it_is_run),
        cmocka_unit_test(test_stopping_while_a_handler_waits),
        cmocka_unit_test(test_an_answer_to_a_dropped_connection),
        cmocka_unit_test(test_stopping_while_a_request_begins),
        cmocka_unit_test(test_stopping_while_a_source_waits),
        cmocka_unit_test(test_stopping_before_a_connection_is_run),
        cmocka_unit_test(test_threads_that_cannot_be_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
