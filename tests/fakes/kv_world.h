/*
 * A kvstore in a world of the test (site_world.h): its CPUs are the test's, and
 * messages between them wait until the test delivers them. Includes the
 * store's sources.
 */
#ifndef TORC_TESTS_FAKES_KV_WORLD_H
#define TORC_TESTS_FAKES_KV_WORLD_H

#define SITE_WORLD_OTHER_FILES
static inline void world_files_begin(void)
{
}
#include "tests/fakes/site_world.h"
/* the world first */
#include <malloc.h>
#include <setjmp.h>

static inline size_t world_usable_size(const void *block)
{
    return malloc_usable_size((void *)(uintptr_t)block);
}
size_t world_free_bytes(void);
int world_thread_create(const struct thread_attr *attr, int (*fn)(void *),
                        void *arg, thread_id *out);

#define mem_usable_size               world_usable_size
#define mem_free_bytes                world_free_bytes
#define cpu_count                     world_cpu_count
#define cpu_id                        world_cpu_id
#define remote_call                   world_remote_call
#define service_register_all(service) service_register(service)
#define channel_create                world_channel_create
#define channel_send                  world_channel_send
#define channel_receive               world_channel_receive
#define thread_create                 world_thread_create
#define random_bytes                  world_random_bytes
#define log_write(...)                ((void)0)
#include "apps/kvstore/about.c"
#include "apps/kvstore/commands.c"
#include "apps/kvstore/resp.c"
#include "apps/kvstore/server.c"
#include "apps/kvstore/shard.c"
#include "apps/kvstore/table.c"
#include "apps/kvstore/write.c"

/* ---- The machine --------------------------------------------------------- */

enum { WORLD_CPUS_MAX = 4 };

static unsigned world_cpus = 1;
static unsigned cpu_now;    /* whose code runs */
static unsigned client_cpu; /* that has the connections of the test */
static struct channel {
    unsigned cpu;
    uint64_t values[2 * KV_CALLS_MAX];
    unsigned count;
} channels[2 * WORLD_CPUS_MAX];
static unsigned channels_made;
static bool messages_fail;
static uint64_t receiving_ns;   /* how long it takes until a message comes */
static unsigned sleeps;         /* how often a thread waits in vain, */
static jmp_buf *thread_is_left; /* until it is left here */

size_t mem_free_bytes(void)
{
    return 4 << 20;
}

unsigned cpu_count(void)
{
    return world_cpus;
}

unsigned cpu_id(void)
{
    return cpu_now;
}

int remote_call(unsigned cpu, int (*fn)(void *), void *arg)
{
    unsigned before = cpu_now;
    int status;

    cpu_now = cpu;
    status = fn(arg);
    cpu_now = before;
    return status;
}

int channel_create(unsigned capacity, struct channel **out)
{
    assert_int_equal(capacity, KV_CALLS_MAX);
    *out = &channels[channels_made++];
    (*out)->cpu = cpu_now;
    (*out)->count = 0;
    return 0;
}

int channel_send(struct channel *channel, uint64_t value)
{
    if (messages_fail)
        return -ENOMEM;
    assert_true(channel->count < KV_CALLS_MAX);
    channel->values[channel->count++] = value;
    return 0;
}

int channel_receive(struct channel *channel, uint64_t deadline_ns,
                    uint64_t *value)
{
    if (thread_is_left == NULL)
        fail_msg("no thread runs here");
    if (channel->count > 0) {
        now_ns += receiving_ns;
        *value = channel->values[0];
        channel->count--;
        memmove(channel->values, channel->values + 1,
                channel->count * sizeof(channel->values[0]));
        return 0;
    }
    if (deadline_ns == 0)
        return -ETIMEDOUT;
    if (deadline_ns == TIME_NEVER || sleeps-- == 0)
        longjmp(*thread_is_left, 1);
    now_ns = deadline_ns > now_ns ? deadline_ns : now_ns;
    return -ETIMEDOUT;
}

