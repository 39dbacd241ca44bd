/*
 * What random flips of bits are done to (tests/flips/flips.py). Workers on all
 * CPUs make blocks of numbers, hand them to each other, sort them and sum them
 * up; everything is computed in two ways, and compared. The last line has the
 * result and a check of the line itself, which somebody outside compares.
 */
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { WORKERS = 4, ROUNDS = 24, NUMBERS = 700 };
#define PATIENCE_NS (10 * NS_PER_S)

struct block {
    uint64_t seed;
    uint64_t sum; /* of the numbers, as they were made */
    uint64_t mix;
    uint64_t number[NUMBERS];
};

/* Each worker's, written before it ends; main reads it behind the join. */
static struct result {
    uint64_t sum, sum_again; /* by the two ways */
    unsigned rounds;
} results[WORKERS];

static struct channel *channels[WORKERS]; /* constant once workers run */
static uint64_t start_ns;

static uint64_t next_number(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The seed that a block of a worker has in a round. */
static uint64_t seed_of(unsigned worker, unsigned round)
{
    return UINT64_C(0x9e3779b97f4a7c15) * (worker * 1000 + round + 1);
}

static struct block *block_make(unsigned worker, unsigned round)
{
    struct block *block = mem_alloc(sizeof(*block));
    uint64_t seed = seed_of(worker, round);

    assert(block != NULL);
    block->seed = seed;
    block->sum = block->mix = 0;
    for (unsigned i = 0; i < NUMBERS; i++) {
        block->number[i] = next_number(&seed);
        block->sum += block->number[i];
        block->mix ^= block->number[i];
    }
    return block;
}

static void block_sort(struct block *block)
{
    for (unsigned gap = NUMBERS / 2; gap > 0; gap /= 2) {
        for (unsigned i = gap; i < NUMBERS; i++) {
            uint64_t number = block->number[i];
            unsigned k = i;

            for (; k >= gap && block->number[k - gap] > number; k -= gap)
                block->number[k] = block->number[k - gap];
            block->number[k] = number;
        }
    }
}

/* The numbers are in order, and are those that its seed gives. */
static uint64_t block_check(const struct block *block)
{
    uint64_t seed = block->seed, sum = 0, mix = 0, again = 0, mixed = 0;

    for (unsigned i = 0; i < NUMBERS; i++) {
        uint64_t number = next_number(&seed);

        assert(i == 0 || block->number[i - 1] <= block->number[i]);
        sum += block->number[i];
        mix ^= block->number[i];
        again += number;
        mixed ^= number;
    }
    assert(sum == again && sum == block->sum);
    assert(mix == mixed && mix == block->mix);
    return sum;
}

static int work(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    unsigned from = (me + WORKERS - 1) % WORKERS, to = (me + 1) % WORKERS;
    struct result *result = &results[me];

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t value, sum = 0;
        struct block *block = block_make(me, round);
        uint64_t seed = seed_of(from, round);

        assert(channel_send(channels[to], (uintptr_t)block) == 0);
        assert(channel_receive(channels[me], start_ns + PATIENCE_NS, &value) ==
               0);
        block = (struct block *)(uintptr_t)value;
        assert(block->seed == seed);
        block_sort(block);
        result->sum += block_check(block);
        for (unsigned i = 0; i < NUMBERS; i++)
            sum += next_number(&seed);
        result->sum_again += sum;
        assert(result->sum == result->sum_again);
        mem_free(block);
        result->rounds++;
        thread_yield();
    }
    assert(result->rounds == ROUNDS);
    return (int)me + 40;
}

static int channel_make(void *arg)
{
    return channel_create(4, arg);
}

static unsigned cpu_of_worker(unsigned i)
{
    return i % cpu_count();
}

static void workers_start(thread_id ids[WORKERS])
{
    for (unsigned i = 0; i < WORKERS; i++)
        assert(remote_call(cpu_of_worker(i), channel_make, &channels[i]) == 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        const struct thread_attr attr = {
            .name = "worker", .place = THREAD_ON_CPU, .cpu = cpu_of_worker(i)};

        assert(thread_create(&attr, work, (void *)(uintptr_t)i, &ids[i]) == 0);
    }
}

static int app_main(int argc, char **argv)
{
    thread_id ids[WORKERS];
    uint64_t sum = 0, again = 0;

    (void)argc;
    (void)argv;
    start_ns = time_ns();
    workers_start(ids);
    for (unsigned i = 0; i < WORKERS; i++) {
        int value;

        assert(thread_join(ids[i], &value) == 0);
        assert(value == (int)i + 40);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        assert(results[i].sum == results[i].sum_again);
        assert(results[i].rounds == ROUNDS);
        sum += results[i].sum;
        again += results[i].sum_again;
    }
    assert(sum == again);
    console_print("result %016llx check %016llx\n", (unsigned long long)sum,
                  (unsigned long long)(again * 3 ^ UINT64_C(0x5bd1e995)));
    return 0;
}

static const struct driver *const drivers[] = {&asleep_driver, &dump_driver,
                                               NULL};

const struct torc_app torc_app = {
    .name = "flips",
    .drivers = drivers,
    .main = app_main,
};
