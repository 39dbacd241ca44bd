/*
 * A client of a site in a world of the test (site_world.h). Included behind the
 * site's sources.
 */
#ifndef TORC_TESTS_FAKES_SITE_CLIENT_H
#define TORC_TESTS_FAKES_SITE_CLIENT_H

#include "apps/site/connection.h"
#include "tests/fakes/site_world.h"

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
