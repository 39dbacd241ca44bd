#include "tests/stress/stress.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/sync_check.h"
#include "kernel/thread/thread.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { BLOCKS = 8, CHANNEL = 4096, CHILD_OPS = 6 };

/* Each element belongs to its CPU. */
static struct {
    struct channel *channel; /* blocks for the sink of this CPU to free */
    struct mutex *mutex;
    struct semaphore *never; /* nobody posts it */
    unsigned inside;         /* threads that hold the mutex */
    uint64_t calls;          /* remote calls run here */
    uint64_t blocks;         /* when the round began */
    unsigned threads;
    int line; /* where something was wrong here */
} per_cpu[HAL_CPU_MAX] __attribute__((aligned(64)));

#define EXPECT(e)                                  \
    do {                                           \
        if (!(e) && per_cpu[cpu_id()].line == 0) { \
            log_error("stress: %s", #e);           \
            per_cpu[cpu_id()].line = __LINE__;     \
        }                                          \
    } while (0)

/* ---- A worker ------------------------------------------------------------ */

struct worker {
    uint64_t random;
    unsigned ops;
    unsigned depth;   /* a child of a child of ... */
    unsigned victims; /* threads made before this one */
    thread_id victim[STRESS_WORKERS_MAX];
    uint8_t *block[BLOCKS]; /* size in the first two bytes */
};

/* xorshift64 (Marsaglia, 2003). */
static unsigned draw(struct worker *worker, unsigned n)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return (unsigned)(worker->random >> 20) % n;
}

static size_t block_size(const uint8_t *block)
{
    return (size_t)block[0] << 8 | block[1];
}

static void block_check(const uint8_t *block)
{
    size_t size = block_size(block);

    for (size_t i = 2; i < size; i++)
        EXPECT(block[i] == (uint8_t)(size + i));
}

static void block_make(struct worker *worker, unsigned at)
{
    size_t size = 16 + draw(worker, draw(worker, 8) == 0 ? 9000 : 300);
    uint8_t *block = mem_alloc(size);

    if (block == NULL)
        return;
    block[0] = (uint8_t)(size >> 8);
    block[1] = (uint8_t)size;
    for (size_t i = 2; i < size; i++)
        block[i] = (uint8_t)(size + i);
    worker->block[at] = block;
}

static void block_drop(struct worker *worker, unsigned at)
{
    block_check(worker->block[at]);
    mem_free(worker->block[at]);
    worker->block[at] = NULL;
}

static void block_send(struct worker *worker, unsigned at)
{
    unsigned cpu = draw(worker, cpu_count());

    if (channel_send(per_cpu[cpu].channel,
                     (uint64_t)(uintptr_t)worker->block[at]) == 0)
        worker->block[at] = NULL;
}

static void do_blocks(struct worker *worker)
{
    unsigned at = draw(worker, BLOCKS);

    if (worker->block[at] == NULL)
        block_make(worker, at);
    else if (draw(worker, 2) == 0)
        block_drop(worker, at);
    else
        block_send(worker, at);
}

/* What it still has, when it ends or is killed. */
static void worker_cleanup(void *arg)
{
    struct worker *worker = arg;

    for (unsigned i = 0; i < BLOCKS; i++) {
        if (worker->block[i] != NULL)
            block_drop(worker, i);
    }
    if (worker->depth > 0)
        mem_free(worker);
}

/* ---- What it does -------------------------------------------------------- */

static void mutex_cleanup(void *arg)
{
    (void)arg;
    per_cpu[cpu_id()].inside--;
    EXPECT(mutex_unlock(per_cpu[cpu_id()].mutex) == 0);
}

static void do_mutex(struct worker *worker)
{
    unsigned cpu = cpu_id();
    struct thread_cleanup cleanup;

    if (draw(worker, 2) == 0 ||
        mutex_lock(per_cpu[cpu].mutex, time_ns() + draw(worker, 9000)) != 0)
        return;
    EXPECT(per_cpu[cpu].inside++ == 0);
    thread_cleanup_push(&cleanup, mutex_cleanup, NULL);
    /* It may be killed in this wait, but not moved: the mutex stays here. */
    EXPECT(semaphore_wait(per_cpu[cpu].never, time_ns() + draw(worker, 9000)) ==
           -ETIMEDOUT);
    EXPECT(per_cpu[cpu].inside == 1);
    thread_cleanup_pop(&cleanup, true);
}

static int called(void *arg)
{
    (void)arg;
    per_cpu[cpu_id()].calls++;
    if (per_cpu[cpu_id()].calls % 3 == 0)
        thread_yield();
    return 42;
}

