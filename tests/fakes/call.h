/*
 * Calls that wait, made by a second thread, on the bench of netbench.h. A test
 * has a structure of its own for what it calls, with `is_done` and `result`,
 * which its thread sets:
 *
 *     call_start(run, &call);
 *     assert_waits(&call);
 *     peer_send(...);
 *     assert_done(&call, 0);
 */
#ifndef TORC_TESTS_FAKES_CALL_H
#define TORC_TESTS_FAKES_CALL_H

#include "kernel/heap/heap.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <torc/memory.h>
#include <torc/thread.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static inline int call_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The machine of the bench has had so many threads at once, and keeps their
 * stacks. */
static inline void call_threads(unsigned count)
{
    const struct thread_attr attr = {.name = "spare", .detached = true};
    struct mem_stats before, after;

    mem_get_stats(&before);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(thread_create(&attr, call_nothing, NULL, NULL), 0);
    thread_yield();
    mem_get_stats(&after);
    bench.blocks += after.block_count - before.block_count;
}

/* Let a thread run it until it waits or is done. */
static inline void call_start(int (*run)(void *arg), void *arg)
{
    const struct thread_attr attr = {.name = "call", .detached = true};

    assert_int_equal(thread_create(&attr, run, arg, NULL), 0);
    thread_yield();
}

#define assert_waits(call)             \
    do {                               \
        thread_yield();                \
        assert_false((call)->is_done); \
    } while (0)

#define assert_done(call, want)                            \
    do {                                                   \
        thread_yield();                                    \
        assert_true((call)->is_done);                      \
        assert_int_equal((call)->result, (int64_t)(want)); \
    } while (0)

#endif
