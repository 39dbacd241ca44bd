/* The main function of an application that is a server and nothing else. */
#include "tests/fakes/cmocka_all.h"

#define net_card_start_all world_net_card_start_all
#define http_serve_all     world_http_serve_all
#define thread_sleep_until world_thread_sleep_until
#include "net/http/peer/main.c"

static int card_status, serve_status;
static uint16_t served_port; /* 0: nothing is served */
static unsigned sleeps;

int net_card_start_all(uint16_t *port)
{
    *port = 8080;
    return card_status;
}

int http_serve_all(const struct http_server *server)
{
    served_port = server->port;
    return serve_status;
}

void thread_sleep_until(uint64_t deadline_ns)
{
    assert_true(deadline_ns == TIME_NEVER);
    sleeps++;
}

static void test_main(void **state)
{
    static const struct {
        int argc, card, serve; /* what there is, and what the calls say */
        int status;            /* of http_main() */
        uint16_t port;
        unsigned sleeps;
    } rows[] = {
        {1, 0, 0, 0, 8080, 1},    {2, 0, 0, 2, 0, 0},
        {1, -EINVAL, 0, 2, 0, 0}, {1, 0, -ENOMEM, 2, 8080, 0},
        {0, 0, 0, 0, 8080, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_server server = {.port = 80};

        card_status = rows[i].card;
        serve_status = rows[i].serve;
        served_port = 0;
        sleeps = 0;
        assert_int_equal(http_main(&server, rows[i].argc), rows[i].status);
        assert_int_equal(served_port, rows[i].port);
        assert_int_equal(sleeps, rows[i].sleeps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
