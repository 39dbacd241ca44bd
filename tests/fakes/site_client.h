/*
 * A client of a site in a world of the test (site_world.h). Included behind the
 * site's sources.
 */
#ifndef TORC_TESTS_FAKES_SITE_CLIENT_H
#define TORC_TESTS_FAKES_SITE_CLIENT_H

#include "apps/site/connection.h"
#include "tests/fakes/site_world.h"

static inline struct socket *client_open(void)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    socket->room = 1000000;
    assert_int_equal(served->accept(served, socket), 0);
    return socket;
}

/* The connection is over. */
static inline void client_free(struct socket *socket)
{
    served->close(served, socket);
    free(socket->out);
    free(socket);
}

static inline bool is_open(const struct socket *socket)
{
    return !socket->is_closed && !socket->is_aborted;
}

/* What it has got. */
static inline const char *out(const struct socket *socket)
{
    return socket->out == NULL ? "" : socket->out;
}

/* `ns` pass without a byte; the service calls every CONNECTION_CHECK_NS. */
static inline void pass(struct socket *socket, uint64_t ns)
{
    uint64_t end = now_ns + ns;

    while (is_open(socket) && now_ns + CONNECTION_CHECK_NS <= end) {
        now_ns += CONNECTION_CHECK_NS;
        served->timeout(served, socket);
    }
    now_ns = end;
}

#endif
