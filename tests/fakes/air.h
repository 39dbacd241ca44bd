/* A link in virtual time: what is under way, the earliest first; and dice. */
#ifndef TORC_TESTS_FAKES_AIR_H
#define TORC_TESTS_FAKES_AIR_H

#include "tests/fakes/cmocka_all.h"
#include <stdbool.h>
#include <stdint.h>

enum { AIR_MAX = 65536 };

/* The first member of what flies. */
struct flight {
    uint64_t due;
    uint64_t serial; /* of two that are due at once the first goes first */
};

static struct flight *air[AIR_MAX]; /* a heap */
static unsigned air_count;
static uint64_t air_serial;

static inline bool air_before(const struct flight *a, const struct flight *b)
{
    return a->due < b->due || (a->due == b->due && a->serial < b->serial);
}

/* Let it fly until `flight->due`. */
static inline void air_add(struct flight *flight)
{
    unsigned at = air_count++;

    assert_true(air_count < AIR_MAX);
    flight->serial = air_serial++;
    for (; at > 0 && air_before(flight, air[(at - 1) / 2]); at = (at - 1) / 2)
        air[at] = air[(at - 1) / 2];
    air[at] = flight;
}

/* Take the earliest; there is one. */
static inline struct flight *air_take(void)
{
    struct flight *first = air[0], *last = air[--air_count];
    unsigned at = 0, child;

    while ((child = 2 * at + 1) < air_count) {
        if (child + 1 < air_count && air_before(air[child + 1], air[child]))
            child++;
        if (!air_before(air[child], last))
            break;
        air[at] = air[child];
        at = child;
    }
    air[at] = last;
    return first;
}

#endif
