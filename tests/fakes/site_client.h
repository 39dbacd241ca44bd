/*
 * A site in a world of the test (http_world.h): its end. Included behind the
 * site's sources.
 */
#ifndef TORC_TESTS_FAKES_SITE_CLIENT_H
#define TORC_TESTS_FAKES_SITE_CLIENT_H

#include "apps/site/site.h"
#include "tests/fakes/http_world.h"

/* Free all of it; it has no connections. */
static inline void site_fini(void)
{
    engine_check_empty(site.server.engine);
    engine_end(site.server.engine);
    responder_fini(&site.responder);
}

/* Nothing of it is left. */
static inline void site_end(void)
{
    site_fini();
    assert_int_equal(mem_blocks, 0);
}

#endif