static void do_call(struct worker *worker)
{
    int status = remote_call(draw(worker, cpu_count()), called, NULL);

    EXPECT(status == 42 || status == -ENOMEM);
}

static void do_victim(struct worker *worker)
{
    struct thread_info info;
    thread_id victim;
    int status;

    if (worker->victims == 0)
        return;
    victim = worker->victim[draw(worker, worker->victims)];
    switch (draw(worker, 8)) {
    case 0:
        status = thread_kill(victim);
        break;
    case 1:
        status = thread_suspend(victim);
        EXPECT(status == 0 || status == -ESRCH);
        thread_yield();
        status = thread_resume(victim);
        break;
    case 2:
    case 3:
        status = thread_move(victim, draw(worker, cpu_count()));
        break;
    default:
        status = thread_get_info(victim, &info);
        EXPECT(status != 0 || info.state <= THREAD_ENDED);
    }
    EXPECT(status == 0 || status == -ESRCH);
}

static int worker_main(void *arg);

static void do_child(struct worker *worker)
{
    struct thread_attr attr = {.place = THREAD_ON_CPU,
                               .cpu = draw(worker, cpu_count())};
    struct worker *child;
    thread_id id;
    int value;

    if (worker->depth >= 2)
        return;
    child = mem_alloc_zeroed(sizeof(*child));
    if (child == NULL)
        return;
    child->random = worker->random * 2 + 1;
    child->ops = CHILD_OPS;
    child->depth = worker->depth + 1;
    if (thread_create(&attr, worker_main, child, &id) != 0) {
        mem_free(child);
        return;
    }
    if (draw(worker, 2) == 0) {
        EXPECT(thread_detach(id) == 0);
    } else {
        EXPECT(thread_join(id, &value) == 0);
        EXPECT(value == 0 || value == -ECANCELED);
    }
}

static void step(struct worker *worker)
{
    switch (draw(worker, 16)) {
    case 0:
    case 1:
        thread_yield();
        break;
    case 2:
        thread_sleep(draw(worker, 20000));
        break;
    case 3:
    case 4:
        EXPECT(thread_migrate(draw(worker, cpu_count())) == 0);
        break;
    case 5:
        do_child(worker);
        break;
    case 6:
        do_call(worker);
        break;
    case 7:
        do_mutex(worker);
        break;
    case 8:
    case 9:
        do_victim(worker);
        break;
    case 10:
        heap_fail(draw(worker, 6));
        break;
    default:
        do_blocks(worker);
    }
}

static int worker_main(void *arg)
{
    struct worker *worker = arg;
    struct thread_cleanup cleanup;

    thread_cleanup_push(&cleanup, worker_cleanup, worker);
    thread_local_set(worker);
    for (unsigned i = worker->ops; i > 0; i--)
        step(worker);
    EXPECT(thread_local_get() == worker);
    thread_cleanup_pop(&cleanup, true);
    return 0;
}

/* ---- The sinks: they free what is sent ----------------------------------- */

static int sink_main(void *arg)
{
    uint64_t value;

    (void)arg;
    for (;;) {
        EXPECT(channel_receive(per_cpu[cpu_id()].channel, TIME_NEVER, &value) ==
               0);
        if (value == 0)
            return 0;
        block_check((const uint8_t *)(uintptr_t)value);
        mem_free((void *)(uintptr_t)value);
    }
}

/* ---- A round ------------------------------------------------------------- */

static int cpu_begin(void *arg)
{
    unsigned cpu = cpu_id();

    (void)arg;
    per_cpu[cpu].line = 0;
    per_cpu[cpu].inside = 0;
    thread_sleep(NS_PER_MS); /* the first timer of a CPU allocates its table */
    if (channel_create(CHANNEL, &per_cpu[cpu].channel) != 0)
        return __LINE__;
    if (mutex_create(&per_cpu[cpu].mutex) != 0)
        return __LINE__;
    if (semaphore_create(0, &per_cpu[cpu].never) != 0)
        return __LINE__;
    return 0;
}

static int cpu_end(void *arg)
{
    unsigned cpu = cpu_id();

    (void)arg;
    heap_fail(0);
    EXPECT(channel_destroy(per_cpu[cpu].channel) == 0);
    EXPECT(mutex_destroy(per_cpu[cpu].mutex) == 0);
    EXPECT(semaphore_destroy(per_cpu[cpu].never) == 0);
    return per_cpu[cpu].line;
}

/* Failures of memory asked for end before the sinks and checks need it. */
static int cpu_calm(void *arg)
{
    (void)arg;
    heap_fail(0);
    return 0;
}