int thread_create(const struct thread_attr *attr, int (*fn)(void *), void *arg,
                  thread_id *out)
{
    (void)attr;
    (void)fn;
    (void)arg;
    (void)out;
    return 0;
}

int random_bytes(void *buf, size_t len)
{
    memset(buf, 7, len);
    return 0;
}

/* Let a thread of the store run: it takes all that has been sent to it, and
 * then waits `times` times until its deadline. */
static inline void thread_runs(unsigned cpu, int (*fn)(void *), void *arg,
                               unsigned times)
{
    jmp_buf here;

    cpu_now = cpu;
    sleeps = times;
    thread_is_left = &here;
    if (setjmp(here) == 0)
        fn(arg);
    thread_is_left = NULL;
    cpu_now = client_cpu;
}

/* What the thread of a shard does with all that it has been sent. */
static inline void shard_works(unsigned cpu)
{
    struct channel *channel = shards[cpu]->channel;

    cpu_now = cpu;
    for (unsigned i = 0; i < channel->count; i++) {
        struct kv_slot *slot = (struct kv_slot *)channel->values[i];

        run_slot(&shards[cpu]->table, slot);
        send_home(shards[slot->call->home_cpu]->answers, slot);
    }
    channel->count = 0;
    cpu_now = client_cpu;
}

static inline unsigned under_way(void)
{
    return shards[client_cpu]->under_way;
}

/* What the thread for answers does. */
static inline void home_works(void)
{
    struct channel *home = shards[client_cpu]->answers;
    unsigned count = home->count;
    uint64_t values[2 * KV_CALLS_MAX];

    memcpy(values, home->values, count * sizeof(values[0]));
    home->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct kv_slot *slot = (struct kv_slot *)values[i];

        if (values[i] != WAKE_HOME)
            take_answer(slot);
    }
    answered(NULL);
}

/* Everybody works until nothing is under way. */
static inline void all_work(void)
{
    do {
        for (unsigned cpu = 0; cpu < world_cpus && world_cpus > 1; cpu++)
            shard_works(cpu);
        home_works();
    } while (under_way() > 0);
}

/* ---- The store ----------------------------------------------------------- */

static inline void store_open(unsigned cpus, uint64_t max_bytes,
                              uint64_t value_max)
{
    const struct kv_options options = {.port = 6379,
                                       .connections_max = 100,
                                       .max_bytes = max_bytes,
                                       .value_max = value_max};

    world_begin();
    world_cpus = cpus;
    cpu_now = client_cpu = 0;
    channels_made = 0;
    messages_fail = false;
    receiving_ns = 0;
    assert_int_equal(kv_serve(&options), 0);
}

/* Nothing of it is left. */
static inline void store_close(void)
{
    for (unsigned cpu = 0; cpu < world_cpus; cpu++) {
        assert_int_equal(shards[cpu]->under_way, 0);
        assert_int_equal(fronts[cpu]->connections, 0);
        mem_free(fronts[cpu]);
        mem_free(shards[cpu]->parts);
        kv_table_check(&shards[cpu]->table);
        kv_table_fini(&shards[cpu]->table);
        mem_free(shards[cpu]);
    }
    mem_free(shards);
    mem_free(fronts);
    assert_int_equal(mem_blocks, 0);
}

/* NULL: it is refused. */
static inline struct socket *client_connect(void)
{
    return client_try(10000000);
}

static inline void client_send_bytes(struct socket *socket, const char *bytes,
                                     size_t len)
{
    if (!is_open(socket))
        return;
    if (socket->in_at == socket->in_len) {
        socket->in_at = 0;
        socket->in_len = 0;
    }
    assert_true(socket->in_len + len <= sizeof(socket->in));
    memcpy(socket->in + socket->in_len, bytes, len);
    socket->in_len += len;
    served->receive(served, socket);
}

#endif
