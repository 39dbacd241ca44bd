/* The allocator rows with Torc: alloc_torc --cpus 2 -- ROUNDS */
#include "kernel/lib/str.h"
#include "tests/bench/alloc_loops.h"
#include "tests/bench/bench.h"
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/thread.h>

static int serve(void *arg)
{
    (void)arg;
    bench_pin(1);
    pair_serve();
    return 0;
}

static int app_main(int argc, char **argv)
{
    const struct thread_attr attr = {
        .name = "second", .place = THREAD_ON_CPU, .cpu = 1};
    uint64_t rounds = 3;

    if (cpu_count() != 2 || (argc > 1 && str_to_u64(argv[1], &rounds) != 0)) {
        log_error("alloc_torc wants --cpus 2 and a number of rounds");
        return 2;
    }
    bench_pin(0);
    if (thread_create(&attr, serve, NULL, NULL) != 0)
        return 1;
    alloc_prepare();
    for (const struct alloc_load *l = alloc_loads; l->row != NULL; l++) {
        l->run(l->count / 2);
        for (uint64_t i = 0; i < rounds; i++)
            console_print("sample %s torc %lu\n", l->row,
                          l->run(l->count) * 1000 / l->count);
    }
    pair_stop();
    return 0;
}

const struct torc_app torc_app = {.name = "alloc_torc", .main = app_main};