/* What lives here now: blocks, and threads but the one that asks. */
static int cpu_count_things(void *arg)
{
    struct mem_stats stats;

    (void)arg;
    mem_trim();
    mem_get_stats(&stats);
    per_cpu[cpu_id()].blocks = stats.block_count;
    per_cpu[cpu_id()].threads = cpu_self()->thread_count;
    channel_check(per_cpu[cpu_id()].channel);
    mutex_check(per_cpu[cpu_id()].mutex);
    semaphore_check(per_cpu[cpu_id()].never);
    return 0;
}

static int on_all(int (*fn)(void *))
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        int status;

        /* A failure somebody asked for may still be waiting there. */
        do {
            status = remote_call(cpu, fn, NULL);
        } while (status == -ENOMEM);
        if (status != 0)
            return status;
    }
    return 0;
}

/* They are freed when they were joined: a thread that is killed before its
 * first turn never runs. Children, which nobody can kill, free themselves. */
static struct worker *workers[STRESS_WORKERS_MAX];

static int workers_start(const struct stress *stress, thread_id *ids)
{
    uint64_t random = stress->seed * 2 + 1;

    for (unsigned i = 0; i < stress->workers; i++) {
        const struct thread_attr attr = {.place = THREAD_SPREAD,
                                         .name = "worker"};
        struct worker *worker;

        do {
            worker = mem_alloc_zeroed(sizeof(*worker));
        } while (worker == NULL);
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        workers[i] = worker;
        worker->random = random;
        worker->ops = stress->ops;
        worker->victims = i;
        for (unsigned j = 0; j < i; j++)
            worker->victim[j] = ids[j];
        while (thread_create(&attr, worker_main, worker, &ids[i]) != 0)
            thread_yield();
    }
    return 0;
}

/* One that was suspended by a thread that was then killed must go on. */
static int workers_join(const struct stress *stress, const thread_id *ids)
{
    int bad = 0;
    int value;

    for (unsigned i = 0; i < stress->workers; i++) {
        struct thread_info info;

        while (thread_get_info(ids[i], &info) == 0 &&
               info.state != THREAD_ENDED) {
            if (thread_resume(ids[i]) != 0)
                break;
            thread_sleep(20000);
        }
        if (thread_join(ids[i], &value) != 0)
            bad = __LINE__;
        else if (value != 0 && value != -ECANCELED)
            bad = __LINE__;
        mem_free(workers[i]);
    }
    return bad;
}

/* Detached threads end, and blocks come home, some time after all else: soon,
 * or within five seconds. */
static int settle(const uint64_t *blocks, const unsigned *threads)
{
    for (int tries = 0; tries < 1100; tries++) {
        bool same = true;

        if (on_all(cpu_count_things) != 0)
            return __LINE__;
        for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
            same = same && per_cpu[cpu].blocks == blocks[cpu] &&
                   per_cpu[cpu].threads == threads[cpu];
        if (same)
            return 0;
        thread_sleep(tries < 100 ? 50000 : 5000000);
    }
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        log_error("cpu %u: %lu blocks, were %lu; %u threads, were %u", cpu,
                  (unsigned long)per_cpu[cpu].blocks,
                  (unsigned long)blocks[cpu], per_cpu[cpu].threads,
                  threads[cpu]);
    return __LINE__;
}

static int sinks_start(thread_id *ids)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {
            .place = THREAD_ON_CPU, .cpu = cpu, .name = "sink"};

        if (thread_create(&attr, sink_main, NULL, &ids[cpu]) != 0)
            return __LINE__;
    }
    return 0;
}

static int sinks_end(const thread_id *ids)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        if (channel_send(per_cpu[cpu].channel, 0) != 0 ||
            thread_join(ids[cpu], NULL) != 0)
            return __LINE__;
    }
    return 0;
}

int stress_run(const struct stress *stress)
{
    static uint64_t blocks[HAL_CPU_MAX]; /* of the CPU of the caller */
    static unsigned threads[HAL_CPU_MAX];
    static thread_id ids[STRESS_WORKERS_MAX];
    static thread_id sinks[HAL_CPU_MAX];
    int status = on_all(cpu_begin);

    if (status == 0)
        status = sinks_start(sinks);
    if (status == 0)
        status = on_all(cpu_count_things);
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        blocks[cpu] = per_cpu[cpu].blocks;
        threads[cpu] = per_cpu[cpu].threads;
    }
    if (status == 0)
        status = workers_start(stress, ids);
    if (status == 0)
        status = workers_join(stress, ids);
    if (status == 0)
        status = settle(blocks, threads);
    if (status == 0)
        status = on_all(cpu_calm);
    if (status == 0)
        status = sinks_end(sinks);
    return status != 0 ? status : on_all(cpu_end);
}
