/* The allocator rows with Torc: alloc_torc --cpus 2 -- ROUNDS */
#include "kernel/cpu/exchange_inline.h"
#include "tests/bench/alloc_loops.h"
#include "tests/bench/bench.h"
#include "tests/bench/flow.h"
#include "tests/bench/torc/bench_alloc.h"
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>

/*
 * Allocated here, freed there, as Torc's own messages are: the block is the
 * slot item that carries it, and goes home after it has run.
 */
struct carried {
    struct exchange_item item;
    uint64_t value;
    char rest[40];
};

enum { BURST = 32 };

static uint64_t settled BENCH_LINE;

static void arrived(struct exchange_item *item)
{
    struct carried *carried = container_of(item, struct carried, item);

    flow_came(carried->value);
    mem_free(carried);
}

static void send_items(uint64_t count)
{
    uint64_t sent = 0;

    while (sent < count) {
        while (!flow_room(sent + BURST))
            bench_turn();
        for (unsigned i = 0; i < BURST; i++) {
            struct carried *carried = mem_alloc(64);

            carried->item.run = arrived;
            carried->value = sent++;
            exchange_send(1, &carried->item);
        }
        bench_turn();
    }
    while (__atomic_load_n(&settled, __ATOMIC_ACQUIRE) == 0)
        bench_turn();
    bench_turn();
}

static void take_items(uint64_t count)
{
    while (flow.taken < count)
        bench_turn();
    bench_settle();
    __atomic_store_n(&settled, 1, __ATOMIC_RELEASE);
}

static uint64_t cross_items(uint64_t count)
{
    settled = 0;
    return flow_run(send_items, take_items, count);
}

/* ---- The program --------------------------------------------------------- */

static void measure(const struct alloc_load *load, const char *name,
                    uint64_t rounds)
{
    load->run(load->count);
    for (uint64_t i = 0; i < rounds; i++)
        console_print("sample %s %s %lu\n", load->row, name,
                      bench_sample_ps(load->run, load->count, true));
}

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
    const struct alloc_load items = {"cross", cross_items, 96000};
    uint64_t rounds = 9;

    if (cpu_count() != 2 || (argc > 1 && str_to_u64(argv[1], &rounds) != 0)) {
        log_error("alloc_torc wants --cpus 2 and a number of rounds");
        return 2;
    }
    bench_pin(0);
    if (thread_create(&attr, serve, NULL, NULL) != 0)
        return 1;
    alloc_prepare();
    for (const struct alloc_load *l = alloc_loads; l->row != NULL; l++)
        measure(l, "torc", rounds);
    measure(&items, "items", rounds);
    console_print("disturbed %u\n", bench_disturbed);
    pair_stop();
    return 0;
}

const struct torc_app torc_app = {.name = "alloc_torc", .main = app_main};
