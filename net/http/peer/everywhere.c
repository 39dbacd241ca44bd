/* A server on every CPU of a card. */
#include <torc/http.h>
#include <torc/memory.h>
#include <torc/net.h>

/* Each CPU has a server of its own, in its memory. */
static int serve_here(void *arg)
{
    const struct http_server *pattern = arg;
    struct http_server *server = mem_alloc(sizeof(*server));
    int status;

    if (server == NULL)
        return -ENOMEM;
    *server = *pattern;
    status = http_serve(server);
    if (status != 0)
        mem_free(server);
    return status;
}

int http_serve_all(const struct http_server *server)
{
    struct http_server pattern = *server;

    return net_each_cpu(serve_here, &pattern);
}
