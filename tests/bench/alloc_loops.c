#include "tests/bench/alloc_loops.h"
#include "bench_alloc.h"
#include "tests/bench/bench.h"
#include <stddef.h>

enum { LIVE = 1000, CHOICES = 16 * 1024, RING = 1024 };

/* One to replace, by a block of that size; drawn before the clock starts. */
static struct choice {
    uint16_t index;
    uint16_t size;
} choices[CHOICES];

static struct live {
    void *blocks[LIVE];
} live[2] BENCH_LINE; /* one a processor */

static void touch(void *block)
{
    *(volatile char *)block = 1;
}

void alloc_prepare(void)
{
    uint64_t random = 88172645463325252;

    for (unsigned i = 0; i < CHOICES; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        choices[i].index = (uint16_t)(random % LIVE);
        choices[i].size = (uint16_t)(16 + (random >> 32) % (512 - 16 + 1));
    }
}

/* ---- One processor ------------------------------------------------------- */

static uint64_t pair_64(uint64_t count)
{
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < count; i++) {
        void *block = bench_alloc(64);

        touch(block);
        bench_free(block);
    }
    return bench_now_ns() - start;
}

static void mix(struct live *mine, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct choice *choice = &choices[i % CHOICES];
        void **block = &mine->blocks[choice->index];

        bench_free(*block);
        *block = bench_alloc(choice->size);
        touch(*block);
    }
}

static void empty(struct live *mine)
{
    for (unsigned i = 0; i < LIVE; i++) {
        bench_free(mine->blocks[i]);
        mine->blocks[i] = NULL;
    }
}

static uint64_t mixed(uint64_t count)
{
    uint64_t start;

    mix(&live[0], CHOICES);
    start = bench_now_ns();
    mix(&live[0], count);
    start = bench_now_ns() - start;
    empty(&live[0]);
    return start;
}

/* ---- Two processors, each for itself ------------------------------------- */

static void mix_here(uint64_t count)
{
    mix(&live[0], count);
}

static void mix_there(uint64_t count)
{
    mix(&live[1], count);
}

static void empty_here(uint64_t count)
{
    (void)count;
    empty(&live[0]);
}

static void empty_there(uint64_t count)
{
    (void)count;
    empty(&live[1]);
}

static uint64_t mixed_two(uint64_t count)
{
    uint64_t ns;

    pair_run(mix_here, mix_there, CHOICES);
    ns = pair_run(mix_here, mix_there, count);
    pair_run(empty_here, empty_there, 0);
    return ns;
}

/* ---- Allocated here, freed there ----------------------------------------- */

/* The queue, the same for every allocator: published burst by burst. */
static struct {
    uint64_t filled BENCH_LINE; /* by processor 0 */
    uint64_t taken BENCH_LINE;  /* by processor 1 */
    uint64_t settled;
    void *blocks[RING] BENCH_LINE;
} ring;

static unsigned burst; /* divides RING */

static void allocate(uint64_t count)
{
    uint64_t taken = 0;

    for (uint64_t sent = 0; sent < count; sent += burst) {
        while (sent + burst - taken > RING) {
            bench_turn();
            taken = __atomic_load_n(&ring.taken, __ATOMIC_ACQUIRE);
        }
        for (unsigned i = 0; i < burst; i++) {
            void *block = bench_alloc(64);

            touch(block);
            ring.blocks[(sent + i) % RING] = block;
        }
        __atomic_store_n(&ring.filled, sent + burst, __ATOMIC_RELEASE);
        bench_turn();
    }
    while (__atomic_load_n(&ring.settled, __ATOMIC_ACQUIRE) == 0)
        bench_turn();
    bench_turn();
}

static void release(uint64_t count)
{
    uint64_t filled = 0;

    for (uint64_t taken = 0; taken < count; taken += burst) {
        while (filled < taken + burst) {
            bench_turn();
            filled = __atomic_load_n(&ring.filled, __ATOMIC_ACQUIRE);
        }
        for (unsigned i = 0; i < burst; i++)
            bench_free(ring.blocks[(taken + i) % RING]);
        __atomic_store_n(&ring.taken, taken + burst, __ATOMIC_RELEASE);
        bench_turn();
    }
    bench_settle();
    __atomic_store_n(&ring.settled, 1, __ATOMIC_RELEASE);
}

static uint64_t cross(uint64_t count)
{
    ring.filled = 0;
    ring.taken = 0;
    ring.settled = 0;
    return pair_run(allocate, release, count);
}

static uint64_t cross_32(uint64_t count)
{
    burst = 32;
    return cross(count);
}

static uint64_t cross_1(uint64_t count)
{
    burst = 1;
    return cross(count);
}

const struct alloc_load alloc_loads[] = {
    {"alloc64", pair_64, 800000},  {"mixed", mixed, 100000},
    {"mixed2", mixed_two, 100000}, {"cross", cross_32, 96000},
    {"cross1", cross_1, 96000},    {NULL, NULL, 0},
};
