/*
 * The core of Torc and its peers, in one process and on the same two pthreads:
 * those of Torc's CPUs 0 and 1, each bound to a processor. An application of
 * the hosted machine.
 *
 *   core --cpus 2 -- [ROW]
 */
#include "tests/bench/bench.h"
#include <stddef.h>
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/thread.h>

enum { ROUNDS = 9 /* of one process; the script starts several */ };

struct contender {
    const char *row;
    const char *name;
    bench_fn run;
    uint64_t count; /* operations a round: two milliseconds or so */
    bool gives_way; /* to the host, by sleeping or yielding */
};

/* Rows in pieces of their own; the contenders of a row take turns. */
static const struct contender contenders[] = {
    {"switch", "torc", bench_torc_switch, 300000, false},
    {"switch", "bare", bench_torc_switch_bare, 300000, false},
    {"switch", "boost", bench_fcontext, 300000, false},
    {"switch", "ucontext", bench_ucontext, 20000, false},

    {"yield", "torc", bench_torc_yield, 100000, false},
    {"yield", "sched_yield", bench_sched_yield, 20000, true},

    {"slots32", "torc", bench_torc_slots_32, 320000, false},
    {"slots32", "rte_ring", bench_ring_32, 320000, false},

    {"slots256", "torc", bench_torc_slots_256, 320000, false},
    {"slots256", "rte_ring", bench_ring_256, 320000, false},

    {"slots1", "torc", bench_torc_slots_1, 100000, false},
    {"slots1", "boost", bench_spsc, 100000, false},
    {"slots1", "rte_ring", bench_ring_1, 100000, false},

    {"turn", "torc", bench_torc_turn, 5000, false},
    {"turn", "boost", bench_spsc_turn, 5000, false},
    {"turn", "rte_ring", bench_ring_turn, 5000, false},
    {"turn", "line", bench_line, 10000, false},

    {"channel", "torc", bench_torc_channel, 200, true},
    {"channel", "futex", bench_futex, 200, true},
    {"channel", "cond", bench_cond, 200, true},

    {"call", "torc", bench_torc_remote_call, 200, true},
    {"call", "futex", bench_futex, 200, true},
    {"call", "cond", bench_cond, 200, true},

    /* Only when it is asked for, with trace=mark. */
    {"trace", "torc", bench_torc_trace, 100000, false},
};

static int serve(void *arg)
{
    (void)arg;
    bench_pin(1);
    pair_serve();
    return 0;
}

/* Measure the contenders [first, end), which are one row. */
static void measure(const struct contender *first, const struct contender *end)
{
    for (const struct contender *c = first; c < end; c++)
        c->run(c->count);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (const struct contender *c = first; c < end; c++)
            console_print("sample %s %s %lu\n", c->row, c->name,
                          bench_sample_ps(c->run, c->count, !c->gives_way));
    }
}

static int app_main(int argc, char **argv)
{
    const struct thread_attr attr = {
        .name = "second", .place = THREAD_ON_CPU, .cpu = 1};
    const struct contender *end = contenders + COUNT_OF(contenders);

    if (cpu_count() != 2 || bench_processors() < 2) {
        log_error("core wants two processors and --cpus 2");
        return 2;
    }
    bench_pin(0);
    if (thread_create(&attr, serve, NULL, NULL) != 0)
        return 1;
    thread_yield(); /* let what boot has left over leave this CPU */
    for (const struct contender *c = contenders, *next; c < end; c = next) {
        next = c + 1;
        while (next < end && str_equal(next->row, c->row))
            next++;
        if (argc < 2 ? !str_equal(c->row, "trace") : str_equal(argv[1], c->row))
            measure(c, next);
    }
    console_print("disturbed %u\n", bench_disturbed);
    pair_stop();
    return 0;
}

const struct torc_app torc_app = {.name = "core", .main = app_main};
