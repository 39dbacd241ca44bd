/* The main function of an application that is a server and nothing else. */
#include <torc/http.h>
#include <torc/net_card.h>
#include <torc/thread.h>
#include <torc/time.h>

int http_main(struct http_server *server, int argc)
{
    if (argc > 1 || net_card_start_all(&server->port) != 0 ||
        http_serve_all(server) != 0)
        return 2;
    thread_sleep_until(TIME_NEVER);
    return 0;
}
